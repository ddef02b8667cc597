//! Hooks before the upload and the submission: for which jobs they are called, how many at once, and what a decision does.

use super::*;

/// Hooks that are called at the same time: one that is a program takes milliseconds, and a machine has few cores.
const HOOK_CALLS_AT_ONCE: usize = 16;

/// Delays of one job in one run. More come from a hook that never lets it pass; the job is left for the next run.
pub(super) const MAX_DELAYS: u32 = 100;

impl Conductor {
    /// Whether hooks are still to decide on a job at `point`. One with an intent has been decided on for good.
    pub(super) fn awaits_hooks(&self, at: usize, point: HookPoint) -> bool {
        let slot = &self.slots[at];
        let (decides, after) = match point {
            HookPoint::BeforeUpload => {
                // Nothing is uploaded for a step.
                let decides = self.config.hooks_before_upload && self.parent(at).is_none();
                (decides, HookProgress::Upload)
            }
            HookPoint::BeforeSubmit => (self.config.hooks_before_submit, HookProgress::All),
            // Decides when the plan is made; the others observe.
            HookPoint::PlanJob
            | HookPoint::PlanExpanded
            | HookPoint::Submitted
            | HookPoint::Stage
            | HookPoint::TrackKept
            | HookPoint::JobFailed
            | HookPoint::JobInDoubt
            | HookPoint::RunFinished => return false,
        };
        decides && slot.job.attempts == 0 && slot.hook_progress < after
    }

    /// Calls the hooks for the next jobs: no more than will be submitted soon, for what a hook decides on may change.
    pub(super) fn call_hooks(&mut self, now_ms: i64, decision: &mut Decision) {
        while let Some(&(due_ms, at)) = self.delayed.first()
            && due_ms <= now_ms
        {
            self.delayed.pop_first();
            self.slots[at].is_with_hooks = false;
            if self.slots[at].job.is_undecided() {
                self.enqueue(at);
            }
        }
        while let Some((at, point)) = self.next_hook_call() {
            self.undecided_submit.remove(at, self.slots[at].offer);
            self.undecided_upload.remove(&at);
            self.hook_calls += 1;
            self.slots[at].is_with_hooks = true;
            decision.effects.push(Effect::CallHooks {
                job: self.slots[at].key,
                point,
            });
        }
    }

    /// The next job that hooks are called for.
    pub(super) fn next_hook_call(&self) -> Option<(usize, HookPoint)> {
        if self.hook_calls >= HOOK_CALLS_AT_ONCE {
            return None;
        }
        let ahead = self.config.concurrency + HOOK_CALLS_AT_ONCE;
        let affordable = |offer| self.affords(offer);
        let near = self.ready.count(affordable) + self.hook_calls;
        let undecided = self.undecided_submit.count(affordable);
        if near < ahead && undecided > 0 {
            let first = self.undecided_submit.first(affordable)?;
            Some((first, HookPoint::BeforeSubmit))
        } else if self.affords(SONG) && near + undecided + self.lined_up(ahead) < ahead {
            let first = self.undecided_upload.first()?;
            Some((*first, HookPoint::BeforeUpload))
        } else {
            None
        }
    }

    /// Jobs that wait for their recording, counted up to `enough`.
    fn lined_up(&self, enough: usize) -> usize {
        let mut waiting = 0;
        for jobs in self.waiting.values() {
            waiting += jobs.len();
            if waiting >= enough {
                break;
            }
        }
        waiting
    }

    /// Takes in what hooks decided on a job.
    pub(super) fn decided(
        &mut self,
        at: usize,
        now_ms: i64,
        point: HookPoint,
        decided: HookDecision,
        decision: &mut Decision,
    ) {
        self.hook_calls -= 1;
        if self.slots[at].job.attempts > 0 {
            return; // can't be: hooks decide only before a job's first submission
        }
        let verdict = match decided {
            HookDecision::Pass => Verdict::Pass,
            HookDecision::Refuse(refusal) => refusal.into(),
            HookDecision::Delay(wait_ms) => {
                let slot = &mut self.slots[at];
                slot.delays += 1;
                if slot.delays <= MAX_DELAYS {
                    let wait_ms = i64::try_from(wait_ms).unwrap_or(i64::MAX / 4).max(1);
                    self.delayed.insert((now_ms + wait_ms, at));
                    return;
                }
                Verdict::Fail {
                    message: format!("hooks delayed it {MAX_DELAYS} times"),
                }
            }
        };
        self.slots[at].is_with_hooks = false;
        let last = point == HookPoint::BeforeSubmit || !self.config.hooks_before_submit;
        self.slots[at].hook_progress = if last {
            HookProgress::All
        } else {
            HookProgress::Upload
        };
        let passes = verdict == Verdict::Pass;
        let event = Event::Decided { point, verdict };
        if !self.apply(at, now_ms, event.clone(), decision) {
            // Nothing changed, but that it was decided is to be known.
            self.record(Some(self.slots[at].key), now_ms, event, decision);
        }
        if passes {
            self.enqueue(at);
        }
    }
}
