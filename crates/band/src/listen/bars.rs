//! The bar of each metre as the learned tables describe it: the places at which notes may start, and the cost of each next place.

use crate::analysis::Metre;

use super::tables;

/// Ticks of a quarter note: divides into sixteenths and triplets.
pub(super) const TICKS: i64 = 12;

/// Bars that the tables cover: the note's own, the next, the one after.
pub(super) const AHEAD: usize = 3;

/// Cost in nats of a start where the tables have none.
const NOWHERE: f32 = 16.0;

/// All metres, in the order of the tables.
pub(super) const METRES: [Metre; 4] = [
    Metre::TwoFour,
    Metre::ThreeFour,
    Metre::FourFour,
    Metre::SixEight,
];

/// One metre's bar.
#[derive(Debug)]
pub(super) struct BarModel {
    pub(super) metre: Metre,
    /// Length in ticks.
    pub(super) ticks: i64,
    /// Length of a beat in ticks.
    pub(super) beat: i64,
    /// Ticks at which a note may start, in order.
    pub(super) places: Vec<i64>,
    /// Cost in nats of the first note's place.
    pub(super) first: Vec<f32>,
    /// Cost in nats of the last note's place.
    pub(super) last: Vec<f32>,
    /// Cost in nats of the next place, by place: [`AHEAD`] bars of places.
    pub(super) next: Vec<Vec<f32>>,
}

impl BarModel {
    pub(super) fn new(metre: Metre) -> Self {
        let simple = |quarters: i64| -> Vec<i64> {
            (0..quarters)
                .flat_map(|quarter| [0, 3, 4, 6, 8, 9].map(|tick| quarter * TICKS + tick))
                .collect()
        };
        match metre {
            Metre::TwoFour => Self::of(
                metre,
                (24, TICKS),
                simple(2),
                &tables::TWO_FOUR_ENDS,
                &tables::TWO_FOUR_NEXT,
            ),
            Metre::ThreeFour => Self::of(
                metre,
                (36, TICKS),
                simple(3),
                &tables::THREE_FOUR_ENDS,
                &tables::THREE_FOUR_NEXT,
            ),
            Metre::FourFour => Self::of(
                metre,
                (48, TICKS),
                simple(4),
                &tables::FOUR_FOUR_ENDS,
                &tables::FOUR_FOUR_NEXT,
            ),
            Metre::SixEight => Self::of(
                metre,
                (36, TICKS * 3 / 2),
                (0..12).map(|sixteenth| sixteenth * 3).collect(),
                &tables::SIX_EIGHT_ENDS,
                &tables::SIX_EIGHT_NEXT,
            ),
        }
    }

    fn of<const PLACES: usize, const WIDE: usize>(
        metre: Metre,
        (ticks, beat): (i64, i64),
        places: Vec<i64>,
        ends: &[[u8; PLACES]; 2],
        next: &[[u8; WIDE]; PLACES],
    ) -> Self {
        let nats =
            |row: &[u8]| -> Vec<f32> { row.iter().map(|cost| f32::from(*cost) / 16.0).collect() };
        Self {
            metre,
            ticks,
            beat,
            places,
            first: nats(&ends[0]),
            last: nats(&ends[1]),
            next: next.iter().map(|row| nats(row)).collect(),
        }
    }

    /// Beats in a bar.
    pub(super) fn beats(&self) -> usize {
        usize::from(self.metre.beats())
    }

    /// The place of a tick, if notes may start there.
    pub(super) fn place_of(&self, tick: i64) -> Option<usize> {
        self.places.binary_search(&tick.rem_euclid(self.ticks)).ok()
    }

    /// Cost in nats of a song whose notes start here (ticks from a downbeat, in order).
    pub(super) fn cost(&self, starts: &[i64]) -> f32 {
        let place = |tick: i64| self.place_of(tick);
        let (first, last) = self.ends(starts);
        let mut sum = first + last;
        for pair in starts.windows(2) {
            sum += match (place(pair[0]), place(pair[1])) {
                (Some(from), Some(to)) => self.step(from, to, self.bars_between(pair[0], pair[1])),
                _ => NOWHERE,
            };
        }
        sum
    }

    /// Costs in nats of the places of the first note and of the last.
    pub(super) fn ends(&self, starts: &[i64]) -> (f32, f32) {
        let cost = |tick: Option<&i64>, costs: &[f32]| {
            tick.map_or(0.0, |tick| {
                self.place_of(*tick).map_or(NOWHERE, |place| costs[place])
            })
        };
        (
            cost(starts.first(), &self.first),
            cost(starts.last(), &self.last),
        )
    }

    fn bars_between(&self, from: i64, to: i64) -> usize {
        (to.div_euclid(self.ticks) - from.div_euclid(self.ticks)).max(0) as usize
    }

    /// Cost of the step from one place to another, so many bars later. Beyond the tables each bar costs a little more.
    pub(super) fn step(&self, from: usize, to: usize, bars: usize) -> f32 {
        let near = bars.min(AHEAD - 1);
        self.next[from][near * self.places.len() + to] + (bars - near) as f32 * 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_tables_is_a_distribution() {
        for metre in METRES {
            let bar = BarModel::new(metre);
            for row in bar.next.iter().chain([&bar.first, &bar.last]) {
                let sum: f32 = row.iter().map(|cost| (-cost).exp()).sum();
                assert!((0.9..1.1).contains(&sum), "{metre:?}: {sum}");
            }
        }
    }

    #[test]
    fn a_tune_in_three_costs_least_in_three() {
        // Three crotchets, then minim and crotchet, over and over.
        let starts: Vec<i64> = (0..8)
            .flat_map(|pair| [0, 12, 24, 36, 60].map(|tick| pair * 72 + tick))
            .collect();
        let costs = METRES.map(|metre| BarModel::new(metre).cost(&starts));
        let least = (0..4)
            .min_by(|a, b| costs[*a].total_cmp(&costs[*b]))
            .expect("four");
        assert_eq!(METRES[least], Metre::ThreeFour, "{costs:?}");
    }
}
