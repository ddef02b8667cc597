//! A job's life as a total function: `step(job, event) -> job`, or a word that the event changes nothing.
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
//! It knows no clock, file or socket, and decides nothing about *when*: that is the [`conductor`](crate::conductor)'s. Replaying
//! a job's events through it gives the job's state; that is how a ledger is checked and how reports are made. Duplicates,
//! disorder, and callbacks and polls that say the same leave a job as it is.

mod attempts;
#[cfg(test)]
mod table;
mod task;

use backline_api::{AnswerClass, Excerpt, TaskId};
use serde::{Deserialize, Serialize};

pub use self::task::{Shortfall, Task, Track, TrackLoudness, Unavailable};
use crate::event::{Event, Part, Token};
use crate::hooks::Verdict;
use crate::plan::{JobKey, Settings};
use attempts::{Why, contradicted, refused_repeat};

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
    pub credits: f64,
    /// Credits reserved for the attempt whose outcome is not known.
    pub reserved: f64,
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
    /// The job that an earlier version bought in its place.
    #[serde(rename = "changed", skip_serializing_if = "Option::is_none", default)]
    pub linked: Option<Box<Link>>,
}

/// The job that an earlier version bought in another one's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Its key.
    pub key: JobKey,
    /// What was sent.
    pub settings: Settings,
    /// Whether both are the same request under two keys; otherwise a hook had changed the settings.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_same: bool,
}

/// Claims that a job holds at the same time; another one is not acknowledged, and the provider calls again.
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
    pub credits: f64,
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
        /// Set when this request repeats an unanswered one: the time since which that one has been in doubt. No refusal of the
        /// repeat says anything about the first request; only a task id or the user settles it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        doubt_since_ms: Option<i64>,
        /// What the unreadable response to that earlier request said.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        doubt_response: Option<Excerpt>,
    },
    /// The answer was lost: it may be bought.
    InDoubt {
        /// Which attempt.
        attempt: u32,
        /// Its secret.
        token: Token,
        /// Since when, Unix time in milliseconds.
        since_ms: i64,
        /// How the answer was lost.
        message: String,
        /// What the response said, where one came that could not be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        response: Option<Excerpt>,
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
    /// A hook said no; the next run asks again.
    Vetoed {
        /// Why.
        why: String,
    },
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

    /// What `event`, recorded at `at_ms`, makes of this job. Total: every pair has an answer.
    pub fn step(&self, at_ms: i64, event: &Event) -> Step {
        let mut next = self.clone();
        match event {
            Event::Intent {
                attempt,
                token,
                credits,
            } => match &self.phase {
                Phase::Planned | Phase::Failed(_) if *attempt == self.attempts + 1 => {
                    next.attempts = *attempt;
                    next.linked = None;
                    next.reserved = *credits;
                    next.phase = Phase::Submitting {
                        attempt: *attempt,
                        token: token.clone(),
                        doubt_since_ms: None,
                        doubt_response: None,
                    };
                    Step::Changed(next)
                }
                _ => Step::Illegal,
            },
            Event::Decided { verdict, .. } => self.decided(next, verdict),
            Event::Recognized { key, settings } => {
                if !self.is_undecided() {
                    return Step::Illegal;
                }
                next.phase = Phase::Planned;
                next.linked = Some(Box::new(Link {
                    key: *key,
                    settings: (**settings).clone(),
                    is_same: true,
                }));
                if next == *self {
                    Step::Unchanged
                } else {
                    Step::Changed(next)
                }
            }
            Event::AskedAgain { attempt } => match &self.phase {
                Phase::InDoubt {
                    attempt: now,
                    token,
                    since_ms,
                    response,
                    ..
                } if now == attempt => {
                    next.phase = Phase::Submitting {
                        attempt: *attempt,
                        token: token.clone(),
                        doubt_since_ms: Some(*since_ms),
                        doubt_response: response.clone(),
                    };
                    Step::Changed(next)
                }
                _ => Step::Illegal,
            },
            Event::Accepted {
                attempt,
                task_id,
                via,
            } => self.accepted(next, at_ms, *attempt, task_id, *via),
            Event::Claimed { attempt, task_id } => self.claimed(next, at_ms, *attempt, task_id),
            Event::ClaimRejected { task_id, .. } => {
                next.claims.retain(|claim| claim.task_id != *task_id);
                if next.claims.len() == self.claims.len() {
                    return Step::Unchanged;
                }
                Step::Changed(next)
            }
            // A callback may have proved the acceptance before a refusal or a failure comes in: then it changes nothing.
            Event::Refused {
                attempt,
                class,
                code,
                message,
            } if self.is_submitting(*attempt) => {
                if next.doubt_again(&refused_repeat(*code, message), None) {
                    return Step::Changed(next);
                }
                if self.claims.iter().any(|claim| claim.attempt == *attempt) {
                    next.doubt(at_ms, &contradicted(*code, message), None);
                    return Step::Changed(next);
                }
                next.leave_unproven(Why::Refused);
                next.without_task(match class {
                    AnswerClass::RefusedJob => Phase::Failed(Failure {
                        cause: Cause::Refused,
                        code: *code,
                        message: message.clone(),
                        task_id: None,
                    }),
                    _ => Phase::Planned,
                });
                Step::Changed(next)
            }
            Event::NotSent { attempt, message } if self.is_submitting(*attempt) => {
                if !next.doubt_again(message, None) {
                    next.reserved = 0.0;
                    next.without_task(Phase::Planned);
                }
                Step::Changed(next)
            }
            Event::Lost {
                attempt,
                message,
                response,
            } if self.is_submitting(*attempt) => {
                if !next.doubt_again(message, response.as_ref()) {
                    next.doubt(at_ms, message, response.as_ref());
                }
                Step::Changed(next)
            }
            Event::NeverBought { attempt } | Event::BuyAgain { attempt }
                if self.open_attempt() == Some(*attempt) =>
            {
                next.leave_unproven(match event {
                    Event::BuyAgain { .. } => Why::BuyAgain,
                    _ => Why::NeverBought,
                });
                next.without_task(Phase::Planned);
                Step::Changed(next)
            }
            Event::Refused { attempt, .. }
            | Event::NotSent { attempt, .. }
            | Event::Lost { attempt, .. }
            | Event::NeverBought { attempt }
            | Event::BuyAgain { attempt } => {
                if *attempt <= self.attempts {
                    Step::Unchanged
                } else {
                    Step::Illegal
                }
            }
            Event::UploadFailed {
                message,
                retried: false,
                ..
            } => match &self.phase {
                Phase::Planned | Phase::Failed(_) | Phase::Vetoed { .. } => {
                    next.phase = Phase::Failed(Failure {
                        cause: Cause::Upload,
                        code: None,
                        message: message.clone(),
                        task_id: None,
                    });
                    Step::Changed(next)
                }
                _ => Step::Illegal,
            },
            Event::Stage {
                stage,
                tracks,
                placed,
            } => self.on_task(next, |task| {
                task.stage = task.stage.max(*stage);
                task.unavailable = None;
                if *placed {
                    task.take_in(tracks);
                } else {
                    task.take_in_by_id(tracks);
                }
            }),
            Event::DetailsUnavailable { message } => self.on_task(next, |task| {
                task.unavailable = Some(Box::new(Unavailable {
                    at_ms,
                    message: message.clone(),
                }));
            }),
            Event::TaskPartial {
                code,
                message,
                refunded,
            } => match &self.phase {
                Phase::Running(task) if task.tracks.iter().any(Track::is_available) => {
                    let mut task = task.clone();
                    if *refunded {
                        next.give_back(&mut task);
                    }
                    task.shortfall = Some(Box::new(Shortfall {
                        code: *code,
                        message: message.clone(),
                    }));
                    next.phase = task.phase();
                    Step::Changed(next)
                }
                Phase::Finished(_) | Phase::Kept(_) | Phase::Partial(_) | Phase::Failed(_) => {
                    Step::Unchanged
                }
                _ => Step::Illegal,
            },
            Event::TaskFailed {
                code,
                message,
                refunded,
            } => match &self.phase {
                Phase::Running(task) if task.tracks.iter().all(|track| track.kept.is_none()) => {
                    next.failed_tasks += 1;
                    // The provider may have taken the request twice: its token stays known.
                    next.unproven.push(Unproven {
                        attempt: task.attempt,
                        token: task.token.clone(),
                        credits: task.credits,
                        counted: false,
                        refused: false,
                        failed_task: Some(task.id.clone()),
                    });
                    if *refunded {
                        next.give_back(&mut task.clone());
                    }
                    next.without_task(Phase::Failed(Failure {
                        cause: if *refunded {
                            Cause::Refunded
                        } else {
                            Cause::Task
                        },
                        code: *code,
                        message: message.clone(),
                        task_id: Some(task.id.clone()),
                    }));
                    Step::Changed(next)
                }
                Phase::Finished(_) | Phase::Kept(_) | Phase::Partial(_) | Phase::Failed(_) => {
                    Step::Unchanged
                }
                _ => Step::Illegal,
            },
            Event::TrackKept { index, part, file } => self.on_track(next, *index, |track| {
                match part {
                    Part::Track => (track.kept, track.changed) = (Some(file.clone()), None),
                    Part::Mix => (track.mix, track.mix_changed) = (Some(file.clone()), None),
                }
                track.problem = None;
            }),
            Event::TrackFailed { index, message, .. } => {
                self.on_track(next, *index, |track| track.problem = Some(message.clone()))
            }
            Event::TrackMissing {
                index,
                part,
                changed,
            } => self.on_track(next, *index, |track| {
                let (kept, place, loudness) = match part {
                    Part::Track => (&mut track.kept, &mut track.changed, &mut track.loudness),
                    Part::Mix => (
                        &mut track.mix,
                        &mut track.mix_changed,
                        &mut track.mix_loudness,
                    ),
                };
                *loudness = None;
                if let Some(file) = kept.take().filter(|_| *changed) {
                    *place = Some(file.path);
                }
            }),
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

    /// What hooks decided; only on a job that was never submitted.
    fn decided(&self, mut next: Job, verdict: &Verdict) -> Step {
        if !self.is_undecided() {
            return Step::Illegal;
        }
        match verdict {
            Verdict::Pass => {
                if matches!(self.phase, Phase::Vetoed { .. }) {
                    next.phase = Phase::Planned;
                }
            }
            Verdict::Change { key, settings } => {
                next.phase = Phase::Planned;
                next.linked = Some(Box::new(Link {
                    key: *key,
                    settings: (**settings).clone(),
                    is_same: false,
                }));
            }
            Verdict::Veto { why } => {
                next.phase = Phase::Vetoed { why: why.clone() };
                next.linked = None;
            }
            Verdict::Fail { message } => {
                next.phase = Phase::Failed(Failure {
                    cause: Cause::Hook,
                    code: None,
                    message: message.clone(),
                    task_id: None,
                });
                next.linked = None;
            }
        }
        if next == *self {
            Step::Unchanged
        } else {
            Step::Changed(next)
        }
    }

    /// Whether it was never submitted, so that hooks may decide on it.
    pub(crate) fn is_undecided(&self) -> bool {
        let phase = matches!(
            self.phase,
            Phase::Planned | Phase::Failed(_) | Phase::Vetoed { .. }
        );
        phase && self.attempts == 0
    }

    /// Takes a task's credits off those spent.
    fn give_back(&mut self, task: &mut Task) {
        let credits = std::mem::take(&mut task.credits);
        self.credits = (self.credits - credits).max(0.0);
    }

    /// Changes the task; the phase follows from what it is then.
    fn on_task(&self, mut next: Job, change: impl FnOnce(&mut Task)) -> Step {
        let Some(task) = self.task() else {
            return match &self.phase {
                Phase::Failed(_) => Step::Unchanged,
                _ => Step::Illegal,
            };
        };
        let mut changed = task.clone();
        change(&mut changed);
        if changed == *task {
            return Step::Unchanged;
        }
        next.phase = changed.phase();
        Step::Changed(next)
    }

    fn on_track(&self, mut next: Job, index: u32, change: impl FnOnce(&mut Track)) -> Step {
        let Some(task) = self.task() else {
            return Step::Illegal;
        };
        let mut task = task.clone();
        let Some(track) = (index as usize)
            .checked_sub(1)
            .and_then(|at| task.tracks.get_mut(at))
        else {
            return Step::Illegal;
        };
        change(track);
        next.phase = task.phase();
        if next == *self {
            Step::Unchanged
        } else {
            Step::Changed(next)
        }
    }
}
