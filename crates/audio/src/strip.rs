//! Hides metadata (comments, pictures, cue sheets, markers) from symphonia, which would keep all of it in memory.
//!
//! This crate uses no metadata, and a file of some megabytes can have millions of entries that take gigabytes when they are parsed.
//! So its blocks are renamed to ones that are skipped. Leading tags are skipped by reading from behind them.

use std::io::{Read, Seek};

use crate::error::DecodeError;
use crate::format::Format;
use crate::source::PatchedSource;

/// Most chunks, blocks or boxes of a file: an hour in fragments of a tenth of a second has about as many.
pub(crate) const MAX_PARTS: u32 = 200_000;

/// Counts the parts of a file.
pub(crate) struct Parts {
    format: Format,
    count: u32,
}

impl Parts {
    pub(crate) fn of(format: Format) -> Self {
        Self { format, count: 0 }
    }

    /// Counts one more. Fails when there are too many.
    pub(crate) fn count(&mut self) -> Result<(), DecodeError> {
        self.count += 1;
        if self.count > MAX_PARTS {
            return Err(DecodeError::OverLimit {
                format: self.format,
                subject: "the number of its parts",
                found: "larger".to_owned(),
                limit: MAX_PARTS.to_string(),
            });
        }
        Ok(())
    }
}

/// Hides the lists of a WAV, and corrects the length of its sound where the file declares a maximal one.
///
/// Programs that write WAV into a pipe don't know the length in advance and leave a maximal one; it then means "to the end".
pub(crate) fn strip_wav<S: Read + Seek>(source: &mut PatchedSource<S>) -> Result<(), DecodeError> {
    /// sox writes 0x7ffff000 and up, ffmpeg 0xffffffff; no honest file that is within the limits comes near.
    const UNKNOWN: u32 = 0x7fff_f000;
    let (mut parts, mut at) = (Parts::of(Format::Wav), 12);
    while let Some([a, b, c, d, length @ ..]) = source.header_at::<8>(at)? {
        parts.count()?;
        let length = u32::from_le_bytes(length);
        match &[a, b, c, d] {
            b"data" => {
                if length >= UNKNOWN {
                    let rest = |from: u64| {
                        let rest = u32::try_from(source.length().saturating_sub(from));
                        rest.unwrap_or(u32::MAX).to_le_bytes()
                    };
                    let (data, whole) = (rest(at + 8), rest(8));
                    source.patch(at + 4, data);
                    source.patch(4, whole);
                }
                return Ok(());
            }
            b"fmt " | b"fact" => {}
            _ => source.patch(at, *b"JUNK"),
        }
        at += 8 + u64::from(length) + u64::from(length & 1);
    }
    Ok(())
}

/// Hides all chunks of an AIFF but its sound and what describes the sound.
pub(crate) fn strip_aiff<S: Read + Seek>(source: &mut PatchedSource<S>) -> Result<(), DecodeError> {
    let (mut parts, mut at) = (Parts::of(Format::Aiff), 12);
    while let Some([a, b, c, d, length @ ..]) = source.header_at::<8>(at)? {
        parts.count()?;
        if !matches!(&[a, b, c, d], b"COMM" | b"SSND") {
            source.patch(at, *b"JUNK");
        }
        let length = u32::from_be_bytes(length);
        at += 8 + u64::from(length) + u64::from(length & 1);
    }
    Ok(())
}

/// Makes all blocks of a FLAC padding, but the one that describes its sound. The file begins at `at`.
pub(crate) fn strip_flac<S: Read + Seek>(
    source: &mut PatchedSource<S>,
    at: u64,
) -> Result<(), DecodeError> {
    const STREAM_INFO: u8 = 0;
    const PADDING: u8 = 1;
    const LAST: u8 = 0x80;
    let (mut parts, mut at) = (Parts::of(Format::Flac), at + 4);
    while let Some([kind, a, b, c]) = source.header_at::<4>(at)? {
        parts.count()?;
        if kind & !LAST != STREAM_INFO {
            source.patch(at, [kind & LAST | PADDING, a, b, c]);
        }
        if kind & LAST != 0 {
            break;
        }
        at += 4 + u64::from(u32::from_be_bytes([0, a, b, c]));
    }
    Ok(())
}
