//! Assigns parts to instruments: those of the style, those in the tags, and none that the negative tags forbid.

use super::{
    Instrument, Instrument as I, Role, Score,
    pattern::piece_traits,
    style::{Figures, Style, is_strummed},
    styles,
};
use crate::tags::Brief;

/// Most parts in a score; more would not be heard apart.
const PART_LIMIT: usize = 10;

/// The assignment of a part of the style to an instrument.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) role: Role,
    pub(super) instrument: I,
    pub(super) level_db: f32,
    pub(super) pan: f32,
    pub(super) from: f32,
    pub(super) rootless: bool,
    pub(super) figures: &'static Figures,
}

impl Score {
    /// The first instrument or piece of a kit in the score that `brief` does not allow: the guarantee is that there is none.
    pub fn forbidden_instrument(&self, brief: &Brief) -> Option<Instrument> {
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

/// The assignments, in score order. No instrument is assigned that the brief does not admit; one chordal instrument at least is
/// assigned if any is admitted.
///
/// Later takes prefer another of a style's instruments for pads, figures and fills. Drums, bass and the first chordal part define the
/// style and keep their instrument.
pub(super) fn assign(style: &'static Style, brief: &Brief, take: usize) -> Vec<Assignment> {
    let mut assigned: Vec<Assignment> = Vec::new();
    let mut chordal = false;
    for part in &style.players {
        let colours = match part.role {
            Role::Comp => std::mem::replace(&mut chordal, true),
            Role::Pad | Role::Figure | Role::Fills => true,
            Role::Drums | Role::Bass | Role::Percussion => false,
        };
        let start = if colours {
            take % part.instruments.len().max(1)
        } else {
            0
        };
        let players = || {
            let (before, after) = part.instruments.split_at(start);
            after.iter().chain(before).copied()
        };
        let free = |instrument: &I| {
            brief.admits(*instrument)
                && !assigned.iter().any(|player| {
                    player.instrument == *instrument
                        && player.role != Role::Fills
                        && part.role != Role::Fills
                })
        };
        let asked =
            players().find(|instrument| brief.wanted.contains(instrument) && free(instrument));
        // Fills take an instrument that plays another part only if no other is free.
        let chosen = asked
            .or_else(|| players().find(free))
            .or_else(|| stand_ins(part.role).iter().copied().find(free));
        if let Some(instrument) = chosen {
            assigned.push(Assignment {
                role: part.role,
                instrument,
                level_db: part.level_db,
                pan: part.pan,
                from: part.from,
                rootless: part.rootless,
                figures: &part.figures,
            });
        }
    }
    for &instrument in &brief.wanted {
        assign_wanted(instrument, &mut assigned);
    }
    if !assigned
        .iter()
        .any(|player| matches!(player.role, Role::Comp | Role::Pad | Role::Figure))
        && let Some(&instrument) = CHORDAL.iter().find(|&&instrument| brief.admits(instrument))
    {
        assigned.push(added(instrument, Role::Comp));
    }
    // One part with chords plays from the start.
    if !assigned.iter().any(|player| {
        matches!(player.role, Role::Comp | Role::Pad | Role::Figure) && player.from <= 0.05
    }) && let Some(player) = assigned
        .iter_mut()
        .find(|player| matches!(player.role, Role::Comp | Role::Pad | Role::Figure))
    {
        player.from = 0.0;
    }
    assigned.truncate(PART_LIMIT);
    assigned
}

/// Assigns a part to an instrument in the tags: instead of one with the same purpose that is not in the tags, or beside it.
fn assign_wanted(instrument: I, assigned: &mut Vec<Assignment>) {
    if let Some(player) = assigned
        .iter_mut()
        .find(|player| player.instrument == instrument && player.role != Role::Fills)
    {
        player.from = 0.0;
        return;
    }
    let role = usual_role(instrument);
    let one_of_a_kind = matches!(role, Role::Drums | Role::Bass);
    if one_of_a_kind && let Some(player) = assigned.iter_mut().find(|player| player.role == role) {
        player.instrument = instrument;
        player.from = 0.0;
        return;
    }
    // A part of fills alone would be silent in a song without gaps: the user wants to hear this instrument.
    let role = if role == Role::Fills { Role::Pad } else { role };
    let place = assigned
        .iter()
        .position(|player| player.role == Role::Fills)
        .unwrap_or(assigned.len());
    assigned.insert(place.min(PART_LIMIT - 1), added(instrument, role));
    let answers = |player: &Assignment| player.role == Role::Fills;
    if usual_role(instrument) == Role::Fills
        && !assigned.iter().any(answers)
        && assigned.len() < PART_LIMIT
    {
        assigned.push(added(instrument, Role::Fills));
    }
}

/// An assignment with patterns that suit any style.
fn added(instrument: I, role: Role) -> Assignment {
    let strummed = is_strummed(instrument) && instrument != I::DistortedGuitar;
    let shared = styles::guest(role, strummed);
    Assignment {
        role,
        instrument,
        level_db: shared.level_db,
        pan: shared.pan,
        from: 0.0,
        rootless: false,
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
        I::Vibraphone | I::Glockenspiel | I::Harp | I::Banjo | I::SynthPluck => Role::Figure,
        I::Flute | I::Saxophone | I::SynthLead => Role::Fills,
    }
}

/// Instruments to take where all of a style's own are forbidden.
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

/// Instruments that can play the harmony alone, best first.
const CHORDAL: [I; 17] = [
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
    I::Banjo,
    I::SynthPluck,
    I::Brass,
    I::Glockenspiel,
    I::DistortedGuitar,
    I::Voices,
];
