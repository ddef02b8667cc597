//! Where in the bar notes begin, given where the last one began.
//!
//! For each metre a Markov chain over the places of the bar at which notes may start (sixteenths and triplets, or sixteenths
//! alone in 6/8), the next start being in this bar, the next or the one after. Counts are mixed with a smoother guess, the
//! product of how often a place and how often a distance occur at all, worth `SMOOTHING` observations.
//!
//! Few sheets are in 2/4 and 6/8. 2/4 learns also from 2/2 at half the lengths (the same two beats, written larger), and
//! 6/8 from pairs of 3/4 bars at half the lengths (a quick waltz is counted in the same way); both count for less.

use std::collections::BTreeMap;

use crate::{
    constant, cost,
    sheets::{Sheet, TICKS},
};

const SMOOTHING: f64 = 12.0;

struct Metre {
    name: &'static str,
    bar: i64,
    places: Vec<i64>,
    /// Sources: signature, factor on its lengths, what a note counts.
    sources: &'static [((i64, i64), f64, f64)],
}

/// The constants.
pub(crate) fn learn(sheets: &[Sheet]) -> String {
    let simple = |quarters: i64| -> Vec<i64> {
        (0..quarters)
            .flat_map(|quarter| [0, 3, 4, 6, 8, 9].map(|tick| quarter * TICKS + tick))
            .collect()
    };
    let metres = [
        Metre {
            name: "TWO_FOUR",
            bar: 24,
            places: simple(2),
            sources: &[((2, 4), 1.0, 1.0), ((2, 2), 0.5, 0.15)],
        },
        Metre {
            name: "THREE_FOUR",
            bar: 36,
            places: simple(3),
            sources: &[((3, 4), 1.0, 1.0)],
        },
        Metre {
            name: "FOUR_FOUR",
            bar: 48,
            places: simple(4),
            sources: &[((4, 4), 1.0, 1.0), ((2, 2), 1.0, 0.3)],
        },
        Metre {
            name: "SIX_EIGHT",
            bar: 36,
            places: (0..12).map(|sixteenth| sixteenth * 3).collect(),
            sources: &[((6, 8), 1.0, 1.0), ((3, 4), 0.5, 0.1)],
        },
    ];
    metres.iter().map(|metre| one(metre, sheets)).collect()
}

fn one(metre: &Metre, sheets: &[Sheet]) -> String {
    let count = metre.places.len();
    let mut first = vec![0.5 / count as f64; count];
    let mut last = vec![0.5 / count as f64; count];
    let mut next = vec![vec![0.0; 3 * count]; count];
    let mut place_of: BTreeMap<i64, usize> = BTreeMap::new();
    for (index, place) in metre.places.iter().enumerate() {
        place_of.insert(*place, index);
    }
    for &(signature, factor, weight) in metre.sources {
        for sheet in sheets.iter().filter(|sheet| sheet.signature == signature) {
            // At another scale one bar of the metre holds several of the sheet's; count each of its bars as the first.
            let in_one = (metre.bar as f64 / (sheet.bar as f64 * factor)).round() as i64;
            for shift in 0..in_one {
                let starts: Vec<(i64, usize)> = sheet
                    .notes
                    .iter()
                    .filter_map(|note| {
                        let at = ((note.0 + shift * sheet.bar) as f64 * factor).round() as i64;
                        let place = *place_of.get(&at.rem_euclid(metre.bar))?;
                        Some((at.div_euclid(metre.bar), place))
                    })
                    .collect();
                let weight = weight / in_one as f64;
                if let (Some(start), Some(end)) = (starts.first(), starts.last()) {
                    first[start.1] += weight;
                    last[end.1] += weight;
                }
                for pair in starts.windows(2) {
                    let bars = pair[1].0 - pair[0].0;
                    if (0..3).contains(&bars) {
                        next[pair[0].1][bars as usize * count + pair[1].1] += weight;
                    }
                }
            }
        }
    }
    let smooth = smoothed(metre, &next);
    let lower = metre.name;
    let costs = |row: &[f64]| -> Vec<u8> {
        let sum: f64 = row.iter().sum();
        row.iter().map(|value| cost(value / sum)).collect()
    };
    let ends = vec![costs(&first), costs(&last)];
    let rows: Vec<Vec<u8>> = smooth.iter().map(|row| costs(row)).collect();
    format!(
        "{}\n{}\n",
        constant(
            "Cost of the first and of the last note's place.",
            &format!("{lower}_ENDS"),
            &ends
        ),
        constant(
            "Cost of the next note's place (in this bar, the next, the one after), by this note's place.",
            &format!("{lower}_NEXT"),
            &rows
        )
    )
}

fn smoothed(metre: &Metre, next: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let count = metre.places.len();
    let distance = |from: usize, to: usize| {
        (to / count) as i64 * metre.bar + metre.places[to % count] - metre.places[from]
    };
    let mut by_place = vec![1.0; count];
    let mut by_distance: BTreeMap<i64, f64> = BTreeMap::new();
    for (from, row) in next.iter().enumerate() {
        for (to, value) in row.iter().enumerate() {
            by_place[to % count] += value;
            *by_distance.entry(distance(from, to)).or_insert(0.3) += value;
        }
    }
    next.iter()
        .enumerate()
        .map(|(from, row)| {
            let guess: Vec<f64> = (0..row.len())
                .map(|to| {
                    if distance(from, to) <= 0 {
                        0.0
                    } else {
                        by_place[to % count] * by_distance[&distance(from, to)]
                    }
                })
                .collect();
            let sum: f64 = guess.iter().sum();
            row.iter()
                .zip(&guess)
                .map(|(value, guess)| value + SMOOTHING * guess / sum)
                .collect()
        })
        .collect()
}
