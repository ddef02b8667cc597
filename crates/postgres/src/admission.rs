//! Whether a submission is admitted: the account's window, its tasks in flight, the credits of the run and of the ledger. Pure.

use backline_engine::gate::Gate;
use backline_engine::job::Credits;
use backline_engine::job::{Job, Phase};
use backline_engine::store::{Refusal, SubmissionLimits};

/// When a process tries again while too many tasks are in flight, in milliseconds. No event of the window tells when one ends.
const PLACE_WAIT_MS: u64 = 1_000;

/// The least wait for a place in the window, in milliseconds: it is not known yet when a request left.
const LEFT_WAIT_MS: u64 = 50;

/// What a job has cost and reserved, in thousandths of a credit.
pub(crate) fn committed(job: &Job) -> i64 {
    (job.credits + job.reserved).thousandths()
}

/// Whether a job holds a place among the tasks in flight.
pub(crate) fn is_in_flight(job: &Job) -> bool {
    matches!(job.phase, Phase::Submitting { .. } | Phase::Running(_))
}

/// What an account and its ledger stand at, as one transaction sees them; submissions that are admitted are added.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// The server's time, in milliseconds.
    pub(crate) now_ms: i64,
    /// The account's window.
    pub(crate) gate: Gate,
    /// Tasks in flight.
    pub(crate) in_flight: u64,
    /// What counts against the run's credits, in thousandths.
    pub(crate) run: i64,
    /// What counts against the ledger's credits, in thousandths.
    pub(crate) ledger: i64,
}

impl Standing {
    /// Admits a submission that changes the job's cost by `cost` thousandths, or says why not.
    pub(crate) fn admit(&mut self, limits: &SubmissionLimits, cost: i64) -> Result<(), Refusal> {
        let opens_ms = self.gate.opens_at(self.now_ms);
        if opens_ms > self.now_ms {
            // Requests under way may turn out to have left earlier than now.
            let opens_ms = self.gate.opens_no_earlier_than(self.now_ms);
            let wait_ms = opens_ms.abs_diff(self.now_ms).max(LEFT_WAIT_MS);
            return Err(Refusal::TooEarly { wait_ms });
        }
        if self.in_flight >= u64::from(limits.concurrency) {
            let wait_ms = PLACE_WAIT_MS;
            return Err(Refusal::TooEarly { wait_ms });
        }
        let exceeds = |limit: Option<Credits>, sum: i64| {
            limit.is_some_and(|limit| sum + cost > limit.thousandths())
        };
        if cost > 0
            && (exceeds(limits.credits, self.run) || exceeds(limits.ledger_credits, self.ledger))
        {
            return Err(Refusal::OverBudget {
                run_credits: Credits::of_thousandths(self.run),
                ledger_credits: Credits::of_thousandths(self.ledger),
            });
        }
        // It was asked just now: it is open.
        let _ = self.gate.take(self.now_ms);
        self.in_flight += 1;
        self.run += cost;
        self.ledger += cost;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use backline_engine::gate::Place;
    use backline_engine::plan::Rate;

    use super::*;

    const LIMITS: SubmissionLimits = SubmissionLimits {
        rate: Rate {
            count: 2,
            window_ms: 10_000,
        },
        concurrency: 3,
        follow_ms: 60_000,
        credits: Some(Credits::of_thousandths(30_000)),
        ledger_credits: Some(Credits::of_thousandths(40_400)),
    };

    fn standing() -> Standing {
        Standing {
            now_ms: 1_000_000,
            gate: Gate::new(LIMITS.rate, []),
            in_flight: 0,
            run: 0,
            ledger: 0,
        }
    }

    #[test]
    fn a_window_with_its_margin_admits_its_count() {
        let mut account = standing();
        let earlier = Place {
            taken_ms: 994_900,
            left_ms: Some(995_000),
        };
        account.gate = Gate::new(LIMITS.rate, [earlier]);
        assert_eq!(account.admit(&LIMITS, 0), Ok(()));
        let wait_ms = 5_150;
        assert_eq!(
            account.admit(&LIMITS, 0),
            Err(Refusal::TooEarly { wait_ms })
        );
        account.now_ms += 5_150;
        assert_eq!(account.admit(&LIMITS, 0), Ok(()));
    }

    #[test]
    fn tasks_in_flight_are_bounded() {
        let mut account = standing();
        account.in_flight = 3;
        let wait_ms = PLACE_WAIT_MS;
        assert_eq!(
            account.admit(&LIMITS, 0),
            Err(Refusal::TooEarly { wait_ms })
        );
    }

    #[test]
    fn credits_hold_to_the_thousandth() {
        let mut account = standing();
        (account.run, account.ledger) = (18_000, 18_000);
        assert_eq!(account.admit(&LIMITS, 12_000), Ok(()));
        let refused = account.admit(&LIMITS, 400);
        let over = Refusal::OverBudget {
            run_credits: 30.0.into(),
            ledger_credits: 30.0.into(),
        };
        assert_eq!(refused, Err(over));
        // What costs nothing is admitted.
        assert_eq!(account.admit(&LIMITS, 0), Ok(()));
        let mut other_run = standing();
        other_run.ledger = 40_000;
        assert_eq!(other_run.admit(&LIMITS, 400), Ok(()));
        other_run.gate = Gate::new(LIMITS.rate, []);
        assert!(other_run.admit(&LIMITS, 400).is_err());
    }
}
