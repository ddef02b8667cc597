//! Carries tasks out in the order of acceptance: fetches the source, renders, stores the tracks.
//!
//! ```text
//! store ─next unfinished─► source (disk, or ≤ 8 fetches) ─► render (≤ cores, blocking thread) ─► files ─► store: stage
//! ```
//!
//! The database is the queue, so nothing is lost at a stop: what is unfinished is taken up again by the next start, from its
//! beginning, and since all chance comes from the seed it comes out the same.

use std::path::{Path, PathBuf};
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
use crate::operation::OperationKind;
use crate::render::{self, RenderConfig, RenderError, Step};
use crate::shared::Shared;
use crate::step_worker;
use crate::store::StoreError;
use crate::store::tasks::{self, Stage, StoredTrack, Work};
use crate::store::transitions;
use crate::validate;
use crate::wire::TRACKS;

/// How long the worker waits after the store failed.
const STORE_REST: Duration = Duration::from_secs(1);
/// The code of a source that can't be read as a recording.
pub(crate) const BAD_SOURCE: i64 = 400;
/// The code of a source that is not there.
const NO_SOURCE: i64 = 451;
/// The code of the studio's own faults, a full disk among them: the credits are given back, and the same request may be sent again.
pub(crate) const OWN_FAULT: i64 = tasks::REFUNDED;

/// Why a task was not made.
pub(crate) enum Failure {
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
    let made = match work.kind {
        OperationKind::Song => make(shared, renders, work).await,
        _ => step_worker::make(shared, renders, &work).await,
    };
    match made {
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
        message: refusal.message(shared.codes()).to_owned(),
    })?;
    let source = bring_source(shared, &work, &valid.upload_url).await?;
    let _render = renders
        .acquire()
        .await
        .map_err(|closed| Failure::Later(closed.to_string()))?;
    // Not before: what waits for its turn waits on the disk.
    let local = source;
    let source = local.read(&work).await?;
    keep_source(shared, &work, local).await;
    let seed = seed(&work, &source, shared.config.seed);
    let render_config = RenderConfig::of(&shared.config);
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
                name: None,
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
pub(crate) async fn write_result(
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
pub(crate) enum LocalSource {
    /// The one that a song was made of.
    Kept(PathBuf),
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

/// Returns what a song was made of: steps play it again.
pub(crate) async fn song_source(
    shared: &Shared,
    song: &Work,
    url: &Url,
) -> Result<LocalSource, Failure> {
    let kept = shared.folder.source(&song.id);
    match tokio::fs::try_exists(&kept).await {
        Ok(true) => Ok(LocalSource::Kept(kept)),
        // The song is of a studio that kept no sources: the upload, or the address, may still be good.
        _ => bring_source(shared, song, url).await,
    }
}

/// Keeps a song's source for as long as the song. Without it, steps fall back to the upload or fetch it again.
async fn keep_source(shared: &Shared, work: &Work, source: LocalSource) {
    let target = shared.folder.source(&work.id);
    let kept = tokio::task::spawn_blocking(move || match source {
        LocalSource::Kept(_) => Ok(()),
        // A second name of the same file takes no room, and stays when the upload is removed or replaced.
        LocalSource::Upload(path) => match std::fs::hard_link(&path, &target) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked,
        },
        LocalSource::Fetched(file) => file
            .persist(&target)
            .map(drop)
            .map_err(|failed| failed.error),
    });
    match kept.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(task = work.id, %error, "could not keep a source"),
        Err(error) => tracing::warn!(task = work.id, %error, "could not keep a source"),
    }
}

impl LocalSource {
    /// The source's bytes.
    pub(crate) async fn read(&self, work: &Work) -> Result<Vec<u8>, Failure> {
        match self {
            LocalSource::Upload(path) => tokio::fs::read(path).await.map_err(|error| {
                tracing::debug!(task = work.id, path = %path.display(), %error, "an upload can't be read");
                no_source(
                    "could not download the source audio: the uploaded file is not there (any more)"
                        .into(),
                )
            }),
            LocalSource::Kept(path) => read_own(work, path).await,
            LocalSource::Fetched(file) => read_own(work, file.path()).await,
        }
    }
}

async fn read_own(work: &Work, path: &Path) -> Result<Vec<u8>, Failure> {
    tokio::fs::read(path).await.map_err(|error| {
        tracing::error!(task = work.id, %error, "could not read a source");
        Failure::Task {
            code: OWN_FAULT,
            message: not_stored("the source audio", &error),
        }
    })
}

/// The message to a client about an error of the studio's disk, without paths.
fn not_stored(what: &str, error: &std::io::Error) -> String {
    format!("{what} could not be stored: {}", error.kind())
}

/// The seed of a task's takes: from the request without its addresses, the source's bytes, the studio's seed, and how often
/// the same request had been accepted before, so that equal requests give other takes and a fresh folder gives them again.
pub(crate) fn seed(work: &Work, source: &[u8], studio_seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&work.digest);
    hasher.update(blake3::hash(source).as_bytes());
    hasher.update(&studio_seed.to_le_bytes());
    hasher.update(&work.repetition.to_le_bytes());
    let mut seed = [0; 8];
    seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(seed)
}
