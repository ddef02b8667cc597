//! The pace of submissions: a sliding window per account. Pure: the caller passes the current time.
//!
//! The vendors refuse what goes over 20 submissions in any 10 seconds. A token bucket of the same rate would let up to 39 through
//! one window (its burst and its refill), so the gate keeps the time of every submission of the last window and lets the next one
//! through only when the oldest has left it.
//!
//! A vendor counts a request when it arrives, and between a place that is taken and the writing of its request lie a commit, a name that is
//! resolved and a connection that is opened. A late request and a prompt one of the next window would arrive within one window. So a
//! submission counts from the time at which it was written: the caller says it once it is known ([`Gate::left`]). Until then it counts from
//! now, though for no longer than the opening of a connection may take.

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

/// The longest time from a place that is taken to the writing of its request, in milliseconds: a connection is given up after it.
const LATEST_MS: i64 = 10_000;

/// A submission in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the place was taken, in milliseconds.
    pub taken_ms: i64,
    /// When the request was written, in milliseconds; none while that is not known.
    pub left_ms: Option<i64>,
}

/// A sliding window of submissions.
#[derive(Debug, Clone)]
pub struct Gate {
    count: usize,
    window_ms: i64,
    /// In the order in which they were taken.
    places: VecDeque<Place>,
    closed_until_ms: i64,
}

impl Gate {
    /// A gate for `rate`, knowing the submissions that were made before (any order).
    pub fn new(rate: Rate, earlier: impl IntoIterator<Item = Place>) -> Self {
        let mut places: Vec<Place> = earlier.into_iter().collect();
        places.sort_unstable_by_key(|place| place.taken_ms);
        Self {
            count: rate.count.max(1) as usize,
            window_ms: i64::try_from(rate.counts_for_ms()).unwrap_or(i64::MAX / 4),
            places: places.into(),
            closed_until_ms: i64::MIN,
        }
    }

    /// Takes a place at `now_ms`.
    ///
    /// # Errors
    /// When none is free: the time at which that is to be tried again, in milliseconds.
    pub fn take(&mut self, now_ms: i64) -> Result<(), i64> {
        let opens = self.opens_at(now_ms);
        if opens > now_ms {
            return Err(opens);
        }
        while self
            .places
            .front()
            .is_some_and(|place| self.latest_end(*place) <= now_ms)
        {
            self.places.pop_front();
        }
        // An earlier run whose clock was ahead leaves times from the future; the order is kept.
        let at = self
            .places
            .partition_point(|place| place.taken_ms <= now_ms);
        let taken = Place {
            taken_ms: now_ms,
            left_ms: None,
        };
        self.places.insert(at, taken);
        Ok(())
    }

    /// The request for which a place was taken at `taken_ms` was written at `left_ms`.
    pub(crate) fn left(&mut self, taken_ms: i64, left_ms: i64) {
        let mut places = self.places.iter_mut();
        if let Some(place) = places.find(|it| it.taken_ms == taken_ms && it.left_ms.is_none()) {
            place.left_ms = Some(left_ms);
        }
    }

    /// Frees the place that was taken at `taken_ms`: nothing was sent.
    pub(crate) fn give_back(&mut self, taken_ms: i64) {
        let is_it = |place: &Place| place.taken_ms == taken_ms && place.left_ms.is_none();
        if let Some(at) = self.places.iter().rposition(is_it) {
            self.places.remove(at);
        }
    }

    /// When the next place is free, as far as is known: `now_ms` if one is.
    pub fn opens_at(&self, now_ms: i64) -> i64 {
        let mut opens = now_ms;
        if self.places.len() >= self.count {
            let mut ends: Vec<i64> = self
                .places
                .iter()
                .map(|place| self.end(*place, now_ms))
                .collect();
            // The window is full until all but `count - 1` have left it.
            let last = ends.len() - self.count;
            opens = *ends.select_nth_unstable(last).1;
        }
        opens.max(self.closed_until_ms).max(now_ms)
    }

    /// The same if all requests under way had left when their places were taken: before it none can be free.
    pub fn opens_no_earlier_than(&self, now_ms: i64) -> i64 {
        let mut left = self.clone();
        for place in &mut left.places {
            place.left_ms = place.left_ms.or(Some(place.taken_ms));
        }
        left.opens_at(now_ms)
    }

    /// When a submission leaves the window.
    fn end(&self, place: Place, now_ms: i64) -> i64 {
        let latest_ms = place.taken_ms.saturating_add(self.window_ms.min(LATEST_MS));
        let left_ms = place.left_ms.unwrap_or(now_ms).min(latest_ms);
        left_ms.max(place.taken_ms).saturating_add(self.window_ms)
    }

    /// The same, whatever becomes known of it.
    fn latest_end(&self, place: Place) -> i64 {
        self.end(place, i64::MAX)
    }

    /// Closes the gate for the whole account: the vendor has refused for its pace or is being maintained.
    pub(crate) fn close_until(&mut self, until_ms: i64) {
        self.closed_until_ms = self.closed_until_ms.max(until_ms);
    }

    /// The clock has jumped ahead by `jump_ms`: it was set, or the machine was suspended. The vendor's clock may not have, so what was
    /// sent within the window before it counts on for as long as it would have.
    pub(crate) fn jumped(&mut self, now_ms: i64, jump_ms: i64) {
        let moved = |at_ms: i64| at_ms.saturating_add(jump_ms).min(now_ms).max(at_ms);
        for place in &mut self.places {
            place.taken_ms = moved(place.taken_ms);
            place.left_ms = place.left_ms.map(moved);
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

    fn left_at(taken_ms: i64) -> Place {
        let left_ms = Some(taken_ms);
        Place { taken_ms, left_ms }
    }

    /// Submits as fast as the gate allows and gives the times.
    fn rush(gate: &mut Gate, from_ms: i64, submissions: usize) -> Vec<i64> {
        let mut now = from_ms;
        let mut sent = Vec::new();
        while sent.len() < submissions {
            match gate.take(now) {
                Ok(()) => {
                    gate.left(now, now);
                    sent.push(now);
                }
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
        let mut gate = Gate::new(RATE, (0..20).map(|n| left_at(1_000 + n)));
        assert_eq!(gate.take(5_000), Err(11_150));
        assert_eq!(gate.take(11_150), Ok(()));
        assert_eq!(gate.take(11_150), Err(11_151));
    }

    #[test]
    fn a_request_counts_from_its_writing_and_until_it_is_written_from_now() {
        let two = Rate {
            count: 2,
            window_ms: 10_000,
        };
        let mut gate = Gate::new(two, []);
        assert_eq!((gate.take(0), gate.take(0)), (Ok(()), Ok(())));
        // A connection is opened for half a second.
        assert_eq!(gate.take(400), Err(10_550));
        assert_eq!(gate.opens_no_earlier_than(400), 10_150);
        gate.left(0, 500);
        gate.left(0, 500);
        assert_eq!(gate.take(10_649), Err(10_650));
        assert_eq!(gate.take(10_650), Ok(()));
        // Nothing is known of it for longer than a window: the next ones don't wait for ever.
        assert_eq!(gate.take(10_650), Ok(()));
        assert_eq!(gate.take(20_000), Err(30_150));
        assert_eq!(gate.take(30_799), Err(30_800));
        assert_eq!(gate.take(30_800), Ok(()));
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
        /// Requests leave up to a window late, and the vendor counts them as they arrive.
        #[test]
        fn no_window_holds_more_than_its_count(
            waits in prop::collection::vec((0_i64..3_000, 0_i64..8_000, 0_i64..2_000), 1..200),
            count in 1_u32..30,
            window_ms in 8_000_u64..20_000,
        ) {
            let mut gate = Gate::new(Rate { count, window_ms }, []);
            let (mut now, mut arrived) = (0, Vec::new());
            let mut under_way: Vec<(i64, i64, i64)> = Vec::new();
            for (wait, late, takes) in waits {
                now += wait;
                under_way.retain(|(taken, left, answered)| {
                    if *answered <= now {
                        gate.left(*taken, *left);
                    }
                    *answered > now
                });
                if gate.take(now).is_ok() {
                    arrived.push(now + late);
                    under_way.push((now, now + late, now + late + takes));
                }
            }
            arrived.sort_unstable();
            let count = count as usize;
            for window in arrived.windows(count + 1) {
                prop_assert!(window[count] - window[0] >= i64::try_from(window_ms).unwrap());
            }
        }
    }
}
