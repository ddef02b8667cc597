//! A line of a pattern: what one piece of a kit, one hand or one player does in each bar.
//!
//! In the tables a line is text. A bar has a character for each step: a sixteenth, or a third of an eighth where the bar has half as
//! many again. `|` separates bars, `%` repeats the bar before, and spaces are ignored:
//!
//! ```text
//! "X.......x.x..... | % | X.......x.x..... | X.x.......x.x..."
//! ```

use serde::{Deserialize, Deserializer, de::Error};

/// Sixteenths in a bar of 4/4.
const SIXTEENTHS: usize = 16;

/// Thirds of an eighth in a bar of 4/4.
const TRIPLETS: usize = 24;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(Vec<Vec<char>>);

impl Line {
    /// The bar to play in bar `number` of a section.
    pub(super) fn bar(&self, number: usize) -> &[char] {
        &self.0[number % self.0.len()]
    }

    /// The mark that sounds over the bar line into bar `number`; `None` where the line begins or nothing sounds.
    pub(super) fn held_into(&self, number: usize) -> Option<char> {
        let before = &self.0[..number % self.0.len()];
        let last = before.iter().rev().flat_map(|bar| bar.iter().rev());
        last.copied()
            .find(|&mark| mark != '-')
            .filter(|&mark| mark != '.')
    }

    /// Whether a mark is on beat `beat` of a bar.
    pub(super) fn strikes(&self, beat: usize) -> bool {
        self.0.iter().any(|bar| bar[beat * bar.len() / 4] != '.')
    }

    /// Whether a bar of 3/4 has strokes on each of four equal parts, and none on the second and the third beat.
    pub(super) fn is_four_in_three(&self) -> bool {
        self.0.iter().any(|bar| {
            let strikes = |at: usize| !matches!(bar[at], '.' | '-');
            let (fourth, third) = (bar.len() / 4, bar.len() / 3);
            bar.len().is_multiple_of(12)
                && (0..4).all(|part| strikes(part * fourth))
                && (1..3).all(|beat| !strikes(beat * third))
        })
    }

    /// The line in 3/4: bars without their beat `beat`, from 0.
    pub(super) fn without_beat(&self, beat: usize) -> Self {
        self.each(|bar| {
            let kept = |at: &usize| at / (bar.len() / 4) != beat;
            vec![(0..bar.len()).filter(kept).map(|at| bar[at]).collect()]
        })
    }

    /// The line in 6/8 at half time: the first three eighths of each half of a bar.
    pub(super) fn without_fourths(&self) -> Self {
        self.each(|bar| {
            let half = bar.len() / 2;
            let kept = |at: &usize| at % half < half * 3 / 4;
            vec![(0..bar.len()).filter(kept).map(|at| bar[at]).collect()]
        })
    }

    /// A broken chord in 6/8: of each half of a bar the first three tones, one on each eighth; two are on the first and the third.
    pub(super) fn in_groups_of_three(&self) -> Self {
        self.each(|bar| {
            let half = bar.len() / 2;
            let group = |half_bar: &[char]| {
                let sounds = |at: &usize| !matches!(half_bar[*at], '.' | '-');
                let tones: Vec<usize> = (0..half).filter(sounds).take(3).collect();
                let mut group = ['.'; SIXTEENTHS * 3 / 8];
                for (number, &at) in tones.iter().enumerate() {
                    let eighth = match tones.len() {
                        1 => at * 3 / half,
                        2 => 2 * number,
                        _ => number,
                    };
                    group[2 * eighth] = half_bar[at];
                }
                group
            };
            vec![bar.chunks_exact(half).flat_map(group).collect()]
        })
    }

    /// The line in 6/8, two bars for one. The second eighth of a beat becomes its third one. Where `fill` is set and the beat has two
    /// eighths, it gets three.
    pub(super) fn in_thirds(&self, fill: bool) -> Self {
        self.each(|bar| {
            let thirds = if bar.len() == TRIPLETS {
                bar.to_vec()
            } else {
                bar.chunks_exact(4)
                    .flat_map(|beat| beat_in_thirds(beat, fill))
                    .collect()
            };
            thirds.chunks(TRIPLETS / 2).map(<[char]>::to_vec).collect()
        })
    }

    /// The line, if all its characters are among `known`.
    pub(super) fn of<E: Error>(self, known: &str) -> Result<Self, E> {
        let strange = self.0.iter().flatten().find(|mark| !known.contains(**mark));
        match strange {
            Some(mark) => Err(E::custom(format!("`{mark}`: write one of {known}"))),
            None => Ok(self),
        }
    }

    fn each(&self, change: impl Fn(&[char]) -> Vec<Vec<char>>) -> Self {
        Self(self.0.iter().flat_map(|bar| change(bar)).collect())
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut bars: Vec<Vec<char>> = Vec::new();
        for written in text.split('|') {
            let marks: Vec<char> = written.chars().filter(|mark| *mark != ' ').collect();
            match (marks.as_slice(), bars.last()) {
                (['%'], Some(before)) => bars.push(before.clone()),
                (_, _) if matches!(marks.len(), SIXTEENTHS | TRIPLETS) => bars.push(marks),
                (_, _) => {
                    return Err(format!(
                        "\"{}\" has {} characters: a bar has {SIXTEENTHS}, or {TRIPLETS} in triplets",
                        written.trim(),
                        marks.len()
                    ));
                }
            }
        }
        if matches!(bars.len(), 1 | 2 | 4 | 8) {
            Ok(Self(bars))
        } else {
            Err(format!(
                "{} bars: write one, two, four or eight",
                bars.len()
            ))
        }
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A beat of four sixteenths as six of a dotted quarter.
fn beat_in_thirds(beat: &[char], fill: bool) -> [char; 6] {
    let rests = |mark: char| matches!(mark, '.' | '-');
    let held = if beat[1] == '.' { '.' } else { '-' };
    let eighths = !rests(beat[0]) && rests(beat[1]) && !rests(beat[2]) && rests(beat[3]);
    let second = match beat[0] {
        _ if !eighths || !fill => beat[1],
        'X' | 'x' | 'o' | '^' => 'o',
        'D' | 'd' | 'U' | 'u' => 'd',
        first if first == beat[2] => first,
        _ => beat[1],
    };
    [beat[0], held, second, held, beat[2], beat[3]]
}

#[cfg(test)]
impl Line {
    /// The bars as text, separated by `|`.
    pub(super) fn text(&self) -> String {
        let bars: Vec<String> = self.0.iter().map(|bar| bar.iter().collect()).collect();
        bars.join("|")
    }
}

#[cfg(test)]
impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|error| panic!("{text:?}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_separated_and_repeated() {
        let line = Line::from("1-------1------- | % | 1---5--- 1---5--- | %");
        assert_eq!(
            line.text(),
            "1-------1-------|1-------1-------|1---5---1---5---|1---5---1---5---"
        );
        assert_eq!(line.bar(6), line.bar(2));
        for (text, message) in [
            ("x...............|x..............", "has 15 characters"),
            ("%", "\"%\" has 1 characters"),
            (
                "x...............|%|%",
                "3 bars: write one, two, four or eight",
            ),
            ("x...............|", "\"\" has 0 characters"),
        ] {
            let error = Line::read(text).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_is_held_sounds_into_the_next_bar_of_the_line() {
        let line = Line::from("1---------5----- | ---------------- | --1---.......... | %");
        assert_eq!(line.held_into(0), None);
        assert_eq!(line.held_into(1), Some('5'));
        assert_eq!(line.held_into(2), Some('5'));
        assert_eq!(line.held_into(3), None);
    }

    #[test]
    fn each_bar_has_steps_of_its_own() {
        let line = Line::from("x.......x....... | x.....x.....x.....x.....");
        assert_eq!(
            line.without_beat(2).text(),
            "x...........|x.....x.....x....."
        );
        assert_eq!(
            line.in_thirds(true).text(),
            "x...........|x...........|x.....x.....|x.....x....."
        );
    }
}
