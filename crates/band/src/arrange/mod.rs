//! Writes the score: which instruments play, what, when and how hard.
//!
//! Everything musical about a style is data (`styles`): adding a style is adding a table. The code here only knows how to read
//! such a table over the singer's own beats and chords. It makes no sound.

mod arc;
mod bars;
mod bass;
mod chords;
mod drums;
mod energy;
mod fills;
mod lineup;
mod pattern;
mod phrasing;
mod score;
mod sheet;
mod style;
mod styles;
mod voicing;
mod write;

pub(crate) use crate::catalogue::{Instrument, StyleId, Traits};
pub use score::{ArrangeSettings, Articulation, Finish, Role, Room, Score, ScoreNote, ScorePart};
pub use write::arrange;
pub(crate) use write::{leaves_out_drums, style_of};
