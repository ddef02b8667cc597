//! A SoundFont's instruments in place of our own.
//!
//! The bytes are the caller's, read once and shared by all parts; each part has a synthesiser of its own, so that parts may be
//! played on any number of threads and balanced, placed and mastered like all others. Compressed fonts (`.sf3`) are refused.

use std::{io::Cursor, sync::Arc};

use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};

use super::stereo::{RATE_HZ, Stereo};
use crate::{
    arrange::Part,
    midi::{bend, key_of, program},
};

/// Frames that the synthesiser works out at once: a note starts within 1.5 ms of its time.
const BLOCK: usize = 64;

/// A SoundFont (`.sf2`) that is ready to play.
#[derive(Clone)]
pub struct Font(Arc<SoundFont>);

/// Why a SoundFont can't be played.
#[derive(Debug, thiserror::Error)]
#[error("read SoundFont: {reason}")]
pub struct FontError {
    reason: String,
}

impl std::fmt::Debug for Font {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Font({:?})", self.0.get_info().get_bank_name())
    }
}

impl Font {
    /// Reads the bytes of an `.sf2` file.
    pub fn read(bytes: &[u8]) -> Result<Self, FontError> {
        SoundFont::new(&mut Cursor::new(bytes))
            .map(|font| Self(Arc::new(font)))
            .map_err(|error| FontError {
                reason: error.to_string(),
            })
    }

    /// Its own name for itself.
    pub fn name(&self) -> &str {
        self.0.get_info().get_bank_name()
    }

    /// Plays a part, level and place not yet set; silence when the font has nothing that it can play.
    pub(super) fn part(&self, part: &Part, tuning_cents: f32, frames: usize) -> Stereo {
        let mut settings = SynthesizerSettings::new(RATE_HZ as i32);
        settings.block_size = BLOCK;
        settings.enable_reverb_and_chorus = false;
        let Ok(mut player) = Synthesizer::new(&self.0, &settings) else {
            return Stereo::silent(frames);
        };
        let channel = if part.instrument.is_percussion() {
            9
        } else {
            0
        };
        player.process_midi_message(channel, 0xC0, i32::from(program(part.instrument)), 0);
        if channel == 0 {
            let wheel = i32::from(bend(tuning_cents)) + 8192;
            player.process_midi_message(channel, 0xE0, wheel & 127, (wheel >> 7).clamp(0, 127));
        }
        // (frame, on, key, velocity), offs before ons.
        let mut strokes: Vec<(usize, bool, i32, i32)> = Vec::with_capacity(part.notes.len() * 2);
        for (index, note) in part.notes.iter().enumerate() {
            let at = |time_s: f64| (time_s * f64::from(RATE_HZ)).round() as usize;
            let key = i32::from(key_of(note.midi));
            let next = part.notes[index + 1..]
                .iter()
                .take(64)
                .find(|next| next.midi == note.midi)
                .map_or(usize::MAX, |next| at(next.start_s));
            let end = at(note.start_s + note.length_s).min(next);
            let velocity = (note.velocity * 127.0).round().clamp(1.0, 127.0) as i32;
            strokes.push((at(note.start_s), true, key, velocity));
            strokes.push((end.max(at(note.start_s) + 1), false, key, 0));
        }
        strokes.sort_unstable();
        let mut out = Stereo::silent(frames);
        let mut now = 0;
        for (frame, on, key, velocity) in strokes {
            let until = frame.min(frames);
            if until > now {
                player.render(&mut out.left[now..until], &mut out.right[now..until]);
                now = until;
            }
            if on {
                player.note_on(channel, key, velocity);
            } else {
                player.note_off(channel, key);
            }
        }
        player.render(&mut out.left[now..], &mut out.right[now..]);
        out
    }
}
