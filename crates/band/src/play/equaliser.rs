//! The tonal balance of a master: an octave equaliser that brings a sum near the mean spectrum of finished records, and lows in the
//! middle, where records have them.
//!
//! That mean falls by 5 dB an octave between 100 Hz and 4 kHz (power for each hertz; Pestana, Ma, Reiss, Barbosa and Black, "Spectral
//! characteristics of popular commercial recordings 1950-2010", AES 135, 2013). A sum may be off by [`FREE_DB`] in any octave, which
//! leaves styles and instruments their colour; what is more is mostly corrected. It is the same for the whole song, so it is linear.

use rustfft::{FftPlanner, num_complex::Complex};

use super::{
    lanes::{Bells, Cascade},
    stereo::{RATE_HZ, Stereo},
    wave::TwoPoleFilter,
};

/// The middles of the octaves, in hertz.
const OCTAVES_HZ: [f32; 6] = [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0];
/// The fall of the mean from octave to octave.
const FALL_DB: f32 = 5.0;
/// How far an octave may be off, the share of the rest that is corrected, and the largest correction.
const FREE_DB: f32 = 0.8;
const SHARE: f32 = 0.9;
const MOST_DB: f32 = 8.0;
/// Quality of the filters: an octave each.
const Q: f32 = 1.3;

/// Frames of a spectrum, and from one to the next.
const SPECTRUM_FRAMES: usize = 8192;
const EVERY_FRAMES: usize = 4 * SPECTRUM_FRAMES;

/// Below this frequency both sides are the same, in hertz.
const MONO_HZ: f32 = 110.0;

/// The equaliser of one sum.
#[derive(Debug, Clone)]
pub(super) struct Equaliser {
    /// Two octaves each.
    octaves: [Cascade<Bells>; 3],
    /// What the difference of the sides goes through.
    sides: TwoPoleFilter,
}

impl Equaliser {
    /// The equaliser that a sum needs.
    pub(super) fn of(sum: &Stereo) -> Self {
        let wanted = corrections_db(octaves_db(sum));
        let rate = RATE_HZ as f32;
        let gains = gains_db(wanted, rate).map(|db| 10f32.powf(db / 20.0));
        let bell = |at: usize| (TwoPoleFilter::new(OCTAVES_HZ[at], Q, rate), gains[at]);
        Self {
            octaves: [0, 2, 4].map(|at| Cascade::bells([bell(at), bell(at + 1)])),
            sides: TwoPoleFilter::new(MONO_HZ, 0.7, rate),
        }
    }

    /// Filters both sides in place.
    pub(super) fn pass(&mut self, left: &mut [f32], right: &mut [f32]) {
        // All filters in one loop: the processor computes the next frame of one while it waits for another.
        let mut filters = (self.octaves, self.sides);
        let ([lowest, lower, upper], sides) = (&mut filters.0, &mut filters.1);
        for (left, right) in left.iter_mut().zip(right) {
            let pair = lowest.next(*left, *right);
            let pair = lower.next(pair[0], pair[1]);
            let pair = upper.next(pair[0], pair[1]);
            let middle = 0.5 * (pair[0] + pair[1]);
            let side = sides.high(pair[0] - middle);
            (*left, *right) = (middle + side, middle - side);
        }
        (self.octaves, self.sides) = filters;
        for pair in &mut self.octaves {
            pair.flush_denormals();
        }
        self.sides.flush_denormals();
    }
}

/// Level of each octave for each hertz, both sides together; `None` for silence.
fn octaves_db(sum: &Stereo) -> Option<[f32; 6]> {
    let fft = FftPlanner::<f32>::new().plan_fft_forward(SPECTRUM_FRAMES);
    let mut scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
    let mut frame = vec![Complex::default(); SPECTRUM_FRAMES];
    let window: Vec<f32> = (0..SPECTRUM_FRAMES)
        .map(|at| {
            let angle = std::f32::consts::TAU * at as f32 / SPECTRUM_FRAMES as f32;
            0.5 - 0.5 * angle.cos()
        })
        .collect();
    let bin = |hz: f32| (hz * SPECTRUM_FRAMES as f32 / RATE_HZ as f32).round() as usize;
    let edge = std::f32::consts::SQRT_2;
    let mut powers = [0.0f64; 6];
    let frames = sum.left.len();
    for start in (0..frames.max(1)).step_by(EVERY_FRAMES) {
        // Left as the real part, right as the imaginary part: the powers of a bin and of its mirror are those of both sides.
        for (at, value) in frame.iter_mut().enumerate() {
            let side = |side: &[f32]| side.get(start + at).copied().unwrap_or(0.0) * window[at];
            *value = Complex::new(side(&sum.left), side(&sum.right));
        }
        fft.process_with_scratch(&mut frame, &mut scratch);
        for (power, hz) in powers.iter_mut().zip(OCTAVES_HZ) {
            let (low, high) = (bin(hz / edge), bin(hz * edge));
            let both = |at: usize| frame[at].norm_sqr() + frame[SPECTRUM_FRAMES - at].norm_sqr();
            let whole: f32 = (low..high).map(both).sum();
            *power += f64::from(whole) / (high - low) as f64;
        }
    }
    let most = powers.iter().copied().fold(0.0, f64::max);
    (most > 0.0).then(|| powers.map(|power| 10.0 * ((power / most).max(1e-6).log10()) as f32))
}

/// The gain that each octave is to have.
fn corrections_db(octaves_db: Option<[f32; 6]>) -> [f32; 6] {
    let Some(octaves_db) = octaves_db else {
        return [0.0; 6];
    };
    let mut off = octaves_db;
    for (number, level) in off.iter_mut().enumerate() {
        *level += FALL_DB * number as f32;
    }
    let mean = off.iter().sum::<f32>() / off.len() as f32;
    off.map(|level| {
        let off = level - mean;
        let over = (off.abs() - FREE_DB).max(0.0).copysign(off);
        (-SHARE * over).clamp(-MOST_DB, MOST_DB)
    })
}

/// The gains of the filters: each of them also changes the octaves beside its own.
fn gains_db(wanted: [f32; 6], rate: f32) -> [f32; 6] {
    let mut gains = wanted;
    for _ in 0..ROUNDS {
        let found = OCTAVES_HZ.map(|hz| response_db(&gains, hz, rate));
        for ((gain, wanted), found) in gains.iter_mut().zip(wanted).zip(found) {
            *gain = (*gain + 0.7 * (wanted - found)).clamp(-2.0 * MOST_DB, 2.0 * MOST_DB);
        }
    }
    gains
}

/// Rounds of [`gains_db`]: the rest is below .1 dB.
const ROUNDS: usize = 12;

/// The response of all filters together at a frequency.
fn response_db(gains_db: &[f32; 6], hz: f32, rate: f32) -> f32 {
    let warped = |hz: f32| (std::f32::consts::PI * hz / rate).tan();
    let each = gains_db.iter().zip(OCTAVES_HZ).map(|(gain_db, own_hz)| {
        // (s² + G·k·s + 1) / (s² + k·s + 1) at s = i·x.
        let (x, k) = (warped(hz) / warped(own_hz), 1.0 / Q);
        let even = (1.0 - x * x).powi(2);
        let size = |k: f32| even + (k * x).powi(2);
        let gain = 10f32.powf(gain_db / 20.0);
        10.0 * (size(gain * k) / size(k)).log10()
    });
    each.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance::Noise;

    #[test]
    fn the_filters_have_the_gains_that_are_wanted() {
        let rate = RATE_HZ as f32;
        for wanted in [
            [3.0, 0.0, -4.0, 2.0, 8.0, -8.0],
            [-8.0, -8.0, 0.0, 8.0, 8.0, 8.0],
            [0.0; 6],
        ] {
            let gains = gains_db(wanted, rate);
            for (hz, wanted) in OCTAVES_HZ.into_iter().zip(wanted) {
                let found = response_db(&gains, hz, rate);
                assert!(
                    (found - wanted).abs() < 0.5,
                    "{hz} Hz: {found} for {wanted}"
                );
            }
        }
    }

    #[test]
    fn a_dull_sum_and_a_shrill_one_come_near_the_mean() {
        for (hz, passes_high) in [(300.0, false), (30.0, true)] {
            let mut noise = Noise::new(3);
            let mut filter = TwoPoleFilter::new(hz, 0.6, RATE_HZ as f32);
            let left: Vec<f32> = (0..RATE_HZ as usize * 6)
                .map(|_| {
                    let value = noise.next();
                    0.05 * value
                        + if passes_high {
                            filter.high(value)
                        } else {
                            filter.low(value)
                        }
                })
                .collect();
            let mut sum = Stereo {
                right: left.clone(),
                left,
            };
            let off = |sum: &Stereo| {
                let levels = octaves_db(sum).unwrap();
                let mean = (0..6)
                    .map(|at| levels[at] + FALL_DB * at as f32)
                    .sum::<f32>()
                    / 6.0;
                let square = |at: usize| (levels[at] + FALL_DB * at as f32 - mean).powi(2);
                ((0..6).map(square).sum::<f32>() / 6.0).sqrt()
            };
            let before = off(&sum);
            let mut equaliser = Equaliser::of(&sum);
            equaliser.pass(&mut sum.left, &mut sum.right);
            let after = off(&sum);
            assert!(
                before > 4.0 && after < 0.55 * before,
                "{before} dB, then {after} dB"
            );
        }
    }
}
