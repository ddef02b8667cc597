//! Sets how full and how loud each bar is, from its section's place in the song and from the singer.

use super::{
    arc::{arc, division, divisions},
    bars::{Bar, BarKind},
    style::{LeadIn, Style},
};
use crate::analysis::{Analysis, SectionKind};

/// Least and most fullness of a lead-in that the whole band plays.
const GROOVE: (f32, f32) = (0.36, 0.5);
/// Velocities of the emptiest bars, and what full ones add to that.
const SOFTEST: f32 = 0.66;
const LOUDER: f32 = 0.48;

/// Gives each bar its place, section, energy and dynamics.
///
/// `follow` is the share of the singer's dynamics that the band takes over, 0..1.
pub(super) fn place(
    bars: &mut [Bar],
    analysis: &Analysis,
    style: &Style,
    nudge_energy: f32,
    follow: f32,
) {
    let lead_in = match style.lead_in {
        LeadIn::Chords | LeadIn::Pickup => (0.05, 0.38),
        LeadIn::Groove => GROOVE,
    };
    let first_note_s = analysis.notes.first().map_or(0.0, |note| note.onset_s);
    let mean_level = mean(analysis.notes.iter().map(|note| note.level_db));
    let fullness = arc(&analysis.sections);
    let count = bars.len();
    for (number, bar) in bars.iter_mut().enumerate() {
        let middle_s = (bar.start_s() + bar.end_s) / 2.0;
        let found = analysis
            .sections
            .iter()
            .position(|section| section.span.start_s <= middle_s && middle_s < section.span.end_s);
        let index = found.unwrap_or(if number * 2 < count {
            0
        } else {
            analysis.sections.len().saturating_sub(1)
        });
        let energy = fullness.get(index).copied().unwrap_or(0.5);
        bar.section = index;
        bar.energy = nudged(energy, nudge_energy);
        if bar.end_s <= first_note_s + 0.25 * (bar.end_s - bar.start_s())
            && !analysis.notes.is_empty()
        {
            bar.kind = BarKind::LeadIn;
            bar.energy = bar.energy.clamp(lead_in.0, lead_in.1);
        }
        let sung = mean(
            analysis
                .notes
                .iter()
                .filter(|note| note.onset_s < bar.end_s && note.offset_s > bar.start_s())
                .map(|note| note.level_db),
        );
        if let (Some(sung), Some(all)) = (sung, mean_level) {
            bar.dynamic = 1.0 + follow.clamp(0.0, 1.0) * ((sung - all) / 24.0).clamp(-0.3, 0.3);
        }
    }
    fill_long_lead_in(bars, nudge_energy);
    divide_one_section(bars, analysis, nudge_energy);
    for bar in bars.iter_mut() {
        bar.dynamic *= SOFTEST + LOUDER * bar.energy;
    }
    for number in 0..count {
        bars[number].first = number == 0
            || bars[number - 1].section != bars[number].section
            || bars[number - 1].kind != bars[number].kind;
        bars[number].in_section = if bars[number].first {
            0
        } else {
            bars[number - 1].in_section + 1
        };
        bars[number].last = number + 1 < count
            && (bars[number + 1].section != bars[number].section
                || bars[number + 1].kind != bars[number].kind);
    }
    if let Some(last) = bars.last_mut() {
        last.kind = BarKind::Final;
    }
}

/// A lead-in that is longer than an introduction is an instrumental: it begins as the style begins, grows by eight bars, and makes way
/// for the singer.
fn fill_long_lead_in(bars: &mut [Bar], nudge_energy: f32) {
    const LONG_BARS: usize = 12;
    const BEGINS_BARS: usize = 4;
    const GROUP_BARS: usize = 8;
    /// Groups from the emptiest to the fullest, after which it falls back.
    const GROUPS: usize = 4;
    const EMPTIEST: f32 = 0.45;
    const FULLEST: f32 = 0.8;
    let count = bars
        .iter()
        .take_while(|bar| bar.kind == BarKind::LeadIn)
        .count();
    if count < LONG_BARS {
        return;
    }
    for (number, bar) in bars[..count].iter_mut().enumerate().skip(BEGINS_BARS) {
        let group = (number - BEGINS_BARS) / GROUP_BARS;
        let makes_way = number + BEGINS_BARS >= count;
        let share = (group % GROUPS) as f32 / (GROUPS - 1) as f32;
        bar.kind = BarKind::Song;
        // Numbers that no section and no division has.
        bar.section = usize::MAX - group - usize::from(makes_way);
        bar.energy = nudged(
            if makes_way {
                EMPTIEST
            } else {
                EMPTIEST + (FULLEST - EMPTIEST) * share
            },
            nudge_energy,
        );
    }
}

/// A song of one section grows over divisions of its own.
fn divide_one_section(bars: &mut [Bar], analysis: &Analysis, nudge_energy: f32) {
    let sung = analysis
        .sections
        .iter()
        .filter(|section| !matches!(section.kind, SectionKind::Intro | SectionKind::Ending));
    if sung.count() > 1 {
        return;
    }
    let kind_of = |bar: &Bar| {
        analysis
            .sections
            .get(bar.section)
            .map(|section| section.kind)
    };
    let is_divided = |bar: &Bar| {
        bar.kind == BarKind::Song
            && bar.section < analysis.sections.len().max(1)
            && kind_of(bar) != Some(SectionKind::Ending)
    };
    let starts_s: Vec<f64> = bars
        .iter()
        .filter(|bar| is_divided(bar))
        .map(Bar::start_s)
        .collect();
    if starts_s.len() < 2 {
        return;
    }
    let starts = divisions(&starts_s, &analysis.phrases);
    let divided = bars.iter_mut().filter(|bar| is_divided(bar));
    for (number, bar) in divided.enumerate() {
        let place = starts.partition_point(|&start| start <= number) - 1;
        bar.section = analysis.sections.len() + place;
        bar.energy = nudged(division(place, starts.len()), nudge_energy);
    }
}

fn nudged(energy: f32, nudge: f32) -> f32 {
    (energy + 0.3 * nudge).clamp(0.05, 1.0)
}

fn mean(values: impl Iterator<Item = f32>) -> Option<f32> {
    let (sum, count) = values
        .filter(|value| value.is_finite())
        .fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f32)
}
