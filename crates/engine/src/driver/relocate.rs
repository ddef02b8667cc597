//! Kept tracks that lie elsewhere than the manifest's `output` names: its directory or its file names were changed, or a stem or preset
//! was renamed. They are moved to the planned paths, so that the output directory has the whole album.
//!
//! A track that another manifest of the ledger has as well stays where that one keeps it. A file that is named with `{{run}}` is not
//! moved: its path differs in each run. Neither is a file whose new path is taken, that was changed on disk, or that lies
//! neither in the project nor in the output directory. Nothing is replaced.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::file_names::{marked, of_part, split, unverified, verified};
use super::shown_path;
use super::superseded::{Movable, Renamed, TrackFile, elsewhere, kept, move_file};
use crate::event::{Event, TrackNote};
use crate::plan::{Plan, PlannedJob, TrackName};
use crate::settings::JobKey;
use crate::store::{KnownJob, RunHeader, Store, StoreError};

/// A kept file and the path to move it to.
struct Stray<'a> {
    kept: TrackFile<'a>,
    to: PathBuf,
}

/// Moves kept tracks of the plan's jobs to the paths that the plan names.
///
/// # Errors
/// When the store can't be read. A file that can't be moved stays where it is.
pub(super) fn relocate(
    plan: &Plan,
    project_dir: &Path,
    run: &RunHeader,
    known: &HashMap<JobKey, KnownJob>,
    store: &dyn Store,
) -> Result<Vec<Renamed>, StoreError> {
    let mut strays = Vec::new();
    // A track that was kept on disk stays there when the manifest names an object store.
    if plan.output.store().is_some() {
        return Ok(Vec::new());
    }
    for (slot, job) in plan.jobs.iter().enumerate() {
        let Some(state) = known.get(&job.key).map(|known| &known.job) else {
            continue;
        };
        let song = plan.song_of(slot);
        for kept in kept(job.key, state) {
            let track = state.task();
            let track = track.and_then(|task| task.tracks.get(kept.index as usize - 1));
            let name = TrackName {
                run: "",
                index: job.song_track(kept.index),
                id: song_id(known, song, job.song_track(kept.index)),
                artefact: track.map_or("", |track| &track.facts.artefact),
            };
            if let Some(to) = place(plan, project_dir, job, &kept, name) {
                strays.push(Stray { kept, to });
            }
        }
    }
    let mut renamed = Vec::new();
    if strays.is_empty() {
        return Ok(renamed);
    }
    let elsewhere = elsewhere(run, store)?;
    strays.retain(|stray| !elsewhere.contains(&stray.kept.key));
    // A moved file may free the name of another.
    loop {
        let before = strays.len();
        strays.retain(|stray| match move_stray(plan, stray) {
            Some(moved) => {
                renamed.push(moved);
                false
            }
            None => true,
        });
        if strays.is_empty() || strays.len() == before {
            break;
        }
    }
    for stray in strays {
        tracing::warn!(
            "{} could not be moved to {}",
            stray.kept.file.path,
            shown_path(project_dir, &stray.to)
        );
    }
    Ok(renamed)
}

/// The vendor's id of a song's track; empty where it is not known.
fn song_id<'k>(known: &'k HashMap<JobKey, KnownJob>, song: &PlannedJob, track: u32) -> &'k str {
    let task = known.get(&song.key).and_then(|known| known.job.task());
    let track = task.and_then(|task| task.tracks.get(track as usize - 1));
    track.map_or("", |track| &track.facts.id)
}

/// The path that a kept file is to have; none for one that has it, and for one whose name has the id of a run.
fn place(
    plan: &Plan,
    project_dir: &Path,
    job: &PlannedJob,
    kept: &TrackFile<'_>,
    name: TrackName<'_>,
) -> Option<PathBuf> {
    let named = |run| {
        let track = TrackName { run, ..name };
        plan.output.track_file(plan, job, track).ok()
    };
    let mut place = named("0")?;
    // A path that depends on the run has no target.
    if named("1")? != place {
        return None;
    }
    place = of_part(&place, kept.part);
    let (found, extension) = split(&kept.file.path);
    let found = verified(found);
    let wanted = shown_path(project_dir, &place);
    let rest = found.strip_prefix(&wanted);
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('~')) {
        return None;
    }
    if kept.file.unverified.is_some() {
        place = unverified(&place);
    }
    Some(marked(&place, extension))
}

/// Moves a file whose content has the recorded hash.
fn move_stray(plan: &Plan, stray: &Stray<'_>) -> Option<Renamed> {
    let Stray { kept, to } = stray;
    let project_dir = &plan.project_dir;
    let from = project_dir.join(&kept.file.path);
    let moved = move_file(&Movable::of(plan), &from, to, kept.file);
    match moved {
        Ok(true) => Some(Renamed {
            key: kept.key,
            event: Event::TrackNoted {
                index: kept.index,
                part: kept.part,
                note: TrackNote::Renamed {
                    from: kept.file.path.clone(),
                    to: shown_path(project_dir, to),
                },
            },
        }),
        Ok(false) => None,
        Err(error) => {
            tracing::debug!("{} was not moved: {error}", kept.file.path);
            None
        }
    }
}
