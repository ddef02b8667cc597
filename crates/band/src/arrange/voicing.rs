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
    /// Whether the root of a chord of four tones is left to the bass, and third or seventh is the lowest note: the A and B forms of
    /// jazz pianists.
    pub(super) rootless: bool,
}

impl Shape {
    /// Whether it leaves the root of `chord` out.
    fn leaves_root_out(self, chord: &Chord) -> bool {
        self.rootless && chord.quality.intervals().len() > 3
    }
}

/// The semitones above the root that are played: fifth, root and ninths are left out in that order, third and seventh last.
fn played_tones(chord: &Chord, shape: Shape) -> Vec<u8> {
    let mut tones: Vec<u8> = chord.quality.intervals().to_vec();
    if shape.leaves_root_out(chord) {
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
    let rootless = shape.leaves_root_out(chord);
    let open = shape.open && !rootless;
    let tones = played_tones(chord, shape);
    let defining = defining_tones(chord);
    let classes: Vec<u8> = tones.iter().map(|tone| (chord.root + tone) % 12).collect();
    let middle = (f32::from(range.low) + f32::from(range.high)) / 2.0;
    let mut best: Option<(f32, Vec<u8>)> = None;
    for bottom in range.low..=range.high {
        let Some(first) = classes.iter().position(|&class| class == bottom % 12) else {
            continue;
        };
        if rootless && !defining.contains(&(bottom % 12)) {
            continue;
        }
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

/// A guitarist's shape. The lowest string that sounds carries the bass, or the root from the fourth string on; strings under it are silent.
pub(super) fn guitar_shape(chord: &Chord, fret: u8) -> Vec<u8> {
    const STRINGS: [u8; 6] = [40, 45, 50, 55, 59, 64];
    let lowest = STRINGS.iter().enumerate().find_map(|(number, &open)| {
        let class = if number < 3 { chord.bass } else { chord.root };
        let mut reach = within_reach(open, fret);
        reach
            .find(|note| note % 12 == class % 12)
            .map(|note| (number, note))
    });
    lowest.map_or_else(Vec::new, |(number, note)| {
        on_strings(chord, &STRINGS[number + 1..], fret, vec![note])
    })
}

/// The same on a ukulele, which has no bass string.
pub(super) fn ukulele_shape(chord: &Chord) -> Vec<u8> {
    let mut shape = on_strings(chord, &[60, 64, 67, 69], 0, Vec::new());
    shape.sort_unstable();
    shape
}

/// The notes that a hand at `fret` reaches on a string.
fn within_reach(open: u8, fret: u8) -> std::ops::RangeInclusive<u8> {
    open + fret..=open + fret + 4
}

/// A shape with a note on each further string: the lowest chord tone within reach, or a tone of the chord that no later string reaches.
/// Ninths and the like come after third and seventh.
fn on_strings(chord: &Chord, strings: &[u8], fret: u8, mut shape: Vec<u8>) -> Vec<u8> {
    let defining = defining_tones(chord);
    for (number, &open) in strings.iter().enumerate() {
        let has = |class: u8| shape.iter().any(|note| note % 12 == class);
        let later = |class: u8| {
            let mut further = strings[number + 1..].iter();
            further.any(|&open| within_reach(open, fret).any(|note| note % 12 == class))
        };
        let missing = defining.iter().any(|&class| !has(class));
        let found = within_reach(open, fret)
            .filter(|note| chord.holds(note % 12) && !shape.contains(note))
            .min_by_key(|note| {
                let class = note % 12;
                let last_chance = !has(class) && !later(class);
                let too_early = missing && is_colour(chord, class);
                let needed = last_chance && defining.contains(&class);
                (!needed, too_early, !last_chance)
            });
        shape.extend(found);
    }
    shape
}

/// The pitch classes that tell a chord from others over its root: third, or second or fourth for it, and sixth or seventh.
pub(super) fn defining_tones(chord: &Chord) -> Vec<u8> {
    let tones = chord.quality.intervals();
    let third = [3, 4, 5, 2].into_iter().find(|tone| tones.contains(tone));
    let mut from_top = tones.iter().rev().copied();
    let seventh = from_top.find(|tone| (9..=11).contains(tone));
    let found = third.into_iter().chain(seventh);
    found.map(|tone| (chord.root + tone) % 12).collect()
}

/// Whether a tone of a chord is neither root, third, fifth nor seventh.
fn is_colour(chord: &Chord, class: u8) -> bool {
    let above = (class + 12 - chord.root % 12) % 12;
    !matches!(above, 0 | 6..=8) && !defining_tones(chord).contains(&class)
}

/// `count` notes of a shape: without tones that are there twice, then without those that do not define the chord.
pub(super) fn fewer(chord: &Chord, shape: &[u8], count: usize, first: LeftOut) -> Vec<u8> {
    let mut notes = shape.to_vec();
    let defining = defining_tones(chord);
    while notes.len() > count.max(1) {
        let twice = |at: &usize| {
            let class = notes[*at] % 12;
            notes.iter().filter(|note| *note % 12 == class).count() > 1
        };
        let unneeded = |at: &usize| !defining.contains(&(notes[*at] % 12));
        let mut places: Vec<usize> = match first {
            LeftOut::Low => (0..notes.len()).collect(),
            LeftOut::High => (1..notes.len()).rev().collect(),
        };
        let at = places.iter().position(twice);
        let at = at.or_else(|| places.iter().position(unneeded)).unwrap_or(0);
        notes.remove(places.swap_remove(at));
    }
    notes
}

/// Which notes of a shape are left out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// Low ones.
    Low,
    /// High ones, and never the lowest.
    High,
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
        for (root, quality, shape) in [
            (0, Quality::Major, vec![48, 52, 55, 60, 64]),
            (0, Quality::AddNinth, vec![48, 52, 55, 62, 64]),
            (4, Quality::Seventh, vec![40, 47, 50, 56, 59, 64]),
            (7, Quality::Seventh, vec![43, 47, 50, 55, 59, 65]),
            (9, Quality::MinorSeventh, vec![45, 52, 55, 60, 64]),
            (2, Quality::MinorSeventh, vec![50, 57, 60, 65]),
        ] {
            assert_eq!(
                guitar_shape(&chord(root, quality), 0),
                shape,
                "{quality:?} on {root}"
            );
        }
    }

    #[test]
    fn what_defines_a_chord_is_left_out_last() {
        for root in 0..12 {
            for quality in [
                Quality::AddNinth,
                Quality::MinorNinth,
                Quality::Thirteenth,
                Quality::SixthNinth,
                Quality::SeventhSus4,
            ] {
                for fret in [0, 3, 5] {
                    let chord = chord(root, quality);
                    for count in 3..=5 {
                        let notes =
                            fewer(&chord, &guitar_shape(&chord, fret), count, LeftOut::High);
                        let has = |class: &u8| notes.iter().any(|note| note % 12 == *class);
                        assert!(
                            notes.len() <= count && defining_tones(&chord).iter().all(has),
                            "{quality:?} on {root} from {fret}: {notes:?}"
                        );
                    }
                }
            }
        }
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
