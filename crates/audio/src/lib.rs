//! Bytes to samples and back.
//!
//! ```text
//! bytes ─sniff─► Format      bytes ─probe─► Probe        bytes ─decode─► Audio ─encode─► bytes
//!                                                                         │
//!                                              resample, loudness, peaks ◄┘
//! ```
//!
//! The engine probes what it is about to send and what it was given, the reporter draws waveforms and prints loudness, the
//! studio and the band decode vocals, encode tracks and label them. Notes become bytes here too, as MIDI files. The crate opens no file, knows no clock and starts no thread: the
//! same bytes give the same samples, and the same samples the same bytes, on every machine.

mod audio;
mod boxes;
mod decode;
mod edits;
mod encode;
mod ending;
mod error;
mod format;
#[cfg(test)]
mod hostile;
mod label;
mod loudness;
mod measure;
mod midi;
mod peaks;
mod probe;
mod quiet;
mod resample;
mod source;
mod strip;
#[cfg(test)]
mod tests;
mod walk;

pub use audio::Audio;
pub use decode::{MAX_SAMPLES, decode, decode_within};
pub use encode::{EncodeError, Encoding, encode};
pub use error::DecodeError;
pub use format::{Format, sniff};
pub use label::{Label, label};
pub use loudness::{Loudness, integrated_lufs, loudness};
pub use measure::{Measured, loudness_from, measure};
pub use midi::{
    MIDI_DRUMS, MIDI_QUARTER, MidiNote, MidiStroke, MidiTrack, midi_bytes, midi_file,
    midi_length_s, midi_strokes, midi_track,
};
pub use peaks::peaks;
pub use probe::{Probe, probe, probe_charged, probe_from};
pub use quiet::quietly;
pub use resample::{ResampleError, resample};
pub use walk::{MAX_CHANNELS, MAX_DURATION_S, MAX_RATE_HZ, MIN_RATE_HZ};
