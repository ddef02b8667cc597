//! Handles Ctrl-C and SIGTERM: the first signal requests a stop, the second one stops at once.
//!
//! Signals are handled on a separate thread, so that a program whose other threads are all busy still receives them.

use std::process;
use std::sync::mpsc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::exit_codes;
use crate::log::Notices;

/// The time that the program has to end by itself after the second signal.
const GRACE: Duration = Duration::from_secs(5);

/// Handles signals until [`abort`](Self::abort) is called.
pub(crate) struct SignalListener(CancellationToken);

impl SignalListener {
    /// Stops handling signals. If a second signal has already arrived, it still ends the process.
    pub(crate) fn abort(&self) {
        self.0.cancel();
    }
}

/// Cancels `first` on the first signal and `second` on the next one, until the result is aborted. After the second signal the
/// process ends by itself, after [`GRACE`], or at a third signal.
///
/// Signals are handled from the moment this call returns, not from the start of the thread. Another program may send a signal as
/// soon as this one prints that it is ready.
pub(crate) fn follow(
    first: CancellationToken,
    second: CancellationToken,
    notices: Notices,
    notice: &'static str,
) -> SignalListener {
    let ended = CancellationToken::new();
    let (ready, begun) = mpsc::channel();
    let over = ended.clone();
    let listening = notices.clone();
    let thread = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || -> std::io::Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async move {
                let mut stop = Stop::listen()?;
                // Signals are handled from here on, so the caller may continue.
                let _ = ready.send(());
                tokio::select! {
                    () = over.cancelled() => return Ok(()),
                    () = stop.next() => {}
                }
                first.cancel();
                notices.print(notice);
                tokio::select! {
                    () = over.cancelled() => return Ok(()),
                    () = stop.next() => {}
                }
                second.cancel();
                tokio::select! {
                    () = tokio::time::sleep(GRACE) => {}
                    () = stop.next() => {}
                }
                process::exit(exit_codes::STOPPED.number());
            })
        });
    let failed = |error: std::io::Error| {
        // The signals keep their default action and end the process at once. The ledger is safe against that.
        listening.print(&format!("warning: Ctrl-C stops at once: {error}\n"));
    };
    match thread {
        // The thread ended before it was ready. Its result contains the reason.
        Ok(thread) if begun.recv().is_err() => {
            if let Ok(Err(error)) = thread.join() {
                failed(error);
            }
        }
        Ok(_) => {}
        Err(error) => failed(error),
    }
    SignalListener(ended)
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
        // If the console can't be listened to, no signal ever arrives.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
