//! `backline worker`: carries out songs of a run that another process began.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use backline_engine::driver::PlanHooks;
use backline_engine::event::{Event, Outcome, Record};
use backline_engine::settings::JobKey;
use backline_engine::store::RunHeader;
use tokio_util::sync::CancellationToken;

use super::execute::{RunInput, execute};
use super::{Options, prepare, sharing};
use crate::args::{GlobalArgs, ManifestArgs, RunLedgerArgs, WaitArgs, WatchArgs, WorkerArgs};
use crate::console::Console;
use crate::exit_codes::{self, Code};
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::{Ledger, is_on_server};
use crate::log::{self, Notices};
use crate::output_owner;
use crate::owning::share;
use crate::project::Project;
use crate::signals;

/// The pause between two checks whether a run has begun.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn work(args: &WorkerArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    // Absent only for a worker that renders.
    let manifest = ManifestArgs::whole(args.manifest.clone().unwrap_or_default());
    let mut project = Project::open(&manifest, global, console)?;
    if !is_on_server(&project.ledger) {
        return Err(needs_server());
    }
    if project.plan.provider.embedded.is_some() {
        let message = "the studio of a run is in that run's process: workers need `base_url` of one that runs by itself";
        return Err(Failure::msg(Kind::Usage, message));
    }
    let (ledger_args, watch) = (
        RunLedgerArgs {
            wait: WaitArgs::default(),
            adopt_account: false,
        },
        WatchArgs {
            serve: None,
            expose: false,
            otlp: None,
        },
    );
    let options = Options {
        manifest: &manifest,
        global,
        ledger: &ledger_args,
        watch: &watch,
        tape: None,
        publishes: false,
    };
    let keys = prepare::keys(&project, &options)?;
    prepare::try_ledger(&project)?;
    prepare::try_output(&project)?;
    let mut ledger = share(&project.ledger, &options.ledger.wait, console)?;
    prepare::warn_of_clock(&ledger, console)?;
    let notices = Notices::stderr();
    log::begin(console, &notices);

    let stop = CancellationToken::new();
    let signals = signals::follow(stop.clone(), stop.clone(), notices.clone(), "");
    let run = run_to_join(args, &project, &ledger, &stop, console)?;
    signals.abort();
    let Some(run) = run else {
        return Ok(exit_codes::DONE);
    };
    let hooks = PlanHooks::Recorded(Some(&*ledger));
    let planning = project.plan_jobs(hooks, Some(keys.provider.expose()), console)?;
    select(&mut project, &run, &ledger)?;
    let opening = project.open_ledger(Some(&*ledger), console)?;
    if project.plan.output.store().is_none() {
        output_owner::require_run(project.plan.output.dir(), &run.id)?;
    }
    let runtime = super::super::runtime()?;
    let (shared, songs) = sharing::join(&runtime, &project, &ledger, run.clone());
    console.note(&format!("working on run {}\n", run.id));
    let input = RunInput {
        keys,
        opening,
        hook_failures: planning.failures,
        adopts_account: false,
        part_of: None,
        stopping: Arc::new(AtomicBool::new(false)),
        credits: 0.0,
        tape: None,
        replays: false,
        shared,
    };
    let (mut submitted, mut kept) = (0_u64, 0_u64);
    let mut observe = |record: &Record| match record.event {
        Event::Intent { .. } => submitted += 1,
        Event::TrackKept { .. } => kept += 1,
        _ => {}
    };
    let ended = runtime.block_on(execute(
        &project,
        input,
        &mut ledger,
        &mut observe,
        &notices,
    ));
    songs.end(&runtime, &ledger);
    notices.reset();
    runtime.shutdown_background();
    console.note(&format!(
        "{submitted} requests sent, {kept} files kept by this worker\n"
    ));
    // How the run ended is the matter of the process that began it, and a worker may leave at any time.
    Ok(match ended?.outcome {
        outcome @ Outcome::Refused { .. } => Code::of(&outcome),
        _ => exit_codes::DONE,
    })
}

/// The failure of a worker whose ledger is a file.
pub(crate) fn needs_server() -> Failure {
    let message = "a worker needs a ledger on a server: --ledger postgres://USER@HOST/DATABASE";
    Failure::msg(Kind::Usage, message)
}

/// The last run of the manifest, if it has songs left; waits for one if `--wait` is given. None after a signal.
fn run_to_join(
    args: &WorkerArgs,
    project: &Project,
    ledger: &Ledger,
    stop: &CancellationToken,
    console: &Console,
) -> Result<Option<RunHeader>, Failure> {
    let began = Instant::now();
    let mut announced = false;
    let is_ours = |run: &RunHeader| run.is_shared && run.name == project.plan.name;
    loop {
        if stop.is_cancelled() {
            return Ok(None);
        }
        if let Some(run) = ledger.runs()?.into_iter().find(is_ours)
            && ledger.is_queued(&run.id)?
        {
            return Ok(Some(run));
        }
        if args.wait.is_none_or(|limit| began.elapsed() >= limit) {
            let message = format!(
                "no run of `{}` has songs left to carry out",
                project.plan.name
            );
            return Err(Failure::msg(Kind::Usage, message).hint(
                "start one with `backline run` and the same --ledger, or wait for one with `backline worker --wait 1h`",
            ));
        }
        if !announced {
            announced = true;
            console.note(&format!("waiting for a run of `{}`\n", project.plan.name));
        }
        park_timeout(PAUSE);
    }
}

/// Selects the jobs of the run's plan, all of which the manifest of this machine must have.
fn select(project: &mut Project, run: &RunHeader, ledger: &Ledger) -> Result<(), Failure> {
    let rows = ledger.plan_of(&run.id)?;
    let mut keys: HashSet<JobKey> = rows.iter().map(|row| row.key).collect();
    for job in &mut project.plan.jobs {
        job.selected = keys.remove(&job.key);
    }
    // Recoveries are put into the plan when it is compared with the ledger.
    let is_missing = |key: &&JobKey| {
        let mut rows = rows.iter();
        rows.any(|row| row.key == **key && row.step.is_none())
    };
    match keys.iter().find(is_missing) {
        None => Ok(()),
        Some(key) => Err(Failure::msg(
            Kind::Usage,
            format!(
                "the run {} has the job {}, which this manifest does not have",
                run.id,
                key.short()
            ),
        )
        .hint("a worker needs the same manifest and the same recordings as the run")),
    }
}
