//! Notes out of the pitch track.
//!
//! 1. A sticky path over semitones: staying is free, changing costs, so that vibrato and scoops do not make notes.
//! 2. Held pitches are split where the voice dips between two syllables.
//! 3. Every start moves to where the vowel starts, which is where a listener hears the beat (Rapp-Holmgren 1971; the
//!    perceptual centre lies at the vowel, not at the consonant before it).

use crate::analysis::{Note, PITCH_HOP_S, PitchFrame};

use super::tuning::semitones;

/// Lowest semitone that a note can have, a low bass's B1, and how many there are from it, up to a whistle's C7.
const LOWEST: usize = 35;
const PITCHES: usize = 62;
/// Spread of sung pitch around the note meant, in semitones.
const SPREAD: f32 = 0.45;
/// Most that one frame can cost, so that a stray frame changes nothing.
const MOST_COST: f32 = 4.0;
/// Cost of another pitch.
const CHANGE_COST: f32 = 12.0;
/// Cost of a frame with a pitch counted as a rest, and the reverse.
const REST_COST: f32 = 3.0;
const UNVOICED_COST: f32 = 1.2;
/// Shortest note in frames; shorter ones belong to their neighbours.
const SHORTEST: usize = 7;
/// A dip this deep on both sides separates two syllables, in dB. Untrained singers waver by 4 to 6 within a syllable.
const DIP_DB: f32 = 6.0;
/// And so deep where the voice stops.
const STOP_DB: f32 = 2.0;
/// Neighbours whose pitches lie closer than this, in semitones, are one note when one of them is at most so many frames long: a
/// pitch that wavers about the middle between two.
const WAVER: f32 = 0.75;
const LONGEST_WAVER: usize = 35;
/// Frames from one wave of a vibrato to the next: 4.5 to 6.7 a second.
const VIBRATO: std::ops::RangeInclusive<usize> = 15..=22;
/// A syllable starts with a rise this steep out of the dip, in dB a frame, or the dip is this deep; slower and shallower the voice wavers.
const RISE_DB: f32 = 2.5;
const DEEP_DB: f32 = 10.0;
/// A note this short, in seconds, that touches the next one so many semitones away without a dip is the scoop into it.
const SCOOP_S: [(u8, f64); 2] = [(1, 0.14), (2, 0.105)];
/// What is this much softer than the song's notes and so many semitones from the two on either side of it is a breath or a noise, and
/// so is a short one yet further away. Of 31 recordings of people this drops 46 notes, one of them sung.
const NOISE_DB: f32 = 10.0;
const NOISE_LEAP: u8 = 7;
const SHORT_NOISE_S: f64 = 0.25;
const SHORT_NOISE_LEAP: u8 = 9;
/// What is this much softer before the first note is the room.
const ROOM_DB: f32 = 15.0;
/// How much of that the whole sound must dip.
const WHOLE_SHARE: f32 = 0.6;
/// How far after a dip its steepest rise is looked for, in frames.
const RISE_REACH: usize = 12;
/// How far around a dip its sides are looked for, in frames.
const DIP_REACH: usize = 18;
/// A vowel has started when its level is within this of its peak, in dB.
const VOWEL_START_DB: f32 = 6.0;

/// Longest consonant, in frames.
const LONGEST_CONSONANT: usize = 14;
/// A consonant is weaker than its vowel by at least this, in dB.
const CONSONANT_DB: f32 = 5.0;
/// Longest start of a slide on the pitch it leaves, in frames.
const LONGEST_SLIDE: usize = 11;
/// Frames by which a rise to within that of the peak, and a new pitch, are seen late: the median over sung songs with known
/// onsets was 20 ms.
const LAG: usize = 2;
/// Pieces with a gap of at most this many frames touch.
const TOUCHING: usize = 3;

/// The loudest frame "near" one is looked for within this many frames.
const VOWEL_REACH: usize = 15;
/// A frame counts in full within this of the loudest one near it, in dB …
const FULL_WITHIN_DB: f32 = 5.0;
/// … and hardly at all when this much further below.
const FADE_DB: f32 = 6.0;

/// A stretch of frames on one pitch.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    from: usize,
    to: usize,
    midi: u8,
}

/// The notes; `tuning_cents` is taken off the pitches first.
pub(super) fn notes(
    track: &[PitchFrame],
    levels: &[f32],
    vowel_db: &[f32],
    tuning_cents: f32,
) -> Vec<Note> {
    let pitches: Vec<Option<f32>> = track
        .iter()
        .map(|frame| (frame.hz > 0.0).then(|| semitones(frame.hz) - tuning_cents / 100.0))
        .collect();
    let smooth = smoothed(vowel_db);
    let whole = smoothed(levels);
    let path = sticky_path(&pitches, &vowelness(&smooth));
    let mut pieces = Vec::new();
    for piece in pieces_of(&path) {
        split(piece, &pitches, [&smooth, &whole], &mut pieces);
    }
    let pieces = without_slides(without_consonants(without_shreds(pieces), &smooth));
    let pieces = without_wavers(pieces, &pitches, &smooth);
    let starts: Vec<usize> = (0..pieces.len())
        .map(|at| vowel_start(&pieces, at, &smooth).saturating_sub(LAG))
        .collect();
    let mut notes: Vec<Note> = Vec::with_capacity(pieces.len());
    for (at, piece) in pieces.iter().enumerate() {
        let from = starts[at];
        let to = match pieces.get(at + 1) {
            Some(next) if next.from <= piece.to + 2 => starts[at + 1],
            Some(_) => piece.to.min(starts[at + 1]),
            None => piece.to,
        };
        if to <= from {
            continue;
        }
        // A start that moved back takes its time from the note before.
        let onset_s = from as f64 * PITCH_HOP_S;
        if let Some(last) = notes.last_mut() {
            last.offset_s = last.offset_s.min(onset_s);
        }
        if notes
            .last()
            .is_some_and(|last: &Note| last.offset_s <= last.onset_s)
        {
            notes.pop();
        }
        let inside = &levels[from..to.min(levels.len())];
        notes.push(Note {
            onset_s,
            offset_s: to as f64 * PITCH_HOP_S,
            midi: piece.midi,
            level_db: inside.iter().sum::<f32>() / inside.len().max(1) as f32,
        });
    }
    without_noises(without_scoops(notes, &smooth))
}

/// Drops what is no singing: soft or short notes far from their neighbours, and soft ones before the first.
fn without_noises(notes: Vec<Note>) -> Vec<Note> {
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

/// Gives the scoops from which a singer reaches a note to that note: it starts where they do.
fn without_scoops(notes: Vec<Note>, smooth: &[f32]) -> Vec<Note> {
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
fn dips(border: usize, smooth: &[f32]) -> bool {
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

/// The semitone of every frame, `None` in rests.
fn sticky_path(pitches: &[Option<f32>], weights: &[f32]) -> Vec<Option<u8>> {
    const STATES: usize = PITCHES + 1;
    let mut totals = [0.0f32; STATES];
    let mut changed: Vec<u64> = Vec::with_capacity(pitches.len());
    let mut bests: Vec<u8> = Vec::with_capacity(pitches.len());
    for (pitch, weight) in pitches.iter().zip(weights) {
        let best = (0..STATES)
            .min_by(|a, b| totals[*a].total_cmp(&totals[*b]))
            .unwrap_or(PITCHES);
        // Only differences count: sums of a long recording would outgrow the precision that they need.
        let least = totals[best];
        totals.iter_mut().for_each(|total| *total -= least);
        let jump = CHANGE_COST;
        let mut mask = 0u64;
        for (state, total) in totals.iter_mut().enumerate() {
            if jump < *total {
                *total = jump;
                mask |= 1 << state;
            }
            *total += match (pitch, state == PITCHES) {
                (Some(_), true) => REST_COST,
                (None, true) => 0.0,
                (None, false) => UNVOICED_COST,
                (Some(pitch), false) => {
                    let off = (pitch - (LOWEST + state) as f32) / SPREAD;
                    weight * (0.5 * off * off).min(MOST_COST)
                }
            };
        }
        changed.push(mask);
        bests.push(best as u8);
    }
    let mut state = (0..STATES)
        .min_by(|a, b| totals[*a].total_cmp(&totals[*b]))
        .unwrap_or(PITCHES);
    let mut path = vec![None; pitches.len()];
    for at in (0..pitches.len()).rev() {
        path[at] = (state != PITCHES).then_some((LOWEST + state) as u8);
        if changed[at] >> state & 1 == 1 {
            state = usize::from(bests[at]);
        }
    }
    path
}

/// How much a frame's pitch counts, by its level beside the loudest frame near it: a consonant's pitch scoops and means little.
pub(super) fn vowelness(vowel_db: &[f32]) -> Vec<f32> {
    let peaks = sliding_peak(vowel_db, VOWEL_REACH);
    vowel_db
        .iter()
        .zip(peaks)
        .map(|(level, peak)| (1.0 - (peak - level - FULL_WITHIN_DB) / FADE_DB).clamp(0.05, 1.0))
        .collect()
}

/// The greatest value within `reach` of every place.
fn sliding_peak(values: &[f32], reach: usize) -> Vec<f32> {
    // Blocks of one window's length: a window's peak is that of one block's end and the next one's start.
    let length = 2 * reach + 1;
    let mut to_end = values.to_vec();
    let mut from_start = values.to_vec();
    for at in (0..values.len().saturating_sub(1)).rev() {
        if (at + 1) % length != 0 {
            to_end[at] = to_end[at].max(to_end[at + 1]);
        }
    }
    for at in 1..values.len() {
        if at % length != 0 {
            from_start[at] = from_start[at].max(from_start[at - 1]);
        }
    }
    (0..values.len())
        .map(|at| {
            let last = (at + reach).min(values.len() - 1);
            if at < reach {
                from_start[last.min(length - 1)]
            } else {
                to_end[at - reach].max(from_start[last])
            }
        })
        .collect()
}

fn pieces_of(path: &[Option<u8>]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (at, midi) in path.iter().enumerate() {
        let Some(midi) = *midi else { continue };
        match pieces.last_mut() {
            Some(last) if last.to == at && last.midi == midi => last.to = at + 1,
            _ => pieces.push(Piece {
                from: at,
                to: at + 1,
                midi,
            }),
        }
    }
    pieces
}

fn smoothed(vowel_db: &[f32]) -> Vec<f32> {
    (0..vowel_db.len())
        .map(|at| {
            let around = &vowel_db[at.saturating_sub(1)..(at + 2).min(vowel_db.len())];
            around.iter().sum::<f32>() / around.len() as f32
        })
        .collect()
}

/// Splits a held pitch at the dips between its syllables.
fn split(piece: Piece, pitches: &[Option<f32>], bands: [&[f32]; 2], into: &mut Vec<Piece>) {
    let mut dips: Vec<usize> = Vec::new();
    let mut from = piece.from;
    let mut at = piece.from + SHORTEST;
    while at + SHORTEST < piece.to {
        if is_dip(at, from, piece.to, pitches, bands) {
            dips.push(at);
            from = at;
            at += SHORTEST;
        } else {
            at += 1;
        }
    }
    // Three and more voiced dips, one after another at the pace of a vibrato, are one; two may be quick syllables.
    let voiced = |dip: usize| pitches[dip - 3..dip + 4].iter().all(Option::is_some);
    let mut wave = vec![0usize; dips.len()];
    for at in 1..dips.len() {
        if voiced(dips[at]) && VIBRATO.contains(&(dips[at] - dips[at - 1])) {
            wave[at] = wave[at - 1] + 1;
        }
    }
    for at in (1..dips.len()).rev() {
        if wave[at] > 0 {
            wave[at - 1] = wave[at - 1].max(wave[at]);
        }
    }
    let mut from = piece.from;
    for (&dip, wave) in dips.iter().zip(wave) {
        if voiced(dip) && wave >= 2 {
            continue;
        }
        into.push(Piece {
            to: dip,
            from,
            ..piece
        });
        from = dip;
    }
    into.push(Piece { from, ..piece });
}

/// Whether the voice dips here: in the vowels' band, and a good part as much in the whole sound, since the harmonics of a wide
/// vibrato swing the vowels' band alone when they pass a formant.
fn is_dip(
    at: usize,
    from: usize,
    to: usize,
    pitches: &[Option<f32>],
    [vowels, whole]: [&[f32]; 2],
) -> bool {
    let near = at.saturating_sub(4).max(from)..(at + 5).min(to);
    if near.clone().any(|other| vowels[other] < vowels[at]) {
        return false;
    }
    let peak = |band: &[f32], range: std::ops::Range<usize>| {
        band[range]
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let depth = |band: &[f32]| {
        let lowest = band[near.clone()]
            .iter()
            .copied()
            .fold(f32::INFINITY, f32::min);
        let before = peak(band, at.saturating_sub(DIP_REACH).max(from)..at);
        let after = peak(band, at + 1..(at + DIP_REACH).min(to));
        before.min(after) - lowest
    };
    let unvoiced = near
        .clone()
        .filter(|other| pitches[*other].is_none())
        .count();
    let needed = if unvoiced >= 2 { STOP_DB } else { DIP_DB };
    let deep = depth(vowels);
    deep >= needed
        && depth(whole) >= WHOLE_SHARE * needed
        && (unvoiced > 0 || deep >= DEEP_DB || rise(vowels, at) >= RISE_DB)
}

/// The steepest rise out of a dip, in dB a frame.
fn rise(levels: &[f32], dip: usize) -> f32 {
    let ahead = &levels[dip..(dip + RISE_REACH).min(levels.len())];
    ahead
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .fold(0.0, f32::max)
}

/// Gives pieces too short for a note to the neighbour they touch.
fn without_shreds(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
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

/// Gives short pieces that are much weaker than a neighbour they touch to that neighbour: a murmur before a vowel to the note
/// it opens, a closing consonant to the note it ends.
fn without_consonants(pieces: Vec<Piece>, smooth: &[f32]) -> Vec<Piece> {
    let peak = |piece: &Piece| {
        smooth[piece.from..piece.to]
            .iter()
            .copied()
            .fold(f32::NEG_INFINITY, f32::max)
    };
    let peaks: Vec<f32> = pieces.iter().map(peak).collect();
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
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

/// Gives the start of a slide, still on the pitch before it, to the note that the slide leads to.
fn without_slides(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
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

/// Joins neighbours a semitone apart whose pitches lie closer than that and between which the voice does not dip.
fn without_wavers(pieces: Vec<Piece>, pitches: &[Option<f32>], smooth: &[f32]) -> Vec<Piece> {
    let middle = |piece: &Piece| {
        let inner = piece.from + 2..piece.to.saturating_sub(2).max(piece.from + 3);
        let mut found: Vec<f32> = pitches[inner.start..inner.end.min(pitches.len())]
            .iter()
            .flatten()
            .copied()
            .collect();
        let at = found.len() / 2;
        (!found.is_empty()).then(|| *found.select_nth_unstable_by(at, f32::total_cmp).1)
    };
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
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

/// The frame at which the vowel of a piece starts.
fn vowel_start(pieces: &[Piece], at: usize, smooth: &[f32]) -> usize {
    let piece = pieces[at];
    let earliest = match at.checked_sub(1) {
        Some(before) => pieces[before].from + SHORTEST,
        None => 0,
    };
    let back = piece.from.saturating_sub(8).max(earliest.min(piece.from));
    let ahead = (piece.from + 26).min(piece.to);
    let peak = smooth[piece.from..(piece.from + 40).min(piece.to)]
        .iter()
        .copied()
        .fold(f32::NEG_INFINITY, f32::max);
    let lowest = (back..ahead)
        .min_by(|a, b| smooth[*a].total_cmp(&smooth[*b]))
        .unwrap_or(piece.from);
    if smooth[lowest] > peak - VOWEL_START_DB {
        return piece.from;
    }
    (lowest..piece.to)
        .find(|frame| smooth[*frame] >= peak - VOWEL_START_DB)
        .unwrap_or(piece.from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(onset_s: f64, offset_s: f64, midi: u8, level_db: f32) -> Note {
        Note {
            onset_s,
            offset_s,
            midi,
            level_db,
        }
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

    #[test]
    fn a_wavering_voice_sings_one_note_and_a_syllable_starts_another() {
        let pitches = vec![Some(60.0f32); 120];
        // Eight decibels down and up again, in a quarter of a second or in three hundredths.
        let dip = |half_frames: f32| -> Vec<f32> {
            (0..120)
                .map(|frame| {
                    let off = (frame as f32 - 60.0).abs() / half_frames;
                    -20.0 - 8.0 * (1.0 - off).max(0.0)
                })
                .collect()
        };
        let splits = |levels: &[f32]| {
            let whole = Piece {
                from: 0,
                to: 120,
                midi: 60,
            };
            let mut pieces = Vec::new();
            split(whole, &pitches, [levels, levels], &mut pieces);
            pieces.len()
        };
        assert_eq!(splits(&dip(12.0)), 1);
        assert_eq!(splits(&dip(3.0)), 2);
    }
}
