//! The shape of a style's table. The tables themselves are files: `crates/band/data`, whose README explains every key.

use serde::{Deserialize, Deserializer};

use super::{
    Instrument, Role, Traits,
    pattern::{Pattern, PatternRow},
};
pub(crate) use crate::catalogue::StyleId;
use crate::{
    analysis::Metre,
    data::{share, signed, within},
};

/// A style.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Style {
    /// Which one it is.
    #[serde(rename = "style")]
    pub(crate) id: StyleId,
    /// Its name for people.
    pub(crate) name: String,
    /// The tempo at which it is usually felt; half and double time are chosen by it.
    pub(crate) bpm: f64,
    /// Where the second of a pair of notes falls.
    #[serde(default)]
    pub(crate) swing: Swing,
    /// Whether its chords come an eighth before the bar line that they belong to.
    #[serde(default)]
    pub(crate) pushes: bool,
    /// Who plays before the singer starts.
    pub(crate) lead_in: LeadIn,
    /// How its songs end.
    pub(crate) ending: Ending,
    /// Spread of human timing in milliseconds; 0 for machines.
    #[serde(deserialize_with = "spread_ms")]
    pub(crate) loose_ms: f32,
    /// The room that it is played in.
    pub(crate) room: StyleRoom,
    /// Share of echo, 0..1.
    #[serde(default, rename = "echo", deserialize_with = "share")]
    pub(crate) delay: f32,
    /// The finished sound.
    pub(crate) finish: StyleFinish,
    /// Loudness of the voice above the band, in loudness units, as this music is commonly mixed.
    #[serde(deserialize_with = "level_db")]
    pub(crate) voice_above_lu: f32,
    /// By how much each kick lowers the other instruments, in decibels.
    #[serde(default, deserialize_with = "level_db")]
    pub(crate) pump_db: f32,
    /// Who plays.
    pub(crate) players: Vec<StylePlayer>,
}

/// A style's room.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StyleRoom {
    /// Time in seconds in which it decays by 60 dB.
    #[serde(deserialize_with = "decay_s")]
    pub(crate) decay_s: f32,
    /// Its share of the sound, 0..1.
    #[serde(deserialize_with = "share")]
    pub(crate) wet: f32,
}

/// A style's finished sound.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StyleFinish {
    /// −1 dark … 1 bright.
    #[serde(deserialize_with = "signed")]
    pub(crate) brightness: f32,
    /// Saturation, 0..1.
    #[serde(deserialize_with = "share")]
    pub(crate) grit: f32,
}

fn spread_ms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, 0.0, 30.0)
}

fn decay_s<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, 0.1, 10.0)
}

fn level_db<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, -40.0, 12.0)
}

/// Where the second of a pair of notes falls, as the first one's share of the pair: .5 is even, .667 is a triplet.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Swing {
    /// Even.
    #[default]
    Straight,
    /// Uneven eighths.
    Eighths(#[serde(deserialize_with = "swing_share")] f32),
    /// Uneven sixteenths.
    Sixteenths(#[serde(deserialize_with = "swing_share")] f32),
}

fn swing_share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, 0.5, Swing::LATEST)
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

/// Who plays in the bars before the singer starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LeadIn {
    /// Chords, softly.
    Chords,
    /// Chords, and a drum fill that leads to the singer.
    Pickup,
    /// Drums, bass and chords, as in a verse.
    Groove,
}

/// How a song ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ending {
    /// Slower into a last chord that is held.
    Ritard,
    /// In time, and cut off.
    Cut,
    /// In time, and left ringing.
    Ring,
    /// The last bars repeat and fade out.
    Fade,
}

/// One player of a style.
#[derive(Deserialize)]
#[serde(try_from = "PlayerRow")]
pub(crate) struct StylePlayer {
    /// What it is for.
    pub(crate) role: Role,
    /// Who plays it: the first that is allowed.
    pub(crate) instruments: Vec<Instrument>,
    /// Level in decibels.
    pub(crate) level_db: f32,
    /// −1 left … 1 right.
    pub(crate) pan: f32,
    /// Energy of a section from which it plays, 0..1.
    pub(crate) from: f32,
    /// Whether it leaves the root of chords of four tones to the bass.
    pub(crate) rootless: bool,
    /// What it plays in 4/4 and in 3/4.
    pub(crate) figures: Figures,
}

/// What instruments play that only the tags name.
#[derive(Deserialize)]
#[serde(try_from = "PlayerRow")]
pub(crate) struct Guest {
    pub(crate) role: Role,
    /// Whether only strummed instruments play it.
    pub(crate) strummed: bool,
    pub(crate) level_db: f32,
    pub(crate) pan: f32,
    pub(crate) figures: Figures,
}

/// What a part plays in a bar, by intensity, soft to full; several patterns of an intensity are variants between which takes choose.
pub(crate) struct Figures {
    /// As in the table, in 4/4.
    written: [Vec<Pattern>; 3],
    in_three: [Vec<Pattern>; 3],
    in_six_eight: [Vec<Pattern>; 3],
}

impl Figures {
    /// The variants of the fullest intensity up to `level`, or of the softest there is, and which intensity they are of.
    pub(crate) fn at(&self, level: u8, metre: Metre) -> Option<(u8, &[Pattern])> {
        let levels = match metre {
            Metre::TwoFour | Metre::FourFour => &self.written,
            Metre::ThreeFour => &self.in_three,
            Metre::SixEight => &self.in_six_eight,
        };
        let filled = |level: &u8| !levels[usize::from(*level)].is_empty();
        let found = (0..=level.min(2)).rev().find(filled);
        let level = found.or_else(|| (0..=2).find(filled))?;
        Some((level, &levels[usize::from(level)]))
    }
}

/// A row of a table: a player with patterns.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlayerRow {
    part: Role,
    #[serde(default)]
    instruments: Vec<Instrument>,
    #[serde(default)]
    strummed: bool,
    #[serde(default, deserialize_with = "level_db")]
    level_db: f32,
    #[serde(default, deserialize_with = "signed")]
    pan: f32,
    #[serde(default, deserialize_with = "share")]
    from: f32,
    #[serde(default)]
    rootless: bool,
    #[serde(default)]
    soft: Vec<PatternRow>,
    #[serde(default)]
    medium: Vec<PatternRow>,
    #[serde(default)]
    full: Vec<PatternRow>,
}

impl PlayerRow {
    /// The patterns; pads and fills have none.
    fn figures(self) -> Result<Figures, String> {
        let mut figures = [self.soft, self.medium, self.full]
            .map(|rows| rows.into_iter().map(|row| row.0).collect::<Vec<_>>());
        let unwritten = match self.part {
            Role::Pad => Some(Pattern::Hold),
            Role::Fills => Some(Pattern::Answer),
            _ => None,
        };
        let part = self.part.as_str();
        match (unwritten, figures.iter().flatten().next()) {
            (Some(pattern), None) => figures[0].push(pattern),
            (Some(_), Some(_)) => return Err(format!("`{part}` takes no patterns")),
            (None, None) => {
                return Err(format!("`{part}` has no patterns: write `soft:` with one"));
            }
            (None, Some(_)) => {}
        }
        if let Some(pattern) = figures
            .iter()
            .flatten()
            .find(|pattern| !pattern.suits(self.part))
        {
            return Err(format!("`{part}` does not play `{}`", pattern.kind()));
        }
        let in_metre = |each: fn(&Pattern) -> Pattern| {
            figures
                .each_ref()
                .map(|patterns| patterns.iter().map(each).collect())
        };
        Ok(Figures {
            in_three: in_metre(Pattern::in_three),
            in_six_eight: in_metre(Pattern::in_six_eight),
            written: figures,
        })
    }
}

impl TryFrom<PlayerRow> for StylePlayer {
    type Error = String;

    fn try_from(row: PlayerRow) -> Result<Self, String> {
        if row.instruments.is_empty() {
            return Err(format!("`{}` has no instruments", row.part.as_str()));
        }
        if row.strummed {
            return Err("`strummed` is for guests only".to_owned());
        }
        Ok(Self {
            role: row.part,
            instruments: row.instruments.clone(),
            level_db: row.level_db,
            pan: row.pan,
            from: row.from,
            rootless: row.rootless,
            figures: row.figures()?,
        })
    }
}

impl TryFrom<PlayerRow> for Guest {
    type Error = String;

    fn try_from(row: PlayerRow) -> Result<Self, String> {
        if !row.instruments.is_empty() || row.from != 0.0 || row.rootless {
            return Err(
                "`instruments`, `from` and `rootless` are for a style's players only".to_owned(),
            );
        }
        Ok(Self {
            role: row.part,
            strummed: row.strummed,
            level_db: row.level_db,
            pan: row.pan,
            figures: row.figures()?,
        })
    }
}

/// Whether chords on it are strummed.
pub(super) fn is_strummed(instrument: Instrument) -> bool {
    instrument
        .traits()
        .meets(Traits::GUITAR.and(Traits::UKULELE))
}
