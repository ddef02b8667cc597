//! Renders texts that are the same for every job: addresses, paths.

use std::collections::BTreeSet;

use handlebars::Context;

use super::compile::{self, is_template};
use super::scope::Scope;
use crate::manifest::source::fields::Text;
use crate::manifest::source::report::Report;
use crate::template::Engine;

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
