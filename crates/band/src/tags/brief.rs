//! The meaning of the tags, in terms of the band.

use serde::Deserialize;

use crate::{
    analysis::{Hints, Key, Metre},
    catalogue::{Instrument, StyleId, Traits},
    data::signed,
};

/// The wishes of the tags and the refusals of the negative tags.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Brief {
    /// Styles named, the first one leading.
    pub styles: Vec<StyleId>,
    /// Instruments in the tags, in their order, none of them forbidden.
    pub wanted: Vec<Instrument>,
    /// Whether only the instruments in the tags may play ("solo piano").
    pub only_wanted: bool,
    /// Tempo in beats per minute ("120 bpm").
    pub tempo_bpm: Option<f64>,
    /// Metre ("waltz", "6/8").
    pub metre: Option<Metre>,
    /// Key ("G major", "key of Eb").
    pub key: Option<Key>,
    /// What was not understood, as it was written.
    pub unknown: Vec<String>,
    /// What was understood and is not obeyed, or is obeyed by something near it, in sentences for the user.
    pub remarks: Vec<String>,
    /// The phrases that named the instruments of `wanted`.
    pub(crate) asked: Vec<Asked>,
    /// A word for speed, and whether it means fast.
    pub(crate) speed: Option<(String, bool)>,
    /// Styles that the negative tags refuse.
    pub(crate) refused_styles: Vec<StyleId>,
    /// Traits that no sounding instrument may have.
    pub(crate) forbidden: Traits,
    /// How mood and production words change the arrangement and the sound.
    pub(crate) nudge: Nudge,
    /// Effects in the negative tags, and effects in the tags.
    pub(crate) refused_effects: Effects,
    pub(crate) wanted_effects: Effects,
}

/// A phrase that names an instrument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// As it was written.
    pub(crate) phrase: String,
    /// Who would play it.
    pub(crate) instrument: Instrument,
    /// Instruments that also match: "drums" are played by any kit.
    pub(crate) traits: Traits,
}

impl Asked {
    /// Whether one of `players` plays what the phrase names.
    pub(crate) fn is_played_by(&self, players: &[Instrument]) -> bool {
        players
            .iter()
            .any(|player| *player == self.instrument || player.traits().meets(self.traits))
    }
}

/// Changes to a style's own character; each is a sum over the words, clamped to −1..1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Nudge {
    /// How full and loud the arrangement is.
    #[serde(deserialize_with = "signed")]
    pub(crate) energy: f32,
    /// How bright the sound is.
    #[serde(deserialize_with = "signed")]
    pub(crate) brightness: f32,
    /// How much reverb there is.
    #[serde(deserialize_with = "signed")]
    pub(crate) space: f32,
    /// How saturated the sound is: tape, vinyl, saturation.
    #[serde(deserialize_with = "signed")]
    pub(crate) grit: f32,
}

/// An effect that can be refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SoundEffect {
    /// Room around the sound.
    Reverb,
    /// Echo.
    Delay,
    /// Saturation.
    Grit,
    /// Uneven eighths or sixteenths.
    Swing,
}

/// A set of effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Effects {
    /// Reverb.
    pub(crate) reverb: bool,
    /// Echo.
    pub(crate) delay: bool,
    /// Saturation.
    pub(crate) grit: bool,
    /// Swing.
    pub(crate) swing: bool,
}

impl Effects {
    /// The flag of one effect.
    pub(super) fn of(&mut self, effect: SoundEffect) -> &mut bool {
        match effect {
            SoundEffect::Reverb => &mut self.reverb,
            SoundEffect::Delay => &mut self.delay,
            SoundEffect::Grit => &mut self.grit,
            SoundEffect::Swing => &mut self.swing,
        }
    }
}

impl Brief {
    /// Whether the negative tags forbid `instrument`.
    pub fn forbids(&self, instrument: Instrument) -> bool {
        self.forbidden.meets(instrument.traits())
    }

    /// Whether `instrument` may play: not forbidden, and in the tags where only those may play.
    pub(crate) fn admits(&self, instrument: Instrument) -> bool {
        !self.forbids(instrument) && (!self.only_wanted || self.wanted.contains(&instrument))
    }

    /// A remark where a word for speed contradicts the tempo: the band follows the singer.
    pub(crate) fn against_the_singer(&self, tempo_bpm: f64) -> Option<String> {
        /// Slower is not fast, and faster is not slow, in beats a minute.
        const NOT_FAST_BPM: f64 = 90.0;
        const NOT_SLOW_BPM: f64 = 112.0;
        let (phrase, fast) = self.speed.as_ref()?;
        let against = if *fast {
            tempo_bpm < NOT_FAST_BPM
        } else {
            tempo_bpm > NOT_SLOW_BPM
        };
        against.then(|| {
            format!(
                "`{phrase}` changes no tempo: the band follows the singer at {tempo_bpm:.0} bpm"
            )
        })
    }

    /// The hints for listening.
    pub fn hints(&self) -> Hints {
        let waltz = self.styles.first() == Some(&StyleId::Waltz);
        Hints {
            tempo_bpm: self.tempo_bpm,
            metre: self.metre.or(waltz.then_some(Metre::ThreeFour)),
            key: self.key,
        }
    }
}

impl Nudge {
    /// The sum of two changes, clamped to the range.
    pub(crate) fn plus(self, other: Nudge) -> Nudge {
        let sum = |a: f32, b: f32| (a + b).clamp(-1.0, 1.0);
        Nudge {
            energy: sum(self.energy, other.energy),
            brightness: sum(self.brightness, other.brightness),
            space: sum(self.space, other.space),
            grit: sum(self.grit, other.grit),
        }
    }

    /// The opposite change, for a negated word.
    pub(crate) fn opposite(self) -> Nudge {
        Nudge {
            energy: -self.energy,
            brightness: -self.brightness,
            space: -self.space,
            grit: -self.grit,
        }
    }
}
