//! The ledger as the engine's store.

use std::collections::HashMap;
use std::sync::Arc;

use backline_engine::event::{Event, Record, RunId};
use backline_engine::gate::Place;
use backline_engine::settings::JobKey;
use backline_engine::store::{
    Batch, Committed, Contents, HookResult, KnownJob, LEFT_CALLBACKS, LeftCallback, PlannedRow,
    RunHeader, Store, StoreError, Upload, is_taken_back, plan_name,
};
use sqlx::{Connection, PgConnection};

use crate::connection::Ledger;
use crate::queue;

/// The columns of a record, in the order of [`RecordRow`].
type RecordRow = (i64, i64, String, Option<[u8; 32]>, String);

/// The columns of a job, in the order that [`Ledger::known`] takes.
pub(crate) type JobRow = ([u8; 32], String, String, i64);

impl Store for Ledger {
    fn begin_run(&mut self, run: &RunHeader, plan: &[PlannedRow]) -> Result<(), StoreError> {
        self.with("write to", async |connection| {
            let mut transaction = connection.begin().await?;
            lock(&mut transaction).await?;
            let name = plan_name(plan);
            store_plan(&mut transaction, &name, plan).await?;
            sqlx::query(
                "INSERT INTO runs (id, started_ms, header, plan, committed)
                 SELECT $1, $2, $3, $4, coalesce(sum((job::json ->> 'reserved')::numeric * 1000)::bigint, 0)
                 FROM plans JOIN jobs USING (key) WHERE plan = $4",
            )
            .bind(run.id.as_str())
            .bind(run.started_ms)
            .bind(json(run))
            .bind(&name)
            .execute(&mut *transaction)
            .await?;
            // What came after the task was over, and what nobody took for so long that the provider has forgotten it.
            sqlx::query(
                "DELETE FROM callbacks WHERE received_at < clock_timestamp() - interval '60 days'
                 OR EXISTS (SELECT FROM events JOIN jobs ON jobs.key = events.job
                            WHERE events.task = callbacks.task AND NOT jobs.is_in_flight)",
            )
            .execute(&mut *transaction)
            .await?;
            if run.is_shared {
                queue::publish(&mut transaction, &run.id, plan).await?;
            }
            transaction.commit().await
        })
    }

    fn hook_result(&self, input: &[u8; 32]) -> Result<Option<String>, StoreError> {
        self.reading(async |connection| {
            sqlx::query_scalar("SELECT response FROM hook_results WHERE input = $1")
                .bind(&input[..])
                .fetch_optional(connection)
                .await
        })
    }

    fn keep_hook_results(&mut self, results: &[HookResult]) -> Result<(), StoreError> {
        self.with("write to", async |connection| {
            let mut transaction = connection.begin().await?;
            for result in results {
                sqlx::query(
                    "INSERT INTO hook_results (input, response) VALUES ($1, $2)
                     ON CONFLICT (input) DO UPDATE SET response = excluded.response",
                )
                .bind(&result.input[..])
                .bind(&result.response)
                .execute(&mut *transaction)
                .await?;
            }
            transaction.commit().await
        })
    }

    fn append(&mut self, batch: &Batch) -> Result<Committed, StoreError> {
        self.write(batch)
    }

    fn join_account(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        self.with("write to", async |connection| {
            let mut transaction = connection.begin().await?;
            lock(&mut transaction).await?;
            for sql in [
                "UPDATE jobs SET account = $2 WHERE account = $1",
                "UPDATE events SET account = $2 WHERE account = $1 AND is_submission",
                "DELETE FROM uploads AS old WHERE account = $1
                 AND EXISTS (SELECT FROM uploads AS new WHERE new.account = $2 AND new.hash = old.hash)",
                "UPDATE uploads SET account = $2 WHERE account = $1",
            ] {
                sqlx::query(sql)
                    .bind(from)
                    .bind(to)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await
        })
    }

    fn job(&self, key: &JobKey) -> Result<Option<KnownJob>, StoreError> {
        let row: Option<JobRow> = self.reading(async |connection| {
            sqlx::query_as("SELECT key, account, job, version FROM jobs WHERE key = $1")
                .bind(&key.to_bytes()[..])
                .fetch_optional(connection)
                .await
        })?;
        row.map(|row| Ok(self.known(row)?.1)).transpose()
    }

    fn jobs(&self) -> Result<HashMap<JobKey, KnownJob>, StoreError> {
        let rows: Vec<JobRow> = self.reading(async |connection| {
            sqlx::query_as("SELECT key, account, job, version FROM jobs")
                .fetch_all(connection)
                .await
        })?;
        rows.into_iter().map(|row| self.known(row)).collect()
    }

    fn forget_upload(&mut self, hash: &str, account: &str) -> Result<(), StoreError> {
        self.with("write to", async |connection| {
            sqlx::query("DELETE FROM uploads WHERE hash = $1 AND account = $2")
                .bind(hash)
                .bind(account)
                .execute(connection)
                .await?;
            Ok(())
        })
    }

    fn upload(&self, hash: &str, account: &str) -> Result<Option<Upload>, StoreError> {
        let found: Option<(String, i64)> = self.reading(async |connection| {
            sqlx::query_as("SELECT url, at_ms FROM uploads WHERE hash = $1 AND account = $2")
                .bind(hash)
                .bind(account)
                .fetch_optional(connection)
                .await
        })?;
        Ok(found.map(|(url, at_ms)| Upload {
            hash: hash.to_owned(),
            account: account.to_owned(),
            url,
            at_ms,
        }))
    }

    fn places_since(&self, account: &str, since_ms: i64) -> Result<Vec<Place>, StoreError> {
        let rows: Vec<(i64, Option<i64>)> = self.reading(async |connection| {
            sqlx::query_as(
                "SELECT at_ms, (SELECT next.at_ms FROM events next WHERE next.job = events.job AND next.seq > events.seq
                                ORDER BY next.seq LIMIT 1)
                 FROM events WHERE is_submission AND account = $1 AND at_ms >= $2",
            )
            .bind(account)
            .bind(since_ms)
            .fetch_all(connection)
            .await
        })?;
        let place = |(taken_ms, left_ms)| Place { taken_ms, left_ms };
        Ok(rows.into_iter().map(place).collect())
    }

    fn runs(&self) -> Result<Vec<RunHeader>, StoreError> {
        let texts = self.texts("SELECT header FROM runs ORDER BY number DESC")?;
        texts.iter().map(|text| self.parsed(text)).collect()
    }

    fn plan_of(&self, run: &RunId) -> Result<Vec<PlannedRow>, StoreError> {
        let rows: Vec<String> = self.reading(async |connection| {
            sqlx::query_scalar(
                "SELECT planned FROM plans JOIN runs USING (plan) WHERE id = $1 ORDER BY position",
            )
            .bind(run.as_str())
            .fetch_all(connection)
            .await
        })?;
        rows.iter().map(|text| self.parsed(text)).collect()
    }

    fn store_album(&mut self, album: &[PlannedRow]) -> Result<String, StoreError> {
        let name = plan_name(album);
        self.with("write to", async |connection| {
            let mut transaction = connection.begin().await?;
            lock(&mut transaction).await?;
            store_plan(&mut transaction, &name, album).await?;
            transaction.commit().await
        })?;
        Ok(name)
    }

    fn album_of(&self, run: &RunHeader) -> Result<Vec<PlannedRow>, StoreError> {
        let Some(album) = &run.album else {
            return self.plan_of(&run.id);
        };
        self.plan_named(album)
    }

    fn events_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(async |connection| {
            sqlx::query_as(
                "SELECT seq, at_ms, run, job, event FROM events WHERE run = $1 AND job IS NULL ORDER BY seq",
            )
            .bind(run.as_str())
            .fetch_all(connection)
            .await
        })
    }

    fn records_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records_since(run, 0)
    }

    fn records_since(&self, run: &RunId, seq: u64) -> Result<Vec<Record>, StoreError> {
        self.records(async |connection| {
            sqlx::query_as(
                "SELECT seq, at_ms, run, job, event FROM events WHERE run = $1 AND seq > $2 ORDER BY seq",
            )
            .bind(run.as_str())
            .bind(place(seq))
            .fetch_all(connection)
            .await
        })
    }

    fn intents_between(&self, from: u64, to: u64) -> Result<Vec<Record>, StoreError> {
        self.records(async |connection| {
            sqlx::query_as(
                "SELECT seq, at_ms, run, job, event FROM events
                 WHERE is_submission AND seq > $1 AND seq < $2 ORDER BY seq",
            )
            .bind(place(from))
            .bind(place(to))
            .fetch_all(connection)
            .await
        })
    }

    fn buyers(&self) -> Result<HashMap<JobKey, RunId>, StoreError> {
        let rows: Vec<([u8; 32], String)> = self.reading(async |connection| {
            sqlx::query_as(
                "SELECT DISTINCT ON (job) job, run FROM events
                 WHERE is_submission AND job IS NOT NULL ORDER BY job, seq DESC",
            )
            .fetch_all(connection)
            .await
        })?;
        let buyer = |(job, run)| (JobKey::from_bytes(job), RunId::from_text(run));
        Ok(rows.into_iter().map(buyer).collect())
    }

    fn job_of_task(&self, task: &str) -> Result<Option<JobKey>, StoreError> {
        let jobs: Vec<[u8; 32]> = self.reading(async |connection| {
            sqlx::query_scalar(
                "SELECT job FROM events WHERE task = $1 AND job IS NOT NULL ORDER BY seq",
            )
            .bind(task)
            .fetch_all(connection)
            .await
        })?;
        for job in jobs.into_iter().map(JobKey::from_bytes) {
            if !is_taken_back(&self.history_of(&job)?, task) {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    fn leave_callback(&mut self, left: &LeftCallback) -> Result<bool, StoreError> {
        self.with("write to", async |connection| {
            let sql = "SELECT job FROM events WHERE token = $1";
            let job: Option<Vec<u8>> = sqlx::query_scalar(sql)
                .bind(left.token.expose())
                .fetch_optional(&mut *connection)
                .await?;
            let Some(job) = job else {
                return Ok(false);
            };
            // A task that the job has, and that is over, needs no callback.
            sqlx::query(
                "INSERT INTO callbacks (token, task)
                 SELECT $1, $2 WHERE (SELECT count(*) FROM callbacks WHERE token = $1) < $3
                 AND (NOT EXISTS (SELECT FROM events WHERE task = $2)
                      OR EXISTS (SELECT FROM jobs WHERE key = $4 AND is_in_flight))
                 ON CONFLICT DO NOTHING",
            )
            .bind(left.token.expose())
            .bind(left.task.as_str())
            .bind(i64::try_from(LEFT_CALLBACKS).unwrap_or(i64::MAX))
            .bind(job)
            .execute(connection)
            .await?;
            Ok(true)
        })
    }

    fn left_callbacks(&self, jobs: &[JobKey]) -> Result<Vec<LeftCallback>, StoreError> {
        let keys: Vec<Vec<u8>> = jobs.iter().map(|key| key.to_bytes().to_vec()).collect();
        let rows: Vec<(String, String)> = self.reading(async |connection| {
            sqlx::query_as(
                "SELECT callbacks.token, callbacks.task FROM callbacks JOIN events USING (token)
                 WHERE events.job = ANY($1) ORDER BY received_at",
            )
            .bind(&keys)
            .fetch_all(connection)
            .await
        })?;
        let left = rows.into_iter();
        Ok(left
            .map(|(token, task)| LeftCallback::new(token, task))
            .collect())
    }

    fn remove_callback(&mut self, left: &LeftCallback) -> Result<(), StoreError> {
        self.with("write to", async |connection| {
            sqlx::query("DELETE FROM callbacks WHERE token = $1 AND task = $2")
                .bind(left.token.expose())
                .bind(left.task.as_str())
                .execute(connection)
                .await?;
            Ok(())
        })
    }

    fn history_of(&self, job: &JobKey) -> Result<Vec<Record>, StoreError> {
        self.records(async |connection| {
            sqlx::query_as(
                "SELECT seq, at_ms, run, job, event FROM events WHERE job = $1 ORDER BY seq",
            )
            .bind(&job.to_bytes()[..])
            .fetch_all(connection)
            .await
        })
    }
}

impl Ledger {
    /// The time of its last record, where that is later than `now_ms`: a clock was ahead then, or is behind now.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn ahead_of(&self, now_ms: i64) -> Result<Option<i64>, StoreError> {
        let last_ms: Option<i64> = self.reading(async |connection| {
            sqlx::query_scalar("SELECT at_ms FROM events ORDER BY seq DESC LIMIT 1")
                .fetch_optional(connection)
                .await
        })?;
        Ok(last_ms.filter(|last_ms| *last_ms > now_ms))
    }

    /// Whether songs of a run are left to carry out.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn is_queued(&self, run: &RunId) -> Result<bool, StoreError> {
        self.reading(async |connection| queue::is_queued(connection, run).await)
    }

    /// Removes the songs of a run that has died from the queue, those of processes that are at work on them included: they end what they
    /// have.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn remove_queued(&self, run: &RunId) -> Result<(), StoreError> {
        let runs = [run.to_string()];
        self.reading(async |connection| queue::remove(connection, &runs).await)
    }

    /// Takes the songs of a run that no process carries out off the queue.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn withdraw(&self, run: &RunId) -> Result<(), StoreError> {
        self.reading(async |connection| queue::withdraw(connection, run).await)
    }

    /// Whether this ledger has recorded a run, pruned ones included.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn knows_run(&self, run: &RunId) -> Result<bool, StoreError> {
        self.reading(async |connection| {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM runs WHERE id = $1) OR EXISTS (SELECT FROM pruned WHERE run = $1)",
            )
                .bind(run.as_str())
                .fetch_one(connection)
                .await
        })
    }

    /// Whether the ledger has the record of an attempt with that time. Its place changes when another ledger is added.
    ///
    /// # Errors
    /// When the server can't be reached.
    pub fn knows_intent(&self, at_ms: i64) -> Result<bool, StoreError> {
        self.reading(async |connection| {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM events WHERE at_ms = $1 AND is_submission)",
            )
            .bind(at_ms)
            .fetch_one(connection)
            .await
        })
    }

    fn records(
        &self,
        read: impl AsyncFn(&mut PgConnection) -> sqlx::Result<Vec<RecordRow>>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = self.reading(read)?;
        let record = |(seq, at_ms, run, job, event): RecordRow| {
            Ok(Record {
                seq: seq.unsigned_abs(),
                at_ms,
                run: RunId::from_text(run),
                job: job.map(JobKey::from_bytes),
                event: self.parsed::<Event>(&event)?,
            })
        };
        rows.into_iter().map(record).collect()
    }

    pub(crate) fn texts(&self, sql: &'static str) -> Result<Vec<String>, StoreError> {
        self.reading(async |connection| sqlx::query_scalar(sql).fetch_all(connection).await)
    }

    pub(crate) fn known(
        &self,
        (key, account, job, version): JobRow,
    ) -> Result<(JobKey, KnownJob), StoreError> {
        let known = KnownJob {
            job: Arc::new(self.parsed(&job)?),
            account,
            version: version.unsigned_abs(),
        };
        Ok((JobKey::from_bytes(key), known))
    }

    pub(crate) fn parsed<T: serde::de::DeserializeOwned>(
        &self,
        text: &str,
    ) -> Result<T, StoreError> {
        serde_json::from_str(text).map_err(|error| self.damaged(&error.to_string()))
    }
}

/// Waits until no other process writes.
pub(crate) async fn lock(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT FROM ledger FOR UPDATE")
        .execute(connection)
        .await?;
    Ok(())
}

/// Writes a plan's rows, unless they are there.
pub(crate) async fn store_plan(
    connection: &mut PgConnection,
    name: &str,
    plan: &[PlannedRow],
) -> sqlx::Result<()> {
    let keys: Vec<Vec<u8>> = plan.iter().map(|row| row.key.to_bytes().to_vec()).collect();
    sqlx::query(
        "INSERT INTO plans (plan, position, key, planned)
         SELECT $1, place - 1, key, planned
         FROM unnest($2::bytea[], $3::text[]) WITH ORDINALITY AS new (key, planned, place)
         ON CONFLICT (plan, position) DO NOTHING",
    )
    .bind(name)
    .bind(keys)
    .bind(plan.iter().map(json).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) fn place(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

pub(crate) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("ledger types have string keys and finite numbers")
}
