//! Chooses the chords under the melody: a learned model sees each beat, the best path is taken through what it sees, the
//! style extends the chords, and as much adventure is added as was asked for and as the melody bears.

mod choose;
mod context;
mod extensions;
mod habits;
mod melody;
mod model;
mod path;
mod reharmonise;
mod rest;
mod windows;

pub use choose::harmonise;
pub(crate) use rest::{by_beat, final_chord};
