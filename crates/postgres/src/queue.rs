//! The songs of a run that are left to carry out, handed out to the processes that work on it.
//!
//! ```text
//!  begin_run: plan and queue in one transaction ──► graphile_worker ──GivenSong──► a conductor ──done──► removed
//!                                                        └── a dead worker's songs are handed out anew
//! ```
//!
//! Leases, heartbeats and the recovery from dead workers are those of `graphile_worker`. A process that was taken for dead and is not may
//! still be at work on a song: the versions of jobs keep it from writing anything of it. [`renders`](crate::renders) uses the same worker for
//! another queue.

use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;

use backline_engine::driver::GivenSong;
use backline_engine::event::RunId;
use backline_engine::settings::JobKey;
use backline_engine::store::PlannedRow;
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sqlx::{PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::address::Address;

/// The schema of the queue's tables.
const SCHEMA: &str = "backline_queue";

/// Connections of a process to its queue: one listens, the others take songs and send heartbeats.
pub(crate) const CONNECTIONS: u32 = 6;

/// Songs that are queued with one statement.
const QUEUED_AT_ONCE: usize = 10_000;

/// How often a process says that it is alive, how often it checks the others, and after how long one that says nothing is taken for dead.
const HEARTBEAT: Duration = Duration::from_secs(2);
const SWEEP: Duration = Duration::from_secs(3);
const DEAD_AFTER: Duration = Duration::from_secs(8);

/// The pause before the connection to the server is made anew, and between two checks whether songs are left.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// How long a process that is to end has for what it carries out.
const GRACE: Duration = Duration::from_secs(90);

/// Songs are handed out until they are done, however often that fails.
const MOST_ATTEMPTS: i16 = i16::MAX;

/// The songs of a run.
#[derive(Debug)]
pub struct Queue {
    address: Address,
    run: RunId,
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
        let songs = receiver.map(|receiver| receiver.songs.clone());
        match songs {
            Some(songs) if songs.send(given).await.is_ok() => is_done
                .await
                .map_err(|_| "it is left to another process".to_owned()),
            _ => Err("the process takes no more songs".to_owned()),
        }
    }
}

impl Queue {
    /// The queue of a run.
    pub fn new(address: Address, run: RunId) -> Self {
        Self { address, run }
    }

    /// Hands songs to `songs`, at most so many at once, or none at all with 0, until none is left for any process, nobody takes them, or `stop`. A server that
    /// can't be reached is tried again.
    pub async fn serve(
        self,
        at_once: usize,
        songs: mpsc::Sender<GivenSong>,
        stop: CancellationToken,
    ) {
        loop {
            match self.serve_until_error(at_once, &songs, &stop).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, ledger = %self.address, "the queue can't be reached; trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = songs.closed() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn serve_until_error(
        &self,
        at_once: usize,
        songs: &mpsc::Sender<GivenSong>,
        stop: &CancellationToken,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS);
        let pool = pool.connect_with(self.address.options()?).await?;
        if at_once == 0 {
            return tokio::select! {
                over = self.is_over(&pool) => Ok(over?),
                () = stop.cancelled() => Ok(()),
            };
        }
        let receiver = Receiver {
            songs: songs.clone(),
        };
        let worker = worker_options(SCHEMA, at_once)
            .add_accepted_flag(self.run.as_str())
            .add_extension(receiver)
            .define_job::<QueuedSong>()
            .pg_pool(pool.clone())
            .init()
            .await?;
        let mut works = pin!(worker.run());
        tokio::select! {
            ended = &mut works => return Ok(ended?),
            over = self.is_over(&pool) => over?,
            () = stop.cancelled() => {}
            () = songs.closed() => {}
        }
        worker.request_shutdown();
        Ok(works.await?)
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
            if has_begun && !is_queued(connection, &self.run).await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A worker of a queue, with leases, heartbeats and the recovery from dead workers.
pub(crate) fn worker_options(schema: &str, at_once: usize) -> WorkerOptions {
    WorkerOptions::default()
        .schema(schema)
        .concurrency(at_once)
        .poll_interval(PAUSE)
        .heartbeat_interval(HEARTBEAT)
        .sweep_interval(SWEEP)
        .sweep_threshold(DEAD_AFTER)
        .recovery_delay(Duration::ZERO)
        .listen_os_shutdown_signals(false)
        .shutdown_grace_period(GRACE)
        .shutdown_interrupted_job_retry_delay(Duration::ZERO)
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

/// Removes the songs of runs. No process may be at work on them.
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

/// The same for a queue in another schema.
pub(crate) async fn migrate_schema(address: &Address, schema: &str) -> sqlx::Result<()> {
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect_with(address.options()?).await?;
    let utils = graphile_worker::WorkerUtils::new(pool.clone(), schema);
    let migrated = utils.migrate().await;
    pool.close().await;
    migrated.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
}

/// Queues the songs of a plan, in its order.
pub(crate) async fn publish(
    connection: &mut PgConnection,
    run: &RunId,
    plan: &[PlannedRow],
) -> sqlx::Result<()> {
    let songs: Vec<String> = plan
        .iter()
        .filter(|row| row.step.is_none())
        .map(|row| serde_json::to_string(&QueuedSong { key: row.key }))
        .collect::<Result<_, _>>()
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
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
