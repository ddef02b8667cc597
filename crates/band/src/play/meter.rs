//! Measures loudness for balancing, many times a take: the K-weighted, gated measure of ITU-R BS.1770-4 without its true peak.
//!
//! The loudness that reports show is measured by `backline_audio::loudness`; a test compares the two.

use wide::f32x4;

/// Integrated loudness in LUFS of a stereo signal; `None` when every block is below the absolute gate.
pub(super) fn k_loudness(left: &[f32], right: &[f32], rate_hz: u32) -> Option<f64> {
    gated(&step_powers(left, right, rate_hz))
}

/// Mean K-weighted power of each 100 ms, both channels summed.
fn step_powers(left: &[f32], right: &[f32], rate_hz: u32) -> Vec<f64> {
    let mut meter = StepMeter::new(f64::from(rate_hz));
    let step = meter.step();
    left.chunks_exact(step)
        .zip(right.chunks_exact(step))
        .map(|(left, right)| meter.power(left, right))
        .collect()
}

/// Frames to a block of [`block_energies`].
pub(super) const BLOCK: usize = 16;

/// K-weighted energy of each [`BLOCK`] frames, both channels summed.
pub(super) fn block_energies(left: &[f32], right: &[f32], rate_hz: u32) -> Vec<f32> {
    let mut meter = StepMeter::new(f64::from(rate_hz));
    left.chunks(BLOCK)
        .zip(right.chunks(BLOCK))
        .map(|(left, right)| meter.energy(left, right))
        .collect()
}

/// Integrated loudness of what [`block_energies`] measured, each block under its own gain; `None` when everything is below the
/// absolute gate. The steps are whole blocks, 100.1 ms at 44.1 kHz.
pub(super) fn energies_loudness(
    energies: &[f32],
    gain: impl Fn(usize) -> f64,
    rate_hz: u32,
) -> Option<f64> {
    let blocks = (rate_hz as usize).div_ceil(10 * BLOCK);
    let steps: Vec<f64> = energies
        .chunks_exact(blocks)
        .enumerate()
        .map(|(step, energies)| {
            let total: f64 = energies
                .iter()
                .enumerate()
                .map(|(block, &energy)| {
                    let gain = gain(step * blocks + block);
                    f64::from(energy) * gain * gain
                })
                .sum();
            total / (blocks * BLOCK) as f64
        })
        .collect();
    gated(&steps)
}

/// Blocks of 400 ms every 100 ms, gated at −70 LUFS and then 10 LU under the mean of what is left.
pub(super) fn gated(steps: &[f64]) -> Option<f64> {
    let blocks: Vec<f64> = steps
        .windows(4)
        .map(|four| four.iter().sum::<f64>() / 4.0)
        .collect();
    let lufs = |power: f64| -0.691 + 10.0 * power.max(1e-20).log10();
    let mean_above = |gate: f64| {
        let (sum, count) = blocks
            .iter()
            .filter(|&&power| lufs(power) > gate)
            .fold((0.0, 0usize), |(sum, count), power| {
                (sum + power, count + 1)
            });
        (count > 0).then(|| sum / count as f64)
    };
    let first = mean_above(-70.0)?;
    mean_above(lufs(first) - 10.0).map(lufs)
}

/// Measures a hundred milliseconds at a time: the two filters of the K weighting on both channels, four lanes side by side, for
/// any rate (coefficients as derived by Mansbridge, Finn and Reiss 2012). The second filter works on what the first gave a frame
/// earlier, which no measure of power sees.
pub(super) struct StepMeter {
    step: usize,
    /// Left and right of the shelf, then left and right of the high-pass.
    b: [f32x4; 3],
    a: [f32x4; 2],
    state: [f32x4; 2],
    given: f32x4,
}

impl StepMeter {
    /// A meter at rest.
    pub(super) fn new(rate: f64) -> Self {
        let k = (std::f64::consts::PI * 1_681.974_450_955_533 / rate).tan();
        let q = 0.707_175_236_955_419_6;
        let high = 10f64.powf(3.999_843_853_973_347 / 20.0);
        let band = high.powf(0.499_666_774_154_541_6);
        let a0 = 1.0 + k / q + k * k;
        let shelf = (
            [
                (high + band * k / q + k * k) / a0,
                2.0 * (k * k - high) / a0,
                (high - band * k / q + k * k) / a0,
            ],
            [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
        );
        let k = (std::f64::consts::PI * 38.135_470_876_024_44 / rate).tan();
        let q = 0.500_327_037_323_877_3;
        let a0 = 1.0 + k / q + k * k;
        let high_pass = (
            [1.0, -2.0, 1.0],
            [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
        );
        let lanes = |shelf: f64, high: f64| {
            f32x4::new([shelf as f32, shelf as f32, high as f32, high as f32])
        };
        Self {
            step: ((rate / 10.0) as usize).max(1),
            b: [0, 1, 2].map(|tap| lanes(shelf.0[tap], high_pass.0[tap])),
            a: [0, 1].map(|tap| lanes(shelf.1[tap], high_pass.1[tap])),
            state: [f32x4::ZERO; 2],
            given: f32x4::ZERO,
        }
    }

    /// Frames to a step.
    pub(super) fn step(&self) -> usize {
        self.step
    }

    /// Resets the filters.
    pub(super) fn rest(&mut self) {
        self.state = [f32x4::ZERO; 2];
        self.given = f32x4::ZERO;
    }

    /// Mean power of the next step, both channels summed.
    pub(super) fn power(&mut self, left: &[f32], right: &[f32]) -> f64 {
        if self.is_still() && left.iter().chain(right).all(|&sample| sample == 0.0) {
            return 0.0;
        }
        let total: f64 = left
            .chunks(256)
            .zip(right.chunks(256))
            .map(|(left, right)| f64::from(self.energy(left, right)))
            .sum();
        total / self.step as f64
    }

    /// Energy of the next few frames, both channels summed.
    fn energy(&mut self, left: &[f32], right: &[f32]) -> f32 {
        let (b, a, mut given) = (self.b, self.a, self.given);
        let [mut first, mut second] = self.state;
        let mut sum = f32x4::ZERO;
        for (&left, &right) in left.iter().zip(right) {
            let [shelf_left, shelf_right, ..] = given.to_array();
            let input = f32x4::new([left, right, shelf_left, shelf_right]);
            given = b[0] * input + first;
            first = (b[1] * input + second) - a[0] * given;
            second = b[2] * input - a[1] * given;
            sum += given * given;
        }
        self.state = [first, second];
        self.given = given;
        let [_, _, left, right] = sum.to_array();
        left + right
    }

    /// Whether its state is far below anything that is measured; the state is then cleared.
    fn is_still(&mut self) -> bool {
        let held = [self.state[0], self.state[1], self.given].map(f32x4::to_array);
        let still = held.as_flattened().iter().all(|value| value.abs() < 1e-9);
        if still {
            self.rest();
        }
        still
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use backline_audio::{Audio, loudness};

    #[test]
    fn it_agrees_with_the_reference_meter() {
        let mut noise = crate::chance::Noise::new(5);
        let left: Vec<f32> = (0..441_000)
            .map(|frame| noise.next() * 0.2 * ((frame as f32 / 60_000.0).sin().abs() + 0.01))
            .collect();
        let right: Vec<f32> = left.iter().map(|sample| sample * 0.5).collect();
        let ours = k_loudness(&left, &right, 44_100).unwrap();
        let theirs = loudness(&Audio {
            rate_hz: 44_100,
            channels: vec![left, right],
        })
        .integrated_lufs
        .unwrap();
        assert!((ours - theirs).abs() < 0.05, "{ours} against {theirs}");
        assert_eq!(k_loudness(&[0.0; 44_100], &[0.0; 44_100], 44_100), None);
    }
}
