//! The bytes of a file that a request names, by RFC 9110 section 14: a `Range` that means nothing is passed over, and only
//! one that is well formed and lies outside the file is refused. The file server's response to both is 416, so it is given the one form
//! of a range that is never in doubt.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};

/// The part of a file that a request names.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    /// From the first to the last of these, which both lie within.
    Part(u64, u64),
    /// Well formed, and not a byte of it is there.
    Nothing,
}

/// Puts the request's `Range` into the form that the file server understands, or takes it away, for a file of this length.
pub(super) fn settle(request: &mut Request, length_bytes: u64) {
    let wanted = match *request.method() {
        Method::GET => of_headers(request.headers(), length_bytes),
        // Ranges are defined for no other method.
        _ => Wanted::Whole,
    };
    let range = match wanted {
        Wanted::Whole => {
            request.headers_mut().remove(header::RANGE);
            return;
        }
        Wanted::Part(first, last) => format!("bytes={first}-{last}"),
        Wanted::Nothing => format!("bytes={}-", u64::MAX),
    };
    let value = HeaderValue::try_from(range).expect("digits are a header's value");
    request.headers_mut().insert(header::RANGE, value);
}

fn of_headers(headers: &HeaderMap, length_bytes: u64) -> Wanted {
    let mut values = headers.get_all(header::RANGE).iter();
    match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => read(value, length_bytes),
        _ => Wanted::Whole,
    }
}

/// A request for several ranges gets the whole file, which the RFC allows: no player and no download requests several.
fn read(value: &str, length_bytes: u64) -> Wanted {
    let one = value
        .split_once('=')
        .filter(|(unit, _)| unit.eq_ignore_ascii_case("bytes"))
        .and_then(|(_, range)| range.split_once('-'));
    let Some((first, last)) = one else {
        return Wanted::Whole;
    };
    let end = length_bytes.saturating_sub(1);
    match (number(first), number(last)) {
        (None, Some(0)) if first.is_empty() => Wanted::Nothing,
        // An empty file has no ranges, and this range is the whole file.
        (None, Some(_)) if first.is_empty() && length_bytes == 0 => Wanted::Whole,
        (None, Some(suffix)) if first.is_empty() => {
            Wanted::Part(length_bytes.saturating_sub(suffix), end)
        }
        (Some(first), Some(last)) if last < first => Wanted::Whole,
        (Some(first), Some(_)) if first >= length_bytes => Wanted::Nothing,
        (Some(first), Some(last)) => Wanted::Part(first, last.min(end)),
        (Some(first), None) if last.is_empty() && first >= length_bytes => Wanted::Nothing,
        (Some(first), None) if last.is_empty() => Wanted::Part(first, end),
        _ => Wanted::Whole,
    }
}

/// Digits and nothing else. No file is as long as what a number can't hold, so the largest stands for those.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_range_is_passed_over_and_only_what_lies_outside_is_refused() {
        for (value, wanted) in [
            ("bytes=0-0", Wanted::Part(0, 0)),
            ("Bytes=2-5", Wanted::Part(2, 5)),
            ("bytes=002-05", Wanted::Part(2, 5)),
            ("bytes=9-", Wanted::Part(9, 9)),
            ("bytes=5-999999999999999999999999", Wanted::Part(5, 9)),
            ("bytes=-3", Wanted::Part(7, 9)),
            ("bytes=-11", Wanted::Part(0, 9)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-20", Wanted::Nothing),
            ("bytes=99999999999999999999-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=1-x", Wanted::Whole),
            ("bytes=x-1", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=--5", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes 0-1", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("rows=0-1", Wanted::Whole),
            ("0-1", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(read(value, 10), wanted, "{value}");
        }
        assert_eq!(read("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(read("bytes=-5", 0), Wanted::Whole);
    }
}
