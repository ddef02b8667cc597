//! Names of pitches, chords, keys and metres, spelled by the key.

use crate::analysis::{Chord, Key, Metre, Mode, Quality};

const SHARPS: [&str; 12] = [
    "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B",
];
const FLATS: [&str; 12] = [
    "C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B",
];

/// Name of a pitch class: flats in flat keys, sharps elsewhere.
pub fn pitch_name(class: u8, key: Key) -> &'static str {
    let major = match key.mode {
        Mode::Major => key.tonic % 12,
        Mode::Minor => (key.tonic + 3) % 12,
    };
    // F, B flat, E flat, A flat and D flat major and their relatives are written with flats.
    let names = if matches!(major, 5 | 10 | 3 | 8 | 1) {
        FLATS
    } else {
        SHARPS
    };
    names[usize::from(class % 12)]
}

/// Name of a root: chords borrowed from the parallel minor (flat third, sixth, seventh) are written with flats in every key, and
/// so is the flat second, the Neapolitan's and the tritone dominant's.
fn root_name(chord: &Chord, key: Key) -> &'static str {
    let tonic = match key.mode {
        Mode::Major => key.tonic,
        Mode::Minor => key.tonic + 3,
    };
    let degree = (chord.root + 24 - tonic) % 12;
    let diminished = matches!(
        chord.quality,
        Quality::Diminished | Quality::HalfDiminished | Quality::DiminishedSeventh
    );
    let minor = matches!(
        chord.quality,
        Quality::Minor | Quality::MinorSeventh | Quality::MinorNinth | Quality::MinorSixth
    );
    let borrowed = matches!(degree, 3 | 8 | 10) || (degree == 1 && !minor);
    if borrowed && !diminished {
        FLATS[usize::from(chord.root % 12)]
    } else {
        pitch_name(chord.root, key)
    }
}

/// Symbol of a chord ("Am7/G").
pub fn chord_name(chord: &Chord, key: Key) -> String {
    let quality = match chord.quality {
        Quality::Major => "",
        Quality::Minor => "m",
        Quality::Diminished => "dim",
        Quality::Augmented => "aug",
        Quality::Sus4 => "sus4",
        Quality::Sus2 => "sus2",
        Quality::Power => "5",
        Quality::Sixth => "6",
        Quality::Seventh => "7",
        Quality::MajorSeventh => "maj7",
        Quality::MinorSeventh => "m7",
        Quality::HalfDiminished => "m7b5",
        Quality::AddNinth => "add9",
        Quality::Ninth => "9",
        Quality::MajorNinth => "maj9",
        Quality::MinorNinth => "m9",
        Quality::Altered => "7alt",
        Quality::SixthNinth => "6/9",
        Quality::MinorSixth => "m6",
        Quality::DiminishedSeventh => "dim7",
        Quality::SeventhSus4 => "7sus4",
        Quality::Thirteenth => "13",
    };
    let root = root_name(chord, key);
    if chord.bass % 12 == chord.root % 12 {
        format!("{root}{quality}")
    } else {
        format!("{root}{quality}/{}", pitch_name(chord.bass, key))
    }
}

/// Name of a key ("Eb minor").
pub fn key_name(key: Key) -> String {
    let mode = match key.mode {
        Mode::Major => "major",
        Mode::Minor => "minor",
    };
    format!("{} {mode}", pitch_name(key.tonic, key))
}

/// Name of a metre ("3/4").
pub fn metre_name(metre: Metre) -> &'static str {
    match metre {
        Metre::TwoFour => "2/4",
        Metre::ThreeFour => "3/4",
        Metre::FourFour => "4/4",
        Metre::SixEight => "6/8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chords_are_spelled_in_their_key() {
        let name = |root, quality, bass, tonic, mode| {
            chord_name(
                &Chord {
                    root,
                    quality,
                    bass,
                },
                Key { tonic, mode },
            )
        };
        assert_eq!(name(10, Quality::Major, 10, 5, Mode::Major), "Bb");
        assert_eq!(name(9, Quality::MinorSeventh, 7, 0, Mode::Major), "Am7/G");
        assert_eq!(name(6, Quality::Minor, 6, 2, Mode::Major), "F#m");
        assert_eq!(name(10, Quality::Seventh, 10, 0, Mode::Major), "Bb7");
        assert_eq!(name(1, Quality::Seventh, 1, 0, Mode::Major), "Db7");
        assert_eq!(name(1, Quality::Minor, 1, 0, Mode::Major), "C#m");
        assert_eq!(name(8, Quality::Diminished, 8, 9, Mode::Minor), "G#dim");
        assert_eq!(name(8, Quality::MajorSeventh, 8, 0, Mode::Minor), "Abmaj7");
    }
}
