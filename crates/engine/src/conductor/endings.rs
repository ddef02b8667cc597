//! The end of a task: when a terminal status is final, and the phase that follows from it.

use backline_api::Stage;

use super::following::ReportedEnd;
use super::*;

/// Polls in a row that must agree before a failure is final.
const AGREEING_POLLS: u32 = 2;

/// How the vendor says that a task ended.
pub(super) struct TaskEnd {
    pub(super) code: Option<i64>,
    pub(super) message: String,
    pub(super) refunded: bool,
    /// Whether what is missing may still come.
    pub(super) may_come: bool,
}

impl Conductor {
    /// Tracks of the job's task that have an address or are kept.
    pub(super) fn available(&self, at: usize) -> usize {
        let task = self.slots[at].job.task();
        task.map_or(0, |task| {
            task.tracks
                .iter()
                .filter(|track| track.is_available())
                .count()
        })
    }

    /// How the vendor says that a running task ended; none where it says that it is at work.
    pub(super) fn end_of(&self, at: usize, stage: Stage) -> Option<TaskEnd> {
        let tracks = self.slots[at]
            .job
            .task()
            .map_or(0, |task| task.tracks.len());
        let may_come = tracks > 0 || matches!(stage, Stage::Incomplete { .. });
        match stage {
            Stage::Incomplete {
                code,
                message,
                refunded,
            }
            | Stage::Failed {
                code,
                message,
                refunded,
            } => Some(TaskEnd {
                code,
                message,
                refunded,
                may_come,
            }),
            Stage::Complete => Some(TaskEnd {
                code: None,
                message: format!(
                    "the provider finished the task with {} of {} tracks",
                    self.available(at),
                    tracks.max(self.offer(at).tracks)
                ),
                refunded: false,
                may_come: true,
            }),
            Stage::Unknown | Stage::Pending | Stage::Text | Stage::First => None,
        }
    }

    /// Handles a terminal status of a running task. It is final after enough polls that agree and a grace period.
    pub(super) fn ending(
        &mut self,
        at: usize,
        now_ms: i64,
        end: TaskEnd,
        appeared: bool,
        decision: &mut Decision,
    ) {
        let begun = ReportedEnd {
            since_ms: now_ms,
            polls: 0,
        };
        let slot = &mut self.slots[at];
        let ending = slot.following.ending.get_or_insert(begun);
        if appeared {
            *ending = begun;
        }
        ending.polls += 1;
        let grace_ms = if end.may_come {
            self.config.timing.grace_ms
        } else {
            0
        };
        let is_final = ending.polls >= AGREEING_POLLS && now_ms - ending.since_ms >= grace_ms;
        if is_final {
            self.ended(at, now_ms, end, decision);
        } else {
            self.schedule_poll(at, now_ms + self.config.timing.poll_ms);
        }
    }

    /// Ends a running task: as partial where a track is available, else as failed.
    pub(super) fn ended(&mut self, at: usize, now_ms: i64, end: TaskEnd, decision: &mut Decision) {
        let TaskEnd {
            code,
            message,
            refunded,
            ..
        } = end;
        if code.is_some_and(|code| self.config.source_gone.contains(&code)) {
            self.forget_source_of(at, now_ms, decision);
        }
        if self.available(at) > 0 {
            let event = Event::TaskPartial {
                code,
                message,
                refunded,
            };
            self.apply(at, now_ms, event, decision);
            self.forget_failed_rounds(at);
            self.go_on_fetching(at, now_ms, now_ms, decision);
            return;
        }
        let event = Event::TaskFailed {
            code,
            message,
            refunded,
        };
        if self.apply(at, now_ms, event, decision) {
            self.after_failed_task(at, now_ms, refunded);
        }
    }

    /// Buys a failed job again where that is wanted, or follows another task that was bought for it.
    ///
    /// A refund can't be verified but by the balance, so a run buys a job at most once more for one.
    pub(super) fn after_failed_task(&mut self, at: usize, now_ms: i64, refunded: bool) {
        let slot = &mut self.slots[at];
        slot.following = FollowedTask::default();
        let again = !refunded || !std::mem::replace(&mut slot.was_refunded, true);
        if slot.job.task().is_some() {
            self.follow(at, now_ms, now_ms);
        } else if again && self.may_be_bought(at) && self.count_retry(at) {
            self.enqueue(at);
        }
    }

    /// Plans the next poll, unless this run has followed the task for as long as it may: then it ends as partial where tracks have
    /// been shown, and otherwise its id is kept for the next run. One whose results have expired at the vendor's is polled once.
    pub(super) fn schedule_poll_unless_overdue(
        &mut self,
        at: usize,
        now_ms: i64,
        at_ms: i64,
        decision: &mut Decision,
    ) {
        let slot = &self.slots[at];
        let overdue = now_ms - slot.followed_since_ms >= self.config.timing.follow_ms;
        let running = matches!(slot.job.phase, Phase::Running(_));
        // Failed polls are no terminal status.
        let silent = slot.following.silence.is_some();
        let over = overdue || (slot.expired && running && !silent);
        if over && running && !silent && self.available(at) > 0 {
            let end = TaskEnd {
                code: None,
                message: format!(
                    "the provider has shown {} of {} tracks, and no more for too long",
                    self.available(at),
                    slot.job.task().map_or(0, |task| task.tracks.len())
                ),
                refunded: false,
                may_come: false,
            };
            self.ended(at, now_ms, end, decision);
        } else if over {
            self.give_up(at, now_ms, decision);
        } else {
            self.schedule_poll(at, at_ms);
        }
    }
}
