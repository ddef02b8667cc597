//! Following what is bought: polling tasks, fetching tracks, and deciding when a task is over.
//!
//! A poll's response is taken in at once: which track is which ([`places`](super::places)), how far the task is, and where each
//! file can be fetched. A file is fetched as soon as a poll shows an address for it, while the vendor may still be at work on the
//! others; where the first address fails the next one of the same response is tried, then those of a later poll.
//!
//! What the vendor says of the end is believed only when it says so for some time. A failure is final when two polls in a row
//! agree; where tracks have been shown, or the vendor only reports that its callback failed or that a "finished" task lacks an
//! address, it is polled for [`Timing::grace_ms`] more, and that begins anew with each track that appears. Then the task has failed
//! if no track has an address, and ended as partial if one has.
//!
//! A response that tells nothing of the task (an error page, `data: null`, another task's details) ends and fails nothing: the task
//! is polled again, and the trouble is recorded once if it lasts.

use super::answers::millis;
use super::places::{Place, placed, places};
use super::*;
use crate::event::{TaskStage, TrackFacts};
use backline_api::{Stage, redact_url};

/// Times that one run fetches a file of a finished task from all of its addresses, each after a new poll.
const ROUNDS: u32 = 5;

/// Polls in a row that must agree before a failure is final.
const AGREEING_POLLS: u32 = 2;

/// Polls in a row that must tell nothing before it is recorded, and how many [`Timing::view_ms`] they must span: one bad minute of a
/// vendor is not worth a line for each of a thousand tasks.
const SILENT_POLLS: u32 = 3;
const SILENT_INTERVALS: i64 = 2;

/// Polls in a row, of whichever tasks, that must be answered with 401 before the key is taken to be invalid.
const UNAUTHORIZED_POLLS: u32 = 3;

/// Fewest polls at once that a provider's bound and the number of tasks are scaled to: as many as the smallest runs profit from.
const FEWEST_POLLS_AT_ONCE: usize = 16;

/// The time that half of a poll's interval is divided by: a vendor that responds within it is polled in time however many tasks
/// there are, as long as the provider's bound allows it.
const POLL_LATENCY_MS: usize = 250;

/// A file of a task that is not kept yet.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    /// Its addresses, as the last poll gave them; empty where a new poll is needed.
    addresses: Vec<String>,
    /// Which of them is next.
    next: usize,
    /// Rounds over all addresses that failed.
    rounds: u32,
    /// When it may be tried again.
    not_before_ms: i64,
    under_way: bool,
    /// Nothing more is tried in this run.
    given_up: bool,
}

/// A task that the vendor reports as over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// Since when, or since the last track appeared.
    since_ms: i64,
    /// Polls since then that reported it.
    polls: u32,
}

/// A task whose details have not been read lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    since_ms: i64,
    polls: u32,
    /// Whether this run has recorded it.
    recorded: bool,
}

/// What this run knows of a task that is followed, beyond the ledger.
#[derive(Debug, Default)]
pub(super) struct Following {
    fetches: BTreeMap<(u32, Part), Fetch>,
    /// When the next fetch may begin, or none where none is to come.
    fetch_at: Option<i64>,
    ending: Option<Ending>,
    silence: Option<Silence>,
}

/// How the vendor says that a task ended.
struct End {
    code: Option<i64>,
    message: String,
    refunded: bool,
    /// Whether what is missing may still come.
    may_come: bool,
}

impl Conductor {
    /// Plans the next poll of a task.
    pub(super) fn look(&mut self, at: usize, at_ms: i64) {
        if let Some(old) = self.slots[at].view_at.replace(at_ms) {
            self.views.remove(&(old, at));
        }
        self.views.insert((at_ms, at));
    }

    /// Begins to follow a task that has just become the job's.
    pub(super) fn follow(&mut self, at: usize, now_ms: i64, first_poll_ms: i64) {
        self.slots[at].followed_since_ms = now_ms;
        self.slots[at].following = Following::default();
        self.look(at, first_poll_ms);
    }

    /// Polls that may be under way at the same time: as many as bring each followed task to its turn within half an interval, up
    /// to the provider's bound.
    pub(super) fn polls_at_once(&self) -> usize {
        let followed = self.views.len() + self.viewing;
        let half_ms = usize::try_from(self.config.timing.view_ms / 2).unwrap_or(0);
        let needed = (followed * POLL_LATENCY_MS).div_ceil(half_ms.max(1));
        needed
            .max(FEWEST_POLLS_AT_ONCE)
            .min(self.config.polls_at_once)
            .max(1)
    }

    /// Begins the polls that are due.
    pub(super) fn view(&mut self, now_ms: i64, decision: &mut Decision) {
        let at_once = self.polls_at_once();
        while self.viewing < at_once {
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
                    job: self.slots[at].key,
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
        result: Result<TaskView, EffectError>,
        decision: &mut Decision,
    ) {
        self.viewing -= 1;
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
                self.silent(at, now_ms, message, 0, decision);
            }
            Ok(view) => {
                self.slots[at].following.silence = None;
                self.seen(at, now_ms, view, decision);
            }
            Err(trouble) => {
                match (trouble.class, trouble.code) {
                    // The one response that speaks of the account. Any other code speaks of this task, or of nothing.
                    (AnswerClass::RefusedRun, Some(401)) => {
                        self.unauthorized += 1;
                        if self.unauthorized >= UNAUTHORIZED_POLLS {
                            self.drain(Outcome::Refused {
                                code: trouble.code,
                                class: trouble.class,
                                message: trouble.message.clone(),
                            });
                        }
                    }
                    (AnswerClass::NotSent, _) => {
                        self.out_of_reach(now_ms, now_ms, &trouble.message, decision);
                    }
                    _ => {}
                }
                let wait = millis(trouble.retry_after_ms);
                self.silent(at, now_ms, trouble.message, wait, decision);
            }
        }
    }

    /// Takes in that a poll told nothing of its task.
    fn silent(
        &mut self,
        at: usize,
        now_ms: i64,
        message: String,
        wait_ms: i64,
        decision: &mut Decision,
    ) {
        let view_ms = self.config.timing.view_ms;
        let silence = self.slots[at].following.silence.get_or_insert(Silence {
            since_ms: now_ms,
            polls: 0,
            recorded: false,
        });
        silence.polls += 1;
        let polls = silence.polls;
        let lasts =
            polls >= SILENT_POLLS && now_ms - silence.since_ms >= SILENT_INTERVALS * view_ms;
        if lasts && !silence.recorded {
            silence.recorded = true;
            self.apply(at, now_ms, Event::DetailsUnavailable { message }, decision);
        }
        if matches!(self.slots[at].job.phase, Phase::Partial(_)) {
            return; // it was looked at once more, and nothing has changed
        }
        let wait = self.config.timing.backoff_ms(polls, at as u64);
        let wait = wait.max(view_ms.min(5_000)).max(wait_ms);
        self.look_unless_overdue(at, now_ms, now_ms + wait, decision);
    }

    /// What a poll has shown.
    fn seen(&mut self, at: usize, now_ms: i64, view: TaskView, decision: &mut Decision) {
        let was_running = matches!(self.slots[at].job.phase, Phase::Running(_));
        let before = self.available(at);
        let stage = match &view.stage {
            Stage::Unknown | Stage::Pending => TaskStage::Pending,
            Stage::Text => TaskStage::Text,
            Stage::First => TaskStage::First,
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
            let next_ms = now_ms + self.config.timing.view_ms;
            self.look_unless_overdue(at, now_ms, next_ms, decision);
        }
        self.go_on_fetching(at, now_ms, now_ms + self.config.timing.view_ms, decision);
    }

    /// What failed while the vendor was at work does not count against a task that is over.
    fn forget_failed_rounds(&mut self, at: usize) {
        for fetch in self.slots[at].following.fetches.values_mut() {
            fetch.rounds = 0;
        }
    }

    /// Records what a poll shows of the tracks, and notes where their files are.
    fn take_in(
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
        let places = places(known, &shown, &is_settled);
        let tracks = placed(known, &shown, &places, &is_settled);
        let event = Event::Stage {
            stage,
            tracks,
            placed: true,
        };
        self.apply(at, now_ms, event, decision);
        for (track, place) in view.tracks.iter().zip(places) {
            let (Place::Known(place) | Place::New(place)) = place else {
                continue;
            };
            let index = place as u32 + 1;
            let urls = track.audio_urls().map(str::to_owned).collect();
            self.note_addresses(at, (index, Part::Track), urls);
            let mix = track.mix_audio_url.iter().cloned().collect();
            self.note_addresses(at, (index, Part::Mix), mix);
        }
    }

    fn note_addresses(&mut self, at: usize, file: (u32, Part), addresses: Vec<String>) {
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
        fetch.addresses = addresses;
    }

    /// Tracks of the job's task that have an address or are kept.
    fn available(&self, at: usize) -> usize {
        let task = self.slots[at].job.task();
        task.map_or(0, |task| {
            task.tracks
                .iter()
                .filter(|track| track.is_available())
                .count()
        })
    }

    /// How the vendor says that a running task ended; none where it says that it is at work.
    fn end_of(&self, at: usize, stage: Stage) -> Option<End> {
        let tracks = self.slots[at]
            .job
            .task()
            .map_or(0, |task| task.tracks.len());
        match stage {
            Stage::Incomplete {
                code,
                message,
                refunded,
            } => Some(End {
                code,
                message,
                refunded,
                may_come: true,
            }),
            Stage::Failed {
                code,
                message,
                refunded,
            } => Some(End {
                code,
                message,
                refunded,
                may_come: tracks > 0,
            }),
            Stage::Complete => Some(End {
                code: None,
                message: format!(
                    "the provider finished the task with {} of {tracks} tracks",
                    self.available(at)
                ),
                refunded: false,
                may_come: true,
            }),
            Stage::Unknown | Stage::Pending | Stage::Text | Stage::First => None,
        }
    }

    /// Takes in that the vendor reports a running task as over: it is, once that has been said for long enough.
    fn ending(
        &mut self,
        at: usize,
        now_ms: i64,
        end: End,
        appeared: bool,
        decision: &mut Decision,
    ) {
        let begun = Ending {
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
            self.look(at, now_ms + self.config.timing.view_ms);
        }
    }

    /// Ends a running task: as partial where a track is available, else as failed.
    fn ended(&mut self, at: usize, now_ms: i64, end: End, decision: &mut Decision) {
        let End {
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
            self.after_failed_task(at, now_ms);
        }
    }

    /// Buys a failed job again where that is wanted, or follows another task that was bought for it.
    fn after_failed_task(&mut self, at: usize, now_ms: i64) {
        self.slots[at].following = Following::default();
        if self.slots[at].job.task().is_some() {
            self.follow(at, now_ms, now_ms);
        } else if self.may_be_bought(at) && self.count_retry(at) {
            self.enqueue(at);
        }
    }

    /// Plans the next poll, unless this run has followed the task for as long as it may: then it ends as partial where tracks have
    /// been shown, and otherwise its id is kept for the next run. One whose results have expired at the vendor's is polled once.
    fn look_unless_overdue(&mut self, at: usize, now_ms: i64, at_ms: i64, decision: &mut Decision) {
        let slot = &self.slots[at];
        let overdue = now_ms - slot.followed_since_ms >= self.config.timing.follow_ms;
        let running = matches!(slot.job.phase, Phase::Running(_));
        // A silent vendor has said nothing of an end.
        let silent = slot.following.silence.is_some();
        let over = overdue || (slot.expired && running && !silent);
        if over && running && !silent && self.available(at) > 0 {
            let end = End {
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
            self.give_up(at);
        } else {
            self.look(at, at_ms);
        }
    }

    /// Plans the next fetch of a job's files, at the earliest moment that one may begin.
    fn plan_fetch(&mut self, at: usize, now_ms: i64) {
        let following = &self.slots[at].following;
        let ready = following.fetches.values().filter(|fetch| fetch.is_ready());
        let next = ready.map(|fetch| fetch.not_before_ms.max(now_ms)).min();
        let old = std::mem::replace(&mut self.slots[at].following.fetch_at, next);
        if let Some(old) = old {
            self.fetches.remove(&(old, at));
        }
        if let Some(next) = next {
            self.fetches.insert((next, at));
        }
    }

    /// Begins the fetches that are due.
    pub(super) fn fetch(&mut self, now_ms: i64, decision: &mut Decision) {
        while self.fetching < self.config.downloads_at_once.max(1) {
            let Some(&(due, at)) = self.fetches.first() else {
                return;
            };
            if due > now_ms {
                return;
            }
            self.fetches.pop_first();
            self.slots[at].following.fetch_at = None;
            self.begin_fetch(at, now_ms, decision);
            self.plan_fetch(at, now_ms);
        }
    }

    fn begin_fetch(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let slot = &mut self.slots[at];
        let mut fetches = slot.following.fetches.iter_mut();
        let due = fetches.find(|(_, fetch)| fetch.is_ready() && fetch.not_before_ms <= now_ms);
        let (Some((&(index, part), fetch)), Some(task)) = (due, slot.job.task()) else {
            return;
        };
        let url = fetch.addresses[fetch.next].clone();
        fetch.under_way = true;
        self.fetching += 1;
        let track = task.tracks.get(index as usize - 1);
        let replaces = track.and_then(|track| match part {
            Part::Track => track.changed.clone(),
            Part::Mix => track.mix_changed.clone(),
        });
        let request = FetchRequest {
            job: slot.key,
            task: task.id.clone(),
            index,
            part,
            url,
            duration_s: track.and_then(|track| track.facts.duration_s),
            track_id: track
                .map(|track| track.facts.id.clone())
                .unwrap_or_default(),
            replaces,
            is_last_try: self.is_last_fetch(at, (index, part)),
        };
        decision.effects.push(Effect::Fetch(Box::new(request)));
    }

    /// Whether this run will not try again to fetch this file if it can't be fetched now.
    fn is_last_fetch(&self, at: usize, file: (u32, Part)) -> bool {
        let slot = &self.slots[at];
        let Some(fetch) = slot.following.fetches.get(&file) else {
            return true;
        };
        let is_last_address = fetch.next + 1 >= fetch.addresses.len();
        let is_last_round = fetch.rounds + 1 >= ROUNDS || slot.expired;
        is_last_address && is_last_round && !matches!(slot.job.phase, Phase::Running(_))
    }

    pub(super) fn fetched(
        &mut self,
        at: usize,
        now_ms: i64,
        index: u32,
        part: Part,
        result: Result<KeptFile, EffectError>,
        decision: &mut Decision,
    ) {
        self.fetching -= 1;
        match result {
            Ok(file) => {
                self.reached();
                self.slots[at].following.fetches.remove(&(index, part));
                self.apply(at, now_ms, Event::TrackKept { index, part, file }, decision);
            }
            Err(trouble) => {
                let retried =
                    self.not_fetched(at, now_ms, (index, part), &trouble) && !self.is_draining();
                let event = Event::TrackFailed {
                    index,
                    part,
                    message: trouble.message,
                    retried,
                };
                self.apply(at, now_ms, event, decision);
            }
        }
        self.go_on_fetching(at, now_ms, now_ms, decision);
    }

    /// Decides what follows from a failed fetch; whether the file is tried again in this run.
    fn not_fetched(
        &mut self,
        at: usize,
        now_ms: i64,
        file: (u32, Part),
        trouble: &EffectError,
    ) -> bool {
        let slot = &mut self.slots[at];
        let running = matches!(slot.job.phase, Phase::Running(_));
        let expired = slot.expired;
        let Some(fetch) = slot.following.fetches.get_mut(&file) else {
            return false;
        };
        fetch.under_way = false;
        fetch.next += 1;
        if fetch.next < fetch.addresses.len() {
            return true;
        }
        // The addresses may have successors: poll before the next round.
        (fetch.addresses, fetch.next) = (Vec::new(), 0);
        fetch.rounds += 1;
        let wait = self.config.timing.backoff_ms(fetch.rounds, at as u64);
        fetch.not_before_ms = now_ms + wait.max(millis(trouble.retry_after_ms));
        let retried = running || (trouble.retryable && fetch.rounds < ROUNDS && !expired);
        fetch.given_up = !retried;
        retried
    }

    /// Goes on with the files of a task: begins what can begin and, where the task is not running any more and no poll comes by
    /// itself, plans one that shows the addresses that are missing, at `poll_ms` at the earliest.
    fn go_on_fetching(&mut self, at: usize, now_ms: i64, poll_ms: i64, decision: &mut Decision) {
        self.plan_fetch(at, now_ms);
        let slot = &self.slots[at];
        let Phase::Finished(task) = &slot.job.phase else {
            return;
        };
        let files = (1..).zip(&task.tracks).flat_map(|(index, track)| {
            let parts = track.is_available().then(|| track.wanted());
            parts.into_iter().flatten().map(move |part| (index, part))
        });
        let fetches = &slot.following.fetches;
        let mut next_poll_ms = None;
        for file in files {
            match fetches.get(&file) {
                Some(fetch) if fetch.under_way || fetch.is_ready() => return,
                Some(fetch) if fetch.given_up => {}
                other => {
                    let not_before_ms = other.map_or(now_ms, |fetch| fetch.not_before_ms);
                    let next_ms = next_poll_ms.unwrap_or(i64::MAX).min(not_before_ms);
                    next_poll_ms = Some(next_ms);
                }
            }
        }
        match next_poll_ms {
            Some(at_ms) if slot.view_at.is_none() => {
                self.look_unless_overdue(at, now_ms, at_ms.max(poll_ms), decision);
            }
            Some(_) => {}
            None => self.give_up(at),
        }
    }
}

impl Fetch {
    fn is_ready(&self) -> bool {
        !self.under_way && !self.given_up && self.next < self.addresses.len()
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

fn facts(track: &backline_api::Track) -> TrackFacts {
    let shown = |url: Option<&str>| url.map(redact_url);
    TrackFacts {
        id: track.id.clone(),
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
