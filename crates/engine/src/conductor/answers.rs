//! Buying: preparing stems, passing the gate, and what a submission's answer means.

use super::*;
use crate::event::Via;

/// Attempts that one run makes for one job whose refusals say "nothing was bought, try again".
const BOUNCES: u32 = 5;

/// Tries to bring one stem to the vendor's.
const PREPARATIONS: u32 = 5;

impl Conductor {
    /// Begins the preparation of stems that jobs wait for, no more than the gate will need soon.
    pub(super) fn prepare(&mut self, now_ms: i64, decision: &mut Decision) {
        if self.ready.len() > self.terms.concurrency || !self.affordable() {
            return;
        }
        let due: Vec<usize> = self.waiting.keys().copied().collect();
        for stem in due {
            if self.preparing >= PREPARING_AT_ONCE {
                return;
            }
            if matches!(self.stems[stem].state, StemState::Idle { not_before_ms } if not_before_ms <= now_ms)
            {
                self.stems[stem].state = StemState::Preparing;
                self.preparing += 1;
                let event = Event::UploadStarted {
                    stem: self.stems[stem].id.clone(),
                };
                self.record(None, now_ms, event, decision);
                decision.effects.push(Effect::Prepare { stem });
            }
        }
    }

    pub(super) fn prepared(
        &mut self,
        stem: usize,
        now_ms: i64,
        result: Result<Prepared, Trouble>,
        decision: &mut Decision,
    ) {
        self.preparing -= 1;
        match result {
            Ok(prepared) => {
                self.reached();
                self.stems[stem].state = StemState::Ready {
                    uploaded_ms: prepared.uploaded_ms,
                };
                self.stems[stem].failures = 0;
                self.ready
                    .extend(self.waiting.remove(&stem).unwrap_or_default());
                if let Some(hash) = prepared.hash {
                    let event = Event::Uploaded {
                        stem: self.stems[stem].id.clone(),
                        hash,
                    };
                    self.record(None, now_ms, event, decision);
                }
            }
            Err(trouble) => self.not_prepared(stem, now_ms, trouble, decision),
        }
    }

    fn not_prepared(
        &mut self,
        stem: usize,
        now_ms: i64,
        trouble: Trouble,
        decision: &mut Decision,
    ) {
        self.stems[stem].failures += 1;
        let (id, failures) = (self.stems[stem].id.clone(), self.stems[stem].failures);
        let retried = match trouble.class {
            AnswerClass::RefusedRun | AnswerClass::StopForCredits => {
                self.close(refusal(&trouble));
                true
            }
            AnswerClass::NotSent => {
                self.out_of_reach(now_ms, &trouble.message, decision);
                true
            }
            _ => trouble.passing && failures < PREPARATIONS,
        };
        let event = Event::UploadFailed {
            stem: id,
            message: trouble.message,
            retried,
        };
        if retried {
            let wait = self
                .terms
                .pace
                .backoff_ms(failures, stem as u64)
                .max(millis(trouble.retry_after_ms));
            self.stems[stem].state = StemState::Idle {
                not_before_ms: now_ms + wait,
            };
            self.record(None, now_ms, event, decision);
        } else {
            self.stems[stem].state = StemState::Failed;
            for at in self.waiting.remove(&stem).unwrap_or_default() {
                self.happened(at, now_ms, event.clone(), decision);
            }
        }
    }

    /// Submits as many jobs as the places, the credits and the gate allow.
    pub(super) fn submit(
        &mut self,
        now_ms: i64,
        token: &mut dyn FnMut() -> Token,
        decision: &mut Decision,
    ) {
        while self.in_flight < self.terms.concurrency && self.affordable() {
            let Some(at) = self.ready.first().copied() else {
                return;
            };
            if self.grown_old(self.slots[at].stem, now_ms) {
                continue;
            }
            if self.gate.take(now_ms).is_err() {
                return;
            }
            self.ready.remove(&at);
            let (attempt, token) = (self.slots[at].job.attempts + 1, token());
            let event = Event::Intent {
                attempt,
                token: token.clone(),
                credits: self.terms.price,
            };
            if self.happened(at, now_ms, event, decision) {
                self.by_token.insert(token.clone(), at);
                self.reserved += self.terms.price;
                self.in_flight += 1;
                self.submitting += 1;
                decision.effects.push(Effect::Submit {
                    slot: at,
                    stem: self.slots[at].stem,
                    attempt,
                    token,
                });
            }
        }
    }

    /// Whether a stem's upload is too old to be used; if so its jobs wait for a new one.
    fn grown_old(&mut self, stem: usize, now_ms: i64) -> bool {
        let StemState::Ready {
            uploaded_ms: Some(uploaded),
        } = self.stems[stem].state
        else {
            return false;
        };
        if now_ms - uploaded < self.terms.upload_ttl_ms {
            return false;
        }
        self.stems[stem].state = StemState::Idle {
            not_before_ms: now_ms,
        };
        let (old, fresh) = self
            .ready
            .iter()
            .partition(|at| self.slots[**at].stem == stem);
        self.ready = fresh;
        self.waiting.insert(stem, old);
        true
    }

    /// What a submission's answer means for its job, the account and the run.
    pub(super) fn answered(
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
                self.reached();
                (self.pauses, self.maintenance_since_ms) = (0, None);
                self.accepted(at, now_ms, attempt, task, Via::Answer, decision);
            }
            SubmitOutcome::Refused {
                class,
                code,
                message,
                retry_after_ms,
            } => {
                self.reached();
                let event = Event::Refused {
                    attempt,
                    class,
                    code,
                    message: message.clone(),
                };
                if self.happened(at, now_ms, event, decision) {
                    self.release();
                    let trouble = Trouble {
                        class,
                        code,
                        message,
                        passing: false,
                        retry_after_ms,
                    };
                    self.refused(at, now_ms, &trouble, decision);
                }
            }
            SubmitOutcome::NotSent { reason } => {
                let event = Event::NotSent {
                    attempt,
                    message: reason.clone(),
                };
                if self.happened(at, now_ms, event, decision) {
                    self.release();
                    self.want(at);
                    self.out_of_reach(now_ms, &reason, decision);
                }
            }
            SubmitOutcome::InDoubt { reason } => {
                if self.happened(
                    at,
                    now_ms,
                    Event::Lost {
                        attempt,
                        message: reason,
                    },
                    decision,
                ) {
                    self.slots[at].bounced += 1;
                    let wait = self
                        .terms
                        .pace
                        .backoff_ms(self.slots[at].bounced, at as u64);
                    self.ask_again_later(at, now_ms + wait);
                }
            }
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
        let reserved = self.slots[at].job.reserved;
        if self.happened(
            at,
            now_ms,
            Event::Accepted {
                attempt,
                task_id,
                via,
            },
            decision,
        ) {
            self.reserved -= reserved;
            self.spent += reserved;
            self.again.retain(|(again, _)| *again != at);
            self.slots[at].followed_since_ms = now_ms;
            self.look(at, now_ms + self.terms.pace.first_view_ms);
        }
    }

    /// Gives back what a refused attempt had taken.
    fn release(&mut self) {
        self.reserved = (self.reserved - self.terms.price).max(0.0);
        self.in_flight -= 1;
    }

    fn refused(&mut self, at: usize, now_ms: i64, trouble: &Trouble, decision: &mut Decision) {
        match trouble.class {
            AnswerClass::Wait => {
                self.pauses += 1;
                let wait = self.gate.window_ms().max(millis(trouble.retry_after_ms));
                self.pause(
                    now_ms,
                    pace::spread(wait, u64::from(self.pauses)),
                    trouble,
                    decision,
                );
                self.want(at);
            }
            AnswerClass::WaitLong => {
                self.pauses += 1;
                let since = *self.maintenance_since_ms.get_or_insert(now_ms);
                if now_ms - since > self.terms.pace.patience_ms.saturating_mul(6) {
                    self.close(refusal(trouble));
                } else {
                    let wait = self
                        .terms
                        .pace
                        .maintenance_backoff_ms(self.pauses, at as u64);
                    self.pause(
                        now_ms,
                        wait.max(millis(trouble.retry_after_ms)),
                        trouble,
                        decision,
                    );
                }
                self.want(at);
            }
            AnswerClass::RefusedRun | AnswerClass::StopForCredits => {
                self.want(at);
                self.close(refusal(trouble));
            }
            // The vendor says that nothing was bought: once more is safe, for ever is not.
            AnswerClass::Refunded | AnswerClass::NotSent => {
                self.slots[at].bounced += 1;
                if self.slots[at].bounced < BOUNCES {
                    self.want(at);
                }
            }
            AnswerClass::RefusedJob | AnswerClass::TaskFailed | AnswerClass::InDoubt => {}
        }
    }

    /// Lets nobody submit for a while: one refusal speaks for the whole account.
    fn pause(&mut self, now_ms: i64, wait_ms: i64, trouble: &Trouble, decision: &mut Decision) {
        let until_ms = now_ms + wait_ms;
        self.gate.close_until(until_ms);
        let event = Event::Paused {
            until_ms,
            code: trouble.code,
            message: trouble.message.clone(),
        };
        self.record(None, now_ms, event, decision);
    }

    /// The provider can't be reached: wait, longer each time, and stop when it has been too long.
    pub(super) fn out_of_reach(&mut self, now_ms: i64, message: &str, decision: &mut Decision) {
        let since = *self.unreachable_since_ms.get_or_insert(now_ms);
        if now_ms - since >= self.terms.pace.patience_ms {
            self.drain(Outcome::Stopped {
                reason: StopReason::Unreachable,
            });
            return;
        }
        self.pauses += 1;
        let until_ms = now_ms + self.terms.pace.backoff_ms(self.pauses, 0);
        self.gate.close_until(until_ms);
        self.record(
            None,
            now_ms,
            Event::Paused {
                until_ms,
                code: None,
                message: message.to_owned(),
            },
            decision,
        );
    }

    /// The provider has answered something.
    pub(super) fn reached(&mut self) {
        self.unreachable_since_ms = None;
    }

    /// Notes that a job in doubt is to be asked about again, where the provider allows it.
    pub(super) fn ask_again_later(&mut self, at: usize, not_before_ms: i64) {
        if self.terms.asks_again && self.slots[at].bounced <= BOUNCES {
            self.again.push_back((at, not_before_ms));
        }
    }

    /// Asks about jobs in doubt again, with their own tokens: not a new purchase, but a new submission to the gate.
    pub(super) fn ask_again(&mut self, now_ms: i64, decision: &mut Decision) {
        let mut early = VecDeque::new();
        while let Some((at, not_before_ms)) = self.again.pop_front() {
            let Phase::InDoubt { attempt, token, .. } = self.slots[at].job.phase.clone() else {
                continue;
            };
            let stem = self.slots[at].stem;
            if not_before_ms > now_ms
                || !self.stem_is_ready(stem)
                || self.gate.take(now_ms).is_err()
            {
                early.push_back((at, not_before_ms));
                continue;
            }
            if self.happened(at, now_ms, Event::AskedAgain { attempt }, decision) {
                self.submitting += 1;
                decision.effects.push(Effect::Submit {
                    slot: at,
                    stem,
                    attempt,
                    token,
                });
            }
        }
        self.again = early;
    }

    /// Whether a stem has an address; if not its preparation is asked for.
    fn stem_is_ready(&mut self, stem: usize) -> bool {
        match self.stems[stem].state {
            StemState::Ready { .. } => true,
            _ => {
                self.waiting.entry(stem).or_default();
                false
            }
        }
    }

    /// A callback with a token proves its attempt's acceptance; what it says of tracks is looked up at the provider's.
    pub(super) fn called(
        &mut self,
        now_ms: i64,
        token: &Token,
        task: TaskId,
        decision: &mut Decision,
    ) {
        let Some(at) = self.by_token.get(token).copied() else {
            return;
        };
        let open = match &self.slots[at].job.phase {
            Phase::Submitting {
                attempt,
                token: now,
            }
            | Phase::InDoubt {
                attempt,
                token: now,
                ..
            } if now == token => Some(*attempt),
            _ => None,
        };
        if let Some(attempt) = open {
            self.accepted(at, now_ms, attempt, task.clone(), Via::Callback, decision);
        }
        if self.slots[at]
            .job
            .task()
            .is_some_and(|known| known.id == task)
            && self.slots[at].view_at.is_some()
        {
            self.look(at, now_ms);
        }
    }

    /// When the last lost answer that a callback may still settle is given up.
    pub(super) fn doubts_end(&self) -> Option<i64> {
        if !self.terms.hears_callbacks {
            return None;
        }
        let ends = self.slots.iter().filter_map(|slot| match slot.job.phase {
            Phase::InDoubt { since_ms, .. } => Some(since_ms + self.terms.pace.doubt_ms),
            _ => None,
        });
        ends.max()
    }
}

fn refusal(trouble: &Trouble) -> Outcome {
    Outcome::Refused {
        code: trouble.code,
        class: trouble.class,
        message: trouble.message.clone(),
    }
}

/// A vendor's wait, bounded to an hour: what is longer is no wait but a stop.
fn millis(wait_ms: Option<u64>) -> i64 {
    wait_ms.map_or(0, |wait| wait.min(3_600_000).cast_signed())
}
