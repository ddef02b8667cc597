//! Taking over what was bought with a key that has been replaced.
//!
//! A ledger tells accounts apart by a fingerprint of provider, address and key, and a run touches nothing that is in flight under
//! another one. When a key is rotated the account stays the same, which only the provider can say: it shows a task of the old
//! key's under the new one, or it does not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use backline_api::{Client, Stage, TaskId};

use super::RunError;
use crate::job::{Phase, Task};
use crate::settings::JobKey;
use crate::store::KnownJob;

/// Tasks of one account whose details are requested: the newest may be gone while an older one is still known, and one that is
/// shown is enough.
const TASKS_TRIED: usize = 5;

/// Other accounts under which jobs of a plan are in flight, and how many each; with `kept` also those of which everything is kept, which
/// steps may process.
pub(super) fn other_accounts(
    bought: &HashSet<JobKey>,
    known: &HashMap<JobKey, KnownJob>,
    account: &str,
    kept: bool,
) -> BTreeMap<String, usize> {
    let mut others = BTreeMap::new();
    for known in bought.iter().filter_map(|key| known.get(key)) {
        let in_flight = matches!(
            known.job.phase,
            Phase::Submitting { .. }
                | Phase::InDoubt { .. }
                | Phase::Running(_)
                | Phase::Finished(_)
        );
        let is_kept = matches!(known.job.phase, Phase::Kept(_) | Phase::Partial(_));
        if (in_flight || (kept && is_kept)) && known.account != account {
            *others.entry(known.account.clone()).or_default() += 1;
        }
    }
    others
}

/// A task of the account `from` that the provider shows under the key of `client`: both keys are those of one account.
pub(super) async fn prove(
    client: &Client,
    known: &HashMap<JobKey, KnownJob>,
    from: &str,
) -> Result<TaskId, RunError> {
    let account = || from.to_owned();
    let candidates = candidates(known, from);
    if candidates.is_empty() {
        return Err(RunError::NoTaskToProve { account: account() });
    }
    for task in &candidates {
        match client.record_info(task).await {
            Ok(view) if view.stage != Stage::Unknown => return Ok(task.clone()),
            Ok(_) => {}
            Err(source) => {
                return Err(RunError::AdoptionLookup {
                    task: task.clone(),
                    source: Box::new(source),
                });
            }
        }
    }
    Err(RunError::NotAdopted {
        account: account(),
        tasks: candidates,
    })
}

/// The tasks by which an account may be proved: those that are not kept yet first, then the newest.
fn candidates(known: &HashMap<JobKey, KnownJob>, account: &str) -> Vec<TaskId> {
    let own = known.values().filter(|known| known.account == account);
    // The details of songs are requested here, and a step's task is none.
    let is_song = |task: &Task| task.tracks.iter().all(|it| it.facts.artefact.is_empty());
    let mut tasks: Vec<(bool, &Task)> = own
        .filter_map(|known| {
            let is_kept = matches!(known.job.phase, Phase::Kept(_) | Phase::Partial(_));
            let task = known.job.task().filter(|task| is_song(task))?;
            Some((is_kept, task))
        })
        .collect();
    tasks.sort_by_key(|(is_kept, task)| (*is_kept, Reverse(task.accepted_ms), task.id.clone()));
    tasks
        .into_iter()
        .take(TASKS_TRIED)
        .map(|(_, task)| task.id.clone())
        .collect()
}
