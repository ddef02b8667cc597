//! A compiled template and its rendering.
//!
//! A template that only puts variables between texts, as most do, is rendered without handlebars. One with helpers goes through
//! handlebars in strict mode.

use std::sync::Arc;

use handlebars::{Context, Handlebars, Output, RenderContext, RenderErrorReason, Renderable};
use serde_json::Value as Json;

use super::functions::{self, HelperProblem};
use super::limits::MAX_TEXT_BYTES;

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) body: Body,
    pub(crate) references: Vec<Reference>,
    /// Its own text.
    pub(crate) written: Arc<str>,
    /// What makes two renderings differ.
    pub(crate) reads: Reads,
}

#[derive(Debug)]
pub(crate) enum Body {
    /// Texts and variables only.
    Simple(Vec<Segment>),
    /// With helpers or conditions.
    Compiled(Box<handlebars::Template>),
}

#[derive(Debug)]
pub(crate) enum Segment {
    Text(Box<str>),
    Variable(usize),
}

/// A variable that a template names.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) path: Vec<String>,
    pub(crate) raw: String,
    /// It may be missing: an argument of `default`, or the condition of an `if`.
    pub(crate) optional: bool,
    /// It is in a branch that may not be rendered: only its name is checked beforehand.
    pub(crate) guarded: bool,
    /// It is put into the text as it is, so it must be one value.
    pub(crate) direct: bool,
}

/// Which of the things that differ between jobs a template reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reads {
    pub(crate) stem: bool,
    pub(crate) preset: bool,
    pub(crate) sweep: bool,
    pub(crate) take: bool,
    /// `run`, `track` or `artefact`.
    pub(crate) output: bool,
    /// `artefact`.
    pub(crate) artefact: bool,
}

impl Reads {
    /// Whether every job gets the same text.
    pub(crate) fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// Why a rendering failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct RenderProblem {
    /// The variable that it is about, where it is about one.
    pub(crate) variable: Option<String>,
    /// What is wrong, without the template's place.
    pub(crate) message: String,
}

/// Renders templates: for settings as they are, for file names with every value made harmless.
pub(crate) struct Engine {
    registry: Handlebars<'static>,
    escape: fn(&str) -> String,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// An engine that passes every value through `escape`.
    pub(crate) fn new(escape: fn(&str) -> String) -> Self {
        let mut registry = Handlebars::new();
        registry.set_strict_mode(true);
        registry.register_escape_fn(escape);
        functions::register(&mut registry);
        Self { registry, escape }
    }

    /// Appends the rendering to `out`; `context` is an object with the scope's roots. What it makes is never longer than a setting
    /// may be, nor is anything on the way to it.
    pub(crate) fn render(
        &self,
        template: &Template,
        context: &Context,
        out: &mut String,
    ) -> Result<(), RenderProblem> {
        match &template.body {
            Body::Simple(parts) => {
                let mut output = Capped {
                    out,
                    left: MAX_TEXT_BYTES,
                };
                for part in parts {
                    match part {
                        Segment::Text(text) => output.push(text)?,
                        Segment::Variable(at) => {
                            let value = template.references[*at].value(context.data())?;
                            let text =
                                functions::text_of(value).map_err(|problem| RenderProblem {
                                    variable: None,
                                    message: problem.to_string(),
                                })?;
                            output.push(&(self.escape)(&text))?;
                        }
                    }
                }
                Ok(())
            }
            Body::Compiled(compiled) => {
                for reference in template
                    .references
                    .iter()
                    .filter(|it| !it.optional && !it.guarded)
                {
                    reference.value(context.data())?;
                }
                let mut output = Capped {
                    out,
                    left: MAX_TEXT_BYTES,
                };
                let mut state = RenderContext::new(None);
                compiled
                    .render(&self.registry, context, &mut state, &mut output)
                    .map_err(|error| match error.reason() {
                        RenderErrorReason::MissingVariable(Some(path)) => {
                            RenderProblem::missing(path)
                        }
                        RenderErrorReason::IOError(_) => RenderProblem::too_long(),
                        reason => RenderProblem {
                            variable: None,
                            message: functions::message(reason),
                        },
                    })
            }
        }
    }
}

/// A text that grows no further than it may.
struct Capped<'o> {
    out: &'o mut String,
    left: usize,
}

impl Capped<'_> {
    fn push(&mut self, text: &str) -> Result<(), RenderProblem> {
        match self.left.checked_sub(text.len()) {
            Some(left) => {
                self.left = left;
                self.out.push_str(text);
                Ok(())
            }
            None => Err(RenderProblem::too_long()),
        }
    }
}

impl Output for Capped<'_> {
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.push(text)
            .map_err(|problem| std::io::Error::other(problem.message))
    }
}

impl RenderProblem {
    fn too_long() -> Self {
        Self {
            variable: None,
            message: HelperProblem::TooLong.to_string(),
        }
    }

    fn missing(path: &str) -> Self {
        Self {
            variable: Some(path.to_owned()),
            message: format!("`{path}` is not set"),
        }
    }
}

impl Reference {
    fn value<'c>(&self, context: &'c Json) -> Result<&'c Json, RenderProblem> {
        let mut value = context;
        for name in &self.path {
            let found = match value {
                Json::Object(map) => map.get(name),
                Json::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            };
            value = found.ok_or_else(|| RenderProblem::missing(&self.raw))?;
        }
        match value {
            Json::Null => Err(RenderProblem::missing(&self.raw)),
            Json::Array(_) if self.direct => Err(RenderProblem {
                variable: Some(self.raw.clone()),
                message: format!(
                    "`{}` is a list: name the separator with {{{{join {} ', '}}}}",
                    self.raw, self.raw
                ),
            }),
            Json::Object(_) if self.direct => Err(RenderProblem {
                variable: Some(self.raw.clone()),
                message: format!("`{}` is a mapping, not a value", self.raw),
            }),
            other => Ok(other),
        }
    }
}

impl Template {
    /// The manifest-wide variables that it reads.
    pub(crate) fn vars(&self) -> impl Iterator<Item = &str> {
        self.below("vars", 1)
    }

    /// The preset's own variables that it reads.
    pub(crate) fn preset_vars(&self) -> impl Iterator<Item = &str> {
        self.references
            .iter()
            .filter(|it| it.path.len() > 2 && it.path[0] == "preset" && it.path[1] == "vars")
            .map(|it| it.path[2].as_str())
    }

    fn below(&self, root: &'static str, at: usize) -> impl Iterator<Item = &str> {
        self.references
            .iter()
            .filter(move |it| it.path.first().is_some_and(|first| first == root))
            .filter_map(move |it| it.path.get(at).map(String::as_str))
    }
}
