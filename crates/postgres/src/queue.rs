//! The songs of a run that are left to carry out, handed out to the processes that work on it.
//!
//! ```text
//!  begin_run: plan and queue in one transaction ──► graphile_worker ──GivenSong──► a conductor ──done──► removed
//!                                                        └── a dead worker's songs are handed out anew
//! ```
//!
//! Leases, heartbeats and the recovery from dead workers are those of `graphile_worker`. A process that was taken for dead and is not may
//! still be at work on a song: the versions of jobs keep it from writing anything of it. [`renders`](crate::renders) is
//! another queue.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backline_engine::driver::GivenSong;
use backline_engine::event::RunId;
use backline_engine::reconnect::Reconnect;
use backline_engine::settings::JobKey;
use backline_engine::store::PlannedRow;
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::worker::{
    Error, PAUSE, connect, ends, ends_within, migrate_schema, work, worker_options,
};

/// The schema of the queue's tables.
const SCHEMA: &str = "backline_queue";

/// Songs that are queued with one statement.
const QUEUED_AT_ONCE: usize = 10_000;

/// Songs are handed out until they are done, however often that fails.
const MOST_ATTEMPTS: i16 = i16::MAX;

/// The songs of a run.
#[derive(Debug)]
pub struct Queue {
    address: Address,
    run: RunId,
    /// How many songs this process has. Another one may have been done with some of them: what this process has still to say of them may
    /// put them into the queue again.
    in_hand: Arc<AtomicUsize>,
}

/// A song in the queue.
#[derive(Serialize, Deserialize)]
struct QueuedSong {
    key: JobKey,
}

/// Where songs are handed to.
#[derive(Debug, Clone)]
struct Receiver {
    songs: mpsc::Sender<GivenSong>,
    in_hand: Arc<AtomicUsize>,
}

/// A song that this process has, counted until it is dropped.
struct InHand(Arc<AtomicUsize>);

impl InHand {
    fn count(songs: &Arc<AtomicUsize>) -> Self {
        songs.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(songs))
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl TaskHandler for QueuedSong {
    const IDENTIFIER: &'static str = "song";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let (done, is_done) = oneshot::channel();
        let given = GivenSong {
            key: self.key,
            done,
        };
        let receiver = context.get_ext::<Receiver>();
        let receiver = receiver.map(|to| (to.songs.clone(), InHand::count(&to.in_hand)));
        match &receiver {
            Some((songs, _)) if songs.send(given).await.is_ok() => is_done
                .await
                .map_err(|_| "it is left to another process".to_owned()),
            _ => Err("the process takes no more songs".to_owned()),
        }
    }
}

impl Queue {
    /// The queue of a run.
    pub fn new(address: Address, run: RunId) -> Self {
        Self {
            address,
            run,
            in_hand: Arc::default(),
        }
    }

    /// Hands songs to `songs`, at most so many at once, or none at all with 0, until none is left for any process, nobody takes them, or `stop`. A server that
    /// can't be reached is tried again.
    pub async fn serve(
        self,
        at_once: usize,
        songs: mpsc::Sender<GivenSong>,
        stop: CancellationToken,
    ) {
        // The ledger's own connection to this server has the messages.
        let mut reconnect = Reconnect::quietly_to(format!("the queue at {}", self.address));
        while let Err(error) = self
            .serve_until_error(at_once, &songs, &stop, &mut reconnect)
            .await
        {
            let pause = reconnect.failed(&error);
            if ends_within(pause, &songs, &stop).await {
                return;
            }
        }
    }

    async fn serve_until_error(
        &self,
        at_once: usize,
        songs: &mpsc::Sender<GivenSong>,
        stop: &CancellationToken,
        reconnect: &mut Reconnect,
    ) -> Result<(), Error> {
        let pool = connect(&self.address).await?;
        reconnect.succeeded();
        let over = async {
            tokio::select! {
                over = self.is_over(&pool) => over,
                () = ends(songs, stop) => Ok(()),
            }
        };
        if at_once == 0 {
            return Ok(over.await?);
        }
        let receiver = Receiver {
            songs: songs.clone(),
            in_hand: Arc::clone(&self.in_hand),
        };
        let options = worker_options(SCHEMA, at_once)
            .add_accepted_flag(self.run.as_str())
            .add_extension(receiver)
            .define_job::<QueuedSong>();
        work(options.pg_pool(pool.clone()).init().await?, over).await
    }

    /// Waits until no song is left for any process.
    async fn is_over(&self, pool: &PgPool) -> sqlx::Result<()> {
        loop {
            let connection = &mut *pool.acquire().await?;
            let has_begun: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT FROM backline.runs WHERE id = $1)")
                    .bind(self.run.as_str())
                    .fetch_one(&mut *connection)
                    .await?;
            let has_songs = self.in_hand.load(Ordering::SeqCst) > 0;
            if has_begun && !has_songs && !is_queued(connection, &self.run).await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Takes the songs of a run that no process carries out off the queue.
pub(crate) async fn withdraw(connection: &mut PgConnection, run: &RunId) -> sqlx::Result<()> {
    let withdraw = format!(
        "SELECT count(*) FROM {SCHEMA}.complete_jobs(ARRAY(
         SELECT id FROM {SCHEMA}._private_jobs WHERE flags ? $1))"
    );
    sqlx::query(sqlx::AssertSqlSafe(withdraw))
        .bind(run.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether songs of a run are left to carry out.
pub(crate) async fn is_queued(connection: &mut PgConnection, run: &RunId) -> sqlx::Result<bool> {
    let queued = format!("SELECT EXISTS (SELECT FROM {SCHEMA}._private_jobs WHERE flags ? $1)");
    sqlx::query_scalar(sqlx::AssertSqlSafe(queued))
        .bind(run.as_str())
        .fetch_one(connection)
        .await
}

/// How many songs of each run are queued.
pub(crate) async fn queued(connection: &mut PgConnection) -> sqlx::Result<HashMap<RunId, u64>> {
    if !is_there(connection).await? {
        return Ok(HashMap::new());
    }
    let count = format!(
        "SELECT run, count(*) FROM {SCHEMA}._private_jobs, jsonb_object_keys(flags) AS run GROUP BY run"
    );
    let rows: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(count))
        .fetch_all(connection)
        .await?;
    let run = |(run, songs): (String, i64)| (RunId::from_text(run), songs.unsigned_abs());
    Ok(rows.into_iter().map(run).collect())
}

/// Removes the songs of runs.
pub(crate) async fn remove(connection: &mut PgConnection, runs: &[String]) -> sqlx::Result<()> {
    if runs.is_empty() || !is_there(connection).await? {
        return Ok(());
    }
    let remove = format!("DELETE FROM {SCHEMA}._private_jobs WHERE flags ?| $1");
    sqlx::query(sqlx::AssertSqlSafe(remove))
        .bind(runs)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether there is a queue: the first shared run makes it.
async fn is_there(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let there = format!("SELECT to_regclass('{SCHEMA}._private_jobs') IS NOT NULL");
    sqlx::query_scalar(sqlx::AssertSqlSafe(there))
        .fetch_one(connection)
        .await
}

/// Makes the queue's tables, or migrates them.
pub(crate) async fn migrate(address: &Address) -> sqlx::Result<()> {
    migrate_schema(address, SCHEMA).await
}

/// Queues the songs of a plan, in its order.
pub(crate) async fn publish(
    connection: &mut PgConnection,
    run: &RunId,
    plan: &[PlannedRow],
) -> sqlx::Result<()> {
    let songs: Vec<JobKey> = plan
        .iter()
        .filter(|row| row.step.is_none())
        .map(|row| row.key)
        .collect();
    add(connection, run, &songs).await
}

/// Queues songs of a run that has not ended, except those that wait in the queue. One that a process has may have been read before it changed.
pub(crate) async fn hand_out_anew(
    connection: &mut PgConnection,
    run: &RunId,
    songs: &[JobKey],
) -> sqlx::Result<()> {
    let waits = format!(
        "SELECT EXISTS (SELECT FROM {SCHEMA}._private_jobs WHERE flags ? $1 AND locked_at IS NULL AND payload::text = $2::json::text)
         OR EXISTS (SELECT FROM backline.events WHERE run = $1 AND event::json ->> 'event' = 'run_ended')"
    );
    let mut missing = Vec::new();
    for song in songs {
        let is_over: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(waits.clone()))
            .bind(run.as_str())
            .bind(payload(*song)?)
            .fetch_one(&mut *connection)
            .await?;
        if !is_over {
            missing.push(*song);
        }
    }
    add(connection, run, &missing).await
}

async fn add(connection: &mut PgConnection, run: &RunId, songs: &[JobKey]) -> sqlx::Result<()> {
    let songs: Vec<String> = songs
        .iter()
        .map(|key| payload(*key))
        .collect::<sqlx::Result<_>>()?;
    let queue = format!(
        "SELECT count(*) FROM {SCHEMA}.add_jobs(ARRAY(
         SELECT ROW('{}', song::json, NULL, now() - interval '1 day' + ($3 + place) * interval '1 millisecond',
                    $4, NULL, 0, ARRAY[$1])::{SCHEMA}.job_spec
         FROM unnest($2::text[]) WITH ORDINALITY AS new (song, place)))",
        QueuedSong::IDENTIFIER
    );
    for (number, songs) in songs.chunks(QUEUED_AT_ONCE).enumerate() {
        sqlx::query(sqlx::AssertSqlSafe(queue.clone()))
            .bind(run.as_str())
            .bind(songs)
            .bind(i64::try_from(number * QUEUED_AT_ONCE).unwrap_or(i64::MAX))
            .bind(MOST_ATTEMPTS)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn payload(key: JobKey) -> sqlx::Result<String> {
    serde_json::to_string(&QueuedSong { key }).map_err(|error| sqlx::Error::Encode(error.into()))
}
