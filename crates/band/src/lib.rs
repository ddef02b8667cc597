//! The accompaniment generator: it analyses a vocal, harmonises it, arranges it in the style and for the instruments of the tags,
//! without those of the negative tags, plays it and masters it.
//!
//! ```text
//! vocal ─listen─► Analysis ─harmonise─► chords ─arrange─► Score ─play─► stems ─master─► takes
//!                     ▲                                      ▲
//!                     └── Hints ───────── read_tags ── Brief ┘
//! ```
//!
//! Samples and parameters in, samples and facts out. The crate reads no file, knows no clock and starts no runtime; all chance
//! comes from one seed, so the same vocal, request and seed give the same bytes on the same machine, on any number of threads. Machines
//! with another processor or another C library may differ in the last bits: transforms and sines are theirs.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that meets the unexpected should stop"
    )
)]

mod accompany;
pub mod analysis;
mod arrange;
mod catalogue;
mod chance;
mod chord_names;
mod data;
mod facts;
mod harmony;
mod label;
mod learned;
mod listen;
mod midi;
mod play;
mod scale;
mod tags;

pub use accompany::{
    Accompaniment, BandError, MAX_TAKES, MAX_VOCAL_S, PartAudio, Request, Session, Take, accompany,
};
pub use arrange::{
    ArrangeSettings, Articulation, Finish, Role, Room, Score, ScoreNote, ScorePart, arrange,
};
pub use catalogue::{Instrument, Singer, StyleId};
pub use chord_names::{chord_name, key_name, metre_name, pitch_name};
pub use facts::{ChordFact, Facts};
pub use harmony::harmonise;
pub use listen::{listen, listen_by_steps};
pub use play::{
    CEILING_DBTP, Mastered, RATE_HZ, SoundSource, Stereo, TARGET_LUFS, Voice, Voicing, lay_over,
    layers, master, play,
};
#[cfg(feature = "soundfont")]
pub use play::{Font, FontError};
pub use tags::{Brief, read_tags};
