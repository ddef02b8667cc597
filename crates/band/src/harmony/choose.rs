//! Chooses the chords of a song: calls the steps of harmony in order.

use super::{
    extensions::{MinorSeventh, Stretch, extend},
    habits::Habits,
    loops::Part,
    melody::Melody,
    path::{PathInput, path},
    reharmonise::reharmonise,
};
use crate::analysis::{
    Analysis, Chord, ChordSpan, Confidence, HarmonySettings, Key, Quality, TimeSpan,
};

/// Chooses the chords under a melody, from the bar in which the singing starts to the end of the grid.
///
/// The lead-in has no chords, and a vocal without notes or beats has none: the arranger plays plain cadences there. Spans
/// follow each other without gaps; equal neighbours are one.
///
/// A song that changes its key is harmonised key by key: a chorus a tone higher has the chords of its own key.
pub fn harmonise(analysis: &Analysis, settings: &HarmonySettings, seed: u64) -> Vec<ChordSpan> {
    let keys = analysis.keys();
    if let [(_, key)] = keys[..]
        && key == analysis.key
    {
        return in_one_key(analysis, settings, true, seed);
    }
    let mut spans: Vec<ChordSpan> = Vec::new();
    for (number, (start_s, key)) in keys.iter().enumerate() {
        let end_s = keys.get(number + 1).map_or(f64::INFINITY, |next| next.0);
        let is_last = number + 1 == keys.len();
        let stretch = stretch(analysis, *start_s, end_s, *key);
        let from = analysis
            .beats
            .partition_point(|beat| beat.time_s < start_s - EARLY_S);
        let mut chords = in_one_key(&stretch, settings, is_last, seed);
        for chord in &mut chords {
            chord.first_beat += from;
        }
        // What is not sung between two keys belongs to the one before.
        if let (Some(last), Some(first)) = (spans.last_mut(), chords.first_mut()) {
            last.span.end_s = first.span.start_s;
            last.beats = first.first_beat - last.first_beat;
            if last.chord == first.chord {
                first.span.start_s = last.span.start_s;
                first.first_beat = last.first_beat;
                first.beats += last.beats;
                spans.pop();
            }
        }
        spans.extend(chords);
    }
    if let Some(last) = spans.last_mut() {
        last.span.end_s = end_s(analysis);
        last.beats = analysis.beats.len() - last.first_beat;
    }
    spans
}

/// A beat or note that starts at most this early before a bar line belongs to the bar after it, in seconds.
const EARLY_S: f64 = 0.1;

/// What is sung between two times, as a song in one key; pickups belong to the key that they lead to.
fn stretch(analysis: &Analysis, start_s: f64, end_s: f64, key: Key) -> Analysis {
    let within = |time_s: f64| (start_s - EARLY_S..end_s - EARLY_S).contains(&time_s);
    Analysis {
        key,
        pitch: Vec::new(),
        notes: analysis
            .notes
            .iter()
            .filter(|note| within(note.onset_s))
            .copied()
            .collect(),
        beats: analysis
            .beats
            .iter()
            .filter(|beat| within(beat.time_s))
            .copied()
            .collect(),
        phrases: analysis
            .phrases
            .iter()
            .filter(|phrase| within(phrase.start_s))
            .copied()
            .collect(),
        local_keys: Vec::new(),
        sections: Vec::new(),
        remarks: Vec::new(),
        ..*analysis
    }
}

/// The chords of a song in one key; `is_last` says whether it ends on the tonic.
fn in_one_key(
    analysis: &Analysis,
    settings: &HarmonySettings,
    is_last: bool,
    seed: u64,
) -> Vec<ChordSpan> {
    let found = Melody::of(analysis).filter(|melody| !melody.notes.is_empty());
    let Some(mut melody) = found else {
        return Vec::new();
    };
    if !is_last {
        melody.rest = usize::MAX;
    }
    let doubt = doubt(&analysis.confidence);
    let beat_s = 60.0 / analysis.tempo_bpm.clamp(30.0, 300.0) as f32;
    let habits = Habits::of(settings.style);
    let parts: Vec<Part> = analysis
        .sections
        .iter()
        .map(|section| Part {
            from: analysis
                .beats
                .partition_point(|beat| beat.time_s < section.span.start_s - EARLY_S),
            kind: section.kind,
        })
        .collect();
    let wish = PathInput {
        habits,
        parts: &parts,
        style_weight: settings.style_weight.clamp(0.0, 1.0),
        weirdness: settings.weirdness.clamp(0.0, 1.0) * (1.0 - doubt),
        variety: settings.variety.clamp(0.0, 1.0),
        doubt,
        bar_s: beat_s * melody.in_bar as f32,
        seed,
    };
    let classes = path(&melody, &wish);
    let stretches = joined(melody.first, &classes);
    let stretches = reharmonise(&melody, &stretches, habits, wish.weirdness, seed);
    let chords = extend(&melody, &stretches, habits, wish.style_weight, doubt, seed);
    let mut spans: Vec<ChordSpan> = Vec::with_capacity(stretches.len());
    let resolved = stretches
        .iter()
        .zip(chords)
        .flat_map(|(stretch, chord)| suspended(*stretch, chord));
    for (stretch, chord) in resolved {
        let span = TimeSpan {
            start_s: analysis.beats[stretch.from].time_s,
            end_s: analysis
                .beats
                .get(stretch.to)
                .map_or_else(|| end_s(analysis), |beat| beat.time_s),
        };
        match spans.last_mut() {
            Some(last) if last.chord == chord => {
                last.span.end_s = span.end_s;
                last.beats += stretch.to - stretch.from;
            }
            _ => spans.push(ChordSpan {
                span,
                first_beat: stretch.from,
                beats: stretch.to - stretch.from,
                chord,
            }),
        }
    }
    spans
}

/// Resolves a suspended fourth in its second half, or replaces it where it is too short for that.
fn suspended(stretch: Stretch, chord: Chord) -> impl Iterator<Item = (Stretch, Chord)> {
    let resolution = match chord.quality {
        Quality::Sus4 => Some(Quality::Major),
        Quality::SeventhSus4 => Some(Quality::Seventh),
        _ => None,
    };
    let beats = stretch.to - stretch.from;
    let middle = stretch.from + beats / 2;
    let (first, second) = match resolution {
        Some(quality) if beats < 2 => ((stretch, Chord { quality, ..chord }), None),
        Some(quality) => {
            let held = Stretch {
                to: middle,
                ..stretch
            };
            let rest = Stretch {
                from: middle,
                ..stretch
            };
            ((held, chord), Some((rest, Chord { quality, ..chord })))
        }
        None => ((stretch, chord), None),
    };
    std::iter::once(first).chain(second)
}

/// Doubt about the pitches and the key, 0..1: 0 at the confidence of trained singers.
fn doubt(confidence: &Confidence) -> f32 {
    let below = |value: f32, sure: f32, range: f32| ((sure - value) / range).clamp(0.0, 1.0);
    below(confidence.pitch, 0.75, 0.25).max(below(confidence.key, 0.45, 0.35))
}

/// Where the last beat of the grid ends.
fn end_s(analysis: &Analysis) -> f64 {
    let beats = &analysis.beats;
    let last = beats[beats.len() - 1].time_s;
    last + (last - beats[beats.len() - 2].time_s).max(0.05)
}

fn joined(first: usize, classes: &[usize]) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = Vec::new();
    for (index, &class) in classes.iter().enumerate() {
        match stretches.last_mut() {
            Some(last) if last.class == class => last.to += 1,
            _ => stretches.push(Stretch {
                from: first + index,
                to: first + index + 1,
                class,
                seventh: MinorSeventh::Free,
            }),
        }
    }
    stretches
}
