//! The only thread that writes. It commits changes in groups.
//!
//! ```text
//! handlers ──bounded channel──► thread: drain ≤ 512 ─► BEGIN IMMEDIATE ─► each change ─► COMMIT (one fsync) ─► replies
//! ```
//!
//! If a change fails, its whole group is rolled back and each change runs again in a transaction of its own, so that one bad
//! change never affects the others. No reply is sent before its transaction is durable.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

/// Most changes in one transaction: above this number the fsync is no longer the main cost.
const GROUP: usize = 512;
/// Most changes that may wait for the thread; further callers wait for a place.
const WAITING: usize = 1024;

/// The handle of the writing thread.
pub(super) struct Writer {
    changes: Mutex<Option<mpsc::Sender<Box<dyn AnyWrite>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on `connection`.
    pub(super) fn start(connection: Connection) -> Writer {
        let (sender, receiver) = mpsc::channel(WAITING);
        let thread = std::thread::spawn(move || write_all(connection, receiver));
        Writer {
            changes: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        }
    }

    /// Runs `change`; returns when it is durable, or `None` if the thread has ended.
    pub(super) async fn apply<T, F>(&self, change: F) -> Option<Result<T, Arc<rusqlite::Error>>>
    where
        T: Send + 'static,
        F: FnMut(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let sender = self
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()?;
        let (reply, received) = oneshot::channel();
        sender
            .send(Box::new(Pending {
                change,
                made: None,
                reply,
            }))
            .await
            .ok()?;
        received.await.ok()
    }

    /// Lets the thread finish its pending changes, and joins it.
    pub(super) fn close(&self) {
        self.changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writing thread panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

/// A change, with its type hidden from the thread.
trait AnyWrite: Send {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn reply(self: Box<Self>, outcome: Result<(), Arc<rusqlite::Error>>);
}

struct Pending<F, T> {
    change: F,
    made: Option<T>,
    reply: oneshot::Sender<Result<T, Arc<rusqlite::Error>>>,
}

impl<F, T> AnyWrite for Pending<F, T>
where
    T: Send,
    F: FnMut(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.made = Some((self.change)(connection)?);
        Ok(())
    }

    fn reply(self: Box<Self>, outcome: Result<(), Arc<rusqlite::Error>>) {
        let result = match (outcome, self.made) {
            (Ok(()), Some(made)) => Ok(made),
            (Ok(()), None) => return, // The dropped reply tells the caller that nothing was done.
            (Err(error), _) => Err(error),
        };
        // The caller may be gone; its change is made anyway.
        let _ = self.reply.send(result);
    }
}

fn write_all(mut connection: Connection, mut changes: mpsc::Receiver<Box<dyn AnyWrite>>) {
    let mut group: Vec<Box<dyn AnyWrite>> = Vec::with_capacity(GROUP);
    while changes.blocking_recv_many(&mut group, GROUP) > 0 {
        match commit(&mut connection, &mut group) {
            Ok(()) => group.drain(..).for_each(|change| change.reply(Ok(()))),
            Err(_) => {
                for mut change in group.drain(..) {
                    let outcome = commit(&mut connection, std::slice::from_mut(&mut change))
                        .map_err(Arc::new);
                    change.reply(outcome);
                }
            }
        }
    }
    // Merges the log into the database file. A failure costs only disk space.
    if let Err(error) =
        connection.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);")
    {
        tracing::debug!(%error, "could not checkpoint the write-ahead log");
    }
}

/// Runs the changes in one transaction; an error rolls all of them back.
fn commit(connection: &mut Connection, group: &mut [Box<dyn AnyWrite>]) -> rusqlite::Result<()> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    for change in group {
        change.run(&transaction)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_bad_change_does_not_take_its_neighbours_with_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY)")
            .unwrap();
        let writer = Writer::start(connection);
        let insert = |n: i64| writer.apply(move |c| c.execute("INSERT INTO t VALUES (?1)", [n]));
        let results = futures::future::join_all([insert(1), insert(1), insert(2)]).await;
        let made: Vec<bool> = results
            .into_iter()
            .map(|result| result.unwrap().is_ok())
            .collect();
        assert_eq!(made, [true, false, true]);
        let count = writer
            .apply(|c| c.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)))
            .await;
        assert_eq!(count.unwrap().unwrap(), 2);
        writer.close();
        assert!(
            writer.apply(|_| Ok(())).await.is_none(),
            "a closed writer takes nothing"
        );
    }
}
