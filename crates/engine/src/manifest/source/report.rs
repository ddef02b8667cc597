//! Collects diagnostics while a manifest is read, so that one pass finds every mistake.
//!
//! The report owns the files that positions point into, and the limits that keep a bad manifest cheap.

use std::collections::HashMap;
use std::panic::Location;

use super::budget::{Budget, Taken};
use super::diagnostic::{
    Diagnostic, Diagnostics, MIN_SECRET_BYTES, Severity, SourceExcerpt, shortened,
};
use super::files::{Sources, Span};

/// Most diagnostics that are kept; the rest is counted. Nobody reads the hundred-and-first.
const MAX_KEPT: usize = 100;

/// Most errors of one kind that are kept: enough to see the pattern, few enough to leave space for the other kinds.
const MAX_ERRORS_OF_A_KIND: usize = 20;

/// Most warnings of one kind that are all shown; of more than these only the first is, with their count.
const MAX_WARNINGS_OF_A_KIND: usize = 5;

/// Longest part of a line before a position whose characters are counted, in bytes.
const MAX_COUNTED_BYTES: usize = 100_000;

/// Longest line of which an excerpt is given, in bytes.
const MAX_EXCERPT_BYTES: usize = 2_000;

/// Gathers what is wrong while a manifest is read.
///
/// The line of this program that reports a diagnostic is its kind: of each kind the first few are kept and the rest is counted,
/// so that a catalogue of 100,000 bad rows costs neither the time nor the memory of 100,000 excerpts. What is only counted is
/// built no further: see [`Diagnostic::help_with`].
#[derive(Debug)]
pub(crate) struct Report {
    /// The files that spans point into.
    pub(crate) sources: Sources,
    errors: CappedDiagnostics,
    warnings: CappedDiagnostics,
    overflow: Diagnostic,
    secrets: Vec<String>,
    budget: Budget,
}

/// Diagnostics of one severity.
#[derive(Debug, Default)]
struct CappedDiagnostics {
    items: Vec<Diagnostic>,
    kinds: HashMap<&'static Location<'static>, Kind>,
    /// The kinds in the order in which they first came up.
    order: Vec<&'static Location<'static>>,
}

/// What is known of the diagnostics that one line of the program reports.
#[derive(Debug, Default)]
struct Kind {
    /// Indices into [`CappedDiagnostics::items`].
    items: Vec<usize>,
    more: usize,
}

impl CappedDiagnostics {
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
            errors: CappedDiagnostics::default(),
            warnings: CappedDiagnostics::default(),
            overflow: Diagnostic::new(Severity::Error, String::new()),
            secrets: Vec::new(),
            budget: Budget::default(),
        }
    }

    /// Allows the texts of so many jobs.
    pub(crate) fn allow_jobs(&mut self, max_jobs: u64) {
        self.budget = Budget::for_jobs(max_jobs);
    }

    /// Whether there is space for so many bytes more of what the manifest becomes; if not that is an error, said once.
    pub(crate) fn grow(&mut self, bytes: usize, span: Span) -> bool {
        match self.budget.take(bytes) {
            Taken::Enough => true,
            Taken::Empty => false,
            Taken::Exceeded => {
                let most = self.budget.most() >> 20;
                self.error_at(
                    span,
                    format!("this manifest becomes larger than {most} MB when it is expanded"),
                    "the limit is passed here",
                )
                .help(
                    "shorten the texts that many jobs share, split the manifest, or allow more jobs with --max-jobs, which allows \
                     2.6 KB more for each",
                );
                false
            }
        }
    }

    /// Never shows this text: the value of an environment variable with a key.
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

    /// An error that has no position in a file.
    #[track_caller]
    pub(crate) fn error(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        self.report(Severity::Error, None, message, "")
    }

    /// An error of the selection, as a filter that no job meets.
    #[track_caller]
    pub(crate) fn refuse(&mut self, message: impl Into<String>) -> &mut Diagnostic {
        let diagnostic = self.report(Severity::Error, None, message, "");
        diagnostic.about_selection = true;
        diagnostic
    }

    /// An error at a position; `label` says there what was expected.
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

    /// A warning at a position.
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

    /// Adds a note to the error that was reported last.
    pub(crate) fn last_note(&mut self, note: String) {
        if let Some(last) = self.errors.items.last_mut() {
            last.note(note);
        }
    }

    /// A position for [`Diagnostic::also`].
    pub(crate) fn place(&self, span: Span, label: Option<String>) -> SourceExcerpt {
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
            return SourceExcerpt {
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
        SourceExcerpt {
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

/// Orders by position: files as they first come up, then lines. What has no position comes last.
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
