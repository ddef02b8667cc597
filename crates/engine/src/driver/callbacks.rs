//! The callback receiver: proves acceptances, hurries looks, and believes nothing else.
//!
//! ```text
//!  vendor ──POST …/{token}──► receiver ──Call──► shell ──► ledger ──► 200
//! ```
//!
//! A callback counts by the attempt's token in its path, which nobody can guess. What it says of tracks is not used: the task is
//! looked up at the provider's instead. It is answered only when what it proves is durable. Anything else (an unknown token, a
//! wrong signature, a body that is too long or no JSON) is refused, counted, and changes nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing;
use backline_api::{CALLBACK_LIMIT_BYTES, TaskId, read_callback, verify_signature};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::RunError;
use crate::event::{RefusedCallbacks, Token};
use crate::plan::Plan;

/// How far a signature's time may lie from ours, in seconds.
const SIGNATURE_WINDOW_S: u64 = 300;

/// A running receiver.
pub(super) struct Receiver {
    public_url: Url,
    desk: Arc<Desk>,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Where a receiver listens, and what it believes.
pub(super) struct Post {
    /// The address to bind.
    pub(super) address: SocketAddr,
    /// What the vendor is told; the bound address where there is none.
    pub(super) public_url: Option<Url>,
    /// The key that callbacks are signed with, where they are.
    pub(super) key: Option<Vec<u8>>,
}

/// A callback on its way to the ledger.
pub(super) struct Call {
    pub(super) token: Token,
    pub(super) task: TaskId,
    /// Told whether the token was known, once that is durable.
    pub(super) done: oneshot::Sender<bool>,
}

struct Desk {
    calls: mpsc::Sender<Call>,
    key: Option<Vec<u8>>,
    refused: Mutex<RefusedCallbacks>,
}

impl Post {
    /// Where the plan says, or a free loopback port for a provider on this machine; none where neither is asked for.
    pub(super) fn of(plan: &Plan, key: Option<Vec<u8>>, local: bool) -> Option<Self> {
        match &plan.callbacks {
            Some(callbacks) => Some(Self {
                address: callbacks.listen,
                public_url: Some(callbacks.public_url.clone()),
                key,
            }),
            None if local => Some(Self {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                public_url: None,
                key,
            }),
            None => None,
        }
    }
}

impl Receiver {
    /// Listens; what is heard goes to `calls`.
    pub(super) async fn start(post: Post, calls: mpsc::Sender<Call>) -> Result<Self, RunError> {
        let listen = |source| RunError::Listen {
            address: post.address.to_string(),
            source,
        };
        let listener = TcpListener::bind(post.address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let public_url = match post.public_url {
            Some(url) => url,
            None => Url::parse(&format!("http://{bound}/callbacks"))
                .map_err(|error| listen(std::io::Error::other(error)))?,
        };
        let desk = Arc::new(Desk {
            calls,
            key: post.key,
            refused: Mutex::default(),
        });
        // The public address may have a path of its own in front, and a proxy may or may not take it away.
        let routes = Router::new()
            .route("/{*path}", routing::post(hear))
            .layer(DefaultBodyLimit::max(CALLBACK_LIMIT_BYTES))
            .with_state(desk.clone());
        let shutdown = CancellationToken::new();
        let stopped = shutdown.clone().cancelled_owned();
        let server = tokio::spawn(async move {
            axum::serve(listener, routes)
                .with_graceful_shutdown(stopped)
                .await
        });
        Ok(Self {
            public_url,
            desk,
            shutdown,
            server,
        })
    }

    /// The address to give to the vendor, without a token.
    pub(super) fn public_url(&self) -> Url {
        self.public_url.clone()
    }

    /// What was refused so far.
    pub(super) fn refused(&self) -> RefusedCallbacks {
        *self.desk.counts()
    }

    /// Ends it. Callbacks that come later are refused by the closed port, and the vendor tries again.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.server.abort();
        let _ = self.server.await;
    }
}

impl Desk {
    fn counts(&self) -> MutexGuard<'_, RefusedCallbacks> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hear(
    State(desk): State<Arc<Desk>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> StatusCode {
    let callback = body.ok().and_then(|body| read_callback(&body).ok());
    let Some(callback) = callback else {
        desk.counts().unreadable += 1;
        return StatusCode::BAD_REQUEST;
    };
    let task = callback.view.task_id;
    if let Some(key) = &desk.key
        && !is_signed(key, task.as_str(), &headers)
    {
        desk.counts().unsigned += 1;
        return StatusCode::UNAUTHORIZED;
    }
    let token = Token::from_text(path.rsplit('/').next().unwrap_or_default());
    let (done, known) = oneshot::channel();
    if desk.calls.try_send(Call { token, task, done }).is_err() {
        desk.counts().turned_away += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match known.await {
        Ok(true) => StatusCode::OK,
        Ok(false) => {
            desk.counts().unknown += 1;
            StatusCode::NOT_FOUND
        }
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
