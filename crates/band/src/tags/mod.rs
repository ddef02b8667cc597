//! Reads the two tag lines of a request: wishes, refusals, and phrases that were not understood.
//!
//! Called first, before listening, because tempo and metre words help to listen. It decides nothing about the music.

mod brief;
mod musical;
mod read;
mod split;
mod words;

pub use brief::Brief;
pub use read::read_tags;
