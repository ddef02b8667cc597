//! The kit and the percussion: strokes, fills at the end of sections, a cymbal at the start of full ones.

use super::{
    Articulation, Instrument, Role,
    bars::BarKind,
    lineup::Assignment,
    pattern::{Pattern, Piece, piece_traits},
    score::ScoreNote,
    sheet::{Sheet, force},
    style::{Ending, LeadIn},
};
use crate::chance::Chance;

/// Fills for the end of a bar: sixteenths counted back from its end, and the strokes.
const FILLS: &[(usize, &[(Piece, &str)])] = &[
    (4, &[(Piece::Snare, "x.xX")]),
    (4, &[(Piece::HighTom, "xx.."), (Piece::LowTom, "..xX")]),
    (4, &[(Piece::Snare, "oxxX"), (Piece::Kick, "x...")]),
    (
        8,
        &[
            (Piece::Snare, "x.x....."),
            (Piece::HighTom, "...xx..."),
            (Piece::MidTom, ".....x.."),
            (Piece::LowTom, "......xX"),
        ],
    ),
    (8, &[(Piece::Snare, "o.o.oxxX"), (Piece::Kick, "x...x...")]),
    (2, &[(Piece::Snare, "xX")]),
    (2, &[(Piece::Open, "X.")]),
];

/// The same for quiet bars and for brushes.
const SMALL_FILLS: &[(usize, &[(Piece, &str)])] = &[
    (4, &[(Piece::Rim, "..xx")]),
    (2, &[(Piece::Open, "x.")]),
    (4, &[(Piece::Snare, "..ox")]),
    (4, &[(Piece::Snare, "o.ox")]),
];

/// The same for machines.
const MACHINE_FILLS: &[(usize, &[(Piece, &str)])] = &[
    (4, &[(Piece::Rim, "..xx")]),
    (2, &[(Piece::Open, "x.")]),
    (4, &[(Piece::Snare, "..ox")]),
    (4, &[(Piece::Clap, "x.xx")]),
];

/// Writes the part of a kit or of the percussion.
pub(super) fn write(sheet: &Sheet<'_>, player: &Assignment, part: usize) -> Vec<ScoreNote> {
    let mut notes = Vec::new();
    let allowed = |piece: Piece| {
        piece_traits(piece.midi()).is_none_or(|traits| !sheet.brief.forbidden.meets(traits))
            && can_strike(player.instrument, piece)
    };
    for (number, bar) in sheet.bars.iter().enumerate() {
        let mut chance = Chance::new(sheet.seed, &[21, part as u64, number as u64]);
        let stroke = |piece: Piece, start_s: f64, velocity: f32| ScoreNote {
            start_s,
            length_s: 0.25,
            midi: piece.midi(),
            velocity,
            articulation: Articulation::Normal,
        };
        if bar.kind == BarKind::Final {
            let played_before = number > 0 && sheet.plays(player, &sheet.bars[number - 1]);
            if player.role == Role::Drums && played_before {
                let soft = if bar.energy < 0.4 { 0.55 } else { 0.8 };
                let ending = match sheet.style.ending {
                    Ending::Cut | Ending::Fade => [Piece::Kick, Piece::Snare],
                    Ending::Ritard | Ending::Ring => [Piece::Kick, Piece::Crash],
                };
                notes.extend(
                    ending
                        .into_iter()
                        .filter(|&piece| allowed(piece))
                        .map(|piece| stroke(piece, bar.start_s(), soft)),
                );
            }
            continue;
        }
        let kit = player.role == Role::Drums;
        // Before the singer a kit may play no more than the fill that leads to them.
        let pickup =
            kit && bar.kind == BarKind::LeadIn && bar.last && sheet.style.lead_in == LeadIn::Pickup;
        if !pickup && !sheet.plays(player, bar) {
            continue;
        }
        let Some(Pattern::Strokes(lanes)) = sheet.figure(player, part, number) else {
            continue;
        };
        let drops = kit && sheet.drops(number);
        let drop_from = bar.slots.len() / 2;
        let fill_due = kit
            && !drops
            && bar.slots.len() >= 8
            && sheet
                .bars
                .get(number + 1)
                .is_some_and(|next| next.kind != BarKind::LeadIn)
            && {
                let rises = sheet
                    .bars
                    .get(number + 1)
                    .is_some_and(|next| next.energy > bar.energy + 0.1);
                pickup
                    || bar.last && (rises || chance.happens(0.75))
                    || bar.in_section % 8 == 7 && chance.happens(0.6)
            };
        let fills = match player.instrument {
            Instrument::ElectronicKit => MACHINE_FILLS,
            Instrument::BrushKit => SMALL_FILLS,
            _ if bar.level() == 0 || sheet.style.loose_ms == 0.0 => SMALL_FILLS,
            _ => FILLS,
        };
        let fill = fill_due.then(|| fills[chance.below(fills.len())]);
        let fill_from = fill.map_or(usize::MAX, |(slots, _)| {
            bar.slots.len().saturating_sub(slots)
        });
        for &(piece, ref line) in lanes.iter().filter(|_| !pickup) {
            if !allowed(piece) {
                continue;
            }
            for event in sheet.events(line, number, false) {
                // A fill replaces everything but the bass drum.
                if event.slot >= fill_from && piece != Piece::Kick
                    || drops && event.slot >= drop_from
                {
                    continue;
                }
                let accent = if event.slot == 0 { 1.05 } else { 1.0 };
                let touch = sheet.touch(&mut chance, 0.04, event.start_s);
                let velocity = force(event.mark) * accent * bar.dynamic * touch;
                notes.push(stroke(
                    piece,
                    event.start_s + sheet.looseness(&mut chance, event.start_s),
                    velocity,
                ));
            }
        }
        let roll = [Piece::Snare, Piece::Clap, Piece::Closed]
            .into_iter()
            .find(|&piece| allowed(piece));
        if let (true, Some(piece)) = (drops, roll) {
            // A roll that rises into the next section.
            for slot in drop_from..bar.slots.len() {
                let share = (slot - drop_from) as f32 / (bar.slots.len() - drop_from) as f32;
                notes.push(stroke(piece, bar.time(slot), 0.3 + 0.55 * share));
            }
        }
        if let Some((_, lanes)) = fill {
            for &(piece, pattern) in lanes.iter().filter(|&&(piece, _)| allowed(piece)) {
                for (step, mark) in pattern.chars().enumerate().filter(|&(_, mark)| mark != '.') {
                    let velocity = force(mark) * bar.dynamic * chance.between(0.85, 1.0);
                    notes.push(stroke(
                        piece,
                        {
                            let at_s = bar.time(fill_from + step);
                            at_s + sheet.looseness(&mut chance, at_s)
                        },
                        velocity,
                    ));
                }
            }
        }
        if kit
            && bar.first
            && bar.level() >= 1
            && number > 0
            && player.instrument != Instrument::BrushKit
            && allowed(Piece::Crash)
        {
            notes.push(stroke(
                Piece::Crash,
                bar.start_s(),
                0.55 + 0.25 * bar.energy,
            ));
        }
    }
    notes
}

/// Whether a player of `instrument` can play the piece.
fn can_strike(instrument: Instrument, piece: Piece) -> bool {
    let percussion = matches!(
        piece,
        Piece::Tambourine
            | Piece::Cowbell
            | Piece::HighConga
            | Piece::LowConga
            | Piece::Shaker
            | Piece::Claves
    );
    match instrument {
        Instrument::HandPercussion => percussion,
        Instrument::ElectronicKit => true,
        _ => !percussion,
    }
}
