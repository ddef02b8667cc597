//! The studio's durable data: tasks, charges, uploads, and owed callbacks.
//!
//! One SQLite file, one writer. Every change is durable before [`StudioStore::write`] returns, so an acceptance that a client
//! has read survives a kill -9. So does its charge: both are one transaction. Reads use their own connections and never wait
//! for the writer. This module knows nothing of HTTP and audio. The rules of each table are beside its statements in [`tasks`],
//! [`transitions`], [`steps`], [`bills`], [`callbacks`], [`uploads`] and [`faults`].

pub(crate) mod bills;
pub(crate) mod callbacks;
pub(crate) mod faults;
mod schema;
pub(crate) mod steps;
pub(crate) mod tasks;
pub(crate) mod transitions;
pub(crate) mod uploads;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{Semaphore, watch};

use writer::Writer;

/// The database's name in the data folder.
pub(crate) const DATABASE: &str = "studio.sqlite3";

/// Why data could not be stored or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StudioStoreError {
    /// SQLite returned an error.
    #[error("could not {operation} in {database}", database = database.display())]
    Sqlite {
        /// The operation that failed.
        operation: &'static str,
        /// The database file.
        database: PathBuf,
        /// SQLite's error.
        source: Arc<rusqlite::Error>,
    },
    /// A newer program created the database.
    #[error("{database} has version {found}, and this program knows versions up to {known}", database = database.display())]
    Newer {
        /// The database file.
        database: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The studio is stopping; nothing was changed.
    #[error("the studio is stopping")]
    Stopping,
}

impl StudioStoreError {
    /// The error with the error of SQLite.
    fn with_cause(&self) -> String {
        match self {
            Self::Sqlite { source, .. } => format!("{self}: {source}"),
            _ => self.to_string(),
        }
    }
}

/// Connections for reading. More would only wait for the two or so cores.
const READERS: usize = 4;

/// The opened database. It is shared behind an `Arc`; dropping it ends the writer after its last batch.
pub(crate) struct StudioStore {
    database: PathBuf,
    writer: Writer,
    readers: Mutex<Vec<Connection>>,
    free_readers: Arc<Semaphore>,
    /// The reason of the first change that failed.
    failed_to_write: watch::Sender<Option<String>>,
}

impl StudioStore {
    /// Opens or creates the database at `path`. Blocks.
    pub(crate) fn open(path: &Path) -> Result<StudioStore, StudioStoreError> {
        let connection = schema::open(path)?;
        let readers = (0..READERS)
            .map(|_| schema::open_reader(path))
            .collect::<Result<_, _>>()?;
        Ok(StudioStore {
            database: path.to_owned(),
            writer: Writer::start(connection),
            readers: Mutex::new(readers),
            free_readers: Arc::new(Semaphore::new(READERS)),
            failed_to_write: watch::Sender::new(None),
        })
    }

    /// Makes one change; returns when it is durable. The change may run twice (see [`writer`]), so it must depend only on the
    /// database and on captured values.
    pub(crate) async fn write<T, F>(
        &self,
        operation: &'static str,
        change: F,
    ) -> Result<T, StudioStoreError>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        match self.writer.apply(change).await {
            Some(outcome) => outcome.map_err(|source| {
                let error = self.failed(operation, source);
                self.failed_to_write.send_if_modified(|first| {
                    let is_first = first.is_none();
                    first.get_or_insert_with(|| error.with_cause());
                    is_first
                });
                error
            }),
            None => Err(StudioStoreError::Stopping),
        }
    }

    /// Waits until a change fails, and returns the reason of the first failure.
    pub(crate) async fn failed_to_write(&self) -> String {
        let mut failure = self.failed_to_write.subscribe();
        let failure = failure.wait_for(Option::is_some).await;
        failure
            .ok()
            .and_then(|why| why.clone())
            .expect("the store owns the sender, and a reason is never removed")
    }

    /// Reads on its own connection.
    pub(crate) async fn read<T, F>(
        self: &Arc<Self>,
        operation: &'static str,
        read: F,
    ) -> Result<T, StudioStoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.free_readers)
            .acquire_owned()
            .await
            .map_err(|_| StudioStoreError::Stopping)?;
        let store = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let reader = store
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            // Each permit corresponds to a connection. A connection is missing only if an earlier read panicked while it used
            // it.
            let reader = match reader {
                Some(reader) => reader,
                None => schema::open_reader(&store.database)?,
            };
            let found = read(&reader);
            store
                .readers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(reader);
            found.map_err(|source| store.failed(operation, Arc::new(source)))
        });
        looked.await.unwrap_or(Err(StudioStoreError::Stopping))
    }

    /// The number of tasks that an earlier run of the studio left unfinished. Blocks; used at the start.
    pub(crate) fn count_unfinished(&self) -> Result<usize, StudioStoreError> {
        let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        match readers.first() {
            Some(reader) => tasks::count_unfinished(reader)
                .map_err(|source| self.failed("count unfinished tasks", Arc::new(source))),
            None => Ok(0),
        }
    }

    /// Ends the writer after everything passed to it is durable. Later writes return [`StudioStoreError::Stopping`]. Blocks.
    pub(crate) fn close(&self) {
        self.writer.close();
    }

    fn failed(&self, operation: &'static str, source: Arc<rusqlite::Error>) -> StudioStoreError {
        StudioStoreError::Sqlite {
            operation,
            database: self.database.clone(),
            source,
        }
    }
}
