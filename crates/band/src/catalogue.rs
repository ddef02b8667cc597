//! What tags and scores are about: instruments, with the traits by which a negative tag forbids them, styles, singers.

use serde::{Deserialize, Deserializer, Serialize};

/// One instrument of the band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instrument {
    /// Drum kit played with sticks.
    AcousticKit,
    /// Drum kit played with brushes.
    BrushKit,
    /// Drum machine.
    ElectronicKit,
    /// Shaker, tambourine, congas and the like.
    HandPercussion,
    /// Electric bass guitar played with the fingers.
    FingerBass,
    /// Double bass, plucked.
    UprightBass,
    /// Analogue-style synthesiser bass.
    SynthBass,
    /// Long, deep sine bass.
    SubBass,
    /// Grand piano.
    Piano,
    /// Tine electric piano.
    ElectricPiano,
    /// Drawbar organ.
    Organ,
    /// Vibraphone.
    Vibraphone,
    /// Small bells.
    Glockenspiel,
    /// Acoustic guitar with steel strings.
    SteelGuitar,
    /// Acoustic guitar with nylon strings.
    NylonGuitar,
    /// Ukulele.
    Ukulele,
    /// Five-string banjo.
    Banjo,
    /// Harp.
    Harp,
    /// Electric guitar, clean.
    CleanGuitar,
    /// Electric guitar, distorted.
    DistortedGuitar,
    /// String section, bowed.
    Strings,
    /// Brass section.
    Brass,
    /// Flute.
    Flute,
    /// Tenor saxophone.
    Saxophone,
    /// Warm synthesiser pad.
    SynthPad,
    /// Short synthesiser notes for arpeggios.
    SynthPluck,
    /// Synthesiser lead.
    SynthLead,
    /// Backing voices on "ooh".
    Voices,
}

impl Instrument {
    /// Every instrument, in the order of the score.
    pub const ALL: [Instrument; 28] = [
        Instrument::AcousticKit,
        Instrument::BrushKit,
        Instrument::ElectronicKit,
        Instrument::HandPercussion,
        Instrument::FingerBass,
        Instrument::UprightBass,
        Instrument::SynthBass,
        Instrument::SubBass,
        Instrument::Piano,
        Instrument::ElectricPiano,
        Instrument::Organ,
        Instrument::Vibraphone,
        Instrument::Glockenspiel,
        Instrument::SteelGuitar,
        Instrument::NylonGuitar,
        Instrument::Ukulele,
        Instrument::Banjo,
        Instrument::Harp,
        Instrument::CleanGuitar,
        Instrument::DistortedGuitar,
        Instrument::Strings,
        Instrument::Brass,
        Instrument::Flute,
        Instrument::Saxophone,
        Instrument::SynthPad,
        Instrument::SynthPluck,
        Instrument::SynthLead,
        Instrument::Voices,
    ];

    /// Its name as a reader of the report sees it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AcousticKit => "drum kit",
            Self::BrushKit => "brushed drum kit",
            Self::ElectronicKit => "drum machine",
            Self::HandPercussion => "hand percussion",
            Self::FingerBass => "bass guitar",
            Self::UprightBass => "upright bass",
            Self::SynthBass => "synth bass",
            Self::SubBass => "sub bass",
            Self::Piano => "piano",
            Self::ElectricPiano => "electric piano",
            Self::Organ => "organ",
            Self::Vibraphone => "vibraphone",
            Self::Glockenspiel => "glockenspiel",
            Self::SteelGuitar => "acoustic guitar",
            Self::NylonGuitar => "nylon guitar",
            Self::Ukulele => "ukulele",
            Self::Banjo => "banjo",
            Self::Harp => "harp",
            Self::CleanGuitar => "electric guitar",
            Self::DistortedGuitar => "distorted guitar",
            Self::Strings => "strings",
            Self::Brass => "brass",
            Self::Flute => "flute",
            Self::Saxophone => "saxophone",
            Self::SynthPad => "synth pad",
            Self::SynthPluck => "synth pluck",
            Self::SynthLead => "synth lead",
            Self::Voices => "backing voices",
        }
    }

    /// What it is, in the words that tags use.
    pub(crate) fn traits(self) -> Traits {
        use Traits as T;
        match self {
            Self::AcousticKit => T::PERCUSSION.and(T::LIVE_KIT).and(T::ACOUSTIC),
            Self::BrushKit => T::PERCUSSION
                .and(T::LIVE_KIT)
                .and(T::BRUSHES)
                .and(T::ACOUSTIC),
            Self::ElectronicKit => T::PERCUSSION
                .and(T::DRUM_MACHINE)
                .and(T::ELECTRONIC)
                .and(T::ELECTRIC),
            Self::HandPercussion => T::PERCUSSION.and(T::HAND_PERCUSSION).and(T::ACOUSTIC),
            Self::FingerBass => T::BASS.and(T::BASS_GUITAR).and(T::ELECTRIC),
            Self::UprightBass => T::BASS.and(T::UPRIGHT).and(T::ACOUSTIC),
            Self::SynthBass => T::BASS.and(T::SYNTH).and(T::ELECTRONIC).and(T::ELECTRIC),
            Self::SubBass => T::BASS
                .and(T::SUB)
                .and(T::SYNTH)
                .and(T::ELECTRONIC)
                .and(T::ELECTRIC),
            Self::Piano => T::KEYS.and(T::PIANO).and(T::GRAND).and(T::ACOUSTIC),
            Self::ElectricPiano => T::KEYS
                .and(T::PIANO)
                .and(T::ELECTRIC_PIANO)
                .and(T::ELECTRIC),
            Self::Organ => T::KEYS.and(T::ORGAN).and(T::ELECTRIC),
            Self::Vibraphone => T::MALLETS.and(T::VIBRAPHONE).and(T::ACOUSTIC),
            Self::Glockenspiel => T::MALLETS.and(T::BELLS).and(T::ACOUSTIC),
            Self::SteelGuitar => T::GUITAR.and(T::ACOUSTIC_GUITAR).and(T::ACOUSTIC),
            Self::NylonGuitar => T::GUITAR
                .and(T::ACOUSTIC_GUITAR)
                .and(T::NYLON)
                .and(T::ACOUSTIC),
            Self::Ukulele => T::UKULELE.and(T::ACOUSTIC),
            Self::Banjo => T::BANJO.and(T::ACOUSTIC),
            Self::Harp => T::HARP.and(T::ACOUSTIC),
            Self::CleanGuitar => T::GUITAR.and(T::ELECTRIC_GUITAR).and(T::ELECTRIC),
            Self::DistortedGuitar => T::GUITAR
                .and(T::ELECTRIC_GUITAR)
                .and(T::DISTORTED)
                .and(T::ELECTRIC),
            Self::Strings => T::STRINGS.and(T::ACOUSTIC),
            Self::Brass => T::BRASS.and(T::ACOUSTIC),
            Self::Flute => T::WOODWIND.and(T::FLUTE).and(T::ACOUSTIC),
            Self::Saxophone => T::WOODWIND.and(T::SAXOPHONE).and(T::ACOUSTIC),
            Self::SynthPad => T::SYNTH
                .and(T::PAD)
                .and(T::SYNTH_KEYS)
                .and(T::ELECTRONIC)
                .and(T::ELECTRIC),
            Self::SynthPluck => T::SYNTH
                .and(T::PLUCK)
                .and(T::SYNTH_KEYS)
                .and(T::ELECTRONIC)
                .and(T::ELECTRIC),
            Self::SynthLead => T::SYNTH
                .and(T::LEAD)
                .and(T::SYNTH_KEYS)
                .and(T::ELECTRONIC)
                .and(T::ELECTRIC),
            Self::Voices => T::VOICES.and(T::ACOUSTIC),
        }
    }

    /// Whether it is struck and has no pitch that belongs to the harmony.
    pub(crate) fn is_percussion(self) -> bool {
        self.traits().meets(Traits::PERCUSSION)
    }
}

/// A set of traits. An instrument is forbidden when it has any trait of the forbidden set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traits(u64);

macro_rules! traits {
    ($($name:ident = $bit:expr),* $(,)?) => {
        impl Traits {
            $(pub(crate) const $name: Traits = Traits(1 << $bit);)*

            /// The trait of a name as tables write it: `live-kit` for `LIVE_KIT`.
            fn named(name: &str) -> Option<Traits> {
                [$((stringify!($name), Self::$name)),*]
                    .into_iter()
                    .find(|(own, _)| own.to_ascii_lowercase().replace('_', "-") == name)
                    .map(|(_, own)| own)
            }
        }
    };
}

traits! {
    PERCUSSION = 0, LIVE_KIT = 1, BRUSHES = 2, DRUM_MACHINE = 3, HAND_PERCUSSION = 4,
    BASS = 5, BASS_GUITAR = 6, UPRIGHT = 7, SUB = 8,
    KEYS = 9, PIANO = 10, GRAND = 11, ELECTRIC_PIANO = 12, ORGAN = 13, MALLETS = 14, VIBRAPHONE = 15, BELLS = 16,
    GUITAR = 17, ACOUSTIC_GUITAR = 18, NYLON = 19, ELECTRIC_GUITAR = 20, DISTORTED = 21, UKULELE = 22, HARP = 23,
    STRINGS = 24, BRASS = 25, WOODWIND = 26,
    SYNTH = 27, PAD = 28, PLUCK = 29, LEAD = 30, SYNTH_KEYS = 31,
    ELECTRONIC = 32, ACOUSTIC = 33, ELECTRIC = 34, VOICES = 35, BANJO = 36, FLUTE = 37, SAXOPHONE = 38,
    // Pieces of the kit: a forbidden piece silences its strokes, not the whole kit.
    KICK = 40, SNARE = 41, CLAP = 42, HATS = 43, CYMBALS = 44, TOMS = 45, SHAKER = 46, CONGAS = 47, TAMBOURINE = 48,
}

impl Traits {
    /// No trait: a refusal of an instrument that the band does not have takes nothing from it.
    pub(crate) const NONE: Traits = Traits(0);

    /// Both sets together.
    pub(crate) const fn and(self, other: Traits) -> Traits {
        Traits(self.0 | other.0)
    }

    /// Whether the two sets share a trait.
    pub(crate) const fn meets(self, other: Traits) -> bool {
        self.0 & other.0 != 0
    }
}

impl<'de> Deserialize<'de> for Traits {
    /// Reads a list of names.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<TraitName>::deserialize(deserializer)
            .map(|names| names.iter().fold(Self::NONE, |all, own| all.and(own.0)))
    }
}

/// One trait of a list, so that a mistake is reported at its line.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct TraitName(Traits);

impl TryFrom<String> for TraitName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Traits::named(&name)
            .map(Self)
            .ok_or_else(|| format!("`{name}` is no trait of an instrument"))
    }
}

/// The styles the band knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(
    missing_docs,
    reason = "the names say all there is; the tables say the rest"
)]
pub enum StyleId {
    PopBallad,
    PopRock,
    IndieFolk,
    Country,
    Blues,
    Soul,
    Funk,
    Disco,
    JazzSwing,
    BossaNova,
    Reggae,
    HipHop,
    LoFi,
    Trap,
    House,
    DrumAndBass,
    Synthwave,
    Ambient,
    Cinematic,
    Waltz,
    Gospel,
    Latin,
    Metal,
    ChamberStrings,
    SingerSongwriter,
}

/// Who sings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Singer {
    /// A low voice.
    Male,
    /// A high voice.
    Female,
}
