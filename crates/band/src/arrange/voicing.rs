//! Voices chords: chord tones, nearest inversions, guitar shapes, and the range that is left free for the voice.

use super::low_intervals::is_muddy;
use crate::{
    analysis::{Analysis, Chord},
    catalogue::Singer,
};

/// A range of MIDI notes, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: u8,
    pub(super) high: u8,
}

impl Range {
    /// The range moved by `semitones`.
    pub(super) fn moved(self, semitones: i8) -> Self {
        Self {
            low: self.low.saturating_add_signed(semitones),
            high: self.high.saturating_add_signed(semitones),
        }
    }
}

/// Whether `midi` belongs to `chord`, its bass included.
pub(super) fn is_chord_tone(chord: &Chord, midi: u8) -> bool {
    chord.holds(midi % 12) || midi % 12 == chord.bass % 12
}

/// Where the voice mostly lies (the middle 70 % of its sung time); a usual one when nothing is sung.
pub(super) fn sung_range(analysis: &Analysis, singer: Option<Singer>) -> Range {
    let mut notes: Vec<(u8, f64)> = analysis
        .notes
        .iter()
        .map(|note| (note.midi, (note.offset_s - note.onset_s).max(0.01)))
        .collect();
    notes.sort_by_key(|&(midi, _)| midi);
    let total: f64 = notes.iter().map(|&(_, length)| length).sum();
    let at = |share: f64| {
        let mut passed = 0.0;
        notes
            .iter()
            .find(|&&(_, length)| {
                passed += length;
                passed >= share * total
            })
            .map(|&(midi, _)| midi)
    };
    match (at(0.15), at(0.85)) {
        (Some(low), Some(high)) => Range { low, high },
        _ if singer == Some(Singer::Male) => Range { low: 50, high: 60 },
        _ => Range { low: 62, high: 72 },
    }
}

/// The range for comping: under a high voice, above a low one.
pub(super) fn comp_range(sung: Range) -> Range {
    let middle = (u16::from(sung.low) + u16::from(sung.high)) / 2;
    if middle >= 60 {
        let high = sung.low.clamp(60, 66);
        Range {
            low: high - 14,
            high,
        }
    } else {
        let low = sung.high.clamp(56, 62);
        Range {
            low,
            high: low + 14,
        }
    }
}

/// The range above a high voice.
pub(super) fn above_voice(sung: Range) -> Range {
    let low = (sung.high + 1).clamp(69, 76);
    Range {
        low,
        high: low + 12,
    }
}

/// Where backing voices lie: tenors and basses for a man, sopranos and altos for a woman; else beside the singer.
pub(super) fn voices_range(sung: Range, singer: Option<Singer>) -> Range {
    let low_voice = match singer {
        Some(Singer::Male) => true,
        Some(Singer::Female) => false,
        None => u16::from(sung.low) + u16::from(sung.high) < 116,
    };
    if low_voice {
        Range { low: 47, high: 60 }
    } else {
        Range { low: 58, high: 71 }
    }
}

/// How a chord is voiced.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Most notes.
    pub(super) count: usize,
    /// Whether the second note from the top lies an octave lower (drop two).
    pub(super) open: bool,
    /// Whether the root of a chord of four tones is left to the bass.
    pub(super) rootless: bool,
}

/// The semitones above the root that are played: fifth, root and ninths are left out in that order, third and seventh last.
fn played_tones(chord: &Chord, shape: Shape) -> Vec<u8> {
    let mut tones: Vec<u8> = chord.quality.intervals().to_vec();
    if shape.rootless && tones.len() > 3 {
        tones.retain(|&tone| tone != 0);
    }
    for unneeded in [7, 0, 2, 1, 8, 9] {
        if tones.len() > shape.count {
            tones.retain(|&tone| tone != unneeded);
        }
    }
    tones.truncate(shape.count);
    tones
}

/// The inversion of `chord` in `range` that moves least from `previous`, ascending.
pub(super) fn nearest(chord: &Chord, range: Range, shape: Shape, previous: &[u8]) -> Vec<u8> {
    let open = shape.open;
    let tones = played_tones(chord, shape);
    let classes: Vec<u8> = tones.iter().map(|tone| (chord.root + tone) % 12).collect();
    let middle = (f32::from(range.low) + f32::from(range.high)) / 2.0;
    let mut best: Option<(f32, Vec<u8>)> = None;
    for bottom in range.low..=range.high {
        let Some(first) = classes.iter().position(|&class| class == bottom % 12) else {
            continue;
        };
        let mut notes = vec![bottom];
        for step in 1..classes.len() {
            let class = classes[(first + step) % classes.len()];
            let below = notes[step - 1];
            let up = (class + 12 - below % 12) % 12;
            notes.push(below + if up == 0 { 12 } else { up });
        }
        if open && notes.len() >= 3 {
            // Drop two: the second from the top falls an octave.
            let second = notes.len() - 2;
            notes[second] -= 12;
            notes.sort_unstable();
        }
        let top = *notes.last().unwrap_or(&bottom);
        let lowest = notes[0];
        let outside = f32::from(top.saturating_sub(range.high))
            + f32::from(range.low.saturating_sub(lowest)) * 0.7;
        let centre = notes.iter().map(|&note| f32::from(note)).sum::<f32>() / notes.len() as f32;
        let muddy: f32 = notes
            .windows(2)
            .filter(|pair| is_muddy(pair[0], pair[1]))
            .count() as f32;
        let motion: f32 = if previous.is_empty() {
            0.0
        } else {
            notes
                .iter()
                .map(|&note| {
                    previous
                        .iter()
                        .map(|&before| f32::from(note.abs_diff(before)))
                        .fold(f32::MAX, f32::min)
                })
                .sum::<f32>()
                + 0.5 * f32::from(top.abs_diff(previous[previous.len() - 1]))
        };
        let cost = motion + 2.5 * outside + 0.25 * (centre - middle).abs() + 4.0 * muddy;
        if best.as_ref().is_none_or(|(least, _)| cost < *least) {
            best = Some((cost, notes));
        }
    }
    best.map(|(_, notes)| notes).unwrap_or_default()
}

/// A guitarist's shape: on each string the lowest chord tone from `fret` within reach; strings under the chord's bass stay silent.
pub(super) fn guitar_shape(chord: &Chord, fret: u8) -> Vec<u8> {
    const STRINGS: [u8; 6] = [40, 45, 50, 55, 59, 64];
    let mut shape = Vec::with_capacity(6);
    for (number, &open) in STRINGS.iter().enumerate() {
        let reach = (fret..=fret + 4).map(|pressed| open + pressed);
        let found = if shape.is_empty() {
            // The lowest string that sounds carries the bass, or the root from the fourth string on.
            let lowest = if number < 3 { chord.bass } else { chord.root };
            reach.into_iter().find(|note| note % 12 == lowest % 12)
        } else {
            reach.into_iter().find(|note| {
                is_chord_tone(
                    &Chord {
                        bass: chord.root,
                        ..*chord
                    },
                    *note,
                ) && !shape.contains(note)
            })
        };
        shape.extend(found);
    }
    shape
}

/// The same on a ukulele, which has no bass string.
pub(super) fn ukulele_shape(chord: &Chord) -> Vec<u8> {
    let mut shape: Vec<u8> = [60u8, 64, 67, 69]
        .iter()
        .filter_map(|&open| (open..=open + 4).find(|note| is_chord_tone(chord, *note)))
        .collect();
    shape.sort_unstable();
    shape.dedup();
    shape
}

/// The note of pitch class `class` nearest to `near` within `range`.
pub(super) fn nearest_note(class: u8, near: u8, range: Range) -> u8 {
    (range.low..=range.high)
        .filter(|note| note % 12 == class % 12)
        .min_by_key(|note| note.abs_diff(near))
        .unwrap_or(range.low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Quality;

    const FOUR: Shape = Shape {
        count: 4,
        open: false,
        rootless: false,
    };

    #[test]
    fn guide_tones_are_left_out_last() {
        for quality in [
            Quality::Seventh,
            Quality::MinorNinth,
            Quality::Thirteenth,
            Quality::Altered,
        ] {
            let chord = chord(0, quality);
            for count in 3..=4 {
                let rootless = Shape {
                    count,
                    rootless: true,
                    ..FOUR
                };
                let tones = played_tones(&chord, rootless);
                assert!(!tones.contains(&0), "{quality:?}: {tones:?}");
                assert!(
                    tones.contains(&10) && tones.iter().any(|tone| matches!(tone, 3 | 4)),
                    "{quality:?}: {tones:?}"
                );
            }
        }
    }

    fn chord(root: u8, quality: Quality) -> Chord {
        Chord {
            root,
            quality,
            bass: root,
        }
    }

    #[test]
    fn inversions_move_little_and_stay_in_range() {
        let range = Range { low: 50, high: 65 };
        let mut before = nearest(&chord(0, Quality::Major), range, FOUR, &[]);
        for root in [5, 7, 9, 2, 4, 0] {
            let now = nearest(&chord(root, Quality::MinorSeventh), range, FOUR, &before);
            assert!(now.iter().all(|note| (48..=67).contains(note)), "{now:?}");
            assert!(
                now.iter()
                    .all(|&note| is_chord_tone(&chord(root, Quality::MinorSeventh), note)),
                "{now:?}"
            );
            assert!(
                now.last().unwrap().abs_diff(*before.last().unwrap()) <= 7,
                "{before:?} → {now:?}"
            );
            before = now;
        }
    }

    #[test]
    fn guitar_shapes_are_the_ones_players_know() {
        assert_eq!(
            guitar_shape(&chord(4, Quality::Minor), 0),
            vec![40, 47, 52, 55, 59, 64]
        );
        assert_eq!(
            guitar_shape(&chord(7, Quality::Major), 0),
            vec![43, 47, 50, 55, 59, 67]
        );
        assert_eq!(
            guitar_shape(&chord(0, Quality::Major), 0),
            vec![48, 52, 55, 60, 64]
        );
    }

    #[test]
    fn comping_leaves_the_voice_alone() {
        for (low, high) in [(48, 60), (52, 64), (60, 72), (65, 77)] {
            let range = comp_range(Range { low, high });
            let overlap = range.high.min(high).saturating_sub(range.low.max(low));
            assert!(overlap <= 8, "voice {low}..{high}, comping {range:?}");
        }
    }
}
