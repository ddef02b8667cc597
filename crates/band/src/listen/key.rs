//! Finds the key: from what each pitch class does in the melody, from the steps between them, and from how well the key's chords fit.
//!
//! A key's score is a weighted sum of the pitch classes above its tonic by role (sung for long, held, before and after rests, first and
//! last), of the steps from each to the next, and of the log-likelihood of the key's chords. The pitch classes are probabilities, so that
//! a note that lies between two semitones counts for both. `tools/band_eval/weights.py` learns the weights. Durations alone take most songs in minor for
//! their relative major, and excerpts for the key a fifth higher; roles and steps separate them (as in Temperley and Marvin,
//! "Pitch-class distribution and the identification of key", 2008, where listeners use the order of notes).

use std::sync::OnceLock;

use crate::{
    analysis::{Key, Mode, Note},
    learned::Bytes,
    scale::is_in_sung_scale,
};

use super::{
    intonation::Classes,
    key_profile::{KEYS, key_of},
    pauses::{held_s, is_after_rest},
};

/// Roles of a pitch class, in the order of [`Evidence::roles`]. The last three are those of the song's first and last note.
const ROLES: usize = 8;
const ROLES_WITHIN: usize = 5;

/// Log-likelihood of the chords in each major key or its relative minor, by tonic: the mean for a second of singing.
pub(super) type ChordEvidence = [f64; 12];

/// The weights, by mode (major, minor) and by pitch class above the tonic.
struct Weights {
    roles: [[[f32; 12]; ROLES]; 2],
    steps: [[[f32; 12]; 12]; 2],
    chords: f32,
    minor: f32,
}

fn weights() -> &'static Weights {
    static WEIGHTS: OnceLock<Weights> = OnceLock::new();
    WEIGHTS.get_or_init(|| {
        let mut bytes = Bytes(include_bytes!("key.bin"));
        Weights {
            roles: std::array::from_fn(|_| std::array::from_fn(|_| bytes.floats())),
            steps: std::array::from_fn(|_| std::array::from_fn(|_| bytes.floats())),
            chords: f32::from_le_bytes(bytes.take()),
            minor: f32::from_le_bytes(bytes.take()),
        }
    })
}

/// What a melody says about its key before any key is tried: shares of the pitch classes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evidence {
    /// Of the singing, of the notes, of held notes, of notes before rests and after rests; the last note, the last note if it is
    /// held, the first note.
    pub(super) roles: [[f32; 12]; ROLES],
    /// Of the steps from each pitch class to each.
    pub(super) steps: [[f32; 12]; 12],
}

impl Evidence {
    /// The evidence of notes, each with the semitones that it may be meant as.
    pub(super) fn of(notes: &[Note], classes: &[Classes]) -> Self {
        let held_s = held_s(notes);
        let mut roles = [[0.0f32; 12]; ROLES];
        let mut steps = [[0.0f32; 12]; 12];
        for (at, note) in notes.iter().enumerate() {
            let mut add = |role: usize, value: f32| {
                for (midi, share) in classes[at] {
                    roles[role][usize::from(midi % 12)] += value * share;
                }
            };
            add(0, (note.offset_s - note.onset_s).clamp(0.01, 2.0) as f32);
            add(1, 1.0);
            if at == 0 {
                add(7, 1.0);
            } else if is_after_rest(&notes[at - 1], note) {
                add(4, 1.0);
            }
            if let Some(next) = notes.get(at + 1) {
                if next.onset_s - note.onset_s > held_s {
                    add(2, 1.0);
                }
                if is_after_rest(note, next) {
                    add(3, 1.0);
                }
                for (from, share) in classes[at] {
                    for (to, other) in classes[at + 1] {
                        steps[usize::from(from % 12)][usize::from(to % 12)] += share * other;
                    }
                }
            } else {
                add(5, 1.0);
                if note.offset_s - note.onset_s > held_s {
                    add(6, 1.0);
                }
            }
        }
        // A few held notes and a few rests are little evidence.
        for (role, least) in roles.iter_mut().zip([0.01, 1.0, 4.0, 4.0, 4.0]) {
            let sum = role.iter().sum::<f32>().max(least);
            role.iter_mut().for_each(|share| *share /= sum);
        }
        let pairs = notes.len().saturating_sub(1).max(8) as f32;
        steps.iter_mut().flatten().for_each(|share| *share /= pairs);
        Self { roles, steps }
    }

    /// The scores of all keys in nats, from the first `roles` roles.
    fn scores(&self, roles: usize) -> [f32; KEYS] {
        let learned = weights();
        std::array::from_fn(|key| {
            let (mode, tonic) = (key / 12, key % 12);
            let above = |class: usize| (class + 12 - tonic) % 12;
            let mut score = learned.minor * mode as f32;
            for class in 0..12 {
                for (weights, shares) in learned.roles[mode].iter().zip(&self.roles).take(roles) {
                    score += weights[above(class)] * shares[class];
                }
                let weights = &learned.steps[mode][above(class)];
                for (to, share) in self.steps[class].iter().enumerate() {
                    score += weights[above(to)] * share;
                }
            }
            score
        })
    }
}

/// The key and how sure it is, 0..1: its probability among all. `None` without notes. `classes` has the semitones that each note may be
/// meant as.
pub(super) fn key(
    notes: &[Note],
    classes: &[Classes],
    chords: Option<&ChordEvidence>,
) -> Option<(Key, f32)> {
    if notes.is_empty() {
        return None;
    }
    let mut scores = Evidence::of(notes, classes).scores(ROLES);
    if let Some(chords) = chords {
        for (index, score) in scores.iter_mut().enumerate() {
            *score += weights().chords * chords[usize::from(signature(key_of(index)))] as f32;
        }
    }
    let best = (0..KEYS).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))?;
    let all: f32 = scores
        .iter()
        .map(|score| (score - scores[best]).exp())
        .sum();
    let heard = (notes.len() as f32 / 16.0).min(1.0);
    Some((key_of(best), heard / all))
}

/// The share of the sung time that lies in the scale of a key.
pub(super) fn share_within(notes: &[Note], key: Key) -> f32 {
    let (mut within, mut all) = (0.0f64, 0.0f64);
    for note in notes {
        let length_s = (note.offset_s - note.onset_s).clamp(0.01, 2.0);
        all += length_s;
        within += if is_in_sung_scale(note.midi, key) {
            length_s
        } else {
            0.0
        };
    }
    (within / all.max(f64::MIN_POSITIVE)) as f32
}

/// The scores of all keys for a stretch within a song, in nats: without the roles of the first and the last note.
pub(super) fn scores_within(notes: &[Note], classes: &[Classes]) -> [f32; KEYS] {
    Evidence::of(notes, classes).scores(ROLES_WITHIN)
}

/// The tonic of the major key with the same signature.
pub(super) fn signature(key: Key) -> u8 {
    match key.mode {
        Mode::Major => key.tonic,
        Mode::Minor => (key.tonic + 3) % 12,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(notes: &[Note]) -> (Key, f32) {
        let classes: Vec<Classes> = notes
            .iter()
            .map(|note| [(note.midi, 1.0), (0, 0.0), (0, 0.0)])
            .collect();
        key(notes, &classes, None).expect("a key")
    }

    fn sung(pitches: &[u8]) -> Vec<Note> {
        pitches
            .iter()
            .enumerate()
            .map(|(at, midi)| Note::new(at as f64 * 0.5, at as f64 * 0.5 + 0.5, *midi, -20.0))
            .collect()
    }

    #[test]
    fn the_last_note_tells_relative_keys_apart() {
        let minor_tune = [
            57, 60, 64, 62, 60, 59, 57, 56, 57, 59, 60, 62, 64, 64, 60, 57,
        ];
        let mut minor = sung(&[&minor_tune[..], &[57, 57, 57]].concat());
        assert_eq!(
            heard(&minor).0,
            Key {
                tonic: 9,
                mode: Mode::Minor
            }
        );
        let scale = [60, 62, 64, 65, 67, 69, 71, 72, 67, 65, 64, 62];
        minor = sung(&[&scale[..], &[64, 67, 60]].concat());
        assert_eq!(
            heard(&minor).0,
            Key {
                tonic: 0,
                mode: Mode::Major
            }
        );
        assert_eq!(key(&[], &[], None), None);
    }

    #[test]
    fn every_transposition_is_found() {
        for up in 0..12u8 {
            let tune: Vec<u8> = [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60]
                .iter()
                .map(|midi| midi + up)
                .collect();
            let (found, sure) = heard(&sung(&tune));
            assert_eq!(
                found,
                Key {
                    tonic: up,
                    mode: Mode::Major
                }
            );
            assert!(sure > 0.3, "{sure}");
        }
    }
}
