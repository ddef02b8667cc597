//! The seam between the engine and whatever keeps its records.
//!
//! A store keeps runs, plan rows, records and the jobs that the records made, durable when the call returns. It decides two things,
//! in the transaction that writes: whether a job is still as its writer read it (the fence), and whether a submission is admitted.

mod commit;
mod contents;

use std::collections::HashMap;
use std::sync::Arc;

use backline_api::TaskId;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{Event, Record, RunId, Token, Via};
use crate::gate::Place;
use crate::job::{CLAIMS, Job, LinkedJob, Phase};
use crate::plan::{Coordinates, JobStep, Limits, Rate};
use crate::settings::{JobKey, Settings};

pub use commit::{
    Committed, Departure, Refusal, RefusedJob, Submission, SubmissionLimits, Writable,
};
pub use contents::{
    AddedRun, Addition, Contents, PAGE, Pages, Prunable, Shift, StoredRecord, StoredRun, moved_to,
};

/// Earlier runs of a manifest whose plans are compared with a new one: a run with `--filter` has a part of the jobs.
pub(crate) const COMPARED_RUNS: usize = 16;

/// What the driver needs of a store. [`Ledger`](crate::ledger::Ledger) is the one for a single process.
pub trait Store: Send {
    /// Records that a run begins, with its plan; all or nothing, durable on return.
    fn begin_run(&mut self, run: &RunHeader, plan: &[PlannedRow]) -> Result<(), StoreError>;
    /// Returns the recorded response of a hook to an input; see [`HookResult`].
    fn hook_result(&self, input: &[u8; 32]) -> Result<Option<String>, StoreError>;
    /// Records responses of hooks; all or nothing, durable on return.
    fn keep_hook_results(&mut self, results: &[HookResult]) -> Result<(), StoreError>;
    /// Appends events, replaces the state of the jobs they changed and keeps the uploads, in one transaction, durable on return.
    ///
    /// A job that is no longer in the version that the batch names is left out with all of its events, and so is the intent of a
    /// submission that is not admitted; see [`Committed::refused`]. All else of the batch is written, or nothing at all on an error.
    fn append(&mut self, batch: &Batch) -> Result<Committed, StoreError>;
    /// Joins the jobs, submissions and uploads of one account to another, whose key took the place of its own; all or nothing,
    /// durable on return.
    fn join_account(&mut self, from: &str, to: &str) -> Result<(), StoreError>;
    /// One job; none if nothing has happened to it.
    fn job(&self, key: &JobKey) -> Result<Option<KnownJob>, StoreError>;
    /// Every job that something has happened to.
    fn jobs(&self) -> Result<HashMap<JobKey, KnownJob>, StoreError>;
    /// Forgets where a stem with this content was uploaded to for this account.
    fn forget_upload(&mut self, hash: &str, account: &str) -> Result<(), StoreError>;
    /// Where a stem with this content was last uploaded to for this account.
    fn upload(&self, hash: &str, account: &str) -> Result<Option<Upload>, StoreError>;
    /// The places in the window that submissions of this account have taken since a time. A request has left by the next event of its
    /// job, by this at the latest.
    fn places_since(&self, account: &str, since_ms: i64) -> Result<Vec<Place>, StoreError>;
    /// The runs, newest first.
    fn runs(&self) -> Result<Vec<RunHeader>, StoreError>;
    /// A run's plan, in plan order.
    fn plan_of(&self, run: &RunId) -> Result<Vec<PlannedRow>, StoreError>;
    /// Stores the jobs of a whole manifest for a run that is about to begin with some of them. Returns what
    /// [`RunHeader::album`] is set to.
    fn store_album(&mut self, album: &[PlannedRow]) -> Result<String, StoreError>;
    /// The jobs of the manifest that a run was started with, in plan order: its plan, unless only some of them were selected.
    fn album_of(&self, run: &RunHeader) -> Result<Vec<PlannedRow>, StoreError>;
    /// A run's own events, in the order in which they happened.
    fn events_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError>;
    /// Everything that a run recorded, its jobs' events included, in the order in which it happened.
    fn records_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError>;
    /// What a run recorded after a place in the ledger, its jobs' events included, in the order in which it happened.
    fn records_since(&self, run: &RunId, seq: u64) -> Result<Vec<Record>, StoreError>;
    /// The intents that were recorded between two places in the ledger, in order.
    fn intents_between(&self, from: u64, to: u64) -> Result<Vec<Record>, StoreError>;
    /// The run that submitted each job last.
    fn buyers(&self) -> Result<HashMap<JobKey, RunId>, StoreError>;
    /// The job that a task is, or ever was, a task of: one that failed and was bought again is in its job's history only.
    fn job_of_task(&self, task: &str) -> Result<Option<JobKey>, StoreError>;
    /// Leaves a callback to the process that has the job of its attempt. Returns whether the store knows the attempt; one that a single
    /// process uses leaves none.
    fn leave_callback(&mut self, _: &LeftCallback) -> Result<bool, StoreError> {
        Ok(false)
    }
    /// The callbacks that were left for attempts of these jobs.
    fn left_callbacks(&self, _: &[JobKey]) -> Result<Vec<LeftCallback>, StoreError> {
        Ok(Vec::new())
    }
    /// Removes a callback that was left, once it is recorded.
    fn remove_callback(&mut self, _: &LeftCallback) -> Result<(), StoreError> {
        Ok(())
    }
    /// A job's events over all runs, in the order in which they happened.
    fn history_of(&self, job: &JobKey) -> Result<Vec<Record>, StoreError>;
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process owns it.
    #[error("the ledger {path} is in use by another backline process{owner}")]
    Owned {
        /// The ledger's file or address.
        path: String,
        /// ` (process 123)` where it is known.
        owner: String,
    },
    /// It was written by a newer program.
    #[error(
        "the ledger {path} has format {found}; this program reads up to {known}: update backline"
    )]
    TooNew {
        /// The ledger's file or address.
        path: String,
        /// Its format.
        found: i64,
        /// The newest format known.
        known: i64,
    },
    /// There is none where one was expected.
    #[error("there is no ledger at {path}")]
    Missing {
        /// The file or address where it was expected.
        path: String,
    },
    /// Its file was deleted, or another one was put in its place, while it was open.
    #[error(
        "the ledger {path} was deleted or replaced during the run; nothing is bought without it"
    )]
    Replaced {
        /// Where it was opened.
        path: String,
    },
    /// Another process has changed a job meanwhile.
    #[error("job {} was changed by another backline process; try again", key.short())]
    Changed {
        /// The job.
        key: JobKey,
    },
    /// It contains something that this program never writes.
    #[error("the ledger {path} is damaged: {what}")]
    Damaged {
        /// The ledger's file or address.
        path: String,
        /// What was found.
        what: String,
    },
    /// Its server can't be reached now. What was being written may have been written; the same call may succeed later and then writes
    /// nothing twice.
    #[error("the ledger {path} can't be reached")]
    Unreachable {
        /// Its address.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Reading or writing failed: a full disk, missing permissions.
    #[error("could not {operation} the ledger {path}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// The ledger's file or address.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What a run was started with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// Its identity.
    pub id: RunId,
    /// When it began, Unix time in milliseconds.
    pub started_ms: i64,
    /// The manifest's name.
    pub name: String,
    /// The manifest's file, relative to the project folder where it lies inside.
    pub manifest: String,
    /// The provider profile's name.
    pub provider: String,
    /// A fingerprint of the provider's address; none in ledgers of programs that did not write it down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub address: Option<String>,
    /// A fingerprint of provider, address and key; tells accounts apart and reveals none of them.
    pub account: String,
    /// How long the vendor keeps results, in days.
    pub retention_days: u32,
    /// The program's version.
    pub version: String,
    /// What a job cost.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub price_credits: Option<f64>,
    /// What bounded it; none in ledgers of programs that did not write it down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bounds: Option<RunBounds>,
    /// The options that selected a part of the manifest's jobs, as `--filter preset=lofi`; none if all of them were meant.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub selection: Option<String>,
    /// Names the jobs of the whole manifest, where its plan has only some of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub album: Option<String>,
    /// Whether its jobs' keys tell a title that was given from one that was not; those of earlier programs don't.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub knows_titles: bool,
    /// Whether its rows are what was bought; in runs of earlier versions hooks changed jobs after they were recorded.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub changes_in_plan: bool,
    /// Whether other processes may carry out jobs of it.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub is_shared: bool,
}

/// The limits of a run, for a process that watches it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunBounds {
    /// Most tasks in flight.
    pub concurrency: u32,
    /// Most submissions in a sliding window.
    pub rate: Rate,
    /// Most credits that it may spend.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub credits: Option<f64>,
}

impl From<&Limits> for RunBounds {
    fn from(limits: &Limits) -> Self {
        Self {
            concurrency: limits.concurrency,
            rate: limits.rate,
            credits: limits.credits,
        }
    }
}

/// A job as a run planned it: what a report says of it without the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRow {
    /// The job.
    pub key: JobKey,
    /// The stem's id.
    pub stem: Arc<str>,
    /// The preset's name.
    pub preset: Arc<str>,
    /// The stem's variables: a catalogue's columns.
    #[serde(skip_serializing_if = "is_empty", default)]
    pub vars: Arc<IndexMap<String, String>>,
    /// The sweep point.
    #[serde(skip_serializing_if = "is_empty", default)]
    pub sweep: Arc<IndexMap<String, String>>,
    /// The take, from 1.
    pub take: u32,
    /// What was to be sent for a song.
    #[serde(skip_serializing_if = "Settings::is_empty", default)]
    pub settings: Settings,
    /// What the job does to the result of an earlier one, where it is a step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<Box<JobStep>>,
    /// The stem's recording.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recording: Option<Arc<RecordedStem>>,
}

pub(crate) fn is_empty(map: &Arc<IndexMap<String, String>>) -> bool {
    map.is_empty()
}

impl PlannedRow {
    /// What the manifest called the job.
    pub fn coordinates(&self) -> Coordinates {
        Coordinates::new(
            &self.stem,
            &self.preset,
            &self.sweep,
            self.take,
            self.step.as_deref(),
        )
    }
}

/// A stem's recording, as a run found it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStem {
    /// Its [fingerprint](crate::plan::StemSource::fingerprint).
    pub fingerprint: String,
    /// Its file, written as a [kept file's](crate::event::KeptFile::path) is; none for one with an address.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<String>,
}

/// Events that become durable together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The events, in order.
    pub events: Vec<NewRecord>,
    /// The jobs that they changed, as they are after the last of them.
    pub jobs: IndexMap<JobKey, KnownJob>,
    /// Where stems were uploaded to meanwhile.
    pub uploads: Vec<Upload>,
    /// The submissions among the events. Each is the last event of its job in the batch.
    pub submissions: Vec<Submission>,
    /// The requests that have come to their end, with how late they left.
    pub departures: Vec<Departure>,
    /// Songs of a shared run that are to be carried out once more, by any process: others were done with them when the events came.
    pub left: Vec<JobKey>,
    /// The limits that submissions are admitted under; none in a batch without submissions.
    pub limits: Option<SubmissionLimits>,
}

impl Batch {
    /// One event, and the job that it changed.
    pub fn of_job(record: NewRecord, key: JobKey, known: KnownJob) -> Self {
        Self {
            events: vec![record],
            jobs: [(key, known)].into(),
            ..Self::default()
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.jobs.is_empty() && self.uploads.is_empty()
    }
}

/// An event before it has its place in the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRecord {
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The run that records it.
    pub run: RunId,
    /// The account it concerns.
    pub account: String,
    /// The job it happened to.
    pub job: Option<JobKey>,
    /// What happened.
    pub event: Event,
}

/// A job's state and the account that it belongs to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KnownJob {
    /// Its state, shared with whoever else holds it.
    pub job: Arc<Job>,
    /// The account that the last attempt was made with.
    pub account: String,
    /// How often a store has written it when it was read; 0 for a job that no store has. A batch names the version that it changes.
    pub version: u64,
}

/// A callback that came to a process that does not have the job.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeftCallback {
    /// The token of the attempt.
    pub token: Token,
    /// The task that it names.
    pub task: TaskId,
}

impl LeftCallback {
    /// The callback of an attempt that names a task.
    pub fn new(token: impl Into<String>, task: impl Into<String>) -> Self {
        Self {
            token: Token::from_text(token),
            task: TaskId(task.into()),
        }
    }
}

/// Most callbacks that a store keeps for one attempt: each names another task, and a job takes no more.
pub const LEFT_CALLBACKS: usize = CLAIMS;

/// The response of a hook when a job was planned, to be used again while the input is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookResult {
    /// BLAKE3 hash of the hook (its command, the project's files that it names, its script) and of the job.
    pub input: [u8; 32],
    /// The response, as JSON.
    pub response: String,
}

/// A planned row as it was bought: an earlier version may have bought another job in its place.
pub fn bought_in_place_of<'a>(
    jobs: &'a HashMap<JobKey, KnownJob>,
    key: JobKey,
) -> Option<(&'a LinkedJob, &'a Job)> {
    let link = |key: &JobKey| -> Option<&'a LinkedJob> {
        let job = &jobs.get(key)?.job;
        job.linked.as_deref().filter(|_| job.attempts == 0)
    };
    let mut next = link(&key);
    for _ in 0..MAX_LINKS {
        let known = jobs.get(&next?.key).map(|known| &*known.job)?;
        if known.attempts > 0 || matches!(known.phase, Phase::Failed(_)) {
            return next.map(|link| (link, known));
        }
        next = link(&next?.key);
    }
    None
}

/// Links that lead from a job to what was bought; one is the rule, more came from hooks that swapped jobs.
const MAX_LINKS: usize = 8;

/// Where a stem was uploaded to.
#[derive(Debug, Clone, PartialEq)]
pub struct Upload {
    /// BLAKE3 hash of the content, hexadecimal.
    pub hash: String,
    /// The account it was uploaded with.
    pub account: String,
    /// Its address at the vendor's.
    pub url: String,
    /// When, Unix time in milliseconds.
    pub at_ms: i64,
}

/// A plan's name in a store: runs with equal plans share its rows.
pub fn plan_name(plan: &[PlannedRow]) -> String {
    let mut hasher = blake3::Hasher::new();
    for row in plan {
        let text = serde_json::to_string(row);
        hasher.update(
            text.expect("plans have string keys and finite numbers")
                .as_bytes(),
        );
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

/// Whether the user took back that a task is the job's, of a job with this history.
pub fn is_taken_back(history: &[Record], task: &str) -> bool {
    let mut given_for = None;
    let mut is_taken_back = false;
    for record in history {
        match &record.event {
            Event::Accepted {
                attempt,
                task_id,
                via,
            } if task_id.as_str() == task => {
                given_for = (*via == Via::User).then_some(*attempt);
                is_taken_back = false;
            }
            // What a later `Reopened` withdraws is this, and no longer the task.
            Event::NeverBought { attempt } | Event::BuyAgain { attempt }
                if given_for == Some(*attempt) =>
            {
                given_for = None;
            }
            Event::Reopened { attempt } => is_taken_back |= given_for == Some(*attempt),
            _ => {}
        }
    }
    is_taken_back
}
