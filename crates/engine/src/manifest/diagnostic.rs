//! What is wrong with a manifest, said so that it can be put right: file, line and column, an excerpt, what was expected,
//! what to do.
//!
//! A [`Diagnostic`] owns its excerpts and outlives the files. The [`Report`] gathers them while a manifest is read, so that one
//! pass finds everything; it never stops at the first. Printing is the caller's: this module makes text or data.

use std::fmt;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::source::{Sources, Span};

/// Most diagnostics that are kept; the rest is counted. Nobody reads the hundred-and-first.
const MAX_KEPT: usize = 100;
/// Longest line of which an excerpt is given, in bytes.
const MAX_EXCERPT_BYTES: usize = 2_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// There is no plan.
    Error,
    /// There is a plan, and perhaps not the one that was meant.
    Warning,
}

/// A place in a file, with the lines around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, as the user would name it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is said at the place itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The line, or nothing when it is too long to be shown.
    #[serde(skip)]
    excerpt: String,
    #[serde(skip)]
    start: usize,
    #[serde(skip)]
    end: usize,
}

/// One thing that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where; none for what has no place in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Other places that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Place>,
    /// More to know, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whether it is about what was asked for, and not about the manifest.
    #[serde(skip)]
    asked: bool,
}

/// All that is wrong with a manifest, file by file from top to bottom; last what has no place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diagnostics {
    /// Those that were kept.
    pub items: Vec<Diagnostic>,
    /// How many more there were.
    pub dropped: usize,
}

impl Diagnostics {
    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many there are, those not kept included.
    pub fn len(&self) -> usize {
        self.items.len() + self.dropped
    }

    /// How many of the kept ones are errors.
    pub fn errors(&self) -> usize {
        self.items
            .iter()
            .filter(|item| item.severity == Severity::Error)
            .count()
    }

    /// Whether the manifest is right and only what was asked for is not.
    pub fn are_about_the_question(&self) -> bool {
        self.dropped == 0 && self.items.iter().all(|item| item.asked)
    }

    /// As text for a person, with colours or without; ends in a line break unless empty.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        for item in &self.items {
            text.push_str(&renderer.render(&[item.group()]));
            text.push_str("\n\n");
        }
        if self.dropped > 0 {
            text.push_str(&format!("and {} more\n", self.dropped));
        } else {
            text.truncate(text.trim_end_matches('\n').len());
            if !text.is_empty() {
                text.push('\n');
            }
        }
        text
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

impl Diagnostic {
    fn group(&self) -> Group<'_> {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        let places = self
            .place
            .iter()
            .map(|place| (place, AnnotationKind::Primary));
        for (place, kind) in places.chain(
            self.related
                .iter()
                .map(|place| (place, AnnotationKind::Context)),
        ) {
            if place.excerpt.is_empty() {
                group = group.element(
                    Origin::path(place.file.as_str())
                        .line(place.line)
                        .char_column(place.column),
                );
                if let Some(label) = &place.label {
                    group = group.element(Level::NOTE.message(label.as_str()));
                }
                continue;
            }
            let annotation: Annotation<'_> = kind
                .span(place.start..place.end)
                .label(place.label.as_deref());
            let snippet = Snippet::source(place.excerpt.as_str())
                .line_start(place.line)
                .path(place.file.as_str());
            group = group.element(snippet.annotation(annotation));
        }
        for note in &self.notes {
            group = group.element(Level::NOTE.message(note.as_str()));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        group
    }
}

/// Gathers what is wrong while a manifest is read.
#[derive(Debug)]
pub(crate) struct Report {
    /// The files that spans point into.
    pub(crate) sources: Sources,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    dropped: usize,
    overflow: Diagnostic,
}

impl Report {
    /// Nothing is wrong yet.
    pub(crate) fn new(sources: Sources) -> Self {
        let overflow = Diagnostic::new(Severity::Error, String::new());
        Self {
            sources,
            errors: Vec::new(),
            warnings: Vec::new(),
            dropped: 0,
            overflow,
        }
    }

    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        self.errors.len() + self.dropped
    }

    /// An error that has no place in a file.
    pub(crate) fn error(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        if self.errors.len() == MAX_KEPT {
            self.dropped += 1;
            self.overflow = Diagnostic::new(Severity::Error, String::new());
            return &mut self.overflow;
        }
        self.errors
            .push(Diagnostic::new(Severity::Error, message.into()));
        let last = self.errors.len() - 1;
        &mut self.errors[last]
    }

    /// An error of what was asked for, as a filter that no job meets.
    pub(crate) fn refuse(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = self.error(message);
        diagnostic.asked = true;
        diagnostic
    }

    /// An error at a place; `label` says there what was expected.
    pub(crate) fn error_at(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let place = self.place(span, Some(label.into()));
        let diagnostic = self.error(message);
        diagnostic.place = Some(place);
        diagnostic
    }

    /// An error at a secret: its line is named and never shown.
    pub(crate) fn secret_at(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        let mut place = self.place(span, None);
        place.excerpt.clear();
        let diagnostic = self.error(message);
        diagnostic.place = Some(place);
        diagnostic
    }

    /// A warning at a place.
    pub(crate) fn warning_at(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let place = self.place(span, Some(label.into()));
        if self.warnings.len() == MAX_KEPT {
            self.overflow = Diagnostic::new(Severity::Warning, String::new());
            return &mut self.overflow;
        }
        let mut warning = Diagnostic::new(Severity::Warning, message.into());
        warning.place = Some(place);
        self.warnings.push(warning);
        let last = self.warnings.len() - 1;
        &mut self.warnings[last]
    }

    /// Says what to do about the error that was reported last.
    pub(crate) fn last_help(&mut self, help: &str) {
        if let Some(last) = self.errors.last_mut()
            && self.dropped == 0
        {
            last.help(help);
        }
    }

    /// Says more about the error that was reported last.
    pub(crate) fn last_note(&mut self, note: String) {
        if let Some(last) = self.errors.last_mut() {
            last.note(note);
        }
    }

    /// A place for [`Diagnostic::also`].
    pub(crate) fn place(&self, span: Span, label: Option<String>) -> Place {
        let source = self.sources.get(span.source);
        let text: &str = &source.text;
        let start = text.floor_char_boundary((span.start as usize).min(text.len()));
        let end = text
            .floor_char_boundary((span.end as usize).min(text.len()))
            .max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = 1 + text[..start].bytes().filter(|byte| *byte == b'\n').count();
        let column = 1 + text[line_start..start].chars().count();
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let shown = text[line_start..line_end].trim_end();
        let label = label.filter(|label| !label.is_empty());
        if shown.len() > MAX_EXCERPT_BYTES || shown.is_empty() {
            return Place {
                file: source.shown.clone(),
                line,
                column,
                label,
                excerpt: String::new(),
                start: 0,
                end: 0,
            };
        }
        // A span over several lines is marked on its first one; an empty span marks one character.
        let from = (start - line_start).min(shown.len());
        let mut to = (end - line_start).min(shown.len());
        if to <= from {
            to = shown[from..]
                .chars()
                .next()
                .map_or(from, |char| from + char.len_utf8());
        }
        Place {
            file: source.shown.clone(),
            line,
            column,
            label,
            excerpt: shown.to_owned(),
            start: from,
            end: to,
        }
    }

    /// What was found: errors if there are any, else the warnings.
    pub(crate) fn finish(self) -> Result<Diagnostics, Diagnostics> {
        if self.errors.is_empty() {
            Ok(Diagnostics {
                items: from_top_to_bottom(self.warnings),
                dropped: 0,
            })
        } else {
            Err(Diagnostics {
                items: from_top_to_bottom(self.errors),
                dropped: self.dropped,
            })
        }
    }
}

/// Orders by place: files as they first come up, then lines. What has no place comes last.
fn from_top_to_bottom(mut items: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut files: Vec<String> = Vec::new();
    for place in items.iter().filter_map(|item| item.place.as_ref()) {
        if !files.contains(&place.file) {
            files.push(place.file.clone());
        }
    }
    items.sort_by_key(|item| match &item.place {
        Some(place) => {
            let file = files.iter().position(|file| *file == place.file);
            (file.unwrap_or(files.len()), place.line, place.column)
        }
        None => (files.len(), 0, 0),
    });
    items
}

impl Diagnostic {
    fn new(severity: Severity, message: String) -> Self {
        Self {
            severity,
            message,
            place: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            asked: false,
        }
    }

    /// Says what to do.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do, if something is known.
    pub(crate) fn maybe_help(&mut self, help: Option<String>) -> &mut Self {
        if help.is_some() {
            self.help = help;
        }
        self
    }

    /// Says more.
    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(note.into());
        self
    }

    /// Names another place that it is about.
    pub(crate) fn also(&mut self, place: Place) -> &mut Self {
        self.related.push(place);
        self
    }
}

/// The candidate that a wrong name was most likely meant to be: at most a third of its letters away, or the same but for case.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let name = name.to_lowercase();
    let limit = (name.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .take(10_000)
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&name, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The one candidate that a name is the beginning of, as `weirdness` is of `weirdness_constraint`.
fn begun<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Fewer letters begin too much.
    const LEAST: usize = 3;
    let name = name.to_lowercase();
    if name.chars().count() < LEAST {
        return None;
    }
    let mut longer = candidates
        .into_iter()
        .take(10_000)
        .filter(|candidate| candidate.to_lowercase().starts_with(&name));
    longer.next().filter(|_| longer.next().is_none())
}

/// The same, among names.
pub(crate) fn nearest_of<'a>(name: &str, candidates: &[&'a str]) -> Option<&'a str> {
    nearest(name, candidates.iter().copied())
}

/// ``did you mean `x`?``, or the list of what there is when it is short.
pub(crate) fn suggestion<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    let near = nearest(name, candidates.clone()).or_else(|| begun(name, candidates.clone()));
    if let Some(near) = near {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<&str> = candidates.into_iter().take(25).collect();
    (!all.is_empty() && all.len() < 25).then(|| format!("known here: {}", all.join(", ")))
}
