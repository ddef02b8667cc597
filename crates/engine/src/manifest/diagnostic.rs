//! What is wrong with a manifest, said so that it can be put right: file, line and column, an excerpt, what was expected,
//! what to do.
//!
//! A [`Diagnostic`] owns its excerpts and outlives the files. The [`Report`] gathers them while a manifest is read, so that one
//! pass finds everything; it never stops at the first. Printing is the caller's: this module makes text or data.

use std::collections::HashMap;
use std::fmt;
use std::panic::Location;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::budget::{Budget, MAX_PLAN_BYTES, Taken};
use super::source::{Sources, Span};

/// Most diagnostics that are kept; the rest is counted. Nobody reads the hundred-and-first.
const MAX_KEPT: usize = 100;
/// Most errors of one kind that are kept: enough to see the pattern, few enough to leave space for the other kinds.
const MAX_ERRORS_OF_A_KIND: usize = 20;
/// Most warnings of one kind that are all shown; of more than these only the first is, with their count.
const MAX_WARNINGS_OF_A_KIND: usize = 5;
/// Longest part of a line before a place whose characters are counted, in bytes.
const MAX_COUNTED_BYTES: usize = 100_000;
/// Longest message, note or label, in characters: it may quote a value of the manifest, and those may be megabytes long.
const MAX_MESSAGE_CHARS: usize = 1_000;
/// Shortest value of an environment variable that is taken for a secret: a shorter one would be found inside other words.
const MIN_SECRET_BYTES: usize = 8;
/// What is shown in a secret's place.
const SECRET: &str = "[key]";
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
    /// Whether it will be shown, or is one of those that are only counted.
    #[serde(skip)]
    kept: bool,
}

/// All that is wrong with a manifest, file by file from top to bottom; last what has no place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diagnostics {
    /// Those that were kept.
    pub items: Vec<Diagnostic>,
    /// How many more there were, those included that are counted in a note of [`items`](Self::items).
    pub dropped: usize,
    /// How many of the dropped ones no note counts.
    #[serde(skip)]
    uncounted: usize,
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
        if self.uncounted > 0 {
            text.push_str(&format!("and {} more\n", self.uncounted));
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
///
/// The place in this program that reports a diagnostic is its kind: of each kind the first few are kept and the rest is counted,
/// so that a catalogue of 100,000 bad rows costs neither the time nor the memory of 100,000 excerpts. What is only counted is
/// built no further: see [`Diagnostic::help_with`].
#[derive(Debug)]
pub(crate) struct Report {
    /// The files that spans point into.
    pub(crate) sources: Sources,
    errors: Kept,
    warnings: Kept,
    overflow: Diagnostic,
    secrets: Vec<String>,
    budget: Budget,
}

/// Diagnostics of one severity.
#[derive(Debug, Default)]
struct Kept {
    items: Vec<Diagnostic>,
    kinds: HashMap<&'static Location<'static>, Kind>,
    /// The kinds in the order in which they first came up.
    order: Vec<&'static Location<'static>>,
}

/// What is known of the diagnostics that one place in the program reports.
#[derive(Debug, Default)]
struct Kind {
    /// Places in [`Kept::items`].
    items: Vec<usize>,
    more: usize,
}

impl Kept {
    /// Whether one more of this kind is kept; if not it is counted.
    fn admits(&mut self, kind: &'static Location<'static>, most: usize) -> bool {
        let full = self.items.len() == MAX_KEPT;
        let known = self.kinds.entry(kind).or_insert_with(|| {
            self.order.push(kind);
            Kind::default()
        });
        if full || known.items.len() == most {
            known.more += 1;
            return false;
        }
        known.items.push(self.items.len());
        true
    }

    fn more(&self) -> usize {
        self.kinds.values().map(|kind| kind.more).sum()
    }

    /// The kept ones, each kind's remainder counted in a note; and how many are counted nowhere.
    fn finish(mut self, only_first: bool) -> Diagnostics {
        let mut gone = Vec::new();
        let (mut dropped, mut uncounted) = (0, 0);
        for kind in self.order.iter().filter_map(|kind| self.kinds.get(kind)) {
            let mut more = kind.more;
            if only_first && more > 0 {
                more += kind.items.len().saturating_sub(1);
                gone.extend(kind.items.iter().skip(1).copied());
            }
            dropped += more;
            match kind.items.first() {
                Some(first) if more > 0 => {
                    self.items[*first].note(format!("and {more} more like this"));
                }
                _ => uncounted += more,
            }
        }
        let kept = self.items.into_iter().enumerate();
        let kept = kept.filter(|(at, _)| !gone.contains(at)).map(|(_, it)| it);
        Diagnostics {
            items: from_top_to_bottom(kept.collect()),
            dropped,
            uncounted,
        }
    }
}

impl Report {
    /// Nothing is wrong yet.
    pub(crate) fn new(sources: Sources) -> Self {
        Self {
            sources,
            errors: Kept::default(),
            warnings: Kept::default(),
            overflow: Diagnostic::new(Severity::Error, String::new()),
            secrets: Vec::new(),
            budget: Budget::default(),
        }
    }

    /// Whether there is space for so many bytes more of what the manifest becomes; if not that is an error, said once.
    pub(crate) fn grow(&mut self, bytes: usize, span: Span) -> bool {
        match self.budget.take(bytes) {
            Taken::Enough => true,
            Taken::Empty => false,
            Taken::Exceeded => {
                let most = MAX_PLAN_BYTES >> 20;
                self.error_at(
                    span,
                    format!("this manifest becomes larger than {most} MB when it is expanded"),
                    "the limit is passed here",
                )
                .help("shorten the texts that many jobs share, or split the manifest");
                false
            }
        }
    }

    /// Never shows this text: the value of an environment variable that holds a key.
    pub(crate) fn keep_secret(&mut self, value: String) {
        let value = value.trim();
        if value.len() >= MIN_SECRET_BYTES && !self.secrets.iter().any(|it| it == value) {
            self.secrets.push(value.to_owned());
        }
    }

    /// How many errors there are.
    pub(crate) fn errors(&self) -> usize {
        self.errors.items.len() + self.errors.more()
    }

    /// An error that has no place in a file.
    #[track_caller]
    pub(crate) fn error(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Severity::Error, None, message, "")
    }

    /// An error of what was asked for, as a filter that no job meets.
    #[track_caller]
    pub(crate) fn refuse(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = self.report(Severity::Error, None, message, "");
        diagnostic.asked = true;
        diagnostic
    }

    /// An error at a place; `label` says there what was expected.
    #[track_caller]
    pub(crate) fn error_at(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        self.report(Severity::Error, Some(span), message, label)
    }

    /// An error at a secret: its line is named and never shown.
    #[track_caller]
    pub(crate) fn secret_at(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Severity::Error, Some(span), message, "")
            .without_excerpt()
    }

    /// A warning at a place.
    #[track_caller]
    pub(crate) fn warning_at(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        self.report(Severity::Warning, Some(span), message, label)
    }

    #[track_caller]
    fn report(
        &mut self,
        severity: Severity,
        span: Option<Span>,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> &mut Diagnostic {
        let (kept, most) = match severity {
            Severity::Error => (&mut self.errors, MAX_ERRORS_OF_A_KIND),
            Severity::Warning => (&mut self.warnings, MAX_WARNINGS_OF_A_KIND),
        };
        if !kept.admits(Location::caller(), most) {
            self.overflow = Diagnostic::new(severity, String::new());
            self.overflow.kept = false;
            return &mut self.overflow;
        }
        let place = span.map(|span| self.place(span, Some(shortened(label.into()))));
        let mut diagnostic = Diagnostic::new(severity, message.into());
        diagnostic.place = place;
        let items = match severity {
            Severity::Error => &mut self.errors.items,
            Severity::Warning => &mut self.warnings.items,
        };
        items.push(diagnostic);
        let last = items.len() - 1;
        &mut items[last]
    }

    /// Says more about the error that was reported last.
    pub(crate) fn last_note(&mut self, note: String) {
        if let Some(last) = self.errors.items.last_mut() {
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
        let (line, line_start) = source.line_of(start);
        let before = &text[line_start..start];
        // Nobody counts the characters of a line of megabytes, and doing so for each diagnostic takes minutes.
        let column = 1 + match before.len() {
            ..=MAX_COUNTED_BYTES => before.chars().count(),
            bytes => bytes,
        };
        let label = label.filter(|label| !label.is_empty());
        let line_end = text.floor_char_boundary((start + MAX_EXCERPT_BYTES + 1).min(text.len()));
        let line_end = text[start..line_end]
            .find('\n')
            .map_or(line_end, |at| start + at);
        let shown = text[line_start..line_end].trim_end();
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
        let secrets = self.secrets;
        let clean = |mut found: Diagnostics| {
            for item in &mut found.items {
                item.clean(&secrets);
            }
            found
        };
        if self.errors.items.is_empty() {
            Ok(clean(self.warnings.finish(true)))
        } else {
            Err(clean(self.errors.finish(false)))
        }
    }
}

/// A text without secrets, cut where it is too long to be read.
fn cleaned(text: &mut String, secrets: &[String]) {
    for secret in secrets.iter().flat_map(|secret| secret.lines()) {
        if secret.len() >= MIN_SECRET_BYTES && text.contains(secret) {
            *text = text.replace(secret, SECRET);
        }
    }
    if let Some((cut, _)) = text.char_indices().nth(MAX_MESSAGE_CHARS) {
        text.truncate(cut);
        text.push('…');
    }
}

/// A text of which no more is held than may be needed for a message: [`cleaned`] cuts it to its final length.
fn shortened(mut text: String) -> String {
    const MAX_HELD_BYTES: usize = 64 * 1024;
    if text.len() > MAX_HELD_BYTES {
        text.truncate(text.floor_char_boundary(MAX_HELD_BYTES));
        text.shrink_to_fit();
    }
    text
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
            message: shortened(message),
            place: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            asked: false,
            kept: true,
        }
    }

    /// Says what to do.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(shortened(help.into()));
        self
    }

    /// Says what to do, if something is known.
    pub(crate) fn maybe_help(&mut self, help: Option<String>) -> &mut Self {
        if let Some(help) = help {
            self.help(help);
        }
        self
    }

    /// The same where finding out is work: it is not done for a diagnostic that is only counted.
    pub(crate) fn help_with(&mut self, find: impl FnOnce() -> Option<String>) -> &mut Self {
        if self.kept {
            self.maybe_help(find());
        }
        self
    }

    /// Says more.
    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(shortened(note.into()));
        self
    }

    /// Names another place that it is about.
    pub(crate) fn also(&mut self, place: Place) -> &mut Self {
        self.related.push(place);
        self
    }

    /// Names its place and shows nothing of the file: there may be secrets in it.
    pub(crate) fn without_excerpt(&mut self) -> &mut Self {
        for place in self.place.iter_mut().chain(&mut self.related) {
            place.excerpt.clear();
        }
        self
    }

    /// Takes secrets out of all that it shows, and cuts what is too long.
    fn clean(&mut self, secrets: &[String]) {
        let Self {
            message,
            place,
            related,
            notes,
            help,
            ..
        } = self;
        for place in place.iter_mut().chain(related) {
            let lines = || secrets.iter().flat_map(|secret| secret.lines());
            if lines().any(|it| it.len() >= MIN_SECRET_BYTES && place.excerpt.contains(it)) {
                place.excerpt.clear();
            }
            if let Some(label) = &mut place.label {
                cleaned(label, secrets);
            }
        }
        let texts = std::iter::once(message).chain(notes).chain(help);
        for text in texts {
            cleaned(text, secrets);
        }
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
