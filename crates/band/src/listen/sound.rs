//! Converts the vocal for listening: one channel at 16 kHz, in frames of 10 ms.

use backline_audio::{Audio, resample};

use crate::analysis::PITCH_HOP_S;

/// The sample rate of listening, enough for the harmonics of the highest pitch that is searched for.
pub(super) const LISTEN_HZ: u32 = 16_000;

/// Samples from one frame to the next.
pub(super) const HOP: usize = (LISTEN_HZ as f64 * PITCH_HOP_S) as usize;

/// Level of digital silence in dBFS.
pub(super) const FLOOR_DB: f32 = -120.0;

/// The vocal is resampled in blocks of about this many seconds, so that a long one needs no further memory than its 16 kHz.
const BLOCK_S: usize = 20;
/// Each block is resampled with this much before and after it, longer than any filter, and that is cut off again.
const MARGIN_S: f64 = 0.5;

/// Samples at a time when the channels' power is summed.
const CHUNK: usize = 1 << 16;
/// Channels whose mean has less than this share of their own power cancel each other.
const CANCELLED: f64 = 0.003;

/// One channel at [`LISTEN_HZ`], every sample a number within ±8; empty when the vocal can't be brought to that rate.
///
/// Only the channels' mean is resampled, or the loudest channel where they cancel each other. Samples beyond ±8 (18 dB over
/// full scale) are errors, and their power would exceed everything else.
pub(super) fn one_channel(vocal: &Audio) -> Vec<f32> {
    let frames = vocal.frames();
    // Blocks and margins are whole numbers of the shortest stretch that is whole at both rates.
    let shared = greatest_divisor(vocal.rate_hz, LISTEN_HZ).max(1);
    let (step, listen_step) = (
        (vocal.rate_hz / shared).max(1) as usize,
        (LISTEN_HZ / shared) as usize,
    );
    let block = shared as usize * BLOCK_S;
    let margin = (f64::from(shared) * MARGIN_S).ceil() as usize;
    let wanted = (frames as u64 * u64::from(LISTEN_HZ)).div_ceil(u64::from(vocal.rate_hz.max(1)));
    let channels = worth_hearing(vocal);
    let mut heard: Vec<f32> = Vec::with_capacity(wanted as usize);
    let mut at = 0;
    while at * step < frames {
        let lead = margin.min(at);
        let from = (at - lead) * step;
        let to = ((at + block + margin) * step).min(frames);
        let mono = Audio {
            rate_hz: vocal.rate_hz,
            channels: vec![mean_of(&channels, from, to)],
        };
        let Some(samples) = resample(mono, LISTEN_HZ)
            .ok()
            .and_then(|mut audio| audio.channels.pop())
        else {
            return Vec::new();
        };
        let inside = samples.get(lead * listen_step..).unwrap_or(&[]);
        let last = (at + block) * step >= frames;
        let kept = if last {
            inside.len()
        } else {
            (block * listen_step).min(inside.len())
        };
        heard.extend_from_slice(&inside[..kept]);
        at += block;
    }
    heard
}

/// Removes the DC offset.
pub(super) fn without_constant(mut heard: Vec<f32>) -> Vec<f32> {
    let sum: f64 = heard.iter().map(|sample| f64::from(*sample)).sum();
    let constant = (sum / heard.len().max(1) as f64) as f32;
    for sample in &mut heard {
        *sample -= constant;
    }
    heard
}

/// All channels, or the loudest alone where they cancel each other: the polarity of one is inverted.
fn worth_hearing(vocal: &Audio) -> Vec<&[f32]> {
    let power = |samples: &[f32]| -> f64 {
        let squares = samples.iter().map(|sample| f64::from(*sample).powi(2));
        squares.filter(|square| square.is_finite()).sum()
    };
    let all: Vec<&[f32]> = vocal.channels.iter().map(Vec::as_slice).collect();
    if all.len() < 2 {
        return all;
    }
    let frames = vocal.frames();
    let powers: Vec<f64> = all.iter().map(|channel| power(channel)).collect();
    let alike = powers.iter().sum::<f64>() / powers.len() as f64;
    let left: f64 = (0..frames)
        .step_by(CHUNK)
        .map(|from| power(&mean_of(&all, from, (from + CHUNK).min(frames))))
        .sum();
    if left > CANCELLED * alike {
        return all;
    }
    let loudest = (0..all.len()).max_by(|a, b| powers[*a].total_cmp(&powers[*b]));
    loudest.map_or(all.clone(), |at| vec![all[at]])
}

/// The mean of the channels over a stretch, with invalid samples made silent.
fn mean_of(channels: &[&[f32]], from: usize, to: usize) -> Vec<f32> {
    let scale = 1.0 / channels.len().max(1) as f32;
    let mut mono = vec![0.0f32; to - from];
    for channel in channels {
        for (sum, sample) in mono.iter_mut().zip(&channel[from..to]) {
            *sum += sample;
        }
    }
    for sample in &mut mono {
        let mean = *sample * scale;
        *sample = if mean.is_finite() {
            mean.clamp(-8.0, 8.0)
        } else {
            0.0
        };
    }
    mono
}

fn greatest_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_divisor(b, a % b)
    }
}

/// Number of frames over `samples` samples: frame `i` is centred at `i` × 10 ms.
pub(super) fn frames_of(samples: usize) -> usize {
    samples.div_ceil(HOP)
}

/// Level of every frame in dBFS, over 20 ms around its centre.
pub(super) fn levels(samples: &[f32]) -> Vec<f32> {
    // Sums over hops from half a hop off: a frame is two of them.
    let half = HOP / 2;
    let sum = |from: usize, to: usize| -> f32 {
        samples[from.min(samples.len())..to.min(samples.len())]
            .iter()
            .map(|sample| sample * sample)
            .sum()
    };
    let halves: Vec<f32> = (0..=2 * frames_of(samples.len()) + 2)
        .map(|index| sum(index * half, (index + 1) * half))
        .collect();
    (0..frames_of(samples.len()))
        .map(|frame| {
            let from = (2 * frame).saturating_sub(2);
            let power: f32 = halves[from..2 * frame + 2].iter().sum();
            db(power / (2 * HOP) as f32)
        })
        .collect()
}

/// Power as decibels, never below [`FLOOR_DB`].
pub(super) fn db(power: f32) -> f32 {
    (10.0 * power.max(1e-12).log10()).max(FLOOR_DB)
}

/// Level of the loud frames in dBFS; [`FLOOR_DB`] of nothing.
///
/// A voice that sounds for a few seconds of a long recording is as loud as one that sounds all the time: what lies far below the
/// loudest half second is its silence.
pub(super) fn loud_level(levels: &[f32]) -> f32 {
    /// Frames that make the loudest half second; of a shorter recording a tenth.
    const LOUDEST: usize = 50;
    /// What is so far below them does not sound, in dB.
    const SOUNDS_WITHIN_DB: f32 = 25.0;
    let share = 1.0 - LOUDEST.min(levels.len() / 10) as f64 / levels.len().max(1) as f64;
    let Some(top) = quantile(levels, share) else {
        return FLOOR_DB;
    };
    let sounding: Vec<f32> = levels
        .iter()
        .copied()
        .filter(|level| *level >= top - SOUNDS_WITHIN_DB)
        .collect();
    let of_all = quantile(levels, 0.95).unwrap_or(FLOOR_DB);
    of_all.max(quantile(&sounding, 0.7).unwrap_or(FLOOR_DB))
}

/// The value that a share of `values` lies below: 0 the least, 1 the greatest; `None` of nothing.
pub(super) fn quantile(values: &[f32], share: f64) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let mut sorted = values.to_vec();
    let at = ((sorted.len() - 1) as f64 * share.clamp(0.0, 1.0)).round() as usize;
    let (_, value, _) = sorted.select_nth_unstable_by(at, f32::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_centred_on_its_time() {
        let mut samples = vec![0.0f32; 16_000];
        samples[8_000] = 1.0;
        let levels = levels(&samples);
        let loudest = (0..levels.len())
            .max_by(|a, b| levels[*a].total_cmp(&levels[*b]))
            .expect("frames");
        assert!((49..=51).contains(&loudest), "{loudest}");
        assert_eq!(levels.len(), 100);
    }

    #[test]
    fn a_long_vocal_is_heard_as_one_across_its_blocks() {
        let rate_hz = 44_100;
        let tone = |at: usize, rate_hz: u32| {
            (at as f64 * 330.0 / f64::from(rate_hz) * std::f64::consts::TAU).sin() as f32 * 0.5
        };
        let samples: Vec<f32> = (0..rate_hz as usize * 45)
            .map(|at| tone(at, rate_hz))
            .collect();
        let vocal = Audio {
            rate_hz,
            channels: vec![samples.clone(), samples],
        };
        let heard = one_channel(&vocal);
        assert!(heard.len().abs_diff(45 * 16_000) <= 1, "{}", heard.len());
        let worst = (1_600..heard.len() - 1_600)
            .map(|at| (heard[at] - tone(at, LISTEN_HZ)).abs())
            .fold(0.0f32, f32::max);
        assert!(worst < 1e-3, "{worst}");
    }

    #[test]
    fn strays_are_silence_and_quantiles_are_in_order() {
        let vocal = Audio {
            rate_hz: LISTEN_HZ,
            channels: vec![vec![f32::NAN, f32::INFINITY, 1e30, 0.5]],
        };
        assert_eq!(one_channel(&vocal), [0.0, 0.0, 8.0, 0.5]);
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
