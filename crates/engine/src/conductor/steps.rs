//! Steps: jobs that process the result of another job of the run. Each waits for that result, and is submitted when it is there.
//!
//! In the plan a step follows its parent; the steps of one parent follow one another. Its input is read from the parent's state whenever it
//! is needed, so no copy of it can become outdated.

use backline_api::Source;

use super::*;
use crate::forecast::{BOUGHT_ELSEWHERE, NOT_SELECTED};
use crate::job::StepInput;

impl Conductor {
    /// The parent of a step, and which track of the song it is about; none for a song.
    pub(super) fn parent(&self, at: usize) -> Option<(usize, u32)> {
        match self.slots[at].input {
            SlotInput::Stem(_) => None,
            SlotInput::Step { parent, track } => Some((parent, track)),
        }
    }

    /// What a step processes; none for a song.
    pub(super) fn step_input(&self, at: usize) -> Option<StepInput> {
        let (parent, track) = self.parent(at)?;
        let parent = &self.slots[parent];
        let input = parent.job.input_for(self.offer(at).input, track);
        let is_sent = matches!(self.slots[at].job.phase, Phase::InDoubt { .. });
        let is_unbought = matches!(parent.job.phase, Phase::Planned | Phase::Failed(_));
        let why = match (input, parent.job.task()) {
            // A request that was sent once may be repeated even if the song has expired, unless another account bought the song.
            (StepInput::Ready(source), _) if is_sent && parent.elsewhere.is_none() => {
                return Some(StepInput::Ready(source));
            }
            (StepInput::Ready(Source::Song { .. }), _) if !parent.is_lost() => {
                return Some(StepInput::Pending);
            }
            (StepInput::Ready(source @ Source::Song { .. }), _) if parent.elsewhere.is_none() => {
                return Some(StepInput::Ready(source));
            }
            (StepInput::Ready(_), Some(task)) if parent.elsewhere.is_some() => {
                format!("task {} {BOUGHT_ELSEWHERE}", task.id)
            }
            (StepInput::Ready(_), Some(task)) if parent.expired => {
                format!("task {} is past the provider's retention", task.id)
            }
            (StepInput::Pending, _) if is_unbought && !parent.selected => NOT_SELECTED.to_owned(),
            (input, _) => return Some(input),
        };
        Some(StepInput::Missing(why))
    }

    /// The song that a job is, or is a step of, and the place of the song's track that one of the job's files belongs to; `place` is that of
    /// the file's track in the job's task.
    pub(super) fn song_place(&self, at: usize, place: usize) -> (usize, Option<usize>) {
        let Some((mut song, track)) = self.parent(at) else {
            return (at, Some(place));
        };
        while let Some((above, _)) = self.parent(song) {
            song = above;
        }
        let of_song = match (track as usize).checked_sub(1) {
            Some(of_song) => Some(of_song),
            // A recovery is about all tracks.
            None => self.recovered_place(song, at, place),
        };
        (song, of_song)
    }

    /// Whether a job only waits for another one, so that the outcome of the run counts that one alone.
    pub(super) fn waits_for_parent(&self, at: usize) -> bool {
        let slot = &self.slots[at];
        matches!(slot.job.phase, Phase::Planned | Phase::Failed(_))
            && self.step_input(at) == Some(StepInput::Pending)
    }

    /// Queues or vetoes the steps of a job that is finished or was given up.
    pub(super) fn wake_steps(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let mut next = at + 1;
        while next < self.slots.len()
            && let Some((parent, _)) = self.parent(next)
        {
            let slot = &self.slots[next];
            // One that this run has submitted waits for its own retries, and a refusal of this run's hooks stands.
            let is_decided = slot.job.attempts == 0 && slot.hook_progress != HookProgress::Nothing;
            let waits = !slot.submitted
                && match slot.job.phase {
                    Phase::Planned => true,
                    Phase::Failed(_) => self.may_be_bought(next) && !is_decided,
                    Phase::Vetoed { .. } => !is_decided,
                    _ => false,
                };
            if parent == at && waits {
                self.resume_step(next, now_ms, decision);
            }
            next += 1;
        }
    }

    /// If the input of a step is there, withdraws an earlier veto and queues the step. If it is missing, vetoes the step with the reason.
    pub(super) fn resume_step(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        if !self.slots[at].buys {
            return;
        }
        match self.step_input(at) {
            Some(StepInput::Ready(_)) => {
                if matches!(self.slots[at].job.phase, Phase::Vetoed { .. })
                    && !self.awaits_hooks(at, HookPoint::BeforeSubmit)
                {
                    let (point, verdict) = (HookPoint::BeforeSubmit, Verdict::Pass);
                    self.apply(at, now_ms, Event::Decided { point, verdict }, decision);
                }
                self.enqueue(at);
            }
            Some(StepInput::Missing(message)) => {
                self.dequeue(at);
                self.apply(at, now_ms, Event::InputMissing { message }, decision);
            }
            Some(StepInput::Pending) | None => {}
        }
    }

    /// Queues a step whose input is there.
    pub(super) fn line_up_step(&mut self, at: usize) {
        if !matches!(self.step_input(at), Some(StepInput::Ready(_))) {
            return;
        }
        let offer = self.slots[at].offer;
        if self.awaits_hooks(at, HookPoint::BeforeSubmit) {
            self.undecided_submit.insert(at, offer);
        } else {
            self.ready.insert(at, offer);
        }
    }
}
