//! Finds candidates for the fundamental frequency of every frame.
//!
//! Boersma's method ("Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise ratio of a sampled
//! sound", IFA Proceedings 17, 1993): the autocorrelation of a windowed frame divided by that of the window, so that the
//! height of a peak does not fall with its lag. Two real frames share one complex transform.
//!
//! Whistling lies above the range of voices. A tone that sounds alone in that range is found in the spectrum.
//!
//! The same spectra give the level of the frequency band that separates vowels from consonants.

use rustfft::{FftPlanner, num_complex::Complex};

use super::sound::{HOP, LISTEN_HZ, db, frames_of};

/// Lowest fundamental that is searched for, in hertz: a low bass's C2.
pub(super) const LOWEST_HZ: f32 = 65.0;
/// Highest fundamental that is searched for, in hertz: a soprano's B5.
pub(super) const HIGHEST_HZ: f32 = 1000.0;

/// How much strength a candidate loses when the spectrum has only a higher candidate's partials of it.
const FRACTION_COST: f32 = 0.04;
/// Partials of the lower candidate alone count as missing below this share of the higher candidate's power: −34 dB.
const MISSING_SHARE: f32 = 4e-4;
/// A partial stands out when it has this many times the power beside it.
const STANDS_OUT: f32 = 4.0;
/// A higher candidate is evidence against a lower one when it has more than this share of its strength.
const NEARLY_AS_STRONG: f32 = 0.85;
/// Greatest ratio of the higher candidate's frequency to the lower one's.
const MOST_TIMES: f32 = 4.0;

/// Highest whistle that is searched for, in hertz: C7.
const HIGHEST_WHISTLE_HZ: f32 = 2100.0;
/// A whistle and its octave have at least this share of a frame's power. Values from .94 to .99 give the same result on breathy
/// whistles and do not change the result on singing.
const WHISTLE_SHARE: f32 = 0.97;
/// Bins on either side of a partial that its power spreads over, in a vibrato's steepest part too.
const PARTIAL_BINS: usize = 5;

/// Length of a frame: three periods of the lowest pitch, as Boersma advises.
const WINDOW: usize = 768;
/// Length of the transform: a window and the longest lag, so that no lag wraps around.
const FFT: usize = 1024;
const SHORTEST: usize = (LISTEN_HZ as f32 / HIGHEST_HZ) as usize;
const LONGEST: usize = (LISTEN_HZ as f32 / LOWEST_HZ) as usize + 1;

/// Most candidates of one frame.
pub(super) const MOST: usize = 6;

/// Above this frequency the spectrum is tilted down by 12 dB an octave. Without the tilt a high note on "ee", whose second formant
/// amplifies the fourth harmonic, is found a fourth too high, as if that were the third harmonic.
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

/// Candidates and levels of all frames.
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
    let mut power = vec![Complex::<f32>::default(); FFT / 2 + 1];
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
        let vowels = into_power(&mut pair);
        let whistles = [whistle(|bin| pair[bin].re), whistle(|bin| pair[bin].im)];
        tilt_down(&mut pair, &tilt);
        power.copy_from_slice(&pair[..=FFT / 2]);
        // Power spectra are even, so the forward transform is the inverse one but for its scale, which drops out.
        forward.process_with_scratch(&mut pair, &mut scratch);
        for (which, &frame) in two.iter().enumerate() {
            let lag = |at: usize| if which == 0 { pair[at].re } else { pair[at].im };
            let bin = |at: usize| {
                if which == 0 {
                    power[at].re
                } else {
                    power[at].im
                }
            };
            found.candidates[frame] = weaken_fractions(peaks(lag, &correction), bin);
            if let Some(whistle) = whistles[which] {
                insert(&mut found.candidates[frame], whistle);
            }
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

/// Calls `put` with the windowed samples around the centre of `frame`, their mean subtracted.
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
fn into_power(pair: &mut [Complex<f32>]) -> [f32; 2] {
    let bin_hz = LISTEN_HZ as f32 / FFT as f32;
    let band = (VOWEL_HZ.0 / bin_hz) as usize..(VOWEL_HZ.1 / bin_hz) as usize;
    let mut vowels = [0.0f32; 2];
    for low in 0..=FFT / 2 {
        let high = (FFT - low) % FFT;
        let (a, b) = (pair[low], pair[high].conj());
        let power = Complex::new((a + b).norm_sqr(), (a - b).norm_sqr()) * 0.25;
        pair[low] = power;
        pair[high] = power;
        if band.contains(&low) {
            vowels[0] += power.re;
            vowels[1] += power.im;
        }
    }
    // Parseval, and the mean square of the window (3/8).
    let scale = 2.0 / (FFT as f32 * WINDOW as f32 * 0.375);
    vowels.map(|power| power * scale)
}

fn tilt_down(pair: &mut [Complex<f32>], tilt: &[f32]) {
    for (low, gain) in tilt.iter().enumerate() {
        pair[low] *= gain;
        if (1..FFT / 2).contains(&low) {
            pair[FFT - low] *= gain;
        }
    }
}

/// A tone above [`HIGHEST_HZ`] that sounds alone but for its own octave, as a whistle does and a harmonic of a voice does not.
/// The autocorrelation can't separate it from half its frequency: both are equally periodic.
fn whistle(power: impl Fn(usize) -> f32) -> Option<Candidate> {
    let bin_hz = LISTEN_HZ as f32 / FFT as f32;
    let top = ((HIGHEST_HZ / bin_hz) as usize..=(HIGHEST_WHISTLE_HZ / bin_hz) as usize)
        .max_by(|a, b| power(*a).total_cmp(&power(*b)))?;
    let whole: f32 = (0..=FFT / 2).map(&power).sum();
    let around =
        |bin: usize| -> f32 { (bin - PARTIAL_BINS..=bin + PARTIAL_BINS).map(&power).sum() };
    let share = (around(top) + around(2 * top)) / whole.max(f32::MIN_POSITIVE);
    if share < WHISTLE_SHARE {
        return None;
    }
    // The logarithm of a Hann window's main lobe is nearly a parabola.
    let [before, here, after] =
        [top - 1, top, top + 1].map(|bin| power(bin).max(f32::MIN_POSITIVE).ln());
    let bend = before - 2.0 * here + after;
    let shift = if bend < 0.0 {
        (0.5 * (before - after) / bend).clamp(-0.5, 0.5)
    } else {
        0.0
    };
    let hz = (top as f32 + shift) * bin_hz;
    (HIGHEST_HZ..=HIGHEST_WHISTLE_HZ)
        .contains(&hz)
        .then_some(Candidate {
            hz,
            strength: share.min(1.0),
        })
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

/// Weakens a candidate that is a fraction of another one when its fundamental does not stand out and its partials between the
/// other's are missing. Rumble 20 dB below a high note can make two periods of the note more alike than one.
fn weaken_fractions(
    mut found: [Candidate; MOST],
    power: impl Fn(usize) -> f32,
) -> [Candidate; MOST] {
    let near = |hz: f32| {
        let bin = ((hz * FFT as f32 / LISTEN_HZ as f32).round() as usize).clamp(1, FFT / 2 - 1);
        power(bin - 1).max(power(bin)).max(power(bin + 1))
    };
    let all = found;
    for low in &mut found {
        let unheard = all.iter().any(|high| {
            let times = (high.hz / low.hz.max(1.0)).round();
            let is_fraction = (2.0..=MOST_TIMES).contains(&times)
                && (high.hz / low.hz / times - 1.0).abs() < 0.02
                && high.strength > NEARLY_AS_STRONG * low.strength;
            if !is_fraction {
                return false;
            }
            let between = (times as usize + 1..2 * times as usize)
                .map(|partial| near(partial as f32 * low.hz))
                .fold(0.0f32, f32::max);
            // Beside the fundamental and between its first two partials.
            let beside = near(0.62 * low.hz).max(near(1.4 * low.hz));
            between < MISSING_SHARE * near(high.hz).max(near(2.0 * high.hz))
                && near(low.hz) < STANDS_OUT * beside
        });
        if unheard {
            low.strength -= FRACTION_COST;
        }
    }
    found.sort_by(|a, b| {
        let used = |one: &Candidate| one.strength > 0.0;
        used(b).cmp(&used(a)).then(worth(*b).total_cmp(&worth(*a)))
    });
    found
}

/// A candidate one octave lower is preferred only when it is stronger by more than this: Boersma's octave cost, twice his value,
/// because reverberation makes a third of the pitch nearly as periodic as the pitch.
pub(super) const OCTAVE_COST: f32 = 0.022;

/// A candidate's score: its strength, reduced for low frequencies. Without that, half of any pitch would score as high as the pitch.
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
        let first = |partials: &[(f32, f32)]| {
            let samples: Vec<f32> = (0..16_000)
                .map(|at| {
                    let turn = at as f32 / LISTEN_HZ as f32 * std::f32::consts::TAU;
                    let sum: f32 = partials
                        .iter()
                        .map(|(hz, gain)| gain * (turn * hz).sin())
                        .sum();
                    0.3 * sum
                })
                .collect();
            candidates(&samples, &levels(&samples), -60.0).candidates[50][0].hz
        };
        for hz in [523.3, 587.3, 659.3f32] {
            // The part of a rumble that favours the half, 18 dB down, and the rest of the rumble.
            let rumble =
                [(0.31, 0.07), (0.5, 0.125), (0.7, 0.07)].map(|(part, gain)| (part * hz, gain));
            let found = first(&[&[(hz, 1.0), (2.0 * hz, 0.05)][..], &rumble].concat());
            assert!((found / hz - 1.0).abs() < 0.02, "{hz} Hz: {found}");
            // A note with so weak a fundamental is still found when its third partial is clear.
            let voice = [
                (0.5 * hz, 0.2),
                (hz, 1.0),
                (1.5 * hz, 0.1),
                (2.0 * hz, 0.05),
            ];
            let found = first(&voice);
            assert!((found / hz - 0.5).abs() < 0.01, "half of {hz} Hz: {found}");
        }
    }

    #[test]
    fn a_whistle_is_found_where_it_is_and_a_voice_with_a_loud_octave_is_none() {
        let first = |partials: [(f32, f32); 3]| {
            let samples: Vec<f32> = (0..16_000)
                .map(|at| {
                    let turn = at as f32 / LISTEN_HZ as f32 * std::f32::consts::TAU;
                    partials
                        .map(|(hz, gain)| 0.3 * gain * (turn * hz).sin())
                        .iter()
                        .sum()
                })
                .collect();
            candidates(&samples, &levels(&samples), -60.0).candidates[50][0]
        };
        for hz in [1046.5, 1318.5, 1661.2, 2093.0f32] {
            let found = first([(hz, 1.0), (2.0 * hz, 0.05), (50.0, 0.02)]);
            let cents = 1200.0 * (found.hz / hz).log2();
            assert!(cents.abs() < 3.0, "{hz} Hz: {found:?}");
        }
        // "Ah" on C5, whose first formant stands on the second harmonic.
        let found = first([(523.3, 0.3), (1046.5, 1.0), (1569.8, 0.2)]);
        assert!((found.hz - 523.3).abs() < 3.0, "{found:?}");
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
