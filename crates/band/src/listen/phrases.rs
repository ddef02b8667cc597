//! Finds the phrases of a melody. This module alone decides where a phrase ends; other modules read `Analysis::phrases`.
//!
//! A phrase is what is sung on one breath. A long breath is divided further: who sings without breathing still ends phrases on long
//! notes, before leaps, where an opening returns, and two or four bars after the start. The best division of the notes is found as in
//! Temperley's Grouper ("The Cognition of Basic Musical Structures", 2001, chapter 3), with the local cues of Cambouropoulos'
//! boundary model ("The Local Boundary Detection Model (LBDM)", ICMC 2001).
//!
//! The pauses that classifiers take as features (`pauses`, `harmony::windows`) are not ends of phrases: models were trained with them.

use crate::analysis::{Beat, Metre, Note, TimeSpan};

/// A rest of at least this length may be a breath …
const BREATH_S: f64 = 0.25;
/// … and a rest of this length always is.
const SURE_BREATH_S: f64 = 0.7;
/// Fewer notes than this belong to the phrase before, unless a long rest separates them from it.
const FEWEST_NOTES: usize = 3;

/// A breath is divided only when it is longer than this, in bars.
const LONG_BREATH_BARS: f64 = 4.5;
/// Most notes in a phrase within a breath.
const MOST_NOTES: usize = 40;
/// The usual length at a note is the median of this many notes on either side.
const AROUND: usize = 8;
/// An opening returns when at least this many of its notes do …
const SHORTEST_RETURN: usize = 3;
/// … and more notes than this do not count.
const LONGEST_RETURN: usize = 8;
/// Fewest notes from an opening to its return.
const RETURN_AFTER: usize = 4;
/// Two lengths are the same when they differ by less than this share.
const SAME_LENGTH: f64 = 0.2;
/// Two starts are at the same place of the bar when they differ by less than this share of a bar.
const SAME_PLACE: f64 = 0.1;

// The weights were searched on 700 melodies of the Essen folk song collection, whose phrases are known, sung without rests. On 300
// other melodies of it they find the boundaries with an F measure of .77.
/// A long note before, for each doubling of the usual length.
const LONG_BEFORE: f64 = 0.16;
/// A note before that is longer than the next one, for each doubling.
const LONGER_THAN_NEXT: f64 = 0.2;
/// A leap, for each four semitones that it exceeds the steps beside it.
const LEAP: f64 = 0.06;
/// The start of an opening that returns.
const RETURN: f64 = 0.55;
/// A note before that starts on a bar line.
const STRONG: f64 = 0.13;
/// Cost of an end.
const END_COST: f64 = 0.47;
/// Cost of each doubling or halving of the usual number of notes.
const NOTES: f64 = 0.83;
/// The usual number of notes.
const USUAL_NOTES: f64 = 9.46;
/// Cost of half a bar between the places of the bar at which two neighbouring phrases start.
const OTHER_PLACE_COST: f64 = 0.94;
/// Gain of two or four bars from one start to the next.
const TWO_OR_FOUR_BARS: f64 = 1.0;
/// Gain of one bar or eight.
const ONE_OR_EIGHT_BARS: f64 = 0.16;
/// Cost of a phrase of fewer notes than [`FEWEST_NOTES`].
const TOO_FEW_COST: f64 = 3.0;

/// The phrases, in order: split where the singer breathes, where a short rest follows a held note, and, where the beats are known,
/// within long breaths.
pub(super) fn phrases(notes: &[Note], beats: &[Beat], metre: Metre) -> Vec<TimeSpan> {
    let breaths = breaths(notes);
    let Some(bars) = places(notes, beats, metre) else {
        return breaths
            .into_iter()
            .map(|breath| span(notes, breath))
            .collect();
    };
    let long = |breath: &std::ops::Range<usize>| {
        bars[breath.end - 1] - bars[breath.start] > LONG_BREATH_BARS
    };
    if !breaths.iter().any(long) {
        return breaths
            .into_iter()
            .map(|breath| span(notes, breath))
            .collect();
    }
    let ends = ends(notes, &bars);
    let mut found = Vec::with_capacity(breaths.len());
    for breath in breaths {
        if long(&breath) {
            let parts = divided(breath, &ends, &bars);
            found.extend(parts.into_iter().map(|part| span(notes, part)));
        } else {
            found.push(span(notes, breath));
        }
    }
    found
}

fn span(notes: &[Note], range: std::ops::Range<usize>) -> TimeSpan {
    TimeSpan {
        start_s: notes[range.start].onset_s,
        end_s: notes[range.end - 1].offset_s,
    }
}

/// The notes sung on each breath.
fn breaths(notes: &[Note]) -> Vec<std::ops::Range<usize>> {
    let mut lengths: Vec<f64> = notes
        .windows(2)
        .map(|pair| pair[1].onset_s - pair[0].onset_s)
        .collect();
    lengths.sort_by(f64::total_cmp);
    let usual_s = lengths.get(lengths.len() / 2).copied().unwrap_or(0.5);
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, note) in notes.iter().enumerate() {
        let opens = match at.checked_sub(1).map(|before| &notes[before]) {
            None => true,
            Some(before) => {
                let rest_s = note.onset_s - before.offset_s;
                let held = note.onset_s - before.onset_s > 1.4 * usual_s;
                let few = found
                    .last()
                    .is_some_and(|breath| breath.len() < FEWEST_NOTES);
                rest_s >= SURE_BREATH_S || (rest_s >= BREATH_S && held && !few)
            }
        };
        match found.last_mut() {
            Some(breath) if !opens => breath.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found
}

/// The start of each note in bars from a bar line; `None` without a beat grid.
fn places(notes: &[Note], beats: &[Beat], metre: Metre) -> Option<Vec<f64>> {
    if beats.len() < 2 {
        return None;
    }
    let in_bar = f64::from(metre.beats());
    let first = f64::from(beats[0].position);
    let place = |time_s: f64| {
        let after = beats
            .partition_point(|beat| beat.time_s <= time_s)
            .clamp(1, beats.len() - 1);
        let (from_s, to_s) = (beats[after - 1].time_s, beats[after].time_s);
        let beat = (after - 1) as f64 + (time_s - from_s) / (to_s - from_s).max(1e-6);
        (first + beat) / in_bar
    };
    Some(notes.iter().map(|note| place(note.onset_s)).collect())
}

/// For each note, the gain of starting a phrase there, from the notes around it.
fn ends(notes: &[Note], bars: &[f64]) -> Vec<f64> {
    let count = notes.len();
    let mut lengths: Vec<f64> = bars
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).max(1e-3))
        .collect();
    // The length of the last note has no effect.
    lengths.extend(lengths.last().copied());
    let steps: Vec<i32> = notes
        .windows(2)
        .map(|pair| i32::from(pair[1].meant) - i32::from(pair[0].meant))
        .collect();
    let returns = returns(&lengths, &steps);
    let mut ends = vec![0.0; count];
    for at in 1..count {
        let mut around = lengths[at.saturating_sub(AROUND)..(at + AROUND).min(count)].to_vec();
        let middle = around.len() / 2;
        let (_, usual, _) = around.select_nth_unstable_by(middle, f64::total_cmp);
        let held = (lengths[at - 1] / *usual).log2().clamp(-1.0, 2.0);
        let longer = (lengths[at - 1] / lengths[at]).log2().clamp(-2.0, 2.0);
        let beside = [at.checked_sub(2), Some(at)]
            .into_iter()
            .flatten()
            .filter_map(|index| steps.get(index))
            .map(|step| f64::from(step.abs()));
        let (sum, many) = beside.fold((0.0, 0.0), |(sum, many), step| (sum + step, many + 1.0));
        let leap = f64::from(steps[at - 1].abs()) - sum / f64::max(many, 1.0);
        let from_line = (bars[at - 1] - bars[at - 1].round()).abs();
        let strong = f64::from(u8::from(from_line < SAME_PLACE));
        ends[at] = LONG_BEFORE * held
            + LONGER_THAN_NEXT * longer
            + LEAP * leap.clamp(-4.0, 8.0) / 4.0
            + RETURN * returns[at]
            + STRONG * strong
            - END_COST;
    }
    ends
}

/// For each note, how much of the melody from it on occurs a second time while the note before does not: 0 to 1.
fn returns(lengths: &[f64], steps: &[i32]) -> Vec<f64> {
    let count = lengths.len();
    let alike = |a: usize, b: usize| {
        steps[a] == steps[b] && (lengths[a] - lengths[b]).abs() < SAME_LENGTH * lengths[a]
    };
    let mut found = vec![0.0; count];
    // The number of equal notes from two places on: for this note, and for the note after it.
    let mut runs = vec![0u16; count + 1];
    for here in (0..steps.len()).rev() {
        let mut most = 0;
        // Each entry is computed from the next entry of the row after, which is still there.
        for there in 0..steps.len() {
            runs[there] = if alike(here, there) {
                runs[there + 1].saturating_add(1)
            } else {
                0
            };
            let goes_back = here > 0 && there > 0 && alike(here - 1, there - 1);
            if here.abs_diff(there) >= RETURN_AFTER && !goes_back {
                most = most.max(usize::from(runs[there]));
            }
        }
        if most >= SHORTEST_RETURN {
            found[here] = most.min(LONGEST_RETURN) as f64 / LONGEST_RETURN as f64;
        }
    }
    found
}

/// The best division of one breath.
fn divided(
    breath: std::ops::Range<usize>,
    ends: &[f64],
    bars: &[f64],
) -> Vec<std::ops::Range<usize>> {
    let count = breath.len();
    let mut best = vec![f64::NEG_INFINITY; count + 1];
    let mut back = vec![0usize; count + 1];
    best[0] = 0.0;
    for to in 1..=count {
        let end = if to < count {
            ends[breath.start + to]
        } else {
            0.0
        };
        for from in to.saturating_sub(MOST_NOTES)..to {
            let mut worth =
                best[from] + end - NOTES * ((to - from) as f64 / USUAL_NOTES).log2().abs();
            if to - from < FEWEST_NOTES {
                worth -= TOO_FEW_COST;
            }
            if to < count {
                worth += distance_worth(bars[breath.start + to] - bars[breath.start + from]);
            }
            if worth > best[to] {
                (best[to], back[to]) = (worth, from);
            }
        }
    }
    let mut parts = Vec::new();
    let mut to = count;
    while to > 0 {
        parts.push(breath.start + back[to]..breath.start + to);
        to = back[to];
    }
    parts.reverse();
    parts
}

/// The gain of a phrase that starts this many bars after another.
fn distance_worth(bars: f64) -> f64 {
    let off = (bars - bars.round()).abs();
    let even = match bars.round() as i64 {
        _ if off >= SAME_PLACE => 0.0,
        2 | 4 => TWO_OR_FOUR_BARS,
        1 | 8 => ONE_OR_EIGHT_BARS,
        _ => 0.0,
    };
    even - OTHER_PLACE_COST * 2.0 * off
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
                notes.push(Note::new(now, now + held, 60 + phrase, -20.0));
                // Every note is cut a little short; only the last one of a phrase has a breath after it.
                now += held + if note == 5 { 0.4 } else { 0.1 };
            }
        }
        let found = phrases(&notes, &[], Metre::FourFour);
        assert_eq!(found.len(), 3, "{found:?}");
        assert_eq!(found[0].start_s, 1.0);
        assert!((found[0].end_s - (1.0 + 5.0 * 0.5 + 1.2)).abs() < 1e-9);
        assert!(phrases(&[], &[], Metre::FourFour).is_empty());
    }

    /// Four phrases of two bars in 4/4, sung without a rest: quarters, and a half note at the end.
    #[test]
    fn phrases_sung_without_a_breath_end_where_their_tune_does() {
        let lines = [
            [60, 60, 67, 67, 69, 69, 67],
            [65, 65, 64, 64, 62, 62, 60],
            [67, 67, 65, 65, 64, 64, 62],
            [67, 67, 65, 65, 64, 64, 62],
        ];
        let mut notes = Vec::new();
        for (line, pitches) in lines.iter().enumerate() {
            for (at, &midi) in pitches.iter().enumerate() {
                let onset_s = 1.0 + (8 * line + at) as f64 * 0.5;
                notes.push(Note::new(
                    onset_s,
                    onset_s + if at == 6 { 1.0 } else { 0.5 },
                    midi,
                    -20.0,
                ));
            }
        }
        let beats: Vec<Beat> = (0..40)
            .map(|beat: u8| Beat {
                time_s: f64::from(beat) * 0.5,
                position: (beat + 2) % 4,
            })
            .collect();
        let starts =
            |found: &[TimeSpan]| found.iter().map(|span| span.start_s).collect::<Vec<f64>>();
        let phrases = |notes: &[Note], beats: &[Beat]| phrases(notes, beats, Metre::FourFour);
        let found = phrases(&notes, &beats);
        assert_eq!(starts(&found), [1.0, 5.0, 9.0, 13.0]);
        assert_eq!(found[3].end_s, 17.0);
        // With a breath after every line there is nothing to divide, whatever the tune.
        for note in notes.iter_mut().skip(6).step_by(7) {
            note.offset_s -= 0.4;
        }
        assert_eq!(starts(&phrases(&notes, &beats)), [1.0, 5.0, 9.0, 13.0]);
        assert_eq!(starts(&phrases(&notes[..14], &[])), [1.0, 5.0]);
    }
}
