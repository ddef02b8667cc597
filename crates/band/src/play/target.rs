//! The targets of a finished recording: loudness and ceiling.

use backline_audio::{Audio, Loudness};

/// Integrated loudness of every finished take, in LUFS.
pub const TARGET_LUFS: f64 = -14.0;

/// Highest true peak of every finished take, in dBTP.
pub const CEILING_DBTP: f64 = -1.0;

/// A finished recording and its measured loudness.
#[derive(Debug, Clone, PartialEq)]
pub struct Mastered {
    /// Stereo at 44.1 kHz.
    pub audio: Audio,
    /// Measured on the audio as it is.
    pub loudness: Loudness,
}
