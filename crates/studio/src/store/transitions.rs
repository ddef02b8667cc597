//! Accepts, advances, fails and removes tasks, with their charges and callbacks.
//!
//! Plain functions over a connection; [`StudioStore::write`](super::Store::write) makes each one a durable transaction. A stage
//! only moves forward, and a finished task never changes. So a client sees no inconsistency when an interrupted task is
//! resumed.

use rusqlite::{Connection, OptionalExtension, params};

use super::tasks::{
    Acceptance, InitialState, NewTask, REFUNDED, StoredTrack, TaskProgress, to_json,
};
use super::{bills, callbacks, steps};
use crate::misbehave::Fault;
use crate::operation::OperationKind;

/// Largest rounding error of a sum of tenths of credits.
const SLACK: f64 = 1e-6;

/// Accepts and charges `order`, or returns why it does not.
pub(crate) fn accept(connection: &Connection, order: &NewTask) -> rusqlite::Result<Acceptance> {
    if let Some(token) = order.token.as_deref().filter(|_| order.heeds_token) {
        let known = connection
            .prepare_cached(
                "SELECT task_id, digest FROM bills WHERE key_print = ?1 AND token = ?2 ORDER BY accepted_ms, task_id LIMIT 1",
            )?
            .query_row(params![order.key_print, token], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        match known {
            // The addresses may differ: after a restart a client may listen at another address and may have uploaded again.
            Some((task_id, digest)) if digest == order.digest => {
                if order.callback_url.is_some() {
                    connection
                        .prepare_cached("UPDATE tasks SET callback_url = ?2 WHERE id = ?1 AND callback_url IS NOT NULL")?
                        .execute(params![task_id, order.callback_url])?;
                }
                return Ok(Acceptance::Repeat { task_id });
            }
            Some(_) => return Ok(Acceptance::TokenMisused),
            None => {}
        }
    }
    if let (OperationKind::Wav, Some(parent), Some(track)) =
        (order.kind, &order.parent, order.parent_track)
        && let Some(task_id) = steps::wav_of(connection, parent, track)?
    {
        return Ok(Acceptance::Exists { task_id });
    }
    if let Some(granted) = order.granted_credits
        && granted - bills::charged(connection)? < order.price_credits - SLACK
    {
        return Ok(Acceptance::NoCredits);
    }
    let repetition = count_repetition(connection, order)?;
    let (stage, tracks, failure) = match &order.initial_state {
        InitialState::Made => (TaskProgress::Pending, &[][..], None),
        InitialState::Finished(tracks) => (TaskProgress::Complete, tracks.as_slice(), None),
        InitialState::Fails { code, message, .. } => {
            (TaskProgress::Failed, &[][..], Some((code, message)))
        }
    };
    let finished_ms = stage.is_final().then_some(order.now_ms);
    let faults = match order.faults.as_slice() {
        [] => None,
        faults => Some(to_json(faults)?),
    };
    connection
        .prepare_cached(
            "INSERT INTO tasks (id, request, upload, digest, repetition, accepted_ms, finished_ms, stage, error_code, error_message,
                                tracks, callback_url, callback_delay_ms, faults, operation, parent, parent_track)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            order.task_id, order.request, order.upload, order.digest, repetition, order.now_ms, finished_ms, stage,
            failure.map(|(code, _)| code), failure.map(|(_, message)| message), to_json(tracks)?, order.callback_url,
            callback_delay_ms(&order.faults), faults, order.kind, order.parent, order.parent_track
        ])?;
    if stage.is_final() {
        callbacks::make_due(connection, connection.last_insert_rowid(), order.now_ms)?;
    }
    bills::charge(connection, order)?;
    Ok(Acceptance::New)
}

/// Counts this request and returns how often it came before. The source is identified by its bytes if they are on this machine.
fn count_repetition(connection: &Connection, order: &NewTask) -> rusqlite::Result<i64> {
    let content: Option<Vec<u8>> = match &order.upload {
        Some(path) => connection
            .prepare_cached("SELECT content FROM uploads WHERE path = ?1")?
            .query_row([path], |row| row.get(0))
            .optional()?,
        None => None,
    };
    let mut hasher = blake3::Hasher::new();
    hasher.update(&order.digest);
    hasher.update(content.as_deref().unwrap_or(order.source.as_bytes()));
    let before: i64 = connection
        .prepare_cached(
            "INSERT INTO repetitions VALUES (?1, 1, ?2)
             ON CONFLICT (digest) DO UPDATE SET count = count + 1, last_ms = excluded.last_ms RETURNING count - 1",
        )?
        .query_row(params![hasher.finalize().as_bytes(), order.now_ms], |row| row.get(0))?;
    Ok(before)
}

/// Moves a task forward to `stage` with everything finished so far. Does nothing if the task is at that stage already.
pub(crate) fn advance(
    connection: &Connection,
    seq: i64,
    stage: TaskProgress,
    tracks: &[StoredTrack],
    now_ms: i64,
) -> rusqlite::Result<()> {
    let finished_ms = stage.is_final().then_some(now_ms);
    connection
        .prepare_cached(
            "UPDATE tasks SET stage = ?2, tracks = ?3, finished_ms = ?4
             WHERE seq = ?1 AND stage < ?2 AND finished_ms IS NULL",
        )?
        .execute(params![seq, stage, to_json(tracks)?, finished_ms])?;
    callbacks::make_due(connection, seq, now_ms)
}

/// Ends a task as failed; the tracks that it already showed stay.
pub(crate) fn fail(
    connection: &Connection,
    seq: i64,
    code: i64,
    message: &str,
    now_ms: i64,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE tasks SET stage = ?2, error_code = ?3, error_message = ?4, finished_ms = ?5,
                 callbacks_done = 0, callback_attempts = 0
             WHERE seq = ?1 AND finished_ms IS NULL",
        )?
        .execute(params![seq, TaskProgress::Failed, code, message, now_ms])?;
    if code == REFUNDED {
        bills::refund(connection, seq)?;
    }
    callbacks::make_due(connection, seq, now_ms)
}

/// Ids of at most `limit` tasks that finished before `before_ms`.
pub(crate) fn outlived(
    connection: &Connection,
    before_ms: i64,
    limit: u32,
) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare_cached(
            "SELECT id FROM tasks WHERE finished_ms < ?1 ORDER BY finished_ms LIMIT ?2",
        )?
        .query_map(params![before_ms, limit], |row| row.get(0))?
        .collect()
}

/// Removes tasks with their bills. Their charges stay.
pub(crate) fn forget(connection: &Connection, task_ids: &[String]) -> rusqlite::Result<()> {
    for id in task_ids {
        connection
            .prepare_cached("DELETE FROM tasks WHERE id = ?1")?
            .execute([id])?;
        connection
            .prepare_cached("DELETE FROM bills WHERE task_id = ?1")?
            .execute([id])?;
        connection
            .prepare_cached("DELETE FROM uses WHERE task_id = ?1")?
            .execute([id])?;
    }
    Ok(())
}

/// Removes the counts of requests that have not come since `before_ms`.
pub(crate) fn forget_repetitions(connection: &Connection, before_ms: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM repetitions WHERE last_ms < ?1", [before_ms])?;
    Ok(())
}

fn callback_delay_ms(faults: &[Fault]) -> i64 {
    let delay_ms = faults.iter().find_map(|fault| match fault {
        Fault::Callbacks(callbacks) if callbacks.delay_ms > 0 => Some(callbacks.delay_ms),
        _ => None,
    });
    delay_ms.map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX))
}
