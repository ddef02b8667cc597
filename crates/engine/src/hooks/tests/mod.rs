//! Hooks with real programs, scripts and sockets: what they say, and every way in which they fail.

mod documents;
mod http;
#[cfg(feature = "lua")]
mod lua;
mod program;
mod service;
#[cfg(feature = "store-tests")]
mod store;
mod verdicts;

use std::path::Path;
use std::sync::Arc;

use super::*;

/// The provider's key in these tests: it must be seen nowhere.
const KEY: &str = "sk-the-providers-own-key";

fn context(folder: &Path) -> HookContext {
    HookContext {
        folder: folder.to_owned(),
        output: folder.join("out"),
        environment: Arc::new(|name| match name {
            "GIVEN" => Some("given".to_owned()),
            "NOT_NAMED" => Some("not named".to_owned()),
            "HAS_KEY" => Some(format!("Bearer {KEY}")),
            "SECRET" => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
            name => std::env::var(name).ok(),
        }),
        key: Some(KEY.to_owned()),
        listener: None,
    }
}

fn argv(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn sh(script: &str) -> HookKind {
    HookKind::Run {
        argv: argv(&["sh", "-c", script]),
    }
}

/// A hook before the submission, with ten seconds.
fn hook(way: HookKind) -> HookSpec {
    HookSpec::new(HookPoint::BeforeSubmit, 1, way)
}

async fn put(spec: &HookSpec) -> Result<HookResponse, HookError> {
    let folder = tempfile::tempdir().unwrap();
    put_in(spec, folder.path()).await
}

async fn put_in(spec: &HookSpec, folder: &Path) -> Result<HookResponse, HookError> {
    let bound = BoundHook::alone(spec, &context(folder));
    bound
        .put(&sample(spec.point))
        .await
        .map(|said| said.response)
}
