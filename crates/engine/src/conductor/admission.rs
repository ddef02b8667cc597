//! Which jobs may be submitted, and when: by their recordings, the places, the rate limit, the brake and the credits.

use super::*;

impl Conductor {
    pub(super) fn may_be_bought(&self, at: usize) -> bool {
        self.slots[at].job.may_be_bought(self.config.retries)
    }

    /// Puts a job among those to submit.
    pub(super) fn enqueue(&mut self, at: usize) {
        // A task that a callback claims is polled first: the job may be bought already.
        if !self.config.buys || self.slots[at].claim().is_some() {
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
        let stem = self.slots[at].stem;
        let unasked = self.awaits_hooks(at, HookPoint::BeforeSubmit);
        match &mut self.stems[stem].state {
            StemState::Ready { .. } if unasked => {
                self.undecided_submit.insert(at);
            }
            StemState::Ready { .. } => {
                self.ready.insert(at);
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
        self.ready.remove(&at);
        self.undecided_upload.remove(&at);
        self.undecided_submit.remove(&at);
        if let Some(waiting) = self.waiting.get_mut(&self.slots[at].stem) {
            waiting.remove(&at);
            if waiting.is_empty() {
                self.waiting.remove(&self.slots[at].stem);
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

    /// Whether one more job may be bought: a place is free and the credits allow it.
    pub(super) fn has_room(&self) -> bool {
        self.has_place() && self.is_affordable()
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

    /// Whether the run's credits and the ledger's allow one more job.
    pub(super) fn is_affordable(&self) -> bool {
        self.spent_limit().is_none()
    }

    /// The limit that does not allow one more job. What is reserved counts as spent.
    pub(super) fn spent_limit(&self) -> Option<StopReason> {
        let committed = self.spent + self.reserved + self.config.price;
        let exceeds = |limit: Option<f64>, before: f64| {
            limit.is_some_and(|limit| before + committed > limit + CREDIT_TOLERANCE)
        };
        if exceeds(self.config.ledger_credits, self.config.spent_before) {
            Some(StopReason::LedgerCreditLimit)
        } else if exceeds(self.config.credits, 0.0) {
            Some(StopReason::CreditLimit)
        } else {
            None
        }
    }
}
