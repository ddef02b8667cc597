//! Fits the beat grid to notes whose places in the bar are known: it follows the singer smoothly and covers the whole vocal.
//!
//! The beats are the curve that passes near the notes and bends as little as it can: the sum of squared misses of the notes
//! and squared changes of the beat's length is least (a Whittaker smoother), found by one banded solution. Notes far off
//! count less in a second and third round (Huber's weights). At the jumps, where the singer held a note or breathed freely, the curve
//! may bend without cost.

use crate::analysis::Beat;

use super::bars::BarModel;

/// How far from the beat notes are sung, in seconds.
const MISS_S: f64 = 0.028;
/// How much the length of a beat changes from one to the next, as a share of it.
const BEND: f64 = 0.018;

/// How much stiffer the beat is elsewhere than at a jump.
const HOLD: f64 = 1e-3;

/// The beats through `notes` (tick from a downbeat, time), over 0..`duration_s` and to whole bars at both ends. `jumps` are the
/// notes before which the time was stretched or cut.
pub(super) fn grid(
    notes: &[(i64, f64)],
    jumps: &[usize],
    bar: &BarModel,
    beat_s: f64,
    duration_s: f64,
) -> Vec<Beat> {
    let (Some(first), Some(last)) = (notes.first(), notes.last()) else {
        return Vec::new();
    };
    let start = first.0.div_euclid(bar.beat);
    let end = last.0.div_euclid(bar.beat) + 1;
    let count = (end - start + 1).max(2) as usize;
    let points: Vec<(usize, f64, f64)> = notes
        .iter()
        .map(|&(tick, time_s)| {
            let beat = tick.div_euclid(bar.beat) - start;
            let part = tick.rem_euclid(bar.beat) as f64 / bar.beat as f64;
            (beat as usize, part, time_s)
        })
        .collect();
    // The bend at beat n is between the steps before and after it.
    let mut stiff = vec![1.0; count];
    for &jump in jumps
        .iter()
        .filter(|&&jump| jump > 0 && jump < points.len())
    {
        let (from, to) = (points[jump - 1].0, points[jump].0);
        stiff[from..=(to + 1).min(count - 1)].fill(HOLD);
    }
    let mut weights = vec![1.0; points.len()];
    let mut times = Vec::new();
    for _ in 0..3 {
        times = smoothest(&points, &weights, &stiff, beat_s);
        for (weight, &(beat, part, time_s)) in weights.iter_mut().zip(&points) {
            let miss = time_s - (times[beat] * (1.0 - part) + times[beat + 1] * part);
            *weight = (1.5 * MISS_S / miss.abs().max(1e-9)).min(1.0);
        }
    }
    covering(&times, start, bar, beat_s, duration_s)
}

/// The times of the beats, one for each of `stiffness`.
fn smoothest(
    points: &[(usize, f64, f64)],
    weights: &[f64],
    stiffness: &[f64],
    beat_s: f64,
) -> Vec<f64> {
    let count = stiffness.len();
    // Row i holds the matrix's entries (i, i), (i, i + 1), (i, i + 2).
    let mut matrix = vec![[0.0f64; 3]; count];
    let mut right = vec![0.0f64; count];
    let exact = 1.0 / (MISS_S * MISS_S);
    for (&(beat, part, time_s), weight) in points.iter().zip(weights) {
        let (a, b, w) = (1.0 - part, part, weight * exact);
        matrix[beat][0] += w * a * a;
        matrix[beat][1] += w * a * b;
        matrix[beat + 1][0] += w * b * b;
        right[beat] += w * a * time_s;
        right[beat + 1] += w * b * time_s;
    }
    let stiff = 1.0 / (BEND * beat_s).powi(2);
    for at in 0..count.saturating_sub(2) {
        let bend = [1.0, -2.0, 1.0];
        for (i, x) in bend.iter().enumerate() {
            for (j, y) in bend.iter().enumerate().skip(i) {
                matrix[at + i][j - i] += stiff * stiffness[at + 1] * x * y;
            }
        }
    }
    // A small weight of the nominal tempo, so that two notes alone still have one solution.
    let whiff = stiff * 1e-4;
    for at in 0..count - 1 {
        matrix[at][0] += whiff;
        matrix[at + 1][0] += whiff;
        matrix[at][1] -= whiff;
        right[at] -= whiff * beat_s;
        right[at + 1] += whiff * beat_s;
    }
    solve(&mut matrix, &mut right);
    right
}

/// Solves a symmetric positive matrix of two side bands in place (LDLᵀ).
fn solve(matrix: &mut [[f64; 3]], right: &mut [f64]) {
    let count = right.len();
    for at in 0..count {
        let pivot = matrix[at][0];
        for step in 1..3 {
            if at + step >= count {
                continue;
            }
            let factor = matrix[at][step] / pivot;
            for other in step..3 {
                matrix[at + step][other - step] -= factor * matrix[at][other];
            }
            right[at + step] -= factor * right[at];
        }
    }
    for at in (0..count).rev() {
        let mut value = right[at];
        for step in 1..3 {
            if at + step < count {
                value -= matrix[at][step] * right[at + step];
            }
        }
        right[at] = value / matrix[at][0];
    }
}

/// Extends the beats at both ends, at the tempo they have there, to whole bars that cover the vocal.
fn covering(times: &[f64], start: i64, bar: &BarModel, beat_s: f64, duration_s: f64) -> Vec<Beat> {
    let near = 8.min(times.len() - 1);
    let sane = |step: f64| step.clamp(0.7 * beat_s, 1.4 * beat_s);
    let lead_s = sane((times[near] - times[0]) / near as f64);
    let tail_s = sane((times[times.len() - 1] - times[times.len() - 1 - near]) / near as f64);
    let in_bar = bar.beats() as i64;
    let mut before = 0i64;
    while times[0] - before as f64 * lead_s > 0.0 || (start - before).rem_euclid(in_bar) != 0 {
        before += 1;
    }
    let mut beats: Vec<f64> = (1..=before)
        .rev()
        .map(|steps| times[0] - steps as f64 * lead_s)
        .collect();
    let mut least = f64::NEG_INFINITY;
    for time_s in times {
        // Two beats never coincide, whatever the notes are.
        least = time_s.max(least + 0.25 * beat_s);
        beats.push(least);
    }
    let first = start - before;
    while beats[beats.len() - 1] < duration_s
        || (first + beats.len() as i64 - 1).rem_euclid(in_bar) != 0
    {
        beats.push(beats[beats.len() - 1] + tail_s);
    }
    beats
        .into_iter()
        .enumerate()
        .map(|(index, time_s)| Beat {
            time_s,
            position: (first + index as i64).rem_euclid(in_bar) as u8,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Metre;

    #[test]
    fn the_grid_follows_a_singer_who_slows_down_and_covers_the_lead_in() {
        let bar = BarModel::new(Metre::FourFour);
        let at = |beat: f64| 3.3 + beat * 0.6 + 0.002 * beat * beat;
        let notes: Vec<(i64, f64)> = (1..40)
            .map(|beat| {
                (
                    beat * 12,
                    at(beat as f64) + [0.02, -0.03, 0.01][beat as usize % 3],
                )
            })
            .collect();
        let beats = grid(&notes, &[], &bar, 0.6, 32.0);
        assert!(beats[0].time_s <= 0.0 && beats[0].position == 0);
        assert!(beats[beats.len() - 1].time_s >= 32.0);
        for pair in beats.windows(2) {
            assert!(pair[1].time_s > pair[0].time_s);
            assert_eq!(pair[1].position, (pair[0].position + 1) % 4);
        }
        for beat in 1..39 {
            let near = beats
                .iter()
                .map(|one| (one.time_s - at(f64::from(beat))).abs())
                .fold(f64::INFINITY, f64::min);
            assert!(near < 0.025, "beat {beat} is {near} s off");
        }
    }

    #[test]
    fn a_hold_bends_no_beat_around_it() {
        let bar = BarModel::new(Metre::FourFour);
        // A breath of .7 s before the ninth beat.
        let at = |beat: i64| beat as f64 * 0.5 + if beat > 8 { 0.7 } else { 0.0 };
        let notes: Vec<(i64, f64)> = [0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 16]
            .map(|beat| (beat * 12, at(beat)))
            .to_vec();
        let beats = grid(&notes, &[7], &bar, 0.5, 9.0);
        let off = |beat: i64| {
            beats
                .iter()
                .map(|one| (one.time_s - at(beat)).abs())
                .fold(f64::INFINITY, f64::min)
        };
        for beat in (0..7).chain(9..17) {
            assert!(off(beat) < 0.03, "beat {beat} is {} s off", off(beat));
        }
        assert!(
            grid(&notes, &[], &bar, 0.5, 9.0)
                .iter()
                .all(|one| (one.time_s - at(6)).abs() > 0.03)
        );
    }

    #[test]
    fn a_single_note_still_makes_a_grid() {
        let bar = BarModel::new(Metre::ThreeFour);
        let beats = grid(&[(0, 0.2)], &[], &bar, 0.5, 1.0);
        assert!(beats.len() >= 4);
        assert!(
            beats
                .iter()
                .any(|beat| beat.position == 0 && (beat.time_s - 0.2).abs() < 1e-6)
        );
    }
}
