//! Chooses the loop of chords that a song repeats, in styles that have loops.
//!
//! Each kind of section has one loop: of the style's loops, begun at any of their bars, the one whose chords fit the melody best (the sum of
//! [`fit`] over the bars). Bars whose chord does not fit are left to the Viterbi path of `path.rs`; a section with many of these has no loop.

use super::{
    habits::{Habits, Loop},
    melody::Melody,
    vocabulary::Vocabulary,
};
use crate::analysis::{Chord, Quality, SectionKind};

/// The longest loop that may begin at any of its bars, in bars: longer ones are forms with a start.
const TURNED_BARS: usize = 4;
/// Least share of the bars whose chord fits.
const FITTING_SHARE: f32 = 0.6;

/// Where a section starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Its first beat in the melody's grid.
    pub(super) from: usize,
    pub(super) kind: SectionKind,
}

/// A bar of the melody.
#[derive(Clone, Copy)]
struct BarSpan {
    kind: Option<SectionKind>,
    /// Bars since the section started.
    number: usize,
    /// Its first beat, and the one after its last.
    from: usize,
    to: usize,
}

/// The class that the loop has at each beat of the melody's grid; `None` where the melody alone decides.
pub(super) fn classes(
    melody: &Melody,
    habits: &Habits,
    parts: &[Part],
    style_weight: f32,
) -> Vec<Option<usize>> {
    let mut found = vec![None; melody.positions.len()];
    let loops = habits.loops(melody.minor);
    if loops.is_empty() {
        return found;
    }
    let least_fit = 0.8 - habits.loops * (0.25 + 0.35 * style_weight);
    let bars = bars(melody, parts);
    let mut kinds: Vec<Option<SectionKind>> = Vec::new();
    for bar in &bars {
        if !kinds.contains(&bar.kind) {
            kinds.push(bar.kind);
        }
    }
    for kind in kinds {
        let of_kind: Vec<BarSpan> = bars
            .iter()
            .copied()
            .filter(|bar| bar.kind == kind)
            .collect();
        let mut best: Option<(f32, Vec<f32>, &Loop, usize)> = None;
        for candidate in loops {
            let length = candidate.0.len();
            for turn in 0..if length > TURNED_BARS { 1 } else { length } {
                let fits: Vec<f32> = of_kind
                    .iter()
                    .map(|bar| fit(melody, habits.vocabulary, candidate, turn, bar))
                    .collect();
                let sum = fits.iter().sum();
                if best.as_ref().is_none_or(|(most, ..)| sum > *most) {
                    best = Some((sum, fits, candidate, turn));
                }
            }
        }
        let Some((_, fits, chosen, turn)) = best else {
            continue;
        };
        let borne = fits.iter().filter(|&&fit| fit >= least_fit).count();
        if (borne as f32) < FITTING_SHARE * fits.len() as f32 {
            continue;
        }
        for (bar, _) in of_kind
            .iter()
            .zip(&fits)
            .filter(|&(_, &fit)| fit >= least_fit)
        {
            let beats = bar.from..bar.to;
            for (class, beat) in found[beats.clone()].iter_mut().zip(beats) {
                *class = Some(class_at(chosen, turn, bar, beat));
            }
        }
    }
    found
}

/// How well a bar's chords of a loop fit the melody: the worst of them counts.
fn fit(
    melody: &Melody,
    vocabulary: Vocabulary,
    candidate: &Loop,
    turn: usize,
    bar: &BarSpan,
) -> f32 {
    let mut worst = 1.0f32;
    let mut from = bar.from;
    while from < bar.to {
        let class = class_at(candidate, turn, bar, from);
        let to = (from + 1..bar.to)
            .find(|&beat| class_at(candidate, turn, bar, beat) != class)
            .unwrap_or(bar.to);
        let root = ((class % 12 + usize::from(melody.tonic)) % 12) as u8;
        let quality = match (class / 12, vocabulary.is_rich()) {
            (0, false) => Quality::Major,
            (0, true) => Quality::Sixth,
            (1, false) => Quality::Minor,
            (1, true) => Quality::MinorSeventh,
            _ => Quality::Diminished,
        };
        let chord = Chord {
            root,
            quality,
            bass: root,
        };
        worst = worst.min(melody.fit(&chord, from as f32, to as f32));
        from = to;
    }
    worst
}

/// The class of a loop, rotated to start at its bar `turn`, at a beat of a bar.
fn class_at(candidate: &Loop, turn: usize, bar: &BarSpan, beat: usize) -> usize {
    let bars = &candidate.0;
    let mut number = (bar.number + turn) % bars.len();
    if bars[number].is_empty() {
        // The first bar of a loop has a class.
        while bars[number].is_empty() {
            number -= 1;
        }
        return bars[number][bars[number].len() - 1];
    }
    let classes = &bars[number];
    classes[(beat - bar.from) * classes.len() / (bar.to - bar.from)]
}

/// The bars from `melody.first` to where the last chord is held.
fn bars(melody: &Melody, parts: &[Part]) -> Vec<BarSpan> {
    let end = melody.rest.min(melody.positions.len());
    let starts: Vec<usize> = (melody.first..end)
        .filter(|&beat| beat == melody.first || melody.positions[beat] == 0)
        .collect();
    let mut found: Vec<BarSpan> = Vec::with_capacity(starts.len());
    let mut section = None;
    for (at, &from) in starts.iter().enumerate() {
        // A section that starts within a bar starts with the next.
        let inside = parts.iter().rposition(|part| part.from <= from);
        let number = match found.last() {
            Some(before) if inside == section => before.number + 1,
            _ => 0,
        };
        section = inside;
        found.push(BarSpan {
            kind: inside.map(|part| parts[part].kind),
            number,
            from,
            to: starts.get(at + 1).copied().unwrap_or(end),
        });
    }
    found
}
