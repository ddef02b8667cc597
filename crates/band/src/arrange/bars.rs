//! The bars that the band plays in: the singer's beats, eased as far as the settings allow, cut into sixteenths.
//!
//! Each beat is smoothed by a straight line through the five on either side: the band follows a rubato but does not jitter with every
//! syllable. A weight mixes the smoothed beats with the measured ones. Half or double time is chosen so that a style is played near
//! the tempo it is made for.

use super::style::{Ending, Style, Swing};
use crate::analysis::{Analysis, Metre};

/// Beats on either side that the smoothing uses.
const REACH_BEATS: usize = 5;

/// Bars that fade out.
pub(super) const FADE_BARS: usize = 4;

/// Most standard deviation of the singer's beats from a steady tempo under which drum machines keep it, in seconds.
const STEADY_S: f64 = 0.035;

/// Most bars that are played, a limit for invalid input: 40 minutes at 200 beats per minute.
const BAR_LIMIT: usize = 2000;

/// One bar.
#[derive(Debug, Clone)]
pub(super) struct Bar {
    /// Its sixteenths that exist; a pickup bar starts later than at 0.
    pub(super) slots: Vec<Slot>,
    /// Where it ends.
    pub(super) end_s: f64,
    /// What it belongs to.
    pub(super) kind: BarKind,
    /// Number of the section: variants are chosen once a section.
    pub(super) section: usize,
    /// Bars since the section started: turns and fills are counted from there.
    pub(super) in_section: usize,
    /// Energy of the bar, 0..1.
    pub(super) energy: f32,
    /// Factor on velocities from the singer's own dynamics, .7..1.3.
    pub(super) dynamic: f32,
    /// Whether a section starts here.
    pub(super) first: bool,
    /// Whether a section ends here.
    pub(super) last: bool,
}

/// What a bar belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BarKind {
    /// Before the singer's first chord.
    LeadIn,
    /// The song.
    Song,
    /// The final chord.
    Final,
}

/// One sixteenth.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Its place in the bar, 0-based.
    pub(super) index: usize,
    /// When it starts, swing included.
    pub(super) start_s: f64,
    /// Index into the analysis's beats (may lie past the end in the bars that are added).
    pub(super) beat: usize,
}

impl Bar {
    /// Intensity of the patterns, 0..=2.
    pub(super) fn level(&self) -> u8 {
        match self.energy {
            energy if energy < 0.4 => 0,
            energy if energy < 0.7 => 1,
            _ => 2,
        }
    }

    /// Start of the slot number `position` among those that exist; the bar's end beyond the last.
    pub(super) fn time(&self, position: usize) -> f64 {
        self.slots
            .get(position)
            .map_or(self.end_s, |slot| slot.start_s)
    }

    /// Start of the bar.
    pub(super) fn start_s(&self) -> f64 {
        self.time(0)
    }
}

/// Sixteenths in a whole bar; a song in 2/4 is played two bars at a time.
pub(super) fn slots_in_bar(metre: Metre) -> usize {
    match metre {
        Metre::TwoFour | Metre::FourFour => 16,
        Metre::ThreeFour | Metre::SixEight => 12,
    }
}

/// Sixteenths in a beat.
pub(super) fn slots_in_beat(metre: Metre) -> usize {
    match metre {
        Metre::TwoFour | Metre::ThreeFour | Metre::FourFour => 4,
        Metre::SixEight => 6,
    }
}

/// A beat while the bars are worked out.
#[derive(Clone, Copy)]
struct BeatTime {
    time_s: f64,
    position: usize,
    /// Index of the analysis's beat that it starts on.
    beat: usize,
}

/// The bars of the song, the final chord's bar last. Empty only for a vocal without length.
pub(super) fn bars(
    analysis: &Analysis,
    style: &Style,
    swing: Swing,
    audio_weight: f32,
) -> Vec<Bar> {
    let metre = analysis.metre;
    let first_note_s = analysis.notes.first().map_or(0.0, |note| note.onset_s);
    let machine = style.loose_ms == 0.0;
    let ticks = ticks(analysis, audio_weight, machine);
    let ticks = at_style_tempo(ticks, analysis, style, first_note_s);
    let swing = swing.at_tempo(60.0 / usual_step_s(&ticks), style.bpm);
    let per_beat = slots_in_beat(metre);
    let per_bar = slots_in_bar(metre) / per_beat;
    let end_s = song_end_s(analysis);
    let mut bars = Vec::new();
    let mut at = 0;
    let mut more = if style.ending == Ending::Fade {
        FADE_BARS
    } else {
        0
    };
    while at < ticks.len() && bars.len() < BAR_LIMIT {
        let next = (at + 1..ticks.len())
            .find(|&index| ticks[index].position == 0)
            .unwrap_or(ticks.len());
        if next == ticks.len() {
            break;
        }
        let bar = bar_of(&ticks[at..=next], per_bar, per_beat, swing);
        let is_downbeat = ticks[at].position == 0;
        at = next;
        if bar.end_s <= 0.02 {
            continue;
        }
        let ends_the_song = is_downbeat && bar.start_s() >= end_s - 0.12 && !bars.is_empty();
        bars.push(bar);
        if ends_the_song {
            if more == 0 {
                break;
            }
            more -= 1;
        }
    }
    if style.ending == Ending::Ritard {
        slow_down(&mut bars, end_s);
    }
    bars
}

/// Median time from beat to beat.
fn usual_step_s(ticks: &[BeatTime]) -> f64 {
    let mut steps: Vec<f64> = ticks
        .windows(2)
        .map(|pair| pair[1].time_s - pair[0].time_s)
        .collect();
    if steps.is_empty() {
        return 0.6;
    }
    let middle = steps.len() / 2;
    *steps.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Slows the bar before the last chord down, from the end of the singing at `sung_to_s` on: the singer's own time is not changed.
fn slow_down(bars: &mut [Bar], sung_to_s: f64) {
    /// How much later the last chord falls after a whole bar without singing, as a share of the bar.
    const LATER: f64 = 0.3;
    let [.., before, last] = bars else {
        return;
    };
    let (start_s, end_s) = (before.start_s(), before.end_s);
    let from_s = sung_to_s.max(start_s);
    let later = |time_s: f64| {
        let free_s = (time_s - from_s).max(0.0);
        time_s + LATER * free_s * free_s / (end_s - start_s)
    };
    for slot in &mut before.slots {
        slot.start_s = later(slot.start_s);
    }
    before.end_s = later(end_s);
    let shift_s = before.end_s - end_s;
    for slot in &mut last.slots {
        slot.start_s += shift_s;
    }
    last.end_s += shift_s;
}

/// Where the singing ends: the last note's end, or the start of a last note that is held for more than a bar.
fn song_end_s(analysis: &Analysis) -> f64 {
    let Some(last) = analysis.notes.last() else {
        return analysis.duration_s;
    };
    let bar_s = 60.0 / analysis.tempo_bpm.clamp(30.0, 300.0) * f64::from(analysis.metre.beats());
    if last.offset_s - last.onset_s > bar_s {
        last.onset_s
    } else {
        last.offset_s
    }
}

/// The analysis's beats, eased, with enough added at the end for the final chord.
fn ticks(analysis: &Analysis, audio_weight: f32, machine: bool) -> Vec<BeatTime> {
    let beats_in_bar = usize::from(analysis.metre.beats());
    let tempo = if analysis.tempo_bpm.is_finite() {
        analysis.tempo_bpm.clamp(30.0, 300.0)
    } else {
        96.0
    };
    let period_s = 60.0 / tempo;
    let mut heard: Vec<(f64, usize)> = Vec::with_capacity(analysis.beats.len());
    for beat in analysis.beats.iter().filter(|beat| beat.time_s.is_finite()) {
        if heard
            .last()
            .is_none_or(|&(before, _)| beat.time_s > before + 0.1)
        {
            heard.push((beat.time_s, usize::from(beat.position) % beats_in_bar));
        }
    }
    if heard.is_empty() {
        heard.push((0.0, 0));
    }
    let raw: Vec<f64> = heard.iter().map(|&(time, _)| time).collect();
    let follow = f64::from(audio_weight.clamp(0.0, 1.0));
    let steady = machine.then(|| steady(&raw)).flatten();
    let mut ticks: Vec<BeatTime> = (0..raw.len())
        .map(|index| BeatTime {
            time_s: match steady {
                Some((start_s, step_s)) => start_s + step_s * index as f64,
                None => follow * raw[index] + (1.0 - follow) * smoothed(&raw, index),
            },
            position: heard[index].1,
            beat: index,
        })
        .collect();
    for index in 1..ticks.len() {
        ticks[index].time_s = ticks[index].time_s.max(ticks[index - 1].time_s + 0.05);
    }
    // Past the end the last bar's tempo goes on.
    let tail = ticks.len().min(5);
    let step_s = if tail > 1 {
        (ticks[ticks.len() - 1].time_s - ticks[ticks.len() - tail].time_s) / (tail - 1) as f64
    } else {
        period_s
    };
    let until_s = analysis.duration_s.max(song_end_s(analysis))
        + step_s * (beats_in_bar * (4 + FADE_BARS)) as f64;
    while let Some(&last) = ticks.last() {
        if last.time_s > until_s || ticks.len() > BAR_LIMIT * 8 {
            break;
        }
        ticks.push(BeatTime {
            time_s: last.time_s + step_s,
            position: (last.position + 1) % beats_in_bar,
            beat: last.beat + 1,
        });
    }
    ticks
}

/// The steady tempo that a singer keeps, as the first beat and the step; `None` where their beats leave it.
fn steady(times: &[f64]) -> Option<(f64, f64)> {
    const FEWEST: usize = 8;
    if times.len() < FEWEST {
        return None;
    }
    let count = times.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = times.iter().sum::<f64>() / count;
    let (mut rise, mut run) = (0.0, 0.0);
    for (index, time) in times.iter().enumerate() {
        let away = index as f64 - middle;
        rise += away * (time - mean);
        run += away * away;
    }
    let step_s = rise / run;
    let start_s = mean - middle * step_s;
    let squares: f64 = times
        .iter()
        .enumerate()
        .map(|(index, time)| (time - start_s - step_s * index as f64).powi(2))
        .sum();
    ((squares / count).sqrt() < STEADY_S).then_some((start_s, step_s))
}

/// The value at `index` of the straight line through its neighbours (least squares). A held note has no tempo: nothing is smoothed across it.
fn smoothed(times: &[f64], index: usize) -> f64 {
    /// Two steps that differ by more than this factor are not one tempo.
    const ONE_TEMPO: f64 = 1.25;
    let most = REACH_BEATS.min(index).min(times.len() - 1 - index);
    let (mut least_s, mut most_s) = (f64::INFINITY, 0.0f64);
    let mut reach = 0;
    while reach < most {
        for from in [index - reach - 1, index + reach] {
            let step_s = times[from + 1] - times[from];
            (least_s, most_s) = (least_s.min(step_s), most_s.max(step_s));
        }
        if most_s > ONE_TEMPO * least_s {
            break;
        }
        reach += 1;
    }
    if reach == 0 {
        return times[index];
    }
    // The window is symmetric, so the line's value at its middle is the mean.
    let window = &times[index - reach..=index + reach];
    window.iter().sum::<f64>() / window.len() as f64
}

/// Doubles or halves the beats where the style is made for another tempo, and pairs the bars of 2/4.
fn at_style_tempo(
    ticks: Vec<BeatTime>,
    analysis: &Analysis,
    style: &Style,
    first_note_s: f64,
) -> Vec<BeatTime> {
    let paired = |ticks: Vec<BeatTime>, in_bar: usize, keep_every: usize| {
        // The bar in which the singing starts opens a pair.
        let mut bar = 0usize;
        let mut start_bar = 0usize;
        for (index, tick) in ticks.iter().enumerate() {
            bar += usize::from(index > 0 && tick.position == 0);
            if tick.position == 0
                && tick.time_s <= first_note_s + 0.6 * 60.0 / analysis.tempo_bpm.clamp(30.0, 300.0)
            {
                start_bar = bar;
            }
        }
        let mut bar = 0usize;
        let mut out = Vec::with_capacity(ticks.len());
        for (index, tick) in ticks.into_iter().enumerate() {
            bar += usize::from(index > 0 && tick.position == 0);
            let second = (bar + start_bar) % 2;
            let position = tick.position + second * in_bar;
            if position.is_multiple_of(keep_every) {
                out.push(BeatTime {
                    position: position / keep_every,
                    ..tick
                });
            }
        }
        out
    };
    match analysis.metre {
        Metre::TwoFour => paired(ticks, 2, 1),
        Metre::FourFour => {
            let away = |rate: f64| {
                (analysis.tempo_bpm.max(1.0) * rate / style.bpm)
                    .log2()
                    .abs()
            };
            if away(2.0) + 0.2 < away(1.0) {
                let mut doubled = Vec::with_capacity(ticks.len() * 2);
                for pair in ticks.windows(2) {
                    let position = pair[0].position * 2 % 4;
                    doubled.push(BeatTime {
                        position,
                        ..pair[0]
                    });
                    doubled.push(BeatTime {
                        time_s: (pair[0].time_s + pair[1].time_s) / 2.0,
                        position: position + 1,
                        beat: pair[0].beat,
                    });
                }
                doubled
            } else if away(0.5) + 0.2 < away(1.0) {
                paired(ticks, 4, 2)
            } else {
                ticks
            }
        }
        Metre::ThreeFour | Metre::SixEight => ticks,
    }
}

/// A bar from its beats and the downbeat after them.
fn bar_of(ticks: &[BeatTime], per_bar: usize, per_beat: usize, swing: Swing) -> Bar {
    let (end, beats) = ticks
        .split_last()
        .expect("a bar has its own downbeat and the next");
    let offset = if beats.len() < per_bar {
        beats[0].position.min(per_bar - beats.len())
    } else {
        0
    };
    let mut slots = Vec::with_capacity(beats.len() * per_beat);
    for (number, tick) in beats.iter().enumerate() {
        let next = beats.get(number + 1).unwrap_or(end);
        // In half time a tick spans two of the analysis's beats, and a chord may change on the second.
        let beats_within = next.beat.saturating_sub(tick.beat);
        for step in 0..per_beat {
            let share = warped(
                step as f64 / per_beat as f64,
                if per_beat == 6 {
                    Swing::Straight
                } else {
                    swing
                },
            );
            slots.push(Slot {
                index: (offset + number) * per_beat + step,
                start_s: tick.time_s + share * (next.time_s - tick.time_s),
                beat: tick.beat + step * beats_within / per_beat,
            });
        }
    }
    Bar {
        slots,
        end_s: end.time_s,
        kind: BarKind::Song,
        section: 0,
        in_section: 0,
        energy: 0.5,
        dynamic: 1.0,
        first: false,
        last: false,
    }
}

/// Moves a place in the beat, 0..1, by the swing.
fn warped(share: f64, swing: Swing) -> f64 {
    let bend = |x: f64, first: f64| {
        if x < 0.5 {
            x * 2.0 * first
        } else {
            first + (x - 0.5) * 2.0 * (1.0 - first)
        }
    };
    match swing {
        Swing::Straight => share,
        Swing::Eighths(first) => bend(share, f64::from(first)),
        Swing::Sixteenths(first) => {
            let half = (share * 2.0).floor().min(1.0);
            (half + bend(share * 2.0 - half, f64::from(first))) / 2.0
        }
    }
}
