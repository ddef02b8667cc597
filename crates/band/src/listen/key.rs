//! The key, by which notes are sung for how long.
//!
//! Pitch classes weighted by duration, held against the profile of each key by Temperley ("What's Key for Key?", Music
//! Perception 17, 1999); the key whose tonic is the last note gets a bonus, which tells relative keys apart.

use crate::analysis::{Key, Mode, Note};

/// Temperley's profiles, from the tonic up.
const MAJOR: [f64; 12] = [5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0];
const MINOR: [f64; 12] = [5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0];
/// What it adds to a key's correlation that the song ends on its tonic.
const LAST_NOTE_BONUS: f64 = 0.15;

/// The key and how sure it is, 0..1: by how far the next best key with other notes or another tonic stays behind.
pub(super) fn key(notes: &[Note]) -> Option<(Key, f32)> {
    let last = notes.last()?.midi % 12;
    let mut sung = [0.0f64; 12];
    for note in notes {
        sung[usize::from(note.midi % 12)] += (note.offset_s - note.onset_s).clamp(0.0, 2.0);
    }
    let mut scores: Vec<(f64, Key)> = (0..24u8)
        .map(|index| {
            let (tonic, mode) = (
                index % 12,
                if index < 12 { Mode::Major } else { Mode::Minor },
            );
            let profile = if index < 12 { &MAJOR } else { &MINOR };
            let bonus = if tonic == last { LAST_NOTE_BONUS } else { 0.0 };
            (
                correlation(&sung, profile, usize::from(tonic)) + bonus,
                Key { tonic, mode },
            )
        })
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let margin = scores[0].0 - scores[1].0;
    // A lead of .12 in correlation was never wrong on the songs it was set with; enough notes are needed for it to mean much.
    let heard = (notes.len() as f64 / 16.0).min(1.0);
    Some((
        scores[0].1,
        ((margin / 0.12).clamp(0.05, 1.0) * heard) as f32,
    ))
}

/// The tonic of the major key with the same signature.
pub(super) fn signature(key: Key) -> u8 {
    match key.mode {
        Mode::Major => key.tonic,
        Mode::Minor => (key.tonic + 3) % 12,
    }
}

fn correlation(sung: &[f64; 12], profile: &[f64; 12], tonic: usize) -> f64 {
    let (mean_sung, mean_profile) = (
        sung.iter().sum::<f64>() / 12.0,
        profile.iter().sum::<f64>() / 12.0,
    );
    let (mut both, mut own, mut theirs) = (0.0, 0.0, 0.0);
    for class in 0..12 {
        let a = sung[class] - mean_sung;
        let b = profile[(class + 12 - tonic) % 12] - mean_profile;
        both += a * b;
        own += a * a;
        theirs += b * b;
    }
    both / (own * theirs).sqrt().max(1e-12)
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
        let scale = [57, 59, 60, 62, 64, 65, 67, 69, 67, 65, 64, 62, 60, 59];
        let mut minor = sung(&[&scale[..], &[57, 57, 57]].concat());
        assert_eq!(
            key(&minor).expect("a key").0,
            Key {
                tonic: 9,
                mode: Mode::Minor
            }
        );
        minor = sung(&[&scale[..], &[64, 67, 60]].concat());
        assert_eq!(
            key(&minor).expect("a key").0,
            Key {
                tonic: 0,
                mode: Mode::Major
            }
        );
        assert_eq!(key(&[]), None);
    }

    #[test]
    fn every_transposition_is_found() {
        for up in 0..12u8 {
            let tune: Vec<u8> = [60, 60, 67, 67, 69, 69, 67, 65, 65, 64, 64, 62, 62, 60]
                .iter()
                .map(|midi| midi + up)
                .collect();
            let (found, sure) = key(&sung(&tune)).expect("a key");
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
