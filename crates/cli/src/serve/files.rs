//! Serves the files of a page, with ranges. A file is opened once, and the response is read from that handle.
//!
//! A served file is a regular file that contains a recording, or notes that a step made of one. A kept file is not served if it
//! is a link, or if a link on its path leads out of the output folder. Such a link could otherwise make any file of this machine readable.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use axum::body::Body;
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use backline_engine::folder::{read_file, read_file_below};
use backline_engine::kept_files::{is_object, open_kept_file};
use backline_reporter::LiveFile;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

/// The bytes that are read to detect a recording.
const HEAD_BYTES: u64 = 16 * 1024;

/// The first bytes of a Standard MIDI File.
const NOTES: &[u8] = b"MThd";

/// An open recording, positioned at its beginning.
pub(super) struct OpenFile {
    file: File,
    length_bytes: u64,
    kind: &'static str,
}

/// Opens a file of the page. Kept files must be in `output`, a folder or an object store. Blocks.
pub(super) fn open(file: &LiveFile, output: &Path) -> io::Result<OpenFile> {
    let address = file.path.to_str().filter(|path| is_object(path));
    let mut opened = match (file.is_kept, address) {
        (true, Some(address)) if file.path.starts_with(output) => open_kept_file(output, address)?,
        (true, Some(_)) => return Err(io::ErrorKind::PermissionDenied.into()),
        (true, None) => read_file_below(output, &file.path)?,
        (false, _) => read_file(&file.path.canonicalize()?)?,
    };
    let mut head = Vec::new();
    (&mut opened).take(HEAD_BYTES).read_to_end(&mut head)?;
    let kind = match backline_audio::sniff(&head) {
        Some(format) => format.mime(),
        None if file.is_kept && head.starts_with(NOTES) => "audio/midi",
        None => {
            let message = "it is no recording";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
    };
    Ok(OpenFile {
        length_bytes: opened.metadata()?.len(),
        file: opened,
        kind,
    })
}

/// The response to a GET or a HEAD.
pub(super) fn send(mut recording: OpenFile, method: &Method, range: Option<&str>) -> Response {
    let length = recording.length_bytes;
    let span = match range.map(|range| Span::read(range, length)) {
        None | Some(RequestedRange::Whole) => None,
        Some(RequestedRange::Part(span)) => Some(span),
        Some(RequestedRange::Beyond) => {
            let headers = [(CONTENT_RANGE, format!("bytes */{length}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
        }
    };
    let (first, count) = span.map_or((0, length), |it| (it.first, it.last - it.first + 1));
    if recording.file.seek(SeekFrom::Start(first)).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let body = match *method {
        Method::HEAD => Body::empty(),
        _ => {
            let file = tokio::fs::File::from_std(recording.file);
            Body::from_stream(ReaderStream::new(file.take(count)))
        }
    };
    let headers = [
        (CONTENT_TYPE, recording.kind.to_owned()),
        (CONTENT_LENGTH, count.to_string()),
        (ACCEPT_RANGES, "bytes".to_owned()),
    ];
    match span {
        None => (StatusCode::OK, headers, body).into_response(),
        Some(Span { first, last }) => {
            let range = [(CONTENT_RANGE, format!("bytes {first}-{last}/{length}"))];
            (StatusCode::PARTIAL_CONTENT, headers, range, body).into_response()
        }
    }
}

/// A range of bytes of a file, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u64,
    last: u64,
}

/// The range that a `Range` header requests.
#[derive(Debug, PartialEq, Eq)]
enum RequestedRange {
    /// One part.
    Part(Span),
    /// Several ranges, or an invalid one. The response may then be the whole file (RFC 9110, 14.2).
    Whole,
    /// A range outside of the file.
    Beyond,
}

impl Span {
    fn read(range: &str, length: u64) -> RequestedRange {
        let ends = range
            .trim()
            .strip_prefix("bytes=")
            .and_then(|it| it.split_once('-'));
        let Some((first, last)) = ends else {
            return RequestedRange::Whole;
        };
        let number = |text: &str| match text.trim() {
            "" => Some(None),
            text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(Some(text.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        };
        let (first, last) = match (number(first), number(last)) {
            (Some(Some(first)), Some(last)) => (first, last.unwrap_or(u64::MAX)),
            (Some(None), Some(Some(count))) if count > 0 => (length.saturating_sub(count), length),
            (Some(None), Some(Some(_))) => return RequestedRange::Beyond,
            _ => return RequestedRange::Whole,
        };
        if first > last {
            RequestedRange::Whole
        } else if first >= length {
            RequestedRange::Beyond
        } else {
            let last = last.min(length - 1);
            RequestedRange::Part(Span { first, last })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        let check = |range: &str, expected: RequestedRange| {
            assert_eq!(Span::read(range, 10), expected, "{range}");
        };
        let part = |first, last| RequestedRange::Part(Span { first, last });
        check("bytes=0-3", part(0, 3));
        check("bytes=4-", part(4, 9));
        check("bytes=4-99", part(4, 9));
        check("bytes=-3", part(7, 9));
        check("bytes=-99", part(0, 9));
        check("bytes=99999999999999999999999-", RequestedRange::Beyond);
        check("bytes=10-", RequestedRange::Beyond);
        check("bytes=-0", RequestedRange::Beyond);
        for odd in [
            "bytes=3-1",
            "bytes=-",
            "bytes=1-2,4-5",
            "items=1-2",
            "bytes=+1-2",
            "",
        ] {
            check(odd, RequestedRange::Whole);
        }
        assert_eq!(Span::read("bytes=0-", 0), RequestedRange::Beyond);
    }
}
