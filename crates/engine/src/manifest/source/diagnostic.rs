//! What is wrong with a manifest, said so that it can be put right: file, line and column, an excerpt, what was expected,
//! what to do.
//!
//! A [`Diagnostic`] owns its excerpts and outlives the files. The [`Report`] gathers them while a manifest is read, so that one
//! pass finds everything; it never stops at the first. Printing is the caller's: this module makes text or data.

use std::fmt;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use backline_api::mask_addresses;
use serde::Serialize;

/// Longest message, note or label, in characters: it may quote a value of the manifest, and those may be megabytes long.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// Shortest value of an environment variable that is taken for a secret: a shorter one would be found inside other text.
pub(crate) const MIN_SECRET_BYTES: usize = 8;

/// What is shown instead of a secret.
const SECRET: &str = "[key]";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// There is no plan.
    Error,
    /// There is a plan, and perhaps not the one that was meant.
    Warning,
}

/// A position in a file, with the lines around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceExcerpt {
    /// The file, as the user would name it.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is said at the position itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The line, or nothing when it is too long to be shown.
    #[serde(skip)]
    pub(crate) excerpt: String,
    #[serde(skip)]
    pub(crate) start: usize,
    #[serde(skip)]
    pub(crate) end: usize,
}

/// One mistake, or one warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where; none for what has no position in a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<SourceExcerpt>,
    /// Other positions that it is about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<SourceExcerpt>,
    /// More to know, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whether it is about the selection of jobs, not about the manifest.
    #[serde(skip)]
    pub(crate) about_selection: bool,
    /// Whether it will be shown, or is one of those that are only counted.
    #[serde(skip)]
    pub(crate) kept: bool,
}

/// All that is wrong with a manifest, file by file from top to bottom; last what has no position in a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Diagnostics {
    /// Those that were kept.
    pub items: Vec<Diagnostic>,
    /// How many more there were, those included that are counted in a note of [`items`](Self::items).
    pub dropped: usize,
    /// How many of the dropped ones no note counts.
    #[serde(skip)]
    pub(crate) uncounted: usize,
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

    /// Whether the manifest is valid and only the selection of jobs is not.
    pub fn are_about_the_selection(&self) -> bool {
        self.dropped == 0 && self.items.iter().all(|item| item.about_selection)
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

/// A text on one line and without secrets, cut where it is too long to be read. Names in it may have line breaks: those would look like
/// another message.
fn cleaned(text: &mut String, secrets: &[String]) {
    for secret in secrets.iter().flat_map(|secret| secret.lines()) {
        if secret.len() >= MIN_SECRET_BYTES && text.contains(secret) {
            *text = text.replace(secret, SECRET);
        }
    }
    if text.contains(['\n', '\r']) {
        *text = text.replace(['\n', '\r'], " ");
    }
    if let Some((cut, _)) = text.char_indices().nth(MAX_MESSAGE_CHARS) {
        text.truncate(cut);
        text.push('…');
    }
}

/// A text without what no message needs: [`cleaned`] cuts it to its final length.
pub(crate) fn shortened(mut text: String) -> String {
    const MAX_HELD_BYTES: usize = 64 * 1024;
    if text.len() > MAX_HELD_BYTES {
        text.truncate(text.floor_char_boundary(MAX_HELD_BYTES));
        text.shrink_to_fit();
    }
    text
}

impl Diagnostic {
    pub(crate) fn new(severity: Severity, message: String) -> Self {
        Self {
            severity,
            message: shortened(message),
            place: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: None,
            about_selection: false,
            kept: true,
        }
    }

    /// Adds what to do.
    pub(crate) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(shortened(help.into()));
        self
    }

    /// Adds what to do, if something is known.
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

    /// Adds a note.
    pub(crate) fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.notes.push(shortened(note.into()));
        self
    }

    /// Names another position that it is about.
    pub(crate) fn also(&mut self, place: SourceExcerpt) -> &mut Self {
        self.related.push(place);
        self
    }

    /// Names its position and shows nothing of the file: there may be secrets in it.
    pub(crate) fn without_excerpt(&mut self) -> &mut Self {
        for place in self.place.iter_mut().chain(&mut self.related) {
            place.excerpt.clear();
        }
        self
    }

    /// Takes secrets out of all that it shows, and cuts what is too long.
    pub(crate) fn clean(&mut self, secrets: &[String]) {
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
            place.excerpt = mask_addresses(&place.excerpt);
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
