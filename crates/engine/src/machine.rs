//! A job's life as a total function: `step(job, event) -> job`, or a word that the event changes nothing.
//!
//! ```text
//!            Intent            Accepted           Stage(complete)        TrackKept × all
//!  Planned ─────────► Submitting ──────► Running ───────────────► Finished ───────────► Kept
//!     ▲  Refused, NotSent │  │ Lost         │ TaskFailed              ▲   TrackMissing   │
//!     └───────────────────┘  ▼              ▼                         └──────────────────┘
//!     ▲   NeverBought     InDoubt        Failed ──Intent──► Submitting (only when bought again on purpose)
//!     └──────────────────────┘  └─Accepted─► Running
//! ```
//!
//! It knows no clock, file or socket, and decides nothing about *when*: that is the [`conductor`](crate::conductor)'s. Replaying
//! a job's events through it gives the job's state; that is how a ledger is checked and how reports are made. Duplicates,
//! disorder, and callbacks and polls that say the same leave a job as it is.

use backline_api::{AnswerClass, TaskId};
use serde::{Deserialize, Serialize};

use crate::event::{Event, KeptFile, Part, TaskStage, Token, TrackFacts, Via};

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
    },
    /// It is bought and the vendor is at work.
    Running(Task),
    /// Every track can be fetched.
    Finished(Task),
    /// Every track is kept.
    Kept(Task),
    /// It ended without tracks.
    Failed(Failure),
}

/// The vendor's unit of work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// The attempt that bought it.
    pub attempt: u32,
    /// That attempt's secret.
    pub token: Token,
    /// When it became known, Unix time in milliseconds.
    pub accepted_ms: i64,
    /// How it became known.
    pub via: Via,
    /// What it cost.
    pub credits: f64,
    /// How far it is.
    pub stage: TaskStage,
    /// Its tracks, in the vendor's order.
    pub tracks: Vec<Track>,
}

/// One recording of a task.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Track {
    /// What the vendor says.
    pub facts: TrackFacts,
    /// The kept accompaniment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept: Option<KeptFile>,
    /// The kept mix.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mix: Option<KeptFile>,
    /// Why it could not be fetched the last time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
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
    /// The task failed at the vendor's.
    Task,
    /// The task failed and its credits were given back.
    Refunded,
}

/// What an event did to a job.
#[derive(Debug, Clone, PartialEq)]
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
            Phase::Running(task) | Phase::Finished(task) | Phase::Kept(task) => Some(task),
            _ => None,
        }
    }

    /// The secret of the attempt that is or may be bought.
    pub fn token(&self) -> Option<&Token> {
        match &self.phase {
            Phase::Submitting { token, .. } | Phase::InDoubt { token, .. } => Some(token),
            _ => self.task().map(|task| &task.token),
        }
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
                    next.reserved = *credits;
                    next.phase = Phase::Submitting {
                        attempt: *attempt,
                        token: token.clone(),
                    };
                    Step::Changed(next)
                }
                _ => Step::Illegal,
            },
            Event::AskedAgain { attempt } => match &self.phase {
                Phase::InDoubt {
                    attempt: now,
                    token,
                    ..
                } if now == attempt => {
                    next.phase = Phase::Submitting {
                        attempt: *attempt,
                        token: token.clone(),
                    };
                    Step::Changed(next)
                }
                Phase::Submitting { attempt: now, .. } if now == attempt => Step::Unchanged,
                _ => Step::Illegal,
            },
            Event::Accepted {
                attempt,
                task_id,
                via,
            } => self.accepted(next, at_ms, *attempt, task_id, *via),
            Event::Refused {
                attempt,
                class,
                code,
                message,
            } => match self.open_attempt() {
                Some(now) if now == *attempt => {
                    next.reserved = 0.0;
                    next.phase = match class {
                        AnswerClass::RefusedJob => Phase::Failed(Failure {
                            cause: Cause::Refused,
                            code: *code,
                            message: message.clone(),
                            task_id: None,
                        }),
                        _ => Phase::Planned,
                    };
                    Step::Changed(next)
                }
                // A callback proved the acceptance before the refusal (a lie, or of another request) came in.
                _ if *attempt <= self.attempts => Step::Unchanged,
                _ => Step::Illegal,
            },
            Event::NotSent { attempt, .. } | Event::NeverBought { attempt } => {
                match self.open_attempt() {
                    Some(now) if now == *attempt => {
                        next.reserved = 0.0;
                        next.phase = Phase::Planned;
                        Step::Changed(next)
                    }
                    _ if *attempt <= self.attempts => Step::Unchanged,
                    _ => Step::Illegal,
                }
            }
            Event::Lost { attempt, message } => match &self.phase {
                Phase::Submitting {
                    attempt: now,
                    token,
                } if now == attempt => {
                    next.phase = Phase::InDoubt {
                        attempt: *attempt,
                        token: token.clone(),
                        since_ms: at_ms,
                        message: message.clone(),
                    };
                    Step::Changed(next)
                }
                _ if *attempt <= self.attempts => Step::Unchanged,
                _ => Step::Illegal,
            },
            Event::UploadFailed {
                message,
                retried: false,
                ..
            } => match &self.phase {
                Phase::Planned | Phase::Failed(_) => {
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
            Event::Stage { stage, tracks } => match &self.phase {
                Phase::Running(task) | Phase::Finished(task) | Phase::Kept(task) => {
                    let merged = task.merged(*stage, tracks);
                    if merged == *task {
                        return Step::Unchanged;
                    }
                    next.phase = merged.phase();
                    Step::Changed(next)
                }
                Phase::Failed(_) => Step::Unchanged,
                _ => Step::Illegal,
            },
            Event::TaskFailed {
                code,
                message,
                refunded,
            } => match &self.phase {
                Phase::Running(task) => {
                    next.failed_tasks += 1;
                    if *refunded {
                        next.credits = (next.credits - task.credits).max(0.0);
                    }
                    next.phase = Phase::Failed(Failure {
                        cause: if *refunded {
                            Cause::Refunded
                        } else {
                            Cause::Task
                        },
                        code: *code,
                        message: message.clone(),
                        task_id: Some(task.id.clone()),
                    });
                    Step::Changed(next)
                }
                Phase::Finished(_) | Phase::Kept(_) | Phase::Failed(_) => Step::Unchanged,
                _ => Step::Illegal,
            },
            Event::TrackKept { index, part, file } => self.on_track(next, *index, |track| {
                match part {
                    Part::Track => track.kept = Some(file.clone()),
                    Part::Mix => track.mix = Some(file.clone()),
                }
                track.problem = None;
            }),
            Event::TrackFailed { index, message, .. } => {
                self.on_track(next, *index, |track| track.problem = Some(message.clone()))
            }
            Event::TrackMissing { index, part } => {
                self.on_track(next, *index, |track| match part {
                    Part::Track => track.kept = None,
                    Part::Mix => track.mix = None,
                })
            }
            Event::UploadFailed { .. }
            | Event::UploadStarted { .. }
            | Event::Uploaded { .. }
            | Event::RunStarted { .. }
            | Event::Credits { .. }
            | Event::Paused { .. }
            | Event::RunEnded { .. } => Step::Unchanged,
        }
    }

    /// The attempt whose outcome is open.
    fn open_attempt(&self) -> Option<u32> {
        match &self.phase {
            Phase::Submitting { attempt, .. } | Phase::InDoubt { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    fn accepted(
        &self,
        mut next: Job,
        at_ms: i64,
        attempt: u32,
        task_id: &TaskId,
        via: Via,
    ) -> Step {
        match &self.phase {
            Phase::Submitting {
                attempt: now,
                token,
            }
            | Phase::InDoubt {
                attempt: now,
                token,
                ..
            } if *now == attempt => {
                next.credits += self.reserved;
                next.reserved = 0.0;
                next.phase = Phase::Running(Task {
                    id: task_id.clone(),
                    attempt,
                    token: token.clone(),
                    accepted_ms: at_ms,
                    via,
                    credits: self.reserved,
                    stage: TaskStage::Pending,
                    tracks: Vec::new(),
                });
                Step::Changed(next)
            }
            _ if attempt <= self.attempts && attempt > 0 => Step::Unchanged,
            _ => Step::Illegal,
        }
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

impl Task {
    /// This task with what a poll or a callback says: stages only go forward, a track that is known never loses a field.
    fn merged(&self, stage: TaskStage, tracks: &[TrackFacts]) -> Task {
        let mut task = self.clone();
        task.stage = task.stage.max(stage);
        for (at, facts) in tracks.iter().enumerate() {
            let known = task
                .tracks
                .iter()
                .position(|track| !facts.id.is_empty() && track.facts.id == facts.id)
                .or_else(|| {
                    (at < task.tracks.len() && task.tracks[at].facts.id.is_empty()).then_some(at)
                });
            match known {
                Some(at) => task.tracks[at].facts.take_in(facts),
                None => task.tracks.push(Track {
                    facts: facts.clone(),
                    ..Track::default()
                }),
            }
        }
        task
    }

    /// The phase that a bought job is in by what is known of its task: every track can be fetched, or is kept, or not yet.
    fn phase(self) -> Phase {
        let complete = self.stage == TaskStage::Complete
            && !self.tracks.is_empty()
            && self
                .tracks
                .iter()
                .all(|track| track.facts.audio_url.is_some());
        if !complete {
            Phase::Running(self)
        } else if self.tracks.iter().all(Track::is_kept) {
            Phase::Kept(self)
        } else {
            Phase::Finished(self)
        }
    }
}

impl Track {
    /// Whether every file that the provider makes of it is kept.
    pub fn is_kept(&self) -> bool {
        self.kept.is_some() && (self.facts.mix_url.is_none() || self.mix.is_some())
    }

    /// The files that are still to be fetched.
    pub fn wanted(&self) -> impl Iterator<Item = Part> + use<> {
        let track = self.kept.is_none().then_some(Part::Track);
        let mix = (self.facts.mix_url.is_some() && self.mix.is_none()).then_some(Part::Mix);
        track.into_iter().chain(mix)
    }
}

impl TrackFacts {
    fn take_in(&mut self, newer: &TrackFacts) {
        fn newest<T: Clone>(old: &mut Option<T>, new: &Option<T>) {
            if new.is_some() {
                old.clone_from(new);
            }
        }
        if !newer.id.is_empty() {
            self.id.clone_from(&newer.id);
        }
        if !newer.title.is_empty() {
            self.title.clone_from(&newer.title);
        }
        newest(&mut self.audio_url, &newer.audio_url);
        newest(&mut self.stream_url, &newer.stream_url);
        newest(&mut self.image_url, &newer.image_url);
        newest(&mut self.mix_url, &newer.mix_url);
        newest(&mut self.duration_s, &newer.duration_s);
        newest(&mut self.created_ms, &newer.created_ms);
    }
}
