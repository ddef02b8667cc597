//! Listening held against the truth: songs that were sung, and input that is no song.

mod edges;
mod singer;
mod songs;
