//! A bar on a terminal, and the lines above it.
//!
//! ```text
//! 12:03:42 refused      verse × lofi take 1  400: the tags name an artist
//! [=========>              ] 9/24 kept · next submission in 8 s · 120 credits · 10 running · 1 failed · accepted chorus × lofi…
//! ```

use std::io::{self, Write};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backline_engine::event::{Event, Record};
use backline_engine::summary::JobStatus;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::{ConsoleOptions, Ending, Level, Out, PlanFacts, Sink, line};
use crate::closing::closing_text;
use crate::tally::Tally;
use crate::text::{count, figure};

/// How often the bar is drawn anew while nothing happens: a wait is counted down in seconds.
const TICK: Duration = Duration::from_millis(500);

/// A progress bar; lines for what went wrong, or with [`Level::Verbose`] for everything, stand above it.
pub struct Progress {
    bar: ProgressBar,
    out: Arc<Mutex<Out>>,
    options: ConsoleOptions,
    tally: Tally,
    waits_until_ms: Arc<AtomicI64>,
    activity: String,
}

/// Writes above the bar, for the program's log. Clones write to the same place.
#[derive(Clone)]
pub struct LogWriter {
    bar: ProgressBar,
    out: Arc<Mutex<Out>>,
}

impl Progress {
    /// A bar on the standard error's terminal, with lines on `out`, which is standard error in the program. With
    /// [`Level::Quiet`], or where standard error is no terminal, there is no bar.
    pub fn new(out: Box<dyn Write + Send>, options: ConsoleOptions) -> Self {
        let target = if options.level == Level::Quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        Self::on(target, out, options)
    }

    fn on(target: ProgressDrawTarget, out: Box<dyn Write + Send>, options: ConsoleOptions) -> Self {
        let waits_until_ms = Arc::new(AtomicI64::new(i64::MIN));
        let until_ms = Arc::clone(&waits_until_ms);
        let style = ProgressStyle::with_template("[{bar:24}] {pos}/{len} kept{wait} · {wide_msg}")
            .expect("the template is a constant that a test draws")
            .progress_chars("=> ")
            .with_key(
                "wait",
                move |_: &ProgressState, text: &mut dyn std::fmt::Write| {
                    // A template key has nowhere to report a failure to, and writing to a string has none.
                    let _ = text.write_str(&countdown(until_ms.load(Ordering::Relaxed), now_ms()));
                },
            );
        Self {
            bar: ProgressBar::with_draw_target(None, target).with_style(style),
            out: Arc::new(Mutex::new(Out::new(out, options.colour))),
            options,
            tally: Tally::default(),
            waits_until_ms,
            activity: String::new(),
        }
    }

    /// A writer for the program's log, whose lines then stand above the bar instead of in it.
    pub fn log_writer(&self) -> LogWriter {
        LogWriter {
            bar: self.bar.clone(),
            out: Arc::clone(&self.out),
        }
    }

    fn wait(&self, until_ms: i64) {
        self.waits_until_ms.fetch_max(until_ms, Ordering::Relaxed);
    }

    fn above(&self, text: &str) {
        self.bar.suspend(|| lock(&self.out).write(text));
    }

    /// What stands behind the bar.
    fn message(&self) -> String {
        let number = |states: &[JobStatus], word: &str| match self.tally.count(states) {
            0 => String::new(),
            number => format!(" · {number} {word}"),
        };
        let credits = if self.tally.spent == 1.0 {
            "credit"
        } else {
            "credits"
        };
        format!(
            "{} {credits}{}{}{} · {}",
            figure(self.tally.spent),
            number(
                &[
                    JobStatus::Submitting,
                    JobStatus::Running,
                    JobStatus::Finished
                ],
                "running"
            ),
            number(&[JobStatus::Failed], "failed"),
            number(&[JobStatus::InDoubt], "in doubt"),
            self.activity,
        )
    }

    fn draw(&self) {
        self.bar.set_position(self.tally.count(&[JobStatus::Kept]));
        self.bar.set_message(self.message());
    }
}

impl Sink for Progress {
    fn plan(&mut self, plan: &PlanFacts<'_>) {
        self.tally = Tally::new(plan);
        self.activity = format!("{} to submit", count(plan.to_submit, "job"));
        self.bar.set_length(self.tally.jobs());
        self.draw();
        if !self.bar.is_hidden() {
            self.bar.enable_steady_tick(TICK);
        }
    }

    fn record(&mut self, record: &Record) {
        let line = line::tell(record, &mut self.tally, &self.options.zone);
        if let Event::Paused { until_ms, .. } = record.event {
            self.wait(until_ms);
        }
        if self.options.level == Level::Verbose || line.level == Level::Quiet {
            self.above(&line.render(record.at_ms, &self.options));
        }
        self.activity = line.activity();
        self.draw();
    }

    fn finish(&mut self, ending: &Ending<'_>) -> io::Result<()> {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        let mut out = lock(&self.out);
        out.close_with(&closing_text(ending, self.options.level));
        out.outcome()
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar.suspend(|| lock(&self.out).write_bytes(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output; a thread that panicked while it wrote leaves at worst half a line.
fn lock(out: &Mutex<Out>) -> MutexGuard<'_, Out> {
    out.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// How long the next submission waits; nothing when it doesn't.
fn countdown(until_ms: i64, now_ms: i64) -> String {
    match until_ms.saturating_sub(now_ms) {
        left if left <= 0 => String::new(),
        left if left < 120_000 => format!(" · next submission in {} s", (left + 999) / 1000),
        left => format!(" · next submission in {} min", (left + 59_999) / 60_000),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::example;

    fn progress(level: Level, shared: &example::Shared) -> Progress {
        let options = ConsoleOptions {
            level,
            zone: TimeZone::UTC,
            ..ConsoleOptions::default()
        };
        Progress::on(
            ProgressDrawTarget::hidden(),
            Box::new(shared.clone()),
            options,
        )
    }

    #[test]
    fn the_bar_counts_what_is_kept_and_says_what_goes_on() {
        let (shared, story) = (example::Shared::default(), example::Story::new());
        let mut progress = progress(Level::Normal, &shared);
        progress.plan(&story.plan());
        let mut messages = vec![progress.bar.message()];
        for record in story.records() {
            progress.record(&record);
            messages.push(format!(
                "{}/{} {}",
                progress.bar.position(),
                progress.tally.jobs(),
                progress.bar.message()
            ));
        }
        insta::assert_snapshot!(messages.join("\n"));
        insta::assert_snapshot!("above_the_bar", shared.text());
    }

    #[test]
    fn the_log_and_the_closing_share_the_output() {
        let (shared, story) = (example::Shared::default(), example::Story::new());
        let mut progress = progress(Level::Quiet, &shared);
        let mut log = progress.log_writer();
        progress.plan(&story.plan());
        log.write_all(b"a line of the log\n").unwrap();
        progress.finish(&story.ending(&[])).unwrap();
        let text = shared.text();
        assert!(text.starts_with("a line of the log\n"), "{text}");
        assert!(text.contains("in doubt"), "{text}");
        assert!(progress.bar.is_finished());
    }

    #[test]
    fn a_pause_is_counted_down() {
        let shared = example::Shared::default();
        let progress = progress(Level::Normal, &shared);
        progress.wait(5_000);
        progress.wait(4_000);
        assert_eq!(progress.waits_until_ms.load(Ordering::Relaxed), 5_000);
        assert_eq!(countdown(5_000, 5_000), "");
        assert_eq!(countdown(i64::MIN, 5_000), "");
        assert_eq!(countdown(5_001, 0), " · next submission in 6 s");
        assert_eq!(countdown(1_200_000, 0), " · next submission in 20 min");
    }
}
