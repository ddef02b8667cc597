//! Opens a file of a manifest and checks its version.

use std::path::Path;
use std::sync::Arc;

use crate::manifest::source::fields::{Fields, Text, is_extension};
use crate::manifest::source::files::MAX_FILE_BYTES;
use crate::manifest::source::node::{Entry, Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::source::{fields, yaml};
use crate::nearest::meant;

/// The key of a project file that names the ledger.
pub(crate) const LEDGER: &str = "ledger";

pub(crate) const KEYS: &[&str] = &[
    "version",
    "name",
    "import",
    "provider",
    "env",
    "vars",
    "defaults",
    "stems",
    "presets",
    "sweep",
    "takes",
    "exclude",
    "include",
    "limits",
    "callbacks",
    "retries",
    "on",
    "output",
    "then",
    "recover",
    "reports",
];

/// Reads a file and parses it; what is wrong goes to the report. `from` is where it is named, if it is.
///
/// The lines of a file are shown only when it looks like a manifest: a name in one may lead to any file.
pub(crate) fn open(path: &Path, from: Option<&Text>, report: &mut Report) -> Option<Node> {
    match report.sources.read_text(path, MAX_FILE_BYTES) {
        Ok(text) => parse(path, text, report),
        Err(problem) => {
            let shown = report.sources.shown(path);
            let message = format!("can't read `{shown}`: {problem}");
            match from {
                Some(from) => report.error_at(from.span, message, "named here"),
                None => report.error(message),
            }
            .maybe_help(problem.help());
            None
        }
    }
}

/// Parses the text of a file, or a text in place of the file at `path`.
pub(crate) fn parse(path: &Path, text: Arc<str>, report: &mut Report) -> Option<Node> {
    let shown = report.sources.shown(path);
    let source = report.sources.add(path, text.clone());
    match yaml::parse(&text, source) {
        Ok(Some(node)) => match &node.value {
            Value::Map(entries) if is_manifest(entries) => Some(node),
            value => {
                let kind = match value {
                    Value::Map(_) => "a mapping of other things",
                    _ => node.kind(),
                };
                report
                    .error_at(
                        node.span,
                        format!("`{shown}` is not a manifest but {kind}"),
                        "",
                    )
                    .without_excerpt()
                    .help("the smallest manifest has `version: 1`, `name`, `stems` and `presets`");
                None
            }
        },
        Ok(None) => {
            report
                .error(format!("`{shown}` is empty"))
                .help("the smallest manifest has `version: 1`, `name`, `stems` and `presets`");
            None
        }
        Err(problem) if looks_like_a_manifest(&text) => {
            report
                .error_at(problem.span, problem.message, problem.label)
                .maybe_help(problem.help.map(str::to_owned));
            None
        }
        Err(problem) => {
            report
                .error_at(
                    problem.span,
                    format!("`{shown}` is not a manifest, and not valid YAML"),
                    "",
                )
                .without_excerpt()
                .help("the smallest manifest has `version: 1`, `name`, `stems` and `presets`");
            None
        }
    }
}

/// Whether a mapping is meant as a manifest: most of its keys are a manifest's or slips of one, and at least one is right.
fn is_manifest(entries: &[Entry]) -> bool {
    let known = entries.iter().filter(|it| is_key(&it.key)).count();
    let is_slip = |key: &str| !is_key(key) && !meant(key, KEYS.iter().copied()).is_empty();
    let slips = || entries.iter().filter(|it| is_slip(&it.key)).count();
    known * 2 >= entries.len() || (known > 0 && (known + slips()) * 2 >= entries.len())
}

/// The same of a text that is not valid YAML: there is a line that begins with a manifest's key.
fn looks_like_a_manifest(text: &str) -> bool {
    let key = |line: &str| {
        let line = line.trim_start_matches('{');
        let name = line.split_once(':').map(|(name, _)| name.trim());
        name.is_some_and(|name| is_key(name.trim_matches(['"', '\''])))
    };
    text.lines().any(key)
}

fn is_key(name: &str) -> bool {
    KEYS.contains(&name) || name == LEDGER || is_extension(name)
}

/// Checks `version`, the one thing that every later format keeps.
pub(crate) fn read_version(fields: &Fields<'_>, required: bool, report: &mut Report) {
    match fields.get("version").map(|node| (node, &node.value)) {
        Some((_, Value::Number { written, .. })) if **written == *"1" => {}
        Some((node, Value::Text(text))) if text.trim().parse::<u64>().is_ok() => {
            fields::not_a_number(
                node,
                "`version`",
                "a number",
                "expected `1`".to_owned(),
                report,
            );
        }
        Some((node, _)) => {
            let found = node.scalar_text().unwrap_or(node.kind()).to_owned();
            report
                .error_at(
                    node.span,
                    format!("this version reads manifests of version 1, not `{found}`"),
                    "expected `1`",
                )
                .help("write `version: 1`, or use the program that the manifest was written for");
        }
        None if required && fields.lacks("version") => {
            report
                .error_at(
                    fields.span,
                    "`version` is missing",
                    "expected it among these keys",
                )
                .help("add `version: 1` at the top");
        }
        None => {}
    }
}
