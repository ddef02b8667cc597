//! The callback receiver: records which attempts were accepted, and makes polls earlier. It trusts nothing else.
//!
//! ```text
//!  vendor ──POST …/{token}──► receiver ──ReceivedCallback──► shell ──► ledger ──► 200
//! ```
//!
//! A callback counts by the attempt's token in its path, which nobody can guess. Its tracks are not used: the task's details
//! are requested from the provider instead. It gets its response only when what it proves is durable. Anything else (an unknown token, a
//! wrong signature, a body that is too long or no JSON) is refused, counted, and changes nothing.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_ENCODING;
use axum::http::{HeaderMap, StatusCode};
use axum::routing;
use backline_api::{
    CALLBACK_LIMIT_BYTES, Client, SignatureError, TaskId, read_callback_task, verify_signature,
};
use backline_serve::Limits;
use flate2::read::GzDecoder;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::RunError;
use crate::event::{RefusedCallbacks, Token};
use crate::plan::Plan;

/// How far a signature's time may lie from ours, in seconds.
const SIGNATURE_WINDOW_S: u64 = 300;

/// What peers may take. A vendor calls with a few connections at once and sends some kilobytes in the 15 s that it waits. With a whole
/// megabyte each, this many take 64 MB.
const LIMITS: Limits = Limits {
    connections: 64,
    head: Duration::from_secs(10),
    body: Duration::from_secs(15),
    stall: Duration::from_secs(10),
};

/// Characters of a token: 128 bits in hexadecimal.
const TOKEN_CHARS: usize = 32;

/// A running receiver.
pub(super) struct Receiver {
    public_url: Url,
    state: Arc<ReceiverState>,
    shutdown: CancellationToken,
    server: tokio::task::JoinHandle<()>,
}

/// Where a receiver listens, and what it believes.
pub(super) struct ListenConfig {
    /// The address to bind.
    pub(super) address: SocketAddr,
    /// The address that the vendor gets; the bound one where there is none.
    pub(super) public_url: Option<Url>,
    /// The key that callbacks are signed with, where they are.
    pub(super) key: Option<Vec<u8>>,
}

/// A callback on its way to the ledger.
pub(super) struct ReceivedCallback {
    pub(super) token: Token,
    pub(super) task: TaskId,
    /// Gets whether the token was known, once that is durable.
    pub(super) done: oneshot::Sender<bool>,
}

struct ReceiverState {
    calls: mpsc::Sender<ReceivedCallback>,
    key: Option<Vec<u8>>,
    /// Knows the secrets that no task's id may contain.
    client: Option<Client>,
    refused: Mutex<RefusedCallbacks>,
}

impl ListenConfig {
    /// Where the plan says, or a free loopback port for a provider on this machine; none where there is neither.
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
    pub(super) async fn start(
        config: ListenConfig,
        client: Option<Client>,
        calls: mpsc::Sender<ReceivedCallback>,
    ) -> Result<Self, RunError> {
        let listen = |source| RunError::Listen {
            address: config.address.to_string(),
            source,
        };
        let listener = TcpListener::bind(config.address).await.map_err(listen)?;
        let bound = listener.local_addr().map_err(listen)?;
        let public_url = match config.public_url {
            Some(url) => url,
            None => Url::parse(&format!("http://{bound}/callbacks"))
                .map_err(|error| listen(std::io::Error::other(error)))?,
        };
        let state = Arc::new(ReceiverState {
            calls,
            key: config.key,
            client,
            refused: Mutex::default(),
        });
        // The public address may have a path of its own in front, and a proxy may or may not take it away.
        let routes = Router::new()
            .route("/{*path}", routing::post(hear))
            .with_state(state.clone());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(backline_serve::serve(
            listener,
            routes,
            LIMITS,
            shutdown.clone(),
            |stream, peer| (stream, peer),
        ));
        Ok(Self {
            public_url,
            state,
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
        *self.state.counts()
    }

    /// Ends it. Callbacks that come later are refused by the closed port, and the vendor tries again.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.server.abort();
        let _ = self.server.await;
    }
}

impl ReceiverState {
    fn counts(&self) -> MutexGuard<'_, RefusedCallbacks> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn hear(
    State(state): State<Arc<ReceiverState>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> StatusCode {
    // No body is read from a peer that can't have a token, or a signature where one is needed.
    let Some(token) = token(&path) else {
        state.counts().unknown += 1;
        return StatusCode::NOT_FOUND;
    };
    let signature = signature(&headers);
    if state.key.is_some() && signature.is_none() {
        state.counts().unsigned += 1;
        return StatusCode::UNAUTHORIZED;
    }
    let body = to_bytes(body, CALLBACK_LIMIT_BYTES).await.ok();
    let body = body.and_then(|body| unpacked(&headers, body));
    let secret = |text: &str| {
        state
            .client
            .as_ref()
            .is_some_and(|it| it.holds_secret(text))
    };
    let task = body
        .and_then(|body| read_callback_task(&body).ok())
        .filter(|task| !secret(task.as_str()));
    let Some(task) = task else {
        state.counts().unreadable += 1;
        return StatusCode::BAD_REQUEST;
    };
    if let (Some(key), Some(signature)) = (&state.key, signature)
        && let Err(error) = check_signature(key, task.as_str(), signature)
    {
        let mut counts = state.counts();
        match error {
            SignatureError::OutsideWindow { .. } => counts.outside_window += 1,
            _ => counts.wrong_signature += 1,
        }
        return StatusCode::UNAUTHORIZED;
    }
    let (done, known) = oneshot::channel();
    if state
        .calls
        .try_send(ReceivedCallback { token, task, done })
        .is_err()
    {
        state.counts().turned_away += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match known.await {
        Ok(true) => StatusCode::OK,
        Ok(false) => {
            state.counts().unknown += 1;
            StatusCode::NOT_FOUND
        }
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The token at the end of a path, behind which some senders put a `/`; none where no token can be.
fn token(path: &str) -> Option<Token> {
    let last = path.trim_end_matches('/').rsplit('/').next()?;
    let is_token = last.len() == TOKEN_CHARS && last.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_token.then(|| Token::from_text(last))
}

/// A body without its compression; none where it is of another kind, broken, or longer than callbacks are.
fn unpacked(headers: &HeaderMap, body: Bytes) -> Option<Bytes> {
    match headers.get(CONTENT_ENCODING).map(|it| it.as_bytes()) {
        None | Some(b"identity") => Some(body),
        Some(b"gzip" | b"x-gzip") => {
            let mut plain = Vec::new();
            let mut limited = GzDecoder::new(&*body).take(CALLBACK_LIMIT_BYTES as u64 + 1);
            limited.read_to_end(&mut plain).ok()?;
            (plain.len() <= CALLBACK_LIMIT_BYTES).then(|| plain.into())
        }
        Some(_) => None,
    }
}

/// The time stamp and the signature of a callback.
fn signature(headers: &HeaderMap) -> Option<(&str, &str)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    text("x-webhook-timestamp").zip(text("x-webhook-signature"))
}

fn check_signature(
    key: &[u8],
    task: &str,
    (timestamp, signature): (&str, &str),
) -> Result<(), SignatureError> {
    let now_s = jiff::Timestamp::now().as_second();
    verify_signature(key, task, timestamp, signature, now_s, SIGNATURE_WINDOW_S)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn a_token_stands_last_and_looks_like_one() {
        let good = "0123456789abcdef0123456789abcdef";
        for path in [
            good.to_owned(),
            format!("hook/{good}"),
            format!("a/b/{good}//"),
        ] {
            assert_eq!(token(&path), Some(Token::from_text(good)), "{path}");
        }
        for path in [
            "",
            "/",
            "hook",
            "hook/0123",
            &good.replace('f', "g"),
            &format!("{good}0"),
        ] {
            assert_eq!(token(path), None, "{path}");
        }
    }

    #[test]
    fn a_body_is_unpacked_up_to_the_limit() {
        let pack = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(bytes).unwrap();
            Bytes::from(encoder.finish().unwrap())
        };
        let coded = |name: &'static str| {
            HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(name))])
        };
        let gzip = coded("gzip");
        assert_eq!(unpacked(&gzip, pack(b"{}")).as_deref(), Some(&b"{}"[..]));
        let plain = Bytes::from_static(b"{}");
        assert_eq!(
            unpacked(&HeaderMap::new(), plain.clone()),
            Some(plain.clone())
        );
        assert_eq!(unpacked(&gzip, plain.clone()), None);
        assert_eq!(unpacked(&coded("zstd"), plain), None);
        assert!(unpacked(&gzip, pack(&vec![b' '; CALLBACK_LIMIT_BYTES])).is_some());
        let bomb = pack(&vec![b' '; 100 * CALLBACK_LIMIT_BYTES]);
        assert!(bomb.len() < CALLBACK_LIMIT_BYTES);
        assert_eq!(unpacked(&gzip, bomb), None);
    }
}
