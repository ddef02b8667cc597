//! Opening a ledger: to own it, with its format migrated, or to read it, wherever it lies.
//!
//! Reading a ledger changes neither its file nor its log. SQLite alone does that only where it can make files beside a database, and
//! it rolls a left rollback journal back. So a ledger with such a journal is read as a copy of all its files, and so is one with a
//! log in a place that can't be written to; one without a log is read there as the unchanging file that it is.

use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};
use tempfile::TempDir;

use super::owner::{Patience, lock};
use super::replaced::FileId;
use super::{Ledger, failed, json};
use crate::store::StoreError;

/// The ledger's format; a program reads every format up to its own.
///
/// 1: each run has the rows of its plan. 2: runs with the same plan share its rows; a run's events have an index of their own; the
/// runs that were pruned are known. 3: refused attempts are distinguished from those that may have been bought, and callbacks make claims.
/// 4: the responses of hooks at `plan_job` are kept, and links between jobs say whether both are the same request. 5: plans have steps, and
/// a job in doubt says whether its request was repeated. 6: jobs have versions.
pub(super) const FORMAT: i64 = 6;

/// The first format whose jobs were made by the rules of now; those of an older ledger are made anew from its events.
pub(super) const RULES_OF_NOW: i64 = 5;

/// The first format in which runs share the rows of their plans.
pub(super) const SHARED_PLANS: i64 = 2;

/// The first format that keeps the responses of hooks.
pub(super) const HOOK_RESULTS: i64 = 4;

/// The first format whose jobs have versions.
pub(super) const VERSIONS: i64 = 6;

/// `BkLn`: tells a ledger from any other SQLite file.
const APPLICATION_ID: i64 = 0x426b_4c6e;

/// Longest wait for another connection: a reader at most, for a moment.
const BUSY: Duration = Duration::from_secs(10);

const SCHEMA: &str = "
CREATE TABLE runs (id TEXT PRIMARY KEY, started_ms INTEGER NOT NULL, header TEXT NOT NULL, plan TEXT) STRICT;
CREATE TABLE plans (plan TEXT NOT NULL, position INTEGER NOT NULL, row TEXT NOT NULL,
                    PRIMARY KEY (plan, position)) STRICT, WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, run TEXT NOT NULL, account TEXT NOT NULL,
                     job BLOB, intent INTEGER NOT NULL, event TEXT NOT NULL) STRICT;
CREATE INDEX events_of_job ON events (job, seq) WHERE job IS NOT NULL;
CREATE INDEX events_of_run ON events (run, seq) WHERE job IS NULL;
CREATE INDEX events_by_run ON events (run);
CREATE INDEX intents ON events (account, at_ms) WHERE intent = 1;
CREATE TABLE jobs (key BLOB PRIMARY KEY, account TEXT NOT NULL, job TEXT NOT NULL, version INTEGER NOT NULL DEFAULT 1) STRICT, WITHOUT ROWID;
CREATE TABLE uploads (hash TEXT NOT NULL, account TEXT NOT NULL, url TEXT NOT NULL, at_ms INTEGER NOT NULL,
                      PRIMARY KEY (hash, account)) STRICT, WITHOUT ROWID;
CREATE TABLE pruned (run TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE hook_results (question BLOB PRIMARY KEY, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

const TO_4: &str = "CREATE TABLE IF NOT EXISTS hook_results (question BLOB PRIMARY KEY, answer TEXT NOT NULL) STRICT, WITHOUT ROWID;";

const TO_6: &str = "ALTER TABLE jobs ADD COLUMN version INTEGER NOT NULL DEFAULT 1;";

const FROM_1_TO_2: &str = "
ALTER TABLE plans RENAME COLUMN run TO plan;
ALTER TABLE runs ADD COLUMN plan TEXT;
UPDATE runs SET plan = id;
CREATE INDEX events_by_run ON events (run);
CREATE TABLE pruned (run TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
";

impl Ledger {
    /// Opens the ledger at `path` for writing, making it and its directory when there is none, and owns it until dropped. Fails at
    /// once if another process owns it.
    pub fn own(path: &Path) -> Result<Self, StoreError> {
        Self::own_within(path, Patience::None)
    }

    /// The same, but waits for another process that owns it, as `patience` says.
    pub fn own_within(path: &Path, patience: Patience<'_>) -> Result<Self, StoreError> {
        let failed = |source: std::io::Error| failed(path, "open", source);
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        refuse_links(path).map_err(failed)?;
        refuse_foreign_journal(path).map_err(failed)?;
        let owner = lock(path, patience)?;
        // Before SQLite makes files beside it, which get the same permissions.
        only_for_its_owner(path).map_err(failed)?;
        let connection =
            Connection::open(path).map_err(|source| super::failed(path, "open", source))?;
        let ledger = Self {
            connection,
            path: path.to_owned(),
            owner: Some(owner),
            file: Some(FileId::of(path).map_err(failed)?),
            format: FORMAT,
            copy: None,
        };
        ledger.prepare()?;
        Ok(ledger)
    }

    /// Opens an existing ledger for reading, with or without an owner, and whether or not anything can be written where it lies. All that is
    /// read is of one moment, until [`Ledger::refresh`].
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let is_there = path.try_exists();
        if !is_there.map_err(|source| failed(path, "open", source))? {
            return Err(StoreError::Missing {
                path: path.display().to_string(),
            });
        }
        refuse_foreign_journal(path).map_err(|source| failed(path, "open", source))?;
        if holds_bytes(&beside(path, "-journal")) {
            return Self::read_copy(path);
        }
        match Self::open_to_read(path, LedgerFile::InPlace) {
            Err(error) if needs_files_beside(&error) => Self::read_what_is_there(path),
            opened => opened,
        }
    }

    /// Reads a ledger beside which nothing can be written.
    pub(super) fn read_what_is_there(path: &Path) -> Result<Self, StoreError> {
        if holds_bytes(&beside(path, "-wal")) {
            return Self::read_copy(path);
        }
        Self::open_to_read(path, LedgerFile::Unchanging)
    }

    /// Reads a copy of a ledger and of what lies beside it.
    fn read_copy(path: &Path) -> Result<Self, StoreError> {
        let copied = |source: std::io::Error| failed(path, "copy, to read it,", source);
        let folder = TempDir::with_prefix("backline-ledger-").map_err(copied)?;
        let copy = folder.path().join("ledger.sqlite3");
        std::fs::copy(path, &copy).map_err(copied)?;
        for suffix in ["-wal", "-journal"] {
            let file = beside(path, suffix);
            if holds_bytes(&file) {
                std::fs::copy(&file, beside(&copy, suffix)).map_err(copied)?;
            }
        }
        Self::open_to_read(path, LedgerFile::Copy { folder, copy })
    }

    fn open_to_read(path: &Path, source: LedgerFile) -> Result<Self, StoreError> {
        let opened = match &source {
            LedgerFile::InPlace => Connection::open_with_flags(path, READING),
            LedgerFile::Copy { copy, .. } => Connection::open_with_flags(copy, READING),
            LedgerFile::Unchanging => Connection::open_with_flags(
                unchanging(path)?,
                OpenFlags::SQLITE_OPEN_READ_ONLY
                    | OpenFlags::SQLITE_OPEN_URI
                    | OpenFlags::SQLITE_OPEN_NO_MUTEX,
            ),
        };
        let connection = opened.map_err(|source| failed(path, "open", source))?;
        let copy = match source {
            LedgerFile::Copy { folder, .. } => Some(folder),
            LedgerFile::InPlace | LedgerFile::Unchanging => None,
        };
        let mut ledger = Self {
            connection,
            path: path.to_owned(),
            owner: None,
            file: None,
            format: FORMAT,
            copy,
        };
        ledger.run("open", |connection| {
            connection.busy_timeout(BUSY)?;
            // The owner of the ledger moves its log into it.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
            connection.pragma_update(None, "query_only", true)
        })?;
        ledger.format = ledger.check_format()?;
        ledger.run("read", begin_reading)?;
        Ok(ledger)
    }

    /// Lets a reader see what has been committed since it was opened, or since the last call. Until then all that it reads is of one
    /// moment: states and events that belong together, whatever is written meanwhile.
    pub fn refresh(&self) -> Result<(), StoreError> {
        self.run("read", |connection| {
            if connection.is_autocommit() {
                return Ok(());
            }
            connection.execute_batch("ROLLBACK")?;
            begin_reading(connection)
        })
    }

    /// The column that names a run's plan in the table `plans`, and the value of it as an expression over the run `?1`.
    pub(super) fn plan_column(&self) -> (&'static str, &'static str) {
        if self.format < SHARED_PLANS {
            ("run", "?1")
        } else {
            ("plan", "(SELECT plan FROM runs WHERE id = ?1)")
        }
    }

    fn prepare(&self) -> Result<(), StoreError> {
        self.run("open", |connection| {
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")
        })?;
        let found = self.check_format()?;
        let steps: &[&str] = match found {
            0 => &[SCHEMA],
            1 => &[FROM_1_TO_2, TO_4, TO_6],
            2 | 3 => &[TO_4, TO_6],
            4 | 5 => &[TO_6],
            _ => return Ok(()),
        };
        let jobs = if (1..RULES_OF_NOW).contains(&found) {
            self.replayed()?
        } else {
            HashMap::new()
        };
        self.run("set up", |connection| {
            let transaction = connection.unchecked_transaction()?;
            for step in steps {
                transaction.execute_batch(step)?;
            }
            let mut update = transaction.prepare("UPDATE jobs SET job = ?2 WHERE key = ?1")?;
            for (key, job) in &jobs {
                update.execute(params![key.to_bytes(), json(job)])?;
            }
            drop(update);
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", FORMAT)?;
            transaction.commit()
        })?;
        Ok(())
    }

    /// The ledger's format: 0 for an empty file.
    pub(super) fn check_format(&self) -> Result<i64, StoreError> {
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
        self.refuse_programs()?;
        Ok(found)
    }

    /// Refuses a file whose schema computes anything: a view, a trigger or a generated column of a stranger's could run for ever or
    /// fill memory when it is read. What is left is rows, of which a file has no more than its own length.
    fn refuse_programs(&self) -> Result<(), StoreError> {
        let found = self.run("open", |connection| {
            connection
                .query_row(
                    "SELECT type || ' ' || name FROM sqlite_schema
                     WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'
                     UNION ALL
                     SELECT 'generated column ' || tables.name || '.' || columns.name
                     FROM sqlite_schema AS tables, pragma_table_xinfo(tables.name) AS columns
                     WHERE tables.type = 'table' AND columns.hidden <> 0
                     LIMIT 1",
                    [],
                    |row| row.get::<_, String>(0),
                )
                .optional()
        })?;
        found.map_or(Ok(()), |name| {
            Err(self.damaged(&format!("it contains what no ledger has: {name:?}")))
        })
    }
}

/// Begins a transaction that sees the ledger as it is now: SQLite fixes the moment at the first statement that reads.
fn begin_reading(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema")
}

/// A file that can't be written to is opened by SQLite for reading all the same.
const READING: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// What is opened to read a ledger.
enum LedgerFile {
    /// Its own file, and the log beside it.
    InPlace,
    /// Its own file, without a log: nothing will change it while it is read.
    Unchanging,
    /// A copy of the file and its log.
    Copy { folder: TempDir, copy: PathBuf },
}

/// Whether SQLite could not make the files that it needs beside a database.
fn needs_files_beside(error: &StoreError) -> bool {
    let StoreError::Failed { source, .. } = error else {
        return false;
    };
    let code = source
        .downcast_ref::<rusqlite::Error>()
        .and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// Refuses a ledger whose files are links: a stranger who can plant one in a project would have another file written over.
fn refuse_links(path: &Path) -> std::io::Result<()> {
    for suffix in ["", ".lock", "-wal", "-shm", "-journal"] {
        let name = beside(path, suffix);
        if std::fs::symlink_metadata(&name).is_ok_and(|facts| facts.is_symlink()) {
            return Err(std::io::Error::other(format!(
                "{} is a symbolic link; remove it, or name the file itself with `--ledger`",
                name.display()
            )));
        }
    }
    Ok(())
}

/// Refuses a ledger whose rollback journal names a further journal. No ledger has one, and SQLite would remove the named file, wherever
/// it lies, once it has rolled the journal back.
fn refuse_foreign_journal(path: &Path) -> std::io::Result<()> {
    /// Ends a journal that names another.
    const NAMES_ANOTHER: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let journal = beside(path, "-journal");
    let mut file = match std::fs::File::open(&journal) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let mut end = [0; 8];
    if file.seek(SeekFrom::End(-8)).is_err() {
        return Ok(());
    }
    file.read_exact(&mut end)?;
    if end == NAMES_ANOTHER {
        return Err(std::io::Error::other(format!(
            "{} names a file of another program, which no ledger's journal does; remove it",
            journal.display()
        )));
    }
    Ok(())
}

/// Whether a file is there and not empty.
fn holds_bytes(path: &Path) -> bool {
    path.metadata().is_ok_and(|facts| facts.len() > 0)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The address by which SQLite opens a file that nobody changes.
fn unchanging(path: &Path) -> Result<String, StoreError> {
    let absolute = std::path::absolute(path).map_err(|source| failed(path, "open", source))?;
    let mut url = url::Url::from_file_path(&absolute).map_err(|()| {
        let source = std::io::Error::other("its path can't be written as an address");
        failed(path, "open", source)
    })?;
    url.set_query(Some("immutable=1"));
    Ok(url.into())
}

/// The ledger contains the attempts' secrets: nobody else on the machine need read it. Makes it when it is missing; closes one that an
/// earlier program left open, and what lies beside it.
#[cfg(unix)]
fn only_for_its_owner(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600).open(path)?;
    for name in [path.to_owned(), beside(path, "-wal"), beside(path, "-shm")] {
        match std::fs::set_permissions(name, std::fs::Permissions::from_mode(0o600)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn only_for_its_owner(_: &Path) -> std::io::Result<()> {
    Ok(())
}
