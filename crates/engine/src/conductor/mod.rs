//! Decides what a run does next, without effects.
//!
//! ```text
//!  responses, polls, callbacks, timers, Ctrl-C ──Input──► Conductor ──► records (made durable first), then effects
//! ```
//!
//! The [`Conductor`] has every job of a plan and decides under the limits of the run: how many tasks are in flight, the
//! account's sliding window, the credits, the deadline. It is given the time and its inputs, and gives back what is to be
//! recorded and, once that is durable, done. It has no clock, socket or file, so a test can lead it through any order of events.
//!
//! A job whose input is the result of another one waits until that is there; see [`steps`].
//!
//! Where the plan has hooks that decide on jobs, a job that was never submitted waits for their decision before it is queued for its upload and
//! again before it is submitted; other jobs are not delayed. What a job is was decided when it was planned: its key never changes.
//!
//! Four rules come before all others:
//! - An [`Effect::Submit`] never leaves without its intent in the same decision's records.
//! - No first intent without a decision where hooks decide.
//! - A job whose response was lost gets no new attempt. The same attempt is retried, with the same token, only where the provider
//!   keeps `Idempotency-Key` promises, and once where it refuses what it has accepted before.
//! - A track's address is taken from a view of the task in this run, never from a callback or an old record.

mod admission;
mod apply;
mod brake;
mod claims;
mod doubts;
mod ending;
mod endings;
mod exchange;
mod fetches;
mod following;
mod hook_calls;
mod illegal;
mod matching;
mod polls;
mod queue;
mod recovery;
mod refusals;
mod responses;
mod sharing;
mod start;
mod stems;
mod steps;
mod submitting;
#[cfg(any(test, feature = "simulation"))]
pub(crate) mod tests;
mod timing;

use backline_api::{
    Credits, Input as OperationInput, ResponseClass, Stage, SubmitOutcome, TaskId, TaskView,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::event::{Event, KeptFile, Outcome, Part, StopReason, Token};
use crate::forecast::Missing;
use crate::gate::{Gate, Place};
use crate::hooks::{HookDecision, HookPoint, Verdict};
use crate::index::Index;
use crate::job::{Claim, Job, Phase, Step};
use crate::settings::JobKey;
use crate::store::{
    Batch, Departure, KnownJob, NewRecord, Refusal, RefusedJob, Submission, SubmissionLimits,
};

use brake::{Brake, Braking, FailureSource};
use doubts::{Repeats, Waits};
pub(crate) use exchange::{
    Cancelled, Decision, Effect, EffectError, FetchRequest, FileContent, Input, Offer, Prepared,
    Resend, ResumedInput, ResumedJob, RunConfig, StemId,
};
use following::FollowedTask;
pub use illegal::IllegalStep;
use queue::Queue;
pub(crate) use refusals::StrayTask;
pub(crate) use sharing::Over;
use sharing::Sharing;
use start::ToResume;
pub(crate) use start::response_lost;
use timing::Outage;
pub(crate) use timing::Timing;

/// Stems that are prepared at the same time: they saturate the rate limit, not the uplink.
const PREPARING_AT_ONCE: usize = 4;

/// The place of the song among the offers of a run.
pub(crate) const SONG: usize = 0;

/// One job and what this run knows of it beyond the ledger.
#[derive(Debug)]
struct JobSlot {
    key: JobKey,
    /// How far hooks have decided on it.
    hook_progress: HookProgress,
    /// Whether hooks are deciding on it, or have delayed it: it is queued again when they have decided.
    is_with_hooks: bool,
    /// How often hooks delayed it in this run.
    delays: u32,
    input: SlotInput,
    offer: usize,
    selected: bool,
    /// Whether this run may buy it.
    buys: bool,
    /// The account that it was bought with, where that is another one.
    elsewhere: Option<String>,
    job: Arc<Job>,
    /// The version that the store has once all that was decided is written.
    version: u64,
    /// Whether the job is another process's: this one does nothing for it and does not know its state.
    is_taken: bool,
    expired: bool,
    /// The next poll, or none while one is under way or none is wanted.
    poll_at: Option<i64>,
    /// When this run began to follow the task.
    followed_since_ms: i64,
    /// What polls have shown of it beyond what is recorded.
    following: FollowedTask,
    /// Refusals that were followed by another attempt in this run.
    retries: u32,
    /// Whether the provider said in this run that it gave the credits back.
    was_refunded: bool,
    /// When its last request was sent.
    sent_ms: i64,
    /// Whether this run has sent one.
    submitted: bool,
    /// The next poll of a task that callbacks claimed.
    claim_poll_at: Option<i64>,
    claim_in_poll: Option<TaskId>,
    /// Polls of the claimed task so far.
    claim_tries: u32,
    /// Claims that are left for the next run.
    claims_left: usize,
    rejections_recorded: u32,
    /// This run does nothing more for it.
    given_up: bool,
}

/// What a job processes.
#[derive(Debug, Clone, Copy)]
enum SlotInput {
    /// The recording of this stem.
    Stem(usize),
    /// The result of another job.
    Step { parent: usize, track: u32 },
}

/// How far hooks have decided on a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum HookProgress {
    /// Not at all.
    Nothing,
    /// It may be queued for its upload.
    Upload,
    /// It may be submitted.
    All,
}

/// A stem and the state of its upload.
#[derive(Debug)]
struct StemUpload {
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

/// The mode of a run.
#[derive(Debug, Clone, PartialEq)]
enum Mode {
    /// Jobs are submitted, polled and fetched.
    Running,
    /// Nothing is submitted any more; tasks are polled and fetched.
    Closing(Outcome),
    /// Nothing begins any more; effects under way are awaited.
    Draining(Outcome),
}

/// Decides what to do next.
#[derive(Debug)]
pub(crate) struct Conductor {
    config: RunConfig,
    /// When the run began.
    started_ms: i64,
    slots: Vec<JobSlot>,
    slot_of: HashMap<JobKey, usize>,
    /// Every token and task of the ledger, with its job.
    index: Index,
    stems: Vec<StemUpload>,
    stem_of: HashMap<StemId, usize>,
    /// Jobs to submit, by stem, waiting for its preparation.
    waiting: BTreeMap<usize, BTreeSet<usize>>,
    /// Jobs to submit whose input is ready.
    ready: Queue,
    /// Jobs that hooks are to decide on before they wait for their recording, in plan order.
    undecided_upload: BTreeSet<usize>,
    /// Jobs whose input is ready that hooks are to decide on before they are submitted.
    undecided_submit: Queue,
    /// Jobs that hooks have delayed, by when they are called again.
    delayed: BTreeSet<(i64, usize)>,
    /// Decisions under way.
    hook_calls: usize,
    /// Attempts to retry with the same token, by their earliest times.
    again: Repeats,
    /// Until when the callbacks of jobs in doubt are awaited.
    doubts: Waits,
    polls: BTreeSet<(i64, usize)>,
    /// Polls of tasks that callbacks claimed.
    claim_polls: BTreeSet<(i64, usize)>,
    fetches: BTreeSet<(i64, usize)>,
    gate: Gate,
    mode: Mode,
    submitting: usize,
    /// Jobs that are being submitted or run at the vendor's and are followed. A job in doubt does not count: its doubt may never end.
    in_flight: usize,
    polling: usize,
    fetching: usize,
    preparing: usize,
    /// Credits spent by this run.
    spent: Credits,
    /// Credits reserved for attempts whose outcome is open, those of earlier runs included.
    reserved: Credits,
    /// Credits that other processes have spent or reserved for the same run, as the store said last.
    spent_by_others: Credits,
    /// Polls in a row that got a 401.
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
    /// Jobs that are not resumed yet, in plan order.
    to_resume: VecDeque<ToResume>,
    /// Whether other processes carry out jobs of the run as well.
    sharing: Sharing,
    /// The first illegal step; the run ends with it.
    illegal: Option<IllegalStep>,
    /// Task ids of jobs that other processes have changed meanwhile.
    stray: Vec<StrayTask>,
}

impl Conductor {
    /// Takes in what happened. Call [`Conductor::advance`] after the last input of a batch.
    pub(crate) fn handle(&mut self, now_ms: i64, input: Input, decision: &mut Decision) {
        let Some(input) = self.of_own_jobs(input) else {
            return;
        };
        match input {
            Input::Prepared { stem, result } => {
                self.prepared(self.stem_of[&stem], now_ms, result, decision)
            }
            Input::Responded {
                job,
                attempt,
                outcome,
                written_ms,
            } => {
                let at = self.slot_of[&job];
                self.left(at, now_ms, written_ms, &outcome, decision);
                self.responded(at, now_ms, attempt, outcome, decision);
            }
            Input::Polled { job, task, result } => {
                let at = self.slot_of[&job];
                if self.is_claim_poll(at, &task) {
                    self.claim_polled(at, now_ms, &task, result, decision);
                } else {
                    self.polled(at, now_ms, &task, result, decision);
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
            Input::Cancelled(effect) => {
                let under_way = match effect {
                    Cancelled::Prepare => &mut self.preparing,
                    Cancelled::HookCalls => &mut self.hook_calls,
                    Cancelled::Poll => &mut self.polling,
                    Cancelled::Fetch => &mut self.fetching,
                };
                *under_way -= 1;
            }
        }
    }

    /// Begins whatever may begin at `now_ms`, and closes the decision. The first calls resume the jobs and begin nothing.
    pub(crate) fn advance(
        &mut self,
        now_ms: i64,
        token: &mut dyn FnMut() -> Token,
        decision: &mut Decision,
    ) {
        if self.is_resuming() {
            self.resume_some(now_ms, decision);
            self.flush_dirty(decision);
            return;
        }
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
            self.repeat_requests(now_ms, decision);
            self.submit(now_ms, token, decision);
            self.call_hooks(now_ms, decision);
            self.prepare(now_ms, decision);
        }
        if !matches!(self.mode, Mode::Draining(_)) {
            self.start_polls(now_ms, decision);
            self.start_claim_polls(now_ms, decision);
            self.fetch(now_ms, decision);
        }
        self.flush_dirty(decision);
    }

    /// The clock has jumped ahead by `jump_ms`.
    pub(crate) fn clock_jumped(&mut self, now_ms: i64, jump_ms: i64) {
        self.gate.jumped(now_ms, jump_ms);
    }

    /// Whether a task is one of a job's that this process has.
    pub(crate) fn knows_task(&self, key: &JobKey, task: &TaskId) -> bool {
        let slot = self.slot_of.get(key).map(|at| &self.slots[*at]);
        slot.is_some_and(|slot| !slot.is_taken && slot.job.task_ids().any(|known| known == task))
    }

    /// Whether the run only waits for what is under way.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.mode, Mode::Draining(_))
    }

    /// Credits that this run is known to have spent.
    pub(crate) fn spent(&self) -> Credits {
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
        self.slots.iter().map(|slot| (&slot.key, &*slot.job))
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
}

impl JobSlot {
    fn holds_place(&self) -> bool {
        !self.given_up && matches!(self.job.phase, Phase::Submitting { .. } | Phase::Running(_))
    }
}

impl StemUpload {
    fn idle_until(&self) -> Option<i64> {
        match self.state {
            StemState::Idle { not_before_ms } => Some(not_before_ms),
            _ => None,
        }
    }
}
