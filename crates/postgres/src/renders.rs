//! The queue of the render farm: which renders of which studios wait for a worker.
//!
//! ```text
//!  studio ──keep: the renders that are not finished──► graphile_worker ──GivenRender──► a worker ──done──► removed
//!                                                           └── a dead worker's renders are handed out anew
//! ```
//!
//! A row has the studio's address and the secret of a render, and nothing of the render itself: the studio's own database is the truth, and
//! [`RenderQueue::keep`] makes the rows of a studio equal to it. So a row that is lost, left over or put off does no harm. The queue has a schema of its
//! own, so that workers of songs and of renders never take anything of each other.

use std::pin::pin;
use std::time::Duration;

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::queue::{CONNECTIONS, PAUSE, migrate_schema, worker_options};

/// The schema of the queue's tables.
const SCHEMA: &str = "backline_renders";

/// How often a render of a studio that can't be reached is tried, with waits that grow to hours. A studio that can be reached puts its rows
/// back.
const MOST_ATTEMPTS: i32 = 8;

/// Longest wait for a connection.
const CONNECT_WAIT: Duration = Duration::from_secs(10);

/// The queue of the renders of all studios of a database.
#[derive(Debug, Clone)]
pub struct RenderQueue {
    address: Address,
    pool: PgPool,
}

/// The queue can't be used. The message contains no secret.
#[derive(Debug, thiserror::Error)]
#[error("the queue of renders at {address} can't be used")]
pub struct RenderQueueError {
    address: Address,
    source: sqlx::Error,
}

/// A render for a worker.
pub struct GivenRender {
    /// The studio's base address; ends in a slash.
    pub studio: String,
    /// The key to the render.
    pub secret: String,
    /// Takes whether the render needs no worker any more, or why another one must take it. Dropped, another one takes it.
    pub done: oneshot::Sender<Result<(), String>>,
}

/// A render in the queue.
#[derive(Serialize, Deserialize)]
struct QueuedRender {
    studio: String,
    secret: String,
}

/// Where renders are handed to.
#[derive(Debug, Clone)]
struct Receiver {
    renders: mpsc::Sender<GivenRender>,
}

impl TaskHandler for QueuedRender {
    const IDENTIFIER: &'static str = "render";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let (done, is_done) = oneshot::channel();
        let given = GivenRender {
            studio: self.studio,
            secret: self.secret,
            done,
        };
        let receiver = context.get_ext::<Receiver>();
        let renders = receiver.map(|receiver| receiver.renders.clone());
        match renders {
            Some(renders) if renders.send(given).await.is_ok() => is_done
                .await
                .unwrap_or_else(|_| Err("it is left to another worker".to_owned())),
            _ => Err("the worker takes no more renders".to_owned()),
        }
    }
}

impl RenderQueue {
    /// Opens the queue. Makes its tables or migrates them, and removes renders of studios that could not be reached for hours.
    ///
    /// # Errors
    /// When the server can't be reached, or the role may not make the tables.
    pub async fn open(address: Address) -> Result<Self, RenderQueueError> {
        let opened = async {
            migrate_schema(&address, SCHEMA).await?;
            let pool = PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(CONNECT_WAIT);
            let pool = pool.connect_lazy_with(address.options()?);
            let remove = format!(
                "DELETE FROM {SCHEMA}._private_jobs WHERE attempts >= max_attempts AND locked_at IS NULL"
            );
            sqlx::query(sqlx::AssertSqlSafe(remove))
                .execute(&pool)
                .await?;
            Ok(pool)
        };
        match opened.await {
            Ok(pool) => Ok(Self { address, pool }),
            Err(source) => Err(RenderQueueError { address, source }),
        }
    }

    /// Makes the rows of the studio at `studio` equal to the renders with these secrets: adds those that are missing, and those that were put
    /// off after a failure, and removes those that are over and that no worker has.
    ///
    /// # Errors
    /// When the server can't be reached; then some of the rows may have changed.
    pub async fn keep(&self, studio: &str, secrets: &[String]) -> Result<(), RenderQueueError> {
        let kept = async {
            let over = format!(
                "SELECT count(*) FROM {SCHEMA}.complete_jobs(ARRAY(
                 SELECT id FROM {SCHEMA}._private_jobs WHERE locked_at IS NULL
                 AND payload ->> 'studio' = $1 AND payload ->> 'secret' <> ALL ($2)))"
            );
            sqlx::query(sqlx::AssertSqlSafe(over))
                .bind(studio)
                .bind(secrets)
                .execute(&self.pool)
                .await?;
            // The key of a row is in messages of the server; the secret is not.
            let add = format!(
                "SELECT count({SCHEMA}.add_job('{}', json_build_object('studio', $1::text, 'secret', wanted.secret),
                 max_attempts => $4, job_key => wanted.key))
                 FROM unnest($2::text[], $3::text[]) AS wanted (secret, key)
                 WHERE NOT EXISTS (SELECT FROM {SCHEMA}._private_jobs WHERE payload ->> 'secret' = wanted.secret
                 AND (locked_at IS NOT NULL OR (run_at <= now() AND attempts < max_attempts)))",
                QueuedRender::IDENTIFIER
            );
            let key = |secret: &String| blake3::hash(secret.as_bytes()).to_hex().to_string();
            let keys: Vec<String> = secrets.iter().map(key).collect();
            sqlx::query(sqlx::AssertSqlSafe(add))
                .bind(studio)
                .bind(secrets)
                .bind(keys)
                .bind(MOST_ATTEMPTS)
                .execute(&self.pool)
                .await?;
            Ok(())
        };
        kept.await.map_err(|source| self.failed(source))
    }

    /// Hands renders to `renders`, at most so many at once, until nobody takes them, or `stop`. Then waits for those that were handed out. A server that
    /// can't be reached is tried again.
    pub async fn serve(
        self,
        at_once: usize,
        renders: mpsc::Sender<GivenRender>,
        stop: CancellationToken,
    ) {
        loop {
            match self.serve_until_error(at_once, &renders, &stop).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::warn!(%error, ledger = %self.address, "the queue can't be reached; trying again");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = renders.closed() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn serve_until_error(
        &self,
        at_once: usize,
        renders: &mpsc::Sender<GivenRender>,
        stop: &CancellationToken,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let receiver = Receiver {
            renders: renders.clone(),
        };
        let worker = worker_options(SCHEMA, at_once)
            .add_extension(receiver)
            .define_job::<QueuedRender>()
            .pg_pool(self.pool.clone())
            .init()
            .await?;
        let mut works = pin!(worker.run());
        tokio::select! {
            ended = &mut works => return Ok(ended?),
            () = stop.cancelled() => {}
            () = renders.closed() => {}
        }
        worker.request_shutdown();
        Ok(works.await?)
    }

    fn failed(&self, source: sqlx::Error) -> RenderQueueError {
        RenderQueueError {
            address: self.address.clone(),
            source,
        }
    }
}
