//! Phrases: what is sung on one breath.

use crate::analysis::{Note, Span};

/// A rest at least this long may be a breath …
const BREATH_S: f64 = 0.25;
/// … and one this long always is.
const SURE_BREATH_S: f64 = 0.7;
/// A phrase has at least this many notes, or it belongs to the one before, unless a long rest sets it apart.
const FEWEST_NOTES: usize = 3;

/// The phrases, in order: split where the singer breathes, and where a note is held and a short rest follows it.
pub(super) fn phrases(notes: &[Note]) -> Vec<Span> {
    let mut lengths: Vec<f64> = notes
        .windows(2)
        .map(|pair| pair[1].onset_s - pair[0].onset_s)
        .collect();
    lengths.sort_by(f64::total_cmp);
    let usual_s = lengths.get(lengths.len() / 2).copied().unwrap_or(0.5);
    let mut spans: Vec<(Span, usize)> = Vec::new();
    for (at, note) in notes.iter().enumerate() {
        let opens = match at.checked_sub(1).map(|before| &notes[before]) {
            None => true,
            Some(before) => {
                let rest_s = note.onset_s - before.offset_s;
                let held = note.onset_s - before.onset_s > 1.4 * usual_s;
                let few = spans.last().is_some_and(|(_, count)| *count < FEWEST_NOTES);
                rest_s >= SURE_BREATH_S || (rest_s >= BREATH_S && held && !few)
            }
        };
        match spans.last_mut() {
            Some((span, count)) if !opens => {
                span.end_s = note.offset_s;
                *count += 1;
            }
            _ => spans.push((
                Span {
                    start_s: note.onset_s,
                    end_s: note.offset_s,
                },
                1,
            )),
        }
    }
    spans.into_iter().map(|(span, _)| span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_end_at_breaths_and_not_at_staccato() {
        let mut notes = Vec::new();
        let mut now = 1.0;
        for phrase in 0..3 {
            for note in 0..6 {
                let held = if note == 5 { 1.2 } else { 0.4 };
                notes.push(Note {
                    onset_s: now,
                    offset_s: now + held,
                    midi: 60 + phrase,
                    level_db: -20.0,
                });
                // Every note is cut a little short; only the last one of a phrase has a breath after it.
                now += held + if note == 5 { 0.4 } else { 0.1 };
            }
        }
        let found = phrases(&notes);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0].start_s, 1.0);
        assert!((found[0].end_s - (1.0 + 5.0 * 0.5 + 1.2)).abs() < 1e-9);
        assert!(phrases(&[]).is_empty());
    }
}
