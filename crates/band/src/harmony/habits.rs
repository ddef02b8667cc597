//! The habits of styles: preferred chords, preferred transitions, how often chords change, and loops.
//!
//! They are data: `crates/band/data/harmony.yaml`, whose figures are logarithms of odds, set by hand from how the styles are commonly
//! described. How much they count is the request's `style_weight`.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize, Deserializer, de::Error};

use super::{model::CLASSES, vocabulary::Vocabulary};
use crate::{
    catalogue::StyleId,
    data::{DataError, parse, share, within},
};

/// What a style does without the request's weights.
#[derive(Debug)]
pub(crate) struct Habits {
    style: Option<StyleId>,
    /// The kinds of chord.
    pub(super) vocabulary: Vocabulary,
    /// Probability that a chord gets the tones that the style adds to it now and then, 0..1.
    pub(super) colour: f32,
    /// How much of the request's weirdness leads to other chords, 0..1.
    pub(super) reharmonise: f32,
    /// Whether dominants a tritone off are substitutes at any weirdness.
    pub(super) tritones: bool,
    pace: Pace,
    /// Preference for a chord whose root lies so many semitones above the one before.
    moves: [f32; 12],
    major: Mode,
    minor: Mode,
    /// How far loops are kept to, 0..1.
    pub(super) loops: f32,
}

/// Preferences in major or in minor.
#[derive(Debug)]
struct Mode {
    worth: [f32; CLASSES],
    loops: Vec<Loop>,
}

/// Chord classes that repeat: of each bar the classes, in equal shares of it. A bar without a class keeps the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loop(pub(super) Vec<Vec<usize>>);

/// Added log odds of a chord change.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Pace {
    /// At a bar line.
    #[serde(deserialize_with = "odds")]
    bar: f32,
    /// Within a bar.
    #[serde(deserialize_with = "odds")]
    within: f32,
}

impl Habits {
    /// The habits of a style, or of a lead sheet where there is none.
    pub(crate) fn of(style: Option<StyleId>) -> &'static Self {
        static TABLE: LazyLock<Vec<Habits>> = LazyLock::new(|| {
            read(FILE, TEXT).unwrap_or_else(|error| panic!("a test reads the table: {error}"))
        });
        TABLE
            .iter()
            .find(|row| row.style == style)
            .expect("a test asks for every style")
    }

    /// Preference for a class.
    pub(super) fn worth(&self, class: usize, minor: bool) -> f32 {
        // Only jazz and related styles prefer diminished chords.
        let diminished = class / 12 == 2 && !self.vocabulary.is_rich();
        self.mode(minor).worth[class] - if diminished { 0.8 } else { 0.0 }
    }

    /// Preference for a transition from one class to another.
    pub(super) fn step(&self, before: usize, after: usize) -> f32 {
        self.moves[(after % 12 + 12 - before % 12) % 12]
    }

    /// Log odds of a chord change, relative to lead sheets.
    pub(super) fn pace(&self, downbeat: bool) -> f32 {
        if downbeat {
            self.pace.bar
        } else {
            self.pace.within
        }
    }

    /// The loops that the style plays.
    pub(super) fn loops(&self, minor: bool) -> &[Loop] {
        &self.mode(minor).loops
    }

    fn mode(&self, minor: bool) -> &Mode {
        if minor { &self.minor } else { &self.major }
    }
}

const FILE: &str = "harmony.yaml";
const TEXT: &str = include_str!("../../data/harmony.yaml");

/// A row of the table as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    style: Option<StyleId>,
    chords: Vocabulary,
    #[serde(deserialize_with = "share")]
    colour: f32,
    #[serde(deserialize_with = "share")]
    reharmonise: f32,
    #[serde(default)]
    tritones: bool,
    #[serde(default)]
    pace: Pace,
    #[serde(default)]
    moves: BTreeMap<u8, f32>,
    major: BTreeMap<Degree, f32>,
    minor: BTreeMap<Degree, f32>,
    #[serde(default, deserialize_with = "share")]
    loops: f32,
    #[serde(default)]
    major_loops: Vec<LoopText>,
    #[serde(default)]
    minor_loops: Vec<LoopText>,
}

fn odds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, -3.0, 3.0)
}

/// A degree of the scale with the kind of its triad, as in `bVII`, `#iv°`: flats and sharps count from the major scale in minor too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Degree {
    /// Semitones above the tonic.
    above: usize,
    /// Major, minor, diminished.
    triad: usize,
}

impl Degree {
    fn from_text(text: &str) -> Option<Self> {
        let (shift, rest) = match text.strip_prefix('b') {
            Some(rest) => (11, rest),
            None => text.strip_prefix('#').map_or((0, text), |rest| (1, rest)),
        };
        let (numeral, diminished) = rest
            .strip_suffix('°')
            .map_or((rest, false), |it| (it, true));
        let above = match numeral.to_ascii_lowercase().as_str() {
            "i" => 0,
            "ii" => 2,
            "iii" => 4,
            "iv" => 5,
            "v" => 7,
            "vi" => 9,
            "vii" => 11,
            _ => return None,
        };
        let small = numeral.chars().all(|letter| letter.is_ascii_lowercase());
        let capital = numeral.chars().all(|letter| letter.is_ascii_uppercase());
        let triad = match (small, capital, diminished) {
            (_, true, false) => 0,
            (true, _, false) => 1,
            (true, _, true) => 2,
            _ => return None,
        };
        Some(Self {
            above: (above + shift) % 12,
            triad,
        })
    }

    /// Its class: classes count from the tonic of the signature's major key.
    fn class(self, minor: bool) -> usize {
        (self.above + if minor { 9 } else { 0 }) % 12 + 12 * self.triad
    }
}

impl<'de> Deserialize<'de> for Degree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` is no degree: write one as in vi, bVII, #iv°"
            ))
        })
    }
}

/// A loop as it is written: bars with spaces between them, `/` between the chords of a bar, `-` for a bar that keeps the chord.
struct LoopText(Vec<Vec<Degree>>);

impl<'de> Deserialize<'de> for LoopText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bar = |bar: &str| -> Option<Vec<Degree>> {
            if bar == "-" {
                return Some(Vec::new());
            }
            bar.split('/').map(Degree::from_text).collect()
        };
        let bars: Option<Vec<Vec<Degree>>> = text.split(' ').map(bar).collect();
        match bars {
            Some(bars) if matches!(bars.len(), 2 | 4 | 8 | 12 | 16) && !bars[0].is_empty() => {
                Ok(Self(bars))
            }
            _ => Err(D::Error::custom(format!(
                "`{text}` is no loop: write 2, 4, 8, 12 or 16 bars as in `I vi ii/V -`"
            ))),
        }
    }
}

/// Reads a table.
fn read(file: &str, text: &str) -> Result<Vec<Habits>, DataError> {
    let rows: Vec<Row> = parse(file, text)?;
    let mut found: Vec<Habits> = Vec::with_capacity(rows.len());
    for row in rows {
        let name = row.style.map_or_else(
            || "the row without a style".to_owned(),
            |style| format!("`{style:?}`"),
        );
        if found.iter().any(|other| other.style == row.style) {
            return Err(DataError::at(file, 0, format!("{name} is there twice")));
        }
        let mut moves = [0.0; 12];
        for (&up, &worth) in &row.moves {
            *moves.get_mut(usize::from(up)).ok_or_else(|| {
                DataError::at(file, 0, format!("{name}: moves go from 0 to 11 semitones"))
            })? = worth;
        }
        let mode = |worths: &BTreeMap<Degree, f32>, loops: Vec<LoopText>, minor: bool| {
            let mut worth = [0.0; CLASSES];
            for (degree, &likes) in worths {
                worth[degree.class(minor)] = likes;
            }
            let class = |degree: Degree| degree.class(minor);
            let bar = |bar: Vec<Degree>| bar.into_iter().map(class).collect();
            let loops = loops
                .into_iter()
                .map(|text| Loop(text.0.into_iter().map(bar).collect()))
                .collect();
            Mode { worth, loops }
        };
        found.push(Habits {
            style: row.style,
            vocabulary: row.chords,
            colour: row.colour,
            reharmonise: row.reharmonise,
            tritones: row.tritones,
            pace: row.pace,
            moves,
            major: mode(&row.major, row.major_loops, false),
            minor: mode(&row.minor, row.minor_loops, true),
            loops: row.loops,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read_and_has_a_row_for_every_style() {
        let rows = match read(FILE, TEXT) {
            Ok(rows) => rows,
            Err(error) => panic!("{error}"),
        };
        assert!(rows.iter().any(|row| row.style.is_none()));
        for style in StyleId::all() {
            let row = rows.iter().find(|row| row.style == Some(style));
            let row = row.unwrap_or_else(|| panic!("{style:?} has no row"));
            for minor in [false, true] {
                // A weight without loops, or loops without a weight, would change nothing.
                assert_eq!(row.loops(minor).is_empty(), row.loops == 0.0, "{style:?}");
            }
        }
    }

    #[test]
    fn degrees_count_from_the_tonic_of_the_mode() {
        let class = |text: &str, minor| Degree::from_text(text).unwrap().class(minor);
        assert_eq!(class("I", false), 0);
        assert_eq!(class("vi", false), 12 + 9);
        assert_eq!(class("i", true), 12 + 9);
        assert_eq!(class("bVI", true), 5);
        assert_eq!(class("bVII", false), 10);
        assert_eq!(class("#iv°", false), 24 + 6);
        assert_eq!(class("V", true), 4);
        for text in ["", "viii", "Vi", "V°", "b", "IV7"] {
            assert_eq!(Degree::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn mistakes_are_refused_with_file_and_line() {
        for (from, to, message) in [
            ("I V vi IV,", "I V vi IVx,", "is no loop"),
            ("I V vi IV,", "I V vi,", "is no loop"),
            ("ii°: 0.6", "iI°: 0.6", "is no degree"),
            ("colour: 0.35", "colour: 1.35", "out of range"),
            ("within: -0.3", "wihtin: -0.3", "wihtin"),
        ] {
            let line = TEXT.lines().position(|line| line.contains(from)).unwrap() + 1;
            let error = read(FILE, &TEXT.replacen(from, to, 1)).unwrap_err();
            let error = error.to_string();
            assert!(
                error.starts_with(&format!("{FILE}:{line}: ")) && error.contains(message),
                "{to:?}, line {line}: {error}"
            );
        }
        let twice = TEXT.replacen("style: soul", "style: gospel", 1);
        assert!(
            read(FILE, &twice)
                .unwrap_err()
                .to_string()
                .contains("twice")
        );
    }
}
