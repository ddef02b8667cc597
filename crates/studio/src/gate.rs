//! Who may come in, and how fast. Pure: the time and the headers are handed in.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use backline_api::is_loopback_address;
use url::Url;

use crate::config::KEYS_REMEMBERED;

/// A digest that represents an API key in the bill and in logs; the key itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyPrint(pub(crate) String);

/// The caller's key, if it is the one that is expected: `None` expects any that is not empty.
pub(crate) fn admit_key(headers: &HeaderMap, expected: Option<&str>) -> Option<KeyPrint> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = header.split_once(' ')?;
    let key = key.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
        return None;
    }
    let digest = blake3::hash(key.as_bytes());
    // Comparing digests of this type takes the same time wherever they differ.
    let known = expected.is_none_or(|expected| blake3::hash(expected.as_bytes()) == digest);
    known.then(|| KeyPrint(digest.to_hex()[..16].to_owned()))
}

/// Whether the request names its program; the vendors turn away those that don't.
pub(crate) fn has_user_agent(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .is_some_and(|agent| !agent.is_empty())
}

/// The host that a request names.
fn host_of(headers: &HeaderMap) -> Option<Url> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Url::parse(&format!("http://{host}/")).ok()
}

/// Whether a request names this machine by a loopback name.
pub(crate) fn names_loopback(headers: &HeaderMap) -> bool {
    host_of(headers).as_ref().is_some_and(is_loopback_address)
}

/// The sliding window of new generations: at most `count` within any `window`, for each key by itself.
///
/// What goes over is refused and does not count. The window is not kept over a restart.
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

    /// Admits one generation, or returns how long it must wait.
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
