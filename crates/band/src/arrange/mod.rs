//! Writes the score: which instruments play, what, when and how hard.
//!
//! A style is data (`styles`): a new style is a new table. The code here plays such a table over the singer's beats and chords. It
//! makes no sound.

mod arc;
mod bars;
mod bass;
mod chords;
mod drums;
mod energy;
mod fills;
mod line;
mod lineup;
mod low_intervals;
mod pattern;
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
