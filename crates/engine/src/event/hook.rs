//! The points of a job's and a run's life at which hooks are called, what a hook's failure does there, and what hooks decide.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings::{JobKey, Settings};

/// A name that is none of those that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an unknown name")]
pub struct UnknownName;

/// Where in a job's or a run's life a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HookPoint {
    /// A job of the manifest becomes a job of the plan.
    PlanJob,
    /// The plan is made and nothing is done yet.
    PlanExpanded,
    /// A job that was never submitted is about to be lined up for its recording.
    BeforeUpload,
    /// A job that was never submitted is about to be.
    BeforeSubmit,
    /// A job is bought: its task id is recorded.
    Submitted,
    /// A job's task went on.
    Stage,
    /// A file of a track is kept.
    TrackKept,
    /// A job ended without all of its tracks.
    JobFailed,
    /// A job may have been bought: the response was lost.
    JobInDoubt,
    /// The run has ended.
    RunFinished,
}

impl HookPoint {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 10] = [
        Self::PlanJob,
        Self::PlanExpanded,
        Self::BeforeUpload,
        Self::BeforeSubmit,
        Self::Submitted,
        Self::Stage,
        Self::TrackKept,
        Self::JobFailed,
        Self::JobInDoubt,
        Self::RunFinished,
    ];

    /// Its name in manifests, events and arguments.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlanJob => "plan_job",
            Self::PlanExpanded => "plan_expanded",
            Self::BeforeUpload => "before_upload",
            Self::BeforeSubmit => "before_submit",
            Self::Submitted => "submitted",
            Self::Stage => "stage",
            Self::TrackKept => "track_kept",
            Self::JobFailed => "job_failed",
            Self::JobInDoubt => "job_in_doubt",
            Self::RunFinished => "run_finished",
        }
    }

    /// Whether a hook decides on a job here; at the other points it observes.
    pub const fn decides(self) -> bool {
        matches!(
            self,
            Self::PlanJob | Self::BeforeUpload | Self::BeforeSubmit
        )
    }

    /// What a hook's failure does here unless the manifest says otherwise: a job that could not be checked is not bought; what
    /// only observes stops nothing.
    pub const fn default_on_error(self) -> OnError {
        if self.decides() {
            OnError::Fail
        } else {
            OnError::Ignore
        }
    }
}

impl FromStr for HookPoint {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        let point = Self::ALL.into_iter().find(|point| point.as_str() == name);
        point.ok_or(UnknownName)
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a hook's failure does: the hook could not be started, took too long, crashed, or wrote an invalid or endless response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Where hooks decide: the job fails, nothing is bought for it, and the next run tries again. Where hooks observe: the run
    /// buys nothing more, keeps what is bought, and ends as failed.
    Fail,
    /// The job is vetoed. Only where hooks decide.
    Veto,
    /// The hook is ignored; its failure is reported.
    Ignore,
}

impl OnError {
    /// The names of all of them.
    pub const NAMES: [&'static str; 3] = ["fail", "veto", "ignore"];
}

impl FromStr for OnError {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        match name {
            "fail" => Ok(Self::Fail),
            "veto" => Ok(Self::Veto),
            "ignore" => Ok(Self::Ignore),
            _ => Err(UnknownName),
        }
    }
}

/// A decision on a job as the ledger has it. The working type is `HookDecision` of `hooks`: a delay is not
/// recorded, and `Change` is no decision any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// The job goes on.
    Pass,
    /// The job was bought with other settings, under another key. Only in ledgers of earlier versions: jobs are changed when they
    /// are planned.
    Change {
        /// The other key.
        key: JobKey,
        /// What was sent.
        settings: Box<Settings>,
    },
    /// The job is not bought.
    Veto {
        /// Why.
        why: String,
    },
    /// A hook failed, so the job is not bought by this run.
    Fail {
        /// What went wrong.
        message: String,
    },
}
