//! Downloads: which file is due and from which address, and what a download came to.

use super::responses::millis;
use super::*;

/// Times that one run fetches a file of a finished task from all of its addresses, each after a new poll.
const ROUNDS: u32 = 5;

impl Conductor {
    /// Plans the next fetch of a job's files, at the earliest moment that one may begin.
    pub(super) fn plan_fetch(&mut self, at: usize, now_ms: i64) {
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

    pub(super) fn begin_fetch(&mut self, at: usize, now_ms: i64, decision: &mut Decision) {
        let slot = &mut self.slots[at];
        let mut fetches = slot.following.fetches.iter_mut();
        let due = fetches.find(|(_, fetch)| fetch.is_ready() && fetch.not_before_ms <= now_ms);
        let (Some((&(index, part), fetch)), Some(task)) = (due, slot.job.task()) else {
            return;
        };
        let content = fetch.contents[fetch.next].clone();
        fetch.under_way = true;
        self.fetching += 1;
        let place = index as usize - 1;
        let track = task.tracks.get(place).cloned().unwrap_or_default();
        let (job, task) = (slot.key, task.id.clone());
        let (song, of_song) = self.song_place(at, place);
        let tracks = self.slots[song].job.task().map(|task| &task.tracks);
        let of_song = of_song.filter(|at| tracks.is_some_and(|tracks| *at < tracks.len()));
        let song_track = tracks.zip(of_song).map(|(tracks, at)| &tracks[at]);
        // What a recovery brings back is a file of the song.
        let is_song = track.facts.artefact.is_empty();
        let holder = song_track.filter(|_| is_song).unwrap_or(&track);
        let replaces = match part {
            Part::Track => holder.changed.clone(),
            Part::Mix => holder.mix_changed.clone(),
        };
        // The same sound in another format lasts as long.
        let is_same = is_song || track.facts.artefact == "wav";
        let song_s = song_track.and_then(|track| track.facts.duration_s);
        let request = FetchRequest {
            job,
            task,
            index,
            part,
            song_track: of_song.unwrap_or(place) as u32 + 1,
            content,
            duration_s: track.facts.duration_s.or(song_s.filter(|_| is_same)),
            track_id: song_track
                .map(|track| track.facts.id.clone())
                .unwrap_or_default(),
            artefact: track.facts.artefact.clone(),
            replaces,
            is_last_try: self.is_last_fetch(at, (index, part)),
        };
        decision.effects.push(Effect::Fetch(Box::new(request)));
    }

    /// Whether this run will not try again to fetch this file if it can't be fetched now.
    pub(super) fn is_last_fetch(&self, at: usize, file: (u32, Part)) -> bool {
        let slot = &self.slots[at];
        let Some(fetch) = slot.following.fetches.get(&file) else {
            return true;
        };
        let is_last_address = fetch.next + 1 >= fetch.contents.len();
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
                if self.is_recovery(at) {
                    self.hand_over(at, now_ms, (index, part), file, decision);
                } else {
                    self.apply(at, now_ms, Event::TrackKept { index, part, file }, decision);
                }
            }
            Err(error) => {
                if error.no_space {
                    // What is bought from here on could not be kept.
                    self.close(Outcome::Failed);
                }
                let retried =
                    self.not_fetched(at, now_ms, (index, part), &error) && !self.is_draining();
                let event = Event::TrackFailed {
                    index,
                    part,
                    message: error.message,
                    retried,
                };
                self.apply(at, now_ms, event, decision);
            }
        }
        self.go_on_fetching(at, now_ms, now_ms, decision);
    }

    /// Decides what follows from a failed fetch; whether the file is tried again in this run.
    pub(super) fn not_fetched(
        &mut self,
        at: usize,
        now_ms: i64,
        file: (u32, Part),
        error: &EffectError,
    ) -> bool {
        let slot = &mut self.slots[at];
        let running = matches!(slot.job.phase, Phase::Running(_));
        let expired = slot.expired;
        let Some(fetch) = slot.following.fetches.get_mut(&file) else {
            return false;
        };
        fetch.under_way = false;
        fetch.next += 1;
        if fetch.next < fetch.contents.len() {
            return true;
        }
        // The addresses may have successors: poll before the next round.
        (fetch.contents, fetch.next) = (Vec::new(), 0);
        fetch.rounds += 1;
        let wait = self.config.timing.backoff_ms(fetch.rounds, at as u64);
        fetch.not_before_ms = now_ms + wait.max(millis(error.retry_after_ms));
        let retried = running || (error.retryable && fetch.rounds < ROUNDS && !expired);
        fetch.given_up = !retried;
        fetch.dead = is_gone(error.code);
        retried
    }

    /// Goes on with the files of a task: begins what can begin and, where the task is not running any more and no poll comes by
    /// itself, plans one that shows the addresses that are missing, at `poll_ms` at the earliest.
    pub(super) fn go_on_fetching(
        &mut self,
        at: usize,
        now_ms: i64,
        poll_ms: i64,
        decision: &mut Decision,
    ) {
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
            Some(at_ms) if slot.poll_at.is_none() => {
                self.schedule_poll_unless_overdue(at, now_ms, at_ms.max(poll_ms), decision);
            }
            Some(_) => {}
            None => self.give_up(at, now_ms, decision),
        }
    }
}

/// Whether a file's host says that it does not serve it: the statuses of requests that can't be met, but for those of pace and time.
fn is_gone(status: Option<i64>) -> bool {
    status.is_some_and(|status| (400..500).contains(&status) && !matches!(status, 408 | 429))
}
