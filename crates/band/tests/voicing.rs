//! How chords are voiced, over all parts together, measured on the score.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod song;

use backline_band::{Role, Score, ScoreNote, StyleId, analysis::Metre, arrange, read_tags};
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
