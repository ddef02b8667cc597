//! What a manifest gives for a setting: a checked value, or a template that becomes one.

use std::sync::Arc;

use backline_api::{Setting, SettingKind, SettingValue};

use crate::manifest::source::fields::{Field, wrong};
use crate::manifest::source::files::Span;
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::template::compile::{compile, is_template};
use crate::manifest::template::scope::Scope;
use crate::nearest::suggestion;
use crate::template::Template;

/// What a manifest gives for a setting.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) given: Given,
    pub(crate) span: Span,
}

/// A value, or a template that becomes one.
#[derive(Debug)]
pub(crate) enum Given {
    /// None is `null`: not sent, whatever is given before it.
    Fixed(Option<SettingValue>),
    Template(Template),
}

/// A choice, or none, for each setting in the table's order. Shared: an inherited template is compiled once.
pub(crate) type Choices = [Option<Arc<Choice>>; Setting::COUNT];

/// A setting's node as it was found, compiled once all variables are known.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) setting: Setting,
    pub(crate) key_span: Span,
    /// Shared: every preset that inherits the setting has it.
    pub(crate) node: Arc<Node>,
}

impl Raw {
    /// Takes an entry whose key is a setting.
    pub(crate) fn of(entry: Field<'_>) -> Option<Self> {
        let setting = Setting::named(entry.key)?;
        Some(Self {
            setting,
            key_span: entry.key_span,
            node: Arc::new(entry.node.clone()),
        })
    }

    /// Checks the value, or compiles the template that makes it.
    pub(crate) fn compile(&self, scope: &Scope, report: &mut Report) -> Option<Arc<Choice>> {
        let given = choice(self.setting, &self.node, scope, report)?;
        Some(Arc::new(Choice {
            given,
            span: self.node.span,
        }))
    }
}

/// Checks one value of a setting.
pub(crate) fn choice(
    setting: Setting,
    node: &Node,
    scope: &Scope,
    report: &mut Report,
) -> Option<Given> {
    let name = setting.name;
    let expected = setting.kind.expected();
    match &node.value {
        Value::Text(text) if is_template(text) => {
            compile(text, node.span, scope, report).map(Given::Template)
        }
        Value::Null if setting.is_optional() => Some(Given::Fixed(None)),
        Value::Null => {
            report
                .error_at(
                    node.span,
                    format!("`{name}` has no value"),
                    "expected a string",
                )
                .help("write `\"\"` for an empty text");
            None
        }
        Value::List(_) | Value::Map(_) | Value::Bool(_) => {
            let diagnostic = wrong(node, &format!("`{name}` is {expected}"), &expected, report);
            if matches!(node.value, Value::List(_))
                && matches!(setting.kind, SettingKind::Tags { .. })
            {
                diagnostic.help("join the tags into one string: `tags: \"piano, calm\"`");
            }
            None
        }
        Value::Text(text) if setting.kind.is_number() => {
            let number = text.trim().parse::<f64>().is_ok();
            let diagnostic = report.error_at(
                node.span,
                format!("`{name}` is {expected}, not a string"),
                format!("expected {expected}"),
            );
            if number {
                diagnostic.help("remove the quotes");
            }
            None
        }
        Value::Text(_) | Value::Number { .. } => {
            let text = node.scalar_text().unwrap_or_default();
            match setting.parse(text) {
                Ok(value) => Some(Given::Fixed(Some(value))),
                Err(problem) => {
                    let help = match setting.kind {
                        SettingKind::Choice(choices) => suggestion(text, choices.iter().copied()),
                        _ => None,
                    };
                    report
                        .error_at(
                            node.span,
                            format!("`{name}` {problem}"),
                            format!("expected {expected}"),
                        )
                        .maybe_help(help);
                    None
                }
            }
        }
    }
}
