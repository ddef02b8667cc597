//! The learned chord model: what `examples/learn_chords.rs` wrote into `chords.bin`, read once.
//!
//! Source: 328 of 410 lead sheets of public-domain songs (OpenEWLD); every fifth (number 4 of each five) was held out to measure.

use std::sync::OnceLock;

use crate::learned::{Bytes, DenseLayer};

use super::windows::FEATURES;

/// Chord classes: a root above the signature's major tonic, times major, minor, diminished.
pub(super) const CLASSES: usize = 36;

const HIDDEN: usize = 48;

/// The tables and the network of the model.
pub(super) struct Model {
    first: DenseLayer,
    second: DenseLayer,
    /// How common each class is.
    pub(super) prior: [f32; CLASSES],
    /// Probability of a change by beats in a bar (2, 3, 4) × 4 + position.
    pub(super) changes: [f32; 12],
    /// Probability that a major chord has a minor seventh, by root × 2 + whether the next root lies a fourth above.
    pub(super) dominant: [f32; 24],
    /// Natural logarithm of the transition probabilities, given a change.
    pub(super) follows: Vec<[f32; CLASSES]>,
}

/// The model.
pub(super) fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        let mut bytes = Bytes(include_bytes!("chords.bin"));
        let first = bytes.layer(HIDDEN, FEATURES);
        let second = bytes.layer(CLASSES, HIDDEN);
        Model {
            first,
            second,
            prior: bytes.floats(),
            changes: bytes.floats(),
            dominant: bytes.floats(),
            follows: (0..CLASSES)
                .map(|_| {
                    std::array::from_fn(|_| f32::from(i16::from_le_bytes(bytes.take())) / 100.0)
                })
                .collect(),
        }
    })
}

impl Model {
    /// Natural logarithms of the probabilities of all classes.
    pub(super) fn log_likelihoods(&self, row: &[f32; FEATURES]) -> [f32; CLASSES] {
        let mut hidden = [0.0f32; HIDDEN];
        for (unit, value) in hidden.iter_mut().enumerate() {
            *value = self.first.sum(unit, row).tanh();
        }
        let sums: [f32; CLASSES] = std::array::from_fn(|class| self.second.sum(class, &hidden));
        let most = sums.iter().fold(f32::MIN, |most, &value| most.max(value));
        let total: f32 = sums.iter().map(|value| (value - most).exp()).sum();
        sums.map(|value| value - most - total.ln())
    }

    /// Probability of a change at a position of a bar.
    pub(super) fn change(&self, in_bar: usize, position: usize) -> f32 {
        self.changes[(in_bar.clamp(2, 4) - 2) * 4 + position.min(3)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_whole_and_its_tables_are_shares() {
        let expected = HIDDEN * (FEATURES + 8)
            + CLASSES * (HIDDEN + 8)
            + 4 * (CLASSES + 12 + 24)
            + 2 * CLASSES * CLASSES;
        assert_eq!(include_bytes!("chords.bin").len(), expected);
        let model = model();
        assert!((model.prior.iter().sum::<f32>() - 1.0).abs() < 1e-3);
        assert!(model.change(4, 0) > 0.6 && model.change(4, 1) < 0.15);
        assert!(model.dominant[7 * 2 + 1] > model.dominant[0]);
        for row in &model.follows {
            let total: f32 = row.iter().map(|log| log.exp()).sum();
            assert!((total - 1.0).abs() < 0.05, "{total}");
        }
    }
}
