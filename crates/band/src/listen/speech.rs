//! Separates singing from speech, by how fast the pitch moves and how much of it is held.
//!
//! A singer holds a pitch and leaves it quickly; a speaker's pitch is rarely still. Both are measured on the pitch averaged over one
//! period of a vibrato: its median speed, and the share of the voiced time in which it is held. The speed is discounted by the share.
//! Measured, the discounted speed is 2.5 to 10 semitones a second on 16 recordings of a lively synthetic speaker in seven languages
//! (12 of them above the limit; none of 9 by a nearly monotonous one), 11 to 23 without the discount on thirty telephone announcements by people, and
//! at most 3.8 on 36 people singing (a fast pop vocal; the next has 2.2). Pitch accuracy does not separate them: an untrained singer's notes lie as far from
//! their semitones as a speaker's.

use crate::analysis::PitchFrame;

use super::tuning::averages;

/// Above this discounted speed a voice counts as speech, in semitones a second.
const SPOKEN: f32 = 4.9;
/// A voice that holds its pitch for a seventh of the time counts as half as fast.
const DISCOUNT_OCTAVES: f32 = 7.0;
/// Frames between the two averages that are compared: 100 ms.
const APART: usize = 10;
/// Fewer comparisons than this are not enough to decide: one second of voice.
const FEWEST: usize = 100;
/// The pitch is held where its average stays within this many semitones for this many frames (200 ms).
const HELD_SEMITONES: f32 = 0.5;
const HELD_FRAMES: usize = 20;

/// Whether the voice speaks or raps rather than sings.
pub(super) fn is_spoken(track: &[PitchFrame]) -> bool {
    discounted_speed(track).is_some_and(|speed| speed > SPOKEN)
}

/// The median speed of the averaged pitch in semitones a second, discounted by the share of the voiced time in which the pitch is
/// held; `None` for too little voice.
fn discounted_speed(track: &[PitchFrame]) -> Option<f32> {
    let averages = averages(track);
    let mut speeds: Vec<f32> = averages
        .iter()
        .zip(averages.get(APART..)?)
        .filter_map(|(before, after)| Some(((*after)? - (*before)?).abs() * 10.0))
        .collect();
    if speeds.len() < FEWEST {
        return None;
    }
    let middle = speeds.len() / 2;
    let (_, speed, _) = speeds.select_nth_unstable_by(middle, f32::total_cmp);
    let voiced = track.iter().filter(|frame| frame.hz > 0.0).count();
    let held = held_frames(&averages) as f32 / voiced as f32;
    Some(*speed * (-DISCOUNT_OCTAVES * held).exp2())
}

/// Frames in which the averaged pitch is held.
fn held_frames(averages: &[Option<f32>]) -> usize {
    let mut held = 0;
    // Everything before this frame is counted.
    let mut counted = 0;
    for (from, window) in averages.windows(HELD_FRAMES).enumerate() {
        let bounds = window
            .iter()
            .try_fold((f32::MAX, f32::MIN), |(least, most), average| {
                (*average).map(|pitch| (pitch.min(least), pitch.max(most)))
            });
        if bounds.is_some_and(|(least, most)| most - least < HELD_SEMITONES) {
            let to = from + HELD_FRAMES;
            held += to - counted.max(from);
            counted = to;
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two seconds of a pitch in semitones from A4, by frame.
    fn track(semitones: impl Fn(f32) -> f32) -> Vec<PitchFrame> {
        (0..200)
            .map(|at| PitchFrame {
                hz: 440.0 * (semitones(at as f32 / 100.0) / 12.0).exp2(),
                voicing: 0.9,
            })
            .collect()
    }

    #[test]
    fn a_wide_vibrato_is_sung_and_a_steady_glide_is_spoken() {
        let vibrato = track(|s| (5.5 * s * std::f32::consts::TAU).sin());
        assert!(!is_spoken(&vibrato), "{:?}", discounted_speed(&vibrato));
        // Sentence melody: four semitones up and down three times in two seconds, as announcements have it.
        let sentence = track(|s| 4.0 * (1.5 * s * std::f32::consts::TAU).sin());
        assert!(is_spoken(&sentence), "{:?}", discounted_speed(&sentence));
        let falling = track(|s| -6.0 * (s % 0.7));
        assert!(is_spoken(&falling), "{:?}", discounted_speed(&falling));
        assert!(!is_spoken(&[]));
    }

    #[test]
    fn fast_runs_between_held_notes_are_sung() {
        // A pitch for .5 s, then a run as fast as a speaker's for as long.
        let runs = track(|s| 5.0 * ((s % 1.0) - 0.5).max(0.0));
        assert_eq!(held_frames(&averages(&runs[..60])), 60 - 18);
        assert!(!is_spoken(&runs), "{:?}", discounted_speed(&runs));
    }

    #[test]
    fn scoops_into_every_note_are_sung() {
        let scooping = track(|s| {
            let into = s % 0.4;
            2.0 * (s / 0.4).floor() - 3.0 * (1.0 - into / 0.15).max(0.0)
        });
        assert!(!is_spoken(&scooping), "{:?}", discounted_speed(&scooping));
    }
}
