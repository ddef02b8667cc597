//! The run itself: the engine's run with the embedded studio beside it, until it ends or is stopped.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backline_api::{Tape, is_loopback_address};
use backline_engine::driver::{self, Album, Ended, HookFailure, Run, RunError, Signals};
use backline_engine::event::{Event, Moment, Record};
use backline_engine::ledger::Ledger;
use backline_engine::opening::Opening;
use backline_engine::settings::JobKey;
use backline_reporter::shell_word;
use backline_studio::Studio;
use tokio_util::sync::CancellationToken;

use super::prepare::Keys;
use crate::embedded;
use crate::failure::{Failure, Kind};
use crate::log::Notices;
use crate::project::{Project, seen_from_here};
use crate::signals;

const NOTICE: &str = "\
Stopping: no more jobs are submitted, and requests in progress have five seconds. The same command resumes the rest.\n\
Press Ctrl-C again to stop at once.\n";

/// What a run needs beside its project.
pub(super) struct RunInput {
    pub(super) keys: Keys,
    pub(super) opening: Opening,
    pub(super) hook_failures: Vec<(JobKey, HookFailure)>,
    pub(super) adopts_account: bool,
    /// Set once a person stops the run.
    pub(super) stopping: Arc<AtomicBool>,
    /// The whole manifest, where only some of its jobs were selected.
    pub(super) part_of: Option<Album>,
    /// What the plan costs.
    pub(super) credits: f64,
    /// Records the provider's responses, or replays them.
    pub(super) tape: Option<Tape>,
    /// Whether it replays them: then no studio is needed.
    pub(super) replays: bool,
}

/// Runs the plan; `observe` gets each record after it has become durable.
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
    let studio = if input.replays {
        None
    } else {
        embedded::start(&mut plan.provider, &project.ledger).await?
    };
    let run = Run {
        // A provider on this machine reaches a receiver on loopback.
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
        signals: stops.clone(),
    };
    let mut warn_and_observe = |record: &Record| {
        observe(record);
        if let Some(warning) = short_of_credits(record, input.credits) {
            notices.print(&warning);
        }
    };
    let running = pin!(driver::run(run, ledger, &mut warn_and_observe));
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

/// The failure of a run, with the commands that record what was bought and could not be recorded.
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

/// Waits until the run ends. Stops it where the studio can't record a task: nothing would finish that task while the run waits for it.
async fn until_broken<T>(
    mut running: Pin<&mut impl Future<Output = T>>,
    studio: &Studio,
    stop: &CancellationToken,
) -> (T, Option<String>) {
    tokio::select! {
        // A run that has ended no longer needs the studio.
        biased;
        ended = &mut running => (ended, None),
        why = studio.store_failed() => {
            stop.cancel();
            (running.await, Some(why))
        }
    }
}

/// Warns before the first refusal where the balance does not cover the plan. The balance is known only from the provider.
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
