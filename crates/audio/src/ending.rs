//! Whether a file's end is there, told by its bytes: where symphonia would take a cut for the end.

use std::borrow::Cow;

use crate::format::{first_mpeg_frame, leading_tags_length, mpeg_frame_size};

/// Programs that write WAV into a pipe don't know the length in advance and leave a maximal one; it then means "to the end".
pub(crate) fn with_known_length(bytes: &[u8]) -> Cow<'_, [u8]> {
    /// sox writes 0x7ffff000 and up, ffmpeg 0xffffffff; no honest file that is within the limits comes near.
    const UNKNOWN: u32 = 0x7fff_f000;
    let length_at = |at: usize| {
        bytes
            .get(at..at + 4)
            .map(|field| u32::from_le_bytes([field[0], field[1], field[2], field[3]]))
    };
    let mut at = 12;
    while let (Some(id), Some(length)) = (bytes.get(at..at + 4), length_at(at + 4)) {
        if id == b"data" {
            if length < UNKNOWN {
                return Cow::Borrowed(bytes);
            }
            let mut known = bytes.to_vec();
            let rest = u32::try_from(bytes.len() - at - 8).unwrap_or(u32::MAX);
            known[at + 4..at + 8].copy_from_slice(&rest.to_le_bytes());
            let whole = u32::try_from(bytes.len() - 8).unwrap_or(u32::MAX);
            known[4..8].copy_from_slice(&whole.to_le_bytes());
            return Cow::Owned(known);
        }
        at += 8 + length as usize + (length as usize & 1);
    }
    Cow::Borrowed(bytes)
}

/// Whether the first MPEG frame is a tag that declares the number of frames; without one, symphonia only estimates.
pub(crate) fn has_mpeg_length(bytes: &[u8]) -> bool {
    let body = &bytes[leading_tags_length(bytes).min(bytes.len())..];
    let start = first_mpeg_frame(body).unwrap_or(0);
    let frame = &body[start..(start + 64).min(body.len())];
    [b"Xing", b"Info", b"VBRI"]
        .iter()
        .any(|mark| contains(frame, *mark))
}

/// Whether the last MPEG frame lacks its end. Stops at the first bytes that are no frame: a tag at the end is no damage.
pub(crate) fn mpeg_tail_missing(bytes: &[u8]) -> bool {
    let body = &bytes[leading_tags_length(bytes).min(bytes.len())..];
    let mut at = first_mpeg_frame(body).unwrap_or(0);
    while let Some(size) = body.get(at..).and_then(mpeg_frame_size) {
        at += size;
    }
    at > body.len()
}

/// Whether the last Ogg page is cut off or is not marked as the last.
pub(crate) fn ogg_tail_missing(bytes: &[u8]) -> bool {
    let Some(last) = bytes.windows(4).rposition(|window| window == b"OggS") else {
        return true;
    };
    let page = &bytes[last..];
    let (Some(flags), Some(&segments)) = (page.get(5), page.get(26)) else {
        return true;
    };
    let Some(table) = page.get(27..27 + usize::from(segments)) else {
        return true;
    };
    let length: usize = table.iter().map(|&size| usize::from(size)).sum();
    flags & 4 == 0 || page.len() < 27 + table.len() + length
}

/// Whether `needle` occurs anywhere.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
