//! Reading a mapping key by key: what is unknown, doubled or of the wrong kind goes to the report, and reading goes on.

use std::collections::{HashMap, HashSet};

use super::diagnostic::Diagnostic;
use super::files::Span;
use super::node::{Entry, Node, Value};
use super::report::Report;
use crate::nearest::{meant, suggestion};

/// A mapping whose keys have been checked.
pub(crate) struct Fields<'n> {
    entries: Vec<Field<'n>>,
    /// Known keys that an unknown one may be a slip of.
    misspelled: Vec<&'n str>,
    /// The position of the mapping.
    pub(crate) span: Span,
}

/// One key of a mapping and its value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'n> {
    /// The key as it is meant: an unknown key that is clearly a slip of a known one is read as that one, so that one pass
    /// also finds the mistakes in its value. The slip itself is an error.
    pub(crate) key: &'n str,
    pub(crate) key_span: Span,
    pub(crate) node: &'n Node,
}

/// Whether a key is an extension's: `x-…`, ignored at the top of a file.
pub(crate) fn is_extension(key: &str) -> bool {
    key.len() > EXTENSION.len() && key.starts_with(EXTENSION)
}

/// How the keys begin that a manifest may have for its own anchors.
const EXTENSION: &str = "x-";

/// A text and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl<'n> Fields<'n> {
    /// Takes a mapping of these keys; `what` names it ("a stem").
    #[track_caller]
    pub(crate) fn read(
        node: &'n Node,
        what: &str,
        known: &[&'n str],
        report: &mut Report,
    ) -> Option<Self> {
        Self::read_with(node, what, known, |_| false, report)
    }

    /// Takes the top of a file: a mapping of these keys, and of keys `x-…`, which contain whatever anchors need.
    #[track_caller]
    pub(crate) fn read_top(
        node: &'n Node,
        what: &str,
        known: &[&'n str],
        report: &mut Report,
    ) -> Option<Self> {
        Self::read_with(node, what, known, is_extension, report)
    }

    #[track_caller]
    fn read_with(
        node: &'n Node,
        what: &str,
        known: &[&'n str],
        also: fn(&str) -> bool,
        report: &mut Report,
    ) -> Option<Self> {
        let mut fields = Self::open(node, what, report)?;
        for Field { key, key_span, .. } in fields.correct(known, also) {
            report
                .error_at(
                    key_span,
                    format!("unknown key `{key}` in {what}"),
                    "not a key here",
                )
                .help_with(|| suggestion(key, known.iter().copied()));
        }
        Some(fields)
    }

    /// Reads unknown keys that are clearly slips of known ones as those, and returns all unknown keys as they are written.
    pub(crate) fn correct(
        &mut self,
        known: &[&'n str],
        also: impl Fn(&str) -> bool,
    ) -> Vec<Field<'n>> {
        let is_known = |key: &str| known.contains(&key) || also(key);
        // Nearly every mapping: catalogues of stems have a hundred thousand.
        if self.entries.iter().all(|field| is_known(field.key)) {
            return Vec::new();
        }
        let given: HashSet<&str> = self.entries.iter().map(|field| field.key).collect();
        let mut absent: Vec<&'n str> = known.to_vec();
        absent.retain(|key| !given.contains(key));
        let mut unknown = Vec::new();
        for field in &mut self.entries {
            if is_known(field.key) {
                continue;
            }
            unknown.push(*field);
            let slips = meant(field.key, known.iter().copied());
            if let [meant] = slips[..]
                && let Some(at) = absent.iter().position(|it| *it == meant)
            {
                absent.swap_remove(at);
                field.key = meant;
            }
            for slip in slips {
                if !self.misspelled.contains(&slip) {
                    self.misspelled.push(slip);
                }
            }
        }
        unknown
    }

    /// Takes a mapping whose keys are names that the user chose.
    #[track_caller]
    pub(crate) fn open(node: &'n Node, what: &str, report: &mut Report) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            wrong(node, &format!("{what} is a mapping"), "a mapping", report);
            return None;
        };
        let mut seen = HashMap::with_capacity(entries.len());
        let mut kept = Vec::with_capacity(entries.len());
        for Entry {
            key,
            key_span,
            node,
            ..
        } in entries
        {
            if let Some(first) = seen.insert(&**key, *key_span) {
                let first = report.place(first, Some("first given here".to_owned()));
                report
                    .error_at(
                        *key_span,
                        format!("`{key}` is given twice in {what}"),
                        "given again here",
                    )
                    .also(first)
                    .help("keep one of the two");
                continue;
            }
            kept.push(Field {
                key,
                key_span: *key_span,
                node,
            });
        }
        Some(Self {
            entries: kept,
            misspelled: Vec::new(),
            span: node.span,
        })
    }

    /// The key and the value, where it is given and says something.
    pub(crate) fn entry(&self, key: &str) -> Option<Field<'n>> {
        self.entries.iter().copied().find(|field| field.key == key)
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|field| field.node)
    }

    /// Whether a required key is to be reported as missing: it is not given, and no slip of it was reported.
    pub(crate) fn lacks(&self, key: &str) -> bool {
        self.entry(key).is_none() && !self.misspelled.contains(&key)
    }

    /// All entries, in written order, without the later ones of doubled keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Field<'n>> {
        self.entries.iter().copied()
    }

    /// The text of a key, where there is one.
    #[track_caller]
    pub(crate) fn text(&self, key: &str, report: &mut Report) -> Option<Text> {
        let node = self.get(key)?;
        text(node, &format!("`{key}`"), report)
    }
}

/// A text that is not empty; a number counts as the text it was written as.
#[track_caller]
pub(crate) fn text(node: &Node, what: &str, report: &mut Report) -> Option<Text> {
    match (&node.value, node.scalar_text()) {
        (Value::Text(_) | Value::Number { .. }, Some("")) => {
            report.error_at(node.span, format!("{what} is empty"), "expected a text");
            None
        }
        (Value::Text(_) | Value::Number { .. }, Some(text)) => Some(Text {
            text: text.to_owned(),
            span: node.span,
        }),
        _ => {
            wrong(node, &format!("{what} is a string"), "a string", report);
            None
        }
    }
}

/// The largest number below which a float knows every whole one.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number within bounds.
#[track_caller]
pub(crate) fn whole(
    node: &Node,
    what: &str,
    range: std::ops::RangeInclusive<u64>,
    report: &mut Report,
) -> Option<u64> {
    let found = match &node.value {
        // `2.0` is a whole number to every schema.
        Value::Number { value, written } => written.parse::<u64>().ok().or_else(|| {
            (value.fract() == 0.0 && (0.0..=MAX_EXACT).contains(value)).then_some(*value as u64)
        }),
        _ => None,
    };
    if found.is_none_or(|number| !range.contains(&number)) {
        let expected = format!(
            "expected a whole number from {} to {}",
            range.start(),
            range.end()
        );
        not_a_number(node, what, "a whole number", expected, report);
        return None;
    }
    found
}

/// A number of at least 0.
#[track_caller]
pub(crate) fn amount(node: &Node, what: &str, report: &mut Report) -> Option<f64> {
    match &node.value {
        Value::Number { value, .. } if value.is_finite() && *value >= 0.0 => Some(*value),
        _ => {
            let expected = "expected a number of at least 0".to_owned();
            not_a_number(node, what, "a number", expected, report);
            None
        }
    }
}

/// Reports a value that is not an allowed number. A number in quotes is a text.
#[track_caller]
pub(crate) fn not_a_number(
    node: &Node,
    what: &str,
    number: &str,
    expected: String,
    report: &mut Report,
) {
    match &node.value {
        Value::Text(text) if text.trim().parse::<f64>().is_ok() => {
            report
                .error_at(
                    node.span,
                    format!("{what} is {number}, not a string"),
                    expected,
                )
                .help(format!("remove the quotes: `{}`", text.trim()));
        }
        _ => {
            let shown = node
                .scalar_text()
                .map_or_else(|| node.kind().to_owned(), |text| format!("`{text}`"));
            report.error_at(node.span, format!("{what} can't be {shown}"), expected);
        }
    }
}

/// `true` or `false`.
#[track_caller]
pub(crate) fn truth(node: &Node, what: &str, report: &mut Report) -> Option<bool> {
    match &node.value {
        Value::Bool(truth) => Some(*truth),
        _ => {
            wrong(
                node,
                &format!("{what} is true or false"),
                "`true` or `false`",
                report,
            );
            None
        }
    }
}

/// A list.
#[track_caller]
pub(crate) fn list<'n>(node: &'n Node, what: &str, report: &mut Report) -> Option<&'n [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => {
            let help = match &node.value {
                Value::Map(_) | Value::Null => "begin each entry with `- `",
                _ => "put it between `[` and `]`",
            };
            wrong(node, &format!("{what} is a list"), "a list", report).help(help);
            None
        }
    }
}

/// Reports a node of the wrong kind, with the expected kind and the found one.
#[track_caller]
pub(crate) fn wrong<'r>(
    node: &Node,
    message: &str,
    expected: &str,
    report: &'r mut Report,
) -> &'r mut Diagnostic {
    let used_at = node
        .used_at
        .map(|span| report.place(span, Some("used here".to_owned())));
    let diagnostic = report.error_at(
        node.span,
        format!("{message}, not {}", node.kind()),
        format!("expected {expected}"),
    );
    if let Some(used_at) = used_at {
        diagnostic.also(used_at);
    }
    diagnostic
}
