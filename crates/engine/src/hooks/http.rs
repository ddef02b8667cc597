//! `http`: an event posted as JSON, signed after the Standard Webhooks scheme (<https://www.standardwebhooks.com>), behind the
//! guard that keeps results out of private networks.
//!
//! A request to an address that is busy or does not respond is retried with the same id until the hook's timeout.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backline_api::{PostError, WebhookClient};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::time::{Instant, sleep};
use url::Url;

use super::process::HookContext;
use super::{HookError, HookResponse, HookSpec, Target};

/// Times that one event is posted.
const TRIES: u32 = 4;

/// The wait before the second time; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// An address, ready to be posted to.
#[derive(Debug)]
pub(crate) struct Webhook {
    poster: WebhookClient,
    url: Url,
    secret: Option<Vec<u8>>,
}

impl Webhook {
    pub(crate) fn new(
        target: &Target,
        secret_env: Option<&str>,
        allow_private: bool,
        context: &HookContext,
    ) -> Result<Self, HookError> {
        let variable = |name: &str| {
            context
                .variable(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| HookError::Environment(format!("the environment has no `{name}`")))
        };
        let url = match target {
            Target::Address(url) => url.clone(),
            Target::Env(name) => Url::parse(variable(name)?.trim()).map_err(|error| {
                HookError::Environment(format!("`{name}` is no address: {error}"))
            })?,
        };
        let secret = match secret_env {
            Some(name) => Some(secret(&variable(name)?).ok_or_else(|| {
                HookError::Environment(format!(
                    "`{name}` is no secret: `whsec_` and base64 are expected"
                ))
            })?),
            None => None,
        };
        let poster = WebhookClient::new(
            concat!("backline/", env!("CARGO_PKG_VERSION")),
            allow_private,
        )
        .map_err(|error| HookError::Http(error.to_string()))?;
        Ok(Self {
            poster,
            url,
            secret,
        })
    }

    /// Posts an event until it is taken, refused, or out of time.
    pub(crate) async fn put(
        &self,
        spec: &HookSpec,
        event: &[u8],
    ) -> Result<HookResponse, HookError> {
        let ends = Instant::now() + Duration::from_millis(spec.timeout_ms);
        let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
        let mut wait = FIRST_WAIT;
        for nth in 1..=TRIES {
            let left = ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let headers = headers(&id, unix_s(), event, self.secret.as_deref());
            let (problem, retry_after_ms) = match self
                .poster
                .post(&self.url, &headers, event.to_vec(), left)
                .await
            {
                Ok(posted) if (200..300).contains(&posted.status) => {
                    return response(spec, &posted.body);
                }
                Ok(posted) if matches!(posted.status, 408 | 425 | 429 | 500..) => {
                    (format!("HTTP {}", posted.status), posted.retry_after_ms)
                }
                Ok(posted) => return Err(HookError::Http(format!("HTTP {}", posted.status))),
                Err(error @ PostError::NoResponse(_)) => (error.to_string(), None),
                Err(error) => return Err(HookError::Http(error.to_string())),
            };
            let pause = wait.max(Duration::from_millis(retry_after_ms.unwrap_or(0)));
            if nth == TRIES || Instant::now() + pause >= ends {
                return Err(HookError::Http(problem));
            }
            sleep(pause).await;
            wait *= 2;
        }
        Err(HookError::TimedOut(spec.timeout_ms))
    }
}

/// Where hooks only observe, any response will do: chats return `ok`.
fn response(spec: &HookSpec, body: &[u8]) -> Result<HookResponse, HookError> {
    if spec.point.decides() {
        Ok(HookResponse::read(body)?)
    } else {
        Ok(HookResponse::Nothing)
    }
}

/// A secret's bytes: base64 behind `whsec_`, or the text itself where there is no such prefix.
fn secret(text: &str) -> Option<Vec<u8>> {
    match text.trim().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok().filter(|key| !key.is_empty()),
        None => Some(text.trim().as_bytes().to_vec()),
    }
}

/// The scheme's headers: the id, the time and, with a secret, the HMAC-SHA256 of `id.time.body`.
fn headers(id: &str, at_s: u64, body: &[u8], secret: Option<&[u8]>) -> Vec<(&'static str, String)> {
    let at = at_s.to_string();
    let mut headers = vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.clone()),
    ];
    if let Some(secret) = secret {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
        for part in [id.as_bytes(), b".", at.as_bytes(), b".", body] {
            mac.update(part);
        }
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        headers.push(("webhook-signature", format!("v1,{signature}")));
    }
    headers
}

fn unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schemes_own_example_is_signed_as_it_says() {
        // From the specification's reference libraries.
        let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        let made = headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
            Some(&key),
        );
        assert_eq!(made[2].1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(secret("whsec_???"), None);
        assert_eq!(secret("plain").unwrap(), b"plain");
    }
}
