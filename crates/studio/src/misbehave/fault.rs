//! What can go wrong, by name: the faults of a plan's `do`, which are also kept with each task that has them.
//!
//! Plain data. An `alias` is the name that older plans and tasks have. Each fault is one that a vendor of the contract has been seen to show.

use serde::{Deserialize, Serialize};

use super::details::DetailsStep;
use super::malformed::Malformed;
use super::reply::Reply;
use super::times::Times;

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The submission is refused; nothing is bought.
    Refuse(Refuse),
    /// The connection is dropped before anything is accepted; nothing is bought.
    DropRequest,
    /// The submission is accepted and billed; the client gets this response.
    #[serde(alias = "answer")]
    Response(SubmitFault),
    /// The response comes this much later, in milliseconds.
    #[serde(alias = "answer_late_ms")]
    ResponseLateMs(u64),
    /// The task fails.
    Fail(Fail),
    /// The task stays at `PENDING`, `TEXT_SUCCESS` and `FIRST_SUCCESS` for this many polls each.
    Stages(u32),
    /// Polls of the task get this instead of its details.
    #[serde(alias = "look")]
    Poll(PollFault),
    /// Polls get `data: null`, as for a task that nobody knows.
    Unknown(Times),
    /// Polls get `response: null`.
    NullResponse(Times),
    /// Polls get `SUCCESS` with `audioUrl: null` and a stream of zero bytes.
    NullUrls(Times),
    /// Polls get this status, with whatever tracks there are.
    Status(Status),
    /// What the polls of the task's details show, step after step; the truth once the steps are over.
    Details(Vec<DetailsStep>),
    /// JSON that a strict reader refuses, in responses and callbacks.
    MalformedJson(Malformed),
    /// The vendor's clock is wrong by this many seconds: `createTime` in details and callbacks.
    ClockOffsetS(i64),
    /// `duration` of every track, in seconds, regardless of the files.
    DurationS(f64),
    /// The upload that the submission names is gone, until it is uploaded again.
    UploadGone(UploadGone),
    /// `createTime` is an integer of epoch milliseconds, in details and in callbacks.
    NumericTimes,
    /// A track's file is not what it should be.
    File(FileFault),
    /// A recovery does not bring a track back.
    LostTrack(LostTrack),
    /// The task's callbacks come otherwise.
    Callbacks(CallbackFaults),
    /// A callback that the studio never meant is made before the others.
    Forge(Forgery),
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refuse {
    /// The code.
    pub(crate) code: u16,
    /// Where the code is.
    #[serde(default)]
    pub(crate) shape: Shape,
    /// For how long every later submission is refused alike, in milliseconds.
    #[serde(default)]
    pub(crate) lasting_ms: u64,
    /// The `Retry-After` header, in seconds.
    pub(crate) retry_after_s: Option<u64>,
}

/// Where a refusal has its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// HTTP 200, the code in the body.
    #[default]
    Body,
    /// The code as HTTP status and in the body.
    Status,
    /// The code as HTTP status over a page that is no JSON.
    Page,
}

/// The response to a submission that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubmitFault {
    /// Nothing: the connection is dropped.
    Drop,
    /// HTTP 500 with code 500.
    ServerError,
    /// HTTP 200 with code 500.
    ServerErrorInBody,
    /// HTTP 200 with code 408.
    TimeoutInBody,
    /// HTTP 502 with a page.
    BadGateway,
    /// Code 200 with `data: {}`.
    NoTaskId,
    /// Code 200 with `data: null`.
    NullData,
    /// The first half of the response, then the connection is dropped.
    Cut,
    /// HTTP 200 without a body.
    Empty,
    /// Any other response.
    Reply(Reply),
}

/// How the provider reports that an upload is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UploadGone {
    /// Each submission that names it is refused with code 451; nothing is bought.
    Refused,
    /// Each task that names it is accepted, charged, and fails with code 451.
    TaskFails,
}

/// How a task fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fail {
    /// The status. `PENDING` is a failure that shows in `errorCode` only.
    pub(crate) status: FailedStatus,
    /// The error code; 531 gives the credits back.
    pub(crate) code: i64,
    /// The vendor's message.
    #[serde(default = "Fail::default_message")]
    pub(crate) message: String,
    /// Whether the code is record-info's own, over `data: null`, rather than `errorCode` in the details.
    #[serde(default)]
    pub(crate) envelope: bool,
}

impl Fail {
    fn default_message() -> String {
        "The task failed.".to_owned()
    }

    /// Whether the credits are given back.
    pub(crate) fn is_refunded(&self) -> bool {
        self.code == 531
    }
}

/// The statuses of a failed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FailedStatus {
    Pending,
    CreateTaskFailed,
    Failed,
    GenerateAudioFailed,
    CallbackException,
    SensitiveWordError,
}

/// What a poll gets instead of the task's details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollFault {
    /// What it is.
    #[serde(alias = "answer")]
    pub(crate) response: PollResponse,
    /// How many polls get it.
    #[serde(default, alias = "looks")]
    pub(crate) polls: Times,
}

/// A response without details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PollResponse {
    /// The connection is dropped.
    Drop,
    /// HTTP 500 with code 500.
    ServerError,
    /// HTTP 502 with a page.
    BadGateway,
    /// HTTP 200 with code 430.
    TooOften,
    /// HTTP 200 with code 455.
    Maintenance,
    /// Any other response.
    Reply(Reply),
}

/// Another status.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// The status: `CALLBACK_EXCEPTION`, or one that nobody knows.
    #[serde(alias = "word")]
    pub(crate) name: String,
    /// How many polls get it.
    #[serde(default, alias = "looks")]
    pub(crate) polls: Times,
}

/// A file that is not what it should be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileFault {
    /// What it is instead.
    pub(crate) kind: FileKind,
    /// Which track's; both when it is left out.
    pub(crate) track: Option<u8>,
    /// How often.
    #[serde(default)]
    pub(crate) fetches: Times,
    /// The HTTP status of a dead link.
    pub(crate) status: Option<u16>,
    /// Where a redirect leads.
    pub(crate) to: Option<String>,
    /// The `Retry-After` header of a dead link, in seconds.
    pub(crate) retry_after_s: Option<u64>,
    /// How fast a trickling file comes.
    pub(crate) bytes_per_s: Option<u32>,
    /// Whether `sourceAudioUrl` leads to the true file all the same.
    #[serde(default)]
    pub(crate) source_is_good: bool,
}

/// A track that a recovery does not bring back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LostTrack {
    /// Which track; both when it is left out.
    pub(crate) track: Option<u8>,
    /// The vendor's reason.
    #[serde(default = "LostTrack::default_reason")]
    pub(crate) reason: String,
}

impl LostTrack {
    fn default_reason() -> String {
        "clip_error".to_owned()
    }
}

/// What a file is instead of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    /// Zero bytes.
    Empty,
    /// Its first half, as if that were all.
    Truncated,
    /// Its first half, then the connection is dropped.
    BrokenOff,
    /// A page, served as one.
    Html,
    /// A page, served as audio.
    HtmlAsAudio,
    /// A link that leads nowhere.
    Dead,
    /// A redirect to a private address.
    Redirect,
    /// Compressed with gzip, whatever `Accept-Encoding` says.
    Gzip,
    /// The other track's file, with its own ETag.
    OtherFile,
    /// To a `Range`, 206 with the first bytes; whole otherwise.
    WrongOffset,
    /// To a `Range`, 403; whole otherwise.
    NoRange,
    /// To a `Range`, 200 with the whole file.
    IgnoresRange,
    /// A few bytes each second.
    Trickle,
    /// Audio without end and without a length.
    Endless,
    /// Another format than was promised: AAC in MP4.
    M4a,
    /// Another format than was promised: Opus in Ogg.
    Opus,
}

/// How a task's callbacks come otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CallbackFaults {
    /// Stages that are left out.
    pub(crate) skip: Vec<CallbackStage>,
    /// None comes.
    pub(crate) never: bool,
    /// Each comes twice.
    pub(crate) double: bool,
    /// The last comes first.
    pub(crate) reverse: bool,
    /// Those that are due at once come before the response to the submission.
    #[serde(alias = "before_answer")]
    pub(crate) before_response: bool,
    /// The first comes this much later, in milliseconds.
    pub(crate) delay_ms: u64,
    /// `first` has its one track only, as documented.
    pub(crate) first_alone: bool,
    /// `text` has `data: []`, as documented.
    pub(crate) text_empty: bool,
    /// They go to the callback address with a `/` behind it.
    pub(crate) trailing_slash: bool,
    /// The body is compressed with gzip, and says so.
    pub(crate) gzip: bool,
    /// `data` is JSON text within the JSON.
    pub(crate) data_as_text: bool,
}

/// The stages that a callback reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackStage {
    Text,
    First,
    Complete,
    Error,
}

/// A callback that somebody else could have made: `complete`, with tracks at a private address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Forgery {
    /// The address's last segment is another.
    WrongToken,
    /// The right address, the wrong signature.
    WrongSignature,
    /// The right address, another task's id.
    WrongTask,
    /// The right address, another task's id, and a good signature over it.
    WrongTaskSigned,
    /// The right address, and no JSON.
    NoJson,
}
