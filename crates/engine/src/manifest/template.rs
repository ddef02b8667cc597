//! Templates in settings and names: compiled once, checked against the variables there are before anything is rendered.
//!
//! A template that only puts variables between texts, as most do, is rendered without the engine; one with helpers goes through
//! handlebars in strict mode. Either way a variable that is not there is an error, except as an argument of `default` or the
//! condition of an `if`. Partials, loops and lookups are refused: a setting is a line of text, not a program.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{
    Context, Handlebars, Output, Path, PathSeg, RenderContext, RenderErrorReason, Renderable,
};
use serde_json::Value as Json;

use super::diagnostic::{Report, nearest, suggestion};
use super::functions;
use super::settings::MAX_TEXT_BYTES;
use super::source::Span;

/// Deepest nesting of blocks and of parentheses in a template: the parser calls itself for each.
const MAX_NESTING: usize = 16;

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    body: Body,
    references: Vec<Reference>,
    /// Where it is written.
    pub(crate) span: Span,
    /// Its own text.
    pub(crate) written: Arc<str>,
    /// What makes two renderings differ.
    pub(crate) reads: Reads,
}

#[derive(Debug)]
enum Body {
    /// Texts and variables only.
    Simple(Vec<Part>),
    /// With helpers or conditions.
    Compiled(Box<handlebars::Template>),
}

#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Variable(usize),
}

/// A variable that a template names.
#[derive(Debug)]
struct Reference {
    path: Vec<String>,
    raw: String,
    /// It may be missing: an argument of `default`, or the condition of an `if`.
    optional: bool,
    /// It stands in a branch that may not be rendered: only its name is checked beforehand.
    guarded: bool,
    /// It is put into the text as it is, so it must be one value.
    direct: bool,
}

/// Which of the things that differ between jobs a template reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reads {
    pub(crate) stem: bool,
    pub(crate) preset: bool,
    pub(crate) sweep: bool,
    pub(crate) take: bool,
    /// `run` or `track`.
    pub(crate) output: bool,
}

impl Reads {
    /// Whether every job gets the same text.
    pub(crate) fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// The variables that templates of one place may name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope {
    /// Names at the root.
    pub(crate) roots: &'static [&'static str],
    pub(crate) vars: BTreeSet<String>,
    pub(crate) stem_vars: BTreeSet<String>,
    pub(crate) preset_vars: BTreeSet<String>,
    pub(crate) sweep: Vec<String>,
    pub(crate) env: Vec<String>,
    /// Variables that are listed and have no value here, which was said.
    pub(crate) refused_env: Vec<String>,
    /// Roots below which not everything is known, for what should give it is wrong: that is said, and nothing else is.
    pub(crate) partial: Vec<&'static str>,
}

/// What templates outside of jobs may name: addresses, folders, a stem's file.
pub(crate) const FIXED_ROOTS: &[&str] = &["name", "vars", "env"];
/// What settings may name.
pub(crate) const JOB_ROOTS: &[&str] = &["name", "vars", "env", "stem", "preset", "sweep", "take"];
/// What output names may name.
pub(crate) const OUTPUT_ROOTS: &[&str] = &[
    "name", "vars", "env", "stem", "preset", "sweep", "take", "run", "track",
];

/// Why a rendering failed.
#[derive(Debug, Clone, PartialEq, Eq)]
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
                        Part::Text(text) => output.push(text)?,
                        Part::Variable(at) => {
                            let value = template.references[*at].value(context.data())?;
                            let text =
                                functions::text_of(value).map_err(|message| RenderProblem {
                                    variable: None,
                                    message,
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
            message: functions::TOO_LONG.to_owned(),
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

/// Whether a text is a template at all.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{")
}

/// About how deep a template is nested: its open blocks and parentheses, in texts too.
fn nesting(text: &str) -> usize {
    let (mut blocks, mut parentheses, mut deepest) = (0_usize, 0_usize, 0);
    for (at, byte) in text.bytes().enumerate() {
        let behind = &text.as_bytes()[at..];
        match byte {
            b'{' if behind.starts_with(b"{{#") || behind.starts_with(b"{{~#") => blocks += 1,
            b'{' if behind.starts_with(b"{{/") || behind.starts_with(b"{{~/") => {
                blocks = blocks.saturating_sub(1);
            }
            b'(' => parentheses += 1,
            b')' => parentheses = parentheses.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(blocks + parentheses);
    }
    deepest
}

/// What is wrong with a template, in the user's words: the parser's own names are of no use to them.
fn unread(error: &handlebars::TemplateError) -> String {
    use handlebars::TemplateErrorReason as Reason;
    match error.reason() {
        Reason::MismatchingClosedHelper(open, closed)
        | Reason::MismatchingClosedDecorator(open, closed) => {
            format!("`{{{{#{open}}}}}` is closed by `{{{{/{closed}}}}}`")
        }
        Reason::InvalidSyntax(_) => {
            "a `{{` is not closed, or there is something in it that does not belong there"
                .to_owned()
        }
        other => other.to_string().lines().next().unwrap_or("").to_owned(),
    }
}

/// Compiles a text and checks what it names; what is wrong goes to the report.
pub(crate) fn compile(
    text: &str,
    span: Span,
    scope: &Scope,
    report: &mut Report,
) -> Option<Template> {
    if text.len() > MAX_TEXT_BYTES {
        report.error_at(
            span,
            format!(
                "this template has {} bytes, {MAX_TEXT_BYTES} are allowed",
                text.len()
            ),
            "too long",
        );
        return None;
    }
    if nesting(text) > MAX_NESTING {
        report
            .error_at(
                span,
                format!("this template is nested deeper than {MAX_NESTING} levels"),
                "too deep",
            )
            .help("decide with fewer conditions, or give the presets settings of their own");
        return None;
    }
    let compiled = match handlebars::Template::compile(text) {
        Ok(compiled) => compiled,
        Err(error) => {
            let reason = unread(&error);
            report
                .error_at(span, "this template can't be read", reason)
                .help("a variable is `{{stem.id}}`, a helper `{{upper stem.id}}`, a condition `{{#if stem.vars.x}}…{{else}}…{{/if}}`");
            return None;
        }
    };
    let mut reader = Reader {
        span,
        report,
        references: Vec::new(),
        refused: false,
    };
    reader.elements(&compiled, false);
    let Reader {
        references,
        refused,
        ..
    } = reader;
    if refused {
        return None;
    }
    let mut said = HashSet::new();
    let mut complete = true;
    for reference in references
        .iter()
        .filter(|reference| said.insert(reference.raw.as_str()))
    {
        complete &= check(reference, span, scope, report);
    }
    if !complete {
        return None;
    }
    let names = |root: &str| {
        references
            .iter()
            .any(|reference| reference.path.first().is_some_and(|it| it == root))
    };
    let reads = Reads {
        stem: names("stem"),
        preset: names("preset"),
        sweep: names("sweep"),
        take: names("take"),
        output: names("run") || names("track"),
    };
    let body = simple(&compiled, &references)
        .map_or_else(|| Body::Compiled(Box::new(compiled)), Body::Simple);
    Some(Template {
        body,
        references,
        span,
        written: text.into(),
        reads,
    })
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

/// The parts of a template that needs no engine.
fn simple(compiled: &handlebars::Template, references: &[Reference]) -> Option<Vec<Part>> {
    let mut next = 0;
    let mut parts = Vec::with_capacity(compiled.elements.len());
    for element in &compiled.elements {
        match element {
            TemplateElement::RawString(text) => parts.push(Part::Text(text.as_str().into())),
            TemplateElement::Expression(expression)
                if references.get(next)?.direct && is_variable(expression) =>
            {
                parts.push(Part::Variable(next));
                next += 1;
            }
            TemplateElement::Comment(_) => {}
            _ => return None,
        }
    }
    Some(parts)
}

fn is_variable(expression: &HelperTemplate) -> bool {
    expression.params.is_empty() && expression.hash.is_empty() && !expression.block
}

/// Walks a compiled template for the variables and helpers that it names.
struct Reader<'r> {
    span: Span,
    report: &'r mut Report,
    references: Vec<Reference>,
    refused: bool,
}

impl Reader<'_> {
    fn refuse(&mut self, text: &str, message: String, help: &str) {
        self.refused = true;
        let span = narrowed(self.span, text, self.report);
        self.report.error_at(span, message, "").help(help);
    }

    fn elements(&mut self, template: &handlebars::Template, guarded: bool) {
        for element in &template.elements {
            match element {
                TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
                TemplateElement::HtmlExpression(_) => self.refuse(
                    "{{{",
                    "`{{{` has no meaning of its own here".to_owned(),
                    "write `{{…}}`: values are never escaped in settings and always made safe in file names",
                ),
                TemplateElement::Expression(expression) => {
                    if is_variable(expression) {
                        self.parameter(&expression.name, false, guarded, true);
                    } else {
                        self.call(expression, guarded);
                    }
                }
                TemplateElement::HelperBlock(block) => self.block(block, guarded),
                _ => self.refuse(
                    "{{>",
                    "a template can't include another one".to_owned(),
                    "write the text out, or keep it in `vars`",
                ),
            }
        }
    }

    fn call(&mut self, expression: &HelperTemplate, guarded: bool) {
        let name = expression.name.as_name().unwrap_or("");
        if !functions::NAMES.contains(&name) {
            let help = suggestion(name, functions::NAMES.iter().copied()).unwrap_or_default();
            self.refuse(name, format!("there is no helper `{name}`"), &help);
            return;
        }
        if let Some(key) = expression.hash.keys().next() {
            self.refuse(
                key,
                format!("`{name}` takes no named arguments"),
                "write its arguments one after the other",
            );
            return;
        }
        if let Some(usage) = functions::misused(name, expression.params.len()) {
            self.refuse(
                name,
                format!(
                    "`{name}` does not take {} argument(s)",
                    expression.params.len()
                ),
                usage,
            );
            return;
        }
        for parameter in &expression.params {
            self.parameter(parameter, name == "default", guarded, false);
        }
    }

    fn block(&mut self, block: &HelperTemplate, guarded: bool) {
        let name = block.name.as_name().unwrap_or("");
        if !["if", "unless"].contains(&name) {
            let help =
                "of the blocks there are `{{#if …}}` and `{{#unless …}}`, each with `{{else}}`";
            self.refuse(name, format!("there is no block `{name}`"), help);
            return;
        }
        for parameter in &block.params {
            self.parameter(parameter, true, guarded, false);
        }
        for branch in block.template.iter().chain(&block.inverse) {
            self.elements(branch, true);
        }
    }

    fn parameter(&mut self, parameter: &Parameter, optional: bool, guarded: bool, direct: bool) {
        match parameter {
            Parameter::Literal(_) => {}
            Parameter::Name(name) => {
                self.reference(name, vec![name.clone()], optional, guarded, direct)
            }
            Parameter::Path(Path::Relative((segments, raw))) => {
                let named: Option<Vec<String>> = segments
                    .iter()
                    .map(|segment| match segment {
                        PathSeg::Named(name) => Some(name.clone()),
                        _ => None,
                    })
                    .collect();
                match named {
                    Some(path) if !path.is_empty() => {
                        self.reference(raw, path, optional, guarded, direct)
                    }
                    _ => self.refuse(
                        raw,
                        format!("`{raw}` names no variable"),
                        "name it from the root: `stem.vars.mood`",
                    ),
                }
            }
            Parameter::Path(Path::Local((_, _, raw))) => {
                self.refuse(
                    raw,
                    format!("`{raw}` names no variable"),
                    "there are no loops, so no `@` variables",
                );
            }
            Parameter::Subexpression(inner) => match inner.as_element() {
                TemplateElement::Expression(expression) => {
                    self.call(expression, guarded || optional)
                }
                _ => self.refuse(
                    "(",
                    "this is not a helper".to_owned(),
                    "in parentheses stands a helper: `(lower stem.id)`",
                ),
            },
            other => self.refuse(
                "",
                format!("this argument can't be read: {other:?}"),
                "give a text, a number or a variable",
            ),
        }
    }

    fn reference(
        &mut self,
        raw: &str,
        path: Vec<String>,
        optional: bool,
        guarded: bool,
        direct: bool,
    ) {
        self.references.push(Reference {
            path,
            raw: raw.to_owned(),
            optional,
            guarded,
            direct,
        });
    }
}

/// The part of a template's place where a text stands in it, or all of it.
fn narrowed(span: Span, text: &str, report: &Report) -> Span {
    let slice = report.sources.slice(span);
    let inside = slice.find("{{").unwrap_or(0);
    match slice.get(inside..).and_then(|rest| rest.find(text)) {
        Some(at) if !text.is_empty() => {
            let start = span.start + (inside + at) as u32;
            Span {
                start,
                end: start + text.len() as u32,
                ..span
            }
        }
        _ => span,
    }
}

/// Reports a variable that can't be there. Gives whether it is there: of one that may be missing only because of another error
/// nothing is said.
fn check(reference: &Reference, span: Span, scope: &Scope, report: &mut Report) -> bool {
    let path: Vec<&str> = reference.path.iter().map(String::as_str).collect();
    let known: Vec<&str> = match path.as_slice() {
        ["name" | "take" | "run"] if scope.roots.contains(&path[0]) => return true,
        [root, ..] if !scope.roots.contains(root) => {
            unknown_root(reference, span, scope, report);
            return false;
        }
        ["vars", name, ..] if reference.optional || scope.vars.contains(*name) => return true,
        ["vars", ..] => scope.vars.iter().map(String::as_str).collect(),
        ["env", name] if scope.env.iter().any(|it| it == name) => return true,
        ["env", name] if scope.refused_env.iter().any(|it| it == name) => return false,
        ["env", name] => {
            let place = narrowed(span, &reference.raw, report);
            report
                .error_at(
                    place,
                    format!("`env.{name}` is not listed under `env`"),
                    "read here",
                )
                .help(format!("add it at the top: `env: [{name}]`"));
            return false;
        }
        ["sweep", name] if reference.optional || scope.sweep.iter().any(|it| it == name) => {
            return true;
        }
        ["sweep", ..] => scope.sweep.iter().map(String::as_str).collect(),
        ["stem" | "preset", "id"] | ["track", "id" | "index"] => return true,
        ["stem", "vars", name, ..] if reference.optional || scope.stem_vars.contains(*name) => {
            return true;
        }
        ["stem", "vars", ..] => scope.stem_vars.iter().map(String::as_str).collect(),
        ["preset", "vars", name, ..] if reference.optional || scope.preset_vars.contains(*name) => {
            return true;
        }
        ["preset", "vars", ..] => scope.preset_vars.iter().map(String::as_str).collect(),
        ["stem" | "preset", ..] => vec!["id", "vars"],
        ["track", ..] => vec!["index", "id"],
        _ => Vec::new(),
    };
    if scope.partial.contains(&path[0]) {
        return false;
    }
    // The name that is wrong is the first one that is not a fixed word of the path.
    let depth = if path.get(1) == Some(&"vars") { 2 } else { 1 };
    let prefix = path
        .iter()
        .take(depth)
        .copied()
        .collect::<Vec<_>>()
        .join(".");
    let wrong = path.get(depth).copied().unwrap_or("");
    let whole: Vec<String> = known
        .iter()
        .map(|name| format!("{prefix}.{name}"))
        .collect();
    let help = match nearest(wrong, known.iter().copied()) {
        Some(near) if !wrong.is_empty() => Some(format!("did you mean `{prefix}.{near}`?")),
        _ if whole.is_empty() => Some(match path[0] {
            "vars" => format!("there are no `vars`: add `vars: {{{wrong}: …}}`"),
            "sweep" => "the manifest has no `sweep`".to_owned(),
            _ => format!(
                "nothing sets it; write {{{{default {} '…'}}}} if it may be missing",
                reference.raw
            ),
        }),
        _ => suggestion("", whole.iter().map(String::as_str)),
    };
    let place = narrowed(span, &reference.raw, report);
    report
        .error_at(
            place,
            format!("there is no variable `{}`", reference.raw),
            "not defined anywhere",
        )
        .maybe_help(help);
    false
}

fn unknown_root(reference: &Reference, span: Span, scope: &Scope, report: &mut Report) {
    let root = reference.path[0].as_str();
    let help = if OUTPUT_ROOTS.contains(&root) {
        Some(match root {
            "run" | "track" => format!("`{root}` is only known in `output.file`"),
            _ => format!(
                "`{root}` differs from job to job; here are only: {}",
                scope.roots.join(", ")
            ),
        })
    } else if scope.vars.contains(root) {
        Some(format!("did you mean `vars.{root}`?"))
    } else if scope.stem_vars.contains(root) && scope.roots.contains(&"stem") {
        Some(format!("did you mean `stem.vars.{root}`?"))
    } else {
        suggestion(root, scope.roots.iter().copied())
    };
    let place = narrowed(span, &reference.raw, report);
    report
        .error_at(
            place,
            format!("there is no variable `{}`", reference.raw),
            "not defined here",
        )
        .maybe_help(help);
}
