//! Sinks, which report a run while it happens, and their input.

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

/// A sink of a run's events. Calls in this order: `plan` once, `record` any number of times, `finish` once.
///
/// No call but `finish` returns an error. A sink that can't write stores the first error, stays silent from then on, and
/// returns the error at the end.
pub trait Sink: Send {
    /// Called before the first record, with the plan.
    fn plan(&mut self, plan: &PlanFacts<'_>);
    /// Called for each event, after it is durable.
    fn record(&mut self, record: &Record);
    /// Called after the last record.
    ///
    /// # Errors
    /// The first write error of the sink, in this or an earlier call.
    fn finish(&mut self, ending: &RunResult<'_>) -> io::Result<()>;
    /// Replaces `finish` for a watcher of another process's run: removes the drawing.
    fn detach(&mut self) {}
}

/// The plan of a run.
#[derive(Debug, Clone, Copy)]
pub struct PlanFacts<'a> {
    /// The manifest's name.
    pub name: &'a str,
    /// The provider profile's name.
    pub provider: &'a str,
    /// The jobs, in plan order.
    pub rows: &'a [PlannedRow],
    /// Jobs of earlier runs that are no longer in the manifest: their files may be renamed.
    pub former: &'a [PlannedRow],
    /// The ledger's data about jobs before the run.
    pub known: &'a HashMap<JobKey, KnownJob>,
    /// Number of jobs to submit.
    pub to_submit: u64,
    /// Their price in credits, if the provider's price is known.
    pub credits: Option<f64>,
    /// The minimum time in which the rate limit admits them, in milliseconds.
    pub least_ms: u64,
    /// The limits of the run, if they are known.
    pub bounds: Option<RunBounds>,
    /// Times at which earlier runs submitted for the same account, as far as they may still count, Unix time in milliseconds.
    pub sent_before_ms: &'a [i64],
}

/// The result of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunResult<'a> {
    /// The run's summary.
    pub summary: &'a Summary,
    /// The reports, as [`write_reports`](crate::write_reports) returned them.
    pub reports: &'a [Result<PathBuf, ReportError>],
    /// Whether the run replayed a recording; then there is no next step for anybody.
    pub replayed: bool,
}

/// The amount of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// `-q`: only problems.
    Quiet,
    /// The important events of each job.
    #[default]
    Normal,
    /// `-v`: every event.
    Verbose,
}

/// The format of a console for people.
#[derive(Debug, Clone)]
pub struct ConsoleOptions {
    /// The amount of output.
    pub level: Level,
    /// Whether the output has colours.
    pub colour: bool,
    /// The width of the output in columns; `None` if it has no width, such as a file.
    pub columns: Option<u16>,
    /// The time zone of the times of day.
    pub zone: TimeZone,
    /// The folder from which files are named.
    pub standpoint: Standpoint,
    /// Set once the run receives a request to stop; there is no estimate after that.
    pub stopping: Arc<AtomicBool>,
}

impl Default for ConsoleOptions {
    /// Normal level, no colours, no width, the machine's time zone, and paths as recorded.
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
