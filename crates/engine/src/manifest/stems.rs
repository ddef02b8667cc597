//! `stems`: from entries, patterns and catalogues to the ordered list of recordings, each with its id, source and variables.
//!
//! The same manifest gives the same list on every machine: a pattern's files are sorted by the bytes of their relative path
//! written with `/`, hidden files are skipped, links to folders are not followed. No recording is opened here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use url::Url;

use super::diagnostic::{Report, suggestion};
use super::fields::{self, Fields, Text, wrong};
use super::layer::{self, check_id};
use super::node::{Node, Value};
use super::source::{MAX_FILE_BYTES, Span, read_text};

/// Most files that one pattern looks at.
const MAX_WALKED: usize = 200_000;
/// Deepest folder below a pattern's fixed part.
const MAX_WALK_DEPTH: usize = 32;

/// A recording as the manifest names it.
#[derive(Debug, Clone)]
pub(crate) struct StemDecl {
    pub(crate) id: String,
    pub(crate) source: Source,
    pub(crate) vars: Arc<Json>,
    /// The place that names it.
    pub(crate) span: Span,
    /// The row of a catalogue.
    pub(crate) row: Option<u64>,
}

/// Where a recording comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Url(Url),
}

/// Renders the templates of addresses and paths; those of jobs are not known here.
pub(crate) type Fixed<'f> = dyn Fn(&Text, &mut Report) -> Option<String> + 'f;

const KEYS: &[&str] = &["id", "file", "url", "vars", "glob", "csv"];

/// Reads `stems`; `max` is the most jobs, and so the most stems, that a plan may have.
pub(crate) fn read(
    node: &Node,
    folder: &Path,
    max: u64,
    fixed: &Fixed<'_>,
    report: &mut Report,
) -> Vec<StemDecl> {
    let Some(items) = fields::list(node, "`stems`", report) else {
        return Vec::new();
    };
    let mut stems = Vec::new();
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
            Value::Map(_) => entry(item, folder, max, fixed, &mut stems, report),
            _ => wrong(
                item,
                "a stem is a file's path or a mapping",
                "a path, or `{id: …, file: …}`",
                report,
            ),
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
    refuse_duplicates(&stems, report);
    stems
}

fn entry(
    item: &Node,
    folder: &Path,
    max: u64,
    fixed: &Fixed<'_>,
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
    let vars: Map<String, Json> = layer::read_vars(fields.get("vars"), "`vars` of a stem", report)
        .into_iter()
        .map(|(name, var)| (name, var.value))
        .collect();
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
                format!("`id` names one stem, `{source}` brings many"),
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
        "glob" => from_glob(&value, folder, &vars, fixed, stems, report),
        _ => from_csv(&value, folder, &vars, max, fixed, stems, report),
    }
}

fn from_file(
    id: Option<Text>,
    file: &Text,
    folder: &Path,
    vars: Arc<Json>,
    fixed: &Fixed<'_>,
    report: &mut Report,
) -> Option<StemDecl> {
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
    let id = id.map_or_else(|| file_stem(Path::new(&path)), |id| id.text);
    check_id(&id, "a stem's id", file.span, report);
    Some(StemDecl {
        id,
        source: Source::File(folder.join(path)),
        vars,
        span: file.span,
        row: None,
    })
}

fn file_stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn from_url(
    fields: &Fields<'_>,
    item: &Node,
    value: &Text,
    vars: Arc<Json>,
    fixed: &Fixed<'_>,
    report: &mut Report,
) -> Option<StemDecl> {
    let rendered = fixed(value, report)?;
    let url = match remote(&rendered) {
        Ok(url) => url,
        Err(problem) => {
            report.error_at(
                value.span,
                format!("`url` {problem}"),
                "expected an `https://` address",
            );
            return None;
        }
    };
    let Some(id) = fields.text("id", report) else {
        if fields.get("id").is_none() {
            report.error_at(
                item.span,
                "a stem with a `url` needs an `id`",
                "add `id: …`",
            );
        }
        return None;
    };
    check_id(&id.text, "a stem's id", id.span, report);
    Some(StemDecl {
        id: id.text,
        source: Source::Url(url),
        vars,
        span: id.span,
        row: None,
    })
}

/// A public address of a recording.
fn remote(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is not an address: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "has the scheme `{}`, which a provider can't fetch",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "holds a user name or a password, which would be sent to the provider".to_owned(),
        );
    }
    Ok(url)
}

fn from_glob(
    pattern: &Text,
    folder: &Path,
    vars: &Arc<Json>,
    fixed: &Fixed<'_>,
    stems: &mut Vec<StemDecl>,
    report: &mut Report,
) {
    let Some(text) = fixed(pattern, report) else {
        return;
    };
    let matcher = match globset::GlobBuilder::new(&text)
        .literal_separator(true)
        .build()
    {
        Ok(glob) => glob.compile_matcher(),
        Err(error) => {
            report.error_at(
                pattern.span,
                format!("this pattern can't be read: {}", error.kind()),
                "expected a pattern",
            );
            return;
        }
    };
    // The walk begins at the longest part of the pattern that has no wildcard.
    let fixed_part = text
        .split('/')
        .take_while(|part| !part.contains(['*', '?', '[', '{']))
        .collect::<Vec<_>>();
    let count = fixed_part.len().min(text.split('/').count() - 1);
    let prefix = fixed_part[..count].join("/");
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    let walk = walkdir::WalkDir::new(folder.join(&prefix))
        .max_depth(MAX_WALK_DEPTH)
        .into_iter();
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().as_encoded_bytes().starts_with(b".")
    };
    for (seen, entry) in walk.filter_entry(visible).flatten().enumerate() {
        if seen > MAX_WALKED {
            report
                .error_at(
                    pattern.span,
                    format!("there are more than {MAX_WALKED} files below this pattern"),
                    "",
                )
                .help("name a folder in it");
            return;
        }
        if entry.file_type().is_dir() {
            continue;
        }
        let below = entry
            .path()
            .strip_prefix(folder.join(&prefix))
            .unwrap_or(entry.path());
        let mut relative: Vec<String> = if prefix.is_empty() {
            Vec::new()
        } else {
            vec![prefix.clone()]
        };
        relative.extend(
            below
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned()),
        );
        let relative = relative.join("/");
        if matcher.is_match(&relative) {
            found.push((relative, entry.into_path()));
        }
    }
    found.sort_by(|left, right| left.0.as_bytes().cmp(right.0.as_bytes()));
    if found.is_empty() {
        report
            .error_at(pattern.span, "no file matches this pattern", "matches nothing")
            .help("it is relative to the manifest's folder; `**` stands for any folders, and hidden files are skipped");
    }
    for (relative, path) in found {
        let id = file_stem(Path::new(&relative));
        check_id(&id, "a stem's id", pattern.span, report);
        stems.push(StemDecl {
            id,
            source: Source::File(path),
            vars: vars.clone(),
            span: pattern.span,
            row: None,
        });
    }
}

fn from_csv(
    catalogue: &Text,
    folder: &Path,
    vars: &Arc<Json>,
    max: u64,
    fixed: &Fixed<'_>,
    stems: &mut Vec<StemDecl>,
    report: &mut Report,
) {
    let Some(name) = fixed(catalogue, report) else {
        return;
    };
    let path = folder.join(&name);
    let text = match read_text(&path, MAX_FILE_BYTES) {
        Ok(text) => text,
        Err(problem) => {
            report.error_at(
                catalogue.span,
                format!("can't read the catalogue `{name}`: {problem}"),
                "named here",
            );
            return;
        }
    };
    let source = report.sources.add(&path, text.clone());
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(text.as_bytes());
    let headers = reader.headers().cloned().unwrap_or_default();
    let line = |position: Option<&csv::Position>, end: usize| {
        let start = position.map_or(0, |position| position.byte() as usize);
        let start =
            start + text[start..].len() - text[start..].trim_start_matches(['\n', '\r']).len();
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |at| start + at)
            .max(start)
            .min(end.max(start));
        Span {
            source,
            start: start as u32,
            end: end as u32,
        }
    };
    let whole_line = |position: Option<&csv::Position>| line(position, usize::MAX);
    let header_span = whole_line(None);
    let column = |wanted: &str| headers.iter().position(|header| header == wanted);
    let (id_column, file_column, url_column) = (column("id"), column("file"), column("url"));
    for (at, header) in headers.iter().enumerate() {
        let named = !header.is_empty()
            && header
                .chars()
                .all(|char| char.is_alphanumeric() || "_-".contains(char));
        if !named || headers.iter().take(at).any(|other| other == header) {
            report
                .error_at(
                    header_span,
                    format!(
                        "column {} of the catalogue can't be called `{header}`",
                        at + 1
                    ),
                    "",
                )
                .help("columns are variables: letters, digits, `_` and `-`, each name once");
            return;
        }
    }
    if id_column.is_none() || (file_column.is_none() && url_column.is_none()) {
        let missing = if id_column.is_none() { "id" } else { "file" };
        report
            .error_at(header_span, format!("the catalogue has no column `{missing}`"), "its columns")
            .maybe_help(suggestion(missing, headers.iter()))
            .note("a catalogue has the columns `id` and `file` or `url`; every other column is a variable");
        return;
    }
    let csv_folder = path.parent().unwrap_or(Path::new("."));
    let before = stems.len();
    for (row, record) in (2_u64..).zip(reader.records()) {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                report.error_at(
                    catalogue.span,
                    format!("can't read the catalogue `{name}`: {error}"),
                    "named here",
                );
                return;
            }
        };
        let span = whole_line(record.position());
        let line_of = || record.position().map_or(row, csv::Position::line);
        if record.len() != headers.len() {
            report
                .error_at(
                    span,
                    format!(
                        "row {} has {} cells, the catalogue has {} columns",
                        line_of(),
                        record.len(),
                        headers.len()
                    ),
                    "this row",
                )
                .help("put a cell with a comma in it into quotes");
            continue;
        }
        let cell = |column: Option<usize>| {
            column
                .and_then(|at| record.get(at))
                .filter(|cell| !cell.is_empty())
        };
        let Some(id) = cell(id_column) else {
            report.error_at(
                span,
                format!("row {}, column `id`: it is empty", line_of()),
                "this row",
            );
            continue;
        };
        let source = match (cell(file_column), cell(url_column)) {
            (Some(file), None) => Source::File(csv_folder.join(file)),
            (None, Some(url)) => match remote(url) {
                Ok(url) => Source::Url(url),
                Err(problem) => {
                    report.error_at(
                        span,
                        format!("row {}, column `url`: it {problem}", line_of()),
                        "this row",
                    );
                    continue;
                }
            },
            (None, None) => {
                report.error_at(
                    span,
                    format!("row {} has neither a `file` nor a `url`", line_of()),
                    "this row",
                );
                continue;
            }
            (Some(_), Some(_)) => {
                report.error_at(
                    span,
                    format!("row {} has both a `file` and a `url`", line_of()),
                    "this row",
                );
                continue;
            }
        };
        check_id(id, "a stem's id", span, report);
        let mut own = vars.as_object().cloned().unwrap_or_default();
        for (at, header) in headers.iter().enumerate() {
            if ![id_column, file_column, url_column].contains(&Some(at)) {
                own.insert(header.to_owned(), record.get(at).unwrap_or("").into());
            }
        }
        stems.push(StemDecl {
            id: id.to_owned(),
            source,
            vars: Arc::new(own.into()),
            span,
            row: Some(line_of()),
        });
        if stems.len() as u64 > max {
            return;
        }
    }
    if stems.len() == before && report.errors() == 0 {
        report.error_at(
            catalogue.span,
            format!("the catalogue `{name}` has no rows"),
            "brings no stem",
        );
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
                Source::File(path) => path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default(),
                Source::Url(url) => backline_api::redact_url(url.as_str()),
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
