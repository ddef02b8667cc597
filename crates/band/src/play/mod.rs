//! Makes the sound: plays a score, puts it in a room, masters it, and lays the voice over it.
//!
//! Everything is synthesised here, unless the caller brings a SoundFont for some of it; there are no samples of anybody's instruments. The same score and seed give the same bytes
//! for any number of threads, because every note has its own chance and parts are summed in score order.

mod balance;
mod bowed;
mod drums;
#[cfg(feature = "soundfont")]
mod font;
mod half;
mod keys;
mod lanes;
mod limiter;
mod master;
mod meter;
mod mix;
mod partials;
mod plucked;
mod pump;
#[cfg(feature = "soundfont")]
mod riff;
mod room;
mod sounding;
mod stage;
mod stereo;
mod sung;
mod target;
mod wave;

#[cfg(feature = "soundfont")]
pub(crate) use font::caught;
#[cfg(feature = "soundfont")]
pub use font::{Font, FontError};
pub use master::master;
pub(crate) use master::{Mastering, loudness_of, master_at};
pub(crate) use mix::lay_over_at;
pub use mix::{Voicing, lay_over, layers};
pub use stage::{SoundSource, play};
pub(crate) use stage::{side_by_side, solo};
pub use stereo::{RATE_HZ, Stereo};
pub use target::{CEILING_DBTP, Mastered, TARGET_LUFS};
