//! Following what is bought: looking at tasks, fetching tracks.

use super::answers::millis;
use super::*;
use crate::event::{TaskStage, TrackFacts};
use backline_api::{Stage, redact_url};

/// Fetches of one job's files that one run lets fail, each after a new look at the task.
const FETCHES: u32 = 5;

impl Conductor {
    /// Plans the next look at a task.
    pub(super) fn look(&mut self, at: usize, at_ms: i64) {
        if let Some(old) = self.slots[at].view_at.replace(at_ms) {
            self.views.remove(&(old, at));
        }
        self.views.insert((at_ms, at));
    }

    /// Begins the looks that are due.
    pub(super) fn view(&mut self, now_ms: i64, decision: &mut Decision) {
        while self.viewing < VIEWING_AT_ONCE {
            let Some(&(due, at)) = self.views.first() else {
                return;
            };
            if due > now_ms {
                return;
            }
            self.views.pop_first();
            self.slots[at].view_at = None;
            if let Some(task) = self.slots[at].job.task() {
                decision.effects.push(Effect::View {
                    slot: at,
                    task: task.id.clone(),
                });
                self.viewing += 1;
            }
        }
    }

    pub(super) fn viewed(
        &mut self,
        at: usize,
        now_ms: i64,
        task: &TaskId,
        result: Result<TaskView, Trouble>,
        decision: &mut Decision,
    ) {
        self.viewing -= 1;
        if self.slots[at]
            .job
            .task()
            .is_none_or(|known| known.id != *task)
        {
            return;
        }
        match result {
            Ok(view) => {
                self.reached();
                self.slots[at].views_failed = 0;
                self.seen(at, now_ms, view, decision);
            }
            Err(trouble) => {
                self.slots[at].views_failed += 1;
                match trouble.class {
                    AnswerClass::RefusedRun => {
                        let message = trouble.message.clone();
                        self.drain(Outcome::Refused {
                            code: trouble.code,
                            class: trouble.class,
                            message,
                        });
                    }
                    AnswerClass::NotSent => {
                        self.out_of_reach(now_ms, now_ms, &trouble.message, decision);
                    }
                    _ => {}
                }
                let wait = self
                    .terms
                    .pace
                    .backoff_ms(self.slots[at].views_failed, at as u64);
                let wait = wait
                    .max(self.terms.pace.view_ms.min(5_000))
                    .max(millis(trouble.retry_after_ms));
                self.look_unless_overdue(at, now_ms, now_ms + wait);
            }
        }
    }

    /// What a look has shown.
    fn seen(&mut self, at: usize, now_ms: i64, view: TaskView, decision: &mut Decision) {
        let stage = match view.stage {
            Stage::Failed {
                code,
                message,
                refunded,
            } => {
                let event = Event::TaskFailed {
                    code,
                    message,
                    refunded,
                };
                if self.happened(at, now_ms, event, decision) {
                    self.after_failed_task(at, now_ms, refunded);
                }
                return;
            }
            Stage::Unknown | Stage::Pending => TaskStage::Pending,
            Stage::Text => TaskStage::Text,
            Stage::First => TaskStage::First,
            Stage::Complete => TaskStage::Complete,
        };
        let facts: Vec<TrackFacts> = view.tracks.iter().map(facts).collect();
        self.happened(
            at,
            now_ms,
            Event::Stage {
                stage,
                tracks: facts,
            },
            decision,
        );
        self.note_addresses(at, &view);
        match &self.slots[at].job.phase {
            Phase::Running(_) => {
                self.look_unless_overdue(at, now_ms, now_ms + self.terms.pace.view_ms)
            }
            Phase::Finished(_) => {
                self.fetches.insert((now_ms, at));
            }
            _ => {}
        }
    }

    /// Buys a failed job again where that is wanted, or follows another task that was bought for it.
    fn after_failed_task(&mut self, at: usize, now_ms: i64, refunded: bool) {
        let cause = if refunded {
            Cause::Refunded
        } else {
            Cause::Task
        };
        if self.slots[at].job.task().is_some() {
            self.slots[at].followed_since_ms = now_ms;
            self.look(at, now_ms);
        } else if self.may_buy_again(at, cause) && self.bounce(at) {
            self.want(at);
        }
    }

    fn note_addresses(&mut self, at: usize, view: &TaskView) {
        let Some(task) = self.slots[at].job.task() else {
            return;
        };
        let mut addresses = BTreeMap::new();
        for (index, known) in (1..).zip(&task.tracks) {
            let Some(track) = view.tracks.iter().find(|track| track.id == known.facts.id) else {
                continue;
            };
            addresses.extend(
                track
                    .audio_url
                    .clone()
                    .map(|url| ((index, Part::Track), url)),
            );
            addresses.extend(
                track
                    .mix_audio_url
                    .clone()
                    .map(|url| ((index, Part::Mix), url)),
            );
        }
        self.slots[at].addresses = addresses;
    }

    /// Plans the next look, unless this run has followed the task for as long as it may: then its id is kept for the next run.
    fn look_unless_overdue(&mut self, at: usize, now_ms: i64, at_ms: i64) {
        if now_ms - self.slots[at].followed_since_ms < self.terms.pace.follow_ms {
            self.look(at, at_ms);
        } else {
            self.give_up(at);
        }
    }

    /// Begins the fetches that are due.
    pub(super) fn fetch(&mut self, now_ms: i64, decision: &mut Decision) {
        while self.fetching < FETCHING_AT_ONCE {
            let Some(&(due, at)) = self.fetches.first() else {
                return;
            };
            if due > now_ms {
                return;
            }
            let Some((index, part)) = self.next_part(at) else {
                self.fetches.pop_first();
                continue;
            };
            let Some(url) = self.slots[at].addresses.get(&(index, part)).cloned() else {
                // The address of an earlier look may be dead by now: look again, fetch then.
                self.fetches.pop_first();
                self.look_unless_overdue(at, now_ms, now_ms + self.terms.pace.view_ms);
                continue;
            };
            let track = self.slots[at]
                .job
                .task()
                .and_then(|task| task.tracks.get(index as usize - 1));
            let duration_s = track.and_then(|track| track.facts.duration_s);
            self.slots[at].fetching.insert((index, part));
            self.fetching += 1;
            decision.effects.push(Effect::Fetch {
                slot: at,
                index,
                part,
                url,
                duration_s,
            });
        }
    }

    /// A file of this job that is wanted and not being fetched.
    fn next_part(&self, at: usize) -> Option<(u32, Part)> {
        let Phase::Finished(task) = &self.slots[at].job.phase else {
            return None;
        };
        let wanted = (1..)
            .zip(&task.tracks)
            .flat_map(|(index, track)| track.wanted().map(move |part| (index, part)));
        wanted
            .into_iter()
            .find(|file| !self.slots[at].fetching.contains(file))
    }

    pub(super) fn fetched(
        &mut self,
        at: usize,
        now_ms: i64,
        index: u32,
        part: Part,
        result: Result<KeptFile, Trouble>,
        decision: &mut Decision,
    ) {
        self.fetching -= 1;
        self.slots[at].fetching.remove(&(index, part));
        match result {
            Ok(file) => {
                self.reached();
                self.happened(at, now_ms, Event::TrackKept { index, part, file }, decision);
            }
            Err(trouble) => {
                self.slots[at].fetches_failed += 1;
                let tries = self.slots[at].fetches_failed;
                let retried = trouble.passing && tries < FETCHES && !self.slots[at].expired;
                let event = Event::TrackFailed {
                    index,
                    part,
                    message: trouble.message,
                    retried,
                };
                self.happened(at, now_ms, event, decision);
                self.fetches.retain(|(_, fetching)| *fetching != at);
                if retried {
                    // A dead address may have a successor: look before the next try.
                    let wait = self.terms.pace.backoff_ms(tries, at as u64);
                    let wait = wait.max(millis(trouble.retry_after_ms));
                    self.look_unless_overdue(at, now_ms, now_ms + wait);
                } else {
                    self.give_up(at);
                }
            }
        }
    }
}

fn facts(track: &backline_api::Track) -> TrackFacts {
    let shown = |url: &Option<String>| url.as_deref().map(redact_url);
    TrackFacts {
        id: track.id.clone(),
        audio_url: shown(&track.audio_url),
        stream_url: shown(&track.stream_audio_url),
        image_url: shown(&track.image_url),
        mix_url: shown(&track.mix_audio_url),
        title: track.title.clone().unwrap_or_default(),
        duration_s: track.duration_s,
        created_ms: track.created_ms,
    }
}
