//! The voice over the band.

use backline_audio::Audio;

use super::{
    limiter::to_target,
    master::{Mastered, TARGET_LUFS},
    meter::k_loudness,
    stage::{RATE_HZ, Stereo},
    wave::Filter,
};

/// How far the voice stands above the band, in loudness units.
const VOICE_ABOVE_LU: f64 = 1.5;

/// The voice in the middle over a mastered instrumental, mastered again. `voice` is mono at 44.1 kHz from the same time zero.
pub fn lay_over(voice: &[f32], instrumental: &Audio) -> Mastered {
    let (left, right) = (&instrumental.channels[0], &instrumental.channels[1]);
    lay_over_heard(voice, instrumental, k_loudness(left, right, RATE_HZ))
}

/// [`lay_over`] for an instrumental whose loudness is known.
pub(crate) fn lay_over_heard(voice: &[f32], instrumental: &Audio, band: Option<f64>) -> Mastered {
    let mut sum = Stereo {
        left: instrumental.channels[0].clone(),
        right: instrumental.channels[1].clone(),
    };
    let mut voice = voice[..voice.len().min(sum.left.len())].to_vec();
    level_voice(&mut voice);
    if let Some(sung) = k_loudness(&voice, &voice, RATE_HZ) {
        let gain = 10f64.powf((band.unwrap_or(TARGET_LUFS) + VOICE_ABOVE_LU - sung) / 20.0) as f32;
        for channel in [&mut sum.left, &mut sum.right] {
            for (sum, sample) in channel.iter_mut().zip(&voice) {
                *sum += sample * gain;
            }
        }
    }
    drop(voice);
    to_target(sum)
}

/// Frames between two looks of the leveller.
const LOOK_FRAMES: usize = 64;

/// Takes the rumble off a voice and evens its slow swells by at most 5 dB.
fn level_voice(voice: &mut [f32]) {
    let rate = RATE_HZ as f32;
    let mut rumble = Filter::new(75.0, 0.7, rate);
    for block in voice.chunks_mut(LOOK_FRAMES) {
        for sample in block {
            *sample = rumble.high(*sample);
        }
        rumble.settle();
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
    let looks = rate / LOOK_FRAMES as f32;
    let slow = 1.0 - (-1.0 / (0.3 * looks)).exp();
    let ease = 1.0 - (-1.0 / (0.15 * looks)).exp();
    let (mut power, mut gain) = (reference, 1.0f32);
    for block in voice.chunks_mut(LOOK_FRAMES) {
        let now = block.iter().map(|sample| sample * sample).sum::<f32>() / block.len() as f32;
        power += (now - power) * slow;
        let over_db = 10.0 * (power / reference).max(1e-6).log10();
        // Silence is not lifted: only what is near the singer's own level is.
        let change_db = if over_db < -18.0 {
            0.0
        } else {
            (-0.5 * over_db).clamp(-5.0, 4.0)
        };
        let step = (10f32.powf(change_db / 20.0) - gain) * ease;
        for (frame, sample) in block.iter_mut().enumerate() {
            *sample *= gain + step * frame as f32 / LOOK_FRAMES as f32;
        }
        gain += step;
    }
}
