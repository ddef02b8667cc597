//! Events applied to jobs: the one place where a job changes, and places and credits with it.

use super::*;

impl Conductor {
    /// Lets an event happen to a job: the machine says what it makes of it, and what changes something is recorded. Places and
    /// credits are kept in step here and nowhere else.
    pub(super) fn apply(
        &mut self,
        at: usize,
        now_ms: i64,
        event: Event,
        decision: &mut Decision,
    ) -> bool {
        match self.slots[at].job.step(now_ms, &event) {
            Step::Changed(job) => {
                if matches!(event, Event::Intent { .. } | Event::Repeated { .. }) {
                    self.submits(at, decision);
                }
                let slot = &mut self.slots[at];
                let held = slot.holds_place();
                let was_running = matches!(slot.job.phase, Phase::Running(_));
                self.spent += job.credits - slot.job.credits;
                self.reserved += job.reserved - slot.job.reserved;
                slot.job = Arc::new(job);
                if matches!(event, Event::Intent { .. }) {
                    // What is known of an earlier attempt's task says nothing about the new one, which is this account's.
                    slot.elsewhere = None;
                    slot.expired = false;
                    slot.given_up = false;
                }
                if matches!(event, Event::Intent { .. } | Event::Accepted { .. }) {
                    self.index.take_in(slot.key, &slot.job);
                }
                self.in_flight =
                    self.in_flight + usize::from(slot.holds_place()) - usize::from(held);
                self.dirty.insert(at);
                let task_failed = matches!(event, Event::TaskFailed { .. });
                let finished = matches!(
                    slot.job.phase,
                    Phase::Finished(_) | Phase::Partial(_) | Phase::Kept(_)
                );
                self.note_doubt(at, now_ms);
                self.record(Some(self.slots[at].key), now_ms, event, decision);
                if finished && !self.is_resuming() {
                    self.wake_steps(at, now_ms, decision);
                }
                if task_failed {
                    self.failed(at, now_ms, FailureSource::Task, decision);
                } else if finished && was_running {
                    self.brake.succeeded(FailureSource::Task);
                }
                true
            }
            Step::Unchanged => false,
            Step::Illegal => {
                let slot = &self.slots[at];
                let step = IllegalStep::new(slot.key, &slot.job.phase, &event);
                tracing::error!(%step, "illegal step");
                self.illegal.get_or_insert(step);
                self.drain(Outcome::Failed);
                false
            }
        }
    }

    /// Follows a job no longer in this run: what is bought is in the ledger for the next. A song that is lost may be recovered.
    pub(super) fn give_up(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let held = self.slots[at].holds_place();
        self.slots[at].given_up = true;
        self.in_flight -= usize::from(held);
        self.wake_steps(at, now_ms, decision);
    }

    pub(super) fn record(
        &self,
        job: Option<JobKey>,
        at_ms: i64,
        event: Event,
        decision: &mut Decision,
    ) {
        let (run, account) = (self.config.run.clone(), self.config.account.clone());
        decision.batch.events.push(NewRecord {
            at_ms,
            run,
            account,
            job,
            event,
        });
    }

    /// Adds the changed jobs to the decision.
    pub(crate) fn flush_dirty(&mut self, decision: &mut Decision) {
        for at in std::mem::take(&mut self.dirty) {
            let slot = &mut self.slots[at];
            let pending = decision.batch.jobs.get(&slot.key);
            let version = pending.map_or(slot.version, |pending| pending.version);
            slot.version = version + 1;
            let known = KnownJob {
                version,
                job: slot.job.clone(),
                account: slot
                    .elsewhere
                    .as_ref()
                    .unwrap_or(&self.config.account)
                    .clone(),
            };
            decision.batch.jobs.insert(slot.key, known);
        }
    }
}
