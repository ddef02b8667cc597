//! What a ledger need not remember for ever: runs that are long over, the rows of their plans, expired uploads, and what is queued for
//! runs that have ended.
//!
//! Jobs are never pruned, nor what happened to them: they are what keeps a job from being bought twice and what brings a deleted
//! track back. Nor is a run that somebody may still need: the last of each manifest, and the last that planned a job whose
//! outcome is open.

use std::collections::{HashMap, HashSet};

use crate::event::{Event, RunId};
use crate::job::{Job, Phase};
use crate::settings::JobKey;
use crate::store::{Contents, KnownJob, Prunable, StoreError, StoredRun, bought_in_place_of};

/// What may be pruned of the time before `before_ms`. Changes nothing; [`Contents::prune`] removes it.
///
/// # Errors
/// When the store can't be read.
pub fn prunable(store: &dyn Contents, before_ms: i64) -> Result<Prunable, StoreError> {
    let jobs = store.jobs()?;
    let mut open: HashSet<JobKey> = jobs
        .iter()
        .filter(|(_, known)| is_open(&known.job))
        .map(|(key, _)| *key)
        .collect();
    let mut manifests = HashSet::new();
    let mut gone = Prunable {
        before_ms,
        ..Prunable::default()
    };
    let (mut old, mut stays) = (Vec::new(), Vec::new());
    for run in store.stored_runs()?.into_iter().rev() {
        let is_last = manifests.insert(run.header.manifest.clone());
        let is_old = run.header.started_ms < before_ms;
        // A younger run that planned the job names it as well.
        let needed = !open.is_empty() && takes_out(store, &run.plan, &jobs, &mut open)?;
        if is_old && !is_last && !needed {
            old.push(run);
        } else {
            gone.kept_runs += u64::from(is_old);
            stays.push(run);
        }
    }
    let mut stored: HashSet<&String> = stays.iter().flat_map(plans).collect();
    for run in &old {
        gone.events += store.events_of(&run.header.id)?.len() as u64;
        for plan in plans(run) {
            if stored.insert(plan) {
                gone.plan_rows += store.plan_named(plan)?.len() as u64;
            }
        }
    }
    let uploads = store.uploads()?;
    gone.uploads = uploads.iter().filter(|it| it.at_ms < before_ms).count() as u64;
    let known: HashSet<&RunId> = stays.iter().map(|run| &run.header.id).collect();
    for (run, songs) in store.queued_songs()? {
        if !known.contains(&run) || has_ended(store, &run)? {
            gone.queued_songs += songs;
            gone.queues.push(run);
        }
    }
    gone.queues.sort();
    gone.runs = old.into_iter().map(|run| run.header).collect();
    Ok(gone)
}

/// Takes the jobs of a plan out of `open`; whether there were any.
fn takes_out(
    store: &dyn Contents,
    plan: &str,
    jobs: &HashMap<JobKey, KnownJob>,
    open: &mut HashSet<JobKey>,
) -> Result<bool, StoreError> {
    let before = open.len();
    for row in store.plan_named(plan)? {
        open.remove(&row.key);
        if let Some((link, _)) = bought_in_place_of(jobs, row.key) {
            open.remove(&link.key);
        }
    }
    Ok(open.len() < before)
}

/// The names of a run's plan and of its manifest's.
fn plans(run: &StoredRun) -> impl Iterator<Item = &String> {
    std::iter::once(&run.plan).chain(&run.header.album)
}

fn has_ended(store: &dyn Contents, run: &RunId) -> Result<bool, StoreError> {
    let events = store.events_of(run)?;
    Ok(events
        .iter()
        .any(|record| matches!(record.event, Event::RunEnded { .. })))
}

/// Whether something may still come of a job: a purchase that comes to light, or tracks to fetch.
fn is_open(job: &Job) -> bool {
    !job.unproven.is_empty()
        || matches!(
            job.phase,
            Phase::Submitting { .. }
                | Phase::InDoubt { .. }
                | Phase::Running(_)
                | Phase::Finished(_)
        )
}
