//! The SQLite ledger: the durable record of everything tried and bought; it outlives runs.
//!
//! WAL with `synchronous=FULL`: when [`Ledger::append`] returns, the batch survives a power cut. The driver hands over all that
//! happened since the last commit as one batch, so many appends share one fsync. The events are the truth; the `jobs` table is
//! what the machine made of them, kept beside them so that opening a large ledger is quick, and written in the same transaction.
//!
//! One process writes at a time: an advisory lock on `<ledger>.lock` is held for as long as a [`Ledger`] made by
//! [`Ledger::own`] lives, and says whose it is: the process, and the run once it has begun. Reading needs no lock, so a run is
//! watched from another process without being disturbed. Network filesystems without working locks or shared memory are not safe for it.

use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::event::{Event, Record, RunId};
use crate::machine::{Job, Step};
use crate::plan::JobKey;
use crate::store::{Batch, KnownJob, PlannedRow, RunHeader, Store, StoreError, Upload};

/// The ledger's format; a program reads every format up to its own.
const FORMAT: i64 = 1;

/// Largest ledger that is examined with its indexes: that takes a second or two, and of 2 GB 12 s where the rest takes 3 s.
const THOROUGH_BYTES: i64 = 256 * 1024 * 1024;

/// `BkLn`: tells a ledger from any other SQLite file.
const APPLICATION_ID: i64 = 0x426b_4c6e;

const SCHEMA: &str = "
CREATE TABLE runs (id TEXT PRIMARY KEY, started_ms INTEGER NOT NULL, header TEXT NOT NULL) STRICT;
CREATE TABLE plans (run TEXT NOT NULL, position INTEGER NOT NULL, row TEXT NOT NULL,
                    PRIMARY KEY (run, position)) STRICT, WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, run TEXT NOT NULL, account TEXT NOT NULL,
                     job BLOB, intent INTEGER NOT NULL, event TEXT NOT NULL) STRICT;
CREATE INDEX events_of_job ON events (job, seq) WHERE job IS NOT NULL;
CREATE INDEX events_of_run ON events (run, seq) WHERE job IS NULL;
CREATE INDEX intents ON events (account, at_ms) WHERE intent = 1;
CREATE TABLE jobs (key BLOB PRIMARY KEY, account TEXT NOT NULL, job TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (hash TEXT NOT NULL, account TEXT NOT NULL, url TEXT NOT NULL, at_ms INTEGER NOT NULL,
                      PRIMARY KEY (hash, account)) STRICT, WITHOUT ROWID;
";

/// A ledger on disk.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    /// Held while this process owns the ledger.
    owner: Option<File>,
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
    /// Opens the ledger at `path` for writing, making it and its folder when there is none, and owns it until dropped.
    pub fn own(path: &Path) -> Result<Self, StoreError> {
        let failed = |source: std::io::Error| failed(path, "open", source);
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        refuse_links(path).map_err(failed)?;
        let owner = lock(path)?;
        let connection =
            Connection::open(path).map_err(|source| self::failed(path, "open", source))?;
        let ledger = Self {
            connection,
            path: path.to_owned(),
            owner: Some(owner),
        };
        ledger.prepare()?;
        Ok(ledger)
    }

    /// Opens an existing ledger for reading, whoever owns it.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing {
                path: path.display().to_string(),
            });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .map_err(|source| failed(path, "open", source))?;
        let ledger = Self {
            connection,
            path: path.to_owned(),
            owner: None,
        };
        ledger.check_format()?;
        ledger.run("open", |connection| {
            connection.pragma_update(None, "query_only", true)
        })?;
        Ok(ledger)
    }

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

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.run("open", |connection| {
            connection.busy_timeout(Duration::from_secs(10))?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")
        })?;
        if self.check_format()? == 0 {
            self.run("set up", |connection| {
                let transaction = connection.unchecked_transaction()?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
                transaction.pragma_update(None, "user_version", FORMAT)?;
                transaction.commit()
            })?;
            only_for_its_owner(&self.path)
                .map_err(|source| failed(&self.path, "set up", source))?;
        }
        Ok(())
    }

    /// The ledger's format: 0 for an empty file.
    fn check_format(&self) -> Result<i64, StoreError> {
        let number = |name| {
            self.run("open", |connection| {
                connection.pragma_query_value(None, name, |row| row.get(0))
            })
        };
        let found: i64 = number("user_version")?;
        let application: i64 = number("application_id")?;
        let tables: i64 = self.run("open", |connection| {
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        })?;
        if application != APPLICATION_ID && (application != 0 || found != 0 || tables != 0) {
            return Err(self.damaged("it is an SQLite file of some other program"));
        }
        if found > FORMAT {
            return Err(StoreError::TooNew {
                path: self.path.display().to_string(),
                found,
                known: FORMAT,
            });
        }
        Ok(found)
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

    /// Everything that a run recorded, its jobs' events included, in the order in which it happened.
    pub fn records_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE run = ?1 ORDER BY seq",
            (run.as_str(),),
        )
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
        let read = |source| failed(&self.path, "read", source);
        let mut made: HashMap<JobKey, Job> = HashMap::with_capacity(known.len());
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
            if let Step::Changed(next) = job.step(row.get(1).map_err(read)?, &self.parse(text)?) {
                *job = next;
            }
        }
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
            transaction.execute(
                "INSERT INTO runs (id, started_ms, header) VALUES (?1, ?2, ?3)",
                params![run.id.as_str(), run.started_ms, json(run)],
            )?;
            let mut insert = transaction
                .prepare("INSERT INTO plans (run, position, row) VALUES (?1, ?2, ?3)")?;
            for (position, row) in (0_i64..).zip(plan) {
                insert.execute(params![run.id.as_str(), position, json(row)])?;
            }
            Ok(())
        })?;
        if let Some(owner) = &mut self.owner {
            Owner::of_run(&run.id).write(owner);
        }
        Ok(())
    }

    fn append(&mut self, batch: &Batch) -> Result<Vec<Record>, StoreError> {
        self.write("write to", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (at_ms, run, account, job, intent, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut records = Vec::with_capacity(batch.events.len());
            for new in &batch.events {
                let intent = matches!(new.event, Event::Intent { .. } | Event::AskedAgain { .. });
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
            Ok(records)
        })
    }

    fn keep_upload(&mut self, upload: &Upload) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            transaction.execute(
                "INSERT INTO uploads (hash, account, url, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms",
                params![upload.hash, upload.account, upload.url, upload.at_ms],
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
                .prepare("SELECT header FROM runs ORDER BY started_ms DESC, id DESC")?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        rows.iter().map(|text| self.parse(text)).collect()
    }

    fn plan_of(&self, run: &RunId) -> Result<Vec<PlannedRow>, StoreError> {
        let rows = self.run("read", |connection| {
            connection
                .prepare("SELECT row FROM plans WHERE run = ?1 ORDER BY position")?
                .query_map([run.as_str()], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()
        })?;
        rows.iter().map(|text| self.parse(text)).collect()
    }

    fn events_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE run = ?1 AND job IS NULL ORDER BY seq",
            (run.as_str(),),
        )
    }

    fn history_of(&self, job: &JobKey) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE job = ?1 ORDER BY seq",
            (job.to_bytes(),),
        )
    }
}

/// Who owns a ledger, as far as its lock says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// The process's number.
    pub process: Option<u32>,
    /// The run that it carries out.
    pub run: Option<RunId>,
}

impl Owner {
    fn of_run(run: &RunId) -> Self {
        Self {
            process: Some(std::process::id()),
            run: Some(run.clone()),
        }
    }

    fn read(file: &mut File) -> Self {
        let mut text = String::new();
        // Only words for people hang on it: what can't be read is not said.
        let _ = file.read_to_string(&mut text);
        let mut words = text.split_whitespace();
        Self {
            process: words.next().and_then(|number| number.parse().ok()),
            run: words.next().map(RunId::from_text),
        }
    }

    fn write(&self, file: &mut File) {
        let words = [
            self.process.map(|number| number.to_string()),
            self.run.as_ref().map(ToString::to_string),
        ];
        let text: Vec<String> = words.into_iter().flatten().collect();
        // Only a hint: a full disk must not stop a run here.
        let _ = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.join(" ").as_bytes()));
    }
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// Refuses a ledger whose files are links: a stranger who can plant one in a project would have another file written over.
fn refuse_links(path: &Path) -> std::io::Result<()> {
    for suffix in ["", ".lock", "-wal", "-shm", "-journal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        if std::fs::symlink_metadata(&name).is_ok_and(|facts| facts.is_symlink()) {
            return Err(std::io::Error::other(format!(
                "{} is a symbolic link; remove it, or name the file itself with `--ledger`",
                Path::new(&name).display()
            )));
        }
    }
    Ok(())
}

/// How often a lock that is held is tried again: whoever only [looks](Ledger::owner) holds it for a moment.
const LOCK_TRIES: usize = 4;

const LOCK_PAUSE: Duration = Duration::from_millis(15);

/// Takes the advisory lock beside the ledger, and writes the process's number into it for whoever comes second.
fn lock(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(lock_path(path));
    let mut file = opened.map_err(|source| failed(path, "lock", source))?;
    let mut tried = file.try_lock();
    for _ in 1..LOCK_TRIES {
        if !matches!(tried, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::park_timeout(LOCK_PAUSE);
        tried = file.try_lock();
    }
    match tried {
        Ok(()) => {
            let owner = Owner {
                process: Some(std::process::id()),
                run: None,
            };
            owner.write(&mut file);
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let owner = Owner::read(&mut file).process;
            Err(StoreError::Owned {
                path: path.display().to_string(),
                owner: owner.map_or_else(String::new, |number| format!(" (process {number})")),
            })
        }
        Err(TryLockError::Error(source)) => Err(failed(path, "lock", source)),
    }
}

/// The ledger holds the attempts' secrets: nobody else on the machine need read it.
#[cfg(unix)]
fn only_for_its_owner(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn only_for_its_owner(_: &Path) -> std::io::Result<()> {
    Ok(())
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
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_planted_link_leads_no_ledger_to_another_file() {
        for suffix in ["", ".lock", "-wal"] {
            let scratch = tempfile::tempdir().unwrap();
            let victim = scratch.path().join("victim");
            std::fs::write(&victim, "").unwrap();
            let link = scratch.path().join(format!("ledger.sqlite3{suffix}"));
            std::os::unix::fs::symlink(&victim, link).unwrap();
            let refused = Ledger::own(&scratch.path().join("ledger.sqlite3")).unwrap_err();
            let why = std::error::Error::source(&refused).unwrap().to_string();
            assert!(why.contains("is a symbolic link"), "{why}");
            assert_eq!(std::fs::read(&victim).unwrap(), b"");
        }
    }

    #[test]
    fn a_ledger_says_whose_it_is_and_looking_disturbs_nobody() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("ledger.sqlite3");
        let mut ledger = Ledger::own(&path).unwrap();
        let reader = Ledger::read(&path).unwrap();
        let process = Some(std::process::id());
        let nameless = Owner { process, run: None };
        assert_eq!(reader.owner().unwrap(), Some(nameless));

        let run = RunHeader {
            id: RunId::new(),
            started_ms: 1,
            name: "songs".to_owned(),
            manifest: "songs.yaml".to_owned(),
            provider: "studio".to_owned(),
            account: "a".to_owned(),
            retention_days: 14,
            version: "0".to_owned(),
            price_credits: None,
            bounds: None,
            knows_titles: true,
        };
        ledger.begin_run(&run, &[]).unwrap();
        let owner = Owner {
            process,
            run: Some(run.id.clone()),
        };
        assert_eq!(reader.owner().unwrap(), Some(owner));
        let refused = Ledger::own(&path).unwrap_err().to_string();
        let number = format!("(process {})", std::process::id());
        assert!(refused.ends_with(&number), "{refused}");

        drop(ledger);
        assert_eq!(reader.owner().unwrap(), None);
        // Whoever looks at this very moment keeps nobody out.
        let looking = File::open(lock_path(&path)).unwrap();
        looking.lock_shared().unwrap();
        let looked = std::thread::spawn(move || {
            std::thread::park_timeout(LOCK_PAUSE);
            looking.unlock().unwrap();
        });
        Ledger::own(&path).unwrap();
        looked.join().unwrap();
    }
}
