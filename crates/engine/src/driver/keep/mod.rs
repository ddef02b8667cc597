//! Keeping a track: fetched to a temporary file beside its place, checked, made durable, then given its name.
//!
//! A file has its final name only when it is whole: sound that decodes to its end and lasts as long as the vendor says. A name
//! that is taken is never written over, for what lies there may have been paid for: the newcomer gets `~2`, `~3`, … behind its
//! name. A fetch that breaks off goes on where it stopped, in this run or a later one.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use backline_api::{CallError, Client, Download, TaskId};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::effects::trouble;
use super::shown_path;
use crate::conductor::Trouble;
use crate::event::{KeptFile, Part, RunId};
use crate::hooks::HookError;
#[cfg(feature = "tags")]
use crate::hooks::Way;
use crate::manifest::TrackName;
use crate::plan::{Plan, Settings};

/// How far a decoded length may lie from the vendor's, which counts in its own way: a share and a floor.
const LENGTH_SHARE: f64 = 0.05;
const LENGTH_FLOOR_S: f64 = 2.0;

/// Names tried for one file before the folder is called full.
const NAMES: u32 = 1000;

/// Fetches tracks into their places.
pub(super) struct Keeper {
    client: Arc<Client>,
    plan: Arc<Plan>,
    project_dir: PathBuf,
}

/// A file that is wanted.
#[derive(Debug)]
pub(super) struct Want {
    pub(super) slot: usize,
    pub(super) run: RunId,
    pub(super) task: TaskId,
    pub(super) index: u32,
    pub(super) part: Part,
    pub(super) url: String,
    pub(super) duration_s: Option<f64>,
    pub(super) track_id: String,
    /// What hooks changed the job's settings into.
    #[cfg_attr(not(feature = "tags"), expect(dead_code, reason = "only tags tell it"))]
    pub(super) changed: Option<Arc<Settings>>,
}

/// A file that is kept, and why it has no tags if it was to have some.
pub(super) type Kept = (KeptFile, Option<HookError>);

impl Keeper {
    pub(super) fn new(client: Arc<Client>, plan: Arc<Plan>, project_dir: PathBuf) -> Self {
        Self {
            client,
            plan,
            project_dir,
        }
    }

    pub(super) async fn keep(&self, want: &Want) -> Result<Kept, Trouble> {
        let place = self.place(want)?;
        let partial = partial_path(&place, want);
        let local = |operation: &'static str, path: &Path| {
            let path = path.display().to_string();
            move |error: std::io::Error| {
                Trouble::ours(format!("could not {operation} {path}: {error}"), false)
            }
        };
        if let Some(folder) = place.parent() {
            tokio::fs::create_dir_all(folder)
                .await
                .map_err(local("make", folder))?;
            let inside = is_inside(folder, self.plan.output.dir()).await;
            if !inside.map_err(local("look at", folder))? {
                let message = format!("{} leads out of the output folder", folder.display());
                return Err(Trouble::ours(message, false));
            }
        }
        self.fetch(&want.url, &partial).await?;
        let (project_dir, duration_s) = (self.project_dir.clone(), want.duration_s);
        let mix = want.part == Part::Mix;
        let tagger = Tagger::of(&self.plan, want);
        let check = move || {
            let (file, extension) = check_or_remove(&partial, duration_s)?;
            let (ready, file, problem) = match tagger.tag(&partial, duration_s) {
                Ok(Some((tagged, file))) => {
                    // What is fetched is in the tagged copy now.
                    std::fs::remove_file(&partial).map_err(local("remove", &partial))?;
                    (tagged, file, None)
                }
                Ok(None) => (partial, file, None),
                Err(problem) => (partial, file, Some(problem)),
            };
            let kept = finish(&ready, &place, mix, (file, extension), &project_dir)?;
            Ok((kept, problem))
        };
        match tokio::task::spawn_blocking(check).await {
            Ok(result) => result,
            Err(error) => Err(Trouble::ours(
                format!("the file could not be checked: {error}"),
                false,
            )),
        }
    }

    /// Where a track goes, without its extension.
    fn place(&self, want: &Want) -> Result<PathBuf, Trouble> {
        let track = TrackName {
            run: want.run.as_str(),
            index: want.index,
            id: &want.track_id,
        };
        let place = self
            .plan
            .output
            .track_file(&self.plan, &self.plan.jobs[want.slot], track);
        place.map_err(|error| {
            Trouble::ours(format!("the file's name can't be made: {error}"), false)
        })
    }

    /// Opens a result; where its address is closed to us and the vendor gives out links to such, by a link.
    async fn open(&self, url: &str, have: u64) -> Result<Download, CallError> {
        let error = match self.client.download(url, have).await {
            Ok(download) => return Ok(download),
            Err(error) => error,
        };
        let closed = matches!(error.http_status(), Some(401 | 403 | 404 | 410));
        if !closed || self.client.profile().download_link_path.is_none() {
            return Err(error);
        }
        match self.client.download_link(url).await {
            Ok(link) => self.client.download(&link, have).await,
            Err(no_link) => {
                tracing::debug!(%no_link, "no link to a result");
                Err(error)
            }
        }
    }

    /// Fetches to `partial`, going on where an earlier fetch stopped.
    async fn fetch(&self, url: &str, partial: &Path) -> Result<(), Trouble> {
        let have = tokio::fs::metadata(partial)
            .await
            .map_or(0, |facts| facts.len());
        let mut download = self
            .open(url, have)
            .await
            .map_err(|error| trouble(&error))?;
        let local = |error: std::io::Error| {
            Trouble::ours(
                format!("could not write {}: {error}", partial.display()),
                false,
            )
        };
        let mut options = tokio::fs::OpenOptions::new();
        let append = download.resumed;
        options
            .create(true)
            .append(append)
            .write(true)
            .truncate(!append);
        let mut file = options.open(partial).await.map_err(local)?;
        while let Some(chunk) = download.chunk().await.map_err(|error| trouble(&error))? {
            file.write_all(&chunk).await.map_err(local)?;
        }
        file.flush().await.map_err(local)?;
        file.sync_all().await.map_err(local)
    }
}

/// Whether `folder` lies in `dir` once every link on the way is followed: a link that was put there may lead anywhere.
async fn is_inside(folder: &Path, dir: &Path) -> std::io::Result<bool> {
    let folder = tokio::fs::canonicalize(folder).await?;
    Ok(folder.starts_with(tokio::fs::canonicalize(dir).await?))
}

/// Writes tags into a copy of a fetched file, where the manifest wants them.
struct Tagger {
    #[cfg(feature = "tags")]
    words: Option<crate::hooks::tags::Words>,
}

impl Tagger {
    #[cfg(feature = "tags")]
    fn of(plan: &Plan, want: &Want) -> Self {
        let job = &plan.jobs[want.slot];
        let settings = want.changed.as_deref().unwrap_or(&job.settings);
        let words = || {
            crate::hooks::tags::Words {
                title: settings.title.clone(),
                style: settings.tags.clone(),
                task: want.task.to_string(),
                ..Default::default()
            }
            .with_vars(&plan.output.stem_vars(&plan.stems[job.stem].id))
        };
        let wanted = plan.hooks.all.iter().any(|hook| hook.way == Way::Tags);
        Self {
            words: wanted.then(words),
        }
    }

    #[cfg(not(feature = "tags"))]
    fn of(_: &Plan, _: &Want) -> Self {
        Self {}
    }

    /// The tagged copy beside `partial`, and what it is; none where no tags are wanted.
    #[cfg(feature = "tags")]
    fn tag(
        &self,
        partial: &Path,
        duration_s: Option<f64>,
    ) -> Result<Option<(PathBuf, KeptFile)>, HookError> {
        let Some(words) = &self.words else {
            return Ok(None);
        };
        let tagged = partial.with_extension("tagged");
        let made = std::fs::copy(partial, &tagged)
            .map_err(|error| HookError::File(error.to_string()))
            .and_then(|_| crate::hooks::tags::write(&tagged, words))
            .and_then(|()| {
                let checked = check(&tagged, duration_s);
                checked.map_err(|trouble| HookError::File(trouble.message))
            });
        match made {
            Ok((file, _)) => Ok(Some((tagged, file))),
            Err(error) => {
                // A copy that is not used; one that is left behind is written over.
                let _ = std::fs::remove_file(&tagged);
                Err(error)
            }
        }
    }

    #[cfg(not(feature = "tags"))]
    fn tag(&self, _: &Path, _: Option<f64>) -> Result<Option<(PathBuf, KeptFile)>, HookError> {
        Ok(None)
    }
}

/// Checks a fetched file; what is no track must not be gone on with.
fn check_or_remove(
    partial: &Path,
    duration_s: Option<f64>,
) -> Result<(KeptFile, &'static str), Trouble> {
    check(partial, duration_s).inspect_err(|_| {
        // A file that is not there any more is as good.
        let _ = std::fs::remove_file(partial);
    })
}

/// Gives a checked file its name.
fn finish(
    partial: &Path,
    place: &Path,
    mix: bool,
    (file, extension): (KeptFile, &'static str),
    project_dir: &Path,
) -> Result<KeptFile, Trouble> {
    let suffix = if mix { "-mix" } else { "" };
    let named = name(partial, place, suffix, extension).map_err(|error| {
        Trouble::ours(
            format!("could not give {} its name: {error}", place.display()),
            false,
        )
    })?;
    Ok(KeptFile {
        path: shown_path(project_dir, &named),
        ..file
    })
}

/// Whether this is a whole recording, and what it is.
fn check(partial: &Path, duration_s: Option<f64>) -> Result<(KeptFile, &'static str), Trouble> {
    let again = |message: String| Trouble::ours(message, true);
    let mut bytes = Vec::new();
    let read = File::open(partial).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|error| {
        Trouble::ours(
            format!("could not read {}: {error}", partial.display()),
            false,
        )
    })?;
    if bytes.is_empty() {
        return Err(again("the provider sent an empty file".to_owned()));
    }
    let probe = backline_audio::probe(&bytes).map_err(|error| {
        again(format!(
            "what the provider sent is no sound that can be played: {error}"
        ))
    })?;
    if let Some(promised) = duration_s {
        let tolerance = (promised * LENGTH_SHARE).max(LENGTH_FLOOR_S);
        if (probe.duration_s - promised).abs() > tolerance {
            return Err(again(format!(
                "the file lasts {:.1} s where the provider says {promised:.1} s",
                probe.duration_s
            )));
        }
    }
    let sha256 = Sha256::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let file = KeptFile {
        path: String::new(),
        sha256,
        length_bytes: bytes.len() as u64,
        duration_s: (probe.duration_s * 1000.0).round() / 1000.0,
    };
    Ok((file, probe.format.extension()))
}

/// Gives a checked file its name without ever taking another file's, and makes the name durable.
fn name(partial: &Path, place: &Path, suffix: &str, extension: &str) -> std::io::Result<PathBuf> {
    for nth in 1..=NAMES {
        let mut named = place.as_os_str().to_owned();
        named.push(suffix);
        if nth > 1 {
            named.push(format!("~{nth}"));
        }
        named.push(format!(".{extension}"));
        let named = PathBuf::from(named);
        match claim(partial, &named) {
            Ok(()) => {
                if let Some(folder) = named.parent() {
                    sync_folder(folder)?;
                }
                return Ok(named);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                if same_content(partial, &named)? {
                    std::fs::remove_file(partial)?;
                    return Ok(named);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::AlreadyExists,
        "every name for it is taken",
    ))
}

/// Moves a file to a name that must be free: a hard link fails where a rename would replace.
fn claim(from: &Path, to: &Path) -> std::io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(error),
        // A filesystem without hard links: claim the name first, then move onto it.
        Err(_) => {
            File::options()
                .write(true)
                .create_new(true)
                .open(to)?
                .flush()?;
            std::fs::rename(from, to)
        }
    }
}

fn same_content(one: &Path, other: &Path) -> std::io::Result<bool> {
    // A link is no track, wherever it leads.
    let (one_facts, other_facts) = (std::fs::metadata(one)?, std::fs::symlink_metadata(other)?);
    Ok(other_facts.is_file()
        && one_facts.len() == other_facts.len()
        && std::fs::read(one)? == std::fs::read(other)?)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

/// The temporary file of a fetch: hidden, beside its place, the same in every run, so that a broken fetch goes on.
fn partial_path(place: &Path, want: &Want) -> PathBuf {
    let part = match want.part {
        Part::Track => "track",
        Part::Mix => "mix",
    };
    let name = blake3::hash(format!("{}\n{}\n{part}", want.task, want.index).as_bytes()).to_hex();
    place.with_file_name(format!(".backline-{}.part", &name[..16]))
}

/// Whether a kept file is still where it was put, as long as it was.
pub fn is_kept_file_there(project_dir: &Path, file: &KeptFile) -> bool {
    std::fs::metadata(project_dir.join(&file.path))
        .is_ok_and(|facts| facts.is_file() && facts.len() == file.length_bytes)
}

#[cfg(test)]
mod tests {
    use backline_audio::{Audio, Encoding, encode};

    use super::*;

    /// Ten seconds of a tone.
    fn recording() -> Vec<u8> {
        let tone = (0..80_000_u32).map(|n| ((n % 80) as f32 / 80.0 - 0.5) * 0.4);
        let audio = Audio {
            rate_hz: 8_000,
            channels: vec![tone.collect()],
        };
        encode(&audio, Encoding::Wav16).unwrap()
    }

    #[test]
    fn only_a_whole_recording_of_the_promised_length_is_a_track() {
        let folder = tempfile::tempdir().unwrap();
        let check = |bytes: &[u8], promised: Option<f64>| {
            let path = folder.path().join("it.part");
            std::fs::write(&path, bytes).unwrap();
            let checked = check_or_remove(&path, promised);
            assert_eq!(
                path.exists(),
                checked.is_ok(),
                "what is no track is removed"
            );
            match checked {
                Ok((file, extension)) => Ok((file.duration_s, file.length_bytes, extension)),
                Err(trouble) => Err((trouble.passing, trouble.message)),
            }
        };
        let whole = recording();
        let kept = Ok((10.0, whole.len() as u64, "wav"));
        // The vendor counts in its own way: two seconds, or a twentieth of a long track.
        for promised in [None, Some(10.0), Some(11.9), Some(8.1)] {
            assert_eq!(check(&whole, promised), kept, "{promised:?}");
        }
        let refused = |bytes: &[u8], promised, why: &str| {
            let (passing, message) = check(bytes, promised).unwrap_err();
            assert!(passing && message.contains(why), "{passing} {message}");
        };
        refused(
            &whole,
            Some(198.0),
            "lasts 10.0 s where the provider says 198.0 s",
        );
        refused(&whole, Some(12.1), "lasts 10.0 s");
        refused(&whole, Some(7.9), "lasts 10.0 s");
        refused(b"", None, "an empty file");
        refused(b"<html>502 Bad Gateway</html>", None, "no sound");
        refused(&whole[..whole.len() / 2], None, "no sound");
    }
}
