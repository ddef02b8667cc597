//! The shape of a style's table. The tables themselves are in `styles`.
//!
//! Patterns are strings of one character per sixteenth, so that they can be read and tapped: 16 for a bar, 32 for two.
//!
//! | pattern | characters |
//! |---|---|
//! | strokes, chords | `X` accented, `x` normal, `o` soft, `^` short, `-` held, `.` silent |
//! | strum | `D` `U` down and up, `d` `u` softly, `x` damped, `-` held, `.` silent |
//! | bass | `1` `3` `5` `7` `8` degree of the chord, `4` the fifth below, `a` leads into the next chord, `-` held, `.` silent |
//! | pick | `1`…`6` tone of the voicing from below, `-` or `.` let it ring |

use super::{Instrument, Role, Traits};
use crate::analysis::Vocabulary;
pub(crate) use crate::catalogue::StyleId;

/// A style.
pub(crate) struct Style {
    /// Which one it is.
    pub(crate) id: StyleId,
    /// Its name for people.
    pub(crate) name: &'static str,
    /// The tempo at which it is usually felt; half and double time are chosen by it.
    pub(crate) bpm: f64,
    /// Where the second of a pair of notes falls.
    pub(crate) swing: Swing,
    /// Which patterns it takes in 3/4 and 6/8.
    pub(crate) feel: Feel,
    /// The kinds of chord it speaks in.
    pub(crate) vocabulary: Vocabulary,
    /// Decay of its room in seconds, and how wet it is, 0..1.
    pub(crate) room: (f32, f32),
    /// Share of echo, 0..1.
    pub(crate) delay: f32,
    /// Brightness −1..1 and grit 0..1 of the finished sound.
    pub(crate) finish: (f32, f32),
    /// Spread of human timing in milliseconds; 0 for machines.
    pub(crate) loose_ms: f32,
    /// Who plays.
    pub(crate) voices: &'static [Voice],
}

/// Where the second of a pair of notes falls, as the first one's share of the pair: .5 is even, .667 is a triplet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Swing {
    /// Even.
    Straight,
    /// Uneven eighths.
    Eighths(f32),
    /// Uneven sixteenths.
    Sixteenths(f32),
}

impl Swing {
    /// The latest that the second of a pair may fall: dotted.
    const LATEST: f32 = 0.72;

    /// The swing with its distance from even multiplied by `factor`.
    pub(crate) fn scaled(self, factor: f32) -> Self {
        let share = |first: f32| (0.5 + (first - 0.5) * factor).min(Self::LATEST);
        match self {
            Self::Straight => Self::Straight,
            Self::Eighths(first) => Self::Eighths(share(first)),
            Self::Sixteenths(first) => Self::Sixteenths(share(first)),
        }
    }
}

impl Swing {
    /// The swing at a tempo: pairs are the more uneven the slower they are, from 2.5 to 1 at 50 beats a minute to 1.5 to 1 at 240
    /// (Friberg and Sundström 2002); at the style's own tempo it is as the style has it.
    pub(crate) fn at_tempo(self, bpm: f64, usual_bpm: f64) -> Self {
        let share = |bpm: f64| {
            let ratio = 2.5 - (bpm.clamp(50.0, 240.0) - 50.0) / 190.0;
            (ratio / (1.0 + ratio)) as f32
        };
        match self {
            Self::Eighths(first) => {
                let first = first + share(bpm) - share(usual_bpm);
                Self::Eighths(first.clamp(0.5, Self::LATEST))
            }
            other => other,
        }
    }
}

/// How a song ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Slower into a last chord that is held.
    Ritard,
    /// In time, and cut off.
    Cut,
    /// In time, and left ringing.
    Ring,
}

/// A family of patterns for 3/4 and 6/8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feel {
    /// Held and broken chords.
    Gentle,
    /// Bass on one, chords on two and three.
    Folk,
    /// Jazz waltz and slow twelve-eight.
    Swung,
    /// Kit and steady eighths.
    Driving,
}

/// One player of a style.
pub(crate) struct Voice {
    /// What it is for.
    pub(crate) role: Role,
    /// Who plays it: the first that is allowed.
    pub(crate) instruments: &'static [Instrument],
    /// Level in decibels.
    pub(crate) level_db: f32,
    /// −1 left … 1 right.
    pub(crate) pan: f32,
    /// Energy of a section from which it plays, 0..1.
    pub(crate) from: f32,
    /// What it plays; several of a level are variants between which takes choose.
    pub(crate) figures: &'static [Figure],
}

/// What a voice plays in a bar of 4/4.
pub(crate) struct Figure {
    /// Intensity for which it is meant, 0..=2.
    pub(crate) level: u8,
    /// What is played.
    pub(crate) pattern: Pattern,
}

/// What is played.
#[derive(Clone, Copy)]
pub(crate) enum Pattern {
    /// Pieces of a kit.
    Strokes(&'static [(Piece, &'static str)]),
    /// A bass line.
    Bass(&'static str),
    /// Chords.
    Chords(&'static str),
    /// Strummed chords.
    Strum(&'static str),
    /// Broken chords.
    Pick(&'static str),
    /// Chords held as long as they last.
    Hold,
    /// Answers in the singer's gaps.
    Answer,
}

/// A piece of a kit or of the percussion table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    Kick,
    Rim,
    Snare,
    Clap,
    Closed,
    Pedal,
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

/// Whether chords on it are strummed.
pub(super) fn is_strummed(instrument: Instrument) -> bool {
    instrument
        .traits()
        .meets(Traits::GUITAR.and(Traits::UKULELE))
}

// Short constructors, so that a table reads like a table.

/// A voice with its figures.
pub(crate) const fn voice(
    role: Role,
    instruments: &'static [Instrument],
    level_db: f32,
    pan: f32,
    from: f32,
    figures: &'static [Figure],
) -> Voice {
    Voice {
        role,
        instruments,
        level_db,
        pan,
        from,
        figures,
    }
}

/// Strokes for an intensity.
pub(crate) const fn beat(level: u8, strokes: &'static [(Piece, &'static str)]) -> Figure {
    Figure {
        level,
        pattern: Pattern::Strokes(strokes),
    }
}

/// A bass line for an intensity.
pub(crate) const fn line(level: u8, pattern: &'static str) -> Figure {
    Figure {
        level,
        pattern: Pattern::Bass(pattern),
    }
}

/// Chords for an intensity.
pub(crate) const fn comp(level: u8, pattern: &'static str) -> Figure {
    Figure {
        level,
        pattern: Pattern::Chords(pattern),
    }
}

/// Strumming for an intensity.
pub(crate) const fn strum(level: u8, pattern: &'static str) -> Figure {
    Figure {
        level,
        pattern: Pattern::Strum(pattern),
    }
}

/// Broken chords for an intensity.
pub(crate) const fn pick(level: u8, pattern: &'static str) -> Figure {
    Figure {
        level,
        pattern: Pattern::Pick(pattern),
    }
}

/// Held chords at every intensity.
pub(crate) const HOLD: &[Figure] = &[Figure {
    level: 0,
    pattern: Pattern::Hold,
}];

/// Answers at every intensity.
pub(crate) const ANSWER: &[Figure] = &[Figure {
    level: 0,
    pattern: Pattern::Answer,
}];
