//! Comping, held chords and broken chords.

use super::{
    Articulation, Instrument, Role, Traits,
    bars::{Bar, BarKind},
    bass::CUT_S,
    line::Line,
    lineup::Assignment,
    pattern::Pattern,
    score::ScoreNote,
    sheet::{Sheet, Stroke, force},
    style::{Ending, is_strummed},
    voicing::{
        LeftOut, Range, Shape, above_voice, comp_range, fewer, guitar_shape, nearest,
        ukulele_shape, voices_range,
    },
};
use crate::{analysis::Chord, chance::Chance};

/// Time between two strings of a strum in seconds.
const STRUM_S: f64 = 0.011;

/// Voices the chords of one part, near the voicing before.
struct Voicer {
    instrument: Instrument,
    role: Role,
    range: Range,
    shape: Shape,
    fret: u8,
    before: Vec<u8>,
}

impl Voicer {
    fn new(sheet: &Sheet<'_>, player: &Assignment, part: usize) -> Self {
        let mut chance = Chance::new(sheet.seed, &[41, part as u64]);
        let comp = comp_range(sheet.sung);
        let under = comp.low < 55;
        let range = match (player.role, player.instrument) {
            (_, Instrument::Glockenspiel) => Range { low: 79, high: 96 },
            (_, Instrument::Vibraphone | Instrument::SynthPluck) => Range { low: 64, high: 81 },
            (_, Instrument::Flute) => Range { low: 72, high: 86 },
            (_, Instrument::Saxophone) => Range { low: 52, high: 66 },
            (Role::Figure, Instrument::Harp) => Range { low: 55, high: 79 },
            // Under a high voice there is space for one part: held chords lie above the voice, broken chords below the comping.
            (Role::Figure, _) if under => comp.moved(-5),
            (Role::Pad, Instrument::Strings | Instrument::SynthPad) if under => {
                above_voice(sheet.sung)
            }
            (Role::Pad, Instrument::Brass) => Range { low: 50, high: 65 },
            (_, Instrument::Voices) => voices_range(sheet.sung, sheet.singer),
            (Role::Pad, _) => Range {
                low: comp.low - 1,
                high: comp.high + 1,
            },
            _ => comp,
        };
        let count = match (player.role, player.instrument) {
            (_, Instrument::Flute | Instrument::Saxophone) => 1,
            (_, Instrument::Brass | Instrument::DistortedGuitar | Instrument::Voices) => 3,
            _ => 4,
        };
        let fret = [0, 0, 3, 5][chance.below(4)];
        Self {
            instrument: player.instrument,
            role: player.role,
            range,
            shape: Shape {
                count,
                open: player.role != Role::Figure && chance.happens(0.4),
                rootless: false,
            },
            fret,
            before: Vec::new(),
        }
    }

    /// Whether its chords are shapes on six strings.
    fn plays_shapes(&self) -> bool {
        self.instrument.traits().meets(Traits::GUITAR)
            && self.instrument != Instrument::DistortedGuitar
    }

    /// The notes of a chord, ascending.
    fn next_voicing(&mut self, chord: &Chord) -> Vec<u8> {
        let notes = match self.instrument {
            Instrument::DistortedGuitar => {
                // Root, fifth and octave: further tones are unclear under distortion.
                let root = 40 + (chord.root + 12 - 4) % 12;
                vec![root, root + 7, root + 12]
            }
            Instrument::Ukulele => ukulele_shape(chord),
            _ if self.plays_shapes() => guitar_shape(chord, self.fret),
            _ => nearest(chord, self.range, self.shape, &self.before),
        };
        self.before.clone_from(&notes);
        notes
    }
}

/// Writes a part of chords. Where `bass` plays, a part without roots leaves them to it.
pub(super) fn write(
    sheet: &Sheet<'_>,
    player: &Assignment,
    part: usize,
    bass: Option<&Assignment>,
) -> Vec<ScoreNote> {
    let mut voicer = Voicer::new(sheet, player, part);
    let mut notes: Vec<ScoreNote> = Vec::new();
    for (number, bar) in sheet.bars.iter().enumerate() {
        if !sheet.plays(player, bar) {
            voicer.before.clear();
            continue;
        }
        let mut chance = Chance::new(sheet.seed, &[42, part as u64, number as u64]);
        voicer.shape.rootless = player.rootless && bass.is_some_and(|bass| sheet.plays(bass, bar));
        if bar.kind == BarKind::Final {
            let was_there = number == 0 || sheet.plays(player, &sheet.bars[number - 1]);
            if was_there {
                last_chord(sheet, &mut voicer, bar, &mut notes);
            }
            continue;
        }
        match sheet.figure(player, part, number) {
            Some(Pattern::Hold) => hold(sheet, &mut voicer, bar, &mut notes, &mut chance),
            Some(Pattern::Chords { right, left }) => {
                let mut events = sheet.events(right, number, true);
                if let [before @ .., last] = events.as_mut_slice()
                    && let Some(chord) = sheet.pushed(number, before.last(), last)
                {
                    last.chord = chord;
                }
                for event in &events {
                    strike(sheet, &mut voicer, bar, event, &mut notes, &mut chance);
                }
                if let Some(left) = left
                    && has_keys(player.instrument)
                {
                    left_hand(sheet, number, left, &mut notes, &mut chance);
                }
            }
            Some(Pattern::Strum(line)) => {
                for event in sheet.events(line, number, true) {
                    if is_strummed(player.instrument) {
                        sweep(sheet, &mut voicer, bar, &event, &mut notes, &mut chance);
                    } else if matches!(event.mark, 'D' | 'd') {
                        strike(sheet, &mut voicer, bar, &event, &mut notes, &mut chance);
                    }
                }
            }
            Some(Pattern::Pick(line)) => {
                pick(
                    sheet,
                    &mut voicer,
                    bar,
                    number,
                    line,
                    &mut notes,
                    &mut chance,
                );
            }
            _ => {}
        }
    }
    notes
}

/// All tones of the final chord, rolled a little, ringing out.
fn last_chord(sheet: &Sheet<'_>, voicer: &mut Voicer, bar: &Bar, notes: &mut Vec<ScoreNote>) {
    let chord = sheet.chord(bar, 0);
    let (length_s, roll_s) = match sheet.style.ending {
        Ending::Cut | Ending::Fade => (CUT_S, 0.0),
        Ending::Ritard | Ending::Ring => (
            (sheet.length_s - bar.start_s() - 0.6).clamp(1.0, 4.5),
            if voicer.role == Role::Pad { 0.0 } else { 0.028 },
        ),
    };
    for (step, midi) in voicer.next_voicing(&chord).into_iter().enumerate() {
        let velocity = if voicer.role == Role::Pad { 0.55 } else { 0.66 };
        notes.push(ScoreNote {
            start_s: bar.start_s() + roll_s * step as f64,
            length_s,
            midi,
            velocity,
            articulation: Articulation::Ringing,
        });
    }
}

/// Chords held until they change; notes that two neighbours share are struck again only at a new bar's chord change.
fn hold(
    sheet: &Sheet<'_>,
    voicer: &mut Voicer,
    bar: &Bar,
    notes: &mut Vec<ScoreNote>,
    chance: &mut Chance,
) {
    let mut slot = 0;
    while slot < bar.slots.len() {
        let chord = sheet.chord(bar, slot);
        let next = (slot + 1..bar.slots.len())
            .find(|&later| sheet.chord(bar, later) != chord)
            .unwrap_or(bar.slots.len());
        let (start_s, end_s) = (bar.time(slot), bar.time(next));
        let before = std::mem::take(&mut voicer.before);
        voicer.before.clone_from(&before);
        let voicing = voicer.next_voicing(&chord);
        for midi in voicing {
            // Legato: a note that both chords share is prolonged.
            let tied = notes.iter_mut().rev().take(12).find(|note| {
                note.midi == midi
                    && (note.start_s + note.length_s - start_s).abs() < 0.09
                    && note.length_s < 12.0
            });
            if let Some(note) = tied {
                note.length_s = end_s - note.start_s + 0.04;
                continue;
            }
            let velocity = (0.5 + 0.25 * bar.energy) * bar.dynamic * chance.between(0.95, 1.05);
            notes.push(ScoreNote {
                start_s,
                length_s: end_s - start_s + 0.04,
                midi,
                velocity,
                articulation: Articulation::Normal,
            });
        }
        slot = next;
    }
}

/// A block chord.
fn strike(
    sheet: &Sheet<'_>,
    voicer: &mut Voicer,
    bar: &Bar,
    event: &Stroke,
    notes: &mut Vec<ScoreNote>,
    chance: &mut Chance,
) {
    let mut voicing = voicer.next_voicing(&event.chord);
    let short = event.mark == '^';
    let soft = 0.82 + 0.18 * bar.energy;
    let touch = sheet.touch(chance, 0.04, event.start_s);
    let velocity = force(event.mark) * soft * bar.dynamic * touch;
    let start_s = event.start_s + sheet.looseness(chance, event.start_s);
    let strummed = is_strummed(voicer.instrument);
    let spread_s = if strummed { STRUM_S * 0.6 } else { 0.002 };
    let length_s = if short {
        (event.end_s - event.start_s).min(0.14)
    } else {
        (event.end_s - event.start_s) * 0.97
    };
    let articulation = if short && strummed {
        Articulation::Muted
    } else {
        Articulation::Normal
    };
    if short && strummed {
        // Chops are played on four strings, the upper ones.
        voicing = fewer(&event.chord, &voicing, 4, LeftOut::Low);
    }
    let top = voicing.len().saturating_sub(1);
    for (step, midi) in voicing.into_iter().enumerate() {
        let voice = if step == top { 1.0 } else { 0.88 };
        let jitter_s = f64::from(chance.between(0.0, 0.004));
        notes.push(ScoreNote {
            start_s: start_s + spread_s * step as f64 + jitter_s,
            length_s,
            midi,
            velocity: velocity * voice,
            articulation,
        });
    }
}

/// Whether an instrument is played with two hands on keys.
fn has_keys(instrument: Instrument) -> bool {
    matches!(
        instrument,
        Instrument::Piano | Instrument::ElectricPiano | Instrument::Organ
    )
}

/// The left hand: roots and fifths in the octave below the chords, octaves in full bars.
fn left_hand(
    sheet: &Sheet<'_>,
    number: usize,
    line: &Line,
    notes: &mut Vec<ScoreNote>,
    chance: &mut Chance,
) {
    const LOWEST: u8 = 36;
    let bar = &sheet.bars[number];
    for event in sheet.events(line, number, true) {
        let root = LOWEST + (event.chord.bass + 12 - LOWEST % 12) % 12;
        let fifth = (event.chord.root + 7) % 12;
        let has_fifth = event.chord.holds(fifth);
        let midi = match event.mark {
            '5' if has_fifth => root + (fifth + 12 - root % 12) % 12,
            '8' => root + 12,
            _ => root,
        };
        let octave = (event.mark == '1' && bar.level() == 2).then_some(midi + 12);
        let touch = sheet.touch(chance, 0.05, event.start_s);
        let start_s = event.start_s + sheet.looseness(chance, event.start_s);
        notes.extend(std::iter::once(midi).chain(octave).map(|midi| ScoreNote {
            start_s,
            length_s: (event.end_s - event.start_s) * 0.97,
            midi,
            velocity: 0.62 * (0.82 + 0.18 * bar.energy) * bar.dynamic * touch,
            articulation: Articulation::Normal,
        }));
    }
}

/// A strum down or up.
fn sweep(
    sheet: &Sheet<'_>,
    voicer: &mut Voicer,
    bar: &Bar,
    event: &Stroke,
    notes: &mut Vec<ScoreNote>,
    chance: &mut Chance,
) {
    let mut voicing = voicer.next_voicing(&event.chord);
    let up = matches!(event.mark, 'U' | 'u');
    let damped = event.mark == 'x';
    if up {
        voicing.reverse();
        voicing.truncate(4);
    } else if event.mark == 'd' && voicing.len() > 4 {
        voicing.remove(0);
    }
    let velocity = if damped { 0.4 } else { force(event.mark) }
        * (0.8 + 0.2 * bar.energy)
        * bar.dynamic
        * sheet.touch(chance, 0.05, event.start_s);
    let step_s = STRUM_S * f64::from(chance.between(0.7, 1.2)) * if up { 0.7 } else { 1.0 };
    // A strum is heard where its middle is.
    let half_s = 0.5 * step_s * voicing.len().saturating_sub(1) as f64;
    let start_s = event.start_s - half_s + sheet.looseness(chance, event.start_s);
    let length_s = if damped {
        0.05
    } else {
        (event.end_s - event.start_s).max(0.12)
    };
    for (step, midi) in voicing.into_iter().enumerate() {
        notes.push(ScoreNote {
            start_s: start_s + step_s * step as f64,
            length_s: (length_s - step_s * step as f64).max(0.04),
            midi,
            velocity: velocity * (1.0 - 0.03 * step as f32),
            articulation: if damped {
                Articulation::Muted
            } else {
                Articulation::Normal
            },
        });
    }
}

/// Broken chords: the digits count the voicing from below and continue an octave higher above its top, on a guitar they count strings. A
/// figure that does not reach every tone of a chord has those that define it.
fn pick(
    sheet: &Sheet<'_>,
    voicer: &mut Voicer,
    bar: &Bar,
    number: usize,
    line: &Line,
    notes: &mut Vec<ScoreNote>,
    chance: &mut Chance,
) {
    let digit = |event: &Stroke| event.mark.to_digit(10).map_or(0, |digit| digit as usize);
    let mut events = sheet.events(line, number, false);
    events.retain(|event| digit(event) > 0);
    for under_chord in events.chunk_by(|a, b| a.chord == b.chord) {
        let chord = under_chord[0].chord;
        let voicing = voicer.next_voicing(&chord);
        let count = voicing.len();
        if count == 0 {
            continue;
        }
        // The place of a tone among those of the voicing, or of the strings, and its octave.
        let place = |event: &Stroke| match digit(event) - 1 {
            string if voicer.plays_shapes() => (string, 0),
            tone if is_strummed(voicer.instrument) => (tone.min(count - 1), 0),
            tone => (tone % count, (tone / count).min(1)),
        };
        let mut places: Vec<usize> = under_chord.iter().map(|event| place(event).0).collect();
        places.sort_unstable();
        places.dedup();
        let first = if voicer.plays_shapes() {
            LeftOut::High
        } else {
            LeftOut::Low
        };
        let tones = fewer(&chord, &voicing, places.len(), first);
        for event in under_chord {
            let (at, octave) = place(event);
            let rank = places.partition_point(|it| *it < at).min(tones.len() - 1);
            let midi = tones[rank] + 12 * octave as u8;
            // Tones ring into each other until the chord changes.
            let ring_end = (event.slot + 1..bar.slots.len())
                .find(|&later| sheet.chord(bar, later) != event.chord)
                .unwrap_or(bar.slots.len());
            let step_s = event.end_s - event.start_s;
            let ringing = !matches!(voicer.instrument, Instrument::SynthPluck);
            let length_s = if ringing {
                (bar.time(ring_end) - event.start_s).clamp(step_s, 1.6)
            } else {
                step_s * 1.2
            };
            let strong = if event.slot == 0 { 0.86 } else { 0.72 };
            let velocity = strong
                * (0.85 + 0.2 * bar.energy)
                * bar.dynamic
                * sheet.touch(chance, 0.06, event.start_s);
            let start_s = event.start_s + sheet.looseness(chance, event.start_s);
            notes.push(ScoreNote {
                start_s,
                length_s,
                midi,
                velocity,
                articulation: Articulation::Ringing,
            });
        }
    }
}
