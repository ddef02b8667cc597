//! The counters of a misbehaviour plan: submissions, uses of rules, polls and downloads.

use rusqlite::{Connection, params};

use crate::misbehave::{Fault, Misbehaviour, Submission};

/// Counts a submission; returns its number and the faults of every rule that applies.
pub(crate) fn count_submission(
    connection: &Connection,
    plan: &Misbehaviour,
    submission: &Submission,
) -> rusqlite::Result<(u64, Vec<Fault>)> {
    let number: i64 = connection
        .prepare_cached("UPDATE account SET submissions = submissions + 1 RETURNING submissions")?
        .query_row([], |row| row.get(0))?;
    let number = number.unsigned_abs();
    let mut faults = Vec::new();
    for rule in plan.met(submission, number) {
        let due = match rule.when.times {
            None => true,
            Some(times) => count_rule(connection, &rule.digest())? <= i64::from(times),
        };
        if due {
            faults.extend_from_slice(&rule.faults);
        }
    }
    Ok((number, faults))
}

fn count_rule(connection: &Connection, rule: &[u8; 32]) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO rules_met VALUES (?1, 1) ON CONFLICT (rule) DO UPDATE SET count = count + 1 RETURNING count",
        )?
        .query_row([rule], |row| row.get(0))
}

/// Counts a poll of a task (`what` is 0) or a download of one of its tracks, and returns the new count.
pub(crate) fn count_use(connection: &Connection, task_id: &str, what: u8) -> rusqlite::Result<u32> {
    connection
        .prepare_cached(
            "INSERT INTO uses VALUES (?1, ?2, 1) ON CONFLICT (task_id, what) DO UPDATE SET count = count + 1 RETURNING count",
        )?
        .query_row(params![task_id, what], |row| row.get(0))
}
