//! Writes the score: which instruments play, what, when and how hard.
//!
//! Everything musical about a style is data (`styles`): adding a style is adding a table. The code here only knows how to read
//! such a table over the singer's own beats and chords. It makes no sound.

mod arc;
mod bars;
mod bass;
mod chords;
mod drums;
mod fills;
mod instrument;
mod lineup;
mod phrasing;
mod score;
mod style;
mod styles;
mod voicing;
mod write;

pub use instrument::Instrument;
pub(crate) use instrument::Traits;
pub use score::{Articulation, Finish, Part, Role, Room, Score, ScoreNote, Settings};
pub use style::StyleId;
pub use write::arrange;
pub(crate) use write::{leaves_out_drums, style_of};
