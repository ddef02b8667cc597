//! Separates singing from speech, by how fast the pitch moves while it is voiced.
//!
//! A singer holds a pitch and leaves it quickly; a speaker's pitch is never still. The median speed of the pitch, averaged over
//! one period of a vibrato, separates the two: measured, 11 to 23 semitones a second on thirty recordings of five people
//! speaking (telephone announcements in five languages, a third of them set to a beat), .6 to 6 on 36 people singing, trained
//! and untrained, and below 1 on generated singing. Pitch accuracy does not separate them: an untrained singer's notes lie as
//! far from their semitones as a speaker's.

use crate::analysis::PitchFrame;

use super::tuning::averages;

/// Above this median speed a voice counts as speech, in semitones a second: between the measured ranges, nearer to speech.
const SPOKEN: f32 = 9.0;
/// Frames between the two averages that are compared: 100 ms.
const APART: usize = 10;
/// Fewer comparisons than this are not enough to decide: one second of voice.
const FEWEST: usize = 100;

/// Whether the voice speaks or raps rather than sings.
pub(super) fn is_spoken(track: &[PitchFrame]) -> bool {
    median_speed(track).is_some_and(|speed| speed > SPOKEN)
}

/// The median speed of the averaged pitch in semitones a second; `None` for too little voice.
fn median_speed(track: &[PitchFrame]) -> Option<f32> {
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
    Some(*speeds.select_nth_unstable_by(middle, f32::total_cmp).1)
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
        assert!(!is_spoken(&vibrato), "{:?}", median_speed(&vibrato));
        // Sentence melody: four semitones up and down three times in two seconds, as announcements have it.
        let sentence = track(|s| 4.0 * (1.5 * s * std::f32::consts::TAU).sin());
        assert!(is_spoken(&sentence), "{:?}", median_speed(&sentence));
        assert!(!is_spoken(&[]));
    }

    #[test]
    fn scoops_into_every_note_are_sung() {
        let scooping = track(|s| {
            let into = s % 0.4;
            2.0 * (s / 0.4).floor() - 3.0 * (1.0 - into / 0.15).max(0.0)
        });
        assert!(!is_spoken(&scooping), "{:?}", median_speed(&scooping));
    }
}
