//! Recordings that the provider says it can't fetch: their uploads are gone, and are made once more.

use super::*;

impl Conductor {
    /// Whether a job that was refused because its recording was gone may be submitted again: with an upload that is newer than the
    /// one it was refused for. Begins that upload where there has been none in this run; a second one would be gone as well.
    pub(super) fn has_newer_upload(
        &mut self,
        at: usize,
        now_ms: i64,
        decision: &mut Decision,
    ) -> bool {
        let (stem, sent_ms) = (self.slots[at].stem, self.slots[at].sent_ms);
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
        let stem = self.slots[at].stem;
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

    fn renew(&mut self, stem: usize, now_ms: i64, decision: &mut Decision) {
        self.stems[stem].renewed = true;
        self.forget_upload(stem, decision);
        self.await_upload(stem, now_ms);
    }

    fn forget_upload(&self, stem: usize, decision: &mut Decision) {
        let stem = self.stems[stem].id.clone();
        decision.effects.push(Effect::ForgetUpload { stem });
    }

    /// Has the jobs of a stem wait for a new upload.
    pub(super) fn await_upload(&mut self, stem: usize, now_ms: i64) {
        self.stems[stem].state = StemState::Idle {
            not_before_ms: now_ms,
        };
        let (of_stem, others) = self
            .ready
            .iter()
            .partition(|at| self.slots[**at].stem == stem);
        self.ready = others;
        self.waiting
            .entry(stem)
            .or_default()
            .extend::<BTreeSet<usize>>(of_stem);
    }
}
