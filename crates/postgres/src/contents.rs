//! Everything that the ledger has, and how the contents of another one are added to it.

use std::collections::{HashMap, HashSet};

use backline_engine::event::RunId;
use backline_engine::settings::JobKey;
use backline_engine::store::{
    AddedRun, Addition, Contents, HookResult, KnownJob, NewRecord, PAGE, PlannedRow, Prunable,
    Shift, StoreError, StoredRecord, StoredRun, Upload, moved_to,
};
use sqlx::{Connection, PgConnection};

use crate::append::{insert_events, replace_jobs};
use crate::connection::Ledger;
use crate::queue;
use crate::store::{JobRow, json, lock, place, store_plan};

/// The columns of a stored record.
type StoredRow = (i64, i64, String, String, Option<[u8; 32]>, String);

impl Contents for Ledger {
    fn stored_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let rows: Vec<(String, String)> = self.reading(async |connection| {
            sqlx::query_as("SELECT header, plan FROM runs ORDER BY number")
                .fetch_all(connection)
                .await
        })?;
        let run = |(header, plan): (String, String)| {
            let header = self.parsed(&header)?;
            Ok(StoredRun { header, plan })
        };
        rows.into_iter().map(run).collect()
    }

    fn pruned_runs(&self) -> Result<HashSet<RunId>, StoreError> {
        let runs = self.texts("SELECT run FROM pruned")?;
        Ok(runs.into_iter().map(RunId::from_text).collect())
    }

    fn plan_named(&self, name: &str) -> Result<Vec<PlannedRow>, StoreError> {
        let rows: Vec<String> = self.reading(async |connection| {
            sqlx::query_scalar("SELECT planned FROM plans WHERE plan = $1 ORDER BY position")
                .bind(name)
                .fetch_all(connection)
                .await
        })?;
        rows.iter().map(|text| self.parsed(text)).collect()
    }

    fn page_of_records(&self, after: u64) -> Result<Vec<StoredRecord>, StoreError> {
        let rows: Vec<StoredRow> = self.reading(async |connection| {
            sqlx::query_as(
                "SELECT seq, at_ms, run, account, job, event FROM events WHERE seq > $1 ORDER BY seq LIMIT $2",
            )
            .bind(place(after))
            .bind(i64::from(PAGE))
            .fetch_all(connection)
            .await
        })?;
        let record = |(seq, at_ms, run, account, job, event): StoredRow| {
            Ok(StoredRecord {
                seq: seq.unsigned_abs(),
                record: NewRecord {
                    at_ms,
                    run: RunId::from_text(run),
                    account,
                    job: job.map(JobKey::from_bytes),
                    event: self.parsed(&event)?,
                },
            })
        };
        rows.into_iter().map(record).collect()
    }

    fn page_of_jobs(&self, after: Option<&JobKey>) -> Result<Vec<(JobKey, KnownJob)>, StoreError> {
        let after = after.map_or_else(Vec::new, |key| key.to_bytes().to_vec());
        let rows: Vec<JobRow> = self.reading(async |connection| {
            sqlx::query_as(
                "SELECT key, account, job, version FROM jobs WHERE key > $1 ORDER BY key LIMIT $2",
            )
            .bind(&after)
            .bind(i64::from(PAGE))
            .fetch_all(connection)
            .await
        })?;
        rows.into_iter().map(|row| self.known(row)).collect()
    }

    fn page_of_hook_results(
        &self,
        after: Option<&[u8; 32]>,
    ) -> Result<Vec<HookResult>, StoreError> {
        let rows: Vec<([u8; 32], String)> = self.reading(async |connection| {
            sqlx::query_as(
                "SELECT input, response FROM hook_results WHERE input > $1 ORDER BY input LIMIT $2",
            )
            .bind(after.map_or(&[][..], |input| input))
            .bind(i64::from(PAGE))
            .fetch_all(connection)
            .await
        })?;
        let result = |(input, response)| HookResult { input, response };
        Ok(rows.into_iter().map(result).collect())
    }

    fn uploads(&self) -> Result<Vec<Upload>, StoreError> {
        let rows: Vec<(String, String, String, i64)> = self.reading(async |connection| {
            sqlx::query_as("SELECT hash, account, url, at_ms FROM uploads")
                .fetch_all(connection)
                .await
        })?;
        let upload = |(hash, account, url, at_ms)| Upload {
            hash,
            account,
            url,
            at_ms,
        };
        Ok(rows.into_iter().map(upload).collect())
    }

    fn queued_songs(&self) -> Result<HashMap<RunId, u64>, StoreError> {
        self.reading(async |connection| queue::queued(connection).await)
    }

    fn add(&mut self, addition: &Addition<'_>) -> Result<(), StoreError> {
        // The error of the other ledger is not one of this connection.
        let added = self.with("write to", async |connection| {
            let mut transaction = connection.begin().await?;
            match add(&mut transaction, addition).await {
                Ok(()) => transaction.commit().await.map(Ok),
                Err(AddError::Here(error)) => Err(error),
                Err(AddError::There(error)) => {
                    transaction.rollback().await?;
                    Ok(Err(error))
                }
            }
        });
        added?
    }

    fn prune(&mut self, gone: &Prunable) -> Result<(), StoreError> {
        self.with("write to", async |connection| {
            let mut transaction = connection.begin().await?;
            lock(&mut transaction).await?;
            let ids = |runs: &mut dyn Iterator<Item = &RunId>| -> Vec<String> {
                runs.map(ToString::to_string).collect()
            };
            let runs = ids(&mut gone.runs.iter().map(|run| &run.id));
            for sql in [
                "INSERT INTO pruned (run) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING",
                "DELETE FROM events WHERE run = ANY($1) AND job IS NULL",
                "DELETE FROM runs WHERE id = ANY($1)",
            ] {
                sqlx::query(sql)
                    .bind(&runs)
                    .execute(&mut *transaction)
                    .await?;
            }
            sqlx::query(
                "DELETE FROM plans WHERE plan NOT IN (SELECT plan FROM runs
                 UNION SELECT header::json ->> 'album' FROM runs WHERE header::json ->> 'album' IS NOT NULL)",
            )
            .execute(&mut *transaction)
            .await?;
            sqlx::query("DELETE FROM uploads WHERE at_ms < $1")
                .bind(gone.before_ms)
                .execute(&mut *transaction)
                .await?;
            queue::remove(&mut transaction, &ids(&mut gone.queues.iter())).await?;
            transaction.commit().await
        })
    }
}

/// Which of two ledgers failed.
enum AddError {
    Here(sqlx::Error),
    There(StoreError),
}

impl From<sqlx::Error> for AddError {
    fn from(error: sqlx::Error) -> Self {
        Self::Here(error)
    }
}

impl From<StoreError> for AddError {
    fn from(error: StoreError) -> Self {
        Self::There(error)
    }
}

async fn add(connection: &mut PgConnection, addition: &Addition<'_>) -> Result<(), AddError> {
    lock(connection).await?;
    add_runs(connection, addition).await?;
    for name in addition.plans() {
        store_plan(connection, name, &addition.from.plan_named(name)?).await?;
    }
    move_events(connection, &addition.moved).await?;
    let mut records = addition.records();
    while let Some(page) = records.next_page()? {
        let seqs: Vec<i64> = page.iter().map(|it| place(it.seq)).collect();
        let events: Vec<&NewRecord> = page.iter().map(|it| &it.record).collect();
        insert_events(connection, &events, &seqs).await?;
    }
    let mut jobs = addition.jobs();
    while let Some(page) = jobs.next_page()? {
        let rows: Vec<_> = page
            .iter()
            .map(|(key, known)| (*key, known, known.version))
            .collect();
        replace_jobs(connection, &rows).await?;
    }
    for upload in addition.from.uploads()? {
        // The newer one of two uploads of the same file.
        sqlx::query(
            "INSERT INTO uploads (hash, account, url, at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms
             WHERE excluded.at_ms > uploads.at_ms",
        )
        .bind(&upload.hash)
        .bind(&upload.account)
        .bind(&upload.url)
        .bind(upload.at_ms)
        .execute(&mut *connection)
        .await?;
    }
    let mut results = addition.hook_results();
    while let Some(page) = results.next_page()? {
        let inputs: Vec<&[u8]> = page.iter().map(|it| &it.input[..]).collect();
        let responses: Vec<&str> = page.iter().map(|it| it.response.as_str()).collect();
        sqlx::query(
            "INSERT INTO hook_results (input, response)
             SELECT * FROM unnest($1::bytea[], $2::text[]) ON CONFLICT DO NOTHING",
        )
        .bind(inputs)
        .bind(responses)
        .execute(&mut *connection)
        .await?;
    }
    sqlx::query(
        "UPDATE ledger SET last_seq = greatest(last_seq, (SELECT coalesce(max(seq), 0) FROM events)),
         committed = (SELECT coalesce(sum(committed), 0)::bigint FROM jobs)",
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Stores runs in the order that is wanted. Nobody continues an added run, so nothing counts against its credits.
async fn add_runs(connection: &mut PgConnection, addition: &Addition<'_>) -> sqlx::Result<()> {
    for run in &addition.runs {
        let query = match run {
            AddedRun::Present(id) => {
                sqlx::query("UPDATE runs SET number = DEFAULT WHERE id = $1").bind(id.as_str())
            }
            AddedRun::New(run) => sqlx::query(
                "INSERT INTO runs (id, started_ms, header, plan, committed) VALUES ($1, $2, $3, $4, 0)",
            )
            .bind(run.header.id.as_str())
            .bind(run.header.started_ms)
            .bind(json(&run.header))
            .bind(&run.plan),
        };
        query.execute(&mut *connection).await?;
    }
    let pruned: Vec<&str> = addition.pruned.iter().map(RunId::as_str).collect();
    sqlx::query("INSERT INTO pruned (run) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING")
        .bind(pruned)
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves records. Their places are negative for a moment, so that no two records have the same.
async fn move_events(connection: &mut PgConnection, moved: &[Shift]) -> sqlx::Result<()> {
    let Some(first) = moved.first() else {
        return Ok(());
    };
    sqlx::query("UPDATE events SET seq = -seq WHERE seq >= $1")
        .bind(place(first.first))
        .execute(&mut *connection)
        .await?;
    loop {
        // From the last one on, which is the first of those that are left.
        let left: Vec<i64> =
            sqlx::query_scalar("SELECT seq FROM events WHERE seq < 0 ORDER BY seq LIMIT $1")
                .bind(i64::from(PAGE))
                .fetch_all(&mut *connection)
                .await?;
        if left.is_empty() {
            return Ok(());
        }
        let to = |seq: &i64| {
            let seq = seq.unsigned_abs();
            place(moved_to(moved, seq).unwrap_or(seq))
        };
        sqlx::query(
            "UPDATE events SET seq = moved.to_seq
             FROM unnest($1::bigint[], $2::bigint[]) AS moved (from_seq, to_seq) WHERE seq = from_seq",
        )
        .bind(&left)
        .bind(left.iter().map(to).collect::<Vec<_>>())
        .execute(&mut *connection)
        .await?;
    }
}
