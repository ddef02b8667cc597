//! What a program plays with: its version, its instruments, and how a sample sounds.
//!
//! Two programs of the same version may still play differently: the system's mathematical functions round differently on some
//! processors and in some C libraries. So a short sample is rendered and its bytes are compared, too.

use std::f32::consts::TAU;
use std::fmt;

use backline_audio::{Audio, EncodeError, Encoding, encode};
use serde::{Deserialize, Serialize};

use crate::render::{self, Content, Order, Part, RenderError, Stopped};
use crate::soundfont::SoundFont;

/// The sample's vocal: a rising and falling line, in hertz, with notes of this length in seconds, at this rate.
const LINE_HZ: [f32; 10] = [
    261.6, 293.7, 329.6, 392.0, 440.0, 392.0, 349.2, 329.6, 293.7, 261.6,
];
const NOTE_S: f32 = 0.5;
const RATE_HZ: u32 = 22_050;

/// What a program plays with. Equal values give equal bytes for equal orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playing {
    version: String,
    /// Name and SHA-256 of the SoundFont; `None` means the band's own synthesis.
    soundfont: Option<(String, String)>,
    /// BLAKE3 of the rendered sample, in hexadecimal digits.
    sample: String,
}

/// The sample could not be rendered.
#[derive(Debug, thiserror::Error)]
#[error("could not play the sample that workers and studios compare")]
pub struct PlayingError(#[source] Box<dyn std::error::Error + Send + Sync>);

impl Playing {
    /// What this program plays with. Renders the sample. Blocks.
    ///
    /// # Errors
    /// When the sample can't be rendered.
    pub fn of(soundfont: Option<&SoundFont>) -> Result<Self, PlayingError> {
        let failed = |error: RenderError| PlayingError(error.into());
        let vocal = vocal().map_err(|error| PlayingError(error.into()))?;
        let order = Order {
            title: "sample".to_owned(),
            tags: "pop, piano, strings, 120 bpm".to_owned(),
            negative_tags: String::new(),
            gender: None,
            style_weight: None,
            weirdness_constraint: None,
            audio_weight: None,
            seed: 1,
            encoding: Encoding::Wav16,
            step: None,
        };
        let mut hasher = blake3::Hasher::new();
        let rendered = render::render(&vocal, &order, soundfont, |part| match part {
            Part::Track(track) => {
                if let Content::Memory(bytes) = &track.mix {
                    hasher.update(bytes);
                }
                // The first of the two tracks is enough.
                Err(Stopped)
            }
            _ => Ok(()),
        });
        match rendered {
            Ok(()) | Err(RenderError::Stopped) => {}
            Err(error) => return Err(failed(error)),
        }
        let named = |font: &SoundFont| (font.name().to_owned(), font.sha256().to_owned());
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            soundfont: soundfont.map(named),
            sample: hasher.finalize().to_hex().to_string(),
        })
    }
}

/// For messages: the version, the instruments, and the beginning of the sample's hash.
impl fmt::Display for Playing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backline {}, ", self.version)?;
        match &self.soundfont {
            Some((name, sha256)) => write!(f, "the SoundFont {name} (SHA-256 {sha256:.12})")?,
            None => write!(f, "the band's own instruments")?,
        }
        write!(f, ", sample {:.8}", self.sample)
    }
}

/// The sample's vocal as a WAV file.
fn vocal() -> Result<Vec<u8>, EncodeError> {
    let frames = (LINE_HZ.len() as f32 * NOTE_S * RATE_HZ as f32) as usize;
    let mut phase = 0.0_f32;
    let sample = |frame: usize| {
        let time_s = frame as f32 / RATE_HZ as f32;
        let within_s = time_s % NOTE_S;
        let hz = LINE_HZ[(time_s / NOTE_S) as usize % LINE_HZ.len()];
        phase = (phase + TAU * hz / RATE_HZ as f32) % TAU;
        let level = (within_s / 0.03).min(1.0) * ((NOTE_S - within_s) / 0.06).clamp(0.0, 1.0);
        0.3 * level * (phase.sin() + 0.3 * (2.0 * phase).sin())
    };
    let audio = Audio {
        rate_hz: RATE_HZ,
        channels: vec![(0..frames).map(sample).collect()],
    };
    encode(&audio, Encoding::Wav16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_program_plays_the_same_sample_and_messages_name_what_differs() {
        let own = Playing::of(None).unwrap();
        assert_eq!(own, Playing::of(None).unwrap());
        let other = Playing {
            soundfont: Some(("Grand".to_owned(), "0123456789abcdef".to_owned())),
            ..own.clone()
        };
        assert_ne!(own, other);
        let expected = "the SoundFont Grand (SHA-256 0123456789ab), sample ";
        assert!(other.to_string().contains(expected), "{other}");
    }
}
