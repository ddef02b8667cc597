//! Metre, tempo and downbeats: many hypotheses, each walked by the bar pointer, weighed by rhythm, harmony and habit.
//!
//! For every metre and three bands of tempo the pointer finds its cheapest walk; every walk is then tried with its bar lines
//! on each beat. What decides among them is the sum of
//!
//! - timing and rhythm, as the pointer has them,
//! - the gain of hearing chords that change where chords change in that metre (`chord_fit`),
//! - how common the metre and the tempo are, and what the tags ask for.

use crate::analysis::{Hints, Metre, Note};

use super::{
    bars::{Bar, METRES, TICKS},
    chord_fit::{ChordModel, ScoreNote},
    pointer::{Walk, tempi, walk},
};

/// Bands of quarter notes a minute that are walked apart, so that double and half tempo both get a hearing.
const BANDS_BPM: [(f64, f64); 3] = [(54.0, 84.0), (80.0, 124.0), (118.0, 198.0)];

/// What a metre costs before anything is heard, in nats.
fn metre_cost(metre: Metre) -> f32 {
    match metre {
        Metre::FourFour => 0.0,
        Metre::ThreeFour => 0.7,
        Metre::TwoFour => 2.0,
        Metre::SixEight => 1.5,
    }
}

/// The middle of the tempi people sing at, in beats a minute, and its spread in octaves.
fn usual_bpm(metre: Metre) -> (f64, f64) {
    match metre {
        Metre::SixEight => (72.0, 0.4),
        _ => (100.0, 0.4),
    }
}

/// How much timing and rhythm, chords, and habits of tempo count.
const RHYTHM_WEIGHT: f32 = 0.5;
const CHORD_WEIGHT: f32 = 1.0;
const HABIT_WEIGHT: f32 = 2.0;
/// What it costs to go against a metre that the tags ask for.
const AGAINST_HINT: f32 = 25.0;

/// The bars that explain the notes best.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) bar: Bar,
    /// Tick from a downbeat and time of each note that counts.
    pub(super) notes: Vec<(i64, f64)>,
    /// Median length of a beat in seconds.
    pub(super) beat_s: f64,
    /// How sure the tempo is, 0..1.
    pub(super) sure_of_beats: f32,
    /// How sure metre and downbeats are, 0..1.
    pub(super) sure_of_metre: f32,
}

/// One way to hear the notes.
#[derive(Debug, Clone)]
struct Hypothesis {
    /// Which metre and which walk.
    metre: usize,
    walk: usize,
    shift: i64,
    cost: f32,
    beat_s: f64,
}

/// Hears metre, tempo and downbeats; `tonic` is that of the major key with the song's signature. `None` with fewer than
/// four notes.
pub(super) fn hear(notes: &[Note], tonic: u8, hints: &Hints) -> Option<Heard> {
    if notes.len() < 4 {
        return None;
    }
    let onsets: Vec<f64> = notes.iter().map(|note| note.onset_s).collect();
    let model = ChordModel::new();
    let mut walks: Vec<Walk> = Vec::new();
    let mut found: Vec<Hypothesis> = Vec::new();
    for (index, metre) in METRES.into_iter().enumerate() {
        let bar = Bar::new(metre);
        for band in BANDS_BPM {
            let quarters = tempi(band.0, band.1);
            let prior: Vec<f32> = quarters
                .iter()
                .map(|quarter_s| habit(*quarter_s, &bar, hints))
                .collect();
            let Some(walk) = walk(&onsets, &bar, &quarters, &prior) else {
                continue;
            };
            try_shifts(
                &walk,
                walks.len(),
                index,
                &bar,
                notes,
                tonic,
                &model,
                hints,
                &mut found,
            );
            walks.push(walk);
        }
    }
    found.sort_by(|a, b| a.cost.total_cmp(&b.cost));
    let best = found.first()?.clone();
    let rival = |differs: &dyn Fn(&Hypothesis) -> bool| {
        let next = found.iter().find(|other| differs(other));
        next.map_or(1.0, |next| 1.0 - (-(next.cost - best.cost) / 6.0).exp())
    };
    let sure_of_beats = rival(&|other| (other.beat_s / best.beat_s).ln().abs() > 0.06);
    let sure_of_metre = rival(&|other| {
        (other.beat_s / best.beat_s).ln().abs() <= 0.06
            && (other.metre != best.metre || other.shift != best.shift)
    });
    let walk = &walks[best.walk];
    let heard = (notes.len() as f32 / 16.0).min(1.0);
    Some(Heard {
        bar: Bar::new(METRES[best.metre]),
        notes: walk
            .ticks
            .iter()
            .zip(&onsets)
            .filter_map(|(tick, onset_s)| Some(((*tick)? + best.shift, *onset_s)))
            .collect(),
        beat_s: best.beat_s,
        sure_of_beats: sure_of_beats * heard,
        sure_of_metre: sure_of_metre.min(sure_of_beats.max(0.3)) * heard,
    })
}

/// What a tempo costs by habit and by what the tags ask for, in nats.
fn habit(quarter_s: f64, bar: &Bar, hints: &Hints) -> f32 {
    let bpm = 60.0 / (quarter_s * bar.beat as f64 / TICKS as f64);
    let (middle, spread) = usual_bpm(bar.metre);
    let mut cost = 0.5 * ((bpm / middle).log2() / spread).powi(2);
    if let Some(asked) = hints.tempo_bpm.filter(|asked| *asked > 0.0) {
        // The tags' tempo counts as right within a few percent, and tells which octave is meant.
        cost = (4.0 * ((bpm / asked).log2() / 0.06).powi(2)).min(12.0);
    }
    cost as f32
}

#[expect(
    clippy::too_many_arguments,
    reason = "one step of `hear`, apart for its length"
)]
fn try_shifts(
    walk: &Walk,
    walk_index: usize,
    metre: usize,
    bar: &Bar,
    notes: &[Note],
    tonic: u8,
    model: &ChordModel,
    hints: &Hints,
    found: &mut Vec<Hypothesis>,
) {
    let starts: Vec<i64> = walk.ticks.iter().flatten().copied().collect();
    let mut quarters = walk.quarter_s.clone();
    let middle = quarters.len() / 2;
    let (_, quarter_s, _) = quarters.select_nth_unstable_by(middle, f64::total_cmp);
    let quarter_s = *quarter_s;
    let score = in_score_time(walk, notes);
    let against = match hints.metre {
        Some(asked) if asked != bar.metre => AGAINST_HINT,
        _ => 0.0,
    };
    let weight = (quarter_s / 0.6) as f32 / TICKS as f32;
    for beat in 0..bar.beats() as i64 {
        let shift = beat * bar.beat;
        let shifted: Vec<i64> = starts.iter().map(|tick| tick + shift).collect();
        let cost = RHYTHM_WEIGHT * (walk.timing_cost + bar.cost(&shifted))
            - CHORD_WEIGHT * model.gain(&score, bar, shift, tonic, weight)
            + HABIT_WEIGHT * (metre_cost(bar.metre) + habit(quarter_s, bar, hints))
            + against;
        found.push(Hypothesis {
            metre,
            walk: walk_index,
            shift,
            cost,
            beat_s: quarter_s * bar.beat as f64 / TICKS as f64,
        });
    }
}

/// The notes in ticks.
fn in_score_time(walk: &Walk, notes: &[Note]) -> Vec<ScoreNote> {
    walk.ticks
        .iter()
        .zip(notes)
        .zip(&walk.quarter_s)
        .filter_map(|((tick, note), quarter_s)| {
            let ticks = (note.offset_s - note.onset_s) / quarter_s * TICKS as f64;
            Some(ScoreNote {
                tick: (*tick)?,
                ticks: (ticks.round() as i64).clamp(1, 96),
                class: note.midi % 12,
            })
        })
        .collect()
}
