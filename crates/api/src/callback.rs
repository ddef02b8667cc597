//! Callbacks: the ones that vendors send to Backline, and the ones that the studio sends to others.
//!
//! A callback's body is not signed, and anyone who knows the address can post one. So a callback is only a hint: read
//! record-info before you use the addresses in it.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::envelope::{OK, ResponseBody};
use crate::json::read_json;
use crate::lenient::text;
use crate::{Stage, TaskId, TaskView, Track};

/// Longest callback that is read. A callback with two tracks has a few kilobytes, lyrics included.
pub const CALLBACK_LIMIT_BYTES: usize = 1024 * 1024;

/// The stage that a callback reports, by the vendor's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackKind {
    /// `text`: the text is ready.
    Text,
    /// `first`: the first track is ready.
    First,
    /// `complete`: all tracks are ready.
    Complete,
    /// `error`: the task failed.
    Error,
    /// A name that the vendor added later, or an empty text when the callback names no stage.
    Unknown(String),
}

impl CallbackKind {
    /// The kind with this name.
    pub fn read(word: &str) -> Self {
        match word.trim() {
            "text" => Self::Text,
            "first" => Self::First,
            "complete" => Self::Complete,
            "error" => Self::Error,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// The vendor's name of the kind.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text => "text",
            Self::First => "first",
            Self::Complete => "complete",
            Self::Error => "error",
            Self::Unknown(word) => word,
        }
    }
}

/// A callback to be written. It serialises exactly as the vendors write it.
#[derive(Debug, Clone, PartialEq)]
pub struct CallbackBody {
    /// 200, or the code of the failure.
    pub code: i64,
    /// A message for people.
    pub msg: String,
    /// The stage.
    pub kind: CallbackKind,
    /// The task.
    pub task_id: TaskId,
    /// The tracks; `None` is `null`.
    pub tracks: Option<Vec<Track>>,
}

impl CallbackBody {
    /// The JSON that the vendors write.
    pub fn to_json(&self) -> Value {
        let tracks = self
            .tracks
            .as_ref()
            .map(|tracks| tracks.iter().map(Track::to_callback).collect::<Vec<_>>());
        json!({
            "code": self.code,
            "msg": self.msg,
            "data": {
                "callbackType": self.kind.as_str(),
                "task_id": self.task_id,
                "data": tracks,
            },
        })
    }
}

impl Serialize for CallbackBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// A callback after reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Callback {
    /// The state of the task that it reports.
    pub view: TaskView,
    /// The vendor's name of the stage.
    pub kind: CallbackKind,
    /// The body's code, if it had one.
    pub code: Option<i64>,
    /// The vendor's message, with addresses redacted.
    pub msg: String,
}

/// Why a body is not a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// Longer than [`CALLBACK_LIMIT_BYTES`].
    #[error("the callback has {0} bytes, at most {CALLBACK_LIMIT_BYTES} are read")]
    TooLong(usize),
    /// Not a JSON object.
    #[error("the callback is not a JSON object")]
    NotJson,
    /// It names no task.
    #[error("the callback names no task")]
    NoTaskId,
}

/// Reads the id of the task that a callback names, whichever operation created the task.
///
/// # Errors
/// When the body is too long, is not a JSON object, or names no task.
pub fn read_callback_task(body: &[u8]) -> Result<TaskId, CallbackError> {
    read_body(body).map(|(task_id, _)| task_id)
}

/// Reads a callback's envelope and the id of the task that it names.
pub(crate) fn read_body(body: &[u8]) -> Result<(TaskId, ResponseBody), CallbackError> {
    if body.len() > CALLBACK_LIMIT_BYTES {
        return Err(CallbackError::TooLong(body.len()));
    }
    let root = read_json(body).ok_or(CallbackError::NotJson)?;
    let at_top = text(&root, &["taskId", "task_id"]);
    let response = ResponseBody::of(root).ok_or(CallbackError::NotJson)?;
    let task_id = text(&response.data, &["task_id", "taskId"])
        .or(at_top)
        .ok_or(CallbackError::NoTaskId)?;
    Ok((TaskId(task_id), response))
}

/// Reads a callback's body. Accepts both casings, tracks that are not ready, and unknown stages.
pub fn read_callback(body: &[u8]) -> Result<Callback, CallbackError> {
    let (task_id, response) = read_body(body)?;
    let word = text(&response.data, &["callbackType", "callback_type"]).unwrap_or_default();
    let kind = CallbackKind::read(&word);
    let tracks = response
        .data
        .get("data")
        .map_or_else(Vec::new, Track::read_all);
    let stage = stage(&kind, response.code, response.message.as_deref(), &tracks);
    Ok(Callback {
        view: TaskView {
            task_id,
            stage,
            tracks,
            missing: Vec::new(),
        },
        kind,
        code: response.code,
        msg: response.message.unwrap_or_default(),
    })
}

fn stage(kind: &CallbackKind, code: Option<i64>, message: Option<&str>, tracks: &[Track]) -> Stage {
    let refused = code.is_some_and(|code| code != OK);
    match kind {
        CallbackKind::Error => Stage::failed(code.filter(|&code| code != OK), message),
        // A failure code that contradicts the stage wins, unless the tracks can be fetched.
        CallbackKind::Complete => match Stage::shown_by(tracks) {
            Stage::Complete => Stage::Complete,
            _ if refused => Stage::failed(code, message),
            shown => shown,
        },
        _ if refused => Stage::failed(code, message),
        CallbackKind::Text => Stage::Text,
        CallbackKind::First | CallbackKind::Unknown(_) => Stage::running(tracks),
    }
}
