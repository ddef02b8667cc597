//! `run`: a program per event. It gets JSON on its standard input and writes its response to standard output.
//!
//! The response counts when the program ends with success; the processes that it started are killed then. It need not read its input.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::process::HookContext;
use super::{HookError, HookResponse, HookSpec, RESPONSE_LIMIT_BYTES};

/// How long the output is still read after a program ended, when a process that left its group keeps the pipe open.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// Runs a program for one event.
pub(crate) async fn run(
    spec: &HookSpec,
    argv: &[String],
    event: &[u8],
    context: &HookContext,
) -> Result<HookResponse, HookError> {
    let mut started = context.start(&spec.name(), argv, &spec.env)?;
    let (stdin, stdout) = (started.child.stdin.take(), started.child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its event may still respond.
            let _ = stdin.write_all(event).await;
            let _ = stdin.shutdown().await;
        }
    };
    let read = async {
        let mut written = Vec::new();
        if let Some(stdout) = stdout {
            let mut limited = stdout.take(RESPONSE_LIMIT_BYTES as u64 + 1);
            // What came before a pipe broke is complete.
            let _ = limited.read_to_end(&mut written).await;
        }
        written
    };
    let exchange = async {
        let (mut write, mut read) = (std::pin::pin!(write), std::pin::pin!(read));
        let (mut writing, mut written) = (true, None);
        let status = loop {
            tokio::select! {
                status = started.child.wait() => break status,
                all = &mut read, if written.is_none() => {
                    if all.len() > RESPONSE_LIMIT_BYTES {
                        return Err(HookError::Flood(RESPONSE_LIMIT_BYTES));
                    }
                    written = Some(all);
                }
                () = &mut write, if writing => writing = false,
            }
        };
        started.group.kill();
        let written = match written {
            Some(written) => written,
            None => timeout(LAST_OUTPUT, &mut read).await.unwrap_or_default(),
        };
        Ok((status, written))
    };
    let (status, written) = timeout(Duration::from_millis(spec.timeout_ms), exchange)
        .await
        .unwrap_or(Err(HookError::TimedOut(spec.timeout_ms)))?;
    if written.len() > RESPONSE_LIMIT_BYTES {
        return Err(HookError::Flood(RESPONSE_LIMIT_BYTES));
    }
    match status {
        Ok(status) if status.success() => Ok(HookResponse::read(&written)?),
        Ok(status) => Err(HookError::Exit(status.to_string())),
        Err(error) => Err(HookError::Exit(error.to_string())),
    }
}
