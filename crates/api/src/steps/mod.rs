//! Steps: operations that process the result of another one. Writes their requests, and reads their details and callbacks.
//!
//! ```text
//!   Source, Choices ── Operation::step_body ──► bytes ──► vendor
//!   bytes ── Operation::read_step_details, read_step_callback ──► StepView { stage, artefacts, missing }
//! ```
//!
//! `table.rs` lists the operations, `details.rs` and `callback.rs` read the envelopes, and `artefacts.rs` reads each kind of
//! result.

mod artefacts;
mod callback;
mod details;
mod table;

use std::sync::Arc;

use serde_json::{Map, Value};

use self::artefacts::AUDIO;
pub use self::callback::StepCallback;
pub use self::table::RECOVERY;
use crate::{Choices, Input, MissingTrack, Notes, Operation, Stage, TaskId, TaskView, Track};

/// The submission of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRequest {
    /// The input.
    pub source: Source,
    /// Its settings.
    pub choices: Choices,
    /// Address for callbacks; a placeholder when results are polled.
    pub call_back_url: String,
}

/// The input of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A recording that can be fetched from the public internet.
    Recording {
        /// Its address.
        url: String,
    },
    /// A track of a song task.
    Track {
        /// The task.
        task: TaskId,
        /// The vendor's id of the track.
        track: String,
    },
    /// A finished stems task.
    Stems {
        /// The task.
        task: TaskId,
        /// The vendor's id of one stem; `None` means all stems.
        stem: Option<String>,
    },
    /// A song task with all its tracks.
    Song {
        /// The task.
        task: TaskId,
    },
}

/// The operation does not process such a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{operation}` processes {expected}")]
pub struct WrongSource {
    /// The operation's name.
    pub operation: &'static str,
    /// The input that it processes.
    pub expected: &'static str,
}

/// The meaning of the details of a task or of a callback, whichever operation made the task.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView {
    /// The task's id.
    pub task_id: TaskId,
    /// The task's stage: `Pending`, `Complete`, `Incomplete`, `Failed` or `Unknown`; for a song also `Text` and `First`.
    pub stage: Stage,
    /// The files and notes known so far, in the vendor's order.
    pub artefacts: Vec<Artefact>,
    /// The tracks that a recovery could not restore.
    pub missing: Vec<MissingTrack>,
    /// The price of the task in credits, if the details state it.
    pub credits: Option<f64>,
}

/// A result of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Artefact {
    /// Its name: `wav`, `vocal`, `drums`, `backing-vocals`, `midi`, `audio`. Lower-case letters, digits and hyphens.
    pub name: String,
    /// The vendor's id of the song's track that it belongs to, if the response names one.
    pub track_id: Option<String>,
    /// The vendor's id of the artefact itself: MIDI is requested by the id of a stem.
    pub id: Option<String>,
    /// Its content.
    pub content: Content,
    /// Address of the mix of a song's track with the vocal: an extension of the studio.
    pub mix_url: Option<String>,
    /// Its length in seconds, above 0 and at most a day.
    pub duration_s: Option<f64>,
}

/// The content of an artefact.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A file at this address.
    File(String),
    /// Notes, which the response itself contains.
    Notes(Arc<Notes>),
}

impl StepView {
    /// A view with a stage and nothing else.
    pub(crate) fn bare(stage: Stage) -> Self {
        Self {
            task_id: TaskId(String::new()),
            stage,
            artefacts: Vec::new(),
            missing: Vec::new(),
            credits: None,
        }
    }
}

/// A step's view in the form of a song's view: the artefacts become the tracks.
impl From<StepView> for TaskView {
    fn from(view: StepView) -> Self {
        Self {
            task_id: view.task_id,
            stage: view.stage,
            tracks: view.artefacts.into_iter().map(Track::from).collect(),
            missing: view.missing,
        }
    }
}

impl From<Artefact> for Track {
    fn from(artefact: Artefact) -> Self {
        let (audio_url, notes) = match artefact.content {
            Content::File(url) => (Some(url), None),
            Content::Notes(notes) => (None, Some(notes)),
        };
        Self {
            id: artefact.id.unwrap_or_default(),
            audio_url,
            mix_audio_url: artefact.mix_url,
            duration_s: artefact.duration_s,
            artefact: (artefact.name != AUDIO).then_some(artefact.name),
            made_of: artefact.track_id,
            notes,
            ..Self::default()
        }
    }
}

impl Operation {
    /// Returns the body of a step's submission.
    ///
    /// # Errors
    /// When the operation does not process such a source.
    pub fn step_body(&self, request: &StepRequest) -> Result<Map<String, Value>, WrongSource> {
        let text = |name: &str, value: &str| (name.to_owned(), Value::from(value));
        let fields = match (self.input, &request.source) {
            (
                Input::Recording { field } | Input::TrackOrRecording { field, .. },
                Source::Recording { url },
            ) => vec![text(field, url)],
            (
                Input::Track { task, track } | Input::TrackOrRecording { task, track, .. },
                Source::Track {
                    task: id,
                    track: audio,
                },
            ) => vec![text(task, id.as_str()), text(track, audio)],
            (
                Input::Stems { task, stem },
                Source::Stems {
                    task: id,
                    stem: one,
                },
            ) => {
                let one = one.iter().map(|id| text(stem, id));
                [text(task, id.as_str())].into_iter().chain(one).collect()
            }
            (Input::Song { task }, Source::Song { task: id }) => vec![text(task, id.as_str())],
            _ => {
                return Err(WrongSource {
                    operation: self.name,
                    expected: self.input.expected(),
                });
            }
        };
        let mut body = Map::from_iter(fields);
        let chosen = request.choices.iter();
        body.extend(chosen.map(|(row, value)| (self.field_of(row).to_owned(), value.to_json())));
        let call_back_url = Value::from(request.call_back_url.clone());
        if self.job.is_none() {
            body.insert(self.callback_field.to_owned(), call_back_url.clone());
        }
        Ok(self.enclosed(body, call_back_url))
    }
}

impl Input {
    /// Describes the input, to follow "processes".
    pub fn expected(self) -> &'static str {
        match self {
            Self::Recording { .. } => "a recording",
            Self::Track { .. } => "a track of a song task",
            Self::TrackOrRecording { .. } => "a track of a song task, or a recording",
            Self::Stems { .. } => "a finished stems task",
            Self::Song { .. } => "a song task",
        }
    }
}
