//! A task and its tracks: what is known of them, how a poll is taken in, and which phase follows.

use std::sync::Arc;

use backline_api::{Credits, TaskId};
use serde::{Deserialize, Serialize};

use super::Phase;
use crate::event::{KeptFile, Part, TaskStage, Token, TrackFacts, TrackNote, Via};

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
    pub credits: Credits,
    /// How far it is.
    pub stage: TaskStage,
    /// Its tracks, in the vendor's order.
    pub tracks: Vec<Track>,
    /// Why it ended with fewer tracks than it showed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shortfall: Option<Box<Shortfall>>,
    /// Why its details could not be read the last time, where that went on for some time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unavailable: Option<Box<Unavailable>>,
}

/// Why a task ended with fewer tracks than it showed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shortfall {
    /// The vendor's code.
    pub code: Option<i64>,
    /// The vendor's message, or what was waited for.
    pub message: String,
}

/// Details of a task that can't be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unavailable {
    /// When that was recorded, Unix time in milliseconds.
    pub at_ms: i64,
    /// The error of the last of the failed requests.
    pub message: String,
}

/// Longest time from a task's acceptance to its last track that a vendor's clock is believed to show: several times the ten
/// minutes that a task takes at most.
const LONGEST_TASK_MS: i64 = 60 * 60 * 1000;

/// One recording of a task. Its facts and files are shared between the states of its job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Track {
    /// What the vendor says.
    pub facts: Arc<TrackFacts>,
    /// The kept accompaniment.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub kept: Option<Arc<KeptFile>>,
    /// The kept mix.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mix: Option<Arc<KeptFile>>,
    /// Why it could not be fetched the last time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub problem: Option<String>,
    /// The kept accompaniment's loudness, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub loudness: Option<TrackLoudness>,
    /// The kept mix's loudness, where it was measured.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mix_loudness: Option<TrackLoudness>,
    /// Where the kept accompaniment was, once it was found to have been changed: the next one takes its name.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub changed: Option<String>,
    /// Where the kept mix was, once it was found to have been changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mix_changed: Option<String>,
    /// Its files that a recovery has handed over to the song.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub handed_over: Vec<Part>,
    /// Where its files were copied to.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub copies: Vec<String>,
}

/// How loud a kept file is, after EBU R128.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrackLoudness {
    /// Integrated loudness in LUFS; none for silence.
    pub integrated_lufs: Option<f64>,
    /// Highest level between the samples, in dBTP.
    pub true_peak_dbtp: f64,
}

impl Task {
    /// Applies what a poll shows, in the order that was decided for it; a track that is known never loses a field.
    pub(super) fn take_in(&mut self, shown: &[TrackFacts]) {
        let known = self.tracks.len();
        for (track, facts) in self.tracks.iter_mut().zip(shown) {
            Arc::make_mut(&mut track.facts).take_in(facts);
        }
        let more = shown.iter().skip(known).map(|facts| Track {
            facts: Arc::new(facts.clone()),
            ..Track::default()
        });
        self.tracks.extend(more);
    }

    /// The same for records without that order: by id, and by position where the known track has none.
    pub(super) fn take_in_by_id(&mut self, shown: &[TrackFacts]) {
        for (at, facts) in shown.iter().enumerate() {
            let known = self
                .tracks
                .iter()
                .position(|track| !facts.id.is_empty() && track.facts.id == facts.id)
                .or_else(|| {
                    (at < self.tracks.len() && self.tracks[at].facts.id.is_empty()).then_some(at)
                });
            match known {
                Some(at) => Arc::make_mut(&mut self.tracks[at].facts).take_in(facts),
                None => self.tracks.push(Track {
                    facts: Arc::new(facts.clone()),
                    ..Track::default()
                }),
            }
        }
    }

    /// The place of the track that these facts are about, which have a place of their own among others: by id, and by place where they have no
    /// id.
    pub(crate) fn place_of(&self, facts: &TrackFacts, place: usize) -> Option<usize> {
        match facts.id.is_empty() {
            true => (place < self.tracks.len()).then_some(place),
            false => self.tracks.iter().position(|it| it.facts.id == facts.id),
        }
    }

    /// The phase that a bought job is in by what is known of its task: see the table in the doc of [`job`](super).
    pub(super) fn phase(mut self) -> Phase {
        let complete = self.stage == TaskStage::Complete
            && !self.tracks.is_empty()
            && self.tracks.iter().all(Track::is_available);
        if complete {
            self.shortfall = None;
        }
        let mut available = self.tracks.iter().filter(|track| track.is_available());
        match (complete || self.shortfall.is_some(), complete) {
            (false, _) => Phase::Running(self),
            (true, _) if !available.all(Track::is_kept) => Phase::Finished(self),
            (true, true) => Phase::Kept(self),
            (true, false) => Phase::Partial(self),
        }
    }

    /// When the vendor made a track of it, from which its retention runs. The vendor's clock may be wrong by hours or years, so it
    /// counts only as far as this side's own clock allows: a task whose id came with the response to its submission was made
    /// within an hour of that; one that became known later was made before that, and no longer ago than results are kept.
    pub fn made_ms(&self, facts: &TrackFacts, retention_ms: i64) -> i64 {
        let earliest_ms = match self.via {
            Via::Response => self.accepted_ms,
            Via::Callback | Via::User | Via::Refusal => {
                self.accepted_ms.saturating_sub(retention_ms)
            }
        };
        let latest_ms = self.accepted_ms.saturating_add(LONGEST_TASK_MS);
        facts
            .created_ms
            .map_or(self.accepted_ms, |ms| ms.clamp(earliest_ms, latest_ms))
    }
}

impl Track {
    pub(super) fn take_note(&mut self, part: Part, note: &TrackNote) {
        match (note, part) {
            (
                TrackNote::Loudness {
                    integrated_lufs,
                    true_peak_dbtp,
                },
                part,
            ) => {
                let loudness = Some(TrackLoudness {
                    integrated_lufs: *integrated_lufs,
                    true_peak_dbtp: *true_peak_dbtp,
                });
                match part {
                    Part::Track => self.loudness = loudness,
                    Part::Mix => self.mix_loudness = loudness,
                }
            }
            (TrackNote::Renamed { from, to }, part) => {
                let kept = match part {
                    Part::Track => &mut self.kept,
                    Part::Mix => &mut self.mix,
                };
                if let Some(file) = kept.as_mut().filter(|file| file.path == *from) {
                    Arc::make_mut(file).path.clone_from(to);
                }
            }
            (TrackNote::Copied { to }, _) => {
                if !self.copies.contains(to) {
                    self.copies.push(to.clone());
                }
            }
        }
    }

    /// Whether it has an address or notes, or had them and is kept.
    pub fn is_available(&self) -> bool {
        self.facts.audio_url.is_some() || self.facts.notes || self.kept.is_some()
    }

    /// Whether no file of it is kept.
    pub(super) fn has_no_file(&self) -> bool {
        self.kept.is_none() && self.handed_over.is_empty()
    }

    /// Whether every file that the provider makes of it is kept.
    pub fn is_kept(&self) -> bool {
        self.wanted().next().is_none()
    }

    /// The files that are still to be fetched.
    pub fn wanted(&self) -> impl Iterator<Item = Part> + use<> {
        let is_wanted = |part: Part, is_kept: bool| {
            (!is_kept && !self.handed_over.contains(&part)).then_some(part)
        };
        let track = is_wanted(Part::Track, self.kept.is_some());
        let mix = is_wanted(
            Part::Mix,
            self.facts.mix_url.is_none() || self.mix.is_some(),
        );
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
        if !newer.artefact.is_empty() {
            self.artefact.clone_from(&newer.artefact);
        }
        self.notes |= newer.notes;
        if !newer.title.is_empty() {
            self.title.clone_from(&newer.title);
        }
        newest(&mut self.audio_url, &newer.audio_url);
        newest(&mut self.stream_url, &newer.stream_url);
        newest(&mut self.image_url, &newer.image_url);
        newest(&mut self.mix_url, &newer.mix_url);
        newest(&mut self.duration_s, &newer.duration_s);
        newest(&mut self.created_ms, &newer.created_ms);
        newest(&mut self.music, &newer.music);
    }
}
