//! Plain lines: for logs, pipes and terminals that can't move a cursor.

use std::io::{self, Write};

use backline_engine::event::Record;

use super::{ConsoleOptions, Ending, Out, PlanFacts, Sink, line};
use crate::closing::closing_text;
use crate::tally::Tally;

/// One line for each important event, and the closing paragraph.
///
/// ```text
/// 12:03:41 accepted     chorus × lofi take 1  task 0123abcd
/// ```
pub struct Lines {
    out: Out,
    options: ConsoleOptions,
    tally: Tally,
}

impl Lines {
    /// Lines on `out`, which is standard error in the program.
    pub fn new(out: Box<dyn Write + Send>, options: ConsoleOptions) -> Self {
        Self {
            out: Out::new(out, options.colour),
            options,
            tally: Tally::default(),
        }
    }
}

impl Sink for Lines {
    fn plan(&mut self, plan: &PlanFacts<'_>) {
        self.tally = Tally::new(plan);
    }

    fn record(&mut self, record: &Record) {
        let line = line::tell(record, &mut self.tally, &self.options.zone);
        if line.level <= self.options.level {
            self.out.write(&line.render(record.at_ms, &self.options));
        }
    }

    fn finish(&mut self, ending: &Ending<'_>) -> io::Result<()> {
        self.out
            .close_with(&closing_text(ending, self.options.level));
        self.out.outcome()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::console::Level;
    use crate::example;

    fn told(level: Level, colour: bool) -> String {
        let shared = example::Shared::default();
        let options = ConsoleOptions {
            level,
            colour,
            columns: None,
            zone: TimeZone::UTC,
        };
        example::Story::new()
            .tell(&mut Lines::new(Box::new(shared.clone()), options))
            .unwrap();
        shared.text()
    }

    #[test]
    fn a_run_in_lines() {
        insta::assert_snapshot!(told(Level::Normal, false));
    }

    #[test]
    fn quiet_tells_what_went_wrong() {
        insta::assert_snapshot!(told(Level::Quiet, false));
    }

    #[test]
    fn verbose_tells_all_and_no_secret() {
        let text = told(Level::Verbose, false);
        assert!(!text.contains(example::TOKEN));
        insta::assert_snapshot!(text);
    }

    #[test]
    fn colours_change_no_word() {
        let coloured = told(Level::Verbose, true);
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(
            anstream::adapter::strip_str(&coloured).to_string(),
            told(Level::Verbose, false)
        );
    }

    #[test]
    fn an_output_that_fails_is_told_at_the_end_only() {
        let mut lines = Lines::new(Box::new(example::Broken), ConsoleOptions::default());
        let error = example::Story::new().tell(&mut lines).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
