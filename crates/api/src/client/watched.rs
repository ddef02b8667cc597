//! A request's body that tells when it was written: how late a request leaves, for a connection had to be opened first, say.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use futures::stream;
use reqwest::Body;

/// The body of one request.
#[derive(Debug, Clone)]
pub(super) struct WatchedBody {
    bytes: Bytes,
    written: Arc<OnceLock<Instant>>,
}

impl WatchedBody {
    pub(super) fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            written: Arc::default(),
        }
    }

    /// Its length in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The body to send. The connection polls it when it writes the request.
    pub(super) fn stream(&self) -> Body {
        let Self { bytes, written } = self.clone();
        Body::wrap_stream(stream::once(async move {
            // A connection that was found closed may make way for another one: the first writing is the earliest.
            let _ = written.set(Instant::now());
            Ok::<_, std::convert::Infallible>(bytes)
        }))
    }

    /// When it was written; none if it was not.
    pub(super) fn written(&self) -> Option<Instant> {
        self.written.get().copied()
    }
}
