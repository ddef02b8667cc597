//! The run's clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The system's time is followed when it is ahead of what has passed by at least this: the machine was suspended, or its clock
/// was set. Smaller differences are how two clocks of one machine drift.
const JUMP_MS: i64 = 1_000;

/// The longest sleep: timers stop while a machine is suspended, so the time is read anew.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Unix time that never runs backwards while a run lasts, and goes on while the machine is suspended.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    started: Instant,
    time: Arc<Mutex<Time>>,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            time: Arc::new(Mutex::new(Time::starting_at(system_ms()))),
        }
    }

    /// Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let passed_ms = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        time.at(passed_ms, system_ms())
    }

    /// By how much the time has jumped ahead since this was last called, in milliseconds.
    pub(super) fn take_jump_ms(&self) -> i64 {
        let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut time.jumped_ms)
    }

    /// When to wake for a Unix time: then, or earlier to read the time anew.
    pub(super) fn instant(&self, at_ms: i64) -> tokio::time::Instant {
        let wait = at_ms.saturating_sub(self.now_ms()).max(0).unsigned_abs();
        tokio::time::Instant::now() + Duration::from_millis(wait).min(LONGEST_SLEEP)
    }
}

/// What two clocks say together: one that never jumps but stops while the machine is suspended, and one that may be set. Pure.
#[derive(Debug, Clone, Copy)]
struct Time {
    /// Unix time less the time that has passed on the first clock.
    base_ms: i64,
    last_ms: i64,
    /// By how much the second clock was followed ahead, until somebody took notice.
    jumped_ms: i64,
}

impl Time {
    fn starting_at(system_ms: i64) -> Self {
        Self {
            base_ms: system_ms,
            last_ms: system_ms,
            jumped_ms: 0,
        }
    }

    /// The time when `passed_ms` have passed on the first clock and the second says `system_ms`.
    fn at(&mut self, passed_ms: i64, system_ms: i64) -> i64 {
        let ahead_ms = system_ms.saturating_sub(self.base_ms.saturating_add(passed_ms));
        if ahead_ms >= JUMP_MS {
            self.base_ms = self.base_ms.saturating_add(ahead_ms);
            self.jumped_ms = self.jumped_ms.saturating_add(ahead_ms);
        }
        // Two threads may read the clocks in one order and come here in the other.
        self.last_ms = self.last_ms.max(self.base_ms.saturating_add(passed_ms));
        self.last_ms
    }
}

fn system_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Waits until `wake`; for ever where there is none.
pub(super) async fn until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn time_goes_on_while_the_machine_is_suspended() {
        let mut time = Time::starting_at(1_000_000);
        assert_eq!(time.at(500, 1_000_500), 1_000_500);
        // Five hours of sleep: nothing has passed on the clock that stops.
        assert_eq!(
            time.at(510, 1_000_510 + 5 * HOUR_MS),
            1_000_510 + 5 * HOUR_MS
        );
        assert_eq!(
            time.at(1_510, 1_001_510 + 5 * HOUR_MS),
            1_001_510 + 5 * HOUR_MS
        );
        assert_eq!(time.jumped_ms, 5 * HOUR_MS);
    }

    #[test]
    fn a_clock_that_is_set_back_or_drifts_changes_nothing() {
        let mut time = Time::starting_at(1_000_000);
        assert_eq!(time.at(500, 1_000_500 - HOUR_MS), 1_000_500);
        assert_eq!(time.at(600, 1_000_600 + JUMP_MS - 1), 1_000_600);
        assert_eq!(time.at(700, 1_000_700 - HOUR_MS), 1_000_700);
        assert_eq!(time.at(650, 1_000_650), 1_000_700);
    }

    #[test]
    fn drift_does_not_add_up() {
        let mut time = Time::starting_at(0);
        for passed_ms in 0..100_000 {
            // A system clock that trembles.
            let system_ms = passed_ms + (passed_ms % 7) - 3;
            assert_eq!(time.at(passed_ms, system_ms), passed_ms);
        }
    }
}
