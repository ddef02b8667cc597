//! Processes tasks in the order of acceptance: fetches the source, renders, stores the tracks.
//!
//! ```text
//! store ─next unfinished─► source (disk, or ≤ 8 fetches) ─► renderer (this machine or the farm) ─► files ─► store: stage
//! ```
//!
//! The database is the queue, so a stop loses nothing: the next start begins each unfinished task again. All chance comes from
//! the seed, so the result is the same.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::clock;
use crate::config::FETCH_LIMIT;
use crate::making::{MakingError, OWN_FAULT, bring_source, keep_source, seed, write_result};
use crate::operation::OperationKind;
use crate::render::{Order, Part};
use crate::shared::StudioState;
use crate::step_worker;
use crate::store::tasks::{self, PendingTask, StoredTrack, TaskProgress};
use crate::store::transitions;
use crate::validate;
use crate::wire::TRACKS;

/// How long the worker waits after the store failed.
const STORE_RETRY_WAIT: Duration = Duration::from_secs(1);
/// Processes tasks until the studio stops. Interrupted tasks are left for the next start.
pub(crate) async fn run(shared: Arc<StudioState>) {
    // More tasks than are rendered: their sources are fetched meanwhile.
    let places = Arc::new(Semaphore::new(shared.renderer.limit() + FETCH_LIMIT));
    let mut under_way = JoinSet::new();
    let mut last_seq = 0;
    loop {
        let place = tokio::select! {
            () = shared.stop.cancelled() => break,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let Some(work) = next(&shared, last_seq).await else {
            break;
        };
        last_seq = work.seq;
        let shared = Arc::clone(&shared);
        under_way.spawn(async move {
            let _place = place;
            make_one(&shared, work).await;
        });
        while let Some(ended) = under_way.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a task stopped with an internal error; the studio resumes it at its next start");
            }
        }
    }
    under_way.shutdown().await;
}

/// Waits for the next task after `seq`; `None` when the studio stops.
async fn next(shared: &StudioState, seq: i64) -> Option<PendingTask> {
    loop {
        let rung = shared.work_waits.notified();
        let found = shared
            .store
            .read("find tasks", move |connection| {
                tasks::next_unfinished(connection, seq)
            })
            .await;
        match found {
            Ok(Some(work)) => return Some(work),
            Ok(None) => tokio::select! {
                () = shared.stop.cancelled() => return None,
                () = rung => {}
            },
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not find tasks"
                );
                tokio::select! {
                    () = shared.stop.cancelled() => return None,
                    () = tokio::time::sleep(STORE_RETRY_WAIT) => {}
                }
            }
        }
    }
}

async fn make_one(shared: &StudioState, work: PendingTask) {
    let (seq, id) = (work.seq, work.id.clone());
    let made = match work.kind {
        OperationKind::Song => make(shared, work).await,
        _ => step_worker::make(shared, &work).await,
    };
    match made {
        Ok(()) => tracing::info!(task = id, "finished a task"),
        Err(MakingError::Later(reason)) => {
            tracing::warn!(task = id, reason, "left a task for the next start");
            return;
        }
        Err(MakingError::Task { code, message }) => {
            tracing::info!(task = id, code, message, "a task failed");
            let now_ms = clock::now_ms();
            let note = move |connection: &rusqlite::Connection| {
                transitions::fail(connection, seq, code, &message, now_ms)
            };
            if let Err(error) = shared.store.write("record a failed task", note).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    task = id,
                    "could not record a failed task"
                );
                return;
            }
        }
    }
    shared.unfinished.leave();
    shared.task_moved();
}

async fn make(shared: &StudioState, work: PendingTask) -> Result<(), MakingError> {
    // The request was validated when it was accepted; only a damaged row fails here.
    let valid =
        validate::validate(work.request.as_bytes()).map_err(|refusal| MakingError::Task {
            code: OWN_FAULT,
            message: refusal.message(shared.codes()).into_owned(),
        })?;
    let source = bring_source(shared, &work, &valid.upload_url).await?;
    let place = shared.renderer.place().await?;
    // The source is read here and not earlier: the sources of waiting tasks stay on disk.
    let bytes = source.read(&work).await?;
    let source = keep_source(shared, &work, source).await?;
    let seed = seed(&work, &bytes, shared.config.seed);
    let order = Order::new(valid, seed, shared.config.encoding, None);
    let mut rendering = shared.renderer.begin(place, source, bytes, order);
    let mut tracks = Vec::new();
    while let Some(part) = rendering.next().await? {
        keep_part(shared, &work, part, &mut tracks).await?;
    }
    Ok(())
}

/// Stores a finished part durably and moves the task forward.
async fn keep_part(
    shared: &StudioState,
    work: &PendingTask,
    part: Part,
    tracks: &mut Vec<StoredTrack>,
) -> Result<(), MakingError> {
    let extension = shared.config.encoding.format().extension();
    let stage = match part {
        Part::Heard => TaskProgress::Text,
        // A song has no such parts.
        Part::File(_) | Part::Notes(_) => return Ok(()),
        Part::Track(track) => {
            let number = track.number;
            let audio = write_result(
                shared,
                work,
                &format!("{number}.{extension}"),
                track.instrumental,
            )
            .await?;
            let mix = write_result(
                shared,
                work,
                &format!("{number}-mix.{extension}"),
                track.mix,
            )
            .await?;
            let midi = write_result(shared, work, &format!("{number}.mid"), track.midi).await?;
            let created_ms = clock::now_ms();
            tracks.push(StoredTrack {
                number,
                name: None,
                audio,
                mix: Some(mix),
                midi: Some(midi),
                duration_s: track.duration_s,
                created_ms,
                facts: Some(track.facts),
            });
            if number == TRACKS {
                TaskProgress::Complete
            } else {
                TaskProgress::First
            }
        }
    };
    let (seq, so_far, now_ms) = (work.seq, tracks.clone(), clock::now_ms());
    shared
        .store
        .write("move a task forward", move |connection| {
            transitions::advance(connection, seq, stage, &so_far, now_ms)
        })
        .await?;
    shared.task_moved();
    Ok(())
}
