//! The whole of listening, step by step.

use backline_audio::{Audio, loudness};

use crate::analysis::{Analysis, Confidence, Hints, Section, SectionKind, Span};

use super::{
    fallback, grid, key, metre,
    notes::{notes, vowelness},
    pitch::candidates,
    pitch_path, sound,
    tuning::tuning,
};

/// Listens to a vocal. Never fails: what could not be found stands in the remarks, and something musical takes its place.
pub fn listen(vocal: &Audio, hints: &Hints) -> Analysis {
    let duration_s = vocal.duration_s();
    let (tempo_bpm, metre) = fallback::assumed(hints);
    let samples = sound::one_channel(vocal);
    let levels = sound::levels(&samples);
    let loud_db = sound::quantile(&levels, 0.95).unwrap_or(sound::FLOOR_DB);
    let frames = candidates(&samples, &levels, (loud_db - 45.0).max(-75.0));
    let pitch = pitch_path::track(&frames, &levels, loud_db);
    let (tuning_cents, _clear) = tuning(&pitch, &vowelness(&frames.vowel_db));
    let notes = notes(&pitch, &levels, &frames.vowel_db, tuning_cents);
    let mut key = key::key(&notes, None);
    let tonic = key.map_or(0, |(key, _)| key::signature(key));
    let (mut tempo_bpm, mut metre) = (tempo_bpm, metre);
    let mut beats = fallback::steady(0.0, duration_s, tempo_bpm, metre);
    if let Some(heard) = metre::hear(&notes, tonic, hints) {
        beats = grid::grid(&heard.notes, &heard.bar, heard.beat_s, duration_s);
        tempo_bpm = 60.0 / heard.beat_s;
        metre = heard.bar.metre;
        key = key::key(&notes, Some(&heard.chords));
    }
    Analysis {
        duration_s,
        tuning_cents,
        pitch,
        notes,
        beats,
        tempo_bpm,
        metre,
        key: key.map_or(fallback::KEY, |(key, _)| key),
        phrases: Vec::new(),
        sections: vec![Section {
            span: Span {
                start_s: 0.0,
                end_s: duration_s,
            },
            kind: SectionKind::Verse,
            energy: 0.5,
        }],
        loudness_lufs: loudness(vocal).integrated_lufs,
        confidence: Confidence {
            pitch: 0.0,
            beats: 0.0,
            metre: 0.0,
            key: 0.0,
        },
        remarks: vec!["no pitched singing was found: the band plays at a steady tempo".to_owned()],
    }
}
