//! The bill: one row for every accepted POST, and the sum of all charges.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::tasks::{InitialState, NewTask};
use super::{StudioStoreError, schema};

/// One accepted POST.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BillEntry {
    /// When it was accepted: Unix time in milliseconds.
    pub accepted_ms: i64,
    /// The id of the task that it created.
    pub task_id: String,
    /// The operation: `add-instrumental`, `wav`, `stems`, `midi` or `recovery`.
    pub operation: String,
    /// The `Idempotency-Key` of the request.
    pub idempotency_key: Option<String>,
    /// The last segment of the request's callback address.
    pub callback_token: Option<String>,
    /// The title of the request; for a step, the title of its song.
    pub title: String,
    /// The number of the submission under a misbehaviour plan, counted from 1.
    pub submission: Option<i64>,
    /// The price in credits.
    pub credits: f64,
    /// Whether the credits were given back.
    pub refunded: bool,
}

/// Reads the bill in a studio's data folder, in the order of acceptance. The studio may be running or not.
///
/// # Errors
/// When there is no studio's database, or it can't be read.
pub fn read_bill(data_dir: &Path) -> Result<Vec<BillEntry>, StudioStoreError> {
    let database = data_dir.join(super::DATABASE);
    let connection = schema::open_reader(&database)?;
    list(&connection).map_err(|source| StudioStoreError::Sqlite {
        operation: "read the bill",
        database,
        source: source.into(),
    })
}

/// Charges the accepted `order` and adds it to the bill.
pub(super) fn charge(connection: &Connection, order: &NewTask) -> rusqlite::Result<()> {
    let refunded = matches!(
        order.initial_state,
        InitialState::Fails { refunded: true, .. }
    );
    connection
        .prepare_cached(
            "INSERT INTO bills (task_id, token, hook_token, title, key_print, digest, accepted_ms, credits, refunded, submission, operation)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            order.task_id,
            order.token,
            order.hook_token,
            order.title,
            order.key_print,
            order.digest,
            order.now_ms,
            order.price_credits,
            refunded,
            order.submission.map(|number| number as i64),
            order.kind
        ])?;
    if !refunded {
        connection
            .prepare_cached("UPDATE account SET charged = charged + ?1")?
            .execute([order.price_credits])?;
    }
    Ok(())
}

/// Gives the charge of task `seq` back, once.
pub(super) fn refund(connection: &Connection, seq: i64) -> rusqlite::Result<()> {
    const TASK: &str = "task_id = (SELECT id FROM tasks WHERE seq = ?1)";
    let credits: Option<f64> = connection
        .prepare_cached(&format!(
            "UPDATE bills SET refunded = 1 WHERE {TASK} AND refunded = 0 RETURNING credits"
        ))?
        .query_row([seq], |row| row.get(0))
        .optional()?;
    if let Some(credits) = credits {
        connection
            .prepare_cached("UPDATE account SET charged = charged - ?1")?
            .execute([credits])?;
    }
    Ok(())
}

/// The sum of all charges, less the refunds.
pub(crate) fn charged(connection: &Connection) -> rusqlite::Result<f64> {
    connection
        .prepare_cached("SELECT charged FROM account")?
        .query_row([], |row| row.get(0))
}

/// The whole bill in the order of acceptance.
pub(crate) fn list(connection: &Connection) -> rusqlite::Result<Vec<BillEntry>> {
    connection
        .prepare_cached(
            "SELECT accepted_ms, task_id, token, hook_token, title, submission, credits, refunded, operation FROM bills
             ORDER BY accepted_ms, task_id",
        )?
        .query_map([], |row| {
            Ok(BillEntry {
                accepted_ms: row.get(0)?,
                task_id: row.get(1)?,
                idempotency_key: row.get(2)?,
                callback_token: row.get(3)?,
                title: row.get(4)?,
                submission: row.get(5)?,
                credits: row.get(6)?,
                refunded: row.get(7)?,
                operation: row.get(8)?,
            })
        })?
        .collect()
}
