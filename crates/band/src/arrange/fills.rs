//! Writes fills: short melodies in the gaps that the singer leaves, often in the rhythm that the singer has just sung.

use super::{
    Articulation, Instrument,
    bars::{BarKind, slots_in_beat},
    lineup::Assignment,
    score::ScoreNote,
    sheet::Sheet,
    voicing::{Range, is_chord_tone},
};
use crate::{analysis::Chord, chance::Chance, scale::is_in_scale};

/// Shortest gap that is filled, in seconds.
const GAP_S: f64 = 1.5;

/// Rest between the singing and a fill, in seconds.
const BREATH_S: f64 = 0.25;

/// Share of the fills that take up the singer's rhythm, where it fits into the gap.
const QUOTED: f32 = 0.65;

/// One slot of the song: start and end in seconds, place in the bar, chord, dynamics, and whether the player plays there.
type SongSlot = (f64, f64, usize, Chord, f32, bool);

/// Most notes in one fill.
const NOTE_LIMIT: usize = 9;

/// Writes the part.
pub(super) fn write(sheet: &Sheet<'_>, player: &Assignment, part: usize) -> Vec<ScoreNote> {
    let range = match player.instrument {
        Instrument::Glockenspiel => Range { low: 76, high: 91 },
        Instrument::Flute => Range { low: 67, high: 84 },
        Instrument::Brass => Range { low: 55, high: 70 },
        Instrument::Saxophone => Range { low: 53, high: 72 },
        Instrument::CleanGuitar
        | Instrument::SteelGuitar
        | Instrument::NylonGuitar
        | Instrument::DistortedGuitar => Range { low: 55, high: 74 },
        _ => Range { low: 62, high: 79 },
    };
    let mut notes = Vec::new();
    let mut pitch = (range.low + range.high) / 2;
    let song = sheet.bars.iter().filter(|bar| bar.kind == BarKind::Song);
    let end_s = sheet.bars.last().map_or(0.0, |bar| bar.start_s());
    let slots: Vec<SongSlot> = song
        .flat_map(|bar| {
            (0..bar.slots.len()).map(move |slot| {
                (
                    bar.time(slot),
                    bar.time(slot + 1),
                    bar.slots[slot].index,
                    sheet.chord(bar, slot),
                    bar.dynamic,
                    player.from <= bar.energy,
                )
            })
        })
        .collect();
    for (number, (from_s, to_s)) in gaps(sheet, end_s).into_iter().enumerate() {
        let mut chance = Chance::new(sheet.seed, &[51, part as u64, number as u64]);
        if !chance.happens(0.8) {
            continue;
        }
        let open: Vec<usize> = (0..slots.len())
            .filter(|&at| {
                let (start, end, _, _, _, plays) = slots[at];
                plays && start >= from_s + BREATH_S && end <= to_s - BREATH_S
            })
            .collect();
        let rising = chance.happens(0.5);
        let quote = chance
            .happens(QUOTED)
            .then(|| quoted(sheet, &slots, from_s, &open))
            .flatten();
        let rhythm = quote.unwrap_or_else(|| free(&slots, &open, rising, &mut chance));
        for (step, &(at, rising)) in rhythm.iter().take(NOTE_LIMIT).enumerate() {
            let (start_s, slot_end_s, index, chord, dynamic, _) = slots[at];
            let strong = index % 4 == 0 || step + 1 == rhythm.len();
            pitch = next_pitch(sheet, pitch, &chord, strong, rising, range, &mut chance);
            let eighth_s = (slot_end_s - start_s) * 2.0;
            let length_s = eighth_s * if chance.happens(0.25) { 1.9 } else { 0.95 };
            let velocity = chance.between(0.5, 0.68) * dynamic;
            notes.push(ScoreNote {
                start_s: start_s + sheet.looseness(&mut chance, start_s),
                length_s: length_s.min((to_s - start_s).max(0.1)),
                midi: pitch,
                velocity,
                articulation: Articulation::Normal,
            });
        }
    }
    one_at_a_time(&mut notes);
    notes
}

/// Some of the eighths, each with whether the melody rises to it: every fill has its own rhythm.
fn free(
    slots: &[SongSlot],
    open: &[usize],
    rising: bool,
    chance: &mut Chance,
) -> Vec<(usize, bool)> {
    let density = chance.between(0.45, 0.75);
    open.iter()
        .filter(|&&at| slots[at].2.is_multiple_of(2))
        .filter(|&&at| {
            let strong = slots[at].2.is_multiple_of(4);
            chance.happens(density + if strong { 0.25 } else { -0.1 })
        })
        .map(|&at| (at, rising))
        .collect()
}

/// The rhythm and the contour of the singer's last notes before a gap, at the same places of a later bar, half bar or beat; `None`
/// where they are too few or do not fit.
fn quoted(
    sheet: &Sheet<'_>,
    slots: &[SongSlot],
    from_s: f64,
    open: &[usize],
) -> Option<Vec<(usize, bool)>> {
    const FEWEST: usize = 3;
    const LONGEST_REST_S: f64 = 0.5;
    let (&first_open, &last_open) = (open.first()?, open.last()?);
    let sung = &sheet.analysis.notes;
    let end = sung.partition_point(|note| note.offset_s <= from_s + 1e-6);
    let mut start = end;
    while start > 0
        && end - start < NOTE_LIMIT - 1
        && (start == end || sung[start].onset_s - sung[start - 1].offset_s < LONGEST_REST_S)
    {
        start -= 1;
    }
    let nearest = |time_s: f64| {
        let after = slots
            .partition_point(|slot| slot.0 <= time_s)
            .min(slots.len() - 1);
        let before = after.saturating_sub(1);
        if time_s - slots[before].0 < slots[after].0 - time_s {
            before
        } else {
            after
        }
    };
    let phrase = &sung[start..end];
    let places: Vec<usize> = phrase.iter().map(|note| nearest(note.onset_s)).collect();
    let first = *places.first()?;
    let beat = slots_in_beat(sheet.analysis.metre);
    let within = |unit: usize| -> Option<Vec<(usize, bool)>> {
        let shift = first_open.saturating_sub(first).div_ceil(unit) * unit;
        let mut found: Vec<(usize, bool)> = Vec::with_capacity(places.len());
        for (number, place) in places.iter().enumerate() {
            let at = place + shift;
            let rises = number > 0 && phrase[number].midi >= phrase[number - 1].midi;
            if at <= last_open && found.last().is_none_or(|&(before, _)| before < at) {
                found.push((at, rises));
            }
        }
        (found.len() >= FEWEST && found.len() * 3 >= places.len() * 2).then_some(found)
    };
    [sheet.slots_in_bar, sheet.slots_in_bar / 2, beat]
        .into_iter()
        .find_map(within)
}

/// The gaps in the singing that are long enough to fill, those over four bars in pieces of four.
fn gaps(sheet: &Sheet<'_>, end_s: f64) -> Vec<(f64, f64)> {
    const PIECE_BARS: usize = 4;
    let notes = &sheet.analysis.notes;
    let mut gaps: Vec<(f64, f64)> = Vec::new();
    let begins_s = sheet
        .bars
        .iter()
        .find(|bar| bar.kind == BarKind::Song)
        .map_or(end_s, |bar| bar.start_s());
    gaps.extend(notes.first().map(|first| (begins_s, first.onset_s)));
    gaps.extend(
        notes
            .windows(2)
            .map(|pair| (pair[0].offset_s, pair[1].onset_s)),
    );
    gaps.extend(notes.last().map(|last| (last.offset_s, end_s)));
    gaps.retain(|&(from_s, to_s)| to_s - from_s > GAP_S);
    let pieces = |(from_s, to_s): (f64, f64)| {
        let mut cuts: Vec<f64> = vec![from_s];
        let inside = sheet.bars.iter().map(|bar| bar.start_s());
        let starts: Vec<f64> = inside
            .filter(|start_s| (from_s + GAP_S..to_s - GAP_S).contains(start_s))
            .collect();
        if starts.len() > PIECE_BARS {
            cuts.extend(starts.iter().skip(PIECE_BARS - 1).step_by(PIECE_BARS));
        }
        cuts.push(to_s);
        cuts.windows(2)
            .map(|pair| (pair[0], pair[1]))
            .collect::<Vec<_>>()
    };
    gaps.into_iter().flat_map(pieces).collect()
}

/// The next note of a fill: a step or a small leap in the scale, a chord tone on strong beats.
fn next_pitch(
    sheet: &Sheet<'_>,
    before: u8,
    chord: &Chord,
    strong: bool,
    rising: bool,
    range: Range,
    chance: &mut Chance,
) -> u8 {
    let mut best = (f32::MAX, before);
    for midi in range.low..=range.high {
        let fits = if strong {
            is_chord_tone(chord, midi)
        } else {
            is_in_scale(midi, sheet.analysis.key) || is_chord_tone(chord, midi)
        };
        if !fits {
            continue;
        }
        let distance = f32::from(midi.abs_diff(before));
        let against = if (midi > before) == rising { 0.0 } else { 1.5 };
        let repeated = if distance == 0.0 { 3.0 } else { 0.0 };
        let edge = if midi < range.low + 3 || midi > range.high - 3 {
            1.5
        } else {
            0.0
        };
        let cost = (distance - 2.0).abs() + against + repeated + edge + chance.between(0.0, 2.5);
        if cost < best.0 {
            best = (cost, midi);
        }
    }
    best.1
}

/// Cuts each note where the next begins.
fn one_at_a_time(notes: &mut [ScoreNote]) {
    for index in 1..notes.len() {
        let next_s = notes[index].start_s;
        let before = &mut notes[index - 1];
        before.length_s = before.length_s.min((next_s - before.start_s).max(0.05));
    }
}
