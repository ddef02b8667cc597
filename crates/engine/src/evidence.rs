//! What the account's balances show about jobs in doubt and refused requests: a pure function of the ledger.
//!
//! A run records the account's balance before its first submission and after its last track. Between two readings that follow each
//! other the balance falls by what was charged, also where the first is of a run that was killed and the second of the next one.
//! What it fell by beyond the known purchases was charged for attempts whose response was lost or refused, unless the account is used
//! elsewhere. An attempt is judged by the readings before and after it; a run reads its balance before it submits.

use std::collections::HashMap;

use backline_api::Credits;

use crate::event::{Event, RunId};
use crate::job::{Job, Phase};
use crate::settings::JobKey;
use crate::store::{KnownJob, Store, StoreError};

/// Credits that two balances may differ by without meaning anything.
const TOLERANCE: f64 = 0.5;

/// What the balances show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// The times between two readings in which more was charged than is known of, the oldest first.
    pub charged: Vec<Charged>,
    /// Whether every job in doubt is of a time in which the purchases moved the balance by exactly what they cost.
    pub uncharged: bool,
}

/// A time between two readings in which more was charged than is known of.
#[derive(Debug, Clone, PartialEq)]
pub struct Charged {
    /// When the run began that read the first balance, Unix time in milliseconds.
    pub started_ms: i64,
    /// How many jobs that were submitted in it are in doubt now.
    pub jobs: u64,
    /// What those would have cost.
    pub doubtful: f64,
    /// The credits that nothing accounts for.
    pub credits: f64,
}

/// A balance, and its place in the ledger.
struct Reading {
    seq: u64,
    balance: f64,
    run: RunId,
    account: String,
    started_ms: i64,
}

/// The evidence on those of `keys` that are in doubt, and on the charges since `run` began.
///
/// # Errors
/// When the ledger can't be read.
pub fn evidence<'a>(
    store: &dyn Store,
    jobs: &HashMap<JobKey, KnownJob>,
    keys: impl IntoIterator<Item = &'a JobKey>,
    run: Option<&RunId>,
) -> Result<Evidence, StoreError> {
    let mut doubts = Vec::new();
    for key in keys {
        let phase = jobs.get(key).map(|known| &known.job.phase);
        if let Some(Phase::InDoubt { attempt, .. }) = phase {
            doubts.push(intent(store, key, *attempt)?);
        }
    }
    if doubts.is_empty() && run.is_none() {
        return Ok(Evidence::default());
    }
    let readings = readings(store)?;
    let mut found = Evidence {
        charged: Vec::new(),
        uncharged: !doubts.is_empty(),
    };
    let mut judged_doubts = 0;
    for (at, first) in readings.iter().enumerate() {
        let mut later = readings[at + 1..].iter();
        let Some(last) = later.find(|reading| reading.account == first.account) else {
            continue;
        };
        let is_judged = |intent: &Intent| (first.seq..last.seq).contains(&intent.seq);
        let judged: Vec<&Intent> = doubts.iter().flatten().filter(|it| is_judged(it)).collect();
        if judged.is_empty() && run != Some(&first.run) {
            continue;
        }
        judged_doubts += judged.len();
        let known = f64::from(known_cost(store, jobs, first.seq, last.seq)?);
        let unexplained = first.balance - last.balance - known;
        if unexplained >= TOLERANCE {
            found.charged.push(Charged {
                started_ms: first.started_ms,
                jobs: judged.len() as u64,
                doubtful: f64::from(judged.iter().map(|intent| intent.credits).sum::<Credits>()),
                credits: unexplained,
            });
        }
        // Where nothing known was bought, nothing shows that the balance moves at all.
        found.uncharged &=
            judged.is_empty() || (known >= TOLERANCE && unexplained.abs() < TOLERANCE);
    }
    found.uncharged &= judged_doubts == doubts.len();
    Ok(found)
}

/// Every balance that a run of the ledger has read, in the order in which they were read.
fn readings(store: &dyn Store) -> Result<Vec<Reading>, StoreError> {
    let mut readings = Vec::new();
    for run in store.runs()? {
        for record in store.events_of(&run.id)? {
            if let Event::Credits { balance, .. } = record.event {
                readings.push(Reading {
                    seq: record.seq,
                    balance,
                    run: run.id.clone(),
                    account: run.account.clone(),
                    started_ms: run.started_ms,
                });
            }
        }
    }
    readings.sort_by_key(|reading| reading.seq);
    Ok(readings)
}

/// An attempt as it was recorded before its request.
struct Intent {
    seq: u64,
    credits: Credits,
}

fn intent(store: &dyn Store, key: &JobKey, wanted: u32) -> Result<Option<Intent>, StoreError> {
    let history = store.history_of(key)?;
    Ok(history.into_iter().find_map(|record| match record.event {
        Event::Intent {
            attempt, credits, ..
        } if attempt == wanted => Some(Intent {
            seq: record.seq,
            credits,
        }),
        _ => None,
    }))
}

/// Credits of the attempts between two places in the ledger whose task is known, but for those given back by the second.
fn known_cost(
    store: &dyn Store,
    jobs: &HashMap<JobKey, KnownJob>,
    from: u64,
    to: u64,
) -> Result<Credits, StoreError> {
    let mut cost = Credits::ZERO;
    for record in store.intents_between(from, to)? {
        let (
            Some(key),
            Event::Intent {
                attempt, credits, ..
            },
        ) = (record.job, &record.event)
        else {
            continue;
        };
        let Some(KnownJob { job, .. }) = jobs.get(&key) else {
            continue;
        };
        let mut tasks = job.task().into_iter().chain(&job.others);
        if let Some(task) = tasks.find(|task| task.attempt == *attempt) {
            cost += task.credits;
        } else if has_failed_task(job, *attempt) && !was_refunded(store, &key, *attempt, to)? {
            cost += *credits;
        }
    }
    Ok(cost)
}

fn has_failed_task(job: &Job, attempt: u32) -> bool {
    let mut unproven = job.unproven.iter();
    unproven.any(|it| it.attempt == attempt && it.failed_task.is_some())
}

/// Whether the provider had said by `to` that it gave back what the task of an attempt cost.
fn was_refunded(store: &dyn Store, key: &JobKey, wanted: u32, to: u64) -> Result<bool, StoreError> {
    let mut followed = 0;
    for record in store.history_of(key)? {
        match record.event {
            Event::Accepted { attempt, .. } => followed = attempt,
            Event::TaskFailed { refunded: true, .. } if followed == wanted => {
                return Ok(record.seq < to);
            }
            _ => {}
        }
    }
    Ok(false)
}
