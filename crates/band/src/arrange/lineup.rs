//! Who plays: the style's voices, with what the tags ask for and without what they forbid.

use super::{
    Instrument, Instrument as I, Role, Score,
    style::{Figures, Style, is_strummed, piece_traits},
    styles,
};
use crate::tags::Brief;

/// Most parts in a score; more only makes it thick.
const PART_LIMIT: usize = 10;

/// A voice that has found its player.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) role: Role,
    pub(super) instrument: I,
    pub(super) level_db: f32,
    pub(super) pan: f32,
    pub(super) from: f32,
    pub(super) figures: &'static Figures,
}

impl Score {
    /// The first instrument or piece of a kit in the score that `brief` does not allow: the guarantee is that there is none.
    pub fn breach(&self, brief: &Brief) -> Option<Instrument> {
        self.parts
            .iter()
            .find(|part| {
                let piece_forbidden = part.instrument.is_percussion()
                    && part.notes.iter().any(|note| {
                        piece_traits(note.midi).is_some_and(|traits| brief.forbidden.meets(traits))
                    });
                !brief.admits(part.instrument) || piece_forbidden
            })
            .map(|part| part.instrument)
    }
}

/// The players, in score order. Never an instrument that the brief does not admit; one chordal instrument at least if any is admitted.
///
/// Later takes prefer another of a style's players for what colours the song; drums, bass and the first chordal part, which make the
/// style, stay.
pub(super) fn seats(style: &'static Style, brief: &Brief, take: usize) -> Vec<Seat> {
    let mut seats: Vec<Seat> = Vec::new();
    let mut chordal = false;
    for voice in &style.players {
        let colours = match voice.role {
            Role::Comp => std::mem::replace(&mut chordal, true),
            Role::Pad | Role::Figure | Role::Fills => true,
            Role::Drums | Role::Bass | Role::Percussion => false,
        };
        let start = if colours {
            take % voice.instruments.len().max(1)
        } else {
            0
        };
        let players = || {
            let (before, after) = voice.instruments.split_at(start);
            after.iter().chain(before).copied()
        };
        let free = |instrument: &I| {
            brief.admits(*instrument)
                && !seats.iter().any(|seat| {
                    seat.instrument == *instrument
                        && seat.role != Role::Fills
                        && voice.role != Role::Fills
                })
        };
        let asked =
            players().find(|instrument| brief.wanted.contains(instrument) && free(instrument));
        // An answer is played by somebody who is there already only if nobody else may.
        let chosen = asked
            .or_else(|| players().find(free))
            .or_else(|| stand_ins(voice.role).iter().copied().find(free));
        if let Some(instrument) = chosen {
            seats.push(Seat {
                role: voice.role,
                instrument,
                level_db: voice.level_db,
                pan: voice.pan,
                from: voice.from,
                figures: &voice.figures,
            });
        }
    }
    for &instrument in &brief.wanted {
        seat_the_wanted(instrument, &mut seats);
    }
    if !seats
        .iter()
        .any(|seat| matches!(seat.role, Role::Comp | Role::Pad | Role::Figure))
        && let Some(&instrument) = CHORDAL.iter().find(|&&instrument| brief.admits(instrument))
    {
        seats.push(added(instrument, Role::Comp));
    }
    // The harmony is never left to parts that enter late.
    if !seats
        .iter()
        .any(|seat| matches!(seat.role, Role::Comp | Role::Pad | Role::Figure) && seat.from <= 0.05)
        && let Some(seat) = seats
            .iter_mut()
            .find(|seat| matches!(seat.role, Role::Comp | Role::Pad | Role::Figure))
    {
        seat.from = 0.0;
    }
    seats.truncate(PART_LIMIT);
    seats
}

/// Gives an instrument that was asked for a seat, in place of one of the same purpose that was not, or beside it.
fn seat_the_wanted(instrument: I, seats: &mut Vec<Seat>) {
    if let Some(seat) = seats
        .iter_mut()
        .find(|seat| seat.instrument == instrument && seat.role != Role::Fills)
    {
        seat.from = 0.0;
        return;
    }
    let role = usual_role(instrument);
    let one_of_a_kind = matches!(role, Role::Drums | Role::Bass);
    if one_of_a_kind && let Some(seat) = seats.iter_mut().find(|seat| seat.role == role) {
        seat.instrument = instrument;
        seat.from = 0.0;
        return;
    }
    // Who answers in the gaps alone would be silent in a song without any, and whoever asked for it wants to hear it.
    let role = if role == Role::Fills { Role::Pad } else { role };
    let place = seats
        .iter()
        .position(|seat| seat.role == Role::Fills)
        .unwrap_or(seats.len());
    seats.insert(place.min(PART_LIMIT - 1), added(instrument, role));
    let answers = |seat: &Seat| seat.role == Role::Fills;
    if usual_role(instrument) == Role::Fills
        && !seats.iter().any(answers)
        && seats.len() < PART_LIMIT
    {
        seats.push(added(instrument, Role::Fills));
    }
}

/// A seat with patterns that suit any style.
fn added(instrument: I, role: Role) -> Seat {
    let strummed = is_strummed(instrument) && instrument != I::DistortedGuitar;
    let shared = styles::guest(role, strummed);
    Seat {
        role,
        instrument,
        level_db: shared.level_db,
        pan: shared.pan,
        from: 0.0,
        figures: &shared.figures,
    }
}

fn usual_role(instrument: I) -> Role {
    match instrument {
        I::AcousticKit | I::BrushKit | I::ElectronicKit => Role::Drums,
        I::HandPercussion => Role::Percussion,
        I::FingerBass | I::UprightBass | I::SynthBass | I::SubBass => Role::Bass,
        I::Piano
        | I::ElectricPiano
        | I::Organ
        | I::SteelGuitar
        | I::NylonGuitar
        | I::Ukulele
        | I::CleanGuitar
        | I::DistortedGuitar => Role::Comp,
        I::Strings | I::SynthPad | I::Brass | I::Voices => Role::Pad,
        I::Vibraphone | I::Glockenspiel | I::Harp | I::SynthPluck => Role::Figure,
        I::Flute | I::SynthLead => Role::Fills,
    }
}

/// Who may stand in where a style's own players are forbidden.
fn stand_ins(role: Role) -> &'static [I] {
    match role {
        Role::Drums => &[I::AcousticKit, I::BrushKit, I::ElectronicKit],
        Role::Bass => &[I::FingerBass, I::UprightBass, I::SynthBass],
        Role::Comp => &[
            I::Piano,
            I::ElectricPiano,
            I::SteelGuitar,
            I::NylonGuitar,
            I::Organ,
            I::Harp,
        ],
        Role::Pad => &[I::Strings, I::SynthPad, I::Organ],
        Role::Figure => &[I::Harp, I::NylonGuitar, I::Piano, I::Vibraphone],
        Role::Percussion => &[],
        Role::Fills => &[I::Piano, I::NylonGuitar, I::Flute],
    }
}

/// Who can carry the harmony alone, best first.
const CHORDAL: [I; 16] = [
    I::Piano,
    I::ElectricPiano,
    I::SteelGuitar,
    I::NylonGuitar,
    I::Organ,
    I::Harp,
    I::CleanGuitar,
    I::Strings,
    I::SynthPad,
    I::Vibraphone,
    I::Ukulele,
    I::SynthPluck,
    I::Brass,
    I::Glockenspiel,
    I::DistortedGuitar,
    I::Voices,
];
