//! What all calls share: bounded bodies, `Retry-After`, and what a failure proves.

use std::error::Error;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};

use super::guard::Forbidden;
use super::watched::WatchedBody;
use crate::{redact_text, redact_url};

/// Longest response that is read. Task details with long lyrics have about ten kilobytes.
pub(super) const BODY_LIMIT_BYTES: usize = 1024 * 1024;

/// Longest `Retry-After` that is honoured: after an hour, another try is better.
const RETRY_AFTER_LIMIT_MS: u64 = 60 * 60 * 1000;

/// Why a body is incomplete.
pub(super) enum Cut {
    Broken(String),
    TooLong,
}

/// Reads the body as far as it arrives: even a truncated body may contain what matters.
pub(super) async fn read_body(mut response: Response) -> (Vec<u8>, Result<(), Cut>) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_LIMIT_BYTES => {
                return (Vec::new(), Err(Cut::TooLong));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, Ok(())),
            Err(error) => return (body, Err(Cut::Broken(reason(error)))),
        }
    }
}

/// Wait before a request is retried that failed because this process had no file descriptor.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(100);
/// The process, or the system, has no file descriptor left: EMFILE and ENFILE (WSAEMFILE on Windows).
const NO_DESCRIPTOR: [i32; 2] = if cfg!(windows) {
    [10024, 10024]
} else {
    [24, 23]
};

/// Sends a request, with `body` if that is given. While this process has no free file descriptor, it waits and retries: nothing was
/// sent, and the other side is not at fault.
pub(super) async fn send(
    mut request: RequestBuilder,
    body: Option<&WatchedBody>,
) -> Result<Response, reqwest::Error> {
    loop {
        let again = request.try_clone();
        if let Some(body) = body {
            request = request.body(body.stream());
        }
        match (request.send().await, again) {
            (Err(error), Some(again)) if had_no_descriptor(&error) => request = again,
            (result, _) => return result,
        }
        tokio::time::sleep(DESCRIPTOR_WAIT).await;
    }
}

fn had_no_descriptor(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if cause.downcast_ref().is_some_and(lacks_descriptor) {
            return error.is_connect();
        }
        source = cause.source();
    }
    false
}

/// Whether an error means that no file descriptor is free: a temporary fault of this process.
pub fn lacks_descriptor(error: &std::io::Error) -> bool {
    error
        .raw_os_error()
        .is_some_and(|code| NO_DESCRIPTOR.contains(&code))
}

/// Whether `error` proves that no byte of the request was written. Connecting covers name resolution and TLS.
pub(super) fn was_not_sent(error: &reqwest::Error) -> bool {
    error.is_builder() || error.is_connect()
}

/// The guard's reason, if the guard stopped the call.
pub(super) fn forbidden(error: &reqwest::Error) -> Option<String> {
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = source {
        if let Some(forbidden) = cause.downcast_ref::<Forbidden>() {
            return Some(forbidden.to_string());
        }
        source = cause.source();
    }
    None
}

/// The called host, for the beginning of a sentence.
pub(super) fn host(error: &reqwest::Error) -> String {
    let host = error.url().and_then(|url| url.host_str());
    host.map_or_else(String::new, |host| format!("{host}: "))
}

/// The whole chain of causes as one text, without addresses.
pub(super) fn reason(error: reqwest::Error) -> String {
    redact_text(&chain(&error.without_url()))
}

/// The same for a borrowed error.
pub(super) fn reason_of(error: &reqwest::Error) -> String {
    let text = chain(error);
    redact_text(&match error.url() {
        Some(url) => text.replace(&format!(" for url ({url})"), ""),
        None => text,
    })
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    if text.contains("UnknownIssuer") {
        text.push_str("; SSL_CERT_FILE names the certificate authorities to accept");
    }
    text
}

/// The target of a redirect, for the end of a sentence; empty for other responses.
pub(super) fn moved_to(response: &Response) -> String {
    let target = response.headers().get(LOCATION);
    match target.and_then(|target| target.to_str().ok()) {
        Some(target) if response.status().is_redirection() => {
            format!("; it points to {}", redact_text(&redact_url(target)))
        }
        _ => String::new(),
    }
}

/// `Retry-After`: seconds, or a date. A date is compared with the response's own `Date`, so a wrong local clock does no harm.
pub(super) fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::trim);
    let wish = text(RETRY_AFTER)?;
    let wait_ms = match wish.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => {
            let until = read_date(wish)?;
            let now = text(DATE)
                .and_then(read_date)
                .unwrap_or_else(Timestamp::now);
            u64::try_from(until.as_millisecond() - now.as_millisecond()).unwrap_or(0)
        }
    };
    Some(wait_ms.min(RETRY_AFTER_LIMIT_MS))
}

/// The response's `Date`, in Unix milliseconds.
pub(super) fn date_ms(headers: &HeaderMap) -> Option<i64> {
    let text = headers.get(DATE)?.to_str().ok()?;
    read_date(text.trim()).map(Timestamp::as_millisecond)
}

pub(super) fn read_date(text: &str) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        #[track_caller]
        fn check(wish: &str, expected: Option<u64>) {
            let headers = HeaderMap::from_iter([
                (RETRY_AFTER, wish.parse().unwrap()),
                (DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap()),
            ]);
            assert_eq!(retry_after_ms(&headers), expected, "{wish}");
        }
        check("7", Some(7000));
        check(" 7 ", Some(7000));
        check("Sun, 06 Nov 1994 08:50:07 GMT", Some(30_000));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("Mon, 07 Nov 1994 08:00:00 GMT", Some(RETRY_AFTER_LIMIT_MS));
        check("99999999999999999999", None);
        check("18446744073709551615", Some(RETRY_AFTER_LIMIT_MS));
        check("soon", None);
        check("-1", None);
        assert_eq!(retry_after_ms(&HeaderMap::new()), None);
    }

    #[test]
    fn the_other_sides_time_is_its_date() {
        let headers =
            HeaderMap::from_iter([(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap())]);
        assert_eq!(date_ms(&headers), Some(784_111_777_000));
        assert_eq!(date_ms(&HeaderMap::new()), None);
    }
}
