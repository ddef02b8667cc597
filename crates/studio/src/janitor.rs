//! Removes what has outlived its time: finished tasks with their files, and uploads that nobody waits for.
//!
//! Files go before their rows. A stop in between leaves a row whose links are dead, which the next round removes; the other
//! way round it would leave files that nobody knows.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::config::SWEEP_INTERVAL;
use crate::shared::Shared;
use crate::store::{StoreError, tasks, uploads};

/// Rows handled in one transaction.
const BATCH: u32 = 256;

/// Sweeps at the start and then every [`SWEEP_INTERVAL`], until the studio stops.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut rounds = tokio::time::interval(SWEEP_INTERVAL);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        match sweep(&shared, clock::now_ms()).await {
            Ok(()) => {}
            Err(StoreError::Stopping) => return,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not clean up"
            ),
        }
    }
}

/// Removes everything that has outlived its time at `now_ms`.
pub(crate) async fn sweep(shared: &Shared, now_ms: i64) -> Result<(), StoreError> {
    let tasks_before_ms = before(now_ms, shared.config.task_retention);
    loop {
        let look = move |connection: &rusqlite::Connection| {
            tasks::outlived(connection, tasks_before_ms, BATCH)
        };
        let outlived = shared.store.read("look for outlived tasks", look).await?;
        if outlived.is_empty() {
            break;
        }
        let folders: Vec<_> = outlived.iter().map(|id| shared.folder.result(id)).collect();
        remove(folders, |folder| std::fs::remove_dir_all(folder)).await;
        tracing::info!(tasks = outlived.len(), "removed outlived tasks");
        shared
            .store
            .write("forget outlived tasks", move |connection| {
                tasks::forget(connection, &outlived)
            })
            .await?;
    }
    shared
        .store
        .write("forget old repetitions", move |connection| {
            tasks::forget_repetitions(connection, tasks_before_ms)
        })
        .await?;
    let uploads_before_ms = before(now_ms, shared.config.upload_retention);
    loop {
        let look = move |connection: &rusqlite::Connection| {
            uploads::outlived(connection, uploads_before_ms, BATCH)
        };
        let outlived = shared.store.read("look for outlived uploads", look).await?;
        if outlived.is_empty() {
            return Ok(());
        }
        let files = outlived
            .iter()
            .map(|path| shared.folder.files().join(path))
            .collect();
        remove(files, |file| std::fs::remove_file(file)).await;
        tracing::info!(uploads = outlived.len(), "removed outlived uploads");
        shared
            .store
            .write("forget outlived uploads", move |connection| {
                outlived
                    .iter()
                    .try_for_each(|path| uploads::forget(connection, path, uploads_before_ms))
            })
            .await?;
    }
}

fn before(now_ms: i64, retention: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX))
}

/// Removes `paths` off the runtime's threads. What can't be removed is logged and let go: its row goes all the same, or the
/// sweep would never end.
async fn remove(paths: Vec<std::path::PathBuf>, remove_one: fn(&Path) -> std::io::Result<()>) {
    let removal = tokio::task::spawn_blocking(move || {
        for path in paths {
            match remove_one(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(path = %path.display(), %error, "could not remove"),
            }
        }
    });
    if let Err(error) = removal.await {
        tracing::warn!(%error, "could not remove outlived files");
    }
}
