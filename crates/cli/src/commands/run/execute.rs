//! The run itself: the engine's run and the embedded studio, until the run ends or is stopped.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backline_api::{Tape, is_loopback_address};
use backline_engine::driver::{self, Album, Ended, HookFailure, Run, RunError, SharedRun, Signals};
use backline_engine::event::{Event, Moment, Record};
use backline_engine::opening::Opening;
use backline_engine::settings::JobKey;
use backline_reporter::shell_word;
use backline_studio::Studio;
use tokio_util::sync::CancellationToken;

use super::prepare::Keys;
use crate::embedded;
use crate::failure::{Failure, Kind};
use crate::ledger::{Ledger, local_folder};
use crate::log::Notices;
use crate::project::{Project, seen_from_here};
use crate::signals;

/// The folder of task ids that the ledger does not have yet.
const RECEIPTS: &str = "receipts";

const NOTICE: &str = "\
Stopping: no more jobs are submitted, and requests in progress have five seconds. The same command resumes the rest.\n\
Press Ctrl-C again to stop at once.\n";

/// The input of a run in addition to its project.
pub(super) struct RunInput {
    pub(super) keys: Keys,
    pub(super) opening: Opening,
    pub(super) hook_failures: Vec<(JobKey, HookFailure)>,
    pub(super) adopts_account: bool,
    /// Set when the user stops the run.
    pub(super) stopping: Arc<AtomicBool>,
    /// The whole manifest, if only some of its jobs were selected.
    pub(super) part_of: Option<Album>,
    /// The cost of the plan, in credits.
    pub(super) credits: f64,
    /// Records the provider's responses, or replays them.
    pub(super) tape: Option<Tape>,
    /// Whether the tape is replayed. No studio is then needed.
    pub(super) replays: bool,
    /// The songs that this process is given, where others carry out the run as well.
    pub(super) shared: Option<SharedRun>,
}

/// Runs the plan. `observe` receives each record after it is durable.
pub(super) async fn execute(
    project: &Project,
    input: RunInput,
    ledger: &mut Ledger,
    observe: &mut (dyn FnMut(&Record) + Send),
    notices: &Notices,
) -> Result<Ended, Failure> {
    let stops = Signals {
        drain: CancellationToken::new(),
        stop: CancellationToken::new(),
    };
    let signals_task = signals::follow(
        stops.drain.clone(),
        stops.stop.clone(),
        notices.clone(),
        NOTICE,
    );
    let (drain, stopping) = (stops.drain.clone(), input.stopping.clone());
    let stop_task = tokio::spawn(async move {
        drain.cancelled().await;
        stopping.store(true, Ordering::Relaxed);
    });
    let mut plan = project.plan.clone();
    let local = local_folder(&project.ledger, &plan.project_dir);
    let studio = if input.replays {
        None
    } else {
        embedded::start(&mut plan.provider, &local).await?
    };
    let run = Run {
        // A provider on this machine can reach a receiver on loopback.
        local_callbacks: !plan.polls_only && is_loopback_address(&plan.provider.profile.base_url),
        project_dir: plan.project_dir.clone(),
        plan: Arc::new(plan),
        opening: input.opening,
        hook_failures: input.hook_failures,
        key: input.keys.provider,
        manifest: project.recorded.clone(),
        part_of: input.part_of,
        callback_key: input.keys.callbacks,
        adopts_account: input.adopts_account,
        tape: input.tape,
        receipts: local.join(RECEIPTS),
        shared: input.shared,
        signals: stops.clone(),
    };
    let mut warn_and_observe = |record: &Record| {
        observe(record);
        if let Some(warning) = short_of_credits(record, input.credits) {
            notices.print(&warning);
        }
    };
    let running = pin!(driver::run(run, &mut **ledger, &mut warn_and_observe));
    let (ended, broken) = match &studio {
        Some(studio) => until_broken(running, studio, &stops.stop).await,
        None => (running.await, None),
    };
    if let Some(studio) = studio {
        tokio::select! {
            () = studio.stop() => {}
            () = stops.stop.cancelled() => {}
        }
    }
    signals_task.abort();
    stop_task.abort();
    match broken {
        Some(why) => {
            let message = format!("the studio can't go on with its tasks: {why}");
            Err(Failure::msg(Kind::Output, message).hint(
                "check for a full disk or a missing permission; the same command then resumes the run, and nothing is lost",
            ))
        }
        None => ended.map_err(|error| with_commands(error, project)),
    }
}

/// The failure of a run, with the commands that record the purchases that the run could not record.
fn with_commands(error: RunError, project: &Project) -> Failure {
    let unsaved = match &error {
        RunError::Ledger { unsaved, .. } => unsaved.clone(),
        _ => Vec::new(),
    };
    let manifest = shell_word(&project.shown);
    let ledger = shell_word(&seen_from_here(&project.ledger).display().to_string());
    unsaved
        .iter()
        .fold(Failure::from(error), |failure, (key, task)| {
            failure.hint(format!(
                "backline resolve {key} {manifest} --ledger {ledger} --task {task}"
            ))
        })
}

/// Waits until the run ends. Stops it if the studio can't record a task, because that task would never finish.
async fn until_broken<T>(
    mut running: Pin<&mut impl Future<Output = T>>,
    studio: &Studio,
    stop: &CancellationToken,
) -> (T, Option<String>) {
    tokio::select! {
        // If the run has ended, a failure of the studio does not matter.
        biased;
        ended = &mut running => (ended, None),
        why = studio.store_failed() => {
            stop.cancel();
            (running.await, Some(why))
        }
    }
}

/// Warns if the balance does not cover the plan, before the provider refuses a job. The balance comes from the provider's response.
fn short_of_credits(record: &Record, credits: f64) -> Option<String> {
    match record.event {
        Event::Credits {
            balance,
            moment: Moment::Before,
        } if balance < credits => Some(format!(
            "warning: the account has {balance} credits and the plan costs {credits}: jobs are bought until the credits are spent\n"
        )),
        _ => None,
    }
}
