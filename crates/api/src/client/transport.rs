//! Sends requests to the provider: over HTTP, or through a tape that records or replays the responses.

use reqwest::{RequestBuilder, Response};

use super::response;
use super::tape::{SendError, Tape};
use super::watched::WatchedBody;

/// The transport of a client.
#[derive(Debug, Clone, Default)]
pub(super) enum Transport {
    #[default]
    Http,
    Tape(Tape),
}

impl Transport {
    /// Sends a request, with `body` if that is given. A tape finds its response by `call`.
    pub(super) async fn send(
        &self,
        call: String,
        request: RequestBuilder,
        body: Option<&WatchedBody>,
    ) -> Result<Response, SendError> {
        match self {
            Self::Http => response::send(request, body).await.map_err(SendError::Http),
            Self::Tape(tape) => tape.send(call, request, body).await,
        }
    }

    /// Removes `secret` from everything that is recorded from now on.
    pub(super) fn hide(&self, secret: &str) {
        if let Self::Tape(tape) = self {
            tape.hide(secret);
        }
    }
}
