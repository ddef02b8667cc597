//! Removes what is not a note: scoops, slides, consonants, wavering pitch, noise.

use crate::analysis::{Note, PITCH_HOP_S};

/// Shortest note in frames; shorter ones belong to their neighbours.
pub(super) const SHORTEST: usize = 7;
/// A dip this deep on both sides separates two syllables, in dB. Untrained singers waver by 4 to 6 within a syllable.
pub(super) const DIP_DB: f32 = 6.0;
/// How far from a dip its sides are searched for, in frames.
pub(super) const DIP_REACH: usize = 18;

/// A stretch of frames on one pitch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct NoteSegment {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) midi: u8,
}

/// Neighbours whose pitches differ by less than this, in semitones, are one note when one of them is at most so many frames long: a
/// pitch that wavers between two semitones.
const WAVER: f32 = 0.75;
const LONGEST_WAVER: usize = 35;
/// A note of at most this length, in seconds, is a scoop when the next one follows without a dip, so many semitones away.
const SCOOP_S: [(u8, f64); 2] = [(1, 0.14), (2, 0.105)];
/// A note that is this much softer than the song's notes and so many semitones from both neighbours is a breath or noise, and so is a
/// short note still further away. In 31 recordings of people this drops 46 notes, one of which was sung.
const NOISE_DB: f32 = 10.0;
const NOISE_LEAP: u8 = 7;
const SHORT_NOISE_S: f64 = 0.25;
const SHORT_NOISE_LEAP: u8 = 9;
/// A note that is this much softer, before the first loud note, is background noise.
const ROOM_DB: f32 = 15.0;
/// Longest consonant, in frames.
const LONGEST_CONSONANT: usize = 14;
/// A consonant is weaker than its vowel by at least this, in dB.
const CONSONANT_DB: f32 = 5.0;
/// Longest start of a slide on the pitch it leaves, in frames.
const LONGEST_SLIDE: usize = 11;
/// Pieces with a gap of at most this many frames touch.
const TOUCHING: usize = 3;

/// Drops noise: soft or short notes far from their neighbours, and soft notes before the first loud one.
pub(super) fn without_noises(notes: Vec<Note>) -> Vec<Note> {
    let mut levels: Vec<f32> = notes.iter().map(|note| note.level_db).collect();
    if levels.len() < 5 {
        return notes;
    }
    let middle = levels.len() / 2;
    let usual_db = *levels.select_nth_unstable_by(middle, f32::total_cmp).1;
    let leap = |at: usize| {
        let around = at.saturating_sub(2)..(at + 3).min(notes.len());
        let others = around.filter(|other| *other != at);
        let leaps = others.map(|other| notes[at].midi.abs_diff(notes[other].midi));
        leaps.min().unwrap_or(0)
    };
    let is_noise = |at: usize| {
        let note = &notes[at];
        let soft = note.level_db < usual_db - NOISE_DB;
        let short = note.offset_s - note.onset_s < SHORT_NOISE_S;
        soft && leap(at) >= NOISE_LEAP || short && leap(at) >= SHORT_NOISE_LEAP
    };
    let starts = notes
        .iter()
        .position(|note| note.level_db >= usual_db - ROOM_DB)
        .unwrap_or(0);
    (starts..notes.len())
        .filter(|&at| !is_noise(at))
        .map(|at| notes[at])
        .collect()
}

/// Joins each scoop with the note that it leads to, which then starts where the scoop does.
pub(super) fn without_scoops(notes: Vec<Note>, smooth: &[f32]) -> Vec<Note> {
    let frame = |time_s: f64| (time_s / PITCH_HOP_S).round() as usize;
    let mut kept: Vec<Note> = Vec::with_capacity(notes.len());
    for mut note in notes {
        if let Some(last) = kept.last()
            && is_scoop(last, &note)
            && !dips(frame(note.onset_s), smooth)
        {
            note.onset_s = last.onset_s;
            kept.pop();
        }
        kept.push(note);
    }
    kept
}

fn is_scoop(note: &Note, next: &Note) -> bool {
    let length_s = note.offset_s - note.onset_s;
    let touches = next.onset_s - note.offset_s <= TOUCHING as f64 * PITCH_HOP_S + 1e-6;
    let interval = note.midi.abs_diff(next.midi);
    touches
        && length_s < next.offset_s - next.onset_s
        && SCOOP_S
            .iter()
            .any(|&(semitones, longest_s)| interval == semitones && length_s <= longest_s)
}

/// Whether the voice dips at a border between two pieces.
pub(super) fn dips(border: usize, smooth: &[f32]) -> bool {
    let level = |from: usize, to: usize| &smooth[from.min(to)..to.min(smooth.len())];
    let peak = |levels: &[f32]| levels.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let border = border.min(smooth.len());
    let before = peak(level(border.saturating_sub(DIP_REACH), border));
    let after = peak(level(border, border + DIP_REACH));
    let lowest = level(border.saturating_sub(4), border + 5)
        .iter()
        .copied()
        .fold(f32::INFINITY, f32::min);
    before.min(after) - lowest >= DIP_DB
}

/// Joins pieces that are too short for a note with a neighbour that they touch.
pub(super) fn without_fragments(pieces: Vec<NoteSegment>) -> Vec<NoteSegment> {
    let mut kept: Vec<NoteSegment> = Vec::with_capacity(pieces.len());
    let mut owed: Option<usize> = None;
    for mut piece in pieces {
        if let Some(from) = owed.take()
            && piece.from <= from + SHORTEST
        {
            piece.from = from;
        }
        if piece.to - piece.from >= SHORTEST {
            kept.push(piece);
            continue;
        }
        match kept.last_mut() {
            Some(last) if last.to == piece.from => last.to = piece.to,
            _ => owed = Some(piece.from),
        }
    }
    kept
}

/// Joins short pieces with a neighbour that they touch and that is much louder: a murmur before a vowel with the note that it opens,
/// a closing consonant with the note that it ends.
pub(super) fn without_consonants(pieces: Vec<NoteSegment>, smooth: &[f32]) -> Vec<NoteSegment> {
    let peak = |piece: &NoteSegment| {
        smooth[piece.from..piece.to]
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let peaks: Vec<f32> = pieces.iter().map(peak).collect();
    let mut kept: Vec<NoteSegment> = Vec::with_capacity(pieces.len());
    let mut owed: Option<usize> = None;
    for (at, piece) in pieces.iter().enumerate() {
        let mut piece = *piece;
        let before = at
            .checked_sub(1)
            .filter(|before| pieces[*before].to + TOUCHING >= piece.from);
        let after = pieces
            .get(at + 1)
            .filter(|next| piece.to + TOUCHING >= next.from);
        let weaker_before = before.map_or(f32::NEG_INFINITY, |before| peaks[before]) - peaks[at];
        let weaker_after = after.map_or(f32::NEG_INFINITY, |_| peaks[at + 1]) - peaks[at];
        if piece.to - piece.from <= LONGEST_CONSONANT
            && weaker_before.max(weaker_after) > CONSONANT_DB
        {
            let opens =
                after.is_some_and(|next| next.midi == piece.midi) || weaker_before <= CONSONANT_DB;
            if opens && weaker_after > CONSONANT_DB {
                owed = owed.or(Some(piece.from));
            } else if let Some(last) = kept.last_mut() {
                last.to = piece.to;
            }
            continue;
        }
        if let Some(from) = owed.take() {
            piece.from = from;
        }
        kept.push(piece);
    }
    kept
}

/// Joins the start of a slide, still on the pitch before it, with the note that the slide leads to.
pub(super) fn without_slides(pieces: Vec<NoteSegment>) -> Vec<NoteSegment> {
    let mut kept: Vec<NoteSegment> = Vec::with_capacity(pieces.len());
    let mut owed: Option<usize> = None;
    for (at, piece) in pieces.iter().enumerate() {
        let mut piece = *piece;
        let before = kept.last().filter(|last| last.midi == piece.midi);
        let leads = pieces
            .get(at + 1)
            .is_some_and(|next| next.from <= piece.to + 1 && next.midi != piece.midi);
        if before.is_some() && leads && piece.to - piece.from <= LONGEST_SLIDE {
            owed = Some(piece.from);
            continue;
        }
        if let Some(from) = owed.take() {
            piece.from = from;
        }
        kept.push(piece);
    }
    kept
}

/// Joins neighbours a semitone apart whose measured pitches are closer than that, when the voice does not dip between them.
pub(super) fn without_wavers(
    pieces: Vec<NoteSegment>,
    pitches: &[Option<f32>],
    smooth: &[f32],
) -> Vec<NoteSegment> {
    let middle = |piece: &NoteSegment| {
        let inner = piece.from + 2..piece.to.saturating_sub(2).max(piece.from + 3);
        let mut found: Vec<f32> = pitches[inner.start..inner.end.min(pitches.len())]
            .iter()
            .flatten()
            .copied()
            .collect();
        let at = found.len() / 2;
        (!found.is_empty()).then(|| *found.select_nth_unstable_by(at, f32::total_cmp).1)
    };
    let mut kept: Vec<NoteSegment> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if let Some(last) = kept.last_mut()
            && last.to + TOUCHING >= piece.from
            && last.midi.abs_diff(piece.midi) == 1
            && (last.to - last.from).min(piece.to - piece.from) <= LONGEST_WAVER
            && !dips(piece.from, smooth)
            && let (Some(one), Some(other)) = (middle(last), middle(&piece))
            && (one - other).abs() < WAVER
        {
            if piece.to - piece.from > last.to - last.from {
                last.midi = piece.midi;
            }
            last.to = piece.to;
            continue;
        }
        kept.push(piece);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(onset_s: f64, offset_s: f64, midi: u8, level_db: f32) -> Note {
        Note::new(onset_s, offset_s, midi, level_db)
    }

    #[test]
    fn a_scoop_is_the_start_of_the_note_that_it_leads_to() {
        let even = vec![-20.0f32; 400];
        let sung = |scoop: Note| without_scoops(vec![scoop, note(1.1, 1.9, 67, -20.0)], &even);
        let joined = sung(note(1.0, 1.1, 68, -20.0));
        assert_eq!(joined, [note(1.0, 1.9, 67, -20.0)]);
        // A quick note of its own: longer, further away, not touching, or behind a consonant.
        assert_eq!(sung(note(0.9, 1.1, 68, -20.0)).len(), 2);
        assert_eq!(sung(note(1.0, 1.1, 71, -20.0)).len(), 2);
        assert_eq!(sung(note(0.9, 1.0, 68, -20.0)).len(), 2);
        let mut consonant = even.clone();
        consonant[108..112].fill(-32.0);
        let notes = vec![note(1.0, 1.1, 68, -20.0), note(1.1, 1.9, 67, -20.0)];
        assert_eq!(without_scoops(notes, &consonant).len(), 2);
    }

    #[test]
    fn breaths_and_the_room_are_no_notes() {
        let mut notes = vec![note(0.0, 0.3, 60, -40.0)];
        notes.extend((0..8).map(|at| {
            let start_s = 1.0 + f64::from(at) * 0.5;
            note(start_s, start_s + 0.4, 60 + at, -20.0)
        }));
        let sung = notes[1..].to_vec();
        notes.insert(5, note(2.95, 3.0, 79, -25.0));
        notes.push(note(5.5, 5.9, 48, -33.0));
        assert_eq!(without_noises(notes), sung);
        // A soft note of the tune stays, and so does a loud leap.
        let mut kept = sung.clone();
        kept[3].level_db = -34.0;
        kept[5].midi = 77;
        assert_eq!(without_noises(kept.clone()), kept);
    }
}
