//! The types between the driver and the conductor: the configuration of a run, its inputs, and the records and effects of a decision.

use std::sync::Arc;

use backline_api::{
    Credits, Input as OperationInput, Notes, ResponseClass, Source, SubmitOutcome, TaskId, TaskView,
};

use super::Timing;
use crate::event::{KeptFile, Moment, Part, RunId, Token, TrackNote};
use crate::forecast::Missing;
use crate::hooks::{HookDecision, HookPoint, Verdict};
use crate::job::Job;
use crate::plan::Rate;
use crate::settings::JobKey;
use crate::store::Batch;

/// A stem's id, as its manifest has it.
pub(crate) type StemId = Arc<str>;

/// What bounds and identifies a run.
#[derive(Debug, Clone)]
pub(crate) struct RunConfig {
    pub(crate) run: RunId,
    pub(crate) account: String,
    pub(crate) rate: Rate,
    pub(crate) concurrency: usize,
    /// Whether hooks decide on jobs before they are lined up for their recording.
    pub(crate) hooks_before_upload: bool,
    /// Whether hooks decide on jobs before they are submitted.
    pub(crate) hooks_before_submit: bool,
    /// Most credits that this run may spend.
    pub(crate) credits: Option<Credits>,
    /// Most credits that all runs of the ledger may spend.
    pub(crate) ledger_credits: Option<Credits>,
    /// What earlier runs of the ledger have spent, and what they have reserved for jobs that are not of this plan.
    pub(crate) spent_before: Credits,
    /// What jobs buy: the song first.
    pub(crate) offers: Vec<Offer>,
    pub(crate) deadline_ms: Option<i64>,
    /// Lost responses, or failed tasks, in a row after which nothing is bought for a while.
    pub(crate) failures_in_a_row: u32,
    /// Purchases after the first whose task failed.
    pub(crate) retries: u32,
    /// Whether callbacks can come in.
    pub(crate) hears_callbacks: bool,
    /// How old an upload may be when it is used.
    pub(crate) upload_ttl_ms: i64,
    /// Most polls at the same time.
    pub(crate) polls_at_once: usize,
    /// Most downloads at the same time.
    pub(crate) downloads_at_once: usize,
    /// After how many records a commit is made while the jobs are resumed: an album may need some for each.
    pub(crate) records_at_once: usize,
    /// Codes by which the provider says that it can't fetch a recording.
    pub(crate) source_gone: Vec<i64>,
    pub(crate) timing: Timing,
    /// Whether other processes carry out jobs of the run as well: each does those that it is given.
    pub(crate) is_shared: bool,
}

/// Something that jobs buy, at one price.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offer {
    /// What it costs, in credits.
    pub(crate) price: Credits,
    /// Songs that a task is expected to make; 0 for an operation that makes none.
    pub(crate) tracks: usize,
    /// Whether a request whose response was lost may be sent again with the same token.
    pub(crate) resend: Resend,
    /// What it processes.
    pub(crate) input: OperationInput,
}

/// Whether a request whose response was lost may be sent again with the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// No: a repeat is, or may be, a second purchase.
    Never,
    /// The provider refuses it, and may name the task of the first.
    Once,
    /// The provider promises to take both for one.
    Always,
}

/// What happened, as the driver tells it.
#[derive(Debug)]
pub(crate) enum Input {
    /// A stem has an address at the vendor's, or not.
    Prepared {
        stem: StemId,
        result: Result<Prepared, EffectError>,
    },
    /// The response to a submission came, or was lost.
    Responded {
        job: JobKey,
        attempt: u32,
        outcome: SubmitOutcome,
        /// When the request was written; none if it was not, or if that is not known.
        written_ms: Option<i64>,
    },
    /// The response to a poll came, or an error.
    Polled {
        job: JobKey,
        task: TaskId,
        result: Result<TaskView, EffectError>,
    },
    /// A file was fetched, or not.
    Fetched {
        job: JobKey,
        index: u32,
        part: Part,
        result: Result<KeptFile, EffectError>,
    },
    /// Hooks have decided on a job.
    Decided {
        job: JobKey,
        point: HookPoint,
        decided: HookDecision,
    },
    /// Something was found out about a kept file, or done with it.
    Noted {
        job: JobKey,
        index: u32,
        part: Part,
        note: TrackNote,
    },
    /// A hook that only observes failed, and the manifest says that this ends the buying.
    HookStops,
    /// A balance was read.
    Balance { credits: f64, moment: Moment },
    /// The user wants to stop: finish what is under way, begin nothing.
    Drain,
    /// The run ends, and this was still under way. It changes nothing, and the next run begins it anew.
    Cancelled(Cancelled),
}

impl Input {
    /// The job whose effect has come to its end.
    pub(crate) fn job(&self) -> Option<&JobKey> {
        match self {
            Self::Responded { job, .. }
            | Self::Polled { job, .. }
            | Self::Fetched { job, .. }
            | Self::Decided { job, .. } => Some(job),
            _ => None,
        }
    }
}

/// What a run that ends need not wait for: everything but a submission, whose response may be the only proof of a purchase.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cancelled {
    /// A stem was being uploaded.
    Prepare,
    /// A hook was deciding.
    HookCalls,
    /// A task's details were being read.
    Poll,
    /// A file was being fetched.
    Fetch,
}

/// A stem that can be submitted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    /// The address that the provider fetches it from.
    pub(crate) url: Arc<str>,
    /// When it was uploaded; a public address never grows old.
    pub(crate) uploaded_ms: Option<i64>,
    /// The hash of what was uploaded; none for a stem that was not uploaded now.
    pub(crate) hash: Option<String>,
}

/// Why an effect other than a submission failed.
#[derive(Debug, Clone)]
pub(crate) struct EffectError {
    pub(crate) class: ResponseClass,
    pub(crate) code: Option<i64>,
    pub(crate) message: String,
    /// Whether a retry may help.
    pub(crate) retryable: bool,
    pub(crate) retry_after_ms: Option<u64>,
    /// Whether this process had no file descriptor left: it waits for one, and nobody is to blame.
    pub(crate) no_descriptor: bool,
    /// Whether nothing can be written on this side: the disk is full, a quota is used up, or the file system is read-only.
    pub(crate) no_space: bool,
}

/// What the driver is to do. An effect is complete: the driver reads nothing else but the planned settings of the job that it names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Upload a stem, or check that its public address serves audio.
    Prepare { stem: StemId },
    /// Remember no upload of this stem: the provider can't fetch it any more.
    ForgetUpload { stem: StemId },
    /// Call the hooks of a point for a job.
    CallHooks { job: JobKey, point: HookPoint },
    /// Write the request of an attempt whose intent is durable.
    Submit {
        job: JobKey,
        attempt: u32,
        token: Token,
        /// What the provider is to process.
        source: Source,
    },
    /// Request a task's details.
    Poll { job: JobKey, task: TaskId },
    /// Fetch one file of a track.
    Fetch(Box<FetchRequest>),
}

impl Effect {
    /// The job that it is about.
    pub(crate) fn job(&self) -> Option<&JobKey> {
        match self {
            Self::Prepare { .. } | Self::ForgetUpload { .. } => None,
            Self::CallHooks { job, .. } | Self::Submit { job, .. } | Self::Poll { job, .. } => {
                Some(job)
            }
            Self::Fetch(request) => Some(&request.job),
        }
    }
}

/// A file of a track to fetch.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FetchRequest {
    pub(crate) job: JobKey,
    pub(crate) task: TaskId,
    /// The track, from 1.
    pub(crate) index: u32,
    pub(crate) part: Part,
    /// The track of the song that it belongs to, from 1.
    pub(crate) song_track: u32,
    pub(crate) content: FileContent,
    /// How long the provider says that it lasts.
    pub(crate) duration_s: Option<f64>,
    /// The provider's id of the song's track; empty where it gives none.
    pub(crate) track_id: String,
    /// What it is, where a step made it; empty for a song's track.
    pub(crate) artefact: String,
    /// The file that was kept for it and has been changed since.
    pub(crate) replaces: Option<String>,
    /// Whether there will be no other try in this run: then what can't be verified is kept as such.
    pub(crate) is_last_try: bool,
}

/// Where a file's content is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FileContent {
    /// At this address.
    Url(String),
    /// It is made of these notes.
    Notes(Arc<Notes>),
}

/// What is to be recorded and then done.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) batch: Batch,
    pub(crate) effects: Vec<Effect>,
}

/// A job of the plan with its state in the ledger, from which the run resumes it.
#[derive(Debug, Clone)]
pub(crate) struct ResumedJob {
    pub(crate) key: JobKey,
    /// What hooks decided when it was planned, where it is not to be bought.
    pub(crate) refusal: Option<Verdict>,
    pub(crate) input: ResumedInput,
    /// Which of the run's offers it buys.
    pub(crate) offer: usize,
    /// Whether it is one of the jobs that the run is about; otherwise it is there for its steps.
    pub(crate) selected: bool,
    /// Whether this run may buy it.
    pub(crate) buys: bool,
    /// The account that it was bought with, where that is another one, which can't see it.
    pub(crate) elsewhere: Option<String>,
    pub(crate) job: Arc<Job>,
    /// The version that the store has of it; 0 where it has none.
    pub(crate) version: u64,
    /// Kept files that are no longer there.
    pub(crate) missing: Vec<Missing>,
    /// Whether the vendor has deleted its tracks by now: it is polled once and not again.
    pub(crate) expired: bool,
}

/// What a job processes.
#[derive(Debug, Clone)]
pub(crate) enum ResumedInput {
    /// The recording of a stem.
    Stem(StemId),
    /// The result of an earlier job of the run.
    Step {
        parent: JobKey,
        /// Which track of the song, from 1; 0 for all.
        track: u32,
    },
}
