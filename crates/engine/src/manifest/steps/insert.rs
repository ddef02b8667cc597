//! Puts the steps of a plan behind their songs.

use std::collections::HashSet;
use std::sync::Arc;

use super::read::StepDecl;
use crate::manifest::matrix::axes::Matrix;
use crate::plan::{JobStep, PlannedJob};
use crate::settings::JobKey;

/// The steps of each preset, in the order of the matrix. Presets without a list of their own share one.
pub(crate) type StepsOfPresets = Vec<Arc<[StepDecl]>>;

/// A job and its coordinates: stem, preset, point and take.
pub(crate) type Placed = (PlannedJob, [u32; 4]);

/// The tracks that listeners have starred, by the song's key and the track's place, from 1.
pub type Starred = HashSet<(JobKey, u32)>;

/// Puts behind each song the steps of each of its tracks; `tracks` is how many a song has. A step comes behind the one that it
/// processes, and only where that one is.
pub(crate) fn insert(
    songs: Vec<Placed>,
    matrix: &Matrix,
    steps: &StepsOfPresets,
    tracks: u32,
    starred: &Starred,
) -> Vec<Placed> {
    let mut jobs = Vec::with_capacity(songs.len());
    for (song, at) in songs {
        let declared = &steps[at[1] as usize];
        let of_song = of_song(&song, at, matrix, declared, tracks, starred);
        jobs.push((song, at));
        jobs.extend(of_song.into_iter().map(|step| (step, at)));
    }
    jobs
}

fn of_song(
    song: &PlannedJob,
    at: [u32; 4],
    matrix: &Matrix,
    declared: &[StepDecl],
    tracks: u32,
    starred: &Starred,
) -> Vec<PlannedJob> {
    let mut jobs = Vec::new();
    for track in 1..=tracks {
        let is_starred = starred.contains(&(song.key, track));
        let mut keys: Vec<Option<JobKey>> = vec![None; declared.len()];
        // What is processed comes first, wherever it is in the list.
        let (of_steps, of_songs): (Vec<usize>, Vec<usize>) =
            (0..declared.len()).partition(|nth| declared[*nth].of.is_some());
        for nth in of_songs.into_iter().chain(of_steps) {
            let step = &declared[nth];
            if !step.is_for(at, matrix) || (step.starred && !is_starred) {
                continue;
            }
            let parent = match step.of {
                None => Some(song.key),
                Some(of) => keys[of],
            };
            let Some(parent) = parent else { continue };
            let step = JobStep {
                operation: step.operation.into(),
                name: step.name.clone(),
                parent,
                track,
                settings: step.settings.clone(),
            };
            let key = step.key();
            keys[nth] = Some(key);
            jobs.push(PlannedJob {
                key,
                refusal: None,
                step: Some(Box::new(step)),
                ..song.clone()
            });
        }
    }
    jobs
}

impl StepDecl {
    /// Whether it is for the song with these coordinates.
    fn is_for(&self, [stem, preset, point, take]: [u32; 4], matrix: &Matrix) -> bool {
        let selects = |matches: &[crate::manifest::matrix::rules::Match]| {
            matches.iter().any(|it| {
                it.pair(stem as usize, preset as usize)
                    && it.rest(&matrix.points[point as usize], take)
            })
        };
        self.when.as_deref().is_none_or(selects) && !selects(&self.excludes)
    }
}
