//! Sends requests to the provider: over HTTP, or through a tape that records or replays the responses.

use reqwest::{RequestBuilder, Response};

use super::response;
use super::tape::{SendError, Tape};

/// The transport of a client.
#[derive(Debug, Clone, Default)]
pub(super) enum Transport {
    #[default]
    Http,
    Tape(Tape),
}

impl Transport {
    /// Sends a request. A tape finds its response by `call`.
    pub(super) async fn send(
        &self,
        call: String,
        request: RequestBuilder,
    ) -> Result<Response, SendError> {
        match self {
            Self::Http => response::send(request).await.map_err(SendError::Http),
            Self::Tape(tape) => tape.send(call, request).await,
        }
    }

    /// Removes `secret` from everything that is recorded from now on.
    pub(super) fn hide(&self, secret: &str) {
        if let Self::Tape(tape) = self {
            tape.hide(secret);
        }
    }
}
