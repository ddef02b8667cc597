//! Compiles a template and checks everything that it names.
//!
//! Partials, loops and lookups are refused: a setting is a line of text, not a program.

use std::collections::{HashMap, HashSet};

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, PathSeg};

use super::scope::{Found, Scope, check, narrowed};
use crate::manifest::source::files::Span;
use crate::manifest::source::report::Report;
use crate::nearest::{meant, suggestion};
use crate::template::{Body, MAX_TEXT_BYTES, Reads, Reference, Segment, Template, functions};

/// Deepest nesting of blocks and of parentheses in a template: the parser calls itself for each.
const MAX_NESTING: usize = 16;

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

/// Explains what is wrong with a template without the parser's own names.
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
        mut references,
        refused,
        ..
    } = reader;
    let mut complete = !refused;
    // What is clearly a slip is read as what was meant, so that one pass finds what else is wrong.
    let mut slips: HashMap<String, Vec<String>> = HashMap::new();
    let mut said = HashSet::new();
    for reference in references
        .iter()
        .filter(|reference| said.insert(reference.raw.as_str()))
    {
        match check(reference, span, scope, report) {
            Found::There => {}
            Found::Slip(path) => _ = slips.insert(reference.raw.clone(), path),
            Found::Missing => complete = false,
        }
    }
    if !complete {
        return None;
    }
    for reference in &mut references {
        if let Some(path) = slips.get(&reference.raw) {
            reference.path.clone_from(path);
        }
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
        output: names("run") || names("track") || names("artefact"),
        artefact: names("artefact"),
    };
    let body = match simple(&compiled, &references) {
        Some(parts) => Body::Simple(parts),
        None if slips.is_empty() => Body::Compiled(Box::new(compiled)),
        None => return None,
    };
    Some(Template {
        body,
        references,
        written: text.into(),
        reads,
    })
}

/// The parts of a template that needs no engine.
fn simple(compiled: &handlebars::Template, references: &[Reference]) -> Option<Vec<Segment>> {
    let mut next = 0;
    let mut parts = Vec::with_capacity(compiled.elements.len());
    for element in &compiled.elements {
        match element {
            TemplateElement::RawString(text) => parts.push(Segment::Text(text.as_str().into())),
            TemplateElement::Expression(expression)
                if references.get(next)?.direct && is_variable(expression) =>
            {
                parts.push(Segment::Variable(next));
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
            // Of a slip the arguments are what they are of the helper; of anything else they may be no variables.
            if let [_] = meant(name, functions::NAMES.iter().copied())[..] {
                self.arguments(expression, false, guarded);
            }
            return;
        }
        if let Some(key) = expression.hash.keys().next() {
            self.refuse(
                key,
                format!("`{name}` takes no named arguments"),
                "write its arguments one after the other",
            );
        } else if let Some(usage) = functions::misused(name, expression.params.len()) {
            self.refuse(
                name,
                format!(
                    "`{name}` does not take {} argument(s)",
                    expression.params.len()
                ),
                usage,
            );
        }
        self.arguments(expression, name == "default", guarded);
    }

    fn arguments(&mut self, expression: &HelperTemplate, optional: bool, guarded: bool) {
        for parameter in &expression.params {
            self.parameter(parameter, optional, guarded, false);
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
                    "parentheses contain a helper: `(lower stem.id)`",
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
