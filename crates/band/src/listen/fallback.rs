//! The default where no beat or key is found: a steady grid in a plain metre and key.

use crate::analysis::{Beat, Hints, Key, Metre, Mode};

/// The tempo where none was found and the tags name none: a moderate walking pace.
pub(super) const TEMPO_BPM: f64 = 96.0;

/// The key of a song with no notes.
pub(super) const KEY: Key = Key {
    tonic: 0,
    mode: Mode::Major,
};

/// A steady grid over `duration_s` seconds, from a downbeat at `start_s`, covering everything before it as well.
pub(super) fn steady(start_s: f64, duration_s: f64, tempo_bpm: f64, metre: Metre) -> Vec<Beat> {
    let beat_s = 60.0 / tempo_bpm;
    let in_bar = i64::from(metre.beats());
    let first = -((start_s / beat_s).ceil() as i64);
    let last = ((duration_s - start_s) / beat_s).ceil() as i64;
    // Whole bars at both ends, so that the band may begin and end on one.
    let first = first.div_euclid(in_bar) * in_bar;
    let last = (last.div_euclid(in_bar) + 1) * in_bar;
    (first..=last)
        .map(|index| Beat {
            time_s: start_s + index as f64 * beat_s,
            position: index.rem_euclid(in_bar) as u8,
        })
        .collect()
}

/// Tempo and metre where none was found: those in the tags, else the default.
pub(super) fn assumed(hints: &Hints) -> (f64, Metre) {
    let tempo_bpm = hints
        .tempo_bpm
        .filter(|bpm| bpm.is_finite() && *bpm > 0.0)
        .map_or(TEMPO_BPM, |bpm| bpm.clamp(40.0, 220.0));
    (tempo_bpm, hints.metre.unwrap_or(Metre::FourFour))
}
