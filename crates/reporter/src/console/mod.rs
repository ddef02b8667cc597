//! The console output of a run in progress.
//!
//! The caller chooses a [`Sink`]: a [`LiveTable`](crate::LiveTable) on a terminal, [`Lines`] elsewhere, [`JsonEvents`] for programs.
//! Sinks write to the output that they are given: text for people to standard error, events to standard output.

mod json_events;
mod line;
mod lines;
mod record;

use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};

use crate::runner::without_commands;

pub use json_events::JsonEvents;
pub(crate) use line::ConsoleLine;
pub use lines::Lines;
pub(crate) use record::line_of;

/// The output of a sink. It stays silent after the first error.
struct Out {
    to: AutoStream<Box<dyn Write + Send>>,
    failed: Option<io::Error>,
}

impl Out {
    fn new(to: Box<dyn Write + Send>, colour: bool) -> Self {
        let choice = if colour {
            ColorChoice::AlwaysAnsi
        } else {
            ColorChoice::Never
        };
        Self {
            to: AutoStream::new(to, choice),
            failed: None,
        }
    }

    /// Writes and flushes `text`, or stores the error.
    fn write(&mut self, text: &str) {
        self.write_bytes(without_commands(text).as_bytes());
    }

    fn write_bytes(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self
                .to
                .write_all(bytes)
                .and_then(|()| self.to.flush())
                .err();
        }
    }

    /// Writes the closing paragraph, separated from the lines before it.
    fn write_closing(&mut self, closing: &str) {
        if !closing.is_empty() {
            self.write("\n");
            self.write(closing);
        }
    }

    /// Returns the first error, once.
    fn outcome(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}
