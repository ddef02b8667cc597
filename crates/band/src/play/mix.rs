//! Mixes the voice with the band: adds the band's reverb to the voice, and ducks the band between 1 and 4 kHz.

use backline_audio::Audio;
use wide::f32x4;

use super::{
    half,
    lanes::Quad,
    limiter::to_target,
    meter::k_loudness,
    room,
    stage::room_seed,
    stereo::{RATE_HZ, Stereo, silence},
    target::{Mastered, TARGET_LUFS},
    voice::{UPDATE_FRAMES, Voice, smoothing},
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

/// The voice in the middle over a mastered instrumental, mastered again; both start at the same time zero.
pub fn lay_over(voice: &Voice, instrumental: &Audio, voicing: &Voicing) -> Mastered {
    let (left, right) = (&instrumental.channels[0], &instrumental.channels[1]);
    let band = k_loudness(left, right, RATE_HZ);
    lay_over_at(voice, instrumental, band, voicing)
}

/// [`lay_over`] for an instrumental whose loudness is known.
pub(crate) fn lay_over_at(
    voice: &Voice,
    instrumental: &Audio,
    band: Option<f64>,
    voicing: &Voicing,
) -> Mastered {
    let mut sum = samples_of(instrumental);
    if let Some(voice) = placed(voice, band, voicing) {
        duck_band(&mut sum, &voice);
        for channel in [&mut sum.left, &mut sum.right] {
            for (sum, sample) in channel.iter_mut().zip(voice.samples) {
                *sum += voice.gain * sample;
            }
        }
        add_room(&voice, voicing, &mut sum);
    }
    to_target(sum)
}

/// A voice at its level in a mix.
struct PlacedVoice<'a> {
    samples: &'a [f32],
    gain: f32,
}

impl PlacedVoice<'_> {
    /// Its samples at that level, at most `frames`.
    fn scaled(&self, frames: usize) -> Vec<f32> {
        let samples = self.samples.iter().take(frames);
        samples.map(|sample| self.gain * sample).collect()
    }
}

/// The voice at its level in the mix with a band of some loudness; `None` where there is no voice.
fn placed<'a>(voice: &'a Voice, band: Option<f64>, voicing: &Voicing) -> Option<PlacedVoice<'a>> {
    let lufs = band.unwrap_or(TARGET_LUFS) + f64::from(voicing.above_lu);
    Some(PlacedVoice {
        gain: voice.gain_to(lufs)?,
        samples: voice.samples(),
    })
}

/// The samples of an instrumental.
fn samples_of(instrumental: &Audio) -> Stereo {
    Stereo {
        left: instrumental.channels[0].clone(),
        right: instrumental.channels[1].clone(),
    }
}

/// The voice and the band as [`lay_over`] adds them, without the voice's reverb: for measuring how well the voice is heard.
pub fn layers(voice: &Voice, instrumental: &Audio, voicing: &Voicing) -> (Vec<f32>, Stereo) {
    let mut band = samples_of(instrumental);
    let loudness = k_loudness(&band.left, &band.right, RATE_HZ);
    let Some(voice) = placed(voice, loudness, voicing) else {
        return (Vec::new(), band);
    };
    duck_band(&mut band, &voice);
    (voice.scaled(band.left.len()), band)
}

/// The voice as [`lay_over`] adds it, without its reverb.
pub(crate) fn voice_over(voice: &Voice, instrumental: &Audio, voicing: &Voicing) -> Vec<f32> {
    let (left, right) = (&instrumental.channels[0], &instrumental.channels[1]);
    let band = k_loudness(left, right, RATE_HZ);
    let voice = placed(voice, band, voicing);
    voice.map_or_else(Vec::new, |voice| voice.scaled(left.len()))
}

/// The middles of the two bells that duck the band, in hertz, and their quality: together they cover 1 to 4 kHz.
const DUCK_HZ: [f32; 2] = [1300.0, 3200.0];
const DUCK_Q: f32 = 0.8;
/// How far the voice is to be above the band between 1 and 4 kHz, and the most that each bell takes, in decibels.
const CLEAR_DB: f32 = 5.0;
const DEEPEST_DB: f32 = 18.0;
/// Attack and release times in seconds, and how far ahead the followers look.
const DUCK_ATTACK_S: f32 = 0.01;
const DUCK_RELEASE_S: f32 = 0.2;
const DUCK_AHEAD_S: f32 = 0.012;

/// Ducks the band between 1 and 4 kHz where the voice sounds, only as far as needed: a loud style keeps its level and the lyrics stay
/// clear.
fn duck_band(band: &mut Stereo, voice: &PlacedVoice<'_>) {
    let depths = duck_depths(band, voice);
    let ahead = (DUCK_AHEAD_S * RATE_HZ as f32) as usize / UPDATE_FRAMES;
    let (quick, slow) = (smoothing(DUCK_ATTACK_S), smoothing(DUCK_RELEASE_S));
    let [first, second] = DUCK_HZ.map(|hz| TwoPoleFilter::new(hz, DUCK_Q, RATE_HZ as f32));
    let k = first.k;
    // The second bell takes in what the first gave a frame earlier.
    let mut bells = Quad::new([first, first, second, second]);
    let mut given = [0.0f32; 2];
    let mut depth = 0.0f32;
    let blocks = band
        .left
        .chunks_mut(UPDATE_FRAMES)
        .zip(band.right.chunks_mut(UPDATE_FRAMES));
    for (number, (left, right)) in blocks.enumerate() {
        let target = depths.get(number + ahead).copied().unwrap_or(0.0);
        let before = depth;
        depth += (target - depth) * if target > depth { quick } else { slow };
        let slope = (depth - before) / UPDATE_FRAMES as f32;
        for (frame, (left, right)) in left.iter_mut().zip(right.iter_mut()).enumerate() {
            let input = [*left, *right, given[0], given[1]];
            let middle = bells.step(f32x4::new(input)).0.to_array();
            let now = k * (before + slope * frame as f32);
            given = [0, 1].map(|side| input[side] - now * middle[side]);
            (*left, *right) = (input[2] - now * middle[2], input[3] - now * middle[3]);
        }
        bells.flush_denormals();
    }
}

/// How much of each bell's band is to be taken away, 0..1, for each [`UPDATE_FRAMES`] of the band.
fn duck_depths(band: &Stereo, voice: &PlacedVoice<'_>) -> Vec<f32> {
    /// Time constant of the powers that are compared, in seconds.
    const POWER_S: f32 = 0.008;
    /// Shares of the loudest and of the mean below which the voice rests.
    const SUNG: f32 = 1e-3;
    let ear = TwoPoleFilter::new(2000.0, 0.6, RATE_HZ as f32);
    let mut ears = Quad::new([ear; 4]);
    let follow = smoothing(POWER_S);
    let (mut sung, mut played) = (0.0f32, 0.0f32);
    let powers: Vec<(f32, f32)> = band
        .left
        .chunks(UPDATE_FRAMES)
        .zip(band.right.chunks(UPDATE_FRAMES))
        .enumerate()
        .map(|(number, (left, right))| {
            let from = (number * UPDATE_FRAMES).min(voice.samples.len());
            let until = (from + UPDATE_FRAMES).min(voice.samples.len());
            let key = &voice.samples[from..until];
            let mut sums = f32x4::ZERO;
            for (frame, (left, right)) in left.iter().zip(right).enumerate() {
                let voiced = voice.gain * key.get(frame).copied().unwrap_or(0.0);
                let (middle, _) = ears.step(f32x4::new([voiced, *left, *right, 0.0]));
                sums += middle * middle;
            }
            ears.flush_denormals();
            let sums = sums.to_array();
            sung += (sums[0] - sung) * follow;
            played += (0.5 * (sums[1] + sums[2]) - played) * follow;
            (sung, played)
        })
        .collect();
    let loudest = powers.iter().fold(0.0f32, |most, power| most.max(power.0));
    let heard = powers.iter().filter(|power| power.0 > SUNG * loudest);
    let (sum, count) = heard.fold((0.0f32, 0.0f32), |(sum, count), power| {
        (sum + power.0, count + 1.0)
    });
    let rests_below = SUNG * sum / count.max(1.0);
    powers
        .into_iter()
        .map(|(sung, played)| {
            if sung <= rests_below {
                return 0.0;
            }
            let above_db = 10.0 * ((sung + 1e-12) / (played + 1e-12)).log10();
            1.0 - 10f32.powf(-(CLEAR_DB - above_db).clamp(0.0, DEEPEST_DB) / 20.0)
        })
        .collect()
}

/// The reverb send of the voice, in decibels.
const SEND_DB: f32 = -14.0;
/// Least reverb of the voice, where the band is dry.
const LEAST_WET: f32 = 0.12;

/// Adds the band's reverb to the voice.
fn add_room(voice: &PlacedVoice<'_>, voicing: &Voicing, sum: &mut Stereo) {
    let room = &voicing.room;
    if room.wet <= 0.0 {
        return;
    }
    let frames = half::half_of(sum.left.len());
    let mut send = silence(frames);
    let gain = voice.gain * 10f32.powf(SEND_DB / 20.0);
    half::lower(voice.samples, [(gain, &mut send)]);
    let mut heard = Stereo::silent(frames);
    let level = room::LEVEL * (room.wet.max(LEAST_WET) / USUAL_WET).sqrt();
    room::reverb(
        [&send, &send],
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
    use super::{super::voice::mean_square, *};
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
        let (band, voice) = (band(), Voice::new(voice()));
        let (placed, way) = layers(&voice, &band, &voicing(1.0));
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
        let voice = Voice::new(voice());
        for above in [-1.0, 2.0] {
            let (placed, _) = layers(&voice, &band(), &voicing(above));
            let lufs = k_loudness(&placed, &placed, RATE_HZ).unwrap();
            let above = f64::from(above);
            assert!((lufs - TARGET_LUFS - above).abs() < 0.1, "{lufs}");
        }
        let silence = Audio {
            rate_hz: RATE_HZ,
            channels: vec![vec![0.0; voice.samples().len()]; 2],
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
