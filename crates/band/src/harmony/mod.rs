//! Chooses the chords under the melody: a learned model gives the log-likelihoods of each beat, a Viterbi path chooses the chord
//! classes, the style extends them, and some are reharmonised, as far as the request and the melody allow.

mod choose;
mod context;
mod extensions;
mod habits;
mod loops;
mod melody;
mod model;
mod path;
mod reharmonise;
mod rest;
mod vocabulary;
mod windows;

pub use choose::harmonise;
pub(crate) use rest::{by_beat, final_chord};
