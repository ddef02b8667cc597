//! Which variables a template may name, and the check of each name before anything is rendered.

use std::collections::BTreeSet;

use crate::manifest::source::files::Span;
use crate::manifest::source::report::Report;
use crate::nearest::{meant, nearest, suggestion};
use crate::template::Reference;

/// The variables that the templates of one key may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Names at the root.
    pub(crate) roots: &'static [&'static str],
    pub(crate) vars: BTreeSet<String>,
    pub(crate) stem_vars: BTreeSet<String>,
    pub(crate) preset_vars: BTreeSet<String>,
    pub(crate) sweep: Vec<String>,
    pub(crate) env: Vec<String>,
    /// Variables that are listed and have no value here, which was said.
    pub(crate) refused_env: Vec<String>,
    /// Roots below which not everything is known, for what should give it is wrong: that is said, and nothing else is.
    pub(crate) partial: Vec<&'static str>,
}

/// What templates outside of jobs may name: addresses, folders, a stem's file.
pub(crate) const FIXED_ROOTS: &[&str] = &["name", "vars", "env"];

/// What settings may name.
pub(crate) const JOB_ROOTS: &[&str] = &["name", "vars", "env", "stem", "preset", "sweep", "take"];

/// What output names may name.
pub(crate) const OUTPUT_ROOTS: &[&str] = &[
    "name", "vars", "env", "stem", "preset", "sweep", "take", "run", "track", "artefact",
];

/// The part of a template's place with a text, or all of it.
pub(crate) fn narrowed(span: Span, text: &str, report: &Report) -> Span {
    let slice = report.sources.slice(span);
    let inside = slice.find("{{").unwrap_or(0);
    match slice.get(inside..).and_then(|rest| rest.find(text)) {
        Some(at) if !text.is_empty() => {
            let start = span.start + (inside + at) as u32;
            Span {
                start,
                end: start + text.len() as u32,
                ..span
            }
        }
        _ => span,
    }
}

/// What a template names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    There,
    /// It is clearly a slip of this.
    Slip(Vec<String>),
    Missing,
}

/// Reports a variable that can't be there. Gives whether it is there: of one that may be missing only because of another error
/// nothing is said.
pub(crate) fn check(
    reference: &Reference,
    span: Span,
    scope: &Scope,
    report: &mut Report,
) -> Found {
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    let known: Vec<&str> = match path.as_slice() {
        ["name" | "take" | "run" | "artefact"] if scope.roots.contains(&path[0]) => {
            return Found::There;
        }
        [root, ..] if !scope.roots.contains(root) => {
            unknown_root(reference, span, scope, report);
            return Found::Missing;
        }
        ["vars", name, ..] if reference.optional || scope.vars.contains(*name) => {
            return Found::There;
        }
        ["vars", ..] => scope.vars.iter().map(String::as_str).collect(),
        ["env", name] if scope.env.iter().any(|it| it == name) => return Found::There,
        ["env", name] if scope.refused_env.iter().any(|it| it == name) => return Found::Missing,
        ["env", name] => {
            let place = narrowed(span, &reference.raw, report);
            report
                .error_at(
                    place,
                    format!("`env.{name}` is not listed under `env`"),
                    "read here",
                )
                .help(format!("add it at the top: `env: [{name}]`"));
            return Found::Missing;
        }
        ["sweep", name] if reference.optional || scope.sweep.iter().any(|it| it == name) => {
            return Found::There;
        }
        ["sweep", ..] => scope.sweep.iter().map(String::as_str).collect(),
        ["stem" | "preset", "id"] | ["track", "id" | "index"] => return Found::There,
        ["stem", "vars", name, ..] if reference.optional || scope.stem_vars.contains(*name) => {
            return Found::There;
        }
        ["stem", "vars", ..] => scope.stem_vars.iter().map(String::as_str).collect(),
        ["preset", "vars", name, ..] if reference.optional || scope.preset_vars.contains(*name) => {
            return Found::There;
        }
        ["preset", "vars", ..] => scope.preset_vars.iter().map(String::as_str).collect(),
        ["stem" | "preset", ..] => vec!["id", "vars"],
        ["track", ..] => vec!["index", "id"],
        _ => Vec::new(),
    };
    let is_partial = |root: &str| scope.partial.contains(&root);
    if is_partial(path[0]) || (path.starts_with(&["preset", "vars"]) && is_partial("preset.vars")) {
        return Found::Missing;
    }
    // The wrong name is the first that is not a fixed part of the path.
    let depth = if path.get(1) == Some(&"vars") { 2 } else { 1 };
    let prefix = path
        .iter()
        .take(depth)
        .copied()
        .collect::<Vec<_>>()
        .join(".");
    let wrong = path.get(depth).copied().unwrap_or("");
    let whole: Vec<String> = known
        .iter()
        .map(|name| format!("{prefix}.{name}"))
        .collect();
    let help = match nearest(wrong, known.iter().copied()) {
        Some(near) if !wrong.is_empty() => Some(format!("did you mean `{prefix}.{near}`?")),
        _ if whole.is_empty() => Some(match path[0] {
            "vars" => format!("there are no `vars`: add `vars: {{{wrong}: …}}`"),
            "sweep" => "the manifest has no `sweep`".to_owned(),
            _ => format!(
                "nothing sets it; write {{{{default {} '…'}}}} if it may be missing",
                reference.raw
            ),
        }),
        _ => suggestion("", whole.iter().map(String::as_str)),
    };
    let place = narrowed(span, &reference.raw, report);
    report
        .error_at(
            place,
            format!("there is no variable `{}`", reference.raw),
            "not defined anywhere",
        )
        .maybe_help(help);
    match meant(wrong, known.iter().copied())[..] {
        [near] if !wrong.is_empty() => {
            let mut path = reference.path.clone();
            path[depth] = near.to_owned();
            Found::Slip(path)
        }
        _ => Found::Missing,
    }
}

fn unknown_root(reference: &Reference, span: Span, scope: &Scope, report: &mut Report) {
    let root = reference.path[0].as_str();
    let help = if OUTPUT_ROOTS.contains(&root) {
        Some(match root {
            "run" | "track" | "artefact" => format!("`{root}` is only known in `output.file`"),
            _ => format!(
                "`{root}` differs from job to job; here are only: {}",
                scope.roots.join(", ")
            ),
        })
    } else if scope.vars.contains(root) {
        Some(format!("did you mean `vars.{root}`?"))
    } else if scope.stem_vars.contains(root) && scope.roots.contains(&"stem") {
        Some(format!("did you mean `stem.vars.{root}`?"))
    } else {
        suggestion(root, scope.roots.iter().copied())
    };
    let place = narrowed(span, &reference.raw, report);
    report
        .error_at(
            place,
            format!("there is no variable `{}`", reference.raw),
            "not defined here",
        )
        .maybe_help(help);
}
