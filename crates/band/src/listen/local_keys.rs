//! Finds the key of each stretch of sixteen bars: where a song changes its key and returns.
//!
//! Every stretch is scored for all keys as the whole song is, without the features of a song's first and last note. The same key is
//! more likely than a change, and the song's own key more likely than another. The Viterbi path through the stretches is reported;
//! its confidence is the probability that the stretch is in that key (forward and backward passes of a hidden Markov model).

use crate::{
    analysis::{Beat, Key, LocalKey, Note, TimeSpan},
    scale::is_in_sung_scale,
};

use super::{
    intonation::Classes,
    key::scores_within,
    key_profile::{KEYS, index_of, key_of},
};

/// Bars of a stretch; what is left at the end belongs to the last one when it is shorter than half of that.
const BARS: usize = 16;
/// Cost in nats of a change of key, and of a key other than the song's. Of 396 excerpts of lead sheets with a singer's mistakes, moved up by one,
/// two, three, five or seven semitones, .95, .84, .82, .37 and .32 score better in the key that they are moved to than in the song's by the two
/// changes and the other key. No other key than their own scores better by as much in any.
const CHANGE_COST: f32 = 1.5;
const AWAY_COST: f32 = 1.0;
/// A stretch with fewer notes than this has no scores of its own.
const FEWEST_NOTES: usize = 8;
/// A note so little before a bar line belongs to it, in seconds.
const EARLY_S: f64 = 0.1;

/// The keys of all stretches, in order, from the first bar line to the end of the grid; `classes` has the semitones that each note may be
/// meant as, `song` is the key of the whole, and its confidence.
pub(super) fn local_keys(
    notes: &[Note],
    classes: &[Classes],
    beats: &[Beat],
    song: (Key, f32),
) -> Vec<LocalKey> {
    let spans = stretches(beats);
    if let [span] = spans[..] {
        return vec![LocalKey {
            span,
            key: song.0,
            confidence: song.1,
        }];
    }
    let home = index_of(song.0);
    let away = |index: usize| if index == home { 0.0 } else { AWAY_COST };
    let costs: Vec<[f32; KEYS]> = spans
        .iter()
        .map(|span| {
            let from = notes.partition_point(|note| note.onset_s < span.start_s);
            let to = notes.partition_point(|note| note.onset_s < span.end_s);
            let scores = if to - from < FEWEST_NOTES {
                [0.0; KEYS]
            } else {
                scores_within(&notes[from..to], &classes[from..to])
            };
            std::array::from_fn(|index| away(index) - scores[index])
        })
        .collect();
    let path = cheapest(&costs);
    let mut found: Vec<LocalKey> = spans
        .iter()
        .zip(&path)
        .zip(chances(&costs))
        .map(|((span, index), chances)| LocalKey {
            span: *span,
            key: key_of(*index),
            confidence: chances[*index],
        })
        .collect();
    move_borders(&mut found, notes, beats);
    found
}

/// Moves each border between two keys to the bar line, within half a stretch, with the least singing outside its key: a song changes
/// its key where a section starts, not every sixteen bars.
fn move_borders(found: &mut [LocalKey], notes: &[Note], beats: &[Beat]) {
    let lines: Vec<f64> = beats
        .iter()
        .filter(|beat| beat.position == 0)
        .map(|beat| beat.time_s)
        .collect();
    for at in 1..found.len() {
        let (before, after) = (found[at - 1], found[at]);
        if before.key == after.key {
            continue;
        }
        let border = lines.partition_point(|line| *line < after.span.start_s);
        let from = border.saturating_sub(BARS / 2);
        let to = (border + BARS / 2).min(lines.len().saturating_sub(1));
        let near: Vec<&Note> = notes
            .iter()
            .filter(|note| (before.span.start_s..after.span.end_s).contains(&note.onset_s))
            .collect();
        let outside = |line_s: f64| -> f64 {
            near.iter()
                .filter(|note| {
                    let key = if note.onset_s < line_s - EARLY_S {
                        before.key
                    } else {
                        after.key
                    };
                    !is_in_sung_scale(note.midi, key)
                })
                .map(|note| note.offset_s - note.onset_s)
                .sum()
        };
        let inner = lines[from..=to.max(from)]
            .iter()
            .copied()
            .filter(|line| *line > before.span.start_s && *line < after.span.end_s);
        let best = inner.min_by(|a, b| {
            let far = |line: &f64| (line - after.span.start_s).abs();
            outside(*a)
                .total_cmp(&outside(*b))
                .then(far(a).total_cmp(&far(b)))
        });
        if let Some(line_s) = best {
            found[at - 1].span.end_s = line_s;
            found[at].span.start_s = line_s;
        }
    }
}

/// Stretches of [`BARS`] bars from the first bar line on.
fn stretches(beats: &[Beat]) -> Vec<TimeSpan> {
    let lines: Vec<f64> = beats
        .iter()
        .filter(|beat| beat.position == 0)
        .map(|beat| beat.time_s)
        .collect();
    let (Some(first), Some(end)) = (lines.first(), beats.last()) else {
        return Vec::new();
    };
    let bars = lines.len().saturating_sub(1).max(1);
    let count = ((bars + BARS / 2) / BARS).max(1);
    (0..count)
        .map(|index| TimeSpan {
            start_s: lines.get(index * BARS).copied().unwrap_or(*first),
            end_s: if index + 1 == count {
                end.time_s
            } else {
                lines[(index + 1) * BARS]
            },
        })
        .collect()
}

fn change(from: usize, to: usize) -> f32 {
    if from == to { 0.0 } else { CHANGE_COST }
}

/// The cheapest key of every stretch.
fn cheapest(costs: &[[f32; KEYS]]) -> Vec<usize> {
    let least = |totals: &[f32; KEYS], to: usize| {
        (0..KEYS)
            .min_by(|a, b| (totals[*a] + change(*a, to)).total_cmp(&(totals[*b] + change(*b, to))))
            .unwrap_or(to)
    };
    let mut totals = [0.0f32; KEYS];
    let mut back: Vec<[usize; KEYS]> = Vec::with_capacity(costs.len());
    for (at, row) in costs.iter().enumerate() {
        let from: [usize; KEYS] =
            std::array::from_fn(|to| if at == 0 { to } else { least(&totals, to) });
        totals = std::array::from_fn(|to| totals[from[to]] + change(from[to], to) + row[to]);
        back.push(from);
    }
    let mut index = (0..KEYS)
        .min_by(|a, b| totals[*a].total_cmp(&totals[*b]))
        .unwrap_or(0);
    let mut path = vec![0; costs.len()];
    for at in (0..costs.len()).rev() {
        path[at] = index;
        index = back[at][index];
    }
    path
}

/// The probability of each key in every stretch.
fn chances(costs: &[[f32; KEYS]]) -> Vec<[f32; KEYS]> {
    let seen = |row: &[f32; KEYS]| {
        let least = row.iter().copied().fold(f32::INFINITY, f32::min);
        row.map(|cost| (least - cost).exp())
    };
    let normal = |row: [f32; KEYS]| {
        let sum: f32 = row.iter().sum();
        row.map(|chance| chance / sum.max(f32::MIN_POSITIVE))
    };
    let moved = |row: &[f32; KEYS]| {
        let all: f32 = row.iter().sum();
        row.map(|chance| chance + (all - chance) * (-CHANGE_COST).exp())
    };
    let mut forward: Vec<[f32; KEYS]> = Vec::with_capacity(costs.len());
    for row in costs {
        let before = forward.last().map_or([1.0; KEYS], moved);
        let seen = seen(row);
        forward.push(normal(std::array::from_fn(|at| before[at] * seen[at])));
    }
    let mut after = [1.0f32; KEYS];
    for (at, row) in costs.iter().enumerate().rev() {
        let both = std::array::from_fn(|key| forward[at][key] * after[key]);
        forward[at] = normal(both);
        let seen = seen(row);
        after = normal(moved(&std::array::from_fn(|key| after[key] * seen[key])));
    }
    forward
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Mode;

    /// Sixteen bars of 4/4 at 120 in major on `tonic`, a crotchet each, from `start_s` on.
    fn verse(tonic: u8, start_s: f64) -> Vec<Note> {
        let line = [0, 0, 7, 7, 9, 9, 7, 7, 5, 5, 4, 4, 2, 2, 0, 0];
        (0..64)
            .map(|at| {
                Note::new(
                    start_s + at as f64 * 0.5,
                    start_s + at as f64 * 0.5 + 0.45,
                    60 + tonic + line[at % 16],
                    -20.0,
                )
            })
            .collect()
    }

    fn beats(bars: usize) -> Vec<Beat> {
        (0..=bars * 4)
            .map(|beat| Beat {
                time_s: beat as f64 * 0.5,
                position: (beat % 4) as u8,
            })
            .collect()
    }

    fn heard(notes: &[Note], beats: &[Beat], song: (Key, f32)) -> Vec<LocalKey> {
        let classes: Vec<Classes> = notes
            .iter()
            .map(|note| [(note.midi, 1.0), (0, 0.0), (0, 0.0)])
            .collect();
        local_keys(notes, &classes, beats, song)
    }

    fn major(tonic: u8) -> Key {
        Key {
            tonic,
            mode: Mode::Major,
        }
    }

    #[test]
    fn a_verse_in_another_key_is_found_and_the_way_back() {
        let notes = [verse(0, 0.0), verse(3, 32.0), verse(0, 64.0)].concat();
        let found = heard(&notes, &beats(48), (major(0), 0.9));
        let keys: Vec<Key> = found.iter().map(|local| local.key).collect();
        assert_eq!(keys, [major(0), major(3), major(0)], "{found:?}");
        assert_eq!(found[1].span.start_s, 32.0);
        assert_eq!(found[2].span.end_s, 96.0);
        // The change comes four bars after the stretches divide the song.
        let notes = [verse(0, 0.0), verse(0, 8.0), verse(3, 40.0)].concat();
        let mut notes = notes;
        notes.sort_by(|a, b| a.onset_s.total_cmp(&b.onset_s));
        let found = heard(&notes, &beats(36), (major(0), 0.9));
        let last = found.last().unwrap();
        // All notes of the last bar before it are in both keys.
        assert_eq!(last.key, major(3), "{found:?}");
        assert!((38.0..=40.0).contains(&last.span.start_s), "{found:?}");
        let found = heard(
            &[verse(0, 0.0), verse(3, 32.0), verse(0, 64.0)].concat(),
            &beats(48),
            (major(0), 0.9),
        );
        for local in &found {
            assert!((0.4..=1.0).contains(&local.confidence), "{found:?}");
        }
    }

    #[test]
    fn a_stretch_with_hardly_a_note_keeps_the_key_and_a_short_song_has_one() {
        let notes = [verse(5, 0.0), verse(5, 64.0)].concat();
        let found = heard(&notes, &beats(48), (major(5), 0.9));
        assert!(found.iter().all(|local| local.key == major(5)), "{found:?}");
        let found = heard(&verse(2, 0.0), &beats(20), (major(2), 0.7));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].key, found[0].confidence), (major(2), 0.7));
        assert!(heard(&[], &[], (major(0), 0.0)).is_empty());
    }
}
