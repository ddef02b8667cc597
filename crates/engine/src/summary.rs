//! What a run came to: a pure function of the ledger, from which every report is written.
//!
//! The same ledger gives the same summary: jobs stand in plan order, times are those that were recorded, and nothing is asked of
//! the clock, the disk or the network.

use std::collections::HashSet;

use backline_api::Excerpt;
use indexmap::IndexMap;
use serde::Serialize;

use crate::event::{Event, KeptFile, Moment, Outcome, RefusedCallbacks, StopReason};
use crate::evidence::{Evidence, evidence};
use crate::hooks::{HookPoint, OnError};
use crate::machine::{Job, Phase, TrackLoudness};
use crate::plan::Settings;
use crate::store::{Recording, RunHeader, Store, StoreError, bought_in_place_of};

/// The format's version, written into every JSON summary.
pub const SUMMARY_VERSION: u32 = 1;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// The run.
    pub run: RunFacts,
    /// How many jobs are in which state, and what they cost.
    pub totals: Totals,
    /// The jobs, in plan order.
    pub jobs: Vec<JobSummary>,
    /// What the balances show about those in doubt.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// The run itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFacts {
    /// Its id.
    pub id: String,
    /// The manifest's name.
    pub name: String,
    /// The manifest's file.
    pub manifest: String,
    /// The ledger, where commands about the run have to name it.
    #[serde(skip)]
    pub ledger: Option<String>,
    /// The provider profile's name.
    pub provider: String,
    /// When it began, Unix time in milliseconds.
    pub started_ms: i64,
    /// When it ended; none for a run that goes on or was killed.
    pub ended_ms: Option<i64>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The account's balance before the first submission.
    pub balance_before: Option<f64>,
    /// The account's balance after the last track.
    pub balance_after: Option<f64>,
    /// Credits that the run is known to have spent; none for a run that goes on or was killed.
    pub credits: Option<f64>,
    /// Callbacks that it refused.
    pub callbacks_refused: RefusedCallbacks,
    /// Why it waited last, where that is what stopped it: the provider could not be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How often hooks failed in it.
    pub hooks_failed: u64,
    /// The first of those failures.
    pub hook_failures: Vec<HookFailure>,
    /// The program's version.
    pub backline: String,
}

/// A hook's failure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookFailure {
    /// At which point.
    pub point: HookPoint,
    /// Which hook.
    pub hook: String,
    /// The key of the job it was about.
    pub job: Option<String>,
    /// What went wrong.
    pub message: String,
    /// What that did.
    pub effect: OnError,
}

/// Failures of hooks that a summary names; the rest is counted.
const SHOWN_FAILURES: usize = 20;

/// How many jobs are in which state, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Totals {
    /// All jobs.
    pub jobs: u64,
    /// All tracks kept.
    pub kept: u64,
    /// Bought, and not all tracks kept yet.
    pub in_progress: u64,
    /// Not bought.
    pub planned: u64,
    /// Ended without tracks.
    pub failed: u64,
    /// Ended with fewer tracks than the task showed.
    pub partial: u64,
    /// Perhaps bought.
    pub in_doubt: u64,
    /// Vetoed by hooks.
    pub vetoed: u64,
    /// Credits that the vetoed jobs would have cost, as far as the price is known.
    pub credits_saved: f64,
    /// Kept tracks.
    pub tracks: u64,
    /// Those of them whose file, or whose mix, could not be told to be the whole recording that was bought.
    #[serde(skip_serializing_if = "is_none")]
    pub unverified: u64,
    /// Credits spent.
    pub credits: f64,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobSummary {
    /// Its key.
    pub key: String,
    /// The stem's id.
    pub stem: String,
    /// The preset's name.
    pub preset: String,
    /// The sweep point.
    pub sweep: IndexMap<String, String>,
    /// The take, from 1.
    pub take: u32,
    /// Where it is in its life.
    pub state: JobStatus,
    /// The vendor's task.
    pub task_id: Option<String>,
    /// Submissions so far.
    pub attempts: u32,
    /// Credits spent on it; 0 where an earlier row was bought as the same job, by an earlier version.
    pub credits: f64,
    /// The vendor's code, if it failed.
    pub error_code: Option<i64>,
    /// What went wrong, in the vendor's own words where it has said any: of a job that failed, is partial, in doubt or vetoed, and of
    /// one in progress whose details can't be read.
    pub error: Option<String>,
    /// What the response to a submission in doubt said, where one came that could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Excerpt>,
    /// What was sent.
    pub settings: Settings,
    /// The stem's recording, where the run recorded it.
    pub recording: Option<Recording>,
    /// Tasks that were bought for it beside the one it follows.
    pub other_tasks: Vec<String>,
    /// Its tracks.
    pub tracks: Vec<TrackSummary>,
}

/// Where a job is in its life, in a report's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Nothing is bought.
    Planned,
    /// Sent, not answered yet.
    Submitting,
    /// Perhaps bought: the answer was lost.
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
    /// A hook said no.
    Vetoed,
}

impl JobStatus {
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

/// One track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrackSummary {
    /// Place in the task, from 1.
    pub index: u32,
    /// The vendor's id.
    pub id: String,
    /// The vendor's title.
    pub title: String,
    /// Where the vendor keeps it; a signed query is left out.
    pub audio_url: Option<String>,
    /// Where it can be streamed.
    pub stream_url: Option<String>,
    /// Its cover.
    pub image_url: Option<String>,
    /// When the vendor made it, Unix time in milliseconds.
    pub created_ms: Option<i64>,
    /// When the vendor will have thrown it away, Unix time in milliseconds.
    pub expires_ms: Option<i64>,
    /// The kept file.
    pub file: Option<KeptFile>,
    /// The kept mix with the vocal.
    pub mix: Option<KeptFile>,
    /// The track's loudness, where a hook measured it.
    pub loudness: Option<TrackLoudness>,
    /// The mix's loudness, where a hook measured it.
    pub mix_loudness: Option<TrackLoudness>,
    /// Where a hook copied its files to.
    pub copies: Vec<String>,
    /// Why it could not be fetched the last time.
    pub problem: Option<String>,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

impl TrackSummary {
    /// Why a kept file of it could not be told to be the whole recording that was bought; none where it was.
    pub fn unverified(&self) -> Option<&str> {
        let files = self.file.iter().chain(&self.mix);
        files.filter_map(|file| file.unverified.as_deref()).next()
    }
}

/// Sums a run up from a ledger.
pub fn summarise(store: &dyn Store, run: &RunHeader) -> Result<Summary, StoreError> {
    let jobs = store.jobs()?;
    let mut facts = RunFacts {
        id: run.id.to_string(),
        name: run.name.clone(),
        manifest: run.manifest.clone(),
        ledger: None,
        provider: run.provider.clone(),
        started_ms: run.started_ms,
        ended_ms: None,
        outcome: None,
        balance_before: None,
        balance_after: None,
        credits: None,
        callbacks_refused: RefusedCallbacks::default(),
        trouble: None,
        hooks_failed: 0,
        hook_failures: Vec::new(),
        backline: run.version.clone(),
    };
    for record in store.events_of(&run.id)? {
        match record.event {
            Event::RunEnded { outcome, credits } => {
                (facts.ended_ms, facts.outcome) = (Some(record.at_ms), Some(outcome));
                facts.credits = Some(credits);
            }
            Event::HookFailed {
                point,
                hook,
                about,
                message,
                effect,
            } => {
                facts.hooks_failed += 1;
                if facts.hook_failures.len() < SHOWN_FAILURES {
                    facts.hook_failures.push(HookFailure {
                        point,
                        hook,
                        job: about.map(|key| key.to_string()),
                        message,
                        effect,
                    });
                }
            }
            Event::Paused { message, .. } => facts.trouble = Some(message),
            Event::CallbacksRefused(refused) => facts.callbacks_refused = refused,
            Event::Credits {
                balance,
                moment: Moment::Before,
            } => facts.balance_before = Some(balance),
            Event::Credits {
                balance,
                moment: Moment::After,
            } => facts.balance_after = Some(balance),
            _ => {}
        }
    }
    let unreachable = Outcome::Stopped {
        reason: StopReason::Unreachable,
    };
    if facts.outcome != Some(unreachable) {
        facts.trouble = None;
    }
    let mut totals = Totals::default();
    let mut counted = HashSet::new();
    let mut rows = Vec::new();
    let untouched = Job::default();
    for row in store.plan_of(&run.id)? {
        let replaced = match run.changes_in_plan {
            true => None,
            false => bought_in_place_of(&jobs, row.key),
        };
        let (key, settings, job) = match replaced {
            Some((link, job)) => (link.key, link.settings.clone(), job),
            None => {
                let job = jobs.get(&row.key).map(|known| &known.job);
                (row.key, row.settings, job.unwrap_or(&untouched))
            }
        };
        let is_first = counted.insert(key);
        let summary = JobSummary {
            key: key.to_string(),
            stem: row.stem,
            preset: row.preset,
            sweep: row.sweep,
            take: row.take,
            state: JobStatus::from(&job.phase),
            task_id: task_id(job),
            attempts: job.attempts,
            credits: if is_first { job.credits } else { 0.0 },
            error_code: error(job).and_then(|(code, _)| code),
            error: error(job).map(|(_, message)| message),
            response: response(job),
            settings,
            recording: row.recording,
            other_tasks: job.others.iter().map(|task| task.id.to_string()).collect(),
            tracks: tracks(job, run.retention_days),
        };
        totals.add(&summary, run.price_credits.unwrap_or(0.0), is_first);
        rows.push(summary);
    }
    Ok(Summary {
        version: SUMMARY_VERSION,
        run: facts,
        evidence: evidence(store, &jobs, &counted)?,
        totals,
        jobs: rows,
    })
}

impl Totals {
    /// Adds a job; the tracks of one that is bought as an earlier job are counted there.
    fn add(&mut self, job: &JobSummary, price: f64, is_first: bool) {
        self.jobs += 1;
        match job.state {
            JobStatus::Planned => self.planned += 1,
            JobStatus::Submitting | JobStatus::Running | JobStatus::Finished => {
                self.in_progress += 1
            }
            JobStatus::InDoubt => self.in_doubt += 1,
            JobStatus::Kept => self.kept += 1,
            JobStatus::Partial => self.partial += 1,
            JobStatus::Failed => self.failed += 1,
            JobStatus::Vetoed => {
                self.vetoed += 1;
                self.credits_saved += price;
            }
        }
        if is_first {
            let tracks = || job.tracks.iter();
            self.tracks += tracks().filter(|track| track.file.is_some()).count() as u64;
            self.unverified += tracks().filter(|it| it.unverified().is_some()).count() as u64;
        }
        self.credits += job.credits;
    }
}

fn task_id(job: &Job) -> Option<String> {
    match &job.phase {
        Phase::Failed(failure) => failure.task_id.as_ref().map(ToString::to_string),
        _ => job.task().map(|task| task.id.to_string()),
    }
}

fn error(job: &Job) -> Option<(Option<i64>, String)> {
    match &job.phase {
        Phase::Failed(failure) => Some((failure.code, failure.message.clone())),
        Phase::InDoubt { message, .. } => Some((None, message.clone())),
        Phase::Vetoed { why } => Some((None, why.clone())),
        _ => {
            let task = job.task()?;
            let unavailable = task.unavailable.as_ref();
            let unavailable = unavailable
                .filter(|_| !matches!(job.phase, Phase::Kept(_)))
                .map(|it| (None, format!("details unavailable: {}", it.message)));
            let shortfall = task.shortfall.as_ref();
            shortfall
                .map(|it| (it.code, it.message.clone()))
                .or(unavailable)
        }
    }
}

fn response(job: &Job) -> Option<Excerpt> {
    match &job.phase {
        Phase::InDoubt { response, .. } => response.clone(),
        _ => None,
    }
}

fn tracks(job: &Job, retention_days: u32) -> Vec<TrackSummary> {
    let Some(task) = job.task() else {
        return Vec::new();
    };
    let retention_ms = i64::from(retention_days) * DAY_MS;
    (1..)
        .zip(&task.tracks)
        .map(|(index, track)| TrackSummary {
            index,
            id: track.facts.id.clone(),
            title: track.facts.title.clone(),
            audio_url: track.facts.audio_url.clone(),
            stream_url: track.facts.stream_url.clone(),
            image_url: track.facts.image_url.clone(),
            created_ms: track.facts.created_ms,
            expires_ms: Some(task.made_ms(&track.facts, retention_ms) + retention_ms),
            file: track.kept.clone(),
            mix: track.mix.clone(),
            loudness: track.loudness,
            mix_loudness: track.mix_loudness,
            copies: track.copies.clone(),
            problem: track.problem.clone(),
        })
        .collect()
}
