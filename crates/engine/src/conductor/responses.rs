//! What the response to a submission means for its job, the account and the run.

use super::*;
use backline_api::Excerpt;

use crate::event::Via;

/// Attempts that one run makes for one job that comes back without having been bought: a third party can't make it buy for ever.
const MAX_RETRIES: u32 = 5;

/// How many times [`Timing::patience_ms`] the account may be refused without a break, for its pace or for maintenance.
const REFUSED_PATIENCE: i64 = 12;

impl Conductor {
    /// Applies a submission's response to its job, the account and the run.
    pub(super) fn responded(
        &mut self,
        at: usize,
        now_ms: i64,
        attempt: u32,
        outcome: SubmitOutcome,
        decision: &mut Decision,
    ) {
        self.submitting -= 1;
        match outcome {
            SubmitOutcome::Accepted(task) => {
                self.answered();
                match self.index.other_owner(&task, &self.slots[at].key) {
                    None => {
                        self.accepted(at, now_ms, attempt, task, Via::Response, decision);
                        self.schedule_claim_poll(at, now_ms);
                    }
                    Some(owner) => {
                        let owner = owner.short();
                        let message = format!(
                            "the provider named task {task}, which belongs to job {owner} already"
                        );
                        self.lost(at, now_ms, attempt, (message, None), decision);
                    }
                }
            }
            SubmitOutcome::Refused {
                class,
                code,
                message,
                retry_after_ms,
            } => {
                self.reached();
                let class = match class {
                    ResponseClass::SourceGone if !self.has_newer_upload(at, now_ms, decision) => {
                        ResponseClass::RefusedJob
                    }
                    class => class,
                };
                let event = Event::Refused {
                    attempt,
                    class,
                    code,
                    message: message.clone(),
                };
                if self.apply(at, now_ms, event, decision) {
                    let error = EffectError {
                        class,
                        code,
                        message,
                        retryable: false,
                        retry_after_ms,
                        no_descriptor: false,
                        no_space: false,
                    };
                    self.refused(at, now_ms, &error, decision);
                }
            }
            SubmitOutcome::NotSent { reason } => {
                let message = reason.clone();
                let event = Event::NotSent { attempt, message };
                if self.apply(at, now_ms, event, decision) {
                    self.schedule_claim_poll(at, now_ms);
                    self.free(at, now_ms);
                    self.out_of_reach(now_ms, self.slots[at].sent_ms, &reason, decision);
                }
            }
            SubmitOutcome::Exists {
                task: Some(task), ..
            } if self.index.other_owner(&task, &self.slots[at].key).is_none() => {
                self.answered();
                self.accepted(at, now_ms, attempt, task, Via::Refusal, decision);
                self.schedule_claim_poll(at, now_ms);
            }
            // Nothing was requested before by this job: somebody else's request made it, whose task nobody names.
            SubmitOutcome::Exists { code, message, .. } if self.is_first_request(at) => {
                let outcome = SubmitOutcome::Refused {
                    class: ResponseClass::RefusedJob,
                    code,
                    message: format!(
                        "{message}; the response names no task that could be followed"
                    ),
                    retry_after_ms: None,
                };
                self.submitting += 1;
                self.responded(at, now_ms, attempt, outcome, decision);
            }
            // The result exists, and only a callback names its task.
            SubmitOutcome::Exists { message, .. } => {
                self.answered();
                self.doubted(at, now_ms, attempt, (message, None), decision);
            }
            SubmitOutcome::InDoubt { reason, excerpt } => {
                self.lost(at, now_ms, attempt, (reason, excerpt), decision);
            }
        }
    }

    /// Whether the request that is under way repeats none, and no earlier one of the job may have been taken.
    fn is_first_request(&self, at: usize) -> bool {
        let job = &self.slots[at].job;
        let repeats = matches!(&job.phase, Phase::Submitting { doubt_since_ms, .. } if doubt_since_ms.is_some());
        !repeats && job.unproven.iter().all(|it| it.refused)
    }

    /// The provider takes submissions.
    fn answered(&mut self) {
        self.reached();
        self.outage.ended();
        self.brake.succeeded(FailureSource::Response);
        self.refused_since_ms = None;
    }

    /// Nobody knows whether the request was carried out.
    pub(super) fn lost(
        &mut self,
        at: usize,
        now_ms: i64,
        attempt: u32,
        said: (String, Option<Excerpt>),
        decision: &mut Decision,
    ) {
        if self.doubted(at, now_ms, attempt, said, decision) {
            self.failed(at, now_ms, FailureSource::Response, decision);
        }
    }

    /// Puts an attempt in doubt, and schedules the repeat of its request where the provider allows one. Returns whether it was open.
    fn doubted(
        &mut self,
        at: usize,
        now_ms: i64,
        attempt: u32,
        (message, response): (String, Option<Excerpt>),
        decision: &mut Decision,
    ) -> bool {
        let event = Event::Lost {
            attempt,
            message,
            response,
        };
        if !self.apply(at, now_ms, event, decision) {
            return false;
        }
        self.schedule_claim_poll(at, now_ms);
        if self.count_retry(at) {
            let failures = self.slots[at].retries;
            let wait = self.config.timing.backoff_ms(failures, at as u64);
            self.schedule_repeat(at, now_ms + wait);
        }
        true
    }

    /// Counts a lost response or a failed task, and stops the buying when there are too many in a row.
    pub(super) fn failed(
        &mut self,
        at: usize,
        now_ms: i64,
        link: FailureSource,
        decision: &mut Decision,
    ) {
        let sent_ms = self.slots[at].sent_ms;
        let braking = self
            .brake
            .failed(link, sent_ms, now_ms, &self.config.timing);
        match braking {
            Braking::No => {}
            Braking::Until(until_ms) => {
                let count = self.brake.failures(link);
                let what = match link {
                    FailureSource::Response => "responses to submissions were lost",
                    FailureSource::Task => "tasks failed",
                };
                let event = Event::Paused {
                    until_ms,
                    code: None,
                    message: format!(
                        "{count} {what} in a row (limits.failures_in_a_row): buying pauses, then one job at a time is tried"
                    ),
                };
                self.record(None, now_ms, event, decision);
            }
            Braking::GivesUp => self.close(Outcome::Stopped {
                reason: StopReason::FailuresInARow,
            }),
        }
    }

    /// A job is bought.
    pub(super) fn accepted(
        &mut self,
        at: usize,
        now_ms: i64,
        attempt: u32,
        task_id: TaskId,
        via: Via,
        decision: &mut Decision,
    ) {
        let task = task_id.clone();
        let event = Event::Accepted {
            attempt,
            task_id,
            via,
        };
        if !self.apply(at, now_ms, event, decision) {
            return;
        }
        let job = &self.slots[at].job;
        let is_followed = job.task().is_some_and(|followed| followed.id == task);
        let has_failed = matches!(job.phase, Phase::Failed(_));
        if is_followed || has_failed {
            self.again.remove(at);
            self.dequeue(at);
        }
        if is_followed {
            self.follow(at, now_ms, now_ms + self.config.timing.first_poll_ms);
        } else if has_failed {
            self.after_failed_task(at, now_ms, false);
        }
    }

    pub(super) fn refused(
        &mut self,
        at: usize,
        now_ms: i64,
        error: &EffectError,
        decision: &mut Decision,
    ) {
        self.schedule_claim_poll(at, now_ms);
        match error.class {
            ResponseClass::Wait => {
                let wait = self.gate.window_ms();
                // The gate keeps to the limit, so it is not this run alone that reaches it.
                let message = format!(
                    "{}; this run keeps to its rate, so the account may be in use elsewhere",
                    error.message
                );
                self.pause(at, now_ms, error, message, decision, |step, _| {
                    timing::spread(wait, u64::from(step))
                });
                self.free(at, now_ms);
            }
            ResponseClass::WaitLong => {
                let message = error.message.clone();
                self.pause(at, now_ms, error, message, decision, |step, timing| {
                    timing.maintenance_backoff_ms(step, at as u64)
                });
                self.free(at, now_ms);
            }
            ResponseClass::RefusedRun | ResponseClass::StopForCredits => {
                self.free(at, now_ms);
                self.close(refusal(error));
            }
            // The vendor says that nothing was bought: once more is safe, for ever is not.
            ResponseClass::NotSent | ResponseClass::SourceGone => {
                if self.count_retry(at) {
                    self.free(at, now_ms);
                }
            }
            // A charge came before the refund, and only the balance shows whether the refund did: one repeat risks two charges.
            ResponseClass::Refunded => {
                if !std::mem::replace(&mut self.slots[at].was_refunded, true)
                    && self.count_retry(at)
                {
                    self.free(at, now_ms);
                }
            }
            ResponseClass::RefusedJob
            | ResponseClass::TaskFailed
            | ResponseClass::InDoubt
            | ResponseClass::UnknownTask => {}
        }
    }

    /// Lets nobody submit for a while: one refusal speaks for the whole account, and those that come with it say nothing new.
    /// When it has gone on for too long the run ends.
    pub(super) fn pause(
        &mut self,
        at: usize,
        now_ms: i64,
        error: &EffectError,
        message: String,
        decision: &mut Decision,
        wait_ms: impl FnOnce(u32, &Timing) -> i64,
    ) {
        let since = *self.refused_since_ms.get_or_insert(now_ms);
        if now_ms - since > self.config.timing.patience_ms * REFUSED_PATIENCE {
            self.close(refusal(error));
            return;
        }
        let step = self.outage.failed(self.slots[at].sent_ms);
        let wait = step.map_or(0, |step| wait_ms(step, &self.config.timing));
        let until_ms = now_ms + wait.max(millis(error.retry_after_ms));
        self.wait_until(now_ms, until_ms, error.code, message, decision);
    }

    /// Closes the gate until `until_ms`, and records that unless it is closed for as long already.
    pub(super) fn wait_until(
        &mut self,
        now_ms: i64,
        until_ms: i64,
        code: Option<i64>,
        message: String,
        decision: &mut Decision,
    ) {
        if self.outage.lasts_until(until_ms) {
            self.gate.close_until(until_ms);
            let event = Event::Paused {
                until_ms,
                code,
                message,
            };
            self.record(None, now_ms, event, decision);
        }
    }

    /// The provider can't be reached: wait, longer each time, and stop when it has been too long.
    pub(super) fn out_of_reach(
        &mut self,
        now_ms: i64,
        sent_ms: i64,
        message: &str,
        decision: &mut Decision,
    ) {
        let since = *self.unreachable_since_ms.get_or_insert(now_ms);
        if now_ms - since >= self.config.timing.patience_ms {
            self.drain(Outcome::Stopped {
                reason: StopReason::Unreachable,
            });
            return;
        }
        if let Some(step) = self.outage.failed(sent_ms) {
            let until_ms = now_ms + self.config.timing.backoff_ms(step, 0);
            self.wait_until(now_ms, until_ms, None, message.to_owned(), decision);
        }
    }

    /// The provider has responded.
    pub(super) fn reached(&mut self) {
        self.unreachable_since_ms = None;
    }

    /// Counts a job that came back without having been bought; whether it may be submitted once more in this run.
    pub(super) fn count_retry(&mut self, at: usize) -> bool {
        self.slots[at].retries += 1;
        self.slots[at].retries < MAX_RETRIES
    }
}

pub(super) fn refusal(error: &EffectError) -> Outcome {
    Outcome::Refused {
        code: error.code,
        class: error.class,
        message: error.message.clone(),
    }
}

/// A vendor's wait, bounded to an hour: what is longer is no wait but a stop.
pub(super) fn millis(wait_ms: Option<u64>) -> i64 {
    wait_ms.map_or(0, |wait| wait.min(3_600_000).cast_signed())
}
