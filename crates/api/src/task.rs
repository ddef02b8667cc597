//! A task and how far it is: the working types that every reading of a response ends in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Track;

/// The vendor's name for a task: opaque, never empty when it comes from a response.
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

/// What a record-info response or a callback means, whatever shape it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// Whose task it is.
    pub task_id: TaskId,
    /// How far it is.
    pub stage: Stage,
    /// The tracks that are known so far, in the vendor's order.
    pub tracks: Vec<Track>,
    /// Tracks that a recovery could not bring back.
    pub missing: Vec<MissingTrack>,
}

/// A track that a recovery could not bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTrack {
    /// The vendor's id of the song's track; empty when it gave none.
    pub track_id: String,
    /// The vendor's reason, such as `clip_error`, with addresses redacted.
    pub reason: String,
}

impl TaskView {
    /// A view that shows neither an id nor a track.
    pub(crate) fn bare(stage: Stage) -> Self {
        Self {
            task_id: TaskId(String::new()),
            stage,
            tracks: Vec::new(),
            missing: Vec::new(),
        }
    }
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Accepted, nothing to show yet.
    Pending,
    /// The text is made, no track can be fetched.
    Text,
    /// At least one track can be fetched, another is still being made.
    First,
    /// Every track has an address.
    Complete,
    /// The vendor reports the task as over, and not every track has an address. `SUCCESS` with a null `audioUrl` and
    /// `CALLBACK_EXCEPTION` without tracks have both been seen to turn into a complete task within minutes.
    Incomplete {
        /// The vendor's code, if it gave one.
        code: Option<i64>,
        /// The vendor's message, with addresses redacted, or its status.
        message: String,
        /// The vendor says that it gave the credits back.
        refunded: bool,
    },
    /// The vendor reports a failure. Tracks that were finished before it are among the view's tracks.
    Failed {
        /// The vendor's code, if it gave one.
        code: Option<i64>,
        /// The vendor's message, with addresses redacted.
        message: String,
        /// The vendor says that it gave the credits back.
        refunded: bool,
    },
    /// The vendor knows no such task (any more).
    Unknown,
}

impl Stage {
    /// The only code that is documented to give the credits back.
    const REFUNDED: i64 = 531;

    /// The stage of a task that ended with `code` and `message`.
    pub(crate) fn failed(code: Option<i64>, message: Option<&str>) -> Self {
        Self::Failed {
            code,
            message: crate::redact_text(message.unwrap_or("no reason given")),
            refunded: code == Some(Self::REFUNDED),
        }
    }

    /// The stage of a task that is reported as over while tracks have no address.
    pub(crate) fn incomplete(code: Option<i64>, message: &str) -> Self {
        Self::Incomplete {
            code,
            message: crate::redact_text(message),
            refunded: code == Some(Self::REFUNDED),
        }
    }

    /// The stage that the tracks themselves show; a task is never complete by its status alone.
    pub(crate) fn shown_by(tracks: &[Track]) -> Self {
        let ready = tracks.iter().filter(|track| track.is_available()).count();
        match ready {
            0 if tracks.is_empty() => Self::Pending,
            0 => Self::Text,
            ready if ready == tracks.len() => Self::Complete,
            _ => Self::First,
        }
    }

    /// The stage that the tracks show while the vendor says that it is still at work.
    pub(crate) fn running(tracks: &[Track]) -> Self {
        match Self::shown_by(tracks) {
            Self::Complete => Self::First,
            stage => stage,
        }
    }
}
