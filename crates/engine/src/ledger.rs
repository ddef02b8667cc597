//! The SQLite ledger: the durable record of everything tried and bought; it outlives runs.
//!
//! WAL with `synchronous=FULL`: when [`Ledger::append`] returns, the batch survives a power cut. The driver hands over all that
//! happened since the last commit as one batch, so many appends share one fsync. The events are the truth; the `jobs` table is
//! what the machine made of them, kept beside them so that opening a large ledger is quick, and written in the same transaction.
//!
//! One process writes at a time: an advisory lock on `<ledger>.lock` is held for as long as a [`Ledger`] made by
//! [`Ledger::own`] lives, and says whose it is: the process, and the run once it has begun. Reading needs no lock, so a run is
//! watched from another process without being disturbed. Network filesystems without working locks or shared memory are not safe for it.

mod open;
mod owner;
mod place;
mod prune;

use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use tempfile::TempDir;

use crate::event::{Event, Record, RunId};
use crate::job::Job;
use crate::plan::JobKey;
use crate::store::{
    Batch, HookResult, KnownJob, NewRecord, PlannedRow, RunHeader, Store, StoreError, Upload,
};

use owner::lock_path;
use place::FileId;

pub use owner::{Owner, Patience};
pub use prune::Prunable;

/// Largest ledger that is examined with its indexes: that takes a second or two, and of 2 GB 12 s where the rest takes 3 s.
const THOROUGH_BYTES: i64 = 256 * 1024 * 1024;

const RECORDS_OF: &str =
    "SELECT seq, at_ms, run, job, event FROM events WHERE run = ?1 ORDER BY seq";

/// A ledger on disk.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    /// Held while this process owns the ledger.
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
        let failed = |source| failed(&self.path, "look at the lock of", source);
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

    /// What a run recorded after a place in the ledger, its jobs' events included, in the order in which it happened.
    pub fn records_since(&self, run: &RunId, seq: u64) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE seq > ?2 AND run = ?1 ORDER BY seq",
            (run.as_str(), i64::try_from(seq).unwrap_or(i64::MAX)),
        )
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

    /// What SQLite finds wrong with the file; nothing if it is whole. Of a large one the indexes are not held against the tables, which
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

    /// Replays every job's events and names the jobs whose kept state is not what the events make of them.
    pub fn check(&self) -> Result<Vec<JobKey>, StoreError> {
        self.check_against(&self.jobs()?)
    }

    /// The same for whoever has read the [jobs](Store::jobs) already.
    ///
    /// Reads the events once, in the order in which they lie on the disk: those of one job are spread over all of the file.
    pub fn check_against(
        &self,
        known: &HashMap<JobKey, KnownJob>,
    ) -> Result<Vec<JobKey>, StoreError> {
        if self.check_format()? < open::RULES_OF_NOW {
            // Its jobs were made by older rules; they are made anew when the ledger is owned.
            return Ok(Vec::new());
        }
        let made = self.replayed(known.len())?;
        let differs = |(key, kept): (&JobKey, &KnownJob)| {
            let same = match made.get(key) {
                Some(job) => *job == kept.job,
                None => kept.job == Job::default(),
            };
            (!same).then_some(*key)
        };
        let mut differing: Vec<JobKey> = known.iter().filter_map(differs).collect();
        differing.sort();
        Ok(differing)
    }

    /// The jobs, made anew from the events; `jobs` is how many there may be.
    fn replayed(&self, jobs: usize) -> Result<HashMap<JobKey, Job>, StoreError> {
        let read = |source| failed(&self.path, "read", source);
        let mut made: HashMap<JobKey, Job> = HashMap::with_capacity(jobs);
        let mut events = self
            .connection
            .prepare("SELECT job, at_ms, event FROM events ORDER BY seq")
            .map_err(read)?;
        let mut rows = events.query([]).map_err(read)?;
        while let Some(row) = rows.next().map_err(read)? {
            let Some(key) = row.get::<_, Option<[u8; 32]>>(0).map_err(read)? else {
                continue;
            };
            let text = row.get_ref(2).map_err(read)?;
            let text = text
                .as_str()
                .map_err(|error| self.damaged(&error.to_string()))?;
            let job = made.entry(JobKey::from_bytes(key)).or_default();
            job.replay(row.get(1).map_err(read)?, &self.parse(text)?);
        }
        Ok(made)
    }

    fn records(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = self.run("read", |connection| {
            connection
                .prepare_cached(sql)?
                .query_map(parameters, |row| {
                    Ok((
                        row.get(0)?,
                        row.get(1)?,
                        row.get(2)?,
                        row.get(3)?,
                        row.get::<_, String>(4)?,
                    ))
                })?
                .collect::<Result<Vec<(i64, i64, String, Option<[u8; 32]>, String)>, _>>()
        })?;
        rows.into_iter()
            .map(|(seq, at_ms, run, job, event)| {
                Ok(Record {
                    seq: seq.unsigned_abs(),
                    at_ms,
                    run: RunId::from_text(run),
                    job: job.map(JobKey::from_bytes),
                    event: self.parse(&event)?,
                })
            })
            .collect()
    }

    /// The rows of a plan: those whose `column` is `plan`, an expression of the parameter `name`.
    fn rows_of(&self, column: &str, plan: &str, name: &str) -> Result<Vec<PlannedRow>, StoreError> {
        let rows = self.run("read", |connection| {
            connection
                .prepare(&format!(
                    "SELECT row FROM plans WHERE {column} = {plan} ORDER BY position"
                ))?
                .query_map([name], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        rows.iter().map(|text| self.parse(text)).collect()
    }

    fn parse<T: serde::de::DeserializeOwned>(&self, text: &str) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.damaged(&error.to_string()))
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

impl Store for Ledger {
    fn begin_run(&mut self, run: &RunHeader, plan: &[PlannedRow]) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            let name = plan_name(plan);
            transaction.execute(
                "INSERT INTO runs (id, started_ms, header, plan) VALUES (?1, ?2, ?3, ?4)",
                params![run.id.as_str(), run.started_ms, json(run), name],
            )?;
            store_plan(transaction, &name, plan)
        })?;
        if let Some(owner) = &mut self.owner {
            Owner::of_run(&run.id).write(owner);
        }
        Ok(())
    }

    fn hook_result(&self, question: &[u8; 32]) -> Result<Option<String>, StoreError> {
        if self.format < open::HOOK_RESULTS {
            return Ok(None);
        }
        self.run("read", |connection| {
            connection
                .prepare_cached("SELECT answer FROM hook_results WHERE question = ?1")?
                .query_row([question], |row| row.get(0))
                .optional()
        })
    }

    fn keep_hook_results(&mut self, results: &[HookResult]) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            let mut keep = transaction.prepare_cached(
                "INSERT INTO hook_results (question, answer) VALUES (?1, ?2)
                 ON CONFLICT (question) DO UPDATE SET answer = excluded.answer",
            )?;
            for result in results {
                keep.execute(params![result.question, result.answer])?;
            }
            Ok(())
        })
    }

    fn append(&mut self, batch: &Batch) -> Result<Vec<Record>, StoreError> {
        let is_intent =
            |new: &NewRecord| matches!(new.event, Event::Intent { .. } | Event::AskedAgain { .. });
        if batch.events.iter().any(is_intent) {
            self.check_place()?;
        }
        self.write("write to", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (at_ms, run, account, job, intent, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut records = Vec::with_capacity(batch.events.len());
            for new in &batch.events {
                let intent = is_intent(new);
                let job = new.job.map(|key| key.to_bytes());
                insert.execute(params![new.at_ms, new.run.as_str(), new.account, job, intent, json(&new.event)])?;
                records.push(Record {
                    seq: transaction.last_insert_rowid().unsigned_abs(),
                    at_ms: new.at_ms,
                    run: new.run.clone(),
                    job: new.job,
                    event: new.event.clone(),
                });
            }
            let mut replace = transaction.prepare_cached(
                "INSERT INTO jobs (key, account, job) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET account = excluded.account, job = excluded.job",
            )?;
            for (key, known) in &batch.jobs {
                replace.execute(params![key.to_bytes(), known.account, json(&known.job)])?;
            }
            let mut keep = transaction.prepare_cached(
                "INSERT INTO uploads (hash, account, url, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms",
            )?;
            for upload in &batch.uploads {
                keep.execute(params![upload.hash, upload.account, upload.url, upload.at_ms])?;
            }
            Ok(records)
        })
    }

    fn job(&self, key: &JobKey) -> Result<Option<KnownJob>, StoreError> {
        let row = self.run("read", |connection| {
            connection
                .prepare_cached("SELECT account, job FROM jobs WHERE key = ?1")?
                .query_row([key.to_bytes()], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
                })
                .optional()
        })?;
        row.map(|(account, job)| {
            Ok(KnownJob {
                job: self.parse(&job)?,
                account,
            })
        })
        .transpose()
    }

    fn join_account(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            for sql in [
                "UPDATE jobs SET account = ?2 WHERE account = ?1",
                "UPDATE events SET account = ?2 WHERE account = ?1 AND intent = 1",
                "UPDATE OR REPLACE uploads SET account = ?2 WHERE account = ?1",
            ] {
                transaction.execute(sql, [from, to])?;
            }
            Ok(())
        })
    }

    fn forget_upload(&mut self, hash: &str, account: &str) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            transaction.execute(
                "DELETE FROM uploads WHERE hash = ?1 AND account = ?2",
                [hash, account],
            )?;
            Ok(())
        })
    }

    fn jobs(&self) -> Result<HashMap<JobKey, KnownJob>, StoreError> {
        let rows = self.run("read", |connection| {
            connection
                .prepare("SELECT key, account, job FROM jobs")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<Vec<([u8; 32], String, String)>, _>>()
        })?;
        rows.into_iter()
            .map(|(key, account, job)| {
                Ok((
                    JobKey::from_bytes(key),
                    KnownJob {
                        job: self.parse(&job)?,
                        account,
                    },
                ))
            })
            .collect()
    }

    fn upload(&self, hash: &str, account: &str) -> Result<Option<Upload>, StoreError> {
        self.run("read", |connection| {
            connection
                .query_row(
                    "SELECT url, at_ms FROM uploads WHERE hash = ?1 AND account = ?2",
                    [hash, account],
                    |row| {
                        let (hash, account) = (hash.to_owned(), account.to_owned());
                        Ok(Upload {
                            hash,
                            account,
                            url: row.get(0)?,
                            at_ms: row.get(1)?,
                        })
                    },
                )
                .optional()
        })
    }

    fn intents_since(&self, account: &str, since_ms: i64) -> Result<Vec<i64>, StoreError> {
        self.run("read", |connection| {
            connection
                .prepare(
                    "SELECT at_ms FROM events WHERE intent = 1 AND account = ?1 AND at_ms >= ?2",
                )?
                .query_map(params![account, since_ms], |row| row.get(0))?
                .collect()
        })
    }

    fn runs(&self) -> Result<Vec<RunHeader>, StoreError> {
        let rows = self.run("read", |connection| {
            connection
                // As they were recorded: a clock may have been ahead.
                .prepare("SELECT header FROM runs ORDER BY rowid DESC")?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        rows.iter().map(|text| self.parse(text)).collect()
    }

    fn plan_of(&self, run: &RunId) -> Result<Vec<PlannedRow>, StoreError> {
        let (column, plan) = self.plan_column();
        self.rows_of(column, plan, run.as_str())
    }

    fn store_album(&mut self, album: &[PlannedRow]) -> Result<String, StoreError> {
        let name = plan_name(album);
        self.write("write to", |transaction| {
            store_plan(transaction, &name, album)
        })?;
        Ok(name)
    }

    fn album_of(&self, run: &RunHeader) -> Result<Vec<PlannedRow>, StoreError> {
        match &run.album {
            Some(album) => self.rows_of("plan", "?1", album),
            None => self.plan_of(&run.id),
        }
    }

    fn records_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(RECORDS_OF, (run.as_str(),))
    }

    fn buyers(&self) -> Result<HashMap<JobKey, RunId>, StoreError> {
        let rows = self.run("read", |connection| {
            connection
                .prepare_cached(
                    "SELECT job, run FROM events WHERE intent = 1 AND job IS NOT NULL ORDER BY seq",
                )?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<Vec<([u8; 32], String)>, _>>()
        })?;
        let buyer = |(job, run)| (JobKey::from_bytes(job), RunId::from_text(run));
        Ok(rows.into_iter().map(buyer).collect())
    }

    fn events_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE run = ?1 AND job IS NULL ORDER BY seq",
            (run.as_str(),),
        )
    }

    fn job_of_task(&self, task: &str) -> Result<Option<JobKey>, StoreError> {
        // One pass over all events, which is a second for a million, beats a question for each job.
        let names = format!("\"task_id\":{}", json(&task));
        let found = self.run("read", |connection| {
            connection
                .prepare_cached(
                    "SELECT job, event FROM events WHERE job IS NOT NULL AND instr(event, ?1) > 0 ORDER BY seq",
                )?
                .query_map([names], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<Vec<([u8; 32], String)>, _>>()
        })?;
        for (job, event) in found {
            let event: Event = self.parse(&event)?;
            if matches!(&event, Event::Accepted { task_id, .. } if task_id.as_str() == task) {
                return Ok(Some(JobKey::from_bytes(job)));
            }
        }
        Ok(None)
    }

    fn history_of(&self, job: &JobKey) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE job = ?1 ORDER BY seq",
            (job.to_bytes(),),
        )
    }
}

/// Writes a plan's rows, unless they are there.
fn store_plan(
    transaction: &rusqlite::Transaction<'_>,
    name: &str,
    plan: &[PlannedRow],
) -> rusqlite::Result<()> {
    let is_stored: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM plans WHERE plan = ?1)",
        [name],
        |row| row.get(0),
    )?;
    if is_stored {
        return Ok(());
    }
    let mut insert =
        transaction.prepare("INSERT INTO plans (plan, position, row) VALUES (?1, ?2, ?3)")?;
    for (position, row) in (0_i64..).zip(plan) {
        insert.execute(params![name, position, json(row)])?;
    }
    Ok(())
}

/// A plan's name in the ledger: runs with equal plans share it.
fn plan_name(plan: &[PlannedRow]) -> String {
    let mut hasher = blake3::Hasher::new();
    for row in plan {
        hasher.update(json(row).as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
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
