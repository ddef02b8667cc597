//! What a ledger need not remember for ever: runs that are long over, the rows of their plans, and expired uploads.
//!
//! Jobs are never pruned, nor what happened to them: they are what keeps a job from being bought twice and what brings a deleted
//! track back. Nor is a run that somebody may still need: the last of each manifest, and the last that planned a job whose
//! outcome is open.

use std::collections::{HashMap, HashSet};

use rusqlite::params;

use super::Ledger;
use crate::event::RunId;
use crate::job::{Job, Phase};
use crate::settings::JobKey;
use crate::store::{KnownJob, RunHeader, Store, StoreError, bought_in_place_of};

/// What may be pruned.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prunable {
    /// Runs that nobody needs any more, newest first.
    pub runs: Vec<RunHeader>,
    /// Rows of plans that only these runs have.
    pub plan_rows: u64,
    /// Events of these runs themselves; those of jobs stay.
    pub events: u64,
    /// Uploads that are older.
    pub uploads: u64,
    /// Runs that are old enough and stay all the same.
    pub kept_runs: u64,
    before_ms: i64,
}

impl Prunable {
    /// Whether there is nothing to prune.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.uploads == 0
    }
}

impl Ledger {
    /// What may be pruned of the time before `before_ms`. Changes nothing.
    pub fn prunable(&self, before_ms: i64) -> Result<Prunable, StoreError> {
        let jobs = self.jobs()?;
        let mut open: HashSet<JobKey> = jobs
            .iter()
            .filter(|(_, known)| is_open(&known.job))
            .map(|(key, _)| *key)
            .collect();
        let mut manifests = HashSet::new();
        let (mut gone, mut stays) = (Prunable::default(), Vec::new());
        gone.before_ms = before_ms;
        for run in self.runs()? {
            let is_last = manifests.insert(run.manifest.clone());
            let is_old = run.started_ms < before_ms;
            // A younger run that planned the job names it as well.
            let needed = !open.is_empty() && self.takes_out(&run.id, &jobs, &mut open)?;
            if is_old && !is_last && !needed {
                gone.runs.push(run);
            } else {
                gone.kept_runs += u64::from(is_old);
                stays.push(run);
            }
        }
        let mut stored: HashSet<String> = stays
            .iter()
            .map(|run| self.plans_named(run))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect();
        let (column, _) = self.plan_column();
        for run in &gone.runs {
            gone.events += self.count(
                "SELECT count(*) FROM events WHERE run = ?1 AND job IS NULL",
                run.id.as_str(),
            )?;
            for plan in self.plans_named(run)? {
                if stored.insert(plan.clone()) {
                    let sql = format!("SELECT count(*) FROM plans WHERE {column} = ?1");
                    gone.plan_rows += self.count(&sql, &plan)?;
                }
            }
        }
        gone.uploads = self.count("SELECT count(*) FROM uploads WHERE at_ms < ?1", before_ms)?;
        Ok(gone)
    }

    /// Removes what was found, all of it or nothing, and frees the space on the disk.
    pub fn prune(&mut self, gone: &Prunable) -> Result<(), StoreError> {
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
        self.run("compact", |connection| connection.execute_batch("VACUUM"))
    }

    /// Whether this ledger has recorded a run, pruned ones included.
    pub fn knows_run(&self, run: &RunId) -> Result<bool, StoreError> {
        let id = run.as_str();
        if self.count("SELECT count(*) FROM runs WHERE id = ?1", id)? > 0 {
            return Ok(true);
        }
        let has_pruned = self.count(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            "pruned",
        )?;
        Ok(has_pruned > 0 && self.count("SELECT count(*) FROM pruned WHERE run = ?1", id)? > 0)
    }

    /// Whether the ledger has the record of an attempt with that place and time.
    pub fn knows_intent(&self, seq: u64, at_ms: i64) -> Result<bool, StoreError> {
        let found: i64 = self.run("read", |connection| {
            connection.query_row(
                "SELECT count(*) FROM events WHERE seq = ?1 AND at_ms = ?2 AND intent = 1",
                params![i64::try_from(seq).unwrap_or(i64::MAX), at_ms],
                |row| row.get(0),
            )
        })?;
        Ok(found > 0)
    }

    /// Takes the jobs that a run planned out of `open`; whether there were any.
    fn takes_out(
        &self,
        run: &RunId,
        jobs: &HashMap<JobKey, KnownJob>,
        open: &mut HashSet<JobKey>,
    ) -> Result<bool, StoreError> {
        let before = open.len();
        for row in self.plan_of(run)? {
            open.remove(&row.key);
            if let Some((link, _)) = bought_in_place_of(jobs, row.key) {
                open.remove(&link.key);
            }
        }
        Ok(open.len() < before)
    }

    /// The names of a run's plan and of its manifest's.
    fn plans_named(&self, run: &RunHeader) -> Result<Vec<String>, StoreError> {
        let (_, plan) = self.plan_column();
        let sql = format!("SELECT coalesce({plan}, '')");
        let plan = self.run("read", |connection| {
            connection.query_row(&sql, [run.id.as_str()], |row| row.get(0))
        })?;
        Ok(std::iter::once(plan).chain(run.album.clone()).collect())
    }

    fn count(&self, sql: &str, of: impl rusqlite::ToSql) -> Result<u64, StoreError> {
        let number = self.run("read", |connection| {
            connection
                .prepare_cached(sql)?
                .query_row([of], |row| row.get::<_, i64>(0))
        })?;
        Ok(number.unsigned_abs())
    }
}

/// Whether something may still come of a job: a purchase that comes to light, or tracks to fetch.
fn is_open(job: &Job) -> bool {
    !job.unproven.is_empty()
        || matches!(
            job.phase,
            Phase::Submitting { .. }
                | Phase::InDoubt { .. }
                | Phase::Running(_)
                | Phase::Finished(_)
        )
}
