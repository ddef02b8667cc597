//! The callback receiver: proves acceptances, hurries looks, and believes nothing else.
//!
//! ```text
//!  vendor ──POST …/{token}──► receiver ──Call──► shell ──► ledger ──► 200
//! ```
//!
//! A callback counts by the attempt's token in its path, which nobody can guess. What it says of tracks is not used: the task is
//! looked up at the provider's instead. It is answered only when what it proves is durable. Anything else (an unknown token, a
//! wrong signature, a body that is too long or no JSON) is refused and changes nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use backline_api::{CALLBACK_LIMIT_BYTES, read_callback, verify_signature};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{Call, Run, RunError};
use crate::event::Token;

/// How far a signature's time may lie from ours, in seconds.
const SIGNATURE_WINDOW_S: u64 = 300;

/// A running receiver.
pub(super) struct Receiver {
    public_url: Url,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

struct Desk {
    calls: mpsc::Sender<Call>,
    key: Option<Vec<u8>>,
}

impl Receiver {
    /// Listens where the plan says, or on a free loopback port for a provider on this machine; none where neither is asked for.
    pub(super) async fn start(
        run: &Run,
        calls: mpsc::Sender<Call>,
    ) -> Result<Option<Self>, RunError> {
        let (address, public_url) = match &run.plan.callbacks {
            Some(callbacks) => (callbacks.listen, Some(callbacks.public_url.clone())),
            None if run.local_callbacks => (SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None),
            None => return Ok(None),
        };
        let listen = |source| RunError::Listen {
            address: address.to_string(),
            source,
        };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let public_url = match public_url {
            Some(url) => url,
            None => Url::parse(&format!("http://{bound}/callbacks"))
                .map_err(|error| listen(std::io::Error::other(error)))?,
        };
        let desk = Arc::new(Desk {
            calls,
            key: run.callback_key.clone(),
        });
        // The public address may have a path of its own in front, and a proxy may or may not take it away.
        let routes = Router::new()
            .route("/{*path}", post(hear))
            .layer(DefaultBodyLimit::max(CALLBACK_LIMIT_BYTES))
            .with_state(desk);
        let shutdown = CancellationToken::new();
        let stopped = shutdown.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            axum::serve(listener, routes)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Some(Self {
            public_url,
            shutdown,
            server,
        }))
    }

    /// The address to give to the vendor, without a token.
    pub(super) fn public_url(&self) -> Url {
        self.public_url.clone()
    }

    /// Ends it. Callbacks that come later are refused by the closed port, and the vendor tries again.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.server.abort();
        let _ = self.server.await;
    }
}

async fn hear(
    State(desk): State<Arc<Desk>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let Ok(callback) = read_callback(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    let task = callback.view.task_id;
    if let Some(key) = &desk.key
        && !is_signed(key, task.as_str(), &headers)
    {
        return StatusCode::UNAUTHORIZED;
    }
    let token = Token::from_text(path.rsplit('/').next().unwrap_or_default());
    let (done, known) = oneshot::channel();
    if desk.calls.try_send(Call { token, task, done }).is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match known.await {
        Ok(true) => StatusCode::OK,
        Ok(false) => StatusCode::NOT_FOUND,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn is_signed(key: &[u8], task: &str, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(timestamp), Some(signature)) =
        (text("x-webhook-timestamp"), text("x-webhook-signature"))
    else {
        return false;
    };
    let now_s = jiff::Timestamp::now().as_second();
    verify_signature(key, task, timestamp, signature, now_s, SIGNATURE_WINDOW_S).is_ok()
}
