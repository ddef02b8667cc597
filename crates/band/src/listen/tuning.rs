//! How far the singer's tuning lies from A4 = 440 Hz.
//!
//! Cents live on a circle of 100, so their mean is the angle of the mean of unit vectors (circular statistics). The length
//! of that mean says how clearly there is a tuning at all: 1 for a keyboard, near 0 for speech.

use crate::analysis::PitchFrame;

/// Steady frames only: a pitch that moved less than this many semitones over 40 ms.
const STEADY_SEMITONES: f32 = 0.25;

/// The tuning in cents (−50..50) and how clear it is, 0..1; `weights` says how much each frame counts.
pub(super) fn tuning(track: &[PitchFrame], weights: &[f32]) -> (f32, f32) {
    let (mut x, mut y, mut weight) = (0.0f64, 0.0f64, 0.0f64);
    for (pair, weights) in track.windows(5).zip(weights.windows(5)) {
        let (before, after) = (pair[0], pair[4]);
        let here = pair[2];
        if before.hz <= 0.0 || after.hz <= 0.0 || here.hz <= 0.0 {
            continue;
        }
        if (semitones(before.hz) - semitones(after.hz)).abs() > STEADY_SEMITONES {
            continue;
        }
        let angle = f64::from(semitones(here.hz)).fract() * std::f64::consts::TAU;
        let share = f64::from(here.voicing * weights[2]);
        x += share * angle.cos();
        y += share * angle.sin();
        weight += share;
    }
    if weight < 1.0 {
        return (0.0, 0.0);
    }
    let clear = (x.hypot(y) / weight) as f32;
    let cents = (y.atan2(x) / std::f64::consts::TAU * 100.0) as f32;
    (cents, clear)
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
