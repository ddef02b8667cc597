//! Callbacks: what they claim is recorded at once, and believed when the provider's own details confirm it.
//!
//! A token proves that the caller knows an attempt, not that the task it names is that attempt's. So a named task becomes a claim;
//! the conductor reads its details, and only a task that the provider knows, and that is no other job's, is accepted. The id in
//! the response to the submission needs no confirmation and comes first.

use super::*;
use crate::event::Via;
use crate::index::{ClaimOutcome, claim, claim_outcome};

/// Polls of a claimed task that the provider does not know. With [`Timing::poll_ms`] between them they last longer than the minute that
/// a vendor can take to make a task known; a studio on this machine knows its tasks at once.
const CLAIM_POLLS: u32 = 5;

/// Claims on tasks of other jobs that are recorded per job and run: the holder of a token must not fill the ledger.
const RECORDED_REJECTIONS: u32 = 4;

impl Conductor {
    /// Handles a callback. `read` returns the ledger's row of a job that this run does not follow. In a shared run the attempts of jobs that
    /// this process does not have are unknown.
    pub(crate) fn handle_callback<E>(
        &mut self,
        now_ms: i64,
        token: &Token,
        task: &TaskId,
        read: impl FnOnce(&JobKey) -> Result<Option<KnownJob>, E>,
        decision: &mut Decision,
    ) -> Result<ClaimOutcome, E> {
        let Some((key, attempt)) = self.index.attempt(token) else {
            return Ok(ClaimOutcome::Unknown);
        };
        let slot = self.slot_of.get(&key).copied();
        if let Some(at) = slot.filter(|at| !self.slots[*at].is_taken) {
            return Ok(self.called(at, now_ms, attempt, task, decision));
        }
        if self.config.is_shared {
            // The process that has the job records it.
            return Ok(ClaimOutcome::Unknown);
        }
        let pending = decision.batch.jobs.get(&key).cloned();
        let known = match pending {
            Some(known) => Some(known),
            None => read(&key)?,
        };
        let Some(known) = known else {
            return Ok(ClaimOutcome::Unknown);
        };
        let (run, batch) = (&self.config.run, &mut decision.batch);
        Ok(self
            .index
            .claim(now_ms, run, (key, attempt), task, known, batch))
    }

    /// A callback for a job of this plan.
    fn called(
        &mut self,
        at: usize,
        now_ms: i64,
        attempt: u32,
        task: &TaskId,
        decision: &mut Decision,
    ) -> ClaimOutcome {
        let owner = self.index.other_owner(task, &self.slots[at].key);
        let event = claim(attempt, task, owner);
        if owner.is_some() {
            self.warn_of_claim(at, now_ms, event, decision);
            return ClaimOutcome::Known;
        }
        if !self.apply(at, now_ms, event, decision) {
            let slot = &self.slots[at];
            let is_followed = slot.job.task().is_some_and(|known| known.id == *task);
            if is_followed && slot.poll_at.is_some() {
                self.schedule_poll(at, now_ms);
            }
            return claim_outcome(&self.slots[at].job, task);
        }
        if matches!(self.slots[at].job.phase, Phase::InDoubt { .. }) {
            self.dequeue(at);
        }
        self.schedule_claim_poll(at, now_ms);
        ClaimOutcome::Known
    }

    /// Plans a poll of the task that callbacks have claimed for a job. While its submission is under way the response is waited for: it
    /// names the task itself.
    pub(super) fn schedule_claim_poll(&mut self, at: usize, at_ms: i64) {
        let slot = &mut self.slots[at];
        let waits = matches!(slot.job.phase, Phase::Submitting { .. });
        if waits || slot.claim_in_poll.is_some() || slot.claim().is_none() {
            return;
        }
        if let Some(old) = slot.claim_poll_at.replace(at_ms) {
            self.claim_polls.remove(&(old, at));
        }
        self.claim_polls.insert((at_ms, at));
    }

    /// Begins the polls of claimed tasks that are due.
    pub(super) fn start_claim_polls(&mut self, now_ms: i64, decision: &mut Decision) {
        while self.polling < self.polls_at_once() {
            let Some(&(due, at)) = self.claim_polls.first() else {
                return;
            };
            if due > now_ms {
                return;
            }
            self.claim_polls.pop_first();
            let slot = &mut self.slots[at];
            slot.claim_poll_at = None;
            if let Some(task) = slot.claim().map(|claim| claim.task_id.clone()) {
                slot.claim_in_poll = Some(task.clone());
                self.polling += 1;
                decision.effects.push(Effect::Poll {
                    job: slot.key,
                    task,
                });
            }
        }
    }

    /// Whether the poll of `task` verifies a claim.
    pub(super) fn is_claim_poll(&self, at: usize, task: &TaskId) -> bool {
        self.slots[at].claim_in_poll.as_ref() == Some(task)
    }

    /// What the provider's details say about a claimed task.
    pub(super) fn claim_polled(
        &mut self,
        at: usize,
        now_ms: i64,
        task: &TaskId,
        result: Result<TaskView, EffectError>,
        decision: &mut Decision,
    ) {
        self.polling -= 1;
        self.slots[at].claim_in_poll = None;
        let claim = self.slots[at].claim().cloned();
        let Some(claim) = claim.filter(|claim| claim.task_id == *task) else {
            // The submission's response has named the task meanwhile.
            self.schedule_claim_poll(at, now_ms);
            return;
        };
        let (message, wait_ms, settles) = match result {
            Ok(view) if view.stage != Stage::Unknown => {
                self.reached();
                self.confirm(at, now_ms, claim, decision);
                return;
            }
            Ok(_) => {
                self.reached();
                ("the provider knows no such task".to_owned(), 0, true)
            }
            Err(error) => {
                if error.class == ResponseClass::NotSent {
                    self.out_of_reach(now_ms, now_ms, &error.message, decision);
                }
                let settles = !error.retryable;
                (
                    error.message,
                    responses::millis(error.retry_after_ms),
                    settles,
                )
            }
        };
        let slot = &mut self.slots[at];
        slot.claim_tries += 1;
        if slot.claim_tries < CLAIM_POLLS {
            let wait_ms = self.config.timing.poll_ms.max(wait_ms);
            self.schedule_claim_poll(at, now_ms + wait_ms);
        } else if settles {
            self.reject(at, now_ms, claim, message, decision);
        } else {
            // Inconclusive: the next run polls again.
            slot.claims_left += 1;
            self.next_claim(at, now_ms);
        }
    }

    /// Schedules a job's next claim after one is resolved or deferred.
    fn next_claim(&mut self, at: usize, now_ms: i64) {
        self.slots[at].claim_tries = 0;
        self.schedule_claim_poll(at, now_ms);
        if self.slots[at].claim().is_some() {
            return;
        }
        match &self.slots[at].job.phase {
            Phase::Planned => self.enqueue(at),
            Phase::Failed(_) if self.may_be_bought(at) => self.enqueue(at),
            Phase::InDoubt { .. } => self.schedule_repeat(at, now_ms),
            _ => {}
        }
    }

    /// The provider knows the task: it is the job's, unless it became another's meanwhile.
    fn confirm(&mut self, at: usize, now_ms: i64, claim: Claim, decision: &mut Decision) {
        let Claim { attempt, task_id } = claim;
        if let Some(owner) = self.index.other_owner(&task_id, &self.slots[at].key) {
            let message = format!("task {task_id} belongs to job {} already", owner.short());
            let claim = Claim { attempt, task_id };
            self.reject(at, now_ms, claim, message, decision);
            return;
        }
        self.accepted(at, now_ms, attempt, task_id, Via::Callback, decision);
        self.next_claim(at, now_ms);
    }

    fn reject(
        &mut self,
        at: usize,
        now_ms: i64,
        claim: Claim,
        message: String,
        decision: &mut Decision,
    ) {
        let event = Event::ClaimRejected {
            attempt: claim.attempt,
            task_id: claim.task_id,
            message,
        };
        self.apply(at, now_ms, event, decision);
        self.next_claim(at, now_ms);
    }

    /// Records that a callback named another job's task. It changes no job.
    fn warn_of_claim(&mut self, at: usize, now_ms: i64, event: Event, decision: &mut Decision) {
        let slot = &mut self.slots[at];
        if slot.rejections_recorded < RECORDED_REJECTIONS {
            slot.rejections_recorded += 1;
            let key = slot.key;
            self.record(Some(key), now_ms, event, decision);
        }
    }
}

impl JobSlot {
    /// The claim to poll next.
    pub(super) fn claim(&self) -> Option<&Claim> {
        self.job.claims.get(self.claims_left)
    }
}
