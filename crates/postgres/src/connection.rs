//! The connection to the server, and the synchronous face of it that the engine's `Store` needs.

use std::cell::Cell;

use backline_engine::store::StoreError;
use sqlx::{ConnectOptions, PgConnection};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::address::Address;
use crate::{migrations, queue};

/// A ledger in PostgreSQL.
///
/// Its calls block. Inside of a runtime they need one with several threads.
pub struct Ledger {
    address: Address,
    mode: Mode,
    /// None while a call uses it, and after an error of the connection.
    connection: Cell<Option<PgConnection>>,
    /// Present until it is dropped.
    runtime: Option<Runtime>,
    /// Names this process among the writers.
    pub(crate) writer: String,
    /// The number of the last batch.
    pub(crate) last_batch: i64,
    /// The hash of the last batch, where the response to its commit did not come: the next try has the same number.
    pub(crate) unanswered: Option<blake3::Hash>,
}

/// What a ledger was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All that is read is of one moment, until [`Ledger::refresh`].
    Read,
    /// Beside other processes.
    Write,
    /// Beside other processes that carry out shared runs.
    Share,
    /// As the only process that carries out runs.
    Own,
}

/// The advisory lock of the process that owns the ledger. It ends with its connection.
const OWNER: i64 = 0x426b_4c6f;

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("address", &self.address)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Not within the runtime of the caller, which must not block.
        self.connection.set(None);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Ledger {
    /// Opens the ledger for writing, beside other processes that do. Creates and migrates its tables.
    ///
    /// # Errors
    /// When the server can't be reached, or its ledger is of a newer program.
    pub fn open(address: &Address) -> Result<Self, StoreError> {
        let ledger = Self::new(address, Mode::Write)?;
        let found = ledger.with("open", async |connection| {
            migrations::migrate(connection).await
        })?;
        ledger.refuse_newer(found)?;
        Ok(ledger)
    }

    /// The same, as the only process that carries out runs. A connection that is lost gives the ledger back, and a new one takes it again.
    ///
    /// # Errors
    /// Also when another process owns it.
    pub fn own(address: &Address) -> Result<Self, StoreError> {
        Self::open_as(address, Mode::Own)
    }

    /// The same, beside other processes that carry out shared runs.
    ///
    /// # Errors
    /// Also when another process owns it alone.
    pub fn share(address: &Address) -> Result<Self, StoreError> {
        let ledger = Self::open_as(address, Mode::Share)?;
        ledger.with("open", async |_| queue::migrate(address).await)?;
        Ok(ledger)
    }

    fn open_as(address: &Address, mode: Mode) -> Result<Self, StoreError> {
        let mut ledger = Self::open(address)?;
        ledger.mode = mode;
        ledger.connection.set(None);
        ledger.with("open", async |_| Ok(()))?;
        Ok(ledger)
    }

    /// The processes that own the ledger, alone or together: the number of each, with its address, as `17 on 10.0.0.7`.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn owners(&self) -> Result<Vec<String>, StoreError> {
        self.reading(async |connection| {
            sqlx::query_scalar(
                "SELECT concat_ws(' on ', replace(application_name, 'backline ', ''), host(client_addr))
                 FROM pg_stat_activity WHERE pid IN (
                     SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                     AND (classid::bigint << 32) + objid::bigint = $1)
                 ORDER BY backend_start",
            )
            .bind(OWNER)
            .fetch_all(connection)
            .await
        })
    }

    /// Opens the ledger for reading. Changes nothing.
    ///
    /// # Errors
    /// When the server can't be reached, or has no ledger, or one of a newer program.
    pub fn read(address: &Address) -> Result<Self, StoreError> {
        let ledger = Self::new(address, Mode::Read)?;
        let found = ledger.with("open", async |connection| {
            migrations::found(connection).await
        })?;
        ledger.refuse_newer(found)?;
        if found < migrations::newest() {
            return Err(StoreError::Missing {
                path: address.to_string(),
            });
        }
        Ok(ledger)
    }

    /// Lets a reader see what has been committed since it was opened, or since the last call.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn refresh(&self) -> Result<(), StoreError> {
        if self.mode != Mode::Read {
            return Ok(());
        }
        self.with("read", async |connection| {
            sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await?;
            sqlx::raw_sql(BEGIN_READING).execute(connection).await?;
            Ok(())
        })
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn new(address: &Address, mode: Mode) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .thread_name("postgres")
            .build()
            .map_err(|source| failed(address, "open", source))?;
        Ok(Self {
            address: address.clone(),
            mode,
            connection: Cell::new(None),
            runtime: Some(runtime),
            writer: backline_engine::event::RunId::new().to_string(),
            last_batch: 0,
            unanswered: None,
        })
    }

    fn refuse_newer(&self, found: i64) -> Result<(), StoreError> {
        let known = migrations::newest();
        if found > known {
            return Err(StoreError::TooNew {
                path: self.address.to_string(),
                found,
                known,
            });
        }
        Ok(())
    }

    /// Reads. A connection that was lost since it was last used is made anew.
    pub(crate) fn reading<T>(
        &self,
        work: impl AsyncFn(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, StoreError> {
        match self.with("read", &work) {
            Err(StoreError::Unreachable { .. }) => self.with("read", &work),
            read => read,
        }
    }

    /// Does something with the connection, which is made anew after an error of it.
    pub(crate) fn with<T>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, StoreError> {
        let done = self.wait(async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => self.connect().await?,
            };
            let result = work(&mut connection).await;
            if !result.as_ref().is_err_and(is_broken) {
                self.connection.set(Some(connection));
            }
            result
        });
        done.map_err(|source| match source {
            sqlx::Error::Protocol(text) if text == OWNED => StoreError::Owned {
                path: self.address.to_string(),
                owner: String::new(),
            },
            source => self.failed(operation, source),
        })
    }

    async fn connect(&self) -> sqlx::Result<PgConnection> {
        let mut connection = self.address.options()?.connect().await?;
        sqlx::raw_sql(LEDGERS_SCHEMA)
            .execute(&mut connection)
            .await?;
        match self.mode {
            Mode::Read => {
                sqlx::raw_sql(BEGIN_READING)
                    .execute(&mut connection)
                    .await?;
            }
            Mode::Write => {}
            Mode::Own | Mode::Share => {
                let lock = match self.mode {
                    Mode::Share => "SELECT pg_try_advisory_lock_shared($1)",
                    _ => "SELECT pg_try_advisory_lock($1)",
                };
                let is_ours: bool = sqlx::query_scalar(lock)
                    .bind(OWNER)
                    .fetch_one(&mut connection)
                    .await?;
                if !is_ours {
                    return Err(sqlx::Error::Protocol(OWNED.to_owned()));
                }
            }
        }
        Ok(connection)
    }

    /// Waits for work on the ledger's own runtime, inside of another one or not.
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        let runtime = self.runtime.as_ref().expect("present until it is dropped");
        match Handle::try_current() {
            Ok(_) => tokio::task::block_in_place(|| runtime.block_on(work)),
            Err(_) => runtime.block_on(work),
        }
    }

    fn failed(&self, operation: &'static str, source: sqlx::Error) -> StoreError {
        if is_broken(&source) {
            return StoreError::Unreachable {
                path: self.address.to_string(),
                source: Box::new(source),
            };
        }
        match source.as_database_error() {
            // Without its place in the server's own code.
            Some(said) => StoreError::Failed {
                operation,
                path: self.address.to_string(),
                source: said.message().into(),
            },
            None => failed(&self.address, operation, source),
        }
    }

    pub(crate) fn damaged(&self, what: &str) -> StoreError {
        StoreError::Damaged {
            path: self.address.to_string(),
            what: what.to_owned(),
        }
    }
}

/// Marks that another process owns the ledger among the errors of a connection.
const OWNED: &str = "owned";

/// Unqualified names are of the ledger's schema.
const LEDGERS_SCHEMA: &str = "SET search_path TO backline";

const BEGIN_READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

fn failed(
    address: &Address,
    operation: &'static str,
    source: impl std::error::Error + Send + Sync + 'static,
) -> StoreError {
    StoreError::Failed {
        operation,
        path: address.to_string(),
        source: Box::new(source),
    }
}

/// Whether a connection can't be used after an error.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } => false,
        // Class 57: the server ends the session, or is shutting down; 25: a transaction is left that failed.
        sqlx::Error::Database(error) => error
            .code()
            .is_none_or(|code| code.starts_with("57") || code.starts_with("25")),
        _ => true,
    }
}
