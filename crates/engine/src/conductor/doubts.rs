//! Jobs in doubt, in the order in which something is due for them: however many there are, a decision reads the first of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use super::Conductor;
use crate::job::Phase;

/// Requests to repeat, each at the earliest at a time of its own.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    by_time: BTreeSet<(i64, usize)>,
    /// The time of each job, and its stem where it has one.
    jobs: HashMap<usize, (i64, Option<usize>)>,
    /// How many jobs of each stem.
    stems: BTreeMap<usize, usize>,
}

impl Repeats {
    /// Notes that the request of a job, which may have a stem, is to be repeated, not before a time.
    pub(super) fn insert(&mut self, job: usize, stem: Option<usize>, not_before_ms: i64) {
        self.remove(job);
        self.by_time.insert((not_before_ms, job));
        self.jobs.insert(job, (not_before_ms, stem));
        if let Some(stem) = stem {
            *self.stems.entry(stem).or_default() += 1;
        }
    }

    /// Forgets a job.
    pub(super) fn remove(&mut self, job: usize) {
        let Some((not_before_ms, stem)) = self.jobs.remove(&job) else {
            return;
        };
        self.by_time.remove(&(not_before_ms, job));
        if let Some(stem) = stem
            && let Some(jobs) = self.stems.get_mut(&stem)
        {
            *jobs -= 1;
            if *jobs == 0 {
                self.stems.remove(&stem);
            }
        }
    }

    /// Whether the request of a job is to be repeated.
    pub(super) fn contains(&self, job: usize) -> bool {
        self.jobs.contains_key(&job)
    }

    /// The time and the job that follow these.
    pub(super) fn next(&self, after: Option<(i64, usize)>) -> Option<(i64, usize)> {
        let from = after.map_or(Unbounded, Excluded);
        self.by_time.range((from, Unbounded)).next().copied()
    }

    /// The times and jobs, earliest first.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (i64, usize)> {
        self.by_time.iter().copied()
    }

    /// The stems of these jobs.
    pub(super) fn stems(&self) -> impl Iterator<Item = usize> {
        self.stems.keys().copied()
    }
}

/// Until when a callback is waited for, for each job in doubt.
#[derive(Debug, Default)]
pub(super) struct Waits {
    ends: BTreeSet<(i64, usize)>,
    jobs: HashMap<usize, i64>,
}

impl Waits {
    /// Notes when the wait for a job ends; none for a job that is not in doubt.
    pub(super) fn set(&mut self, job: usize, end_ms: Option<i64>) {
        let before = match end_ms {
            Some(end_ms) => self.jobs.insert(job, end_ms),
            None => self.jobs.remove(&job),
        };
        if let Some(before_ms) = before {
            self.ends.remove(&(before_ms, job));
        }
        if let Some(end_ms) = end_ms {
            self.ends.insert((end_ms, job));
        }
    }

    /// Whether a callback is still waited for, for this job.
    pub(super) fn lasts(&self, job: usize, now_ms: i64) -> bool {
        self.jobs.get(&job).is_some_and(|end_ms| *end_ms > now_ms)
    }

    /// The first end after `now_ms`.
    pub(super) fn first_after(&self, now_ms: i64) -> Option<i64> {
        let later = (Excluded((now_ms, usize::MAX)), Unbounded);
        self.ends.range(later).next().map(|(end_ms, _)| *end_ms)
    }
}

impl Conductor {
    /// When the first lost response that a callback may still replace is given up; none when no callback is waited for.
    pub(super) fn doubts_end(&self, now_ms: i64) -> Option<i64> {
        if !self.config.hears_callbacks {
            return None;
        }
        self.doubts.first_after(now_ms)
    }

    /// Notes until when a callback is waited for, if a job is in doubt.
    pub(super) fn note_doubt(&mut self, at: usize, now_ms: i64) {
        let end_ms = match self.slots[at].job.phase {
            Phase::InDoubt { since_ms, .. } => {
                // Doubts from the future come from a clock that was ahead: they began before this run.
                let since_ms = if since_ms > now_ms {
                    self.started_ms
                } else {
                    since_ms
                };
                Some(since_ms + self.config.timing.doubt_ms)
            }
            _ => None,
        };
        self.doubts.set(at, end_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_come_in_the_order_of_their_times() {
        let mut repeats = Repeats::default();
        for (job, stem, at_ms) in [(1, 7, 30), (2, 7, 10), (3, 8, 20), (2, 8, 40)] {
            repeats.insert(job, Some(stem), at_ms);
        }
        let order: Vec<(i64, usize)> = repeats.in_order().collect();
        assert_eq!(order, [(20, 3), (30, 1), (40, 2)]);
        assert_eq!(repeats.next(Some((20, 3))), Some((30, 1)));
        repeats.remove(1);
        repeats.remove(1);
        assert_eq!(repeats.stems().collect::<Vec<_>>(), [8]);
    }

    #[test]
    fn a_wait_is_over_at_its_end() {
        let mut waits = Waits::default();
        waits.set(1, Some(20));
        waits.set(2, Some(10));
        assert_eq!(waits.first_after(9), Some(10));
        assert_eq!(waits.first_after(10), Some(20));
        waits.set(1, None);
        assert_eq!(waits.first_after(10), None);
    }
}
