//! Bodies with a time: a request's that must come, a response's that keeps its connection at work.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::body::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::Limits;
use crate::slots::Busy;

/// A request's body that ends in an error when it is late or stalls. Its time begins when it is first read.
pub(crate) struct Timed {
    inner: Incoming,
    limits: Limits,
    clock: Option<Clock>,
}

struct Clock {
    due: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl Timed {
    pub(crate) fn new(inner: Incoming, limits: Limits) -> Self {
        Self {
            inner,
            limits,
            clock: None,
        }
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        let limits = this.limits;
        let clock = this.clock.get_or_insert_with(|| Clock {
            due: Instant::now() + limits.body,
            sleep: Box::pin(sleep(limits.stall.min(limits.body))),
        });
        if Instant::now() < clock.due
            && let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context)
        {
            let next = (Instant::now() + limits.stall).min(clock.due);
            clock.sleep.as_mut().reset(next);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(clock.sleep.as_mut().poll(context));
        let late = io::Error::new(
            io::ErrorKind::TimedOut,
            "the request's body did not come in time",
        );
        Poll::Ready(Some(Err(late.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body; its connection is busy until it is dropped.
pub(crate) struct BusyBody {
    inner: Body,
    _busy: Busy,
}

impl BusyBody {
    pub(crate) fn new(inner: Body, busy: Busy) -> Self {
        Self { inner, _busy: busy }
    }
}

impl HttpBody for BusyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.inner).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
