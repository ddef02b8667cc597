//! The ledger as the engine's store.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::*;
use crate::gate::Place;
use crate::store::{Committed, Refusal, is_taken_back, plan_name};

impl Store for Ledger {
    fn begin_run(&mut self, run: &RunHeader, plan: &[PlannedRow]) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            let name = plan_name(plan);
            transaction.execute(
                "INSERT INTO runs (id, started_ms, header, plan) VALUES (?1, ?2, ?3, ?4)",
                params![run.id.as_str(), run.started_ms, json(run), name],
            )?;
            store_plan(transaction, &name, plan)
        })?;
        if let Some(owner) = &mut self.owner {
            Owner::of_run(&run.id).write(owner);
        }
        Ok(())
    }

    fn hook_result(&self, input: &[u8; 32]) -> Result<Option<String>, StoreError> {
        if self.format < open::HOOK_RESULTS {
            return Ok(None);
        }
        self.run("read", |connection| {
            connection
                .prepare_cached("SELECT answer FROM hook_results WHERE question = ?1")?
                .query_row([input], |row| row.get(0))
                .optional()
        })
    }

    fn keep_hook_results(&mut self, results: &[HookResult]) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            let mut keep = transaction.prepare_cached(
                "INSERT INTO hook_results (question, answer) VALUES (?1, ?2)
                 ON CONFLICT (question) DO UPDATE SET answer = excluded.answer",
            )?;
            for result in results {
                keep.execute(params![result.input, result.response])?;
            }
            Ok(())
        })
    }

    fn append(&mut self, batch: &Batch) -> Result<Committed, StoreError> {
        if batch.events.iter().any(is_intent) {
            self.check_place()?;
        }
        self.write("write to", |transaction| {
            let mut committed = Committed::default();
            let mut replace = transaction.prepare_cached(
                "INSERT INTO jobs (key, account, job, version) VALUES (?1, ?2, ?3, ?4 + 1)
                 ON CONFLICT (key) DO UPDATE SET account = excluded.account, job = excluded.job, version = excluded.version
                 WHERE version = ?4",
            )?;
            for (key, known) in &batch.jobs {
                let bytes = key.to_bytes();
                let version = place(known.version);
                if replace.execute(params![bytes, known.account, json(&known.job), version])? > 0 {
                    continue;
                }
                let sql = "SELECT version FROM jobs WHERE key = ?1";
                let found: i64 = transaction.query_row(sql, [bytes], |row| row.get(0))?;
                let refused = batch.refusal(*key, Refusal::Conflict, found.unsigned_abs());
                committed.refused.push(refused);
            }
            committed.records.reserve(batch.events.len());
            for new in batch.writable(&committed.refused).events {
                insert_event(transaction, None, new)?;
                committed.records.push(Record {
                    seq: transaction.last_insert_rowid().unsigned_abs(),
                    at_ms: new.at_ms,
                    run: new.run.clone(),
                    job: new.job,
                    event: new.event.clone(),
                });
            }
            let mut keep = transaction.prepare_cached(
                "INSERT INTO uploads (hash, account, url, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms",
            )?;
            for upload in &batch.uploads {
                keep.execute(params![upload.hash, upload.account, upload.url, upload.at_ms])?;
            }
            Ok(committed)
        })
    }

    fn job(&self, key: &JobKey) -> Result<Option<KnownJob>, StoreError> {
        let sql = self.jobs_sql("WHERE key = ?1");
        let found: Vec<KnownJob> =
            self.rows(&sql, [key.to_bytes()], |row| Ok(known_job(row)?.1))?;
        Ok(found.into_iter().next())
    }

    fn join_account(&mut self, from: &str, to: &str) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            for sql in [
                "UPDATE jobs SET account = ?2 WHERE account = ?1",
                "UPDATE events SET account = ?2 WHERE account = ?1 AND intent = 1",
                "UPDATE OR REPLACE uploads SET account = ?2 WHERE account = ?1",
            ] {
                transaction.execute(sql, [from, to])?;
            }
            Ok(())
        })
    }

    fn forget_upload(&mut self, hash: &str, account: &str) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            transaction.execute(
                "DELETE FROM uploads WHERE hash = ?1 AND account = ?2",
                [hash, account],
            )?;
            Ok(())
        })
    }

    fn jobs(&self) -> Result<HashMap<JobKey, KnownJob>, StoreError> {
        self.rows(&self.jobs_sql(""), [], known_job)
    }

    fn upload(&self, hash: &str, account: &str) -> Result<Option<Upload>, StoreError> {
        self.run("read", |connection| {
            connection
                .query_row(
                    "SELECT url, at_ms FROM uploads WHERE hash = ?1 AND account = ?2",
                    [hash, account],
                    |row| {
                        let (hash, account) = (hash.to_owned(), account.to_owned());
                        Ok(Upload {
                            hash,
                            account,
                            url: row.get(0)?,
                            at_ms: row.get(1)?,
                        })
                    },
                )
                .optional()
        })
    }

    fn places_since(&self, account: &str, since_ms: i64) -> Result<Vec<Place>, StoreError> {
        let sql = "SELECT at_ms, (SELECT next.at_ms FROM events next WHERE next.job = events.job AND next.seq > events.seq
                                  ORDER BY next.seq LIMIT 1)
                   FROM events WHERE intent = 1 AND account = ?1 AND at_ms >= ?2";
        self.rows(sql, params![account, since_ms], |row| {
            Ok(Place {
                taken_ms: row.get(0)?,
                left_ms: row.get(1)?,
            })
        })
    }

    fn runs(&self) -> Result<Vec<RunHeader>, StoreError> {
        // As they were recorded: a clock may have been ahead.
        self.rows("SELECT header FROM runs ORDER BY rowid DESC", [], |row| {
            parsed(row, 0)
        })
    }

    fn plan_of(&self, run: &RunId) -> Result<Vec<PlannedRow>, StoreError> {
        let (column, plan) = self.plan_column();
        self.rows_of(column, plan, run.as_str())
    }

    fn store_album(&mut self, album: &[PlannedRow]) -> Result<String, StoreError> {
        let name = plan_name(album);
        self.write("write to", |transaction| {
            store_plan(transaction, &name, album)
        })?;
        Ok(name)
    }

    fn album_of(&self, run: &RunHeader) -> Result<Vec<PlannedRow>, StoreError> {
        match &run.album {
            Some(album) => self.rows_of("plan", "?1", album),
            None => self.plan_of(&run.id),
        }
    }

    fn records_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(RECORDS_OF, (run.as_str(),))
    }

    fn records_since(&self, run: &RunId, seq: u64) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE seq > ?2 AND run = ?1 ORDER BY seq",
            (run.as_str(), place(seq)),
        )
    }

    fn intents_between(&self, from: u64, to: u64) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE intent = 1 AND seq > ?1 AND seq < ?2 ORDER BY seq",
            (place(from), place(to)),
        )
    }

    fn buyers(&self) -> Result<HashMap<JobKey, RunId>, StoreError> {
        let sql = "SELECT job, run FROM events WHERE intent = 1 AND job IS NOT NULL ORDER BY seq";
        self.rows(sql, [], |row| {
            let run = RunId::from_text(row.get::<_, String>(1)?);
            Ok((JobKey::from_bytes(row.get(0)?), run))
        })
    }

    fn events_of(&self, run: &RunId) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE run = ?1 AND job IS NULL ORDER BY seq",
            (run.as_str(),),
        )
    }

    fn job_of_task(&self, task: &str) -> Result<Option<JobKey>, StoreError> {
        // One pass over all events, which is a second for a million, is faster than a query for each job.
        let names = format!("\"task_id\":{}", json(&task));
        let sql = "SELECT job, event FROM events WHERE job IS NOT NULL AND instr(event, ?1) > 0 ORDER BY seq";
        let found: Vec<(JobKey, Event)> = self.rows(sql, [names], |row| {
            Ok((JobKey::from_bytes(row.get(0)?), parsed(row, 1)?))
        })?;
        for (job, event) in found {
            if matches!(&event, Event::Accepted { task_id, .. } if task_id.as_str() == task)
                && !is_taken_back(&self.history_of(&job)?, task)
            {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    fn history_of(&self, job: &JobKey) -> Result<Vec<Record>, StoreError> {
        self.records(
            "SELECT seq, at_ms, run, job, event FROM events WHERE job = ?1 ORDER BY seq",
            (job.to_bytes(),),
        )
    }
}

impl Ledger {
    /// Reads jobs as [`known_job`] takes them. Those of an older file, which is only read, have no versions.
    pub(super) fn jobs_sql(&self, which: &str) -> String {
        let version = if self.format < open::VERSIONS {
            "1"
        } else {
            "version"
        };
        format!("SELECT key, account, job, {version} FROM jobs {which}")
    }
}

pub(super) fn known_job(row: &Row<'_>) -> Result<(JobKey, KnownJob), RowError> {
    let known = KnownJob {
        job: Arc::new(parsed(row, 2)?),
        account: row.get(1)?,
        version: row.get::<_, i64>(3)?.unsigned_abs(),
    };
    Ok((JobKey::from_bytes(row.get(0)?), known))
}

fn is_intent(new: &NewRecord) -> bool {
    matches!(new.event, Event::Intent { .. } | Event::Repeated { .. })
}

/// Writes a record at a place; without one, after all others.
pub(super) fn insert_event(
    transaction: &rusqlite::Transaction<'_>,
    seq: Option<u64>,
    new: &NewRecord,
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO events (seq, at_ms, run, account, job, intent, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let job = new.job.map(|key| key.to_bytes());
    let intent = is_intent(new);
    insert.execute(params![
        seq.map(place),
        new.at_ms,
        new.run.as_str(),
        new.account,
        job,
        intent,
        json(&new.event)
    ])?;
    Ok(())
}

/// Writes a plan's rows, unless they are there.
pub(super) fn store_plan(
    transaction: &rusqlite::Transaction<'_>,
    name: &str,
    plan: &[PlannedRow],
) -> rusqlite::Result<()> {
    let is_stored: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM plans WHERE plan = ?1)",
        [name],
        |row| row.get(0),
    )?;
    if is_stored {
        return Ok(());
    }
    let mut insert =
        transaction.prepare("INSERT INTO plans (plan, position, row) VALUES (?1, ?2, ?3)")?;
    for (position, row) in (0_i64..).zip(plan) {
        insert.execute(params![name, position, json(row)])?;
    }
    Ok(())
}
