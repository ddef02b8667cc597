//! What a manifest gives for a setting: a checked value, or a template that becomes one.

use std::sync::Arc;

use super::setting::{Setting, Typed, expected, typed};
use crate::manifest::source::fields::wrong;
use crate::manifest::source::files::Span;
use crate::manifest::source::nearest::suggestion;
use crate::manifest::source::node::{Entry, Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::template::compile::{compile, is_template};
use crate::manifest::template::render::Template;
use crate::manifest::template::scope::Scope;

/// What a manifest gives for a setting.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) given: Given,
    pub(crate) span: Span,
}

/// A value, or a template that becomes one.
#[derive(Debug)]
pub(crate) enum Given {
    Fixed(Typed),
    Template(Template),
}

/// A choice, or none, for each setting in the order of [`Setting::ALL`]. Shared: an inherited template is compiled once.
pub(crate) type Choices = [Option<Arc<Choice>>; 10];

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
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let setting = Setting::named(&entry.key)?;
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
    let name = setting.name();
    match &node.value {
        Value::Text(text) if is_template(text) => {
            compile(text, node.span, scope, report).map(Given::Template)
        }
        Value::Null if setting.optional() => Some(Given::Fixed(Typed::Unset)),
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
            let expected = expected(setting);
            let diagnostic = wrong(node, &format!("`{name}` is {expected}"), expected, report);
            if matches!(node.value, Value::List(_))
                && matches!(setting, Setting::Tags | Setting::NegativeTags)
            {
                diagnostic.help("join the tags into one string: `tags: \"piano, calm\"`");
            }
            None
        }
        Value::Text(text)
            if matches!(
                setting,
                Setting::StyleWeight
                    | Setting::WeirdnessConstraint
                    | Setting::AudioWeight
                    | Setting::Variety
            ) =>
        {
            let number = text.trim().parse::<f64>().is_ok();
            let diagnostic = report.error_at(
                node.span,
                format!("`{name}` is {}, not a string", expected(setting)),
                format!("expected {}", expected(setting)),
            );
            if number {
                diagnostic.help("remove the quotes");
            }
            None
        }
        Value::Text(_) | Value::Number { .. } => {
            let text = node.scalar_text().unwrap_or_default();
            match typed(setting, text) {
                Ok(value) => Some(Given::Fixed(value)),
                Err(problem) => {
                    let help = (setting == Setting::VocalGender)
                        .then(|| suggestion(text, ["m", "f"]))
                        .flatten();
                    report
                        .error_at(
                            node.span,
                            format!("`{name}` {problem}"),
                            format!("expected {}", expected(setting)),
                        )
                        .maybe_help(help);
                    None
                }
            }
        }
    }
}
