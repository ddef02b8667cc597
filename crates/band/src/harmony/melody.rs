//! The melody on the grid of beats, relative to the key signature.

use super::windows::{Grid, Sung, rows};
use crate::analysis::{Analysis, Chord, Mode};

/// A melody that can be harmonised.
pub(super) struct Melody {
    /// Its notes in beats.
    pub(super) notes: Vec<Sung>,
    /// Position of each beat in its bar.
    pub(super) positions: Vec<u8>,
    /// Beats of a bar.
    pub(super) in_bar: usize,
    /// Pitch class of the signature's major tonic.
    pub(super) tonic: u8,
    /// Whether the song is in minor.
    pub(super) minor: bool,
    /// First beat that has a chord: the downbeat of the bar in which the singing starts, or of the next after a pickup.
    pub(super) first: usize,
    /// Beat from which the last chord is held.
    pub(super) rest: usize,
    /// Beats of the last note of each phrase.
    pub(super) ends: Vec<usize>,
}

impl Melody {
    /// The melody of `analysis`; `None` when there is no grid.
    pub(super) fn of(analysis: &Analysis) -> Option<Self> {
        let times: Vec<f64> = analysis.beats.iter().map(|beat| beat.time_s).collect();
        if times.len() < 2 || times.iter().any(|time| !time.is_finite()) {
            return None;
        }
        let minor = analysis.key.mode == Mode::Minor;
        let tonic = (analysis.key.tonic + if minor { 3 } else { 0 }) % 12;
        let notes: Vec<Sung> = analysis
            .notes
            .iter()
            .filter(|note| note.offset_s > note.onset_s)
            .map(|note| Sung {
                from: place(&times, note.onset_s),
                to: place(&times, note.offset_s),
                class: (note.meant + 12 - tonic) % 12,
            })
            .collect();
        let in_bar = usize::from(analysis.metre.beats());
        let positions: Vec<u8> = analysis
            .beats
            .iter()
            .map(|beat| beat.position.min(in_bar as u8 - 1))
            .collect();
        let count = positions.len();
        let first = first_beat(&notes, &positions, in_bar);
        let rest = notes.last().map_or(count - 1, |last| {
            let at = ((last.from + 0.15).max(0.0) as usize).min(count - 1);
            // Where the last note starts within a bar, the last chord starts with it: chords may still change before it in that bar.
            (first..=at)
                .rev()
                .find(|&beat| positions[beat] == 0 || beat == at)
                .unwrap_or(at)
        });
        let ends = analysis
            .phrases
            .iter()
            .filter_map(|phrase| {
                let last = analysis.notes.iter().rfind(|note| {
                    note.onset_s < phrase.end_s + 0.05 && note.onset_s >= phrase.start_s - 0.05
                })?;
                let at = (place(&times, last.onset_s) + 0.15).max(0.0) as usize;
                Some(at.min(count - 1))
            })
            .collect();
        Some(Self {
            notes,
            positions,
            in_bar,
            tonic,
            minor,
            first,
            rest: rest.max(first),
            ends,
        })
    }

    /// The features of each beat.
    pub(super) fn rows(&self) -> Vec<[f32; super::windows::FEATURES]> {
        rows(
            &self.notes,
            Grid {
                positions: &self.positions,
                in_bar: self.in_bar,
            },
            self.minor,
        )
    }

    /// The notes that sound between two beats, each with how many beats of it do.
    pub(super) fn between(&self, from: f32, to: f32) -> impl Iterator<Item = (Sung, f32)> {
        let start = self.notes.partition_point(|note| note.to <= from);
        self.notes[start..]
            .iter()
            .take_while(move |note| note.from < to)
            .map(move |&note| (note, note.to.min(to) - note.from.max(from)))
            .filter(|&(_, beats)| beats > 0.0)
    }

    /// How well a chord fits the melody between two beats, at most 1: the share of chord tones, minus the share of avoid notes.
    ///
    /// An avoid note lies a semitone above a chord tone and is longer than a passing note.
    pub(super) fn fit(&self, chord: &Chord, from: f32, to: f32) -> f32 {
        let (mut inside, mut rubbing, mut total) = (0.0, 0.0, 0.0);
        for (note, beats) in self.between(from, to) {
            let class = (note.class + self.tonic) % 12;
            total += beats;
            if chord.holds(class) {
                inside += beats;
            } else if chord.holds((class + 11) % 12) && beats > 0.4 {
                rubbing += beats;
            }
        }
        if total > 0.0 {
            (inside - rubbing) / total
        } else {
            1.0
        }
    }

    /// A number that is the same wherever the same melody returns at the same place of a bar.
    pub(super) fn signature(&self, beat: usize, beats: usize) -> u64 {
        let mut mixed = 0xcbf2_9ce4_8422_2325u64;
        let mut mix = |value: u64| mixed = (mixed ^ value).wrapping_mul(0x0000_0100_0000_01b3);
        mix(u64::from(
            self.positions[beat.min(self.positions.len() - 1)],
        ));
        for step in 0..beats {
            let from = (beat + step) as f32;
            let longest = self
                .between(from, from + 1.0)
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map_or(12, |(note, _)| u64::from(note.class));
            mix(longest + 1);
        }
        mixed
    }
}

/// The place of a time on the grid, in beats; the grid is continued beyond its ends.
fn place(times: &[f64], time_s: f64) -> f32 {
    let last = times.len() - 1;
    let before = times.partition_point(|&time| time <= time_s).clamp(1, last) - 1;
    let step = (times[before + 1] - times[before]).max(0.05);
    (before as f64 + (time_s - times[before]) / step) as f32
}

fn first_beat(notes: &[Sung], positions: &[u8], in_bar: usize) -> usize {
    let Some(first) = notes.first() else { return 0 };
    let at = ((first.from + 0.2).max(0.0) as usize).min(positions.len() - 1);
    let into = usize::from(positions[at]);
    // A start after a third of the bar is a pickup: the first chord is on the next downbeat.
    if 3 * into > in_bar {
        (at..positions.len())
            .find(|&beat| positions[beat] == 0)
            .unwrap_or(at)
    } else {
        (0..=at)
            .rev()
            .find(|&beat| positions[beat] == 0)
            .unwrap_or(0)
    }
}
