//! Features of a hypothesis about the bars, beside its costs: where its notes start, last, leap, return and end.
//!
//! [`features`] describes one hypothesis by numbers of about the same size for any length of song; `classifier` weighs them.
//! Shares are 0..1, lengths natural logarithms of beats, leaps and heights semitones.

use crate::analysis::Note;

use super::{
    bars::{BarModel, METRES, TICKS},
    pauses::{HELD, is_after_rest},
};

/// How many numbers describe a hypothesis.
pub(super) const FEATURES: usize = 82;

/// A return of the melody is searched for this many beats later, and this many half bars later.
const BEATS_ON: [i64; 8] = [1, 2, 3, 4, 6, 8, 12, 16];
const HALF_BARS_ON: [i64; 5] = [1, 2, 4, 8, 16];
/// Pauses are counted that lie a multiple of this many beats apart, or of this many bars.
const BEATS_APART: [f32; 5] = [2.0, 3.0, 4.0, 6.0, 8.0];
const BARS_APART: [f32; 3] = [1.0, 2.0, 4.0];
/// Returns are searched for in steps of an eighth.
const CELL: i64 = TICKS / 2;
/// The search for returns ends after this many eighths.
const MOST_CELLS: i64 = 40_000;
/// A note at its place in the hypothesis.
#[derive(Debug, Clone, Copy)]
struct Placed {
    tick: i64,
    /// To the next note's start, and while it sounds; in beats.
    gap: f32,
    length: f32,
    midi: i16,
    /// Whether a rest or a held note lies before it.
    after_pause: bool,
}

/// The features of the hypothesis that `notes` start at `ticks` from a downbeat (`None`: the note is skipped) in bars of `bar`, with
/// beats of `beat_s`; `costs` are the total costs of timing, rhythm and chords, and time was stretched or cut before `jumps` of the notes.
pub(super) fn features(
    notes: &[Note],
    ticks: impl Iterator<Item = Option<i64>>,
    bar: &BarModel,
    beat_s: f64,
    costs: [f32; 3],
    jumps: usize,
) -> [f32; FEATURES] {
    let placed = place(notes, ticks, bar, beat_s);
    let mut row = Row::default();
    for metre in METRES {
        row.add(f32::from(metre == bar.metre));
    }
    row.add((60.0 / beat_s / 100.0).log2() as f32);
    row.add((placed.len().max(1) as f32).ln());
    row.add(1.0 - share(placed.len(), notes.len()));
    starts(&mut row, &placed, bar);
    returns(&mut row, &placed, bar);
    pause_distances(&mut row, &placed, bar);
    ends(&mut row, &placed, bar);
    heights(&mut row, &placed, bar);
    for cost in costs {
        row.add(cost / placed.len().max(1) as f32);
    }
    row.add(share(jumps, placed.len()));
    row.numbers
}

/// A row that is being written.
#[derive(Debug)]
struct Row {
    numbers: [f32; FEATURES],
    count: usize,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            numbers: [0.0; FEATURES],
            count: 0,
        }
    }
}

impl Row {
    fn add(&mut self, number: f32) {
        self.numbers[self.count] = number;
        self.count += 1;
    }
}

fn share(part: usize, whole: usize) -> f32 {
    part as f32 / whole.max(1) as f32
}

fn place(
    notes: &[Note],
    ticks: impl Iterator<Item = Option<i64>>,
    bar: &BarModel,
    beat_s: f64,
) -> Vec<Placed> {
    let kept: Vec<(&Note, i64)> = notes
        .iter()
        .zip(ticks)
        .filter_map(|(note, tick)| Some((note, tick?)))
        .collect();
    let mut placed: Vec<Placed> = (0..kept.len())
        .map(|at| {
            let (note, tick) = kept[at];
            let next = kept
                .get(at + 1)
                .map_or(2 * bar.beat, |(_, next)| next - tick);
            Placed {
                tick,
                gap: next as f32 / bar.beat as f32,
                length: ((note.offset_s - note.onset_s) / beat_s) as f32,
                midi: i16::from(note.meant),
                after_pause: at == 0 || is_after_rest(kept[at - 1].0, note),
            }
        })
        .collect();
    let usual = median(placed.iter().map(|note| note.gap));
    for at in 1..placed.len() {
        placed[at].after_pause |= placed[at - 1].gap > HELD as f32 * usual;
    }
    placed
}

fn median(values: impl Iterator<Item = f32>) -> f32 {
    let mut values: Vec<f32> = values.collect();
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// The mean over the notes that are `chosen`, less the mean over all; 0 when none is.
fn stands_out(
    placed: &[Placed],
    value: impl Fn(usize) -> f32,
    chosen: impl Fn(&Placed) -> bool,
) -> f32 {
    let (mut sum, mut count, mut whole) = (0.0, 0usize, 0.0);
    for (at, note) in placed.iter().enumerate() {
        let value = value(at);
        whole += value;
        if chosen(note) {
            sum += value;
            count += 1;
        }
    }
    if count == 0 {
        return 0.0;
    }
    sum / count as f32 - whole / placed.len() as f32
}

/// Where notes start, and where the long ones do.
fn starts(row: &mut Row, placed: &[Placed], bar: &BarModel) {
    let count = placed.len();
    let within = |note: &Placed| note.tick.rem_euclid(bar.beat);
    let on_beat = |note: &Placed| within(note) == 0;
    let starts_on = |note: &Placed, beat: i64| note.tick.rem_euclid(bar.ticks) == beat * bar.beat;
    let number = |wanted: &dyn Fn(&Placed) -> bool| placed.iter().filter(|n| wanted(n)).count();
    let span = match (placed.first(), placed.last()) {
        (Some(first), Some(last)) => (last.tick - first.tick) as f32 / bar.beat as f32,
        _ => 0.0,
    };
    row.add((count.max(1) as f32 / span.max(1.0)).ln());
    let beats = number(&on_beat);
    let halves = number(&|note| within(note) * 2 == bar.beat);
    // Triplets, or the eighths of 6/8.
    let thirds = number(&|note| !on_beat(note) && within(note) * 3 % bar.beat == 0);
    row.add(share(beats, count));
    row.add(share(halves, count));
    row.add(share(thirds, count));
    row.add(share(count - beats - halves - thirds, count));
    for beat in 0..4 {
        row.add(share(number(&|note| starts_on(note, beat)), count));
    }
    let log_gap = |at: usize| placed[at].gap.clamp(0.1, 8.0).ln();
    for beat in 0..4 {
        row.add(stands_out(placed, log_gap, |note| starts_on(note, beat)));
    }
    row.add(stands_out(placed, log_gap, |note| !on_beat(note)));
    let log_length = |at: usize| placed[at].length.clamp(0.1, 8.0).ln();
    row.add(stands_out(placed, log_length, |note| starts_on(note, 0)));
    row.add(stands_out(placed, log_length, |note| !on_beat(note)));
    let usual = median(placed.iter().map(|note| note.gap));
    let long = |note: &Placed| note.gap >= HELD as f32 * usual;
    let all_long = number(&long);
    let middle = bar.beats() as i64 / 2;
    row.add(share(
        number(&|note| long(note) && starts_on(note, 0)),
        all_long,
    ));
    row.add(share(
        number(&|note| long(note) && on_beat(note) && !starts_on(note, 0)),
        all_long,
    ));
    row.add(share(
        number(&|note| long(note) && starts_on(note, middle)),
        all_long,
    ));
    // In how many bars a note starts on each beat, and at the half.
    let bars = match (placed.first(), placed.last()) {
        (Some(first), Some(last)) => {
            last.tick.div_euclid(bar.ticks) - first.tick.div_euclid(bar.ticks) + 1
        }
        _ => 1,
    } as usize;
    for beat in 0..4 {
        row.add(share(number(&|note| starts_on(note, beat)), bars));
    }
    let half = number(&|note| note.tick.rem_euclid(bar.ticks) * 2 == bar.ticks);
    row.add(share(half, bars));
}

/// How far the melody equals itself some beats and some bars later: in the starts of its notes, and in their pitch classes.
fn returns(row: &mut Row, placed: &[Placed], bar: &BarModel) {
    let first = placed.first().map_or(0, |note| note.tick);
    let last = placed.last().map_or(0, |note| note.tick);
    let cells = ((last - first) / CELL + 1).clamp(0, MOST_CELLS) as usize;
    let mut line: Vec<Option<i16>> = vec![None; cells];
    for note in placed {
        let cell = ((note.tick - first + CELL / 2) / CELL) as usize;
        if let Some(slot) = line.get_mut(cell) {
            *slot = Some(note.midi % 12);
        }
    }
    let beats = BEATS_ON.map(|beats| beats * bar.beat);
    let halves = HALF_BARS_ON.map(|halves| halves * bar.ticks / 2);
    for lag in beats.into_iter().chain(halves) {
        let later = line.get((lag / CELL) as usize..).unwrap_or(&[]);
        let (mut starts, mut both, mut same) = (0usize, 0usize, 0usize);
        for (now, then) in line.iter().zip(later) {
            starts += usize::from(now.is_some()) + usize::from(then.is_some());
            both += usize::from(now.is_some() && then.is_some());
            same += usize::from(now.is_some() && now == then);
        }
        // A few cells prove nothing.
        let enough = later.len() > 8;
        row.add(if enough { share(2 * both, starts) } else { 0.0 });
        row.add(if enough { share(same, both) } else { 0.0 });
    }
}

/// The shares of neighbouring pauses that lie whole numbers of beats and of bars apart.
fn pause_distances(row: &mut Row, placed: &[Placed], bar: &BarModel) {
    let after_pauses: Vec<i64> = placed
        .iter()
        .filter(|note| note.after_pause)
        .map(|note| note.tick)
        .collect();
    let even = |unit: i64, times: f32, slack: f32| {
        let whole = after_pauses
            .windows(2)
            .filter(|pair| {
                let units = (pair[1] - pair[0]) as f32 / unit as f32 / times;
                (units - units.round()).abs() * times < slack
            })
            .count();
        share(whole, after_pauses.len().saturating_sub(1))
    };
    for beats in BEATS_APART {
        row.add(even(bar.beat, beats, 0.26));
    }
    for bars in BARS_APART {
        row.add(even(bar.ticks, bars, 0.02));
    }
}

/// How many bars there are, and where in them the song begins and ends.
fn ends(row: &mut Row, placed: &[Placed], bar: &BarModel) {
    let (Some(first), Some(last)) = (placed.first(), placed.last()) else {
        return (0..8).for_each(|_| row.add(0.0));
    };
    let bars = last.tick.div_euclid(bar.ticks) + 1 - (first.tick + bar.ticks / 2) / bar.ticks;
    for whole in [2, 4, 8] {
        row.add(f32::from(bars % whole == 0));
    }
    row.add((bars.max(1) as f32).ln());
    row.add(f32::from(last.tick.rem_euclid(bar.ticks) == 0));
    row.add(f32::from(last.tick.rem_euclid(bar.beat) == 0));
    row.add(f32::from(first.tick.rem_euclid(bar.ticks) == 0));
    row.add((-first.tick).rem_euclid(bar.ticks) as f32 / bar.ticks as f32);
}

/// How the melody moves into the beats and how high it is there.
fn heights(row: &mut Row, placed: &[Placed], bar: &BarModel) {
    let leap = |at: usize| {
        let before = placed[at.saturating_sub(1)].midi;
        f32::from((placed[at].midi - before).abs())
    };
    let down = |note: &Placed| note.tick.rem_euclid(bar.ticks) == 0;
    let on_beat = |note: &Placed| note.tick.rem_euclid(bar.beat) == 0;
    row.add(stands_out(placed, leap, down));
    row.add(stands_out(placed, |at| f32::from(leap(at) == 0.0), down));
    row.add(stands_out(placed, leap, |note| {
        on_beat(note) && !down(note)
    }));
    let height = |at: usize| f32::from(placed[at].midi);
    row.add(stands_out(placed, height, down));
    row.add(stands_out(placed, height, |note| !on_beat(note)));
}
