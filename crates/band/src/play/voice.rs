//! The channel strip of the voice: no rumble, presence where it is dull, levelling, de-essing, compression.

use wide::f32x4;

use super::{
    lanes::{Quad, energy},
    meter::{StepMeter, gated},
    stereo::RATE_HZ,
    wave::TwoPoleFilter,
};

/// A voice after its channel strip, to be mixed with any number of takes.
#[derive(Debug, Clone)]
pub struct Voice {
    samples: Vec<f32>,
    /// Its loudness; `None` if it is silent or shorter than .4 s.
    lufs: Option<f64>,
}

impl Voice {
    /// Puts a recording, mono at 44.1 kHz, through the channel strip.
    pub fn new(mut samples: Vec<f32>) -> Self {
        let lufs = strip(&mut samples);
        Self { samples, lufs }
    }

    /// Its samples, mono at 44.1 kHz from the recording's time zero, a frame late.
    pub(super) fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// The gain with which it is at `lufs`; `None` if its loudness is not known.
    pub(super) fn gain_to(&self, lufs: f64) -> Option<f32> {
        Some(10f64.powf((lufs - self.lufs?) / 20.0) as f32)
    }
}

/// Frames between two updates of the followers of the voice.
pub(super) const UPDATE_FRAMES: usize = 64;

/// The strip, in two passes: what the second does depends on what the first measures. Returns the loudness after it.
fn strip(voice: &mut [f32]) -> Option<f64> {
    let steps = without_rumble(voice);
    let whole: Vec<f64> = steps.iter().map(|step| step.whole).collect();
    let sung = gated(&whole)?;
    // The mean square of a voice follows from its loudness, closely enough for the leveller and the compressor; the lift adds a decibel at
    // most.
    let reference = 10f32.powf(((sung + 0.691) / 10.0) as f32) / 2.0;
    let mut tone = Tone::for_voice(&steps);
    let mut leveller = Leveller::new(reference);
    let mut de_esser = DeEsser::new();
    let mut compressor = Compressor::new(reference);
    let mut meter = StepMeter::new(f64::from(RATE_HZ));
    let mut powers = Vec::with_capacity(steps.len());
    for step in voice.chunks_mut(meter.step()) {
        for block in step.chunks_mut(UPDATE_FRAMES) {
            let mut hiss = [0.0f32; UPDATE_FRAMES];
            let hiss = &mut hiss[..block.len()];
            tone.split(block, hiss);
            leveller.level(block, hiss);
            de_esser.soften(block, hiss);
            compressor.compress(block);
        }
        if step.len() == meter.step() {
            powers.push(meter.power(step, step));
        }
    }
    gated(&powers)
}

/// A tenth of a second of the voice without rumble.
struct VoiceStep {
    /// K-weighted power, both channels summed.
    whole: f64,
    /// Mean power from 1 to 4 kHz.
    middle: f64,
}

/// Removes rumble, and measures what is left.
fn without_rumble(voice: &mut [f32]) -> Vec<VoiceStep> {
    let rate = RATE_HZ as f32;
    let [rumble, above, below] = [75.0, 1000.0, 4000.0].map(|hz| TwoPoleFilter::new(hz, 0.7, rate));
    // The first filter's lane, then the lanes of the middle, each of which works on what the one before gave a frame earlier.
    let mut filters = Quad::new([rumble, above, below, below]);
    let k = f32x4::new([rumble.k, above.k, 0.0, 0.0]);
    let mut given = [0.0f32; 4];
    let mut meter = StepMeter::new(f64::from(rate));
    let mut steps = Vec::with_capacity(voice.len() / meter.step());
    // A recording with a DC offset, or one that starts within a note, must not start with a click.
    let fade = ((0.004 * rate) as usize).min(voice.len());
    for (number, step) in voice.chunks_mut(meter.step()).enumerate() {
        let mut power = f32x4::ZERO;
        for block in step.chunks_mut(UPDATE_FRAMES) {
            for sample in block {
                let input = f32x4::new([*sample, given[0], given[1], 0.0]);
                let (band, low) = filters.step(input);
                given = (input - k * band - low).to_array();
                *sample = given[0];
                power += low * low;
            }
            filters.flush_denormals();
        }
        if number == 0 {
            for (frame, sample) in step[..fade].iter_mut().enumerate() {
                *sample *= frame as f32 / fade as f32;
            }
        }
        if step.len() == meter.step() {
            steps.push(VoiceStep {
                whole: meter.power(step, step),
                middle: f64::from(power.to_array()[2]) / step.len() as f64,
            });
        }
    }
    steps
}

/// Raises the voice around 2.2 kHz, where words are understood, if it is dull, and splits off what may hiss. Recorded singers have 0.5 to
/// 10 dB less there than wanted; with the lift, the octave-band levels of a mix are closer to those of records.
///
/// What it gives is a frame late.
struct Tone {
    /// The bell, and the high-pass of what it gave a frame earlier.
    filters: Quad,
    k: [f32; 2],
    /// What the bell adds, relative to the voice.
    added: f32,
    lifted: f32,
}

impl Tone {
    fn for_voice(steps: &[VoiceStep]) -> Self {
        /// Power from 1 to 4 kHz over the K-weighted power, and the most that is added.
        const WANTED_DB: f32 = -3.5;
        const MOST_DB: f32 = 8.0;
        /// Steps below this share of the mean are rests.
        const SUNG: f64 = 0.1;
        let mean = steps.iter().map(|step| step.whole).sum::<f64>() / steps.len().max(1) as f64;
        let sung = steps.iter().filter(|step| step.whole > SUNG * mean);
        let (whole, middle) = sung.fold((0.0, 0.0), |(whole, middle), step| {
            (whole + 0.5 * step.whole, middle + step.middle)
        });
        let found_db = 10.0 * (middle / whole).max(1e-6).log10() as f32;
        let gain = 10f32.powf((WANTED_DB - found_db).clamp(0.0, MOST_DB) / 20.0);
        let bell = TwoPoleFilter::new(2200.0, 0.5, RATE_HZ as f32);
        let hiss = TwoPoleFilter::new(HISS_HZ, 0.6, RATE_HZ as f32);
        Self {
            filters: Quad::new([bell, hiss, hiss, hiss]),
            k: [bell.k, hiss.k],
            added: gain - 1.0,
            lifted: 0.0,
        }
    }

    /// Lifts a block, and gives its part above [`HISS_HZ`] too.
    fn split(&mut self, block: &mut [f32], hiss: &mut [f32]) {
        let (mut filters, mut lifted) = (self.filters, self.lifted);
        let [bell, high] = [self.added * self.k[0], self.k[1]];
        for (sample, hiss) in block.iter_mut().zip(hiss) {
            let (band, low) = filters.step(f32x4::new([*sample, lifted, 0.0, 0.0]));
            let (band, low) = (band.to_array(), low.to_array());
            *hiss = lifted - high * band[1] - low[1];
            (*sample, lifted) = (lifted, *sample + bell * band[0]);
        }
        (self.filters, self.lifted) = (filters, lifted);
        self.filters.flush_denormals();
    }
}

/// The coefficient of a follower with a time constant of `seconds`.
pub(super) fn smoothing(seconds: f32) -> f32 {
    1.0 - (-(UPDATE_FRAMES as f32) / (seconds * RATE_HZ as f32)).exp()
}

pub(super) fn mean_square(block: &[f32]) -> f32 {
    energy(block) / block.len().max(1) as f32
}

/// Applies a gain that moves linearly from one update to the next.
fn ramp(block: &mut [f32], from: f32, to: f32) {
    let slope = (to - from) / block.len() as f32;
    for (frame, sample) in block.iter_mut().enumerate() {
        *sample *= from + slope * frame as f32;
    }
}

/// Levels slow changes of the voice, by at most 6 dB.
struct Leveller {
    reference: f32,
    power: f32,
    gain: f32,
    slow: f32,
    follow: f32,
}

impl Leveller {
    fn new(reference: f32) -> Self {
        Self {
            reference,
            power: reference,
            gain: 1.0,
            slow: smoothing(0.3),
            follow: smoothing(0.15),
        }
    }

    fn level(&mut self, block: &mut [f32], hiss: &mut [f32]) {
        self.power += (mean_square(block) - self.power) * self.slow;
        let over_db = 10.0 * (self.power / self.reference).max(1e-6).log10();
        // Only what is near the singer's own level is raised, not silence.
        let change_db = if over_db < -24.0 {
            0.0
        } else {
            (-0.6 * over_db).clamp(-6.0, 6.0)
        };
        let next = self.gain + (10f32.powf(change_db / 20.0) - self.gain) * self.follow;
        ramp(block, self.gain, next);
        ramp(hiss, self.gain, next);
        self.gain = next;
    }
}

/// Lower edge of what may hiss, in hertz.
const HISS_HZ: f32 = 5500.0;

/// The de-esser: reduces the band above [`HISS_HZ`] where its RMS is more than a third of the whole signal's: about 11 % of the power.
struct DeEsser {
    gain: f32,
    quick: f32,
    slow: f32,
}

impl DeEsser {
    fn new() -> Self {
        Self {
            gain: 1.0,
            quick: smoothing(0.003),
            slow: smoothing(0.03),
        }
    }

    fn soften(&mut self, block: &mut [f32], hiss: &[f32]) {
        const SHARE: f32 = 0.33;
        const LEAST: f32 = 0.35;
        let share = (mean_square(hiss) / mean_square(block).max(1e-12)).sqrt();
        let target = (SHARE / share.max(1e-6)).clamp(LEAST, 1.0);
        let before = self.gain;
        let speed = if target < before {
            self.quick
        } else {
            self.slow
        };
        self.gain += (target - before) * speed;
        let slope = (self.gain - before) / block.len() as f32;
        for (frame, (sample, hiss)) in block.iter_mut().zip(hiss).enumerate() {
            *sample -= (1.0 - before - slope * frame as f32) * hiss;
        }
    }
}

/// Compression, 2:1 from 10 dB below the voice's own level, with a quick attack: the ends of notes stay within reach of the loudest.
struct Compressor {
    reference: f32,
    power: f32,
    gain: f32,
    attack: f32,
    release: f32,
}

impl Compressor {
    fn new(reference: f32) -> Self {
        Self {
            reference,
            power: 0.0,
            gain: 1.0,
            attack: smoothing(0.006),
            release: smoothing(0.12),
        }
    }

    fn compress(&mut self, block: &mut [f32]) {
        const KEPT: f32 = 0.5;
        const BELOW_DB: f32 = 10.0;
        let now = mean_square(block);
        let speed = if now > self.power {
            self.attack
        } else {
            self.release
        };
        self.power += (now - self.power) * speed;
        let over_db = 10.0 * (self.power / self.reference).max(1e-6).log10();
        let reduced_db = (1.0 - KEPT) * (over_db + BELOW_DB).max(0.0);
        let next = 10f32.powf(-reduced_db / 20.0);
        ramp(block, self.gain, next);
        self.gain = next;
    }
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
            let steps = without_rumble(&mut voice);
            let mut tone = Tone::for_voice(&steps);
            for block in voice.chunks_mut(UPDATE_FRAMES) {
                tone.split(block, &mut [0.0; UPDATE_FRAMES]);
            }
            high_db(&voice) - before
        };
        let (dull, bright) = (lifted_db(2), lifted_db(0));
        assert!((4.0..8.5).contains(&dull), "{dull} dB");
        assert!((0.0..3.0).contains(&bright), "{bright} dB");
    }

    #[test]
    fn a_gain_has_no_steps_between_blocks_of_any_length() {
        let mut ones = [1.0f32; 3 * UPDATE_FRAMES];
        let (short, rest) = ones.split_at_mut(58);
        let (whole, last) = rest.split_at_mut(UPDATE_FRAMES);
        ramp(short, 1.0, 0.5);
        ramp(whole, 0.5, 0.8);
        ramp(last, 0.8, 0.8);
        let steps = ones.windows(2).map(|pair| (pair[1] - pair[0]).abs());
        let most = steps.fold(0.0, f32::max);
        assert!(most < 0.01, "{most}");
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
        let placed = Voice::new(voice.clone()).samples;
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
