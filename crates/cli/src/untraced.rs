//! `--otlp` in a program that was built without it: says so, and how to get it. Stands in place of `trace.rs`, and does nothing else.

use std::convert::Infallible;

use backline_engine::event::Record;

use crate::failure::{Failure, Kind};
use crate::log::Aside;
use crate::watch::Planned;

/// There are none.
pub(crate) struct Traces(Infallible);

impl Traces {
    /// Refuses.
    pub(crate) fn start(_: &str, _: &Planned, _: &Aside) -> Result<Self, Failure> {
        let message = "this backline was built without traces, which --otlp needs";
        Err(Failure::said(Kind::Usage, message).hint(
            "build it with them: cargo install --locked --path crates/cli --features otlp; nothing was bought",
        ))
    }

    pub(crate) fn record(&mut self, _: &Record) {
        match self.0 {}
    }

    pub(crate) fn end(self) {
        match self.0 {}
    }
}
