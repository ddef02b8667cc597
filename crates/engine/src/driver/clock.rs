//! The run's clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time that never runs backwards while a run lasts.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    started: Instant,
    started_ms: i64,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn new() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            started: Instant::now(),
            started_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Unix time in milliseconds.
    pub(crate) fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.started_ms.saturating_add(passed)
    }

    /// The runtime's time for a Unix time.
    pub(super) fn instant(&self, at_ms: i64) -> tokio::time::Instant {
        let wait = at_ms.saturating_sub(self.now_ms()).max(0).unsigned_abs();
        tokio::time::Instant::now() + Duration::from_millis(wait)
    }
}

/// Waits until `wake`; for ever where there is none.
pub(super) async fn until(wake: Option<tokio::time::Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
