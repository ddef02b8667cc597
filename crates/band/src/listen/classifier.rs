//! The metre classifier: the log odds of a hypothesis, from its costs and features.
//!
//! It is a weighted sum of the costs and the features, plus a layer of hidden units. The weights are in `metre.bin`, written by
//! `tools/band_eval/weights.py`: that program performs lead sheets and airs with a singer's mistakes, makes every hypothesis, and
//! searches the weights under which the chosen hypotheses have the right tempo, beats, downbeats and metre. Its README has the
//! sources and the figures.

use std::sync::OnceLock;

use crate::learned::{Bytes, DenseLayer};

use super::features::FEATURES;

/// Number of costs of a hypothesis: timing, rhythm, chords, tempo, return, notes after rests, which of the four metres it is, and the
/// places in the bar of the first note, of the last, and of the notes after pauses.
pub(super) const COSTS: usize = 13;

const HIDDEN: usize = 16;
/// Features are clamped to this many standard deviations from their mean.
const FURTHEST: f32 = 4.0;

struct Classifier {
    costs: [f32; COSTS],
    means: [f32; FEATURES],
    /// One over the standard deviations.
    scales: [f32; FEATURES],
    features: [f32; FEATURES],
    hidden: DenseLayer,
    units: [f32; HIDDEN],
}

fn weights() -> &'static Classifier {
    static WEIGHTS: OnceLock<Classifier> = OnceLock::new();
    WEIGHTS.get_or_init(|| {
        let mut bytes = Bytes(include_bytes!("metre.bin"));
        Classifier {
            costs: bytes.floats(),
            means: bytes.floats(),
            scales: bytes.floats(),
            features: bytes.floats(),
            hidden: bytes.layer(HIDDEN, FEATURES),
            units: bytes.floats(),
        }
    })
}

/// The log odds of a hypothesis, in nats: their softmax over the hypotheses of a song is the probability of each.
pub(super) fn log_odds(costs: &[f32; COSTS], features: &[f32; FEATURES]) -> f32 {
    let learned = weights();
    let seen: [f32; FEATURES] = std::array::from_fn(|at| {
        ((features[at] - learned.means[at]) * learned.scales[at]).clamp(-FURTHEST, FURTHEST)
    });
    let product = |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let units: [f32; HIDDEN] = std::array::from_fn(|unit| learned.hidden.sum(unit, &seen).tanh());
    product(&learned.costs, costs)
        + product(&learned.features, &seen)
        + product(&learned.units, &units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_as_long_as_what_is_read() {
        let floats = COSTS + 3 * FEATURES + 2 * HIDDEN + HIDDEN;
        assert_eq!(
            include_bytes!("metre.bin").len(),
            4 * floats + HIDDEN * FEATURES
        );
    }

    #[test]
    fn no_trait_that_is_far_off_says_more_than_the_furthest_that_counts() {
        let far = |by: f32| log_odds(&[0.0; COSTS], &[by; FEATURES]);
        assert!(far(1e6).is_finite());
        assert_eq!(far(1e6).to_bits(), far(1e9).to_bits());
    }
}
