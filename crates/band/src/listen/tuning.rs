//! Measures how far the singer's tuning lies from A4 = 440 Hz.
//!
//! Cents live on a circle of 100, so their mean is the angle of the mean of unit vectors (circular statistics). The length
//! of that mean says how clearly there is a tuning at all: 1 for a keyboard, near 0 for speech.

use crate::analysis::PitchFrame;

/// Pitch is averaged over this many frames to both sides first: together about one period of a vibrato, whose extremes would
/// otherwise count most, because the pitch is stationary there.
const REACH: usize = 9;
/// Steady stretches only: an average that moved less than this many semitones over 100 ms.
const STEADY_SEMITONES: f32 = 0.2;

/// The tuning in cents (−50..50) and how clear it is, 0..1; `weights` says how much each frame counts.
pub(super) fn tuning(track: &[PitchFrame], weights: &[f32]) -> (f32, f32) {
    let averages = averages(track);
    let (mut x, mut y, mut sum) = (0.0f64, 0.0f64, 0.0f64);
    for at in 5..track.len().saturating_sub(5) {
        let (Some(before), Some(here), Some(after)) =
            (averages[at - 5], averages[at], averages[at + 5])
        else {
            continue;
        };
        if (before - after).abs() > STEADY_SEMITONES {
            continue;
        }
        let angle = f64::from(here).fract() * std::f64::consts::TAU;
        let share = f64::from(track[at].voicing * weights[at]);
        x += share * angle.cos();
        y += share * angle.sin();
        sum += share;
    }
    if sum < 1.0 {
        return (0.0, 0.0);
    }
    let clear = (x.hypot(y) / sum) as f32;
    let cents = (y.atan2(x) / std::f64::consts::TAU * 100.0) as f32;
    (cents.clamp(-50.0, 50.0), clear)
}

/// The mean pitch around every frame in semitones, where all of it is voiced.
pub(super) fn averages(track: &[PitchFrame]) -> Vec<Option<f32>> {
    let mut sums = vec![(0.0f64, 0u32)];
    let (mut sum, mut voiced) = (0.0f64, 0u32);
    for frame in track {
        if frame.hz > 0.0 {
            sum += f64::from(semitones(frame.hz));
            voiced += 1;
        }
        sums.push((sum, voiced));
    }
    (0..track.len())
        .map(|at| {
            let from = at.checked_sub(REACH)?;
            let to = at + REACH + 1;
            let (after, before) = (sums.get(to)?, sums[from]);
            let count = after.1 - before.1;
            let whole = count as usize == to - from;
            whole.then(|| ((after.0 - before.0) / f64::from(count)) as f32)
        })
        .collect()
}

/// A frequency as a MIDI note number with its fraction.
pub(super) fn semitones(hz: f32) -> f32 {
    69.0 + 12.0 * (hz / 440.0).log2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tuning_of_a_flat_singer_is_found_and_glides_do_not_count() {
        let mut track = Vec::new();
        for midi in [60.0f32, 62.0, 64.0, 65.0] {
            for at in 0..40 {
                let vibrato = 0.3 * (at as f32 * 0.35).sin();
                track.push(PitchFrame {
                    hz: 440.0 * ((midi - 69.0 - 0.3 + vibrato) / 12.0).exp2(),
                    voicing: 0.9,
                });
            }
        }
        let (cents, clear) = tuning(&track, &[1.0; 160]);
        assert!((cents + 30.0).abs() < 6.0, "{cents}");
        assert!(clear > 0.4, "{clear}");
        assert_eq!(tuning(&[], &[]), (0.0, 0.0));
    }
}
