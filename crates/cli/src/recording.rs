//! A recording that the user names on the command line.

use std::path::Path;

use backline_audio::{Audio, Format, decode_within, sniff};
use backline_band::MAX_VOCAL_S;

use crate::failure::{Failure, Kind};

/// The largest file that is read. The longest accepted recording is 15 minutes; as 24-bit stereo WAV at 192 kHz it has 1.04 GB.
const FILE_BYTES: u64 = 1_100_000_000;

/// A recording in memory.
pub(crate) struct DecodedRecording {
    /// The format of the file.
    pub(crate) format: Format,
    /// The decoded samples.
    pub(crate) audio: Audio,
}

/// Reads and decodes the file at `path`.
pub(crate) fn open(path: &Path) -> Result<DecodedRecording, Failure> {
    let failed = |error: anyhow::Error| {
        let context = format!("cannot read the recording {}", path.display());
        Failure::new(Kind::Usage, error.context(context))
    };
    let found = std::fs::metadata(path).map_err(|error| failed(error.into()))?;
    if !found.is_file() {
        return Err(failed(anyhow::Error::msg("it is not a file")));
    }
    if found.len() > FILE_BYTES {
        let message = format!("it has {} bytes, the limit is {FILE_BYTES}", found.len());
        return Err(failed(anyhow::Error::msg(message)));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(error.into()))?;
    let audio = decode_within(&bytes, MAX_VOCAL_S).map_err(|error| failed(error.into()))?;
    // The format is known, because the file was decoded.
    let format =
        sniff(&bytes).ok_or_else(|| failed(anyhow::Error::msg("it is not a recording")))?;
    Ok(DecodedRecording { format, audio })
}
