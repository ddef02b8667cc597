//! Removes expired data: finished tasks with their files, and uploads that no unfinished task needs.
//!
//! No file outlives its row. An interruption leaves at most a row without files, which the next round removes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::config::SWEEP_INTERVAL;
use crate::shared::StudioState;
use crate::store::{StudioStoreError, transitions, uploads};

/// Rows handled in one transaction.
const BATCH: u32 = 256;

/// Removes expired data at the start and then every [`SWEEP_INTERVAL`], until the studio stops.
pub(crate) async fn run(shared: Arc<StudioState>) {
    let mut rounds = tokio::time::interval(SWEEP_INTERVAL);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = rounds.tick() => {}
        }
        match sweep(&shared, clock::now_ms()).await {
            Ok(()) => {}
            Err(StudioStoreError::Stopping) => return,
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "could not clean up"
            ),
        }
    }
}

/// Removes everything that has expired at `now_ms`.
pub(crate) async fn sweep(shared: &StudioState, now_ms: i64) -> Result<(), StudioStoreError> {
    let tasks_before_ms = before(now_ms, shared.config.task_retention);
    loop {
        let look = move |connection: &rusqlite::Connection| {
            transitions::outlived(connection, tasks_before_ms, BATCH)
        };
        let outlived = shared.store.read("find expired tasks", look).await?;
        if outlived.is_empty() {
            break;
        }
        let folder = &shared.folder;
        let folders: Vec<_> = outlived.iter().map(|id| folder.result(id)).collect();
        let sources: Vec<_> = outlived.iter().map(|id| folder.source(id)).collect();
        remove_files(folders, sources).await;
        tracing::info!(tasks = outlived.len(), "removed expired tasks");
        shared
            .store
            .write("forget outlived tasks", move |connection| {
                transitions::forget(connection, &outlived)
            })
            .await?;
    }
    shared
        .store
        .write("forget old repetitions", move |connection| {
            transitions::forget_repetitions(connection, tasks_before_ms)
        })
        .await?;
    let uploads_before_ms = before(now_ms, shared.config.upload_retention);
    loop {
        let look = move |connection: &rusqlite::Connection| {
            uploads::outlived(connection, uploads_before_ms, BATCH)
        };
        let outlived = shared.store.read("find expired uploads", look).await?;
        if outlived.is_empty() {
            return Ok(());
        }
        tracing::info!(uploads = outlived.len(), "removing expired uploads");
        let files = shared.folder.files();
        // The row and the file are removed together on the writer's thread, so that no upload can record itself in between.
        let forget = move |connection: &rusqlite::Connection| {
            for path in &outlived {
                if uploads::forget(connection, path, uploads_before_ms)? {
                    remove_one(&files.join(path), |file| std::fs::remove_file(file));
                }
            }
            Ok(())
        };
        shared
            .store
            .write("forget outlived uploads", forget)
            .await?;
    }
}

fn before(now_ms: i64, retention: Duration) -> i64 {
    now_ms.saturating_sub(i64::try_from(retention.as_millis()).unwrap_or(i64::MAX))
}

/// Removes `folders` and `sources` on a blocking thread. A file that can't be removed is logged and skipped. Its row is removed
/// anyway; otherwise the sweep would never end.
async fn remove_files(folders: Vec<PathBuf>, sources: Vec<PathBuf>) {
    let removal = tokio::task::spawn_blocking(move || {
        for folder in folders {
            remove_one(&folder, |folder| std::fs::remove_dir_all(folder));
        }
        for source in sources {
            remove_one(&source, |source| std::fs::remove_file(source));
        }
    });
    if let Err(error) = removal.await {
        tracing::warn!(%error, "could not remove expired files");
    }
}

fn remove_one(path: &Path, remove: fn(&Path) -> std::io::Result<()>) {
    match remove(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "could not remove"),
    }
}
