//! Reverb and echo: a synthetic impulse response that the parts' sends are convolved with, and an echo in the tempo of the song. Both
//! run at half the rate: reverb has no high frequencies.
//!
//! The response of a hall after a tenth of a second is decaying noise whose high frequencies decay faster (Moorer, "About this
//! reverberation business", 1979). Before it there are a few single reflections, the same for every song of a style.

use rustfft::{FftPlanner, num_complex::Complex};

use super::{
    lanes::Cascade,
    stereo::Stereo,
    wave::{TwoPoleFilter, decay_per_frame},
};
use crate::chance::{Chance, Noise};

/// Time before the first reflection in seconds.
const PRE_DELAY_S: f32 = 0.012;

/// Number of single reflections on each side, the time within which they come, and their level relative to the noise.
const REFLECTIONS: usize = 9;
const REFLECTIONS_S: f32 = 0.055;
const REFLECTIONS_GAIN: f32 = 2.2;

/// Time in which the noise fades in after the pre-delay, in seconds.
const RISE_S: f32 = 0.03;

/// Frequency from which the decay is shorter, in hertz, and its share of the decay.
const DAMPING_HZ: f32 = 2600.0;
const DAMPING_SHARE: f32 = 0.6;

/// Energy of each side's response, for a second of decay.
const ENERGY_PER_S: f32 = 0.15;

/// Gain of the reverb in the sum.
pub(super) const LEVEL: f32 = 1.35;

/// Gain of each side's sound in the reverb of the other side; its square and that of the own side's gain add to 1.
const CROSSFEED: f32 = 0.6;
const OWN: f32 = 0.8;

/// Adds the reverb of `send`, left and right, to `out`. `decay_s` is the time in which it falls by 60 dB; `seed` chooses the room.
pub(super) fn reverb(
    send: [&[f32]; 2],
    decay_s: f32,
    level: f32,
    seed: u64,
    rate: f32,
    out: &mut Stereo,
) {
    if level <= 0.0 || send[0].is_empty() {
        return;
    }
    let [left, right] = response(decay_s, seed, rate);
    let mut band = Cascade::high_low(
        TwoPoleFilter::new(180.0, 0.7, rate),
        TwoPoleFilter::new(6000.0, 0.6, rate),
    );
    let mut shaped = |frame: usize| {
        let pair = match (send[0].get(frame), send[1].get(frame)) {
            (Some(left), Some(right)) => [*left, *right],
            _ => [0.0, 0.0],
        };
        if frame.is_multiple_of(256) {
            band.flush_denormals();
        }
        let [left, right] = band.next(pair[0], pair[1]);
        Complex::new(
            OWN * left + CROSSFEED * right,
            OWN * right + CROSSFEED * left,
        )
    };
    // Both sides go through one transform, one as its real part and one as its imaginary part.
    let size = (2 * left.len()).next_power_of_two();
    let step = size - left.len();
    let mut planner = FftPlanner::<f32>::new();
    let (forward, back) = (
        planner.plan_fft_forward(size),
        planner.plan_fft_inverse(size),
    );
    let mut scratch = vec![
        Complex::default();
        forward
            .get_inplace_scratch_len()
            .max(back.get_inplace_scratch_len())
    ];
    let spectrum = |side: &[f32], scratch: &mut [Complex<f32>]| {
        let mut values: Vec<Complex<f32>> = side
            .iter()
            .map(|value| Complex::new(value * level / size as f32, 0.0))
            .collect();
        values.resize(size, Complex::default());
        forward.process_with_scratch(&mut values, scratch);
        values
    };
    let (left, right) = (
        spectrum(&left, &mut scratch),
        spectrum(&right, &mut scratch),
    );
    let mut block = vec![Complex::default(); size];
    let frames = out.left.len();
    for start in (0..frames).step_by(step) {
        for (at, value) in block.iter_mut().enumerate() {
            *value = if at < step {
                shaped(start + at)
            } else {
                Complex::default()
            };
        }
        if block.iter().all(|value| *value == Complex::default()) {
            continue;
        }
        forward.process_with_scratch(&mut block, &mut scratch);
        for at in 0..=size / 2 {
            let mirror = (size - at) % size;
            let (one, other) = (block[at], block[mirror]);
            let heard_left = (one + other.conj()) * 0.5;
            // Divided by i.
            let heard_right = (one - other.conj()) * Complex::new(0.0, -0.5);
            let (from_left, from_right) = (heard_left * left[at], heard_right * right[at]);
            let turned = Complex::new(-from_right.im, from_right.re);
            block[at] = from_left + turned;
            if mirror != at {
                let turned = Complex::new(from_right.im, from_right.re);
                block[mirror] = from_left.conj() + turned;
            }
        }
        back.process_with_scratch(&mut block, &mut scratch);
        let until = (start + size).min(frames);
        for (at, value) in (start..until).zip(&block) {
            out.left[at] += value.re;
            out.right[at] += value.im;
        }
    }
}

/// The impulse response, for each side.
fn response(decay_s: f32, seed: u64, rate: f32) -> [Vec<f32>; 2] {
    let decay_s = decay_s.clamp(0.1, 8.0);
    let ahead = (PRE_DELAY_S * rate) as usize;
    let frames = ahead + (decay_s * rate) as usize;
    [0u64, 1].map(|side| {
        let mut chance = Chance::new(seed, &[97, side]);
        let mut noise = Noise::new(chance.seed());
        let mut split = TwoPoleFilter::new(DAMPING_HZ, 0.6, rate);
        let fall = decay_per_frame(decay_s, rate);
        let high_fall = decay_per_frame(decay_s * DAMPING_SHARE, rate);
        let (mut level, mut high_level) = (1.0f32, 1.0f32);
        let mut wave = vec![0.0f32; frames];
        for (at, sample) in wave[ahead..].iter_mut().enumerate() {
            let value = noise.next() + noise.next();
            let low = split.low(value);
            let rise = (at as f32 / (RISE_S * rate)).min(1.0);
            *sample = rise * rise * (low * level + (value - low) * high_level);
            level *= fall;
            high_level *= high_fall;
        }
        for number in 0..REFLECTIONS {
            let share = (number as f32 + chance.unit()) / REFLECTIONS as f32;
            let at = ahead + (share * REFLECTIONS_S * rate) as usize;
            let sign = if chance.happens(0.5) { 1.0 } else { -1.0 };
            if let Some(sample) = wave.get_mut(at) {
                *sample += sign * REFLECTIONS_GAIN * (1.0 - 0.7 * share);
            }
        }
        let energy: f32 = wave.iter().map(|sample| sample * sample).sum();
        let gain = (ENERGY_PER_S * decay_s / energy.max(1e-9)).sqrt();
        wave.iter_mut().for_each(|sample| *sample *= gain);
        wave
    })
}

/// Adds echoes of `send` to `out`, from side to side, each darker than the one before.
pub(super) fn echo(send: &[f32], time_s: f32, level: f32, rate: f32, out: &mut Stereo) {
    if level <= 0.0 {
        return;
    }
    let frames = ((time_s * rate) as usize).max(1);
    let (mut left, mut right) = (vec![0.0f32; frames], vec![0.0f32; frames]);
    let mut dark = [
        TwoPoleFilter::new(2600.0, 0.6, rate),
        TwoPoleFilter::new(2600.0, 0.6, rate),
    ];
    let mut thin = [
        TwoPoleFilter::new(250.0, 0.7, rate),
        TwoPoleFilter::new(250.0, 0.7, rate),
    ];
    let mut at = 0;
    let frames_out = out.left.len();
    for (frame, &input) in send.iter().enumerate().take(frames_out) {
        let (heard_left, heard_right) = (left[at], right[at]);
        out.left[frame] += heard_left * level;
        out.right[frame] += heard_right * level;
        left[at] = dark[0].low(thin[0].high(input + 0.42 * heard_right));
        right[at] = dark[1].low(thin[1].high(0.7 * heard_left));
        at = if at + 1 == frames { 0 } else { at + 1 };
        if frame.is_multiple_of(256) {
            for filter in dark.iter_mut().chain(&mut thin) {
                filter.flush_denormals();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: f32 = 22_050.0;

    #[test]
    fn what_is_heard_is_the_response_wherever_the_blocks_begin() {
        let [left, right] = response(0.4, 3, RATE);
        let mut send = Stereo::silent(60_000);
        let clicks = [5usize, 9_000, 30_011, 59_000];
        for click in clicks {
            send.left[click] = 1.0;
        }
        let mut out = Stereo::silent(60_000);
        reverb([&send.left, &send.right], 0.4, 1.0, 3, RATE, &mut out);
        // A click is filtered on its way in: compare energies from click to click.
        let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
        let of = |side: &[f32], click: usize| energy(&side[click..(click + 8_900).min(60_000)]);
        for click in &clicks[..3] {
            for (side, own, share) in [(&out.left, &left, OWN), (&out.right, &right, CROSSFEED)] {
                let (found, whole) = (of(side, *click), share * share * energy(own));
                assert!(
                    (0.2..1.0).contains(&(found / whole)),
                    "{click}: {found} of {whole}"
                );
                let first = of(side, clicks[0]);
                assert!(
                    (found / first - 1.0).abs() < 0.01,
                    "{click}: {found} and {first}"
                );
            }
        }
        assert!(out.left[..5].iter().all(|sample| sample.abs() < 1e-6));
    }

    /// The share of a window's samples beyond its standard deviation, 1 for noise (Abel and Huang, "A simple, robust measure of
    /// reverberation echo density", 2006).
    fn density(wave: &[f32], at_s: f32) -> f32 {
        let half = (0.01 * RATE) as usize;
        let middle = (at_s * RATE) as usize;
        let window = &wave[middle - half..middle + half];
        let spread =
            (window.iter().map(|value| value * value).sum::<f32>() / window.len() as f32).sqrt();
        let beyond = window.iter().filter(|value| value.abs() > spread).count();
        beyond as f32 / window.len() as f32 / 0.317_3
    }

    #[test]
    fn the_room_is_dense_and_falls_in_its_time() {
        for decay_s in [0.5f32, 1.2, 2.8, 4.5] {
            for side in response(decay_s, 11, RATE) {
                for at_s in [0.08, 0.1, 0.15, 0.2] {
                    let density = density(&side, at_s);
                    assert!(density >= 0.9, "{decay_s} s: {density} at {at_s} s");
                }
                // Schroeder's curve of what lies below the heights, from -5 to -35 dB.
                let mut low = [
                    TwoPoleFilter::new(1400.0, 0.6, RATE),
                    TwoPoleFilter::new(1400.0, 0.6, RATE),
                ];
                let wave: Vec<f32> = side
                    .iter()
                    .map(|&x| {
                        let one = low[0].low(x);
                        low[1].low(one)
                    })
                    .collect();
                let mut left: Vec<f32> = wave
                    .iter()
                    .rev()
                    .scan(0.0f32, |sum, x| {
                        *sum += x * x;
                        Some(*sum)
                    })
                    .collect();
                left.reverse();
                let when = |db: f32| {
                    left.iter()
                        .position(|x| *x < left[0] * 10f32.powf(db / 10.0))
                        .unwrap() as f32
                        / RATE
                };
                let found = 2.0 * (when(-35.0) - when(-5.0));
                assert!((found / decay_s - 1.0).abs() <= 0.1, "{decay_s} s: {found}");
            }
        }
    }
}
