//! Recordings on their way to the provider: prepared for the jobs that need them, and uploaded anew where an upload is old or gone.

use super::responses::{millis, refusal};
use super::*;

/// Tries to upload one stem.
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

    /// The stems that are needed soon and are not at the vendor's: for requests that are to be repeated, and for new ones
    /// unless enough are ready or no more can be paid for.
    pub(super) fn wanted_stems(&self) -> BTreeSet<usize> {
        let again = self
            .again
            .stems()
            .filter(|stem| !matches!(self.stems[*stem].state, StemState::Ready { .. }));
        let affordable = |offer| self.affords(offer);
        let near = self.ready.count(affordable) + self.undecided_submit.count(affordable);
        let enough = near > self.config.concurrency || !self.affords(SONG);
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
            Err(error) => self.not_prepared(stem, now_ms, error, decision),
        }
    }

    pub(super) fn not_prepared(
        &mut self,
        stem: usize,
        now_ms: i64,
        error: EffectError,
        decision: &mut Decision,
    ) {
        self.stems[stem].failures += 1;
        let (id, failures) = (self.stems[stem].id.clone(), self.stems[stem].failures);
        // Whether the stem is to blame, and its jobs fail with it; if not, whether this run tries again.
        let (is_stems, retried) = match error.class {
            ResponseClass::RefusedRun | ResponseClass::StopForCredits => {
                self.close(refusal(&error));
                (false, false)
            }
            ResponseClass::NotSent => {
                let message = format!("stem {id}: {}", error.message);
                self.out_of_reach(now_ms, now_ms, &message, decision);
                (false, true)
            }
            _ => {
                let retried = error.retryable && failures < PREPARATIONS;
                (!retried, retried)
            }
        };
        let event = Event::UploadFailed {
            stem: id.to_string(),
            message: error.message,
            retried,
        };
        if !is_stems {
            let wait = self
                .config
                .timing
                .backoff_ms(failures, stem as u64)
                .max(millis(error.retry_after_ms));
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

    /// Whether the upload of a stem is young enough to be used. Otherwise its jobs wait for a new one from now on.
    pub(super) fn has_fresh_upload(&mut self, stem: usize, now_ms: i64) -> bool {
        let is_fresh = matches!(self.stems[stem].state, StemState::Ready { uploaded_ms, .. }
            if uploaded_ms.is_none_or(|at_ms| now_ms - at_ms < self.config.upload_ttl_ms));
        if !is_fresh {
            self.await_upload(stem, now_ms);
        }
        is_fresh
    }

    /// Whether a job that was refused because its recording was gone may be submitted again: with an upload that is newer than the
    /// one it was refused for. Begins that upload where there has been none in this run; a second one would be gone as well.
    pub(super) fn has_newer_upload(
        &mut self,
        at: usize,
        now_ms: i64,
        decision: &mut Decision,
    ) -> bool {
        let (SlotInput::Stem(stem), sent_ms) = (self.slots[at].input, self.slots[at].sent_ms)
        else {
            return false;
        };
        match self.stems[stem].state {
            StemState::Ready {
                uploaded_ms: Some(uploaded_ms),
                ..
            } if self.stems[stem].renewed => sent_ms < uploaded_ms,
            StemState::Ready {
                uploaded_ms: Some(_),
                ..
            } => {
                self.renew(stem, now_ms, decision);
                true
            }
            StemState::Idle { .. } | StemState::Preparing => self.stems[stem].renewed,
            // A public address can't be made anew.
            StemState::Ready {
                uploaded_ms: None, ..
            }
            | StemState::Failed => false,
        }
    }

    /// Forgets the upload of a job's recording after its task has failed for want of it, so that whatever is bought next is bought
    /// with a new one.
    pub(super) fn forget_source_of(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let SlotInput::Stem(stem) = self.slots[at].input else {
            return;
        };
        let accepted_ms = self.slots[at].sent_ms;
        match self.stems[stem].state {
            StemState::Ready {
                uploaded_ms: Some(uploaded_ms),
                ..
            } if self.stems[stem].renewed && uploaded_ms > accepted_ms => {}
            StemState::Ready {
                uploaded_ms: Some(_),
                ..
            } => self.renew(stem, now_ms, decision),
            StemState::Idle { .. } => self.forget_upload(stem, decision),
            _ => {}
        }
    }

    pub(super) fn renew(&mut self, stem: usize, now_ms: i64, decision: &mut Decision) {
        self.stems[stem].renewed = true;
        self.forget_upload(stem, decision);
        self.await_upload(stem, now_ms);
    }

    pub(super) fn forget_upload(&self, stem: usize, decision: &mut Decision) {
        let stem = self.stems[stem].id.clone();
        decision.effects.push(Effect::ForgetUpload { stem });
    }

    /// Has the jobs of a stem wait for a new upload.
    pub(super) fn await_upload(&mut self, stem: usize, now_ms: i64) {
        self.stems[stem].state = StemState::Idle {
            not_before_ms: now_ms,
        };
        let slots = &self.slots;
        let is_of_stem = |at: usize| matches!(slots[at].input, SlotInput::Stem(of) if of == stem);
        let of_stem = self.ready.take(SONG, is_of_stem);
        self.waiting.entry(stem).or_default().extend(of_stem);
    }
}
