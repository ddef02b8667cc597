//! The chords under a singer whose notes are off, and whom listening is unsure about.

use super::*;

/// A tune as an untrained singer is heard: every fourth note a semitone off, and listening is unsure of the pitches.
fn out_of_tune(heard: &Analysis, pitch: f32) -> Analysis {
    let mut heard = heard.clone();
    heard.confidence.pitch = pitch;
    for (at, note) in heard.notes.iter_mut().enumerate() {
        if at % 4 == 2 {
            note.midi = if at % 8 == 2 {
                note.midi + 1
            } else {
                note.midi - 1
            };
            note.meant = note.midi;
        }
    }
    heard
}

#[test]
fn an_untrained_singers_wrong_semitones_bring_no_chromatic_chords() {
    let open = HarmonySettings {
        style: Some(StyleId::PopRock),
        weirdness: 0.3,
        ..PLAIN
    };
    for settings in [PLAIN, open] {
        let chromatic = |pitch: f32| {
            over_tunes(&settings, |heard, _| {
                let heard = out_of_tune(heard, pitch);
                off_scale(&heard, &harmonise(&heard, &settings, 1))
            })
        };
        // The measure counts the major dominant of songs in minor, which stays.
        let (sure, unsure) = (chromatic(0.9), chromatic(0.55));
        assert!(
            unsure < 0.13 && unsure < 0.5 * sure,
            "{:?}: chords outside the key {unsure:.3} of the time, {sure:.3} under a sure singer",
            settings.style
        );
    }
}

#[test]
fn in_doubt_only_the_keys_own_dominant_is_a_seventh() {
    let settings = HarmonySettings {
        style: Some(StyleId::PopRock),
        ..PLAIN
    };
    let sevenths = over_tunes(&settings, |heard, _| {
        let heard = out_of_tune(heard, 0.55);
        let tonic = heard.key.tonic;
        share(&harmonise(&heard, &settings, 1), |chord| {
            chord.quality == Quality::Seventh && (chord.root + 12 - tonic) % 12 != 7
        })
    });
    assert!(sevenths < 0.02, "{sevenths:.3} of the time");
}
