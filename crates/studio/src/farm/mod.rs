//! The render farm: workers on other machines compute the renders of a studio.
//!
//! ```text
//! studio                                 worker
//!   offers ◄── POST /studio/render/begin ───┤ who it is; gets the order, or is refused
//!   source ◄── GET  /studio/render/source ──┤
//!   parts  ◄── POST /studio/render/1/0… ────┘ each finished part with its files, hashed
//! ```
//!
//! Which worker calls is decided elsewhere: the caller of the studio takes the secrets of [`Farm::waiting`] to workers and lets
//! one worker at a time use each. A secret is the key to one render. A render that is begun again, because its worker died or
//! was taken for dead, is a new attempt, and calls of earlier attempts are refused from then on. A render has the same parts each
//! time, so parts that the task already has are not kept again.
//!
//! Both sides must play the same: a worker says with which program and instruments it plays ([`Playing`](crate::Playing)), and another one than
//! the studio's is refused.

mod client;
mod offers;
mod wire;

pub use client::{FarmWorker, FarmWorkerError};
pub use offers::Farm;
pub(crate) use offers::{Gone, Offered, Refused};
pub(crate) use wire::{Begin, FileHead, MOST_FILES, PartHead, PartOnWire};
