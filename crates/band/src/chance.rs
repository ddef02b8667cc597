//! The random numbers of the band: one portable generator, split by purpose.
//!
//! Every use names what it is for (the part, the note, the bar), so that adding a use somewhere never shifts the numbers
//! elsewhere, and parts may be computed in any order, on any number of threads, with the same result.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// A stream of random numbers for one purpose.
pub(crate) struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream that belongs to `purpose` under `seed`; the same pair gives the same stream on every machine.
    pub(crate) fn new(seed: u64, purpose: &[u64]) -> Self {
        let mixed = purpose
            .iter()
            .fold(seed ^ 0x9e37_79b9_7f4a_7c15, |state, &part| {
                scramble(state ^ scramble(part))
            });
        Self(ChaCha8Rng::seed_from_u64(mixed))
    }

    /// A number from 0 (included) to 1 (excluded).
    pub(crate) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1u32 << 24) as f32
    }

    /// A number from `low` to `high`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub(crate) fn happens(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// An index below `count`; 0 when `count` is 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count.saturating_sub(1))
    }

    /// A bell-shaped number around 0 with standard deviation 1, never beyond ±3.5 (the sum of twelve uniform ones).
    pub(crate) fn bell(&mut self) -> f32 {
        let sum: f32 = (0..12).map(|_| self.unit()).sum();
        (sum - 6.0).clamp(-3.5, 3.5)
    }

    /// A seed for a generator that is cheaper per number.
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// White noise for synthesis: xorshift64*, far cheaper per sample than the stream it is seeded from.
pub(crate) struct Noise(u64);

impl Noise {
    /// Noise that follows from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(scramble(seed) | 1)
    }

    /// The next sample, −1..1.
    pub(crate) fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32;
        bits / (1u32 << 23) as f32 - 1.0
    }
}

/// The finaliser of SplitMix64: spreads every bit over all others.
fn scramble(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_has_its_own_stream_and_repeats_it() {
        let draw = |purpose: &[u64]| {
            let mut chance = Chance::new(7, purpose);
            (0..8).map(|_| chance.unit()).collect::<Vec<_>>()
        };
        assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
        assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
        assert_ne!(draw(&[1]), draw(&[1, 0]));
    }

    #[test]
    fn noise_is_centred_and_within_bounds() {
        let mut noise = Noise::new(3);
        let samples: Vec<f32> = (0..100_000).map(|_| noise.next()).collect();
        assert!(samples.iter().all(|sample| (-1.0..=1.0).contains(sample)));
        assert!((samples.iter().sum::<f32>() / samples.len() as f32).abs() < 0.01);
    }
}
