//! An illegal step: what ends a run at once, because it is a bug or a ledger that something else has changed.

use crate::event::Event;
use crate::job::Phase;
use crate::settings::JobKey;

/// An event that can't happen to its job: a bug, or a ledger that was changed by something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job {job}: the event `{event}` cannot happen to a job in phase `{phase}`")]
pub struct IllegalStep {
    /// The job.
    pub job: JobKey,
    /// The phase it is in.
    pub phase: String,
    /// The event.
    pub event: String,
}

impl IllegalStep {
    pub(super) fn new(job: JobKey, phase: &Phase, event: &Event) -> Self {
        Self {
            job,
            phase: tag(phase, "phase"),
            event: tag(event, "event"),
        }
    }
}

/// The name of a variant, as the ledger writes it.
fn tag(value: &impl serde::Serialize, key: &str) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json[key].as_str().unwrap_or_default().to_owned()
}
