//! A part of a plan: `--filter` and `--sample`. The selected jobs keep the plan's order and their keys.

use std::collections::HashSet;

use super::axes::Matrix;
use super::expand::job_name;
pub use super::filter::{Filter, NotAFilter};
use super::filter::{Resolved, Test};
use crate::manifest::source::report::Report;
use crate::status::Sign;

/// Which jobs of a manifest to select.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only jobs that pass all of these.
    pub filters: Vec<Filter>,
    /// Of those, this many, chosen by the seed: the same ones however the manifest is ordered.
    pub sample: Option<(u64, u64)>,
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
    /// Whether the jobs' states in the ledger decide.
    pub(crate) fn needs_states(&self) -> bool {
        let mut tests = self.filters.iter().flatten();
        tests.any(|test| matches!(test, Test::State(_)))
    }

    /// Selects jobs by what the manifest says; `at` gives a job's coordinates. With states the sample is taken later.
    pub(crate) fn by_manifest<T>(&self, jobs: &mut Vec<T>, at: impl Fn(&T) -> [u32; 4]) {
        jobs.retain(|job| self.passes(at(job), None));
        if !self.needs_states() {
            self.take_sample(jobs, at);
        }
    }

    /// Selects jobs by their states too, then takes the sample.
    pub(crate) fn by_state<T>(
        &self,
        jobs: &mut Vec<T>,
        states: &[Sign],
        at: impl Fn(&T) -> [u32; 4],
    ) {
        let mut states = states.iter();
        jobs.retain(|job| self.passes(at(job), states.next().copied()));
        self.take_sample(jobs, at);
    }

    fn passes(&self, at: [u32; 4], state: Option<Sign>) -> bool {
        self.filters.iter().all(|filter| {
            filter
                .iter()
                .any(|test| test.passes(at, self.matrix, state))
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

    /// A job's rank in the sample: by its name, not by its position.
    fn rank(&self, at: [u32; 4], seed: u64) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        hash.update(&seed.to_le_bytes());
        hash.update(job_name(self.matrix, at).as_bytes());
        *hash.finalize().as_bytes()
    }
}
