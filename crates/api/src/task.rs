//! A task and its stage: the working types into which every response is read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Track;

/// The vendor's id of a task: opaque; never empty if it comes from a response.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub String);

impl TaskId {
    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for TaskId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for TaskId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The meaning of a record-info response or a callback, independent of its format.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// The task's id.
    pub task_id: TaskId,
    /// The task's stage.
    pub stage: Stage,
    /// The tracks known so far, in the vendor's order.
    pub tracks: Vec<Track>,
    /// The tracks that a recovery could not restore.
    pub missing: Vec<MissingTrack>,
}

/// A track that a recovery could not restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTrack {
    /// The vendor's id of the song's track; empty when it gave none.
    pub track_id: String,
    /// The vendor's reason, such as `clip_error`, with addresses redacted.
    pub reason: String,
}

impl TaskView {
    /// A view with a stage, without an id and tracks.
    pub(crate) fn bare(stage: Stage) -> Self {
        Self {
            task_id: TaskId(String::new()),
            stage,
            tracks: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// The progress of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Accepted; there is no result yet.
    Pending,
    /// The text is ready; no track can be fetched.
    Text,
    /// At least one track can be fetched, another is still being made.
    First,
    /// Every track has an address.
    Complete,
    /// The vendor reports the task as finished, but not every track has an address. `SUCCESS` with a null `audioUrl`, and
    /// `CALLBACK_EXCEPTION` without tracks, were both observed to become a complete task within minutes.
    Incomplete {
        /// The vendor's code, if it gave one.
        code: Option<i64>,
        /// The vendor's message, with addresses redacted, or its status.
        message: String,
        /// Whether the vendor reports that it gave the credits back.
        refunded: bool,
    },
    /// The vendor reports a failure. The view also lists tracks that were finished before it.
    Failed {
        /// The vendor's code, if it gave one.
        code: Option<i64>,
        /// The vendor's message, with addresses redacted.
        message: String,
        /// Whether the vendor reports that it gave the credits back.
        refunded: bool,
    },
    /// The vendor does not know the task, or no longer knows it.
    Unknown,
}

impl Stage {
    /// The only code that is documented to give the credits back.
    const REFUNDED: i64 = 531;

    /// The stage of a task that failed with `code` and `message`.
    pub(crate) fn failed(code: Option<i64>, message: Option<&str>) -> Self {
        Self::Failed {
            code,
            message: crate::redact_text(message.unwrap_or("no reason given")),
            refunded: code == Some(Self::REFUNDED),
        }
    }

    /// The stage of a task that is reported as finished while tracks have no address.
    pub(crate) fn incomplete(code: Option<i64>, message: &str) -> Self {
        Self::Incomplete {
            code,
            message: crate::redact_text(message),
            refunded: code == Some(Self::REFUNDED),
        }
    }

    /// The stage that follows from the tracks; a task is never complete by its status alone.
    pub(crate) fn shown_by(tracks: &[Track]) -> Self {
        let ready = tracks.iter().filter(|track| track.is_available()).count();
        match ready {
            0 if tracks.is_empty() => Self::Pending,
            0 => Self::Text,
            ready if ready == tracks.len() => Self::Complete,
            _ => Self::First,
        }
    }

    /// The stage that follows from the tracks while the vendor reports the task as running.
    pub(crate) fn running(tracks: &[Track]) -> Self {
        match Self::shown_by(tracks) {
            Self::Complete => Self::First,
            stage => stage,
        }
    }
}
