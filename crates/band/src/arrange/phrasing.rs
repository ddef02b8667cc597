//! Varies patterns of one bar over groups of four bars: which strokes a player adds, leaves out or moves from bar to bar.
//!
//! No player repeats a bar exactly four times. The first bar of four is as written, the second adds a stroke before the third, the
//! third leaves a stroke out or moves one, the fourth leads to the next group. The variation is drawn once a section, so that a
//! section keeps it.

use super::{bars::BarKind, pattern::Piece, sheet::Sheet};
use crate::{analysis::Metre, chance::Chance};

/// The position of a bar in its group, and how it is varied there.
#[derive(Debug, Clone, Copy)]
pub(super) struct PhrasePosition {
    /// Position among eight bars, from 0.
    bar: usize,
    /// Number of the variation, drawn for the section.
    way: usize,
    /// Whether a drum machine plays: its kicks are not varied.
    machine: bool,
}

impl Sheet<'_> {
    /// How bar `number` is varied in a part; `None` where patterns are played as written: alone, softly, at the end.
    pub(super) fn turn(&self, part: usize, number: usize) -> Option<PhrasePosition> {
        let bar = &self.bars[number];
        if bar.kind != BarKind::Song || bar.level() == 0 {
            return None;
        }
        let drawn = [14, part as u64, bar.section as u64];
        Some(PhrasePosition {
            bar: bar.in_section % 8,
            way: Chance::new(self.seed, &drawn).below(3),
            machine: self.style.loose_ms == 0.0,
        })
    }
}

/// Walking basses of four bars: the root, two tones between, and a tone that leads to the next chord. `u` and `d` are a step up and down.
const WALKS: [[&str; 4]; 4] = [
    ["135a", "1u3a", "153a", "1d4a"],
    ["1u3a", "1d4a", "135a", "187a"],
    ["153a", "135a", "1d4a", "1u3a"],
    ["1d4a", "135a", "187a", "153a"],
];

impl Sheet<'_> {
    /// The bar of a walking bass in place of a pattern that walks over the chord; `None` for other patterns. In 3/4 the line has no third
    /// quarter.
    pub(super) fn walk(&self, part: usize, number: usize, pattern: &str) -> Option<String> {
        let beats = self.slots_in_bar / 4;
        let strokes = pattern.chars().filter(|mark| !matches!(mark, '.' | '-'));
        let walking = self.analysis.metre != Metre::SixEight
            && pattern.contains('a')
            && walks(pattern, self.slots_in_bar)
            && strokes.count() == beats;
        if !walking {
            return None;
        }
        let bar = &self.bars[number];
        let first =
            Chance::new(self.seed, &[15, part as u64, bar.section as u64]).below(WALKS.len());
        // Chords often repeat after four bars: the line does not.
        let phrase = WALKS[(first + bar.in_section / 4) % WALKS.len()];
        let marks = phrase[bar.in_section % 4].chars().enumerate();
        let kept = marks.filter(|&(beat, _)| beats == 4 || beat != 2);
        Some(kept.flat_map(|(_, mark)| [mark, '-', '-', '-']).collect())
    }
}

/// Changes some places of a bar of a pattern. Patterns of more than one bar are changed in the fourth bar alone.
fn changed(
    pattern: &str,
    slots: usize,
    bar: usize,
    changes: &[(usize, char)],
    may: impl Fn(&[char], usize) -> bool,
) -> String {
    let mut marks: Vec<char> = pattern.chars().collect();
    let bars = marks.len() / slots.max(1);
    if bars == 1 || bars > 1 && bar % 4 == 3 {
        let written = &mut marks[bar % bars * slots..][..slots];
        for &(slot, mark) in changes {
            // In triplets the steps between the thirds of a beat stay free.
            let between = matches!(slots, 18 | 24) && slot % 2 == 1;
            if slot < slots && may(written, slot) && !between {
                written[slot] = mark;
            }
        }
    }
    marks.into_iter().collect()
}

fn is_free(marks: &[char], slot: usize) -> bool {
    marks[slot] == '.'
}

/// Whether a pattern has a stroke on every quarter: such a pulse is not varied.
fn walks(pattern: &str, slots: usize) -> bool {
    let marks: Vec<char> = pattern.chars().collect();
    marks.len() == slots
        && (0..slots)
            .step_by(4)
            .all(|slot| !matches!(marks[slot], '.' | '-'))
}

/// One lane of a kit.
pub(super) fn kit(
    piece: Piece,
    pattern: &str,
    slots: usize,
    turn: Option<PhrasePosition>,
) -> String {
    let Some(turn) = turn.filter(|_| piece != Piece::Kick || !walks(pattern, slots)) else {
        return pattern.to_owned();
    };
    let end = |back: usize| slots.saturating_sub(back);
    let changes: &[(usize, char)] = &match (piece, turn.bar % 4, turn.machine) {
        (Piece::Kick, 1, false) => vec![(end([2, 6, 5][turn.way]), 'o')],
        (Piece::Kick, 3, false) => vec![(end([6, 2, 3][turn.way]), 'o')],
        (Piece::Snare, 1, false) => vec![(slots / 2 - 1, 'o')],
        (Piece::Snare, 2, false) => vec![(slots / 2 + 1, 'o'), (end([1, 7, 3][turn.way]), 'o')],
        (Piece::Closed | Piece::Ride, 1, true) => vec![(end(1), 'o')],
        (Piece::Closed | Piece::Ride, 3, true) => vec![(end(3), 'o'), (end(1), 'o')],
        (Piece::Closed | Piece::Ride, 2, false) => vec![(end(1), 'o')],
        (Piece::Shaker | Piece::HighConga | Piece::Tambourine, 1 | 3, _) => vec![(end(1), 'o')],
        (Piece::Rim, 1, _) => vec![(end(5), 'o')],
        (Piece::Rim, 3, _) => vec![(end(2), 'o')],
        (Piece::HighConga | Piece::LowConga, 2, _) => vec![(slots / 2 - 1, 'o')],
        (Piece::Closed | Piece::Ride, 2, true) => vec![(slots / 2 - 1, 'o')],
        _ => Vec::new(),
    };
    changed(pattern, slots, turn.bar, changes, is_free)
}

/// The bar to play instead of the pattern's. Of the `ways` to change it, best first, the first that the group has not had is taken. A
/// pattern of more than one bar is changed in the fourth bar alone. The eighth bar is changed unlike the fourth.
fn phrase(
    pattern: &str,
    slots: usize,
    turn: Option<PhrasePosition>,
    ways: impl Fn(&[char], PhrasePosition) -> Vec<Vec<char>>,
) -> String {
    let marks: Vec<char> = pattern.chars().collect();
    let Some(turn) = turn.filter(|_| slots >= 4 && !marks.is_empty()) else {
        return pattern.to_owned();
    };
    let mut bars: Vec<Vec<char>> = marks.chunks(slots).map(<[char]>::to_vec).collect();
    let first = match bars.len() {
        _ if !marks.len().is_multiple_of(slots) => return pattern.to_owned(),
        1 => 1,
        _ => 3,
    };
    let written = bars[bars.len() - 1].clone();
    let mut last = written.clone();
    let (again, end) = (turn.bar % 4, turn.bar / 4 * 4 + 3);
    let steps = (first..=again).chain((again == 3 && end == 7).then_some(3));
    for bar in steps {
        let found = ways(&written, PhrasePosition { bar, ..turn })
            .into_iter()
            .find(|way| !bars.contains(way));
        last = found.unwrap_or_else(|| written.clone());
        bars.push(last.clone());
    }
    let kept = marks.len() - slots;
    marks[..kept].iter().chain(&last).collect()
}

/// The bar with `mark` at `slot`.
fn with(marks: &[char], slot: usize, mark: char) -> Vec<char> {
    let mut marks = marks.to_vec();
    marks[slot] = mark;
    marks
}

/// The bar without the stroke at `slot`, which becomes silent or prolongs the stroke before.
fn without(marks: &[char], slot: usize, rings: bool) -> Vec<char> {
    let mut marks = marks.to_vec();
    let filler = if rings { '-' } else { '.' };
    marks[slot] = filler;
    for mark in marks[slot + 1..]
        .iter_mut()
        .take_while(|mark| **mark == '-')
    {
        *mark = filler;
    }
    marks
}

fn rests(marks: &[char], slot: usize) -> bool {
    matches!(marks[slot], '.' | '-')
}

/// The strokes of a bar from the last one back, without the first of the bar.
fn strokes_back(marks: &[char]) -> impl Iterator<Item = usize> {
    (1..marks.len()).rev().filter(|&slot| !rests(marks, slot))
}

/// A bass line: the second bar leads to the third, or is held where the pattern always leads; the third has the fifth instead of a
/// repeated root; the fourth adds a stroke before its middle. Drum-machine styles and steady pulses keep their places and change a note.
pub(super) fn bass(pattern: &str, slots: usize, turn: Option<PhrasePosition>) -> String {
    let steady = walks(pattern, slots);
    phrase(pattern, slots, turn, |marks, turn| {
        let (last, middle) = (slots - 2, slots / 2);
        let mut ways = Vec::new();
        if !turn.machine && !steady {
            match turn.bar {
                1 if rests(marks, last) => ways.push(with(marks, last, 'a')),
                1 => ways.push(with(marks, last, '-')),
                2 if marks[middle] == '1' => ways.push(with(marks, middle, '5')),
                3 if rests(marks, middle - 2) => ways.push(with(marks, middle - 2, '1')),
                _ => {}
            }
        }
        for slot in strokes_back(marks) {
            let other: &[char] = match marks[slot] {
                '1' if slot >= last => &['a', '8', '5'],
                '1' => &['8', '5'],
                '3' | '7' | 'a' => &['5'],
                '5' => &['8', '1'],
                _ => &['1'],
            };
            ways.extend(other.iter().map(|&mark| with(marks, slot, mark)));
        }
        // One long note: it is struck once more before the bar line.
        ways.extend(
            [slots - 2, middle]
                .into_iter()
                .filter(|&slot| rests(marks, slot))
                .map(|slot| with(marks, slot, '1')),
        );
        ways
    })
}

/// Struck chords: a further soft one before the bar line, another within the bar; a held one is struck again. Where no place is free,
/// one near the end of the bar is left out.
pub(super) fn comp(pattern: &str, slots: usize, turn: Option<PhrasePosition>) -> String {
    phrase(pattern, slots, turn, |marks, turn| {
        let middle = slots / 2;
        let places = match (turn.bar, turn.way) {
            (1, 0 | 1) => [slots - 2, middle + 2, middle - 2],
            (1, _) => [middle + 2, slots - 2, middle - 2],
            (2, 0) => [middle - 2, slots - 2, middle + 2],
            (3, _) => [slots - 3, slots - 2, middle - 2],
            _ => return Vec::new(),
        };
        let quiet = |slot: usize| marks.get(slot).is_none_or(|mark| matches!(mark, '.' | '-'));
        // Not beside another one.
        let free = |slot: &usize| quiet(*slot) && quiet(slot - 1) && quiet(slot + 1);
        let added = places.into_iter().filter(free);
        let mut ways: Vec<Vec<char>> = added.map(|slot| with(marks, slot, 'o')).collect();
        ways.extend(strokes_back(marks).map(|slot| without(marks, slot, false)));
        ways
    })
}

/// Strums: a further up-stroke before the bar line, or one stroke fewer that lets the chord ring.
pub(super) fn strum(pattern: &str, slots: usize, turn: Option<PhrasePosition>) -> String {
    phrase(pattern, slots, turn, |marks, turn| {
        if turn.bar == 2 {
            return Vec::new();
        }
        // Sixteenths only where there are some.
        let fine = (1..slots).step_by(2).any(|slot| !rests(marks, slot));
        let ends: &[usize] = match (fine, turn.way) {
            (false, _) => &[2],
            (true, 0) => &[2, 1],
            (true, _) => &[1, 2],
        };
        let ends = ends.iter().map(|back| slots - back);
        let added = ends.filter(|&slot| rests(marks, slot));
        let mut ways: Vec<Vec<char>> = added.map(|slot| with(marks, slot, 'u')).collect();
        // Off the beat first: the hand keeps its movement.
        let (off, on): (Vec<usize>, Vec<usize>) =
            strokes_back(marks).partition(|slot| slot % 4 != 0);
        let left = off.into_iter().chain(on);
        ways.extend(left.map(|slot| without(marks, slot, true)));
        ways
    })
}

/// Broken chords: one tone fewer before the bar line, at another place from bar to bar.
pub(super) fn pick(pattern: &str, slots: usize, turn: Option<PhrasePosition>) -> String {
    phrase(pattern, slots, turn, |marks, turn| {
        if turn.bar == 2 {
            return Vec::new();
        }
        let off = strokes_back(marks).filter(|slot| slot % 4 != 0);
        off.map(|slot| without(marks, slot, false)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "X.......x.......";

    fn turn(bar: usize) -> Option<PhrasePosition> {
        Some(PhrasePosition {
            bar,
            way: 0,
            machine: false,
        })
    }

    #[test]
    fn the_first_bar_is_as_written_and_the_others_are_not() {
        assert_eq!(kit(Piece::Kick, WRITTEN, 16, turn(0)), WRITTEN);
        assert_eq!(kit(Piece::Kick, WRITTEN, 16, turn(1)), "X.......x.....o.");
        assert_eq!(bass("1-------1-------", 16, turn(1)), "1-------1-----a-");
        assert_eq!(bass("1-------1-------", 16, turn(2)), "1-------5-------");
        assert_eq!(bass("1-------1---5-a-", 16, turn(1)), "1-------1---5---");
        assert_eq!(bass("1-------1---5-a-", 16, turn(3)), "1-----1-1---5-a-");
        assert_eq!(bass("1-1-5-5-1-1-5-5-", 16, turn(1)), "1-1-5-5-1-1-5-8-");
        assert_eq!(bass("1-1-5-5-1-1-5-5-", 16, turn(5)), "1-1-5-5-1-1-5-8-");
        assert_ne!(
            comp("x---..x-......x-", 16, turn(3)),
            comp("x---..x-......x-", 16, turn(7))
        );
        assert_eq!(comp("x.......x.......", 16, turn(1)), "x.......x.....o.");
        assert_eq!(
            kit(Piece::Kick, "X...x...X...x...", 16, turn(1)),
            "X...x...X...x..."
        );
        assert_eq!(strum("D---D-u-D---D---", 16, turn(1)), "D---D-u-D---D-u-");
        assert_eq!(strum("D---D-u-D---D---", 16, turn(3)), "D---D---D---D---");
        assert_eq!(comp("x-x-x-x-x-x-x-x-", 16, turn(1)), "x-x-x-x-x-x-x-..");
        for bar in 0..4 {
            assert_eq!(kit(Piece::Kick, WRITTEN, 16, None), WRITTEN);
            // What is written over two bars has its own phrase, but for its end.
            let two = WRITTEN.repeat(2);
            assert_eq!(kit(Piece::Kick, &two, 16, turn(bar)) == two, bar != 3);
            assert_eq!(comp(&two, 16, turn(bar)) == two, bar != 3);
            assert_eq!(bass("1...........", 12, turn(bar)).len(), 12);
        }
    }
}
