//! What the tags say, in the band's own terms.

use crate::{
    analysis::{Hints, Metre},
    arrange::{Instrument, StyleId, Traits},
};

/// What the tags ask for and the negative tags forbid.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Brief {
    /// Styles named, the first one leading.
    pub styles: Vec<StyleId>,
    /// Instruments asked for, in the order of the tags, none of them forbidden.
    pub wanted: Vec<Instrument>,
    /// Whether nothing but the instruments asked for may play ("solo piano").
    pub only_wanted: bool,
    /// Tempo in beats per minute ("120 bpm").
    pub tempo_bpm: Option<f64>,
    /// Metre ("waltz", "6/8").
    pub metre: Option<Metre>,
    /// What was not understood, as it was written.
    pub unknown: Vec<String>,
    /// Styles that the negative tags refuse.
    pub(crate) refused_styles: Vec<StyleId>,
    /// Traits that no sounding instrument may have.
    pub(crate) forbidden: Traits,
    /// Where mood and production words push the arrangement and the sound.
    pub(crate) nudge: Nudge,
    /// Effects that the negative tags refuse.
    pub(crate) refused_effects: RefusedEffects,
}

/// Pushes away from a style's own character; each is a sum over the words, held to −1..1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Nudge {
    /// How full and loud the arrangement is.
    pub(crate) energy: f32,
    /// How bright the sound is.
    pub(crate) brightness: f32,
    /// How much room there is around it.
    pub(crate) space: f32,
    /// How worn the sound is: tape, vinyl, saturation.
    pub(crate) grit: f32,
}

/// Effects that must not be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct RefusedEffects {
    /// No reverb.
    pub(crate) reverb: bool,
    /// No echo.
    pub(crate) delay: bool,
    /// No saturation.
    pub(crate) grit: bool,
    /// No swing.
    pub(crate) swing: bool,
}

impl Brief {
    /// Whether the negative tags forbid `instrument`.
    pub fn forbids(&self, instrument: Instrument) -> bool {
        self.forbidden.meets(instrument.traits())
    }

    /// Whether `instrument` may play: not forbidden, and asked for where only those may play.
    pub(crate) fn admits(&self, instrument: Instrument) -> bool {
        !self.forbids(instrument) && (!self.only_wanted || self.wanted.contains(&instrument))
    }

    /// What helps to listen.
    pub fn hints(&self) -> Hints {
        let waltz = self.styles.first() == Some(&StyleId::Waltz);
        Hints {
            tempo_bpm: self.tempo_bpm,
            metre: self.metre.or(waltz.then_some(Metre::ThreeFour)),
        }
    }
}

impl Nudge {
    /// The sum of two pushes, held to the range.
    pub(crate) fn plus(self, other: Nudge) -> Nudge {
        let sum = |a: f32, b: f32| (a + b).clamp(-1.0, 1.0);
        Nudge {
            energy: sum(self.energy, other.energy),
            brightness: sum(self.brightness, other.brightness),
            space: sum(self.space, other.space),
            grit: sum(self.grit, other.grit),
        }
    }

    /// The same push the other way, for a word that is negated.
    pub(crate) fn opposite(self) -> Nudge {
        Nudge {
            energy: -self.energy,
            brightness: -self.brightness,
            space: -self.space,
            grit: -self.grit,
        }
    }
}
