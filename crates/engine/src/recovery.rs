//! Recoveries: jobs that bring back songs whose files the provider has deleted, or does not serve any more.
//!
//! They are not in the manifest, which does not know what is lost, but are put behind their songs once the plan is compared with the ledger.
//! A recovery is about one task, whatever else is bought for its song. A task is recovered again only after the files of its last recovery
//! have expired. The files are the song's: they are kept under the song's names and recorded for the song, and the recovery records only that it has handed them over.

use std::collections::HashMap;

use crate::forecast::{Forecast, JobForecast, is_expired};
use crate::job::{Job, Phase, Task};
use crate::plan::{JobStep, Plan, PlannedJob};
use crate::settings::JobKey;
use crate::status::Sign;
use crate::store::KnownJob;
use backline_api::{RECOVERY, TaskId};

/// Most recoveries of one task that are looked for in the ledger: a new one starts only when the files of the last one have expired.
const MAX_RECOVERIES: u32 = 1000;

/// Puts recoveries behind the songs of a plan that are lost, where the plan recovers songs, and those that were bought before and still
/// have something to bring, in any plan. Returns whether there are any.
pub(crate) fn insert(
    plan: &mut Plan,
    known: &HashMap<JobKey, KnownJob>,
    forecast: &Forecast,
    now_ms: i64,
) -> bool {
    let profile = &plan.provider.profile;
    if profile.step(RECOVERY).is_none() {
        return false;
    }
    let (retention_days, recovers) = (profile.retention_days, plan.recovers);
    let recovery = |song: &PlannedJob, row: &JobForecast| -> Option<PlannedJob> {
        let task = row.job.task().filter(|_| song.step.is_none())?;
        let (step, bought) = current(song.key, &task.id, known, now_ms, retention_days);
        let is_wanted = match bought {
            Some(recovery) => {
                matches!(row.sign, Sign::Expired | Sign::Fetch) || is_open(&recovery.phase)
            }
            None => is_lost(row) && recovers && song.selected,
        };
        is_wanted.then(|| PlannedJob {
            key: step.key(),
            refusal: None,
            step: Some(Box::new(step)),
            ..song.clone()
        })
    };
    let jobs = plan.jobs.iter().zip(&forecast.rows);
    let found: Vec<Option<PlannedJob>> = jobs.map(|(song, row)| recovery(song, row)).collect();
    if found.iter().all(Option::is_none) {
        return false;
    }
    let jobs = std::mem::take(&mut plan.jobs).into_iter().zip(found);
    plan.jobs = jobs
        .flat_map(|(job, recovery)| std::iter::once(job).chain(recovery))
        .collect();
    true
}

/// The first recovery of a task whose files have not expired, and its state if it is bought.
fn current<'a>(
    song: JobKey,
    task: &TaskId,
    known: &'a HashMap<JobKey, KnownJob>,
    now_ms: i64,
    retention_days: u32,
) -> (JobStep, Option<&'a Job>) {
    let bought = |nth: u32| {
        let step = JobStep::recovery(song, task, nth);
        let job = known.get(&step.key()).map(|known| &*known.job);
        (step, job.filter(|job| job.attempts > 0))
    };
    let is_over = |(_, job): &(JobStep, Option<&Job>)| {
        job.is_some_and(|job| is_expired(job, now_ms, retention_days))
    };
    let mut recoveries = (1..MAX_RECOVERIES).map(bought);
    recoveries
        .find(|recovery| !is_over(recovery))
        .unwrap_or_else(|| bought(MAX_RECOVERIES))
}

/// Whether the files of a bought song probably can't be fetched: they are past the retention, or the last try failed.
fn is_lost(row: &JobForecast) -> bool {
    let unkept = |task: &Task| {
        let mut tracks = task.tracks.iter();
        tracks.any(|track| track.kept.is_none() && track.problem.is_some())
    };
    match row.sign {
        Sign::Expired => true,
        Sign::Fetch => row.job.task().is_some_and(unkept),
        _ => false,
    }
}

fn is_open(phase: &Phase) -> bool {
    matches!(
        phase,
        Phase::Submitting { .. } | Phase::InDoubt { .. } | Phase::Running(_) | Phase::Finished(_)
    )
}
