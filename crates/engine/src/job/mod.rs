//! A job and its transitions, as a total function: `step(job, event) -> job`, or that the event changes nothing or is illegal.
//!
//! ```text
//!            Intent            Accepted           Stage(complete)        TrackKept × all
//!  Planned ─────────► Submitting ──────► Running ───────────────► Finished ───────────► Kept
//!     ▲  Refused, NotSent │  │ Lost         │ TaskFailed              ▲   TrackMissing   │
//!     └───────────────────┘  ▼              ▼                         └──────────────────┘
//!     ▲ NeverBought, BuyAgain InDoubt    Failed ──Intent──► Submitting (only when bought again on purpose)
//!     └──────────────────────┘  └─Accepted─► Running
//! ```
//!
//! Between acceptance and the end the phase is derived from what is known of the task's tracks, and from nothing else:
//!
//! | known of the task | some available track is not kept | every available track is kept |
//! |---|---|---|
//! | the vendor is at work, or a track has no address | `Running` | `Running` |
//! | `Stage(complete)`, and every track has an address | `Finished` | `Kept` |
//! | `TaskPartial`, and a track has no address or the task is not complete | `Finished` | `Partial` |
//!
//! So tracks can be kept while the task is running, in any order with polls, and a track that turns up after `TaskPartial` moves
//! the job back to `Finished` and, when that was the last one, to `Kept`. A task with an available track never fails: it ends as
//! partial, which is never bought again.
//!
//! A job that was never submitted may be decided on by hooks: it passes, is vetoed (until it is decided on again), or fails. Earlier
//! versions let hooks change it at that time into another job, and gave jobs other keys: [`Job::linked`] is the one that was bought.
//!
//! A callback that names a task is a claim, not a purchase: it is kept until the provider's own details confirm it, and a job that
//! was to be bought is in doubt as long as a claim says that it was bought already.
//!
//! A purchase that comes to light late is never lost: where nothing else was bought it becomes the job's task, else it is kept
//! beside it, among [`Job::others`].
//!
//! What the user says of an attempt in doubt can be taken back (`Reopened`) until the job is submitted again: a task that was given
//! by mistake leaves the job with all that was known of it.
//!
//! It knows no clock, file or socket, and decides nothing about *when*: that is the [`conductor`](crate::conductor)'s. Replaying
//! a job's events through it gives the job's state; that is how a ledger is checked and how reports are made. Duplicates,
//! disorder, and callbacks and polls that say the same leave a job as it is.

mod hooks;
mod input;
mod purchase;
#[cfg(test)]
pub(crate) mod table;
mod task;
mod tracks;

pub use backline_api::Credits;
use backline_api::{Excerpt, TaskId};
use serde::{Deserialize, Serialize};

pub(crate) use self::input::StepInput;
pub use self::task::{Shortfall, Task, Track, TrackLoudness, Unavailable};
use crate::event::{Event, Token};
use crate::settings::{JobKey, Settings};

/// Everything that is known of a job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Job {
    /// Where it is in its life.
    pub phase: Phase,
    /// Submissions so far, refused ones included.
    pub attempts: u32,
    /// Tasks that failed at the vendor's after being accepted.
    pub failed_tasks: u32,
    /// Credits spent on it, as far as the price is known; those given back are taken off.
    pub credits: Credits,
    /// Credits reserved for the attempt whose outcome is not known.
    pub reserved: Credits,
    /// Attempts that ended without a task that is followed: a callback may still show that one was bought. Of those that the
    /// provider refused, only the newest.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub unproven: Vec<Unproven>,
    /// Tasks that were bought for this job beside the one it follows: the user had it bought again, or the vendor took a request
    /// twice.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub others: Vec<Task>,
    /// Tasks that callbacks named and the provider's details have not confirmed yet.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub claims: Vec<Claim>,
    /// The job that an earlier version bought instead of it.
    #[serde(rename = "changed", skip_serializing_if = "Option::is_none", default)]
    pub linked: Option<Box<LinkedJob>>,
}

/// The job that an earlier version bought instead of another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkedJob {
    /// Its key.
    pub key: JobKey,
    /// What was sent.
    pub settings: Settings,
    /// Whether both are the same request under two keys; otherwise a hook had changed the settings.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_same: bool,
}

/// Claims that a job has at the same time; another one is not acknowledged, and the provider calls again.
pub const CLAIMS: usize = 4;

/// A task that a callback with an attempt's token named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Which attempt.
    pub attempt: u32,
    /// The task.
    pub task_id: TaskId,
}

/// An attempt that ended without a task that is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unproven {
    /// Which attempt.
    pub attempt: u32,
    /// Its secret.
    pub token: Token,
    /// What it would have cost.
    pub credits: Credits,
    /// Whether that is among the credits spent already.
    pub counted: bool,
    /// Whether the provider refused it, which proves that it bought nothing.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub refused: bool,
    /// The task that came of it and failed: only another one would be news.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub failed_task: Option<TaskId>,
}

/// Where a job is in its life.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Nothing is bought.
    #[default]
    Planned,
    /// An intent is recorded; the vendor may have the request.
    Submitting {
        /// Which attempt.
        attempt: u32,
        /// Its secret.
        token: Token,
        /// Set when this request repeats one without a response: the time since which that one has been in doubt. No refusal of the
        /// repeat says anything about the first request; only a task id or the user settles it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        doubt_since_ms: Option<i64>,
        /// What the unreadable response to that earlier request said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        doubt_response: Option<Excerpt>,
    },
    /// The response was lost: it may be bought.
    InDoubt {
        /// Which attempt.
        attempt: u32,
        /// Its secret.
        token: Token,
        /// Since when, Unix time in milliseconds.
        since_ms: i64,
        /// How the response was lost.
        message: String,
        /// What the response said, where one came that could not be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        response: Option<Excerpt>,
        /// Whether the request was repeated: where the provider refuses repeats, once is enough.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        repeated: bool,
    },
    /// It is bought and the vendor is at work.
    Running(Task),
    /// Every track can be fetched.
    Finished(Task),
    /// Every track is kept.
    Kept(Task),
    /// The task ended with fewer tracks than it showed, and those are kept.
    Partial(Task),
    /// It ended without tracks.
    Failed(Failure),
    /// A hook vetoed it, or what it processes is not there; the next run decides anew.
    Vetoed {
        /// Why.
        why: String,
    },
}

impl Phase {
    /// Whether nothing is bought, nothing is in doubt and no request is open.
    pub(crate) fn is_unbought(&self) -> bool {
        matches!(self, Self::Planned | Self::Failed(_) | Self::Vetoed { .. })
    }
}

/// Why a job ended without tracks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Whether the vendor refused it (nothing was bought) or made nothing of it (it was bought).
    pub cause: Cause,
    /// The vendor's code.
    pub code: Option<i64>,
    /// The vendor's words.
    pub message: String,
    /// The task, where there was one.
    pub task_id: Option<TaskId>,
}

/// Who failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The vendor refused the request: nothing was bought.
    Refused,
    /// The stem could not be uploaded: nothing was bought.
    Upload,
    /// A hook failed: nothing was bought.
    Hook,
    /// The task failed at the vendor's.
    Task,
    /// The task failed and its credits were given back.
    Refunded,
}

/// What an event did to a job.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "a step is taken apart where it is made, and most steps change the job"
)]
pub enum Step {
    /// The job is now this.
    Changed(Job),
    /// It says what was known already, or comes too late to matter.
    Unchanged,
    /// It can't happen to a job in this phase: a bug or a damaged ledger.
    Illegal,
}

impl Job {
    /// The task, in whichever phase has one.
    pub fn task(&self) -> Option<&Task> {
        match &self.phase {
            Phase::Running(task)
            | Phase::Finished(task)
            | Phase::Kept(task)
            | Phase::Partial(task) => Some(task),
            _ => None,
        }
    }

    /// Whether a run may buy it: nothing is bought yet, or what was bought failed and `retries` more purchases are allowed.
    pub fn may_be_bought(&self, retries: u32) -> bool {
        match &self.phase {
            Phase::Planned => true,
            Phase::Failed(failure) => match failure.cause {
                Cause::Refused | Cause::Upload | Cause::Hook | Cause::Refunded => true,
                Cause::Task => self.failed_tasks <= retries,
            },
            _ => false,
        }
    }

    /// The secrets of the attempts that are or may be bought.
    pub fn tokens(&self) -> impl Iterator<Item = (u32, &Token)> {
        let open = match &self.phase {
            Phase::Submitting { attempt, token, .. } | Phase::InDoubt { attempt, token, .. } => {
                Some((*attempt, token))
            }
            _ => None,
        };
        let tasks = self.task().into_iter().chain(&self.others);
        open.into_iter()
            .chain(tasks.map(|task| (task.attempt, &task.token)))
            .chain(self.unproven.iter().map(|it| (it.attempt, &it.token)))
    }

    /// What `event`, recorded at `at_ms`, makes of this job. Total: there is a step for every pair.
    pub fn step(&self, at_ms: i64, event: &Event) -> Step {
        let next = self.clone();
        match event {
            Event::Decided { verdict, .. } => self.decided(next, verdict),
            Event::Recognized { key, settings } => self.recognized(next, key, settings),
            Event::InputMissing { message } => self.without_input(next, message),
            Event::UploadFailed {
                message,
                retried: false,
                ..
            } => self.not_uploaded(next, message),
            Event::Intent {
                attempt,
                token,
                credits,
            } => self.intended(next, *attempt, token, *credits),
            Event::Repeated { attempt } => self.repeated(next, *attempt),
            Event::Accepted {
                attempt,
                task_id,
                via,
            } => self.accepted(next, at_ms, *attempt, task_id, *via),
            Event::Claimed { attempt, task_id } => self.claimed(next, at_ms, *attempt, task_id),
            Event::ClaimRejected { task_id, .. } => self.claim_rejected(next, task_id),
            Event::Refused { attempt, .. }
            | Event::NotSent { attempt, .. }
            | Event::Lost { attempt, .. }
            | Event::NeverBought { attempt }
            | Event::BuyAgain { attempt } => self.attempt_ended(next, at_ms, *attempt, event),
            Event::Reopened { attempt } => self.reopened(next, at_ms, *attempt),
            Event::Stage {
                stage,
                tracks,
                placed,
            } => self.shown(next, *stage, tracks, *placed),
            Event::DetailsUnavailable { message } => self.details_unavailable(next, at_ms, message),
            Event::TaskPartial {
                code,
                message,
                refunded,
            } => self.task_partial(next, *code, message, *refunded),
            Event::TaskFailed {
                code,
                message,
                refunded,
            } => self.task_failed(next, *code, message, *refunded),
            Event::TrackKept { index, part, file } => self.track_kept(next, *index, *part, file),
            Event::TrackHandedOver { index, part } => self.handed_over(next, *index, *part),
            Event::TrackFailed { index, message, .. } => {
                self.on_track(next, *index, |track| track.problem = Some(message.clone()))
            }
            Event::TrackMissing {
                index,
                part,
                changed,
            } => self.track_missing(next, *index, *part, *changed),
            Event::TrackNoted { index, part, note } => {
                self.on_track(next, *index, |track| track.take_note(*part, note))
            }
            Event::UploadFailed { .. }
            | Event::UploadStarted { .. }
            | Event::Uploaded { .. }
            | Event::RunStarted { .. }
            | Event::Credits { .. }
            | Event::Paused { .. }
            | Event::AccountAdopted { .. }
            | Event::HookFailed { .. }
            | Event::CallbacksRefused(_)
            | Event::RunEnded { .. } => Step::Unchanged,
        }
    }

    /// The step to `next`: unchanged if that is what the job is already.
    fn step_to(&self, next: Job) -> Step {
        if next == *self {
            Step::Unchanged
        } else {
            Step::Changed(next)
        }
    }
}
