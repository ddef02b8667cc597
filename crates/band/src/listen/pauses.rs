//! Pauses of a melody, as features of classifiers: rests, and notes that are held.
//!
//! A pause is not the end of a phrase: `phrases` alone says where phrases end. The metre classifier and the weights of the keys were
//! learned with exactly these figures, so they change only with new weights (`tools/band_eval/weights.py`).

use crate::analysis::Note;

/// A rest longer than this is a pause, in seconds.
const REST_S: f64 = 0.3;

/// A note is held when the next one starts later than this many times the median distance between notes.
pub(super) const HELD: f64 = 1.8;

/// Whether `note` starts after a rest.
pub(super) fn is_after_rest(before: &Note, note: &Note) -> bool {
    note.onset_s - before.offset_s > REST_S
}

/// The distance to the next note beyond which a note is held, in seconds; infinite for fewer than two notes.
pub(super) fn held_s(notes: &[Note]) -> f64 {
    let distances_s = notes
        .windows(2)
        .map(|pair| pair[1].onset_s - pair[0].onset_s)
        .collect();
    median(distances_s).map_or(f64::INFINITY, |usual_s| HELD * usual_s)
}

/// The median; the upper one of an even number. `None` without values.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f64::total_cmp).1)
}
