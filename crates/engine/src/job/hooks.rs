//! What is decided of a job that was never submitted: by hooks, by earlier versions, and by the result that it processes.

use super::{Cause, Failure, Job, LinkedJob, Phase, Step};
use crate::event::Verdict;
use crate::settings::{JobKey, Settings};

impl Job {
    /// Whether it was never submitted, so that hooks may decide on it.
    pub(crate) fn is_undecided(&self) -> bool {
        self.phase.is_unbought() && self.attempts == 0
    }

    /// Takes in what hooks decided.
    pub(super) fn decided(&self, mut next: Job, verdict: &Verdict) -> Step {
        // What a step processes may be gone after an attempt, and come back.
        let is_withdrawn =
            matches!(verdict, Verdict::Pass) && matches!(self.phase, Phase::Vetoed { .. });
        if !self.is_undecided() && !is_withdrawn {
            return Step::Illegal;
        }
        match verdict {
            Verdict::Pass => {
                if matches!(self.phase, Phase::Vetoed { .. }) {
                    next.phase = Phase::Planned;
                }
            }
            Verdict::Change { key, settings } => {
                next.phase = Phase::Planned;
                next.linked = Some(Box::new(LinkedJob {
                    key: *key,
                    settings: (**settings).clone(),
                    is_same: false,
                }));
            }
            Verdict::Veto { why } => {
                next.phase = Phase::Vetoed { why: why.clone() };
                next.linked = None;
            }
            Verdict::Fail { message } => {
                next.phase = Phase::Failed(Failure {
                    cause: Cause::Hook,
                    code: None,
                    message: message.clone(),
                    task_id: None,
                });
                next.linked = None;
            }
        }
        self.step_to(next)
    }

    /// Takes in that the result which the job processes is not there.
    pub(super) fn without_input(&self, mut next: Job, message: &str) -> Step {
        if !self.phase.is_unbought() {
            return Step::Illegal;
        }
        next.phase = Phase::Vetoed {
            why: message.to_owned(),
        };
        self.step_to(next)
    }

    /// Links the job to the key that it was bought under.
    pub(super) fn recognized(&self, mut next: Job, key: &JobKey, settings: &Settings) -> Step {
        if !self.is_undecided() {
            return Step::Illegal;
        }
        next.phase = Phase::Planned;
        next.linked = Some(Box::new(LinkedJob {
            key: *key,
            settings: settings.clone(),
            is_same: true,
        }));
        self.step_to(next)
    }
}
