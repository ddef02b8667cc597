//! A job's purchase: its attempts are intended, repeated, accepted, claimed by a callback, in doubt, or ended without a task.
//!
//! Over 500 lines: these are the transitions that money depends on, and they are reviewed together.

use backline_api::{Credits, Excerpt, ResponseClass, TaskId};

use super::{CLAIMS, Cause, Claim, Failure, Job, Phase, Step, Task, Unproven};
use crate::event::{Event, TaskStage, Token, Via};

/// Refused attempts that a job remembers: the provider said that they bought nothing, so the oldest are forgotten first. What may
/// have been bought is never forgotten.
pub(super) const REFUSED_ATTEMPTS: usize = 8;

/// Why an attempt ended without a task.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Refused,
    NeverBought,
    BuyAgain,
}

impl Job {
    /// The attempt whose outcome is open.
    fn open_attempt(&self) -> Option<u32> {
        match &self.phase {
            Phase::Submitting { attempt, .. } | Phase::InDoubt { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    fn is_submitting(&self, attempt: u32) -> bool {
        matches!(&self.phase, Phase::Submitting { attempt: now, .. } if *now == attempt)
    }

    /// Records an attempt before its request is sent.
    pub(super) fn intended(
        &self,
        mut next: Job,
        attempt: u32,
        token: &Token,
        credits: Credits,
    ) -> Step {
        match &self.phase {
            Phase::Planned | Phase::Failed(_) if attempt == self.attempts + 1 => {
                next.attempts = attempt;
                next.linked = None;
                next.reserved = credits;
                next.phase = Phase::Submitting {
                    attempt,
                    token: token.clone(),
                    doubt_since_ms: None,
                    doubt_response: None,
                };
                Step::Changed(next)
            }
            _ => Step::Illegal,
        }
    }

    /// Records that the request of an attempt in doubt is repeated.
    pub(super) fn repeated(&self, mut next: Job, attempt: u32) -> Step {
        match &self.phase {
            Phase::InDoubt {
                attempt: now,
                token,
                since_ms,
                response,
                ..
            } if *now == attempt => {
                next.phase = Phase::Submitting {
                    attempt,
                    token: token.clone(),
                    doubt_since_ms: Some(*since_ms),
                    doubt_response: response.clone(),
                };
                Step::Changed(next)
            }
            _ => Step::Illegal,
        }
    }

    /// Ends a job whose recording could not be uploaded.
    pub(super) fn not_uploaded(&self, mut next: Job, message: &str) -> Step {
        if !self.phase.is_unbought() {
            return Step::Illegal;
        }
        next.phase = Phase::Failed(Failure {
            cause: Cause::Upload,
            code: None,
            message: message.to_owned(),
            task_id: None,
        });
        Step::Changed(next)
    }

    /// Ends an attempt without a task: refused, not sent, lost, or settled by the user. If a confirmed task has ended
    /// the attempt before, nothing changes.
    pub(super) fn attempt_ended(
        &self,
        mut next: Job,
        at_ms: i64,
        attempt: u32,
        event: &Event,
    ) -> Step {
        match event {
            Event::Refused {
                class,
                code,
                message,
                ..
            } if self.is_submitting(attempt) => {
                let counts = !matches!(class, ResponseClass::Wait | ResponseClass::WaitLong);
                if next.doubt_again(&refused_repeat(*code, message), None, counts) {
                    return Step::Changed(next);
                }
                if self.claims.iter().any(|claim| claim.attempt == attempt) {
                    next.doubt(at_ms, &contradicted(*code, message), None);
                    return Step::Changed(next);
                }
                next.leave_unproven(Why::Refused);
                next.without_task(match class {
                    ResponseClass::RefusedJob => Phase::Failed(Failure {
                        cause: Cause::Refused,
                        code: *code,
                        message: message.clone(),
                        task_id: None,
                    }),
                    _ => Phase::Planned,
                });
                Step::Changed(next)
            }
            Event::NotSent { message, .. } if self.is_submitting(attempt) => {
                if !next.doubt_again(message, None, false) {
                    next.reserved = Credits::ZERO;
                    next.without_task(Phase::Planned);
                }
                Step::Changed(next)
            }
            Event::Lost {
                message, response, ..
            } if self.is_submitting(attempt) => {
                if !next.doubt_again(message, response.as_ref(), true) {
                    next.doubt(at_ms, message, response.as_ref());
                }
                Step::Changed(next)
            }
            Event::NeverBought { .. } | Event::BuyAgain { .. }
                if self.open_attempt() == Some(attempt) =>
            {
                next.leave_unproven(match event {
                    Event::BuyAgain { .. } => Why::BuyAgain,
                    _ => Why::NeverBought,
                });
                next.without_task(Phase::Planned);
                Step::Changed(next)
            }
            _ if attempt <= self.attempts => Step::Unchanged,
            _ => Step::Illegal,
        }
    }

    /// Puts an attempt that the user settled back in doubt: the user withdraws the task or the settlement.
    pub(super) fn reopened(&self, mut next: Job, at_ms: i64, attempt: u32) -> Step {
        if let Some(task) = self.task().filter(|task| task.attempt == attempt) {
            if task.via != Via::User {
                return Step::Illegal;
            }
            next.credits = next.credits.less(task.credits);
            next.in_doubt_again(at_ms, attempt, &task.token, task.credits);
            return Step::Changed(next);
        }
        let settled = |it: &Unproven| it.attempt == attempt && !it.refused;
        let Some(at) = self.unproven.iter().rposition(settled) else {
            return Step::Illegal;
        };
        if !self.phase.is_unbought() {
            return Step::Illegal;
        }
        let it = next.unproven.remove(at);
        let refunded =
            matches!(&self.phase, Phase::Failed(failure) if failure.cause == Cause::Refunded);
        if it.failed_task.is_some() {
            next.failed_tasks = next.failed_tasks.saturating_sub(1);
        }
        if it.counted || (it.failed_task.is_some() && !refunded) {
            next.credits = next.credits.less(it.credits);
        }
        next.in_doubt_again(at_ms, attempt, &it.token, it.credits);
        Step::Changed(next)
    }

    fn in_doubt_again(&mut self, since_ms: i64, attempt: u32, token: &Token, credits: Credits) {
        self.reserved = credits;
        self.phase = Phase::InDoubt {
            attempt,
            token: token.clone(),
            since_ms,
            message: "the decision about this attempt was withdrawn".to_owned(),
            response: None,
            repeated: false,
        };
    }

    /// Forgets a claim that the provider's details did not confirm.
    pub(super) fn claim_rejected(&self, mut next: Job, task_id: &TaskId) -> Step {
        next.claims.retain(|claim| claim.task_id != *task_id);
        self.step_to(next)
    }

    /// Puts the attempt that is being submitted in doubt since `since_ms`.
    fn doubt(&mut self, since_ms: i64, message: &str, response: Option<&Excerpt>) {
        if let Phase::Submitting {
            attempt,
            token,
            doubt_response,
            ..
        } = &self.phase
        {
            // The first excerpt may contain the task's id: a later response without one does not replace it.
            let names_task = |excerpt: &&Excerpt| !excerpt.task_ids.is_empty();
            let earlier = doubt_response.as_ref();
            let response = response
                .filter(names_task)
                .or(earlier.filter(names_task))
                .or(response)
                .or(earlier);
            self.phase = Phase::InDoubt {
                attempt: *attempt,
                token: token.clone(),
                since_ms,
                message: message.to_owned(),
                response: response.cloned(),
                repeated: false,
            };
        }
    }

    /// Puts the attempt back in doubt where its request repeats one without a response, whatever became of the repeat. It `counts` unless
    /// the provider did not look at it.
    fn doubt_again(&mut self, message: &str, response: Option<&Excerpt>, counts: bool) -> bool {
        let Phase::Submitting {
            doubt_since_ms: Some(since_ms),
            ..
        } = self.phase
        else {
            return false;
        };
        self.doubt(since_ms, message, response);
        if let Phase::InDoubt { repeated, .. } = &mut self.phase {
            *repeated = counts;
        }
        true
    }

    pub(super) fn accepted(
        &self,
        mut next: Job,
        at_ms: i64,
        attempt: u32,
        task_id: &TaskId,
        via: Via,
    ) -> Step {
        if attempt == 0 || attempt > self.attempts {
            return Step::Illegal;
        }
        if self.knows_task(task_id) {
            return self.known_again(next, attempt, task_id);
        }
        next.claims.retain(|claim| claim.task_id != *task_id);
        let task = |token: &Token, credits| Task {
            id: task_id.clone(),
            attempt,
            token: token.clone(),
            accepted_ms: at_ms,
            via,
            credits,
            stage: TaskStage::Pending,
            tracks: Vec::new(),
            shortfall: None,
            unavailable: None,
        };
        match &self.phase {
            Phase::Submitting {
                attempt: now,
                token,
                doubt_since_ms: None,
                ..
            } if *now == attempt && via == Via::Refusal => {
                // The task was bought by a request that this ledger does not know. This attempt cost nothing.
                next.reserved = Credits::ZERO;
                next.phase = Phase::Running(task(token, Credits::ZERO));
                return Step::Changed(next);
            }
            Phase::Submitting {
                attempt: now,
                token,
                ..
            }
            | Phase::InDoubt {
                attempt: now,
                token,
                ..
            } if *now == attempt => {
                next.credits += self.reserved;
                next.reserved = Credits::ZERO;
                next.phase = Phase::Running(task(token, self.reserved));
                return Step::Changed(next);
            }
            _ => {}
        }
        // A purchase that is discovered late, or a second one under the same token.
        let (late, uncounted) = match next.take_unproven(attempt) {
            Some(it) => (
                task(&it.token, it.credits),
                if it.counted {
                    Credits::ZERO
                } else {
                    it.credits
                },
            ),
            None => match self.tasks().find(|task| task.attempt == attempt) {
                Some(first) => (task(&first.token, first.credits), first.credits),
                // It was proved that nothing was bought with this attempt, so long ago that its secret is forgotten.
                None => return Step::Unchanged,
            },
        };
        next.credits += uncounted;
        match &self.phase {
            phase if phase.is_unbought() => next.phase = Phase::Running(late),
            // The response and the user take precedence over a callback, which may have named another task. A task that has shown tracks
            // is followed to its end all the same.
            Phase::Running(first)
                if first.attempt == attempt
                    && first.tracks.is_empty()
                    && first.via == Via::Callback
                    && via != Via::Callback =>
            {
                next.others.push(first.clone());
                next.phase = Phase::Running(late);
            }
            _ => next.others.push(late),
        }
        Step::Changed(next)
    }

    /// Takes in that an attempt bought a task that is known already: an open attempt bought nothing new. The job goes on with a task that
    /// was bought beside it, and ends as failed with one that has failed.
    fn known_again(&self, mut next: Job, attempt: u32, task_id: &TaskId) -> Step {
        if self.open_attempt() != Some(attempt) {
            return Step::Unchanged;
        }
        next.leave_unproven(Why::Refused);
        if let Some(at) = self.others.iter().position(|task| task.id == *task_id) {
            next.phase = next.others.remove(at).phase();
        } else {
            next.without_task(Phase::Failed(Failure {
                cause: Cause::Task,
                code: None,
                message: format!("the provider names task {task_id}, which has failed"),
                task_id: Some(task_id.clone()),
            }));
        }
        Step::Changed(next)
    }

    /// The job's task and those bought beside it.
    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.task().into_iter().chain(&self.others)
    }

    /// Returns the last record of an attempt that ended without a task, and removes it unless it names a failed task: no other job can be given
    /// that task.
    fn take_unproven(&mut self, attempt: u32) -> Option<Unproven> {
        let at = self.unproven.iter().rposition(|it| it.attempt == attempt)?;
        Some(match self.unproven[at].failed_task {
            Some(_) => Unproven {
                failed_task: None,
                ..self.unproven[at].clone()
            },
            None => self.unproven.remove(at),
        })
    }

    /// Remembers the open attempt among those without a task.
    fn leave_unproven(&mut self, why: Why) {
        let credits = std::mem::take(&mut self.reserved);
        let (Phase::Submitting { attempt, token, .. } | Phase::InDoubt { attempt, token, .. }) =
            &self.phase
        else {
            return;
        };
        let counted = why == Why::BuyAgain;
        self.unproven.push(Unproven {
            attempt: *attempt,
            token: token.clone(),
            credits,
            counted,
            refused: why == Why::Refused,
            failed_task: None,
        });
        if counted {
            self.credits += credits;
        }
        let refused = self.unproven.iter().filter(|it| it.refused).count();
        if refused > REFUSED_ATTEMPTS
            && let Some(oldest) = self.unproven.iter().position(|it| it.refused)
        {
            self.unproven.remove(oldest);
        }
    }

    /// What a callback with the token of `attempt` says: kept until it is confirmed. A job that nothing is bought for by now is in
    /// doubt from then on.
    pub(super) fn claimed(
        &self,
        mut next: Job,
        at_ms: i64,
        attempt: u32,
        task_id: &TaskId,
    ) -> Step {
        if attempt == 0 || attempt > self.attempts {
            return Step::Illegal;
        }
        let knows_token = self.tokens().any(|(known, _)| known == attempt);
        let claims_it = |claim: &Claim| claim.task_id == *task_id;
        if !knows_token
            || self.knows_task(task_id)
            || self.claims.iter().any(claims_it)
            || self.claims.len() >= CLAIMS
        {
            return Step::Unchanged;
        }
        next.claims.push(Claim {
            attempt,
            task_id: task_id.clone(),
        });
        if self.phase.is_unbought()
            && let Some(late) = next.take_unproven(attempt)
        {
            if late.counted {
                next.credits = next.credits.less(late.credits);
            }
            next.reserved = late.credits;
            next.phase = Phase::InDoubt {
                attempt,
                token: late.token,
                since_ms: at_ms,
                message: format!("a callback named task {task_id}, which is not confirmed yet"),
                response: None,
                repeated: false,
            };
        }
        Step::Changed(next)
    }

    /// Whether a task is known to be this job's: followed, beside it, or failed.
    pub(super) fn knows_task(&self, task_id: &TaskId) -> bool {
        let failed = |it: &Unproven| it.failed_task.as_ref() == Some(task_id);
        self.tasks().any(|task| task.id == *task_id) || self.unproven.iter().any(failed)
    }

    /// Every task that was ever given to this job and is still known.
    pub fn task_ids(&self) -> impl Iterator<Item = &TaskId> {
        let failed = self
            .unproven
            .iter()
            .filter_map(|it| it.failed_task.as_ref());
        let last = match &self.phase {
            Phase::Failed(failure) => failure.task_id.as_ref(),
            _ => None,
        };
        self.tasks().map(|task| &task.id).chain(failed).chain(last)
    }

    /// Applies a recorded event. Ledgers of format 1 took the refusal of a repeat as a proof and bought again: their attempt
    /// in doubt is kept among those that may have been bought.
    pub fn replay(&mut self, at_ms: i64, event: &Event) {
        let mut step = self.step(at_ms, event);
        if let (Step::Illegal, Event::Intent { .. }, Some(attempt)) =
            (&step, event, self.open_attempt())
            && let Step::Changed(freed) = self.step(at_ms, &Event::NeverBought { attempt })
        {
            *self = freed;
            step = self.step(at_ms, event);
        }
        if let Step::Changed(next) = step {
            *self = next;
        }
    }

    /// Ends the open attempt or the task without a result: in `phase`, unless another task was bought for this job.
    pub(super) fn without_task(&mut self, phase: Phase) {
        self.phase = match self.others.pop() {
            Some(other) => other.phase(),
            None => phase,
        };
    }
}

/// The message of a job in doubt that was refused and that a callback names a task for.
fn contradicted(code: Option<i64>, message: &str) -> String {
    let code = code.map_or_else(String::new, |code| format!("{code} "));
    format!("the request was refused ({code}{message}), but a callback named a task for it")
}

/// The message of a job in doubt whose repeated request was refused.
fn refused_repeat(code: Option<i64>, message: &str) -> String {
    let code = code.map_or_else(String::new, |code| format!("{code} "));
    format!(
        "the repeated request was refused ({code}{message}), which says nothing about the first one"
    )
}
