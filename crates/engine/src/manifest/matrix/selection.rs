//! A part of a plan: `--filter` and `--sample`. What is left keeps the plan's order and every job its key.

use super::axes::Matrix;
use super::expand::{Draft, job_name};
use super::wildcard::{fits, matches};
use crate::manifest::source::nearest::suggestion;
use crate::manifest::source::report::Report;

/// Which jobs of a manifest are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only jobs that pass all of these.
    pub filters: Vec<Filter>,
    /// Of those, this many, chosen by the seed: the same ones however the manifest is ordered.
    pub sample: Option<(u64, u64)>,
}

/// One `--filter`: `preset=lofi`, `stem!=demo-*`, `weirdness_constraint=0.5`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    key: String,
    value: String,
    negated: bool,
}

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a filter is `key=value` or `key!=value`, not `{0}`")]
pub struct NotAFilter(String);

impl std::str::FromStr for Filter {
    type Err = NotAFilter;

    fn from_str(text: &str) -> Result<Self, NotAFilter> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| NotAFilter(text.to_owned()))?;
        let negated = key.ends_with('!');
        let key = key.trim_end_matches('!').trim();
        if key.is_empty() {
            return Err(NotAFilter(text.to_owned()));
        }
        Ok(Self {
            key: key.to_owned(),
            value: value.trim().to_owned(),
            negated,
        })
    }
}

impl std::fmt::Display for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}{}{}",
            self.key,
            if self.negated { "!=" } else { "=" },
            self.value
        )
    }
}

impl Selection {
    /// Keeps the wanted jobs.
    pub(crate) fn apply(
        &self,
        mut jobs: Vec<Draft>,
        matrix: &Matrix,
        report: &mut Report,
    ) -> Vec<Draft> {
        for filter in &self.filters {
            let values = match filter.key.as_str() {
                "stem" => matrix
                    .stems
                    .iter()
                    .map(|stem| stem.id.clone())
                    .collect::<Vec<_>>(),
                "preset" => matrix
                    .presets
                    .iter()
                    .map(|preset| preset.id.to_string())
                    .collect(),
                "take" => (1..=matrix.takes).map(|take| take.to_string()).collect(),
                key => match matrix
                    .dimensions
                    .iter()
                    .find(|dimension| dimension.setting.name() == key)
                {
                    Some(dimension) => dimension
                        .values
                        .iter()
                        .map(|(_, written)| written.clone())
                        .collect(),
                    None => {
                        let known = ["stem", "preset", "take"].into_iter();
                        let known: Vec<&str> = known
                            .chain(matrix.dimensions.iter().map(|it| it.setting.name()))
                            .collect();
                        report
                            .refuse(format!(
                                "--filter {filter}: jobs can't be chosen by `{key}`"
                            ))
                            .maybe_help(suggestion(key, known.iter().copied()));
                        continue;
                    }
                },
            };
            // A name that looks like a number is a name.
            let matches = match filter.key.as_str() {
                "stem" | "preset" => fits,
                _ => matches,
            };
            let wanted: Vec<bool> = values
                .iter()
                .map(|value| matches(&filter.value, value) != filter.negated)
                .collect();
            if !values.iter().any(|value| matches(&filter.value, value)) {
                report
                    .refuse(format!(
                        "--filter {filter}: no job has the {} `{}`",
                        filter.key, filter.value
                    ))
                    .maybe_help(suggestion(&filter.value, values.iter().map(String::as_str)));
                continue;
            }
            let axis = matrix
                .dimensions
                .iter()
                .position(|dimension| dimension.setting.name() == filter.key);
            jobs.retain(|job| {
                wanted[match (filter.key.as_str(), axis) {
                    ("stem", _) => job.stem as usize,
                    ("preset", _) => job.preset as usize,
                    (_, Some(axis)) => matrix.points[job.point as usize].at[axis],
                    _ => job.take as usize - 1,
                }]
            });
        }
        if let Some((count, seed)) = self.sample
            && (jobs.len() as u64) > count
        {
            let mut ranked: Vec<(blake3::Hash, usize)> = jobs
                .iter()
                .enumerate()
                .map(|(at, job)| (rank(job, matrix, seed), at))
                .collect();
            ranked.sort_by(|left, right| {
                left.0
                    .as_bytes()
                    .cmp(right.0.as_bytes())
                    .then(left.1.cmp(&right.1))
            });
            let chosen: std::collections::HashSet<usize> = ranked
                .iter()
                .take(count as usize)
                .map(|(_, at)| *at)
                .collect();
            let mut at = 0;
            jobs.retain(|_| {
                at += 1;
                chosen.contains(&(at - 1))
            });
        }
        jobs
    }
}

/// A job's place in the lottery: by what it is called, not by where it stands.
fn rank(job: &Draft, matrix: &Matrix, seed: u64) -> blake3::Hash {
    let mut hash = blake3::Hasher::new();
    hash.update(&seed.to_le_bytes());
    hash.update(job_name(matrix, [job.stem, job.preset, job.point, job.take]).as_bytes());
    hash.finalize()
}
