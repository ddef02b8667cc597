//! Submissions: new attempts, and repeats of those whose response was lost.

use super::*;

impl Conductor {
    /// Submits as many jobs as the places, the credits and the gate allow.
    pub(super) fn submit(
        &mut self,
        now_ms: i64,
        token: &mut dyn FnMut() -> Token,
        decision: &mut Decision,
    ) {
        while self.has_room() {
            let Some(at) = self.ready.first().copied() else {
                return;
            };
            let Some(recording) = self.recording_of(at, now_ms) else {
                continue;
            };
            if self.sends_at(now_ms) > now_ms || self.gate.take(now_ms).is_err() {
                return;
            }
            self.ready.remove(&at);
            let (attempt, token) = (self.slots[at].job.attempts + 1, token());
            let event = Event::Intent {
                attempt,
                token: token.clone(),
                credits: self.config.price,
            };
            if self.apply(at, now_ms, event, decision) {
                let submit = Effect::Submit {
                    job: self.slots[at].key,
                    attempt,
                    token,
                    recording,
                };
                self.send(at, now_ms, submit, decision);
            }
        }
    }

    /// Schedules the repeat of a request whose response was lost, where the provider allows it.
    pub(super) fn schedule_repeat(&mut self, at: usize, not_before_ms: i64) {
        if self.config.repeats_requests && self.config.buys {
            self.again.insert(at, self.slots[at].stem, not_before_ms);
        }
    }

    /// Whether the stem of a job is at the vendor's.
    pub(super) fn is_stem_ready(&self, at: usize) -> bool {
        matches!(
            self.stems[self.slots[at].stem].state,
            StemState::Ready { .. }
        )
    }

    /// The earliest time at which a request is repeated whose stem is ready.
    pub(super) fn first_repeat(&self) -> Option<i64> {
        let mut repeats = self.again.in_order();
        let ready = repeats.find(|(_, at)| self.is_stem_ready(*at));
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
            let StemState::Ready { url, .. } = &self.stems[self.slots[at].stem].state else {
                continue;
            };
            let recording = url.clone();
            if self.gate.take(now_ms).is_err() {
                break;
            }
            self.again.remove(at);
            if self.apply(at, now_ms, Event::Repeated { attempt }, decision) {
                let submit = Effect::Submit {
                    job: self.slots[at].key,
                    attempt,
                    token,
                    recording,
                };
                self.send(at, now_ms, submit, decision);
            }
        }
    }

    /// Sends a request whose event is recorded.
    fn send(&mut self, at: usize, now_ms: i64, submit: Effect, decision: &mut Decision) {
        self.submitting += 1;
        self.slots[at].sent_ms = now_ms;
        decision.effects.push(submit);
    }
}
