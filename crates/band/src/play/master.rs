//! Mastering: tonal balance, tone, bus compression, loudness, and a true-peak ceiling.

use backline_audio::Audio;
use wide::f32x4;

use super::{
    equaliser::Equaliser,
    half,
    lanes::{Quad, energy},
    limiter::to_target,
    meter::{StepMeter, gated, k_loudness},
    stereo::{RATE_HZ, Stereo},
    target::Mastered,
    wave::TwoPoleFilter,
};
use crate::arrange::Finish;

/// Working level of tone and bus compression, in LUFS.
const WORKING_LUFS: f64 = -16.0;

/// Loudness of a sum; `None` for silence.
pub(crate) fn loudness_of(sum: &Stereo) -> Option<f64> {
    k_loudness(&sum.left, &sum.right, RATE_HZ)
}

/// Finishes a sum: no DC, the tonal balance of records, the style's tone, bus compression, −14 LUFS, true peak at most −1 dBTP. Silence stays silence.
pub fn master(sum: Stereo, finish: &Finish) -> Mastered {
    let lufs = loudness_of(&sum);
    master_at(sum, lufs, finish)
}

/// [`master`] for a sum whose loudness is known.
pub(crate) fn master_at(mut sum: Stereo, lufs: Option<f64>, finish: &Finish) -> Mastered {
    if let Some(lufs) = lufs.and_then(|lufs| tone(&mut sum, lufs, finish)) {
        compress_bus(&mut sum, lufs);
        saturate(&mut sum, finish.grit);
    }
    fade_out(&mut sum);
    to_target(sum)
}

/// Applies the tonal balance and the style's tone. Returns the loudness after it.
fn tone(sum: &mut Stereo, lufs: f64, finish: &Finish) -> Option<f64> {
    let mut meter = StepMeter::new(f64::from(RATE_HZ));
    let mut steps: Vec<f64> = Vec::new();
    let mut equaliser = Equaliser::of(sum);
    tilt(
        sum,
        lufs,
        finish,
        &mut equaliser,
        meter.step(),
        |left, right| {
            steps.push(meter.power(left, right));
        },
    );
    gated(&steps)
}

/// The linear part of mastering: the tonal balance, the working level of a sum that measures `lufs`, no DC, the style's tilt around
/// 700 Hz, a low-pass. `after` gets the result, `step` frames at a time.
fn tilt(
    sum: &mut Stereo,
    lufs: f64,
    finish: &Finish,
    equaliser: &mut Equaliser,
    step: usize,
    mut after: impl FnMut(&mut [f32], &mut [f32]),
) {
    let rate = RATE_HZ as f32;
    let level = 10f64.powf((WORKING_LUFS - lufs) / 20.0) as f32;
    let low_gain = 10f32.powf(-1.8 * finish.brightness / 20.0) - 1.0;
    let high_gain = 10f32.powf((3.0 * finish.brightness - 0.5) / 20.0) - 1.0;
    // The more saturation, the lower the low-pass; a clean master has hardly any.
    let top_hz = (17_000.0
        - 6000.0 * (-finish.brightness).max(0.0)
        - 11_000.0 * (finish.grit - 0.2).max(0.0))
    .max(4500.0);
    let dc = TwoPoleFilter::new(24.0, 0.7, rate);
    let air = TwoPoleFilter::new(4200.0, 0.5, rate);
    let (split, top) = (
        TwoPoleFilter::new(700.0, 0.5, rate),
        TwoPoleFilter::new(top_hz, 0.6, rate),
    );
    // The tape takes in what was tilted a frame earlier.
    let mut ends = Quad::new([dc, dc, top, top]);
    let mut middle = Quad::new([split, split, air, air]);
    let mut tilted = [0.0f32; 2];
    let blocks = sum.left.chunks_mut(step).zip(sum.right.chunks_mut(step));
    for (left, right) in blocks {
        equaliser.pass(left, right);
        for (left, right) in left.iter_mut().zip(right.iter_mut()) {
            let input = [*left * level, *right * level, tilted[0], tilted[1]];
            let (band, low) = ends.step(f32x4::new(input));
            let (band, low) = (band.to_array(), low.to_array());
            let value = [0, 1].map(|side| input[side] - dc.k * band[side] - low[side]);
            let (airy, parts) = middle.step(f32x4::new([value[0], value[1], value[0], value[1]]));
            let (airy, parts) = (airy.to_array(), parts.to_array());
            for side in 0..2 {
                let high = value[side] - air.k * airy[side + 2] - parts[side + 2];
                tilted[side] = value[side] + parts[side] * low_gain + high * high_gain;
            }
            (*left, *right) = (low[2], low[3]);
        }
        ends.flush_denormals();
        middle.flush_denormals();
        after(left, right);
    }
}

/// The effect of mastering on a sum, frame by frame, to apply it to each part: the mastered parts then add up to the take.
///
/// Mastering is a filter, which is linear, followed by a gain for each frame: compression, saturation and limiter each multiply the
/// sample by a factor, nearly.
#[derive(Debug)]
pub(crate) struct Mastering {
    lufs: Option<f64>,
    finish: Finish,
    equaliser: Equaliser,
    gains: Stereo,
}

impl Mastering {
    /// From `sum`, which measures `lufs`, and the `finished` recording that was made of it.
    pub(crate) fn between(
        mut sum: Stereo,
        lufs: Option<f64>,
        finish: &Finish,
        finished: &Audio,
    ) -> Self {
        /// Below this level, and this share of the peak before it, a sample is too small to compute its gain: what the saturator
        /// changes is filtered, so that a sample near 0 may have any. The gain before continues.
        const LEAST: f32 = 1e-6;
        const LEAST_SHARE: f32 = 0.02;
        /// The fall of that peak: to 1/e in 50 ms.
        const FALL: f32 = 1.0 - 20.0 / RATE_HZ as f32;
        let equaliser = Equaliser::of(&sum);
        if let Some(lufs) = lufs {
            tilt(
                &mut sum,
                lufs,
                finish,
                &mut equaliser.clone(),
                BUS_FRAMES,
                |_, _| (),
            );
            let sides = [&mut sum.left, &mut sum.right];
            for (side, finished) in sides.into_iter().zip(&finished.channels) {
                let (mut gain, mut peak) = (1.0, 0.0f32);
                for (sample, finished) in side.iter_mut().zip(finished) {
                    peak = sample.abs().max(peak * FALL);
                    if sample.abs() > (LEAST_SHARE * peak).max(LEAST) {
                        gain = finished / *sample;
                    }
                    *sample = gain;
                }
            }
        }
        Self {
            lufs,
            finish: *finish,
            equaliser,
            gains: sum,
        }
    }

    /// Applies it to a part.
    pub(crate) fn finish(&self, part: &mut Stereo) {
        let Some(lufs) = self.lufs else {
            return;
        };
        let mut equaliser = self.equaliser.clone();
        tilt(
            part,
            lufs,
            &self.finish,
            &mut equaliser,
            BUS_FRAMES,
            |_, _| (),
        );
        for (side, gains) in [
            (&mut part.left, &self.gains.left),
            (&mut part.right, &self.gains.right),
        ] {
            for (sample, gain) in side.iter_mut().zip(gains) {
                *sample *= gain;
            }
        }
    }
}

/// Frames between two updates of the bus compressor.
const BUS_FRAMES: usize = 16;

/// The bus compressor, slow, 2:1 from 2 dB above the programme's own level so that the dynamics of the song remain.
fn compress_bus(sum: &mut Stereo, lufs: f64) {
    let looks = RATE_HZ as f32 / BUS_FRAMES as f32;
    let level = 10f32.powf(((WORKING_LUFS - lufs) / 20.0) as f32);
    let threshold = 10f32.powf(-14.0 / 10.0);
    let (attack, release) = (
        1.0 - (-1.0 / (0.02 * looks)).exp(),
        1.0 - (-1.0 / (0.18 * looks)).exp(),
    );
    let (mut power, mut gain) = (0.0f32, level);
    let blocks = sum
        .left
        .chunks_mut(BUS_FRAMES)
        .zip(sum.right.chunks_mut(BUS_FRAMES));
    for (left, right) in blocks {
        let now = (energy(left) + energy(right)) * (level * level * 0.5 / left.len() as f32);
        power += (now - power) * if now > power { attack } else { release };
        // Half of the excess in decibels: the fourth root of the ratio of powers, as a gain of amplitude.
        let target = level
            * if power > threshold {
                (threshold / power).sqrt().sqrt()
            } else {
                1.0
            };
        let slope = (target - gain) / BUS_FRAMES as f32;
        for channel in [left, right] {
            for (frame, sample) in channel.iter_mut().enumerate() {
                *sample *= gain + slope * (frame as f32 + 1.0);
            }
        }
        gain = target;
    }
}

/// The saturator, and a soft clipper for the highest peaks.
fn saturate(sum: &mut Stereo, grit: f32) {
    let drive = 1.0 + 2.0 * grit;
    let share = grit.min(0.8);
    let linear = if grit > 0.0 { 0.0 } else { CLIPPED_FROM };
    for channel in [&mut sum.left, &mut sum.right] {
        half::shape(channel, linear, |sample| {
            let driven = sample * drive;
            let soft = driven / (1.0 + driven * driven).sqrt() / drive;
            soft_clip(sample + share * (soft - sample))
        });
    }
}

/// The soft clipper is linear below this level: −6 dB.
const CLIPPED_FROM: f32 = 0.5;

/// The soft clipper: linear, then curved so that +6 dB becomes about −1 dB. It rounds peaks before the limiter.
fn soft_clip(sample: f32) -> f32 {
    let size = sample.abs();
    let over = (size - CLIPPED_FROM).max(0.0);
    (size - over + over / (1.0 + over * 1.1)).copysign(sample)
}

/// Length of the fade at the end, in seconds.
const FADE_S: f32 = 0.6;

/// Fades the end out: the reverb may be longer than the recording.
fn fade_out(sum: &mut Stereo) {
    let fade = ((FADE_S * RATE_HZ as f32) as usize).min(sum.left.len() / 4);
    for channel in [&mut sum.left, &mut sum.right] {
        let from = channel.len() - fade;
        for (step, sample) in channel[from..].iter_mut().enumerate() {
            let left = 1.0 - (step + 1) as f32 / fade as f32;
            *sample *= left * left;
        }
    }
}
