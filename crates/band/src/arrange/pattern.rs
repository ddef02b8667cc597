//! The patterns of the tables: lines of characters, for each kind of pattern its own.

use serde::{
    Deserialize, Deserializer,
    de::{Error, IntoDeserializer, MapAccess, Visitor, value},
};

use super::{Role, Traits, line::Line};

/// What is played.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Pieces of a kit.
    Strokes(Vec<(Piece, Line)>),
    /// A bass line.
    Bass(Line),
    /// Chords, and on instruments with keys a line of low octaves for the left hand.
    Chords {
        /// The chords.
        right: Line,
        /// The left hand.
        left: Option<Line>,
    },
    /// Strummed chords.
    Strum(Line),
    /// Broken chords.
    Pick(Line),
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

    /// The pattern in 3/4: its bars of 4/4 without their third beat. They lose the fourth where the backbeat is on the third alone, and
    /// where a line would have four equal steps in the bar, against its three beats: a clave without its third beat has.
    pub(super) fn in_three(&self) -> Self {
        let without = |beat: usize| self.each(|_, line| line.without_beat(beat));
        let third = without(2);
        if self.is_half_time() || third.lines().any(Line::is_four_in_three) {
            without(3)
        } else {
            third
        }
    }

    /// The pattern in 6/8: a bar of 4/4 is two of its bars, as in twelve-eight. Broken chords, and kits whose backbeat is on the third
    /// beat alone, have one bar for one: the first three eighths of each half, or of broken chords the first three tones.
    pub(super) fn in_six_eight(&self) -> Self {
        if matches!(self, Self::Pick(_)) {
            return self.each(|_, line| line.in_groups_of_three());
        }
        if self.is_half_time() {
            return self.each(|_, line| line.without_fourths());
        }
        self.each(|piece, line| {
            let backbeat = matches!(piece, Some(Piece::Kick | Piece::Snare | Piece::Clap));
            line.in_thirds(!backbeat)
        })
    }

    fn lines(&self) -> impl Iterator<Item = &Line> {
        let (lanes, line, left): (&[(Piece, Line)], _, _) = match self {
            Self::Strokes(lanes) => (lanes, None, None),
            Self::Chords { right, left } => (&[], Some(right), left.as_ref()),
            Self::Bass(line) | Self::Strum(line) | Self::Pick(line) => (&[], Some(line), None),
            Self::Hold | Self::Answer => (&[], None, None),
        };
        lanes.iter().map(|(_, line)| line).chain(line).chain(left)
    }

    /// The pattern with its lines changed; kits give the piece of a line.
    fn each(&self, change: impl Fn(Option<Piece>, &Line) -> Line) -> Self {
        match self {
            Self::Strokes(lanes) => Self::Strokes(
                lanes
                    .iter()
                    .map(|(piece, line)| (*piece, change(Some(*piece), line)))
                    .collect(),
            ),
            Self::Bass(line) => Self::Bass(change(None, line)),
            Self::Chords { right, left } => Self::Chords {
                right: change(None, right),
                left: left.as_ref().map(|left| change(None, left)),
            },
            Self::Strum(line) => Self::Strum(change(None, line)),
            Self::Pick(line) => Self::Pick(change(None, line)),
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
            lanes.iter().any(|(piece, line)| {
                matches!(piece, Piece::Snare | Piece::Clap | Piece::Rim) && line.strikes(beat)
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
                    let (marks, make): (_, fn(Line) -> Pattern) = match key.as_str() {
                        "bass" => ("1345678anud-.", Pattern::Bass),
                        "chords" => ("Xxo^-.", |right| Pattern::Chords { right, left: None }),
                        "left" => {
                            left = Some(map.next_value::<Line>()?.of("158-.")?);
                            continue;
                        }
                        "strum" => ("DUdux-.", Pattern::Strum),
                        "pick" => ("123456-.", Pattern::Pick),
                        piece => {
                            let name: value::StrDeserializer<'_, A::Error> =
                                piece.into_deserializer();
                            let piece = Piece::deserialize(name)?;
                            strokes.push((piece, map.next_value::<Line>()?.of("Xxo^-.")?));
                            lanes += 1;
                            continue;
                        }
                    };
                    pattern = Some(make(map.next_value::<Line>()?.of(marks)?));
                    lanes += 1;
                }
                match (pattern, left, lanes) {
                    (Some(Pattern::Chords { right, .. }), Some(left), 1) => {
                        Ok(PatternRow(Pattern::Chords {
                            right,
                            left: Some(left),
                        }))
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

    /// The lines of a pattern as text.
    fn texts(pattern: &Pattern) -> Vec<String> {
        pattern.lines().map(Line::text).collect()
    }

    fn kit(lanes: &[(Piece, &str)]) -> Pattern {
        let lanes = lanes.iter().map(|&(piece, marks)| (piece, marks.into()));
        Pattern::Strokes(lanes.collect())
    }

    #[test]
    fn three_four_has_no_third_beat() {
        let bass = Pattern::Bass("1---3---5---a---".into());
        assert_eq!(texts(&bass.in_three()), ["1---3---a---"]);
        let chords = Pattern::Chords {
            right: "....x-......x-.. | %".into(),
            left: None,
        };
        assert_eq!(texts(&chords.in_three()), ["....x-..x-..|....x-..x-.."]);
        // Four steps in three beats are none of its rhythms.
        let clave = kit(&[(Piece::Rim, "x..x..x...x..x..")]);
        assert_eq!(texts(&clave.in_three()), ["x..x..x...x."]);
        // A backbeat on three stays.
        let half_time = kit(&[
            (Piece::Kick, "X.....x......x.."),
            (Piece::Clap, "........X......."),
        ]);
        assert_eq!(
            texts(&half_time.in_three()),
            ["X.....x.....", "........X..."]
        );
    }

    #[test]
    fn two_bars_of_six_eight_are_a_bar_in_twelve_eight() {
        let four = kit(&[
            (Piece::Kick, "X.x.....x......."),
            (Piece::Snare, "....X.......X..."),
            (Piece::Closed, "x.o.x.o.x.o.x.o."),
        ]);
        assert_eq!(
            texts(&four.in_six_eight()),
            [
                "X...x.......|x...........",
                "......X.....|......X.....",
                "x.o.o.x.o.o.|x.o.o.x.o.o."
            ]
        );
        let half = kit(&[
            (Piece::Kick, "X.......x......."),
            (Piece::Snare, "........X......."),
            (Piece::Closed, "x.x.x.x.x.x.x.x."),
        ]);
        assert_eq!(
            texts(&half.in_six_eight()),
            ["X.....x.....", "......X.....", "x.x.x.x.x.x."]
        );
        let picked = Pattern::Pick("1.3.4.5.4.3.4.3.".into());
        assert_eq!(texts(&picked.in_six_eight()), ["1.3.4.4.3.4."]);
        // Tones in twos, or in threes and a two, would make it 3/4.
        let twos = Pattern::Pick("1.3.2.4.1.3.2.4. | 1..3..4.2..3..4.".into());
        assert_eq!(texts(&twos.in_six_eight()), ["1.3.2.1.3.2.|1.3.4.2.3.4."]);
        let few = Pattern::Pick("4.......5...3... | ......5.........".into());
        assert_eq!(texts(&few.in_six_eight()), ["4.....5...3.|....5......."]);
        let triplets = Pattern::Bass("1---3-5---3-1---3-5---3-".into());
        assert_eq!(
            texts(&triplets.in_six_eight()),
            ["1---3-5---3-|1---3-5---3-"]
        );
    }
}
