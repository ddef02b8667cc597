//! What was heard in a vocal, and the chords laid under it.
//!
//! These are the types between listening (`listen`), harmony (`harmonise`) and arranging (`arrange`): plain data, times in
//! seconds from the first sample of the vocal as it was given (nothing is ever trimmed), pitches as MIDI note numbers.

use serde::{Deserialize, Serialize};

use crate::catalogue::StyleId;

/// Everything that listening found, with its confidences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Length of the vocal in seconds.
    pub duration_s: f64,
    /// How far the singer's tuning lies from A4 = 440 Hz, in cents (−50..50).
    pub tuning_cents: f32,
    /// Fundamental frequency, one frame every [`PITCH_HOP_S`].
    pub pitch: Vec<PitchFrame>,
    /// Sung notes in time order, never overlapping.
    pub notes: Vec<Note>,
    /// The beat grid, which follows the singer; covers the whole vocal, the lead-in included.
    pub beats: Vec<Beat>,
    /// Median tempo of the grid in beats per minute (the beat is the metre's own: dotted quarter in 6/8).
    pub tempo_bpm: f64,
    /// Beats in a bar and their subdivision.
    pub metre: Metre,
    /// Key of the whole vocal.
    pub key: Key,
    /// Key of each stretch of about sixteen bars, in time order and touching, from the first bar line to the end of the grid; one for a song of
    /// less than 24 bars, none where nobody sings.
    #[serde(default)]
    pub local_keys: Vec<LocalKey>,
    /// Phrases in time order, the one definition of where a phrase ends: a breath each, long breaths divided by their melody.
    pub phrases: Vec<TimeSpan>,
    /// Groups of phrases with a common energy: verse, chorus and the like.
    pub sections: Vec<Section>,
    /// Integrated loudness of the vocal in LUFS; `None` for silence.
    pub loudness_lufs: Option<f64>,
    /// Confidence of each finding, 0..1.
    pub confidence: Confidence,
    /// What could not be found, in sentences for the user ("no pitched singing was found: …").
    pub remarks: Vec<String>,
}

impl Analysis {
    /// The keys in force, in time order: the song's own from `f64::NEG_INFINITY` on, and each other that it changes to with enough confidence.
    pub fn keys(&self) -> Vec<(f64, Key)> {
        const SURE: f32 = 0.5;
        let mut keys = vec![(f64::NEG_INFINITY, self.key)];
        for (number, local) in self.local_keys.iter().enumerate() {
            let key = if local.confidence >= SURE {
                local.key
            } else {
                self.key
            };
            if number == 0 {
                keys[0].1 = key;
            } else if keys.last().is_none_or(|(_, last)| *last != key) {
                keys.push((local.span.start_s, key));
            }
        }
        keys
    }

    /// The key in which the song ends.
    pub fn last_key(&self) -> Key {
        self.keys().last().map_or(self.key, |(_, key)| *key)
    }
}

/// Distance between two pitch frames in seconds.
pub const PITCH_HOP_S: f64 = 0.010;

/// One frame of the pitch track.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PitchFrame {
    /// Fundamental frequency in hertz; 0 where nothing is voiced.
    pub hz: f32,
    /// Probability that the frame is voiced, 0..1.
    pub voicing: f32,
}

/// One sung note.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// Where the vowel starts, in seconds.
    pub onset_s: f64,
    /// Where it ends, in seconds.
    pub offset_s: f64,
    /// The semitone nearest to the sung pitch: a MIDI note number after the tuning offset is taken off.
    pub midi: u8,
    /// How far the sung pitch lies above `midi`, in cents; within ±50 but where the pitch moves.
    pub cents: f32,
    /// The semitone that it was probably meant as, given the key and how exactly the singer sings: a MIDI note number, mostly `midi`.
    pub meant: u8,
    /// Mean level in dBFS.
    pub level_db: f32,
}

impl Note {
    /// A note that is sung exactly as it is meant.
    pub fn new(onset_s: f64, offset_s: f64, midi: u8, level_db: f32) -> Self {
        Self {
            onset_s,
            offset_s,
            midi,
            cents: 0.0,
            meant: midi,
            level_db,
        }
    }
}

/// One beat of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Beat {
    /// Time in seconds; may be slightly negative or beyond the end where a bar overlaps the vocal's edges.
    pub time_s: f64,
    /// Position in the bar: 0 is the downbeat.
    pub position: u8,
}

/// A metre that the band can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Metre {
    /// 2/4.
    TwoFour,
    /// 3/4.
    ThreeFour,
    /// 4/4.
    FourFour,
    /// 6/8: two beats of a dotted quarter each.
    SixEight,
}

impl Metre {
    /// Beats in a bar.
    pub fn beats(self) -> u8 {
        match self {
            Self::TwoFour | Self::SixEight => 2,
            Self::ThreeFour => 3,
            Self::FourFour => 4,
        }
    }
}

/// Major or minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Major.
    Major,
    /// Minor.
    Minor,
}

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Pitch class of the tonic: 0 is C.
    pub tonic: u8,
    /// Major or minor.
    pub mode: Mode,
}

/// The key of a stretch of the song.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LocalKey {
    /// Where it lies: from bar line to bar line.
    pub span: TimeSpan,
    /// Its key.
    pub key: Key,
    /// The probability that it is in that key, 0..1.
    pub confidence: f32,
}

/// A stretch of time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimeSpan {
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds.
    pub end_s: f64,
}

/// What a section is for, judged by its energy, its register and its return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SectionKind {
    /// Before the singer starts.
    Intro,
    /// Quieter than a chorus.
    Verse,
    /// Rising towards a chorus.
    Build,
    /// Loudest, highest or repeated.
    Chorus,
    /// After the last phrase.
    Ending,
}

/// One section of the song, aligned to bars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Where it lies.
    pub span: TimeSpan,
    /// What it is for.
    pub kind: SectionKind,
    /// How full the arrangement should be, 0..1.
    pub energy: f32,
}

/// Confidence of listening, each 0..1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Confidence {
    /// That the pitches are right.
    pub pitch: f32,
    /// That the tempo and the beats are right.
    pub beats: f32,
    /// That the metre and the downbeats are right.
    pub metre: f32,
    /// That the key is right.
    pub key: f32,
}

/// Hints of the tags for listening.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Hints {
    /// Tempo in the tags ("120 bpm"): used where the singing fits it, else refused in a remark.
    pub tempo_bpm: Option<f64>,
    /// Metre in the tags ("waltz"): used.
    pub metre: Option<Metre>,
    /// Key in the tags ("G major"): used where the melody fits it, else refused in a remark.
    pub key: Option<Key>,
}

/// The quality of a chord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Quality {
    /// Major triad.
    Major,
    /// Minor triad.
    Minor,
    /// Diminished triad.
    Diminished,
    /// Augmented triad.
    Augmented,
    /// Suspended fourth.
    Sus4,
    /// Suspended second.
    Sus2,
    /// Root and fifth.
    Power,
    /// Major sixth.
    Sixth,
    /// Dominant seventh.
    Seventh,
    /// Major seventh.
    MajorSeventh,
    /// Minor seventh.
    MinorSeventh,
    /// Half-diminished seventh.
    HalfDiminished,
    /// Major triad with the ninth.
    AddNinth,
    /// Dominant ninth.
    Ninth,
    /// Major ninth.
    MajorNinth,
    /// Minor ninth.
    MinorNinth,
    /// Major sixth with the ninth.
    SixthNinth,
    /// Minor triad with the major sixth.
    MinorSixth,
    /// Diminished seventh.
    DiminishedSeventh,
    /// Dominant seventh with the fourth for the third.
    SeventhSus4,
    /// Dominant seventh with ninth and thirteenth, without its fifth.
    Thirteenth,
    /// Dominant seventh with lowered ninth and lowered thirteenth, without its fifth.
    Altered,
}

impl Quality {
    /// Its semitones above the root, ascending.
    pub fn intervals(self) -> &'static [u8] {
        match self {
            Self::Major => &[0, 4, 7],
            Self::Minor => &[0, 3, 7],
            Self::Diminished => &[0, 3, 6],
            Self::Augmented => &[0, 4, 8],
            Self::Sus4 => &[0, 5, 7],
            Self::Sus2 => &[0, 2, 7],
            Self::Power => &[0, 7],
            Self::Sixth => &[0, 4, 7, 9],
            Self::Seventh => &[0, 4, 7, 10],
            Self::MajorSeventh => &[0, 4, 7, 11],
            Self::MinorSeventh => &[0, 3, 7, 10],
            Self::HalfDiminished => &[0, 3, 6, 10],
            Self::AddNinth => &[0, 2, 4, 7],
            Self::Ninth => &[0, 2, 4, 7, 10],
            Self::MajorNinth => &[0, 2, 4, 7, 11],
            Self::MinorNinth => &[0, 2, 3, 7, 10],
            Self::SixthNinth => &[0, 2, 4, 7, 9],
            Self::MinorSixth => &[0, 3, 7, 9],
            Self::DiminishedSeventh => &[0, 3, 6, 9],
            Self::SeventhSus4 => &[0, 5, 7, 10],
            Self::Thirteenth => &[0, 2, 4, 9, 10],
            Self::Altered => &[0, 1, 4, 8, 10],
        }
    }
}

/// A chord.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chord {
    /// Pitch class of the root: 0 is C.
    pub root: u8,
    /// Its quality.
    pub quality: Quality,
    /// Pitch class in the bass.
    pub bass: u8,
}

impl Chord {
    /// Whether a pitch class belongs to it; the bass does not count.
    pub fn holds(&self, class: u8) -> bool {
        let above = (class % 12 + 12 - self.root % 12) % 12;
        self.quality.intervals().contains(&above)
    }
}

/// A chord that sounds from one beat to another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChordSpan {
    /// Where it sounds, in seconds.
    pub span: TimeSpan,
    /// Index of its first beat in [`Analysis::beats`].
    pub first_beat: usize,
    /// Number of beats that it lasts.
    pub beats: usize,
    /// The chord.
    pub chord: Chord,
}

/// Settings of the harmony.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HarmonySettings {
    /// The style whose chords and habits are used; without one, those of lead sheets.
    pub style: Option<StyleId>,
    /// 0 plain … 1 adventurous (substitutions, borrowed chords), always under the melody.
    pub weirdness: f32,
    /// 0 the melody alone decides … 1 the style's habits have their full weight.
    pub style_weight: f32,
    /// 0 the best chords … 1 a random choice among good ones, which makes takes differ.
    pub variety: f32,
}
