//! Finds which part of an MP4 file is to be played: by the edit list of its sound, or by the note in which iTunes writes the same.
//!
//! An AAC encoder adds a block or two before the first sample, and pads the last block. The file declares both; a player that ignores
//! them is 23 ms late. The demuxer ignores them, so they are read here.

use std::io::{self, Read, Seek};

use crate::source::PatchedSource;

/// Frames to skip before the sound, and the number of frames to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Trim {
    pub(crate) skip: u64,
    pub(crate) frames: Option<u64>,
}

/// The edit of the first track of sound, in the time scales of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where the sound starts, in parts of the track's second.
    start: u64,
    /// How long it is, in parts of the file's second.
    length: u64,
    /// Parts of a second: the track's and the file's.
    track_scale: u32,
    file_scale: u32,
}

impl Edit {
    /// The same in frames.
    pub(crate) fn trim(&self, rate_hz: u32) -> Trim {
        let frames = |parts: u64, scale: u32| {
            let frames = u128::from(parts) * u128::from(rate_hz) / u128::from(scale.max(1));
            u64::try_from(frames).unwrap_or(u64::MAX)
        };
        Trim {
            skip: frames(self.start, self.track_scale),
            // A length in coarser parts than frames is cut to its last whole part: never shorter than what was meant.
            frames: (self.length > 0).then(|| {
                frames(
                    self.length + u64::from(self.file_scale < rate_hz),
                    self.file_scale,
                )
            }),
        }
    }
}

/// Most of a box that is read at once: no edit list and no note of iTunes is longer.
const BOX_BYTES: usize = 64 * 1024;

/// Most notes that are searched for the one of iTunes.
const MOST_NOTES: usize = 1_000;

/// The edit of the first track of sound of an MP4 file.
pub(crate) fn first_edit<S: Read + Seek>(
    source: &mut PatchedSource<S>,
) -> io::Result<Option<Edit>> {
    let whole = (0, source.length());
    let Some(movie) = find(source, whole, b"moov")? else {
        return Ok(None);
    };
    let file_scale = match find(source, movie, b"mvhd")? {
        Some(header) => scale(source, header)?,
        None => return Ok(None),
    };
    let mut next = movie.0;
    while let Some(track) = find(source, (next, movie.1), b"trak")? {
        next = track.1;
        let Some(media) = find(source, track, b"mdia")? else {
            continue;
        };
        let handler = match find(source, media, b"hdlr")? {
            Some((at, _)) => source.bytes_at(at + 8, 4)?,
            None => continue,
        };
        let Some(header) = find(source, media, b"mdhd")? else {
            continue;
        };
        if handler != b"soun" {
            continue;
        }
        let track_scale = scale(source, header)?;
        let edit = |start, length| Edit {
            start,
            length,
            track_scale,
            file_scale,
        };
        if let Some(edits) = find(source, track, b"edts")?
            && let Some(list) = find(source, edits, b"elst")?
            && let Some((start, length)) = listed(&bytes(source, list)?)
        {
            return Ok(Some(edit(start, length)));
        }
        return Ok(noted(source, movie)?.map(|(start, length)| Edit {
            file_scale: track_scale,
            ..edit(start, length)
        }));
    }
    Ok(None)
}

/// A box's content, from and to.
type Range = (u64, u64);

/// The first box of a kind within a range.
fn find<S: Read + Seek>(
    source: &mut PatchedSource<S>,
    (mut at, end): Range,
    kind: &[u8; 4],
) -> io::Result<Option<Range>> {
    while at + 8 <= end {
        let Some(header) = source.header_at::<8>(at)? else {
            break;
        };
        let [a, b, c, d, found @ ..] = header;
        let (size, head) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (end - at, 8),
            1 => match source.header_at::<8>(at + 8)? {
                Some(long) => (u64::from_be_bytes(long), 16),
                None => break,
            },
            short => (u64::from(short), 8),
        };
        if size < head || at.checked_add(size).is_none_or(|next| next > end) {
            break;
        }
        if &found == kind {
            return Ok(Some((at + head, at + size)));
        }
        at += size;
    }
    Ok(None)
}

fn bytes<S: Read + Seek>(source: &mut PatchedSource<S>, (from, to): Range) -> io::Result<Vec<u8>> {
    source.bytes_at(
        from,
        usize::try_from(to - from)
            .unwrap_or(BOX_BYTES)
            .min(BOX_BYTES),
    )
}

/// The parts of a second of a file's or a track's header.
fn scale<S: Read + Seek>(source: &mut PatchedSource<S>, (at, _): Range) -> io::Result<u32> {
    let version = source.bytes_at(at, 1)?;
    let skip = if version == [1] { 20 } else { 12 };
    let parts = source.bytes_at(at + skip, 4)?;
    Ok(parts.try_into().map_or(0, u32::from_be_bytes))
}

/// Start and length of the first edit that shows something; those before it are pauses. The length is 0 where the list goes on.
fn listed(list: &[u8]) -> Option<(u64, u64)> {
    let (head, entries) = list.split_first_chunk::<8>()?;
    let long = head[0] == 1;
    let count = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let number = |field: &[u8]| {
        field
            .iter()
            .fold(0u64, |sum, &byte| sum << 8 | u64::from(byte))
    };
    let mut found = None;
    for entry in entries.chunks_exact(if long { 20 } else { 12 }).take(count) {
        let (length, start) = if long {
            (number(&entry[..8]), number(&entry[8..16]))
        } else {
            (number(&entry[..4]), number(&entry[4..8]))
        };
        let pauses = start == if long { u64::MAX } else { u64::from(u32::MAX) };
        match found {
            None if pauses => {}
            None => found = Some((start, length)),
            Some((start, _)) => found = Some((start, 0)),
        }
    }
    found
}

/// Delay and length as iTunes notes them, in frames: `iTunSMPB` of the file's metadata, hexadecimal numbers of which the second is
/// the delay, the third the padding, the fourth the length.
fn noted<S: Read + Seek>(
    source: &mut PatchedSource<S>,
    movie: Range,
) -> io::Result<Option<(u64, u64)>> {
    let Some(user) = find(source, movie, b"udta")? else {
        return Ok(None);
    };
    let Some((at, end)) = find(source, user, b"meta")? else {
        return Ok(None);
    };
    // The metadata's box has four bytes of its own before the boxes in it.
    let Some(list) = find(source, (at + 4, end), b"ilst")? else {
        return Ok(None);
    };
    let mut next = list.0;
    for _ in 0..MOST_NOTES {
        let Some(own) = find(source, (next, list.1), b"----")? else {
            break;
        };
        next = own.1;
        let content = bytes(source, own)?;
        if let Some(note) = content.windows(8).position(|name| name == b"iTunSMPB") {
            let text = String::from_utf8_lossy(&content[note + 8..]);
            let numbers: Vec<u64> = text
                .split(|letter: char| !letter.is_ascii_hexdigit())
                .filter(|word| word.len() >= 8)
                .filter_map(|word| u64::from_str_radix(word, 16).ok())
                .collect();
            if let [_, delay, _, length, ..] = numbers[..] {
                return Ok(Some((delay, length)));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected should stop"
)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut bytes = (content.len() as u32 + 8).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.extend(content);
        bytes
    }

    fn scaled(kind: &[u8; 4], scale: u32) -> Vec<u8> {
        boxed(
            kind,
            &[&[0; 12], &scale.to_be_bytes()[..], &[0; 8]].concat(),
        )
    }

    fn file(edits: &[u8], user: &[u8]) -> Option<Edit> {
        let handler = |kind: &[u8; 4]| boxed(b"hdlr", &[&[0; 8], &kind[..], &[0; 4]].concat());
        let media = |kind, scale| boxed(b"mdia", &[scaled(b"mdhd", scale), handler(kind)].concat());
        let track = |media: Vec<u8>, edits: &[u8]| boxed(b"trak", &[edits, &media].concat());
        let movie = [
            scaled(b"mvhd", 1000),
            track(media(b"vide", 600), &[]),
            track(media(b"soun", 48_000), edits),
            user.to_vec(),
        ];
        let bytes = [boxed(b"ftyp", b"M4A "), boxed(b"moov", &movie.concat())].concat();
        first_edit(&mut PatchedSource::new(Cursor::new(bytes)).unwrap()).unwrap()
    }

    fn list(entries: &[(u32, u32)]) -> Vec<u8> {
        let mut content = vec![0; 4];
        content.extend((entries.len() as u32).to_be_bytes());
        for (length, start) in entries {
            content.extend(length.to_be_bytes());
            content.extend(start.to_be_bytes());
            content.extend([0, 1, 0, 0]);
        }
        boxed(b"edts", &boxed(b"elst", &content))
    }

    fn note(text: &str) -> Vec<u8> {
        let own = boxed(
            b"----",
            &[
                &boxed(b"name", b"\0\0\0\0iTunSMPB")[..],
                &boxed(b"data", text.as_bytes()),
            ]
            .concat(),
        );
        boxed(
            b"udta",
            &boxed(b"meta", &[&[0; 4], &boxed(b"ilst", &own)[..]].concat()),
        )
    }

    #[test]
    fn edit_lists_and_the_note_of_itunes_are_read() {
        let trim = |edit: Option<Edit>| edit.map(|edit| edit.trim(48_000));
        let some = |skip, frames| Some(Trim { skip, frames });
        assert_eq!(file(&[], &[]), None);
        // A length in thousandths goes to the end of its last one.
        assert_eq!(
            trim(file(&list(&[(1500, 2112)]), &[])),
            some(2112, Some(72_048))
        );
        assert_eq!(
            trim(file(&list(&[(40, u32::MAX), (0, 1024)]), &[])),
            some(1024, None)
        );
        assert_eq!(
            trim(file(&list(&[(10, 1024), (10, 9000)]), &[])),
            some(1024, None)
        );
        let text = " 00000000 00000840 000001CA 000000000003F31E 00000000";
        assert_eq!(trim(file(&[], &note(text))), some(2112, Some(0x3F31E)));
        assert_eq!(
            trim(file(&list(&[(0, 1024)]), &note(text))),
            some(1024, None)
        );
        assert_eq!(file(&[], &note("nothing")), None);
        assert_eq!(file(&list(&[]), &[]), None);
        assert_eq!(file(&boxed(b"edts", &[0, 0, 0]), &[]), None);
    }
}
