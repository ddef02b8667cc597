//! The tonic chord, and chords where harmony chose none: in the lead-in, at the end, under a voice without notes.

use super::{habits::Habits, vocabulary::Vocabulary};
use crate::{
    analysis::{Analysis, Chord, ChordSpan, Key, Mode, Quality},
    catalogue::StyleId,
};

/// The chord at each beat. The lead-in, for which harmony chooses nothing, has the tonic, or from four bars on the chords of the song's
/// first bars; a song without chords has a plain cadence.
pub(crate) fn by_beat(analysis: &Analysis, chords: &[ChordSpan], style: StyleId) -> Vec<Chord> {
    let count = analysis.beats.len().max(1);
    let mut found: Vec<Option<Chord>> = vec![None; count];
    for span in chords {
        let end = (span.first_beat + span.beats).min(count);
        for slot in found
            .get_mut(span.first_beat.min(count)..end)
            .unwrap_or_default()
        {
            *slot = Some(span.chord);
        }
    }
    let tonic = tonic(analysis.keys()[0].1, style);
    if found.iter().all(Option::is_none) {
        return plain_cadence(analysis, &tonic, count);
    }
    repeat_before(&mut found, 4 * usize::from(analysis.metre.beats()));
    let mut current = tonic;
    found
        .into_iter()
        .map(|chord| {
            current = chord.unwrap_or(current);
            current
        })
        .collect()
}

/// Repeats the first eight bars of chords before them, or four where the song is short; a lead-in under `four_bars` beats is left alone.
fn repeat_before(found: &mut [Option<Chord>], four_bars: usize) {
    let first = found.iter().position(Option::is_some).unwrap_or(0);
    let sung = found.len() - first;
    if first < four_bars || sung < four_bars {
        return;
    }
    let period = if sung >= 2 * four_bars {
        2 * four_bars
    } else {
        four_bars
    };
    for beat in (0..first).rev() {
        found[beat] = found[beat + period];
    }
}

/// The chord of the last bar: the tonic of the key in which the song ends.
pub(crate) fn final_chord(analysis: &Analysis, style: StyleId) -> Chord {
    tonic(analysis.last_key(), style)
}

/// The tonic chord of a key, of the kind that the style uses.
fn tonic(key: Key, style: StyleId) -> Chord {
    let vocabulary = Habits::of(Some(style)).vocabulary;
    let root = key.tonic % 12;
    let quality = match (key.mode, vocabulary) {
        (_, Vocabulary::Power) => Quality::Power,
        (Mode::Major, Vocabulary::Blues) => Quality::Seventh,
        (Mode::Major, Vocabulary::Jazz | Vocabulary::Mellow) => Quality::MajorSeventh,
        (Mode::Major, Vocabulary::Bossa) => Quality::SixthNinth,
        (Mode::Minor, Vocabulary::Bossa) => Quality::MinorSixth,
        (
            Mode::Minor,
            Vocabulary::Jazz | Vocabulary::Blues | Vocabulary::Mellow | Vocabulary::Gospel,
        ) => Quality::MinorSeventh,
        (
            Mode::Major,
            Vocabulary::Open | Vocabulary::Modal | Vocabulary::Film | Vocabulary::Gospel,
        ) => Quality::AddNinth,
        (Mode::Major, Vocabulary::Triads | Vocabulary::Classical) => Quality::Major,
        (Mode::Minor, _) => Quality::Minor,
    };
    Chord {
        root,
        quality,
        bass: root,
    }
}

/// I V vi IV, or i VI III VII, a bar each, for a vocal in which no chord was found.
fn plain_cadence(analysis: &Analysis, tonic: &Chord, count: usize) -> Vec<Chord> {
    let steps: [(u8, Quality); 4] = match analysis.key.mode {
        Mode::Major => [
            (0, tonic.quality),
            (7, Quality::Major),
            (9, Quality::Minor),
            (5, Quality::Major),
        ],
        Mode::Minor => [
            (0, tonic.quality),
            (8, Quality::Major),
            (3, Quality::Major),
            (10, Quality::Major),
        ],
    };
    let mut bar = 0;
    (0..count)
        .map(|beat| {
            bar += usize::from(
                beat > 0
                    && analysis
                        .beats
                        .get(beat)
                        .is_some_and(|beat| beat.position == 0),
            );
            let (step, quality) = steps[bar % 4];
            let root = (tonic.root + step) % 12;
            Chord {
                root,
                quality,
                bass: root,
            }
        })
        .collect()
}
