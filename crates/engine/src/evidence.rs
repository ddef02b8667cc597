//! What the account's balances show about jobs in doubt: a pure function of the ledger.
//!
//! A run records the account's balance before its first submission and after its last track, and how many credits it is known to
//! have spent. What the balance fell by beyond that was charged for attempts whose response was lost, unless the account is used
//! elsewhere. Only attempts that began after the first of the two balances are judged: they say nothing about an earlier charge.

use std::collections::{BTreeMap, HashMap};

use crate::event::{Event, Moment, RunId};
use crate::job::Phase;
use crate::plan::JobKey;
use crate::store::{KnownJob, RunHeader, Store, StoreError};

/// Credits that two balances may differ by without meaning anything.
const TOLERANCE: f64 = 0.5;

/// What the balances show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Evidence {
    /// The runs that were charged more than they know of, the oldest first.
    pub charged: Vec<Charged>,
    /// Whether every job in doubt is of a run whose purchases moved the balance by exactly what they cost.
    pub uncharged: bool,
}

/// A run that was charged more than it knows of.
#[derive(Debug, Clone, PartialEq)]
pub struct Charged {
    /// When it began, Unix time in milliseconds.
    pub started_ms: i64,
    /// How many of its jobs are in doubt now.
    pub jobs: u64,
    /// The credits that nothing accounts for.
    pub credits: f64,
}

/// A run's two balances.
struct Balances {
    /// The place of the first one in the ledger.
    since: u64,
    fell_by: f64,
    /// Credits that the run knew to have spent when it ended.
    spent: f64,
    ended_ms: i64,
}

/// The evidence on those of `keys` that are in doubt.
pub fn evidence<'a>(
    store: &dyn Store,
    jobs: &HashMap<JobKey, KnownJob>,
    keys: impl IntoIterator<Item = &'a JobKey>,
) -> Result<Evidence, StoreError> {
    let mut doubts: BTreeMap<RunId, Vec<u64>> = BTreeMap::new();
    for key in keys {
        let Some(Phase::InDoubt { attempt, .. }) = jobs.get(key).map(|known| &known.job.phase)
        else {
            continue;
        };
        if let Some((run, seq)) = intent(store, key, *attempt)? {
            doubts.entry(run).or_default().push(seq);
        }
    }
    if doubts.is_empty() {
        return Ok(Evidence::default());
    }
    let mut found = Evidence {
        charged: Vec::new(),
        uncharged: true,
    };
    // The newest first, as the store has them.
    for run in store.runs()?.iter().rev() {
        let Some(doubts) = doubts.remove(&run.id) else {
            continue;
        };
        let Some(balances) = balances(store, run)? else {
            found.uncharged = false;
            continue;
        };
        let judged = doubts.iter().filter(|seq| **seq > balances.since).count();
        let late = known_since(store, jobs, run, &balances)?;
        let unexplained = balances.fell_by - balances.spent - late;
        if judged > 0 && unexplained >= TOLERANCE {
            found.charged.push(Charged {
                started_ms: run.started_ms,
                jobs: judged as u64,
                credits: unexplained,
            });
        }
        // Where nothing known was bought, nothing shows that the balance moves at all.
        found.uncharged &= judged == doubts.len()
            && balances.spent + late >= TOLERANCE
            && unexplained.abs() < TOLERANCE;
    }
    // A run that is not in the ledger any more has no balances.
    found.uncharged &= doubts.is_empty();
    Ok(found)
}

/// The run that made an attempt, and the place of its record.
fn intent(
    store: &dyn Store,
    key: &JobKey,
    wanted: u32,
) -> Result<Option<(RunId, u64)>, StoreError> {
    let history = store.history_of(key)?;
    let intent = history
        .into_iter()
        .find(|record| matches!(record.event, Event::Intent { attempt, .. } if attempt == wanted));
    Ok(intent.map(|record| (record.run, record.seq)))
}

/// A run's balances; none where one is missing, or where the run did not end.
fn balances(store: &dyn Store, run: &RunHeader) -> Result<Option<Balances>, StoreError> {
    let (mut before, mut after, mut ended) = (None, None, None);
    for record in store.events_of(&run.id)? {
        match record.event {
            Event::Credits {
                balance,
                moment: Moment::Before,
            } => before = Some((record.seq, balance)),
            Event::Credits {
                balance,
                moment: Moment::After,
            } => after = Some(balance),
            Event::RunEnded { credits, .. } => ended = Some((record.at_ms, credits)),
            _ => {}
        }
    }
    let balances = || {
        let ((since, before), (ended_ms, spent)) = (before?, ended?);
        Some(Balances {
            since,
            fell_by: before - after?,
            spent,
            ended_ms,
        })
    };
    Ok(balances())
}

/// Credits of the run's attempts whose task became known after it had ended.
fn known_since(
    store: &dyn Store,
    jobs: &HashMap<JobKey, KnownJob>,
    run: &RunHeader,
    balances: &Balances,
) -> Result<f64, StoreError> {
    let mut credits = 0.0;
    for (key, known) in jobs {
        for task in known.job.task().into_iter().chain(&known.job.others) {
            if task.accepted_ms >= balances.ended_ms
                && let Some((buyer, seq)) = intent(store, key, task.attempt)?
                && buyer == run.id
                && seq > balances.since
            {
                credits += task.credits;
            }
        }
    }
    Ok(credits)
}
