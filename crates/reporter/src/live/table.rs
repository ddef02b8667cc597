//! The live table as a sink. It is drawn after an event, and by its own thread when time has passed or the terminal's size has
//! changed.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use backline_engine::event::Record;

use super::board::Board;
use super::frame::frame;
use super::screen::{Screen, Size};
use crate::closing::closing_text;
use crate::sink::{ConsoleOptions, Level, PlanFacts, RunResult, Sink};

/// Interval at which the terminal's size is read.
const TICK: Duration = Duration::from_millis(200);

/// Interval at which the table is redrawn without an event: waits are counted down in seconds.
const SECOND: Duration = Duration::from_secs(1);

/// Shortest time between two drawings, so that a thousand events a second do not cause a thousand drawings.
const BETWEEN: Duration = Duration::from_millis(50);

/// A live table at the bottom of a terminal. Lines about problems, or with [`Level::Verbose`] about everything, stay above it.
pub struct LiveTable {
    shared: Shared,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

/// A writer for the program's log that prints above the table. Clones write to the same table.
#[derive(Clone)]
pub struct LogWriter(Shared);

/// Stops the drawing before another writer uses the terminal, such as a panic's message. The last drawing stays.
#[derive(Clone)]
pub struct Stopper(Arc<AtomicBool>);

impl Stopper {
    /// Draws nothing after this call.
    pub fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[derive(Clone)]
struct Shared {
    inner: Arc<Mutex<Inner>>,
    stopped: Arc<AtomicBool>,
}

struct Inner {
    board: Board,
    screen: Screen,
    options: ConsoleOptions,
    size: Box<dyn Fn() -> Size + Send>,
    shown: Option<(Instant, Size)>,
    stale: bool,
}

impl LiveTable {
    /// A table on `out`, which is a terminal; `size` returns its size.
    pub fn new(
        out: Box<dyn Write + Send>,
        size: impl Fn() -> Size + Send + 'static,
        options: ConsoleOptions,
    ) -> Self {
        let inner = Inner {
            board: Board::default(),
            screen: Screen::new(out, options.colour),
            options,
            size: Box::new(size),
            shown: None,
            stale: false,
        };
        Self {
            shared: Shared {
                inner: Arc::new(Mutex::new(inner)),
                stopped: Arc::new(AtomicBool::new(false)),
            },
            ticker: None,
        }
    }

    /// A writer for the program's log, whose lines appear above the table instead of inside it.
    pub fn log_writer(&self) -> LogWriter {
        LogWriter(self.shared.clone())
    }

    /// The handle that stops the drawing.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.shared.stopped.clone())
    }

    fn start_ticking(&mut self) {
        let (end, ended) = channel();
        let shared = self.shared.clone();
        let ticking = std::thread::Builder::new().name("table".to_owned());
        let ticking = ticking.spawn(move || {
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                if let Some(mut inner) = shared.lock() {
                    inner.tick();
                }
            }
        });
        // Without the thread the table is drawn only after an event.
        self.ticker = ticking.ok().map(|thread| (end, thread));
    }

    /// Removes the drawing and writes `last` in its place.
    fn end(&mut self, last: impl FnOnce(&ConsoleOptions) -> String) -> io::Result<()> {
        self.stop_ticking();
        let Some(mut inner) = self.shared.lock() else {
            return Ok(());
        };
        let (size, last) = ((inner.size)(), last(&inner.options));
        inner.screen.close(&last, size);
        let outcome = inner.screen.outcome();
        drop(inner);
        self.stopper().stop();
        outcome
    }

    fn stop_ticking(&mut self) {
        let Some((end, thread)) = self.ticker.take() else {
            return;
        };
        drop(end);
        // A panicked thread has already printed its message.
        let _ = thread.join();
    }
}

impl Drop for LiveTable {
    /// The last drawing stays, for the reader of an interrupted run.
    fn drop(&mut self) {
        self.stopper().stop();
        self.stop_ticking();
    }
}

impl Shared {
    /// The state; `None` after the drawing was stopped. A thread that panicked while it drew leaves half a drawing at worst.
    fn lock(&self) -> Option<MutexGuard<'_, Inner>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.stopped.load(Ordering::SeqCst)).then_some(inner)
    }
}

impl Inner {
    /// The least verbose level whose lines appear inside the table.
    fn within(&self) -> Level {
        self.options.level.max(Level::Normal)
    }

    fn lines(&mut self, size: Size) -> Vec<String> {
        let now_ms = now_ms();
        self.board.stopping = self.options.stopping.load(Ordering::Relaxed);
        self.board.forget(now_ms);
        frame(&self.board, now_ms, size, self.within(), &self.options.zone)
    }

    fn draw(&mut self) {
        let size = (self.size)();
        let lines = self.lines(size);
        self.screen.draw(&lines, size);
        self.drawn(size);
    }

    fn drawn(&mut self, size: Size) {
        self.shown = Some((Instant::now(), size));
        self.stale = false;
    }

    fn above(&mut self, text: &str) {
        let size = (self.size)();
        let lines = self.lines(size);
        self.screen.above(text, &lines, size);
        self.drawn(size);
    }

    fn tick(&mut self) {
        let is_due = match self.shown {
            Some((at, size)) => self.stale || at.elapsed() >= SECOND || size != (self.size)(),
            None => true,
        };
        if is_due {
            self.draw();
        }
    }

    fn record(&mut self, record: &Record) {
        let timed = self.board.apply(record, &self.options);
        if self.options.level == Level::Verbose || timed.line.level == Level::Quiet {
            let text = timed.line.render(record.at_ms, &self.options);
            return self.above(&text);
        }
        self.stale = true;
        if self.shown.is_none_or(|(at, _)| at.elapsed() >= BETWEEN) {
            self.draw();
        }
    }
}

impl Sink for LiveTable {
    fn plan(&mut self, plan: &PlanFacts<'_>) {
        if let Some(mut inner) = self.shared.lock() {
            inner.board = Board::new(plan);
            inner.draw();
        }
        if self.ticker.is_none() {
            self.start_ticking();
        }
    }

    fn record(&mut self, record: &Record) {
        if let Some(mut inner) = self.shared.lock() {
            inner.record(record);
        }
    }

    fn finish(&mut self, ending: &RunResult<'_>) -> io::Result<()> {
        self.end(|options| match closing_text(ending, options.level) {
            closing if closing.is_empty() => closing,
            closing => format!("\n{closing}"),
        })
    }

    fn detach(&mut self) {
        // If the terminal can't be written to, there is no output left for the error.
        let _ = self.end(|_| String::new());
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.lock() {
            Some(mut inner) => inner.above(&String::from_utf8_lossy(bytes)),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use jiff::tz::TimeZone;

    use super::*;
    use crate::example;

    fn table(shared: &example::SharedOutput) -> LiveTable {
        let options = ConsoleOptions {
            zone: TimeZone::UTC,
            ..ConsoleOptions::default()
        };
        let size = || Size {
            columns: 80,
            rows: 30,
        };
        LiveTable::new(Box::new(shared.clone()), size, options)
    }

    fn screen(shared: &example::SharedOutput) -> String {
        let mut parser = vt100::Parser::new(48.try_into().unwrap(), 80.try_into().unwrap(), 0);
        parser.process(shared.text().as_bytes());
        parser.screen().contents()
    }

    #[test]
    fn a_run_leaves_what_went_wrong_and_its_closing() {
        let (shared, story) = (example::SharedOutput::default(), example::ExampleRun::new());
        let mut table = table(&shared);
        let mut log = table.log_writer();
        table.plan(&story.plan());
        log.write_all(b"a line of the log\n").unwrap();
        for record in story.records() {
            table.record(&record);
        }
        table.finish(&story.ending(&[])).unwrap();
        insta::assert_snapshot!(screen(&shared));
    }

    #[test]
    fn a_panic_is_told_below_what_was_drawn_last() {
        let (shared, story) = (example::SharedOutput::default(), example::ExampleRun::new());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut table = table(&shared);
            table.plan(&story.plan());
            table.record(&story.records()[0]);
            // As the program's hook does.
            table.stopper().stop();
            shared.clone().write_all(b"thread panicked\r\n").unwrap();
            for record in story.records() {
                table.record(&record);
            }
            panic!("as told");
        }));
        assert!(panicked.is_err());
        let screen = screen(&shared);
        assert!(screen.ends_with("thread panicked"), "{screen}");
        assert_eq!(screen.matches("/5 kept").count(), 1, "{screen}");
    }

    #[test]
    fn time_that_passes_is_drawn_though_nothing_happens() {
        let (shared, story) = (example::SharedOutput::default(), example::ExampleRun::new());
        let mut table = table(&shared);
        table.plan(&story.plan());
        let drawn = shared.text().len();
        let (waits, most) = (Instant::now(), Duration::from_secs(60));
        while shared.text().len() == drawn {
            assert!(waits.elapsed() < most, "nothing was drawn");
            std::thread::park_timeout(TICK);
        }
    }
}
