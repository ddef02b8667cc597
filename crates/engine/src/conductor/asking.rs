//! Asking hooks: who is asked about, how many at once, and what a verdict means for its job.

use super::*;

/// Decisions under way at the same time: a hook that is a program takes milliseconds, and a machine has few cores.
const ASKING_AT_ONCE: usize = 16;

impl Conductor {
    /// Whether hooks are still to decide on a job at `point`. One with an intent has been decided on for good.
    pub(super) fn is_unasked(&self, at: usize, point: HookPoint) -> bool {
        let slot = &self.slots[at];
        let (decides, after) = match point {
            HookPoint::BeforeUpload => (self.terms.asks_before_upload, Asked::Upload),
            _ => (self.terms.asks_before_submit, Asked::All),
        };
        decides && slot.job.attempts == 0 && slot.asked < after
    }

    /// Has hooks decide on the next jobs: no more than will be submitted soon, for what a hook decides on may change.
    pub(super) fn ask(&mut self, decision: &mut Decision) {
        let ahead = self.terms.concurrency + ASKING_AT_ONCE;
        while self.asking < ASKING_AT_ONCE && self.is_affordable() {
            let near = self.ready.len() + self.asking;
            let (at, point) = if near < ahead && !self.unasked_submit.is_empty() {
                (self.unasked_submit.pop_first(), HookPoint::BeforeSubmit)
            } else if near + self.unasked_submit.len() + self.lined_up(ahead) < ahead {
                (self.unasked_upload.pop_first(), HookPoint::BeforeUpload)
            } else {
                return;
            };
            let Some(at) = at else { return };
            self.asking += 1;
            decision.effects.push(Effect::Ask {
                slot: at,
                point,
                changed: self.slots[at].settings.clone(),
            });
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
        verdict: Verdict,
        known: Option<Box<Found>>,
        decision: &mut Decision,
    ) {
        self.asking -= 1;
        let stays = self.slots[at].job.attempts > 0 || self.slots[at].same_as.is_some();
        if stays {
            return; // cannot be: a job is asked about only before it is anything
        }
        let last = point == HookPoint::BeforeSubmit || !self.terms.asks_before_submit;
        self.slots[at].asked = if last { Asked::All } else { Asked::Upload };
        let (ends, changes) = match &verdict {
            Verdict::Pass => (false, None),
            Verdict::Change { key, settings } => (
                false,
                Some(Changed {
                    key: *key,
                    settings: (**settings).clone(),
                }),
            ),
            Verdict::Veto { .. } | Verdict::Fail { .. } => (true, None),
        };
        let event = Event::Decided { point, verdict };
        if !self.happened(at, now_ms, event.clone(), decision) {
            // Nothing changed, but that it was decided is to be known.
            self.record(Some(self.slots[at].key), now_ms, event, decision);
        }
        if ends {
            self.let_down(at, now_ms, decision);
            return;
        }
        if let Some(changes) = changes {
            let back = changes.key == self.slots[at].key;
            let slot = &mut self.slots[at];
            slot.settings = (!back).then(|| Arc::new(changes.settings.clone()));
            slot.changed = (!back).then_some(changes);
        }
        if last && let Some(key) = self.slots[at].changed.as_ref().map(|it| it.key) {
            self.become_other(at, key, now_ms, known, decision);
        } else {
            self.want(at);
        }
    }

    /// Makes a job the one that hooks changed it into: joined to a job of this plan, found in the ledger, or new.
    fn become_other(
        &mut self,
        at: usize,
        key: JobKey,
        now_ms: i64,
        known: Option<Box<Found>>,
        decision: &mut Decision,
    ) {
        match self.by_key.get(&key).and_then(|_| self.slot_of(&key)) {
            // Hooks have swapped two jobs: each is the other by now, so this one is bought as it was planned.
            Some(other) if other == at => {
                (self.slots[at].changed, self.slots[at].settings) = (None, None);
                self.want(at);
            }
            Some(other) => {
                self.slots[at].same_as = Some(other);
                self.joined.entry(other).or_default().push(at);
                if let Phase::Vetoed { why } = self.slots[other].job.phase.clone() {
                    self.veto_with(at, &why, now_ms, decision);
                }
            }
            None => {
                self.by_key.insert(key, at);
                // The row that was planned keeps what was decided; it is handed over now, for the slot becomes another's.
                self.settle(decision);
                let found = known.map_or_else(
                    || Found {
                        key,
                        job: Job::default(),
                        expired: false,
                    },
                    |known| *known,
                );
                // What the ledger has reserved for it was counted among other plans' jobs until now.
                self.terms.spent_before -= found.job.reserved;
                self.reserved += found.job.reserved;
                let slot = &mut self.slots[at];
                (slot.key, slot.job, slot.expired) = (key, found.job, found.expired);
                slot.followed_since_ms = now_ms;
                self.in_flight += usize::from(self.slots[at].holds_place());
                if matches!(self.slots[at].job.phase, Phase::Vetoed { .. }) {
                    // It was vetoed as its own job; as this one it was decided on just now.
                    let (point, verdict) = (HookPoint::BeforeSubmit, Verdict::Pass);
                    self.happened(at, now_ms, Event::Decided { point, verdict }, decision);
                }
                self.take_up(at, now_ms, decision);
            }
        }
    }

    /// Ends the jobs that have become this one, which is vetoed.
    fn let_down(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let Phase::Vetoed { why } = self.slots[at].job.phase.clone() else {
            return;
        };
        for other in self.joined.remove(&at).unwrap_or_default() {
            if self.slots[other].same_as == Some(at) {
                self.veto_with(other, &why, now_ms, decision);
            }
        }
    }

    /// Vetoes a job that has become one which is vetoed; it is its own again.
    fn veto_with(&mut self, at: usize, why: &str, now_ms: i64, decision: &mut Decision) {
        self.slots[at].same_as = None;
        (self.slots[at].changed, self.slots[at].settings) = (None, None);
        let event = Event::Decided {
            point: HookPoint::BeforeSubmit,
            verdict: Verdict::Veto {
                why: why.to_owned(),
            },
        };
        self.happened(at, now_ms, event, decision);
        self.let_down(at, now_ms, decision);
    }
}
