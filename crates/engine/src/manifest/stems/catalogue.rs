//! Catalogues: stems from a CSV file, as spreadsheets and people write it.
//!
//! Cells are separated by commas, semicolons or tabs: what a first line `sep=;` says, else what makes the header name the columns
//! that a catalogue has. Empty rows and columns are skipped. A cell in quotes that is not closed would swallow the
//! rows behind it, so it is an error where it opens.
//!
//! Over 500 lines: reading and checking of one file format, row by row.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use csv::StringRecord;
use serde_json::Value as Json;

use super::cells::{Cursor, Quoting, QuotingError, blank_bytes, header_cells, quoting};
use super::stem::{RecordingSource, StemDecl, remote};
use crate::manifest::source::fields::Text;
use crate::manifest::source::files::{MAX_FILE_BYTES, Span};
use crate::manifest::source::ids::check_id;
use crate::manifest::source::report::Report;
use crate::manifest::template::fixed::RenderFixed;
use crate::nearest::meant;
use crate::template::json_bytes;

/// What cells may be separated by, the likeliest first.
const SEPARATORS: [(u8, &str); 3] = [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs")];

/// The columns of a catalogue, for messages.
const COLUMNS: &str =
    "a catalogue has the columns `id` and `file` or `url`; every other column is a variable";

/// Reads the stems of a catalogue.
pub(crate) fn read(
    catalogue: &Text,
    folder: &Path,
    vars: &Arc<Json>,
    max: u64,
    fixed: &RenderFixed<'_>,
    stems: &mut Vec<StemDecl>,
    report: &mut Report,
) {
    let Some(name) = fixed(catalogue, report) else {
        return;
    };
    let path = folder.join(&name);
    let text = match report.sources.read_text(&path, MAX_FILE_BYTES) {
        Ok(text) => with_line_feeds(text),
        Err(problem) => {
            report
                .error_at(
                    catalogue.span,
                    format!("can't read the catalogue `{name}`: {problem}"),
                    "named here",
                )
                .maybe_help(problem.help());
            return;
        }
    };
    let source = report.sources.add(&path, text.clone());
    let before = (stems.len(), report.errors());
    let mut reader = Reader {
        name: &name,
        text: &text,
        source,
        folder: path.parent().unwrap_or(Path::new(".")),
        vars,
        max,
        separated_by: String::new(),
    };
    reader.read(stems, report);
    if (stems.len(), report.errors()) == before {
        report.error_at(
            catalogue.span,
            format!("the catalogue `{name}` has no rows"),
            "no stem here",
        );
    }
}

/// A text whose lines end with `\r` alone, as old spreadsheets write it, with line feeds instead.
fn with_line_feeds(text: Arc<str>) -> Arc<str> {
    if text.contains('\r') && !text.contains('\n') {
        text.replace('\r', "\n").into()
    } else {
        text
    }
}

struct Reader<'r> {
    name: &'r str,
    text: &'r str,
    source: u32,
    /// The catalogue's own folder, which its files are named from.
    folder: &'r Path,
    /// The variables that all of its stems have.
    vars: &'r Arc<Json>,
    max: u64,
    /// What separates the cells, in words.
    separated_by: String,
}

/// The columns that mean something.
struct Columns {
    names: StringRecord,
    id: Option<usize>,
    file: Option<usize>,
    url: Option<usize>,
}

impl Columns {
    fn new(names: StringRecord) -> Self {
        let column = |wanted: &str| names.iter().position(|name| name == wanted);
        Self {
            id: column("id"),
            file: column("file"),
            url: column("url"),
            names,
        }
    }

    /// Whether it names both columns that it needs, but for the case of their letters.
    fn differ_in_case(&self) -> bool {
        let has = |wanted: &str| self.names.iter().any(|it| it.eq_ignore_ascii_case(wanted));
        has("id") && (has("file") || has("url"))
    }

    /// How much of what a catalogue has is there: 2 is enough.
    fn score(&self) -> usize {
        usize::from(self.id.is_some()) + usize::from(self.file.is_some() || self.url.is_some())
    }
}

impl Reader<'_> {
    fn read(&mut self, stems: &mut Vec<StemDecl>, report: &mut Report) {
        let (start, separator) = self.dialect();
        let known = SEPARATORS.iter().find(|(it, _)| *it == separator);
        self.separated_by = known.map_or_else(
            || format!("`{}`", char::from(separator)),
            |(_, words)| (*words).to_owned(),
        );
        let mut columns = Columns::new(self.header(start, separator));
        let start_of_header = start + blank_bytes(&self.text[start..]);
        let header = self.line_at(start_of_header);
        if self.text[start..].trim().is_empty() {
            report
                .error_at(
                    header,
                    format!("the catalogue `{}` is empty", self.name),
                    "",
                )
                .without_excerpt()
                .help(COLUMNS);
            return;
        }
        if columns.score() == 0 && !columns.differ_in_case() {
            // It may be any file at all, so nothing of it is shown.
            let error = report
                .error_at(
                    header,
                    format!("`{}` is not a catalogue", self.name),
                    "its first row names no column of one",
                )
                .without_excerpt();
            match self.other_separator(start) {
                Some(other) => error.help(format!(
                    "cells are separated by commas, semicolons or tabs; for a file with `{other}` add the first line `sep={other}`"
                )),
                None => error.help(COLUMNS),
            };
            return;
        }
        let cells = header_cells(self.text, start_of_header, separator);
        if !self.check_columns(&mut columns, &cells, header, report) {
            return;
        }
        if let Some(fault) = quoting(self.text, start, separator) {
            self.report_quoting(&fault, report);
            return;
        }
        let mut rows = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .delimiter(separator)
            .from_reader(&self.text.as_bytes()[start..]);
        let mut record = StringRecord::new();
        let mut at = Cursor { offset: 0, line: 1 };
        loop {
            match rows.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let message = format!("can't read the catalogue `{}`: {error}", self.name);
                    report.error_at(header, message, "its header");
                    return;
                }
            }
            if record.iter().all(str::is_empty) {
                continue;
            }
            let byte = record
                .position()
                .map_or(0, |position| position.byte() as usize);
            let byte = start + byte;
            at.advance_to(self.text, byte + blank_bytes(&self.text[byte..]));
            let span = self.line_at(at.offset);
            if let Some(stem) = self.row(&columns, &record, at.line, span, report) {
                stems.push(stem);
            }
            if stems.len() as u64 > self.max {
                return;
            }
        }
    }

    /// Where the header begins, and what separates the cells.
    fn dialect(&self) -> (usize, u8) {
        let first = self.text.lines().next().unwrap_or("");
        let said = first.trim().trim_matches('"');
        if let Some(said) = said
            .get(..4)
            .filter(|it| it.eq_ignore_ascii_case("sep="))
            .and_then(|_| said.as_bytes().get(4..))
        {
            let separator = match said {
                [] if first.ends_with('\t') => b'\t',
                [separator] => *separator,
                _ => b',',
            };
            let start = self.text.find('\n').map_or(self.text.len(), |at| at + 1);
            return (start, separator);
        }
        let score = |separator: u8| Columns::new(self.header(0, separator)).score();
        let best = SEPARATORS.iter().map(|(separator, _)| *separator);
        // The first of those that are equally good.
        (0, best.rev().max_by_key(|it| score(*it)).unwrap_or(b','))
    }

    fn header(&self, start: usize, separator: u8) -> StringRecord {
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .flexible(true)
            .delimiter(separator)
            .from_reader(&self.text.as_bytes()[start..]);
        reader.headers().cloned().unwrap_or_default()
    }

    /// What separates the cells of a header that names a catalogue's columns, where it is nothing that is expected.
    fn other_separator(&self, start: usize) -> Option<char> {
        let of = |separator: &u8| Columns::new(self.header(start, *separator)).score() == 2;
        b"|:".iter().find(|it| of(it)).map(|it| char::from(*it))
    }

    /// Reports what is wrong with the header, each at its column; returns whether rows can be read.
    fn check_columns(
        &self,
        columns: &mut Columns,
        cells: &[Range<usize>],
        header: Span,
        report: &mut Report,
    ) -> bool {
        let place = |at: usize| {
            cells.get(at).map_or(header, |cell| Span {
                source: self.source,
                start: cell.start as u32,
                end: cell.end as u32,
            })
        };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (at, name) in columns.names.iter().enumerate() {
            if name.is_empty() {
                continue;
            }
            let is_good = |char: char| char.is_alphanumeric() || "_-".contains(char);
            if !name.chars().all(is_good) {
                let good = name.replace(|char| !is_good(char), "_");
                report
                    .error_at(
                        place(at),
                        format!(
                            "column {} of the catalogue can't be called `{name}`",
                            at + 1
                        ),
                        "not a variable's name",
                    )
                    .help(format!(
                        "call it `{good}`: columns are variables, of letters, digits, `_` and `-`"
                    ));
            }
            if let Some(first) = seen.insert(name, at) {
                let first = report.place(place(first), Some("first named here".to_owned()));
                report
                    .error_at(
                        place(at),
                        format!("the catalogue has the column `{name}` twice"),
                        "named again here",
                    )
                    .also(first)
                    .help("rename or remove one of the two");
            }
        }
        let slip = |wanted: &[&'static str]| {
            let mut near = columns.names.iter().enumerate().filter_map(|(at, name)| {
                match meant(name, ["id", "file", "url"])[..] {
                    [near] if wanted.contains(&near) && !name.is_empty() => Some((at, near)),
                    _ => None,
                }
            });
            near.next().filter(|_| near.next().is_none())
        };
        let id = columns.id.is_none().then(|| slip(&["id"]));
        let source =
            (columns.file.is_none() && columns.url.is_none()).then(|| slip(&["file", "url"]));
        for (missing, slip) in [("`id`", id), ("`file` or `url`", source)] {
            let Some(slip) = slip else { continue };
            match slip {
                Some((at, name)) => {
                    report
                        .error_at(
                            place(at),
                            format!("the catalogue has no column {missing}"),
                            "a slip of it?",
                        )
                        .help(format!("did you mean `{name}`?"))
                        .note(COLUMNS);
                    match name {
                        "id" => columns.id = Some(at),
                        "file" => columns.file = Some(at),
                        _ => columns.url = Some(at),
                    }
                }
                None => {
                    report
                        .error_at(
                            header,
                            format!("the catalogue has no column {missing}"),
                            "its columns",
                        )
                        .help(COLUMNS);
                }
            }
        }
        columns.score() == 2
    }

    fn report_quoting(&self, fault: &Quoting, report: &mut Report) {
        let (opened, line) = (fault.opened, self.row_at(fault.opened));
        let span = Span {
            source: self.source,
            start: opened as u32,
            end: opened as u32 + 1,
        };
        match fault.kind {
            QuotingError::Unclosed => report
                .error_at(
                    span,
                    format!("row {line} opens a quote that is never closed"),
                    "opened here",
                )
                .help("close it behind the cell; a quote inside a cell in quotes is written twice"),
            QuotingError::TextBehind { at } if self.row_at(at) > line => report
                .error_at(
                    span,
                    format!(
                        "row {line} opens a quote that is not closed before row {}",
                        self.row_at(at)
                    ),
                    "opened here",
                )
                .help("close it behind the cell; a quote inside a cell in quotes is written twice"),
            QuotingError::TextBehind { .. } => report
                .error_at(
                    span,
                    format!("row {line} has text behind a cell in quotes"),
                    "this cell",
                )
                .help("a quote inside a cell in quotes is written twice"),
            QuotingError::SpaceBefore => report
                .error_at(
                    span,
                    format!("row {line} has a space before a cell in quotes"),
                    "this cell",
                )
                .help("remove the space: with it the quotes are part of the cell"),
        };
    }

    fn row(
        &self,
        columns: &Columns,
        record: &StringRecord,
        line: u64,
        span: Span,
        report: &mut Report,
    ) -> Option<StemDecl> {
        let width = columns.names.len();
        let too_long = record.iter().skip(width).any(|cell| !cell.is_empty());
        if record.len() < width || too_long {
            let error = report.error_at(
                span,
                format!(
                    "row {line} has {} cells, the catalogue has {width} columns",
                    record.len()
                ),
                "this row",
            );
            match too_long {
                true => error.help("put a cell with a separator in it into quotes"),
                false => error.help(format!(
                    "the cells are separated as in the header, by {}; an empty cell needs its separator, too",
                    self.separated_by
                )),
            };
            return None;
        }
        let nameless = columns.names.iter().zip(record).enumerate();
        if let Some((at, _)) = nameless
            .into_iter()
            .find(|(_, (name, cell))| name.is_empty() && !cell.is_empty())
        {
            report
                .error_at(
                    span,
                    format!(
                        "row {line} has a value in column {}, which has no name",
                        at + 1
                    ),
                    "this row",
                )
                .help("name the column in the first row, or empty it");
            return None;
        }
        let cell = |column: Option<usize>| {
            column
                .and_then(|at| record.get(at))
                .filter(|cell| !cell.is_empty())
        };
        let Some(id) = cell(columns.id) else {
            report.error_at(
                span,
                format!("row {line}, column `id`: it is empty"),
                "this row",
            );
            return None;
        };
        let source = match (cell(columns.file), cell(columns.url)) {
            (Some(file), None) => RecordingSource::File(self.folder.join(file)),
            (None, Some(url)) => match remote(url) {
                Ok(url) => RecordingSource::Url(url),
                Err(problem) => {
                    report.error_at(
                        span,
                        format!("row {line}, column `url`: it {problem}"),
                        "this row",
                    );
                    return None;
                }
            },
            (None, None) => {
                report.error_at(
                    span,
                    format!("row {line} has neither a `file` nor a `url`"),
                    "this row",
                );
                return None;
            }
            (Some(_), Some(_)) => {
                report.error_at(
                    span,
                    format!("row {line} has both a `file` and a `url`"),
                    "this row",
                );
                return None;
            }
        };
        check_id(id, "a stem's id", span, report);
        let mut own = self.vars.as_object().cloned().unwrap_or_default();
        if !report.grow(json_bytes(self.vars), span) {
            return None;
        }
        let known = [columns.id, columns.file, columns.url];
        for (at, (name, cell)) in columns.names.iter().zip(record).enumerate() {
            if !known.contains(&Some(at)) && !name.is_empty() {
                own.insert(name.to_owned(), cell.into());
            }
        }
        Some(StemDecl {
            id: id.to_owned(),
            source,
            vars: Arc::new(own.into()),
            span,
            row: Some(line),
        })
    }

    /// The line that begins at an offset.
    fn line_at(&self, start: usize) -> Span {
        let end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |at| start + at);
        Span {
            source: self.source,
            start: start as u32,
            end: end as u32,
        }
    }

    /// The number of the line that an offset lies in, from 1, as an editor shows it.
    fn row_at(&self, offset: usize) -> u64 {
        let mut at = Cursor { offset: 0, line: 1 };
        at.advance_to(self.text, offset);
        at.line
    }
}

/// A position in a text that only goes forward, and its line from 1.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_that_do_not_close_a_cell_are_found() {
        #[track_caller]
        fn check(text: &str, expected: Option<(usize, QuotingError)>) {
            let expected = expected.map(|(opened, kind)| Quoting { opened, kind });
            assert_eq!(quoting(text, 0, b','), expected, "{text:?}");
        }
        check("", None);
        check("a,b\n1,2\n", None);
        check("\"a\",\"b\"\n\"1, \"\"x\"\"\" ,2\r\n", None);
        check("5\" vinyl,a\"b\"c\n", None);
        check("a,\"b\nc\",d\n", None);
        check("a,\"b\n", Some((2, QuotingError::Unclosed)));
        check("\"", Some((0, QuotingError::Unclosed)));
        check(
            "a,\"b\nc,\"d\"\n",
            Some((2, QuotingError::TextBehind { at: 8 })),
        );
        check("a,\"b\" c\n", Some((2, QuotingError::TextBehind { at: 6 })));
        check("a, \"b\"\n", Some((3, QuotingError::SpaceBefore)));
    }
}
