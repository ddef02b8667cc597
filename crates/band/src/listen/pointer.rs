//! The bar-pointer HMM: finds at which place of the bar and at which tempo each sung note starts, as a Viterbi path.
//!
//! The bar-pointer model (Whiteley, Cemgil and Godsill, ISMIR 2006) moves a position through the bar at a tempo that drifts.
//! Only the starts of notes are observed, so this model has one state for each note: a place of the bar and a tempo. A step from one
//! note to the next costs
//!
//! - the cost of the next place in the learned tables (`bars`),
//! - the deviation of the time between the notes from their distance at that tempo, normally distributed,
//! - the change of tempo.
//!
//! A note may be skipped, at a cost, so that noise does not bend the beat. After a long distance between notes the pointer may jump
//! to any place of the bar, also at a cost: singers hold a last note or breathe for as long as they like.

use super::{
    bars::{BarModel, TICKS},
    pauses::median,
};

/// The factor between two tempi.
const TEMPO_STEP: f64 = 1.025;
/// Standard deviation of a note's time: a constant in seconds, and a share of the distance for rubato.
const TIMING_S: f64 = 0.030;
const TIMING_SHARE: f64 = 0.035;
/// The greatest standard deviation, for any distance.
const TIMING_MOST_S: f64 = 0.16;
/// Places further off than this many standard deviations are not tried.
const REACH: f64 = 3.2;

/// Cost of a change of tempo by 0, 1 and 2 steps.
const TEMPO_COST: [f32; 3] = [0.5, 1.9, 4.0];
/// Cost of skipping a note.
const SKIP_COST: f32 = 2.6;
/// Cost of a jump to a place that the tempo does not lead to, and of each e-fold by which it stretches or cuts the time before it.
const JUMP_COST: f32 = 2.5;
const STRETCH_COST: f32 = 1.0;
/// A jump is possible after this many times the median distance between notes, and after this many seconds at least.
const JUMP_GAP: f64 = 1.8;
const JUMP_GAP_S: f64 = 0.9;
/// Greatest factor by which a jump stretches or cuts the time before it.
const MOST_STRETCH: f64 = 2.0;
/// States that cost this much more than the best are dropped.
const BEAM: f32 = 9.0;

/// The path through the notes.
#[derive(Debug, Clone)]
pub(super) struct ViterbiPath {
    /// Tick from a downbeat at which each note starts; `None` for skipped notes.
    pub(super) ticks: Vec<Option<i64>>,
    /// Length of a quarter note in seconds, at each note.
    pub(super) quarter_s: Vec<f64>,
    /// Notes before which time was stretched or cut.
    pub(super) jumps: Vec<usize>,
    /// Cost of timing, tempo and skipped notes, in nats: all costs but those of the tables.
    pub(super) timing_cost: f32,
}

/// A band of tempi: quarter notes a minute.
pub(super) fn tempi(from_bpm: f64, to_bpm: f64) -> Vec<f64> {
    let count = ((to_bpm / from_bpm).ln() / TEMPO_STEP.ln()).ceil().max(0.0) as i32;
    (0..=count)
        .map(|step| 60.0 / (from_bpm * TEMPO_STEP.powi(step)))
        .collect()
}

/// One step back.
#[derive(Debug, Clone, Copy)]
struct Back {
    note: u32,
    state: u32,
    bars: u32,
    jumps: bool,
}

const NONE: Back = Back {
    note: u32::MAX,
    state: 0,
    bars: 0,
    jumps: false,
};

/// The cheapest path through the notes that start at `onsets_s`, within the quarter lengths given; `prior` is what each of
/// these costs to begin with. `None` with fewer than two notes or when no tempo fits.
pub(super) fn viterbi(
    onsets_s: &[f64],
    bar: &BarModel,
    quarters_s: &[f64],
    prior: &[f32],
) -> Option<ViterbiPath> {
    if onsets_s.len() < 2 || quarters_s.is_empty() {
        return None;
    }
    let places = bar.places.len();
    let states = places * quarters_s.len();
    let mut totals = vec![f32::INFINITY; states * onsets_s.len()];
    let mut backs = vec![NONE; states * onsets_s.len()];
    // The song may begin at its first note or, that being noise, at the second.
    for (note, dear) in [(0, 0.0), (1, SKIP_COST)] {
        for tempo in 0..quarters_s.len() {
            for place in 0..places {
                totals[note * states + tempo * places + place] =
                    dear + prior[tempo] + bar.first[place];
            }
        }
    }
    let reach = Reach::of(bar);
    let jump_gap_s = (JUMP_GAP * usual_gap(onsets_s)).max(JUMP_GAP_S);
    for note in 0..onsets_s.len() - 1 {
        let here = &totals[note * states..(note + 1) * states];
        let best = here.iter().copied().fold(f32::INFINITY, f32::min);
        let alive: Vec<(usize, f32)> = here
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, total)| *total < best + BEAM)
            .collect();
        for (next, dear) in [(note + 1, 0.0), (note + 2, SKIP_COST)] {
            let Some(onset_s) = onsets_s.get(next) else {
                continue;
            };
            let gap_s = onset_s - onsets_s[note];
            let spread_s = (TIMING_S.powi(2) + (TIMING_SHARE * gap_s).powi(2))
                .sqrt()
                .min(TIMING_MOST_S);
            let constant = spread_s.ln() as f32 + 0.919 + dear;
            let row = next * states..(next + 1) * states;
            let (totals, backs) = (&mut totals[row.clone()], &mut backs[row]);
            for &(state, total) in &alive {
                let (tempo, place) = (state / places, state % places);
                let mut arrive = |target: usize, cost: f32, bars, jumps| {
                    if cost < totals[target] {
                        totals[target] = cost;
                        backs[target] = Back {
                            note: note as u32,
                            state: state as u32,
                            bars: bars as u32,
                            jumps,
                        };
                    }
                };
                for change in -2i32..=2 {
                    let Some(after) = tempo
                        .checked_add_signed(change as isize)
                        .filter(|after| *after < quarters_s.len())
                    else {
                        continue;
                    };
                    let tick_s = (quarters_s[tempo] + quarters_s[after]) / (2 * TICKS) as f64;
                    let so_far = total + constant + TEMPO_COST[change.unsigned_abs() as usize];
                    let (distance, spread) = (gap_s / tick_s, spread_s / tick_s);
                    reach.each(place, distance, spread, |to, bars, off| {
                        let cost = so_far + 0.5 * (off * off) as f32 + bar.step(place, to, bars);
                        arrive(after * places + to, cost, bars, false);
                    });
                }
                if next > note + 1 || gap_s < jump_gap_s || total > best + BEAM - JUMP_COST {
                    continue;
                }
                let distance = gap_s * TICKS as f64 / quarters_s[tempo];
                for to in 0..places {
                    let Some((bars, stretch)) = nearest(bar, place, to, distance) else {
                        continue;
                    };
                    let cost =
                        total + JUMP_COST + STRETCH_COST * stretch + bar.step(place, to, bars);
                    arrive(tempo * places + to, cost, bars, true);
                }
            }
        }
    }
    trace(&totals, &backs, bar, quarters_s, onsets_s.len())
}

/// Median time from one note to the next.
fn usual_gap(onsets_s: &[f64]) -> f64 {
    let gaps = onsets_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
    median(gaps).expect("there are two notes at least")
}

/// The number of bars after which `to` is nearest to `distance` ticks after `from`, and the logarithm of the factor by which the
/// distance is stretched or cut; `None` where the factor would be too great.
fn nearest(bar: &BarModel, from: usize, to: usize, distance: f64) -> Option<(usize, f32)> {
    let within = bar.places[to] - bar.places[from];
    let bars = ((distance - within as f64) / bar.ticks as f64)
        .round()
        .max(0.0) as i64;
    let ticks = bars * bar.ticks + within;
    let stretch = (distance / ticks as f64).ln().abs();
    (ticks > 0 && stretch <= MOST_STRETCH.ln()).then_some((bars as usize, stretch as f32))
}

/// Finds the places near a distance from a place.
struct Reach {
    bar_ticks: i64,
    places: Vec<i64>,
    /// By tick within a bar: the first place at or after it (one past the last: the next bar's first).
    at_or_after: Vec<usize>,
}

impl Reach {
    fn of(bar: &BarModel) -> Self {
        Self {
            bar_ticks: bar.ticks,
            places: bar.places.clone(),
            at_or_after: (0..bar.ticks)
                .map(|tick| bar.places.partition_point(|place| *place < tick))
                .collect(),
        }
    }

    /// Calls `try_it` with each place near `distance` ticks from `place`: the place, how many bars on, how far off in
    /// standard deviations.
    fn each(
        &self,
        place: usize,
        distance: f64,
        spread: f64,
        mut try_it: impl FnMut(usize, usize, f64),
    ) {
        let from = self.places[place];
        let least = (from as f64 + distance - REACH * spread).ceil() as i64;
        let most = (from as f64 + distance + REACH * spread).floor() as i64;
        let least = least.max(from + 1);
        let mut bar = least.div_euclid(self.bar_ticks);
        let mut to = self.at_or_after[least.rem_euclid(self.bar_ticks) as usize];
        loop {
            if to == self.places.len() {
                to = 0;
                bar += 1;
            }
            let tick = bar * self.bar_ticks + self.places[to];
            if tick > most {
                return;
            }
            let off = ((tick - from) as f64 - distance) / spread;
            try_it(to, bar.max(0) as usize, off);
            to += 1;
        }
    }
}

fn trace(
    totals: &[f32],
    backs: &[Back],
    bar: &BarModel,
    quarters_s: &[f64],
    notes: usize,
) -> Option<ViterbiPath> {
    let places = bar.places.len();
    let states = places * quarters_s.len();
    let mut best: Option<(usize, usize, f32)> = None;
    for (note, dear) in [(notes - 1, 0.0), (notes - 2, SKIP_COST)] {
        for state in 0..states {
            let total = totals[note * states + state] + dear + bar.last[state % places];
            if total.is_finite() && best.is_none_or(|(_, _, least)| total < least) {
                best = Some((note, state, total));
            }
        }
    }
    let (mut note, mut state, total) = best?;
    let mut found: Vec<(usize, usize, usize)> = Vec::new();
    let mut jumps = Vec::new();
    loop {
        let back = backs[note * states + state];
        // The song may begin at either of the first two notes; the trace ends where there is no step back.
        found.push((note, state, back.bars as usize));
        if back.jumps {
            jumps.push(note);
        }
        if back.note == u32::MAX {
            break;
        }
        (note, state) = (back.note as usize, back.state as usize);
    }
    found.reverse();
    jumps.reverse();
    let mut ticks = vec![None; notes];
    let mut quarter_s = vec![quarters_s[found[0].1 / places]; notes];
    let mut bars = 0i64;
    let mut starts = Vec::with_capacity(found.len());
    for (index, &(note, state, on)) in found.iter().enumerate() {
        if index > 0 {
            bars += on as i64;
        }
        let tick = bars * bar.ticks + bar.places[state % places];
        ticks[note] = Some(tick);
        starts.push(tick);
        quarter_s[note..].fill(quarters_s[state / places]);
    }
    Some(ViterbiPath {
        timing_cost: total - bar.cost(&starts),
        ticks,
        quarter_s,
        jumps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Metre;

    #[test]
    fn a_waltz_that_slows_down_keeps_its_places() {
        let bar = BarModel::new(Metre::ThreeFour);
        let ticks: Vec<i64> = (0..10)
            .flat_map(|pair| [0, 12, 24, 36, 60, 66].map(|tick| pair * 72 + tick))
            .chain([720])
            .collect();
        let mut now = 0.7;
        let mut before = 0;
        let onsets: Vec<f64> = ticks
            .iter()
            .map(|tick| {
                let quarter_s = 0.5 * (1.0 + *tick as f64 / 720.0 * 0.3);
                now += (tick - before) as f64 / 12.0 * quarter_s;
                before = *tick;
                now
            })
            .collect();
        let quarters = tempi(80.0, 140.0);
        let path = viterbi(&onsets, &bar, &quarters, &vec![0.0; quarters.len()]).expect("a path");
        let found: Vec<i64> = path.ticks.iter().flatten().copied().collect();
        assert_eq!(found, ticks);
        assert!(
            (path.quarter_s[2] - 0.5).abs() < 0.04,
            "{:?}",
            path.quarter_s
        );
        assert!(
            (path.quarter_s[57] - 0.64).abs() < 0.05,
            "{:?}",
            path.quarter_s
        );
    }

    #[test]
    fn a_stray_note_is_passed_over() {
        let bar = BarModel::new(Metre::FourFour);
        let mut onsets: Vec<f64> = (0..32).map(|beat| f64::from(beat) * 0.6).collect();
        onsets.insert(9, 8.0 * 0.6 + 0.07);
        let quarters = tempi(90.0, 110.0);
        let path = viterbi(&onsets, &bar, &quarters, &vec![0.0; quarters.len()]).expect("a path");
        assert_eq!(path.ticks[9], None, "{:?}", path.ticks);
        assert_eq!(path.ticks.iter().flatten().count(), 32);
    }

    #[test]
    fn a_phrase_may_start_late_and_the_bars_go_on_from_it() {
        let bar = BarModel::new(Metre::FourFour);
        // Phrases of two bars end on a minim; after the second the singer takes three quarters of a second longer.
        let mut onsets = Vec::new();
        let mut ticks = Vec::new();
        for phrase in 0..6i64 {
            for tick in [0, 12, 24, 36, 48, 60, 72] {
                ticks.push(phrase * 96 + tick);
                let late_s = if phrase > 1 { 0.75 } else { 0.0 };
                onsets.push((phrase * 96 + tick) as f64 / 12.0 * 0.5 + late_s);
            }
        }
        let quarters = tempi(100.0, 140.0);
        let path = viterbi(&onsets, &bar, &quarters, &vec![0.0; quarters.len()]).expect("a path");
        // This search does not find where the bars begin.
        let placed: Vec<i64> = path.ticks.iter().flatten().copied().collect();
        let found: Vec<i64> = placed.iter().map(|tick| tick - placed[0]).collect();
        assert_eq!(found, ticks);
        assert_eq!(path.jumps, [14]);
    }

    #[test]
    fn one_note_has_no_path() {
        let bar = BarModel::new(Metre::FourFour);
        assert!(viterbi(&[1.0], &bar, &tempi(60.0, 90.0), &[0.0; 99]).is_none());
    }
}
