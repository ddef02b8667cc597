//! `run`: a program per event. JSON on its standard input, an answer on its standard output.
//!
//! The answer counts when the program ends with success; whatever it started is killed then. It may close its input unread.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::process::HookContext;
use super::{ANSWER_LIMIT_BYTES, Answer, HookError, HookSpec};

/// How long what a program wrote is still read after its end, when something that escaped its group keeps the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Runs a program for one event.
pub(crate) async fn run(
    spec: &HookSpec,
    argv: &[String],
    event: &[u8],
    context: &HookContext,
) -> Result<Answer, HookError> {
    let mut started = context.start(&spec.name(), argv, &spec.env)?;
    let (stdin, stdout) = (started.child.stdin.take(), started.child.stdout.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // Who does not read its event may still answer it.
            let _ = stdin.write_all(event).await;
            let _ = stdin.shutdown().await;
        }
    };
    let read = async {
        let mut written = Vec::new();
        if let Some(stdout) = stdout {
            let mut limited = stdout.take(ANSWER_LIMIT_BYTES as u64 + 1);
            // A pipe that breaks has said what it had to say.
            let _ = limited.read_to_end(&mut written).await;
        }
        written
    };
    let talk = async {
        let (mut write, mut read) = (std::pin::pin!(write), std::pin::pin!(read));
        let (mut writing, mut written) = (true, None);
        let status = loop {
            tokio::select! {
                status = started.child.wait() => break status,
                all = &mut read, if written.is_none() => {
                    if all.len() > ANSWER_LIMIT_BYTES {
                        return Err(HookError::Flood(ANSWER_LIMIT_BYTES));
                    }
                    written = Some(all);
                }
                () = &mut write, if writing => writing = false,
            }
        };
        started.group.kill();
        let written = match written {
            Some(written) => written,
            None => timeout(LAST_WORDS, &mut read).await.unwrap_or_default(),
        };
        Ok((status, written))
    };
    let (status, written) = timeout(Duration::from_millis(spec.timeout_ms), talk)
        .await
        .unwrap_or(Err(HookError::TimedOut(spec.timeout_ms)))?;
    if written.len() > ANSWER_LIMIT_BYTES {
        return Err(HookError::Flood(ANSWER_LIMIT_BYTES));
    }
    match status {
        Ok(status) if status.success() => Ok(Answer::read(&written)?),
        Ok(status) => Err(HookError::Exit(status.to_string())),
        Err(error) => Err(HookError::Exit(error.to_string())),
    }
}
