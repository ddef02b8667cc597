//! Settings made ready for expansion: templates compiled once, layers folded, presets and sweeps typed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use backline_api::{Setting, SettingDefault, SettingValue};
use handlebars::Context;
use serde_json::{Map, Value as Json};

use super::axes::{Dimension, Preset};
use crate::manifest::choice::{Choice, Choices, Given, Raw};
use crate::manifest::layer::extends::Inherited;
use crate::manifest::layer::import::Layer;
use crate::manifest::source::files::Span;
use crate::manifest::source::report::Report;
use crate::manifest::template::compile;
use crate::manifest::template::scope::Scope;
use crate::plan::Provider;
use crate::settings::DEFAULT_TITLE;
use crate::template::{Engine, Fixed, Template, json_bytes};

/// Compiles settings, and remembers which variables they read.
pub(crate) struct Compiler<'c> {
    pub(crate) scope: &'c Scope,
    pub(crate) fixed: &'c Fixed,
    /// The variables that are the same for all jobs.
    pub(crate) context: &'c Context,
    pub(crate) engine: &'c Engine,
    pub(crate) used: &'c std::cell::RefCell<BTreeSet<String>>,
    pub(crate) preset_vars: HashSet<String>,
}

impl Compiler<'_> {
    pub(crate) fn raw(&mut self, raw: &Raw, report: &mut Report) -> Option<Arc<Choice>> {
        let mut choice = raw.compile(self.scope, report)?;
        if let Given::Template(template) = &choice.given {
            self.used
                .borrow_mut()
                .extend(template.vars().map(str::to_owned));
            self.preset_vars
                .extend(template.preset_vars().map(str::to_owned));
            if template.reads.nothing() {
                choice = Arc::new(Choice {
                    given: self.fold(raw.setting, template, choice.span, report)?,
                    span: choice.span,
                });
            }
        }
        Some(choice)
    }

    /// A template that is the same for all jobs becomes its value.
    pub(crate) fn fold(
        &self,
        setting: Setting,
        template: &Template,
        span: Span,
        report: &mut Report,
    ) -> Option<Given> {
        let mut text = String::new();
        let rendered = self.engine.render(template, self.context, &mut text);
        match rendered
            .map_err(|problem| problem.to_string())
            .and_then(|()| {
                setting
                    .parse(&text)
                    .map_err(|problem| format!("`{}` {problem}", setting.name))
            }) {
            Ok(value) => Some(Given::Fixed(Some(value))),
            Err(problem) => {
                report.error_at(span, problem, "made by this template");
                None
            }
        }
    }

    pub(crate) fn presets(
        &mut self,
        layer: &Layer,
        inherited: Vec<Inherited>,
        provider: &Provider,
        report: &mut Report,
    ) -> Vec<Preset> {
        let mut compiled: HashMap<Span, Option<Arc<Choice>>> = HashMap::new();
        let mut presets = Vec::new();
        let defaults: Vec<(usize, Option<Arc<Choice>>)> = layer
            .defaults
            .values()
            .map(|raw| (raw.setting.slot(), self.raw(raw, report)))
            .collect();
        // Written nowhere, so a problem with them is reported at the preset that relies on them.
        for ((id, decl), inherited) in layer.presets.iter().zip(inherited) {
            let mut choices: Choices = Default::default();
            let before = report.errors();
            for setting in Setting::all() {
                let text = match setting.default {
                    SettingDefault::Empty => "",
                    SettingDefault::Model => &provider.profile.default_model,
                    _ => continue,
                };
                choices[setting.slot()] = Some(Arc::new(Choice {
                    given: Given::Fixed(Some(text.into())),
                    span: decl.span,
                }));
            }
            for (slot, choice) in &defaults {
                choices[*slot].clone_from(choice);
            }
            let mut broken = defaults.iter().any(|(_, choice)| choice.is_none());
            for raw in inherited.settings.values() {
                let choice = match compiled.get(&raw.node.span) {
                    Some(choice) => choice.clone(),
                    None => {
                        let choice = self.raw(raw, report);
                        compiled.insert(raw.node.span, choice.clone());
                        choice
                    }
                };
                broken |= choice.is_none();
                choices[raw.setting.slot()] = choice;
            }
            for setting in Setting::all() {
                if setting.default == SettingDefault::Names
                    && choices[setting.slot()].is_none()
                    && let Some(title) =
                        compile::compile(DEFAULT_TITLE, decl.span, self.scope, report)
                {
                    choices[setting.slot()] = Some(Arc::new(Choice {
                        given: Given::Template(title),
                        span: decl.span,
                    }));
                }
            }
            if decl.is_abstract {
                continue;
            }
            let is_known = !broken
                && !decl.is_broken
                && !inherited.is_partial
                && !layer.is_partial
                && !self.scope.partial.contains(&"sweep");
            for setting in Setting::all().filter(|_| is_known) {
                let name = setting.name;
                let is_given = choices[setting.slot()].is_some()
                    || self.scope.sweep.iter().any(|it| it == name);
                if setting.default != SettingDefault::MustBeGiven || is_given {
                    continue;
                }
                report
                    .error_at(
                        decl.span,
                        format!("preset `{id}` has no `{name}`"),
                        format!("`{name}` has no default"),
                    )
                    .help_with(|| {
                        let example = setting.examples.first()?;
                        Some(format!("add `{name}: \"{example}\"`"))
                    });
            }
            if report.errors() > before {
                // Kept all the same: the rules that name it are right.
                choices = Default::default();
            }
            let bytes = inherited.vars.values().map(|var| json_bytes(&var.value));
            if !report.grow(bytes.sum(), decl.span) {
                return Vec::new();
            }
            let vars: Map<String, Json> = inherited
                .vars
                .iter()
                .map(|(name, var)| (name.clone(), (*var.value).clone()))
                .collect();
            presets.push(Preset {
                id: id.as_str().into(),
                vars: Arc::new(vars.into()),
                choices,
            });
        }
        presets
    }

    pub(crate) fn sweep(
        &mut self,
        raw: Vec<(Setting, Vec<Raw>)>,
        report: &mut Report,
    ) -> Vec<Dimension> {
        raw.into_iter()
            .map(|(setting, values)| {
                let mut seen = HashMap::new();
                let values = values
                    .iter()
                    .filter_map(|value| {
                        let choice = self.raw(value, report)?;
                        warn_of_equal_values(setting, &choice, &mut seen, report);
                        let written = match &choice.given {
                            Given::Fixed(Some(SettingValue::Text(text))) => text.to_string(),
                            _ => value.node.scalar_text().unwrap_or("none").to_owned(),
                        };
                        Some((choice, written))
                    })
                    .collect();
                Dimension { setting, values }
            })
            .collect()
    }
}

/// Two values of a sweep that are the same setting, as `0.2` and `0.20`, buy the same music twice, if that was not meant.
fn warn_of_equal_values(
    setting: Setting,
    choice: &Choice,
    seen: &mut HashMap<String, Span>,
    report: &mut Report,
) {
    if let Given::Fixed(value) = &choice.given
        && let Some(first) = seen.insert(format!("{value:?}"), choice.span)
    {
        let first = report.place(first, Some("this one".to_owned()));
        report
            .warning_at(
                choice.span,
                format!("two values of the sweep of `{}` are equal", setting.name),
                "and this one",
            )
            .also(first)
            .help("for more of the same use `takes`");
    }
}
