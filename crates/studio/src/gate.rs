//! Access control and rate limits. Pure: the caller passes the time and the headers.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use backline_api::is_loopback_address;
use url::Url;

use crate::config::KEYS_REMEMBERED;

/// A digest that identifies an API key in the bill and in logs. The key itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyPrint(pub(crate) String);

/// The bearer key of a request.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

/// The digest of the caller's key if the key is accepted. `expected: None` accepts any key that is not empty.
pub(crate) fn admit_key(headers: &HeaderMap, expected: Option<&str>) -> Option<KeyPrint> {
    let digest = blake3::hash(bearer(headers)?.as_bytes());
    // A comparison of digests of this type takes constant time.
    let known = expected.is_none_or(|expected| blake3::hash(expected.as_bytes()) == digest);
    known.then(|| KeyPrint(digest.to_hex()[..16].to_owned()))
}

/// Whether the request has a `User-Agent`; the vendors refuse requests without one.
pub(crate) fn has_user_agent(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| !agent.is_empty())
}

/// The host in a request's `Host` header.
fn host_of(headers: &HeaderMap) -> Option<Url> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Url::parse(&format!("http://{host}/")).ok()
}

/// Whether the request's `Host` is a loopback name.
pub(crate) fn names_loopback(headers: &HeaderMap) -> bool {
    host_of(headers).as_ref().is_some_and(is_loopback_address)
}

/// The sliding window of generations: at most `count` within any `window`, for each key.
///
/// A request beyond it is refused and does not count. A restart empties the window.
#[derive(Debug)]
pub(crate) struct RateWindow {
    count: usize,
    window: Duration,
    admitted: HashMap<KeyPrint, VecDeque<Instant>>,
}

impl RateWindow {
    pub(crate) fn new(count: u32, window: Duration) -> RateWindow {
        RateWindow {
            count: count as usize,
            window,
            admitted: HashMap::new(),
        }
    }

    /// Admits one generation, or returns the wait until the next one is admitted.
    pub(crate) fn admit(&mut self, key: &KeyPrint, now: Instant) -> Result<(), Duration> {
        if self.admitted.len() >= KEYS_REMEMBERED {
            let window = self.window;
            self.admitted.retain(|_, times| {
                times
                    .back()
                    .is_some_and(|last| now.duration_since(*last) < window)
            });
        }
        let times = self.admitted.entry(key.clone()).or_default();
        while times
            .front()
            .is_some_and(|first| now.duration_since(*first) >= self.window)
        {
            times.pop_front();
        }
        match times.front() {
            Some(first) if times.len() >= self.count => {
                Err(self.window - now.duration_since(*first))
            }
            _ if self.count == 0 => Err(self.window),
            _ => {
                times.push_back(now);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn with_authorization(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_a_bearer_key_opens_the_door() {
        let admitted = |value, expected| admit_key(&with_authorization(value), expected).is_some();
        assert!(admitted("Bearer any", None));
        assert!(admitted("bearer secret", Some("secret")));
        assert!(!admitted("Bearer wrong", Some("secret")));
        for bad in ["Bearer ", "Bearer", "Basic any", "any", ""] {
            assert!(!admitted(bad, None), "{bad:?}");
        }
        assert!(admit_key(&HeaderMap::new(), None).is_none());
    }

    #[test]
    fn no_window_holds_more_than_its_count() {
        let mut window = RateWindow::new(20, Duration::from_secs(10));
        let (key, other) = (KeyPrint("a".into()), KeyPrint("b".into()));
        let start = Instant::now();
        let mut admitted = Vec::new();
        for step in 0..400_u64 {
            let now = start + Duration::from_millis(step * 100);
            if window.admit(&key, now).is_ok() {
                admitted.push(now);
            }
        }
        for (index, first) in admitted.iter().enumerate() {
            let inside = admitted[index..]
                .iter()
                .filter(|at| at.duration_since(*first) < Duration::from_secs(10))
                .count();
            assert!(inside <= 20, "{inside} within one window");
        }
        assert_eq!(admitted.len(), 80, "40 s hold exactly four windows");
        let full = start + Duration::from_millis(39_900);
        assert!(window.admit(&key, full).is_err());
        assert!(
            window.admit(&other, full).is_ok(),
            "each key has its own window"
        );
    }
}
