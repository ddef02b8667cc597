//! The queue of the render farm: which renders of which studios wait for a worker.
//!
//! ```text
//!  studio ──keep: the renders that are not finished──► graphile_worker ──GivenRender──► a worker ──done──► removed
//!                                                           └── a dead worker's renders are handed out anew
//! ```
//!
//! A row has the studio's address and the hash of a render's secret, and nothing of the render itself: the studio's own database is the truth, and
//! [`RenderQueue::keep`] makes the rows of a studio equal to it. So a row that is lost, left over or put off does no harm. The secrets are in a table
//! beside the queue, because `graphile_worker` logs what is in a row. The queue has a schema of its own, so that workers of songs and of renders never take
//! anything of each other.

use backline_engine::reconnect::Reconnect;
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::address::Address;
use crate::worker::{Error, connect, ends, ends_within, migrate_schema, work, worker_options};

/// The schema of the queue's tables.
const SCHEMA: &str = "backline_renders";

/// How often a render of a studio that can't be reached is tried, with waits that grow: half an hour in all. A studio that can be reached puts its rows
/// back.
const MOST_ATTEMPTS: i32 = 8;

/// The secrets of the renders in the queue.
const SECRETS: &str = "CREATE TABLE IF NOT EXISTS backline_renders.secrets (
    render text PRIMARY KEY,
    studio text NOT NULL,
    secret text NOT NULL
)";

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
    /// The hash of the secret.
    render: String,
}

/// Where renders are handed to.
#[derive(Debug, Clone)]
struct Receiver {
    pool: PgPool,
    renders: mpsc::Sender<GivenRender>,
}

impl TaskHandler for QueuedRender {
    const IDENTIFIER: &'static str = "render";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        match context.get_ext::<Receiver>() {
            Some(receiver) => self.hand_over(receiver).await,
            None => Err("the worker takes no renders".to_owned()),
        }
    }
}

impl QueuedRender {
    /// Hands the render to the receiver and waits until it is done.
    async fn hand_over(self, receiver: &Receiver) -> Result<(), String> {
        let secret: Option<String> =
            sqlx::query_scalar("SELECT secret FROM backline_renders.secrets WHERE render = $1")
                .bind(&self.render)
                .fetch_optional(&receiver.pool)
                .await
                .map_err(|error| error.to_string())?;
        // A render without a secret is over.
        let Some(secret) = secret else {
            return Ok(());
        };
        let (done, is_done) = oneshot::channel();
        let given = GivenRender {
            studio: self.studio,
            secret,
            done,
        };
        let sent = receiver.renders.send(given).await;
        sent.map_err(|_| "the worker takes no more renders".to_owned())?;
        is_done
            .await
            .unwrap_or_else(|_| Err("it is left to another worker".to_owned()))
    }
}

impl RenderQueue {
    /// Opens the queue. Makes its tables or migrates them, and removes renders of studios that could not be reached however often it was tried.
    ///
    /// # Errors
    /// When the server can't be reached, or the role may not make the tables.
    pub async fn open(address: Address) -> Result<Self, RenderQueueError> {
        let opened = async {
            let pool = connect(&address).await?;
            migrate_schema(&address, SCHEMA).await?;
            let remove = format!(
                "{SECRETS};
                 DELETE FROM {SCHEMA}._private_jobs WHERE attempts >= max_attempts AND locked_at IS NULL;
                 DELETE FROM {SCHEMA}.secrets WHERE render NOT IN (SELECT payload ->> 'render' FROM {SCHEMA}._private_jobs)"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(remove))
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
    /// When the server can't be reached; then nothing may have changed.
    pub async fn keep(&self, studio: &str, secrets: &[String]) -> Result<(), RenderQueueError> {
        let key = |secret: &String| blake3::hash(secret.as_bytes()).to_hex().to_string();
        let renders: Vec<String> = secrets.iter().map(key).collect();
        let kept = self.keep_rows(studio, &renders, secrets).await;
        kept.map_err(|source| RenderQueueError {
            address: self.address.clone(),
            source,
        })
    }

    async fn keep_rows(
        &self,
        studio: &str,
        renders: &[String],
        secrets: &[String],
    ) -> sqlx::Result<()> {
        let mut transaction = self.pool.begin().await?;
        let over = format!(
            "SELECT count(*) FROM {SCHEMA}.complete_jobs(ARRAY(
             SELECT id FROM {SCHEMA}._private_jobs WHERE locked_at IS NULL
             AND payload ->> 'studio' = $1 AND (payload ->> 'render' <> ALL ($2) OR attempts >= max_attempts)))"
        );
        sqlx::query(sqlx::AssertSqlSafe(over))
            .bind(studio)
            .bind(renders)
            .execute(&mut *transaction)
            .await?;
        let forget =
            format!("DELETE FROM {SCHEMA}.secrets WHERE studio = $1 AND render <> ALL ($2)");
        sqlx::query(sqlx::AssertSqlSafe(forget))
            .bind(studio)
            .bind(renders)
            .execute(&mut *transaction)
            .await?;
        let tell = format!(
            "INSERT INTO {SCHEMA}.secrets (render, studio, secret)
             SELECT render, $1, secret FROM unnest($2::text[], $3::text[]) AS wanted (render, secret)
             ON CONFLICT DO NOTHING"
        );
        sqlx::query(sqlx::AssertSqlSafe(tell))
            .bind(studio)
            .bind(renders)
            .bind(secrets)
            .execute(&mut *transaction)
            .await?;
        let add = format!(
            "SELECT count({SCHEMA}.add_job('{}', json_build_object('studio', $1::text, 'render', wanted.render),
             max_attempts => $3, job_key => wanted.render))
             FROM unnest($2::text[]) AS wanted (render)
             WHERE NOT EXISTS (SELECT FROM {SCHEMA}._private_jobs WHERE payload ->> 'render' = wanted.render
             AND (locked_at IS NOT NULL OR run_at <= now()))",
            QueuedRender::IDENTIFIER
        );
        sqlx::query(sqlx::AssertSqlSafe(add))
            .bind(studio)
            .bind(renders)
            .bind(MOST_ATTEMPTS)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// Hands renders to `renders`, at most so many at once, until nobody takes them, or `stop`. Then waits for those that were handed out. A server that
    /// can't be reached is tried again.
    pub async fn serve(
        self,
        at_once: usize,
        renders: mpsc::Sender<GivenRender>,
        stop: CancellationToken,
    ) {
        let mut reconnect = Reconnect::to(format!("the queue of renders at {}", self.address));
        while let Err(error) = self
            .serve_until_error(at_once, &renders, &stop, &mut reconnect)
            .await
        {
            let pause = reconnect.failed(&error);
            if ends_within(pause, &renders, &stop).await {
                return;
            }
        }
    }

    async fn serve_until_error(
        &self,
        at_once: usize,
        renders: &mpsc::Sender<GivenRender>,
        stop: &CancellationToken,
        reconnect: &mut Reconnect,
    ) -> Result<(), Error> {
        let receiver = Receiver {
            pool: self.pool.clone(),
            renders: renders.clone(),
        };
        let worker = worker_options(SCHEMA, at_once)
            .add_extension(receiver)
            .define_job::<QueuedRender>()
            .pg_pool(self.pool.clone())
            .init()
            .await?;
        reconnect.succeeded();
        let over = async {
            ends(renders, stop).await;
            Ok(())
        };
        work(worker, over).await
    }
}
