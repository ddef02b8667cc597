//! Superseded tracks: those of jobs that the manifest had before. They give up the file names that its current jobs need, and get a
//! name with the run that bought them; a job that the manifest has again gets its name back. No file is removed or replaced.
//!
//! A file is renamed first and recorded afterwards. A program that dies in between leaves a renamed file, which the next run finds by
//! its name and records.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;

use backline_api::Results;

use super::file_names::{of_part, split, with_mark, without_extension};
use super::keep::content_hash;
use super::shown_path;
use crate::event::{Event, KeptFile, Part, RunId, TrackNote};
use crate::folder::{Folder, Found};
use crate::forecast::Missing;
use crate::job::{Job, Task};
use crate::kept_files::{KeptFiles, OnDisk, is_object};
use crate::plan::{Plan, PlannedJob, TrackName};
use crate::settings::JobKey;
use crate::store::{KnownJob, RunHeader, Store, StoreError};

/// The stems that vendors take a song apart into.
const STEMS: [&str; 14] = [
    "vocal",
    "instrumental",
    "backing-vocals",
    "drums",
    "bass",
    "guitar",
    "piano",
    "keyboard",
    "percussion",
    "strings",
    "synth",
    "fx",
    "brass",
    "woodwinds",
];

/// Digits of a run's id in a name: all of its time.
const RUN_CHARS: usize = 13;

/// What a run records of a file that was renamed.
#[derive(Debug)]
pub(crate) struct Renamed {
    /// The job whose file it is.
    pub(crate) key: JobKey,
    /// The record.
    pub(crate) event: Event,
}

impl Renamed {
    /// Whether the record is about the file that seemed to be missing.
    pub(super) fn is(&self, missing: &Missing) -> bool {
        matches!(
            &self.event,
            Event::TrackNoted { index, part, .. } if (*index, *part) == (missing.index, missing.part)
        )
    }
}

/// A kept file of a job.
pub(super) struct TrackFile<'a> {
    pub(super) key: JobKey,
    pub(super) index: u32,
    pub(super) part: Part,
    pub(super) file: &'a KeptFile,
}

/// Renames the files that are in the way of the plan's jobs. `album` are the keys of all jobs of the manifest.
///
/// # Errors
/// When the store can't be read. A file that can't be renamed stays where it is.
pub(crate) fn make_way(
    plan: &Plan,
    project_dir: &Path,
    run: &RunHeader,
    album: &HashSet<JobKey>,
    known: &HashMap<JobKey, KnownJob>,
    store: &dyn Store,
) -> Result<Vec<Renamed>, StoreError> {
    let wanted = wanted(plan, project_dir, run, known);
    let mut in_the_way: Vec<TrackFile<'_>> = known
        .iter()
        .filter(|(key, _)| !album.contains(*key))
        .flat_map(|(key, known)| kept(*key, &known.job))
        .filter(|kept| wanted.contains(without_extension(&kept.file.path)))
        .collect();
    in_the_way.sort_by(|one, other| one.file.path.cmp(&other.file.path));
    let current = plan
        .jobs
        .iter()
        .filter_map(|job| Some((job.key, &known.get(&job.key)?.job)))
        .flat_map(|(key, job)| kept(key, job));
    let buyers = store.buyers()?;
    let moved: Vec<(TrackFile<'_>, String)> = current
        .filter_map(|kept| {
            let plain = without_run(&kept.file.path, buyers.get(&kept.key)?)?;
            wanted
                .contains(without_extension(&plain))
                .then_some((kept, plain))
        })
        .collect();
    let mut renamed = Vec::new();
    if !in_the_way.is_empty() {
        let superseded = superseded(run, &in_the_way, store)?;
        for kept in in_the_way.iter().filter(|it| superseded.contains(&it.key)) {
            let Some(buyer) = buyers.get(&kept.key) else {
                continue;
            };
            let to = with_run(&kept.file.path, buyer);
            renamed.extend(rename(plan, kept, &to));
        }
    }
    for (kept, plain) in &moved {
        renamed.extend(rename(plan, kept, plain));
    }
    Ok(renamed)
}

/// The names, without their extensions, that the plan's jobs have or will have.
fn wanted(
    plan: &Plan,
    project_dir: &Path,
    run: &RunHeader,
    known: &HashMap<JobKey, KnownJob>,
) -> HashSet<String> {
    let mut wanted = HashSet::new();
    for job in &plan.jobs {
        let state = known.get(&job.key);
        let task = state.and_then(|known| known.job.task());
        for (index, artefact) in files_of(plan, job, task) {
            let track = TrackName {
                run: run.id.as_str(),
                index: job.song_track(index),
                id: "",
                artefact: &artefact,
            };
            if let Ok(place) = plan.output.track_file(plan, job, track) {
                let parts = [Part::Track, Part::Mix].map(|part| of_part(&place, part));
                wanted.extend(parts.map(|place| shown_path(project_dir, &place)));
            }
        }
    }
    wanted
}

/// The files that a job has or will have: each one's place in the task, and what it is where a step makes it.
fn files_of(plan: &Plan, job: &PlannedJob, task: Option<&Task>) -> Vec<(u32, String)> {
    let tracks = task.map_or(&[][..], |task| &task.tracks);
    let operation = plan.operation(job);
    let known = (1..)
        .zip(tracks)
        .map(|(index, track)| (index, track.facts.artefact.clone()));
    let known: Vec<(u32, String)> = known.collect();
    let usual = operation
        .tracks
        .max(u32::try_from(known.len()).unwrap_or(0));
    match operation.results {
        Results::Tracks | Results::Recovered => {
            (1..=usual).map(|index| (index, String::new())).collect()
        }
        _ if !known.is_empty() => known,
        Results::Wav => vec![(1, "wav".to_owned())],
        Results::Notes => vec![(1, "midi".to_owned())],
        Results::Stems => STEMS.iter().map(|stem| (1, (*stem).to_owned())).collect(),
    }
}

/// Those of the jobs that an earlier run of the manifest planned and that no other manifest of the ledger has.
fn superseded(
    run: &RunHeader,
    files: &[TrackFile<'_>],
    store: &dyn Store,
) -> Result<HashSet<JobKey>, StoreError> {
    let candidates: HashSet<JobKey> = files.iter().map(|kept| kept.key).collect();
    let mut found = HashSet::new();
    let runs = store.runs()?.into_iter();
    for other in runs.filter(|it| it.id != run.id && it.manifest == run.manifest) {
        if found.len() == candidates.len() {
            break;
        }
        let keys = store.plan_of(&other.id)?.into_iter().map(|row| row.key);
        found.extend(keys.filter(|key| candidates.contains(key)));
    }
    let elsewhere = elsewhere(run, store)?;
    found.retain(|key| !elsewhere.contains(key));
    Ok(found)
}

/// The jobs that other manifests of the ledger have.
pub(super) fn elsewhere(run: &RunHeader, store: &dyn Store) -> Result<HashSet<JobKey>, StoreError> {
    let mut elsewhere = HashSet::new();
    let mut manifests = HashSet::new();
    for other in store.runs()? {
        if other.manifest != run.manifest && manifests.insert(other.manifest.clone()) {
            elsewhere.extend(store.album_of(&other)?.into_iter().map(|row| row.key));
        }
    }
    Ok(elsewhere)
}

/// The kept files of a job that can be renamed: those on disk. An object keeps its name, and a newcomer gets another one.
pub(super) fn kept(key: JobKey, job: &Job) -> Vec<TrackFile<'_>> {
    let Some(task) = job.task() else {
        return Vec::new();
    };
    let parts = (1..).zip(&task.tracks).flat_map(move |(index, track)| {
        let of = move |part, file| TrackFile {
            key,
            index,
            part,
            file,
        };
        let file = track.kept.iter().map(move |file| of(Part::Track, file));
        file.chain(track.mix.iter().map(move |file| of(Part::Mix, file)))
    });
    parts.filter(|kept| !is_object(&kept.file.path)).collect()
}

/// Gives the kept files of a job whose task is not its own names that say so.
pub(super) fn set_aside(plan: &Plan, key: JobKey, job: &Job) {
    let project_dir = &plan.project_dir;
    for kept in kept(key, job) {
        let to = with_mark(&kept.file.path, "~undone");
        let from = project_dir.join(&kept.file.path);
        let moved = move_file(&Movable::of(plan), &from, &project_dir.join(&to), kept.file);
        if let Err(error) = moved {
            tracing::warn!("{} keeps its name: {error}", kept.file.path);
        }
    }
}

/// Renames a kept file to a name in the same folder that is free.
fn rename(plan: &Plan, kept: &TrackFile<'_>, to: &str) -> Option<Renamed> {
    let project_dir = &plan.project_dir;
    let changed = match KeptFiles::new(project_dir).look(kept.file) {
        OnDisk::AsKept => false,
        OnDisk::Changed => true,
        OnDisk::Gone => false,
    };
    let to = if changed {
        with_mark(to, "~changed")
    } else {
        to.to_owned()
    };
    let from = project_dir.join(&kept.file.path);
    let moved = move_file(&Movable::of(plan), &from, &project_dir.join(&to), kept.file);
    match moved {
        Ok(true) if changed => Some(Event::TrackMissing {
            index: kept.index,
            part: kept.part,
            changed: true,
        }),
        Ok(true) => Some(Event::TrackNoted {
            index: kept.index,
            part: kept.part,
            note: TrackNote::Renamed {
                from: kept.file.path.clone(),
                to,
            },
        }),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!("{} keeps its name: {error}", kept.file.path);
            None
        }
    }
    .map(|event| Renamed {
        key: kept.key,
        event,
    })
}

/// The directories in which files may be moved. A ledger of a stranger may name any file as kept: none that lies elsewhere is touched,
/// nor one that a link on the way leads to.
pub(super) struct Movable<'a> {
    output: &'a Path,
    project: &'a Path,
}

impl<'a> Movable<'a> {
    /// Those of a plan.
    pub(super) fn of(plan: &'a Plan) -> Self {
        Self {
            output: plan.output.dir(),
            project: &plan.project_dir,
        }
    }

    /// The directory of a path below one of them, made where it is missing if that is requested.
    fn open(&self, dir: &Path, create: bool) -> io::Result<Folder> {
        let roots = [self.output, self.project].into_iter();
        let Some((root, inside)) = roots
            .filter_map(|root| Some((root, dir.strip_prefix(root).ok()?)))
            .next()
        else {
            let message = format!(
                "{} lies neither in the project nor in the output directory",
                dir.display()
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        };
        match create {
            true => Folder::create(root)?.below(inside),
            false => Folder::open(root)?.inside(inside),
        }
    }
}

/// Whether the file has the name `to` now: it was moved, or an earlier run that died had moved it. Between directories only what is as
/// it was kept is moved.
pub(super) fn move_file(
    movable: &Movable<'_>,
    from: &Path,
    to: &Path,
    kept: &KeptFile,
) -> io::Result<bool> {
    let (Some(old_dir), Some(old)) = (from.parent(), from.file_name()) else {
        return Ok(false);
    };
    let (Some(new_dir), Some(new)) = (to.parent(), to.file_name()) else {
        return Ok(false);
    };
    let is_kept = |file: &File| Ok::<_, io::Error>(content_hash(file)? == kept.sha256);
    let here = match movable.open(old_dir, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        opened => Some(opened?),
    };
    let found = match &here {
        Some(here) => here.find(old)?,
        None => None,
    };
    let there = match (&here, old_dir == new_dir) {
        (Some(here), true) => here,
        _ => &movable.open(new_dir, true)?,
    };
    match (here.as_ref().zip(found), there.find(new)?) {
        (None, Some(Found::File(length))) if length == kept.length_bytes => {
            is_kept(&there.read_file(new)?)
        }
        (Some((here, Found::File(_))), None) => {
            let file = here.read_file(old)?;
            if old_dir != new_dir && !is_kept(&file)? {
                return Ok(false);
            }
            here.move_new(&file, old, there, new)?;
            there.sync()?;
            here.sync()?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn run_suffix(run: &RunId) -> String {
    let id = run.as_str();
    format!("~{}", id.get(..RUN_CHARS).unwrap_or(id))
}

/// `lofi-1~0193b8e2-7abc.mp3` for `lofi-1.mp3`.
fn with_run(path: &str, run: &RunId) -> String {
    with_mark(path, &run_suffix(run))
}

/// The other way round; none for a name without the run.
fn without_run(path: &str, run: &RunId) -> Option<String> {
    let (stem, extension) = split(path);
    let plain = stem.strip_suffix(&run_suffix(run))?;
    Some(format!("{plain}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_its_run_and_back() {
        let run = RunId::from_text("0193b8e2-7abc-7def-8000-000000000000");
        let with = with_run("out/v1.2/lofi-1.mp3", &run);
        assert_eq!(with, "out/v1.2/lofi-1~0193b8e2-7abc.mp3");
        assert_eq!(
            without_run(&with, &run).as_deref(),
            Some("out/v1.2/lofi-1.mp3")
        );
        assert_eq!(without_run("out/v1.2/lofi", &run), None);
    }

    #[test]
    fn a_file_is_renamed_once_and_nothing_is_replaced() {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        std::fs::write(at("a.mp3"), "old").unwrap();
        let kept = KeptFile {
            path: "a.mp3".to_owned(),
            sha256: content_hash(&File::open(at("a.mp3")).unwrap()).unwrap(),
            length_bytes: 3,
            duration_s: 1.0,
            unverified: None,
        };
        let movable = Movable {
            output: &at("out"),
            project: scratch.path(),
        };
        let moved = |from: &str, to: &str| move_file(&movable, &at(from), &at(to), &kept).unwrap();
        assert!(moved("a.mp3", "a~1.mp3"));
        assert!(!at("a.mp3").exists());
        // A run that died after the renaming: the next one finds it.
        assert!(moved("a.mp3", "a~1.mp3"));
        // What has the name is another file, of the same length.
        std::fs::write(at("a.mp3"), "new").unwrap();
        assert!(!moved("a.mp3", "a~1.mp3"));
        assert!(!moved("b.mp3", "a.mp3"));
        assert_eq!(std::fs::read(at("a~1.mp3")).unwrap(), b"old");
        // Into another directory goes only what was kept.
        assert!(!moved("a.mp3", "there/a.mp3"));
        assert!(moved("a~1.mp3", "there/a.mp3"));
        assert!(moved("a~1.mp3", "there/a.mp3"));
        assert_eq!(std::fs::read(at("there/a.mp3")).unwrap(), b"old");
        assert!(moved("there/a.mp3", "back.mp3"));
        // Nothing outside is touched, by whatever path.
        let outside = tempfile::tempdir().unwrap();
        let victim = outside.path().join("a.mp3");
        std::fs::write(&victim, "old").unwrap();
        let linked = at("linked");
        std::os::unix::fs::symlink(outside.path(), &linked).unwrap();
        let up = at("..")
            .join(outside.path().file_name().unwrap())
            .join("a.mp3");
        for from in [victim.clone(), linked.join("a.mp3"), up] {
            let moved = move_file(&movable, &from, &at("out/a.mp3"), &kept);
            assert!(moved.is_err(), "{}: {moved:?}", from.display());
            assert!(victim.exists(), "{}", from.display());
        }
    }
}
