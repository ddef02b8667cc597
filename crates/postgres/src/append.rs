//! Writing a batch: one transaction that compares versions, admits submissions and writes what is left.

use std::collections::HashMap;

use backline_engine::event::{Event, Record};
use backline_engine::gate::{Gate, Place};
use backline_engine::settings::JobKey;
use backline_engine::store::{
    Batch, Committed, Departure, KnownJob, NewRecord, Refusal, RefusedJob, StoreError,
    SubmissionLimits,
};
use sqlx::{Connection, PgConnection};

use crate::admission::{Standing, committed, is_in_flight};
use crate::connection::Ledger;
use crate::queue;
use crate::store::json;

/// The row that every writer locks first.
const LOCK: &str =
    "SELECT last_seq, committed, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
                    FROM ledger FOR UPDATE";

/// What a job was before a batch.
struct Stored {
    version: u64,
    committed: i64,
}

impl Ledger {
    pub(crate) fn write(&mut self, batch: &Batch) -> Result<Committed, StoreError> {
        let hash = fingerprint(batch);
        if self.unanswered != Some(hash) {
            self.last_batch += 1;
        }
        let (writer, number) = (self.writer.clone(), self.last_batch);
        let written = self.with("write to", async |connection| {
            write(connection, &writer, number, batch).await
        });
        let is_unanswered = matches!(written, Err(StoreError::Unreachable { .. }));
        self.unanswered = is_unanswered.then_some(hash);
        written
    }

    /// What follows a commit whose response was lost.
    #[cfg(test)]
    pub(crate) fn forget_response(&mut self, batch: &Batch) {
        self.unanswered = Some(fingerprint(batch));
    }
}

/// The same for equal batches.
fn fingerprint(batch: &Batch) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for record in &batch.events {
        hasher.update(record.run.as_str().as_bytes());
        hasher.update(&record.at_ms.to_le_bytes());
        hasher.update(json(&record.event).as_bytes());
    }
    for (key, known) in &batch.jobs {
        hasher.update(&key.to_bytes());
        hasher.update(&known.version.to_le_bytes());
    }
    hasher.finalize()
}

async fn write(
    connection: &mut PgConnection,
    writer: &str,
    number: i64,
    batch: &Batch,
) -> sqlx::Result<Committed> {
    let mut transaction = connection.begin().await?;
    let (last_seq, ledger, now_ms): (i64, i64, i64) =
        sqlx::query_as(LOCK).fetch_one(&mut *transaction).await?;
    if let Some((first_seq, refused)) = earlier_try(&mut transaction, writer, number).await? {
        return Ok(outcome(batch, refused, first_seq));
    }
    note_departures(&mut transaction, &batch.departures).await?;
    let stored = stored_jobs(&mut transaction, batch).await?;
    let version = |key: &JobKey| stored.get(key).map_or(0, |it| it.version);
    let conflicts = batch.jobs.iter().filter_map(|(key, known)| {
        let found = version(key);
        (found != known.version).then(|| batch.refusal(*key, Refusal::Conflict, found))
    });
    let mut refused: Vec<RefusedJob> = conflicts.collect();
    if let Some(limits) = batch.limits.filter(|_| !batch.submissions.is_empty()) {
        let mut standing = standing(&mut transaction, batch, &limits, now_ms, ledger).await?;
        for submission in &batch.submissions {
            let key = submission.key;
            if refused.iter().any(|it| it.key == key) {
                continue;
            }
            let Some(known) = batch.jobs.get(&key) else {
                continue;
            };
            let cost = committed(&known.job) - committed(&submission.before.job);
            if let Err(why) = standing.admit(&limits, cost) {
                refused.push(batch.refusal(key, why, known.version));
            }
        }
    }
    let first_seq = last_seq + 1;
    let writable = batch.writable(&refused);
    let written = i64::try_from(writable.events.len()).unwrap_or(i64::MAX);
    let seqs: Vec<i64> = (first_seq..first_seq + written).collect();
    insert_events(&mut transaction, &writable.events, &seqs).await?;
    let mut change = 0;
    for (key, known, _) in &writable.jobs {
        change += committed(&known.job) - stored.get(key).map_or(0, |it| it.committed);
    }
    replace_jobs(&mut transaction, &writable.jobs).await?;
    if let Some(record) = batch.events.first().filter(|_| !batch.left.is_empty()) {
        queue::hand_out_anew(&mut transaction, &record.run, &batch.left).await?;
    }
    for upload in &batch.uploads {
        sqlx::query(
            "INSERT INTO uploads (hash, account, url, at_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms",
        )
        .bind(&upload.hash)
        .bind(&upload.account)
        .bind(&upload.url)
        .bind(upload.at_ms)
        .execute(&mut *transaction)
        .await?;
    }
    sqlx::query("UPDATE ledger SET last_seq = $1, committed = committed + $2")
        .bind(last_seq + written)
        .bind(change)
        .execute(&mut *transaction)
        .await?;
    if let Some(record) = batch.events.first().filter(|_| change != 0) {
        sqlx::query("UPDATE runs SET committed = committed + $2 WHERE id = $1")
            .bind(record.run.as_str())
            .bind(change)
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query(
        "INSERT INTO writers (writer, batch, first_seq, refused, written_at)
         VALUES ($1, $2, $3, $4, clock_timestamp())
         ON CONFLICT (writer) DO UPDATE SET batch = excluded.batch, first_seq = excluded.first_seq,
         refused = excluded.refused, written_at = excluded.written_at",
    )
    .bind(writer)
    .bind(number)
    .bind(first_seq)
    .bind(json(&refused))
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(outcome(batch, refused, first_seq))
}

/// What came of this batch, where an earlier try to write it was committed.
async fn earlier_try(
    connection: &mut PgConnection,
    writer: &str,
    number: i64,
) -> sqlx::Result<Option<(i64, Vec<RefusedJob>)>> {
    let sql = "SELECT first_seq, refused FROM writers WHERE writer = $1 AND batch = $2";
    let found: Option<(i64, String)> = sqlx::query_as(sql)
        .bind(writer)
        .bind(number)
        .fetch_optional(connection)
        .await?;
    let Some((first_seq, refused)) = found else {
        return Ok(None);
    };
    let refused =
        serde_json::from_str(&refused).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Some((first_seq, refused)))
}

fn outcome(batch: &Batch, refused: Vec<RefusedJob>, first_seq: i64) -> Committed {
    let record = |(seq, new): (u64, &NewRecord)| Record {
        seq,
        at_ms: new.at_ms,
        run: new.run.clone(),
        job: new.job,
        event: new.event.clone(),
    };
    let written = batch.writable(&refused).events;
    let records = (first_seq.unsigned_abs()..).zip(written).map(record);
    Committed {
        records: records.collect(),
        refused,
    }
}

async fn stored_jobs(
    connection: &mut PgConnection,
    batch: &Batch,
) -> sqlx::Result<HashMap<JobKey, Stored>> {
    let keys: Vec<Vec<u8>> = batch
        .jobs
        .keys()
        .map(|key| key.to_bytes().to_vec())
        .collect();
    let sql = "SELECT key, version, committed FROM jobs WHERE key = ANY($1)";
    let rows: Vec<([u8; 32], i64, i64)> =
        sqlx::query_as(sql).bind(keys).fetch_all(connection).await?;
    let stored = |(key, version, committed): ([u8; 32], i64, i64)| {
        let version = version.unsigned_abs();
        (JobKey::from_bytes(key), Stored { version, committed })
    };
    Ok(rows.into_iter().map(stored).collect())
}

/// Notes how late requests left after they were admitted.
async fn note_departures(
    connection: &mut PgConnection,
    departures: &[Departure],
) -> sqlx::Result<()> {
    if departures.is_empty() {
        return Ok(());
    }
    let keys = departures.iter().map(|it| it.key.to_bytes().to_vec());
    let late_ms = departures
        .iter()
        .map(|it| i64::try_from(it.late_ms).unwrap_or(i64::MAX / 4));
    sqlx::query(
        "UPDATE events SET left_at = written_at + new.late_ms * interval '1 ms'
         FROM unnest($1::bytea[], $2::bigint[]) AS new (job, late_ms)
         WHERE seq = (SELECT max(seq) FROM events of_job WHERE of_job.job = new.job AND is_submission) AND left_at IS NULL",
    )
    .bind(keys.collect::<Vec<_>>())
    .bind(late_ms.collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Where the account and the sums stand before a batch.
async fn standing(
    connection: &mut PgConnection,
    batch: &Batch,
    limits: &SubmissionLimits,
    now_ms: i64,
    ledger: i64,
) -> sqlx::Result<Standing> {
    let first = batch.events.first();
    let account = first.map_or("", |record| record.account.as_str());
    let counts_ms = i64::try_from(limits.rate.counts_for_ms()).unwrap_or(i64::MAX / 4);
    let places: Vec<(i64, Option<i64>)> = sqlx::query_as(
        "SELECT (extract(epoch FROM written_at) * 1000)::bigint, (extract(epoch FROM left_at) * 1000)::bigint FROM events
         WHERE is_submission AND account = $1 AND written_at > to_timestamp($2 / 1000.0)",
    )
    .bind(account)
    .bind(now_ms.saturating_sub(counts_ms.saturating_mul(2)))
    .fetch_all(&mut *connection)
    .await?;
    let place = |(taken_ms, left_ms)| Place { taken_ms, left_ms };
    let gate = Gate::new(limits.rate, places.into_iter().map(place));
    let follow_ms = i64::try_from(limits.follow_ms).unwrap_or(i64::MAX / 4);
    let in_flight: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM jobs WHERE account = $1 AND is_in_flight AND changed_at > to_timestamp($2 / 1000.0)",
    )
    .bind(account)
    .bind(now_ms - follow_ms)
    .fetch_one(&mut *connection)
    .await?;
    let run: Option<i64> = sqlx::query_scalar("SELECT committed FROM runs WHERE id = $1")
        .bind(first.map_or("", |record| record.run.as_str()))
        .fetch_optional(connection)
        .await?;
    Ok(Standing {
        now_ms,
        gate,
        in_flight: in_flight.unsigned_abs(),
        run: run.unwrap_or(0),
        ledger,
    })
}

/// Writes records at these places.
pub(crate) async fn insert_events(
    connection: &mut PgConnection,
    events: &[&NewRecord],
    seqs: &[i64],
) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let is_submission =
        |new: &&NewRecord| matches!(new.event, Event::Intent { .. } | Event::Repeated { .. });
    let task = |new: &&NewRecord| match &new.event {
        Event::Accepted { task_id, .. } => Some(task_id.to_string()),
        _ => None,
    };
    let token = |new: &&NewRecord| match &new.event {
        Event::Intent { token, .. } => Some(token.expose().to_owned()),
        _ => None,
    };
    let column = |of: &dyn Fn(&&NewRecord) -> String| events.iter().map(of).collect::<Vec<_>>();
    let jobs: Vec<Option<Vec<u8>>> = events
        .iter()
        .map(|new| new.job.map(|key| key.to_bytes().to_vec()))
        .collect();
    sqlx::query(
        "INSERT INTO events (seq, at_ms, written_at, run, account, job, is_submission, token, task, event)
         SELECT seq, at_ms, clock_timestamp(), run, account, job, is_submission, token, task, event
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::boolean[], $7::text[], $8::text[], $9::text[])
         AS new (seq, at_ms, run, account, job, is_submission, token, task, event)",
    )
    .bind(seqs)
    .bind(events.iter().map(|new| new.at_ms).collect::<Vec<_>>())
    .bind(column(&|new| new.run.to_string()))
    .bind(column(&|new| new.account.clone()))
    .bind(jobs)
    .bind(events.iter().map(is_submission).collect::<Vec<_>>())
    .bind(events.iter().map(token).collect::<Vec<_>>())
    .bind(events.iter().map(task).collect::<Vec<_>>())
    .bind(column(&|new| json(&new.event)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes jobs, each with the version that is replaced.
pub(crate) async fn replace_jobs(
    connection: &mut PgConnection,
    jobs: &[(JobKey, &KnownJob, u64)],
) -> sqlx::Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let version = |version: u64| i64::try_from(version + 1).unwrap_or(i64::MAX);
    let rows = jobs.iter();
    sqlx::query(
        "INSERT INTO jobs (key, account, version, committed, is_in_flight, changed_at, job)
         SELECT key, account, version, committed, is_in_flight, clock_timestamp(), job
         FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[])
         AS new (key, account, version, committed, is_in_flight, job)
         ON CONFLICT (key) DO UPDATE SET account = excluded.account, version = excluded.version,
         committed = excluded.committed, is_in_flight = excluded.is_in_flight, changed_at = excluded.changed_at,
         job = excluded.job",
    )
    .bind(rows.clone().map(|(key, ..)| key.to_bytes().to_vec()).collect::<Vec<_>>())
    .bind(rows.clone().map(|(_, known, _)| known.account.clone()).collect::<Vec<_>>())
    .bind(rows.clone().map(|(.., it)| version(*it)).collect::<Vec<_>>())
    .bind(rows.clone().map(|(_, known, _)| committed(&known.job)).collect::<Vec<_>>())
    .bind(rows.clone().map(|(_, known, _)| is_in_flight(&known.job)).collect::<Vec<_>>())
    .bind(rows.map(|(_, known, _)| json(&known.job)).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}
