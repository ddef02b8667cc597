//! Finds the key: from how long each pitch class is sung, which notes are held, and how well the key's chords fit the melody.
//!
//! Each of the 24 keys is scored by a weighted sum of a few features; `tools/band_eval/weights.py` searches the weights. The first
//! feature is the log-likelihood of the pitch classes, weighted by duration, under the profile of the key, as in Temperley's
//! "A Bayesian approach to key-finding" (2002). Alone it takes most songs in minor for their relative major; the held notes and the
//! last note separate the two.

use crate::{
    analysis::{Key, Mode, Note},
    scale::is_in_sung_scale,
};

use super::{pauses::held_s, tables::KEY_PROFILES};

/// Cost of each pitch class above the tonic in minor, in sixteenths of a nat: the mean of what the ten lead sheets in minor
/// have and of the profile in Temperley's "Music and Probability" (2007, chapter 4), since ten are few.
const MINOR_PROFILE: [u8; 12] = [25, 61, 35, 31, 61, 34, 59, 26, 50, 59, 46, 54];

/// Number of features of a key, in the order of [`WEIGHTS`].
pub(super) const FEATURES: usize = 9;

/// The weights of: the mean log-likelihood of the notes; whether the last note is the tonic; whether it is the tonic and held; the
/// shares of held notes that are tonic, fifth and third; whether the first note is tonic or fifth; the log-likelihood of the
/// chords; whether the key is minor. `weights.py` finds a plateau rather than a peak. On it, these weights find the key of most
/// songs that are sung to their end (.98 of performances of lead sheets), at little cost for songs that are cut short (.84).
pub(super) const WEIGHTS: [f32; FEATURES] = [7.3, 1.1, 0.73, 0.58, 0.58, 0.29, 0.26, 4.4, -1.1];

/// Keys: twelve tonics in major, then in minor.
pub(super) const KEYS: usize = 24;

/// Log-likelihood of the chords in each major key or its relative minor, by tonic: the mean for a second of singing.
pub(super) type ChordEvidence = [f64; 12];

/// The key and how sure it is, 0..1: its probability among all. `None` without notes.
pub(super) fn key(notes: &[Note], chords: Option<&ChordEvidence>) -> Option<(Key, f32)> {
    if notes.is_empty() {
        return None;
    }
    let scores = features(notes, chords).map(|row| weighed(&row));
    let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b]))?;
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

/// The scores of all keys for a stretch within a song, in nats: without the features of the first and the last note.
pub(super) fn scores_within(notes: &[Note]) -> [f32; KEYS] {
    features(notes, None).map(|mut row| {
        row[1] = 0.0;
        row[2] = 0.0;
        row[6] = 0.0;
        weighed(&row)
    })
}

fn weighed(row: &[f32; FEATURES]) -> f32 {
    row.iter()
        .zip(WEIGHTS)
        .map(|(feature, weight)| feature * weight)
        .sum()
}

pub(super) fn key_of(index: usize) -> Key {
    let mode = if index < 12 { Mode::Major } else { Mode::Minor };
    Key {
        tonic: (index % 12) as u8,
        mode,
    }
}

/// The features of the keys: twelve in major by tonic, twelve in minor.
pub(super) fn features(notes: &[Note], chords: Option<&ChordEvidence>) -> [[f32; FEATURES]; KEYS] {
    let (Some(first), Some(last)) = (notes.first(), notes.last()) else {
        return [[0.0; FEATURES]; KEYS];
    };
    let mut sung = [0.0f32; 12];
    for note in notes {
        sung[usize::from(note.midi % 12)] += (note.offset_s - note.onset_s).clamp(0.01, 2.0) as f32;
    }
    let whole: f32 = sung.iter().sum();
    let (held, held_s) = held_notes(notes);
    let is_held = last.offset_s - last.onset_s > held_s;
    std::array::from_fn(|index| {
        let key = key_of(index);
        let minor = key.mode == Mode::Minor;
        let above = |class: usize| (class + 12 - usize::from(key.tonic)) % 12;
        let profile = if minor {
            &MINOR_PROFILE
        } else {
            &KEY_PROFILES[0]
        };
        let fit: f32 = (0..12)
            .map(|class| -sung[class] / whole * f32::from(profile[above(class)]) / 16.0)
            .sum();
        let held_on = |degree: usize| held[(degree + usize::from(key.tonic)) % 12];
        let flag = |is: bool| f32::from(u8::from(is));
        let rests = above(usize::from(last.midi % 12)) == 0;
        let opens = matches!(above(usize::from(first.midi % 12)), 0 | 7);
        [
            fit,
            flag(rests),
            flag(rests && is_held),
            held_on(0),
            held_on(7),
            held_on(if minor { 3 } else { 4 }),
            flag(opens),
            chords.map_or(0.0, |chords| chords[usize::from(signature(key))] as f32),
            flag(minor),
        ]
    })
}

/// The shares of held notes on each pitch class (of at least four, so that one held note is not all), and the distance to the next
/// note beyond which a note is held, in seconds. A feature that the weights were searched with; it does not say where phrases end.
fn held_notes(notes: &[Note]) -> ([f32; 12], f64) {
    let held_s = held_s(notes);
    let mut shares = [0.0f32; 12];
    let mut count = 0u32;
    for pair in notes.windows(2) {
        if pair[1].onset_s - pair[0].onset_s > held_s {
            shares[usize::from(pair[0].midi % 12)] += 1.0;
            count += 1;
        }
    }
    shares
        .iter_mut()
        .for_each(|share| *share /= count.max(4) as f32);
    (shares, held_s)
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

    fn sung(pitches: &[u8]) -> Vec<Note> {
        pitches
            .iter()
            .enumerate()
            .map(|(at, midi)| Note {
                onset_s: at as f64 * 0.5,
                offset_s: at as f64 * 0.5 + 0.5,
                midi: *midi,
                level_db: -20.0,
            })
            .collect()
    }

    #[test]
    fn the_last_note_tells_relative_keys_apart() {
        let minor_tune = [
            57, 60, 64, 62, 60, 59, 57, 56, 57, 59, 60, 62, 64, 64, 60, 57,
        ];
        let mut minor = sung(&[&minor_tune[..], &[57, 57, 57]].concat());
        assert_eq!(
            key(&minor, None).expect("a key").0,
            Key {
                tonic: 9,
                mode: Mode::Minor
            }
        );
        let scale = [60, 62, 64, 65, 67, 69, 71, 72, 67, 65, 64, 62];
        minor = sung(&[&scale[..], &[64, 67, 60]].concat());
        assert_eq!(
            key(&minor, None).expect("a key").0,
            Key {
                tonic: 0,
                mode: Mode::Major
            }
        );
        assert_eq!(key(&[], None), None);
    }

    #[test]
    fn every_transposition_is_found() {
        for up in 0..12u8 {
            let tune: Vec<u8> = [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60]
                .iter()
                .map(|midi| midi + up)
                .collect();
            let (found, sure) = key(&sung(&tune), None).expect("a key");
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
