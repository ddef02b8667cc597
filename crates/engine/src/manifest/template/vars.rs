//! `vars`: template variables as a manifest gives them, plain values that are never templates.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::compile::is_template;
use crate::manifest::source::fields::Fields;
use crate::manifest::source::files::Span;
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;

/// A template variable's value.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    /// Shared: every preset that inherits the variable has it.
    pub(crate) value: Arc<Json>,
    pub(crate) span: Span,
}

/// Reads a mapping of template variables: plain values, never templates.
pub(crate) fn read_vars(
    node: Option<&Node>,
    what: &str,
    report: &mut Report,
) -> IndexMap<String, Var> {
    let Some(node) = node else {
        return IndexMap::new();
    };
    let Some(fields) = Fields::open(node, what, report) else {
        return IndexMap::new();
    };
    let mut vars = IndexMap::new();
    for entry in fields.entries() {
        if let Value::Text(text) = &entry.node.value
            && is_template(text)
        {
            report
                .error_at(
                    entry.node.span,
                    format!("the variable `{}` contains a template", entry.key),
                    "not expanded here",
                )
                .help(
                    "variables are plain values; put the template into the setting that needs it",
                );
        }
        if entry.key.is_empty()
            || !entry
                .key
                .chars()
                .all(|char| char.is_alphanumeric() || "_-".contains(char))
        {
            report
                .error_at(
                    entry.key_span,
                    format!("`{}` can't be a variable's name", entry.key),
                    "not a name",
                )
                .help("use letters, digits, `_` and `-`");
        }
        vars.insert(
            entry.key.to_string(),
            Var {
                value: Arc::new(entry.node.to_json()),
                span: entry.key_span,
            },
        );
    }
    vars
}
