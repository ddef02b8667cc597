//! Loudness for balancing, many times a take: the K-weighted, gated measure of ITU-R BS.1770-4 without its true-peak part.
//!
//! What is reported to the user is measured by `backline_audio::loudness`; a test holds the two together.

/// Integrated loudness in LUFS of a stereo signal; `None` when every block is below the absolute gate.
pub(super) fn k_loudness(left: &[f32], right: &[f32], rate_hz: u32) -> Option<f64> {
    gated(&step_powers(left, right, rate_hz))
}

/// Mean K-weighted power of each 100 ms, both channels summed.
fn step_powers(left: &[f32], right: &[f32], rate_hz: u32) -> Vec<f64> {
    let step = rate_hz as usize / 10;
    let mut powers = vec![0.0f64; left.len() / step.max(1)];
    // Both channels go through side by side: each step of a filter waits for the one before, two filters need not.
    let mut weighting = Weighting::new(f64::from(rate_hz));
    let steps = left
        .chunks_exact(step.max(1))
        .zip(right.chunks_exact(step.max(1)));
    for (power, (left, right)) in powers.iter_mut().zip(steps) {
        if weighting.is_still() && left.iter().chain(right).all(|&sample| sample == 0.0) {
            continue;
        }
        let mut sum = [0.0f64; 2];
        for (&left, &right) in left.iter().zip(right) {
            let weighted = weighting.next([f64::from(left), f64::from(right)]);
            sum[0] += weighted[0] * weighted[0];
            sum[1] += weighted[1] * weighted[1];
        }
        *power = (sum[0] + sum[1]) / step as f64;
    }
    powers
}

/// Blocks of 400 ms every 100 ms, gated at −70 LUFS and then 10 LU under the mean of what is left.
fn gated(steps: &[f64]) -> Option<f64> {
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

/// The two filters of the K weighting, for any rate (coefficients as derived by Mansbridge, Finn and Reiss 2012).
struct Weighting {
    shelf: Biquad,
    high_pass: Biquad,
}

impl Weighting {
    fn new(rate: f64) -> Self {
        let k = (std::f64::consts::PI * 1_681.974_450_955_533 / rate).tan();
        let q = 0.707_175_236_955_419_6;
        let high = 10f64.powf(3.999_843_853_973_347 / 20.0);
        let band = high.powf(0.499_666_774_154_541_6);
        let a0 = 1.0 + k / q + k * k;
        let shelf = Biquad {
            b: [
                (high + band * k / q + k * k) / a0,
                2.0 * (k * k - high) / a0,
                (high - band * k / q + k * k) / a0,
            ],
            a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
            state: [[0.0; 2]; 2],
        };
        let k = (std::f64::consts::PI * 38.135_470_876_024_44 / rate).tan();
        let q = 0.500_327_037_323_877_3;
        let a0 = 1.0 + k / q + k * k;
        let high_pass = Biquad {
            b: [1.0, -2.0, 1.0],
            a: [2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0],
            state: [[0.0; 2]; 2],
        };
        Self { shelf, high_pass }
    }

    /// Whether what it holds is far below anything that is measured; it is then emptied.
    fn is_still(&mut self) -> bool {
        let still = [&self.shelf, &self.high_pass].iter().all(|filter| {
            filter
                .state
                .as_flattened()
                .iter()
                .all(|value| value.abs() < 1e-9)
        });
        if still {
            self.shelf.state = [[0.0; 2]; 2];
            self.high_pass.state = [[0.0; 2]; 2];
        }
        still
    }

    fn next(&mut self, input: [f64; 2]) -> [f64; 2] {
        self.high_pass.next(self.shelf.next(input))
    }
}

struct Biquad {
    b: [f64; 3],
    a: [f64; 2],
    /// First and second state, each for both channels.
    state: [[f64; 2]; 2],
}

impl Biquad {
    fn next(&mut self, input: [f64; 2]) -> [f64; 2] {
        let mut output = [0.0; 2];
        for side in 0..2 {
            let (now, state) = (input[side], &mut self.state);
            let out = self.b[0] * now + state[0][side];
            state[0][side] = self.b[1] * now - self.a[0] * out + state[1][side];
            state[1][side] = self.b[2] * now - self.a[1] * out;
            output[side] = out;
        }
        output
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
