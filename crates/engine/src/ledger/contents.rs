//! Everything that a ledger in a file has, and how the contents of another one are added to it.

use std::collections::{HashMap, HashSet};

use rusqlite::{Transaction, params};

use super::store::{insert_event, known_job, store_plan};
use super::*;
use crate::store::{AddedRun, Addition, Contents, PAGE, Prunable, Shift, StoredRecord, StoredRun};

impl Contents for Ledger {
    fn stored_runs(&self) -> Result<Vec<StoredRun>, StoreError> {
        let plan = if self.format < open::SHARED_PLANS {
            "id"
        } else {
            "plan"
        };
        let sql = format!("SELECT header, coalesce({plan}, '') FROM runs ORDER BY rowid");
        self.rows(&sql, [], |row| {
            let (header, plan) = (parsed(row, 0)?, row.get(1)?);
            Ok(StoredRun { header, plan })
        })
    }

    fn pruned_runs(&self) -> Result<HashSet<RunId>, StoreError> {
        if self.format < open::SHARED_PLANS {
            return Ok(HashSet::new());
        }
        let run = |row: &Row<'_>| Ok(RunId::from_text(row.get::<_, String>(0)?));
        self.rows("SELECT run FROM pruned", [], run)
    }

    fn plan_named(&self, name: &str) -> Result<Vec<PlannedRow>, StoreError> {
        let (column, _) = self.plan_column();
        self.rows_of(column, "?1", name)
    }

    fn page_of_records(&self, after: u64) -> Result<Vec<StoredRecord>, StoreError> {
        let sql = "SELECT seq, at_ms, run, account, job, event FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        self.rows(sql, params![place(after), PAGE], |row| {
            Ok(StoredRecord {
                seq: row.get::<_, i64>(0)?.unsigned_abs(),
                record: NewRecord {
                    at_ms: row.get(1)?,
                    run: RunId::from_text(row.get::<_, String>(2)?),
                    account: row.get(3)?,
                    job: row.get::<_, Option<_>>(4)?.map(JobKey::from_bytes),
                    event: parsed(row, 5)?,
                },
            })
        })
    }

    fn page_of_jobs(&self, after: Option<&JobKey>) -> Result<Vec<(JobKey, KnownJob)>, StoreError> {
        let sql = self.jobs_sql("WHERE key > ?1 ORDER BY key LIMIT ?2");
        let after = after.map_or_else(Vec::new, |key| key.to_bytes().to_vec());
        self.rows(&sql, params![after, PAGE], known_job)
    }

    fn page_of_hook_results(
        &self,
        after: Option<&[u8; 32]>,
    ) -> Result<Vec<HookResult>, StoreError> {
        if self.format < open::HOOK_RESULTS {
            return Ok(Vec::new());
        }
        let sql = "SELECT question, answer FROM hook_results WHERE question > ?1 ORDER BY question LIMIT ?2";
        let after = after.map_or(&[][..], |input| input);
        self.rows(sql, params![after, PAGE], |row| {
            let (input, response) = (row.get(0)?, row.get(1)?);
            Ok(HookResult { input, response })
        })
    }

    fn uploads(&self) -> Result<Vec<Upload>, StoreError> {
        self.rows("SELECT hash, account, url, at_ms FROM uploads", [], |row| {
            Ok(Upload {
                hash: row.get(0)?,
                account: row.get(1)?,
                url: row.get(2)?,
                at_ms: row.get(3)?,
            })
        })
    }

    fn queued_songs(&self) -> Result<HashMap<RunId, u64>, StoreError> {
        Ok(HashMap::new())
    }

    fn add(&mut self, addition: &Addition<'_>) -> Result<(), StoreError> {
        self.check_place()?;
        let Self {
            connection, path, ..
        } = self;
        let failed = |source| failed(path, "write to", source);
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(failed)?;
        add_runs(&transaction, addition).map_err(failed)?;
        for name in addition.plans() {
            let rows = addition.from.plan_named(name)?;
            store_plan(&transaction, name, &rows).map_err(failed)?;
        }
        move_events(&transaction, &addition.moved).map_err(failed)?;
        let mut records = addition.records();
        while let Some(page) = records.next_page()? {
            for it in page {
                insert_event(&transaction, Some(it.seq), &it.record).map_err(failed)?;
            }
        }
        let mut jobs = addition.jobs();
        while let Some(page) = jobs.next_page()? {
            for (key, known) in page {
                put_job(&transaction, &key, &known).map_err(failed)?;
            }
        }
        for upload in addition.from.uploads()? {
            put_upload(&transaction, &upload).map_err(failed)?;
        }
        let mut results = addition.hook_results();
        while let Some(page) = results.next_page()? {
            for result in page {
                put_hook_result(&transaction, &result).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    fn prune(&mut self, gone: &Prunable) -> Result<(), StoreError> {
        self.write("write to", |transaction| {
            for run in &gone.runs {
                let id = run.id.as_str();
                transaction.execute("INSERT OR IGNORE INTO pruned (run) VALUES (?1)", [id])?;
                transaction.execute("DELETE FROM events WHERE run = ?1 AND job IS NULL", [id])?;
                transaction.execute("DELETE FROM runs WHERE id = ?1", [id])?;
            }
            transaction.execute(
                "DELETE FROM plans WHERE plan NOT IN (SELECT plan FROM runs WHERE plan IS NOT NULL
                 UNION SELECT json_extract(header, '$.album') FROM runs WHERE json_extract(header, '$.album') IS NOT NULL)",
                [],
            )?;
            transaction.execute("DELETE FROM uploads WHERE at_ms < ?1", params![gone.before_ms])?;
            Ok(())
        })?;
        // Frees the space on the disk.
        self.run("compact", |connection| connection.execute_batch("VACUUM"))
    }
}

impl Ledger {
    /// Whether this ledger has recorded a run, pruned ones included.
    pub fn knows_run(&self, run: &RunId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM runs WHERE id = ?1)";
        let is_stored: bool = self.run("read", |connection| {
            connection.query_row(sql, [run.as_str()], |row| row.get(0))
        })?;
        Ok(is_stored || self.pruned_runs()?.contains(run))
    }

    /// Whether the ledger has the record of an attempt with that time. Its place changes when another ledger is added.
    pub fn knows_intent(&self, at_ms: i64) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM events WHERE at_ms = ?1 AND intent = 1)";
        self.run("read", |connection| {
            connection.query_row(sql, [at_ms], |row| row.get(0))
        })
    }
}

/// Stores runs in the order that is wanted: the row of each that follows a new one is the last for a moment.
fn add_runs(transaction: &Transaction<'_>, addition: &Addition<'_>) -> rusqlite::Result<()> {
    let mut follow = transaction
        .prepare("UPDATE runs SET rowid = (SELECT max(rowid) + 1 FROM runs) WHERE id = ?1")?;
    let mut insert = transaction
        .prepare("INSERT INTO runs (id, started_ms, header, plan) VALUES (?1, ?2, ?3, ?4)")?;
    for run in &addition.runs {
        match run {
            AddedRun::Present(id) => follow.execute([id.as_str()])?,
            AddedRun::New(run) => {
                let header = &run.header;
                let values = params![
                    header.id.as_str(),
                    header.started_ms,
                    json(header),
                    run.plan
                ];
                insert.execute(values)?
            }
        };
    }
    for run in &addition.pruned {
        let sql = "INSERT OR IGNORE INTO pruned (run) VALUES (?1)";
        transaction.execute(sql, [run.as_str()])?;
    }
    Ok(())
}

/// Moves records. Their places are negative for a moment, so that no two records have the same.
fn move_events(transaction: &Transaction<'_>, moved: &[Shift]) -> rusqlite::Result<()> {
    let Some(first) = moved.first() else {
        return Ok(());
    };
    let sql = "UPDATE events SET seq = -seq WHERE seq >= ?1";
    transaction.execute(sql, [place(first.first)])?;
    let mut to_place =
        transaction.prepare("UPDATE events SET seq = ?3 - seq WHERE seq BETWEEN -?2 AND -?1")?;
    for shift in moved {
        to_place.execute(params![place(shift.first), place(shift.last), shift.by])?;
    }
    Ok(())
}

fn put_job(transaction: &Transaction<'_>, key: &JobKey, known: &KnownJob) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached(
        "INSERT OR REPLACE INTO jobs (key, account, job, version) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let version = place(known.version) + 1;
    put.execute(params![
        key.to_bytes(),
        known.account,
        json(&known.job),
        version
    ])?;
    Ok(())
}

/// Keeps the newer one of two uploads of the same file.
fn put_upload(transaction: &Transaction<'_>, upload: &Upload) -> rusqlite::Result<()> {
    let mut put = transaction.prepare_cached(
        "INSERT INTO uploads (hash, account, url, at_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (hash, account) DO UPDATE SET url = excluded.url, at_ms = excluded.at_ms
         WHERE excluded.at_ms > at_ms",
    )?;
    put.execute(params![
        upload.hash,
        upload.account,
        upload.url,
        upload.at_ms
    ])?;
    Ok(())
}

/// Keeps the response that is there.
fn put_hook_result(transaction: &Transaction<'_>, result: &HookResult) -> rusqlite::Result<()> {
    let mut put = transaction
        .prepare_cached("INSERT OR IGNORE INTO hook_results (question, answer) VALUES (?1, ?2)")?;
    put.execute(params![result.input, result.response])?;
    Ok(())
}
