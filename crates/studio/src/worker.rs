//! Carries tasks out in the order of acceptance: fetches the source, renders, stores the tracks.
//!
//! ```text
//! store ─next unfinished─► source (disk, or ≤ 8 fetches) ─► render (≤ cores, blocking thread) ─► files ─► store: stage
//! ```
//!
//! The database is the queue, so nothing is lost at a stop: what is unfinished is taken up again by the next start, from its
//! beginning, and since all chance comes from the seed it comes out the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use url::Url;

use crate::clock;
use crate::config::{FETCH_LIMIT, SOURCE_BYTES};
use crate::fetch::FetchError;
use crate::folder;
use crate::intake::IntakeError;
use crate::render::{self, RenderConfig, RenderError, Step};
use crate::shared::Shared;
use crate::store::StoreError;
use crate::store::tasks::{self, Stage, StoredTrack, Work};
use crate::store::transitions;
use crate::validate;
use crate::wire::TRACKS;

/// How long the worker waits after the store failed.
const STORE_REST: Duration = Duration::from_secs(1);
/// The code of a source that can't be read as a recording.
const BAD_SOURCE: i64 = 400;
/// The code of a source that is not there.
const NO_SOURCE: i64 = 451;
/// The code of the studio's own faults, a full disk among them: the credits are given back, and the same request may be sent again.
const OWN_FAULT: i64 = tasks::REFUNDED;

/// Why a task was not made.
enum Failure {
    /// It can't be; the client sees this.
    Task { code: i64, message: String },
    /// The studio stops, or its store failed: the next start resumes the task.
    Later(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Later(error.to_string())
    }
}

/// Makes tasks until the studio stops; what is under way then is left for the next start.
pub(crate) async fn run(shared: Arc<Shared>) {
    let renders = Arc::new(Semaphore::new(shared.config.render_limit.max(1)));
    // Some more than are rendered: their sources are fetched meanwhile.
    let places = Arc::new(Semaphore::new(
        shared.config.render_limit.max(1) + FETCH_LIMIT,
    ));
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
        let (shared, renders) = (Arc::clone(&shared), Arc::clone(&renders));
        under_way.spawn(async move {
            let _place = place;
            make_one(&shared, &renders, work).await;
        });
        while let Some(ended) = under_way.try_join_next() {
            if let Err(error) = ended {
                tracing::error!(%error, "a task's making broke; the next start takes it up again");
            }
        }
    }
    under_way.shutdown().await;
}

/// The next task after `seq`, waited for; `None` when the studio stops.
async fn next(shared: &Shared, seq: i64) -> Option<Work> {
    loop {
        let rung = shared.work_waits.notified();
        let found = shared
            .store
            .read("look for tasks", move |connection| {
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
                    () = tokio::time::sleep(STORE_REST) => {}
                }
            }
        }
    }
}

async fn make_one(shared: &Shared, renders: &Semaphore, work: Work) {
    let (seq, id) = (work.seq, work.id.clone());
    match make(shared, renders, work).await {
        Ok(()) => tracing::info!(task = id, "finished a task"),
        Err(Failure::Later(reason)) => {
            tracing::warn!(task = id, reason, "left a task for the next start");
            return;
        }
        Err(Failure::Task { code, message }) => {
            tracing::info!(task = id, code, message, "a task failed");
            let now_ms = clock::now_ms();
            let note = move |connection: &rusqlite::Connection| {
                transitions::fail(connection, seq, code, &message, now_ms)
            };
            if let Err(error) = shared.store.write("note a failed task", note).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    task = id,
                    "could not note a failed task"
                );
                return;
            }
        }
    }
    shared.unfinished.leave();
    shared.task_moved();
}

async fn make(shared: &Shared, renders: &Semaphore, work: Work) -> Result<(), Failure> {
    // It was read when it was accepted; only a damaged row comes out differently.
    let valid = validate::validate(work.request.as_bytes()).map_err(|refusal| Failure::Task {
        code: OWN_FAULT,
        message: refusal.message().to_owned(),
    })?;
    let source = bring_source(shared, &work, &valid.upload_url).await?;
    let _render = renders
        .acquire()
        .await
        .map_err(|closed| Failure::Later(closed.to_string()))?;
    // Not before: what waits for its turn waits on the disk.
    let source = read_source(&work, source).await?;
    let seed = seed(&work, &source, shared.config.seed);
    let render_config = RenderConfig {
        encoding: shared.config.encoding,
        soundfont: shared.config.soundfont.clone(),
    };
    // One step may wait while the next is computed. A dropped receiver ends the render at its next step.
    let (steps, mut made) = mpsc::channel(1);
    let render = tokio::task::spawn_blocking(move || {
        render::render(&source, &valid, seed, &render_config, |step| {
            steps.blocking_send(step).map_err(|_| render::Stopped)
        })
    });
    let mut tracks = Vec::new();
    while let Some(step) = made.recv().await {
        keep_step(shared, &work, step, &mut tracks).await?;
    }
    match render.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(RenderError::Stopped)) => Err(Failure::Later("the studio is stopping".into())),
        Ok(Err(error)) => {
            let code = if error.is_the_sources() {
                BAD_SOURCE
            } else {
                OWN_FAULT
            };
            Err(Failure::Task {
                code,
                message: error.to_string(),
            })
        }
        Err(panic) => {
            tracing::error!(task = work.id, %panic, "a render panicked");
            Err(Failure::Task {
                code: OWN_FAULT,
                message: "internal error while rendering".into(),
            })
        }
    }
}

/// Keeps the result of a step, durable, and moves the task forward.
async fn keep_step(
    shared: &Shared,
    work: &Work,
    step: Step,
    tracks: &mut Vec<StoredTrack>,
) -> Result<(), Failure> {
    let extension = shared.config.encoding.format().extension();
    let stage = match step {
        Step::Heard => Stage::Text,
        Step::Track(track) => {
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
                audio,
                mix: Some(mix),
                midi: Some(midi),
                duration_s: track.duration_s,
                created_ms,
                facts: Some(track.facts),
            });
            if number == TRACKS {
                Stage::Complete
            } else {
                Stage::First
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

/// Writes one of a task's files and returns its path below `files/`.
async fn write_result(
    shared: &Shared,
    work: &Work,
    name: &str,
    bytes: Vec<u8>,
) -> Result<String, Failure> {
    let path = format!("results/{}/{name}", work.id);
    let (scratch, target) = (shared.folder.scratch(), shared.folder.files().join(&path));
    let written =
        tokio::task::spawn_blocking(move || folder::write_whole(&scratch, &target, &bytes)).await;
    match written {
        Ok(Ok(())) => Ok(path),
        Ok(Err(error)) => {
            tracing::error!(task = work.id, name, %error, "could not keep a track");
            Err(Failure::Task {
                code: OWN_FAULT,
                message: not_stored("the track", &error),
            })
        }
        Err(error) => Err(Failure::Later(error.to_string())),
    }
}

/// A source that is on this machine.
enum LocalSource {
    /// The studio's own upload.
    Upload(PathBuf),
    /// It was fetched, and is removed when this is dropped.
    Fetched(NamedTempFile),
}

fn no_source(message: String) -> Failure {
    Failure::Task {
        code: NO_SOURCE,
        message,
    }
}

/// Returns the source's bytes: it is fetched unless it is the studio's own file.
async fn bring_source(shared: &Shared, work: &Work, url: &Url) -> Result<LocalSource, Failure> {
    if let Some(path) = &work.upload {
        let file = shared.folder.files().join(path);
        let too_large = tokio::fs::metadata(&file)
            .await
            .is_ok_and(|found| found.len() > SOURCE_BYTES);
        return match too_large {
            true => Err(no_source(format!(
                "could not use the source audio: it is larger than {SOURCE_BYTES} bytes"
            ))),
            false => Ok(LocalSource::Upload(file)),
        };
    }
    let received = shared
        .fetcher
        .fetch(url.clone())
        .await
        .map_err(|error| match error {
            FetchError::Intake(IntakeError::Disk(error)) => {
                tracing::error!(task = work.id, %error, "could not write a fetched source");
                Failure::Task {
                    code: OWN_FAULT,
                    message: not_stored("the source audio", &error),
                }
            }
            error => no_source(format!("could not download the source audio: {error}")),
        })?;
    Ok(LocalSource::Fetched(received.file))
}

/// The source's bytes.
async fn read_source(work: &Work, source: LocalSource) -> Result<Vec<u8>, Failure> {
    match source {
        LocalSource::Upload(path) => tokio::fs::read(&path).await.map_err(|error| {
            tracing::debug!(task = work.id, path = %path.display(), %error, "an upload can't be read");
            no_source(
                "could not download the source audio: the uploaded file is not there (any more)"
                    .into(),
            )
        }),
        LocalSource::Fetched(file) => tokio::fs::read(file.path()).await.map_err(|error| {
            tracing::error!(task = work.id, %error, "could not read a fetched source");
            Failure::Task {
                code: OWN_FAULT,
                message: not_stored("the source audio", &error),
            }
        }),
    }
}

/// The message to a client about an error of the studio's disk, without paths.
fn not_stored(what: &str, error: &std::io::Error) -> String {
    format!("{what} could not be stored: {}", error.kind())
}

/// The seed of a task's takes: from the request without its addresses, the source's bytes, the studio's seed, and how often
/// the same request had been accepted before, so that equal requests give other takes and a fresh folder gives them again.
fn seed(work: &Work, source: &[u8], studio_seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&work.digest);
    hasher.update(blake3::hash(source).as_bytes());
    hasher.update(&studio_seed.to_le_bytes());
    hasher.update(&work.repetition.to_le_bytes());
    let mut seed = [0; 8];
    seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(seed)
}
