//! Which callbacks are owed, and what came of trying.
//!
//! A task owes `text`, `first` and `complete` in this order, or `error` as soon as it has failed. The row holds how many of
//! them are done with and when the next is due, so what is owed survives every kind of stop; a callback may come twice after
//! a kill, never out of order.

use rusqlite::{Connection, OptionalExtension, params};

use super::tasks::{Stage, Task, read_task};

/// The stages that a callback can tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    Text,
    First,
    Complete,
    Error,
}

impl Notice {
    /// What it is called in logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Notice::Text => "text",
            Notice::First => "first",
            Notice::Complete => "complete",
            Notice::Error => "error",
        }
    }

    /// How many callbacks are done with once this one is.
    fn done(self) -> i64 {
        match self {
            Notice::Text => 1,
            Notice::First => 2,
            Notice::Complete | Notice::Error => DONE,
        }
    }
}

/// All of a task's callbacks are done with.
const DONE: i64 = 3;

/// One callback to make now.
#[derive(Debug, Clone)]
pub(crate) struct Owed {
    pub(crate) task: Task,
    pub(crate) url: String,
    pub(crate) notice: Notice,
    /// Tries that failed before.
    pub(crate) attempts: i64,
}

/// What is owed next when `done` callbacks are done with and the task has come to `stage`. Pure.
pub(crate) fn next_notice(stage: Stage, done: i64) -> Option<Notice> {
    match (stage, done) {
        (_, DONE..) => None,
        (Stage::Failed, _) => Some(Notice::Error),
        (Stage::Text | Stage::First | Stage::Complete, 0) => Some(Notice::Text),
        (Stage::First | Stage::Complete, 1) => Some(Notice::First),
        (Stage::Complete, 2) => Some(Notice::Complete),
        _ => None,
    }
}

/// At most `limit` callbacks that are due at `now_ms`, the longest due first, but for the tasks in `busy`.
pub(crate) fn due(
    connection: &Connection,
    now_ms: i64,
    busy: &[i64],
    limit: usize,
) -> rusqlite::Result<Vec<Owed>> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, id, request, accepted_ms, stage, error_code, error_message, tracks, callback_url, callbacks_done, callback_attempts
         FROM tasks WHERE callback_due_ms <= ?1 ORDER BY callback_due_ms, seq LIMIT ?2",
    )?;
    let mut rows = statement.query(params![now_ms, (limit + busy.len()) as i64])?;
    let mut owed = Vec::new();
    while let Some(row) = rows.next()? {
        let task = read_task(row)?;
        let notice = next_notice(task.stage, row.get("callbacks_done")?);
        if let Some(notice) = notice
            && !busy.contains(&task.seq)
            && owed.len() < limit
        {
            owed.push(Owed {
                task,
                url: row.get("callback_url")?,
                notice,
                attempts: row.get("callback_attempts")?,
            });
        }
    }
    Ok(owed)
}

/// When the next callback after `now_ms` is due.
pub(crate) fn next_due_ms(connection: &Connection, now_ms: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT min(callback_due_ms) FROM tasks WHERE callback_due_ms > ?1")?
        .query_row([now_ms], |row| row.get(0))
}

/// Marks a callback as done with, delivered or given up, and makes the next one due if its stage is reached.
pub(crate) fn settle(
    connection: &Connection,
    seq: i64,
    notice: Notice,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let stage: Option<Stage> = connection
        .prepare_cached("SELECT stage FROM tasks WHERE seq = ?1")?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    // A task that was cleaned away meanwhile owes nothing.
    let Some(stage) = stage else { return Ok(()) };
    let due_ms = next_notice(stage, notice.done()).map(|_| now_ms);
    connection
        .prepare_cached("UPDATE tasks SET callbacks_done = ?2, callback_attempts = 0, callback_due_ms = ?3 WHERE seq = ?1")?
        .execute(params![seq, notice.done(), due_ms])?;
    Ok(())
}

/// Puts a callback that failed off until `due_ms`.
pub(crate) fn put_off(connection: &Connection, seq: i64, due_ms: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE tasks SET callback_attempts = callback_attempts + 1, callback_due_ms = ?2 WHERE seq = ?1")?
        .execute(params![seq, due_ms])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_come_in_order_and_error_comes_at_once() {
        let told = |stage| {
            let mut done = 0;
            std::iter::from_fn(|| {
                let notice = next_notice(stage, done)?;
                done = notice.done();
                Some(notice.name())
            })
            .collect::<Vec<_>>()
        };
        assert_eq!(told(Stage::Pending), [""; 0]);
        assert_eq!(told(Stage::Text), ["text"]);
        assert_eq!(told(Stage::First), ["text", "first"]);
        assert_eq!(told(Stage::Complete), ["text", "first", "complete"]);
        assert_eq!(told(Stage::Failed), ["error"]);
    }
}
