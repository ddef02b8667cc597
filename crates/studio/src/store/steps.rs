//! Rows of steps, and of the tasks that they process.

use rusqlite::{Connection, OptionalExtension, params};

use super::tasks::{self, PendingTask, StoredTask, TaskProgress};
use crate::operation::OperationKind;

/// The task with this id, if its operation is `kind`.
pub(crate) fn find(
    connection: &Connection,
    kind: OperationKind,
    task_id: &str,
) -> rusqlite::Result<Option<StoredTask>> {
    Ok(tasks::find(connection, task_id)?.filter(|task| task.kind == kind))
}

/// The WAV task of a track, unless it failed. A second one is refused.
pub(super) fn wav_of(
    connection: &Connection,
    parent: &str,
    track: u8,
) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached(
            "SELECT id FROM tasks WHERE parent = ?1 AND parent_track = ?2 AND operation = ?3 AND stage <> ?4 LIMIT 1",
        )?
        .query_row(params![parent, track, OperationKind::Wav, TaskProgress::Failed], |row| {
            row.get(0)
        })
        .optional()
}

/// The source of a song, with the song itself.
pub(crate) fn song(
    connection: &Connection,
    task_id: &str,
) -> rusqlite::Result<Option<(PendingTask, StoredTask)>> {
    let Some(task) = find(connection, OperationKind::Song, task_id)? else {
        return Ok(None);
    };
    let work = connection
        .prepare_cached(&format!(
            "SELECT {} FROM tasks WHERE id = ?1",
            tasks::WORK_COLUMNS
        ))?
        .query_row([task_id], tasks::read_work)?;
    Ok(Some((work, task)))
}
