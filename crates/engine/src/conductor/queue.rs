//! A queue of jobs in plan order that knows what each of them buys: a job that the credits don't allow does not block cheaper jobs.

use std::collections::BTreeSet;

/// Jobs, by the offer that they buy.
#[derive(Debug, Default)]
pub(super) struct Queue {
    of_offers: Vec<BTreeSet<usize>>,
}

impl Queue {
    /// Adds a job that buys an offer.
    pub(super) fn insert(&mut self, job: usize, offer: usize) {
        if self.of_offers.len() <= offer {
            self.of_offers.resize_with(offer + 1, BTreeSet::new);
        }
        self.of_offers[offer].insert(job);
    }

    /// Removes a job.
    pub(super) fn remove(&mut self, job: usize, offer: usize) {
        if let Some(jobs) = self.of_offers.get_mut(offer) {
            jobs.remove(&job);
        }
    }

    /// Whether it has a job that buys an offer.
    pub(super) fn contains(&self, job: usize, offer: usize) -> bool {
        let jobs = self.of_offers.get(offer);
        jobs.is_some_and(|jobs| jobs.contains(&job))
    }

    /// The first job in plan order whose offer passes.
    pub(super) fn first(&self, passes: impl Fn(usize) -> bool) -> Option<usize> {
        let passing = self.passing(passes);
        passing.filter_map(|jobs| jobs.first().copied()).min()
    }

    /// How many jobs there are whose offer passes.
    pub(super) fn count(&self, passes: impl Fn(usize) -> bool) -> usize {
        self.passing(passes).map(BTreeSet::len).sum()
    }

    /// The offers that jobs are queued for.
    pub(super) fn offers(&self) -> impl Iterator<Item = usize> {
        let offers = self.of_offers.iter().enumerate();
        offers.filter_map(|(offer, jobs)| (!jobs.is_empty()).then_some(offer))
    }

    /// The jobs.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn jobs(&self) -> impl Iterator<Item = usize> {
        self.of_offers.iter().flatten().copied()
    }

    /// Whether there is no job.
    #[cfg(any(test, feature = "simulation"))]
    pub(super) fn is_empty(&self) -> bool {
        self.offers().next().is_none()
    }

    /// Removes and returns the jobs of an offer that pass.
    pub(super) fn take(&mut self, offer: usize, passes: impl Fn(usize) -> bool) -> BTreeSet<usize> {
        let Some(jobs) = self.of_offers.get_mut(offer) else {
            return BTreeSet::new();
        };
        let (taken, left) = jobs.iter().partition(|job| passes(**job));
        *jobs = left;
        taken
    }

    fn passing(&self, passes: impl Fn(usize) -> bool) -> impl Iterator<Item = &BTreeSet<usize>> {
        let offers = self.of_offers.iter().enumerate();
        offers.filter_map(move |(offer, jobs)| passes(offer).then_some(jobs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_passes_comes_first_whatever_it_buys() {
        let mut queue = Queue::default();
        for (job, offer) in [(3, 0), (5, 0), (2, 4), (4, 4)] {
            queue.insert(job, offer);
        }
        assert_eq!(queue.first(|_| true), Some(2));
        assert_eq!(queue.first(|offer| offer == 0), Some(3));
        assert_eq!(queue.first(|offer| offer == 1), None);
        assert_eq!(queue.count(|offer| offer == 4), 2);
        assert_eq!(queue.offers().collect::<Vec<_>>(), [0, 4]);
        assert_eq!(queue.take(0, |job| job == 5), [5].into());
        queue.remove(3, 0);
        queue.remove(2, 4);
        assert_eq!(queue.first(|_| true), Some(4));
        queue.remove(4, 4);
        assert!(queue.is_empty());
    }
}
