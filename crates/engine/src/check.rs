//! Checks a ledger: jobs are made anew from their records and compared with what is stored.
//!
//! The records are the truth, and a stored job is what they made of it. A difference means that something else has changed the ledger.

use std::collections::HashMap;
use std::fmt;

use crate::event::{Event, RunId};
use crate::job::Job;
use crate::settings::JobKey;
use crate::store::{Contents, StoreError};

/// What is wrong with a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A job's stored state is not what its records make of it.
    Differs(JobKey),
    /// A job was changed by records and has no stored state.
    NotStored(JobKey),
    /// A run's plan is not there.
    NoPlan(RunId),
    /// What only this kind of store has is wrong: its file, its sums.
    Store(String),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(key) => write!(
                f,
                "job {}: the stored state differs from the job's events",
                key.short()
            ),
            Self::NotStored(key) => write!(
                f,
                "job {}: events have changed it, and no state is stored",
                key.short()
            ),
            Self::NoPlan(run) => write!(f, "run {run}: the rows of its plan are missing"),
            Self::Store(what) => f.write_str(what),
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checked {
    /// How much the ledger has.
    pub extent: Extent,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// How much a ledger has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extent {
    /// Runs.
    pub runs: u64,
    /// Jobs that something has happened to.
    pub jobs: u64,
    /// Events.
    pub events: u64,
}

/// Checks what every store has; each store's own check includes this one.
///
/// # Errors
/// When the store can't be read.
pub fn check(store: &dyn Contents) -> Result<Checked, StoreError> {
    let mut extent = Extent::default();
    let mut made: HashMap<JobKey, Job> = HashMap::new();
    let mut planned: HashMap<RunId, u64> = HashMap::new();
    let mut after = 0;
    loop {
        let page = store.page_of_records(after)?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        extent.events += page.len() as u64;
        for new in page.into_iter().map(|it| it.record) {
            if let Some(key) = new.job {
                made.entry(key).or_default().replay(new.at_ms, &new.event);
            } else if let Event::RunStarted { jobs, .. } = new.event {
                planned.insert(new.run, jobs);
            }
        }
    }
    let mut findings = Vec::new();
    let mut after = None;
    loop {
        let page = store.page_of_jobs(after.as_ref())?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        extent.jobs += page.len() as u64;
        for (key, known) in page {
            if made.remove(&key).unwrap_or_default() != *known.job {
                findings.push(Finding::Differs(key));
            }
        }
    }
    // Decisions of hooks leave a job as it was.
    made.retain(|_, job| *job != Job::default());
    let mut unstored: Vec<JobKey> = made.into_keys().collect();
    unstored.sort();
    findings.extend(unstored.into_iter().map(Finding::NotStored));
    for run in store.stored_runs()? {
        extent.runs += 1;
        let has_jobs = planned.get(&run.header.id).is_some_and(|jobs| *jobs > 0);
        if has_jobs && store.plan_named(&run.plan)?.is_empty() {
            findings.push(Finding::NoPlan(run.header.id));
        }
    }
    Ok(Checked { extent, findings })
}
