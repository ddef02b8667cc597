//! Which jobs may be submitted, and when: by their recordings, the places, the rate limit, the brake and the credits.

use super::*;

impl Conductor {
    pub(super) fn may_be_bought(&self, at: usize) -> bool {
        self.slots[at].buys && self.slots[at].job.may_be_bought(self.config.retries)
    }

    /// Puts a job among those to submit.
    pub(super) fn enqueue(&mut self, at: usize) {
        // A task that a callback claims is polled first: the job may be bought already.
        let slot = &self.slots[at];
        if !slot.buys || slot.is_with_hooks || slot.claim().is_some() {
            return;
        }
        if self.awaits_hooks(at, HookPoint::BeforeUpload) {
            self.undecided_upload.insert(at);
        } else {
            self.line_up(at);
        }
    }

    /// Puts a job behind its recording or, where that is at the vendor's, among those to submit.
    pub(super) fn line_up(&mut self, at: usize) {
        let (offer, SlotInput::Stem(stem)) = (self.slots[at].offer, self.slots[at].input) else {
            self.line_up_step(at);
            return;
        };
        let unasked = self.awaits_hooks(at, HookPoint::BeforeSubmit);
        match &mut self.stems[stem].state {
            StemState::Ready { .. } if unasked => {
                self.undecided_submit.insert(at, offer);
            }
            StemState::Ready { .. } => {
                self.ready.insert(at, offer);
            }
            state => {
                if *state == StemState::Failed {
                    // It was at the vendor's once in this run: worth one more try.
                    *state = StemState::Idle {
                        not_before_ms: i64::MIN,
                    };
                }
                self.waiting.entry(stem).or_default().insert(at);
            }
        }
    }

    /// Takes a job off those to submit.
    pub(super) fn dequeue(&mut self, at: usize) {
        let offer = self.slots[at].offer;
        self.ready.remove(at, offer);
        self.undecided_upload.remove(&at);
        self.undecided_submit.remove(at, offer);
        if let SlotInput::Stem(stem) = self.slots[at].input
            && let Some(waiting) = self.waiting.get_mut(&stem)
        {
            waiting.remove(&at);
            if waiting.is_empty() {
                self.waiting.remove(&stem);
            }
        }
    }

    /// Goes on with a job whose attempt came back: it is submitted anew where nothing was bought, repeated where an
    /// earlier request is still in doubt, and followed where another task was bought for it.
    pub(super) fn free(&mut self, at: usize, now_ms: i64) {
        match self.slots[at].job.phase {
            Phase::InDoubt { .. } => self.schedule_repeat(at, now_ms),
            _ if self.slots[at].job.task().is_some() => self.schedule_poll(at, now_ms),
            _ => self.enqueue(at),
        }
    }

    /// What a job buys.
    pub(super) fn offer(&self, at: usize) -> &Offer {
        &self.config.offers[self.slots[at].offer]
    }

    /// The next job to submit: a place is free, its input is ready and the credits allow it.
    pub(super) fn next_ready(&self) -> Option<usize> {
        if !self.has_place() {
            return None;
        }
        self.ready.first(|offer| self.affords(offer))
    }

    /// Whether one more task may be in flight.
    pub(super) fn has_place(&self) -> bool {
        self.in_flight < self.config.concurrency
            && self.brake.allows(self.submitting, self.in_flight)
    }

    /// When the next request may be sent: `now_ms` if one may.
    pub(super) fn sends_at(&self, now_ms: i64) -> i64 {
        self.gate.opens_at(now_ms).max(self.brake.opens_at(now_ms))
    }

    /// Whether the run's credits and the ledger's allow one more of an offer.
    pub(super) fn affords(&self, offer: usize) -> bool {
        self.spent_limit(offer).is_none()
    }

    /// Whether they allow one more of any offer.
    pub(super) fn affords_any(&self) -> bool {
        (0..self.config.offers.len()).any(|offer| self.affords(offer))
    }

    /// The limit that does not allow one more of an offer. What is reserved counts as spent.
    pub(super) fn spent_limit(&self, offer: usize) -> Option<StopReason> {
        let committed = self.spent + self.reserved + self.config.offers[offer].price;
        let exceeds = |limit: Option<Credits>, before: Credits| {
            limit.is_some_and(|limit| before + committed > limit)
        };
        if exceeds(self.config.ledger_credits, self.config.spent_before) {
            Some(StopReason::LedgerCreditLimit)
        } else if exceeds(self.config.credits, self.spent_by_others) {
            Some(StopReason::CreditLimit)
        } else {
            None
        }
    }

    /// The credit limit because of which queued jobs are not bought, if there is one.
    pub(super) fn limit_in_the_way(&self) -> Option<StopReason> {
        if let Some(offer) = self.left_unbought() {
            return self.spent_limit(offer);
        }
        let songs = !self.waiting.is_empty() || !self.undecided_upload.is_empty();
        let songs = songs.then_some(SONG);
        // One of them is enough: while jobs are delayed that can be paid for, the run goes on.
        let delayed = self.delayed.first().map(|(_, at)| self.slots[*at].offer);
        let queued = self.ready.offers().chain(self.undecided_submit.offers());
        let mut offers = songs.into_iter().chain(queued).chain(delayed);
        offers.find_map(|offer| self.spent_limit(offer))
    }
}
