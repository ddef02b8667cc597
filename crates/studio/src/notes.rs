//! The notes of a MIDI task. They are stored in a file, because every poll would read a row of several hundred thousand
//! characters.

use serde_json::{Value, json};

use crate::operation::OperationKind;
use crate::responses::RequestError;
use crate::shared::StudioState;
use crate::store::tasks::{StoredTask, TaskProgress};

/// The file with the notes of a stems task, beside its other files.
pub(crate) const FILE: &str = "notes.json";

/// The `midiData` of a finished MIDI task; `null` for every other task.
pub(crate) async fn of(shared: &StudioState, task: &StoredTask) -> Result<Value, RequestError> {
    let is_done = task.kind == OperationKind::Midi && task.stage == TaskProgress::Complete;
    let Some(kept) = task.tracks.first().filter(|_| is_done) else {
        return Ok(Value::Null);
    };
    let file = shared.folder.files().join(&kept.audio);
    let read = tokio::fs::read(&file)
        .await
        .map_err(|error| error.to_string());
    let notes =
        read.and_then(|bytes| serde_json::from_slice(&bytes).map_err(|error| error.to_string()));
    notes.map_err(|error| {
        tracing::error!(task = task.id, error, "could not read notes");
        RequestError::Internal
    })
}

/// The `midiData` of the instruments in `all` that belong to the stem `stem`; of all instruments if `stem` is `None`. `all` is
/// the file of a stems task, in which each instrument has the name of its stem.
pub(crate) fn selected(all: &Value, stem: Option<&str>) -> Value {
    let instruments = all["instruments"].as_array().into_iter().flatten();
    let selected: Vec<Value> = instruments
        .filter(|instrument| stem.is_none_or(|stem| instrument["stem"] == stem))
        .map(|instrument| json!({ "name": instrument["name"], "notes": instrument["notes"] }))
        .collect();
    json!({ "state": "complete", "instruments": selected })
}
