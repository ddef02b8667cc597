//! HTTP/1 servers that no peer can block: the studio, the callback receiver and a run's page all serve through [`serve`].
//!
//! ```text
//!  listener ─► slot (bounded) ─► head (timed) ─► router ─► body (timed) ─► response (a stalled peer is dropped)
//!                 │ full: close the connection that has been idle for longest
//!                 │ out of file descriptors: the same, wait, accept again
//! ```
//!
//! # Guarantees
//! * At most [`Limits::connections`] are open. One more closes the connection that has been idle for longest. A connection without
//!   a request is closed first, unless it is younger than a tenth of a second. While none can be closed, new connections wait in the
//!   listener's backlog.
//! * A connection without a whole request head is closed after [`Limits::head`], between two requests as well.
//! * A body that is not complete after [`Limits::body`], or of which nothing comes for [`Limits::stall`], ends in an error.
//! * A peer that takes no byte of its response for [`Limits::stall`] is dropped.
//! * A response to a request whose body was not read reaches the peer: what still comes of the body is discarded until the peer closes
//!   or the body's time is over. Closing at once would reset the connection, and a reset makes the peer lose a response that it has
//!   not read yet (RFC 9112, section 9.6).
//! * A failed accept never ends the server.
//!
//! It knows no routes and no keys; a router checks the key before it reads a body.

#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        reason = "a test that unwraps says where it failed"
    )
)]

mod body;
mod slots;
#[cfg(test)]
mod tests;
mod watched;

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use body::{BusyBody, Timed};
use slots::{ConnectionSlot, Slots};
use watched::Watched;

/// Most bytes that are discarded at once of a body that nobody reads.
const SCRAP_BYTES: usize = 16 * 1024;
/// Wait after an accept that failed because file descriptors or memory ran out.
const ACCEPT_WAIT: Duration = Duration::from_millis(50);

/// The limits that a server sets its peers.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most open connections.
    pub connections: usize,
    /// Longest time for the head of a request, and between two requests of a connection.
    pub head: Duration,
    /// Longest time for the whole body of a request.
    pub body: Duration,
    /// Longest time in which a peer sends nothing of a body, or takes nothing of a response.
    pub stall: Duration,
}

/// Serves `router` on `listener` until `stop`, then ends every connection: at once, or after its request under way.
///
/// `connect` returns, for each accepted connection, the stream to read and write and the value that handlers get as [`ConnectInfo`].
pub async fn serve<I, P>(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
    connect: impl Fn(TcpStream, SocketAddr) -> (I, P),
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Clone + Send + Sync + Unpin + 'static,
{
    let slots = Arc::new(Slots::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_peers(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections now; trying again");
                slots.evict_idle();
                tokio::time::sleep(ACCEPT_WAIT).await;
                continue;
            }
        };
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = slots.enter() => slot,
        };
        // Responses are small, and peers wait for them. If this fails, they are only a little later.
        let _ = stream.set_nodelay(true);
        let (io, info) = connect(stream, peer);
        let (router, stop) = (router.clone(), stop.clone());
        connections.spawn(serve_connection(io, info, router, limits, slot, stop));
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Serves one connection until it ends, is evicted, or the server stops.
async fn serve_connection<I, P>(
    io: I,
    info: P,
    router: Router,
    limits: Limits,
    slot: ConnectionSlot,
    stop: CancellationToken,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    P: Clone + Send + Sync + Unpin + 'static,
{
    let state = slot.state();
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let busy = state.begin();
        let mut request: Request = request.map(|body| Body::new(Timed::new(body, limits)));
        request.extensions_mut().insert(ConnectInfo(info.clone()));
        let router = router.clone();
        Box::pin(async move {
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            Ok::<_, Infallible>(response.map(|body| Body::new(BusyBody::new(body, busy))))
        })
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let io = TokioIo::new(Watched::new(io, limits.stall));
    let mut connection = builder.serve_connection(io, service);
    let mut stopping = false;
    let served = loop {
        tokio::select! {
            served = poll_fn(|context| connection.poll_without_shutdown(context)) => break served,
            () = slot.evicted() => return,
            () = stop.cancelled(), if !stopping => {
                // A connection with half a request head would wait for the rest of it.
                if slot.is_idle() {
                    return;
                }
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    // A peer that closes its connection or does not send HTTP is not worth a log line.
    if served.is_ok() {
        tokio::select! {
            () = linger(connection.into_parts().io.into_inner(), limits) => {}
            () = slot.evicted() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Says that nothing more comes, and discards what the peer still sends until it closes, stalls, or the time of a body is over.
async fn linger(mut io: impl AsyncRead + AsyncWrite + Unpin, limits: Limits) {
    let discard = async {
        let mut scrap = vec![0; SCRAP_BYTES];
        if io.shutdown().await.is_err() {
            return;
        }
        while let Ok(Ok(1..)) = timeout(limits.stall, io.read(&mut scrap)).await {}
    };
    // Late or not, the connection is closed now.
    let _ = timeout(limits.body, discard).await;
}

/// Whether an accept failed for its one connection alone.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}
