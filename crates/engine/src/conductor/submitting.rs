//! Submissions: new attempts, and repeats of those whose response was lost.

use backline_api::Source;

use super::*;
use crate::job::StepInput;

impl Conductor {
    /// Submits as many jobs as the free places among the tasks in flight, the credits and the gate allow.
    pub(super) fn submit(
        &mut self,
        now_ms: i64,
        token: &mut dyn FnMut() -> Token,
        decision: &mut Decision,
    ) {
        while let Some(at) = self.next_ready() {
            let Some(source) = self.source_of(at, now_ms) else {
                continue;
            };
            if self.sends_at(now_ms) > now_ms || self.gate.take(now_ms).is_err() {
                return;
            }
            self.ready.remove(at, self.slots[at].offer);
            let (attempt, token) = (self.slots[at].job.attempts + 1, token());
            let event = Event::Intent {
                attempt,
                token: token.clone(),
                credits: self.offer(at).price,
            };
            if self.apply(at, now_ms, event, decision) {
                let submit = Effect::Submit {
                    job: self.slots[at].key,
                    attempt,
                    token,
                    source,
                };
                self.send(at, now_ms, submit, decision);
            }
        }
    }

    /// Schedules the repeat of a request whose response was lost, where the provider allows it.
    pub(super) fn schedule_repeat(&mut self, at: usize, not_before_ms: i64) {
        let Phase::InDoubt {
            repeated, since_ms, ..
        } = self.slots[at].job.phase
        else {
            return;
        };
        let not_before_ms = match self.offer(at).resend {
            Resend::Always => not_before_ms,
            // The first request may still be processed.
            Resend::Once if !repeated => {
                not_before_ms.max(since_ms.saturating_add(self.config.timing.resend_ms))
            }
            Resend::Once | Resend::Never => return,
        };
        if self.slots[at].buys {
            let stem = match self.slots[at].input {
                SlotInput::Stem(stem) => Some(stem),
                SlotInput::Step { .. } => None,
            };
            self.again.insert(at, stem, not_before_ms);
        }
    }

    /// What a request of a job is to process, where that is ready.
    fn ready_source(&self, at: usize) -> Option<Source> {
        match self.slots[at].input {
            SlotInput::Stem(stem) => match &self.stems[stem].state {
                StemState::Ready { url, .. } => Some(Source::Recording {
                    url: url.to_string(),
                }),
                _ => None,
            },
            SlotInput::Step { .. } => match self.step_input(at)? {
                StepInput::Ready(source) => Some(source),
                StepInput::Pending | StepInput::Missing(_) => None,
            },
        }
    }

    /// The same for a new attempt. None if a recording's upload is too old to be used (its jobs wait for a new one), or if the input of a
    /// step is gone (the step is dequeued).
    fn source_of(&mut self, at: usize, now_ms: i64) -> Option<Source> {
        if let SlotInput::Stem(stem) = self.slots[at].input
            && !self.has_fresh_upload(stem, now_ms)
        {
            return None;
        }
        let source = self.ready_source(at);
        if source.is_none() {
            self.dequeue(at);
        }
        source
    }

    /// The earliest time at which a request is repeated whose input is ready.
    pub(super) fn first_repeat(&self) -> Option<i64> {
        let mut repeats = self.again.in_order();
        let ready = repeats.find(|(_, at)| self.ready_source(*at).is_some());
        ready.map(|(not_before_ms, _)| not_before_ms)
    }

    /// Repeats requests whose response was lost, with their own tokens: no new purchase, but a new submission to the gate that takes a
    /// place among the tasks in flight.
    pub(super) fn repeat_requests(&mut self, now_ms: i64, decision: &mut Decision) {
        let mut last = None;
        while self.has_place()
            && let Some((not_before_ms, at)) = self.again.next(last)
            && not_before_ms.max(self.sends_at(now_ms)) <= now_ms
        {
            last = Some((not_before_ms, at));
            let Phase::InDoubt { attempt, token, .. } = self.slots[at].job.phase.clone() else {
                self.again.remove(at);
                continue;
            };
            let Some(source) = self.ready_source(at) else {
                continue;
            };
            if self.gate.take(now_ms).is_err() {
                break;
            }
            self.again.remove(at);
            if self.apply(at, now_ms, Event::Repeated { attempt }, decision) {
                let submit = Effect::Submit {
                    job: self.slots[at].key,
                    attempt,
                    token,
                    source,
                };
                self.send(at, now_ms, submit, decision);
            }
        }
    }

    /// A request has come to its end. Its place in the window counts from the time at which it was written.
    pub(super) fn left(
        &mut self,
        at: usize,
        now_ms: i64,
        written_ms: Option<i64>,
        outcome: &SubmitOutcome,
        decision: &mut Decision,
    ) {
        let slot = &self.slots[at];
        let left_ms = match (written_ms, outcome) {
            (Some(written_ms), _) => written_ms.clamp(slot.sent_ms, now_ms.max(slot.sent_ms)),
            (None, SubmitOutcome::NotSent { .. }) => slot.sent_ms,
            (None, _) => now_ms.max(slot.sent_ms),
        };
        self.gate.left(slot.sent_ms, left_ms);
        decision.batch.departures.push(Departure {
            key: slot.key,
            late_ms: left_ms.abs_diff(slot.sent_ms),
        });
    }

    /// Sends a request whose event is recorded.
    fn send(&mut self, at: usize, now_ms: i64, submit: Effect, decision: &mut Decision) {
        self.submitting += 1;
        let slot = &mut self.slots[at];
        slot.sent_ms = now_ms;
        slot.submitted = true;
        decision.effects.push(submit);
    }
}
