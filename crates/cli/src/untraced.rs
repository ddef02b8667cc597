//! `--otlp` in a program that was built without it: fails with a hint. This module replaces `trace.rs` in that build.

use std::convert::Infallible;

use backline_engine::event::Record;

use crate::failure::{Failure, Kind};
use crate::log::Notices;
use crate::watch::RunBasis;

/// Traces that can't be started in this build.
pub(crate) struct Traces(Infallible);

impl Traces {
    /// Fails with a hint.
    pub(crate) fn start(_: &str, _: &RunBasis, _: &Notices) -> Result<Self, Failure> {
        let message = "this backline was built without tracing, which --otlp requires";
        Err(Failure::msg(Kind::Usage, message).hint(
            "build it with tracing: cargo install --locked --path crates/cli --features otlp; nothing was bought",
        ))
    }

    pub(crate) fn record(&mut self, _: &Record) {
        match self.0 {}
    }

    pub(crate) fn end(self) {
        match self.0 {}
    }
}
