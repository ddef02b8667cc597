//! `then`: what is bought of the songs' results, and for which songs.

pub(crate) mod insert;
pub(crate) mod read;
