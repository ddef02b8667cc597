//! The tables, their version, and the settings of a connection.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::StudioStoreError;

/// The version that this program writes, stored in `user_version`.
const VERSION: i64 = 2;

const TABLES: &str = "
-- One row a task. seq is the order of acceptance, which is also the order of rendering.
CREATE TABLE tasks (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: the worker only looks ahead
    id                TEXT NOT NULL UNIQUE,
    request           TEXT NOT NULL,            -- the body as it was sent
    upload            TEXT,                     -- the studio's own upload that uploadUrl names, if it does
    digest            BLOB NOT NULL,            -- the request without its addresses: what the seed is made of
    repetition        INTEGER NOT NULL,         -- how often the same had been accepted before
    accepted_ms       INTEGER NOT NULL,
    finished_ms       INTEGER,
    stage             INTEGER NOT NULL,         -- 0 pending, 1 text, 2 first, 3 complete, 4 failed
    error_code        INTEGER,
    error_message     TEXT,
    tracks            TEXT NOT NULL,            -- what is finished so far, as JSON
    callback_url      TEXT,                     -- NULL: a placeholder, nothing is owed
    callback_delay_ms INTEGER NOT NULL DEFAULT 0, -- how much later than due the first callback comes
    callbacks_done    INTEGER NOT NULL DEFAULT 0, -- how many of the script are delivered or given up
    callback_attempts INTEGER NOT NULL DEFAULT 0,
    callback_due_ms   INTEGER,                  -- NULL: nothing is owed now
    faults            TEXT,                     -- what a misbehaviour plan does to it, as JSON
    operation         TEXT NOT NULL DEFAULT 'add-instrumental',
    parent            TEXT,                     -- the task that a step processes
    parent_track      INTEGER                   -- the number of its track, where the step processes one
) STRICT;
CREATE INDEX tasks_unfinished ON tasks (seq) WHERE finished_ms IS NULL;
CREATE INDEX tasks_finished ON tasks (finished_ms) WHERE finished_ms IS NOT NULL;
CREATE INDEX tasks_owing ON tasks (callback_due_ms) WHERE callback_due_ms IS NOT NULL;

-- One row for every accepted POST: what it cost, whose it was, and the token it may be repeated with.
CREATE TABLE bills (
    task_id     TEXT NOT NULL PRIMARY KEY,
    token       TEXT,                           -- the Idempotency-Key
    hook_token  TEXT,                           -- the last segment of the callback address
    title       TEXT NOT NULL,
    key_print   TEXT NOT NULL,                  -- a digest of the API key, never the key
    digest      BLOB NOT NULL,                  -- the request without its addresses, to tell a repeat from a misuse
    accepted_ms INTEGER NOT NULL,
    credits     REAL NOT NULL,
    refunded    INTEGER NOT NULL,               -- whether the credits were given back
    submission  INTEGER,                        -- its number under a misbehaviour plan
    operation   TEXT NOT NULL DEFAULT 'add-instrumental'
) STRICT, WITHOUT ROWID;
-- Not unique: a plan may have the studio pay no heed to the tokens.
CREATE INDEX bills_token ON bills (key_print, token) WHERE token IS NOT NULL;
CREATE INDEX bills_accepted ON bills (accepted_ms, task_id);

-- Everything ever charged in this folder, less what was given back; outlives the bills.
CREATE TABLE account (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    charged     REAL NOT NULL,
    submissions INTEGER NOT NULL                -- how many were counted under misbehaviour plans
) STRICT;
INSERT INTO account VALUES (1, 0, 0);

-- How often a rule of a misbehaviour plan was met, for rules with a limit.
CREATE TABLE rules_met (
    rule  BLOB NOT NULL PRIMARY KEY,            -- a digest of the rule
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How often a misbehaving task was looked at and its files were fetched.
CREATE TABLE uses (
    task_id TEXT NOT NULL,
    what    INTEGER NOT NULL,                   -- 0 looks, otherwise fetches of that track
    count   INTEGER NOT NULL,
    PRIMARY KEY (task_id, what)
) STRICT, WITHOUT ROWID;

-- How often the same request came, so that takes differ.
CREATE TABLE repetitions (
    digest  BLOB NOT NULL PRIMARY KEY,
    count   INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
    path        TEXT NOT NULL PRIMARY KEY,      -- below files/uploads
    bytes       INTEGER NOT NULL,
    content     BLOB NOT NULL,                  -- BLAKE3 of the bytes
    uploaded_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX uploads_age ON uploads (uploaded_ms);
";

/// The indexes that a migrated database of version 1 and a new one share.
const INDEXES: &str =
    "CREATE INDEX tasks_parent ON tasks (parent, parent_track) WHERE parent IS NOT NULL;";

/// The migration from version 1, which had only songs.
const FROM_1: &str = "
ALTER TABLE tasks ADD COLUMN operation TEXT NOT NULL DEFAULT 'add-instrumental';
ALTER TABLE tasks ADD COLUMN parent TEXT;
ALTER TABLE tasks ADD COLUMN parent_track INTEGER;
ALTER TABLE bills ADD COLUMN operation TEXT NOT NULL DEFAULT 'add-instrumental';
";

/// Opens the writing connection: WAL, every commit synced, tables created or migrated.
pub(super) fn open(path: &Path) -> Result<Connection, StudioStoreError> {
    let failed = failed("open the task tables", path);
    let connection = Connection::open(path).map_err(&failed)?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(&failed)?;
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;",
        )
        .map_err(&failed)?;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(&failed)?;
    match found {
        VERSION => {}
        0 => connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {TABLES} {INDEXES} PRAGMA user_version = {VERSION}; COMMIT;"
            ))
            .map_err(&failed)?,
        1 => connection
            .execute_batch(&format!(
                "BEGIN IMMEDIATE; {FROM_1} {INDEXES} PRAGMA user_version = {VERSION}; COMMIT;"
            ))
            .map_err(&failed)?,
        _ => {
            return Err(StudioStoreError::Newer {
                database: path.to_owned(),
                found,
                known: VERSION,
            });
        }
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Opens a connection that can't write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StudioStoreError> {
    let failed = failed("open the task tables for reading", path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection
        .busy_timeout(Duration::from_secs(5))
        .map_err(&failed)?;
    Ok(connection)
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> StudioStoreError {
    let database = path.to_owned();
    move |source| StudioStoreError::Sqlite {
        operation,
        database: database.clone(),
        source: Arc::new(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_songs_alone_is_taken_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("studio.sqlite3");
        let older = open(&path).unwrap();
        let sql = "SELECT sql FROM sqlite_schema WHERE name = 'tasks'";
        let table: String = older.query_row(sql, [], |row| row.get(0)).unwrap();
        // Not every SQLite drops a column before a comment.
        let without_comments: String = table
            .lines()
            .filter_map(|line| line.split("--").next())
            .collect();
        older
            .execute_batch(&format!("DROP TABLE tasks; {without_comments}"))
            .unwrap();
        older
            .execute_batch(
                "ALTER TABLE tasks DROP COLUMN operation;
                 ALTER TABLE tasks DROP COLUMN parent;
                 ALTER TABLE tasks DROP COLUMN parent_track;
                 ALTER TABLE bills DROP COLUMN operation;
                 INSERT INTO bills VALUES ('t', NULL, NULL, 'Song', 'k', x'00', 1, 12, 0, NULL);
                 PRAGMA user_version = 1;",
            )
            .unwrap();
        drop(older);
        for _ in 0..2 {
            let connection = open(&path).unwrap();
            let bill = crate::store::bills::list(&connection).unwrap();
            let [entry] = bill.as_slice() else {
                panic!("{bill:?}")
            };
            assert_eq!(
                (entry.operation.as_str(), entry.credits),
                ("add-instrumental", 12.0)
            );
        }
    }
}
