//! Finds metre, tempo and downbeats: scores many hypotheses by rhythm, harmony and prior, and takes the most likely one.
//!
//! For every metre and three bands of tempo the bar pointer finds its Viterbi path. Every path is then tried with its bar lines on
//! each beat. Each of these hypotheses has
//!
//! - costs: timing and rhythm of the path, the gain of chords that change where chords change in that metre (`chord_fit`), how rare
//!   the metre and the tempo are, and a few more;
//! - features: where its notes start, last, leap, return and end (`features`).
//!
//! The learned weights of both (`classifier`) and the tags decide. None of this separates 2/4 from 4/4 reliably: 2/4 is usually
//! reported as 4/4 with the same beat.

use crate::analysis::{Hints, Metre, Note};

use super::{
    bars::{BarModel, METRES, TICKS},
    chord_fit::{ChordModel, SungNote},
    classifier::{COSTS, log_odds},
    features::{FEATURES, features},
    key::ChordEvidence,
    pauses::{held_s, is_after_rest},
    pointer::{ViterbiPath, tempi, viterbi},
};

/// Bands of quarter notes a minute with a path each, so that double and half tempo are both hypotheses.
const BANDS_BPM: [(f64, f64); 4] = [(40.0, 58.0), (54.0, 84.0), (80.0, 124.0), (118.0, 198.0)];

/// The mean of the tempi people sing at, in beats a minute, and its standard deviation in octaves.
fn usual_bpm(metre: Metre) -> (f64, f64) {
    match metre {
        Metre::SixEight => (72.0, 0.4),
        _ => (100.0, 0.4),
    }
}

/// Slow songs are more common than fast ones at the same distance from the mean: the factor of the deviation below it. The tempo of
/// 12 of 14 songs generated at 45 to 74 beats a minute is found (10 without the factor), and of 13 of 16 at 72 to 150 (14 without).
const SLOWER: f64 = 1.5;

/// Prior cost of a metre, in nats: the tunes that the classifier learned from are in 3/4 and 6/8 more often than the songs that
/// people sing to a band.
fn metre_cost(metre: Metre) -> f32 {
    match metre {
        Metre::TwoFour | Metre::FourFour => 0.0,
        Metre::ThreeFour => 0.7,
        Metre::SixEight => 0.9,
    }
}

/// Cost in nats of a metre other than the one in the tags.
const AGAINST_HINT: f32 = 25.0;
/// A tempo in the tags is refused when the best hypothesis in it costs this much more than the best of all, in nats. Another octave
/// of the same tempo is allowed more: a listener may count either. Nine recordings at 3/4 and 4/3 of their tempo cost 7 more, mostly.
const TOO_FAR: f32 = 6.0;
const TOO_FAR_IN_OCTAVES: f32 = 14.0;
/// Below this confidence of the tempo the tags are not refused.
const UNSURE_TEMPO: f32 = 0.4;
/// Two tempi within this distance are the same, in octaves: 4 %.
const SAME_TEMPO: f64 = 0.057;
/// The band of tempi around the one in the tags, as a factor, and the limits of a tempo in the tags.
const ASKED_BAND: f64 = 1.04;
const SLOWEST_ASKED_BPM: f64 = 30.0;
const FASTEST_ASKED_BPM: f64 = 300.0;

/// The bars that explain the notes best.
#[derive(Debug)]
pub(super) struct MetreEstimate {
    pub(super) bar: BarModel,
    /// Tick from a downbeat and time of each note that counts.
    pub(super) notes: Vec<(i64, f64)>,
    /// Indices of notes before which the time was stretched or cut.
    pub(super) jumps: Vec<usize>,
    /// Median length of a beat in seconds.
    pub(super) beat_s: f64,
    /// Log-likelihood of the chords in each key, given these bars.
    pub(super) chords: ChordEvidence,
    /// Confidence of the tempo, 0..1.
    pub(super) sure_of_beats: f32,
    /// Confidence of metre and downbeats, 0..1.
    pub(super) sure_of_metre: f32,
    /// Whether the singing does not fit the tempo in the tags.
    pub(super) tempo_refused: bool,
}

/// One hypothesis: a path, and where its bar lines are.
#[derive(Debug, Clone)]
pub(super) struct Hypothesis {
    /// Which metre and which path.
    pub(super) metre: usize,
    pub(super) path: usize,
    /// Ticks from the path's bar lines back to the hypothesis's.
    pub(super) shift: i64,
    /// Length of a beat in seconds: the median of the path's tempi, and the mean between its first note and its last.
    pub(super) beat_s: f64,
    mean_beat_s: f64,
    /// Its costs, in the order of [`COSTS`], and its features.
    pub(super) costs: [f32; COSTS],
    pub(super) features: [f32; FEATURES],
    /// Prior cost of its metre, and cost of a metre other than in the tags, in nats.
    against: f32,
}

impl Hypothesis {
    /// The total cost, in nats: the hypothesis with the least is chosen.
    pub(super) fn cost(&self) -> f32 {
        self.against - log_odds(&self.costs, &self.features)
    }
}

/// Hypotheses, each with what it costs.
struct Costed(Vec<(f32, Hypothesis)>);

impl Costed {
    fn best(&self) -> Option<&(f32, Hypothesis)> {
        self.0.iter().min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// The probability that one of the hypotheses that agree is true.
    fn likely(&self, agrees: impl Fn(&Hypothesis) -> bool) -> f32 {
        let least = self.best().map_or(0.0, |(least, _)| *least);
        let chance = |(cost, _): &(f32, Hypothesis)| (least - cost).exp();
        let agreeing = self.0.iter().filter(|(_, one)| agrees(one));
        let all: f32 = self.0.iter().map(chance).sum();
        agreeing.map(chance).sum::<f32>() / all.max(f32::MIN_POSITIVE)
    }
}

fn same_beat(one: &Hypothesis, other: &Hypothesis) -> bool {
    (one.beat_s / other.beat_s).ln().abs() <= 0.06
}

/// Finds metre, tempo and downbeats; `tonic` is that of the major key with the song's signature. `None` with fewer than four notes.
pub(super) fn estimate(notes: &[Note], tonic: u8, hints: &Hints) -> Option<MetreEstimate> {
    let (paths, found) = hypotheses(notes, tonic, hints)?;
    let mut found = Costed(found.into_iter().map(|one| (one.cost(), one)).collect());
    let mut tempo_refused = false;
    if let Some(asked) = asked_bpm(hints) {
        let (least, free) = found.best()?;
        let octaves = (60.0 / free.beat_s / asked).log2();
        let too_far = if octaves.abs() > 0.5 && (octaves - octaves.round()).abs() <= SAME_TEMPO {
            TOO_FAR_IN_OCTAVES
        } else {
            TOO_FAR
        };
        let unsure = found.likely(|one| same_beat(one, free)) < UNSURE_TEMPO;
        // A path that was searched in the band of the tags may still have another tempo.
        let in_tempo = |one: &Hypothesis| {
            (60.0 / one.beat_s / asked).log2().abs() <= SAME_TEMPO
                && (one.mean_beat_s / one.beat_s).log2().abs() <= SAME_TEMPO
        };
        let nearest = found.0.iter().filter(|(_, one)| in_tempo(one));
        let nearest = nearest.map(|(cost, _)| *cost).fold(f32::INFINITY, f32::min);
        tempo_refused = !(nearest - least <= too_far || unsure && nearest.is_finite());
        if !tempo_refused {
            found.0.retain(|(_, one)| in_tempo(one));
        }
    }
    let (_, best) = found.best()?;
    let sure_of_beats = found.likely(|one| same_beat(one, best));
    let sure_of_metre = found
        .likely(|one| same_beat(one, best) && one.metre == best.metre && one.shift == best.shift);
    let path = &paths[best.path];
    let onsets = notes.iter().map(|note| note.onset_s);
    let heard = (notes.len() as f32 / 16.0).min(1.0);
    let bar = BarModel::new(METRES[best.metre]);
    Some(MetreEstimate {
        chords: chord_evidence(path, &bar, best, notes),
        bar,
        notes: path
            .ticks
            .iter()
            .zip(onsets)
            .filter_map(|(tick, onset_s)| Some(((*tick)? + best.shift, onset_s)))
            .collect(),
        jumps: path
            .jumps
            .iter()
            .map(|&jump| path.ticks[..jump].iter().flatten().count())
            .collect(),
        beat_s: best.beat_s,
        sure_of_beats: sure_of_beats * heard,
        sure_of_metre: sure_of_metre * heard,
        tempo_refused,
    })
}

/// The tempo in the tags, in beats a minute.
fn asked_bpm(hints: &Hints) -> Option<f64> {
    hints
        .tempo_bpm
        .filter(|asked| (SLOWEST_ASKED_BPM..=FASTEST_ASKED_BPM).contains(asked))
}

/// Bands of quarter notes a minute with a path each in a metre: the usual ones, and one around the tempo in the tags.
fn bands(bar: &BarModel, hints: &Hints) -> Vec<(f64, f64)> {
    let mut bands = BANDS_BPM.to_vec();
    if let Some(asked) = asked_bpm(hints) {
        let quarters = asked * bar.beat as f64 / TICKS as f64;
        bands.push((quarters / ASKED_BAND, quarters * ASKED_BAND));
    }
    bands
}

/// Every hypothesis, and the paths that they refer to.
pub(super) fn hypotheses(
    notes: &[Note],
    tonic: u8,
    hints: &Hints,
) -> Option<(Vec<ViterbiPath>, Vec<Hypothesis>)> {
    if notes.len() < 4 {
        return None;
    }
    let onsets: Vec<f64> = notes.iter().map(|note| note.onset_s).collect();
    let model = ChordModel::new();
    let mut paths: Vec<ViterbiPath> = Vec::new();
    let mut found: Vec<Hypothesis> = Vec::new();
    for (metre, bar) in METRES.map(BarModel::new).iter().enumerate() {
        let other_metre = match hints.metre {
            Some(asked) if asked != bar.metre => AGAINST_HINT,
            _ => 0.0,
        };
        for band in bands(bar, hints) {
            let quarters = tempi(band.0, band.1);
            let prior: Vec<f32> = quarters
                .iter()
                .map(|quarter_s| tempo_cost(*quarter_s, bar))
                .collect();
            let Some(path) = viterbi(&onsets, bar, &quarters, &prior) else {
                continue;
            };
            let trial = Trial::new(&path, bar, notes);
            let beat_s = trial.quarter_s * bar.beat as f64 / TICKS as f64;
            let mean_beat_s = mean_tick_s(&path, &onsets) * bar.beat as f64;
            // In 6/8 the path may also be off by an eighth.
            let step = if bar.metre == Metre::SixEight {
                TICKS / 2
            } else {
                bar.beat
            };
            for shift in (0..bar.ticks / step).map(|steps| steps * step) {
                let mut costs = trial.costs(shift, tonic, &model);
                costs[3] = tempo_cost(trial.quarter_s, bar);
                costs[6 + metre] = 1.0;
                let [timing, rhythm, chords, ..] = costs;
                let ticks = path.ticks.iter().map(|tick| tick.map(|tick| tick + shift));
                let features = features(
                    notes,
                    ticks,
                    bar,
                    beat_s,
                    [timing, rhythm, chords],
                    path.jumps.len(),
                );
                found.push(Hypothesis {
                    metre,
                    path: paths.len(),
                    shift,
                    beat_s,
                    mean_beat_s,
                    costs,
                    features,
                    against: other_metre + metre_cost(bar.metre),
                });
            }
            paths.push(path);
        }
    }
    Some((paths, found))
}

/// Mean length of a tick in seconds from the first note of a path to its last.
fn mean_tick_s(path: &ViterbiPath, onsets: &[f64]) -> f64 {
    let mut placed = path
        .ticks
        .iter()
        .zip(onsets)
        .filter_map(|(tick, at)| Some(((*tick)?, *at)));
    match (placed.next(), placed.next_back()) {
        (Some(first), Some(last)) if last.0 > first.0 => {
            (last.1 - first.1) / (last.0 - first.0) as f64
        }
        _ => f64::INFINITY,
    }
}

pub(super) fn chord_evidence(
    path: &ViterbiPath,
    bar: &BarModel,
    best: &Hypothesis,
    notes: &[Note],
) -> ChordEvidence {
    let model = ChordModel::new();
    let score = in_score_time(path, notes);
    let quarter_s = best.beat_s * TICKS as f64 / bar.beat as f64;
    let weight = (quarter_s / 0.6) as f32 / TICKS as f32;
    let sung_s: f64 = notes.iter().map(|note| note.offset_s - note.onset_s).sum();
    std::array::from_fn(|tonic| {
        let tonic = tonic as u8;
        let nats = model.gain(&score, bar, best.shift, tonic, weight)
            + model.at_large(&score, tonic, weight);
        f64::from(nats) / sung_s.max(4.0)
    })
}

/// Prior cost of a tempo, in nats.
fn tempo_cost(quarter_s: f64, bar: &BarModel) -> f32 {
    let (middle, spread) = usual_bpm(bar.metre);
    let octaves = (bpm(quarter_s, bar) / middle).log2();
    let spread = if octaves < 0.0 {
        spread * SLOWER
    } else {
        spread
    };
    (0.5 * (octaves / spread).powi(2)) as f32
}

/// Beats a minute.
fn bpm(quarter_s: f64, bar: &BarModel) -> f64 {
    60.0 / (quarter_s * bar.beat as f64 / TICKS as f64)
}

/// A path whose bar lines are tried out.
struct Trial<'a> {
    path: &'a ViterbiPath,
    bar: &'a BarModel,
    starts: Vec<i64>,
    score: Vec<SungNote>,
    /// Where notes start after a rest.
    after_rests: Vec<i64>,
    /// Where notes start after a rest or a held note.
    after_pauses: Vec<i64>,
    /// Median length of a quarter.
    quarter_s: f64,
}

impl<'a> Trial<'a> {
    fn new(path: &'a ViterbiPath, bar: &'a BarModel, notes: &[Note]) -> Self {
        let mut quarters = path.quarter_s.clone();
        let middle = quarters.len() / 2;
        let (_, quarter_s, _) = quarters.select_nth_unstable_by(middle, f64::total_cmp);
        let held_s = held_s(notes);
        let after_rest = |at: usize| at == 0 || is_after_rest(&notes[at - 1], &notes[at]);
        let after_pause =
            |at: usize| after_rest(at) || notes[at].onset_s - notes[at - 1].onset_s > held_s;
        let ticks_where = |wanted: &dyn Fn(usize) -> bool| {
            (0..notes.len())
                .filter(|at| wanted(*at))
                .filter_map(|at| path.ticks[at])
                .collect()
        };
        Self {
            quarter_s: *quarter_s,
            starts: path.ticks.iter().flatten().copied().collect(),
            score: in_score_time(path, notes),
            after_rests: ticks_where(&after_rest),
            after_pauses: ticks_where(&after_pause),
            path,
            bar,
        }
    }

    fn costs(&self, shift: i64, tonic: u8, model: &ChordModel) -> [f32; COSTS] {
        let shifted: Vec<i64> = self.starts.iter().map(|tick| tick + shift).collect();
        let weight = (self.quarter_s / 0.6) as f32 / TICKS as f32;
        let mut costs = [0.0; COSTS];
        costs[0] = self.path.timing_cost;
        let (first, last) = self.bar.ends(&shifted);
        costs[1] = self.bar.cost(&shifted) - first - last;
        costs[10] = first;
        costs[11] = last;
        costs[12] = self.pause_places(shift);
        costs[2] = model.gain(&self.score, self.bar, shift, tonic, weight);
        costs[4] = self.returns();
        costs[5] = self.rest_spread(shift);
        costs
    }

    /// How much more the melody resembles itself after whole bars than after the distances between, summed over its notes.
    fn returns(&self) -> f32 {
        let (Some(first), Some(last)) = (self.score.first(), self.score.last()) else {
            return 0.0;
        };
        // One cell a half beat: the pitch class that starts there or continues.
        let cell = self.bar.beat / 2;
        let cells = ((last.tick + last.ticks - first.tick) / cell + 2).clamp(0, 40_000) as usize;
        let mut line = vec![(u8::MAX, false); cells];
        for note in &self.score {
            let from = ((note.tick - first.tick + cell / 2) / cell) as usize;
            let to = (from + ((note.ticks + cell / 2) / cell).max(1) as usize).min(cells);
            for (at, slot) in line[from.min(to)..to].iter_mut().enumerate() {
                *slot = (note.class, at == 0);
            }
        }
        let alike = |lag: usize| -> f32 {
            let same = line
                .iter()
                .zip(line.get(lag..).unwrap_or(&[]))
                .filter(|((a, a_starts), (b, b_starts))| {
                    *a != u8::MAX && *b != u8::MAX && (a == b) && (a_starts == b_starts)
                })
                .count();
            same as f32 / cells.saturating_sub(lag).max(16) as f32
        };
        let bar = (self.bar.ticks / cell) as usize;
        let at_bars = [2, 4, 8].map(|bars| alike(bars * bar));
        let between = [3, 5, 6, 7].map(|parts| alike(parts * bar / 2 + usize::from(parts == 6)));
        let best = at_bars.iter().copied().fold(0.0, f32::max);
        let other = between.iter().sum::<f32>() / 4.0;
        (best - other) * 10.0
    }

    /// How evenly the notes after rests are spread over the beats of the bar: the nats that their beats take to encode, negated.
    fn rest_spread(&self, shift: i64) -> f32 {
        let beats = self.bar.beats();
        let mut counts = vec![0.5f32; beats];
        for tick in &self.after_rests {
            let beat = (tick + shift).rem_euclid(self.bar.ticks) / self.bar.beat;
            counts[beat as usize] += 1.0;
        }
        let sum: f32 = counts.iter().sum();
        counts
            .iter()
            .map(|count| -(count - 0.5) * (count / sum * beats as f32).ln())
            .sum()
    }

    /// The mean cost of the places of notes after pauses, each taken as the first note of a song; slightly more when there are many.
    fn pause_places(&self, shift: i64) -> f32 {
        let cost = |tick: &i64| self.bar.ends(&[tick + shift]).0.min(5.0);
        let count = self.after_pauses.len().max(1) as f32;
        self.after_pauses.iter().map(cost).sum::<f32>() / count.sqrt()
    }
}

/// The notes in ticks.
fn in_score_time(path: &ViterbiPath, notes: &[Note]) -> Vec<SungNote> {
    path.ticks
        .iter()
        .zip(notes)
        .zip(&path.quarter_s)
        .filter_map(|((tick, note), quarter_s)| {
            let ticks = (note.offset_s - note.onset_s) / quarter_s * TICKS as f64;
            Some(SungNote {
                tick: (*tick)?,
                ticks: (ticks.round() as i64).clamp(1, 96),
                class: note.meant % 12,
            })
        })
        .collect()
}
