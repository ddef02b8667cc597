//! Mastering: tone, glue, loudness, and a ceiling that no sample and nothing between two samples passes.

use backline_audio::{Audio, Loudness, loudness};

use super::{
    meter::k_loudness,
    stage::{RATE_HZ, Stereo},
    wave::Filter,
};
use crate::arrange::Finish;

/// Integrated loudness of every finished take, in LUFS.
pub const TARGET_LUFS: f64 = -14.0;

/// Highest true peak of every finished take, in dBTP.
pub const CEILING_DBTP: f64 = -1.0;

/// The limiter's own ceiling: a little lower, for what its smoothing lets through between samples.
const LIMITER_DBTP: f64 = -1.25;

/// How far the limiter looks ahead, in seconds.
const LOOK_AHEAD_S: f32 = 0.004;

/// A finished recording and its measured loudness.
#[derive(Debug, Clone, PartialEq)]
pub struct Mastered {
    /// Stereo at 44.1 kHz.
    pub audio: Audio,
    /// Measured on the audio as it is.
    pub loudness: Loudness,
}

/// How far stems stay below the finished take, in decibels: peaks that the bus takes off the sum fit under full scale.
const STEM_ROOM_DB: f64 = 9.0;

/// What a part must be multiplied with to stand [`STEM_ROOM_DB`] below its place in a finished take; 1 for silence.
pub(crate) fn loudness_gain(sum: &Stereo) -> f32 {
    k_loudness(&sum.left, &sum.right, RATE_HZ).map_or(1.0, |lufs| {
        10f64.powf((TARGET_LUFS - STEM_ROOM_DB - lufs) / 20.0) as f32
    })
}

/// Finishes a sum: no DC, the style's tone, glue, −14 LUFS, true peak at most −1 dBTP. Silence stays silence.
pub fn master(mut sum: Stereo, finish: &Finish) -> Mastered {
    tone(&mut sum, finish);
    glue(&mut sum);
    fade_out(&mut sum);
    to_target(sum)
}

/// The voice in the middle over a mastered instrumental, mastered again. `voice` is mono at 44.1 kHz from the same time zero.
pub fn lay_over(voice: &[f32], instrumental: &Audio) -> Mastered {
    let mut sum = Stereo {
        left: instrumental.channels[0].clone(),
        right: instrumental.channels[1].clone(),
    };
    let mut voice: Vec<f32> = voice.iter().copied().take(sum.left.len()).collect();
    level_voice(&mut voice);
    let band = k_loudness(&sum.left, &sum.right, RATE_HZ);
    let sung = k_loudness(&voice, &voice, RATE_HZ);
    if let Some(sung) = sung {
        let gain = 10f64.powf((band.unwrap_or(TARGET_LUFS) + VOICE_ABOVE_LU - sung) / 20.0) as f32;
        for ((left, right), sample) in sum.left.iter_mut().zip(&mut sum.right).zip(&voice) {
            *left += sample * gain;
            *right += sample * gain;
        }
    }
    to_target(sum)
}

/// How far the voice stands above the band, in loudness units.
const VOICE_ABOVE_LU: f64 = 1.5;

/// Takes the rumble off a voice and evens its slow swells by at most 5 dB.
fn level_voice(voice: &mut [f32]) {
    let rate = RATE_HZ as f32;
    let mut rumble = Filter::new(75.0, 0.7, rate);
    for sample in voice.iter_mut() {
        *sample = rumble.high(*sample);
    }
    // A recording that starts off the middle, or in the middle of a word, must not start with a click.
    let fade = ((0.004 * rate) as usize).min(voice.len());
    for (step, sample) in voice[..fade].iter_mut().enumerate() {
        *sample *= step as f32 / fade as f32;
    }
    let Some(mean) = k_loudness(voice, voice, RATE_HZ) else {
        return;
    };
    // A voice's mean square follows from its loudness closely enough for a slow leveller.
    let reference = 10f32.powf(((mean + 0.691) / 10.0) as f32) / 2.0;
    let slow = 1.0 - (-1.0 / (0.3 * rate)).exp();
    let ease = 1.0 - (-1.0 / (0.15 * rate)).exp();
    let (mut power, mut gain) = (reference, 1.0f32);
    let mut wanted = 1.0f32;
    for (frame, sample) in voice.iter_mut().enumerate() {
        power += (*sample * *sample - power) * slow;
        if frame.is_multiple_of(64) {
            let over_db = 10.0 * (power / reference).max(1e-6).log10();
            // Silence is not lifted: only what is near the singer's own level is.
            let change_db = if over_db < -18.0 {
                0.0
            } else {
                (-0.5 * over_db).clamp(-5.0, 4.0)
            };
            wanted = 10f32.powf(change_db / 20.0);
        }
        gain += (wanted - gain) * ease;
        *sample *= gain;
    }
}

/// The style's tone: a tilt round 700 Hz, wear, saturation.
fn tone(sum: &mut Stereo, finish: &Finish) {
    let rate = RATE_HZ as f32;
    let low_gain = 10f32.powf(-1.8 * finish.brightness / 20.0);
    let high_gain = 10f32.powf((3.0 * finish.brightness - 0.5) / 20.0);
    // Worn tape ends early; a clean master hardly does.
    let top_hz = (17_000.0
        - 6000.0 * (-finish.brightness).max(0.0)
        - 11_000.0 * (finish.grit - 0.2).max(0.0))
    .max(4500.0);
    let drive = 1.0 + 2.0 * finish.grit;
    let peak = k_loudness(&sum.left, &sum.right, RATE_HZ)
        .map_or(1.0, |lufs| 10f32.powf(((-16.0 - lufs) / 20.0) as f32));
    for channel in [&mut sum.left, &mut sum.right] {
        let mut dc = Filter::new(24.0, 0.7, rate);
        let mut split = Filter::new(700.0, 0.5, rate);
        let mut air = Filter::new(4200.0, 0.5, rate);
        let mut top = Filter::new(top_hz, 0.6, rate);
        for sample in channel.iter_mut() {
            let value = dc.high(*sample * peak);
            let low = split.low(value);
            let high = air.high(value);
            let tilted = value + low * (low_gain - 1.0) + high * (high_gain - 1.0);
            let worn = top.low(tilted);
            let soft = if finish.grit > 0.0 {
                worn * drive / (1.0 + (worn * drive).abs().powi(2)).sqrt() / drive
            } else {
                worn
            };
            *sample = worn + finish.grit.min(0.8) * (soft - worn);
        }
    }
}

/// Slow bus compression, 2:1 above the programme's own level, and a soft shoulder over the highest peaks.
fn glue(sum: &mut Stereo) {
    let rate = RATE_HZ as f32;
    let Some(lufs) = k_loudness(&sum.left, &sum.right, RATE_HZ) else {
        return;
    };
    let level = 10f32.powf(((-16.0 - lufs) / 20.0) as f32);
    let threshold = 10f32.powf(-15.0 / 10.0);
    let (attack, release) = (
        1.0 - (-1.0 / (0.02 * rate)).exp(),
        1.0 - (-1.0 / (0.18 * rate)).exp(),
    );
    let (mut power, mut gain) = (0.0f32, 1.0f32);
    for (frame, (left, right)) in sum.left.iter_mut().zip(&mut sum.right).enumerate() {
        *left *= level;
        *right *= level;
        let now = 0.5 * (*left * *left + *right * *right);
        power += (now - power) * if now > power { attack } else { release };
        if frame.is_multiple_of(16) {
            // Half of what is over, in decibels: the square root of the ratio of powers, rooted again for amplitude.
            gain = if power > threshold {
                (threshold / power).sqrt().sqrt()
            } else {
                1.0
            };
        }
        *left = shoulder(*left * gain);
        *right = shoulder(*right * gain);
    }
}

/// Straight up to −6 dB, then bent so that +6 dB comes out at about −1: peaks are rounded before the limiter sees them.
fn shoulder(sample: f32) -> f32 {
    let size = sample.abs();
    if size <= 0.5 {
        return sample;
    }
    let over = size - 0.5;
    (0.5 + over / (1.0 + over * 1.1)).copysign(sample)
}

/// The last 60 ms go to nothing.
fn fade_out(sum: &mut Stereo) {
    let fade = ((0.06 * RATE_HZ as f32) as usize).min(sum.left.len());
    for channel in [&mut sum.left, &mut sum.right] {
        let from = channel.len() - fade;
        for (step, sample) in channel[from..].iter_mut().enumerate() {
            *sample *= 1.0 - (step + 1) as f32 / fade as f32;
        }
    }
}

/// Raises or lowers to the target under the ceiling, measuring what the limiter took and giving it back.
fn to_target(sum: Stereo) -> Mastered {
    let Some(start) = k_loudness(&sum.left, &sum.right, RATE_HZ) else {
        return measured(sum);
    };
    let peaks = true_peaks(&sum);
    let mut gain_db = TARGET_LUFS - start;
    let mut finished = Stereo::default();
    for _ in 0..5 {
        finished = limited(&sum, &peaks, 10f64.powf(gain_db / 20.0) as f32);
        let Some(now) = k_loudness(&finished.left, &finished.right, RATE_HZ) else {
            break;
        };
        if (now - TARGET_LUFS).abs() < 0.05 {
            break;
        }
        gain_db += TARGET_LUFS - now;
    }
    let result = measured(finished);
    let over_db = result.loudness.true_peak_dbtp - (CEILING_DBTP - 0.02);
    if over_db <= 0.0 {
        return result;
    }
    // What slipped between the samples is taken off everything: a tenth of a decibel, well inside the loudness bar.
    let gain = 10f64.powf(-over_db / 20.0) as f32;
    let mut channels = result.audio.channels.into_iter();
    let mut scaled = Stereo {
        left: channels.next().unwrap_or_default(),
        right: channels.next().unwrap_or_default(),
    };
    for sample in scaled.left.iter_mut().chain(&mut scaled.right) {
        *sample *= gain;
    }
    measured(scaled)
}

fn measured(sum: Stereo) -> Mastered {
    let audio = Audio {
        rate_hz: RATE_HZ,
        channels: vec![sum.left, sum.right],
    };
    let loudness = loudness(&audio);
    Mastered { audio, loudness }
}

/// The peak around each frame over both channels, between the samples where they are loud (four-fold oversampling).
fn true_peaks(sum: &Stereo) -> Vec<f32> {
    let frames = sum.left.len();
    let mut peaks: Vec<f32> = sum
        .left
        .iter()
        .zip(&sum.right)
        .map(|(left, right)| left.abs().max(right.abs()))
        .collect();
    let loudest = peaks.iter().fold(0.0f32, |peak, &value| peak.max(value));
    let phases = between_samples();
    let reach = TAPS / 2;
    for channel in [&sum.left, &sum.right] {
        for frame in reach..frames.saturating_sub(reach) {
            // Quiet stretches can't reach the ceiling.
            if channel[frame].abs() < loudest * 0.2 && channel[frame + 1].abs() < loudest * 0.2 {
                continue;
            }
            let window = &channel[frame + 1 - reach..frame + 1 + reach];
            for phase in &phases {
                let value: f32 = window
                    .iter()
                    .zip(phase)
                    .map(|(sample, tap)| sample * tap)
                    .sum();
                let size = value.abs();
                if size > peaks[frame] {
                    peaks[frame] = size;
                }
                if size > peaks[frame + 1] {
                    peaks[frame + 1] = size;
                }
            }
        }
    }
    peaks
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

/// The sum times `gain` under the ceiling: the gain is down before a peak arrives and comes back slowly.
fn limited(sum: &Stereo, peaks: &[f32], gain: f32) -> Stereo {
    let frames = peaks.len();
    let ceiling = 10f32.powf(LIMITER_DBTP as f32 / 20.0);
    let ahead = ((LOOK_AHEAD_S * RATE_HZ as f32) as usize).max(1);
    let needed = |frame: usize| {
        if peaks[frame] * gain > ceiling {
            ceiling / (peaks[frame] * gain)
        } else {
            1.0
        }
    };
    if (0..frames).all(|frame| peaks[frame] * gain <= ceiling) {
        return Stereo {
            left: sum.left.iter().map(|sample| sample * gain).collect(),
            right: sum.right.iter().map(|sample| sample * gain).collect(),
        };
    }
    // The least gain that is needed within the look-ahead, then a slow way back, then a mean over the look-ahead: it never
    // stands above what a frame needs, because every value in the mean already covers that frame.
    let least = sliding_least(frames, ahead, needed);
    let release = 1.0 - (-1.0 / (0.12 * RATE_HZ as f32)).exp();
    let mut level = 1.0f32;
    let mut eased: Vec<f32> = Vec::with_capacity(frames);
    for value in least {
        level = value.min(level + (1.0 - level) * release);
        eased.push(level);
    }
    let mut out = Stereo::silent(frames);
    // Before the first frame the gain is taken to have been the first one's.
    let opening = f64::from(eased.first().copied().unwrap_or(1.0));
    let mut total = ahead as f64 * opening;
    for frame in 0..frames {
        total += f64::from(eased[frame])
            - if frame >= ahead {
                f64::from(eased[frame - ahead])
            } else {
                opening
            };
        let down = (total / ahead as f64) as f32 * gain;
        out.left[frame] = sum.left[frame] * down;
        out.right[frame] = sum.right[frame] * down;
    }
    out
}

/// For each frame the least of `value` over itself and the next `ahead` frames (a queue of falling candidates).
fn sliding_least(frames: usize, ahead: usize, value: impl Fn(usize) -> f32) -> Vec<f32> {
    let mut least = vec![1.0f32; frames];
    let mut queue: std::collections::VecDeque<(usize, f32)> = std::collections::VecDeque::new();
    for frame in 0..frames + ahead {
        if frame < frames {
            let now = value(frame);
            while queue.back().is_some_and(|&(_, last)| last >= now) {
                queue.pop_back();
            }
            queue.push_back((frame, now));
        }
        if frame >= ahead {
            let at = frame - ahead;
            while queue.front().is_some_and(|&(index, _)| index < at) {
                queue.pop_front();
            }
            least[at] = queue.front().map_or(1.0, |&(_, lowest)| lowest);
        }
    }
    least
}
