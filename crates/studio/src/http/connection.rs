//! Connections that a handler can cut, with the address of the peer.
//!
//! A handler can only respond, but a broken connection has no response at all. So every request carries the
//! [`ConnectionHandle`] of its connection. After `cut`, no further byte is sent and the connection is closed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A handle to the connection of a request.
#[derive(Debug, Clone)]
pub(crate) struct ConnectionHandle {
    peer: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl ConnectionHandle {
    /// Closes the connection without sending another byte.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// The address of the peer.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// A connection that can be cut.
pub(crate) struct CuttableConnection {
    stream: TcpStream,
    connection: ConnectionHandle,
}

impl CuttableConnection {
    /// A connection that can be cut, and the handle for its requests.
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
    ) -> (CuttableConnection, ConnectionHandle) {
        let cut = Arc::new(AtomicBool::new(false));
        let connection = ConnectionHandle { peer, cut };
        let cuttable = CuttableConnection {
            stream,
            connection: connection.clone(),
        };
        (cuttable, connection)
    }

    fn check(&self) -> io::Result<()> {
        if self.connection.cut.load(Ordering::Acquire) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for CuttableConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CuttableConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
