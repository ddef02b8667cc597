//! How long to wait: for the next poll of a task, after a refusal, after a failure.

/// The waits of a provider, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timing {
    /// From the acceptance to the first poll.
    pub(crate) first_poll_ms: i64,
    /// Between polls.
    pub(crate) poll_ms: i64,
    /// How long a run follows one task; after that its id is kept for the next run.
    pub(crate) follow_ms: i64,
    /// How long a task that the vendor reports as over is polled on where tracks may still come.
    pub(crate) grace_ms: i64,
    /// How long a callback is waited for after a lost response.
    pub(crate) doubt_ms: i64,
    /// From a lost response to the repeat of its request, where the provider refuses what it has accepted: the first one may still be at
    /// work.
    pub(crate) resend_ms: i64,
    /// How long a provider may be out of reach, or under maintenance, before the run stops.
    pub(crate) patience_ms: i64,
    /// The first wait after a failure; doubles with each that follows.
    pub(crate) retry_ms: i64,
    /// The first wait for a provider under maintenance; doubles, up to ten times as much.
    pub(crate) maintenance_ms: i64,
    /// The first wait after too many failures in a row; doubles with each try that fails.
    pub(crate) brake_ms: i64,
}

impl Timing {
    /// For vendors on the internet: a poll every 30 s as they advise. The profile says for how long a task is followed. A task
    /// that is over is polled for five minutes more: late tracks have been seen to come within two or three.
    pub(crate) fn remote(poll_ms: i64) -> Self {
        Self {
            first_poll_ms: poll_ms,
            poll_ms,
            follow_ms: 30 * 60_000,
            grace_ms: 5 * 60_000,
            doubt_ms: 10 * 60_000,
            resend_ms: 60_000,
            patience_ms: 5 * 60_000,
            retry_ms: 1_000,
            maintenance_ms: 60_000,
            brake_ms: 60_000,
        }
    }

    /// For a provider on this machine, which responds at once or not at all.
    pub(crate) fn local(poll_ms: i64) -> Self {
        Self {
            grace_ms: 10_000,
            patience_ms: 15_000,
            doubt_ms: 30_000,
            resend_ms: 1_000,
            retry_ms: 200,
            brake_ms: 1_000,
            ..Self::remote(poll_ms)
        }
    }

    /// For a provider whose responses are recorded ones: nothing has to be waited for, and nothing comes later.
    pub(crate) fn replayed() -> Self {
        Self {
            first_poll_ms: 1,
            poll_ms: 1,
            follow_ms: 30_000,
            grace_ms: 20,
            doubt_ms: 100,
            resend_ms: 1,
            patience_ms: 1_000,
            retry_ms: 1,
            maintenance_ms: 1,
            brake_ms: 1,
        }
    }

    /// The wait after the `n`-th failure in a row (from 1), with a spread that `seed` decides, so that many waits don't end at once.
    pub(crate) fn backoff_ms(&self, n: u32, seed: u64) -> i64 {
        spread(
            self.retry_ms
                .saturating_mul(1 << n.clamp(1, 7).saturating_sub(1)),
            seed,
        )
    }

    /// The wait before the `n`-th next try whether maintenance has ended (from 1).
    pub(crate) fn maintenance_backoff_ms(&self, n: u32, seed: u64) -> i64 {
        let doubled = self
            .maintenance_ms
            .saturating_mul(1 << n.clamp(1, 7).saturating_sub(1));
        spread(doubled.min(self.maintenance_ms.saturating_mul(10)), seed)
    }
}

/// The waits of one outage: what fails together is one step, however many requests it were.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    steps: u32,
    until_ms: Option<i64>,
}

impl Outage {
    /// Counts the failure of a request that was sent at `sent_ms`. Gives the step (from 1) that a new wait is to be made for;
    /// none where the request was sent before the current wait ended, for then the failure is known already.
    pub(crate) fn failed(&mut self, sent_ms: i64) -> Option<u32> {
        if self.until_ms.is_some_and(|until_ms| sent_ms < until_ms) {
            return None;
        }
        self.steps += 1;
        Some(self.steps)
    }

    /// Lets the current step last until `until_ms` at least; whether that is longer than before.
    pub(crate) fn lasts_until(&mut self, until_ms: i64) -> bool {
        let longer = self.until_ms.is_none_or(|known_ms| known_ms < until_ms);
        if longer {
            self.until_ms = Some(until_ms);
        }
        longer
    }

    /// The provider takes submissions again.
    pub(crate) fn ended(&mut self) {
        *self = Self::default();
    }
}

/// `wait_ms` and up to a quarter more.
pub(crate) fn spread(wait_ms: i64, seed: u64) -> i64 {
    let mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let quarter = (wait_ms / 4).max(1);
    wait_ms + i64::try_from(mixed).unwrap_or(0) % quarter
}
