//! The tracks of tasks that were bought in addition to a job's own: paid for, and kept beside the job's tracks.
//!
//! The ledger names these tasks among [`Job::others`](crate::job::Job::others); a run follows only a job's own task. A track of
//! another task is stored at the job's path with `~task-ID` at the end of its name. A file that exists is complete and is not downloaded
//! again. Nothing is recorded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use backline_api::{ApiKey, CallError, Client, Stage, TaskId, TaskView};
use futures::{StreamExt, stream};

use super::client::client;
use super::effects::view;
use super::file_names::{of_part, unverified};
use super::keep::Keeper;
use super::plan_index::PlanIndex;
use super::{RunError, account, shown_path};
use crate::conductor::{EffectError, FetchRequest, FileContent};
use crate::event::{Part, RunId};
use crate::plan::{Plan, PlannedJob};
use crate::settings::JobKey;
use crate::store::Store;

/// Longest id of a task that is part of a name as it is.
const NAMED_ID_BYTES: usize = 64;

/// A task that was bought in addition to a job's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherTask {
    /// The job.
    pub key: JobKey,
    /// The task.
    pub task: TaskId,
    /// Its tracks, or why none can be downloaded.
    pub tracks: Result<Vec<OtherTrack>, OtherTaskError>,
}

/// Why no track of a task can be downloaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OtherTaskError {
    /// It belongs to another account.
    #[error("it was bought under another key or address")]
    OtherAccount,
    /// Its details could not be read.
    #[error(transparent)]
    Unread(#[from] CallError),
    /// The provider does not know it, or does not know it any more.
    #[error("the provider does not know it (any more)")]
    Unknown,
    /// It failed, with the provider's message.
    #[error("it failed: {0}")]
    Failed(String),
    /// It is not finished.
    #[error("none of its tracks has an address yet")]
    NoAddress,
}

/// A file of another task's track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherTrack {
    /// The track, from 1.
    pub index: u32,
    /// Which of its files.
    pub part: Part,
    /// What became of the file.
    pub file: OtherFile,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherFile {
    /// It was downloaded to this path, relative to the project directory.
    Downloaded(String),
    /// It had been downloaded before.
    Present(String),
    /// It could not be downloaded.
    Failed(String),
}

/// Downloads the tracks of the other tasks of a plan's jobs, in plan order.
///
/// # Errors
/// When the ledger can't be read or the provider's client can't be made. What is wrong with one task or track is in its row.
pub async fn fetch_other_tasks(
    plan: Arc<Plan>,
    api_key: &ApiKey,
    store: &dyn Store,
    project_dir: &Path,
) -> Result<Vec<OtherTask>, RunError> {
    let account = account(&plan, api_key, store)?;
    let known = store.jobs()?;
    let client = Arc::new(client(&plan, api_key, &known, None)?);
    let index = Arc::new(PlanIndex::new(plan.clone()));
    // The names of these files contain a task's id where others would contain a run's.
    let keeper = Keeper::new(
        client.clone(),
        index.clone(),
        RunId::default(),
        project_dir.to_owned(),
    );
    let fetching = Fetching {
        client: &client,
        plan: &index,
        keeper: &keeper,
        project_dir,
    };
    let mut wanted = Vec::new();
    for job in &plan.jobs {
        let Some(known) = known.get(&job.key) else {
            continue;
        };
        let is_ours = known.account == account;
        let others = known.job.others.iter();
        wanted.extend(others.map(|other| (job.key, other.id.clone(), is_ours)));
    }
    let at_once = plan.provider.profile.downloads_at_once.max(1) as usize;
    let fetched = wanted.into_iter().map(|(key, task, is_ours)| {
        let fetching = &fetching;
        async move {
            let tracks = match is_ours {
                true => fetching.task(key, &task).await,
                false => Err(OtherTaskError::OtherAccount),
            };
            OtherTask { key, task, tracks }
        }
    });
    Ok(stream::iter(fetched).buffered(at_once).collect().await)
}

struct Fetching<'a> {
    client: &'a Client,
    plan: &'a PlanIndex,
    keeper: &'a Keeper,
    project_dir: &'a Path,
}

impl Fetching<'_> {
    async fn task(&self, key: JobKey, task: &TaskId) -> Result<Vec<OtherTrack>, OtherTaskError> {
        let job = self.plan.job(&key);
        let operation = self.plan.plan().operation(job);
        let view = view(self.client, operation, job, task).await?;
        let mut tracks = Vec::new();
        for (request, contents) in requests(job, task, &view) {
            let file = match self.file(request.clone(), contents).await {
                Ok(file) => file,
                Err(error) => OtherFile::Failed(error.message),
            };
            let (index, part) = (request.index, request.part);
            tracks.push(OtherTrack { index, part, file });
        }
        match (tracks.is_empty(), view.stage) {
            (false, _) => Ok(tracks),
            (true, Stage::Unknown) => Err(OtherTaskError::Unknown),
            (true, Stage::Failed { message, .. }) => Err(OtherTaskError::Failed(message)),
            (true, _) => Err(OtherTaskError::NoAddress),
        }
    }

    /// Downloads a file from the first of its addresses that serves it.
    async fn file(
        &self,
        mut request: FetchRequest,
        contents: Vec<FileContent>,
    ) -> Result<OtherFile, EffectError> {
        let suffix = suffix(&request.task);
        let place = self.keeper.beside(&request, &suffix)?;
        if let Some(path) = present(&place, request.part) {
            return Ok(OtherFile::Present(shown_path(self.project_dir, &path)));
        }
        let last = contents.len().saturating_sub(1);
        let mut failed = EffectError::ours("it has no address".to_owned(), false);
        for (at, content) in contents.into_iter().enumerate() {
            request.content = content;
            request.is_last_try = at == last;
            match self.keeper.keep_at(&place, &request).await {
                Ok((file, _)) => return Ok(OtherFile::Downloaded(file.path)),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// The files that a view of a task shows, each with the places of its content.
fn requests(
    job: &PlannedJob,
    task: &TaskId,
    view: &TaskView,
) -> Vec<(FetchRequest, Vec<FileContent>)> {
    let mut requests = Vec::new();
    for (index, track) in (1..).zip(&view.tracks) {
        let url = |url: &str| FileContent::Url(url.to_owned());
        let contents = |part| -> Vec<FileContent> {
            match part {
                Part::Track => {
                    let notes = track.notes.iter().cloned().map(FileContent::Notes);
                    track.audio_urls().map(url).chain(notes).collect()
                }
                Part::Mix => track
                    .mix_audio_url
                    .as_deref()
                    .map(url)
                    .into_iter()
                    .collect(),
            }
        };
        for part in [Part::Track, Part::Mix] {
            let contents = contents(part);
            let Some(first) = contents.first() else {
                continue;
            };
            let request = FetchRequest {
                job: job.key,
                task: task.clone(),
                index,
                part,
                song_track: job.song_track(index),
                content: first.clone(),
                duration_s: track.duration_s,
                track_id: track.id.clone(),
                artefact: track.artefact.clone().unwrap_or_default(),
                replaces: None,
                is_last_try: false,
            };
            requests.push((request, contents));
        }
    }
    requests
}

/// The end of the file names of another task.
fn suffix(task: &TaskId) -> String {
    let id = task.as_str();
    let is_plain = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match is_plain && id.len() <= NAMED_ID_BYTES {
        true => format!("~task-{id}"),
        false => format!("~task-{}", &blake3::hash(id.as_bytes()).to_hex()[..16]),
    }
}

/// The file at a path without an extension, whatever its format: names are given to whole files alone.
fn present(place: &Path, part: Part) -> Option<PathBuf> {
    let place = of_part(place, part);
    let names = [unverified(&place), place];
    let mut entries = std::fs::read_dir(names[0].parent()?).ok()?.flatten();
    let found = entries.find(|entry| {
        let path = entry.path();
        names.iter().any(|name| *name == path.with_extension(""))
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    });
    found.map(|entry| entry.path())
}
