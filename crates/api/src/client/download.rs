//! Fetching results from wherever they lie, guarded, bounded and resumable.
//!
//! What the bytes are is the caller's to judge: an error page with status 200 looks like a file from here.

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName,
    RANGE,
};
use reqwest::{Response, StatusCode};
use url::Url;

use super::{Call, CallError, CallErrorKind, Client, answer};
use crate::redact_url;
use crate::unpack::{self, Unpacker};

/// A file on its way. Take its bytes with [`Download::chunk`] until there are no more.
#[derive(Debug)]
pub struct Download {
    /// The media type that the host gives it.
    pub content_type: Option<String>,
    /// Length of the whole file, where the host tells.
    pub total_len: Option<u64>,
    /// Whether the bytes begin where the caller wanted to go on; otherwise they begin at 0.
    pub resumed: bool,
    response: Response,
    client: Client,
    subject: String,
    /// What unpacks a file that came gzipped although that was not asked for.
    unpacker: Option<Unpacker>,
    /// Bytes of the whole file that have come, those before the resumption included.
    received: u64,
}

impl Client {
    /// Fetches `url`, from byte `resume_from` on if the host can. A host that can't starts over: see [`Download::resumed`].
    pub async fn download(&self, url: &str, resume_from: u64) -> Result<Download, CallError> {
        let call = Call {
            operation: "download",
            subject: redact_url(url),
        };
        let parsed = Url::parse(url).map_err(|error| {
            call.error(CallErrorKind::Forbidden {
                reason: format!("no valid address: {error}"),
            })
        })?;
        let forbidden = |reason: String| call.error(CallErrorKind::Forbidden { reason });
        self.guard
            .check(&parsed)
            .map_err(|reason| forbidden(reason.to_string()))?;

        let mut response = self.fetch(&call, &parsed, resume_from).await?;
        let mut asked_from = resume_from;
        if resume_from > 0 && response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            // The file is shorter than what was kept of it: it is another file now.
            response = self.fetch(&call, &parsed, 0).await?;
            asked_from = 0;
        }
        if asked_from > 0 && response.headers().contains_key(CONTENT_ENCODING) {
            // A part of the packed file is no part of the file.
            response = self.fetch(&call, &parsed, 0).await?;
            asked_from = 0;
        }
        let header = |name: HeaderName| {
            response
                .headers()
                .get(name)?
                .to_str()
                .ok()
                .map(str::to_owned)
        };
        let encoding = header(CONTENT_ENCODING);
        let Some(packed) = unpack::is_gzip(encoding.as_deref()) else {
            let encoding = encoding.unwrap_or_default();
            return Err(call.unreadable(&format!(
                "the host sends it encoded as `{encoding}`, although it was asked not to"
            )));
        };
        // The length of a packed file says nothing about the file; a file that was cut does not unpack to its end.
        let length = header(CONTENT_LENGTH)
            .and_then(|text| text.parse::<u64>().ok())
            .filter(|_| !packed);
        let (resumed, total_len) = match response.status() {
            StatusCode::OK => (false, length),
            StatusCode::PARTIAL_CONTENT if asked_from > 0 => {
                let range = header(CONTENT_RANGE)
                    .as_deref()
                    .and_then(ContentRange::read);
                match range {
                    Some(range) if range.first == asked_from => (true, range.total),
                    _ => {
                        return Err(
                            call.unreadable("it holds another part of the file than was asked for")
                        );
                    }
                }
            }
            StatusCode::PARTIAL_CONTENT => {
                return Err(call.unreadable("it holds a part of the file, the whole was asked for"));
            }
            status => {
                let error = call.status(&self.profile, status.as_u16());
                return Err(CallError {
                    retry_after_ms: answer::retry_after_ms(response.headers()),
                    ..error
                });
            }
        };
        let limit_bytes = self.options.download_limit_bytes;
        if total_len.is_some_and(|total| total > limit_bytes) {
            return Err(call.error(CallErrorKind::TooLarge { limit_bytes }));
        }
        Ok(Download {
            content_type: header(CONTENT_TYPE),
            total_len,
            resumed,
            unpacker: packed.then(Unpacker::new),
            received: if resumed { asked_from } else { 0 },
            response,
            client: self.clone(),
            subject: call.subject,
        })
    }

    async fn fetch(&self, call: &Call, url: &Url, from: u64) -> Result<Response, CallError> {
        let mut request = self
            .files
            .get(url.clone())
            .header(ACCEPT_ENCODING, "identity");
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let name = format!("{} from {from}", call.text());
        self.send(name, request)
            .await
            .map_err(|error| self.failure(call, error))
    }
}

impl Download {
    /// The next bytes; `None` when the file is whole. Fails when it breaks off, or grows beyond the limit.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, CallError> {
        let call = Call {
            operation: "download",
            subject: self.subject.clone(),
        };
        let broken = |error: std::io::Error| {
            let reason = format!("it came gzipped and can't be unpacked: {error}");
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
        let limit_bytes = self.client.options.download_limit_bytes;
        if self.received > limit_bytes {
            return Err(call.error(CallErrorKind::TooLarge { limit_bytes }));
        }
        Ok(Some(chunk))
    }

    /// The next bytes as they come over the network.
    async fn raw_chunk(&mut self, call: &Call) -> Result<Option<Bytes>, CallError> {
        self.response.chunk().await.map_err(|error| {
            // The request was sent and answered; a connection error now is a broken one.
            let reason = self.client.scrub(&answer::reason(error));
            call.error(CallErrorKind::Broken { reason })
        })
    }
}

/// `Content-Range: bytes first-last/total`, the total may be `*`.
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    first: u64,
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
        (first <= last && total.is_none_or(|total| last < total)).then_some(Self { first, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let check = |text: &str, expected: Option<(u64, Option<u64>)>| {
            let expected = expected.map(|(first, total)| ContentRange { first, total });
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
}
