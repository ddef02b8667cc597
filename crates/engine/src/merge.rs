//! Adds everything that one ledger has to another one: a ledger moves to a server or back, and the ledgers of several machines become one.
//!
//! ```text
//!  ledger    1 2 . . 3 . 4      records of both in the order of their times; each ledger's own order stays
//!  other         1 2   3        a record that the ledger has already is not added again
//! ```
//!
//! - A record is the same in both if run, job, time and event are equal. So adding a ledger twice changes nothing, and a copy that was
//!   used further adds what is new.
//! - A job that only one ledger has is as it is there. A job that both have is made anew from the records of both, in their order. If they
//!   can't follow each other, as where both have bought it, nothing at all is added: no purchase may be lost, and none may be recorded as
//!   another one.
//! - Records get new places. Nothing outside of a ledger names a record by its place.
//!
//! Both ledgers are read twice, in pages. What stays in memory is 50 bytes or so for each record that both have, 32 for each job that changes,
//! and 24 for each stretch of neighbours.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use backline_api::TaskId;

use crate::event::{Event, Record, RunId};
use crate::job::{Job, Step};
use crate::settings::JobKey;
use crate::store::{
    AddedRun, Addition, Contents, KnownJob, Shift, StoreError, StoredRecord, moved_to,
};

/// What is added to a ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Added {
    /// Runs.
    pub runs: u64,
    /// Jobs that the ledger did not have.
    pub jobs: u64,
    /// Jobs that both ledgers have and that changed.
    pub merged_jobs: u64,
    /// Events.
    pub events: u64,
}

/// Why a ledger is not added to another one. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Jobs have histories that can't be joined.
    #[error("{} jobs have two histories that can't be joined", .0.len())]
    TwoHistories(Vec<TwoHistories>),
    /// One of the ledgers can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A job whose histories in two ledgers can't be joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwoHistories {
    /// The job.
    pub key: JobKey,
    /// Its tasks in the ledger that is added to.
    pub here: Vec<TaskId>,
    /// Its tasks in the other one.
    pub there: Vec<TaskId>,
}

/// Adds everything of `from` to `to`; all or nothing.
///
/// # Errors
/// When a job's histories can't be joined, or a ledger can't be read or written.
pub fn merge(to: &mut dyn Contents, from: &dyn Contents) -> Result<Added, MergeError> {
    let addition = plan(to, from)?;
    let is_new = |run: &&AddedRun| matches!(run, AddedRun::New(_));
    let count = |shift: &Shift| shift.last - shift.first + 1;
    let added = Added {
        runs: addition.runs.iter().filter(is_new).count() as u64,
        jobs: addition.new_jobs,
        merged_jobs: addition.merged.len() as u64,
        events: addition.added.iter().map(count).sum(),
    };
    if !addition.is_empty() {
        to.add(&addition)?;
    }
    Ok(added)
}

/// What of `from` is added to `to`, and where it goes.
fn plan<'a>(to: &dyn Contents, from: &'a dyn Contents) -> Result<Addition<'a>, MergeError> {
    let present = Present::read(to, from)?;
    let Order {
        moved,
        added,
        changed,
    } = order(to, from, &present)?;
    let mut addition = Addition {
        from,
        runs: runs(to, from, &present.pruned)?,
        pruned: Vec::new(),
        moved,
        added,
        merged: HashMap::new(),
        unchanged: HashSet::new(),
        new_jobs: 0,
    };
    let theirs = from.pruned_runs()?;
    let known: HashSet<RunId> = to
        .stored_runs()?
        .into_iter()
        .map(|it| it.header.id)
        .collect();
    let is_unknown = |run: &RunId| !present.pruned.contains(run) && !known.contains(run);
    addition.pruned = theirs.into_iter().filter(is_unknown).collect();
    addition.pruned.sort();
    join_jobs(to, &changed, &mut addition)?;
    Ok(addition)
}

/// The records of the ledger that is added to which the other one may have as well.
struct Present {
    /// Their identities, each with its time in the order of the ledger.
    records: HashMap<u128, i64>,
    /// The runs that the ledger does not remember any more.
    pruned: HashSet<RunId>,
}

impl Present {
    fn read(to: &dyn Contents, from: &dyn Contents) -> Result<Self, StoreError> {
        let mut runs: HashSet<RunId> = HashSet::new();
        each_record(from, |it| {
            if !runs.contains(&it.record.run) {
                runs.insert(it.record.run);
            }
        })?;
        let mut records = HashMap::new();
        let mut time_ms = i64::MIN;
        each_record(to, |it| {
            time_ms = time_ms.max(it.record.at_ms);
            if runs.contains(&it.record.run) {
                records.insert(identity(&it), time_ms);
            }
        })?;
        let pruned = to.pruned_runs()?;
        Ok(Self { records, pruned })
    }

    /// Whether a record of the other ledger is there, or was pruned.
    fn has(&self, it: &StoredRecord) -> bool {
        let is_pruned = it.record.job.is_none() && self.pruned.contains(&it.record.run);
        is_pruned || self.records.contains_key(&identity(it))
    }
}

/// The same for records of one run and job with the same time and event.
fn identity(it: &StoredRecord) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(it.record.run.as_str().as_bytes());
    hasher.update(&it.record.at_ms.to_le_bytes());
    hasher.update(&it.record.job.map_or([0; 32], JobKey::to_bytes));
    let event = serde_json::to_vec(&it.record.event);
    hasher.update(&event.expect("events have string keys and finite numbers"));
    let bytes = hasher.finalize();
    let (first, _) = bytes
        .as_bytes()
        .split_first_chunk()
        .expect("a hash has 32 bytes");
    u128::from_le_bytes(*first)
}

fn each_record(store: &dyn Contents, mut take: impl FnMut(StoredRecord)) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = store.page_of_records(after)?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.seq;
        page.into_iter().for_each(&mut take);
    }
}

/// A ledger's records one by one.
struct Records<'a> {
    store: &'a dyn Contents,
    page: std::vec::IntoIter<StoredRecord>,
    after: u64,
}

impl<'a> Records<'a> {
    fn new(store: &'a dyn Contents) -> Self {
        Self {
            store,
            page: Vec::new().into_iter(),
            after: 0,
        }
    }

    fn next(&mut self) -> Result<Option<StoredRecord>, StoreError> {
        if self.page.len() == 0 {
            self.page = self.store.page_of_records(self.after)?.into_iter();
        }
        let next = self.page.next();
        if let Some(it) = &next {
            self.after = it.seq;
        }
        Ok(next)
    }
}

/// The order of the records of both ledgers.
#[derive(Default)]
struct Order {
    moved: Vec<Shift>,
    added: Vec<Shift>,
    /// The jobs of the records that are added.
    changed: HashSet<JobKey>,
}

/// Orders the records of both ledgers by time. Each ledger's own order stays, so a time that is before an earlier record's counts as that
/// one. Gaps between places stay, too: a ledger that is added to an empty one keeps its places.
fn order(to: &dyn Contents, from: &dyn Contents, present: &Present) -> Result<Order, StoreError> {
    let mut order = Order::default();
    let mut own = Records::new(to);
    let mut next_own = own.next()?;
    let (mut own_ms, mut own_seq) = (i64::MIN, 0);
    let mut theirs = Records::new(from);
    let (mut their_ms, mut their_seq) = (i64::MIN, 0);
    // How far the ledger's own records have moved by now.
    let mut shift = 0_u64;
    while let Some(it) = theirs.next()? {
        let gap = it.seq - their_seq;
        their_seq = it.seq;
        their_ms = their_ms.max(it.record.at_ms);
        if present.has(&it) {
            let there_ms = present.records.get(&identity(&it));
            their_ms = their_ms.max(there_ms.copied().unwrap_or(their_ms));
            continue;
        }
        while let Some(own_next) = &next_own {
            own_ms = own_ms.max(own_next.record.at_ms);
            if own_ms > their_ms {
                break;
            }
            own_seq = own_next.seq;
            order.moves(own_seq, shift);
            next_own = own.next()?;
        }
        // After what was added last, which is after the ledger's own record before it.
        shift += gap;
        let place = own_seq + shift;
        order.adds(it.seq, place.cast_signed() - it.seq.cast_signed());
        order.changed.extend(it.record.job);
    }
    while let Some(own_next) = next_own.filter(|_| shift > 0) {
        order.moves(own_next.seq, shift);
        next_own = own.next()?;
    }
    Ok(order)
}

impl Order {
    /// One of the ledger's own records moves.
    fn moves(&mut self, seq: u64, by: u64) {
        let by = by.cast_signed();
        match self.moved.last_mut() {
            _ if by == 0 => {}
            Some(shift) if shift.by == by => shift.last = seq,
            _ => self.moved.push(Shift::of(seq, by)),
        }
    }

    /// One of the other ledger's records is added.
    fn adds(&mut self, seq: u64, by: i64) {
        match self.added.last_mut() {
            // Between records that are no neighbours may be some that are not added.
            Some(shift) if shift.by == by && shift.last + 1 == seq => shift.last = seq,
            _ => self.added.push(Shift::of(seq, by)),
        }
    }
}

/// The runs of both ledgers, from the first that is new on, in the order of their times; each ledger's own order stays.
fn runs(
    to: &dyn Contents,
    from: &dyn Contents,
    pruned: &HashSet<RunId>,
) -> Result<Vec<AddedRun>, StoreError> {
    // Each of the ledger's own runs with its time in the order of the ledger.
    let mut own = Vec::new();
    let mut time_ms = i64::MIN;
    for run in to.stored_runs()? {
        time_ms = time_ms.max(run.header.started_ms);
        own.push((run.header.id, time_ms));
    }
    let known: HashMap<RunId, i64> = own.iter().cloned().collect();
    let mut runs = Vec::new();
    let mut own = own.into_iter().peekable();
    let mut their_ms = i64::MIN;
    for run in from.stored_runs()? {
        their_ms = their_ms.max(run.header.started_ms);
        if let Some(there_ms) = known.get(&run.header.id) {
            their_ms = their_ms.max(*there_ms);
            continue;
        }
        if pruned.contains(&run.header.id) {
            continue;
        }
        while let Some((id, _)) = own.next_if(|(_, own_ms)| *own_ms <= their_ms) {
            if !runs.is_empty() {
                runs.push(AddedRun::Present(id));
            }
        }
        runs.push(AddedRun::New(Box::new(run)));
    }
    if !runs.is_empty() {
        runs.extend(own.map(|(id, _)| AddedRun::Present(id)));
    }
    Ok(runs)
}

/// Compares the jobs of both ledgers, and joins those that both have.
fn join_jobs(
    to: &dyn Contents,
    changed: &HashSet<JobKey>,
    addition: &mut Addition<'_>,
) -> Result<(), MergeError> {
    let mut refused = Vec::new();
    let mut own = Jobs::new(to);
    let mut next_own = own.next()?;
    let mut theirs = Jobs::new(addition.from);
    while let Some((key, their)) = theirs.next()? {
        while next_own.as_ref().is_some_and(|(own, _)| *own < key) {
            next_own = own.next()?;
        }
        let Some((_, known)) = next_own.as_ref().filter(|(own, _)| *own == key) else {
            addition.new_jobs += 1;
            continue;
        };
        if !changed.contains(&key) {
            addition.unchanged.insert(key);
            continue;
        }
        match joined(to, addition, key, known, &their)? {
            Some(joined) => {
                addition.merged.insert(key, joined);
            }
            None => refused.push(TwoHistories {
                key,
                here: known.job.task_ids().cloned().collect(),
                there: their.job.task_ids().cloned().collect(),
            }),
        }
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(MergeError::TwoHistories(refused))
    }
}

/// A job as the records of both ledgers make it; none if they can't follow each other, or would lose a task.
fn joined(
    to: &dyn Contents,
    addition: &Addition<'_>,
    key: JobKey,
    known: &KnownJob,
    their: &KnownJob,
) -> Result<Option<KnownJob>, StoreError> {
    let own = to.history_of(&key)?.into_iter();
    let own = own.map(|it| {
        (
            moved_to(&addition.moved, it.seq).unwrap_or(it.seq),
            false,
            it,
        )
    });
    let new = addition.from.history_of(&key)?.into_iter();
    let new = new.filter_map(|it| Some((moved_to(&addition.added, it.seq)?, true, it)));
    let mut history: Vec<(u64, bool, Record)> = own.chain(new).collect();
    history.sort_by_key(|(seq, ..)| *seq);
    let mut job = Job::default();
    let mut account = &known.account;
    for (_, is_new, it) in &history {
        match job.step(it.at_ms, &it.event) {
            Step::Changed(next) => job = next,
            Step::Unchanged => {}
            Step::Illegal => return Ok(None),
        }
        if matches!(it.event, Event::Intent { .. } | Event::Repeated { .. }) {
            account = if *is_new {
                &their.account
            } else {
                &known.account
            };
        }
    }
    let tasks: HashSet<&TaskId> = job.task_ids().collect();
    let mut all = known.job.task_ids().chain(their.job.task_ids());
    if !all.all(|task| tasks.contains(task)) {
        return Ok(None);
    }
    Ok(Some(KnownJob {
        account: account.clone(),
        job: Arc::new(job),
        version: known.version,
    }))
}

/// A ledger's jobs one by one, by key.
struct Jobs<'a> {
    store: &'a dyn Contents,
    page: std::vec::IntoIter<(JobKey, KnownJob)>,
    after: Option<JobKey>,
}

impl<'a> Jobs<'a> {
    fn new(store: &'a dyn Contents) -> Self {
        Self {
            store,
            page: Vec::new().into_iter(),
            after: None,
        }
    }

    fn next(&mut self) -> Result<Option<(JobKey, KnownJob)>, StoreError> {
        if self.page.len() == 0 {
            self.page = self.store.page_of_jobs(self.after.as_ref())?.into_iter();
        }
        let next = self.page.next();
        if let Some((key, _)) = &next {
            self.after = Some(*key);
        }
        Ok(next)
    }
}
