//! How well chords that change where chords change would explain a melody: a forward pass of the learned chord model.
//!
//! It does not choose chords (`harmonise` does). It scores bar lines: at the right downbeats the melody's notes group into chords.

use super::{
    bars::{BarModel, METRES},
    tables::{CHORD_CHANGES, CHORD_FOLLOWS, SUNG_OVER},
};

const CHORDS: usize = 24;

/// A melody's note in score time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SungNote {
    /// Tick from a downbeat.
    pub(super) tick: i64,
    /// Length in ticks.
    pub(super) ticks: i64,
    /// Pitch class.
    pub(super) class: u8,
}

/// The model, its costs made probabilities.
#[derive(Debug)]
pub(super) struct ChordModel {
    follows: [[f32; CHORDS]; CHORDS],
    occurs: [f32; CHORDS],
    /// Log of how much more likely a pitch class above the tonic is over a chord than in general.
    sung: [[f32; 12]; CHORDS],
    /// Log-likelihood of a pitch class above the tonic in general.
    at_large: [f32; 12],
}

impl ChordModel {
    pub(super) fn new() -> Self {
        let chance = |cost: u8| (-f32::from(cost) / 16.0).exp();
        let follows = CHORD_FOLLOWS.map(|row| row.map(chance));
        let mut occurs = [0.0; CHORDS];
        for row in &follows {
            for (sum, value) in occurs.iter_mut().zip(row) {
                *sum += value / CHORDS as f32;
            }
        }
        let over = SUNG_OVER.map(|row| row.map(chance));
        let mut at_large = [0.0f32; 12];
        for (row, share) in over.iter().zip(occurs) {
            for (sum, value) in at_large.iter_mut().zip(row) {
                *sum += share * value;
            }
        }
        let mut sung = [[0.0; 12]; CHORDS];
        for (into, row) in sung.iter_mut().zip(&over) {
            for class in 0..12 {
                into[class] = (row[class] / at_large[class]).ln();
            }
        }
        Self {
            follows,
            occurs,
            sung,
            at_large: at_large.map(f32::ln),
        }
    }

    /// Log-likelihood of the notes in the major key on `tonic` or its relative minor, in nats (negative).
    pub(super) fn at_large(&self, notes: &[SungNote], tonic: u8, weight: f32) -> f32 {
        notes
            .iter()
            .map(|note| {
                let class = usize::from((note.class + 12 - tonic % 12) % 12);
                note.ticks as f32 * weight * self.at_large[class]
            })
            .sum()
    }

    /// The gain in nats of the notes with chords over those without, with the bar lines `shift` ticks before those of the notes.
    /// `tonic` is that of the major key with the song's signature; a tick counts `weight` of a quarter.
    pub(super) fn gain(
        &self,
        notes: &[SungNote],
        bar: &BarModel,
        shift: i64,
        tonic: u8,
        weight: f32,
    ) -> f32 {
        let (Some(first), Some(last)) = (notes.first(), notes.last()) else {
            return 0.0;
        };
        let start = (first.tick + shift).div_euclid(bar.beat);
        let end = (last.tick + last.ticks + shift).div_euclid(bar.beat) + 1;
        let beats = (end - start).clamp(0, 20_000) as usize;
        let mut sung = vec![[0.0f32; 12]; beats];
        for note in notes {
            let class = usize::from((note.class + 12 - tonic % 12) % 12);
            let (mut from, to) = (note.tick + shift, note.tick + shift + note.ticks);
            while from < to {
                let beat = from.div_euclid(bar.beat);
                let until = ((beat + 1) * bar.beat).min(to);
                if let Some(row) = sung.get_mut((beat - start) as usize) {
                    row[class] += (until - from) as f32 * weight;
                }
                from = until;
            }
        }
        let metre = METRES
            .iter()
            .position(|metre| *metre == bar.metre)
            .unwrap_or(2);
        let mut state = self.occurs;
        let mut gain = 0.0;
        for (index, row) in sung.iter().enumerate() {
            if index > 0 {
                let beat = (start + index as i64).rem_euclid(bar.beats() as i64) as usize;
                let change = f32::from(CHORD_CHANGES[metre][beat]) / 255.0;
                state = self.moved(&state, change);
            }
            let mut sum = 0.0;
            for (chord, chance) in state.iter_mut().enumerate() {
                let fit: f32 = row
                    .iter()
                    .zip(&self.sung[chord])
                    .map(|(held, log)| held * log)
                    .sum();
                *chance *= fit.exp();
                sum += *chance;
            }
            if sum > 0.0 {
                state.iter_mut().for_each(|chance| *chance /= sum);
                gain += sum.ln();
            }
        }
        gain
    }

    fn moved(&self, state: &[f32; CHORDS], change: f32) -> [f32; CHORDS] {
        let mut next = state.map(|chance| chance * (1.0 - change));
        for (chance, row) in state.iter().zip(&self.follows) {
            let leaving = chance * change;
            if leaving > 1e-6 {
                for (into, follow) in next.iter_mut().zip(row) {
                    *into += leaving * follow;
                }
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Metre;

    #[test]
    fn arpeggios_bar_by_bar_show_where_the_bars_are() {
        // C E G E | F A C A | G B D B | C E G E, three times over, in crotchets.
        let classes = [0, 4, 7, 4, 5, 9, 0, 9, 7, 11, 2, 11, 0, 4, 7, 4];
        let notes: Vec<SungNote> = (0..48)
            .map(|at| SungNote {
                tick: at * 12,
                ticks: 12,
                class: classes[at as usize % 16],
            })
            .collect();
        let model = ChordModel::new();
        let bar = BarModel::new(Metre::FourFour);
        let gains: Vec<f32> = (0..4)
            .map(|beat| model.gain(&notes, &bar, beat * 12, 0, 1.0 / 12.0))
            .collect();
        assert!(gains[1..].iter().all(|gain| *gain < gains[0]), "{gains:?}");
        assert_eq!(model.gain(&[], &bar, 0, 0, 1.0), 0.0);
    }
}
