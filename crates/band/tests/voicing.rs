//! How chords are voiced, over all parts together, measured on the score.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{
    Brief, Role, Score, ScoreNote, StyleId,
    analysis::{Metre, Quality},
    arrange, read_tags,
};
use song::{SETTINGS, song};

/// The lowest note over which an interval of so many semitones is clear, from a unison on. Lists of arrangers differ by up to three
/// semitones.
const LOW_INTERVAL_LIMITS: [u8; 12] = [0, 52, 51, 48, 46, 46, 46, 34, 41, 41, 41, 41];

/// The notes of all parts but percussion, in time order.
fn pitched(score: &Score) -> Vec<ScoreNote> {
    let mut notes: Vec<ScoreNote> = score
        .parts
        .iter()
        .filter(|part| !matches!(part.role, Role::Drums | Role::Percussion))
        .flat_map(|part| part.notes.iter().copied())
        .collect();
    notes.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    notes
}

/// Pairs of notes that sound together with a low one: all, and those that are closer than the low interval limit, described.
fn low_pairs(score: &Score) -> (usize, Vec<String>) {
    /// A note that ends within this after another began has been followed by it.
    const CHANGE_S: f64 = 0.12;
    const LOW: u8 = 53;
    let notes = pitched(score);
    let (mut pairs, mut muddy) = (0, Vec::new());
    for (at, one) in notes.iter().enumerate() {
        let end_s = one.start_s + one.length_s;
        let later = notes[at + 1..].iter();
        let together = later
            .take_while(|other| other.start_s < end_s - CHANGE_S)
            .filter(|other| other.length_s > CHANGE_S);
        for other in together {
            let (low, interval) = (one.midi.min(other.midi), one.midi.abs_diff(other.midi));
            let limit = LOW_INTERVAL_LIMITS.get(usize::from(interval));
            pairs += usize::from(low < LOW);
            if limit.is_some_and(|&limit| low < limit) {
                muddy.push(format!("{low} and {interval} more at {:.2}", other.start_s));
            }
        }
    }
    (pairs, muddy)
}

#[test]
fn no_two_notes_of_the_band_are_closer_than_the_low_interval_limits() {
    let (mut pairs, mut muddy) = (0, 0);
    let mut places = Vec::new();
    for style in StyleId::all() {
        for (metre, bpm) in [
            (Metre::FourFour, 96.0),
            (Metre::ThreeFour, 96.0),
            (Metre::SixEight, 60.0),
        ] {
            for (shift, tags) in [
                (0i16, ""),
                (-15, ""),
                (0, "piano, acoustic guitar, strings, organ"),
            ] {
                let (mut analysis, chords) = song(metre, bpm);
                for note in &mut analysis.notes {
                    note.midi = (i16::from(note.midi) + shift) as u8;
                }
                let mut brief = read_tags(tags, "");
                brief.styles = vec![style];
                let score = arrange(&analysis, &chords, &brief, &SETTINGS, 5);
                let (all, found) = low_pairs(&score);
                pairs += all;
                muddy += found.len();
                if let Some(first) = found.first() {
                    places.push(format!(
                        "{style:?} {metre:?} {tags:?} {shift}: {} of {all}, {first}",
                        found.len()
                    ));
                }
            }
        }
    }
    assert!(pairs > 10_000, "{pairs}");
    assert_eq!(muddy, 0, "of {pairs} pairs: {places:#?}");
}

/// What a chord is known by: its third (or what stands for it) and its sixth or seventh, in semitones above its root.
fn defining(quality: Quality) -> &'static [u8] {
    match quality {
        Quality::Power => &[],
        Quality::Major | Quality::AddNinth | Quality::Augmented => &[4],
        Quality::Minor | Quality::Diminished => &[3],
        Quality::Sus4 => &[5],
        Quality::Sus2 => &[2],
        Quality::Sixth | Quality::SixthNinth => &[4, 9],
        Quality::Seventh | Quality::Ninth | Quality::Thirteenth | Quality::Altered => &[4, 10],
        Quality::MajorSeventh | Quality::MajorNinth => &[4, 11],
        Quality::MinorSeventh | Quality::MinorNinth | Quality::HalfDiminished => &[3, 10],
        Quality::MinorSixth | Quality::DiminishedSeventh => &[3, 9],
        Quality::SeventhSus4 => &[5, 10],
    }
}

const QUALITIES: [Quality; 20] = [
    Quality::AddNinth,
    Quality::Major,
    Quality::Minor,
    Quality::Seventh,
    Quality::MajorSeventh,
    Quality::MinorSeventh,
    Quality::Sus4,
    Quality::Sus2,
    Quality::Sixth,
    Quality::Ninth,
    Quality::MajorNinth,
    Quality::MinorNinth,
    Quality::SixthNinth,
    Quality::HalfDiminished,
    Quality::DiminishedSeventh,
    Quality::MinorSixth,
    Quality::SeventhSus4,
    Quality::Thirteenth,
    Quality::Altered,
    Quality::Augmented,
];

/// Chords under which root, third or seventh does not sound, described, and the number of chords.
fn undefined_chords(style: StyleId, tags: &str, seeds: u64) -> (usize, Vec<String>) {
    let (mut all, mut missing) = (0, Vec::new());
    let alone = tags.starts_with("solo");
    for (seed, half) in (1..=seeds).flat_map(|seed| [(seed, false), (seed, true)]) {
        if half && alone {
            // One player rests for longer.
            continue;
        }
        let (analysis, mut chords) = song(Metre::FourFour, 96.0);
        if half {
            // Two chords a bar.
            chords = chords
                .iter()
                .flat_map(|span| {
                    [0, 1].map(|part| {
                        let middle_s = (span.span.start_s + span.span.end_s) / 2.0;
                        let mut span = *span;
                        span.beats = 2;
                        span.first_beat += 2 * part;
                        if part == 0 {
                            span.span.end_s = middle_s;
                        } else {
                            span.span.start_s = middle_s;
                        }
                        span
                    })
                })
                .collect();
        }
        for (at, span) in chords.iter_mut().enumerate() {
            let number = at as u64 * 7 + seed * 3;
            span.chord.quality = QUALITIES[(number % 20) as usize];
            span.chord.root = (number * 5 % 12) as u8;
            span.chord.bass = span.chord.root;
        }
        let mut brief = read_tags(tags, "");
        brief.styles = vec![style];
        let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
        let notes: Vec<(ScoreNote, Role)> = score
            .parts
            .iter()
            .filter(|part| !matches!(part.role, Role::Drums | Role::Percussion | Role::Fills))
            .flat_map(|part| part.notes.iter().map(|note| (*note, part.role)))
            .collect();
        for (span, chord) in &score.chords {
            if span.start_s >= score.final_chord_s - 0.1 {
                continue;
            }
            let sounds = |class: u8| {
                notes.iter().any(|(note, _)| {
                    let until_s = (note.start_s + note.length_s).min(span.end_s);
                    note.midi % 12 == class % 12
                        && until_s - note.start_s.max(span.start_s - 0.05) > 0.05
                })
            };
            all += 1;
            // Chops leave the root to a bass, and before a fuller section the basses of drum machines rest for half a bar.
            let root: &[u8] = if half || alone { &[] } else { &[0] };
            for &tone in root.iter().chain(defining(chord.quality)) {
                if !sounds(chord.root + tone) {
                    missing.push(format!(
                        "{style:?} {tags:?} seed {seed} {half}: {tone} of {:?} on {} at {:.1}",
                        chord.quality, chord.root, span.start_s
                    ));
                }
            }
        }
    }
    (all, missing)
}

#[test]
fn root_third_and_seventh_of_every_chord_sound_in_some_part() {
    let (mut all, mut missing) = (0, Vec::new());
    let bands = StyleId::all().map(|style| (style, "", 8));
    let alone = [
        "solo acoustic guitar",
        "solo ukulele",
        "solo piano",
        "solo harp",
    ];
    let alone = alone
        .into_iter()
        .flat_map(|tags| StyleId::all().map(move |style| (style, tags, 2)));
    for (style, tags, seeds) in bands.chain(alone) {
        let (chords, undefined) = undefined_chords(style, tags, seeds);
        all += chords;
        missing.extend(undefined);
    }
    assert!(all > 5000, "{all}");
    assert!(
        missing.is_empty(),
        "{} of {all}: {:#?}",
        missing.len(),
        &missing[..missing.len().min(60)]
    );
}

#[test]
fn jazz_chords_lie_on_third_or_seventh_and_leave_the_root_to_the_bass() {
    let (mut forms, mut all, mut roots) = (0, 0, 0);
    let mut off = Vec::new();
    for (seed, energy) in [(1, 0.3), (2, 0.5), (3, 0.9), (4, 0.6)] {
        let (mut analysis, mut chords) = song(Metre::FourFour, 120.0);
        for section in &mut analysis.sections {
            section.energy = energy;
        }
        for (at, span) in chords.iter_mut().enumerate() {
            span.chord.quality = [
                Quality::MajorSeventh,
                Quality::MinorNinth,
                Quality::Thirteenth,
                Quality::Seventh,
                Quality::SixthNinth,
            ][at % 5];
        }
        let mut brief = Brief::default();
        brief.styles = vec![StyleId::JazzSwing];
        let score = arrange(&analysis, &chords, &brief, &SETTINGS, seed);
        let part = |role: Role| {
            score
                .parts
                .iter()
                .find(move |part| part.role == role)
                .unwrap()
        };
        let (piano, bass) = (part(Role::Comp), part(Role::Bass));
        let sung = analysis.notes.first().unwrap().onset_s;
        for (span, chord) in &score.chords {
            if span.start_s < sung - 0.1 || span.start_s > score.final_chord_s - 0.1 {
                continue;
            }
            let inside =
                |note: &&ScoreNote| (span.start_s - 0.05..span.end_s - 0.3).contains(&note.start_s);
            // One chord at a time: its notes begin together.
            let struck: Vec<&ScoreNote> = piano.notes.iter().filter(inside).collect();
            for chord_notes in struck.chunk_by(|a, b| b.start_s - a.start_s < 0.03) {
                let lowest = chord_notes.iter().map(|note| note.midi).min().unwrap();
                let above = (lowest + 12 - chord.root) % 12;
                all += 1;
                let is_form = defining(chord.quality).contains(&above)
                    && defining(chord.quality).iter().all(|tone| {
                        chord_notes
                            .iter()
                            .any(|note| (note.midi + 12 - chord.root) % 12 == *tone)
                    });
                forms += usize::from(is_form);
                roots += usize::from(
                    chord_notes
                        .iter()
                        .any(|note| note.midi % 12 == chord.root % 12),
                );
                if !is_form {
                    let keys: Vec<u8> = chord_notes.iter().map(|note| note.midi).collect();
                    off.push(format!("{:?} on {}: {keys:?}", chord.quality, chord.root));
                }
            }
            let rooted = bass
                .notes
                .iter()
                .filter(inside)
                .any(|note| note.midi % 12 == chord.bass);
            assert!(rooted, "no root in the bass at {:.1}", span.start_s);
        }
    }
    // Where the bass walks up to it, the lowest note goes up by an octave: see the low interval limits.
    assert!(
        all > 100 && forms * 10 >= all * 9 && roots == 0,
        "{forms} of {all} in A or B form, {roots} with a root: {:#?}",
        &off[..off.len().min(30)]
    );
}

#[test]
fn a_player_without_roots_has_them_where_no_bass_plays() {
    for style in StyleId::all() {
        for tags in ["", "piano", "electric piano"] {
            let (analysis, mut chords) = song(Metre::FourFour, 96.0);
            for span in &mut chords {
                span.chord.quality = Quality::MajorSeventh;
            }
            let mut brief = read_tags(tags, "");
            brief.styles = vec![style];
            let score = arrange(&analysis, &chords, &brief, &SETTINGS, 3);
            let notes = pitched(&score);
            for (span, chord) in &score.chords {
                let rooted = notes.iter().any(|note| {
                    let until_s = (note.start_s + note.length_s).min(span.end_s);
                    note.midi % 12 == chord.root % 12
                        && until_s - note.start_s.max(span.start_s - 0.05) > 0.05
                });
                assert!(rooted, "{style:?} {tags:?}: no root at {:.1}", span.start_s);
            }
        }
    }
}
