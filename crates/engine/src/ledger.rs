//! The SQLite ledger: the durable record of everything tried and bought; it outlives runs.
//!
//! WAL with `synchronous=FULL`: when [`Ledger::append`] returns, the batch survives a power cut. The driver hands over all that
//! happened since the last commit as one batch, so many appends share one fsync. The events are the truth; the `jobs` table is
//! what the machine made of them, kept beside them so that opening a large ledger is quick, and written in the same transaction.
//!
//! One process writes at a time: an advisory lock on `<ledger>.lock` is kept for as long as a [`Ledger`] made by
//! [`Ledger::own`] lives, and says whose it is: the process, and the run once it has begun. Reading needs no lock, so a run is
//! watched from another process without being disturbed. Network filesystems without working locks or shared memory are not safe for it.

mod contents;
mod open;
mod owner;
mod replaced;
mod store;

use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior};
use tempfile::TempDir;

use crate::check::{Checked, Extent, Finding, check};
use crate::event::{Event, Record, RunId};
use crate::job::Job;
use crate::settings::JobKey;
use crate::store::{
    Batch, HookResult, KnownJob, NewRecord, PlannedRow, RunHeader, Store, StoreError, Upload,
};

use owner::lock_path;
use replaced::FileId;

pub use owner::{Owner, Patience};

/// Largest ledger that is examined with its indexes: that takes a second or two, and of 2 GB 12 s where the rest takes 3 s.
const THOROUGH_BYTES: i64 = 256 * 1024 * 1024;

const RECORDS_OF: &str =
    "SELECT seq, at_ms, run, job, event FROM events WHERE run = ?1 ORDER BY seq";

/// A ledger on disk.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    /// Locked while this process owns the ledger.
    owner: Option<File>,
    /// The file that is open, where this process owns the ledger.
    file: Option<FileId>,
    /// The format of the file: an older program may have written one that is only read.
    format: i64,
    /// The directory of the copy that is read, where the ledger itself can't be opened.
    #[expect(dead_code, reason = "removed when it is dropped, after the connection")]
    copy: Option<TempDir>,
}

/// Gives the ledger back at once: closing the file would leave the lock with a child that is being started at that very moment.
impl Drop for Ledger {
    fn drop(&mut self) {
        if let Some(owner) = &self.owner {
            // What can't be unlocked is unlocked when the process ends.
            let _ = owner.unlock();
        }
    }
}

impl Ledger {
    /// Who owns it now; none if nobody does. A process that was killed owns nothing.
    pub fn owner(&self) -> Result<Option<Owner>, StoreError> {
        let failed = |source| failed(&self.path, "read the lock of", source);
        let mut file = match File::open(lock_path(&self.path)) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match file.try_lock_shared() {
            Ok(()) => {
                let _ = file.unlock();
                Ok(None)
            }
            Err(TryLockError::WouldBlock) => Ok(Some(Owner::read(&mut file))),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The time of its last record, where that is later than `now_ms`: the clock was ahead then, or is behind now.
    pub fn ahead_of(&self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        let last_ms: Option<i64> = self.run("read", |connection| {
            connection
                .query_row(
                    "SELECT at_ms FROM events ORDER BY seq DESC LIMIT 1",
                    [],
                    |row| row.get(0),
                )
                .optional()
        })?;
        Ok(last_ms.filter(|last_ms| *last_ms > now_ms))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format: 0 for an empty file.
    pub fn format(&self) -> Result<i64, StoreError> {
        self.check_format()
    }

    /// What SQLite finds wrong with the file; nothing if it is whole. Of a large one the indexes are not compared with the tables, which
    /// are what is replayed.
    pub fn integrity(&self) -> Result<Vec<String>, StoreError> {
        let found = self.run("examine", |connection| {
            let number =
                |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let length_bytes = number("page_count")?.saturating_mul(number("page_size")?);
            let check = match length_bytes {
                ..=THOROUGH_BYTES => "PRAGMA integrity_check",
                _ => "PRAGMA quick_check",
            };
            connection
                .prepare(check)?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(found.into_iter().filter(|line| line != "ok").collect())
    }

    /// Checks the file, and what it contains if the file is whole.
    pub fn check(&self) -> Result<Checked, StoreError> {
        let broken = self.integrity()?;
        if !broken.is_empty() {
            let extent = Extent::default();
            let findings = broken.into_iter().map(Finding::Store).collect();
            return Ok(Checked { extent, findings });
        }
        let mut checked = check(self)?;
        if self.format < open::RULES_OF_NOW {
            // Its jobs were made by older rules; they are made anew when the ledger is owned.
            checked.findings.clear();
        }
        Ok(checked)
    }

    /// The jobs, made anew from the events.
    fn replayed(&self) -> Result<HashMap<JobKey, Job>, StoreError> {
        let mut made: HashMap<JobKey, Job> = HashMap::new();
        let sql = "SELECT job, at_ms, event FROM events WHERE job IS NOT NULL ORDER BY seq";
        self.rows(sql, [], |row| {
            let job = made.entry(JobKey::from_bytes(row.get(0)?)).or_default();
            job.replay(row.get(1)?, &parsed(row, 2)?);
            Ok(())
        })
        .map(|()| made)
    }

    fn records(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Record>, StoreError> {
        self.rows(sql, parameters, |row| {
            Ok(Record {
                seq: row.get::<_, i64>(0)?.unsigned_abs(),
                at_ms: row.get(1)?,
                run: RunId::from_text(row.get::<_, String>(2)?),
                job: row.get::<_, Option<_>>(3)?.map(JobKey::from_bytes),
                event: parsed(row, 4)?,
            })
        })
    }

    /// The rows of a plan: those whose `column` is `plan`, an expression of the parameter `name`.
    fn rows_of(&self, column: &str, plan: &str, name: &str) -> Result<Vec<PlannedRow>, StoreError> {
        let sql = format!("SELECT row FROM plans WHERE {column} = {plan} ORDER BY position");
        self.rows(&sql, [name], |row| parsed(row, 0))
    }

    /// Reads a query's rows one by one: the texts of all of them together take more memory than what they say.
    fn rows<T, C: FromIterator<T>>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> Result<T, RowError>,
    ) -> Result<C, StoreError> {
        let read_all = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_and_then(parameters, read)?;
            rows.collect::<Result<C, RowError>>()
        };
        read_all().map_err(|error| match error {
            RowError::Sqlite(source) => failed(&self.path, "read", source),
            RowError::Json(error) => self.damaged(&error.to_string()),
        })
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged {
            path: self.path.display().to_string(),
            what: what.to_owned(),
        }
    }

    fn run<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.connection).map_err(|source| failed(&self.path, operation, source))
    }

    fn write<T>(
        &mut self,
        operation: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let Self {
            connection, path, ..
        } = self;
        let in_one = || {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        in_one().map_err(|source: rusqlite::Error| failed(path, operation, source))
    }
}

/// Why a row can't be read.
#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// What the JSON text of a column says.
fn parsed<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, RowError> {
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(rusqlite::Error::from)?;
    Ok(serde_json::from_str(text)?)
}

/// A place or a version as SQLite has it.
fn place(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX - 1)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("ledger types have string keys and finite numbers")
}

fn failed(
    path: &Path,
    operation: &'static str,
    source: impl Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Failed {
        operation,
        path: path.display().to_string(),
        source: Box::new(source),
    }
}

#[cfg(test)]
mod tests;
