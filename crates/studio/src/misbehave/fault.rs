//! What can go wrong, by name: the words of a plan's `do`, and what is kept with a task that they befell.
//!
//! Plain data. Each fault is one that a vendor of the contract has been seen to show.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fault {
    /// The submission is refused; nothing is bought.
    Refuse(Refuse),
    /// The connection is dropped before anything is accepted; nothing is bought.
    DropRequest,
    /// The submission is accepted and billed, and this is what the client gets to see of it.
    Answer(Answer),
    /// The answer comes this much later, in milliseconds.
    AnswerLateMs(u64),
    /// The task fails.
    Fail(Fail),
    /// The task stays at `PENDING`, `TEXT_SUCCESS` and `FIRST_SUCCESS` for this many looks each.
    Stages(u32),
    /// Looks at the task get this instead of its details.
    Look(Look),
    /// Looks get `data: null`, as for a task that nobody knows.
    Unknown(Times),
    /// Looks get `response: null`.
    NullResponse(Times),
    /// Looks get `SUCCESS` with `audioUrl: null` and a stream of zero bytes.
    NullUrls(Times),
    /// Looks get this status word, with whatever tracks there are.
    Status(Status),
    /// `createTime` is an integer of epoch milliseconds, in looks and in callbacks.
    NumericTimes,
    /// A track's file is not what it should be.
    File(FileFault),
    /// The task's callbacks come otherwise.
    Callbacks(Callbacks),
    /// A callback that the studio never meant is made before the others.
    Forge(Forgery),
}

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Times {
    /// The first this many times.
    First(u32),
    /// Always.
    #[default]
    Forever,
}

impl Times {
    /// Whether it happens at the `number`th time, counted from 1.
    pub(crate) fn covers(self, number: u32) -> bool {
        match self {
            Times::First(count) => number <= count,
            Times::Forever => true,
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refuse {
    /// The code.
    pub(crate) code: u16,
    /// How it is said.
    #[serde(default)]
    pub(crate) shape: Shape,
    /// For how long every later submission is refused alike, in milliseconds.
    #[serde(default)]
    pub(crate) lasting_ms: u64,
    /// The `Retry-After` header, in seconds.
    pub(crate) retry_after_s: Option<u64>,
}

/// How a refusal is said.
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

/// What a client gets to see of an acceptance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
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
    /// The first half of the answer, then the connection is dropped.
    Cut,
    /// HTTP 200 without a body.
    Empty,
}

/// How a task fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fail {
    /// The status word. `PENDING` is a failure that shows in `errorCode` only.
    pub(crate) status: FailedStatus,
    /// The error code; 531 gives the credits back.
    pub(crate) code: i64,
    /// The vendor's words.
    #[serde(default = "Fail::plain_words")]
    pub(crate) message: String,
}

impl Fail {
    fn plain_words() -> String {
        "The task failed.".to_owned()
    }

    /// Whether the credits are given back.
    pub(crate) fn is_refunded(&self) -> bool {
        self.code == 531
    }
}

/// The status words of a failed task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum FailedStatus {
    Pending,
    CreateTaskFailed,
    GenerateAudioFailed,
    CallbackException,
    SensitiveWordError,
}

/// What a look gets instead of the task's details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Look {
    /// What it is.
    pub(crate) answer: LookAnswer,
    /// How often.
    #[serde(default)]
    pub(crate) looks: Times,
}

/// An answer that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LookAnswer {
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
}

/// Another status word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Status {
    /// The word: `CALLBACK_EXCEPTION`, or one that nobody knows.
    pub(crate) word: String,
    /// How often.
    #[serde(default)]
    pub(crate) looks: Times,
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
}

/// How a task's callbacks come otherwise.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Callbacks {
    /// Stages that are left out.
    pub(crate) skip: Vec<CallbackStage>,
    /// None comes.
    pub(crate) never: bool,
    /// Each comes twice.
    pub(crate) double: bool,
    /// The last comes first.
    pub(crate) reverse: bool,
    /// Those that are due at once come before the submission is answered.
    pub(crate) before_answer: bool,
    /// The first comes this much later, in milliseconds.
    pub(crate) delay_ms: u64,
    /// `first` holds its one track only, as documented.
    pub(crate) first_alone: bool,
    /// `text` holds `data: []`, as documented.
    pub(crate) text_empty: bool,
}

/// The stages that a callback tells of.
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
    /// The right address, and no JSON.
    NoJson,
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Times::First(count) => serializer.serialize_u32(*count),
            Times::Forever => serializer.serialize_str("forever"),
        }
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Written by hand: an untagged enum would lose the place of a mistake.
        struct Read;
        impl Visitor<'_> for Read {
            type Value = Times;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number above 0, or `forever`")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Times, E> {
                match u32::try_from(count) {
                    Ok(count @ 1..) => Ok(Times::First(count)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(count), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Times, E> {
                match u64::try_from(count) {
                    Ok(count) => self.visit_u64(count),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(count), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Times, E> {
                if word == "forever" {
                    Ok(Times::Forever)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(word), &self))
                }
            }
        }
        deserializer.deserialize_any(Read)
    }
}
