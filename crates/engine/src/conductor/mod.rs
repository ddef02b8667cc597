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
//! Where the plan has hooks that decide on jobs, a job that was never submitted waits for their verdict before it is lined up and
//! again before it is submitted; others go on meanwhile. A job that they change into one that is already of the plan, or already
//! bought, buys nothing.
//!
//! Four rules stand above all others:
//! - An [`Effect::Submit`] never leaves without its intent in the same decision's records.
//! - No first intent without a decision where hooks decide, and never two jobs of a run with one key.
//! - A job whose answer was lost is never submitted anew. It is asked about again, with the same token, only where the provider
//!   keeps `Idempotency-Key` promises.
//! - A track's address is taken from a view of the task in this run, never from a callback or an old record.

mod answers;
mod asking;
mod doubts;
mod exchange;
mod pace;
mod places;
mod sources;
#[cfg(test)]
mod tests;
mod tracks;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use backline_api::{AnswerClass, SubmitOutcome, TaskId, TaskView};

use crate::event::{Event, KeptFile, Outcome, Part, StopReason, Token};
use crate::gate::Gate;
use crate::hooks::{HookPoint, Verdict};
use crate::machine::{Cause, Changed, Job, Phase, Step};
use crate::plan::{JobKey, Settings};
use crate::store::{KnownJob, NewRecord};

use doubts::{Repeats, Waits};
pub(crate) use exchange::{Decision, Effect, Found, Input, Left, Prepared, Terms, Trouble, Wanted};
use pace::Outage;
pub(crate) use pace::Pace;
use tracks::Following;

/// Stems that are prepared at the same time: enough to keep the gate busy, few enough not to crowd the line.
const PREPARING_AT_ONCE: usize = 4;

/// Sums of prices such as 0.4 are not exact; a credit is a thousand times more than what this lets through.
const CREDIT_TOLERANCE: f64 = 1e-3;

/// One job and what this run knows of it beyond the ledger.
#[derive(Debug)]
struct Slot {
    /// The key that it is bought under.
    key: JobKey,
    /// Where hooks stand with it.
    asked: Asked,
    /// What hooks changed it into.
    changed: Option<Changed>,
    /// What is sent, where that is not what was planned.
    settings: Option<Arc<Settings>>,
    /// The slot of the job that it has become: that one is bought, this one buys nothing.
    same_as: Option<usize>,
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
    bounced: u32,
    /// When its last request was sent.
    sent_ms: i64,
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
    id: String,
    state: StemState,
    /// Preparations that failed since the last that did not.
    failures: u32,
    /// Whether its upload was gone once in this run, and was or is made anew.
    renewed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum StemState {
    Idle { not_before_ms: i64 },
    Preparing,
    Ready { uploaded_ms: Option<i64> },
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
    terms: Terms,
    /// When the run began.
    started_ms: i64,
    slots: Vec<Slot>,
    by_key: HashMap<JobKey, usize>,
    /// Every secret that a callback may carry, with its job and attempt.
    by_token: HashMap<Token, (usize, u32)>,
    stems: Vec<Stem>,
    /// Jobs to submit, by stem, waiting for its preparation.
    waiting: BTreeMap<usize, BTreeSet<usize>>,
    /// Jobs to submit whose stem is ready, in plan order.
    ready: BTreeSet<usize>,
    /// Jobs that hooks are to decide on before they wait for their recording, in plan order.
    unasked_upload: BTreeSet<usize>,
    /// Jobs whose stem is ready that hooks are to decide on before they are submitted, in plan order.
    unasked_submit: BTreeSet<usize>,
    /// Decisions under way.
    asking: usize,
    /// Attempts to ask about again, with the time before which that is too early.
    again: Repeats,
    /// Until when callbacks are waited for.
    doubts: Waits,
    /// The jobs that have become a job, by that job.
    joined: HashMap<usize, Vec<usize>>,
    views: BTreeSet<(i64, usize)>,
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
    /// Since when every submission was refused for the account's pace or for maintenance.
    refused_since_ms: Option<i64>,
    dirty: BTreeSet<usize>,
    /// The first step that the machine calls illegal; the run ends with it.
    illegal: Option<IllegalStep>,
}

/// An event that can't happen to its job: a bug, or a ledger that was changed by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job {job}: the event `{event}` cannot happen to a job in phase `{phase}`")]
pub struct IllegalStep {
    /// The job.
    pub job: JobKey,
    /// The phase it is in.
    pub phase: String,
    /// The event.
    pub event: String,
}

impl IllegalStep {
    fn new(job: JobKey, phase: &Phase, event: &Event) -> Self {
        Self {
            job,
            phase: tag(phase, "phase"),
            event: tag(event, "event"),
        }
    }
}

/// The name of a variant, as the ledger writes it.
fn tag(value: &impl serde::Serialize, key: &str) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json[key].as_str().unwrap_or_default().to_owned()
}

impl Conductor {
    /// A conductor for a plan's jobs. `earlier_ms` are the account's submissions of the last window.
    pub(crate) fn new(
        terms: Terms,
        stems: Vec<String>,
        wanted: Vec<Wanted>,
        earlier_ms: Vec<i64>,
        now_ms: i64,
    ) -> (Self, Decision) {
        let mut decision = Decision::default();
        let mut conductor = Self {
            gate: Gate::new(terms.rate, earlier_ms),
            stems: stems
                .into_iter()
                .map(|id| Stem {
                    id,
                    state: StemState::Idle {
                        not_before_ms: i64::MIN,
                    },
                    failures: 0,
                    renewed: false,
                })
                .collect(),
            slots: Vec::with_capacity(wanted.len()),
            by_key: HashMap::with_capacity(wanted.len()),
            by_token: HashMap::new(),
            waiting: BTreeMap::new(),
            ready: BTreeSet::new(),
            unasked_upload: BTreeSet::new(),
            unasked_submit: BTreeSet::new(),
            asking: 0,
            again: Repeats::default(),
            doubts: Waits::default(),
            joined: HashMap::new(),
            views: BTreeSet::new(),
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
            terms,
        };
        conductor.assign_keys(&wanted);
        for (at, wanted) in wanted.into_iter().enumerate() {
            let key = wanted.changed.as_ref().map_or(wanted.key, |it| it.key);
            let same_as = conductor.by_key.get(&key).copied().filter(|it| *it != at);
            let settings = wanted
                .changed
                .as_ref()
                .map(|it| Arc::new(it.settings.clone()));
            conductor.slots.push(Slot {
                key: if same_as.is_some() { wanted.key } else { key },
                asked: if wanted.job.attempts > 0 {
                    Asked::All
                } else {
                    Asked::Nothing
                },
                changed: wanted.changed,
                settings,
                same_as,
                stem: wanted.stem,
                job: wanted.job,
                expired: wanted.expired,
                view_at: None,
                followed_since_ms: now_ms,
                following: Following::default(),
                bounced: 0,
                sent_ms: now_ms,
                given_up: false,
            });
            if let Some(other) = same_as {
                conductor.joined.entry(other).or_default().push(at);
                // Its job lives in the other slot; here it is only what was planned.
                conductor.slots[at].job = Job::default();
                continue;
            }
            let tokens = conductor.slots[at].job.tokens();
            conductor
                .by_token
                .extend(tokens.map(|(attempt, token)| (token.clone(), (at, attempt))));
            conductor.reserved += conductor.slots[at].job.reserved;
            conductor.in_flight += usize::from(conductor.slots[at].holds_place());
            conductor.note_doubt(at, now_ms);
            for missing in wanted.missing {
                let event = Event::TrackMissing {
                    index: missing.index,
                    part: missing.part,
                    changed: missing.changed,
                };
                conductor.happened(at, now_ms, event, &mut decision);
            }
            conductor.take_up(at, now_ms, &mut decision);
        }
        conductor.settle(&mut decision);
        (conductor, decision)
    }

    /// Gives every key that is planned, or that a planned job was bought under, to one slot. A job that is as it was planned has
    /// the better claim to its key.
    fn assign_keys(&mut self, wanted: &[Wanted]) {
        for (at, wanted) in wanted.iter().enumerate() {
            self.by_key.insert(wanted.key, at);
        }
        for (at, wanted) in wanted.iter().enumerate() {
            if let Some(changed) = &wanted.changed {
                self.by_key.entry(changed.key).or_insert(at);
            }
        }
    }

    /// Finds a job's place from an earlier run's state.
    fn take_up(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        match self.slots[at].job.phase.clone() {
            Phase::Planned => self.want(at),
            Phase::Vetoed { .. } => {
                let decides = self.terms.asks_before_upload || self.terms.asks_before_submit;
                if self.terms.buys && !decides {
                    // Nobody objects any more.
                    let (point, verdict) = (HookPoint::BeforeSubmit, Verdict::Pass);
                    self.happened(at, now_ms, Event::Decided { point, verdict }, decision);
                }
                self.want(at);
            }
            Phase::Failed(failure) => {
                if self.may_buy_again(at, failure.cause) {
                    self.want(at);
                }
            }
            Phase::Submitting { attempt, .. } => {
                let message = "the program ended before the answer came".to_owned();
                self.happened(
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
    }

    fn may_buy_again(&self, at: usize, cause: Cause) -> bool {
        match cause {
            Cause::Task => self.slots[at].job.failed_tasks <= self.terms.retries,
            Cause::Refused | Cause::Upload | Cause::Hook | Cause::Refunded => true,
        }
    }

    /// Puts a job among those to submit.
    fn want(&mut self, at: usize) {
        if !self.terms.buys {
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
    fn unwant(&mut self, at: usize) {
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
            _ => self.want(at),
        }
    }

    /// Takes in what happened. Call [`Conductor::advance`] after the last input of a batch.
    pub(crate) fn handle(&mut self, now_ms: i64, input: Input, decision: &mut Decision) {
        match input {
            Input::Prepared { stem, result } => self.prepared(stem, now_ms, result, decision),
            Input::Answered {
                slot,
                attempt,
                outcome,
            } => self.answered(slot, now_ms, attempt, outcome, decision),
            Input::Viewed { slot, task, result } => {
                self.viewed(slot, now_ms, &task, result, decision)
            }
            Input::Called { token, task } => self.called(now_ms, &token, task, decision),
            Input::Fetched {
                slot,
                index,
                part,
                result,
            } => self.fetched(slot, now_ms, index, part, result, decision),
            Input::Decided {
                slot,
                point,
                verdict,
                known,
            } => self.decided(slot, now_ms, point, verdict, known, decision),
            Input::Noted {
                key,
                index,
                part,
                note,
            } => {
                if let Some(at) = self.slot_of(&key).filter(|at| self.has_track(*at, index)) {
                    let event = Event::TrackNoted { index, part, note };
                    self.happened(at, now_ms, event, decision);
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
            .terms
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
            self.ask(decision);
            self.prepare(now_ms, decision);
        }
        if !matches!(self.mode, Mode::Draining(_)) {
            self.view(now_ms, decision);
            self.fetch(now_ms, decision);
        }
        self.settle(decision);
    }

    /// Closes a decision after which nothing begins any more.
    pub(crate) fn close_batch(&mut self, decision: &mut Decision) {
        self.settle(decision);
    }

    /// When to call [`Conductor::advance`] next if nothing happens before; none if nothing is to come. Always later than the
    /// last [`Conductor::advance`] at `now_ms`, so that a driver that obeys never spins.
    pub(crate) fn wake_at(&self, now_ms: i64) -> Option<i64> {
        let deadline = match self.mode {
            Mode::Running | Mode::Closing(_) => self.terms.deadline_ms,
            Mode::Draining(_) => None,
        };
        self.next_step(now_ms).into_iter().chain(deadline).min()
    }

    /// When the next thing happens by itself, without a response or a callback: the one list of what keeps a run alive once
    /// nothing is under way. What is not in it (a doubt whose stem can't be prepared, a job that nothing can pay for) is left for
    /// the next run.
    fn next_step(&self, now_ms: i64) -> Option<i64> {
        let mut steps = Vec::new();
        if matches!(self.mode, Mode::Running) {
            if self.has_room() && !self.ready.is_empty() {
                steps.push(self.gate.opens_at(now_ms));
            }
            if self.has_place()
                && let Some(first) = self.first_repeat()
            {
                steps.push(self.gate.opens_at(now_ms).max(first));
            }
            if self.preparing < PREPARING_AT_ONCE {
                let wanted = self.wanted_stems();
                steps.extend(
                    wanted
                        .iter()
                        .filter_map(|stem| self.stems[*stem].idle_until()),
                );
            }
        }
        if !matches!(self.mode, Mode::Draining(_)) {
            steps.extend(self.doubts_end(now_ms));
            if self.viewing < self.polls_at_once() {
                steps.extend(self.views.first().map(|(at, _)| *at));
            }
            if self.fetching < self.terms.downloads_at_once.max(1) {
                steps.extend(self.fetches.first().map(|(at, _)| *at));
            }
        }
        steps.into_iter().min()
    }

    /// How the run ended, once nothing is under way and nothing happens by itself any more.
    pub(crate) fn outcome(&self, now_ms: i64) -> Option<Outcome> {
        if self.submitting + self.viewing + self.fetching + self.preparing + self.asking > 0 {
            return None;
        }
        match &self.mode {
            Mode::Draining(outcome) => Some(outcome.clone()),
            _ if self.next_step(now_ms).is_some() => None,
            Mode::Closing(outcome) => Some(outcome.clone()),
            Mode::Running if !self.has_nothing_to_buy() && !self.is_affordable() => {
                Some(Outcome::Stopped {
                    reason: StopReason::CreditLimit,
                })
            }
            Mode::Running => Some(self.verdict()),
        }
    }

    fn has_nothing_to_buy(&self) -> bool {
        self.ready.is_empty()
            && self.waiting.is_empty()
            && self.unasked_upload.is_empty()
            && self.unasked_submit.is_empty()
    }

    /// What the jobs add up to; one that has become another is that other.
    fn verdict(&self) -> Outcome {
        let own = || self.slots.iter().filter(|slot| slot.same_as.is_none());
        let any = |test: fn(&Phase) -> bool| own().any(|slot| test(&slot.job.phase));
        if any(|phase| matches!(phase, Phase::InDoubt { .. } | Phase::Submitting { .. })) {
            Outcome::InDoubt
        } else if any(|phase| matches!(phase, Phase::Running(_))) {
            Outcome::Stopped {
                reason: StopReason::Overdue,
            }
        } else if any(|phase| matches!(phase, Phase::Finished(_)))
            || (self.terms.buys
                && any(|phase| {
                    !matches!(
                        phase,
                        Phase::Kept(_) | Phase::Partial(_) | Phase::Vetoed { .. }
                    )
                }))
        {
            Outcome::Failed
        } else if any(|phase| matches!(phase, Phase::Partial(_))) {
            Outcome::Partial
        } else if self.terms.buys && any(|phase| matches!(phase, Phase::Vetoed { .. })) {
            Outcome::Vetoed
        } else {
            Outcome::Complete
        }
    }

    /// Whether the run only waits for what is under way.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.mode, Mode::Draining(_))
    }

    /// Whether a token belongs to an attempt of this plan.
    pub(crate) fn knows(&self, token: &Token) -> bool {
        self.by_token.contains_key(token)
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

    /// The state of a job, for tests and for the driver's checks.
    pub(crate) fn job(&self, slot: usize) -> &Job {
        &self.slots[slot].job
    }

    /// The key that a job is bought under.
    #[cfg(test)]
    pub(crate) fn key(&self, slot: usize) -> JobKey {
        self.slots[slot].key
    }

    /// What hooks have changed a job's settings into.
    pub(crate) fn changed(&self, slot: usize) -> Option<Arc<Settings>> {
        self.slots[slot].settings.clone()
    }

    /// The slot that a key is bought in, which may not be the one that planned it.
    pub(crate) fn slot_of(&self, key: &JobKey) -> Option<usize> {
        let mut at = *self.by_key.get(key)?;
        for _ in 0..self.slots.len() {
            match self.slots[at].same_as {
                Some(other) => at = other,
                None => return Some(at),
            }
        }
        None
    }

    /// Lets an event happen to a job: the machine says what it makes of it, and what changes something is recorded. Places and
    /// credits are kept in step here and nowhere else.
    fn happened(&mut self, at: usize, now_ms: i64, event: Event, decision: &mut Decision) -> bool {
        match self.slots[at].job.step(now_ms, &event) {
            Step::Changed(job) => {
                let slot = &mut self.slots[at];
                let held = slot.holds_place();
                self.spent += job.credits - slot.job.credits;
                self.reserved += job.reserved - slot.job.reserved;
                slot.job = job;
                self.in_flight =
                    self.in_flight + usize::from(slot.holds_place()) - usize::from(held);
                self.dirty.insert(at);
                self.note_doubt(at, now_ms);
                self.record(Some(self.slots[at].key), now_ms, event, decision);
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
        let (run, account) = (self.terms.run.clone(), self.terms.account.clone());
        decision.batch.events.push(NewRecord {
            at_ms,
            run,
            account,
            job,
            event,
        });
    }

    /// Hands the changed jobs over with the decision.
    fn settle(&mut self, decision: &mut Decision) {
        for at in std::mem::take(&mut self.dirty) {
            let slot = &self.slots[at];
            let known = KnownJob {
                job: slot.job.clone(),
                account: self.terms.account.clone(),
            };
            decision.batch.jobs.retain(|(key, _)| *key != slot.key);
            decision.batch.jobs.push((slot.key, known));
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
        self.in_flight < self.terms.concurrency
    }

    /// Whether the run's credits and the ledger's allow one more job. What is reserved counts as spent.
    fn is_affordable(&self) -> bool {
        let committed = self.spent + self.reserved + self.terms.price;
        let within = |limit: Option<f64>, before: f64| {
            limit.is_none_or(|limit| before + committed <= limit + CREDIT_TOLERANCE)
        };
        within(self.terms.credits, 0.0)
            && within(self.terms.ledger_credits, self.terms.spent_before)
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
