//! Recognises the format of a file by its bytes alone: names and declared types can be wrong.

use std::fmt;
use std::io::{self, Cursor, Read, Seek};

use rusty_mp3::header::FrameHeader;

use crate::source::PatchedSource;

/// A file format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RIFF WAVE.
    Wav,
    /// AIFF and AIFF-C.
    Aiff,
    /// Native FLAC.
    Flac,
    /// MPEG audio layer III.
    Mp3,
    /// AAC in an ADTS stream.
    Aac,
    /// AAC or ALAC in an MP4 file.
    M4a,
    /// Vorbis or FLAC in Ogg. Opus in Ogg is recognised, then refused.
    Ogg,
}

impl Format {
    /// The usual file extension, without a dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Wav => "wav",
            Self::Aiff => "aiff",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Aac => "aac",
            Self::M4a => "m4a",
            Self::Ogg => "ogg",
        }
    }

    /// The media type to declare on the wire.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Wav => "audio/wav",
            Self::Aiff => "audio/aiff",
            Self::Flac => "audio/flac",
            Self::Mp3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::M4a => "audio/mp4",
            Self::Ogg => "audio/ogg",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wav => "WAV",
            Self::Aiff => "AIFF",
            Self::Flac => "FLAC",
            Self::Mp3 => "MP3",
            Self::Aac => "AAC",
            Self::M4a => "M4A",
            Self::Ogg => "Ogg",
        })
    }
}

/// Recognises the format by the first bytes, leading ID3 tags skipped; `None` when they are no audio that is known here.
///
/// The first 4 KiB after any tag are enough; a cover picture in the tag makes the tag longer, so give what you have.
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    let body =
        usize::try_from(leading_tags_end(&mut PatchedSource::new(Cursor::new(bytes)).ok()?).ok()?);
    sniff_body(&bytes[body.ok()?.min(bytes.len())..])
}

/// The same of what follows the leading tags.
pub(crate) fn sniff_body(body: &[u8]) -> Option<Format> {
    let at = |offset: usize, mark: &[u8]| body.get(offset..offset + mark.len()) == Some(mark);
    if at(0, b"RIFF") && at(8, b"WAVE") {
        Some(Format::Wav)
    } else if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) {
        Some(Format::Aiff)
    } else if at(0, b"fLaC") {
        Some(Format::Flac)
    } else if at(0, b"OggS") {
        Some(Format::Ogg)
    } else if at(4, b"ftyp") {
        Some(Format::M4a)
    } else if is_adts(body) {
        Some(Format::Aac)
    } else if first_mpeg_frame(body).is_some() {
        Some(Format::Mp3)
    } else {
        None
    }
}

/// Where the ID3v2 tags end that lead the file; beyond its end when a tag is cut off.
pub(crate) fn leading_tags_end<S: Read + Seek>(source: &mut PatchedSource<S>) -> io::Result<u64> {
    let mut end = 0;
    while let Some(header) = source.header_at::<10>(end)? {
        if &header[..3] != b"ID3" || header[6..10].iter().any(|&byte| byte >= 0x80) {
            break;
        }
        // The size is four groups of seven bits, without the header itself and without an optional footer.
        let size = header[6..10]
            .iter()
            .fold(0u64, |size, &byte| (size << 7) | u64::from(byte));
        let footer = if header[5] & 0x10 != 0 { 10 } else { 0 };
        end += 10 + size + footer;
    }
    Ok(end)
}

/// Offset of the first MPEG layer III frame within the first bytes after the tags. Two frames in a row are required (one, if
/// the file ends there): the sync pattern alone turns up in any binary file.
pub(crate) fn first_mpeg_frame(body: &[u8]) -> Option<usize> {
    /// Taggers leave up to this much padding between the tag and the first frame.
    const MAX_PADDING: usize = 4096;
    (0..body.len().min(MAX_PADDING)).find(|&start| {
        let Some(size) = mpeg_frame_size(&body[start..]) else {
            return false;
        };
        match body.get(start + size..) {
            Some(next) if next.len() >= 4 => mpeg_frame_size(next).is_some(),
            Some(_) => start == 0,
            None => start == 0,
        }
    })
}

/// Length in bytes of the MPEG layer III frame whose header is here.
pub(crate) fn mpeg_frame_size(bytes: &[u8]) -> Option<usize> {
    let &[first, second, third, fourth, ..] = bytes else {
        return None;
    };
    if first != 0xff || second & 0xe0 != 0xe0 {
        return None;
    }
    let header = FrameHeader::parse([first, second, third, fourth]).ok()?;
    Some(header.frame_size()).filter(|&size| size > 4)
}

/// An ADTS header: sync, layer 0, a legal rate index, and a second header where the first one says that the frame ends.
fn is_adts(body: &[u8]) -> bool {
    let header = |bytes: &[u8]| match bytes {
        &[0xff, second, third, fourth, fifth, sixth, ..]
            if second & 0xf6 == 0xf0 && (third >> 2) & 0xf < 13 =>
        {
            let length = (usize::from(fourth & 3) << 11)
                | (usize::from(fifth) << 3)
                | usize::from(sixth >> 5);
            (length >= 7).then_some(length)
        }
        _ => None,
    };
    header(body).is_some_and(|length| {
        body.get(length..)
            .is_none_or(|next| next.len() < 6 || header(next).is_some())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_by_their_bytes() {
        let check = |bytes: &[u8], expected: Option<Format>| {
            assert_eq!(sniff(bytes), expected, "{bytes:02x?}")
        };
        check(b"RIFF\x24\0\0\0WAVEfmt ", Some(Format::Wav));
        check(b"RIFF\x24\0\0\0AVI LIST", None);
        check(b"FORM\0\0\0\0AIFCFVER", Some(Format::Aiff));
        check(b"fLaC\0\0\0\x22", Some(Format::Flac));
        check(b"OggS\0\x02", Some(Format::Ogg));
        check(b"\0\0\0\x20ftypM4A ", Some(Format::M4a));
        check(b"<!DOCTYPE html><html>", None);
        check(b"", None);
        check(b"{\"code\":404}", None);
    }

    #[test]
    fn a_tag_before_the_audio_is_skipped() {
        let mut bytes = b"ID3\x04\0\0\0\0\x01\x00".to_vec();
        bytes.extend([0; 128]);
        bytes.extend(b"fLaC");
        assert_eq!(sniff(&bytes), Some(Format::Flac));
    }

    #[test]
    fn a_tag_that_is_cut_off_is_no_audio() {
        assert_eq!(sniff(b"ID3\x04\0\0\x7f\x7f\x7f\x7fabc"), None);
    }

    #[test]
    fn a_lone_sync_pattern_in_text_is_no_mp3() {
        let mut bytes = vec![b'a'; 64];
        bytes.extend([0xff, 0xfb, 0x90, 0x00]);
        bytes.extend(vec![b'b'; 2000]);
        assert_eq!(sniff(&bytes), None);
    }
}
