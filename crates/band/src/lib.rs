//! The accompaniment generator: it listens to a vocal, harmonises it, arranges it for the instruments and the style that the
//! tags ask for and the negative tags forbid, plays it and masters it.
//!
//! ```text
//! vocal ─listen─► Analysis ─harmonise─► chords ─arrange─► Score ─play─► stems ─master─► takes
//!                     ▲                                      ▲
//!                     └── Hints ───────── read_tags ── Brief ┘
//! ```
//!
//! Samples and parameters in, samples and facts out. The crate reads no file, knows no clock and starts no runtime; all chance
//! comes from one seed, so the same vocal, request and seed give the same bytes on every machine.

mod accompany;
pub mod analysis;
pub mod arrange;
mod chance;
mod harmony;
mod listen;
mod play;
mod tags;

pub use tags::{Brief, read_tags};
