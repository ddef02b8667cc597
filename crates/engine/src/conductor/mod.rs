//! What to do next: the one place that decides, without effects.
//!
//! ```text
//!  answers, views, callbacks, timers, Ctrl-C ──Input──► Conductor ──► records (made durable first), then effects
//! ```
//!
//! The [`Conductor`] holds every job of a plan and decides under the limits of the run: how many tasks are in flight, the
//! account's sliding window, the credits, the deadline. It is given the time and its inputs, and gives back what is to be
//! recorded and, once that is durable, done. It has no clock, socket or file, so a test can lead it through any order of events.
//!
//! Where the plan has hooks that decide on jobs, a job that was never submitted waits for their decision before it is lined up and
//! again before it is submitted; others go on meanwhile. What a job is was decided when it was planned: its key never changes.
//!
//! Four rules stand above all others:
//! - An [`Effect::Submit`] never leaves without its intent in the same decision's records.
//! - No first intent without a decision where hooks decide.
//! - A job whose answer was lost is never submitted anew. It is asked about again, with the same token, only where the provider
//!   keeps `Idempotency-Key` promises.
//! - A track's address is taken from a view of the task in this run, never from a callback or an old record.

mod answers;
mod asking;
mod brake;
mod claims;
mod doubts;
mod ending;
mod exchange;
mod illegal;
mod places;
mod sources;
#[cfg(test)]
mod tests;
mod timing;
mod tracks;

use backline_api::{AnswerClass, Stage, SubmitOutcome, TaskId, TaskView};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use crate::event::{Event, KeptFile, Outcome, Part, StopReason, Token};
use crate::gate::Gate;
use crate::hooks::{self, HookPoint, Verdict};
use crate::index::Index;
use crate::machine::{Claim, Job, Phase, Step};
use crate::plan::JobKey;
use crate::store::{KnownJob, NewRecord};

use brake::{Brake, Braking, Link};
use doubts::{Repeats, Waits};
pub(crate) use exchange::{
    Decision, Effect, EffectError, FetchRequest, Input, Left, Prepared, ResumedJob, RunConfig,
    StemId,
};
pub use illegal::IllegalStep;
use timing::Outage;
pub(crate) use timing::Timing;
use tracks::Following;

/// Stems that are prepared at the same time: enough to keep the gate busy, few enough not to crowd the line.
const PREPARING_AT_ONCE: usize = 4;

/// Sums of prices such as 0.4 are not exact; a credit is a thousand times more than what this lets through.
const CREDIT_TOLERANCE: f64 = 1e-3;

/// One job and what this run knows of it beyond the ledger.
#[derive(Debug)]
struct Slot {
    key: JobKey,
    /// How far hooks have decided on it.
    asked: Asked,
    /// How often hooks delayed it in this run.
    delays: u32,
    stem: usize,
    job: Job,
    expired: bool,
    /// The next view, or none while one is under way or none is wanted.
    view_at: Option<i64>,
    /// When this run began to follow the task.
    followed_since_ms: i64,
    /// What polls have shown of it beyond what is recorded.
    following: Following,
    /// Refusals that were followed by another attempt in this run.
    retries: u32,
    /// Whether the provider said in this run that it gave the credits back.
    was_refunded: bool,
    /// When its last request was sent.
    sent_ms: i64,
    /// The next look at what callbacks claimed.
    claim_look_at: Option<i64>,
    claim_under_look: Option<TaskId>,
    /// Polls of the claimed task so far.
    claim_tries: u32,
    /// Claims that are left for the next run.
    claims_left: usize,
    rejections_recorded: u32,
    /// This run does nothing more for it.
    given_up: bool,
}

/// How far hooks have decided on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    /// Not at all.
    Nothing,
    /// It may be lined up for its recording.
    Upload,
    /// It may be submitted.
    All,
}

/// A stem and how near it is to the vendor.
#[derive(Debug)]
struct Stem {
    id: StemId,
    state: StemState,
    /// Preparations that failed since the last that did not.
    failures: u32,
    /// Whether its upload was gone once in this run, and was or is made anew.
    renewed: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum StemState {
    Idle {
        not_before_ms: i64,
    },
    Preparing,
    Ready {
        /// The address that the provider fetches it from.
        url: Arc<str>,
        /// When it was uploaded; a public address never grows old.
        uploaded_ms: Option<i64>,
    },
    Failed,
}

/// How the run stands.
#[derive(Debug, Clone, PartialEq)]
enum Mode {
    /// Everything goes on.
    Running,
    /// Nothing new is bought; what is bought is followed and kept.
    Closing(Outcome),
    /// Only what is under way is waited for.
    Draining(Outcome),
}

/// Decides what to do next.
#[derive(Debug)]
pub(crate) struct Conductor {
    config: RunConfig,
    /// When the run began.
    started_ms: i64,
    slots: Vec<Slot>,
    slot_of: HashMap<JobKey, usize>,
    /// Every token and task of the ledger, with its job.
    index: Index,
    stems: Vec<Stem>,
    stem_of: HashMap<StemId, usize>,
    /// Jobs to submit, by stem, waiting for its preparation.
    waiting: BTreeMap<usize, BTreeSet<usize>>,
    /// Jobs to submit whose stem is ready, in plan order.
    ready: BTreeSet<usize>,
    /// Jobs that hooks are to decide on before they wait for their recording, in plan order.
    unasked_upload: BTreeSet<usize>,
    /// Jobs whose stem is ready that hooks are to decide on before they are submitted, in plan order.
    unasked_submit: BTreeSet<usize>,
    /// Jobs that hooks have delayed, by when they are called again.
    delayed: BTreeSet<(i64, usize)>,
    /// Decisions under way.
    asking: usize,
    /// Attempts to ask about again, with the time before which that is too early.
    again: Repeats,
    /// Until when callbacks are waited for.
    doubts: Waits,
    views: BTreeSet<(i64, usize)>,
    /// Polls of tasks that callbacks claimed.
    claim_looks: BTreeSet<(i64, usize)>,
    fetches: BTreeSet<(i64, usize)>,
    gate: Gate,
    mode: Mode,
    submitting: usize,
    /// Jobs that are being submitted or run at the vendor's and are followed. One in doubt holds no place: it may never end.
    in_flight: usize,
    viewing: usize,
    fetching: usize,
    preparing: usize,
    /// Credits spent by this run.
    spent: f64,
    /// Credits reserved for attempts whose outcome is open, those of earlier runs included.
    reserved: f64,
    /// Polls in a row that were answered with 401.
    unauthorized: u32,
    /// Since when nothing at all could be reached.
    unreachable_since_ms: Option<i64>,
    /// The waits since the last submission that was taken.
    outage: Outage,
    /// Stops the buying after too many failures in a row.
    brake: Brake,
    /// Since when every submission was refused for the account's pace or for maintenance.
    refused_since_ms: Option<i64>,
    dirty: BTreeSet<usize>,
    /// The first step that the machine calls illegal; the run ends with it.
    illegal: Option<IllegalStep>,
}

impl Conductor {
    /// A conductor for a plan's jobs. `index` holds the tokens of all of the ledger's jobs, `earlier_ms` are the account's
    /// submissions of the last window.
    pub(crate) fn new(
        config: RunConfig,
        wanted: Vec<ResumedJob>,
        index: Index,
        earlier_ms: Vec<i64>,
        now_ms: i64,
    ) -> (Self, Decision) {
        let mut decision = Decision::default();
        let mut conductor = Self {
            gate: Gate::new(config.rate, earlier_ms),
            brake: Brake::new(config.failures_in_a_row),
            stems: Vec::new(),
            stem_of: HashMap::new(),
            slots: Vec::with_capacity(wanted.len()),
            slot_of: HashMap::with_capacity(wanted.len()),
            index,
            waiting: BTreeMap::new(),
            ready: BTreeSet::new(),
            unasked_upload: BTreeSet::new(),
            unasked_submit: BTreeSet::new(),
            delayed: BTreeSet::new(),
            asking: 0,
            again: Repeats::default(),
            doubts: Waits::default(),
            views: BTreeSet::new(),
            claim_looks: BTreeSet::new(),
            fetches: BTreeSet::new(),
            mode: Mode::Running,
            submitting: 0,
            in_flight: 0,
            viewing: 0,
            fetching: 0,
            preparing: 0,
            spent: 0.0,
            reserved: 0.0,
            unauthorized: 0,
            unreachable_since_ms: None,
            outage: Outage::default(),
            refused_since_ms: None,
            dirty: BTreeSet::new(),
            illegal: None,
            started_ms: now_ms,
            config,
        };
        for (at, wanted) in wanted.into_iter().enumerate() {
            conductor.slot_of.insert(wanted.key, at);
            let stem = conductor.intern(wanted.stem);
            conductor.slots.push(Slot {
                key: wanted.key,
                asked: if wanted.job.attempts > 0 {
                    Asked::All
                } else {
                    Asked::Nothing
                },
                delays: 0,
                stem,
                job: wanted.job,
                expired: wanted.expired,
                view_at: None,
                followed_since_ms: now_ms,
                following: Following::default(),
                retries: 0,
                was_refunded: false,
                sent_ms: now_ms,
                claim_look_at: None,
                claim_under_look: None,
                claim_tries: 0,
                claims_left: 0,
                rejections_recorded: 0,
                given_up: false,
            });
            conductor.reserved += conductor.slots[at].job.reserved;
            conductor.in_flight += usize::from(conductor.slots[at].holds_place());
            conductor.note_doubt(at, now_ms);
            for missing in wanted.missing {
                let event = Event::TrackMissing {
                    index: missing.index,
                    part: missing.part,
                    changed: missing.changed,
                };
                conductor.apply(at, now_ms, event, &mut decision);
            }
            let slot = &conductor.slots[at];
            if let Some(verdict) = wanted.refusal
                && conductor.config.buys
                && slot.job.is_undecided()
            {
                let point = HookPoint::PlanJob;
                conductor.apply(at, now_ms, Event::Decided { point, verdict }, &mut decision);
                continue;
            }
            conductor.resume(at, now_ms, &mut decision);
        }
        conductor.flush_dirty(&mut decision);
        (conductor, decision)
    }

    /// The place of a stem among those of this run's jobs.
    fn intern(&mut self, id: StemId) -> usize {
        let next = self.stems.len();
        let at = *self.stem_of.entry(id.clone()).or_insert(next);
        if at == next {
            self.stems.push(Stem {
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

    /// Finds a job's place from an earlier run's state.
    fn resume(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        match self.slots[at].job.phase.clone() {
            Phase::Planned => self.enqueue(at),
            Phase::Vetoed { .. } => {
                let decides = self.config.asks_before_upload || self.config.asks_before_submit;
                if self.config.buys && !decides {
                    // Nobody objects any more.
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
            Phase::Submitting { attempt, .. } => {
                let message = "the program ended before the answer came".to_owned();
                self.apply(
                    at,
                    now_ms,
                    Event::Lost {
                        attempt,
                        message,
                        response: None,
                    },
                    decision,
                );
                self.ask_again_later(at, now_ms);
            }
            Phase::InDoubt { .. } => self.ask_again_later(at, now_ms),
            Phase::Running(_) | Phase::Finished(_) => self.look(at, now_ms),
            // What was missing may have come since, for as long as the vendor keeps it: one poll.
            Phase::Partial(_) if !self.slots[at].expired => self.look(at, now_ms),
            Phase::Partial(_) | Phase::Kept(_) => {}
        }
        self.look_at_claims(at, now_ms);
    }

    fn may_be_bought(&self, at: usize) -> bool {
        self.slots[at].job.may_be_bought(self.config.retries)
    }

    /// Puts a job among those to submit.
    fn enqueue(&mut self, at: usize) {
        // What a callback claims is looked at first: it may be bought already.
        if !self.config.buys || self.slots[at].claim().is_some() {
            return;
        }
        if self.is_unasked(at, HookPoint::BeforeUpload) {
            self.unasked_upload.insert(at);
        } else {
            self.line_up(at);
        }
    }

    /// Puts a job behind its recording or, where that is at the vendor's, among those to submit.
    fn line_up(&mut self, at: usize) {
        let stem = self.slots[at].stem;
        let unasked = self.is_unasked(at, HookPoint::BeforeSubmit);
        match &mut self.stems[stem].state {
            StemState::Ready { .. } if unasked => {
                self.unasked_submit.insert(at);
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
    fn dequeue(&mut self, at: usize) {
        self.ready.remove(&at);
        self.unasked_upload.remove(&at);
        self.unasked_submit.remove(&at);
        if let Some(waiting) = self.waiting.get_mut(&self.slots[at].stem) {
            waiting.remove(&at);
            if waiting.is_empty() {
                self.waiting.remove(&self.slots[at].stem);
            }
        }
    }

    /// Goes on with a job whose attempt came back: it is submitted anew where nothing was bought, asked about again where an
    /// earlier request is still in doubt, and followed where another task was bought for it.
    fn free(&mut self, at: usize, now_ms: i64) {
        match self.slots[at].job.phase {
            Phase::InDoubt { .. } => self.ask_again_later(at, now_ms),
            _ if self.slots[at].job.task().is_some() => self.look(at, now_ms),
            _ => self.enqueue(at),
        }
    }

    /// Takes in what happened. Call [`Conductor::advance`] after the last input of a batch.
    pub(crate) fn handle(&mut self, now_ms: i64, input: Input, decision: &mut Decision) {
        match input {
            Input::Prepared { stem, result } => {
                self.prepared(self.stem_of[&stem], now_ms, result, decision)
            }
            Input::Answered {
                job,
                attempt,
                outcome,
            } => self.answered(self.slot_of[&job], now_ms, attempt, outcome, decision),
            Input::Viewed { job, task, result } => {
                let at = self.slot_of[&job];
                if self.is_claim_look(at, &task) {
                    self.claim_viewed(at, now_ms, &task, result, decision);
                } else {
                    self.viewed(at, now_ms, &task, result, decision);
                }
            }
            Input::Fetched {
                job,
                index,
                part,
                result,
            } => self.fetched(self.slot_of[&job], now_ms, index, part, result, decision),
            Input::Decided {
                job,
                point,
                decided,
            } => self.decided(self.slot_of[&job], now_ms, point, decided, decision),
            Input::Noted {
                job,
                index,
                part,
                note,
            } => {
                let at = self.slot_of.get(&job).copied();
                if let Some(at) = at.filter(|at| self.has_track(*at, index)) {
                    let event = Event::TrackNoted { index, part, note };
                    self.apply(at, now_ms, event, decision);
                }
            }
            Input::HookStops => self.close(Outcome::Failed),
            Input::Balance { credits, moment } => {
                self.record(
                    None,
                    now_ms,
                    Event::Credits {
                        balance: credits,
                        moment,
                    },
                    decision,
                );
            }
            Input::Drain => self.drain(Outcome::Stopped {
                reason: StopReason::Signal,
            }),
            Input::Left(left) => {
                let under_way = match left {
                    Left::Prepare => &mut self.preparing,
                    Left::Ask => &mut self.asking,
                    Left::View => &mut self.viewing,
                    Left::Fetch => &mut self.fetching,
                };
                *under_way -= 1;
            }
        }
    }

    /// Begins whatever may begin at `now_ms`, and closes the decision.
    pub(crate) fn advance(
        &mut self,
        now_ms: i64,
        token: &mut dyn FnMut() -> Token,
        decision: &mut Decision,
    ) {
        if self
            .config
            .deadline_ms
            .is_some_and(|deadline| now_ms >= deadline)
        {
            self.drain(Outcome::Stopped {
                reason: StopReason::Deadline,
            });
        }
        if matches!(self.mode, Mode::Running) {
            self.ask_again(now_ms, decision);
            self.submit(now_ms, token, decision);
            self.ask(now_ms, decision);
            self.prepare(now_ms, decision);
        }
        if !matches!(self.mode, Mode::Draining(_)) {
            self.view(now_ms, decision);
            self.view_claims(now_ms, decision);
            self.fetch(now_ms, decision);
        }
        self.flush_dirty(decision);
    }

    /// The clock has jumped ahead by `jump_ms`.
    pub(crate) fn clock_jumped(&mut self, now_ms: i64, jump_ms: i64) {
        self.gate.jumped(now_ms, jump_ms);
    }

    /// Whether the run only waits for what is under way.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.mode, Mode::Draining(_))
    }

    /// Credits that this run is known to have spent.
    pub(crate) fn spent(&self) -> f64 {
        self.spent
    }

    /// The illegal step that ends the run, if there was one.
    pub(crate) fn illegal_step(&self) -> Option<&IllegalStep> {
        self.illegal.as_ref()
    }

    fn has_track(&self, at: usize, index: u32) -> bool {
        let task = self.slots[at].job.task();
        task.is_some_and(|task| (1..=task.tracks.len()).contains(&(index as usize)))
    }

    /// The jobs of this run, in plan order.
    pub(crate) fn jobs(&self) -> impl ExactSizeIterator<Item = (&JobKey, &Job)> {
        self.slots.iter().map(|slot| (&slot.key, &slot.job))
    }

    /// Lets an event happen to a job: the machine says what it makes of it, and what changes something is recorded. Places and
    /// credits are kept in step here and nowhere else.
    fn apply(&mut self, at: usize, now_ms: i64, event: Event, decision: &mut Decision) -> bool {
        match self.slots[at].job.step(now_ms, &event) {
            Step::Changed(job) => {
                let slot = &mut self.slots[at];
                let held = slot.holds_place();
                self.spent += job.credits - slot.job.credits;
                self.reserved += job.reserved - slot.job.reserved;
                slot.job = job;
                if matches!(event, Event::Intent { .. } | Event::Accepted { .. }) {
                    self.index.take_in(slot.key, &slot.job);
                }
                self.in_flight =
                    self.in_flight + usize::from(slot.holds_place()) - usize::from(held);
                self.dirty.insert(at);
                let task_failed = matches!(event, Event::TaskFailed { .. });
                let finished = matches!(
                    slot.job.phase,
                    Phase::Finished(_) | Phase::Partial(_) | Phase::Kept(_)
                );
                self.note_doubt(at, now_ms);
                self.record(Some(self.slots[at].key), now_ms, event, decision);
                if task_failed {
                    self.failed(at, now_ms, Link::Task, decision);
                } else if finished {
                    self.brake.succeeded(Link::Task);
                }
                true
            }
            Step::Unchanged => false,
            Step::Illegal => {
                let slot = &self.slots[at];
                let step = IllegalStep::new(slot.key, &slot.job.phase, &event);
                tracing::error!(%step, "illegal step");
                self.illegal.get_or_insert(step);
                self.drain(Outcome::Failed);
                false
            }
        }
    }

    /// Follows a job no longer in this run: what is bought is in the ledger for the next.
    fn give_up(&mut self, at: usize) {
        let held = self.slots[at].holds_place();
        self.slots[at].given_up = true;
        self.in_flight -= usize::from(held);
    }

    fn record(&self, job: Option<JobKey>, at_ms: i64, event: Event, decision: &mut Decision) {
        let (run, account) = (self.config.run.clone(), self.config.account.clone());
        decision.batch.events.push(NewRecord {
            at_ms,
            run,
            account,
            job,
            event,
        });
    }

    /// Adds the changed jobs to the decision.
    pub(crate) fn flush_dirty(&mut self, decision: &mut Decision) {
        for at in std::mem::take(&mut self.dirty) {
            let slot = &self.slots[at];
            let known = KnownJob {
                job: slot.job.clone(),
                account: self.config.account.clone(),
            };
            decision.batch.jobs.insert(slot.key, known);
        }
    }

    fn drain(&mut self, outcome: Outcome) {
        match self.mode {
            Mode::Draining(_) => {}
            Mode::Closing(ref closing) => self.mode = Mode::Draining(closing.clone()),
            Mode::Running => self.mode = Mode::Draining(outcome),
        }
    }

    /// Buys nothing more, but follows and keeps what is bought.
    fn close(&mut self, outcome: Outcome) {
        if matches!(self.mode, Mode::Running) {
            self.mode = Mode::Closing(outcome);
        }
    }

    /// Whether one more job may be bought: a place is free and the credits allow it.
    fn has_room(&self) -> bool {
        self.has_place() && self.is_affordable()
    }

    /// Whether one more task may be in flight.
    fn has_place(&self) -> bool {
        self.in_flight < self.config.concurrency
            && self.brake.allows(self.submitting, self.in_flight)
    }

    /// When the next request may be sent: `now_ms` if one may.
    fn sends_at(&self, now_ms: i64) -> i64 {
        self.gate.opens_at(now_ms).max(self.brake.opens_at(now_ms))
    }

    /// Whether the run's credits and the ledger's allow one more job.
    fn is_affordable(&self) -> bool {
        self.spent_limit().is_none()
    }

    /// The limit that does not allow one more job. What is reserved counts as spent.
    fn spent_limit(&self) -> Option<StopReason> {
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

impl Slot {
    fn holds_place(&self) -> bool {
        !self.given_up && matches!(self.job.phase, Phase::Submitting { .. } | Phase::Running(_))
    }
}

impl Stem {
    fn idle_until(&self) -> Option<i64> {
        match self.state {
            StemState::Idle { not_before_ms } => Some(not_before_ms),
            _ => None,
        }
    }
}
