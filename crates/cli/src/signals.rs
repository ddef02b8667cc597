//! Ctrl-C and SIGTERM: the first requests a stop, the second stops at once.
//!
//! They are followed on a thread of their own: a program whose other threads are all at work still hears them.

use std::process;
use std::sync::mpsc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::exit_codes;
use crate::log::Notices;

/// How long the program may take to end by itself after the second signal.
const GRACE: Duration = Duration::from_secs(5);

/// Signals that are followed until this is aborted.
pub(crate) struct SignalListener(CancellationToken);

impl SignalListener {
    /// Follows no longer; a second signal that has come ends the process all the same.
    pub(crate) fn abort(&self) {
        self.0.cancel();
    }
}

/// Cancels `first` on the first signal and `second` on the next, until the result is aborted. After the second the process ends: by
/// itself, or after [`GRACE`], or at a third signal. This holds when the call returns, not when the thread begins: a program
/// that reads afterwards that this one is ready may send a signal at once.
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
                // From here on a signal is caught: the caller may go on.
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
        // The signals keep their own meaning, to end the process; the ledger is made for that.
        listening.print(&format!("warning: Ctrl-C stops at once: {error}\n"));
    };
    match thread {
        // It ended before it was ready: its result says why.
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
        // A console that can't be listened to never sends one.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
