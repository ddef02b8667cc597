//! Watches a run: the facts that every watcher gets before it starts, the live table on a terminal, and a run of another process,
//! read from its ledger.
//!
//! A run in another process is only read. SQLite's write-ahead log lets a reader see whole commits while the writer continues, and
//! neither blocks the other. `backline run` and `backline status --watch` call this.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use backline_api::ApiKey;
use backline_engine::driver;
use backline_engine::event::Record;
use backline_engine::job::{Job, Step};
use backline_engine::opening::Opening;
use backline_engine::settings::JobKey;
use backline_engine::store::{KnownJob, PlannedRow, RunBounds};
use backline_reporter::{
    ConsoleOptions, JsonEvents, Lines, LiveTable, PlanFacts, RunResult, RunState, Sink, Size,
    Standpoint,
};
use terminal_size::{Height, Width, terminal_size_of};

use crate::args::{ChosenRunArgs, Format, GlobalArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::Failure;
use crate::ledger::{Ledger, Owner};
use crate::project::{ChosenRun, Project, locate};

/// The time between two reads of another process's ledger.
const READ_INTERVAL: Duration = Duration::from_millis(250);

/// The most earlier runs whose jobs are named in lines about renamed files. Jobs of older runs are shown by their keys.
const NAMED_RUNS: usize = 16;

/// The number of polls without a new event after which the ledger's owner is checked again. A killed process records no event.
const LOOKS_BEFORE_OWNER: u32 = 4;

/// The size that is assumed for a terminal without a known size.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// The facts about a run before it starts.
pub(crate) struct RunBasis {
    name: String,
    provider: String,
    rows: Vec<PlannedRow>,
    former: Vec<PlannedRow>,
    known: HashMap<JobKey, KnownJob>,
    to_submit: u64,
    /// The cost of the jobs that the run buys, in credits.
    pub(crate) credits: f64,
    least_ms: u64,
    bounds: Option<RunBounds>,
    sent_before_ms: Vec<i64>,
}

impl RunBasis {
    /// The facts of a run of this process.
    pub(crate) fn of(
        project: &Project,
        opening: &Opening,
        ledger: &Ledger,
        key: &ApiKey,
    ) -> Result<Self, Failure> {
        let forecast = &opening.forecast;
        let plan = &project.plan;
        let bounds = RunBounds::from(&plan.limits);
        let account = driver::account(plan, key, &**ledger)?;
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let rows = driver::planned_rows(plan, &plan.project_dir);
        Ok(Self {
            name: plan.name.clone(),
            provider: plan.provider.profile.name.clone(),
            former: former(ledger, &project.recorded, &rows)?,
            rows,
            known: opening.known.clone(),
            to_submit: forecast.to_submit,
            credits: forecast.credits,
            least_ms: forecast.least_ms,
            bounds: Some(bounds),
            sent_before_ms: sent_before(ledger, &account, bounds, now_ms)?,
        })
    }

    /// The facts of a run in a ledger, and the sequence number of its first record.
    fn from_ledger(chosen: &ChosenRun) -> Result<(Self, u64), Failure> {
        let ChosenRun { ledger, header, .. } = chosen;
        let rows = ledger.plan_of(&header.id)?;
        let first = ledger
            .events_of(&header.id)?
            .first()
            .map_or(u64::MAX, |it| it.seq);
        let sent_before_ms = match header.bounds {
            Some(bounds) => sent_before(ledger, &header.account, bounds, header.started_ms)?,
            None => Vec::new(),
        };
        let planned = Self {
            name: header.name.clone(),
            provider: header.provider.clone(),
            known: as_before(ledger, &rows, first)?,
            former: former(ledger, &header.manifest, &rows)?,
            rows,
            to_submit: 0,
            credits: 0.0,
            least_ms: 0,
            bounds: header.bounds,
            sent_before_ms,
        };
        Ok((planned, first))
    }

    /// The facts in the reporter's form.
    pub(crate) fn facts(&self) -> PlanFacts<'_> {
        PlanFacts {
            name: &self.name,
            provider: &self.provider,
            rows: &self.rows,
            former: &self.former,
            known: &self.known,
            to_submit: self.to_submit,
            credits: Some(self.credits),
            least_ms: self.least_ms,
            bounds: self.bounds,
            sent_before_ms: &self.sent_before_ms,
        }
    }
}

/// The jobs of a manifest's earlier runs that are not among `rows`, without duplicates.
fn former(
    ledger: &Ledger,
    manifest: &str,
    rows: &[PlannedRow],
) -> Result<Vec<PlannedRow>, Failure> {
    let mut seen: HashSet<JobKey> = rows.iter().map(|row| row.key).collect();
    let mut former = Vec::new();
    let runs = ledger.runs()?.into_iter();
    for run in runs.filter(|run| run.manifest == manifest).take(NAMED_RUNS) {
        let rows = ledger.plan_of(&run.id)?.into_iter();
        former.extend(rows.filter(|row| seen.insert(row.key)));
    }
    Ok(former)
}

/// The times of an account's earlier submissions that still counted against the rate limit at `at_ms`, in Unix milliseconds.
fn sent_before(
    ledger: &Ledger,
    account: &str,
    bounds: RunBounds,
    at_ms: i64,
) -> Result<Vec<i64>, Failure> {
    let counts_ms = i64::try_from(bounds.rate.counts_for_ms()).unwrap_or(i64::MAX);
    let places = ledger.places_since(account, at_ms.saturating_sub(counts_ms))?;
    let sent_ms = places.into_iter().map(|place| place.taken_ms);
    Ok(sent_ms.filter(|sent_ms| *sent_ms < at_ms).collect())
}

/// The state of a plan's jobs before the record `first`.
fn as_before(
    ledger: &Ledger,
    rows: &[PlannedRow],
    first: u64,
) -> Result<HashMap<JobKey, KnownJob>, Failure> {
    let mut known = HashMap::new();
    for row in rows {
        let mut job = Job::default();
        let history = ledger.history_of(&row.key)?;
        for record in history.iter().filter(|record| record.seq < first) {
            if let Step::Changed(next) = job.step(record.at_ms, &record.event) {
                job = next;
            }
        }
        let account = String::new();
        let job = Arc::new(job);
        known.insert(
            row.key,
            KnownJob {
                job,
                account,
                version: 0,
            },
        );
    }
    Ok(known)
}

/// A table on a terminal. `size` returns the terminal's size. A panic's message is written below the table.
fn table(
    terminal: impl Write + Send + 'static,
    size: fn() -> Option<(Width, Height)>,
    options: ConsoleOptions,
) -> LiveTable {
    let size = move || match size() {
        Some((Width(columns), Height(rows))) if columns > 0 && rows > 0 => Size { columns, rows },
        _ => USUAL,
    };
    let table = LiveTable::new(Box::new(terminal), size, options);
    let stopper = table.stopper();
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        stopper.stop();
        previous(panic);
    }));
    table
}

/// The table on standard error.
pub(crate) fn table_on_err(options: ConsoleOptions) -> LiveTable {
    let size = || terminal_size_of(std::io::stderr());
    table(std::io::stderr(), size, options)
}

/// The state of a run. A run is active if it has not ended and the process that owns its ledger reports it as its own, and after its end
/// as long as workers have songs of it. The ledger is refreshed, so later reads are of the same moment.
pub(crate) fn run_state(chosen: &ChosenRun) -> Result<RunState, Failure> {
    // The owner is read first. A run records its end before it releases the ledger, so an end between the two reads is not missed.
    let owner = chosen.ledger.owner()?;
    chosen.ledger.refresh()?;
    let records = chosen.ledger.events_of(&chosen.header.id)?;
    let has_ended = records.iter().any(|record| end_of(record).is_some());
    let is_active = match &owner {
        None => false,
        Some(_) if has_ended => chosen.ledger.is_queued(&chosen.header.id)?,
        Some(owner) => owner.run.as_ref() == Some(&chosen.header.id),
    };
    Ok(match owner {
        Some(Owner { processes, .. }) if is_active => RunState::Active { processes },
        _ if has_ended => RunState::Ended,
        _ => RunState::Killed,
    })
}

fn goes_on(chosen: &ChosenRun) -> Result<bool, Failure> {
    Ok(matches!(run_state(chosen)?, RunState::Active { .. }))
}

/// Finds the run to follow. If the user names no run id, and the last run has ended or there is none, waits for the next run. Only
/// the end of the process stops the wait.
pub(crate) fn await_run(
    args: &ChosenRunArgs,
    global: &GlobalArgs,
    console: &Console,
) -> Result<ChosenRun, Failure> {
    let over = match ChosenRun::find(args, global) {
        Ok(chosen) if args.run.is_some() || goes_on(&chosen)? => return Ok(chosen),
        Ok(chosen) => {
            console.note(&format!(
                "the last run of {} is over; waiting for the next one\n",
                chosen.shown()
            ));
            Some(chosen.header.id)
        }
        // Without a manifest, it is unknown which run to wait for.
        Err(failure) if failure.code() != exit_codes::USAGE || args.manifest.is_none() => {
            return Err(failure);
        }
        Err(failure) => {
            args.manifest.as_deref().map(locate).transpose()?;
            if args.run.is_some() {
                return Err(failure);
            }
            console.note(&format!("{}; waiting for it\n", failure.message()));
            None
        }
    };
    loop {
        std::thread::park_timeout(READ_INTERVAL);
        match ChosenRun::find(args, global) {
            Ok(chosen) if over.as_ref() != Some(&chosen.header.id) => return Ok(chosen),
            Ok(_) => {}
            Err(failure) if over.is_some() || failure.code() != exit_codes::USAGE => {
                return Err(failure);
            }
            Err(_) => {}
        }
    }
}

/// Shows a run until it ends or its process is killed: as a table on a terminal, as lines elsewhere, as events for programs. A run
/// that has already ended is shown to programs only.
pub(crate) fn follow(chosen: &ChosenRun, console: &Console) -> Result<(), Failure> {
    if !goes_on(chosen)? && console.format == Format::Text {
        return Ok(());
    }
    let (planned, first) = RunBasis::from_ledger(chosen)?;
    let mut sink = sink(console, chosen.standpoint());
    sink.plan(&planned.facts());
    let mut last = first.saturating_sub(1);
    let mut idle = 0;
    let mut has_ended = false;
    loop {
        chosen.ledger.refresh()?;
        let records = chosen.ledger.records_since(&chosen.header.id, last)?;
        idle = if records.is_empty() { idle + 1 } else { 0 };
        for record in &records {
            sink.record(record);
            last = record.seq;
            has_ended |= end_of(record).is_some();
        }
        if (has_ended || idle % LOOKS_BEFORE_OWNER == 1) && !goes_on(chosen)? {
            // The records that were written meanwhile: goes_on reads later than this loop.
            for record in chosen.ledger.records_since(&chosen.header.id, last)? {
                sink.record(&record);
            }
            break;
        }
        std::thread::park_timeout(READ_INTERVAL);
    }
    if console.format == Format::Text {
        // The caller shows the status instead.
        sink.detach();
        return Ok(());
    }
    let summary = chosen.summary()?;
    Ok(sink.finish(&RunResult {
        summary: &summary,
        reports: &[],
        replayed: false,
    })?)
}

fn end_of(record: &Record) -> Option<i64> {
    matches!(record.event, backline_engine::event::Event::RunEnded { .. }).then_some(record.at_ms)
}

fn sink(console: &Console, standpoint: Standpoint) -> Box<dyn Sink> {
    let options = ConsoleOptions {
        colour: console.colour_out,
        columns: console.columns_out,
        ..console.reporter_options(standpoint)
    };
    let out = std::io::stdout();
    match console.format {
        Format::Json => Box::new(JsonEvents::new(Box::new(out))),
        Format::Text if console.draws_on_out() => {
            let size = || terminal_size_of(std::io::stdout());
            Box::new(table(out, size, options))
        }
        Format::Text => Box::new(Lines::new(Box::new(out), options)),
    }
}
