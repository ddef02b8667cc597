//! Which job an attempt's token or a task id belongs to, over the whole ledger.
//!
//! Loaded once and updated with every decision, so that a callback costs one look-up and one row, for a job of this plan as for one
//! of another. The conductor has one, and so has the receiver that runs alone.

use std::collections::HashMap;
use std::sync::Arc;

use backline_api::TaskId;

use crate::event::{Event, RunId, Token};
use crate::job::{CLAIMS, Job, Step};
use crate::settings::JobKey;
use crate::store::{Batch, KnownJob, NewRecord};

/// What became of a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimOutcome {
    /// Its token belongs to no attempt.
    Unknown,
    /// What it says is recorded with this decision, or was known before.
    Known,
    /// Its job has as many unconfirmed claims as it may have: the provider is to call again.
    Full,
}

/// Tokens and task ids, each with its job.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_token: HashMap<Token, (JobKey, u32)>,
    by_task: HashMap<TaskId, JobKey>,
}

impl Index {
    /// The index of a ledger's jobs.
    pub(crate) fn new(jobs: &HashMap<JobKey, KnownJob>) -> Self {
        let mut index = Self::default();
        for (key, known) in jobs {
            index.take_in(*key, &known.job);
        }
        index
    }

    /// Adds what a job has come to have. A task belongs to the job that had it first.
    pub(crate) fn take_in(&mut self, key: JobKey, job: &Job) {
        for (attempt, token) in job.tokens() {
            self.by_token.insert(token.clone(), (key, attempt));
        }
        for task in job.task_ids() {
            self.by_task.entry(task.clone()).or_insert(key);
        }
    }

    /// The job and the attempt that a token belongs to.
    pub(crate) fn attempt(&self, token: &Token) -> Option<(JobKey, u32)> {
        self.by_token.get(token).copied()
    }

    /// The job other than `key` that a task belongs to.
    pub(crate) fn other_owner(&self, task: &TaskId, key: &JobKey) -> Option<JobKey> {
        self.by_task.get(task).copied().filter(|owner| owner != key)
    }

    /// Takes in a callback for a job that nobody follows now: `known` is its latest state, with what `batch` has made of it.
    pub(crate) fn claim(
        &mut self,
        now_ms: i64,
        run: &RunId,
        (key, attempt): (JobKey, u32),
        task: &TaskId,
        mut known: KnownJob,
        batch: &mut Batch,
    ) -> ClaimOutcome {
        let event = claim(attempt, task, self.other_owner(task, &key));
        match known.job.step(now_ms, &event) {
            Step::Changed(job) => known.job = Arc::new(job),
            _ => return claim_outcome(&known.job, task),
        }
        self.take_in(key, &known.job);
        batch.events.push(NewRecord {
            at_ms: now_ms,
            run: run.clone(),
            account: known.account.clone(),
            job: Some(key),
            event,
        });
        batch.jobs.insert(key, known);
        ClaimOutcome::Known
    }
}

/// What a callback with the token of `attempt` says about `task`, which may be another job's already.
pub(crate) fn claim(attempt: u32, task: &TaskId, owner: Option<JobKey>) -> Event {
    let task_id = task.clone();
    match owner {
        None => Event::Claimed { attempt, task_id },
        Some(owner) => Event::ClaimRejected {
            attempt,
            message: format!("task {task_id} belongs to job {} already", owner.short()),
            task_id,
        },
    }
}

/// What is to be said to a callback that changed nothing.
pub(crate) fn claim_outcome(job: &Job, task: &TaskId) -> ClaimOutcome {
    let is_known = job.task_ids().any(|known| known == task)
        || job.claims.iter().any(|claim| claim.task_id == *task);
    if !is_known && job.claims.len() >= CLAIMS {
        ClaimOutcome::Full
    } else {
        ClaimOutcome::Known
    }
}
