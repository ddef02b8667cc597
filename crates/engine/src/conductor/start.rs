//! The start of a run: queues each job by the state that earlier runs left.

use super::*;

/// A job that is not resumed yet.
#[derive(Debug)]
pub(super) struct ToResume {
    pub(super) at: usize,
    /// Kept files that are no longer there.
    pub(super) missing: Vec<Missing>,
    /// What hooks decided when it was planned, where it is not to be bought.
    pub(super) refusal: Option<Verdict>,
}

impl Conductor {
    /// Creates the conductor of a plan's jobs, which resumes them when it is first advanced. A step comes after the job that it processes. `index` has the tokens of all of the
    /// ledger's jobs, `earlier` are the places of the account's submissions of the last window.
    pub(crate) fn new(
        config: RunConfig,
        wanted: Vec<ResumedJob>,
        index: Index,
        earlier: Vec<Place>,
        now_ms: i64,
    ) -> Self {
        let mut conductor = Self {
            gate: Gate::new(config.rate, earlier),
            brake: Brake::new(config.failures_in_a_row),
            stems: Vec::new(),
            stem_of: HashMap::new(),
            slots: Vec::with_capacity(wanted.len()),
            slot_of: HashMap::with_capacity(wanted.len()),
            index,
            waiting: BTreeMap::new(),
            ready: Queue::default(),
            undecided_upload: BTreeSet::new(),
            undecided_submit: Queue::default(),
            delayed: BTreeSet::new(),
            hook_calls: 0,
            again: Repeats::default(),
            doubts: Waits::default(),
            polls: BTreeSet::new(),
            claim_polls: BTreeSet::new(),
            fetches: BTreeSet::new(),
            mode: Mode::Running,
            submitting: 0,
            in_flight: 0,
            polling: 0,
            fetching: 0,
            preparing: 0,
            spent: Credits::ZERO,
            reserved: Credits::ZERO,
            spent_by_others: Credits::ZERO,
            unauthorized: 0,
            unreachable_since_ms: None,
            outage: Outage::default(),
            refused_since_ms: None,
            dirty: BTreeSet::new(),
            illegal: None,
            stray: Vec::new(),
            to_resume: VecDeque::with_capacity(wanted.len()),
            sharing: Sharing::of(config.is_shared, &wanted),
            started_ms: now_ms,
            config,
        };
        for (at, wanted) in wanted.into_iter().enumerate() {
            conductor.slot_of.insert(wanted.key, at);
            let input = match wanted.input {
                ResumedInput::Stem(stem) => SlotInput::Stem(conductor.intern(stem)),
                ResumedInput::Step { parent, track } => SlotInput::Step {
                    parent: conductor.slot_of[&parent],
                    track,
                },
            };
            conductor.slots.push(JobSlot {
                key: wanted.key,
                hook_progress: if wanted.job.attempts > 0 {
                    HookProgress::All
                } else {
                    HookProgress::Nothing
                },
                is_with_hooks: false,
                delays: 0,
                input,
                offer: wanted.offer,
                selected: wanted.selected,
                buys: wanted.buys,
                elsewhere: wanted.elsewhere,
                job: wanted.job,
                version: wanted.version,
                is_taken: conductor.config.is_shared,
                expired: wanted.expired,
                poll_at: None,
                followed_since_ms: now_ms,
                following: FollowedTask::default(),
                retries: 0,
                was_refunded: false,
                sent_ms: now_ms,
                submitted: false,
                claim_poll_at: None,
                claim_in_poll: None,
                claim_tries: 0,
                claims_left: 0,
                rejections_recorded: 0,
                given_up: false,
            });
            let to_resume = ToResume {
                at,
                missing: wanted.missing,
                refusal: wanted.refusal,
            };
            if conductor.config.is_shared {
                conductor.sharing.keep(to_resume);
                continue;
            }
            conductor.reserved += conductor.slots[at].job.reserved;
            conductor.in_flight += usize::from(conductor.slots[at].holds_place());
            conductor.note_doubt(at, now_ms);
            conductor.to_resume.push_back(to_resume);
        }
        conductor
    }

    /// Resumes jobs until the decision has as many records as it may. No effect begins in the same decision, so that the driver can read the
    /// account's balance before.
    pub(super) fn resume_some(&mut self, now_ms: i64, decision: &mut Decision) {
        while decision.batch.events.len() < self.config.records_at_once {
            let Some(next) = self.to_resume.pop_front() else {
                return;
            };
            self.resume_one(next, now_ms, decision);
        }
    }

    /// Resumes a job.
    pub(super) fn resume_one(&mut self, next: ToResume, now_ms: i64, decision: &mut Decision) {
        let at = next.at;
        for missing in next.missing {
            let event = Event::TrackMissing {
                index: missing.index,
                part: missing.part,
                changed: missing.changed,
            };
            self.apply(at, now_ms, event, decision);
        }
        if let Some(verdict) = next.refusal
            && self.slots[at].buys
            && self.slots[at].job.is_undecided()
        {
            let point = HookPoint::PlanJob;
            self.apply(at, now_ms, Event::Decided { point, verdict }, decision);
            return;
        }
        self.resume(at, now_ms, decision);
    }

    /// Whether jobs are left that are not resumed yet.
    pub(crate) fn is_resuming(&self) -> bool {
        !self.to_resume.is_empty()
    }

    /// Returns the index of a stem, and adds it if it is new.
    pub(super) fn intern(&mut self, id: StemId) -> usize {
        let next = self.stems.len();
        let at = *self.stem_of.entry(id.clone()).or_insert(next);
        if at == next {
            self.stems.push(StemUpload {
                id,
                state: StemState::Idle {
                    not_before_ms: i64::MIN,
                },
                failures: 0,
                renewed: false,
            });
        }
        at
    }

    /// Queues a job by its recorded phase.
    fn resume(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        match self.slots[at].job.phase.clone() {
            Phase::Planned | Phase::Vetoed { .. } if self.parent(at).is_some() => {
                self.resume_step(at, now_ms, decision);
            }
            Phase::Failed(_) if self.parent(at).is_some() && self.may_be_bought(at) => {
                self.resume_step(at, now_ms, decision);
            }
            Phase::Planned => self.enqueue(at),
            Phase::Vetoed { .. } => {
                let decides = self.config.hooks_before_upload || self.config.hooks_before_submit;
                if self.slots[at].buys && !decides {
                    // No hook decides any more: the veto is withdrawn.
                    let (point, verdict) = (HookPoint::BeforeSubmit, Verdict::Pass);
                    self.apply(at, now_ms, Event::Decided { point, verdict }, decision);
                }
                self.enqueue(at);
            }
            Phase::Failed(_) => {
                if self.may_be_bought(at) {
                    self.enqueue(at);
                }
            }
            phase @ Phase::Submitting { .. } => {
                if let Some(event) = response_lost(&phase) {
                    self.apply(at, now_ms, event, decision);
                }
                self.schedule_repeat(at, now_ms);
            }
            Phase::InDoubt { .. } => self.schedule_repeat(at, now_ms),
            Phase::Running(_) | Phase::Finished(_) => self.schedule_poll(at, now_ms),
            // Missing tracks may exist by now: one poll within the retention.
            Phase::Partial(_) if !self.slots[at].expired => self.schedule_poll(at, now_ms),
            Phase::Partial(_) | Phase::Kept(_) => {}
        }
        self.schedule_claim_poll(at, now_ms);
    }
}

/// The event of an attempt whose process ended before the response came; none in another phase.
pub(crate) fn response_lost(phase: &Phase) -> Option<Event> {
    let Phase::Submitting { attempt, .. } = phase else {
        return None;
    };
    Some(Event::Lost {
        attempt: *attempt,
        message: "the program ended before the response came".to_owned(),
        response: None,
    })
}
