//! The values that templates read, and the rendering of texts that are the same for every job.

use std::collections::BTreeSet;
use std::sync::Arc;

use handlebars::Context;
use indexmap::IndexMap;
use serde_json::{Value as Json, json};

use super::compile::{self, is_template};
use super::render::Engine;
use super::scope::Scope;
use crate::manifest::source::fields::Text;
use crate::manifest::source::report::Report;

/// The variables that are the same for all jobs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fixed {
    pub(crate) name: String,
    pub(crate) vars: Json,
    pub(crate) env: Json,
}

/// The variables of one job after the other, changed only where two jobs differ.
pub(crate) struct Variables {
    pub(crate) context: Context,
}

impl Variables {
    pub(crate) fn new(fixed: &Fixed) -> Self {
        let mut context = Context::null();
        *context.data_mut() = json!({ "name": fixed.name, "vars": fixed.vars, "env": fixed.env });
        Self { context }
    }

    pub(crate) fn stem(&mut self, id: &str, vars: &Arc<Json>) {
        self.record("stem", id, vars);
    }

    pub(crate) fn preset(&mut self, id: &str, vars: &Arc<Json>) {
        self.record("preset", id, vars);
    }

    pub(crate) fn sweep(&mut self, sweep: &IndexMap<String, String>) {
        let values = sweep
            .iter()
            .map(|(name, value)| (name.clone(), Json::from(value.as_str())))
            .collect();
        self.set("sweep", Json::Object(values));
    }

    pub(crate) fn take(&mut self, take: u32) {
        self.set("take", take.into());
    }

    fn record(&mut self, what: &str, id: &str, vars: &Arc<Json>) {
        if self.context.data()[what]["id"] != id {
            self.set(what, json!({ "id": id, "vars": **vars }));
        }
    }

    pub(crate) fn set(&mut self, what: &str, value: Json) {
        self.context.data_mut()[what] = value;
    }
}

/// Renders the templates of addresses and paths; those of jobs are not known here.
pub(crate) type RenderFixed<'f> = dyn Fn(&Text, &mut Report) -> Option<String> + 'f;

/// Renders a text that is the same for all jobs.
pub(crate) fn render_fixed(
    text: &Text,
    scope: &Scope,
    context: &Context,
    engine: &Engine,
    used: &mut BTreeSet<String>,
    report: &mut Report,
) -> Option<String> {
    if !is_template(&text.text) {
        return Some(text.text.clone());
    }
    let template = compile::compile(&text.text, text.span, scope, report)?;
    used.extend(template.vars().map(str::to_owned));
    let mut rendered = String::new();
    match engine.render(&template, context, &mut rendered) {
        Ok(()) => Some(rendered),
        Err(problem) => {
            report.error_at(text.span, problem.message, "in this template");
            None
        }
    }
}
