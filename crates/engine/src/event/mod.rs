//! Everything that can happen, as it is recorded: the one contract between the engine, the ledger and the sinks.
//!
//! An event is written to the ledger before anything that depends on it is done. State is what [`job`](crate::job) makes
//! of the events; reports are what [`summary`](crate::summary) makes of them. No event contains a secret: addresses
//! are redacted before they get here.

mod hook;
mod ids;
mod run;
mod task;

pub use backline_api::{Chord, Confidence, Excerpt, Music};
use backline_api::{Credits, ResponseClass, TaskId};
use serde::{Deserialize, Serialize};

pub use self::hook::{HookPoint, OnError, UnknownName, Verdict};
pub use self::ids::{RunId, Token};
pub use self::run::{Moment, Outcome, RefusedCallbacks, StopReason};
pub(crate) use self::task::length_tolerance_s;
pub use self::task::{KeptFile, Part, TaskStage, TrackFacts, TrackNote, Via};
use crate::settings::{JobKey, Settings};

/// One event, when it happened and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Position in the ledger, from 1.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub at_ms: i64,
    /// The run that recorded it.
    pub run: RunId,
    /// The job it happened to; none for what happened to the run.
    pub job: Option<JobKey>,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A run began.
    RunStarted {
        /// The manifest's name.
        name: String,
        /// The provider profile's name.
        provider: String,
        /// Jobs of the plan.
        jobs: u64,
        /// Jobs that are to be submitted.
        to_submit: u64,
        /// The host that recordings are uploaded to, where any are.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        upload_host: Option<String>,
    },
    /// The account's balance was read.
    Credits {
        /// Credits left.
        balance: f64,
        /// Before the first submission or at the end of the run.
        moment: Moment,
    },
    /// Nothing is submitted until `until_ms`, for the whole account.
    Paused {
        /// Unix time in milliseconds.
        until_ms: i64,
        /// The vendor's code, if it gave one.
        code: Option<i64>,
        /// Why, in the vendor's words or ours.
        message: String,
    },
    /// The jobs of another account became this one's: its key was replaced, and the provider showed one of its tasks under the
    /// new key.
    AccountAdopted {
        /// The other account's fingerprint.
        from: String,
        /// The task that proved it.
        task_id: TaskId,
    },
    /// A stem's upload began.
    UploadStarted {
        /// The stem's id.
        stem: String,
    },
    /// A stem was uploaded.
    Uploaded {
        /// The stem's id.
        stem: String,
        /// BLAKE3 hash of its content, hexadecimal.
        hash: String,
    },
    /// A stem could not be uploaded; nothing was bought with it.
    UploadFailed {
        /// The stem's id.
        stem: String,
        /// Why.
        message: String,
        /// Whether it is tried again.
        retried: bool,
    },
    /// The user's hooks decided on the job, which has never been submitted.
    Decided {
        /// At which point.
        point: HookPoint,
        /// What they decided together.
        verdict: Verdict,
    },
    /// The job was found to be bought already, under a key that an earlier program gave it.
    Recognized {
        /// That key, or that of the job which hooks changed it into.
        key: JobKey,
        /// What is sent for it should it ever be bought again.
        settings: Box<Settings>,
    },
    /// The result that the job processes is not there, or can't be processed: nothing was bought.
    InputMissing {
        /// Why.
        message: String,
    },
    /// A hook failed.
    HookFailed {
        /// At which point.
        point: HookPoint,
        /// Which hook.
        hook: String,
        /// The job it was about.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        about: Option<JobKey>,
        /// What went wrong.
        message: String,
        /// What that does.
        effect: OnError,
    },
    /// The job is about to be submitted; durable before the first byte of the request is written.
    Intent {
        /// Which attempt, from 1.
        attempt: u32,
        /// Its secret.
        token: Token,
        /// The credits reserved for it.
        credits: Credits,
    },
    /// The same attempt is sent once more with its token, to a provider that keeps its promise not to charge twice for one.
    #[serde(rename = "asked_again")]
    Repeated {
        /// Which attempt.
        attempt: u32,
    },
    /// The vendor took the job: it is bought.
    Accepted {
        /// Which attempt.
        attempt: u32,
        /// The vendor's task.
        task_id: TaskId,
        /// How the task id became known.
        via: Via,
    },
    /// A callback with the attempt's token named a task. It counts once the provider's details confirm it.
    Claimed {
        /// Which attempt.
        attempt: u32,
        /// The task that was named.
        task_id: TaskId,
    },
    /// A task that a callback named is not this job's.
    ClaimRejected {
        /// Which attempt.
        attempt: u32,
        /// The task that was named.
        task_id: TaskId,
        /// Why it is not believed.
        message: String,
    },
    /// The vendor refused the attempt: nothing was bought.
    Refused {
        /// Which attempt.
        attempt: u32,
        /// What the refusal means.
        class: ResponseClass,
        /// The vendor's code.
        code: Option<i64>,
        /// The vendor's words.
        message: String,
    },
    /// The request was never written: nothing was bought.
    NotSent {
        /// Which attempt.
        attempt: u32,
        /// Why.
        message: String,
    },
    /// The response was lost: the job may have been bought.
    Lost {
        /// Which attempt.
        attempt: u32,
        /// Why.
        message: String,
        /// What the response said, where one came that could not be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        response: Option<Excerpt>,
    },
    /// The user's decision on a job in doubt: it was never bought.
    NeverBought {
        /// Which attempt.
        attempt: u32,
    },
    /// The user's decision on a job in doubt: buy it once more, even if it was bought.
    BuyAgain {
        /// Which attempt is given up on.
        attempt: u32,
    },
    /// The user takes back how the attempt was settled, or which task was given for it: it is in doubt again.
    Reopened {
        /// Which attempt.
        attempt: u32,
    },
    /// The task went on.
    Stage {
        /// How far it is.
        stage: TaskStage,
        /// The tracks as they are known now.
        tracks: Vec<TrackFacts>,
        /// Whether the tracks are in the order of the task's tracks, with empty facts where nothing was shown. Otherwise, in older
        /// records, they are matched by their ids.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        placed: bool,
    },
    /// The task's details could not be read for some time; it is still followed.
    DetailsUnavailable {
        /// The error of the last of the failed requests.
        message: String,
    },
    /// The task failed at the vendor's.
    TaskFailed {
        /// The vendor's code.
        code: Option<i64>,
        /// The vendor's words.
        message: String,
        /// Whether the vendor gave the credits back.
        refunded: bool,
    },
    /// The task ended with some of its tracks: the vendor reports a failure, or never gave an address for the others. Final, and
    /// never a reason to buy the job again.
    TaskPartial {
        /// The vendor's code.
        code: Option<i64>,
        /// The vendor's message, or what was waited for.
        message: String,
        /// Whether the vendor gave the credits back.
        refunded: bool,
    },
    /// A track's file is kept: complete, decodable, on disk under its own name.
    TrackKept {
        /// Which track, from 1.
        index: u32,
        /// Which of its files.
        part: Part,
        /// The file.
        file: KeptFile,
    },
    /// A track that a recovery brought back is kept as the song's, whose own record precedes this one.
    TrackHandedOver {
        /// Which track of the recovery's task, from 1.
        index: u32,
        /// Which of its files.
        part: Part,
    },
    /// Something was found out about a kept file, or done with it.
    TrackNoted {
        /// Which track, from 1.
        index: u32,
        /// Which of its files.
        part: Part,
        /// What.
        note: TrackNote,
    },
    /// A track could not be fetched this time; it is still bought.
    TrackFailed {
        /// Which track, from 1.
        index: u32,
        /// Which of its files.
        part: Part,
        /// Why.
        message: String,
        /// Whether this run tries again.
        retried: bool,
    },
    /// A kept file is no longer where it was put, or no longer as it was put there; or the song has a file no more that was handed over to it.
    TrackMissing {
        /// Which track, from 1.
        index: u32,
        /// Which of its files.
        part: Part,
        /// Whether a file is there that is not the one that was kept.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        changed: bool,
    },
    /// Callbacks that were refused while a run listened; none of them changed anything.
    CallbacksRefused(RefusedCallbacks),
    /// A run ended.
    RunEnded {
        /// How.
        outcome: Outcome,
        /// Credits that are known to have been spent by it.
        credits: Credits,
    },
}

impl Event {
    /// Whether the vendor refused more than this attempt: the run buys nothing more.
    pub fn is_refusal_of_run(&self) -> bool {
        matches!(
            self,
            Event::Refused {
                class: ResponseClass::RefusedRun,
                ..
            }
        )
    }
}
