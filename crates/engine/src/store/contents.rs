//! Everything that a store has, in pages, and how the contents of another one are added to it.
//!
//! Moving, merging, checking and pruning use this, so they are the same on every store.

use std::collections::{HashMap, HashSet};

use super::{HookResult, KnownJob, NewRecord, PlannedRow, RunHeader, Store, StoreError, Upload};
use crate::event::RunId;
use crate::settings::JobKey;

/// Rows of a page: some megabytes of records.
pub const PAGE: u32 = 4096;

/// A store whose contents can be moved.
pub trait Contents: Store {
    /// The runs in the order in which they were recorded.
    fn stored_runs(&self) -> Result<Vec<StoredRun>, StoreError>;
    /// The runs that were pruned.
    fn pruned_runs(&self) -> Result<HashSet<RunId>, StoreError>;
    /// The rows of the plan with this name, in plan order.
    fn plan_named(&self, name: &str) -> Result<Vec<PlannedRow>, StoreError>;
    /// At most [`PAGE`] records that follow a place, in order; none at the end.
    fn page_of_records(&self, after: u64) -> Result<Vec<StoredRecord>, StoreError>;
    /// At most [`PAGE`] jobs whose keys follow `after`, by key; none at the end.
    fn page_of_jobs(&self, after: Option<&JobKey>) -> Result<Vec<(JobKey, KnownJob)>, StoreError>;
    /// At most [`PAGE`] responses of hooks whose inputs follow `after`, by input; none at the end.
    fn page_of_hook_results(&self, after: Option<&[u8; 32]>)
    -> Result<Vec<HookResult>, StoreError>;
    /// Where stems were uploaded to.
    fn uploads(&self) -> Result<Vec<Upload>, StoreError>;
    /// How many songs of each run are queued for any process.
    fn queued_songs(&self) -> Result<HashMap<RunId, u64>, StoreError>;
    /// Adds what another store has; all or nothing, durable on return.
    fn add(&mut self, addition: &Addition<'_>) -> Result<(), StoreError>;
    /// Removes what was found to be prunable; all or nothing.
    fn prune(&mut self, gone: &Prunable) -> Result<(), StoreError>;
}

/// A run, and the name of its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// What it was started with.
    pub header: RunHeader,
    /// Its plan's name.
    pub plan: String,
}

/// A record with all that is stored of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    /// Its place in the ledger.
    pub seq: u64,
    /// The record.
    pub record: NewRecord,
}

/// What is added to a store, and where it goes among what is there.
pub struct Addition<'a> {
    /// The store that is read.
    pub from: &'a dyn Contents,
    /// The runs from the first new one on, in the order in which they are to be stored.
    pub runs: Vec<AddedRun>,
    /// The pruned runs that are to be known.
    pub pruned: Vec<RunId>,
    /// How far records of this store move, in order.
    pub moved: Vec<Shift>,
    /// The records of the other store that are added, and how far each moves, in order.
    pub added: Vec<Shift>,
    /// Jobs that both stores have and that change, each in the version that is replaced.
    pub merged: HashMap<JobKey, KnownJob>,
    /// Jobs that both stores have and that do not change.
    pub unchanged: HashSet<JobKey>,
    /// How many jobs only the other store has.
    pub new_jobs: u64,
}

/// A run in its place.
#[derive(Debug, Clone, PartialEq)]
pub enum AddedRun {
    /// One that this store has: it follows those before it.
    Present(RunId),
    /// One of the other store.
    New(Box<StoredRun>),
}

/// Records that move by the same distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shift {
    /// The place of the first one.
    pub first: u64,
    /// The place of the last one.
    pub last: u64,
    /// The distance.
    pub by: i64,
}

impl Shift {
    /// One record.
    pub(crate) fn of(seq: u64, by: i64) -> Self {
        let (first, last) = (seq, seq);
        Self { first, last, by }
    }
}

impl Addition<'_> {
    /// Whether nothing is added.
    pub fn is_empty(&self) -> bool {
        let is_new = |run: &AddedRun| matches!(run, AddedRun::New(_));
        self.added.is_empty()
            && self.new_jobs == 0
            && self.merged.is_empty()
            && self.pruned.is_empty()
            && !self.runs.iter().any(is_new)
    }

    /// The records that are added, in pages, at their new places.
    pub fn records(&self) -> Pages<'_, StoredRecord> {
        let first = self.added.first();
        let mut after = first.map_or(u64::MAX >> 1, |shift| shift.first.saturating_sub(1));
        Pages::new(move || {
            let mut page = self.from.page_of_records(after)?;
            let Some(last) = page.last() else {
                return Ok(None);
            };
            after = last.seq;
            page.retain_mut(|it| {
                let place = moved_to(&self.added, it.seq);
                it.seq = place.unwrap_or_default();
                place.is_some()
            });
            Ok(Some(page))
        })
    }

    /// The jobs that are added or change, in pages, each in the version that is replaced; 0 for one that is added.
    pub fn jobs(&self) -> Pages<'_, (JobKey, KnownJob)> {
        let mut after = None;
        Pages::new(move || {
            let mut page = self.from.page_of_jobs(after.as_ref())?;
            let Some((last, _)) = page.last() else {
                return Ok(None);
            };
            after = Some(*last);
            page.retain(|(key, _)| !self.unchanged.contains(key));
            for (key, known) in &mut page {
                match self.merged.get(key) {
                    Some(merged) => *known = merged.clone(),
                    None => known.version = 0,
                }
            }
            Ok(Some(page))
        })
    }

    /// The responses of hooks, in pages.
    pub fn hook_results(&self) -> Pages<'_, HookResult> {
        let mut after = None;
        Pages::new(move || {
            let page = self.from.page_of_hook_results(after.as_ref())?;
            after = page.last().map(|last| last.input);
            Ok(after.map(|_| page))
        })
    }

    /// The names of the plans of the runs that are added, each once.
    pub fn plans(&self) -> HashSet<&str> {
        let new = self.runs.iter().filter_map(|run| match run {
            AddedRun::New(run) => Some(run),
            AddedRun::Present(_) => None,
        });
        new.flat_map(|run| std::iter::once(&run.plan).chain(&run.header.album))
            .map(String::as_str)
            .collect()
    }
}

/// Pages of rows.
pub struct Pages<'a, T> {
    read: Box<dyn FnMut() -> Result<Option<Vec<T>>, StoreError> + 'a>,
}

impl<'a, T> Pages<'a, T> {
    fn new(read: impl FnMut() -> Result<Option<Vec<T>>, StoreError> + 'a) -> Self {
        let read = Box::new(read);
        Self { read }
    }

    /// The next page, which may be empty; none at the end.
    ///
    /// # Errors
    /// When the store can't be read.
    pub fn next_page(&mut self) -> Result<Option<Vec<T>>, StoreError> {
        (self.read)()
    }
}

/// Where a record moves to; none if it is in none of the shifts, which are in order.
pub fn moved_to(shifts: &[Shift], seq: u64) -> Option<u64> {
    let at = shifts.partition_point(|shift| shift.last < seq);
    let shift = shifts.get(at).filter(|shift| shift.first <= seq)?;
    seq.checked_add_signed(shift.by)
}

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
    /// Songs that are queued for runs that have ended or are pruned.
    pub queued_songs: u64,
    /// The runs of these songs.
    pub queues: Vec<RunId>,
    /// Runs that are old enough and stay all the same.
    pub kept_runs: u64,
    /// Unix time in milliseconds: what is older may be pruned.
    pub before_ms: i64,
}

impl Prunable {
    /// Whether there is nothing to prune.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty() && self.uploads == 0 && self.queues.is_empty()
    }
}
