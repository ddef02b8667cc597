//! The name, the environment variables and the secrets of a manifest, and the variables that templates may read.

use serde_json::{Map, Value as Json};

use super::options::LoadOptions;
use crate::manifest::choice::Raw;
use crate::manifest::layer::extends::Inherited;
use crate::manifest::layer::import::Layer;
use crate::manifest::provider::secret;
use crate::manifest::source::fields::{self, Fields};
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::manifest::stems::stem::StemDecl;
use crate::manifest::template::scope::{JOB_ROOTS, Scope};
use crate::plan::portable;
use crate::template::Fixed;
use backline_api::Setting;

/// What settings and names may refer to, and the values that are the same for all jobs.
pub(crate) struct TemplateScope {
    pub(crate) fixed: Fixed,
    pub(crate) scope: Scope,
}

/// The environment variables with keys: every `{env: NAME}`.
pub(crate) fn key_variables(node: &Node, found: &mut Vec<String>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                match entry.node.scalar_text() {
                    Some(name) if *entry.key == *"env" => found.push(name.to_owned()),
                    _ => key_variables(&entry.node, found),
                }
            }
        }
        Value::List(items) => items.iter().for_each(|item| key_variables(item, found)),
        _ => {}
    }
}

pub(crate) fn keep_secrets(variables: &[String], options: &LoadOptions<'_>, report: &mut Report) {
    let values = variables
        .iter()
        .filter_map(|name| (options.environment)(name));
    values.for_each(|value| report.keep_secret(value));
}

/// Whether a value contains a key; a shorter text than any vendor's key is part of too much.
fn is_part(key: &str, value: &str) -> bool {
    const SHORTEST_KEY_BYTES: usize = 8;
    key.len() >= SHORTEST_KEY_BYTES && value.contains(key)
}

pub(crate) fn read_names(
    fields: &Fields<'_>,
    layer: &Layer,
    keys: &[String],
    options: &LoadOptions<'_>,
    report: &mut Report,
) -> TemplateScope {
    let name = match fields.text("name", report) {
        Some(name) => {
            let problem = match portable(&name.text) {
                Err(problem) => Some(problem.to_string()),
                Ok(()) => name.text.contains('/').then(|| "it has a `/`".to_owned()),
            };
            if let Some(problem) = problem {
                report
                    .error_at(
                        name.span,
                        format!("`name` can't be `{}`: {problem}", name.text),
                        "names a folder",
                    )
                    .help("it names a folder, here and on other systems: letters, digits, spaces, `-` and `_` are safe");
            }
            name.text
        }
        None => {
            if fields.lacks("name") {
                report
                    .error_at(
                        fields.span,
                        "`name` is missing",
                        "expected it among these keys",
                    )
                    .help("add `name: …`: reports and the output folder are called so");
            }
            String::new()
        }
    };
    let mut env = Map::new();
    let (mut listed, mut refused) = (Vec::new(), Vec::new());
    for item in fields
        .get("env")
        .and_then(|node| fields::list(node, "`env`", report))
        .unwrap_or_default()
    {
        let Some(variable) = fields::text(item, "a name in `env`", report) else {
            continue;
        };
        if !secret::is_env_name(&variable, report) {
            continue;
        }
        let value = (options.environment)(&variable.text);
        let is_key = keys.contains(&variable.text)
            || value.as_ref().is_some_and(|value| {
                let mut known = keys.iter().filter_map(|name| (options.environment)(name));
                known.any(|key| is_part(&key, value))
            });
        if is_key {
            report
                .error_at(
                    variable.span,
                    format!(
                        "`{}` contains a key, which templates never receive",
                        variable.text
                    ),
                    "what templates make is sent, shown and written down",
                )
                .help("remove it; keys are named where they are needed: `api_key: {env: NAME}`");
            refused.push(variable.text);
            continue;
        }
        match value {
            Some(value) => {
                env.insert(variable.text.clone(), value.into());
                listed.push(variable.text);
            }
            None => {
                report
                    .error_at(
                        variable.span,
                        format!("the environment has no `{}`", variable.text),
                        "not set",
                    )
                    .help(format!(
                        "set it before the program starts: `{}=… backline plan …`",
                        variable.text
                    ));
                refused.push(variable.text);
            }
        }
    }
    let vars: Map<String, Json> = layer
        .vars
        .iter()
        .map(|(name, var)| (name.clone(), (*var.value).clone()))
        .collect();
    let scope = Scope {
        roots: JOB_ROOTS,
        vars: layer.vars.keys().cloned().collect(),
        env: listed,
        refused_env: refused,
        partial: layer.is_partial.then_some("vars").into_iter().collect(),
        ..Scope::default()
    };
    TemplateScope {
        fixed: Fixed {
            name,
            vars: vars.into(),
            env: env.into(),
        },
        scope,
    }
}

pub(crate) fn job_scope(
    base: &Scope,
    stems: &[StemDecl],
    presets: &[Inherited],
    sweep: &[(Setting, Vec<Raw>)],
) -> Scope {
    let mut scope = base.clone();
    for stem in stems {
        scope.stem_vars.extend(
            stem.vars
                .as_object()
                .into_iter()
                .flat_map(|vars| vars.keys().cloned()),
        );
    }
    for preset in presets {
        scope.preset_vars.extend(preset.vars.keys().cloned());
    }
    scope.sweep = sweep
        .iter()
        .map(|(setting, _)| setting.name.to_owned())
        .collect();
    scope
}
