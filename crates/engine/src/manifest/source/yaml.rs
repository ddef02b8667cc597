//! Text to [`Node`] tree: the only module that knows which YAML library there is.
//!
//! YAML 1.2: `true` and `false` are the only booleans, a leading zero or an underscore makes a string, not a number. Anchors,
//! aliases and merge keys are followed, within a budget that no sensible manifest meets; a file contains one document.

use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::budget::BudgetBreach;
use serde_yaml::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_yaml::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::files::Span;
use super::node::{Entry, Node, Value};

/// Most nodes of one document, aliases followed. A stem takes about eight: a catalogue of 100,000 fits.
const MAX_NODES: usize = 2_000_000;
/// Most events that aliases may replay: what an alias bomb runs into.
const MAX_REPLAYED_EVENTS: usize = 200_000;
/// Most text in the values of one document, aliases followed: a long text behind an anchor can be repeated often.
const MAX_TEXT_BYTES: usize = 64 << 20;
/// Deepest nesting; a manifest needs about seven.
const MAX_DEPTH: usize = 32;

/// What is said of a mapping as a key, which is what a template without quotes is.
const BRACES: &str = "a mapping can't be a key";

/// Why a text is not a YAML document.
#[derive(Debug)]
pub(crate) struct YamlProblem {
    pub(crate) message: String,
    pub(crate) label: &'static str,
    pub(crate) span: Span,
    pub(crate) help: Option<&'static str>,
}

/// Parses one document; `Ok(None)` is a text with nothing in it.
pub(crate) fn parse(text: &str, source: u32) -> Result<Option<Node>, YamlProblem> {
    let says_something = |line: &str| {
        let line = line.trim();
        !(line.is_empty() || line.starts_with('#') || line == "---" || line == "...")
    };
    if !text.lines().any(says_something) {
        return Ok(None);
    }
    // Built anew for each document, for options can't be shared between threads.
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_events: 3 * MAX_NODES,
            max_nodes: MAX_NODES,
            max_depth: MAX_DEPTH,
            max_aliases: 50_000,
            max_merge_keys: 50_000,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_yaml::alias_limits! {
            max_total_replayed_events: MAX_REPLAYED_EVENTS,
            max_replay_stack_depth: 32,
        },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    };
    TEXT_BYTES.set(0);
    match serde_yaml::from_str_with_options::<Node>(text, options) {
        Ok(mut node) => {
            complete_spans(&mut node, text, source);
            Ok(Some(node))
        }
        Err(error) => Err(problem(&error, text, source)),
    }
}

/// Gives every span its file and every number the text that it was written with, which visitors do not see.
fn complete_spans(node: &mut Node, text: &str, source: u32) {
    node.span.source = source;
    if let Some(used_at) = &mut node.used_at {
        used_at.source = source;
    }
    match &mut node.value {
        Value::Number { written, .. } => {
            if let Some(slice) = text.get(node.span.start as usize..node.span.end as usize) {
                *written = slice.trim().into();
            }
        }
        Value::List(items) => items
            .iter_mut()
            .for_each(|item| complete_spans(item, text, source)),
        Value::Map(entries) => {
            for entry in entries {
                entry.key_span.source = source;
                if std::mem::take(&mut entry.key_is_number)
                    && let Some(slice) =
                        text.get(entry.key_span.start as usize..entry.key_span.end as usize)
                {
                    entry.key = slice.trim().into();
                }
                complete_spans(&mut entry.node, text, source);
            }
        }
        Value::Null | Value::Bool(_) | Value::Text(_) => {}
    }
}

fn span(location: Location) -> Span {
    let start = location.span().byte_offset().unwrap_or(0);
    let end = start + location.span().byte_len().unwrap_or(0);
    Span {
        source: 0,
        start: start as u32,
        end: end as u32,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned {
            value,
            referenced,
            defined,
        } = Spanned::<Value>::deserialize(deserializer)?;
        let used_at =
            (referenced != defined && referenced != Location::UNKNOWN).then(|| span(referenced));
        Ok(Node {
            value,
            span: span(defined),
            used_at,
        })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

thread_local! {
    /// Text of the document that is being read on this thread. A visitor is created for each value and has no state.
    static TEXT_BYTES: Cell<usize> = const { Cell::new(0) };
}

fn text<E: serde::de::Error>(text: &str) -> Result<Value, E> {
    let bytes = TEXT_BYTES.get() + text.len();
    TEXT_BYTES.set(bytes);
    if bytes > MAX_TEXT_BYTES {
        let most = MAX_TEXT_BYTES >> 20;
        return Err(E::custom(format!(
            "the values of this file contain more than {most} MB of text, aliases followed"
        )));
    }
    Ok(Value::Text(text.into()))
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number {
            value: number as f64,
            written: number.to_string().into(),
        })
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number {
            value: number as f64,
            written: number.to_string().into(),
        })
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number {
            value: number,
            written: number.to_string().into(),
        })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self::text(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Node>()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = entries.next_key::<Node>()? {
            let Some(text) = key.scalar_text() else {
                return Err(serde::de::Error::custom(match &key.value {
                    Value::Map(_) => BRACES.to_owned(),
                    _ => format!("a key is a name, not {}", key.kind()),
                }));
            };
            map.push(Entry {
                key: text.into(),
                key_span: key.span,
                key_is_number: matches!(key.value, Value::Number { .. }),
                node: entries.next_value()?,
            });
        }
        Ok(Value::Map(map))
    }
}

/// Explains the library's error to a manifest's author.
fn problem(error: &Error, text: &str, source: u32) -> YamlProblem {
    let mut inner = error;
    while let Error::AliasError { error, .. } | Error::WithSnippet { error, .. } = inner {
        inner = error;
    }
    let place = error.location().unwrap_or(Location::UNKNOWN);
    let mut span = span(place);
    if place.span().byte_offset().is_none() && place.line() > 0 {
        span = span_of_line(text, place.line() as usize, place.column() as usize);
    }
    span.source = source;
    let line_start = text
        .get(..span.start as usize)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let line = text
        .get(line_start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or("");
    let (message, label, help) = match inner {
        Error::MultipleDocuments { .. } => (
            "a file contains one YAML document".to_owned(),
            "a second one begins here",
            Some("put it into a file of its own, or remove the `---`"),
        ),
        Error::UnknownAnchor { .. } => (
            "this alias has no anchor".to_owned(),
            "nothing before here is named so with `&`",
            Some("a `*` at the start of a value is an alias; quote the value if it is text"),
        ),
        Error::Budget { breach, .. } => (too_much(breach), "reached here", None),
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => (
            format!("the aliases expand to more than {MAX_REPLAYED_EVENTS} values"),
            "the limit is reached here",
            Some("write fewer aliases of aliases"),
        ),
        Error::MergeValueNotMapOrSeqOfMaps { .. } => (
            "`<<` merges a mapping or a list of mappings".to_owned(),
            "this is neither",
            Some("name an anchor of a mapping: `<<: *name`"),
        ),
        Error::UnsupportedTag { tag, .. } => (
            format!("the tag `{tag}` means nothing in a manifest"),
            "",
            Some("remove the tag, or quote the value"),
        ),
        Error::Message { msg, .. } if msg.contains(BRACES) => (
            BRACES.to_owned(),
            "`{` begins a mapping in YAML",
            Some("put a template into quotes: `tags: \"{{vars.mood}} piano\"`"),
        ),
        Error::Message { msg, .. } => (msg.clone(), "", None),
        other if line.contains(": {{") || line.contains("- {{") => (
            format!(
                "this is not valid YAML: {}",
                UserMessageFormatter.format_message(other)
            ),
            "`{` begins a mapping in YAML",
            Some("put a template into quotes: `tags: \"{{vars.mood}} piano\"`"),
        ),
        other if line.trim_start_matches(' ').starts_with('\t') => (
            format!(
                "this is not valid YAML: {}",
                UserMessageFormatter.format_message(other)
            ),
            "this line is indented with a tab",
            Some("indent with spaces: YAML allows no tabs there"),
        ),
        other if is_indented_by_mistake(text, line_start) => (
            format!(
                "this is not valid YAML: {}",
                UserMessageFormatter.format_message(other)
            ),
            "the indentation of this line fits no line above it",
            Some(
                "indent all keys of one mapping, and all entries of one list, by the same number of spaces",
            ),
        ),
        other => (
            format!(
                "this is not valid YAML: {}",
                UserMessageFormatter.format_message(other)
            ),
            "",
            Some(
                "a text with `: `, ` #`, `{`, `[`, `*`, `&`, `!`, `%` or `@` in it is often meant to be in quotes",
            ),
        ),
    };
    YamlProblem {
        message,
        label,
        span,
        help,
    }
}

/// Whether the line at this position is indented neither as a line that it could follow nor as the first of what the line before opens.
fn is_indented_by_mistake(text: &str, line_start: usize) -> bool {
    /// Lines above that are read; a block that began before them is unusual.
    const MOST_LINES: usize = 10_000;
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let is_said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let (Some(above), Some(line)) = (text.get(..line_start), text[line_start..].lines().next())
    else {
        return false;
    };
    let mut above = above.lines().rev().take(MOST_LINES).filter(is_said);
    let (this, Some(before)) = (indent(line), above.next()) else {
        return false;
    };
    if this > indent(before) {
        let end = before.split(" #").next().unwrap_or_default().trim_end();
        let opens = end.ends_with([':', '-', '|', '>', ',', '{', '[']);
        // Keys of a list's entry are indented as its first key is.
        let first_key = before.trim_start().strip_prefix("- ");
        let entry = first_key.map(|key| before.len() - key.trim_start().len());
        return !opens && entry != Some(this);
    }
    let mut least = indent(before);
    for line in std::iter::once(before).chain(above) {
        let at = indent(line);
        let entry = line.trim_start().strip_prefix("- ");
        let entry = entry.map(|key| line.len() - key.trim_start().len());
        if at <= least && (at == this || entry == Some(this)) {
            return false;
        }
        least = least.min(at);
        if least < this {
            return true;
        }
    }
    false
}

fn too_much(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Depth { .. } => format!("this is nested deeper than {MAX_DEPTH} levels"),
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("the file contains more than {MAX_NODES} values")
        }
        BudgetBreach::Aliases { .. }
        | BudgetBreach::Anchors { .. }
        | BudgetBreach::MergeKeys { .. } => {
            "the file has more than 50000 anchors, aliases or merge keys".to_owned()
        }
        other => format!("the file is too much to read: {other:?}"),
    }
}

fn span_of_line(text: &str, line: usize, column: usize) -> Span {
    let start: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let within: usize = text[start..]
        .chars()
        .take(column.saturating_sub(1))
        .take_while(|char| *char != '\n')
        .map(char::len_utf8)
        .sum();
    let at = (start + within) as u32;
    Span {
        source: 0,
        start: at,
        end: at,
    }
}
