//! What a listener hears of each style, held to the ranges of finished records. `tools/band_eval` prints the figures.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]

mod listening;
#[path = "../song/mod.rs"]
mod song;

use backline_band::{SoundSource, StyleId};
use listening::{Character, SoundMeasures, Timing, bass_off_chord, rougher_a_semitone_off};

#[test]
fn every_style_has_the_peaks_the_range_the_spectrum_and_the_place_for_the_voice_of_a_record() {
    let mut off = Vec::new();
    for style in StyleId::all() {
        let found = SoundMeasures::of(style, &SoundSource::Own);
        let holds = (9.0..=14.0).contains(&found.plr_lu)
            && (3.0..=8.0).contains(&found.lra_lu)
            && found.low_correlation >= 0.95
            && found.unmasked >= 0.85
            && found.spectrum_off_db <= 3.0;
        if !holds {
            off.push(format!("{style:?}: {found:?}"));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn the_voice_is_as_loud_over_the_band_as_the_style_has_it() {
    for (style, range) in [
        (StyleId::PopBallad, 2.0..=3.0),
        (StyleId::Country, 2.5..=3.5),
        (StyleId::PopRock, -0.3..=0.3),
        (StyleId::Metal, -1.5..=-0.5),
    ] {
        let found = SoundMeasures::of(style, &SoundSource::Own).voice_above_lu;
        assert!(range.contains(&found), "{style:?}: {found:.1} LU");
    }
}

#[test]
fn people_are_loose_as_people_are_and_machines_are_not() {
    let mut off = Vec::new();
    for style in StyleId::all() {
        let found = Timing::of(style);
        let machine = matches!(
            style,
            StyleId::Trap | StyleId::House | StyleId::DrumAndBass | StyleId::Synthwave
        );
        let holds = if machine {
            found.sd_ms < 0.1
        } else {
            (4.0..=15.0).contains(&found.sd_ms) && (0.6..=1.0).contains(&found.alpha)
        };
        if !holds {
            off.push(format!("{style:?}: {found:.2?}"));
        }
    }
    assert!(off.is_empty(), "{off:#?}");
}

#[test]
fn the_bass_plays_chord_tones_on_strong_beats_under_slash_chords_too() {
    for style in StyleId::all() {
        let share = bass_off_chord(style);
        assert!(share < 0.01, "{style:?}: {share:.3}");
    }
}

#[test]
fn any_two_styles_differ_in_chords_feel_and_players() {
    let characters: Vec<Character> = StyleId::all().map(Character::of).collect();
    let mut alike = Vec::new();
    for (at, one) in characters.iter().enumerate() {
        for other in &characters[at + 1..] {
            let apart = one.apart(other);
            let feels = apart.feels.iter().all(|feel| *feel > 0.1);
            if apart.chords < 0.15 || !feels || apart.players < 0.1 {
                alike.push(format!(
                    "{:?} and {:?}: {apart:.2?}",
                    one.style, other.style
                ));
            }
        }
    }
    assert!(alike.is_empty(), "{} pairs: {alike:#?}", alike.len());
}

#[test]
fn the_band_is_rougher_under_the_voice_a_semitone_off() {
    let (mut rougher, mut all) = (0, 0);
    let mut off = Vec::new();
    for style in StyleId::all() {
        let (here, of) = rougher_a_semitone_off(style);
        rougher += here;
        all += of;
        if here < of {
            off.push(format!("{style:?}: {here} of {of}"));
        }
    }
    assert!(rougher * 100 >= all * 95, "{rougher} of {all}: {off:?}");
}
