//! Keeping a track: fetched to a temporary file beside its path, checked, made durable, then given its name.
//!
//! A file has its final name only when it is whole: sound that decodes to its end and lasts as long as the vendor says. What can't be
//! recognised as one, and is no error page, is fetched again; if it does not get better it is kept with `.unverified` in its name, for
//! it was paid for. A name that is taken is never written over: the newcomer gets `~2`, `~3`, … behind its name.
//!
//! What a step makes is kept by its kind: sound like a track, a WAV file only where it is one, notes as a Standard MIDI File.
//!
//! Where tracks are kept in an object store, the temporary file is in the output directory until the object is there and was read back.
//! A run that was killed before it recorded that finds the object by its name and content.
//!
//! One handle of the folder and one of the file are used from the first byte to the name, so that no planted link leads elsewhere. A
//! fetch that breaks off goes on where it stopped, in this run or a later one, if the host proves that the file is the same.

mod check;
mod name;
mod notes;
mod part;
mod tagger;
#[cfg(feature = "tags")]
mod tags;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backline_api::{CallError, CallErrorKind, Client, Download, Partial, Results, redact_url};
use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::file_names::{of_part, unverified};
use super::plan_index::PlanIndex;
use super::shown_path;
use crate::conductor::{EffectError, FetchRequest, FileContent};
use crate::event::{KeptFile, Part, RunId};
use crate::folder::Folder;
use crate::hooks::HookError;
use crate::kept_files::put_object;
use crate::plan::TrackName;

pub(super) use check::content_hash;
use check::{Checked, Kind, check};
use name::{NameRequest, name};
use notes::write_notes;
use part::PartialFile;
use tagger::Tagger;

/// Files that are checked at a time: each takes less than a megabyte and one core.
const CHECKS_AT_ONCE: usize = 4;

/// Wait for a file descriptor when this process has none left.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(100);

/// More bytes than a second of any recording takes: 24 bits at 96 kHz in stereo.
const BYTES_PER_SECOND: f64 = 600_000.0;

/// What every recording may take, whatever its length is said to be, for that may be wrong.
const LEAST_LIMIT_BYTES: u64 = 64 * 1024 * 1024;

/// Fetches tracks to their paths.
pub(super) struct Keeper {
    client: Arc<Client>,
    plan: Arc<PlanIndex>,
    run: RunId,
    project_dir: PathBuf,
    checks: Arc<Semaphore>,
}

/// A file that is kept, and why it has no tags if it was to have some.
pub(super) type StoredFile = (KeptFile, Option<HookError>);

impl Keeper {
    pub(super) fn new(
        client: Arc<Client>,
        plan: Arc<PlanIndex>,
        run: RunId,
        project_dir: PathBuf,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        Self {
            client,
            plan,
            run,
            project_dir,
            checks: Arc::new(Semaphore::new(cores.min(CHECKS_AT_ONCE))),
        }
    }

    /// Fetches, checks and names a file. It may be given up at any point: what is here is gone on with later.
    pub(super) async fn keep(&self, request: &FetchRequest) -> Result<StoredFile, EffectError> {
        loop {
            match self.keep_once(request).await {
                Err(error) if error.no_descriptor => sleep(DESCRIPTOR_WAIT).await,
                result => return result,
            }
        }
    }

    async fn keep_once(&self, request: &FetchRequest) -> Result<StoredFile, EffectError> {
        self.keep_at(&self.place(request)?, request).await
    }

    /// Fetches, checks and names the file of a path, which has no extension.
    pub(super) async fn keep_at(
        &self,
        place: &Path,
        request: &FetchRequest,
    ) -> Result<StoredFile, EffectError> {
        let output = &self.plan.plan().output;
        let dir = output.dir().to_owned();
        let inside = match output.store() {
            // Only what is being downloaded is on disk.
            Some(_) => dir.join(name_of(place)),
            None => place.to_owned(),
        };
        let hash = hash(request);
        let part = blocking(move || open(&dir, &inside, &hash)).await?;
        let part = Arc::new(part);
        let fetched = self.fetch(request, &part).await;
        let keeping = Keeping {
            part,
            name: name_of(&of_part(place, request.part)),
            store: self.store_of(place),
            replaces: request.replaces.clone(),
            dir: output.dir().to_owned(),
            project_dir: self.project_dir.clone(),
            promised_s: request.duration_s,
            kind: self.kind(request),
            is_last_try: request.is_last_try,
            tagger: Tagger::of(&self.plan, request),
        };
        // The semaphore is never closed.
        let _turn = self.checks.clone().acquire_owned().await;
        blocking(move || match fetched {
            Ok(file) => keeping.keep(&file),
            Err(error) => keeping.fall_back(error),
        })
        .await
    }

    /// The path beside a track's own whose name ends with `suffix`, without its extension.
    pub(super) fn beside(
        &self,
        request: &FetchRequest,
        suffix: &str,
    ) -> Result<PathBuf, EffectError> {
        let mut place = self.place(request)?;
        place.as_mut_os_string().push(suffix);
        Ok(place)
    }

    /// The address of the directory in the object store that a place's file goes to; none where it stays on disk.
    fn store_of(&self, place: &Path) -> Option<String> {
        let output = &self.plan.plan().output;
        let inside = place.parent()?.strip_prefix(output.dir()).ok()?;
        let parts = inside
            .components()
            .map(|part| part.as_os_str().to_string_lossy());
        let all = std::iter::once(output.store()?.into()).chain(parts);
        Some(all.collect::<Vec<_>>().join("/"))
    }

    /// What a file is to be.
    fn kind(&self, request: &FetchRequest) -> Kind {
        let job = self.plan.job(&request.job);
        match self.plan.plan().operation(job).results {
            Results::Wav => Kind::Wav,
            Results::Notes => Kind::Midi,
            Results::Tracks | Results::Stems | Results::Recovered => Kind::Sound,
        }
    }

    /// Where a track goes, without its extension.
    fn place(&self, request: &FetchRequest) -> Result<PathBuf, EffectError> {
        let (plan, job) = (self.plan.plan(), self.plan.job(&request.job));
        let track = TrackName {
            run: self.run.as_str(),
            index: request.song_track,
            id: &request.track_id,
            artefact: &request.artefact,
        };
        let place = plan.output.track_file(plan, job, track);
        place.map_err(|error| {
            EffectError::ours(format!("the file's name can't be made: {error}"), false)
        })
    }

    /// Opens a result; where its address is closed to us and the vendor gives out links to such, by a link.
    async fn open(
        &self,
        url: &str,
        here: Option<&Partial>,
        limit_bytes: u64,
    ) -> Result<Download, CallError> {
        let error = match self.client.download(url, here, limit_bytes).await {
            Ok(download) => return Ok(download),
            Err(error) => error,
        };
        let closed = matches!(error.http_status(), Some(401 | 403 | 404 | 410));
        if !closed || self.client.profile().download_link_path.is_none() {
            return Err(error);
        }
        match self.client.download_link(url).await {
            Ok(link) => self.client.download(&link, here, limit_bytes).await,
            Err(no_link) => {
                tracing::debug!(%no_link, "no link to a result");
                Err(error)
            }
        }
    }

    /// Fetches a file, going on where an earlier fetch stopped; gives its handle.
    async fn fetch(
        &self,
        request: &FetchRequest,
        part: &Arc<PartialFile>,
    ) -> Result<File, EffectError> {
        let url = match &request.content {
            FileContent::Url(url) => url.as_str(),
            FileContent::Notes(notes) => {
                let dir = self.plan.plan().output.dir().to_owned();
                return write_notes(notes.clone(), part.clone(), dir).await;
            }
        };
        let shown = redact_url(url);
        let (of, described) = (part.clone(), shown.clone());
        let (file, here) = blocking(move || Ok(of.found(&described))).await?.unzip();
        let whole = |here: &Partial| here.total_len == Some(here.length_bytes);
        if here.as_ref().is_some_and(whole)
            && let Some(file) = file
        {
            return Ok(file);
        }
        let limit_bytes = limit_bytes(request.duration_s);
        let refused = |error: CallError| {
            if matches!(error.kind(), CallErrorKind::TooLarge { .. }) {
                // A part that can't be taken away is found to be too large again.
                let _ = part.discard();
            }
            EffectError::from(error)
        };
        let mut download = self
            .open(url, here.as_ref(), limit_bytes)
            .await
            .map_err(refused)?;
        let dir = self.plan.plan().output.dir();
        let local = |error: std::io::Error| {
            let path = part.folder.path().join(&part.name);
            let message = format!("could not write {}: {error}", path.display());
            EffectError::of_file(dir, message, &error)
        };
        let file = match file.filter(|_| download.resumed) {
            Some(file) => file,
            None => {
                let (of, url) = (part.clone(), shown);
                // It is written beside the part.
                let is_safe = |validator: &String| !self.client.holds_secret(validator);
                let validator = download.validator.clone().filter(is_safe);
                let total = download.total_len;
                let begun = move || Ok(of.begin(&url, validator.as_deref(), total));
                blocking(begun).await?.map_err(local)?
            }
        };
        let mut file = tokio::fs::File::from_std(file);
        while let Some(chunk) = download.chunk().await.map_err(refused)? {
            file.write_all(&chunk).await.map_err(local)?;
        }
        file.flush().await.map_err(local)?;
        file.sync_all().await.map_err(local)?;
        Ok(file.into_std().await)
    }
}

/// The most bytes that a recording is let take.
fn limit_bytes(duration_s: Option<f64>) -> u64 {
    match duration_s {
        Some(seconds) => LEAST_LIMIT_BYTES.max((seconds * BYTES_PER_SECOND) as u64),
        None => u64::MAX,
    }
}

/// What tells a file from all others that are fetched, in this run and every other.
fn hash(request: &FetchRequest) -> String {
    let part = match request.part {
        Part::Track => "track",
        Part::Mix => "mix",
    };
    let text = format!("{}\n{}\n{part}", request.task, request.index);
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

fn name_of(place: &Path) -> String {
    let name = place.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Opens the folder of a path below `dir`, which is made if it is missing.
fn open(dir: &Path, place: &Path, hash: &str) -> Result<PartialFile, EffectError> {
    let folder = place.parent().unwrap_or(dir);
    let inside = folder.strip_prefix(dir).unwrap_or(Path::new(""));
    let opened = Folder::create(dir).and_then(|dir| dir.below(inside));
    let opened = opened.map_err(|error| {
        let shown = folder.display();
        let message = match leads_out(folder, dir) {
            true => format!("{shown} leads out of the output folder"),
            false => format!("could not open {shown}: {error}"),
        };
        EffectError::of_file(dir, message, &error)
    })?;
    Ok(PartialFile::new(opened, hash))
}

/// Whether `folder` lies outside of `dir` once every link on the way is followed; for a message alone.
fn leads_out(folder: &Path, dir: &Path) -> bool {
    match (folder.canonicalize(), dir.canonicalize()) {
        (Ok(folder), Ok(dir)) => !folder.starts_with(dir),
        _ => false,
    }
}

/// Does what waits for the disk on a thread where nothing else waits.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EffectError> + Send + 'static,
) -> Result<T, EffectError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(EffectError::ours(
            format!("the file could not be checked: {error}"),
            false,
        )),
    }
}

/// A file that was fetched, or could not be, on its way to its name.
struct Keeping {
    part: Arc<PartialFile>,
    /// Its name without extension.
    name: String,
    /// The directory in an object store that it is put into.
    store: Option<String>,
    replaces: Option<String>,
    /// The output directory.
    dir: PathBuf,
    project_dir: PathBuf,
    promised_s: Option<f64>,
    kind: Kind,
    is_last_try: bool,
    tagger: Tagger,
}

impl Keeping {
    /// Checks and names what was fetched.
    fn keep(&self, file: &File) -> Result<StoredFile, EffectError> {
        let part = &self.part;
        let local = |operation: &'static str| {
            move |error: std::io::Error| {
                let path = part.folder.path().join(&part.name);
                let message = format!("could not {operation} {}: {error}", path.display());
                EffectError::of_file(&self.dir, message, &error)
            }
        };
        let checked = match check(file, self.kind, self.promised_s) {
            Ok(checked) => checked,
            Err(error) => {
                if error.retryable {
                    // What is no sound is not gone on with; what can't be taken away is found to be none again.
                    let _ = part.discard();
                }
                return self.fall_back(error);
            }
        };
        if let Some(why) = &checked.file.unverified {
            if self.is_last_try {
                return Ok((self.name(file, &part.name, checked)?, None));
            }
            let message = format!("what the provider sent can't be verified: {why}");
            part.put_aside().map_err(local("put aside"))?;
            return Err(EffectError::ours(message, true));
        }
        match self.tagger.tag(part, file, self.promised_s) {
            Ok(Some(tagged)) => {
                let kept = self.name(&tagged.file, &tagged.name, tagged.checked)?;
                // What was fetched is in the tagged copy.
                part.discard().map_err(local("remove"))?;
                Ok((kept, None))
            }
            Ok(None) => Ok((self.name(file, &part.name, checked)?, None)),
            Err(problem) => Ok((self.name(file, &part.name, checked)?, Some(problem))),
        }
    }

    /// Where nothing better will come, keeps what could not be verified before.
    fn fall_back(&self, error: EffectError) -> Result<StoredFile, EffectError> {
        if !self.is_last_try && error.retryable {
            return Err(error);
        }
        let aside = self.part.aside();
        let Ok(file) = self.part.folder.own_file(&aside) else {
            return Err(error);
        };
        match check(&file, self.kind, self.promised_s) {
            Ok(checked) => Ok((self.name(&file, &aside, checked)?, None)),
            Err(_) => Err(error),
        }
    }

    /// Gives a checked file, which has the name `from`, its own, and takes away what was for it alone.
    fn name(&self, file: &File, from: &str, checked: Checked) -> Result<KeptFile, EffectError> {
        let wished = match checked.file.unverified {
            None => self.name.clone(),
            Some(_) => name_of(&unverified(Path::new(&self.name))),
        };
        if let Some(store) = &self.store {
            return self.put(store, &wished, file, from, checked);
        }
        let folder = &self.part.folder;
        let shown = |name: &str| shown_path(&self.project_dir, &folder.path().join(name));
        let before = self.replaces.as_deref().and_then(|path| {
            let name = Path::new(path).file_name()?.to_str()?;
            (shown(name) == path).then_some(name)
        });
        let wish = NameRequest {
            stem: &wished,
            extension: checked.extension,
            replaces: before,
        };
        let named = name(folder, file, from, wish).and_then(|named| {
            self.part.discard()?;
            folder.remove(self.part.aside())?;
            Ok(named)
        });
        let named = named.map_err(|error| {
            let place = folder.path().join(&wished);
            let message = format!("could not give {} its name: {error}", place.display());
            EffectError::of_file(&self.dir, message, &error)
        })?;
        Ok(KeptFile {
            path: shown(&named),
            ..checked.file
        })
    }

    /// Puts a checked file, which has the name `from`, into an object store, and takes away what was for it alone.
    fn put(
        &self,
        store: &str,
        stem: &str,
        file: &File,
        from: &str,
        checked: Checked,
    ) -> Result<KeptFile, EffectError> {
        let sha256 = &checked.file.sha256;
        let put = put_object(store, stem, checked.extension, file, sha256);
        // What can't be put now is here to be put later.
        let path = put.map_err(|error| {
            let message = format!("could not put {stem} into {store}: {error}");
            EffectError::ours(message, true)
        })?;
        let folder = &self.part.folder;
        let removed = folder.remove(from).and_then(|()| {
            self.part.discard()?;
            folder.remove(self.part.aside())
        });
        if let Err(error) = removed {
            let left = folder.path().join(from);
            tracing::warn!("{} was not removed: {error}", left.display());
        }
        Ok(KeptFile {
            path,
            ..checked.file
        })
    }
}
