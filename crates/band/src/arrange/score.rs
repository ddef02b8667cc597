//! The score: written by the arranger, played by synthesis.

use serde::Deserialize;

use super::{Instrument, StyleId};
use crate::{
    analysis::{Beat, Chord, Key, Metre, TimeSpan},
    catalogue::Singer,
};

/// Everything that synthesis and mastering need to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The style it is written in.
    pub style: StyleId,
    /// The parts, in the order in which they are mixed.
    pub parts: Vec<ScorePart>,
    /// Length of the instrumental in seconds: the vocal's and a tail that rings out.
    pub length_s: f64,
    /// How far A4 lies from 440 Hz, in cents: the band tunes to the singer.
    pub tuning_cents: f32,
    /// Where the final chord falls, in seconds.
    pub final_chord_s: f64,
    /// The chords as they are played, those that the arrangement adds in the lead-in and at the end included.
    pub chords: Vec<(TimeSpan, Chord)>,
    /// The room around the band.
    pub room: Room,
    /// How the sum is finished.
    pub finish: Finish,
    /// The beats that the band plays to, in seconds, the final chord's included; positions count from the downbeat.
    pub beats: Vec<Beat>,
    /// Metre of those beats: a song in 2/4 is played two bars at a time, as 4/4.
    pub metre: Metre,
    /// The song's key.
    pub key: Key,
    /// How full each bar is, 0 (hardly anybody) to 1 (everybody, in their fullest patterns).
    pub energies: Vec<(TimeSpan, f32)>,
}

/// One instrument's part.
#[derive(Debug, Clone, PartialEq)]
pub struct ScorePart {
    /// Who plays it.
    pub instrument: Instrument,
    /// What it is for.
    pub role: Role,
    /// −1 left … 1 right.
    pub pan: f32,
    /// Level in decibels against the style's balance.
    pub level_db: f32,
    /// Notes in time order.
    pub notes: Vec<ScoreNote>,
}

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The kit.
    Drums,
    /// Percussion beside the kit.
    Percussion,
    /// The bass line.
    Bass,
    /// Chords in rhythm.
    Comp,
    /// Held chords.
    Pad,
    /// Broken chords.
    Figure,
    /// Short melodies in the singer's gaps.
    Fills,
}

impl Role {
    /// Its name in the tables of the styles.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Drums => "drums",
            Self::Percussion => "percussion",
            Self::Bass => "bass",
            Self::Comp => "comp",
            Self::Pad => "pad",
            Self::Figure => "figure",
            Self::Fills => "fills",
        }
    }
}

/// One note.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoreNote {
    /// Start in seconds from the vocal's first sample; never negative.
    pub start_s: f64,
    /// Length in seconds.
    pub length_s: f64,
    /// MIDI note number; for kits the General MIDI number of the piece.
    pub midi: u8,
    /// How hard, 0..1.
    pub velocity: f32,
    /// How it is played.
    pub articulation: Articulation,
}

impl ScoreNote {
    /// The General MIDI number of the note or of the drum piece.
    pub fn key(&self) -> u8 {
        // The brush sweep, which has none, is the swirl of the brush set.
        if self.midi == 27 {
            40
        } else {
            self.midi.min(127)
        }
    }
}

/// How a note is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Articulation {
    /// As written.
    Normal,
    /// Damped with the palm.
    Muted,
    /// Left ringing into the next ones.
    Ringing,
}

/// The room around the band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// Time in which the reverb falls by 60 dB.
    pub decay_s: f32,
    /// Share of reverb, 0 (dry) to 1.
    pub wet: f32,
    /// Share of echo, 0 (none) to 1.
    pub delay: f32,
    /// Time between echoes in seconds.
    pub delay_s: f32,
}

/// How the sum is finished.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finish {
    /// −1 dark … 1 bright.
    pub brightness: f32,
    /// Saturation, 0..1.
    pub grit: f32,
    /// Loudness of the voice above the band in the mix, in loudness units.
    pub voice_above_lu: f32,
    /// By how much each kick lowers the other instruments, in decibels.
    pub pump_db: f32,
}

/// How the arranger works, apart from what the tags say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArrangeSettings {
    /// Weight of the style's habits against the singer's own dynamics, 0..1.
    pub style_weight: f32,
    /// How closely time and dynamics follow the singer, 0..1.
    pub audio_weight: f32,
    /// Who sings, for the range that is left free when nothing was sung on a pitch.
    pub singer: Option<Singer>,
    /// Which take of the request this is, from 0: takes choose other variants.
    pub take: usize,
}

impl Score {
    /// The instruments that play at least one note, in score order without repeats.
    pub fn instruments(&self) -> Vec<Instrument> {
        let mut found: Vec<Instrument> = Vec::new();
        for part in self.parts.iter().filter(|part| !part.notes.is_empty()) {
            if !found.contains(&part.instrument) {
                found.push(part.instrument);
            }
        }
        found
    }
}
