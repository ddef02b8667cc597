//! What a store did not write: submissions that it does not admit now, and jobs that another process has changed.
//!
//! The event of a submission is a job's last in its batch, so taking it back is going back to the job's state before it. A job that
//! another process has changed is left to that process: whatever was decided on the old state of it may be wrong. One fact is true
//! in any state and known to nobody else: the task id in a response. It is a [`StrayTask`], which the driver records on the job's new
//! state.

use backline_api::TaskId;

use super::*;
use crate::event::Via;

/// The task of an attempt of a job that another process has changed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StrayTask {
    /// The job.
    pub(crate) key: JobKey,
    /// The attempt that the provider accepted.
    pub(crate) attempt: u32,
    /// The task.
    pub(crate) task: TaskId,
}

impl StrayTask {
    /// The event that records it.
    pub(crate) fn event(&self) -> Event {
        Event::Accepted {
            attempt: self.attempt,
            task_id: self.task.clone(),
            via: Via::Response,
        }
    }
}

impl Conductor {
    /// Notes that a request of a job is in the decision, for the store to admit. Called before the job changes.
    pub(super) fn submits(&self, at: usize, decision: &mut Decision) {
        let slot = &self.slots[at];
        let account = slot.elsewhere.as_ref().unwrap_or(&self.config.account);
        decision.batch.submissions.push(Submission {
            key: slot.key,
            before: KnownJob {
                job: slot.job.clone(),
                account: account.clone(),
                version: slot.version,
            },
        });
        decision.batch.limits = Some(SubmissionLimits {
            rate: self.config.rate,
            concurrency: u32::try_from(self.config.concurrency).unwrap_or(u32::MAX),
            follow_ms: self.config.timing.follow_ms.unsigned_abs(),
            credits: self.config.credits,
            ledger_credits: self.config.ledger_credits,
        });
    }

    /// Takes in what the store did not write of a batch. The effects of these jobs must not begin.
    pub(crate) fn refuse(&mut self, now_ms: i64, refused: &[RefusedJob], batch: &Batch) {
        for job in refused {
            let (Some(&at), Some(submission)) = (
                self.slot_of.get(&job.key),
                batch.submissions.iter().find(|it| it.key == job.key),
            ) else {
                continue;
            };
            self.take_back(at, now_ms, &submission.before);
        }
        // By now the sums are those of what the store has.
        let own = self.spent + self.reserved;
        for job in refused {
            let Some(&at) = self.slot_of.get(&job.key) else {
                continue;
            };
            self.slots[at].version = job.version;
            match job.why {
                Refusal::Conflict => {
                    self.leave(at, batch);
                    continue;
                }
                Refusal::TooEarly { wait_ms } => {
                    let until_ms = now_ms.saturating_add_unsigned(wait_ms.max(1));
                    self.gate.close_until(until_ms);
                }
                Refusal::OverBudget {
                    run_credits,
                    ledger_credits,
                } => {
                    self.spent_by_others = run_credits - own;
                    self.config.spent_before = ledger_credits - own;
                }
            }
            self.free(at, now_ms);
        }
    }

    /// An effect of a job that the store has refused does not begin: nothing will come of it.
    pub(crate) fn not_begun(&mut self, effect: &Effect) {
        let under_way = match effect {
            Effect::Poll { .. } => &mut self.polling,
            Effect::Fetch(_) => &mut self.fetching,
            Effect::CallHooks { .. } => &mut self.hook_calls,
            // A submission was taken back, and the others are about no job.
            Effect::Submit { .. } | Effect::Prepare { .. } | Effect::ForgetUpload { .. } => return,
        };
        *under_way -= 1;
    }

    /// The task ids that came for jobs which other processes have changed, each once.
    pub(crate) fn take_stray(&mut self) -> Vec<StrayTask> {
        std::mem::take(&mut self.stray)
    }

    /// Goes back to a job's state before a submission that was not admitted.
    fn take_back(&mut self, at: usize, now_ms: i64, before: &KnownJob) {
        let slot = &mut self.slots[at];
        let held = slot.holds_place();
        self.spent += before.job.credits - slot.job.credits;
        self.reserved += before.job.reserved - slot.job.reserved;
        slot.job = before.job.clone();
        if before.account != self.config.account {
            slot.elsewhere = Some(before.account.clone());
        }
        self.in_flight = self.in_flight + usize::from(slot.holds_place()) - usize::from(held);
        self.submitting -= 1;
        self.gate.give_back(slot.sent_ms);
        self.note_doubt(at, now_ms);
    }

    /// Leaves a job to the process that has changed it, with its song and all steps of that: each reads the states of others.
    fn leave(&mut self, at: usize, batch: &Batch) {
        let key = self.slots[at].key;
        for record in batch.events.iter().filter(|record| record.job == Some(key)) {
            if let Event::Accepted {
                attempt,
                task_id,
                via: Via::Response,
            } = &record.event
            {
                self.stray.push(StrayTask {
                    key,
                    attempt: *attempt,
                    task: task_id.clone(),
                });
            }
        }
        for member in self.family(at) {
            self.let_go(member);
        }
    }

    /// Does nothing more for a job.
    pub(super) fn let_go(&mut self, at: usize) {
        self.dequeue(at);
        self.delayed.retain(|(_, job)| *job != at);
        self.again.remove(at);
        self.doubts.set(at, None);
        let slot = &mut self.slots[at];
        let (poll_at, claim_poll_at) = (slot.poll_at.take(), slot.claim_poll_at.take());
        let fetch_at = slot.following.fetch_at.take();
        let held = slot.holds_place();
        slot.is_taken = true;
        slot.given_up = true;
        self.in_flight -= usize::from(held);
        self.dirty.remove(&at);
        for (queue, due_ms) in [
            (&mut self.polls, poll_at),
            (&mut self.claim_polls, claim_poll_at),
            (&mut self.fetches, fetch_at),
        ] {
            if let Some(due_ms) = due_ms {
                queue.remove(&(due_ms, at));
            }
        }
    }

    /// The input, unless it is about a job that another process has changed: then only what was under way is over.
    pub(super) fn of_own_jobs(&mut self, input: Input) -> Option<Input> {
        let job = match &input {
            Input::Responded { job, .. }
            | Input::Polled { job, .. }
            | Input::Fetched { job, .. }
            | Input::Decided { job, .. }
            | Input::Noted { job, .. } => *job,
            _ => return Some(input),
        };
        let is_taken = |at: &usize| self.slots[*at].is_taken;
        if !self.slot_of.get(&job).is_some_and(is_taken) {
            return Some(input);
        }
        match input {
            Input::Responded {
                attempt, outcome, ..
            } => {
                self.submitting -= 1;
                if let SubmitOutcome::Accepted(task) = outcome {
                    self.stray.push(StrayTask {
                        key: job,
                        attempt,
                        task,
                    });
                }
            }
            Input::Polled { .. } => self.polling -= 1,
            Input::Fetched { .. } => self.fetching -= 1,
            Input::Decided { .. } => self.hook_calls -= 1,
            _ => {}
        }
        None
    }
}
