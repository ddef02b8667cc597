//! Keeps low chords clear: no two notes that sound together, in one part or in two, are closer than the low interval limit.
//!
//! The bass keeps its notes. A note of another part that is too close to a note that sounds already goes up by an octave; where its part
//! plays that octave already it is left out, as a guitarist mutes a string.

use super::{
    Role,
    score::{ScoreNote, ScorePart},
};

/// The lowest note over which an interval of so many semitones is clear, as arrangers teach it: E3 for the minor second, Eb3 for the
/// major one, C3 and Bb2 for the thirds, Bb2 for fourth and tritone, Bb1 for the fifth, F2 for sixths and sevenths. Lists differ by up
/// to three semitones.
const LOWEST: [u8; 12] = [0, 52, 51, 48, 46, 46, 46, 34, 41, 41, 41, 41];

/// Notes that sound together for less than this follow each other, in seconds.
const CHANGE_S: f64 = 0.1;

/// The octaves by which a note may be lifted.
const OCTAVES: u8 = 2;

/// Whether two notes are closer than the low interval limit.
pub(super) fn is_muddy(one: u8, other: u8) -> bool {
    LOWEST
        .get(usize::from(one.abs_diff(other)))
        .is_some_and(|&lowest| one.min(other) < lowest)
}

/// A note that keeps its place.
struct Sounding {
    start_s: f64,
    end_s: f64,
    midi: u8,
    part: usize,
}

impl Sounding {
    fn of(note: &ScoreNote, part: usize) -> Self {
        Self {
            start_s: note.start_s,
            end_s: note.start_s + note.length_s,
            midi: note.midi,
            part,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.end_s.min(other.end_s) - self.start_s.max(other.start_s) > CHANGE_S
    }
}

/// Lifts or leaves out what is too close to the bass or to a note that began earlier.
pub(super) fn clear(parts: &mut [ScorePart]) {
    let bass: Vec<Sounding> = in_time(parts, |role| role == Role::Bass)
        .into_iter()
        .map(|(part, note)| Sounding::of(&parts[part].notes[note], part))
        .collect();
    let others = in_time(parts, |role| {
        !matches!(role, Role::Bass | Role::Drums | Role::Percussion)
    });
    let mut sounding: Vec<Sounding> = Vec::new();
    let mut left_out: Vec<(usize, usize)> = Vec::new();
    let mut first_bass = 0;
    for (part, note) in others {
        let mut here = Sounding::of(&parts[part].notes[note], part);
        sounding.retain(|other| other.end_s > here.start_s);
        while bass
            .get(first_bass)
            .is_some_and(|other| other.end_s <= here.start_s)
        {
            first_bass += 1;
        }
        let under = bass[first_bass..]
            .iter()
            .take_while(|other| other.start_s < here.end_s);
        let near: Vec<&Sounding> = under
            .chain(&sounding)
            .filter(|other| other.overlaps(&here))
            .collect();
        let written = here.midi;
        let clear = |midi: u8| !near.iter().any(|other| is_muddy(midi, other.midi));
        let mut places = (0..=OCTAVES).map(|octave| written + 12 * octave);
        let found = places.find(|&midi| clear(midi)).filter(|&midi| {
            let doubled = |other: &&Sounding| other.part == part && other.midi == midi;
            midi == written || !near.iter().any(doubled)
        });
        match found {
            Some(midi) => {
                here.midi = midi;
                parts[part].notes[note].midi = midi;
                sounding.push(here);
            }
            None => left_out.push((part, note)),
        }
    }
    left_out.sort_unstable();
    for (part, note) in left_out.into_iter().rev() {
        parts[part].notes.remove(note);
    }
    for part in parts {
        part.notes
            .sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(a.midi.cmp(&b.midi)));
    }
}

/// The notes of the parts of some roles in time order, lower ones first: the numbers of part and note.
fn in_time(parts: &[ScorePart], wanted: impl Fn(Role) -> bool) -> Vec<(usize, usize)> {
    let chosen = parts
        .iter()
        .enumerate()
        .filter(|(_, part)| wanted(part.role));
    let mut places: Vec<(usize, usize)> = chosen
        .flat_map(|(part, it)| (0..it.notes.len()).map(move |note| (part, note)))
        .collect();
    places.sort_by(|&(part, note), &(other_part, other_note)| {
        let (a, b) = (
            &parts[part].notes[note],
            &parts[other_part].notes[other_note],
        );
        a.start_s.total_cmp(&b.start_s).then(a.midi.cmp(&b.midi))
    });
    places
}
