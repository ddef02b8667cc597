//! Purchases whose job left the manifest: nobody follows, fetches or settles them any more, unless they are named.

use std::collections::HashSet;

use backline_api::TaskId;

use crate::job::Phase;
use crate::settings::JobKey;
use crate::store::{Store, StoreError};

/// What a ledger has of jobs of no manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Abandoned {
    /// Tasks that were bought and whose tracks are not kept.
    pub tasks: Vec<TaskId>,
    /// Jobs that are in doubt.
    pub doubts: Vec<JobKey>,
}

/// Finds what was bought for jobs that are neither among `planned`, the jobs of the manifest `manifest`, nor in the last plan of
/// another manifest.
pub fn abandoned(
    store: &dyn Store,
    manifest: &str,
    planned: impl IntoIterator<Item = JobKey>,
) -> Result<Abandoned, StoreError> {
    let jobs = store.jobs()?;
    let is_open = |phase: &Phase| {
        matches!(
            phase,
            Phase::Running(_)
                | Phase::Finished(_)
                | Phase::InDoubt { .. }
                | Phase::Submitting { .. }
        )
    };
    let mut open: Vec<JobKey> = jobs
        .iter()
        .filter(|(_, known)| is_open(&known.job.phase))
        .map(|(key, _)| *key)
        .collect();
    let planned: HashSet<JobKey> = planned.into_iter().collect();
    open.retain(|key| !planned.contains(key));
    let mut seen = HashSet::from([manifest.to_owned()]);
    for run in store.runs()? {
        if !open.is_empty() && seen.insert(run.manifest) {
            let theirs: HashSet<JobKey> =
                store.plan_of(&run.id)?.iter().map(|row| row.key).collect();
            open.retain(|key| !theirs.contains(key));
        }
    }
    open.sort();
    let mut found = Abandoned::default();
    for key in open {
        match jobs[&key].job.task() {
            Some(task) => found.tasks.push(task.id.clone()),
            None => found.doubts.push(key),
        }
    }
    Ok(found)
}
