//! Fetches a source from an address that a client chose.
//!
//! Everything is bounded: scheme, addresses, redirects, time, size, and number of fetches at once. The resolver checks
//! addresses as it resolves a name, so the checked address is the connected one. Literal addresses, which never reach the
//! resolver, are checked before, and so is every redirect. Proxies of the environment are not used, because behind a proxy no
//! address can be checked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use backline_api::is_public;
use futures::StreamExt;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header;
use tokio::sync::Semaphore;
use url::Url;

use crate::config::{FETCH_LIMIT, SOURCE_BYTES, SOURCE_REDIRECTS, SOURCE_TIMEOUT};
use crate::guard::{self, Forbidden};
use crate::intake::{Intake, IntakeError, Received};

/// The studio's `User-Agent`.
pub(crate) const USER_AGENT: &str = concat!("backline-studio/", env!("CARGO_PKG_VERSION"));

/// Why a source was not fetched. Clients see these texts. They never contain the address, which may have a signature.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0}")]
    Forbidden(#[from] Forbidden),
    #[error("the address could not be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the response of the address has the HTTP status {0}")]
    Status(u16),
    #[error("the address redirects to an invalid address, or more than {SOURCE_REDIRECTS} times")]
    Redirects,
    #[error("the file did not arrive within {} seconds", SOURCE_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the file is empty")]
    Empty,
    #[error(transparent)]
    Intake(#[from] IntakeError),
}

/// Fetches sources into the scratch folder.
pub(crate) struct Fetcher {
    client: reqwest::Client,
    allow_private: bool,
    slots: Semaphore,
    scratch: PathBuf,
}

impl Fetcher {
    pub(crate) fn new(scratch: PathBuf, allow_private: bool) -> Result<Fetcher, reqwest::Error> {
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Arc::new(JudgingResolver { allow_private }))
            .build()?;
        Ok(Fetcher {
            client,
            allow_private,
            slots: Semaphore::new(FETCH_LIMIT),
            scratch,
        })
    }

    /// Fetches `url` after waiting for a free slot. The time limit does not include the wait.
    pub(crate) async fn fetch(&self, url: Url) -> Result<Received, FetchError> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| FetchError::TooSlow)?;
        tokio::time::timeout(SOURCE_TIMEOUT, self.follow(url))
            .await
            .unwrap_or(Err(FetchError::TooSlow))
    }

    async fn follow(&self, mut url: Url) -> Result<Received, FetchError> {
        for _ in 0..=SOURCE_REDIRECTS {
            guard::check_url(&url, self.allow_private)?;
            let response = self
                .client
                .get(url.clone())
                .send()
                .await
                .map_err(unreachable)?;
            let status = response.status();
            if status.is_redirection() {
                let next = response
                    .headers()
                    .get(header::LOCATION)
                    .and_then(|location| location.to_str().ok());
                url = next
                    .and_then(|next| url.join(next).ok())
                    .ok_or(FetchError::Redirects)?;
                continue;
            }
            if !status.is_success() {
                return Err(FetchError::Status(status.as_u16()));
            }
            return self.receive(response).await;
        }
        Err(FetchError::Redirects)
    }

    async fn receive(&self, response: reqwest::Response) -> Result<Received, FetchError> {
        if response
            .content_length()
            .is_some_and(|bytes| bytes > SOURCE_BYTES)
        {
            return Err(IntakeError::TooLarge {
                cap_bytes: SOURCE_BYTES,
            }
            .into());
        }
        let mut intake = Intake::open(&self.scratch, SOURCE_BYTES)?;
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            intake.push(&chunk.map_err(unreachable)?).await?;
        }
        let received = intake.finish().await?;
        if received.bytes == 0 {
            Err(FetchError::Empty)
        } else {
            Ok(received)
        }
    }
}

fn unreachable(error: reqwest::Error) -> FetchError {
    FetchError::Unreachable(error.without_url())
}

/// Resolves a name and drops every address that must not be fetched.
struct JudgingResolver {
    allow_private: bool,
}

impl Resolve for JudgingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|at| allow_private || is_public(at.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(Forbidden::Private.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
