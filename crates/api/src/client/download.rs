//! Downloads results from any host: guarded, bounded and resumable.
//!
//! A download resumes only if the host proves that the file is the same: by the validator that it sent earlier (`If-Range`).
//! Otherwise the download starts again from the first byte. If a host can't serve a range, the client requests the whole file
//! once.
//!
//! A download is bounded in size, in time and by a minimum rate. The caller checks what the bytes are: here, an error page with
//! status 200 looks like a file.

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE,
};
use reqwest::{Response, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::{CallError, CallErrorKind, CallSubject, Client, response};
use crate::redact_url;
use crate::unpack::{self, Unpacker};

/// Longest validator that is stored; entity tags have some tens of characters.
const VALIDATOR_LIMIT_BYTES: usize = 256;

/// `Last-Modified` has a resolution of one second. A file that changed less than this before the response may have changed
/// again within the same second.
const SETTLED_MS: i64 = 60_000;

/// The part of a file that is already on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// Number of bytes on disk, counted from the start of the file.
    pub length_bytes: u64,
    /// The validator that the host sent with them; see [`Download::validator`].
    pub validator: String,
    /// Length of the whole file, if it is known.
    pub total_len: Option<u64>,
}

/// A running download. Call [`Download::chunk`] until it returns `None`.
#[derive(Debug)]
pub struct Download {
    /// The media type that the host sent.
    pub content_type: Option<String>,
    /// Length of the whole file, if the host sent it.
    pub total_len: Option<u64>,
    /// Whether the bytes start at the requested position; otherwise they start at 0.
    pub resumed: bool,
    /// The validator of this version of the file: a strong entity tag, or a `Last-Modified` time that is old enough. A download
    /// without one can't be resumed.
    pub validator: Option<String>,
    response: Response,
    client: Client,
    subject: String,
    /// Decompresses a file that the host sent gzipped although the client accepted no encoding.
    unpacker: Option<Unpacker>,
    /// Bytes of the whole file received so far, including those before the resumption.
    received: u64,
    limit_bytes: u64,
    pace: MinimumSpeed,
}

/// The minimum rate of a download.
#[derive(Debug)]
struct MinimumSpeed {
    ends: Instant,
    /// Bytes received over the network.
    came_bytes: u64,
    /// The end of the current interval. `due_bytes` must have arrived by then.
    stretch_ends: Instant,
    due_bytes: u64,
}

impl Client {
    /// Fetches `url`. Resumes after `here` if the host supports it and the file is still the same; see [`Download::resumed`].
    /// Refuses a file that is longer than `limit_bytes` or than the client's own limit.
    pub async fn download(
        &self,
        url: &str,
        here: Option<&Partial>,
        limit_bytes: u64,
    ) -> Result<Download, CallError> {
        let call = CallSubject {
            operation: "download",
            subject: redact_url(url),
        };
        let parsed = Url::parse(url).map_err(|error| {
            call.error(CallErrorKind::Forbidden {
                reason: format!("the address is not valid: {error}"),
            })
        })?;
        let forbidden = |reason: String| call.error(CallErrorKind::Forbidden { reason });
        self.guard
            .check(&parsed)
            .map_err(|reason| forbidden(reason.to_string()))?;

        let limit_bytes = limit_bytes.min(self.options.download_limit_bytes);
        let here = here.filter(|here| here.length_bytes > 0);
        let mut response = self.fetch(&call, &parsed, here).await?;
        if let Some(here) = here {
            if let Some(span) = continues(&response, here) {
                let total = span.total.or(here.total_len);
                return self.begin(&call, response, total, Some(here), limit_bytes);
            }
            // The response has another file or another part of it, or the host refuses ranges.
            let status = response.status().as_u16();
            if !matches!(status, 200 | 408 | 425 | 429 | 500..) {
                response = self.fetch(&call, &parsed, None).await?;
            }
        }
        let total = match response.status() {
            StatusCode::OK => number(response.headers(), &CONTENT_LENGTH),
            StatusCode::PARTIAL_CONTENT => {
                let span = span(response.headers());
                let whole = span.filter(|it| it.first == 0 && it.total == Some(it.last + 1));
                let Some(span) = whole else {
                    return Err(call.unreadable(
                        "it contains a part of the file, although the whole file was requested",
                    ));
                };
                span.total
            }
            status => {
                let error = call.status(&self.profile, status.as_u16());
                return Err(CallError {
                    retry_after_ms: response::retry_after_ms(response.headers()),
                    ..error
                });
            }
        };
        self.begin(&call, response, total, None, limit_bytes)
    }

    fn begin(
        &self,
        call: &CallSubject,
        response: Response,
        total_len: Option<u64>,
        here: Option<&Partial>,
        limit_bytes: u64,
    ) -> Result<Download, CallError> {
        let headers = response.headers();
        let encoding = text(headers, &CONTENT_ENCODING);
        let Some(packed) = unpack::is_gzip(encoding) else {
            return Err(call.unreadable(&format!(
                "the host sends it encoded as `{}`, although no encoding was accepted",
                encoding.unwrap_or_default()
            )));
        };
        // The length of a compressed file says nothing about the file itself. A truncated file fails to decompress at its end.
        let total_len = total_len.filter(|_| !packed);
        if total_len.is_some_and(|total| total > limit_bytes) {
            return Err(call.error(CallErrorKind::TooLarge { limit_bytes }));
        }
        let received = here.map_or(0, |here| here.length_bytes);
        let now = Instant::now();
        Ok(Download {
            content_type: text(headers, &CONTENT_TYPE).map(str::to_owned),
            total_len,
            resumed: here.is_some(),
            validator: match here {
                Some(here) => Some(here.validator.clone()),
                None => validator(headers).filter(|_| !packed),
            },
            received,
            unpacker: packed.then(Unpacker::new),
            client: self.clone(),
            subject: call.subject.clone(),
            limit_bytes,
            pace: MinimumSpeed {
                ends: now + self.options.download_timeout,
                came_bytes: 0,
                stretch_ends: now + self.options.least_rate.every,
                due_bytes: self.options.least_rate.bytes,
            },
            response,
        })
    }

    async fn fetch(
        &self,
        call: &CallSubject,
        url: &Url,
        here: Option<&Partial>,
    ) -> Result<Response, CallError> {
        let mut request = self
            .files
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity");
        let from = here.map_or(0, |here| here.length_bytes);
        if let Some(here) = here {
            request = request
                .header(RANGE, format!("bytes={from}-"))
                .header(IF_RANGE, &here.validator);
        }
        let name = format!("{} from {from}", call.text());
        let limit = self.options.call_timeout;
        match tokio::time::timeout(limit, self.send(name, request)).await {
            Ok(sent) => sent.map_err(|error| self.failure(call, error)),
            Err(_) => Err(call.error(CallErrorKind::Broken {
                reason: format!("no response came in {} seconds", limit.as_secs_f64()),
            })),
        }
    }
}

impl Download {
    /// Returns the next bytes; `None` when the file is complete. Fails when the connection breaks, the file exceeds the limit,
    /// or the download is too slow.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let call = CallSubject {
            operation: "download",
            subject: self.subject.clone(),
        };
        let broken = |error: std::io::Error| {
            let reason = format!("the response is gzip that cannot be decompressed: {error}");
            call.error(CallErrorKind::Broken { reason })
        };
        let chunk = loop {
            let Some(unpacker) = &mut self.unpacker else {
                break self.raw_chunk(&call).await?;
            };
            if let Some(bytes) = unpacker.next().map_err(broken)? {
                break Some(bytes);
            }
            match self.raw_chunk(&call).await? {
                Some(packed) => {
                    if let Some(unpacker) = &mut self.unpacker {
                        unpacker.feed(packed);
                    }
                }
                None => {
                    let rest = self.unpacker.as_mut().map(Unpacker::end).transpose();
                    let rest = rest.map_err(broken)?.unwrap_or_default();
                    break (!rest.is_empty()).then_some(rest);
                }
            }
        };
        let Some(chunk) = chunk else {
            return match self.total_len {
                Some(total) if total != self.received => {
                    let reason = format!("{} of {total} bytes came", self.received);
                    Err(call.error(CallErrorKind::Broken { reason }))
                }
                _ => Ok(None),
            };
        };
        self.received += chunk.len() as u64;
        if self.received > self.limit_bytes {
            let limit_bytes = self.limit_bytes;
            return Err(call.error(CallErrorKind::TooLarge { limit_bytes }));
        }
        Ok(Some(chunk))
    }

    /// Returns the next bytes as received; fails when they come too slowly.
    async fn raw_chunk(&mut self, call: &CallSubject) -> Result<Option<Bytes>, CallError> {
        let least = self.client.options.least_rate;
        let chunk = loop {
            let until = self.pace.stretch_ends.min(self.pace.ends);
            if let Ok(chunk) = tokio::time::timeout_at(until, self.response.chunk()).await {
                break chunk;
            }
            if until == self.pace.ends {
                let limit_s = self.client.options.download_timeout.as_secs_f64();
                let reason = format!("it did not finish within {limit_s} seconds");
                return Err(call.error(CallErrorKind::Broken { reason }));
            }
            if self.pace.came_bytes < self.pace.due_bytes {
                let (bytes, seconds) = (least.bytes, least.every.as_secs_f64());
                let reason = format!("less than {bytes} bytes arrived in {seconds} seconds");
                return Err(call.error(CallErrorKind::Broken { reason }));
            }
            self.pace.stretch_ends += least.every;
            self.pace.due_bytes = self.pace.came_bytes + least.bytes;
        };
        let chunk = chunk.map_err(|error| {
            // A response arrived, so a connection error here means that the connection broke.
            let reason = self.client.scrub(&response::reason(error));
            call.error(CallErrorKind::Broken { reason })
        })?;
        self.pace.came_bytes += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }
}

/// Whether a response continues the same file where `here` ends; returns its range.
fn continues(response: &Response, here: &Partial) -> Option<ContentRange> {
    let headers = response.headers();
    let packed = unpack::is_gzip(text(headers, &CONTENT_ENCODING)) != Some(false);
    if response.status() != StatusCode::PARTIAL_CONTENT || packed {
        return None;
    }
    let span = span(headers)?;
    let at_the_place = span.first == here.length_bytes;
    let as_long = match (span.total, here.total_len) {
        (Some(now), Some(then)) => now == then,
        _ => true,
    };
    // A host that ignores `If-Range` may send a part of another file; its validator then differs.
    let is_same = match here.validator.starts_with('"') {
        true => text(headers, &ETAG).is_none_or(|tag| tag == here.validator),
        false => text(headers, &LAST_MODIFIED).is_none_or(|time| time == here.validator),
    };
    (at_the_place && as_long && is_same).then_some(span)
}

/// The validator that identifies this version of the file: a strong entity tag, or the time of its last change (RFC 9110,
/// 8.8.2.2 and 13.1.5).
fn validator(headers: &HeaderMap) -> Option<String> {
    let short = |text: &&str| text.len() <= VALIDATOR_LIMIT_BYTES;
    if let Some(tag) = text(headers, &ETAG).filter(|tag| tag.starts_with('"')) {
        return Some(tag).filter(short).map(str::to_owned);
    }
    let changed = text(headers, &LAST_MODIFIED).filter(short)?;
    let since_ms = response::read_date(text(headers, &DATE)?)?.as_millisecond()
        - response::read_date(changed)?.as_millisecond();
    (since_ms >= SETTLED_MS).then(|| changed.to_owned())
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

fn span(headers: &HeaderMap) -> Option<ContentRange> {
    ContentRange::read(text(headers, &CONTENT_RANGE)?)
}

/// `Content-Range: bytes first-last/total`; the total may be `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentRange {
    first: u64,
    last: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn read(text: &str) -> Option<Self> {
        let (span, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = span.trim().split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let total = match total.trim() {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        (first <= last && total.is_none_or(|total| last < total)).then_some(Self {
            first,
            last,
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let check = |text: &str, expected: Option<(u64, Option<u64>)>| {
            let last = 9;
            let expected = expected.map(|(first, total)| ContentRange { first, last, total });
            assert_eq!(ContentRange::read(text), expected, "{text}");
        };
        check("bytes 5-9/10", Some((5, Some(10))));
        check("bytes 5-9/*", Some((5, None)));
        check("bytes */10", None);
        check("bytes 9-5/10", None);
        check("bytes 5-10/10", None);
        check("items 5-9/10", None);
        check("bytes 5-9", None);
        check("", None);
    }

    #[test]
    fn only_what_names_one_file_is_a_validator() {
        #[track_caller]
        fn check(headers: &[(HeaderName, &str)], expected: Option<&str>) {
            let pairs = headers.iter();
            let headers = pairs.map(|(name, value)| (name.clone(), value.parse().unwrap()));
            let found = validator(&headers.collect());
            assert_eq!(found.as_deref(), expected);
        }
        const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
        const JUST_AFTER: &str = "Sun, 06 Nov 1994 08:50:36 GMT";
        const LATER: &str = "Sun, 06 Nov 1994 08:50:37 GMT";
        check(&[], None);
        check(&[(ETAG, "\"a\"")], Some("\"a\""));
        check(&[(ETAG, "W/\"a\"")], None);
        check(&[(LAST_MODIFIED, THEN)], None);
        check(&[(LAST_MODIFIED, THEN), (DATE, JUST_AFTER)], None);
        check(&[(LAST_MODIFIED, THEN), (DATE, LATER)], Some(THEN));
        let both = [(ETAG, "W/\"a\""), (LAST_MODIFIED, THEN), (DATE, LATER)];
        check(&both, Some(THEN));
        check(&[(ETAG, &format!("\"{}\"", "a".repeat(300)))], None);
    }
}
