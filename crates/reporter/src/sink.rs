//! What follows a run as it happens, and what it is given.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use backline_engine::event::Record;
use backline_engine::settings::JobKey;
use backline_engine::store::{KnownJob, PlannedRow, RunBounds};
use backline_engine::summary::Summary;
use jiff::tz::TimeZone;

use crate::material::ReportError;
use crate::standpoint::Standpoint;

/// What follows a run. Called in this order: `plan` once, `record` as often as need be, `finish` once.
///
/// No call fails: a sink that can't write keeps the first error, stays silent from then on, and gives the error at the end.
pub trait Sink: Send {
    /// Before the first record: what is planned.
    fn plan(&mut self, plan: &PlanFacts<'_>);
    /// Something happened and is durable.
    fn record(&mut self, record: &Record);
    /// After the last record.
    ///
    /// # Errors
    /// The first error in writing to the sink's output, here or earlier.
    fn finish(&mut self, ending: &RunResult<'_>) -> io::Result<()>;
    /// In place of `finish`, for a watcher of another process's run: takes away what would be drawn anew.
    fn detach(&mut self) {}
}

/// What a run is going to do.
#[derive(Debug, Clone, Copy)]
pub struct PlanFacts<'a> {
    /// The manifest's name.
    pub name: &'a str,
    /// The provider profile's name.
    pub provider: &'a str,
    /// The jobs, in plan order.
    pub rows: &'a [PlannedRow],
    /// Jobs of earlier runs of the manifest that it does not have any more: their files may be renamed.
    pub former: &'a [PlannedRow],
    /// What the ledger knows of jobs before the run.
    pub known: &'a HashMap<JobKey, KnownJob>,
    /// Jobs that are to be submitted.
    pub to_submit: u64,
    /// What they will cost, where the provider's price is known.
    pub credits: Option<f64>,
    /// The least time that the rate limit allows for submitting them, in milliseconds.
    pub least_ms: u64,
    /// What bounds the run, where that is known.
    pub bounds: Option<RunBounds>,
    /// When earlier runs submitted for the same account, as far as that may count now, Unix time in milliseconds.
    pub sent_before_ms: &'a [i64],
}

/// What a run came to.
#[derive(Debug, Clone, Copy)]
pub struct RunResult<'a> {
    /// The run's summary.
    pub summary: &'a Summary,
    /// The reports, as [`write_reports`](crate::write_reports) returned them.
    pub reports: &'a [Result<PathBuf, ReportError>],
    /// Whether it only repeated what was recorded: then there is nothing that anybody could do next.
    pub replayed: bool,
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// `-q`: only what went wrong.
    Quiet,
    /// What is worth knowing of each job.
    #[default]
    Normal,
    /// `-v`: every event.
    Verbose,
}

/// How a console for people looks.
#[derive(Debug, Clone)]
pub struct ConsoleOptions {
    /// How much is printed.
    pub level: Level,
    /// Whether the output shows colours.
    pub colour: bool,
    /// How wide the output is, in columns; none when it has no width, such as a file.
    pub columns: Option<u16>,
    /// The time zone of the times of day.
    pub zone: TimeZone,
    /// Where files are named from.
    pub standpoint: Standpoint,
    /// Set once the run is to stop: from then on there is no estimate.
    pub stopping: Arc<AtomicBool>,
}

impl Default for ConsoleOptions {
    /// Normal, without colours, of no width, in the machine's time zone, with files as they were recorded.
    fn default() -> Self {
        Self {
            level: Level::default(),
            colour: false,
            columns: None,
            zone: TimeZone::system(),
            standpoint: Standpoint::default(),
            stopping: Arc::default(),
        }
    }
}
