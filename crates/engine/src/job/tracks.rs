//! What polls and downloads make of a job's task and its tracks.

use std::sync::Arc;

use super::{Cause, Failure, Job, Phase, Shortfall, Step, Task, Track, Unavailable, Unproven};
use crate::event::{KeptFile, Part, TaskStage, TrackFacts};

impl Job {
    /// Takes in a poll.
    pub(super) fn shown(
        &self,
        next: Job,
        stage: TaskStage,
        tracks: &[TrackFacts],
        placed: bool,
    ) -> Step {
        self.on_task(next, |task| {
            task.stage = task.stage.max(stage);
            task.unavailable = None;
            if placed {
                task.take_in(tracks);
            } else {
                task.take_in_by_id(tracks);
            }
        })
    }

    /// Notes that the task's details can't be read.
    pub(super) fn details_unavailable(&self, next: Job, at_ms: i64, message: &str) -> Step {
        self.on_task(next, |task| {
            task.unavailable = Some(Box::new(Unavailable {
                at_ms,
                message: message.to_owned(),
            }));
        })
    }

    /// Ends the task with the tracks that it has.
    pub(super) fn task_partial(
        &self,
        mut next: Job,
        code: Option<i64>,
        message: &str,
        refunded: bool,
    ) -> Step {
        match &self.phase {
            Phase::Running(task) if task.tracks.iter().any(Track::is_available) => {
                let mut task = task.clone();
                if refunded {
                    next.give_back(&mut task);
                }
                task.shortfall = Some(Box::new(Shortfall {
                    code,
                    message: message.to_owned(),
                }));
                next.phase = task.phase();
                Step::Changed(next)
            }
            _ => self.already_ended(),
        }
    }

    /// Ends the task without tracks.
    pub(super) fn task_failed(
        &self,
        mut next: Job,
        code: Option<i64>,
        message: &str,
        refunded: bool,
    ) -> Step {
        match &self.phase {
            Phase::Running(task) if task.tracks.iter().all(Track::has_no_file) => {
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
                if refunded {
                    next.give_back(&mut task.clone());
                }
                next.without_task(Phase::Failed(Failure {
                    cause: if refunded {
                        Cause::Refunded
                    } else {
                        Cause::Task
                    },
                    code,
                    message: message.to_owned(),
                    task_id: Some(task.id.clone()),
                }));
                Step::Changed(next)
            }
            _ => self.already_ended(),
        }
    }

    /// The step of a task's end that comes when the job has ended already.
    fn already_ended(&self) -> Step {
        match &self.phase {
            Phase::Finished(_) | Phase::Kept(_) | Phase::Partial(_) | Phase::Failed(_) => {
                Step::Unchanged
            }
            _ => Step::Illegal,
        }
    }

    /// Takes in a file that was kept.
    pub(super) fn track_kept(&self, next: Job, index: u32, part: Part, file: &KeptFile) -> Step {
        self.on_track(next, index, |track| {
            match part {
                Part::Track => (track.kept, track.changed) = (Some(Arc::new(file.clone())), None),
                Part::Mix => (track.mix, track.mix_changed) = (Some(Arc::new(file.clone())), None),
            }
            track.problem = None;
        })
    }

    /// Takes in that a file was handed over to the song that it is a file of.
    pub(super) fn handed_over(&self, next: Job, index: u32, part: Part) -> Step {
        self.on_track(next, index, |track| {
            if !track.handed_over.contains(&part) {
                track.handed_over.push(part);
            }
            track.problem = None;
        })
    }

    /// Takes in that a kept file is gone from disk, or was changed there.
    pub(super) fn track_missing(&self, next: Job, index: u32, part: Part, changed: bool) -> Step {
        self.on_track(next, index, |track| {
            let (kept, place, loudness) = match part {
                Part::Track => (&mut track.kept, &mut track.changed, &mut track.loudness),
                Part::Mix => (
                    &mut track.mix,
                    &mut track.mix_changed,
                    &mut track.mix_loudness,
                ),
            };
            *loudness = None;
            track.handed_over.retain(|it| *it != part);
            if let Some(file) = kept.take().filter(|_| changed) {
                *place = Some(file.path.clone());
            }
        })
    }

    /// Takes a task's credits off those spent.
    fn give_back(&mut self, task: &mut Task) {
        let credits = std::mem::take(&mut task.credits);
        self.credits = self.credits.less(credits);
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

    /// Changes a track, counted from 1.
    pub(super) fn on_track(
        &self,
        mut next: Job,
        index: u32,
        change: impl FnOnce(&mut Track),
    ) -> Step {
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
        self.step_to(next)
    }
}
