//! Prints what a listener hears of each style, one JSON object a line; the last line has the two styles that are most alike.
//!
//! ```text
//! cargo run --release -p backline-band --features soundfont --example measures -- [FONT.sf2]
//! ```
//!
//! With a SoundFont, which needs the feature `soundfont`, the styles are played with it.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring program prints, and one that unwraps says where it failed"
)]

#[path = "../tests/measures/listening.rs"]
mod listening;
#[path = "../tests/song/mod.rs"]
mod song;

use backline_band::{SoundSource, StyleId};
use listening::{Apart, Character, SoundMeasures, Timing, bass_off_chord, rougher_a_semitone_off};
use serde_json::json;

fn main() {
    let source = source(std::env::args().nth(1));
    for style in StyleId::all() {
        let sound = SoundMeasures::of(style, &source);
        let timing = Some(Timing::of(style)).filter(|found| found.sd_ms > 0.1);
        let (rougher, of) = rougher_a_semitone_off(style);
        println!(
            "{}",
            json!({
                "style": style.name(),
                "plr_lu": sound.plr_lu,
                "lra_lu": sound.lra_lu,
                "low_correlation": sound.low_correlation,
                "unmasked": sound.unmasked,
                "spectrum_off_db": sound.spectrum_off_db,
                "voice_above_lu": sound.voice_above_lu,
                "timing_sd_ms": timing.map(|found| found.sd_ms),
                "timing_alpha": timing.map(|found| found.alpha),
                "bass_off_chord": bass_off_chord(style),
                "rougher_off": rougher as f64 / of as f64,
            })
        );
    }
    let characters: Vec<Character> = StyleId::all().map(Character::of).collect();
    let mut nearest: Option<(Apart, &Character, &Character)> = None;
    for (at, one) in characters.iter().enumerate() {
        for other in &characters[at + 1..] {
            let apart = one.apart(other);
            if nearest.is_none_or(|(least, ..)| apart.sum() < least.sum()) {
                nearest = Some((apart, one, other));
            }
        }
    }
    let (apart, one, other) = nearest.unwrap();
    println!(
        "{}",
        json!({
            "most_alike": [one.style.name(), other.style.name()],
            "chords": apart.chords, "feel": apart.feels[0], "players": apart.players,
        })
    );
}

#[cfg(feature = "soundfont")]
fn source(font: Option<String>) -> SoundSource {
    font.map_or(SoundSource::Own, |path| {
        SoundSource::Font(backline_band::Font::read(&std::fs::read(path).unwrap()).unwrap())
    })
}

#[cfg(not(feature = "soundfont"))]
fn source(font: Option<String>) -> SoundSource {
    assert!(font.is_none(), "a SoundFont needs the feature `soundfont`");
    SoundSource::Own
}
