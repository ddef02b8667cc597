//! The state of a manifest's jobs after a run: a pure function of the ledger, from which every report is written.
//!
//! A summary always has every job of the manifest, also where the run was about a few of them (`--filter`, `--sample`) or bought
//! nothing; [`ThisRun`] has what the run itself did. The same ledger gives the same summary: the jobs are in plan order, times are
//! those that were recorded, and neither the clock, the disk nor the network is read.

mod build;

use std::sync::Arc;

use backline_api::Excerpt;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::event::{HookPoint, OnError};
use crate::event::{KeptFile, Music, Outcome, RefusedCallbacks};
use crate::evidence::Evidence;
use crate::job::TrackLoudness;
use crate::plan::JobStep;
use crate::settings::Settings;
use crate::status::{JobStatus, Sign};
use crate::store::RecordedStem;

pub use build::{summarise, summarise_with_former};

/// The format's version, written into every JSON summary.
///
/// 2: the jobs are those of the whole manifest, `totals` counts them, and `run` of a CSV line is the run that bought the job.
pub const SUMMARY_VERSION: u32 = 2;

/// The state of a manifest's jobs after a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// [`SUMMARY_VERSION`].
    pub version: u32,
    /// The run.
    pub run: RunFacts,
    /// What this run did.
    pub this_run: ThisRun,
    /// How many jobs of the manifest are in which state, and what they have cost in all runs.
    pub totals: Totals,
    /// The jobs of the manifest, in plan order. After them come the newest bought versions of those that were changed and have no
    /// track yet, and, where they were requested, all other jobs that the manifest had before.
    pub jobs: Vec<JobSummary>,
    /// The blind comparisons of its tracks, where they were joined.
    #[serde(skip)]
    pub comparisons: Vec<Comparison>,
    /// What the balances show about those in doubt.
    #[serde(skip)]
    pub evidence: Evidence,
}

/// What one run did.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ThisRun {
    /// The options that selected its jobs, as `--filter preset=lofi`; none if it was about every job of the manifest.
    pub selection: Option<String>,
    /// Its jobs as they are now.
    pub totals: Totals,
    /// Jobs that it submitted.
    pub submitted: u64,
    /// Tracks that it downloaded.
    pub downloaded: u64,
    /// Credits that it spent, as far as is known.
    pub credits: f64,
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
    /// The account's balance at the end of the run.
    pub balance_after: Option<f64>,
    /// Credits that the run is known to have spent; none for a run that goes on or was killed.
    pub credits: Option<f64>,
    /// What a job costs, where that is known; 0 with the embedded studio.
    pub price_credits: Option<f64>,
    /// Callbacks that it refused.
    pub callbacks_refused: RefusedCallbacks,
    /// Why it waited last, where that is what stopped it: the provider could not be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// How often hooks failed in it.
    pub hooks_failed: u64,
    /// The first of those failures.
    pub hook_failures: Vec<HookFailureSummary>,
    /// The program's version.
    pub backline: String,
}

/// A hook's failure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookFailureSummary {
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

/// How many jobs are in which state, and what they have cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Totals {
    /// All jobs.
    pub jobs: u64,
    /// All tracks kept.
    pub kept: u64,
    /// Bought, and the vendor is at work.
    pub in_progress: u64,
    /// Made, and not all tracks are on disk: they are downloaded, not bought again.
    pub to_fetch: u64,
    /// Not bought.
    pub planned: u64,
    /// Ended without tracks.
    pub failed: u64,
    /// Ended with fewer tracks than the task showed.
    pub partial: u64,
    /// Possibly bought.
    pub in_doubt: u64,
    /// Vetoed by hooks.
    pub vetoed: u64,
    /// Credits that the vetoed jobs would have cost, as far as the price is known.
    pub credits_saved: f64,
    /// Kept tracks of songs.
    pub tracks: u64,
    /// Kept files that steps made of them.
    #[serde(skip_serializing_if = "is_none")]
    pub artefacts: u64,
    /// Those of them whose file, or whose mix, could not be verified to be the whole recording that was bought.
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
    /// The run that submitted it last; none if it was never submitted.
    pub run: Option<String>,
    /// Whether the manifest has it; false for a job that an earlier run of the manifest bought and that was taken out since.
    pub in_manifest: bool,
    /// The key of its newest bought version, where the manifest was changed since and no track of this job is on disk: the tracks of
    /// that version are the ones to listen to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Whether this run was about it.
    pub selected: bool,
    /// The stem's id.
    pub stem: Arc<str>,
    /// The preset's name.
    pub preset: Arc<str>,
    /// The stem's variables: a catalogue's columns.
    pub vars: Arc<IndexMap<String, String>>,
    /// The sweep point.
    pub sweep: Arc<IndexMap<String, String>>,
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
    /// What was sent for a song.
    pub settings: Settings,
    /// What the job does to the result of an earlier one, where it is a step; its tracks are what it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<Box<JobStep>>,
    /// The stem's recording, where the run recorded it.
    pub recording: Option<Arc<RecordedStem>>,
    /// Tasks that were bought for it beside the one it follows.
    pub other_tasks: Vec<String>,
    /// Its tracks.
    pub tracks: Vec<TrackSummary>,
}

/// One track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrackSummary {
    /// Place in the task, from 1.
    pub index: u32,
    /// The vendor's id.
    pub id: String,
    /// What it is, where a step made it: `wav`, `vocal`, `midi`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub artefact: String,
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
    pub file: Option<Arc<KeptFile>>,
    /// The kept mix with the vocal.
    pub mix: Option<Arc<KeptFile>>,
    /// The track's loudness, where a hook measured it.
    pub loudness: Option<TrackLoudness>,
    /// The mix's loudness, where a hook measured it.
    pub mix_loudness: Option<TrackLoudness>,
    /// What it sounds like, where the provider reports it.
    pub music: Option<Box<Music>>,
    /// Where a hook copied its files to.
    pub copies: Vec<String>,
    /// Why it could not be downloaded the last time.
    pub problem: Option<String>,
    /// What listeners said of it, where their ratings were joined.
    pub rating: Option<Rating>,
}

/// What listeners said of a track.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Rating {
    /// Whether it was starred.
    pub star: bool,
    /// A note.
    pub note: Option<String>,
    /// Blind comparisons that it won.
    pub won: u32,
    /// Blind comparisons that it lost.
    pub lost: u32,
    /// Blind comparisons without a difference.
    pub same: u32,
}

/// One blind comparison of two tracks, each named by its job's key and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first side.
    pub a: (String, u32),
    /// The second side.
    pub b: (String, u32),
    /// Which of them is better.
    pub better: Better,
}

/// The result of a blind comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The first side.
    A,
    /// The second side.
    B,
    /// Neither.
    Same,
}

fn is_none(number: &u64) -> bool {
    *number == 0
}

impl TrackSummary {
    /// Why a kept file of it could not be verified to be the whole recording that was bought; none where it was.
    pub fn unverified(&self) -> Option<&str> {
        let files = self.file.iter().chain(&self.mix);
        files.filter_map(|file| file.unverified.as_deref()).next()
    }
}

impl Totals {
    /// Adds a job; the tracks of one that is bought as an earlier job are counted there.
    fn add(&mut self, job: &JobSummary, price: f64, is_first: bool) {
        self.jobs += 1;
        match Sign::from(job.state) {
            Sign::Buy | Sign::Changed => self.planned += 1,
            Sign::InProgress => self.in_progress += 1,
            Sign::Fetch | Sign::Expired => self.to_fetch += 1,
            Sign::InDoubt => self.in_doubt += 1,
            Sign::Kept => self.kept += 1,
            Sign::Partial => self.partial += 1,
            Sign::Failed => self.failed += 1,
            Sign::Vetoed => {
                self.vetoed += 1;
                // The price is that of a song.
                if job.step.is_none() {
                    self.credits_saved += price;
                }
            }
        }
        if is_first {
            let tracks = || job.tracks.iter();
            let kept = tracks().filter(|track| track.file.is_some()).count() as u64;
            match job.step {
                None => self.tracks += kept,
                Some(_) => self.artefacts += kept,
            }
            self.unverified += tracks().filter(|it| it.unverified().is_some()).count() as u64;
        }
        self.credits += job.credits;
    }
}
