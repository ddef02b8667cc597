//! The bass line.

use super::{
    Articulation, Instrument,
    bars::BarKind,
    lineup::Assignment,
    pattern::Pattern,
    score::ScoreNote,
    sheet::{Sheet, Stroke},
    style::Ending,
    voicing::{Range, nearest_note},
};
use crate::{analysis::Chord, chance::Chance, scale::is_in_scale};

/// Length of a last note that is cut off, in seconds.
pub(super) const CUT_S: f64 = 0.3;

/// Writes the bass part.
pub(super) fn write(sheet: &Sheet<'_>, player: &Assignment, part: usize) -> Vec<ScoreNote> {
    let range = match player.instrument {
        Instrument::SubBass => Range { low: 28, high: 40 },
        Instrument::UprightBass => Range { low: 28, high: 48 },
        _ => Range { low: 28, high: 45 },
    };
    let mut notes: Vec<ScoreNote> = Vec::new();
    let mut root_before = range.low + 8;
    let mut chord_before: Option<Chord> = None;
    let mut note_before = root_before;
    for (number, bar) in sheet.bars.iter().enumerate() {
        if !sheet.plays(player, bar) {
            continue;
        }
        let mut chance = Chance::new(sheet.seed, &[31, part as u64, number as u64]);
        if bar.kind == BarKind::Final {
            let chord = sheet.chord(bar, 0);
            let midi = nearest_note(chord.root, root_before, range);
            notes.push(ScoreNote {
                start_s: bar.start_s(),
                length_s: match sheet.style.ending {
                    Ending::Cut | Ending::Fade => CUT_S,
                    Ending::Ritard | Ending::Ring => 3.2,
                },
                midi,
                velocity: 0.72,
                articulation: Articulation::Ringing,
            });
            continue;
        }
        let Some(Pattern::Bass(line)) = sheet.figure(player, part, number) else {
            continue;
        };
        let drop_from = bar.slots.len() / 2;
        for event in sheet.events(line, number, true) {
            if sheet.drops(number) && event.slot >= drop_from {
                continue;
            }
            let ahead = event.mark == 'n';
            let chord = if ahead {
                sheet.chord_ahead(number, event.slot)
            } else {
                event.chord
            };
            let root = nearest_note(chord.bass, root_before, range);
            // Compared with the last note that was played: the chord may have changed during a rest.
            let first_of_chord = ahead || event.slot == 0 || chord_before != Some(chord);
            chord_before = Some(chord);
            let midi = if first_of_chord {
                root
            } else if matches!(event.mark, 'u' | 'd') {
                step(sheet, &chord, note_before, event.mark == 'u', range)
            } else {
                tone(
                    sheet,
                    event.mark,
                    &chord,
                    root,
                    number,
                    event.slot,
                    range,
                    &mut chance,
                )
            };
            root_before = root;
            note_before = midi;
            let strong = event.slot == 0;
            let force = if strong || ahead { 0.82 } else { 0.7 };
            let velocity = force * bar.dynamic * sheet.touch(&mut chance, 0.035, event.start_s);
            let start_s = event.start_s + sheet.looseness(&mut chance, event.start_s);
            notes.push(ScoreNote {
                start_s,
                length_s: (event.end_s + held_over_s(sheet, number, &event) - event.start_s) * 0.96,
                midi,
                velocity,
                articulation: Articulation::Normal,
            });
        }
    }
    notes
}

/// How far a note that comes before its chord sounds over the bar line, in seconds: to the next bar's second eighth.
fn held_over_s(sheet: &Sheet<'_>, number: usize, event: &Stroke) -> f64 {
    let bar = &sheet.bars[number];
    match sheet.bars.get(number + 1) {
        Some(next) if event.mark == 'n' && event.end_s >= bar.end_s - 1e-6 => {
            next.time(2) - next.start_s()
        }
        _ => 0.0,
    }
}

/// The pitch of a mark.
#[expect(
    clippy::too_many_arguments,
    reason = "one place calls it, and every argument is needed"
)]
fn tone(
    sheet: &Sheet<'_>,
    mark: char,
    chord: &Chord,
    root: u8,
    number: usize,
    slot: usize,
    range: Range,
    chance: &mut Chance,
) -> u8 {
    let tones = chord.quality.intervals();
    // Semitones from the chord's root up to its bass: degrees count from the root.
    let inversion = (chord.bass + 12 - chord.root % 12) % 12;
    let above = |wanted: std::ops::RangeInclusive<u8>, otherwise: u8| {
        let interval = tones
            .iter()
            .copied()
            .find(|tone| wanted.contains(tone))
            .unwrap_or(otherwise);
        let over_bass = (interval % 12 + 12 - inversion) % 12;
        // Where the degree is already in the bass, the root is played.
        let over_bass = if over_bass == 0 && inversion > 0 {
            12 - inversion
        } else {
            over_bass
        };
        root + if over_bass == 0 { 12 } else { over_bass }
    };
    let fold = |midi: u8| {
        if midi > range.high + 7 {
            midi - 12
        } else {
            midi
        }
    };
    match mark {
        '3' => fold(above(3..=5, 7)),
        '5' => fold(above(6..=8, 7)),
        '6' => {
            // The sixth of boogie lines; a chord without one has its fifth.
            let sixth = is_in_scale(chord.root + 9, sheet.analysis.key) || tones.contains(&4);
            fold(
                root + if sixth && inversion == 0 {
                    9
                } else {
                    above(6..=8, 7) - root
                },
            )
        }
        '7' => fold(above(9..=11, 12)),
        '8' => root + 12,
        '4' => {
            let below = above(6..=8, 7);
            if below >= range.low + 12 {
                below - 12
            } else {
                below
            }
        }
        'a' => {
            let next = sheet.next_chord(number, slot);
            if next.bass == chord.bass {
                return fold(above(6..=8, 7));
            }
            let target = nearest_note(next.bass, root, range);
            let key = sheet.analysis.key;
            let step = if is_in_scale(target.saturating_sub(1), key) || chance.happens(0.35) {
                1
            } else {
                2
            };
            let rising = chance.happens(if target >= root { 0.75 } else { 0.35 });
            if rising || target + step > range.high {
                target.saturating_sub(step).max(range.low - 1)
            } else {
                target + if is_in_scale(target + 1, key) { 1 } else { 2 }
            }
        }
        _ => root,
    }
}

/// The next note of the scale or the chord above or below; the other way at the end of the range.
fn step(sheet: &Sheet<'_>, chord: &Chord, from: u8, up: bool, range: Range) -> u8 {
    let fits = |midi: &u8| is_in_scale(*midi, sheet.analysis.key) || chord.holds(midi % 12);
    let above = || (from + 1..=range.high + 7).find(fits);
    let below = || (range.low..from).rev().find(fits);
    let found = if up {
        above().or_else(below)
    } else {
        below().or_else(above)
    };
    found.unwrap_or(from)
}
