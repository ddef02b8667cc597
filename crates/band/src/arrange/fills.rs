//! Writes fills: short melodies in the gaps that the singer leaves.

use super::{
    Articulation, Instrument,
    bars::BarKind,
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
    let slots: Vec<(f64, f64, usize, Chord, f32, bool)> = song
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
        let open: Vec<_> = slots
            .iter()
            .filter(|&&(start, end, index, _, _, plays)| {
                plays && start >= from_s + BREATH_S && end <= to_s - BREATH_S && index % 2 == 0
            })
            .collect();
        // Some of the eighths; every fill has its own rhythm.
        let density = chance.between(0.45, 0.75);
        let rising = chance.happens(0.5);
        let mut written = 0;
        for (step, &&(start_s, slot_end_s, index, chord, dynamic, _)) in open.iter().enumerate() {
            let strong = index % 4 == 0;
            let plays = if strong {
                chance.happens(density + 0.25)
            } else {
                chance.happens(density - 0.1)
            };
            if !plays || written >= NOTE_LIMIT {
                continue;
            }
            pitch = next_pitch(
                sheet,
                pitch,
                &chord,
                strong || step + 1 == open.len(),
                rising,
                range,
                &mut chance,
            );
            let eighth_s = (slot_end_s - start_s) * 2.0;
            let length_s = eighth_s * if chance.happens(0.25) { 1.9 } else { 0.95 };
            let velocity = chance.between(0.5, 0.68) * dynamic;
            notes.push(ScoreNote {
                start_s: start_s + sheet.looseness(&mut chance, 1.0, start_s),
                length_s: length_s.min((to_s - start_s).max(0.1)),
                midi: pitch,
                velocity,
                articulation: Articulation::Normal,
            });
            written += 1;
        }
    }
    one_at_a_time(&mut notes);
    notes
}

/// The gaps in the singing that are long enough to fill.
fn gaps(sheet: &Sheet<'_>, end_s: f64) -> Vec<(f64, f64)> {
    let notes = &sheet.analysis.notes;
    let mut gaps: Vec<(f64, f64)> = notes
        .windows(2)
        .map(|pair| (pair[0].offset_s, pair[1].onset_s))
        .collect();
    gaps.extend(notes.last().map(|last| (last.offset_s, end_s)));
    gaps.retain(|&(from_s, to_s)| to_s - from_s > GAP_S);
    gaps
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
