//! Plays instruments of a SoundFont instead of synthesised ones: acoustic instruments, electric guitars and basses, whose recordings are
//! better. Synthesisers, organ, electric piano, drum machine and voices stay synthesised, and so do instruments that the font lacks.
//! The font's choke groups are not used; the hats are choked as the band's own.
//!
//! The bytes are the caller's, read once and shared by all parts; each part has a synthesiser of its own, so that parts may be
//! played on any number of threads and balanced, placed and mastered like all others. Compressed fonts (`.sf3`) are refused.

use std::{
    collections::BTreeSet,
    io::Read,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::Arc,
};

use backline_audio::quietly;
use rustysynth::{SoundFont, Synthesizer, SynthesizerSettings};

use super::{
    riff,
    sounding::{CHOKE_S, OPEN_HAT, choked_after, lead_s},
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
        let generators = riff::check(bytes).map_err(failed)?;
        let (before, after) = (generators.place.start, generators.place.end);
        let mut file = (&bytes[..before])
            .chain(generators.table.as_slice())
            .chain(&bytes[after..]);
        match quietly(|| SoundFont::new(&mut file)) {
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
        quietly(|| {
            if !part.instrument.is_percussion() {
                return self.play(part, |_| true, tuning_cents, frames);
            }
            let mut out = self.play(part, |note| note.midi != OPEN_HAT, tuning_cents, frames);
            if part.notes.iter().any(|note| note.midi == OPEN_HAT) {
                let mut open = self.play(part, |note| note.midi == OPEN_HAT, tuning_cents, frames);
                choke(&mut open, part);
                for (sum, open) in [(&mut out.left, open.left), (&mut out.right, open.right)] {
                    sum.iter_mut()
                        .zip(open)
                        .for_each(|(sum, open)| *sum += open);
                }
            }
            out
        })
        .unwrap_or_else(|_| resume_unwind(Box::new(Damaged)))
    }

    /// Plays those notes of a part that are `wanted`.
    fn play(
        &self,
        part: &ScorePart,
        wanted: impl Fn(&ScoreNote) -> bool,
        tuning_cents: f32,
        frames: usize,
    ) -> Stereo {
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
            if !wanted(note) {
                continue;
            }
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

/// Ends every open stroke of the hats at the next stroke on them.
fn choke(open: &mut Stereo, part: &ScorePart) {
    let rate = f64::from(RATE_HZ);
    let frame = |time_s: f64| (time_s * rate).round() as usize;
    for (index, note) in part.notes.iter().enumerate() {
        let Some(after) = choked_after(part, index, RATE_HZ as f32) else {
            continue;
        };
        let from = frame(note.start_s) + after;
        let next = part.notes[index + 1..]
            .iter()
            .find(|next| next.midi == OPEN_HAT && frame(next.start_s) >= from);
        let until = next.map_or(usize::MAX, |next| frame(next.start_s));
        for side in [&mut open.left, &mut open.right] {
            let until = until.min(side.len());
            let Some(rest) = side.get_mut(from..until) else {
                continue;
            };
            let fade = CHOKE_S * RATE_HZ as f32;
            for (step, sample) in rest.iter_mut().enumerate() {
                *sample *= (1.0 - (step + 1) as f32 / fade).max(0.0);
            }
        }
    }
}

/// How hard a note is struck, as MIDI has it. Fonts give half of the velocity 12 dB less; the band's instruments, and the arranger's
/// dynamics, mean half of that.
fn velocity_of(note: &ScoreNote) -> i32 {
    (note.velocity.powf(0.6) * 127.0).round().clamp(1.0, 127.0) as i32
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
        | Instrument::Banjo
        | Instrument::Harp
        | Instrument::CleanGuitar
        | Instrument::DistortedGuitar
        | Instrument::Strings
        | Instrument::Brass
        | Instrument::Flute
        | Instrument::Saxophone => true,
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
