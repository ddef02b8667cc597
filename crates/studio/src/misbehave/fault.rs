//! The faults that a plan's `do` can name. They are also stored with each task that has them.
//!
//! Plain data. An `alias` is the name in older plans and tasks. Each fault was observed at a vendor of the contract.

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
    /// The response is delayed by this many milliseconds.
    #[serde(alias = "answer_late_ms")]
    ResponseLateMs(u64),
    /// The task fails.
    Fail(Fail),
    /// The task stays at `PENDING`, `TEXT_SUCCESS` and `FIRST_SUCCESS` for this many polls each.
    Stages(u32),
    /// Polls of the task get this response instead of its details.
    #[serde(alias = "look")]
    Poll(PollFault),
    /// Polls get `data: null`, as for an unknown task.
    Unknown(Times),
    /// Polls get `response: null`.
    NullResponse(Times),
    /// Polls get `SUCCESS` with `audioUrl: null` and a stream of zero bytes.
    NullUrls(Times),
    /// Polls get this status, with the tracks that exist.
    Status(Status),
    /// The details that successive polls show; after the last step, the true ones.
    Details(Vec<DetailsStep>),
    /// JSON that a strict parser refuses, in responses and callbacks.
    MalformedJson(Malformed),
    /// The vendor's clock is wrong by this many seconds, which shows in `createTime` of details and callbacks.
    ClockOffsetS(i64),
    /// `duration` of every track, in seconds, independent of the files.
    DurationS(f64),
    /// The upload that the submission names is deleted, until it is uploaded again.
    UploadGone(UploadGone),
    /// `createTime` is an integer of epoch milliseconds, in details and in callbacks.
    NumericTimes,
    /// The file of a track is faulty.
    File(FileFault),
    /// A recovery does not restore a track.
    LostTrack(LostTrack),
    /// The task's callbacks are changed.
    Callbacks(CallbackFaults),
    /// A forged callback is sent before the others.
    Forge(Forgery),
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refuse {
    /// The code.
    pub(crate) code: u16,
    /// The place of the code.
    #[serde(default)]
    pub(crate) shape: Shape,
    /// How long every later submission is refused too, in milliseconds.
    #[serde(default)]
    pub(crate) lasting_ms: u64,
    /// The `Retry-After` header, in seconds.
    pub(crate) retry_after_s: Option<u64>,
}

/// The place of a refusal's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shape {
    /// HTTP 200, the code in the body.
    #[default]
    Body,
    /// The code is the HTTP status and is in the body.
    Status,
    /// The code is the HTTP status of an HTML page.
    Page,
}

/// The response to a submission that was accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubmitFault {
    /// No response: the connection is dropped.
    Drop,
    /// HTTP 500 with code 500.
    ServerError,
    /// HTTP 200 with code 500.
    ServerErrorInBody,
    /// HTTP 200 with code 408.
    TimeoutInBody,
    /// HTTP 502 with an HTML page.
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

/// How the provider reports that an upload is deleted.
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
    /// The status. With `PENDING` the failure shows in `errorCode` only.
    pub(crate) status: FailedStatus,
    /// The error code; 531 gives the credits back.
    pub(crate) code: i64,
    /// The vendor's message.
    #[serde(default = "Fail::default_message")]
    pub(crate) message: String,
    /// Whether the code is the code of the record-info envelope, with `data: null`, instead of `errorCode` in the details.
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

/// The response to a poll instead of the task's details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollFault {
    /// The response.
    #[serde(alias = "answer")]
    pub(crate) response: PollResponse,
    /// The number of polls that get it.
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
    /// HTTP 502 with an HTML page.
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
    /// The status: `CALLBACK_EXCEPTION`, or an unknown one.
    #[serde(alias = "word")]
    pub(crate) name: String,
    /// The number of polls that get it.
    #[serde(default, alias = "looks")]
    pub(crate) polls: Times,
}

/// A faulty file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileFault {
    /// The fault.
    pub(crate) kind: FileKind,
    /// The number of the track; both tracks if it is left out.
    pub(crate) track: Option<u8>,
    /// How often the fault happens.
    #[serde(default)]
    pub(crate) fetches: Times,
    /// The HTTP status of a dead link.
    pub(crate) status: Option<u16>,
    /// The target of a redirect.
    pub(crate) to: Option<String>,
    /// The `Retry-After` header of a dead link, in seconds.
    pub(crate) retry_after_s: Option<u64>,
    /// The rate of a slow file.
    pub(crate) bytes_per_s: Option<u32>,
    /// Whether `sourceAudioUrl` still leads to the correct file.
    #[serde(default)]
    pub(crate) source_is_good: bool,
}

/// A track that a recovery does not restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LostTrack {
    /// The number of the track; both tracks if it is left out.
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

/// The fault of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FileKind {
    /// Zero bytes.
    Empty,
    /// Its first half, as if complete.
    Truncated,
    /// Its first half, then the connection is dropped.
    BrokenOff,
    /// An HTML page with the type of HTML.
    Html,
    /// An HTML page with the type of audio.
    HtmlAsAudio,
    /// An HTTP error.
    Dead,
    /// A redirect to a private address.
    Redirect,
    /// Compressed with gzip, independent of `Accept-Encoding`.
    Gzip,
    /// The other track's file, with its own ETag.
    OtherFile,
    /// For a `Range`, 206 with the first bytes; otherwise the whole file.
    WrongOffset,
    /// For a `Range`, 403; otherwise the whole file.
    NoRange,
    /// For a `Range`, 200 with the whole file.
    IgnoresRange,
    /// A few bytes each second.
    Trickle,
    /// Audio without an end and without a length.
    Endless,
    /// Another format than expected: AAC in MP4.
    M4a,
    /// Another format than expected: Opus in Ogg.
    Opus,
}

/// Changes of a task's callbacks.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CallbackFaults {
    /// Stages that are left out.
    pub(crate) skip: Vec<CallbackStage>,
    /// No callback is sent.
    pub(crate) never: bool,
    /// Each is sent twice.
    pub(crate) double: bool,
    /// The order is reversed.
    pub(crate) reverse: bool,
    /// Callbacks that are due at once are sent before the response to the submission.
    #[serde(alias = "before_answer")]
    pub(crate) before_response: bool,
    /// The first one is delayed by this many milliseconds.
    pub(crate) delay_ms: u64,
    /// `first` contains its one track only, as documented.
    pub(crate) first_alone: bool,
    /// `text` contains `data: []`, as documented.
    pub(crate) text_empty: bool,
    /// They are sent to the callback address with a `/` appended.
    pub(crate) trailing_slash: bool,
    /// The body is compressed with gzip, and its header names gzip.
    pub(crate) gzip: bool,
    /// `data` is JSON text inside the JSON.
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

/// A forged callback: `complete`, with tracks at a private address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Forgery {
    /// The address has another last segment.
    WrongToken,
    /// The address is right, the signature is wrong.
    WrongSignature,
    /// The address is right, the task id is another task's.
    WrongTask,
    /// The address is right, the task id is another task's, and the signature is valid for it.
    WrongTaskSigned,
    /// The address is right, the body is not JSON.
    NoJson,
}
