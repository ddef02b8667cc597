//! Listening: what a vocal is, in notes, beats and bars.

mod fallback;
mod hear;

pub use hear::listen;
