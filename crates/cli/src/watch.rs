//! Watching a run: what every watcher gets before it begins, the live table on a terminal, and the run of another process as
//! its ledger tells of it.
//!
//! A run in another process is only read: SQLite's write-ahead log lets a reader see whole commits while the writer goes on, and
//! neither waits for the other. `backline run` and `backline status --watch` call this.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use backline_api::ApiKey;
use backline_engine::driver;
use backline_engine::event::Record;
use backline_engine::job::{Job, Step};
use backline_engine::ledger::{Ledger, Owner};
use backline_engine::opening::Opening;
use backline_engine::settings::JobKey;
use backline_engine::store::{KnownJob, PlannedRow, RunBounds, Store};
use backline_reporter::{
    ConsoleOptions, JsonEvents, Lines, LiveTable, PlanFacts, RunResult, RunState, Sink, Size,
    Standpoint,
};
use terminal_size::{Height, Width, terminal_size_of};

use crate::args::{ChosenRunArgs, Format, GlobalArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::Failure;
use crate::project::{ChosenRun, Project, locate};

/// How often another process's ledger is read.
const READ_INTERVAL: Duration = Duration::from_millis(250);

/// Earlier runs whose jobs have a name in lines about files that are renamed; others go by their keys.
const NAMED_RUNS: usize = 16;

/// Polls without a new event after which the ledger's owner is checked again: a killed process leaves no event.
const LOOKS_BEFORE_OWNER: u32 = 4;

/// A terminal that does not tell its size is taken for one of these.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// What is known of a run before it begins.
pub(crate) struct RunBasis {
    name: String,
    provider: String,
    rows: Vec<PlannedRow>,
    former: Vec<PlannedRow>,
    known: HashMap<JobKey, KnownJob>,
    to_submit: u64,
    /// What is to be bought costs this.
    pub(crate) credits: f64,
    least_ms: u64,
    bounds: Option<RunBounds>,
    sent_before_ms: Vec<i64>,
}

impl RunBasis {
    /// Of a run of this process.
    pub(crate) fn of(
        project: &Project,
        opening: &Opening,
        ledger: &Ledger,
        key: &ApiKey,
    ) -> Result<Self, Failure> {
        let forecast = &opening.forecast;
        let plan = &project.plan;
        let bounds = RunBounds::from(&plan.limits);
        let account = driver::account(plan, key, ledger)?;
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

    /// Of a run that is in a ledger, and its first record's place there.
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

    /// The same for a process that follows the run.
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

/// The jobs of earlier runs of a manifest that are not among `rows`, each once.
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

/// When an account's earlier submissions were made that still counted at `at_ms`.
fn sent_before(
    ledger: &Ledger,
    account: &str,
    bounds: RunBounds,
    at_ms: i64,
) -> Result<Vec<i64>, Failure> {
    let counts_ms = i64::try_from(bounds.rate.counts_for_ms()).unwrap_or(i64::MAX);
    let mut sent_ms = ledger.intents_since(account, at_ms.saturating_sub(counts_ms))?;
    sent_ms.retain(|sent_ms| *sent_ms < at_ms);
    Ok(sent_ms)
}

/// The jobs of a plan as they were before the record at `first`.
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
        known.insert(row.key, KnownJob { job, account });
    }
    Ok(known)
}

/// A table on a terminal, whose size `size` returns. A panic's message is written below it.
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

/// Whether a run goes on: it has not ended, and the process that owns its ledger says that it carries it out. What is read of the
/// ledger afterwards is of the same moment.
pub(crate) fn run_state(chosen: &ChosenRun) -> Result<RunState, Failure> {
    // First: a run that ends between the two has written its end before it lets go of the ledger.
    let owner = chosen.ledger.owner()?;
    chosen.ledger.refresh()?;
    let records = chosen.ledger.events_of(&chosen.header.id)?;
    if records.iter().any(|record| end_of(record).is_some()) {
        return Ok(RunState::Ended);
    }
    Ok(match owner {
        Some(Owner { process, run }) if run.as_ref() == Some(&chosen.header.id) => {
            RunState::Active { process }
        }
        _ => RunState::Killed,
    })
}

fn goes_on(chosen: &ChosenRun) -> Result<bool, Failure> {
    Ok(matches!(run_state(chosen)?, RunState::Active { .. }))
}

/// Finds the run to follow. Where the last one is over, or there is none yet, and none is named by its id, waits for the next one, until
/// the process is ended.
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
        // Without a manifest nothing tells which run is meant.
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

/// Shows a run as it goes on, until it ends or dies: a table on a terminal, lines elsewhere, events for programs. People are not shown
/// what is over; programs are.
pub(crate) fn follow(chosen: &ChosenRun, console: &Console) -> Result<(), Failure> {
    if !goes_on(chosen)? && console.format == Format::Text {
        return Ok(());
    }
    let (planned, first) = RunBasis::from_ledger(chosen)?;
    let mut sink = sink(console, chosen.standpoint());
    sink.plan(&planned.facts());
    let mut last = first.saturating_sub(1);
    let mut idle = 0;
    let mut ended_ms = None;
    loop {
        chosen.ledger.refresh()?;
        let records = chosen.ledger.records_since(&chosen.header.id, last)?;
        idle = if records.is_empty() { idle + 1 } else { 0 };
        for record in &records {
            sink.record(record);
            last = record.seq;
            ended_ms = ended_ms.or(end_of(record));
        }
        if ended_ms.is_some() {
            break;
        }
        if idle % LOOKS_BEFORE_OWNER == 1 && !goes_on(chosen)? {
            // What it wrote in its last moment.
            for record in chosen.ledger.records_since(&chosen.header.id, last)? {
                sink.record(&record);
            }
            break;
        }
        std::thread::park_timeout(READ_INTERVAL);
    }
    if console.format == Format::Text {
        // The status is shown in its place.
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
