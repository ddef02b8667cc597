//! What a store makes of a batch: what it writes, and what it refuses of it.

use backline_api::Credits;
use serde::{Deserialize, Serialize};

use super::{Batch, KnownJob, NewRecord, StoreError};
use crate::event::Record;
use crate::plan::Rate;
use crate::settings::JobKey;

/// A request that is to be sent once its event is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Submission {
    /// The job that is requested.
    pub key: JobKey,
    /// The job before the event of the request.
    pub before: KnownJob,
}

/// How late a request left after it was admitted: what a store that several processes write to counts its place in the window from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    /// The job that was requested.
    pub key: JobKey,
    /// From the decision to submit to the writing of the request, in milliseconds.
    pub late_ms: u64,
}

/// What bounds the submissions of an account, over all processes that write to a store.
///
/// Only a store that several processes write to checks them. Where one process owns the store its conductor has counted all submissions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SubmissionLimits {
    /// Most submissions in a sliding window.
    pub rate: Rate,
    /// Most tasks in flight.
    pub concurrency: u32,
    /// How long a task counts as in flight after the last event of its job, in milliseconds.
    pub follow_ms: u64,
    /// Most credits that the run may spend.
    pub credits: Option<Credits>,
    /// Most credits that all runs of the ledger may spend.
    pub ledger_credits: Option<Credits>,
}

/// What became of a [`Batch`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Committed {
    /// The events that were written, with their places in the ledger.
    pub records: Vec<Record>,
    /// The jobs of which not everything was written, each once.
    pub refused: Vec<RefusedJob>,
}

impl Committed {
    /// The records of a batch of a process that decides alone on its jobs.
    ///
    /// # Errors
    /// When another process has changed one of the jobs.
    pub fn all(self) -> Result<Vec<Record>, StoreError> {
        match self.refused.first() {
            Some(refused) => Err(StoreError::Changed { key: refused.key }),
            None => Ok(self.records),
        }
    }
}

/// A job of which not everything was written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RefusedJob {
    /// The job.
    pub key: JobKey,
    /// Why.
    pub why: Refusal,
    /// The version that the store has now.
    pub version: u64,
}

/// Why something of a batch was not written.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Refusal {
    /// Another process has changed the job. Nothing of it was written.
    Conflict,
    /// The submission comes too early: the window is full, or too many tasks are in flight. Its event was not written.
    TooEarly {
        /// When to try again, in milliseconds from now.
        wait_ms: u64,
    },
    /// The submission is not covered by the credits. Its event was not written.
    OverBudget {
        /// What the run has spent and reserved, by all processes, in credits.
        run_credits: Credits,
        /// What all runs of the ledger have spent and reserved, in credits.
        ledger_credits: Credits,
    },
}

/// What of a batch is to be written.
#[derive(Debug, Default)]
pub struct Writable<'a> {
    /// The events, in order.
    pub events: Vec<&'a NewRecord>,
    /// The jobs, each in the version that is replaced.
    pub jobs: Vec<(JobKey, &'a KnownJob, u64)>,
}

impl Batch {
    /// The refusal of a job of this batch. `found` is the version that the store has.
    pub fn refusal(&self, key: JobKey, why: Refusal, found: u64) -> RefusedJob {
        // Events before a submission are written, and the job with them.
        let before = match why {
            Refusal::Conflict => false,
            Refusal::TooEarly { .. } | Refusal::OverBudget { .. } => {
                self.events_of(key).count() > 1
            }
        };
        RefusedJob {
            key,
            why,
            version: found + u64::from(before),
        }
    }

    /// What is to be written of this batch, without what is refused.
    pub fn writable(&self, refused: &[RefusedJob]) -> Writable<'_> {
        let why = |key: &JobKey| refused.iter().find(|it| it.key == *key).map(|it| it.why);
        let mut writable = Writable::default();
        for (key, known) in &self.jobs {
            match why(key) {
                None => writable.jobs.push((*key, known, known.version)),
                Some(Refusal::Conflict) => {}
                Some(_) => {
                    let submission = self.submissions.iter().find(|it| it.key == *key);
                    if let Some(submission) = submission
                        && self.events_of(*key).count() > 1
                    {
                        let before = &submission.before;
                        writable.jobs.push((*key, before, known.version));
                    }
                }
            }
        }
        let mut left = refused.to_vec();
        for record in self.events.iter().rev() {
            let place = left.iter().position(|it| Some(it.key) == record.job);
            match place.map(|place| (place, left[place].why)) {
                None => writable.events.push(record),
                Some((_, Refusal::Conflict)) => {}
                // Only the last event of the job.
                Some((place, _)) => {
                    left.swap_remove(place);
                }
            }
        }
        writable.events.reverse();
        writable
    }

    fn events_of(&self, key: JobKey) -> impl Iterator<Item = &NewRecord> {
        self.events.iter().filter(move |it| it.job == Some(key))
    }
}
