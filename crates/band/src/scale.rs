//! The scale of a key: the notes that the band plays in it, and the notes that a melody in it has.

use crate::analysis::{Key, Mode};

/// Semitones of a major scale above its tonic.
const MAJOR: [u8; 7] = [0, 2, 4, 5, 7, 9, 11];

/// Semitones of a natural minor scale above its tonic: what the band plays in minor.
const NATURAL_MINOR: [u8; 7] = [0, 2, 3, 5, 7, 8, 10];

/// The same with both sixths and both sevenths: what melodies in minor have.
const SUNG_MINOR: [u8; 9] = [0, 2, 3, 5, 7, 8, 9, 10, 11];

/// Whether a note is in the scale that the band plays in a key: major or natural minor.
pub(crate) fn is_in_scale(midi: u8, key: Key) -> bool {
    let scale = match key.mode {
        Mode::Major => &MAJOR,
        Mode::Minor => &NATURAL_MINOR,
    };
    scale.contains(&above_tonic(midi, key))
}

/// Whether a note is in the scale of a melody in a key: in minor either sixth and either seventh is.
pub(crate) fn is_in_sung_scale(midi: u8, key: Key) -> bool {
    let scale: &[u8] = match key.mode {
        Mode::Major => &MAJOR,
        Mode::Minor => &SUNG_MINOR,
    };
    scale.contains(&above_tonic(midi, key))
}

/// Whether a pitch class above the tonic of a key signature's major key belongs to the signature.
pub(crate) fn is_in_signature(class: usize) -> bool {
    MAJOR.iter().any(|tone| usize::from(*tone) == class % 12)
}

fn above_tonic(midi: u8, key: Key) -> u8 {
    (midi + 12 - key.tonic % 12) % 12
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The notes of the octave from middle C that are in a scale.
    fn notes(is_in: impl Fn(u8, Key) -> bool, tonic: u8, mode: Mode) -> Vec<u8> {
        (60..72)
            .filter(|midi| is_in(*midi, Key { tonic, mode }))
            .collect()
    }

    #[test]
    fn a_band_plays_natural_minor_and_a_melody_has_both_sixths_and_sevenths() {
        // A minor, whose sixth is F and whose seventh is G.
        let white = [60, 62, 64, 65, 67, 69, 71];
        assert_eq!(notes(is_in_scale, 9, Mode::Minor), white);
        let sung = [60, 62, 64, 65, 66, 67, 68, 69, 71];
        assert_eq!(notes(is_in_sung_scale, 9, Mode::Minor), sung);
        for tonic in 0..12 {
            let major = notes(is_in_scale, tonic, Mode::Major);
            assert_eq!(major, notes(is_in_sung_scale, tonic, Mode::Major));
            let signature = |midi: u8, _: Key| is_in_signature(usize::from(midi + 12 - tonic));
            assert_eq!(major, notes(signature, tonic, Mode::Major));
        }
    }
}
