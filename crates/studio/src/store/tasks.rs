//! Rows of tasks: types and queries.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::misbehave::Fault;
use crate::operation::OperationKind;

/// The progress of a task. The database stores these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TaskProgress {
    Pending = 0,
    Text = 1,
    First = 2,
    Complete = 3,
    Failed = 4,
}

impl TaskProgress {
    /// Whether the task has ended.
    pub(crate) fn is_final(self) -> bool {
        self >= TaskProgress::Complete
    }
}

impl ToSql for TaskProgress {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok((*self as i64).into())
    }
}

impl FromSql for TaskProgress {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value.as_i64()? {
            0 => TaskProgress::Pending,
            1 => TaskProgress::Text,
            2 => TaskProgress::First,
            3 => TaskProgress::Complete,
            4 => TaskProgress::Failed,
            other => return Err(FromSqlError::OutOfRange(other)),
        })
    }
}

/// The code of a failure that gives the credits back.
pub(crate) const REFUNDED: i64 = 531;

/// A finished track, or another file of a step, as stored. Paths are relative to `files/`, so the studio's address may change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredTrack {
    /// Its number from 1. A recovered track has the number of the song's track.
    pub(crate) number: u8,
    /// Its name in a step: `wav`, `vocal`, `backing_vocals`, …; `None` for a song's track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) audio: String,
    pub(crate) mix: Option<String>,
    /// The notes, if the band played the track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) midi: Option<String>,
    pub(crate) duration_s: f64,
    pub(crate) created_ms: i64,
    /// The band's analysis and choices, as clients see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) facts: Option<Value>,
}

/// A task to be accepted.
#[derive(Debug, Clone)]
pub(crate) struct NewTask {
    pub(crate) task_id: String,
    pub(crate) kind: OperationKind,
    /// The task that a step processes, and the number of its track.
    pub(crate) parent: Option<String>,
    pub(crate) parent_track: Option<u8>,
    /// The body of the request, unchanged.
    pub(crate) request: String,
    /// The path of the upload that `uploadUrl` names, if it is the studio's own.
    pub(crate) upload: Option<String>,
    /// The identity of the source while its bytes are not known: its address without the query.
    pub(crate) source: String,
    /// Digest of the request without its addresses.
    pub(crate) digest: [u8; 32],
    pub(crate) title: String,
    pub(crate) callback_url: Option<String>,
    /// The last segment of the callback address.
    pub(crate) hook_token: Option<String>,
    pub(crate) token: Option<String>,
    /// Whether a repeat under the same token returns the same task.
    pub(crate) heeds_token: bool,
    pub(crate) key_print: String,
    pub(crate) price_credits: f64,
    /// All credits ever granted; `None` means unlimited.
    pub(crate) granted_credits: Option<f64>,
    pub(crate) now_ms: i64,
    /// The state of the new task.
    pub(crate) initial_state: InitialState,
    /// The faults that a misbehaviour plan assigns to it, and its number.
    pub(crate) faults: Vec<Fault>,
    pub(crate) submission: Option<u64>,
}

/// The state of a new task.
#[derive(Debug, Clone)]
pub(crate) enum InitialState {
    /// It waits for the worker.
    Made,
    /// It is finished with these tracks: instant mode.
    Finished(Vec<StoredTrack>),
    /// It fails, as a misbehaviour plan requires.
    Fails {
        code: i64,
        message: String,
        refunded: bool,
    },
}

/// The result of accepting a [`NewTask`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acceptance {
    /// A new task, charged.
    New,
    /// The same request under the same token was accepted before: this is its task, and nothing is charged.
    Repeat { task_id: String },
    /// The token was used with another request.
    TokenMisused,
    /// The result exists already or is being made by this task.
    Exists { task_id: String },
    /// The balance does not cover the price.
    NoCredits,
}

/// A task with the data that clients may see.
#[derive(Debug, Clone)]
pub(crate) struct StoredTask {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) kind: OperationKind,
    /// The task that a step processes, and the number of its track.
    pub(crate) parent: Option<String>,
    pub(crate) parent_track: Option<u8>,
    pub(crate) request: String,
    pub(crate) accepted_ms: i64,
    pub(crate) stage: TaskProgress,
    pub(crate) error_code: Option<i64>,
    pub(crate) error_message: Option<String>,
    pub(crate) tracks: Vec<StoredTrack>,
    /// The faults that a misbehaviour plan assigns to it.
    pub(crate) faults: Vec<Fault>,
}

/// A task that the worker must process.
#[derive(Debug, Clone)]
pub(crate) struct PendingTask {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) kind: OperationKind,
    pub(crate) parent: Option<String>,
    pub(crate) parent_track: Option<u8>,
    pub(crate) request: String,
    pub(crate) upload: Option<String>,
    pub(crate) digest: Vec<u8>,
    pub(crate) repetition: i64,
}

/// The columns that [`read_task`] reads.
pub(super) const TASK_COLUMNS: &str = "seq, id, request, accepted_ms, stage, error_code, error_message, tracks, faults, operation, parent, parent_track";
/// The columns that [`read_work`] reads.
pub(super) const WORK_COLUMNS: &str =
    "seq, id, request, upload, digest, repetition, operation, parent, parent_track";

/// The task with this id.
pub(crate) fn find(connection: &Connection, task_id: &str) -> rusqlite::Result<Option<StoredTask>> {
    connection
        .prepare_cached(&format!("SELECT {TASK_COLUMNS} FROM tasks WHERE id = ?1"))?
        .query_row([task_id], read_task)
        .optional()
}

/// The task of the same operation that was accepted before the one with this id. If there is none, the newest of the other
/// tasks.
pub(crate) fn neighbour(
    connection: &Connection,
    task_id: &str,
) -> rusqlite::Result<Option<StoredTask>> {
    connection
        .prepare_cached(&format!(
            "SELECT {TASK_COLUMNS} FROM tasks
             WHERE id <> ?1 AND operation = ifnull((SELECT operation FROM tasks WHERE id = ?1), 'add-instrumental')
             ORDER BY seq < ifnull((SELECT seq FROM tasks WHERE id = ?1), 0) DESC, seq DESC LIMIT 1"
        ))?
        .query_row([task_id], read_task)
        .optional()
}

pub(super) fn read_task(row: &Row<'_>) -> rusqlite::Result<StoredTask> {
    Ok(StoredTask {
        seq: row.get("seq")?,
        id: row.get("id")?,
        kind: row.get("operation")?,
        parent: row.get("parent")?,
        parent_track: row.get("parent_track")?,
        request: row.get("request")?,
        accepted_ms: row.get("accepted_ms")?,
        stage: row.get("stage")?,
        error_code: row.get("error_code")?,
        error_message: row.get("error_message")?,
        tracks: from_json(&row.get::<_, String>("tracks")?)?,
        faults: row
            .get::<_, Option<String>>("faults")?
            .map_or_else(|| Ok(Vec::new()), |faults| from_json(&faults))?,
    })
}

/// The next task to render after `seq`, in the order of acceptance.
pub(crate) fn next_unfinished(
    connection: &Connection,
    seq: i64,
) -> rusqlite::Result<Option<PendingTask>> {
    connection
        .prepare_cached(&format!(
            "SELECT {WORK_COLUMNS} FROM tasks WHERE finished_ms IS NULL AND seq > ?1 ORDER BY seq LIMIT 1"
        ))?
        .query_row([seq], read_work)
        .optional()
}

pub(super) fn read_work(row: &Row<'_>) -> rusqlite::Result<PendingTask> {
    Ok(PendingTask {
        seq: row.get("seq")?,
        id: row.get("id")?,
        kind: row.get("operation")?,
        parent: row.get("parent")?,
        parent_track: row.get("parent_track")?,
        request: row.get("request")?,
        upload: row.get("upload")?,
        digest: row.get("digest")?,
        repetition: row.get("repetition")?,
    })
}

/// The number of unfinished tasks.
pub(crate) fn count_unfinished(connection: &Connection) -> rusqlite::Result<usize> {
    let count: i64 = connection.query_row(
        "SELECT count(*) FROM tasks WHERE finished_ms IS NULL",
        [],
        |row| row.get(0),
    )?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

pub(super) fn to_json<T: Serialize>(rows: &[T]) -> rusqlite::Result<String> {
    serde_json::to_string(rows)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn from_json<T: DeserializeOwned>(text: &str) -> rusqlite::Result<Vec<T>> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })
}
