//! Checks that a file's end is there, by its bytes: symphonia takes a cut for the end.

use std::io::{self, Read, Seek};

use crate::format::{first_mpeg_frame, leading_tags_end, mpeg_frame_size};
use crate::source::PatchedSource;

/// More than the first MPEG frame after a tag's padding takes.
const HEAD_BYTES: usize = 16 * 1024;

/// More than the longest Ogg page (65,307 bytes) and what may lie behind the last one.
const TAIL_BYTES: u64 = 256 * 1024;

/// Whether the first MPEG frame is a tag that declares the number of frames; without one, symphonia only estimates.
pub(crate) fn has_mpeg_length<S: Read + Seek>(source: &mut PatchedSource<S>) -> io::Result<bool> {
    let body_at = leading_tags_end(source)?;
    let body = source.bytes_at(body_at, HEAD_BYTES)?;
    let start = first_mpeg_frame(&body).unwrap_or(0);
    let frame = &body[start..(start + 64).min(body.len())];
    Ok([b"Xing", b"Info", b"VBRI"]
        .iter()
        .any(|mark| contains(frame, *mark)))
}

/// Whether the last MPEG frame lacks its end. Stops at the first bytes that are no frame: a tag at the end is no damage.
pub(crate) fn mpeg_tail_missing<S: Read + Seek>(source: &mut PatchedSource<S>) -> io::Result<bool> {
    let body_at = leading_tags_end(source)?;
    let body = source.bytes_at(body_at, HEAD_BYTES)?;
    let mut at = body_at + first_mpeg_frame(&body).unwrap_or(0) as u64;
    while let Some(size) = source
        .header_at::<4>(at)?
        .and_then(|header| mpeg_frame_size(&header))
    {
        at += size as u64;
    }
    Ok(at > source.length())
}

/// Whether the last Ogg page is cut off or is not marked as the last.
pub(crate) fn ogg_tail_missing<S: Read + Seek>(source: &mut PatchedSource<S>) -> io::Result<bool> {
    let from = source.length().saturating_sub(TAIL_BYTES);
    let tail = source.bytes_at(from, TAIL_BYTES as usize)?;
    let Some(last) = tail.windows(4).rposition(|window| window == b"OggS") else {
        return Ok(true);
    };
    let page = &tail[last..];
    let (Some(flags), Some(&segments)) = (page.get(5), page.get(26)) else {
        return Ok(true);
    };
    let Some(table) = page.get(27..27 + usize::from(segments)) else {
        return Ok(true);
    };
    let length: usize = table.iter().map(|&size| usize::from(size)).sum();
    Ok(flags & 4 == 0 || page.len() < 27 + table.len() + length)
}

/// Whether `needle` occurs anywhere.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}
