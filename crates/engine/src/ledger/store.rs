//! The ledger as the engine's store.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{OptionalExtension, params};

use super::*;
use crate::event::Via;

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

    fn append(&mut self, batch: &Batch) -> Result<Vec<Record>, StoreError> {
        let is_intent =
            |new: &NewRecord| matches!(new.event, Event::Intent { .. } | Event::Repeated { .. });
        if batch.events.iter().any(is_intent) {
            self.check_place()?;
        }
        self.write("write to", |transaction| {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (at_ms, run, account, job, intent, event) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            let mut records = Vec::with_capacity(batch.events.len());
            for new in &batch.events {
                let intent = is_intent(new);
                let job = new.job.map(|key| key.to_bytes());
                insert.execute(params![new.at_ms, new.run.as_str(), new.account, job, intent, json(&new.event)])?;
                records.push(Record {
                    seq: transaction.last_insert_rowid().unsigned_abs(),
                    at_ms: new.at_ms,
                    run: new.run.clone(),
                    job: new.job,
                    event: new.event.clone(),
                });
            }
            let mut replace = transaction.prepare_cached(
                "INSERT INTO jobs (key, account, job) VALUES (?1, ?2, ?3)
                 ON CONFLICT (key) DO UPDATE SET account = excluded.account, job = excluded.job",
            )?;
            for (key, known) in &batch.jobs {
                replace.execute(params![key.to_bytes(), known.account, json(&known.job)])?;
            }
            let mut keep = transaction.prepare_cached(
                "INSERT INTO uploads (hash, account, url, at_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms",
            )?;
            for upload in &batch.uploads {
                keep.execute(params![upload.hash, upload.account, upload.url, upload.at_ms])?;
            }
            Ok(records)
        })
    }

    fn job(&self, key: &JobKey) -> Result<Option<KnownJob>, StoreError> {
        let sql = "SELECT account, job FROM jobs WHERE key = ?1";
        let found: Vec<KnownJob> = self.rows(sql, [key.to_bytes()], |row| {
            Ok(KnownJob {
                job: Arc::new(parsed(row, 1)?),
                account: row.get(0)?,
            })
        })?;
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
        self.rows("SELECT key, account, job FROM jobs", [], |row| {
            let known = KnownJob {
                job: Arc::new(parsed(row, 2)?),
                account: row.get(1)?,
            };
            Ok((JobKey::from_bytes(row.get(0)?), known))
        })
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

    fn intents_since(&self, account: &str, since_ms: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT at_ms FROM events WHERE intent = 1 AND account = ?1 AND at_ms >= ?2";
        self.rows(sql, params![account, since_ms], |row| Ok(row.get(0)?))
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

    fn intents_between(&self, from: u64, to: u64) -> Result<Vec<Record>, StoreError> {
        let place = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
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
                && !self.is_taken_back(&job, task)?
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
    /// Whether the user took back that a task is the job's.
    fn is_taken_back(&self, job: &JobKey, task: &str) -> Result<bool, StoreError> {
        let mut given_for = None;
        let mut is_taken_back = false;
        for record in self.history_of(job)? {
            match record.event {
                Event::Accepted {
                    attempt,
                    task_id,
                    via,
                } if task_id.as_str() == task => {
                    given_for = (via == Via::User).then_some(attempt);
                    is_taken_back = false;
                }
                // What a later `Reopened` withdraws is this, and no longer the task.
                Event::NeverBought { attempt } | Event::BuyAgain { attempt }
                    if given_for == Some(attempt) =>
                {
                    given_for = None;
                }
                Event::Reopened { attempt } => is_taken_back |= given_for == Some(attempt),
                _ => {}
            }
        }
        Ok(is_taken_back)
    }
}

/// Writes a plan's rows, unless they are there.
fn store_plan(
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

/// A plan's name in the ledger: runs with equal plans share it.
fn plan_name(plan: &[PlannedRow]) -> String {
    let mut hasher = blake3::Hasher::new();
    for row in plan {
        hasher.update(json(row).as_bytes());
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}
