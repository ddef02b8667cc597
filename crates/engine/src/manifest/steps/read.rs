//! Reading `then`: `[wav, {stems: split_stem, when: {preset: piano}}, midi]`.
//!
//! Which steps there are, what they process and which settings they have is the provider's table of operations; nothing here names one.

use std::collections::HashSet;
use std::sync::Arc;

use backline_api::{ChoiceError, Choices, Input, Operation, Profile, Results};
use indexmap::IndexMap;

use crate::manifest::matrix::axes::Matrix;
use crate::manifest::matrix::rules::{Match, read_matches};
use crate::manifest::source::fields::{self, Field, Fields, wrong};
use crate::manifest::source::files::Span;
use crate::manifest::source::ids::check_id;
use crate::manifest::source::node::{Node, Value};
use crate::manifest::source::report::Report;
use crate::nearest::suggestion;
use crate::plan::path_part;

/// Most steps of one list.
const MAX_STEPS: usize = 32;

/// The keys of a step beside that of its operation.
const KEYS: [&str; 4] = ["when", "exclude", "of", "name"];

/// The word that selects the tracks which listeners have starred.
const STARRED: &str = "starred";

/// A step of a list.
#[derive(Debug)]
pub(crate) struct StepDecl {
    /// What the manifest calls it.
    pub(crate) name: Arc<str>,
    /// The operation's name.
    pub(crate) operation: &'static str,
    /// Its settings, in the order of the operation's table.
    pub(crate) settings: Arc<IndexMap<String, String>>,
    /// The place in the list of the step that it processes; none where it processes the song.
    pub(crate) of: Option<usize>,
    /// The songs that it is for: those that one of these selects, or all.
    pub(crate) when: Option<Vec<Match>>,
    /// The songs that it is not for.
    pub(crate) excludes: Vec<Match>,
    /// Whether it is for starred tracks alone.
    pub(crate) starred: bool,
    /// Where it is written.
    pub(crate) span: Span,
}

/// A step whose input is not known yet.
struct Raw<'n> {
    decl: StepDecl,
    input: Input,
    results: Results,
    of: Option<fields::Text>,
    is_named: bool,
    span: Span,
    /// Where its operation is named.
    at: &'n Node,
}

/// Reads a list of steps. `partial` are the axes of which not everything is known.
pub(crate) fn read(
    node: &Node,
    profile: &Profile,
    matrix: &Matrix,
    partial: &[&str],
    report: &mut Report,
) -> Vec<StepDecl> {
    let Some(items) = fields::list(node, "`then`", report) else {
        return Vec::new();
    };
    if items.len() > MAX_STEPS {
        report.error_at(
            node.span,
            format!("`then` has {} steps, {MAX_STEPS} are allowed", items.len()),
            "too many",
        );
        return Vec::new();
    }
    let before = report.errors();
    let reader = Reader {
        profile,
        matrix,
        partial,
    };
    let mut steps: Vec<Raw<'_>> = Vec::new();
    for item in items {
        steps.extend(reader.step(item, report));
    }
    // After an error, steps that depend on a wrong one would be reported too.
    if report.errors() > before {
        return Vec::new();
    }
    name(&mut steps);
    connect(&mut steps, report);
    refuse_equal(&steps, report);
    steps.into_iter().map(|step| step.decl).collect()
}

struct Reader<'a> {
    profile: &'a Profile,
    matrix: &'a Matrix,
    partial: &'a [&'a str],
}

impl Reader<'_> {
    /// The operations that a manifest may name: recovery processes whole songs, and only when they are lost.
    fn operations(&self) -> impl Iterator<Item = &Operation> {
        let steps = self.profile.steps.iter();
        steps.filter(|step| !matches!(step.input, Input::Song { .. }))
    }

    fn step<'n>(&self, item: &'n Node, report: &mut Report) -> Option<Raw<'n>> {
        if let Value::Text(name) = &item.value {
            let operation = self.operation(name, item.span, report)?;
            let settings = self.settings(operation, None, item, report)?;
            return Some(Raw::new(operation, settings, item));
        }
        if !matches!(item.value, Value::Map(_)) {
            wrong(item, "a step is a name or a mapping", "a step", report)
                .help("write `wav`, or `{stems: split_stem}`");
            return None;
        }
        let entry = Fields::open(item, "a step", report)?;
        let others = entry.entries().filter(|field| !KEYS.contains(&field.key));
        let (named, unknown): (Vec<Field<'n>>, Vec<Field<'n>>) =
            others.partition(|field| self.operations().any(|step| step.name == field.key));
        if named.len() == 1 && !unknown.is_empty() {
            for field in &unknown {
                report
                    .error_at(
                        field.key_span,
                        format!("unknown key `{}` in a step", field.key),
                        "not a key here",
                    )
                    .help_with(|| suggestion(field.key, KEYS));
            }
            return None;
        }
        let others: Vec<Field<'n>> = named.into_iter().chain(unknown).collect();
        let [named] = others[..] else {
            let names: Vec<&str> = self.operations().map(|step| step.name).collect();
            let what = match others.is_empty() {
                true => "this step names no operation",
                false => "this step names several operations",
            };
            report
                .error_at(item.span, what, "expected one")
                .help(format!("one of {}", names.join(", ")));
            return None;
        };
        let operation = self.operation(named.key, named.key_span, report)?;
        let settings = self.settings(operation, Some(named.node), named.node, report)?;
        let mut step = Raw::new(operation, settings, item);
        step.of = entry.text("of", report);
        if let Some(name) = entry.text("name", report) {
            check_id(&name.text, "a step's name", name.span, report);
            if path_part(&name.text).is_none() || name.text.contains(['/', '\\']) {
                report
                    .error_at(
                        name.span,
                        format!("a step can't be called `{}`", name.text),
                        "it is a part of file names",
                    )
                    .help("use letters, digits, `-` and `_`");
            }
            (step.decl.name, step.is_named) = (name.text.into(), true);
        }
        let matches = |node, what, report: &mut Report| {
            read_matches(node, what, self.matrix, self.partial, report)
        };
        match entry.get("when") {
            Some(Node {
                value: Value::Text(word),
                span,
                ..
            }) => {
                if &**word != STARRED {
                    report
                        .error_at(
                            *span,
                            format!("`when` can't be `{word}`"),
                            "expected `starred`, or a mapping",
                        )
                        .help("write `when: starred`, or `when: {preset: piano}`");
                }
                step.decl.starred = true;
            }
            Some(node) => step.decl.when = Some(matches(node, "`when`", report)),
            None => {}
        }
        if let Some(node) = entry.get("exclude") {
            step.decl.excludes = matches(node, "`exclude` of a step", report);
        }
        Some(step)
    }

    fn operation(&self, name: &str, span: Span, report: &mut Report) -> Option<&Operation> {
        let found = self.operations().find(|step| step.name == name);
        if found.is_none() {
            let names: Vec<&str> = self.operations().map(|step| step.name).collect();
            let provider = &self.profile.name;
            let help = match names.is_empty() {
                true => Some("it sells songs alone".to_owned()),
                false => suggestion(name, names.iter().copied()),
            };
            report
                .error_at(
                    span,
                    format!("the provider `{provider}` has no step `{name}`"),
                    "not a step",
                )
                .maybe_help(help);
        }
        found
    }

    /// The settings of a step: a mapping, or the value of its first setting.
    fn settings(
        &self,
        operation: &Operation,
        node: Option<&Node>,
        at: &Node,
        report: &mut Report,
    ) -> Option<Choices> {
        let names: Vec<&str> = operation.settings.iter().map(|row| row.name).collect();
        let mut given: Vec<(&str, &str)> = Vec::new();
        match node.map(|node| (node, &node.value)) {
            None | Some((_, Value::Null)) => {}
            Some((node, Value::Map(_))) => {
                let what = format!("the settings of `{}`", operation.name);
                let fields = Fields::read(node, &what, &names, report)?;
                for field in fields.entries() {
                    let Some(text) = field.node.scalar_text() else {
                        let what = format!("`{}` is a string", field.key);
                        wrong(field.node, &what, "a string", report);
                        return None;
                    };
                    given.push((field.key, text));
                }
            }
            Some((node, _)) => match (names.first(), node.scalar_text()) {
                (Some(first), Some(text)) => given.push((first, text)),
                (None, Some(_)) => {
                    report
                        .error_at(
                            node.span,
                            format!("`{}` has no settings", operation.name),
                            "not read",
                        )
                        .help(format!("write `{}`", operation.name));
                    return None;
                }
                (_, None) => {
                    let what =
                        format!("the value of `{}` is a string or a mapping", operation.name);
                    wrong(node, &what, "a string or a mapping", report);
                    return None;
                }
            },
        }
        if let Some((name, _)) = given.iter().find(|(_, text)| text.contains("{{")) {
            report.error_at(
                at.span,
                format!("`{name}` of a step is no template"),
                "sent as it is written",
            );
            return None;
        }
        match operation.choices(given) {
            Ok(choices) => Some(choices),
            Err(error) => {
                let help = help(operation, &error);
                report
                    .error_at(
                        at.span,
                        format!("`{}`: {error}", operation.name),
                        "in this step",
                    )
                    .maybe_help(help);
                None
            }
        }
    }
}

/// What to do about a setting that is wrong.
fn help(operation: &Operation, error: &ChoiceError) -> Option<String> {
    let ChoiceError::Missing(setting) = error else {
        return None;
    };
    let row = operation.settings.iter().find(|row| row.name == *setting)?;
    let example = row.examples.first()?;
    Some(match operation.settings.first()?.name == *setting {
        true => format!("write `{{{}: {example}}}`", operation.name),
        false => format!("add `{setting}: {example}`"),
    })
}

impl<'n> Raw<'n> {
    /// Whether it processes the song itself.
    fn is_of_song(&self) -> bool {
        !matches!(self.input, Input::Stems { .. })
    }

    fn new(operation: &Operation, choices: Choices, at: &'n Node) -> Self {
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let settings = choices.iter();
        let settings = settings.map(|(row, value)| (row.name.to_owned(), text(&value.to_json())));
        Self {
            decl: StepDecl {
                name: operation.name.into(),
                operation: operation.name,
                settings: Arc::new(settings.collect()),
                of: None,
                when: None,
                excludes: Vec::new(),
                starred: false,
                span: at.span,
            },
            input: operation.input,
            results: operation.results,
            of: None,
            is_named: false,
            span: at.span,
            at,
        }
    }
}

/// Names the steps of an operation that the list has several times by their first setting.
fn name(steps: &mut [Raw<'_>]) {
    let operations: Vec<&str> = steps.iter().map(|step| step.decl.operation).collect();
    for step in steps {
        let same = operations.iter().filter(|it| **it == step.decl.operation);
        if same.count() > 1
            && !step.is_named
            && let Some(first) = step.decl.settings.values().next()
        {
            step.decl.name = first.as_str().into();
        }
    }
}

/// Refuses two steps of one name, and two that are one request.
fn refuse_equal(steps: &[Raw<'_>], report: &mut Report) {
    let mut names = HashSet::new();
    for (at, step) in steps.iter().enumerate() {
        if !names.insert(&step.decl.name) {
            report
                .error_at(
                    step.at.span,
                    format!("two steps are called `{}`", step.decl.name),
                    "the second",
                )
                .help("remove one, or give it a name: `name: vocals`");
        }
        let twin = steps[..at].iter().find(|other| {
            other.decl.operation == step.decl.operation
                && other.decl.settings == step.decl.settings
                && other.decl.of == step.decl.of
                // What is not found has been reported.
                && (step.decl.of.is_some() || step.is_of_song())
        });
        if let Some(twin) = twin
            && twin.decl.name != step.decl.name
        {
            report
                .error_at(
                    step.at.span,
                    format!(
                        "the steps `{}` and `{}` are one and the same request",
                        twin.decl.name, step.decl.name
                    ),
                    "the second",
                )
                .help("remove one");
        }
    }
}

/// Finds what each step processes: the song, the step that `of` names, or else the last one before it that makes such a thing, or the first
/// one after it.
fn connect(steps: &mut [Raw<'_>], report: &mut Report) {
    for at in 0..steps.len() {
        let step = &steps[at];
        let is_input = |other: &Raw<'_>| match step.input {
            Input::Stems { .. } => other.results == Results::Stems,
            Input::Track { .. }
            | Input::TrackOrRecording { .. }
            | Input::Song { .. }
            | Input::Recording { .. } => false,
        };
        let of_song = step.is_of_song();
        let name = &step.decl.name;
        let expected = step.input.expected();
        let found = match &step.of {
            None if of_song => continue,
            None => {
                let before = (0..at).rev().chain(at + 1..steps.len());
                let mut fitting = before.filter(|other| is_input(&steps[*other]));
                let found = fitting.next();
                if found.is_none() {
                    report
                        .error_at(
                            step.span,
                            format!("`{name}` processes {expected}, and no step makes that"),
                            "nothing to process",
                        )
                        .help("add the step that makes it: `{stems: split_stem}`");
                }
                found
            }
            Some(of) => {
                let named = steps.iter().position(|other| *other.decl.name == *of.text);
                match named {
                    Some(other) if is_input(&steps[other]) => Some(other),
                    Some(other) => {
                        let made = &steps[other].decl.name;
                        report.error_at(
                            of.span,
                            format!("`{name}` processes {expected}, which `{made}` does not make"),
                            "can't be processed",
                        );
                        None
                    }
                    None => {
                        let names = steps.iter().map(|other| &*other.decl.name);
                        let help = suggestion(&of.text, names);
                        report
                            .error_at(
                                of.span,
                                format!("there is no step `{}`", of.text),
                                "not a step of this list",
                            )
                            .maybe_help(help);
                        None
                    }
                }
            }
        };
        steps[at].decl.of = found;
    }
}
