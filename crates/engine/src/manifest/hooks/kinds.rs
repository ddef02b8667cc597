//! The kinds of hooks that are more than a program: scripts, addresses, copies of kept tracks.

use std::path::Path;

use url::Url;

use super::ReadContext;
use crate::hooks::{HookKind, HookPoint, Target};
use crate::kept_files::SCHEMES;
use crate::manifest::provider::secret;
use crate::manifest::source::fields::{self, Fields, Text, wrong};
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::nearest::suggestion;

/// Longest script, in bytes.
const MAX_SCRIPT_BYTES: u64 = 256 * 1024;

/// A script: its file, or itself.
pub(super) fn script(
    node: &Node,
    context: &ReadContext<'_>,
    report: &mut Report,
) -> Option<HookKind> {
    let text = fields::text(node, "`lua`", report)?;
    let is_file = text.text.ends_with(".lua") && !text.text.contains(char::is_whitespace);
    let (name, source) = if is_file {
        let file = context.folder.join(&text.text);
        match report.sources.read_text(&file, MAX_SCRIPT_BYTES) {
            Ok(source) => (text.text.clone(), source.to_string()),
            Err(problem) => {
                report
                    .error_at(
                        text.span,
                        format!("can't read the script `{}`: {problem}", text.text),
                        "named here",
                    )
                    .maybe_help(problem.help());
                return None;
            }
        }
    } else {
        ("inline".to_owned(), text.text.clone())
    };
    #[cfg(feature = "lua")]
    if let Err(problem) = crate::hooks::check_script(&name, &source) {
        report.error_at(
            text.span,
            format!("the script can't be compiled: {problem}"),
            "this script",
        );
        return None;
    }
    #[cfg(not(feature = "lua"))]
    {
        not_built("`lua` hook", "lua", node, report);
        return None;
    }
    #[cfg(feature = "lua")]
    Some(HookKind::Lua {
        name,
        source: source.into(),
    })
}

pub(super) fn http(
    fields: &Fields<'_>,
    context: &ReadContext<'_>,
    report: &mut Report,
) -> Option<HookKind> {
    let node = fields.get("http")?;
    let target = match &node.value {
        Value::Map(_) => Target::Env(secret::secret(node, "`http`", report)?),
        Value::Text(_) => {
            let text = fields::text(node, "`http`", report)?;
            let rendered = (context.fixed)(&text, report)?;
            Target::Address(secret::url(&text, &rendered, "http", report)?)
        }
        _ => {
            wrong(
                node,
                "`http` is an address",
                "`https://…` or `{env: NAME}`",
                report,
            );
            return None;
        }
    };
    let secret_env = match fields.get("secret") {
        Some(node) => Some(secret::secret(node, "`secret`", report)?),
        None => None,
    };
    let allow_private = fields
        .get("allow_private")
        .and_then(|node| fields::truth(node, "`allow_private`", report))
        .unwrap_or(false);
    Some(HookKind::Http {
        target,
        secret_env,
        allow_private,
    })
}

/// Where kept tracks are copied to.
pub(super) fn store(
    fields: &Fields<'_>,
    point: HookPoint,
    context: &ReadContext<'_>,
    report: &mut Report,
) -> Option<HookKind> {
    let node = fields.get("store")?;
    at_track_kept("`store`", node, point, report)?;
    if !cfg!(feature = "store") {
        not_built("`store` hook", "store", node, report);
        return None;
    }
    let text = fields::text(node, "`store`", report)?;
    let rendered = (context.fixed)(&text, report)?;
    let url = store_url("`store`", &rendered, &text, context.folder, report)?;
    Some(HookKind::Store { url })
}

/// The place that a text names: an object store's address, or a folder as seen from the manifest.
pub(in crate::manifest) fn store_url(
    what: &str,
    rendered: &str,
    text: &Text,
    folder: &Path,
    report: &mut Report,
) -> Option<Url> {
    let url = if rendered.contains("://") {
        Url::parse(rendered).map_err(|error| error.to_string())
    } else {
        let folder = std::path::absolute(folder.join(rendered));
        folder
            .map_err(|error| error.to_string())
            .and_then(|folder| {
                Url::from_directory_path(folder).map_err(|()| "not a folder".to_owned())
            })
    };
    let expected = "expected `s3://bucket/path`, `gs://…`, `az://…` or a folder";
    match url {
        Ok(url) if SCHEMES.contains(&url.scheme()) => Some(url),
        Ok(url) => {
            report
                .error_at(
                    text.span,
                    format!("nothing can be stored at `{}://`", url.scheme()),
                    expected,
                )
                .maybe_help(suggestion(url.scheme(), SCHEMES));
            None
        }
        Err(problem) => {
            report.error_at(
                text.span,
                format!("{what} is no place: {problem}"),
                expected,
            );
            None
        }
    }
}

fn at_track_kept(what: &str, node: &Node, point: HookPoint, report: &mut Report) -> Option<()> {
    if point == HookPoint::TrackKept {
        return Some(());
    }
    report
        .error_at(
            node.span,
            format!("{what} works on kept tracks; at `{point}` there is none"),
            "has nothing to do here",
        )
        .help("put it under `track_kept:`");
    None
}

/// Reports what this build of the program lacks.
pub(in crate::manifest) fn not_built(what: &str, feature: &str, node: &Node, report: &mut Report) {
    report
        .error_at(
            node.span,
            format!("this build of the program has no {what}"),
            "left out to keep the build small",
        )
        .help(format!(
            "build it with `cargo build --release --features {feature}`"
        ));
}
