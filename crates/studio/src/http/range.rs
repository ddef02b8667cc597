//! Reads the byte range that a request names, by RFC 9110 section 14. An invalid `Range` is ignored; only a valid one that lies
//! outside the file is refused. The file server refuses both with 416, so the header is rewritten into the one form that it
//! reads correctly.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};

/// The part of a file that a request names.
#[derive(Debug, PartialEq, Eq)]
enum ByteRange {
    Whole,
    /// From the first to the last byte, inclusive; both lie within the file.
    Part(u64, u64),
    /// A valid range that contains no byte of the file.
    Nothing,
}

/// Rewrites the request's `Range` into the form that the file server reads correctly, or removes it, for a file of this length.
pub(super) fn normalise(request: &mut Request, length_bytes: u64) {
    let range = match *request.method() {
        Method::GET => of_headers(request.headers(), length_bytes),
        // Only GET has ranges.
        _ => ByteRange::Whole,
    };
    let range = match range {
        ByteRange::Whole => {
            request.headers_mut().remove(header::RANGE);
            return;
        }
        ByteRange::Part(first, last) => format!("bytes={first}-{last}"),
        ByteRange::Nothing => format!("bytes={}-", u64::MAX),
    };
    let value = HeaderValue::try_from(range).expect("digits are a header's value");
    request.headers_mut().insert(header::RANGE, value);
}

fn of_headers(headers: &HeaderMap, length_bytes: u64) -> ByteRange {
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => read(value, length_bytes),
        _ => ByteRange::Whole,
    }
}

/// A request for several ranges gets the whole file, which the RFC allows: no player and no download client requests several.
fn read(value: &str, length_bytes: u64) -> ByteRange {
    let one = value
        .split_once('=')
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.split_once('-'));
    let Some((first, last)) = one else {
        return ByteRange::Whole;
    };
    let end = length_bytes.saturating_sub(1);
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => ByteRange::Nothing,
        // An empty file has no ranges; this range means the whole file.
        (None, Some(_)) if first.is_empty() && length_bytes == 0 => ByteRange::Whole,
        (None, Some(suffix)) if first.is_empty() => {
            ByteRange::Part(length_bytes.saturating_sub(suffix), end)
        }
        (Some(first), Some(last)) if last < first => ByteRange::Whole,
        (Some(first), Some(_)) if first >= length_bytes => ByteRange::Nothing,
        (Some(first), Some(last)) => ByteRange::Part(first, last.min(end)),
        (Some(first), None) if last.is_empty() && first >= length_bytes => ByteRange::Nothing,
        (Some(first), None) if last.is_empty() => ByteRange::Part(first, end),
        _ => ByteRange::Whole,
    }
}

/// Parses digits only. No file is as long as a number that overflows, so an overflow becomes the largest number.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_range_is_passed_over_and_only_what_lies_outside_is_refused() {
        for (value, range) in [
            ("bytes=0-0", ByteRange::Part(0, 0)),
            ("Bytes=2-5", ByteRange::Part(2, 5)),
            ("bytes=002-05", ByteRange::Part(2, 5)),
            ("bytes=9-", ByteRange::Part(9, 9)),
            ("bytes=5-999999999999999999999999", ByteRange::Part(5, 9)),
            ("bytes=-3", ByteRange::Part(7, 9)),
            ("bytes=-11", ByteRange::Part(0, 9)),
            ("bytes=10-", ByteRange::Nothing),
            ("bytes=10-20", ByteRange::Nothing),
            ("bytes=99999999999999999999-", ByteRange::Nothing),
            ("bytes=-0", ByteRange::Nothing),
            ("bytes=5-2", ByteRange::Whole),
            ("bytes=a-b", ByteRange::Whole),
            ("bytes=1-x", ByteRange::Whole),
            ("bytes=x-1", ByteRange::Whole),
            ("bytes=+1-2", ByteRange::Whole),
            ("bytes=--5", ByteRange::Whole),
            ("bytes=-", ByteRange::Whole),
            ("bytes=", ByteRange::Whole),
            ("bytes 0-1", ByteRange::Whole),
            ("bytes=0-1,4-5", ByteRange::Whole),
            ("rows=0-1", ByteRange::Whole),
            ("0-1", ByteRange::Whole),
            ("", ByteRange::Whole),
        ] {
            assert_eq!(read(value, 10), range, "{value}");
        }
        assert_eq!(read("bytes=0-", 0), ByteRange::Nothing);
        assert_eq!(read("bytes=-5", 0), ByteRange::Whole);
    }
}
