//! Ctrl-C and SIGTERM: the first asks to stop, the second does.

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::log::Aside;

/// Cancels `first` on the first signal and `second` on the next, until the handle is aborted. From this call on, not from
/// whenever the task begins: whoever is told afterwards that the program is ready may send a signal at once.
///
/// Call it within a runtime.
pub(crate) fn follow(
    first: CancellationToken,
    second: CancellationToken,
    aside: Aside,
    notice: &'static str,
) -> JoinHandle<()> {
    let stop = Stop::listen();
    tokio::spawn(async move {
        let mut stop = match stop {
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
    })
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
