//! Finds the semitone that each note is meant as, from how exactly the singer sings: tuning, drift and exactness, jointly with the key.
//!
//! The nearest semitone is a good reading of a trained singer. An untrained one misses by a third of a semitone (standard deviation), so
//! that one note in seven or eight lies nearer to another semitone, and the tuning measured from the pitches alone is off by 20 cents. Most steps
//! of a scale are two semitones wide, so that the scale tells what was meant. For each key and each exactness, the Viterbi path
//! of the tuning through the notes is found; the most likely of them is taken. The pitch of a note is normally distributed around the tones of the
//! chromatic scale at the tuning of the moment, with the prior probabilities of the key's profile.

use crate::analysis::{Key, Note};

use super::key_profile::{KEYS, index_of, profile};

/// Standard deviations of a note's pitch that are tried, in semitones: from trained singers to very inexact ones.
const SPREADS: [f32; 5] = [0.12, 0.18, 0.25, 0.35, 0.45];
/// Tunings that are tried: this many steps of [`STEP`] semitones to either side. A song may begin anywhere within half a semitone and
/// drift from there.
const REACH: usize = 24;
const STATES: usize = 2 * REACH + 1;
const STEP: f32 = 0.05;
/// Cost in nats of a change of tuning by one step from one note to the next.
const DRIFT_COST: f32 = 1.0;
/// Standard deviation of the tuning at the start, in semitones: near 0 with an accompaniment, anywhere without one.
const TUNING_SPREAD: f32 = 0.35;
/// Prior cost of a minor key in nats: fewer songs are in minor.
const MINOR_COST: f32 = 0.6;
/// A pitch counts as at most this many standard deviations off, so that a wrong note has little effect.
const FURTHEST: f32 = 4.0;
/// A note of at least this length counts in full, in seconds.
const FULL_S: f32 = 0.3;

/// The semitones nearest to a pitch, each with its probability.
pub(super) type Classes = [(u8, f32); 3];

/// How a melody is intoned.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intonation {
    /// Distance of the singer's tuning from A4 = 440 Hz at each note, in semitones.
    tuning: Vec<f32>,
    /// Standard deviation of the pitches around what was meant, in semitones.
    pub(super) spread: f32,
}

/// One note as it was sung: its pitch as a MIDI note number with fraction, and its length in seconds.
pub(super) type SungPitch = (f32, f32);

/// The notes as they were sung; `tuning_cents` is what was taken off their pitches.
pub(super) fn sung(notes: &[Note], tuning_cents: f32) -> Vec<SungPitch> {
    let pitch = |note: &Note| f32::from(note.midi) + (note.cents + tuning_cents) / 100.0;
    notes
        .iter()
        .map(|note| (pitch(note), (note.offset_s - note.onset_s) as f32))
        .collect()
}

impl Intonation {
    /// Finds tuning and exactness; without notes, those of an exact singer.
    pub(super) fn of(notes: &[SungPitch]) -> Self {
        let mut best: Option<(f32, f32, Vec<f32>)> = None;
        for spread in SPREADS {
            let near: Vec<[Near; STATES]> = notes
                .iter()
                .map(|note| std::array::from_fn(|state| Near::of(note.0, tuning(state), spread)))
                .collect();
            for key in 0..KEYS {
                let (likely, path) = path(notes, &near, key);
                if best.as_ref().is_none_or(|(most, ..)| likely > *most) {
                    best = Some((likely, spread, path));
                }
            }
        }
        best.map_or_else(
            || Self {
                tuning: Vec::new(),
                spread: SPREADS[0],
            },
            |(_, spread, tuning)| Self { tuning, spread },
        )
    }

    /// The mean tuning in cents, −50..50.
    pub(super) fn tuning_cents(&self, notes: &[SungPitch]) -> f32 {
        let weights = notes.iter().map(|note| weight(note.1));
        let sum: f32 = weights.clone().sum();
        let mean: f32 = self.tuning.iter().zip(weights).map(|(a, b)| a * b).sum();
        (100.0 * mean / sum.max(f32::MIN_POSITIVE)).clamp(-50.0, 50.0)
    }

    /// The semitones that each note may be meant as, whatever the key.
    pub(super) fn classes(&self, notes: &[SungPitch]) -> Vec<Classes> {
        (0..notes.len())
            .map(|note| self.at(note, notes, &[1.0; 12]))
            .collect()
    }

    /// Sets what each note is most probably meant as in the key that is in force at it.
    pub(super) fn set_meant(
        &self,
        notes: &mut [Note],
        sung: &[SungPitch],
        key: impl Fn(&Note) -> Key,
    ) {
        for (at, note) in notes.iter_mut().enumerate() {
            let classes = self.at(at, sung, &prior(index_of(key(note))));
            if let Some((midi, _)) = classes.iter().max_by(|a, b| a.1.total_cmp(&b.1)) {
                note.meant = *midi;
            }
        }
    }

    fn at(&self, note: usize, sung: &[SungPitch], prior: &[f32; 12]) -> Classes {
        let near = Near::of(sung[note].0, self.tuning[note], self.spread);
        let shares: [f32; 3] =
            std::array::from_fn(|at| near.densities[at] * prior[(near.lowest + at) % 12]);
        let sum: f32 = shares.iter().sum();
        std::array::from_fn(|at| {
            let midi = (near.lowest + at).min(127) as u8;
            (midi, shares[at] / sum.max(f32::MIN_POSITIVE))
        })
    }
}

fn tuning(state: usize) -> f32 {
    (state as f32 - REACH as f32) * STEP
}

fn weight(length_s: f32) -> f32 {
    (length_s / FULL_S).sqrt().min(1.0)
}

/// The semitone nearest to a pitch at a tuning, and its two neighbours.
#[derive(Debug, Clone, Copy)]
struct Near {
    /// MIDI number of the lowest of the three.
    lowest: usize,
    /// Density of the pitch around each.
    densities: [f32; 3],
}

impl Near {
    fn of(pitch: f32, tuning: f32, spread: f32) -> Self {
        let pitch = pitch - tuning;
        let nearest = pitch.round();
        Self {
            lowest: (nearest - 1.0).max(0.0) as usize,
            densities: [-1.0, 0.0, 1.0].map(|semitone| {
                let far = ((pitch - nearest - semitone) / spread).abs().min(FURTHEST);
                (-0.5 * far * far).exp() / spread
            }),
        }
    }
}

/// The probability of each pitch class in a key.
fn prior(key: usize) -> [f32; 12] {
    let (tonic, profile) = (key % 12, profile(key));
    std::array::from_fn(|class| (-f32::from(profile[(class + 12 - tonic) % 12]) / 16.0).exp())
}

/// The log-likelihood of the notes in a key, and the most likely tuning at each.
fn path(notes: &[SungPitch], near: &[[Near; STATES]], key: usize) -> (f32, Vec<f32>) {
    let prior = prior(key);
    let half = (0.5 / STEP).round() as usize;
    let mut totals: [f32; STATES] = std::array::from_fn(|state| {
        if state.abs_diff(REACH) <= half {
            -0.5 * (tuning(state) / TUNING_SPREAD).powi(2)
        } else {
            f32::NEG_INFINITY
        }
    });
    let mut back: Vec<[i8; STATES]> = Vec::with_capacity(notes.len());
    for (number, ((_, length_s), near)) in notes.iter().zip(near).enumerate() {
        let mut from = [0i8; STATES];
        if number > 0 {
            let before = totals;
            for state in 0..STATES {
                for step in [-1i8, 1] {
                    let Some(other) = state.checked_add_signed(isize::from(step)) else {
                        continue;
                    };
                    if other < STATES && before[other] - DRIFT_COST > totals[state] {
                        totals[state] = before[other] - DRIFT_COST;
                        from[state] = step;
                    }
                }
            }
        }
        let weight = weight(*length_s);
        for (state, total) in totals.iter_mut().enumerate() {
            if *total == f32::NEG_INFINITY {
                continue;
            }
            let near = &near[state];
            let sum: f32 = (0..3)
                .map(|at| near.densities[at] * prior[(near.lowest + at) % 12])
                .sum();
            *total += weight * sum.max(f32::MIN_POSITIVE).ln();
        }
        back.push(from);
    }
    let mut state = (0..STATES)
        .max_by(|a, b| totals[*a].total_cmp(&totals[*b]))
        .unwrap_or(REACH);
    let minor = if key < 12 { 0.0 } else { MINOR_COST };
    let likely = totals[state] - minor;
    let mut found = vec![0.0; notes.len()];
    for at in (0..notes.len()).rev() {
        found[at] = tuning(state);
        state = state.saturating_add_signed(isize::from(back[at][state]));
    }
    (likely, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::Mode, chance::Chance};

    /// "Twinkle, twinkle" in C major; it is sung four times.
    const TUNE: [u8; 14] = [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60];

    fn sung(up: impl Fn(usize) -> f32) -> Vec<SungPitch> {
        (0..56)
            .map(|at| (f32::from(TUNE[at % 14]) + up(at), 0.4))
            .collect()
    }

    /// The tune with errors of .35 semitones (standard deviation), 20 cents high.
    fn inexact(singer: u64) -> Vec<SungPitch> {
        let mut chance = Chance::new(singer, &[]);
        let mut notes = sung(|_| 0.2);
        for note in &mut notes {
            note.0 += 0.35 * chance.bell();
        }
        notes
    }

    fn right(notes: &[SungPitch]) -> (usize, f32) {
        let (meant, found) = meant(notes);
        let right = (0..56).filter(|at| meant[*at] == TUNE[at % 14]).count();
        (right, found.tuning_cents(notes))
    }

    fn meant(sung: &[SungPitch]) -> (Vec<u8>, Intonation) {
        let found = Intonation::of(sung);
        let mut notes = vec![Note::new(0.0, 0.4, 60, -20.0); sung.len()];
        found.set_meant(&mut notes, sung, |_| Key {
            tonic: 0,
            mode: Mode::Major,
        });
        (notes.iter().map(|note| note.meant).collect(), found)
    }

    #[test]
    fn an_inexact_singer_is_read_by_the_scale() {
        const SINGERS: u64 = 10;
        let (mut nearest, mut read, mut near_tuning) = (0, 0, 0);
        for singer in 0..SINGERS {
            let notes = inexact(singer);
            nearest += (0..56)
                .filter(|at| (notes[*at].0 - 0.2).round() as u8 == TUNE[at % 14])
                .count();
            let (right, cents) = right(&notes);
            read += right;
            near_tuning += u64::from((cents - 20.0).abs() < 12.0);
        }
        assert!(nearest < 490 && read > nearest + 25, "{nearest}, {read}");
        assert!(near_tuning >= 6, "{near_tuning}");
    }

    #[test]
    fn a_singer_who_drifts_by_most_of_a_semitone_keeps_the_key() {
        let (right, cents) = right(&sung(|at| at as f32 / 56.0 * 0.8));
        assert_eq!(right, 56);
        assert!((30.0..50.0).contains(&cents), "{cents}");
    }

    #[test]
    fn an_exact_singer_is_taken_at_the_nearest_semitone_in_the_key_or_not() {
        let mut notes = sung(|_| -0.3);
        notes[10].0 = 65.7;
        let (meant, found) = meant(&notes);
        assert_eq!(meant[10], 66);
        assert_eq!(found.spread, SPREADS[0]);
        assert!((found.tuning_cents(&notes) + 30.0).abs() < 1.0);
        assert_eq!(Intonation::of(&[]).tuning_cents(&[]), 0.0);
    }
}
