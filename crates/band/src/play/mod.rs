//! Makes the sound: plays a score, adds reverb, masters it, and mixes the voice with it.
//!
//! All sounds are synthesised, unless the caller gives a SoundFont for some instruments; no samples are included. The same score and
//! seed give the same bytes for any number of threads: every note has its own random numbers, and parts are summed in score order.

mod balance;
mod body;
mod bowed;
mod drums;
mod equaliser;
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
mod voice;
mod wave;
mod winds;

#[cfg(feature = "soundfont")]
pub(crate) use font::caught;
#[cfg(feature = "soundfont")]
pub use font::{Font, FontError};
pub use master::master;
pub(crate) use master::{Mastering, loudness_of, master_at};
pub use mix::{Voicing, lay_over, layers};
pub(crate) use mix::{lay_over_at, voice_over};
pub use stage::{SoundSource, play};
pub(crate) use stage::{in_parallel, solo};
pub use stereo::{RATE_HZ, Stereo};
pub use target::{CEILING_DBTP, Mastered, TARGET_LUFS};
pub use voice::Voice;
