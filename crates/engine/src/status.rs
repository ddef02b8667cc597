//! The state of a job as one name: the status that reports store, and the sign that plans, reports and filters show.
//!
//! ```text
//! Phase ──► JobStatus ──► Sign
//! with its data  one of 9   one of 10
//! ```
//!
//! Each is derived from the one before it, here and nowhere else. A caller that knows more than the ledger refines a sign: a job may
//! have taken the place of another ([`Sign::Changed`]), its files may have expired ([`Sign::Expired`]) or be gone ([`Sign::Fetch`]).

use serde::Serialize;

use crate::job::Phase;

/// The state of a job, as reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Nothing is bought.
    Planned,
    /// Sent, without a response so far.
    Submitting,
    /// Possibly bought: the response was lost.
    InDoubt,
    /// Bought; the vendor is at work.
    Running,
    /// Made, not kept yet.
    Finished,
    /// All tracks are kept.
    Kept,
    /// The task ended with fewer tracks than it showed; those are kept.
    Partial,
    /// Ended without tracks.
    Failed,
    /// Vetoed by a hook.
    Vetoed,
}

impl JobStatus {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 9] = [
        Self::Planned,
        Self::Submitting,
        Self::InDoubt,
        Self::Running,
        Self::Finished,
        Self::Kept,
        Self::Partial,
        Self::Failed,
        Self::Vetoed,
    ];

    /// Its name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Submitting => "submitting",
            Self::InDoubt => "in_doubt",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Kept => "kept",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Vetoed => "vetoed",
        }
    }
}

impl From<&Phase> for JobStatus {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Planned => Self::Planned,
            Phase::Submitting { .. } => Self::Submitting,
            Phase::InDoubt { .. } => Self::InDoubt,
            Phase::Running(_) => Self::Running,
            Phase::Finished(_) => Self::Finished,
            Phase::Kept(_) => Self::Kept,
            Phase::Partial(_) => Self::Partial,
            Phase::Failed(_) => Self::Failed,
            Phase::Vetoed { .. } => Self::Vetoed,
        }
    }
}

/// The state of a job for people: one character in a table, a few words in a list, a value of `--filter state=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// `+`: it is not bought; a run buys it.
    Buy,
    /// `~`: it is not bought, and an earlier run of the manifest had another job in its place.
    Changed,
    /// `>`: it is bought and the vendor is at work; a run follows it and buys nothing.
    InProgress,
    /// `f`: it is made and not all of it is on disk; a run downloads it and buys nothing.
    Fetch,
    /// `=`: all its tracks are kept.
    Kept,
    /// `?`: it may be bought; a callback, the provider or the user settles it.
    InDoubt,
    /// `!`: it failed.
    Failed,
    /// `v`: a hook vetoed it; the next run calls the hook again.
    Vetoed,
    /// `p`: its task ended with fewer tracks than it showed; those are kept, and it is never bought again by itself.
    Partial,
    /// `x`: it is bought, not kept, and the vendor has deleted it by now.
    Expired,
}

impl Sign {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 10] = [
        Self::Buy,
        Self::Changed,
        Self::InProgress,
        Self::Fetch,
        Self::Kept,
        Self::InDoubt,
        Self::Failed,
        Self::Vetoed,
        Self::Partial,
        Self::Expired,
    ];

    /// The character.
    pub fn symbol(self) -> char {
        match self {
            Self::Buy => '+',
            Self::Changed => '~',
            Self::InProgress => '>',
            Self::Fetch => 'f',
            Self::Kept => '=',
            Self::InDoubt => '?',
            Self::Failed => '!',
            Self::Vetoed => 'v',
            Self::Partial => 'p',
            Self::Expired => 'x',
        }
    }

    /// What it means for the next run, in a few words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Buy => "to buy",
            Self::Changed => "to buy, changed",
            Self::InProgress => "in progress",
            Self::Fetch => "to fetch",
            Self::Kept => "kept",
            Self::InDoubt => "in doubt",
            Self::Failed => "failed",
            Self::Vetoed => "vetoed",
            Self::Partial => "partial",
            Self::Expired => "expired",
        }
    }

    /// What it means after a run, in a few words.
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Buy => "not bought",
            Self::Changed => "changed, not bought",
            other => other.meaning(),
        }
    }
}

impl From<JobStatus> for Sign {
    /// The sign of a job of which no more than its status is known.
    fn from(status: JobStatus) -> Self {
        match status {
            JobStatus::Planned => Self::Buy,
            JobStatus::Submitting | JobStatus::Running => Self::InProgress,
            JobStatus::InDoubt => Self::InDoubt,
            JobStatus::Finished => Self::Fetch,
            JobStatus::Kept => Self::Kept,
            JobStatus::Partial => Self::Partial,
            JobStatus::Failed => Self::Failed,
            JobStatus::Vetoed => Self::Vetoed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_name_every_variant() {
        for (at, status) in JobStatus::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, at);
        }
        for (at, sign) in Sign::ALL.into_iter().enumerate() {
            assert_eq!(sign as usize, at);
        }
        assert_eq!(JobStatus::Vetoed as usize + 1, JobStatus::ALL.len());
        assert_eq!(Sign::Expired as usize + 1, Sign::ALL.len());
    }
}
