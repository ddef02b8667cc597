//! The channel strip of the voice: no rumble, presence where it is dull, levelling, de-essing, compression, and its level.

use super::{
    meter::{StepMeter, k_loudness},
    stereo::RATE_HZ,
    wave::TwoPoleFilter,
};

/// The voice at `lufs`, at most `frames` long; `None` if it is silent.
pub(super) fn placed(voice: &[f32], frames: usize, lufs: f64) -> Option<Vec<f32>> {
    let mut voice = voice[..voice.len().min(frames)].to_vec();
    without_rumble(&mut voice);
    lift_presence(&mut voice);
    let sung = k_loudness(&voice, &voice, RATE_HZ)?;
    // The mean square of a voice follows from its loudness, closely enough for the leveller and the compressor.
    let reference = 10f32.powf(((sung + 0.691) / 10.0) as f32) / 2.0;
    level(&mut voice, reference);
    de_ess(&mut voice);
    compress(&mut voice, reference);
    let sung = k_loudness(&voice, &voice, RATE_HZ)?;
    let gain = 10f64.powf((lufs - sung) / 20.0) as f32;
    voice.iter_mut().for_each(|sample| *sample *= gain);
    Some(voice)
}

/// Frames between two updates of the followers of the voice.
pub(super) const UPDATE_FRAMES: usize = 64;

fn without_rumble(voice: &mut [f32]) {
    let rate = RATE_HZ as f32;
    let mut rumble = TwoPoleFilter::new(75.0, 0.7, rate);
    for block in voice.chunks_mut(UPDATE_FRAMES) {
        for sample in block {
            *sample = rumble.high(*sample);
        }
        rumble.flush_denormals();
    }
    // A recording with a DC offset, or one that starts within a note, must not start with a click.
    let fade = ((0.004 * rate) as usize).min(voice.len());
    for (step, sample) in voice[..fade].iter_mut().enumerate() {
        *sample *= step as f32 / fade as f32;
    }
}

/// Raises the voice around 2.2 kHz, where words are understood, if it is dull. Recorded singers have 0.5 to 10 dB less there than wanted;
/// with the lift, the octave-band levels of a mix are closer to those of records.
fn lift_presence(voice: &mut [f32]) {
    /// Power from 1 to 4 kHz over the K-weighted power, and the most that is added.
    const WANTED_DB: f32 = -3.5;
    const MOST_DB: f32 = 8.0;
    /// Steps below this share of the mean are rests.
    const SUNG: f64 = 0.1;
    let rate = RATE_HZ as f32;
    let mut meter = StepMeter::new(f64::from(rate));
    let mut middle = [
        TwoPoleFilter::new(1000.0, 0.7, rate),
        TwoPoleFilter::new(4000.0, 0.7, rate),
    ];
    let steps: Vec<(f64, f64)> = voice
        .chunks_exact(meter.step())
        .map(|block| {
            let whole = meter.power(block, block) / 2.0;
            let [high, low] = &mut middle;
            let power: f32 = block.iter().map(|x| low.low(high.high(*x)).powi(2)).sum();
            middle.iter_mut().for_each(TwoPoleFilter::flush_denormals);
            (whole, f64::from(power) / block.len() as f64)
        })
        .collect();
    let mean = steps.iter().map(|step| step.0).sum::<f64>() / steps.len().max(1) as f64;
    let sung = steps.iter().filter(|step| step.0 > SUNG * mean);
    let (whole, power) = sung.fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
    if whole <= 0.0 {
        return;
    }
    let found_db = 10.0 * (power / whole).max(1e-6).log10() as f32;
    let gain = 10f32.powf((WANTED_DB - found_db).clamp(0.0, MOST_DB) / 20.0);
    let mut bell = TwoPoleFilter::new(2200.0, 0.5, rate);
    for block in voice.chunks_mut(UPDATE_FRAMES) {
        for sample in block {
            *sample += (gain - 1.0) * bell.band(*sample);
        }
        bell.flush_denormals();
    }
}

/// The coefficient of a follower with a time constant of `seconds`.
pub(super) fn smoothing(seconds: f32) -> f32 {
    1.0 - (-(UPDATE_FRAMES as f32) / (seconds * RATE_HZ as f32)).exp()
}

pub(super) fn mean_square(block: &[f32]) -> f32 {
    block.iter().map(|sample| sample * sample).sum::<f32>() / block.len().max(1) as f32
}

/// Applies a gain that is interpolated linearly between updates; `next_gain` returns the next gain for a block.
fn apply_gain(voice: &mut [f32], mut next_gain: impl FnMut(&[f32]) -> f32) {
    let mut gain = 1.0f32;
    for block in voice.chunks_mut(UPDATE_FRAMES) {
        let step = next_gain(block) - gain;
        for (frame, sample) in block.iter_mut().enumerate() {
            *sample *= gain + step * frame as f32 / UPDATE_FRAMES as f32;
        }
        gain += step;
    }
}

/// Levels slow changes of the voice, by at most 6 dB.
fn level(voice: &mut [f32], reference: f32) {
    let (slow, follow) = (smoothing(0.3), smoothing(0.15));
    let (mut power, mut gain) = (reference, 1.0f32);
    apply_gain(voice, |block| {
        power += (mean_square(block) - power) * slow;
        let over_db = 10.0 * (power / reference).max(1e-6).log10();
        // Only what is near the singer's own level is raised, not silence.
        let change_db = if over_db < -24.0 {
            0.0
        } else {
            (-0.6 * over_db).clamp(-6.0, 6.0)
        };
        gain += (10f32.powf(change_db / 20.0) - gain) * follow;
        gain
    });
}

/// The de-esser: reduces the band above 5.5 kHz where its RMS is more than a third of the whole signal's: about 11 % of the power.
fn de_ess(voice: &mut [f32]) {
    const HISS_HZ: f32 = 5500.0;
    const SHARE: f32 = 0.33;
    const LEAST: f32 = 0.35;
    let mut split = TwoPoleFilter::new(HISS_HZ, 0.6, RATE_HZ as f32);
    let (quick, slow) = (smoothing(0.003), smoothing(0.03));
    let mut gain = 1.0f32;
    let mut high = [0.0f32; UPDATE_FRAMES];
    for block in voice.chunks_mut(UPDATE_FRAMES) {
        for (high, sample) in high.iter_mut().zip(block.iter()) {
            *high = split.high(*sample);
        }
        split.flush_denormals();
        let (hiss, whole) = (mean_square(&high[..block.len()]), mean_square(block));
        let share = (hiss / whole.max(1e-12)).sqrt();
        let target = (SHARE / share.max(1e-6)).clamp(LEAST, 1.0);
        let before = gain;
        gain += (target - gain) * if target < gain { quick } else { slow };
        for (frame, (sample, high)) in block.iter_mut().zip(&high).enumerate() {
            let now = before + (gain - before) * frame as f32 / UPDATE_FRAMES as f32;
            *sample -= (1.0 - now) * high;
        }
    }
}

/// Compression, 2:1 from 10 dB below the voice's own level, with a quick attack: the ends of notes stay within reach of the loudest.
fn compress(voice: &mut [f32], reference: f32) {
    const KEPT: f32 = 0.5;
    const BELOW_DB: f32 = 10.0;
    let (attack, release) = (smoothing(0.006), smoothing(0.12));
    let mut power = 0.0f32;
    apply_gain(voice, |block| {
        let now = mean_square(block);
        power += (now - power) * if now > power { attack } else { release };
        let over_db = 10.0 * (power / reference).max(1e-6).log10();
        10f32.powf(-(1.0 - KEPT) * (over_db + BELOW_DB).max(0.0) / 20.0)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Noise;

    /// A sung tone of `seconds` whose harmonics fall by `slope` powers of their number.
    fn sung(slope: i32, seconds: f32) -> Vec<f32> {
        let rate = RATE_HZ as f32;
        (0..(seconds * rate) as usize)
            .map(|frame| {
                let turns = 220.0 * frame as f32 / rate;
                (1..24)
                    .map(|n| {
                        let n = n as f32;
                        0.1 * n.powi(-slope) * (std::f32::consts::TAU * (n * turns).fract()).sin()
                    })
                    .sum()
            })
            .collect()
    }

    /// Level above 1 kHz.
    fn high_db(samples: &[f32]) -> f32 {
        let mut filter = TwoPoleFilter::new(1000.0, 0.7, RATE_HZ as f32);
        let high: Vec<f32> = samples.iter().map(|x| filter.high(*x)).collect();
        10.0 * mean_square(&high).log10()
    }

    #[test]
    fn a_dull_voice_gets_more_presence_than_a_bright_one() {
        let lifted_db = |slope: i32| {
            let mut voice = sung(slope, 3.0);
            let before = high_db(&voice);
            lift_presence(&mut voice);
            high_db(&voice) - before
        };
        let (dull, bright) = (lifted_db(2), lifted_db(0));
        assert!((4.0..8.5).contains(&dull), "{dull} dB");
        assert!((0.0..3.0).contains(&bright), "{bright} dB");
    }

    #[test]
    fn soft_phrases_come_up_and_hiss_goes_down() {
        let mut voice = sung(1, 8.0);
        let rate = RATE_HZ as usize;
        for sample in &mut voice[4 * rate..] {
            *sample *= 0.25;
        }
        let mut noise = Noise::new(1);
        let mut hiss = TwoPoleFilter::new(6000.0, 0.7, rate as f32);
        for sample in &mut voice[3 * rate..3 * rate + rate / 5] {
            *sample = 0.2 * hiss.high(noise.next());
        }
        let placed = placed(&voice, voice.len(), -14.0).unwrap();
        let db = |samples: &[f32], from_s: f32, to_s: f32| {
            let range = (from_s * rate as f32) as usize..(to_s * rate as f32) as usize;
            10.0 * mean_square(&samples[range]).log10()
        };
        let apart = |samples: &[f32]| db(samples, 1.5, 2.8) - db(samples, 5.5, 7.5);
        let hissing = |samples: &[f32]| db(samples, 3.05, 3.15) - db(samples, 1.5, 2.8);
        assert!((apart(&voice) - 12.0).abs() < 0.1);
        assert!((2.0..7.0).contains(&apart(&placed)), "{}", apart(&placed));
        let less_db = hissing(&voice) - hissing(&placed);
        assert!(less_db > 2.0, "the hiss is {less_db} dB less");
    }
}
