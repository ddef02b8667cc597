//! Ctrl-C and SIGTERM: the first asks to stop, the second does.

use tokio_util::sync::CancellationToken;

use crate::log::Aside;

/// Cancels `first` on the first signal and `second` on the next. Lasts until it is aborted.
pub(crate) async fn follow(
    first: CancellationToken,
    second: CancellationToken,
    aside: Aside,
    notice: &'static str,
) {
    let mut stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            // The signals keep their own meaning, to end the process; the ledger is made for that.
            aside.tell(&format!("warning: Ctrl-C stops at once: {error}\n"));
            return;
        }
    };
    stop.next().await;
    first.cancel();
    aside.tell(notice);
    stop.next().await;
    second.cancel();
}

#[cfg(unix)]
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Stop;

#[cfg(not(unix))]
impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // A console that can't be listened to never sends one.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
