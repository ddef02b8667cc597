//! The patterns of the tables: a character for each step, for each kind of pattern its own characters. A step is a sixteenth, or a third
//! of an eighth where a bar has half as many again.

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, MapAccess, Visitor, value},
};

use super::{Role, Traits};

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Pieces of a kit.
    Strokes(Vec<(Piece, String)>),
    /// A bass line.
    Bass(String),
    /// Chords, and on instruments with keys a line of low octaves for the left hand.
    Chords {
        /// The chords.
        right: String,
        /// The left hand; empty where it is silent.
        left: String,
    },
    /// Strummed chords.
    Strum(String),
    /// Broken chords.
    Pick(String),
    /// Chords held as long as they last.
    Hold,
    /// Short melodies in the singer's gaps.
    Answer,
}

impl Pattern {
    /// Its key in a table.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Strokes(_) => "strokes",
            Self::Bass(_) => "bass",
            Self::Chords { .. } => "chords",
            Self::Strum(_) => "strum",
            Self::Pick(_) => "pick",
            Self::Hold => "hold",
            Self::Answer => "answer",
        }
    }

    /// The pattern in 3/4: its bars of 4/4 without their third beat, or without the fourth where the backbeat is on the third alone.
    pub(super) fn in_three(&self) -> Self {
        let beat = if self.is_half_time() { 3 } else { 2 };
        self.each(|_, marks| without_beat(marks, beat))
    }

    /// The pattern in 6/8: a bar of 4/4 is two of its bars, as in twelve-eight. Broken chords, and kits whose backbeat is on the third
    /// beat alone, have one bar for one: the first three eighths of each half, or of broken chords the first six.
    pub(super) fn in_six_eight(&self) -> Self {
        if matches!(self, Self::Pick(_)) {
            return self.each(|_, marks| without_beat(marks, 3));
        }
        if self.is_half_time() {
            return self.each(|_, marks| {
                let half = steps(marks) / 2;
                let marks = marks.chars().enumerate();
                marks
                    .filter(|&(at, _)| at % half < half * 3 / 4)
                    .map(|(_, mark)| mark)
                    .collect()
            });
        }
        self.each(in_thirds)
    }

    /// The pattern with its lines changed; kits give the piece of a line.
    fn each(&self, change: impl Fn(Option<Piece>, &str) -> String) -> Self {
        let line = |marks: &String| change(None, marks);
        match self {
            Self::Strokes(lanes) => {
                let lanes = lanes.iter();
                Self::Strokes(
                    lanes
                        .map(|(piece, marks)| (*piece, change(Some(*piece), marks)))
                        .collect(),
                )
            }
            Self::Bass(marks) => Self::Bass(line(marks)),
            Self::Chords { right, left } => Self::Chords {
                right: line(right),
                left: line(left),
            },
            Self::Strum(marks) => Self::Strum(line(marks)),
            Self::Pick(marks) => Self::Pick(line(marks)),
            Self::Hold => Self::Hold,
            Self::Answer => Self::Answer,
        }
    }

    /// Whether the snare, or what takes its place, is struck on the third beat, and on neither the second nor the fourth.
    fn is_half_time(&self) -> bool {
        let Self::Strokes(lanes) = self else {
            return false;
        };
        let struck = |beat: usize| {
            lanes.iter().any(|(piece, marks)| {
                let on_beat = |at: usize| at % steps(marks) == beat * steps(marks) / 4;
                let backbeat = matches!(piece, Piece::Snare | Piece::Clap | Piece::Rim);
                backbeat
                    && marks
                        .chars()
                        .enumerate()
                        .any(|(at, mark)| on_beat(at) && mark != '.')
            })
        };
        struck(2) && !struck(1) && !struck(3)
    }

    /// Whether a part plays such a pattern.
    pub(super) fn suits(&self, role: Role) -> bool {
        match self {
            Self::Strokes(_) => matches!(role, Role::Drums | Role::Percussion),
            Self::Bass(_) => role == Role::Bass,
            Self::Chords { .. } | Self::Strum(_) => role == Role::Comp,
            Self::Pick(_) => matches!(role, Role::Comp | Role::Figure),
            Self::Hold => role == Role::Pad,
            Self::Answer => role == Role::Fills,
        }
    }
}

/// The steps of a bar of 4/4.
fn steps(marks: &str) -> usize {
    steps_in_bar(marks.chars().count(), FOUR_FOUR).unwrap_or(FOUR_FOUR)
}

/// Bars of 4/4 without one of their beats.
fn without_beat(marks: &str, beat: usize) -> String {
    let steps = steps(marks);
    let kept = |at: usize| at % steps / (steps / 4) != beat;
    let marks = marks.chars().enumerate();
    marks
        .filter(|&(at, _)| kept(at))
        .map(|(_, mark)| mark)
        .collect()
}

/// Bars of 4/4 in twelve-eight: the second eighth of a beat becomes its third, and a line of eighths has three of them.
fn in_thirds(piece: Option<Piece>, marks: &str) -> String {
    if steps(marks) != FOUR_FOUR {
        // Triplets.
        return marks.to_owned();
    }
    let marks: Vec<char> = marks.chars().collect();
    let rests = |mark: char| matches!(mark, '.' | '-');
    let beats = marks.chunks_exact(4).flat_map(|beat| {
        let held = if beat[1] == '.' { '.' } else { '-' };
        let eighths = !rests(beat[0]) && rests(beat[1]) && !rests(beat[2]) && rests(beat[3]);
        let second = match beat[0] {
            _ if !eighths || matches!(piece, Some(Piece::Kick | Piece::Snare | Piece::Clap)) => {
                beat[1]
            }
            'X' | 'x' | 'o' | '^' => 'o',
            'D' | 'd' | 'U' | 'u' => 'd',
            first if first == beat[2] => first,
            _ => beat[1],
        };
        [beat[0], held, second, held, beat[2], beat[3]]
    });
    beats.collect()
}

/// Sixteenths in a bar of 4/4.
pub(super) const FOUR_FOUR: usize = 16;

/// A pattern as it is written: `{kick: "X...", snare: "....x"}`, `{bass: "1---"}`, `{strum: "D-u-"}`.
pub(super) struct PatternRow(pub(super) Pattern);

impl<'de> Deserialize<'de> for PatternRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lanes;
        impl<'de> Visitor<'de> for Lanes {
            type Value = PatternRow;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a pattern, such as `bass: \"1---5---1---5---\"`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PatternRow, A::Error> {
                let mut strokes = Vec::new();
                let mut pattern = None;
                let mut left = None;
                let mut lanes = 0;
                while let Some(key) = map.next_key::<String>()? {
                    let (marks, make): (_, fn(String) -> Pattern) = match key.as_str() {
                        "bass" => ("1345678an-.", Pattern::Bass),
                        "chords" => ("Xxo^-.", |right| Pattern::Chords {
                            right,
                            left: String::new(),
                        }),
                        "left" => {
                            left = Some(map.next_value::<Marks>()?.of("158-.")?);
                            continue;
                        }
                        "strum" => ("DUdux-.", Pattern::Strum),
                        "pick" => ("123456-.", Pattern::Pick),
                        piece => {
                            let name: value::StrDeserializer<'_, A::Error> =
                                piece.into_deserializer();
                            let piece = Piece::deserialize(name)?;
                            strokes.push((piece, map.next_value::<Marks>()?.of("Xxo^-.")?));
                            lanes += 1;
                            continue;
                        }
                    };
                    pattern = Some(make(map.next_value::<Marks>()?.of(marks)?));
                    lanes += 1;
                }
                match (pattern, left, lanes) {
                    (Some(Pattern::Chords { right, .. }), Some(left), 1) => {
                        Ok(PatternRow(Pattern::Chords { right, left }))
                    }
                    (Some(pattern), None, 1) => Ok(PatternRow(pattern)),
                    (None, None, 1..) => Ok(PatternRow(Pattern::Strokes(strokes))),
                    _ => Err(A::Error::custom(
                        "a pattern is either pieces of a kit or one of bass, chords (with left), strum, pick",
                    )),
                }
            }
        }
        deserializer.deserialize_map(Lanes)
    }
}

/// The steps of a bar in a pattern of `length` steps, in a metre of `slots` sixteenths a bar: as many, or half as many again. A pattern has
/// one, two, four or eight bars. `None` for other lengths.
pub(super) fn steps_in_bar(length: usize, slots: usize) -> Option<usize> {
    [slots, slots * 3 / 2]
        .into_iter()
        .find(|&steps| length.is_multiple_of(steps) && matches!(length / steps, 1 | 2 | 4 | 8))
}

/// The characters of one lane: bars of 16 sixteenths, or of 24 thirds of an eighth.
struct Marks(String);

impl Marks {
    /// The characters, all of them among `known`.
    fn of<E: Error>(self, known: &str) -> Result<String, E> {
        match self.0.chars().find(|mark| !known.contains(*mark)) {
            Some(mark) => Err(E::custom(format!(
                "`{mark}` in \"{}\": write one of {known}",
                self.0
            ))),
            None => Ok(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Marks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let marks = String::deserialize(deserializer)?;
        let slots = marks.chars().count();
        if steps_in_bar(slots, FOUR_FOUR).is_none() {
            return Err(D::Error::custom(format!(
                "\"{marks}\" has {slots} characters: a bar has {FOUR_FOUR}, or {} in triplets",
                FOUR_FOUR * 3 / 2
            )));
        }
        Ok(Self(marks))
    }
}

/// A piece of a kit or of the percussion table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Piece {
    Kick,
    Rim,
    Snare,
    Clap,
    #[serde(rename = "closed-hat")]
    Closed,
    #[serde(rename = "pedal-hat")]
    Pedal,
    #[serde(rename = "open-hat")]
    Open,
    LowTom,
    MidTom,
    HighTom,
    Crash,
    Ride,
    Tambourine,
    Cowbell,
    HighConga,
    LowConga,
    Shaker,
    Claves,
    #[serde(rename = "brush-sweep")]
    Sweep,
}

impl Piece {
    /// Its General MIDI number; the brush sweep, which General MIDI lacks, takes 27 as in the GS brush set.
    pub(crate) const fn midi(self) -> u8 {
        match self {
            Self::Kick => 36,
            Self::Rim => 37,
            Self::Snare => 38,
            Self::Clap => 39,
            Self::Closed => 42,
            Self::Pedal => 44,
            Self::Open => 46,
            Self::LowTom => 45,
            Self::MidTom => 47,
            Self::HighTom => 50,
            Self::Crash => 49,
            Self::Ride => 51,
            Self::Tambourine => 54,
            Self::Cowbell => 56,
            Self::HighConga => 63,
            Self::LowConga => 64,
            Self::Shaker => 70,
            Self::Claves => 75,
            Self::Sweep => 27,
        }
    }
}

/// What forbids a stroke, by its General MIDI number; `None` for a number that is no piece of ours.
pub(super) fn piece_traits(midi: u8) -> Option<Traits> {
    Some(match midi {
        36 => Traits::KICK,
        37 | 38 | 27 => Traits::SNARE,
        39 => Traits::CLAP,
        42 | 44 | 46 => Traits::HATS,
        49 | 51 => Traits::CYMBALS,
        45 | 47 | 50 => Traits::TOMS,
        70 => Traits::SHAKER,
        63 | 64 => Traits::CONGAS,
        54 => Traits::TAMBOURINE,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_four_has_no_third_beat() {
        let bass = Pattern::Bass("1---3---5---a---".to_owned());
        assert_eq!(bass.in_three(), Pattern::Bass("1---3---a---".to_owned()));
        let chords = Pattern::Chords {
            right: "....x-......x-..".repeat(2),
            left: String::new(),
        };
        let Pattern::Chords { right, left } = chords.in_three() else {
            panic!("chords stay chords");
        };
        assert_eq!((right, left), ("....x-..x-..".repeat(2), String::new()));
        // A backbeat on three stays.
        let kit = |kick: &str, clap: &str| {
            Pattern::Strokes(vec![
                (Piece::Kick, kick.to_owned()),
                (Piece::Clap, clap.to_owned()),
            ])
        };
        assert_eq!(
            kit("X.....x......x..", "........X.......").in_three(),
            kit("X.....x.....", "........X...")
        );
    }

    #[test]
    fn two_bars_of_six_eight_are_a_bar_in_twelve_eight() {
        let kit = |lanes: [&str; 3]| {
            let pieces = [Piece::Kick, Piece::Snare, Piece::Closed];
            let lanes = pieces.into_iter().zip(lanes.map(str::to_owned));
            Pattern::Strokes(lanes.collect())
        };
        let four = kit(["X.x.....x.......", "....X.......X...", "x.o.x.o.x.o.x.o."]);
        let six = kit([
            "X...x.......x...........",
            "......X...........X.....",
            "x.o.o.x.o.o.x.o.o.x.o.o.",
        ]);
        assert_eq!(four.in_six_eight(), six);
        let half = kit(["X.......x.......", "........X.......", "x.x.x.x.x.x.x.x."]);
        let one_bar = kit(["X.....x.....", "......X.....", "x.x.x.x.x.x."]);
        assert_eq!(half.in_six_eight(), one_bar);
        let picked = Pattern::Pick("1.3.4.5.4.3.4.3.".to_owned());
        assert_eq!(
            picked.in_six_eight(),
            Pattern::Pick("1.3.4.5.4.3.".to_owned())
        );
        let triplets = Pattern::Bass("1---3-5---3-1---3-5---3-".to_owned());
        assert_eq!(triplets.in_six_eight(), triplets);
    }
}
