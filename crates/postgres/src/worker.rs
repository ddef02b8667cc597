//! What the queues of songs and of renders have in common: connections, and a worker of `graphile_worker`.

use std::pin::pin;
use std::time::Duration;

use graphile_worker::{Worker, WorkerOptions};
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, Connection, PgPool};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::address::Address;

/// Connections of a process to a queue: one listens, the others take jobs and send heartbeats.
const CONNECTIONS: u32 = 3;

/// Longest wait for one of them.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// How often a process says that it is alive, how often it checks the others, and after how long one that says nothing is taken for dead.
const HEARTBEAT: Duration = Duration::from_secs(2);
const SWEEP: Duration = Duration::from_secs(3);
const DEAD_AFTER: Duration = Duration::from_secs(8);

/// The pause between two looks for jobs that were announced to nobody, and between two checks whether any are left.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);

/// How long a process that is to end has for what it carries out.
const GRACE: Duration = Duration::from_secs(90);

/// Why a queue can't be served.
pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// Waits until nobody takes anything any more, or `stop`.
pub(crate) async fn ends<T>(to: &mpsc::Sender<T>, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = to.closed() => {}
    }
}

/// Pauses; whether that was ended early.
pub(crate) async fn ends_within<T>(
    pause: Duration,
    to: &mpsc::Sender<T>,
    stop: &CancellationToken,
) -> bool {
    tokio::time::timeout(pause, ends(to, stop)).await.is_ok()
}

/// The connections to the server. A pool alone would try for a while to reach a server that refuses connections, many times a second.
pub(crate) async fn connect(address: &Address) -> sqlx::Result<PgPool> {
    address.options()?.connect().await?.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_WAIT);
    Ok(pool.connect_lazy_with(address.options()?))
}

/// Lets a worker work until `over`, then waits for what it has in hand.
pub(crate) async fn work(
    worker: Worker,
    over: impl Future<Output = sqlx::Result<()>>,
) -> Result<(), Error> {
    let mut works = pin!(worker.run());
    tokio::select! {
        ended = &mut works => return Ok(ended?),
        over = over => over?,
    }
    worker.request_shutdown();
    Ok(works.await?)
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

/// Makes the tables of a queue, or migrates them.
pub(crate) async fn migrate_schema(address: &Address, schema: &str) -> sqlx::Result<()> {
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect_with(address.options()?).await?;
    let utils = graphile_worker::WorkerUtils::new(pool.clone(), schema);
    let migrated = utils.migrate().await;
    pool.close().await;
    migrated.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
}
