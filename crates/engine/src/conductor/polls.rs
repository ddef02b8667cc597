//! Polls: which tasks are due, and what a response says of a task and its tracks.

use backline_api::redact_url;

use super::following::Silence;
use super::matching::{TrackMatch, match_tracks, matched_facts};
use super::responses::millis;
use super::*;
use crate::event::{TaskStage, TrackFacts};

/// Polls in a row that must tell nothing before it is recorded, and how many [`Timing::poll_ms`] they must span: one bad minute of a
/// vendor is not worth a line for each of a thousand tasks.
const SILENT_POLLS: u32 = 3;

const SILENT_INTERVALS: i64 = 2;

/// Polls in a row, of whichever tasks, that must get a 401 before the key is taken to be invalid.
const UNAUTHORIZED_POLLS: u32 = 3;

/// Fewest polls at once that a provider's bound and the number of tasks are scaled to: as many as the smallest runs profit from.
const FEWEST_POLLS_AT_ONCE: usize = 16;

/// The time that half of a poll's interval is divided by: a vendor that responds within it is polled in time however many tasks
/// there are, as long as the provider's bound allows it.
const POLL_LATENCY_MS: usize = 250;

/// Tracks of a task that are always taken in, however few its provider makes: twice what any is known to make.
const LEAST_SHOWN: usize = 4;

impl Conductor {
    /// Polls that may be under way at the same time: as many as poll each followed task within half an interval, up
    /// to the provider's bound.
    pub(super) fn polls_at_once(&self) -> usize {
        let followed = self.polls.len() + self.polling;
        let half_ms = usize::try_from(self.config.timing.poll_ms / 2).unwrap_or(0);
        let needed = (followed * POLL_LATENCY_MS).div_ceil(half_ms.max(1));
        needed
            .max(FEWEST_POLLS_AT_ONCE)
            .min(self.config.polls_at_once)
            .max(1)
    }

    /// Begins the polls that are due.
    pub(super) fn start_polls(&mut self, now_ms: i64, decision: &mut Decision) {
        let at_once = self.polls_at_once();
        while self.polling < at_once {
            let Some(&(due, at)) = self.polls.first() else {
                return;
            };
            if due > now_ms {
                return;
            }
            self.polls.pop_first();
            self.slots[at].poll_at = None;
            if let Some(task) = self.slots[at].job.task() {
                decision.effects.push(Effect::Poll {
                    job: self.slots[at].key,
                    task: task.id.clone(),
                });
                self.polling += 1;
            }
        }
    }

    pub(super) fn polled(
        &mut self,
        at: usize,
        now_ms: i64,
        task: &TaskId,
        result: Result<TaskView, EffectError>,
        decision: &mut Decision,
    ) {
        self.polling -= 1;
        if result.is_ok() {
            self.reached();
            self.unauthorized = 0;
        }
        if self.slots[at]
            .job
            .task()
            .is_none_or(|known| known.id != *task)
        {
            return;
        }
        match result {
            Ok(view) if view.stage == Stage::Unknown => {
                let message = format!("the provider knows no task {task}");
                if self.slots[at].expired {
                    // It has deleted the task.
                    self.apply(at, now_ms, Event::DetailsUnavailable { message }, decision);
                    self.give_up(at, now_ms, decision);
                } else {
                    self.silent(at, now_ms, message, 0, decision);
                }
            }
            Ok(view) => {
                self.slots[at].following.silence = None;
                self.seen(at, now_ms, view, decision);
            }
            Err(error) => {
                match (error.class, error.code) {
                    // The one response that speaks of the account. Any other code speaks of this task, or of nothing.
                    (ResponseClass::RefusedRun, Some(401)) => {
                        self.unauthorized += 1;
                        if self.unauthorized >= UNAUTHORIZED_POLLS {
                            self.drain(Outcome::Refused {
                                code: error.code,
                                class: error.class,
                                message: error.message.clone(),
                            });
                        }
                    }
                    (ResponseClass::NotSent, _) => {
                        self.out_of_reach(now_ms, now_ms, &error.message, decision);
                    }
                    _ => {}
                }
                let wait = millis(error.retry_after_ms);
                self.silent(at, now_ms, error.message, wait, decision);
            }
        }
    }

    /// Applies a poll that showed nothing of its task.
    pub(super) fn silent(
        &mut self,
        at: usize,
        now_ms: i64,
        message: String,
        wait_ms: i64,
        decision: &mut Decision,
    ) {
        let poll_ms = self.config.timing.poll_ms;
        let silence = self.slots[at].following.silence.get_or_insert(Silence {
            since_ms: now_ms,
            polls: 0,
            recorded: false,
        });
        silence.polls += 1;
        let polls = silence.polls;
        let lasts =
            polls >= SILENT_POLLS && now_ms - silence.since_ms >= SILENT_INTERVALS * poll_ms;
        if lasts && !silence.recorded {
            silence.recorded = true;
            self.apply(at, now_ms, Event::DetailsUnavailable { message }, decision);
        }
        if matches!(self.slots[at].job.phase, Phase::Partial(_)) {
            return; // it was polled once more, and nothing has changed
        }
        let wait = self.config.timing.backoff_ms(polls, at as u64);
        let wait = wait.max(poll_ms.min(5_000)).max(wait_ms);
        self.schedule_poll_unless_overdue(at, now_ms, now_ms + wait, decision);
    }

    /// What a poll has shown.
    pub(super) fn seen(
        &mut self,
        at: usize,
        now_ms: i64,
        mut view: TaskView,
        decision: &mut Decision,
    ) {
        // A vendor that shows ever more tracks would fill the disk.
        if let songs @ 1.. = self.offer(at).tracks {
            view.tracks.truncate((2 * songs).max(LEAST_SHOWN));
        }
        forget_repeated_addresses(&mut view.tracks);
        let was_running = matches!(self.slots[at].job.phase, Phase::Running(_));
        let before = self.available(at);
        let stage = match &view.stage {
            Stage::Unknown | Stage::Pending => TaskStage::Pending,
            Stage::Text => TaskStage::Text,
            Stage::First => TaskStage::First,
            Stage::Complete if self.is_short(at, view.tracks.len()) => reached_by(&view.tracks),
            Stage::Complete => TaskStage::Complete,
            Stage::Incomplete { .. } | Stage::Failed { .. } => reached_by(&view.tracks),
        };
        self.take_in(at, now_ms, stage, &view, decision);
        if !matches!(self.slots[at].job.phase, Phase::Running(_)) {
            self.slots[at].following.ending = None;
            if was_running {
                self.forget_failed_rounds(at);
            }
        } else if let Some(end) = self.end_of(at, view.stage) {
            let appeared = self.available(at) > before;
            self.ending(at, now_ms, end, appeared, decision);
        } else {
            self.slots[at].following.ending = None;
            let next_ms = now_ms + self.config.timing.poll_ms;
            self.schedule_poll_unless_overdue(at, now_ms, next_ms, decision);
        }
        self.go_on_fetching(at, now_ms, now_ms + self.config.timing.poll_ms, decision);
    }

    /// Whether a task that is reported as complete with `shown` tracks has fewer than a task makes: another one may still come.
    fn is_short(&self, at: usize, shown: usize) -> bool {
        let known = self.slots[at]
            .job
            .task()
            .map_or(0, |task| task.tracks.len());
        known.max(shown) < self.offer(at).tracks
    }

    /// Records what a poll shows of the tracks, and notes where their files are.
    pub(super) fn take_in(
        &mut self,
        at: usize,
        now_ms: i64,
        stage: TaskStage,
        view: &TaskView,
        decision: &mut Decision,
    ) {
        let shown: Vec<TrackFacts> = view.tracks.iter().map(facts).collect();
        let slot = &self.slots[at];
        let known = slot.job.task().map_or(&[][..], |task| &task.tracks);
        let is_settled = |place: usize| {
            let fetching = |part| {
                let file = (place as u32 + 1, part);
                let fetch = slot.following.fetches.get(&file);
                fetch.is_some_and(|fetch| fetch.under_way)
            };
            let track = &known[place];
            track.kept.is_some()
                || track.mix.is_some()
                || fetching(Part::Track)
                || fetching(Part::Mix)
        };
        let matches = match_tracks(known, &shown, &is_settled);
        let tracks = matched_facts(known, &shown, &matches, &is_settled);
        let event = Event::Stage {
            stage,
            tracks,
            placed: true,
        };
        self.apply(at, now_ms, event, decision);
        self.drop_short_files(at, now_ms, decision);
        self.show_song(at, now_ms, stage, view, decision);
        for (track, matched) in view.tracks.iter().zip(matches) {
            let (TrackMatch::Known(at_task) | TrackMatch::New(at_task)) = matched else {
                continue;
            };
            let index = at_task as u32 + 1;
            let urls = track
                .audio_urls()
                .map(|url| FileContent::Url(url.to_owned()));
            let notes = track.notes.iter().cloned().map(FileContent::Notes);
            self.note_contents(at, (index, Part::Track), urls.chain(notes).collect());
            let mix = track.mix_audio_url.iter().cloned().map(FileContent::Url);
            self.note_contents(at, (index, Part::Mix), mix.collect());
        }
    }

    /// Fetches again what was kept while the vendor was still at work on it: by what the vendor says now, the file is too short.
    fn drop_short_files(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let tracks = self.slots[at]
            .job
            .task()
            .map_or(&[][..], |task| &task.tracks);
        let is_short = |file: &Option<Arc<KeptFile>>, promised_s: f64| {
            file.as_ref()
                .is_some_and(|file| file.unverified.is_none() && file.is_shorter_than(promised_s))
        };
        let mut short = Vec::new();
        for (index, track) in (1..).zip(tracks) {
            let Some(promised_s) = track.facts.duration_s else {
                continue;
            };
            for (part, file) in [(Part::Track, &track.kept), (Part::Mix, &track.mix)] {
                if is_short(file, promised_s) {
                    short.push((index, part));
                }
            }
        }
        for (index, part) in short {
            let changed = true;
            let event = Event::TrackMissing {
                index,
                part,
                changed,
            };
            self.apply(at, now_ms, event, decision);
        }
    }

    pub(super) fn note_contents(
        &mut self,
        at: usize,
        file: (u32, Part),
        contents: Vec<FileContent>,
    ) {
        let slot = &mut self.slots[at];
        let task = slot.job.task();
        let track = task.and_then(|task| task.tracks.get(file.0 as usize - 1));
        if !track.is_some_and(|track| track.wanted().any(|part| part == file.1)) {
            slot.following.fetches.remove(&file);
            return;
        }
        let fetch = slot.following.fetches.entry(file).or_default();
        if !fetch.under_way {
            fetch.next = 0;
        }
        fetch.contents = contents;
    }
}

/// Takes the addresses of earlier tracks away from later ones: they are one file, and the later track is still to come.
fn forget_repeated_addresses(tracks: &mut [backline_api::Track]) {
    let mut known = HashSet::new();
    for track in tracks {
        let is_repeated =
            |url: &Option<String>| url.as_ref().is_some_and(|url| known.contains(url));
        let repeated = [&track.audio_url, &track.source_audio_url].map(is_repeated);
        if repeated[0] {
            track.audio_url = None;
        }
        if repeated[1] {
            track.source_audio_url = None;
        }
        known.extend(track.audio_urls().map(str::to_owned));
    }
}

/// How far a task is by its tracks alone, where the vendor's status says only that it is over.
fn reached_by(tracks: &[backline_api::Track]) -> TaskStage {
    if tracks.iter().any(backline_api::Track::is_available) {
        TaskStage::First
    } else if tracks.is_empty() {
        TaskStage::Pending
    } else {
        TaskStage::Text
    }
}

pub(super) fn facts(track: &backline_api::Track) -> TrackFacts {
    let shown = |url: Option<&str>| url.map(redact_url);
    TrackFacts {
        id: track.id.clone(),
        artefact: track.artefact.clone().unwrap_or_default(),
        notes: track.notes.is_some(),
        audio_url: shown(track.audio_urls().next()),
        stream_url: shown(track.stream_audio_url.as_deref()),
        image_url: shown(track.image_url.as_deref()),
        mix_url: shown(track.mix_audio_url.as_deref()),
        title: track.title.clone().unwrap_or_default(),
        duration_s: track.duration_s,
        created_ms: track.created_ms,
        music: track.music.clone(),
    }
}
