//! The bodies of string instruments: a few resonances each, added to what the strings give.

use wide::f32x4;

use super::{lanes::Quad, wave::TwoPoleFilter};
use crate::arrange::Instrument;

/// A body, for both sides of a part.
pub(super) struct Body(Vec<ModePair>);

/// Two resonances on both sides.
struct ModePair {
    filters: Quad,
    shares: [f32; 2],
}

impl Body {
    /// The body of an instrument at rest; `None` where it has none.
    pub(super) fn new(instrument: Instrument, rate: f32) -> Option<Self> {
        let (pairs, _) = modes(instrument).as_chunks::<2>();
        let pairs: Vec<ModePair> = pairs
            .iter()
            .map(|pair| {
                let [one, other] = pair.map(|mode| TwoPoleFilter::new(mode.hz, mode.q, rate));
                ModePair {
                    filters: Quad::new([one, one, other, other]),
                    shares: [pair[0].share * one.k, pair[1].share * other.k],
                }
            })
            .collect();
        (!pairs.is_empty()).then_some(Self(pairs))
    }

    /// Adds its resonances to both sides.
    pub(super) fn resound(&mut self, left: &mut [f32], right: &mut [f32]) {
        for pair in &mut self.0 {
            pair.filters.flush_denormals();
        }
        for (left, right) in left.iter_mut().zip(right) {
            let input = f32x4::new([*left, *right, *left, *right]);
            for pair in &mut self.0 {
                let band = pair.filters.step(input).0.to_array();
                *left += band[0] * pair.shares[0] + band[2] * pair.shares[1];
                *right += band[1] * pair.shares[0] + band[3] * pair.shares[1];
            }
        }
    }
}

/// One resonance.
#[derive(Debug, Clone, Copy)]
struct BodyMode {
    hz: f32,
    q: f32,
    /// What it adds at its frequency, relative to the string.
    share: f32,
}

const fn mode(hz: f32, q: f32, share: f32) -> BodyMode {
    BodyMode { hz, q, share }
}

/// Air and top plate of a guitar, then the plate's higher modes (a folk guitar as measured by Rossing and others, The Physics of Musical
/// Instruments, 9.5); the last one is a broad bridge resonance.
const STEEL_BODY: [BodyMode; 4] = [
    mode(102.0, 8.0, 0.6),
    mode(193.0, 8.0, 0.7),
    mode(376.0, 9.0, 0.4),
    mode(3000.0, 0.7, 0.5),
];
const NYLON_BODY: [BodyMode; 4] = [
    mode(98.0, 9.0, 0.7),
    mode(205.0, 9.0, 0.9),
    mode(390.0, 9.0, 0.5),
    mode(1100.0, 1.0, 0.2),
];
const UKULELE_BODY: [BodyMode; 4] = [
    mode(230.0, 7.0, 0.6),
    mode(390.0, 7.0, 0.8),
    mode(620.0, 8.0, 0.4),
    mode(1500.0, 1.0, 0.3),
];
/// The head's modes: a membrane radiates far more than wood, above the lowest one.
const BANJO_BODY: [BodyMode; 4] = [
    mode(260.0, 4.0, 0.5),
    mode(480.0, 4.0, 0.9),
    mode(770.0, 3.0, 0.9),
    mode(2900.0, 1.0, 0.7),
];
const HARP_BODY: [BodyMode; 2] = [mode(165.0, 5.0, 0.3), mode(320.0, 5.0, 0.3)];
const UPRIGHT_BODY: [BodyMode; 4] = [
    mode(62.0, 6.0, 0.4),
    mode(102.0, 7.0, 0.6),
    mode(175.0, 7.0, 0.4),
    mode(700.0, 1.0, 0.25),
];
/// The resonance of a guitar's pickup with its cable, and its slope below it.
const PICKUP: [BodyMode; 2] = [mode(1300.0, 0.7, 0.5), mode(3000.0, 1.3, 1.6)];
/// Air, the two lowest modes of the corpus and the bridge hill of violins (Jansson, Acoustics for Violin and Guitar Makers, chapter 7).
const STRINGS_BODY: [BodyMode; 4] = [
    mode(280.0, 6.0, 0.3),
    mode(460.0, 7.0, 0.4),
    mode(550.0, 7.0, 0.4),
    mode(2500.0, 0.9, 0.9),
];

/// The resonances of an instrument's body, an even number; none where it has none.
fn modes(instrument: Instrument) -> &'static [BodyMode] {
    match instrument {
        Instrument::SteelGuitar => &STEEL_BODY,
        Instrument::NylonGuitar => &NYLON_BODY,
        Instrument::Ukulele => &UKULELE_BODY,
        Instrument::Banjo => &BANJO_BODY,
        Instrument::Harp => &HARP_BODY,
        Instrument::UprightBass => &UPRIGHT_BODY,
        Instrument::CleanGuitar => &PICKUP,
        Instrument::Strings => &STRINGS_BODY,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a body does to a sine, in decibels.
    fn gain_db(instrument: Instrument, hz: f32) -> f32 {
        let rate = 44_100.0;
        let tone: Vec<f32> = (0..44_100)
            .map(|frame| (std::f32::consts::TAU * hz * frame as f32 / rate).sin())
            .collect();
        let (mut left, mut right) = (tone.clone(), tone);
        Body::new(instrument, rate)
            .unwrap()
            .resound(&mut left, &mut right);
        assert_eq!(left, right);
        let power = left[22_050..].iter().map(|x| x * x).sum::<f32>() / 22_050.0;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn a_body_speaks_at_its_resonances() {
        for (instrument, resonance_hz, beside_hz) in [
            (Instrument::SteelGuitar, 193.0, 1000.0),
            (Instrument::NylonGuitar, 205.0, 140.0),
            (Instrument::Banjo, 770.0, 130.0),
            (Instrument::Strings, 550.0, 1000.0),
        ] {
            let (resonance, beside) = (
                gain_db(instrument, resonance_hz),
                gain_db(instrument, beside_hz),
            );
            assert!(
                resonance > beside + 1.5,
                "{instrument:?}: {resonance} dB and {beside} dB"
            );
        }
        assert!(Body::new(Instrument::Piano, 44_100.0).is_none());
    }
}
