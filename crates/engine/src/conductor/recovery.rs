//! Recoveries: jobs that bring back the tracks of a song that is lost.
//!
//! A recovery is a step that waits until this run has tried to fetch the song and has given up. Then it is bought, followed and fetched as every
//! step is, but its files belong to the song: what a poll shows is recorded for the song as well, and each file is kept as the song's and
//! handed over.

use super::matching::{TrackMatch, match_tracks, matched_facts};
use super::polls::facts;
use super::*;
use crate::event::{TaskStage, TrackFacts};
use crate::job::Track;

impl JobSlot {
    /// Whether this run has tried to fetch what was bought, and it is gone: past the retention, or its host does not serve it.
    pub(super) fn is_lost(&self) -> bool {
        let is_dead = || self.following.fetches.values().any(|fetch| fetch.dead);
        let is_open = matches!(self.job.phase, Phase::Running(_) | Phase::Finished(_));
        self.given_up && is_open && (self.expired || is_dead())
    }
}

impl Conductor {
    /// Whether a job is a recovery.
    pub(super) fn is_recovery(&self, at: usize) -> bool {
        matches!(self.offer(at).input, OperationInput::Song { .. })
    }

    /// The index of the song's track that corresponds to the track at `place` of its recovery.
    pub(super) fn recovered_place(&self, song: usize, at: usize, place: usize) -> Option<usize> {
        let tracks = &self.slots[at].job.task()?.tracks;
        let shown: Vec<TrackFacts> = tracks.iter().map(|track| (*track.facts).clone()).collect();
        let matches = self.matches_of_song(song, &shown);
        matches.get(place).map(|matched| matched.index())
    }

    /// Matches the tracks that a recovery shows to the song's tracks.
    fn matches_of_song(&self, song: usize, shown: &[TrackFacts]) -> Vec<TrackMatch> {
        let known = self.tracks_of(song);
        match_tracks(known, shown, &|at| known[at].kept.is_some())
    }

    fn tracks_of(&self, at: usize) -> &[Track] {
        self.slots[at].job.task().map_or(&[], |task| &task.tracks)
    }

    /// Records for the song what a poll of its recovery has shown, and for the recovery what the song has already.
    pub(super) fn show_song(
        &mut self,
        at: usize,
        now_ms: i64,
        stage: TaskStage,
        view: &TaskView,
        decision: &mut Decision,
    ) {
        if !self.is_recovery(at) {
            return;
        }
        let Some((song, _)) = self.parent(at) else {
            return;
        };
        let shown: Vec<TrackFacts> = view.tracks.iter().map(facts).collect();
        if !shown.is_empty() {
            let matches = self.matches_of_song(song, &shown);
            let known = self.tracks_of(song);
            let is_settled = |at: usize| known[at].kept.is_some();
            let event = Event::Stage {
                stage,
                tracks: matched_facts(known, &shown, &matches, &is_settled),
                placed: true,
            };
            self.apply(song, now_ms, event, decision);
        }
        for missing in &view.missing {
            let mut tracks = self.tracks_of(song).iter();
            let place = tracks.position(|track| {
                track.facts.id == missing.track_id && !missing.track_id.is_empty()
            });
            if let Some(place) = place {
                let event = Event::TrackFailed {
                    index: place as u32 + 1,
                    part: Part::Track,
                    message: format!("the provider could not recover it: {}", missing.reason),
                    retried: false,
                };
                self.apply(song, now_ms, event, decision);
            }
        }
        for place in 0..self.tracks_of(at).len() {
            for part in self.kept_by_song(song, at, place) {
                let index = place as u32 + 1;
                self.apply(at, now_ms, Event::TrackHandedOver { index, part }, decision);
            }
        }
    }

    /// The files of a recovered track that the song has.
    fn kept_by_song(&self, song: usize, at: usize, place: usize) -> Vec<Part> {
        let of_song = self.recovered_place(song, at, place);
        let Some(track) = of_song.and_then(|of_song| self.tracks_of(song).get(of_song)) else {
            return Vec::new();
        };
        let kept = [(Part::Track, &track.kept), (Part::Mix, &track.mix)];
        let kept = kept.into_iter().filter(|(_, file)| file.is_some());
        kept.map(|(part, _)| part).collect()
    }

    /// Records a file that a recovery has brought as the song's.
    pub(super) fn hand_over(
        &mut self,
        at: usize,
        now_ms: i64,
        (index, part): (u32, Part),
        file: KeptFile,
        decision: &mut Decision,
    ) {
        let (song, of_song) = self.song_place(at, index as usize - 1);
        let Some(of_song) = of_song else {
            return;
        };
        let event = Event::TrackKept {
            index: of_song as u32 + 1,
            part,
            file,
        };
        self.apply(song, now_ms, event, decision);
        self.apply(at, now_ms, Event::TrackHandedOver { index, part }, decision);
    }
}
