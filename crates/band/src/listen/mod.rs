//! Listening: what a vocal is, in notes, beats and bars.

mod fallback;
mod hear;
mod notes;
mod pitch;
mod pitch_path;
mod sound;
mod tuning;

pub use hear::listen;
