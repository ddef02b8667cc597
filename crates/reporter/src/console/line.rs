//! A line for people: time, event, subject, details; cut to the width of a terminal or a table.

use anstyle::Style;
use jiff::tz::TimeZone;

use crate::label::fit_label;
use crate::sink::{ConsoleOptions, Level};
use crate::style::{DIM, ERROR, PLAIN, SUCCESS, WARNING};
use crate::text::{columns, fit, pad, time_of_day};

/// Widest label if the output has no width.
const LABEL_COLUMNS: usize = 120;

/// Below this width a table has no column of times.
const NARROW_COLUMNS: usize = 60;

/// Width of the column with the event's name.
const WORD_COLUMNS: usize = 12;

/// A line for people.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConsoleLine {
    /// The quietest level that prints the line.
    pub(crate) level: Level,
    style: Style,
    word: &'static str,
    /// The job or stem of the event; may be empty.
    subject: String,
    detail: String,
}

impl ConsoleLine {
    fn new(level: Level, style: Style, word: &'static str, detail: impl Into<String>) -> Self {
        Self {
            level,
            style,
            word,
            subject: String::new(),
            detail: detail.into(),
        }
    }

    pub(super) fn success(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Level::Normal, SUCCESS, word, detail)
    }

    pub(super) fn plain(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Level::Normal, PLAIN, word, detail)
    }

    pub(super) fn warning(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Level::Normal, WARNING, word, detail)
    }

    pub(super) fn error(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Level::Quiet, ERROR, word, detail)
    }

    pub(super) fn detail(word: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Level::Verbose, DIM, word, detail)
    }

    pub(super) fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// The whole line with its time, styled; ends in a line break.
    pub(crate) fn render(&self, at_ms: i64, options: &ConsoleOptions) -> String {
        let (time, style) = (time_of_day(at_ms, &options.zone), self.style);
        let taken = columns(&time) + WORD_COLUMNS + 2;
        let rest = self.rest(
            options
                .columns
                .map(|wide| usize::from(wide).saturating_sub(taken)),
        );
        if rest.is_empty() {
            return format!("{DIM}{time}{DIM:#} {style}{}{style:#}\n", self.word);
        }
        format!(
            "{DIM}{time}{DIM:#} {style}{}{style:#} {rest}\n",
            pad(self.word, WORD_COLUMNS)
        )
    }

    /// The line for a table of this width: never wider, and without a line break. A narrow one has no time.
    pub(crate) fn in_table(&self, at_ms: i64, zone: &TimeZone, wide: usize) -> String {
        let style = self.style;
        if wide < NARROW_COLUMNS {
            let text = fit(&format!("{} {}", self.word, self.cut(wide)), wide);
            return match text.strip_prefix(self.word) {
                Some(rest) => format!("{style}{}{style:#}{rest}", self.word),
                None => text,
            };
        }
        let time = time_of_day(at_ms, zone);
        let rest = self.cut(wide.saturating_sub(columns(&time) + WORD_COLUMNS + 2));
        let word = pad(self.word, WORD_COLUMNS);
        format!("{DIM}{time}{DIM:#} {style}{word}{style:#} {rest}")
    }

    /// Subject and detail, cut to `width` columns.
    fn cut(&self, width: usize) -> String {
        fit(&self.rest(Some(width)), width)
    }

    /// Marks the line as a repeated problem: printed only with `--verbose`, or shortened if it is a wait.
    pub(super) fn repeated(mut self, until: Option<String>) -> Self {
        match until {
            Some(until) => self.detail = format!("until {until}, as before"),
            None => self.level = self.level.max(Level::Verbose),
        }
        self
    }

    /// Subject and detail. On a terminal the subject is shortened first, to two thirds of the width at least: a part of it
    /// still identifies a job, but a part of a task's id is useless. Elsewhere only very long labels are shortened.
    fn rest(&self, width: Option<usize>) -> String {
        let wanted = columns(&self.detail) + 2;
        let most = width
            .map_or(LABEL_COLUMNS, |width| {
                width.saturating_sub(wanted).max(width * 2 / 3)
            })
            .min(LABEL_COLUMNS);
        let subject = fit_label(&self.subject, most);
        let rest = match (subject.is_empty(), self.detail.is_empty()) {
            (true, _) => self.detail.clone(),
            (_, true) => subject,
            _ => format!("{subject}  {}", self.detail),
        };
        // A problem is never cut; the terminal wraps it.
        match width {
            Some(width) if self.level != Level::Quiet => fit(&rest, width),
            _ => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_a_terminal_and_keeps_the_take() {
        let line = ConsoleLine::success("accepted", "task 0123")
            .about("a stem with a long name × a preset with a long name take 3");
        let options = ConsoleOptions {
            columns: Some(60),
            zone: TimeZone::UTC,
            ..ConsoleOptions::default()
        };
        let text = anstream::adapter::strip_str(&line.render(0, &options)).to_string();
        assert_eq!(
            text,
            "00:00:00 accepted     a stem with a long … take 3  task 0123\n"
        );
        assert_eq!(columns(text.trim_end()), 60);
    }

    #[test]
    fn points_of_a_sweep_are_told_apart_at_usual_widths() {
        for wide in [80, 100] {
            let line = |value: &str| {
                let subject = format!("angel × lofi [weirdness_constraint={value}] take 1");
                let line =
                    ConsoleLine::success("accepted", "task 01a22726c02c722bb3a2ef1be1d4a47a");
                let text = line.about(subject).in_table(0, &TimeZone::UTC, wide);
                anstream::adapter::strip_str(&text).to_string()
            };
            let shown = line("0.8");
            assert!(shown.contains("0.8] take 1"), "{shown}");
            assert_ne!(shown, line("0.2"));
            assert!(columns(&shown) <= wide, "{shown}");
        }
    }
}
