//! The pace of submissions: a sliding window per account, a number in flight, a budget. Pure: the caller passes the current time.
//!
//! The vendors refuse what goes over 20 submissions in any 10 seconds. A token bucket of the same rate would let up to 39 through
//! one window (its burst and its refill), so the gate keeps the time of every submission of the last window and lets the next one
//! through only when the oldest has left it.

use std::collections::VecDeque;

use crate::plan::Rate;

/// How much longer than the vendor's window ours is, in thousandths: it covers the spread of the network's delays, at a cost
/// of as much of the makespan.
const MARGIN_PER_MILLE: u64 = 15;

impl Rate {
    /// How long a submission counts, margin included, in milliseconds.
    pub fn counts_for_ms(self) -> u64 {
        self.window_ms + (self.window_ms * MARGIN_PER_MILLE).div_ceil(1000)
    }
}

/// A sliding window of submissions.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    count: usize,
    window_ms: i64,
    sent_ms: VecDeque<i64>,
    closed_until_ms: i64,
}

impl Gate {
    /// A gate for `rate`, knowing the submissions that earlier runs made (Unix milliseconds, any order).
    pub(crate) fn new(rate: Rate, earlier_ms: impl IntoIterator<Item = i64>) -> Self {
        let mut sent: Vec<i64> = earlier_ms.into_iter().collect();
        sent.sort_unstable();
        Self {
            count: rate.count.max(1) as usize,
            window_ms: i64::try_from(rate.counts_for_ms()).unwrap_or(i64::MAX / 4),
            sent_ms: sent.into(),
            closed_until_ms: i64::MIN,
        }
    }

    /// Takes a slot at `now_ms`, or says when the next one opens.
    pub(crate) fn take(&mut self, now_ms: i64) -> Result<(), i64> {
        let opens = self.opens_at(now_ms);
        if opens > now_ms {
            return Err(opens);
        }
        self.sent_ms.drain(..self.past(now_ms));
        // An earlier run whose clock was ahead leaves times from the future; the order is kept.
        let place = self.sent_ms.partition_point(|sent| *sent <= now_ms);
        self.sent_ms.insert(place, now_ms);
        Ok(())
    }

    /// Frees the slot that was taken at `sent_ms`: nothing was sent.
    pub(crate) fn give_back(&mut self, sent_ms: i64) {
        if let Some(place) = self.sent_ms.iter().rposition(|sent| *sent == sent_ms) {
            self.sent_ms.remove(place);
        }
    }

    /// When the next slot opens: `now_ms` if one is open.
    pub(crate) fn opens_at(&self, now_ms: i64) -> i64 {
        let inside = self.sent_ms.len() - self.past(now_ms);
        let slot = match inside.checked_sub(self.count) {
            Some(_) => self.sent_ms[self.sent_ms.len() - self.count] + self.window_ms,
            None => now_ms,
        };
        slot.max(self.closed_until_ms).max(now_ms)
    }

    /// How many submissions have left the window by `now_ms`: the first ones, for they are in order.
    fn past(&self, now_ms: i64) -> usize {
        self.sent_ms
            .partition_point(|sent| sent + self.window_ms <= now_ms)
    }

    /// Closes the gate for the whole account: the vendor has refused for its pace or is being maintained.
    pub(crate) fn close_until(&mut self, until_ms: i64) {
        self.closed_until_ms = self.closed_until_ms.max(until_ms);
    }

    /// The clock has jumped ahead by `jump_ms`: it was set, or the machine was suspended. The vendor's clock may not have, so what was
    /// sent within the window before it counts on for as long as it would have.
    pub(crate) fn jumped(&mut self, now_ms: i64, jump_ms: i64) {
        for sent in &mut self.sent_ms {
            *sent = sent.saturating_add(jump_ms).min(now_ms).max(*sent);
        }
    }

    /// The window with its margin, in milliseconds.
    pub(crate) fn window_ms(&self) -> i64 {
        self.window_ms
    }

    /// The least time that `submissions` take through an empty gate, in milliseconds.
    pub(crate) fn least_ms(rate: Rate, submissions: u64) -> u64 {
        let gate = Self::new(rate, []);
        submissions.saturating_sub(1) / u64::from(rate.count.max(1)) * gate.window_ms.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        count: 20,
        window_ms: 10_000,
    };

    #[test]
    fn a_clock_that_is_set_ahead_opens_no_gate() {
        let mut gate = Gate::new(RATE, []);
        let jump_ms = 30_000;
        let sent = rush(&mut gate, 1_000_000, 18);
        let now_ms = 1_000_000 + jump_ms;
        gate.jumped(now_ms, jump_ms);
        let mut steady: Vec<i64> = sent
            .into_iter()
            .chain(
                rush(&mut gate, now_ms, 30)
                    .into_iter()
                    .map(|sent_ms| sent_ms - jump_ms),
            )
            .collect();
        steady.sort_unstable();
        for window in steady.windows(RATE.count as usize + 1) {
            assert!(
                window[RATE.count as usize] - window[0] >= 10_000,
                "{window:?}"
            );
        }
    }

    /// Submits as fast as the gate allows and gives the times.
    fn rush(gate: &mut Gate, from_ms: i64, submissions: usize) -> Vec<i64> {
        let mut now = from_ms;
        let mut sent = Vec::new();
        while sent.len() < submissions {
            match gate.take(now) {
                Ok(()) => sent.push(now),
                Err(opens) => now = opens,
            }
        }
        sent
    }

    #[test]
    fn two_hundred_jobs_take_what_the_rate_allows_and_three_per_cent_at_most() {
        let sent = rush(&mut Gate::new(RATE, []), 0, 200);
        let makespan = sent[199] - sent[0];
        assert!((90_000..=92_700).contains(&makespan), "{makespan} ms");
        assert_eq!(makespan.unsigned_abs(), Gate::least_ms(RATE, 200));
    }

    #[test]
    fn submissions_of_an_earlier_run_count() {
        let mut gate = Gate::new(RATE, (0..20).map(|n| 1_000 + n));
        assert_eq!(gate.take(5_000), Err(11_150));
        assert_eq!(gate.take(11_150), Ok(()));
        assert_eq!(gate.take(11_150), Err(11_151));
    }

    #[test]
    fn a_closed_gate_opens_for_nobody() {
        let mut gate = Gate::new(RATE, []);
        gate.close_until(60_000);
        gate.close_until(30_000);
        assert_eq!(gate.take(59_999), Err(60_000));
        assert_eq!(gate.take(60_000), Ok(()));
    }

    proptest! {
        #[test]
        fn no_window_holds_more_than_its_count(
            waits in prop::collection::vec(0_i64..3_000, 1..300),
            count in 1_u32..30,
            window_ms in 1_u64..20_000,
        ) {
            let mut gate = Gate::new(Rate { count, window_ms }, []);
            let (mut now, mut sent) = (0, Vec::new());
            for wait in waits {
                now += wait;
                if gate.take(now).is_ok() {
                    sent.push(now);
                }
            }
            for (at, start) in sent.iter().enumerate() {
                let inside = sent[at..].iter().take_while(|time| **time - start < i64::try_from(window_ms).unwrap()).count();
                prop_assert!(inside <= count as usize);
            }
        }
    }
}
