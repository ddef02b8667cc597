//! The 24 keys by index, and the profile of the pitch classes in each.

use crate::analysis::{Key, Mode};

use super::tables::KEY_PROFILES;

/// Cost of each pitch class above the tonic in minor, in sixteenths of a nat: the mean of what the ten lead sheets in minor
/// have and of the profile in Temperley's "Music and Probability" (2007, chapter 4), since ten are few.
const MINOR_PROFILE: [u8; 12] = [25, 61, 35, 31, 61, 34, 59, 26, 50, 59, 46, 54];

/// Keys: twelve tonics in major, then in minor.
pub(super) const KEYS: usize = 24;

/// Cost of each pitch class above the tonic of a key, in sixteenths of a nat.
pub(super) fn profile(key: usize) -> &'static [u8; 12] {
    if key < 12 {
        &KEY_PROFILES[0]
    } else {
        &MINOR_PROFILE
    }
}

/// The key with an index.
pub(super) fn key_of(index: usize) -> Key {
    let mode = if index < 12 { Mode::Major } else { Mode::Minor };
    Key {
        tonic: (index % 12) as u8,
        mode,
    }
}

/// The index of a key: the reverse of [`key_of`].
pub(super) fn index_of(key: Key) -> usize {
    usize::from(key.tonic % 12) + if key.mode == Mode::Minor { 12 } else { 0 }
}
