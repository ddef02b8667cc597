//! Finds the sections of a song: the kind of each, and how full the band should be in it.
//!
//! Phrases are gathered into groups of about eight bars that start on bar lines. A group's energy is its loudness, register
//! and density relative to the rest of the song. The fullest groups and their returns are choruses; a group that rises into a
//! chorus from well below is a build.

use crate::analysis::{Beat, Note, Section, SectionKind, TimeSpan};

/// A section is about this long, in bars …
const BARS: usize = 8;
/// … and at least this long, in seconds.
const SHORTEST_S: f64 = 7.0;
/// A lead-in or an end of fewer bars than this is no section of its own.
const EDGE_BARS: f64 = 0.9;
/// A group that is similar to the fullest one by at least this is a return of it.
const ALIKE: f64 = 0.72;

/// The sections: in order, touching, bar aligned, from the first bar line to `duration_s`.
pub(super) fn sections(
    notes: &[Note],
    beats: &[Beat],
    phrases: &[TimeSpan],
    duration_s: f64,
) -> Vec<Section> {
    let bars: Vec<f64> = beats
        .iter()
        .filter(|beat| beat.position == 0)
        .map(|beat| beat.time_s)
        .collect();
    let (Some(first), Some(last)) = (notes.first(), notes.last()) else {
        return vec![whole(duration_s)];
    };
    if bars.len() < 3 {
        return vec![whole(duration_s)];
    }
    let bar_s = (bars[bars.len() - 1] - bars[0]) / (bars.len() - 1) as f64;
    // A pickup belongs to the bar it leads to.
    let sung_from = at_or_before(&bars, first.onset_s + 0.6 * bar_s);
    let sung_to = at_or_before(&bars, last.offset_s - 0.1 * bar_s) + 1;
    let starts = starts(&bars, phrases, sung_from, sung_to, bar_s);
    let groups: Vec<Group> = starts
        .iter()
        .enumerate()
        .map(|(at, &from)| {
            let to = starts.get(at + 1).copied().unwrap_or(sung_to);
            let span = TimeSpan {
                start_s: bars[from],
                end_s: bars.get(to).copied().unwrap_or(duration_s),
            };
            Group::of(span, notes, bar_s)
        })
        .collect();
    let energies = energies(&groups);
    let kinds = kinds(&groups, &energies);
    let mut found = Vec::new();
    let sung_start_s = bars[sung_from];
    if sung_start_s > EDGE_BARS * bar_s {
        found.push(Section {
            span: TimeSpan {
                start_s: 0.0,
                end_s: sung_start_s,
            },
            kind: SectionKind::Intro,
            energy: 0.3,
        });
    }
    for ((group, energy), kind) in groups.iter().zip(&energies).zip(kinds) {
        found.push(Section {
            span: group.span,
            kind,
            energy: *energy,
        });
    }
    close(&mut found, duration_s, bar_s);
    found
}

fn whole(duration_s: f64) -> Section {
    Section {
        span: TimeSpan {
            start_s: 0.0,
            end_s: duration_s,
        },
        kind: SectionKind::Verse,
        energy: 0.5,
    }
}

/// Index of the last bar line at or before a time, the first one if there is none.
fn at_or_before(bars: &[f64], time_s: f64) -> usize {
    bars.partition_point(|bar| *bar <= time_s).saturating_sub(1)
}

/// The bar lines (by index) at which sections start: near every eighth bar, where a phrase starts if possible.
fn starts(bars: &[f64], phrases: &[TimeSpan], from: usize, to: usize, bar_s: f64) -> Vec<usize> {
    // One for a phrase that starts near here, plus a gain for the rest before it.
    let opens = |bar: usize| -> f64 {
        let Some(at) = phrases.iter().position(|phrase| {
            let from_line = phrase.start_s - bars[bar];
            (-0.6 * bar_s..0.6 * bar_s).contains(&from_line)
        }) else {
            return 0.0;
        };
        let rest_s = match at.checked_sub(1) {
            Some(before) => phrases[at].start_s - phrases[before].end_s,
            None => f64::INFINITY,
        };
        1.0 + (rest_s / bar_s).clamp(0.0, 2.0)
    };
    let step = BARS.max((SHORTEST_S / bar_s).ceil() as usize);
    let mut starts = vec![from];
    let mut here = from;
    while here + step + step / 2 < to.min(bars.len()) {
        let best = (here + step - 2..=here + step + 2)
            .filter(|bar| *bar < bars.len())
            .max_by(|a, b| {
                let worth =
                    |bar: usize| opens(bar) - 0.3 * (bar as f64 - (here + step) as f64).abs();
                worth(*a).total_cmp(&worth(*b))
            });
        here = best.unwrap_or(here + step);
        starts.push(here);
    }
    starts
}

/// A group of phrases.
struct Group {
    span: TimeSpan,
    level_db: f64,
    pitch: f64,
    /// Notes a second.
    density: f64,
    /// Pitch class by eighth of a bar, to find returns.
    line: Vec<u8>,
}

impl Group {
    fn of(span: TimeSpan, notes: &[Note], bar_s: f64) -> Self {
        let inside: Vec<&Note> = notes
            .iter()
            .filter(|note| note.onset_s >= span.start_s - 0.05 && note.onset_s < span.end_s - 0.05)
            .collect();
        let weight: f64 = inside.iter().map(|note| note.offset_s - note.onset_s).sum();
        let mean = |value: &dyn Fn(&Note) -> f64| {
            let sum: f64 = inside
                .iter()
                .map(|note| value(note) * (note.offset_s - note.onset_s))
                .sum();
            sum / weight.max(1e-6)
        };
        let cells = ((span.end_s - span.start_s) / bar_s * 8.0)
            .round()
            .clamp(1.0, 1024.0) as usize;
        let mut line = vec![u8::MAX; cells];
        for note in &inside {
            let cell =
                |time_s: f64| ((time_s - span.start_s) / bar_s * 8.0).round().max(0.0) as usize;
            let (from, to) = (cell(note.onset_s), cell(note.offset_s));
            for slot in line.iter_mut().take(to).skip(from) {
                *slot = note.meant % 12;
            }
        }
        Self {
            level_db: mean(&|note| f64::from(note.level_db)),
            pitch: mean(&|note| f64::from(note.midi)),
            density: inside.len() as f64 / (span.end_s - span.start_s).max(0.1),
            span,
            line,
        }
    }

    fn alike(&self, other: &Self) -> f64 {
        let sung = self
            .line
            .iter()
            .zip(&other.line)
            .filter(|(a, b)| **a != u8::MAX || **b != u8::MAX)
            .count();
        let same = self
            .line
            .iter()
            .zip(&other.line)
            .filter(|(a, b)| **a != u8::MAX && a == b)
            .count();
        same as f64 / sung.max(1) as f64
    }
}

/// Energy of each group, 0..1, from its loudness, register and density relative to the song's mean.
fn energies(groups: &[Group]) -> Vec<f32> {
    let mean = |value: &dyn Fn(&Group) -> f64| {
        groups.iter().map(value).sum::<f64>() / groups.len().max(1) as f64
    };
    let level_db = mean(&|group| group.level_db);
    let pitch = mean(&|group| group.pitch);
    let density = mean(&|group| group.density).max(0.1);
    let last = groups.len().saturating_sub(1).max(1) as f64;
    groups
        .iter()
        .enumerate()
        .map(|(at, group)| {
            let louder = (group.level_db - level_db) / 6.0 * 0.25;
            let higher = (group.pitch - pitch) / 7.0 * 0.2;
            let denser = (group.density.max(0.05) / density).log2() * 0.12;
            // Songs grow: the same again later is a little fuller.
            let later = (at as f64 / last - 0.5) * 0.12;
            (0.52 + louder + higher + denser + later).clamp(0.2, 1.0) as f32
        })
        .collect()
}

fn kinds(groups: &[Group], energies: &[f32]) -> Vec<SectionKind> {
    let most = energies.iter().copied().fold(0.0f32, f32::max);
    let least = energies.iter().copied().fold(1.0f32, f32::min);
    let fullest = energies.iter().position(|energy| *energy == most);
    let mut kinds: Vec<SectionKind> = groups
        .iter()
        .zip(energies)
        .map(|(group, energy)| {
            let returns = fullest.is_some_and(|at| groups[at].alike(group) >= ALIKE);
            let full = *energy >= most - 0.05;
            // A song whose groups are all of one kind has no chorus.
            if groups.len() > 1
                && most - least > 0.08
                && (full || (returns && *energy > least + 0.05))
            {
                SectionKind::Chorus
            } else {
                SectionKind::Verse
            }
        })
        .collect();
    for at in 0..kinds.len().saturating_sub(1) {
        if at > 0
            && kinds[at] == SectionKind::Verse
            && kinds[at + 1] == SectionKind::Chorus
            && kinds[at - 1] == SectionKind::Verse
        {
            kinds[at] = SectionKind::Build;
        }
    }
    kinds
}

/// Makes the last section reach the end: an ending of its own when there are bars left after the singing.
fn close(found: &mut Vec<Section>, duration_s: f64, bar_s: f64) {
    let Some(last) = found.last_mut() else { return };
    if duration_s - last.span.end_s > EDGE_BARS * bar_s {
        let span = TimeSpan {
            start_s: last.span.end_s,
            end_s: duration_s,
        };
        let energy = (last.energy * 0.8).max(0.2);
        found.push(Section {
            span,
            kind: SectionKind::Ending,
            energy,
        });
    } else {
        last.span.end_s = last.span.end_s.max(duration_s);
    }
    if let Some(first) = found.first_mut() {
        first.span.start_s = first.span.start_s.min(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four sections of eight bars in 4/4 at 120: soft, loud and high, soft, loud and high; two bars before, three after.
    #[test]
    fn the_loud_and_high_parts_are_choruses() {
        let beats: Vec<Beat> = (0..=148)
            .map(|beat| Beat {
                time_s: f64::from(beat) * 0.5,
                position: (beat % 4) as u8,
            })
            .collect();
        let mut notes = Vec::new();
        let mut phrases = Vec::new();
        for section in 0..4usize {
            for phrase in 0..4usize {
                let start = 4.0 + section as f64 * 16.0 + phrase as f64 * 4.0;
                for note in 0..6usize {
                    let onset_s = start + note as f64 * 0.5;
                    notes.push(Note::new(
                        onset_s,
                        onset_s + 0.45,
                        if section % 2 == 0 { 60 } else { 67 } + [0, 2, 4, 5, 4, 2][note],
                        if section % 2 == 0 { -26.0 } else { -18.0 },
                    ));
                }
                phrases.push(TimeSpan {
                    start_s: start,
                    end_s: start + 2.95,
                });
            }
        }
        let found = sections(&notes, &beats, &phrases, 74.0);
        let kinds: Vec<SectionKind> = found.iter().map(|section| section.kind).collect();
        use SectionKind::{Chorus, Ending, Intro, Verse};
        assert_eq!(
            kinds,
            [Intro, Verse, Chorus, Verse, Chorus, Ending],
            "{found:?}"
        );
        for pair in found.windows(2) {
            assert_eq!(pair[0].span.end_s, pair[1].span.start_s);
        }
        assert_eq!(found[2].span.start_s, 20.0);
        assert!(found[2].energy > found[1].energy + 0.2);
        assert_eq!(found.last().map(|section| section.span.end_s), Some(74.0));
    }
}
