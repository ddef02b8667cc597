//! Phrases of four bars out of patterns of one: what a player adds, leaves out and leads over with from bar to bar.
//!
//! A pattern is what a bar is like; nobody plays it four times running. The first bar of four is as written, the second pushes into
//! the third, the third is lightened or turned, the fourth leads over. Which of several ways is taken is drawn once a section, so
//! that a section keeps its phrase.

use super::{bars::Place, sheet::Sheet, style::Piece};
use crate::chance::Chance;

/// Where a bar stands in its phrase, and how it is varied there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Bar of four, from 0.
    bar: usize,
    /// Which of several ways, drawn for the section.
    way: usize,
    /// Whether a machine plays: it keeps its kicks.
    machine: bool,
}

impl Sheet<'_> {
    /// How bar `number` is varied in a part; `None` where patterns are played as written: alone, softly, at the end.
    pub(super) fn turn(&self, part: usize, number: usize) -> Option<Turn> {
        let bar = &self.bars[number];
        if bar.kind != Place::Song || bar.level() == 0 {
            return None;
        }
        let drawn = [14, part as u64, bar.section as u64];
        Some(Turn {
            bar: bar.in_section % 4,
            way: Chance::new(self.seed, &drawn).below(3),
            machine: self.style.loose_ms == 0.0,
        })
    }
}

/// Walking in phrases of four bars: the root, two tones on the way, and what leads into the next chord. `u` and `d` are a step up and down.
const WALKS: [[&str; 4]; 4] = [
    ["135a", "1u3a", "153a", "1d4a"],
    ["1u3a", "1d4a", "135a", "187a"],
    ["153a", "135a", "1d4a", "1u3a"],
    ["1d4a", "135a", "187a", "153a"],
];

impl Sheet<'_> {
    /// The bar of a walking bass in place of a pattern that walks over the chord; `None` for other patterns.
    pub(super) fn walk(&self, part: usize, number: usize, pattern: &str) -> Option<String> {
        const QUARTERS: usize = 16;
        if self.slots_in_bar != QUARTERS || !pattern.contains('a') || !walks(pattern, QUARTERS) {
            return None;
        }
        if pattern
            .chars()
            .filter(|mark| !matches!(mark, '.' | '-'))
            .count()
            != 4
        {
            return None;
        }
        let bar = &self.bars[number];
        let first =
            Chance::new(self.seed, &[15, part as u64, bar.section as u64]).below(WALKS.len());
        // Chords often come back after four bars: the walk does not.
        let phrase = WALKS[(first + bar.in_section / 4) % WALKS.len()];
        let marks = phrase[bar.in_section % 4].chars();
        Some(marks.flat_map(|mark| [mark, '-', '-', '-']).collect())
    }
}

/// A pattern of one bar with some of its places changed; others are given back as they are.
fn changed(
    pattern: &str,
    slots: usize,
    changes: &[(usize, char)],
    may: impl Fn(&[char], usize) -> bool,
) -> String {
    let mut marks: Vec<char> = pattern.chars().collect();
    if marks.len() == slots {
        for &(slot, mark) in changes {
            if slot < slots && may(&marks, slot) {
                marks[slot] = mark;
            }
        }
    }
    marks.into_iter().collect()
}

fn is_free(marks: &[char], slot: usize) -> bool {
    marks[slot] == '.'
}

/// Whether a pattern has a stroke on every quarter: what is that steady stays so.
fn walks(pattern: &str, slots: usize) -> bool {
    let marks: Vec<char> = pattern.chars().collect();
    marks.len() == slots
        && (0..slots)
            .step_by(4)
            .all(|slot| !matches!(marks[slot], '.' | '-'))
}

/// One lane of a kit.
pub(super) fn kit(piece: Piece, pattern: &str, slots: usize, turn: Option<Turn>) -> String {
    let Some(turn) = turn.filter(|_| piece != Piece::Kick || !walks(pattern, slots)) else {
        return pattern.to_owned();
    };
    let end = |back: usize| slots.saturating_sub(back);
    let changes: &[(usize, char)] = &match (piece, turn.bar, turn.machine) {
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
    changed(pattern, slots, changes, is_free)
}

/// A bass line: the second bar leads over, or holds where the pattern always leads; the third takes the fifth for a repeated root;
/// the fourth pushes into its middle. Walking is left alone.
pub(super) fn bass(pattern: &str, slots: usize, turn: Option<Turn>) -> String {
    let turn = turn.filter(|turn| !turn.machine && !walks(pattern, slots));
    let Some(turn) = turn else {
        return pattern.to_owned();
    };
    let (last, middle) = (slots.saturating_sub(2), slots / 2);
    let rests = |marks: &[char], slot: usize| matches!(marks[slot], '.' | '-');
    match turn.bar {
        1 if pattern
            .chars()
            .nth(last)
            .is_some_and(|mark| !matches!(mark, '.' | '-')) =>
        {
            changed(pattern, slots, &[(last, '-')], |_, _| true)
        }
        1 => changed(pattern, slots, &[(last, 'a')], rests),
        2 => changed(pattern, slots, &[(middle, '5')], |marks, slot| {
            marks[slot] == '1'
        }),
        3 => changed(pattern, slots, &[(middle - 2, '1')], rests),
        _ => pattern.to_owned(),
    }
}

/// Struck chords: a soft one more before the bar line, another on the way; a held one is struck again. Where there is no room for one
/// more the fourth bar leaves its last one out.
pub(super) fn comp(pattern: &str, slots: usize, turn: Option<Turn>) -> String {
    let Some(turn) = turn else {
        return pattern.to_owned();
    };
    let place = match (turn.bar, turn.way) {
        (1, 0 | 1) => slots.saturating_sub(2),
        (1, _) => slots / 2 + 2,
        (2, 0) => slots / 2 - 2,
        (3, _) => slots.saturating_sub(3),
        _ => return pattern.to_owned(),
    };
    // Not beside another one.
    let varied = changed(pattern, slots, &[(place, 'o')], |marks, slot| {
        let quiet = |slot: usize| marks.get(slot).is_none_or(|mark| matches!(mark, '.' | '-'));
        quiet(slot) && quiet(slot - 1) && quiet(slot + 1)
    });
    match varied.rfind(|mark| !matches!(mark, '.' | '-')) {
        Some(last) if turn.bar == 3 && varied == pattern && last >= slots / 2 => {
            let (kept, left) = varied.split_at(last);
            format!("{kept}{}", ".".repeat(left.len()))
        }
        _ => varied,
    }
}

/// Strums: an up-stroke more before the bar line.
pub(super) fn strum(pattern: &str, slots: usize, turn: Option<Turn>) -> String {
    match turn {
        Some(turn) if turn.bar == 1 || turn.bar == 3 => {
            let back = if turn.way == 0 { 2 } else { 1 };
            changed(
                pattern,
                slots,
                &[(slots.saturating_sub(back), 'u')],
                |marks, slot| matches!(marks[slot], '.' | '-'),
            )
        }
        _ => pattern.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "X.......x.......";

    fn turn(bar: usize) -> Option<Turn> {
        Some(Turn {
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
        assert_eq!(bass("1-1-5-5-1-1-5-5-", 16, turn(3)), "1-1-5-5-1-1-5-5-");
        assert_eq!(comp("x.......x.......", 16, turn(1)), "x.......x.....o.");
        assert_eq!(
            kit(Piece::Kick, "X...x...X...x...", 16, turn(1)),
            "X...x...X...x..."
        );
        assert_eq!(strum("D---D-u-D---D---", 16, turn(3)), "D---D-u-D---D-u-");
        assert_eq!(comp("..x-x-..x-x-..x-", 16, turn(3)), "..x-x-..x-x-....");
        for bar in 0..4 {
            assert_eq!(kit(Piece::Kick, WRITTEN, 16, None), WRITTEN);
            // What is written over two bars has its own phrase.
            let two = WRITTEN.repeat(2);
            assert_eq!(kit(Piece::Kick, &two, 16, turn(bar)), two);
            assert_eq!(bass("1...........", 12, turn(bar)).len(), 12);
        }
    }
}
