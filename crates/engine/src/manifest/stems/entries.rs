//! `stems`: from entries, patterns and catalogues to the ordered list of recordings, each with its id, source and variables.
//!
//! The same manifest gives the same list on every machine. No recording is opened here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::pattern::Patterns;
use super::stem::{RecordingSource, StemDecl, file_stem, remote};
use super::{catalogue, pattern};
use crate::manifest::source::fields::{self, Fields, Text, wrong};
use crate::manifest::source::ids::check_id;
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::template::fixed::RenderFixed;
use crate::manifest::template::vars;

const KEYS: &[&str] = &["id", "file", "url", "vars", "glob", "csv"];

/// Reads `stems`, and says whether more may be meant than could be read; `max` is the most jobs, and so the most stems, that a
/// plan may have.
pub(crate) fn read(
    node: &Node,
    folder: &Path,
    max: u64,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> (Vec<StemDecl>, bool) {
    let before = report.errors();
    let Some(items) = fields::list(node, "`stems`", report) else {
        return (Vec::new(), true);
    };
    let mut stems = Vec::new();
    let mut patterns = Patterns::default();
    for item in items {
        match &item.value {
            Value::Text(_) => {
                if let Some(file) = fields::text(item, "a stem", report) {
                    stems.extend(from_file(
                        None,
                        &file,
                        folder,
                        Arc::default(),
                        fixed,
                        report,
                    ));
                }
            }
            Value::Map(_) => entry(item, folder, max, fixed, &mut patterns, &mut stems, report),
            _ => {
                wrong(
                    item,
                    "a stem is a file's path or a mapping",
                    "a path, or `{id: …, file: …}`",
                    report,
                );
            }
        }
        if stems.len() as u64 > max {
            report
                .error_at(
                    item.span,
                    format!("the manifest names more than {max} stems"),
                    "the limit is passed here",
                )
                .help("split the manifest, or raise the limit with `--max-jobs`");
            break;
        }
    }
    let is_partial = report.errors() > before;
    refuse_duplicates(&stems, report);
    (stems, is_partial)
}

fn entry(
    item: &Node,
    folder: &Path,
    max: u64,
    fixed: &RenderFixed<'_>,
    patterns: &mut Patterns,
    stems: &mut Vec<StemDecl>,
    report: &mut Report,
) {
    let Some(fields) = Fields::read(item, "a stem", KEYS, report) else {
        return;
    };
    let given: Vec<&str> = ["file", "url", "glob", "csv"]
        .into_iter()
        .filter(|key| fields.get(key).is_some())
        .collect();
    let vars: Map<String, Json> = vars::read_vars(fields.get("vars"), "`vars` of a stem", report)
        .into_iter()
        .map(|(name, var)| (name, Arc::unwrap_or_clone(var.value)))
        .collect();
    if given.is_empty()
        && ["file", "url", "glob", "csv"]
            .iter()
            .any(|key| !fields.lacks(key))
    {
        return;
    }
    let [source] = given[..] else {
        let message = match given[..] {
            [] => "this stem has no source".to_owned(),
            _ => format!(
                "this stem has {} sources: {}",
                given.len(),
                given.join(", ")
            ),
        };
        report.error_at(
            item.span,
            message,
            "expected one of `file`, `url`, `glob`, `csv`",
        );
        return;
    };
    if let (Some(id), "glob" | "csv") = (fields.entry("id"), source) {
        report
            .error_at(
                id.key_span,
                format!("`id` names one stem, but `{source}` has many"),
                "remove it",
            )
            .help(if source == "csv" {
                "the catalogue's column `id` names its stems"
            } else {
                "each file's name is its id"
            });
    }
    let Some(value) = fields.text(source, report) else {
        return;
    };
    let vars = Arc::new(Json::Object(vars));
    match source {
        "file" => stems.extend(from_file(
            fields.text("id", report),
            &value,
            folder,
            vars,
            fixed,
            report,
        )),
        "url" => stems.extend(from_url(&fields, item, &value, vars, fixed, report)),
        "glob" => pattern::read(&value, folder, &vars, fixed, patterns, stems, report),
        _ => catalogue::read(&value, folder, &vars, max, fixed, stems, report),
    }
}

fn from_file(
    id: Option<Text>,
    file: &Text,
    folder: &Path,
    vars: Arc<Json>,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Option<StemDecl> {
    if let Some(id) = &id {
        check_id(&id.text, "a stem's id", id.span, report);
    }
    let path = fixed(file, report)?;
    if path.starts_with("http://") || path.starts_with("https://") {
        report
            .error_at(
                file.span,
                "this stem is an address, not a file",
                "expected a path",
            )
            .help(format!("write `{{id: …, url: \"{path}\"}}`"));
        return None;
    }
    if path.contains(['*', '{', '?']) && !folder.join(&path).exists() {
        report
            .error_at(
                file.span,
                "this stem is a pattern, not a file",
                "expected a path",
            )
            .help(format!("write `{{glob: \"{path}\"}}`"));
        return None;
    }
    let id = id.map_or_else(
        || {
            let id = file_stem(Path::new(&path));
            check_id(&id, "a stem's id", file.span, report);
            id
        },
        |id| id.text,
    );
    Some(StemDecl {
        id,
        source: RecordingSource::File(folder.join(path)),
        vars,
        span: file.span,
        row: None,
    })
}

fn from_url(
    fields: &Fields<'_>,
    item: &Node,
    value: &Text,
    vars: Arc<Json>,
    fixed: &RenderFixed<'_>,
    report: &mut Report,
) -> Option<StemDecl> {
    let id = fields.text("id", report);
    match &id {
        Some(id) => check_id(&id.text, "a stem's id", id.span, report),
        None if fields.lacks("id") => drop(report.error_at(
            item.span,
            "a stem with a `url` needs an `id`",
            "add `id: …`",
        )),
        None => {}
    }
    let rendered = fixed(value, report)?;
    match remote(&rendered) {
        Ok(url) => {
            let id = id?;
            Some(StemDecl {
                id: id.text,
                source: RecordingSource::Url(url),
                vars,
                span: id.span,
                row: None,
            })
        }
        Err(problem) => {
            report.error_at(
                value.span,
                format!("`url` {problem}"),
                "expected an `https://` address",
            );
            None
        }
    }
}

fn refuse_duplicates(stems: &[StemDecl], report: &mut Report) {
    let mut seen: HashMap<&str, &StemDecl> = HashMap::with_capacity(stems.len());
    for stem in stems {
        let Some(first) = seen.get(stem.id.as_str()) else {
            seen.insert(&stem.id, stem);
            continue;
        };
        let place = report.place(first.span, Some("first named here".to_owned()));
        let diagnostic = report.error_at(
            stem.span,
            format!("two stems have the id `{}`", stem.id),
            "named again here",
        );
        diagnostic.help("give one of them another id: `{id: …, file: …}`");
        if first.span == stem.span {
            let names = [first, stem].map(|it| match &it.source {
                RecordingSource::File(path) => path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                RecordingSource::Url(url) => backline_api::redact_url(url.as_str()),
            });
            diagnostic.note(format!(
                "the pattern finds `{}` and `{}`",
                names[0], names[1]
            ));
        } else {
            diagnostic.also(place);
        }
    }
}
