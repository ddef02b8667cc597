//! Plays instruments of a SoundFont instead of synthesised ones: acoustic instruments, electric guitars and basses, whose recordings are
//! better. Synthesisers, organ, electric piano, drum machine and voices stay synthesised, and so do instruments that the font lacks.
//!
//! The bytes are the caller's, read once and shared by all parts; each part has a synthesiser of its own, so that parts may be
//! played on any number of threads and balanced, placed and mastered like all others. Compressed fonts (`.sf3`) are refused.

use std::{
    collections::BTreeSet,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use backline_audio::quietly;
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};

use super::{
    riff,
    sounding::lead_s,
    stereo::{RATE_HZ, Stereo},
};
use crate::{
    arrange::{Instrument, ScoreNote, ScorePart},
    midi::{bend, program},
};

/// Frames that the synthesiser computes at once: a note starts within 1.5 ms of its time.
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
        let failed = |reason: String| FontError { reason };
        riff::check(bytes).map_err(failed)?;
        match quietly(|| SoundFont::new(&mut Cursor::new(bytes))) {
            Ok(font) => font
                .map(|font| Self(Arc::new(font)))
                .map_err(|error| failed(error.to_string())),
            Err(_) => Err(failed("its tables make no sense".to_owned())),
        }
    }

    /// The name in the file.
    pub fn name(&self) -> &str {
        self.0.get_info().get_bank_name()
    }

    /// Whether it plays a part: an instrument that is better from a font, with a sound for each of the part's notes.
    pub(crate) fn plays(&self, part: &ScorePart) -> bool {
        let bank = if part.instrument.is_percussion() {
            128
        } else {
            0
        };
        let program = i32::from(program(part.instrument));
        let preset = self.0.get_presets().iter().find(|preset| {
            (preset.get_bank_number(), preset.get_patch_number()) == (bank, program)
        });
        let Some(preset) = preset.filter(|_| is_better_from_font(part.instrument)) else {
            return false;
        };
        let instruments = self.0.get_instruments();
        let sounds = |key: i32, velocity: i32| {
            preset
                .get_regions()
                .iter()
                .filter(|region| region.contains(key, velocity))
                .filter_map(|region| instruments.get(region.get_instrument_id()))
                .any(|instrument| {
                    let mut regions = instrument.get_regions().iter();
                    regions.any(|region| region.contains(key, velocity))
                })
        };
        let strokes: BTreeSet<(i32, i32)> = part
            .notes
            .iter()
            .map(|note| (i32::from(note.key()), velocity_of(note)))
            .collect();
        strokes
            .into_iter()
            .all(|(key, velocity)| sounds(key, velocity))
    }

    /// Plays a part, without level and position. Unwinds with [`Damaged`] where the font can't be played; [`caught`] makes that an error.
    pub(super) fn part(&self, part: &ScorePart, tuning_cents: f32, frames: usize) -> Stereo {
        quietly(|| self.play(part, tuning_cents, frames))
            .unwrap_or_else(|_| resume_unwind(Box::new(Damaged)))
    }

    fn play(&self, part: &ScorePart, tuning_cents: f32, frames: usize) -> Stereo {
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
            let key = i32::from(note.key());
            let next = part.notes[index + 1..]
                .iter()
                .take(64)
                .find(|next| next.midi == note.midi)
                .map_or(usize::MAX, |next| {
                    at((next.start_s - lead_s(part.instrument)).max(0.0))
                });
            let end = at(note.start_s + note.length_s).min(next);
            let start = at((note.start_s - lead_s(part.instrument)).max(0.0));
            strokes.push((start, true, key, velocity_of(note)));
            strokes.push((end.max(start + 1), false, key, 0));
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

/// A font with invalid numbers, which are found only when it is played.
struct Damaged;

/// Runs the playing; an error where the font is damaged.
pub(crate) fn caught<T>(play: impl FnOnce() -> T) -> Result<T, FontError> {
    catch_unwind(AssertUnwindSafe(play)).map_err(|panic| match panic.is::<Damaged>() {
        true => FontError {
            reason: "it can't be played: its numbers make no sense".to_owned(),
        },
        false => resume_unwind(panic),
    })
}

/// How hard a note is struck, as MIDI has it.
fn velocity_of(note: &ScoreNote) -> i32 {
    (note.velocity * 127.0).round().clamp(1.0, 127.0) as i32
}

/// Whether an instrument is played by a font rather than synthesised.
fn is_better_from_font(instrument: Instrument) -> bool {
    match instrument {
        Instrument::AcousticKit
        | Instrument::BrushKit
        | Instrument::HandPercussion
        | Instrument::FingerBass
        | Instrument::UprightBass
        | Instrument::Piano
        | Instrument::Vibraphone
        | Instrument::Glockenspiel
        | Instrument::SteelGuitar
        | Instrument::NylonGuitar
        | Instrument::Harp
        | Instrument::CleanGuitar
        | Instrument::DistortedGuitar
        | Instrument::Strings
        | Instrument::Brass
        | Instrument::Flute => true,
        // General MIDI has no ukulele.
        Instrument::Ukulele
        | Instrument::ElectronicKit
        | Instrument::SynthBass
        | Instrument::SubBass
        | Instrument::ElectricPiano
        | Instrument::Organ
        | Instrument::SynthPad
        | Instrument::SynthPluck
        | Instrument::SynthLead
        | Instrument::Voices => false,
    }
}
