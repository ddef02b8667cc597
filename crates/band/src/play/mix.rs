//! Mixes the voice with the band: cleans and compresses the voice, adds the band's reverb, and ducks the band between 1 and 4 kHz.

use backline_audio::Audio;

use super::{
    half,
    limiter::to_target,
    meter::k_loudness,
    room,
    stage::room_seed,
    stereo::{RATE_HZ, Stereo},
    target::{Mastered, TARGET_LUFS},
    wave::TwoPoleFilter,
};
use crate::arrange::{Room, Score};

/// How the voice is mixed with the band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Voicing {
    /// Loudness of the voice above the band, in loudness units.
    pub above_lu: f32,
    /// The band's reverb.
    pub room: Room,
    /// The seed of the reverb.
    pub room_seed: u64,
}

impl Voicing {
    /// As the style of a score has it.
    pub fn of(score: &Score) -> Self {
        Self {
            above_lu: score.finish.voice_above_lu,
            room: score.room,
            room_seed: room_seed(score),
        }
    }
}

/// The voice in the middle over a mastered instrumental, mastered again. `voice` is mono at 44.1 kHz from the same time zero.
pub fn lay_over(voice: &[f32], instrumental: &Audio, voicing: &Voicing) -> Mastered {
    let (left, right) = (&instrumental.channels[0], &instrumental.channels[1]);
    let band = k_loudness(left, right, RATE_HZ);
    lay_over_at(voice, instrumental, band, voicing)
}

/// [`lay_over`] for an instrumental whose loudness is known.
pub(crate) fn lay_over_at(
    voice: &[f32],
    instrumental: &Audio,
    band: Option<f64>,
    voicing: &Voicing,
) -> Mastered {
    let mut sum = Stereo {
        left: instrumental.channels[0].clone(),
        right: instrumental.channels[1].clone(),
    };
    if let Some(voice) = beside(voice, &mut sum, band, voicing) {
        for channel in [&mut sum.left, &mut sum.right] {
            for (sum, sample) in channel.iter_mut().zip(&voice) {
                *sum += sample;
            }
        }
        add_room(&voice, voicing, &mut sum);
    }
    to_target(sum)
}

/// Prepares the voice for the mix and ducks the band; `None` where there is no voice.
fn beside(
    voice: &[f32],
    band: &mut Stereo,
    loudness: Option<f64>,
    voicing: &Voicing,
) -> Option<Vec<f32>> {
    let frames = band.left.len();
    let voice = placed(voice, frames, loudness.unwrap_or(TARGET_LUFS), voicing)?;
    duck_band(band, &voice);
    Some(voice)
}

/// The voice and the band as [`lay_over`] adds them, without the voice's reverb: for measuring how well the voice is heard.
pub fn layers(voice: &[f32], instrumental: &Audio, voicing: &Voicing) -> (Vec<f32>, Stereo) {
    let mut band = Stereo {
        left: instrumental.channels[0].clone(),
        right: instrumental.channels[1].clone(),
    };
    let loudness = k_loudness(&band.left, &band.right, RATE_HZ);
    let voice = beside(voice, &mut band, loudness, voicing).unwrap_or_default();
    (voice, band)
}

/// The voice as it is in the mix, `None` where there is none.
fn placed(voice: &[f32], frames: usize, band: f64, voicing: &Voicing) -> Option<Vec<f32>> {
    let mut voice = voice[..voice.len().min(frames)].to_vec();
    without_rumble(&mut voice);
    let sung = k_loudness(&voice, &voice, RATE_HZ)?;
    // The mean square of a voice follows from its loudness, closely enough for slow followers.
    let reference = 10f32.powf(((sung + 0.691) / 10.0) as f32) / 2.0;
    level(&mut voice, reference);
    de_ess(&mut voice);
    compress(&mut voice, reference);
    let sung = k_loudness(&voice, &voice, RATE_HZ)?;
    let gain = 10f64.powf((band + f64::from(voicing.above_lu) - sung) / 20.0) as f32;
    voice.iter_mut().for_each(|sample| *sample *= gain);
    Some(voice)
}

/// Frames between two updates of the followers of the voice.
const UPDATE_FRAMES: usize = 64;

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

/// The coefficient of a follower with a time constant of `seconds`.
fn smoothing(seconds: f32) -> f32 {
    1.0 - (-(UPDATE_FRAMES as f32) / (seconds * RATE_HZ as f32)).exp()
}

fn mean_square(block: &[f32]) -> f32 {
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

/// Levels slow changes of the voice, by at most 5 dB.
fn level(voice: &mut [f32], reference: f32) {
    let (slow, follow) = (smoothing(0.3), smoothing(0.15));
    let (mut power, mut gain) = (reference, 1.0f32);
    apply_gain(voice, |block| {
        power += (mean_square(block) - power) * slow;
        let over_db = 10.0 * (power / reference).max(1e-6).log10();
        // Only what is near the singer's own level is raised, not silence.
        let change_db = if over_db < -18.0 {
            0.0
        } else {
            (-0.5 * over_db).clamp(-5.0, 4.0)
        };
        gain += (10f32.powf(change_db / 20.0) - gain) * follow;
        gain
    });
}

/// The de-esser: reduces the band above 5.5 kHz where it has more than a third of the power.
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

/// Compression, 3:1 from 3 dB above the voice's own level, with a quick attack.
fn compress(voice: &mut [f32], reference: f32) {
    const OVER_DB: f32 = 3.0;
    const KEPT: f32 = 1.0 / 3.0;
    let (attack, release) = (smoothing(0.006), smoothing(0.12));
    let mut power = 0.0f32;
    apply_gain(voice, |block| {
        let now = mean_square(block);
        power += (now - power) * if now > power { attack } else { release };
        let over_db = 10.0 * (power / reference).max(1e-6).log10() - OVER_DB;
        10f32.powf(-(1.0 - KEPT) * over_db.max(0.0) / 20.0)
    });
}

/// Depth of the ducking around [`DUCK_HZ`], in decibels, additional depth where the band covers the voice, and width.
const DUCK_DB: f32 = 5.0;
const COVERED_DB: f32 = 7.0;
const DUCK_HZ: f32 = 2000.0;
const DUCK_Q: f32 = 0.6;

/// Ducks the middle of the band where the voice sounds: keyed by the voice between 1 and 4 kHz, attack 20 ms, release 300 ms.
fn duck_band(band: &mut Stereo, voice: &[f32]) {
    let rate = RATE_HZ as f32;
    let mut ear = TwoPoleFilter::new(DUCK_HZ, DUCK_Q, rate);
    let mut sides = [
        TwoPoleFilter::new(DUCK_HZ, DUCK_Q, rate),
        TwoPoleFilter::new(DUCK_HZ, DUCK_Q, rate),
    ];
    let (quick, slow) = (smoothing(0.02), smoothing(0.3));
    let mut depth = 0.0f32;
    let blocks = band
        .left
        .chunks_mut(UPDATE_FRAMES)
        .zip(band.right.chunks_mut(UPDATE_FRAMES));
    for (number, (left, right)) in blocks.enumerate() {
        let from = (number * UPDATE_FRAMES).min(voice.len());
        let key = &voice[from..(from + UPDATE_FRAMES).min(voice.len())];
        let (mut sung, mut played) = (0.0f32, 0.0f32);
        let mut middles = [[0.0f32; UPDATE_FRAMES]; 2];
        for sample in key {
            sung += ear.band(*sample).powi(2);
        }
        for (side, (filter, channel)) in sides.iter_mut().zip([&*left, &*right]).enumerate() {
            for (middle, sample) in middles[side].iter_mut().zip(channel.iter()) {
                *middle = filter.band(*sample);
                played += 0.5 * middle.powi(2);
            }
            filter.flush_denormals();
        }
        ear.flush_denormals();
        // Only as far as needed: none where the voice is 9 dB above the band there, the full depth where both are equal, and more where
        // the voice is below. So a loud style keeps its level and the lyrics stay clear.
        let above_db = 10.0 * ((sung + 1e-9) / (played + 1e-9)).log10();
        let target = if sung / (key.len().max(1) as f32) < 1e-6 {
            0.0
        } else {
            let deepest_db = DUCK_DB + (-above_db).clamp(0.0, COVERED_DB);
            (1.0 - 10f32.powf(-deepest_db / 20.0)) * ((9.0 - above_db) / 9.0).clamp(0.0, 1.0)
        };
        let before = depth;
        depth += (target - depth) * if target > depth { quick } else { slow };
        for (channel, middles) in [left, right].into_iter().zip(&middles) {
            for (frame, (sample, middle)) in channel.iter_mut().zip(middles).enumerate() {
                let now = before + (depth - before) * frame as f32 / UPDATE_FRAMES as f32;
                *sample -= now * middle;
            }
        }
    }
}

/// The reverb send of the voice, in decibels.
const SEND_DB: f32 = -14.0;
/// Least reverb of the voice, where the band is dry.
const LEAST_WET: f32 = 0.12;

/// Adds the band's reverb to the voice.
fn add_room(voice: &[f32], voicing: &Voicing, sum: &mut Stereo) {
    let room = &voicing.room;
    if room.wet <= 0.0 {
        return;
    }
    let frames = half::half_of(sum.left.len());
    let mut send = vec![0.0f32; frames];
    half::lower(voice, 10f32.powf(SEND_DB / 20.0), &mut send);
    let send = Stereo {
        right: send.clone(),
        left: send,
    };
    let mut heard = Stereo::silent(frames);
    let level = room::LEVEL * (room.wet.max(LEAST_WET) / USUAL_WET).sqrt();
    room::reverb(
        &send,
        room.decay_s,
        level,
        voicing.room_seed,
        RATE_HZ as f32 / 2.0,
        &mut heard,
    );
    half::raise(&heard, sum);
}

/// The share of reverb at which the send has its nominal level.
const USUAL_WET: f32 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Noise;

    const SECONDS: usize = 8;

    fn voicing(above_lu: f32) -> Voicing {
        Voicing {
            above_lu,
            room: Room {
                decay_s: 1.2,
                wet: 0.25,
                delay: 0.0,
                delay_s: 0.3,
            },
            room_seed: 1,
        }
    }

    /// Noise that falls by 3 dB an octave, on both sides differently, at −14 LUFS.
    fn band() -> Audio {
        let side = |seed: u64| {
            let mut noise = Noise::new(seed);
            let mut slow = [0.0f32; 3];
            (0..RATE_HZ as usize * SECONDS)
                .map(|_| {
                    let white = noise.next();
                    slow[0] = 0.997_65 * slow[0] + white * 0.099_04;
                    slow[1] = 0.963 * slow[1] + white * 0.296_5;
                    slow[2] = 0.57 * slow[2] + white * 1.052_6;
                    0.05 * (slow[0] + slow[1] + slow[2] + white * 0.184_8)
                })
                .collect::<Vec<f32>>()
        };
        let mut channels = vec![side(1), side(2)];
        let lufs = k_loudness(&channels[0], &channels[1], RATE_HZ).unwrap();
        let gain = 10f64.powf((TARGET_LUFS - lufs) / 20.0) as f32;
        for sample in channels.iter_mut().flatten() {
            *sample *= gain;
        }
        Audio {
            rate_hz: RATE_HZ,
            channels,
        }
    }

    /// A sung "ah": harmonics under three formants, a second on and half a second off.
    fn voice() -> Vec<f32> {
        let rate = RATE_HZ as f32;
        (0..RATE_HZ as usize * SECONDS)
            .map(|frame| {
                let now = frame as f32 / rate;
                if now % 1.5 > 1.0 {
                    return 0.0;
                }
                (1..24)
                    .map(|n| {
                        let hz = 220.0 * n as f32;
                        let formant = |at: f32, wide: f32| 1.0 / (1.0 + ((hz - at) / wide).powi(2));
                        let gain = formant(750.0, 130.0)
                            + 0.6 * formant(1200.0, 160.0)
                            + 0.35 * formant(2800.0, 300.0)
                            + 0.02;
                        0.1 * gain * (std::f32::consts::TAU * hz * now).sin()
                    })
                    .sum()
            })
            .collect()
    }

    /// Power between 1 and 4 kHz every 50 ms.
    fn middle(samples: &[f32]) -> Vec<f32> {
        let mut low = TwoPoleFilter::new(1000.0, 0.7, RATE_HZ as f32);
        let mut high = TwoPoleFilter::new(4000.0, 0.7, RATE_HZ as f32);
        let band: Vec<f32> = samples.iter().map(|x| high.low(low.high(*x))).collect();
        band.chunks(RATE_HZ as usize / 20)
            .map(mean_square)
            .collect()
    }

    #[test]
    fn the_voice_is_heard_through_the_band_and_the_band_comes_back() {
        let (band, voice) = (band(), voice());
        let placed = placed(&voice, voice.len(), TARGET_LUFS, &voicing(1.0)).unwrap();
        let mut way = Stereo {
            left: band.channels[0].clone(),
            right: band.channels[1].clone(),
        };
        duck_band(&mut way, &placed);
        let sung = middle(&placed);
        let before = middle(&band.channels[0]);
        let after = middle(&way.left);
        let (mut clear, mut frames) = (0, 0);
        for at in 2..sung.len() {
            let phase = (at as f32 * 0.05) % 1.5;
            if (0.1..0.95).contains(&phase) {
                frames += 1;
                clear += usize::from(sung[at] >= 0.5 * after[at]);
            } else if phase > 1.45 {
                let lost_db = 10.0 * (before[at] / after[at]).log10();
                assert!(
                    lost_db < 1.6,
                    "{lost_db} dB are missing half a second later"
                );
            }
        }
        assert!(clear * 100 >= frames * 85, "{clear} of {frames}");
    }

    #[test]
    fn the_voice_stands_where_it_is_asked_to_and_rings_in_the_room() {
        let voice = voice();
        for above in [-1.0, 2.0] {
            let placed = placed(&voice, voice.len(), TARGET_LUFS, &voicing(above)).unwrap();
            let lufs = k_loudness(&placed, &placed, RATE_HZ).unwrap();
            assert!(
                (lufs - TARGET_LUFS - f64::from(above)).abs() < 0.1,
                "{lufs}"
            );
        }
        let silence = Audio {
            rate_hz: RATE_HZ,
            channels: vec![vec![0.0; voice.len()]; 2],
        };
        let mixed = lay_over_at(&voice, &silence, None, &voicing(0.0)).audio;
        let power = |from_s: f32, to_s: f32| {
            let range = (from_s * 44_100.0) as usize..(to_s * 44_100.0) as usize;
            mean_square(&mixed.channels[0][range])
        };
        let tail_db = 10.0 * (power(1.05, 1.15) / power(0.5, 1.0)).log10();
        assert!(
            (-34.0..-12.0).contains(&tail_db),
            "the room rings at {tail_db} dB"
        );
        assert!(mixed.channels[0] != mixed.channels[1], "the room is wide");
    }
}
