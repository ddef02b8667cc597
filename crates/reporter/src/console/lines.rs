//! Plain lines for logs, pipes and terminals without cursor movement.

use std::io::{self, Write};

use backline_engine::event::{Event, Record};

use super::Out;
use super::line::ConsoleLine;
use super::record;
use crate::closing::closing_text;
use crate::plan_state::PlanState;
use crate::sink::{ConsoleOptions, PlanFacts, RunResult, Sink};

/// Prints one line for each important event, and the closing paragraph.
///
/// ```text
/// 12:03:41 accepted     chorus × lofi take 1  task 0123abcd
/// ```
pub struct Lines {
    out: Out,
    options: ConsoleOptions,
    plan_state: PlanState,
    least_ms: u64,
}

impl Lines {
    /// Prints lines to `out`: standard error, in the program.
    pub fn new(out: Box<dyn Write + Send>, options: ConsoleOptions) -> Self {
        Self {
            out: Out::new(out, options.colour),
            options,
            plan_state: PlanState::default(),
            least_ms: 0,
        }
    }

    fn put(&mut self, line: &ConsoleLine, at_ms: i64) {
        if line.level <= self.options.level {
            self.out.write(&line.render(at_ms, &self.options));
        }
    }
}

impl Sink for Lines {
    fn plan(&mut self, plan: &PlanFacts<'_>) {
        self.plan_state = PlanState::new(plan);
        self.least_ms = plan.least_ms;
    }

    fn record(&mut self, record: &Record) {
        let line = record::line_of(record, &mut self.plan_state, &self.options);
        self.put(&line, record.at_ms);
        // Explains the wait, because a reader would otherwise see nothing while the window is full.
        if matches!(record.event, Event::RunStarted { .. }) && self.least_ms > 0 {
            self.put(&record::paced(self.least_ms), record.at_ms);
        }
    }

    fn finish(&mut self, ending: &RunResult<'_>) -> io::Result<()> {
        self.out
            .write_closing(&closing_text(ending, self.options.level));
        self.out.outcome()
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::example;
    use crate::sink::Level;

    fn told(level: Level, colour: bool) -> String {
        let shared = example::SharedOutput::default();
        let options = ConsoleOptions {
            level,
            colour,
            columns: None,
            zone: TimeZone::UTC,
            ..ConsoleOptions::default()
        };
        example::ExampleRun::new()
            .send_to(&mut Lines::new(Box::new(shared.clone()), options))
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
        let error = example::ExampleRun::new().send_to(&mut lines).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
