//! The callbacks that are owed, and the results of attempts to send them.
//!
//! A song owes `text`, `first` and `complete` in this order, or `error` as soon as it has failed; a step owes one of the last
//! two. A misbehaviour plan may require another script. The row stores how many callbacks of the script are done and when the
//! next one is due, so owed callbacks survive every kind of stop. After a kill a callback may come twice, but never out of
//! order.

use rusqlite::{Connection, OptionalExtension, params};

use super::tasks::{self, StoredTask, TASK_COLUMNS, TaskProgress, from_json, read_task};
use crate::misbehave::{CallbackStage, Fault, Forgery};
use crate::operation::OperationKind;

/// The stages that have a callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    Text,
    First,
    Complete,
    Error,
}

impl Notice {
    /// Its name in logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Notice::Text => "text",
            Notice::First => "first",
            Notice::Complete => "complete",
            Notice::Error => "error",
        }
    }

    /// The first stage at which it is due.
    pub(crate) fn stage(self) -> TaskProgress {
        match self {
            Notice::Text => TaskProgress::Text,
            Notice::First => TaskProgress::First,
            Notice::Complete => TaskProgress::Complete,
            Notice::Error => TaskProgress::Failed,
        }
    }

    fn is(self, stage: CallbackStage) -> bool {
        match stage {
            CallbackStage::Text => self == Notice::Text,
            CallbackStage::First => self == Notice::First,
            CallbackStage::Complete => self == Notice::Complete,
            CallbackStage::Error => self == Notice::Error,
        }
    }
}

/// One callback of a task's script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScriptedCallback {
    /// A genuine callback of the studio.
    True(Notice),
    /// A forged callback.
    Forged(Forgery),
}

impl ScriptedCallback {
    /// Its name in logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ScriptedCallback::True(notice) => notice.name(),
            ScriptedCallback::Forged(_) => "forged",
        }
    }
}

/// One callback to send now.
#[derive(Debug, Clone)]
pub(crate) struct DueCallback {
    pub(crate) task: StoredTask,
    pub(crate) url: String,
    pub(crate) call: ScriptedCallback,
    /// The number of callbacks of the script that are done.
    pub(crate) done: i64,
    /// The number of failed attempts.
    pub(crate) attempts: i64,
}

/// All callbacks in the life of a task, which has failed or not. Pure.
pub(crate) fn script(kind: OperationKind, failed: bool, faults: &[Fault]) -> Vec<ScriptedCallback> {
    let mut notices = match failed {
        true => vec![Notice::Error],
        false if kind != OperationKind::Song => vec![Notice::Complete],
        false => vec![Notice::Text, Notice::First, Notice::Complete],
    };
    let mut forged = Vec::new();
    for fault in faults {
        match fault {
            Fault::Callbacks(callbacks) => {
                notices.retain(|notice| {
                    !callbacks.never && !callbacks.skip.iter().any(|stage| notice.is(*stage))
                });
                if callbacks.reverse {
                    notices.reverse();
                }
                if callbacks.double {
                    notices = notices.iter().flat_map(|notice| [*notice; 2]).collect();
                }
            }
            Fault::Forge(forgery) => forged.push(ScriptedCallback::Forged(*forgery)),
            _ => {}
        }
    }
    forged
        .into_iter()
        .chain(notices.into_iter().map(ScriptedCallback::True))
        .collect()
}

/// The next owed callback when `done` callbacks of the script are done and the task is at `stage`. Pure.
pub(crate) fn next_call(
    kind: OperationKind,
    stage: TaskProgress,
    faults: &[Fault],
    done: i64,
) -> Option<ScriptedCallback> {
    let script = script(kind, stage == TaskProgress::Failed, faults);
    let call = *script.get(usize::try_from(done).ok()?)?;
    let from = match call {
        ScriptedCallback::True(notice) => notice.stage(),
        ScriptedCallback::Forged(_) => TaskProgress::Text,
    };
    (stage >= from).then_some(call)
}

/// At most `limit` callbacks that are due at `now_ms`, the longest due first, without those of the tasks in `busy`.
pub(crate) fn due(
    connection: &Connection,
    now_ms: i64,
    busy: &[i64],
    limit: usize,
) -> rusqlite::Result<Vec<DueCallback>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {TASK_COLUMNS}, callback_url, callbacks_done, callback_attempts
         FROM tasks WHERE callback_due_ms <= ?1 ORDER BY callback_due_ms, seq LIMIT ?2"
    ))?;
    let mut rows = statement.query(params![now_ms, (limit + busy.len()) as i64])?;
    let mut owed = Vec::new();
    while let Some(row) = rows.next()? {
        let task = read_task(row)?;
        let done = row.get("callbacks_done")?;
        if let Some(call) = next_call(task.kind, task.stage, &task.faults, done)
            && !busy.contains(&task.seq)
            && owed.len() < limit
        {
            owed.push(DueCallback {
                task,
                url: row.get("callback_url")?,
                call,
                done,
                attempts: row.get("callback_attempts")?,
            });
        }
    }
    Ok(owed)
}

/// The time at which the next callback after `now_ms` is due.
pub(crate) fn next_due_ms(connection: &Connection, now_ms: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT min(callback_due_ms) FROM tasks WHERE callback_due_ms > ?1")?
        .query_row([now_ms], |row| row.get(0))
}

/// Makes a task's next callback due at `now_ms`, unless it is due already or none is owed. The first one is delayed as a plan
/// requires.
pub(super) fn make_due(connection: &Connection, seq: i64, now_ms: i64) -> rusqlite::Result<()> {
    let row = connection
        .prepare_cached(
            "SELECT stage, faults, callbacks_done, callback_delay_ms, operation FROM tasks
             WHERE seq = ?1 AND callback_url IS NOT NULL AND callback_due_ms IS NULL",
        )?
        .query_row([seq], |row| {
            let faults: Option<String> = row.get(1)?;
            let faults = faults.map_or_else(|| Ok(Vec::new()), |faults| from_json(&faults))?;
            Ok((row.get(0)?, faults, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((stage, faults, done, delay_ms, kind)) = row else {
        return Ok(());
    };
    if next_call(kind, stage, &faults, done).is_some() {
        let wait_ms: i64 = if done == 0 { delay_ms } else { 0 };
        connection
            .prepare_cached("UPDATE tasks SET callback_due_ms = ?2 WHERE seq = ?1")?
            .execute(params![seq, now_ms.saturating_add(wait_ms)])?;
    }
    Ok(())
}

/// Whether the first callback of a task was sent and no other is due or waits for a retry. Also true if the task has no
/// callbacks.
pub(crate) fn are_made(connection: &Connection, task_id: &str) -> rusqlite::Result<bool> {
    let waiting = connection
        .prepare_cached(
            "SELECT 1 FROM tasks WHERE id = ?1 AND callback_url IS NOT NULL AND (callback_due_ms IS NOT NULL OR callbacks_done = 0)",
        )?
        .exists([task_id])?;
    if !waiting {
        return Ok(true);
    }
    let task = tasks::find(connection, task_id)?;
    Ok(task.is_none_or(|task| {
        script(task.kind, task.stage == TaskProgress::Failed, &task.faults).is_empty()
    }))
}

/// Marks the callback with the index `done` as done (delivered or given up), and makes the next one due if its stage is
/// reached. Does nothing if the task has failed or was removed meanwhile.
pub(crate) fn settle(
    connection: &Connection,
    task: &StoredTask,
    done: i64,
    now_ms: i64,
) -> rusqlite::Result<()> {
    let Some(now) = tasks::find(connection, &task.id)?.filter(|now| is_same_script(now, task))
    else {
        return Ok(());
    };
    let due_ms = next_call(now.kind, now.stage, &now.faults, done + 1).map(|_| now_ms);
    connection
        .prepare_cached(
            "UPDATE tasks SET callbacks_done = ?2, callback_attempts = 0, callback_due_ms = ?3
             WHERE seq = ?1 AND callbacks_done = ?2 - 1",
        )?
        .execute(params![task.seq, done + 1, due_ms])?;
    Ok(())
}

/// Postpones a failed callback to `due_ms`.
pub(crate) fn put_off(
    connection: &Connection,
    task: &StoredTask,
    due_ms: i64,
) -> rusqlite::Result<()> {
    if tasks::find(connection, &task.id)?.is_some_and(|now| is_same_script(&now, task)) {
        connection
            .prepare_cached("UPDATE tasks SET callback_attempts = callback_attempts + 1, callback_due_ms = ?2 WHERE seq = ?1")?
            .execute(params![task.seq, due_ms])?;
    }
    Ok(())
}

/// Whether a task still follows the same script as in its earlier state `before`.
fn is_same_script(now: &StoredTask, before: &StoredTask) -> bool {
    (now.stage == TaskProgress::Failed) == (before.stage == TaskProgress::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misbehave::CallbackFaults;

    fn sent(stage: TaskProgress, faults: &[Fault]) -> Vec<&'static str> {
        (0..)
            .map_while(|done| next_call(OperationKind::Song, stage, faults, done))
            .map(ScriptedCallback::name)
            .collect()
    }

    #[test]
    fn callbacks_come_in_order_and_error_comes_at_once() {
        assert_eq!(sent(TaskProgress::Pending, &[]), [""; 0]);
        assert_eq!(sent(TaskProgress::Text, &[]), ["text"]);
        assert_eq!(sent(TaskProgress::First, &[]), ["text", "first"]);
        assert_eq!(
            sent(TaskProgress::Complete, &[]),
            ["text", "first", "complete"]
        );
        assert_eq!(sent(TaskProgress::Failed, &[]), ["error"]);
        for (stage, name) in [
            (TaskProgress::Complete, "complete"),
            (TaskProgress::Failed, "error"),
        ] {
            let call =
                |done| next_call(OperationKind::Wav, stage, &[], done).map(ScriptedCallback::name);
            assert_eq!([call(0), call(1)], [Some(name), None]);
        }
    }

    #[test]
    fn a_plan_changes_the_script() {
        let with = |stage, callbacks| sent(stage, &[Fault::Callbacks(callbacks)]);
        let double = CallbackFaults {
            double: true,
            skip: vec![CallbackStage::First],
            ..CallbackFaults::default()
        };
        assert_eq!(
            with(TaskProgress::Complete, double.clone()),
            ["text", "text", "complete", "complete"]
        );
        assert_eq!(with(TaskProgress::Failed, double), ["error", "error"]);
        let reverse = CallbackFaults {
            reverse: true,
            ..CallbackFaults::default()
        };
        assert_eq!(with(TaskProgress::First, reverse.clone()), [""; 0]);
        assert_eq!(
            with(TaskProgress::Complete, reverse),
            ["complete", "first", "text"]
        );
        let never = CallbackFaults {
            never: true,
            ..CallbackFaults::default()
        };
        assert_eq!(with(TaskProgress::Complete, never), [""; 0]);
        let forged = sent(TaskProgress::Complete, &[Fault::Forge(Forgery::WrongToken)]);
        assert_eq!(forged, ["forged", "text", "first", "complete"]);
    }
}
