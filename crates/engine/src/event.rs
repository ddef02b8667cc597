//! Everything that can happen, as it is recorded: the one contract between the engine, the ledger and the sinks.
//!
//! An event is written to the ledger before anything that depends on it is done. State is what [`job`](crate::job) makes
//! of the events; reports are what [`summary`](crate::summary) makes of them. Secrets never stand in an event: addresses
//! are redacted before they get here.

use std::fmt;

pub use backline_api::{Chord, Confidence, Excerpt, Music};
use backline_api::{ResponseClass, TaskId};
use serde::{Deserialize, Serialize};

use crate::hooks::{HookPoint, OnError, Verdict};
use crate::plan::{JobKey, Settings};

/// A run's identity; sorts by the time at which the run began.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// A new identity.
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }

    /// The identity that a ledger or a user gives.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for RunId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The secret of one attempt: it stands in the attempt's callback address and is sent as `Idempotency-Key`, so that a
/// callback that carries it, or an answer to it, can only mean this attempt.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// A token from its text.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The token itself; for the request and the ledger only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// One event, when it happened and to whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Place in the ledger, from 1.
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
        /// Before the first submission or after the last track.
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
    /// The user's hooks were asked about the job, which has never been submitted.
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
        credits: f64,
    },
    /// The same attempt is sent once more with its token, to a provider that keeps its promise not to charge twice for one.
    AskedAgain {
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
    /// The answer was lost: the job may have been bought.
    Lost {
        /// Which attempt.
        attempt: u32,
        /// Why.
        message: String,
        /// What the response said, where one came that could not be read.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        response: Option<Excerpt>,
    },
    /// The user's word on a job in doubt: it was never bought.
    NeverBought {
        /// Which attempt.
        attempt: u32,
    },
    /// The user's word on a job in doubt: buy it once more, even if it was bought.
    BuyAgain {
        /// Which attempt is given up on.
        attempt: u32,
    },
    /// The task went on.
    Stage {
        /// How far it is.
        stage: TaskStage,
        /// The tracks as they are known now.
        tracks: Vec<TrackFacts>,
        /// Whether the tracks stand at the places of the task's tracks, with empty facts where nothing was shown. Otherwise, in older
        /// records, they are matched by their ids.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        placed: bool,
    },
    /// The task's details could not be read for some time; it is still followed.
    DetailsUnavailable {
        /// What the last of the failed requests brought.
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
    /// A kept file is no longer where it was put, or no longer as it was put there.
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
        credits: f64,
    },
}

/// When a balance was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the first submission.
    Before,
    /// After the last track.
    After,
}

/// Callbacks that were refused, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedCallbacks {
    /// Their address carried no secret that this ledger knows.
    pub unknown: u64,
    /// They carried no signature.
    pub unsigned: u64,
    /// Their signature was made with another key, or is none.
    pub wrong_signature: u64,
    /// They were signed too long ago, or in the future: a repetition, or a wrong clock.
    pub outside_window: u64,
    /// Their body was no callback, or too long.
    pub unreadable: u64,
    /// There was no room for them at that moment; the vendor was told to come again.
    pub turned_away: u64,
}

impl RefusedCallbacks {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.unknown
            + self.unsigned
            + self.wrong_signature
            + self.outside_window
            + self.unreadable
            + self.turned_away
    }
}

/// How a task id became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// By the answer to the submission.
    Answer,
    /// By a callback that carried the attempt's token and that the provider's details confirmed.
    Callback,
    /// By the user.
    User,
}

/// How far a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStage {
    /// Waiting at the vendor's.
    Pending,
    /// The text is made.
    Text,
    /// One track can be heard.
    First,
    /// Every track can be fetched.
    Complete,
}

/// Which of a track's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The track itself: the accompaniment alone.
    Track,
    /// The vocal and the accompaniment together, where the provider makes it.
    Mix,
}

/// What is known of a track; addresses are redacted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackFacts {
    /// The vendor's id.
    pub id: String,
    /// Where the track is, once it can be fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_url: Option<String>,
    /// Where it can be streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_url: Option<String>,
    /// Its cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// The mix with the vocal, where the provider makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix_url: Option<String>,
    /// The title the vendor gave it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The length the vendor gives, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<f64>,
    /// When the vendor made it, Unix time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<i64>,
    /// What it sounds like, where the provider reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub music: Option<Box<Music>>,
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Where: relative to the ledger's project folder with `/`, or absolute when it lies outside.
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub length_bytes: u64,
    /// Its sounding length in seconds, as decoded; 0 where it could not be decoded.
    pub duration_s: f64,
    /// Why it could not be told to be the whole recording that was bought; none where it was.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unverified: Option<String>,
}

/// What was found out about a kept file, or done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum TrackNote {
    /// Its loudness after EBU R128.
    Loudness {
        /// Integrated loudness in LUFS; none for silence.
        integrated_lufs: Option<f64>,
        /// Highest level between the samples, in dBTP.
        true_peak_dbtp: f64,
    },
    /// It was renamed: a superseded track gave up its name, or one that is current again got it back.
    Renamed {
        /// Where it was, written as a [kept file's](KeptFile::path) place.
        from: String,
        /// Where it is now.
        to: String,
    },
    /// It was copied.
    Copied {
        /// Where to.
        to: String,
    },
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Outcome {
    /// All wanted tracks are kept.
    Complete,
    /// Some jobs failed.
    Failed,
    /// Some tasks ended with fewer tracks than they showed; what there was is kept.
    Partial,
    /// Only jobs that a hook vetoed are missing.
    Vetoed,
    /// Some jobs are in doubt.
    InDoubt,
    /// It was stopped and can be taken up again.
    Stopped {
        /// By what.
        reason: StopReason,
    },
    /// The provider refused to go on.
    Refused {
        /// The vendor's code.
        code: Option<i64>,
        /// What that means.
        class: ResponseClass,
        /// The vendor's words.
        message: String,
    },
}

/// What stopped a run that can be taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The user, with Ctrl-C or a signal.
    Signal,
    /// `limits.deadline`.
    Deadline,
    /// `limits.credits`.
    CreditLimit,
    /// `limits.ledger_credits`.
    LedgerCreditLimit,
    /// The provider could not be reached, or did not answer, for too long.
    Unreachable,
    /// A task took longer than one run follows it; its id is kept.
    Overdue,
    /// `limits.failures_in_a_row`: responses were lost or tasks failed one after the other, and so did the tries after a pause.
    FailuresInARow,
}
