//! A server that can't be reached: what the user sees of that, and the pauses between the tries to reach it again.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// The target of the messages in the log. The program prints them whatever its level.
pub const TARGET: &str = "backline::connection";

/// The pause after the first try, and the longest one, which is reached after four.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The tries to reach one server. A message at the first failure and one at the end of the outage; pauses that double, up to a quarter
/// longer by chance, so that a thousand processes do not come back in the same moment.
#[derive(Debug)]
pub struct Reconnect {
    /// The server, for messages.
    subject: String,
    /// Whether another one tells the user.
    is_quiet: bool,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    failures: u32,
}

impl Reconnect {
    /// The tries to reach `subject`, which messages begin with.
    pub fn to(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            is_quiet: false,
            outage: None,
        }
    }

    /// The same without messages: another connection to the server has them.
    pub fn quietly_to(subject: impl Into<String>) -> Self {
        Self {
            is_quiet: true,
            ..Self::to(subject)
        }
    }

    /// A try failed. Gives the pause before the next one.
    pub fn failed(&mut self, error: &dyn Display) -> Duration {
        let outage = self.outage.get_or_insert_with(|| {
            if !self.is_quiet {
                tracing::warn!(target: TARGET, "{} can't be reached: {error}; trying again until it can", self.subject);
            }
            Outage {
                since: Instant::now(),
                failures: 0,
            }
        });
        tracing::debug!("{} can't be reached: {error}", self.subject);
        let doubled = FIRST_PAUSE.saturating_mul(1 << outage.failures.min(16));
        outage.failures += 1;
        // Without a random number all processes pause equally long.
        let chance = getrandom::u32().map_or(0.0, |random| f64::from(random) / f64::from(u32::MAX));
        doubled.min(LONGEST_PAUSE).mul_f64(1.0 + chance / 4.0)
    }

    /// A try succeeded.
    pub fn succeeded(&mut self) {
        if let Some(outage) = self.outage.take().filter(|_| !self.is_quiet) {
            let seconds = outage.since.elapsed().as_secs().max(1);
            tracing::info!(target: TARGET, "{} can be reached again, after {seconds} s", self.subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_begin_again_after_the_outage() {
        let mut reconnect = Reconnect::to("the server");
        let mut expected_s = 0.5;
        for _ in 0..10 {
            let pause = reconnect.failed(&"refused").as_secs_f64();
            assert!(
                (expected_s..=expected_s * 1.25).contains(&pause),
                "{pause} s instead of {expected_s} s"
            );
            expected_s = (2.0 * expected_s).min(5.0);
        }
        reconnect.succeeded();
        assert!(reconnect.failed(&"refused") < Duration::from_secs(1));
    }
}
