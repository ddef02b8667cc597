//! Buying: preparing stems, passing the gate, and what a submission's answer means.

use super::*;
use backline_api::Excerpt;

use crate::event::Via;

/// Attempts that one run makes for one job that comes back without having been bought: a third party can't make it buy for ever.
const MAX_RETRIES: u32 = 5;

/// How many times [`Timing::patience_ms`] the account may be refused without a break, for its pace or for maintenance.
const REFUSED_PATIENCE: i64 = 12;

/// Tries to bring one stem to the vendor's.
const PREPARATIONS: u32 = 5;

impl Conductor {
    /// Begins the preparation of stems that jobs wait for, no more than the gate will need soon.
    pub(super) fn prepare(&mut self, now_ms: i64, decision: &mut Decision) {
        for stem in self.wanted_stems() {
            if self.preparing >= PREPARING_AT_ONCE {
                return;
            }
            if matches!(self.stems[stem].state, StemState::Idle { not_before_ms } if not_before_ms <= now_ms)
            {
                self.stems[stem].state = StemState::Preparing;
                self.preparing += 1;
                let id = self.stems[stem].id.clone();
                let event = Event::UploadStarted {
                    stem: id.to_string(),
                };
                self.record(None, now_ms, event, decision);
                decision.effects.push(Effect::Prepare { stem: id });
            }
        }
    }

    /// The stems that are needed soon and are not at the vendor's: for jobs that are to be asked about again, and for new ones
    /// unless enough are ready or no more can be paid for.
    pub(super) fn wanted_stems(&self) -> BTreeSet<usize> {
        let again = self
            .again
            .stems()
            .filter(|stem| !matches!(self.stems[*stem].state, StemState::Ready { .. }));
        let near = self.ready.len() + self.unasked_submit.len();
        let enough = near > self.config.concurrency || !self.is_affordable();
        let fresh = self
            .waiting
            .keys()
            .copied()
            .take(if enough { 0 } else { PREPARING_AT_ONCE });
        again.chain(fresh).collect()
    }

    pub(super) fn prepared(
        &mut self,
        stem: usize,
        now_ms: i64,
        result: Result<Prepared, EffectError>,
        decision: &mut Decision,
    ) {
        self.preparing -= 1;
        match result {
            Ok(prepared) => {
                self.reached();
                self.stems[stem].state = StemState::Ready {
                    url: prepared.url,
                    uploaded_ms: prepared.uploaded_ms,
                };
                self.stems[stem].failures = 0;
                for at in self.waiting.remove(&stem).unwrap_or_default() {
                    self.line_up(at);
                }
                if let Some(hash) = prepared.hash {
                    let event = Event::Uploaded {
                        stem: self.stems[stem].id.to_string(),
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
        trouble: EffectError,
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
                let message = format!("stem {id}: {}", trouble.message);
                self.out_of_reach(now_ms, now_ms, &message, decision);
                true
            }
            _ => trouble.retryable && failures < PREPARATIONS,
        };
        let event = Event::UploadFailed {
            stem: id.to_string(),
            message: trouble.message,
            retried,
        };
        if retried {
            let wait = self
                .config
                .timing
                .backoff_ms(failures, stem as u64)
                .max(millis(trouble.retry_after_ms));
            self.stems[stem].state = StemState::Idle {
                not_before_ms: now_ms + wait,
            };
            self.record(None, now_ms, event, decision);
        } else {
            self.stems[stem].state = StemState::Failed;
            for at in self.waiting.remove(&stem).unwrap_or_default() {
                self.apply(at, now_ms, event.clone(), decision);
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
                self.submitting += 1;
                self.slots[at].sent_ms = now_ms;
                decision.effects.push(Effect::Submit {
                    job: self.slots[at].key,
                    attempt,
                    token,
                    recording,
                });
            }
        }
    }

    /// The address of the recording of a job that is ready; none where its upload is too old to be used, and its jobs wait for a
    /// new one.
    fn recording_of(&mut self, at: usize, now_ms: i64) -> Option<Arc<str>> {
        let stem = self.slots[at].stem;
        if let StemState::Ready { url, uploaded_ms } = &self.stems[stem].state
            && uploaded_ms.is_none_or(|at_ms| now_ms - at_ms < self.config.upload_ttl_ms)
        {
            return Some(url.clone());
        }
        self.await_upload(stem, now_ms);
        None
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
                self.outage.ended();
                self.brake.succeeded(Link::Response);
                self.refused_since_ms = None;
                match self.index.other_owner(&task, &self.slots[at].key) {
                    None => {
                        self.accepted(at, now_ms, attempt, task, Via::Answer, decision);
                        self.look_at_claims(at, now_ms);
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
                    AnswerClass::SourceGone if !self.has_newer_upload(at, now_ms, decision) => {
                        AnswerClass::RefusedJob
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
                    let trouble = EffectError {
                        class,
                        code,
                        message,
                        retryable: false,
                        retry_after_ms,
                        no_descriptor: false,
                    };
                    self.refused(at, now_ms, &trouble, decision);
                }
            }
            SubmitOutcome::NotSent { reason } => {
                let message = reason.clone();
                let event = Event::NotSent { attempt, message };
                if self.apply(at, now_ms, event, decision) {
                    self.look_at_claims(at, now_ms);
                    self.free(at, now_ms);
                    self.out_of_reach(now_ms, self.slots[at].sent_ms, &reason, decision);
                }
            }
            SubmitOutcome::InDoubt { reason, excerpt } => {
                self.lost(at, now_ms, attempt, (reason, excerpt), decision);
            }
        }
    }

    /// Nobody knows whether the request was carried out.
    fn lost(
        &mut self,
        at: usize,
        now_ms: i64,
        attempt: u32,
        (message, response): (String, Option<Excerpt>),
        decision: &mut Decision,
    ) {
        let event = Event::Lost {
            attempt,
            message,
            response,
        };
        if self.apply(at, now_ms, event, decision) {
            self.failed(at, now_ms, Link::Response, decision);
            self.look_at_claims(at, now_ms);
            if self.count_retry(at) {
                let failures = self.slots[at].retries;
                let wait = self.config.timing.backoff_ms(failures, at as u64);
                self.ask_again_later(at, now_ms + wait);
            }
        }
    }

    /// Counts a lost response or a failed task, and stops the buying when there are too many in a row.
    pub(super) fn failed(&mut self, at: usize, now_ms: i64, link: Link, decision: &mut Decision) {
        let sent_ms = self.slots[at].sent_ms;
        let braking = self
            .brake
            .failed(link, sent_ms, now_ms, &self.config.timing);
        match braking {
            Braking::No => {}
            Braking::Until(until_ms) => {
                let count = self.brake.failures(link);
                let what = match link {
                    Link::Response => "responses to submissions were lost",
                    Link::Task => "tasks failed",
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
        if self.apply(at, now_ms, event, decision)
            && self.slots[at]
                .job
                .task()
                .is_some_and(|followed| followed.id == task)
        {
            self.again.remove(at);
            self.dequeue(at);
            self.follow(at, now_ms, now_ms + self.config.timing.first_view_ms);
        }
    }

    fn refused(&mut self, at: usize, now_ms: i64, trouble: &EffectError, decision: &mut Decision) {
        self.look_at_claims(at, now_ms);
        match trouble.class {
            AnswerClass::Wait => {
                let wait = self.gate.window_ms();
                // The gate keeps to the limit, so it is not this run alone that reaches it.
                let message = format!(
                    "{}; this run keeps to its rate, so the account may be in use elsewhere",
                    trouble.message
                );
                self.pause(at, now_ms, trouble, message, decision, |step, _| {
                    timing::spread(wait, u64::from(step))
                });
                self.free(at, now_ms);
            }
            AnswerClass::WaitLong => {
                let message = trouble.message.clone();
                self.pause(at, now_ms, trouble, message, decision, |step, timing| {
                    timing.maintenance_backoff_ms(step, at as u64)
                });
                self.free(at, now_ms);
            }
            AnswerClass::RefusedRun | AnswerClass::StopForCredits => {
                self.free(at, now_ms);
                self.close(refusal(trouble));
            }
            // The vendor says that nothing was bought: once more is safe, for ever is not.
            AnswerClass::NotSent | AnswerClass::SourceGone => {
                if self.count_retry(at) {
                    self.free(at, now_ms);
                }
            }
            // A charge came before the refund, and only the balance shows whether the refund did: one repeat risks two charges.
            AnswerClass::Refunded => {
                if !std::mem::replace(&mut self.slots[at].was_refunded, true)
                    && self.count_retry(at)
                {
                    self.free(at, now_ms);
                }
            }
            AnswerClass::RefusedJob
            | AnswerClass::TaskFailed
            | AnswerClass::InDoubt
            | AnswerClass::UnknownTask => {}
        }
    }

    /// Lets nobody submit for a while: one refusal speaks for the whole account, and those that come with it say nothing new.
    /// When it has gone on for too long the run ends.
    fn pause(
        &mut self,
        at: usize,
        now_ms: i64,
        trouble: &EffectError,
        message: String,
        decision: &mut Decision,
        wait_ms: impl FnOnce(u32, &Timing) -> i64,
    ) {
        let since = *self.refused_since_ms.get_or_insert(now_ms);
        if now_ms - since > self.config.timing.patience_ms * REFUSED_PATIENCE {
            self.close(refusal(trouble));
            return;
        }
        let step = self.outage.failed(self.slots[at].sent_ms);
        let wait = step.map_or(0, |step| wait_ms(step, &self.config.timing));
        let until_ms = now_ms + wait.max(millis(trouble.retry_after_ms));
        self.wait_until(now_ms, until_ms, trouble.code, message, decision);
    }

    /// Closes the gate until `until_ms`, and records that unless it is closed for as long already.
    fn wait_until(
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

    /// The provider has answered something.
    pub(super) fn reached(&mut self) {
        self.unreachable_since_ms = None;
    }

    /// Counts a job that came back without having been bought; whether it may be submitted once more in this run.
    pub(super) fn count_retry(&mut self, at: usize) -> bool {
        self.slots[at].retries += 1;
        self.slots[at].retries < MAX_RETRIES
    }

    /// Notes that a job in doubt is to be asked about again, where the provider allows it.
    pub(super) fn ask_again_later(&mut self, at: usize, not_before_ms: i64) {
        if self.config.asks_again && self.config.buys {
            self.again.insert(at, self.slots[at].stem, not_before_ms);
        }
    }

    /// Whether the stem of a job is at the vendor's.
    fn is_stem_ready(&self, at: usize) -> bool {
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

    /// Asks about jobs in doubt again, with their own tokens: not a new purchase, but a new submission to the gate that holds a
    /// place among the tasks in flight.
    pub(super) fn ask_again(&mut self, now_ms: i64, decision: &mut Decision) {
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
            if self.apply(at, now_ms, Event::AskedAgain { attempt }, decision) {
                self.submitting += 1;
                self.slots[at].sent_ms = now_ms;
                decision.effects.push(Effect::Submit {
                    job: self.slots[at].key,
                    attempt,
                    token,
                    recording,
                });
            }
        }
    }

    /// When the first lost answer that a callback may still settle is given up; none when no callback is waited for.
    pub(super) fn doubts_end(&self, now_ms: i64) -> Option<i64> {
        if !self.config.hears_callbacks {
            return None;
        }
        self.doubts.first_after(now_ms)
    }

    /// Notes until when a callback is waited for, if a job is in doubt.
    pub(super) fn note_doubt(&mut self, at: usize, now_ms: i64) {
        let end_ms = match self.slots[at].job.phase {
            Phase::InDoubt { since_ms, .. } => {
                // Doubts from the future come from a clock that was ahead: they began before this run.
                let since_ms = if since_ms > now_ms {
                    self.started_ms
                } else {
                    since_ms
                };
                Some(since_ms + self.config.timing.doubt_ms)
            }
            _ => None,
        };
        self.doubts.set(at, end_ms);
    }
}

fn refusal(trouble: &EffectError) -> Outcome {
    Outcome::Refused {
        code: trouble.code,
        class: trouble.class,
        message: trouble.message.clone(),
    }
}

/// A vendor's wait, bounded to an hour: what is longer is no wait but a stop.
pub(super) fn millis(wait_ms: Option<u64>) -> i64 {
    wait_ms.map_or(0, |wait| wait.min(3_600_000).cast_signed())
}
