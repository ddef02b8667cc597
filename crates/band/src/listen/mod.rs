//! Listening: analyses a vocal into notes, beats, bars, key, phrases and sections.

mod bars;
mod chord_fit;
mod classifier;
mod fallback;
mod features;
mod grid;
mod hear;
mod intonation;
mod key;
mod key_profile;
mod local_keys;
mod metre;
mod note_repair;
mod notes;
mod pauses;
mod phrases;
mod pitch;
mod pitch_path;
mod pointer;
mod sections;
mod sound;
mod speech;
mod tables;
mod tuning;

pub use hear::{listen, listen_by_steps};
