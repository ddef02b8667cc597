//! The program's diagnostic log. It is printed to standard error, above the live table if there is one.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backline_reporter::{printable, without_commands};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::console::Console;

/// Selects parts of the log in the notation of tracing, and overrides the flags.
const VARIABLE: &str = "BACKLINE_LOG";

/// Prints notices and the log. All clones print to the same destination, which can be changed.
#[derive(Clone)]
pub(crate) struct Notices(Arc<Mutex<Box<dyn Write + Send>>>);

impl Notices {
    /// Prints to standard error.
    pub(crate) fn stderr() -> Self {
        Self(Arc::new(Mutex::new(Box::new(io::stderr()))))
    }

    /// Prints to `place` from now on, for example above a live table.
    pub(crate) fn redirect(&self, place: impl Write + Send + 'static) {
        *self.lock() = Box::new(place);
    }

    /// Prints to standard error again, after the live table has ended.
    pub(crate) fn reset(&self) {
        *self.lock() = Box::new(io::stderr());
    }

    /// Prints a notice. A notice that can't be written is lost.
    pub(crate) fn print(&self, text: &str) {
        let mut place = self.lock();
        let _ = place
            .write_all(harmless(text).as_bytes())
            .and_then(|()| place.flush());
    }

    /// A panic during a write leaves at most an incomplete line, so a poisoned lock is usable.
    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text without control sequences for a terminal and without commands for a CI runner.
fn harmless(text: &str) -> String {
    without_commands(&printable(text)).into_owned()
}

/// A line of the log while it is written.
pub(crate) struct Line<'a>(MutexGuard<'a, Box<dyn Write + Send>>);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        self.0.write_all(harmless(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<'a> MakeWriter<'a> for Notices {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self.lock())
    }
}

/// Starts the log. Only commands with a log call this, and only once.
///
/// An embedded studio reports its errors, such as a full disk, in its responses. Its own log is mostly off, so that the user reads
/// each error only once.
pub(crate) fn begin(console: &Console, notices: &Notices) {
    begin_at(
        "error,graphile_worker=off,backline_studio=off,backline_studio::studio=error",
        console,
        notices,
    );
}

/// Starts the log of a studio that serves other programs. The log is the only place where its errors appear.
pub(crate) fn begin_studio(console: &Console, notices: &Notices) {
    begin_at("error,graphile_worker=off", console, notices);
}

/// Starts the log. `quietest` is the level without any flag.
fn begin_at(quietest: &str, console: &Console, notices: &Notices) {
    let level = match console.verbosity {
        0 => quietest,
        1 => "warn",
        2 => "info,hyper=warn,reqwest=warn",
        _ => "debug",
    };
    // That a server can't be reached, and when it can again, is printed whatever the level.
    let level = format!("{level},{}=info", backline_engine::reconnect::TARGET);
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(console.colour_err)
        .with_writer(notices.clone())
        .init();
}
