//! The brake: stops the buying when submissions or tasks fail one after the other.
//!
//! A provider whose every response is lost would otherwise be sent every job, each of them in doubt; one whose every task fails
//! would be paid for every job. After `limits.failures_in_a_row` failures nothing is submitted for a while, then one job at a time
//! is tried. A success releases the brake; when [`PROBES`] tries have failed the run ends.

use super::Timing;

/// Jobs that are tried one at a time before the run gives up.
pub(crate) const PROBES: u32 = 3;

/// What failed, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureSource {
    /// A submission's response: lost, or a task id.
    Response,
    /// A task: failed, or finished.
    Task,
}

/// What a failure leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Braking {
    /// It is one of a few.
    No,
    /// Nothing is submitted until then.
    Until(i64),
    /// The tries have failed, too.
    GivesUp,
}

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Brake {
    limit: u32,
    responses: u32,
    tasks: u32,
    on: Option<On>,
}

/// The brake is on.
#[derive(Debug, Clone, Copy)]
struct On {
    /// The first wait's end: what was sent before that is no try.
    tries_from_ms: i64,
    /// When the next job may be tried.
    until_ms: i64,
    /// Tries that failed.
    probes: u32,
}

impl Brake {
    /// A brake that comes on after `limit` failures in a row.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            limit: limit.max(1),
            responses: 0,
            tasks: 0,
            on: None,
        }
    }

    /// Whether one more request may be under way beside `submitting` others and `in_flight` tasks. As long as all of them can
    /// still be lost, together they are no more than the limit.
    pub(super) fn allows(&self, submitting: usize, in_flight: usize) -> bool {
        match self.on {
            None => self.responses as usize + submitting < self.limit as usize,
            Some(_) if self.tasks >= self.limit => in_flight == 0,
            Some(_) => submitting == 0,
        }
    }

    /// When the next request may be sent.
    pub(super) fn opens_at(&self, now_ms: i64) -> i64 {
        self.on.map_or(now_ms, |on| on.until_ms.max(now_ms))
    }

    /// How many of these have failed in a row.
    pub(super) fn failures(&self, link: FailureSource) -> u32 {
        match link {
            FailureSource::Response => self.responses,
            FailureSource::Task => self.tasks,
        }
    }

    /// A response was lost or a task failed, of a request that was sent at `sent_ms`.
    pub(super) fn failed(
        &mut self,
        link: FailureSource,
        sent_ms: i64,
        now_ms: i64,
        timing: &Timing,
    ) -> Braking {
        let count = match link {
            FailureSource::Response => &mut self.responses,
            FailureSource::Task => &mut self.tasks,
        };
        *count += 1;
        let probes = match self.on {
            None if *count < self.limit => return Braking::No,
            None => 0,
            Some(on) if sent_ms < on.tries_from_ms => return Braking::No,
            Some(on) => on.probes + 1,
        };
        if probes >= PROBES {
            return Braking::GivesUp;
        }
        let until_ms = now_ms + timing.brake_ms.saturating_mul(1 << probes);
        let tries_from_ms = self.on.map_or(until_ms, |on| on.tries_from_ms);
        self.on = Some(On {
            tries_from_ms,
            until_ms,
            probes,
        });
        Braking::Until(until_ms)
    }

    /// A task id came, or a task was finished.
    pub(super) fn succeeded(&mut self, link: FailureSource) {
        match link {
            FailureSource::Response => self.responses = 0,
            FailureSource::Task => self.tasks = 0,
        }
        if self.responses < self.limit && self.tasks < self.limit {
            self.on = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brake_comes_on_tries_one_at_a_time_and_is_released_by_a_success() {
        let timing = Timing::remote(30_000);
        let mut brake = Brake::new(3);
        assert!(brake.allows(2, 8));
        assert!(!brake.allows(3, 8));
        for _ in 0..2 {
            assert_eq!(
                brake.failed(FailureSource::Response, 0, 10, &timing),
                Braking::No
            );
        }
        assert!(brake.allows(0, 8));
        assert!(!brake.allows(1, 8));
        let until = Braking::Until(10 + timing.brake_ms);
        assert_eq!(brake.failed(FailureSource::Response, 0, 10, &timing), until);
        assert_eq!(brake.opens_at(20), 10 + timing.brake_ms);
        // What was sent before is no try.
        assert_eq!(
            brake.failed(FailureSource::Response, 5, 30, &timing),
            Braking::No
        );
        let sent_ms = 10 + timing.brake_ms;
        let now_ms = sent_ms + 5;
        let until = Braking::Until(now_ms + 2 * timing.brake_ms);
        let braking = brake.failed(FailureSource::Response, sent_ms, now_ms, &timing);
        assert_eq!(braking, until);
        brake.succeeded(FailureSource::Response);
        assert_eq!(brake.opens_at(now_ms), now_ms);
        assert!(brake.allows(2, 8));
    }

    #[test]
    fn tasks_that_fail_are_not_excused_by_responses_that_come() {
        let timing = Timing::remote(30_000);
        let mut brake = Brake::new(2);
        brake.failed(FailureSource::Task, 0, 1, &timing);
        brake.succeeded(FailureSource::Response);
        assert_ne!(
            brake.failed(FailureSource::Task, 0, 1, &timing),
            Braking::No
        );
        assert!(!brake.allows(0, 1), "a task is still at work");
        for now_ms in [100_000, 300_000] {
            brake.succeeded(FailureSource::Response);
            let braking = brake.failed(FailureSource::Task, now_ms, now_ms, &timing);
            assert!(matches!(braking, Braking::Until(_)));
        }
        let last = brake.failed(FailureSource::Task, 600_000, 600_000, &timing);
        assert_eq!(last, Braking::GivesUp);
    }
}
