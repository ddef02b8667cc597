//! Finds the notes in the pitch track.
//!
//! 1. A Viterbi path over semitones: a change of semitone has a cost, so that vibrato and scoops do not make notes.
//! 2. Held pitches are split where the voice dips between two syllables.
//! 3. Every start moves to where the vowel starts, which is where a listener hears the beat (Rapp-Holmgren 1971; the
//!    perceptual centre lies at the vowel, not at the consonant before it).

use crate::analysis::{Note, PITCH_HOP_S, PitchFrame};

use super::{
    note_repair::{
        DIP_DB, DIP_REACH, NoteSegment, SHORTEST, without_consonants, without_fragments,
        without_noises, without_scoops, without_slides, without_wavers,
    },
    tuning::semitones,
};

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
/// Depth of a dip at which the voice stops, in dB.
const STOP_DB: f32 = 2.0;
/// Frames from one wave of a vibrato to the next: 4.5 to 6.7 a second.
const VIBRATO: std::ops::RangeInclusive<usize> = 15..=22;
/// A syllable starts with a rise this steep out of the dip, in dB a frame, or the dip is this deep; slower and shallower the voice wavers.
const RISE_DB: f32 = 2.5;
const DEEP_DB: f32 = 10.0;
/// How much of that the whole sound must dip.
const WHOLE_SHARE: f32 = 0.6;
/// How far after a dip its steepest rise is searched for, in frames.
const RISE_REACH: usize = 12;
/// A vowel has started when its level is within this of its peak, in dB.
const VOWEL_START_DB: f32 = 6.0;

/// Frames by which a rise to within that of the peak, and a new pitch, are seen late: the median over sung songs with known
/// onsets was 20 ms.
const LAG: usize = 2;

/// Frames at the start and at the end of a note that say little about its pitch.
const STARTS: usize = 4;
const ENDS: usize = 3;

/// A frame is compared with the loudest frame within this many frames.
const VOWEL_REACH: usize = 15;
/// A frame counts in full within this of the loudest one near it, in dB …
const FULL_WITHIN_DB: f32 = 5.0;
/// … and hardly at all when this much further below.
const FADE_DB: f32 = 6.0;

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
    let path = semitone_path(&pitches, &vowelness(&smooth));
    let mut pieces = Vec::new();
    for piece in pieces_of(&path) {
        split(piece, &pitches, [&smooth, &whole], &mut pieces);
    }
    let pieces = without_slides(without_consonants(without_fragments(pieces), &smooth));
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
        notes.push(Note::new(
            onset_s,
            to as f64 * PITCH_HOP_S,
            piece.midi,
            inside.iter().sum::<f32>() / inside.len().max(1) as f32,
        ));
    }
    let mut notes = without_noises(without_scoops(notes, &smooth));
    for note in &mut notes {
        if let Some(pitch) = median_pitch(note, &pitches) {
            note.cents = 100.0 * (pitch - f32::from(note.midi));
        }
    }
    notes
}

/// The median pitch of a note without its start and its end, in semitones; `None` where nothing of it is voiced.
fn median_pitch(note: &Note, pitches: &[Option<f32>]) -> Option<f32> {
    let frame = |time_s: f64| ((time_s / PITCH_HOP_S).round() as usize).min(pitches.len());
    let (from, to) = (frame(note.onset_s), frame(note.offset_s));
    let inner = from + STARTS..to.saturating_sub(ENDS);
    let inner = if inner.len() > 2 { inner } else { from..to };
    let mut found: Vec<f32> = pitches[inner].iter().flatten().copied().collect();
    let middle = found.len() / 2;
    (!found.is_empty()).then(|| *found.select_nth_unstable_by(middle, f32::total_cmp).1)
}

/// The semitone of every frame, `None` in rests.
fn semitone_path(pitches: &[Option<f32>], weights: &[f32]) -> Vec<Option<u8>> {
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

/// The weight of a frame's pitch, by its level relative to the loudest frame near it: the pitch of a consonant is unreliable.
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

fn pieces_of(path: &[Option<u8>]) -> Vec<NoteSegment> {
    let mut pieces: Vec<NoteSegment> = Vec::new();
    for (at, midi) in path.iter().enumerate() {
        let Some(midi) = *midi else { continue };
        match pieces.last_mut() {
            Some(last) if last.to == at && last.midi == midi => last.to = at + 1,
            _ => pieces.push(NoteSegment {
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
fn split(
    piece: NoteSegment,
    pitches: &[Option<f32>],
    bands: [&[f32]; 2],
    into: &mut Vec<NoteSegment>,
) {
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
        into.push(NoteSegment {
            to: dip,
            from,
            ..piece
        });
        from = dip;
    }
    into.push(NoteSegment { from, ..piece });
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

/// The frame at which the vowel of a piece starts.
fn vowel_start(pieces: &[NoteSegment], at: usize, smooth: &[f32]) -> usize {
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
            let whole = NoteSegment {
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
