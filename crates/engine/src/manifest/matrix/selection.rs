//! A part of a plan: `--filter` and `--sample`. The selected jobs keep the plan's order and their keys.

use std::collections::HashSet;

use super::axes::Matrix;
use super::expand::job_name;
pub use super::filter::{Filter, NotAFilter};
use super::filter::{Resolved, Test};
use super::partition::Partition;
use crate::manifest::source::report::Report;
use crate::plan::PlannedJob;
use crate::settings::JobKey;
use crate::status::Sign;

/// Which jobs of a manifest to select.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only jobs that pass all of these.
    pub filters: Vec<Filter>,
    /// Of those, this many, chosen by the seed: the same ones however the manifest is ordered.
    pub sample: Option<(u64, u64)>,
    /// Of those, only this part, with its share of the limits.
    pub partition: Option<Partition>,
}

/// A selection against one manifest.
pub(crate) struct Selector<'m> {
    matrix: &'m Matrix,
    filters: Vec<Resolved>,
    sample: Option<(u64, u64)>,
}

impl Selection {
    /// Resolves the filters; what no job can meet is reported.
    pub(crate) fn resolve<'m>(&self, matrix: &'m Matrix, report: &mut Report) -> Selector<'m> {
        let filters = self.filters.iter();
        Selector {
            matrix,
            filters: filters
                .filter_map(|filter| filter.resolve(matrix, report))
                .collect(),
            sample: self.sample,
        }
    }
}

impl Selector<'_> {
    /// Whether more than the manifest's axes decides: the jobs' states in the ledger, or what they buy.
    pub(crate) fn needs_plan(&self) -> bool {
        let mut tests = self.filters.iter().flatten();
        tests.any(|test| matches!(test, Test::State(_) | Test::Operation { .. }))
    }

    /// Whether the jobs' states in the ledger decide.
    pub(crate) fn needs_states(&self) -> bool {
        let mut tests = self.filters.iter().flatten();
        tests.any(|test| matches!(test, Test::State(_)))
    }

    /// Selects songs by what the manifest's axes say; `at` gives a song's coordinates. Where more decides, the sample is taken later.
    pub(crate) fn by_manifest<T>(&self, songs: &mut Vec<T>, at: impl Fn(&T) -> [u32; 4]) {
        songs.retain(|job| self.passes(at(job), None, None));
        if !self.needs_plan() {
            self.take_sample(songs, at);
        }
    }

    /// Selects the jobs of a plan by what they buy and by their states too, then takes the sample of its songs. A job whose result a
    /// selected step processes stays, and is not selected.
    pub(crate) fn by_plan(
        &self,
        jobs: Vec<(PlannedJob, [u32; 4])>,
        states: Option<&[Sign]>,
    ) -> Vec<PlannedJob> {
        let mut songs: Vec<([u32; 4], Vec<PlannedJob>)> = Vec::new();
        for (nth, (mut job, at)) in jobs.into_iter().enumerate() {
            let state = states.and_then(|states| states.get(nth)).copied();
            job.selected = self.passes(at, state, Some(&job));
            match songs.last_mut() {
                Some((_, song)) if job.step.is_some() => song.push(job),
                _ => songs.push((at, vec![job])),
            }
        }
        for (_, song) in &mut songs {
            retain_inputs(song);
        }
        songs.retain(|(_, song)| !song.is_empty());
        self.take_sample(&mut songs, |(at, _)| *at);
        songs.into_iter().flat_map(|(_, song)| song).collect()
    }

    fn passes(&self, at: [u32; 4], state: Option<Sign>, job: Option<&PlannedJob>) -> bool {
        self.filters.iter().all(|filter| {
            filter
                .iter()
                .any(|test| test.passes(at, self.matrix, state, job))
        })
    }

    fn take_sample<T>(&self, jobs: &mut Vec<T>, at: impl Fn(&T) -> [u32; 4]) {
        let Some((count, seed)) = self.sample else {
            return;
        };
        let mut ranked: Vec<([u8; 32], usize)> = jobs
            .iter()
            .enumerate()
            .map(|(nth, job)| (self.rank(at(job), seed), nth))
            .collect();
        ranked.sort_unstable();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let chosen: HashSet<usize> = ranked.into_iter().take(count).map(|(_, nth)| nth).collect();
        let mut nth = 0;
        jobs.retain(|_| {
            nth += 1;
            chosen.contains(&(nth - 1))
        });
    }

    /// A song's rank in the sample: by its name, not by its position.
    fn rank(&self, at: [u32; 4], seed: u64) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(&seed.to_le_bytes());
        hash.update(job_name(self.matrix, at).as_bytes());
        *hash.finalize().as_bytes()
    }
}

/// Keeps of a song and its steps those that are selected, and what they process.
fn retain_inputs(song: &mut Vec<PlannedJob>) {
    let mut needed: HashSet<JobKey> = HashSet::new();
    // Each is behind what it processes.
    for job in song.iter().rev() {
        if (job.selected || needed.contains(&job.key))
            && let Some(step) = &job.step
        {
            needed.insert(step.parent);
        }
    }
    song.retain(|job| job.selected || needed.contains(&job.key));
}
