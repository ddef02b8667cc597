//! A parsed YAML document as a tree whose every node knows its position.
//!
//! [`yaml`](super::yaml) makes it, the readers walk it. Duplicate keys are still in it, so that they can be reported with
//! everything else.

use super::files::Span;

/// A value and its position.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    /// Where the value is written.
    pub(crate) span: Span,
    /// Where it is used, when that is elsewhere: an alias or a merge key.
    pub(crate) used_at: Option<Span>,
}

/// The content of a node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`; nothing else is a boolean.
    Bool(bool),
    /// A number, with its text as it was written.
    Number { value: f64, written: Box<str> },
    /// A string.
    Text(Box<str>),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in written order.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Box<str>,
    pub(crate) key_span: Span,
    /// Whether the key was read as a number and does not have the text yet that it is written with.
    pub(crate) key_is_number: bool,
    pub(crate) node: Node,
}

impl Node {
    /// What it is, for "expected …, found …".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Number { .. } => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// A scalar's text as the user thinks of it: a number as it was written.
    pub(crate) fn scalar_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Number { written, .. } => Some(written),
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The node as plain data, for template variables. A number keeps its written form when that is not its shortest one.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(truth) => (*truth).into(),
            Value::Number { written, .. } => {
                match serde_json::from_str::<serde_json::Number>(written) {
                    Ok(number) if number.to_string() == **written => number.into(),
                    _ => written.as_ref().into(),
                }
            }
            Value::Text(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.to_string(), entry.node.to_json()))
                .collect(),
        }
    }
}
