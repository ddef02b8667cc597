//! Connections that a handler can cut, and who is at the other end.
//!
//! A handler can only answer; a vendor's connection that breaks answers nothing at all. So each connection has a [`Cord`] that
//! its requests carry: once it is cut, not a byte goes out any more and the connection is closed.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A handle to the connection that a request came on.
#[derive(Debug, Clone)]
pub(crate) struct Cord {
    peer: SocketAddr,
    cut: Arc<AtomicBool>,
}

impl Cord {
    /// Closes the connection without another byte.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }
}

/// A connection that can be cut.
pub(crate) struct Corded {
    stream: TcpStream,
    cord: Cord,
}

impl Corded {
    /// A connection and the cord that its requests carry.
    pub(crate) fn new(stream: TcpStream, peer: SocketAddr) -> (Corded, Cord) {
        let cut = Arc::new(AtomicBool::new(false));
        let cord = Cord { peer, cut };
        let corded = Corded {
            stream,
            cord: cord.clone(),
        };
        (corded, cord)
    }

    fn check(&self) -> io::Result<()> {
        if self.cord.cut.load(Ordering::Acquire) {
            Err(io::ErrorKind::ConnectionAborted.into())
        } else {
            Ok(())
        }
    }
}

impl AsyncRead for Corded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Corded {
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
