//! Tests a hook with one event, without a run or a ledger. `backline hooks test` and the benchmark call it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::{
    BoundHook, HookContext, HookError, HookEvent, HookResponse, HookSpec, OnError, changed,
};
use crate::settings::Settings;

/// How long a program's standard error is still read after its response: a service may take a moment to end.
const STDERR_WAIT: Duration = Duration::from_secs(3);

/// What a hook did with an event, and what a run would make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its response, or how it failed.
    pub response: Result<HookResponse, HookError>,
    /// The settings that its change makes, where it makes one that is valid.
    pub settings: Option<Settings>,
    /// How long it took.
    pub took: Duration,
    /// What a program wrote to standard error, as far as a run would log it.
    pub stderr: Vec<String>,
    /// What a run would do, in a sentence.
    pub effect: String,
}

/// A hook that is called again and again.
#[derive(Debug)]
pub struct Bench(Arc<BoundHook>);

impl Bench {
    /// Starts a hook; call it within a tokio runtime.
    pub fn new(spec: &HookSpec, folder: &Path) -> Self {
        Self(BoundHook::alone(spec, &context(folder, None)))
    }

    /// Sends it an event, and returns its response.
    ///
    /// # Errors
    /// How it failed.
    pub async fn put(&self, event: &HookEvent) -> Result<HookResponse, HookError> {
        self.0.put(event).await.map(|output| output.response)
    }
}

/// Sends one event to one hook, started in `folder`, and returns what a run would make of the response.
pub async fn try_out(spec: &HookSpec, event: &HookEvent, folder: &Path) -> Trial {
    let (listener, mut lines) = unbounded_channel();
    let hook = BoundHook::alone(spec, &context(folder, Some(listener)));
    let began = Instant::now();
    let response = hook.put(event).await.map(|output| output.response);
    let took = began.elapsed();
    // A service ends when its hook is dropped, and writes nothing more.
    drop(hook);
    let mut stderr = Vec::new();
    let all = async {
        while let Some(line) = lines.recv().await {
            stderr.push(line);
        }
    };
    // A process that left its group may keep the pipe open for ever.
    let _ = timeout(STDERR_WAIT, all).await;
    let mut settings = None;
    let response = match (response, &event.job) {
        (Ok(HookResponse::Change(change)), Some(job)) => match changed(&job.settings, &change) {
            Ok(made) => {
                settings = Some(made);
                Ok(HookResponse::Change(change))
            }
            Err(error) => Err(error.into()),
        },
        (response, _) => response,
    };
    let effect = match (&response, spec.point.decides(), spec.on_error) {
        (Ok(HookResponse::Nothing | HookResponse::Unknown(_)), true, _) => {
            "the job goes on as it is".to_owned()
        }
        (Ok(HookResponse::Nothing | HookResponse::Unknown(_)), false, _) => {
            "it has observed".to_owned()
        }
        (Ok(HookResponse::Change(_)), ..) => "the job is planned with other settings".to_owned(),
        (Ok(HookResponse::Delay(wait_ms)), ..) => {
            format!("the hook is called again after {wait_ms} ms; other jobs go on")
        }
        (Err(HookError::ChangesPlanned(_)), ..) => {
            "the job fails and nothing is bought for it, whatever `on_error` says".to_owned()
        }
        (Ok(HookResponse::Veto(why)), ..) => format!("the job is vetoed: {why}"),
        (Err(_), _, OnError::Ignore) => {
            "the hook failed; everything goes on as if it had said nothing (on_error: ignore)"
                .to_owned()
        }
        (Err(_), _, OnError::Veto) => {
            "the hook failed; the job is vetoed (on_error: veto)".to_owned()
        }
        (Err(_), true, OnError::Fail) => {
            "the hook failed; the job fails and nothing is bought for it (on_error: fail)"
                .to_owned()
        }
        (Err(_), false, OnError::Fail) => {
            "the hook failed; the run buys nothing more and ends as failed (on_error: fail)"
                .to_owned()
        }
    };
    Trial {
        response,
        settings,
        took,
        stderr,
        effect,
    }
}

fn context(folder: &Path, listener: Option<UnboundedSender<String>>) -> HookContext {
    HookContext {
        folder: folder.to_owned(),
        output: folder.to_owned(),
        environment: Arc::new(|name| std::env::var(name).ok()),
        key: None,
        listener,
    }
}
