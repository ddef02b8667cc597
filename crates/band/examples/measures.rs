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
use listening::{Character, SoundMeasures, bass_off_chord, timing_sd_ms};
use serde_json::json;

fn main() {
    let source = source(std::env::args().nth(1));
    for style in StyleId::all() {
        let sound = SoundMeasures::of(style, &source);
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
                "timing_sd_ms": timing_sd_ms(style),
                "bass_off_chord": bass_off_chord(style),
            })
        );
    }
    let characters: Vec<Character> = StyleId::all().map(Character::of).collect();
    let mut nearest: Option<([f64; 3], &Character, &Character)> = None;
    for (at, one) in characters.iter().enumerate() {
        for other in &characters[at + 1..] {
            let apart = one.apart(other);
            let sum = |apart: &[f64; 3]| apart.iter().sum::<f64>();
            if nearest
                .as_ref()
                .is_none_or(|(least, ..)| sum(&apart) < sum(least))
            {
                nearest = Some((apart, one, other));
            }
        }
    }
    let ([chords, feel, players], one, other) = nearest.unwrap();
    println!(
        "{}",
        json!({
            "most_alike": [one.style.name(), other.style.name()],
            "chords": chords, "feel": feel, "players": players,
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
