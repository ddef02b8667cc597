//! Candidates for the fundamental frequency of every frame.
//!
//! Boersma's method ("Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
//! sound", IFA Proceedings 17, 1993): the autocorrelation of a windowed frame divided by that of the window, so that the
//! height of a peak does not fall with its lag. Two real frames share one complex transform.
//!
//! The spectra that this needs anyway also give the level of the band that tells a vowel from a consonant.

use rustfft::{FftPlanner, num_complex::Complex};

use super::sound::{HOP, LISTEN_HZ, db, frames_of};

/// Lowest fundamental looked for, in hertz: a low bass's C2.
pub(super) const LOWEST_HZ: f32 = 65.0;
/// Highest fundamental looked for, in hertz: a soprano's B5.
pub(super) const HIGHEST_HZ: f32 = 1000.0;

/// Length of a frame: three periods of the lowest pitch, as Boersma advises.
const WINDOW: usize = 768;
/// Length of the transform: holds a window and the longest lag, so that no lag wraps around.
const FFT: usize = 1024;
const SHORTEST: usize = (LISTEN_HZ as f32 / HIGHEST_HZ) as usize;
const LONGEST: usize = (LISTEN_HZ as f32 / LOWEST_HZ) as usize + 1;

/// Most candidates of one frame.
pub(super) const MOST: usize = 6;

/// Above this the spectrum is tilted down by 12 dB an octave: or a high note on "ee", whose second formant stands on the
/// fourth harmonic, is heard a fourth too high, where it would be the third.
const TILT_HZ: f32 = 1100.0;

/// The band between a nasal's murmur and a sibilant's hiss, where vowels are loud, in hertz.
const VOWEL_HZ: (f32, f32) = (350.0, 3800.0);

/// A pitch that a frame may have.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Candidate {
    /// Its frequency.
    pub(super) hz: f32,
    /// How periodic the frame is at it: 1 is perfectly.
    pub(super) strength: f32,
}

/// What the frames hold.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Up to [`MOST`] candidates a frame, the strongest first; unused ones have strength 0.
    pub(super) candidates: Vec<[Candidate; MOST]>,
    /// Level of the vowels' band in dB.
    pub(super) vowel_db: Vec<f32>,
}

/// Finds candidates in every frame whose level in `levels` is above `gate_db`; the others have none.
pub(super) fn candidates(samples: &[f32], levels: &[f32], gate_db: f32) -> Frames {
    let frames = frames_of(samples.len());
    let mut found = Frames {
        candidates: vec![[Candidate::default(); MOST]; frames],
        vowel_db: vec![super::sound::FLOOR_DB; frames],
    };
    let mut planner = FftPlanner::<f32>::new();
    let forward = planner.plan_fft_forward(FFT);
    let mut scratch = vec![Complex::default(); forward.get_inplace_scratch_len()];
    let mut pair = vec![Complex::<f32>::default(); FFT];
    let window = hann();
    let correction = window_correction(&window);
    let tilt: Vec<f32> = (0..=FFT / 2)
        .map(|bin| 1.0 / (1.0 + (bin as f32 * LISTEN_HZ as f32 / FFT as f32 / TILT_HZ).powi(4)))
        .collect();
    let loud: Vec<usize> = (0..frames)
        .filter(|&frame| levels[frame] > gate_db)
        .collect();
    for two in loud.chunks(2) {
        pair.fill(Complex::default());
        cut(samples, two[0], &window, |at, sample| pair[at].re = sample);
        if let Some(&second) = two.get(1) {
            cut(samples, second, &window, |at, sample| pair[at].im = sample);
        }
        forward.process_with_scratch(&mut pair, &mut scratch);
        let vowels = into_power(&mut pair, &tilt);
        // Power spectra are even, so the forward transform is the inverse one but for its scale, which drops out.
        forward.process_with_scratch(&mut pair, &mut scratch);
        for (which, &frame) in two.iter().enumerate() {
            let lag = |at: usize| if which == 0 { pair[at].re } else { pair[at].im };
            found.candidates[frame] = peaks(lag, &correction);
            found.vowel_db[frame] = db(vowels[which]);
        }
    }
    found
}

fn hann() -> Vec<f32> {
    (0..WINDOW)
        .map(|at| {
            let phase = (at as f64 + 0.5) / WINDOW as f64 * std::f64::consts::TAU;
            (0.5 - 0.5 * phase.cos()) as f32
        })
        .collect()
}

/// The reciprocal of the window's own normalised autocorrelation, by lag.
fn window_correction(window: &[f32]) -> Vec<f32> {
    let at_lag = |lag: usize| -> f64 {
        window
            .iter()
            .zip(&window[lag..])
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let whole = at_lag(0);
    (0..=LONGEST + 1)
        .map(|lag| (whole / at_lag(lag)) as f32)
        .collect()
}

/// Hands the windowed samples around the centre of `frame`, free of their mean, to `put`.
fn cut(samples: &[f32], frame: usize, window: &[f32], mut put: impl FnMut(usize, f32)) {
    let start = (frame * HOP) as isize - (WINDOW / 2) as isize;
    let from = start.max(0) as usize;
    let to = ((start + WINDOW as isize).max(0) as usize).min(samples.len());
    let inside = &samples[from.min(to)..to];
    let mean = inside.iter().sum::<f32>() / inside.len().max(1) as f32;
    let skipped = (from as isize - start) as usize;
    for (at, sample) in inside.iter().enumerate() {
        put(skipped + at, (sample - mean) * window[skipped + at]);
    }
}

/// Turns the spectrum of two packed real frames into their two power spectra, packed the same way; returns the power of each
/// in the vowels' band.
fn into_power(pair: &mut [Complex<f32>], tilt: &[f32]) -> [f32; 2] {
    let bin_hz = LISTEN_HZ as f32 / FFT as f32;
    let band = (VOWEL_HZ.0 / bin_hz) as usize..(VOWEL_HZ.1 / bin_hz) as usize;
    let mut vowels = [0.0f32; 2];
    for low in 0..=FFT / 2 {
        let high = (FFT - low) % FFT;
        let (a, b) = (pair[low], pair[high].conj());
        let power = Complex::new((a + b).norm_sqr(), (a - b).norm_sqr()) * 0.25;
        pair[low] = power * tilt[low];
        pair[high] = power * tilt[low];
        if band.contains(&low) {
            vowels[0] += power.re;
            vowels[1] += power.im;
        }
    }
    // Parseval, and the mean square of the window (3/8).
    let scale = 2.0 / (FFT as f32 * WINDOW as f32 * 0.375);
    vowels.map(|power| power * scale)
}

/// The strongest local maxima of a corrected autocorrelation.
fn peaks(lag: impl Fn(usize) -> f32, correction: &[f32]) -> [Candidate; MOST] {
    let mut best = [Candidate::default(); MOST];
    let whole = lag(0);
    if whole <= 0.0 {
        return best;
    }
    let at = |index: usize| lag(index) * correction[index] / whole;
    let (mut before, mut here) = (at(SHORTEST - 1), at(SHORTEST));
    for index in SHORTEST..=LONGEST {
        let after = at(index + 1);
        if here > 0.2 && here >= before && here > after {
            let bend = before - 2.0 * here + after;
            let shift = if bend < 0.0 {
                (0.5 * (before - after) / bend).clamp(-0.5, 0.5)
            } else {
                0.0
            };
            // A peak above 1 is an effect of the window's correction; reflected as Boersma does.
            let height = here - 0.25 * (before - after) * shift;
            let strength = if height > 1.0 { 1.0 / height } else { height };
            let candidate = Candidate {
                hz: LISTEN_HZ as f32 / (index as f32 + shift),
                strength,
            };
            if (LOWEST_HZ..=HIGHEST_HZ).contains(&candidate.hz) {
                insert(&mut best, candidate);
            }
        }
        (before, here) = (here, after);
    }
    best
}

/// How much a candidate one octave lower must be stronger to be preferred: Boersma's octave cost, four times what he gives. In a
/// room's reverberation a third of the pitch looks nearly as periodic as the pitch, and rumble 20 dB below a high note makes
/// its half look more so. From 0.05 on, low voices are heard an octave up, on vowels whose first formant lies on the second
/// harmonic.
pub(super) const OCTAVE_COST: f32 = 0.04;

/// A candidate's worth: its strength, a little less the lower it is, or every pitch could be heard as its own half.
pub(super) fn worth(candidate: Candidate) -> f32 {
    candidate.strength + OCTAVE_COST * (candidate.hz / LOWEST_HZ).log2()
}

fn insert(best: &mut [Candidate; MOST], candidate: Candidate) {
    let value = worth(candidate);
    let Some(at) = best
        .iter()
        .position(|other| other.strength == 0.0 || worth(*other) < value)
    else {
        return;
    };
    best[at..].rotate_right(1);
    best[at] = candidate;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::sound::levels;

    fn strongest(hz: f32) -> Candidate {
        let samples: Vec<f32> = (0..16_000)
            .map(|at| {
                let phase = at as f32 * hz / LISTEN_HZ as f32 * std::f32::consts::TAU;
                0.3 * (phase.sin() + 0.7 * (2.0 * phase).sin() + 0.5 * (3.0 * phase).sin())
            })
            .collect();
        let found = candidates(&samples, &levels(&samples), -60.0);
        found.candidates[50][0]
    }

    #[test]
    fn a_tone_is_found_within_three_cents_over_the_whole_range() {
        for hz in [66.0, 82.4, 110.0, 196.0, 261.6, 440.0, 659.3, 880.0, 987.0] {
            let found = strongest(hz);
            let cents = 1200.0 * (found.hz / hz).log2();
            assert!(cents.abs() < 3.0, "{hz} Hz: {found:?}, {cents} cents");
            assert!(found.strength > 0.95, "{hz} Hz: {found:?}");
        }
    }

    #[test]
    fn rumble_under_a_high_note_does_not_lower_it_by_an_octave() {
        for hz in [523.3, 587.3, 659.3f32] {
            let samples: Vec<f32> = (0..16_000)
                .map(|at| {
                    let turn = at as f32 / LISTEN_HZ as f32 * std::f32::consts::TAU;
                    let voice = (turn * hz).sin() + 0.05 * (turn * 2.0 * hz).sin();
                    // What of a rumble favours the half, 18 dB down.
                    0.3 * (voice + 0.125 * (turn * hz * 0.5).sin())
                })
                .collect();
            let found = candidates(&samples, &levels(&samples), -60.0).candidates[50][0];
            assert!((found.hz / hz - 1.0).abs() < 0.01, "{hz} Hz: {found:?}");
        }
    }

    #[test]
    fn silence_has_no_candidates() {
        let samples = vec![0.0; 8_000];
        let found = candidates(&samples, &levels(&samples), -60.0);
        assert_eq!(found.candidates.len(), 50);
        assert!(
            found
                .candidates
                .iter()
                .flatten()
                .all(|one| one.strength == 0.0)
        );
    }
}
