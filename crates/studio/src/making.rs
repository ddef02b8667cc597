//! Code that songs and steps share: sources, seeds, files, and errors.

use std::path::Path;

use url::Url;

use crate::config::SOURCE_BYTES;
use crate::fetch::FetchError;
use crate::folder;
use crate::intake::IntakeError;
use crate::render::{Content, Fault};
use crate::renderer::NoPart;
use crate::shared::StudioState;
use crate::source::LocalSource;
use crate::store::StudioStoreError;
use crate::store::tasks::{self, PendingTask};

/// The code of a source that can't be read as a recording.
pub(crate) const BAD_SOURCE: i64 = 400;
/// The code of a source that does not exist.
const NO_SOURCE: i64 = 451;
/// The code of the studio's own faults, such as a full disk: the credits are given back, and the same request may be sent
/// again.
pub(crate) const OWN_FAULT: i64 = tasks::REFUNDED;

/// Why a task was not finished.
pub(crate) enum MakingError {
    /// The task fails; the client sees this error.
    Task { code: i64, message: String },
    /// The studio is stopping, or its store failed: the next start resumes the task.
    Later(String),
}

impl From<StudioStoreError> for MakingError {
    fn from(error: StudioStoreError) -> Self {
        MakingError::Later(error.to_string())
    }
}

impl From<NoPart> for MakingError {
    fn from(reason: NoPart) -> Self {
        match reason {
            NoPart::Failed(failure) => MakingError::Task {
                code: match failure.fault {
                    Fault::Source => BAD_SOURCE,
                    Fault::Own => OWN_FAULT,
                },
                message: failure.message,
            },
            NoPart::Stopping => MakingError::Later("the studio is stopping".into()),
        }
    }
}

/// Writes one of a task's files; returns its path below `files/`.
pub(crate) async fn write_result(
    shared: &StudioState,
    work: &PendingTask,
    name: &str,
    content: Content,
) -> Result<String, MakingError> {
    let path = format!("results/{}/{name}", work.id);
    let (scratch, target) = (shared.folder.scratch(), shared.folder.files().join(&path));
    let written = tokio::task::spawn_blocking(move || match content {
        Content::Memory(bytes) => folder::write_whole(&scratch, &target, &bytes),
        Content::Scratch(file) => folder::persist(file, &target),
    })
    .await;
    match written {
        Ok(Ok(())) => Ok(path),
        Ok(Err(error)) => {
            tracing::error!(task = work.id, name, %error, "could not store a track");
            Err(MakingError::Task {
                code: OWN_FAULT,
                message: not_stored("the track", &error),
            })
        }
        Err(error) => Err(MakingError::Later(error.to_string())),
    }
}

fn no_source(message: String) -> MakingError {
    MakingError::Task {
        code: NO_SOURCE,
        message,
    }
}

/// Returns the source; fetches it unless it is the studio's own file.
pub(crate) async fn bring_source(
    shared: &StudioState,
    work: &PendingTask,
    url: &Url,
) -> Result<LocalSource, MakingError> {
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
                MakingError::Task {
                    code: OWN_FAULT,
                    message: not_stored("the source audio", &error),
                }
            }
            error => no_source(format!("could not download the source audio: {error}")),
        })?;
    Ok(LocalSource::Fetched(received.file))
}

/// Returns a song's source, from which steps play the song again.
pub(crate) async fn song_source(
    shared: &StudioState,
    song: &PendingTask,
    url: &Url,
) -> Result<LocalSource, MakingError> {
    let kept = shared.folder.source(&song.id);
    match tokio::fs::try_exists(&kept).await {
        Ok(true) => Ok(LocalSource::Kept(kept)),
        // A studio of an earlier version did not store sources; the upload or the address may still exist.
        _ => bring_source(shared, song, url).await,
    }
}

/// Stores a song's source for as long as the song, and returns where it is then. If it can't be stored, steps use the upload or fetch
/// the source again.
pub(crate) async fn keep_source(
    shared: &StudioState,
    work: &PendingTask,
    source: LocalSource,
) -> Result<LocalSource, MakingError> {
    let target = shared.folder.source(&work.id);
    let kept = tokio::task::spawn_blocking(move || {
        let (error, source) = match source {
            LocalSource::Kept(path) => return (None, LocalSource::Kept(path)),
            // A hard link takes no space and stays when the upload is removed or replaced.
            LocalSource::Upload(path) => match std::fs::hard_link(&path, &target) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    (error, LocalSource::Upload(path))
                }
                _ => return (None, LocalSource::Kept(target)),
            },
            LocalSource::Fetched(file) => match file.persist(&target) {
                Err(failed) => (failed.error, LocalSource::Fetched(failed.file)),
                Ok(_) => return (None, LocalSource::Kept(target)),
            },
        };
        (Some(error), source)
    });
    let (error, source) = kept
        .await
        .map_err(|error| MakingError::Later(error.to_string()))?;
    if let Some(error) = error {
        tracing::warn!(task = work.id, %error, "could not store a source");
    }
    Ok(source)
}

impl LocalSource {
    /// The source's bytes.
    pub(crate) async fn read(&self, work: &PendingTask) -> Result<Vec<u8>, MakingError> {
        match self {
            LocalSource::Upload(path) => tokio::fs::read(path).await.map_err(|error| {
                tracing::debug!(task = work.id, path = %path.display(), %error, "an upload can't be read");
                no_source(
                    "could not download the source audio: the uploaded file does not exist, or no longer exists"
                        .into(),
                )
            }),
            LocalSource::Kept(path) => read_own(work, path).await,
            LocalSource::Fetched(file) => read_own(work, file.path()).await,
        }
    }
}

async fn read_own(work: &PendingTask, path: &Path) -> Result<Vec<u8>, MakingError> {
    tokio::fs::read(path).await.map_err(|error| {
        tracing::error!(task = work.id, %error, "could not read a source");
        MakingError::Task {
            code: OWN_FAULT,
            message: not_stored("the source audio", &error),
        }
    })
}

/// The message to a client about an error of the studio's disk, without paths.
fn not_stored(what: &str, error: &std::io::Error) -> String {
    format!("{what} could not be stored: {}", error.kind())
}

/// The seed of a task's takes: from the request without its addresses, the source's bytes, the studio's seed, and the number of
/// earlier requests of the same kind. So a repeated request gives other takes, and in a new folder the same ones again.
pub(crate) fn seed(work: &PendingTask, source: &[u8], studio_seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&work.digest);
    hasher.update(blake3::hash(source).as_bytes());
    hasher.update(&studio_seed.to_le_bytes());
    hasher.update(&work.repetition.to_le_bytes());
    let mut seed = [0; 8];
    seed.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(seed)
}
