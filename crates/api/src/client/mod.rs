//! The typed client: one method for each call of the contract. The engine's driver uses it.
//!
//! The client retries nothing by itself, least of all a submission: the engine decides about retries, pacing and money. It
//! follows no redirect of the vendor's API, reads responses up to a limit, and keeps the key and signed addresses out of every
//! error.
//!
//! ```text
//!   api    ── key, no redirects ──────────────► vendor's base URL and upload host
//!   files  ── no key, guarded ────────────────► wherever results lie
//!
//! Both use the proxies of the environment, if there are any ([`Proxies`]).
//! ```

mod details;
mod download;
#[cfg(test)]
mod download_tests;
mod error;
mod guard;
mod post;
mod proxy;
#[cfg(test)]
mod proxy_tests;
mod response;
#[cfg(test)]
mod response_tests;
mod secrets;
#[cfg(test)]
mod step_tests;
mod submit;
mod tape;
#[cfg(test)]
mod tape_tests;
#[cfg(test)]
mod tests;
mod transport;
mod upload;
#[cfg(test)]
mod upload_tests;
mod watched;

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Response, redirect, retry};
use serde_json::{Value, json};
use url::{Host, Url};

pub use self::download::{Download, Partial};
pub use self::error::{CallError, CallErrorKind, ClientError};
pub use self::post::{PostError, Posted, WebhookClient};
pub use self::proxy::Proxies;
pub use self::response::lacks_descriptor;
pub use self::submit::{Sent, SubmitOutcome};
use self::tape::SendError;
pub use self::tape::{Tape, TapeError};
use self::transport::Transport;
pub use self::upload::{UploadName, UploadSource};
use crate::addresses::{is_private_host, is_public};
use crate::redact::hide_secret;
use crate::{ApiCall, ApiKey, Profile, Refusal, read_credits};

/// How a client behaves. Build it with [`ClientOptions::new`] and change the fields that should differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// The value of `User-Agent`; some vendors refuse requests without one.
    pub user_agent: String,
    /// Longest time to connect to a host, including name resolution and TLS.
    pub connect_timeout: Duration,
    /// Longest time for a submission or another call, from the first byte to the last.
    pub call_timeout: Duration,
    /// Longest time for an upload.
    pub upload_timeout: Duration,
    /// Longest time without a byte during a download.
    pub read_timeout: Duration,
    /// Longest file that is downloaded.
    pub download_limit_bytes: u64,
    /// The proxies; a provider on this machine is called directly.
    pub proxies: Proxies,
    /// Longest time for a download; a resumable one continues later.
    pub download_timeout: Duration,
    /// The minimum rate; a slower download is cancelled.
    pub least_rate: LeastRate,
}

/// The minimum rate of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastRate {
    /// Least number of bytes …
    pub bytes: u64,
    /// … in each interval of this length.
    pub every: Duration,
}

impl ClientOptions {
    /// Ten seconds to connect, a minute for a call, ten minutes for an upload, half a minute without a byte, 512 MiB a file: an
    /// hour and a half of CD audio is more than any vendor makes. A download may take half an hour and must receive 64 KiB each
    /// minute: a tenth of the rate of a modem of 1998.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(60),
            upload_timeout: Duration::from_secs(600),
            read_timeout: Duration::from_secs(30),
            download_limit_bytes: 512 * 1024 * 1024,
            proxies: Proxies::none(),
            download_timeout: Duration::from_secs(30 * 60),
            least_rate: LeastRate {
                bytes: 64 * 1024,
                every: Duration::from_secs(60),
            },
        }
    }
}

/// A connection to one account of one provider. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    profile: Profile,
    key: ApiKey,
    secrets: secrets::Secrets,
    options: ClientOptions,
    api: reqwest::Client,
    files: reqwest::Client,
    guard: guard::Guard,
    transport: Transport,
}

/// The account's balance and the provider's time.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountState {
    /// The balance.
    pub credits: Result<f64, CallError>,
    /// The response's `Date`: Unix time in milliseconds, whole seconds.
    pub date_ms: Option<i64>,
}

/// How long an idle connection is kept for the next call. Common servers close an idle connection after five seconds or later.
/// A submission on a connection that is closed at that moment would be in doubt.
const IDLE: Duration = Duration::from_secs(4);

impl Client {
    /// A client for `profile` with `key`. The process must have installed a rustls crypto provider.
    pub fn new(profile: Profile, key: ApiKey, options: ClientOptions) -> Result<Self, ClientError> {
        // The HTTP library panics without a crypto provider.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ClientError::NoCryptoProvider);
        }
        if options.user_agent.trim().is_empty()
            || HeaderValue::from_str(&options.user_agent).is_err()
        {
            return Err(ClientError::UserAgent);
        }
        let setup = |error: reqwest::Error| ClientError::Setup {
            reason: response::reason(error),
        };
        let builder = || {
            // A slow connection must fail as a connection error, before the call's timeout: that error proves that nothing was
            // sent.
            let connect_timeout = options.connect_timeout.min(options.call_timeout / 2);
            reqwest::Client::builder()
                .user_agent(&options.user_agent)
                .connect_timeout(connect_timeout)
                .pool_idle_timeout(IDLE)
                .referer(false)
                .retry(retry::never())
        };
        let proxies = &options.proxies;
        let guard = guard::Guard::of(&profile, proxies.clone());
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .expect("a key is visible ASCII");
        bearer.set_sensitive(true);
        let api = builder()
            .redirect(redirect::Policy::none())
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]));
        let api = match profile.loopback {
            true => api.no_proxy(),
            false => proxies.apply(api).map_err(setup)?,
        };
        // Automatic decompression would make lengths and ranges meaningless.
        let files = builder()
            .read_timeout(options.read_timeout)
            .redirect(guard.redirects())
            .dns_resolver(guard.resolver())
            .no_gzip();
        let files = proxies.apply(files).map_err(setup)?;
        Ok(Self {
            api: api.build().map_err(setup)?,
            files: files.build().map_err(setup)?,
            profile,
            secrets: secrets::Secrets::new(key.clone()),
            key,
            options,
            guard,
            transport: Transport::Http,
        })
    }

    /// The same client with a tape: it records its exchanges, or replays recorded ones without a network.
    pub fn with_tape(mut self, tape: Tape) -> Self {
        tape.hide(self.key.expose());
        self.transport = Transport::Tape(tape);
        self
    }

    /// Removes an attempt's secret from everything that is read from now on, as the client does with the API key.
    pub fn hide(&self, token: &str) {
        self.secrets.add(token);
        self.transport.hide(token);
    }

    /// Whether a text contains the API key or the secret of an attempt.
    pub fn holds_secret(&self, text: &str) -> bool {
        self.secrets.are_in(text)
    }

    /// The provider's profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// The account's balance.
    pub async fn credits(&self) -> Result<f64, CallError> {
        self.account().await.credits
    }

    /// The account's balance and the provider's time.
    pub async fn account(&self) -> AccountState {
        let call = CallSubject {
            operation: "read the credits",
            subject: String::new(),
        };
        let url = endpoint(&self.profile.base_url, &self.profile.credit_path);
        let response = match self.call(&call, self.api.get(url)).await {
            Ok(response) => response,
            Err(error) => {
                let (credits, date_ms) = (Err(error), None);
                return AccountState { credits, date_ms };
            }
        };
        let date_ms = response::date_ms(response.headers());
        let data = self
            .read(&call, response, |status, body| {
                self.profile.read_data(ApiCall::Credits, status, body)
            })
            .await;
        let balance =
            |data| read_credits(&data).ok_or_else(|| call.unreadable("its data is not a number"));
        AccountState {
            credits: data.and_then(balance),
            date_ms,
        }
    }

    /// Returns the first host of the provider's addresses that lies in a private network without permission. With such a host,
    /// results could be bought but not fetched. A literal address, or a host that a proxy resolves, is judged by its text.
    pub async fn private_host(&self) -> Option<String> {
        if self.profile.loopback {
            return None;
        }
        for url in [&self.profile.base_url, &self.profile.upload_url] {
            let (Some(host), Some(name)) = (url.host(), url.host_str()) else {
                continue;
            };
            if self
                .profile
                .allow_private
                .allows(name.trim_matches(['[', ']']))
            {
                continue;
            }
            let private = match host {
                Host::Domain(domain) if !self.options.proxies.carries(url) => {
                    let found = tokio::net::lookup_host((domain, 0)).await;
                    found.is_ok_and(|mut all| all.any(|address| !is_public(address.ip())))
                }
                host => is_private_host(&host),
            };
            if private {
                return Some(name.to_owned());
            }
        }
        None
    }

    /// Checks that the upload host responds, with any status. Uploads nothing.
    pub async fn reach_upload_host(&self) -> Result<(), CallError> {
        let call = CallSubject {
            operation: "reach",
            subject: "the upload host".to_owned(),
        };
        let url = endpoint(&self.profile.upload_url, upload::STREAM_PATH);
        self.call(&call, self.api.get(url)).await.map(drop)
    }

    /// Checks that the host of a file at `url` responds, with any status. Sends no key.
    pub async fn reach_file_host(&self, url: &Url) -> Result<(), CallError> {
        let call = CallSubject {
            operation: "reach",
            subject: crate::redact_url(url.as_str()),
        };
        let request = self.files.get(url.clone());
        self.call(&call, request).await.map(drop)
    }

    /// Requests a short-lived link to a result, if the vendor has such links.
    pub async fn download_link(&self, result_url: &str) -> Result<String, CallError> {
        let call = CallSubject {
            operation: "get a link to",
            subject: crate::redact_url(result_url),
        };
        let Some(path) = &self.profile.download_link_path else {
            return Err(call.error(CallErrorKind::Unsupported));
        };
        let url = endpoint(&self.profile.base_url, path);
        let response = self
            .call(
                &call,
                self.api.post(url).json(&json!({ "url": result_url })),
            )
            .await?;
        let data = self
            .read(&call, response, |status, body| {
                self.profile.read_data(ApiCall::Download, status, body)
            })
            .await?;
        match &data {
            Value::String(link) if !link.is_empty() => Ok(link.clone()),
            other => crate::lenient::text(other, &["url", "downloadUrl"])
                .ok_or_else(|| call.unreadable("it contains no link")),
        }
    }

    /// Sends a request that buys nothing.
    async fn call(
        &self,
        call: &CallSubject,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, CallError> {
        let request = request.timeout(self.options.call_timeout);
        let sent = self.send(call.text(), request).await;
        sent.map_err(|error| self.failure(call, error))
    }

    /// Sends a request. A tape finds its exchange by `call`.
    async fn send(
        &self,
        call: String,
        request: reqwest::RequestBuilder,
    ) -> Result<Response, SendError> {
        self.transport.send(call, request, None).await
    }

    /// Reads a response of the contract with `read`.
    async fn read<T>(
        &self,
        call: &CallSubject,
        response: Response,
        read: impl FnOnce(u16, &[u8]) -> Result<T, Refusal>,
    ) -> Result<T, CallError> {
        let retry_after_ms = response::retry_after_ms(response.headers());
        let status = response.status().as_u16();
        let moved = response::moved_to(&response);
        let (body, end) = response::read_body(response).await;
        read(status, &self.secrets.clean_body(&body)).map_err(|mut refusal| {
            refusal.message = self.scrub(&format!("{}{moved}", refusal.message));
            let kind = match end {
                Err(response::Cut::Broken(reason)) => CallErrorKind::Broken {
                    reason: self.scrub(&reason),
                },
                Err(response::Cut::TooLong) => CallErrorKind::TooLarge {
                    limit_bytes: response::BODY_LIMIT_BYTES as u64,
                },
                Ok(()) => CallErrorKind::Refused(refusal),
            };
            CallError {
                retry_after_ms,
                ..call.error(kind)
            }
        })
    }

    /// The error for a request that got no response.
    fn failure(&self, call: &CallSubject, error: SendError) -> CallError {
        let error = match error {
            SendError::Http(error) => error,
            SendError::Replayed { not_sent, reason } => {
                return call.error(match not_sent {
                    true => CallErrorKind::NotSent { reason },
                    false => CallErrorKind::Broken { reason },
                });
            }
            SendError::NotOnTape => return call.error(CallErrorKind::NotOnTape),
        };
        let not_sent = response::was_not_sent(&error);
        let forbidden = response::forbidden(&error);
        let host = response::host(&error);
        let reason = format!("{host}{}", self.scrub(&response::reason(error)));
        call.error(match forbidden {
            Some(forbidden) => CallErrorKind::Forbidden { reason: forbidden },
            None if not_sent => CallErrorKind::NotSent { reason },
            None => CallErrorKind::Broken { reason },
        })
    }

    /// `text` without the key, which some vendors quote in messages.
    fn scrub(&self, text: &str) -> String {
        hide_secret(text, self.key.expose(), "[key]")
    }
}

/// A call and its subject, for errors.
struct CallSubject {
    operation: &'static str,
    subject: String,
}

impl CallSubject {
    /// The call as text, by which a tape finds its response.
    fn text(&self) -> String {
        format!("{} {}", self.operation, self.subject)
    }

    fn error(&self, kind: CallErrorKind) -> CallError {
        CallError {
            operation: self.operation,
            subject: self.subject.clone(),
            kind,
            retry_after_ms: None,
            status_class: None,
        }
    }

    /// The error for a file host's response with `status`.
    fn status(&self, profile: &Profile, status: u16) -> CallError {
        CallError {
            status_class: Some(profile.codes(ApiCall::Download).class(status, None)),
            ..self.error(CallErrorKind::Status(status))
        }
    }

    fn unreadable(&self, reason: &str) -> CallError {
        self.error(CallErrorKind::Unreadable {
            reason: reason.to_owned(),
        })
    }
}

/// `path` appended to `base`, which may have a path of its own.
fn endpoint(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!(
        "{}/{}",
        base.path().trim_end_matches('/'),
        path.trim_start_matches('/')
    ));
    url
}
