//! Posts to addresses that a user names: guarded as results are, without the key, without redirects, with bounded responses.
//! The engine's hooks call it and decide what is posted and how often.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{redirect, retry};
use url::Url;

use super::{ClientError, IDLE, Proxies, guard, response};

/// Posts JSON to public addresses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    client: reqwest::Client,
    guard: guard::Guard,
}

/// A response to a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The HTTP status.
    pub status: u16,
    /// The response's body.
    pub body: Vec<u8>,
    /// Its `Retry-After`, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// Why a post got no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// The guard refuses the address; a retry is useless.
    #[error("the address may not be posted to: {0}")]
    Forbidden(String),
    /// The host was not reached or did not respond.
    #[error("no response: {0}")]
    NoResponse(String),
    /// The response is longer than the limit.
    #[error("the response is longer than {} bytes", response::BODY_LIMIT_BYTES)]
    TooLong,
}

impl WebhookClient {
    /// Creates a client. `allow_private` allows addresses of private networks. The process must have installed a rustls crypto
    /// provider.
    pub fn new(user_agent: &str, allow_private: bool) -> Result<Self, ClientError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ClientError::NoCryptoProvider);
        }
        let proxies = Proxies::from_env()?;
        let guard = guard::Guard::of_any(allow_private, proxies.clone());
        let setup = |error: reqwest::Error| ClientError::Setup {
            reason: response::reason(error),
        };
        let client = reqwest::Client::builder()
            .user_agent(user_agent)
            .pool_idle_timeout(IDLE)
            .referer(false)
            .retry(retry::never())
            .redirect(redirect::Policy::none())
            .dns_resolver(guard.resolver());
        let client = proxies
            .apply(client)
            .and_then(reqwest::ClientBuilder::build)
            .map_err(setup)?;
        Ok(Self { client, guard })
    }

    /// Posts `body` once, as JSON, with `headers` in addition to the usual ones.
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Posted, PostError> {
        self.guard
            .check(url)
            .map_err(|forbidden| PostError::Forbidden(forbidden.to_string()))?;
        let mut all =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        for (name, value) in headers {
            let value = HeaderValue::from_str(value)
                .map_err(|_| PostError::Forbidden(format!("the header {name} can't be sent")))?;
            all.insert(HeaderName::from_static(name), value);
        }
        let request = self.client.post(url.clone()).headers(all).body(body);
        let response = request.timeout(timeout).send().await.map_err(|error| {
            match response::forbidden(&error) {
                Some(forbidden) => PostError::Forbidden(forbidden),
                None => PostError::NoResponse(response::reason(error)),
            }
        })?;
        let status = response.status().as_u16();
        let retry_after_ms = response::retry_after_ms(response.headers());
        match response::read_body(response).await {
            (body, Ok(())) => Ok(Posted {
                status,
                body,
                retry_after_ms,
            }),
            (_, Err(response::Cut::TooLong)) => Err(PostError::TooLong),
            (_, Err(response::Cut::Broken(reason))) => Err(PostError::NoResponse(reason)),
        }
    }
}
