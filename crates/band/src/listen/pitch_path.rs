//! Chooses one pitch for each frame from the candidates, by the Viterbi path through all frames.
//!
//! The costs are Boersma's (1993), as Praat has them by default, for steps of 10 ms.

use crate::analysis::PitchFrame;

use super::pitch::{Candidate, Frames, MOST, worth};

/// Periodicity from which a frame counts as voiced.
const VOICING_THRESHOLD: f32 = 0.45;
/// Cost of a leap of one octave from one frame to the next.
const OCTAVE_JUMP_COST: f32 = 0.35;
/// Cost of a change between voiced and unvoiced.
const VOICING_CHANGE_COST: f32 = 0.14;
/// From this level below the vocal's loud frames on, a frame needs more periodicity to be voiced, in dB.
const QUIET_DB: f32 = 30.0;

/// States of a frame: its candidates, and unvoiced as the last.
const STATES: usize = MOST + 1;

/// The pitch track; `loud_db` is the level of the vocal's loud frames.
pub(super) fn track(frames: &Frames, levels: &[f32], loud_db: f32) -> Vec<PitchFrame> {
    let mut totals = [0.0f32; STATES];
    let mut back: Vec<[u8; STATES]> = Vec::with_capacity(frames.candidates.len());
    let mut logs_before = [0.0f32; MOST];
    for (index, candidates) in frames.candidates.iter().enumerate() {
        let logs = candidates.map(|candidate| candidate.hz.max(1.0).log2());
        let mut next = [f32::NEG_INFINITY; STATES];
        let mut from = [0u8; STATES];
        for state in 0..STATES {
            let gain = if state == MOST {
                unvoiced_score(levels[index], loud_db)
            } else if candidates[state].strength > 0.0 {
                worth(candidates[state])
            } else {
                continue;
            };
            let (best, total) = best_step(&totals, &logs_before, &logs, state);
            next[state] = total + gain;
            from[state] = best;
        }
        back.push(from);
        // Only differences count: sums of a long recording would outgrow the precision that they need.
        let most = next.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        totals = next.map(|total| total - most);
        logs_before = logs;
    }
    let mut state = (0..STATES)
        .max_by(|a, b| totals[*a].total_cmp(&totals[*b]))
        .unwrap_or(MOST);
    let mut track = vec![
        PitchFrame {
            hz: 0.0,
            voicing: 0.0
        };
        back.len()
    ];
    for index in (0..back.len()).rev() {
        track[index] = frame_of(&frames.candidates[index], state);
        state = usize::from(back[index][state]);
    }
    track
}

fn best_step(
    totals: &[f32; STATES],
    logs_before: &[f32; MOST],
    logs: &[f32; MOST],
    state: usize,
) -> (u8, f32) {
    let mut best = (0u8, f32::NEG_INFINITY);
    for (before, &total) in totals.iter().enumerate() {
        if total == f32::NEG_INFINITY {
            continue;
        }
        let cost = match (before == MOST, state == MOST) {
            (true, true) => 0.0,
            (false, false) => OCTAVE_JUMP_COST * (logs_before[before] - logs[state]).abs(),
            _ => VOICING_CHANGE_COST,
        };
        if total - cost > best.1 {
            best = (before as u8, total - cost);
        }
    }
    best
}

/// The quieter a frame, the more periodic it must be to count as voiced.
fn unvoiced_score(level_db: f32, loud_db: f32) -> f32 {
    let below = (loud_db - QUIET_DB - level_db).max(0.0);
    VOICING_THRESHOLD + (below / 10.0).min(1.0)
}

fn frame_of(candidates: &[Candidate; MOST], state: usize) -> PitchFrame {
    let chance = |strength: f32| 1.0 / (1.0 + (-(strength - VOICING_THRESHOLD) * 12.0).exp());
    if state == MOST {
        PitchFrame {
            hz: 0.0,
            voicing: chance(candidates[0].strength).min(0.45),
        }
    } else {
        PitchFrame {
            hz: candidates[state].hz,
            voicing: chance(candidates[state].strength).max(0.5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(strengths: &[(f32, f32)]) -> [Candidate; MOST] {
        let mut candidates = [Candidate::default(); MOST];
        for (slot, &(hz, strength)) in candidates.iter_mut().zip(strengths) {
            *slot = Candidate { hz, strength };
        }
        candidates
    }

    #[test]
    fn one_frame_an_octave_off_is_passed_over_and_silence_is_unvoiced() {
        let mut candidates = vec![frame(&[(220.0, 0.9), (110.0, 0.85)]); 20];
        candidates[10] = frame(&[(110.0, 0.95), (220.0, 0.9)]);
        candidates.extend(vec![frame(&[]); 5]);
        let frames = Frames {
            vowel_db: vec![-20.0; 25],
            candidates,
        };
        let mut levels = vec![-20.0; 20];
        levels.extend([-90.0; 5]);
        let track = track(&frames, &levels, -20.0);
        assert!(
            track[..20].iter().all(|frame| frame.hz == 220.0),
            "{track:?}"
        );
        assert!(track[20..].iter().all(|frame| frame.hz == 0.0));
    }

    /// Sums over 15 minutes have steps of .0078, coarser than what decides between octaves.
    #[test]
    fn the_end_of_a_long_recording_is_heard_as_it_is_alone() {
        let tail = vec![frame(&[(220.0, 0.8), (110.0, 0.823)]); 600];
        let track_of = |candidates: Vec<[Candidate; MOST]>| {
            let levels = vec![-20.0; candidates.len()];
            let frames = Frames {
                vowel_db: levels.clone(),
                candidates,
            };
            track(&frames, &levels, -20.0)
        };
        let alone = track_of(tail.clone());
        assert_eq!(alone[300].hz, 110.0);
        let mut long = vec![frame(&[(220.0, 0.95)]); 90_000];
        long.extend(tail);
        assert_eq!(track_of(long)[90_300].hz, 110.0);
    }
}
