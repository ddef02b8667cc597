//! When a run goes on by itself, and how it ends: the one place that decides what keeps it alive.

use super::*;

impl Conductor {
    /// When to call [`Conductor::advance`] next if nothing happens before; none if nothing is to come. Once no job
    /// is left to resume, it is later than the last [`Conductor::advance`] at `now_ms`, so that a driver that waits until then does not loop without progress.
    pub(crate) fn wake_at(&self, now_ms: i64) -> Option<i64> {
        let deadline = match self.mode {
            Mode::Running | Mode::Closing(_) => self.config.deadline_ms,
            Mode::Draining(_) => None,
        };
        self.next_step(now_ms).into_iter().chain(deadline).min()
    }

    /// When the next thing happens by itself, without a response or a callback: the one list of what keeps a run alive once
    /// nothing is under way. What is not in it (a doubt whose stem can't be prepared, a job that nothing can pay for) is left for
    /// the next run.
    fn next_step(&self, now_ms: i64) -> Option<i64> {
        let mut steps = Vec::new();
        if self.is_resuming() {
            steps.push(now_ms);
        }
        if matches!(self.mode, Mode::Running) {
            // The last of the jobs may have been resumed just now.
            steps.extend(self.next_hook_call().map(|_| now_ms));
            if self.next_ready().is_some() {
                steps.push(self.sends_at(now_ms));
            }
            if self.has_place()
                && let Some(first) = self.first_repeat()
            {
                steps.push(self.sends_at(now_ms).max(first));
            }
            if self.affords_any() {
                steps.extend(self.delayed.first().map(|(due_ms, _)| *due_ms));
            }
            if self.preparing < PREPARING_AT_ONCE {
                let wanted = self.wanted_stems();
                steps.extend(
                    wanted
                        .iter()
                        .filter_map(|stem| self.stems[*stem].idle_until()),
                );
            }
        }
        if !matches!(self.mode, Mode::Draining(_)) {
            steps.extend(self.doubts_end(now_ms));
            if self.polling < self.polls_at_once() {
                steps.extend(self.polls.first().map(|(at, _)| *at));
                steps.extend(self.claim_polls.first().map(|(at, _)| *at));
            }
            if self.fetching < self.config.downloads_at_once.max(1) {
                steps.extend(self.fetches.first().map(|(at, _)| *at));
            }
        }
        steps.into_iter().min()
    }

    /// How the run ended, once nothing is under way and nothing happens by itself any more.
    pub(crate) fn outcome(&self, now_ms: i64) -> Option<Outcome> {
        if self.is_resuming()
            || self.submitting + self.polling + self.fetching + self.preparing + self.hook_calls > 0
        {
            return None;
        }
        match &self.mode {
            Mode::Draining(outcome) => Some(outcome.clone()),
            _ if self.next_step(now_ms).is_some() => None,
            Mode::Closing(outcome) => Some(outcome.clone()),
            Mode::Running if self.sharing.is_open() => None,
            Mode::Running => match self.limit_in_the_way() {
                Some(reason) => Some(Outcome::Stopped { reason }),
                None => Some(self.verdict()),
            },
        }
    }

    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn has_nothing_to_buy(&self) -> bool {
        self.ready.is_empty()
            && self.waiting.is_empty()
            && self.undecided_upload.is_empty()
            && self.undecided_submit.is_empty()
            && self.delayed.is_empty()
    }

    /// The jobs that are queued to be bought, with what they wait for.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn left_to_buy(&self) -> Vec<(JobKey, &Phase, bool)> {
        let waiting = self.waiting.values().flatten().copied();
        let undecided = self.undecided_upload.iter().copied();
        let delayed = self.delayed.iter().map(|(_, at)| *at);
        let queued = self.ready.jobs().chain(self.undecided_submit.jobs());
        let all = waiting.chain(undecided).chain(delayed).chain(queued);
        all.map(|at| {
            (
                self.slots[at].key,
                &self.slots[at].job.phase,
                self.slots[at].given_up,
            )
        })
        .collect()
    }

    /// What the jobs add up to. Not counted are steps that wait for their parent, which is, and jobs that are not selected unless a task of
    /// theirs is open.
    fn verdict(&self) -> Outcome {
        let is_open = |phase: &Phase| {
            matches!(
                phase,
                Phase::Submitting { .. }
                    | Phase::InDoubt { .. }
                    | Phase::Running(_)
                    | Phase::Finished(_)
            )
        };
        let says = |at: &usize| {
            let slot = &self.slots[*at];
            (slot.selected || is_open(&slot.job.phase)) && !self.waits_for_parent(*at)
        };
        let said: Vec<usize> = (0..self.slots.len()).filter(says).collect();
        let any = |test: fn(&Phase) -> bool| said.iter().any(|at| test(&self.slots[*at].job.phase));
        let any_to_buy = |test: fn(&Phase) -> bool| {
            let mut slots = said.iter().map(|at| &self.slots[*at]);
            slots.any(|slot| slot.buys && test(&slot.job.phase))
        };
        if any(|phase| matches!(phase, Phase::InDoubt { .. } | Phase::Submitting { .. })) {
            Outcome::InDoubt
        } else if any(|phase| matches!(phase, Phase::Running(_))) {
            Outcome::Stopped {
                reason: StopReason::Overdue,
            }
        } else if any(|phase| matches!(phase, Phase::Finished(_)))
            || any_to_buy(|phase| {
                !matches!(
                    phase,
                    Phase::Kept(_) | Phase::Partial(_) | Phase::Vetoed { .. }
                )
            })
        {
            Outcome::Failed
        } else if any(|phase| matches!(phase, Phase::Partial(_))) {
            Outcome::Partial
        } else if any_to_buy(|phase| matches!(phase, Phase::Vetoed { .. })) {
            Outcome::Vetoed
        } else {
            Outcome::Complete
        }
    }
}
