//! What a file is, found by decoding all of it without keeping it.

use std::io::{Cursor, Read, Seek};

use crate::error::DecodeError;
use crate::format::Format;
use crate::walk::{MAX_DURATION_S, walk};

/// A file's properties. They are measured, not read from its header, so a `Probe` also says that the file can be decoded from
/// its first frame to its last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    /// The container.
    pub format: Format,
    /// Frames per second.
    pub rate_hz: u32,
    /// Number of channels.
    pub channels: usize,
    /// Number of frames that were decoded.
    pub frames: u64,
    /// Length in seconds.
    pub duration_s: f64,
    /// The largest sample's size; 0 is digital silence.
    pub peak: f32,
    /// Samples that were no number or far beyond full scale, and that decoding replaces: more than none is worth a warning.
    pub replaced_samples: u64,
}

/// Decodes all of a file and keeps only its properties.
///
/// # Errors
/// As [`decode`](crate::decode), without its limit on memory.
pub fn probe(bytes: &[u8]) -> Result<Probe, DecodeError> {
    probe_from(Cursor::new(bytes))
}

/// The same of a file that is read in pieces: it takes less than a megabyte of memory, whatever the file's size and length.
///
/// # Errors
/// As [`probe`], and when the source can't be read.
pub fn probe_from(source: impl Read + Seek + Send + Sync) -> Result<Probe, DecodeError> {
    probe_charged(source, &mut |_| true)
}

/// The same, charged for its work: `charge` receives it as it is done, in samples over all channels, and returns whether there is
/// an allowance for it. A packet costs some samples even where it holds none.
///
/// # Errors
/// As [`probe_from`], and [`DecodeError::Stopped`] where `charge` returned false.
pub fn probe_charged(
    source: impl Read + Seek + Send + Sync,
    charge: &mut dyn FnMut(u64) -> bool,
) -> Result<Probe, DecodeError> {
    let mut peak = 0.0f32;
    let walked = walk(source, MAX_DURATION_S, charge, |_, _, channels| {
        let samples = channels.iter().flatten();
        peak = samples.fold(peak, |peak, sample| peak.max(sample.abs()));
        Ok(())
    })?;
    let duration_s = walked.frames as f64 / f64::from(walked.rate_hz);
    Ok(Probe {
        format: walked.format,
        rate_hz: walked.rate_hz,
        channels: walked.channels,
        frames: walked.frames,
        duration_s,
        peak,
        replaced_samples: walked.replaced_samples,
    })
}
