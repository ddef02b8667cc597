//! Chooses the chords under the melody.

use crate::analysis::{
    Analysis, Chord, ChordSpan, HarmonySettings, Mode, Quality, Span, Vocabulary,
};

/// Chooses a chord for every bar from the bar in which the singing starts; nothing is laid under the lead-in.
pub fn harmonise(analysis: &Analysis, settings: &HarmonySettings, _seed: u64) -> Vec<ChordSpan> {
    let (Some(first), true) = (analysis.notes.first(), analysis.beats.len() > 1) else {
        return Vec::new();
    };
    let beats = &analysis.beats;
    let mut spans = Vec::new();
    let mut at = 0;
    while at + 1 < beats.len() {
        let end = (at + 1..beats.len())
            .find(|&index| beats[index].position == 0)
            .unwrap_or(beats.len() - 1);
        let span = Span {
            start_s: beats[at].time_s,
            end_s: beats[end].time_s,
        };
        if span.end_s > first.onset_s + 0.05 {
            spans.push(ChordSpan {
                span,
                first_beat: at,
                beats: end - at,
                chord: best_chord(analysis, settings, span),
            });
        }
        at = end;
    }
    spans
}

fn best_chord(analysis: &Analysis, settings: &HarmonySettings, span: Span) -> Chord {
    let steps: [(u8, Quality); 6] = match analysis.key.mode {
        Mode::Major => [
            (0, Quality::Major),
            (7, Quality::Major),
            (5, Quality::Major),
            (9, Quality::Minor),
            (2, Quality::Minor),
            (4, Quality::Minor),
        ],
        Mode::Minor => [
            (0, Quality::Minor),
            (7, Quality::Major),
            (5, Quality::Minor),
            (8, Quality::Major),
            (3, Quality::Major),
            (10, Quality::Major),
        ],
    };
    let fit = |root: u8, quality: Quality| -> f64 {
        let tones = if quality == Quality::Minor {
            [0, 3, 7]
        } else {
            [0, 4, 7]
        };
        analysis
            .notes
            .iter()
            .filter(|note| tones.contains(&((note.midi + 12 - root) % 12)))
            .map(|note| (note.offset_s.min(span.end_s) - note.onset_s.max(span.start_s)).max(0.0))
            .sum()
    };
    let mut best = (f64::MIN, 0, Quality::Major);
    for (rank, (step, quality)) in steps.into_iter().enumerate() {
        let root = (analysis.key.tonic + step) % 12;
        let worth = fit(root, quality) - 0.05 * rank as f64 * (span.end_s - span.start_s);
        if worth > best.0 {
            best = (worth, root, quality);
        }
    }
    let quality = match (settings.vocabulary, best.2) {
        (Vocabulary::Power, _) => Quality::Power,
        (_, quality) => quality,
    };
    Chord {
        root: best.1,
        quality,
        bass: best.1,
    }
}
