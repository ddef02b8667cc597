//! The last step of mastering: brings a sum to the target loudness under the ceiling, and measures it.
//!
//! The limiter processes sixteen frames at a time, and interpolates between samples only near the ceiling.

use backline_audio::{Audio, Loudness};

use super::{
    lanes,
    meter::{BLOCK, block_energies, energies_loudness, k_loudness},
    stereo::{RATE_HZ, Stereo},
    target::{CEILING_DBTP, Mastered, TARGET_LUFS},
};

/// The limiter's own ceiling. It is lower than the master's, because smoothing lets some peaks between samples pass and because decoding
/// an MP3 adds up to .8 dB where drums are loud.
const LIMITER_DBTP: f64 = -2.0;

/// Most rounds of compensation for the loudness that the limiter takes. Most takes need three; drums alone need more.
const ROUNDS: usize = 40;

/// How many blocks the limiter looks ahead: 4.4 ms.
const AHEAD: usize = 12;

/// Release time of the limiter, in seconds.
const RELEASE_S: f32 = 0.12;

/// The true peak that is reported for digital silence.
const SILENCE_DBTP: f64 = -150.0;

/// Between samples below this share of a limit no peak reaches the limit: 6 dB.
const NEAR: f32 = 0.5;

/// Sets the gain to the target under the ceiling, and compensates for the loudness that the limiter takes.
pub(super) fn to_target(mut sum: Stereo) -> Mastered {
    let energies = block_energies(&sum.left, &sum.right, RATE_HZ);
    let Some(start) = energies_loudness(&energies, |_| 1.0, RATE_HZ) else {
        let loudness = measure(&sum);
        return finished(sum, loudness);
    };
    let ceiling = 10f32.powf(LIMITER_DBTP as f32 / 20.0);
    let mut gain_db = TARGET_LUFS - start;
    let peaks = peaks(&sum, ceiling * 10f32.powf(-gain_db as f32 / 20.0));
    let mut curve = Vec::new();
    for _ in 0..ROUNDS {
        curve = gains(&peaks, 10f32.powf(gain_db as f32 / 20.0), ceiling);
        let middle = |block: usize| f64::from(0.5 * (curve[block] + curve[block + 1]));
        let Some(now) = energies_loudness(&energies, middle, RATE_HZ) else {
            break;
        };
        if (now - TARGET_LUFS).abs() < 0.005 {
            break;
        }
        gain_db += TARGET_LUFS - now;
    }
    for channel in [&mut sum.left, &mut sum.right] {
        for (block, pair) in channel.chunks_mut(BLOCK).zip(curve.windows(2)) {
            let slope = (pair[1] - pair[0]) / BLOCK as f32;
            for (frame, sample) in block.iter_mut().enumerate() {
                *sample *= pair[0] + slope * frame as f32;
            }
        }
    }
    let mut loudness = measure(&sum);
    let over_db = loudness.true_peak_dbtp - (CEILING_DBTP - 0.02);
    if over_db > 0.0 {
        // Peaks that remain between samples lower the whole: a tenth of a decibel, well within the tolerance of loudness.
        let gain = 10f64.powf(-over_db / 20.0) as f32;
        for sample in sum.left.iter_mut().chain(&mut sum.right) {
            *sample *= gain;
        }
        loudness.true_peak_dbtp -= over_db;
        loudness.integrated_lufs = loudness.integrated_lufs.map(|lufs| lufs - over_db);
    }
    finished(sum, loudness)
}

fn finished(sum: Stereo, loudness: Loudness) -> Mastered {
    let audio = Audio {
        rate_hz: RATE_HZ,
        channels: vec![sum.left, sum.right],
    };
    Mastered { audio, loudness }
}

/// Loudness and true peak, as `backline_audio::loudness` measures them but much faster; a test compares the two.
fn measure(sum: &Stereo) -> Loudness {
    let loudest = lanes::peak(&sum.left).max(lanes::peak(&sum.right));
    let peak = peaks(sum, loudest).into_iter().fold(0.0f32, f32::max);
    Loudness {
        integrated_lufs: k_loudness(&sum.left, &sum.right, RATE_HZ),
        true_peak_dbtp: (20.0 * f64::from(peak).log10()).max(SILENCE_DBTP),
    }
}

/// The gain at the start of every block and at the end of the last: it falls before a peak arrives and recovers slowly.
fn gains(peaks: &[f32], gain: f32, ceiling: f32) -> Vec<f32> {
    let needed: Vec<f32> = peaks
        .iter()
        .map(|peak| (ceiling / (peak * gain).max(1e-9)).min(1.0))
        .collect();
    let release = 1.0 - (-(BLOCK as f32) / (RELEASE_S * RATE_HZ as f32)).exp();
    let mut level = 1.0f32;
    let eased: Vec<f32> = (0..needed.len())
        .map(|block| {
            let until = (block + AHEAD + 1).min(needed.len());
            let least = needed[block..until]
                .iter()
                .fold(1.0f32, |least, &value| least.min(value));
            level = least.min(level + (1.0 - level) * release);
            level
        })
        .collect();
    // A mean over the blocks before: every value in it already covers the blocks on both sides of the point. Before the first
    // block the gain is taken to have been the first one's.
    let opening = eased.first().copied().unwrap_or(1.0);
    (0..=eased.len())
        .map(|point| {
            let total: f32 = (point as isize - AHEAD as isize..point as isize)
                .map(|block| usize::try_from(block).map_or(opening, |block| eased[block]))
                .sum();
            total / AHEAD as f32 * gain
        })
        .collect()
}

/// The peak of each block over both channels; between the samples too (four-fold oversampling), where they come near `limit`.
fn peaks(sum: &Stereo, limit: f32) -> Vec<f32> {
    let channels = [&sum.left, &sum.right];
    let mut peaks: Vec<f32> = vec![0.0; sum.left.len().div_ceil(BLOCK)];
    for channel in channels {
        for (peak, block) in peaks.iter_mut().zip(channel.chunks(BLOCK)) {
            *peak = peak.max(lanes::peak(block));
        }
    }
    let phases = between_samples();
    let samples = peaks.clone();
    let near = limit * NEAR;
    for block in 0..peaks.len() {
        let around = &samples[block.saturating_sub(1)..(block + 2).min(samples.len())];
        if around.iter().all(|&peak| peak < near) {
            continue;
        }
        for channel in channels {
            let (inside, last) = between(channel, block * BLOCK, &phases);
            peaks[block] = peaks[block].max(inside).max(last);
            if let Some(next) = peaks.get_mut(block + 1) {
                *next = next.max(last);
            }
        }
    }
    peaks
}

/// Highest value between the frames of the block at `start`, and between its last frame and the next block.
fn between(channel: &[f32], start: usize, phases: &[[f32; TAPS]; 3]) -> (f32, f32) {
    let mut window = [0.0f32; BLOCK + TAPS];
    for (index, place) in window.iter_mut().enumerate() {
        let frame = (start + index + 1).checked_sub(TAPS / 2);
        *place = frame
            .and_then(|frame| channel.get(frame))
            .copied()
            .unwrap_or(0.0);
    }
    let mut highest = [0.0f32; BLOCK];
    for phase in phases {
        let mut values = [0.0f32; BLOCK];
        for (tap, share) in phase.iter().enumerate() {
            for (value, sample) in values.iter_mut().zip(&window[tap..tap + BLOCK]) {
                *value += share * sample;
            }
        }
        for (highest, value) in highest.iter_mut().zip(values) {
            *highest = highest.max(value.abs());
        }
    }
    let [inside @ .., last] = highest;
    (inside.into_iter().fold(0.0, f32::max), last)
}

/// Taps of the interpolation between two samples.
const TAPS: usize = 16;

/// Windowed-sinc taps for a quarter, a half and three quarters between two samples.
fn between_samples() -> [[f32; TAPS]; 3] {
    let mut phases = [[0.0; TAPS]; 3];
    for (number, taps) in phases.iter_mut().enumerate() {
        let place = (number + 1) as f64 / 4.0 + (TAPS / 2 - 1) as f64;
        for (index, tap) in taps.iter_mut().enumerate() {
            let x = index as f64 - place;
            let sinc = if x == 0.0 {
                1.0
            } else {
                (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x)
            };
            let window = 0.5 + 0.5 * (std::f64::consts::PI * x / (TAPS as f64 / 2.0 + 0.5)).cos();
            *tap = (sinc * window) as f32;
        }
    }
    phases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reported_is_what_the_reference_measures() {
        let mut noise = crate::chance::Noise::new(9);
        let mut low = super::super::wave::TwoPoleFilter::new(3000.0, 0.7, RATE_HZ as f32);
        let left: Vec<f32> = (0..RATE_HZ as usize * 8)
            .map(|frame| {
                let swell = 0.05 + (frame as f32 / 30_000.0).sin().powi(8);
                low.low(noise.next()) * swell
            })
            .collect();
        let right = left.iter().rev().copied().collect();
        let made = to_target(Stereo { left, right });
        let theirs = backline_audio::loudness(&made.audio);
        let (ours_lufs, theirs_lufs) = (
            made.loudness.integrated_lufs.unwrap(),
            theirs.integrated_lufs.unwrap(),
        );
        assert!(
            (ours_lufs - theirs_lufs).abs() < 0.02,
            "{ours_lufs} against {theirs_lufs}"
        );
        assert!((ours_lufs - TARGET_LUFS).abs() < 0.1, "{ours_lufs}");
        let apart = (made.loudness.true_peak_dbtp - theirs.true_peak_dbtp).abs();
        assert!(apart < 0.05, "{:?} against {theirs:?}", made.loudness);
        assert!(theirs.true_peak_dbtp <= CEILING_DBTP, "{theirs:?}");
    }

    #[test]
    fn a_peak_between_two_samples_is_found_and_held() {
        // A quarter of the rate, an eighth of a turn late: every sample is 3 dB below the wave.
        let wave: Vec<f32> = (0..RATE_HZ as usize)
            .map(|frame| (std::f32::consts::TAU * (frame as f32 / 4.0 + 0.125)).sin())
            .collect();
        let sum = Stereo {
            left: wave.clone(),
            right: wave,
        };
        assert!((measure(&sum).true_peak_dbtp).abs() < 0.2);
        let made = to_target(sum);
        assert!(backline_audio::loudness(&made.audio).true_peak_dbtp <= CEILING_DBTP);
    }
}
