//! Callbacks that came to another process of a shared run: each is left in the store, and the process that has the job takes it from
//! there.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::callbacks::ReceivedCallback;
use crate::settings::JobKey;
use crate::store::{LeftCallback, Store, StoreError};

/// How often a process looks for callbacks. Polls find the same some seconds later.
const PAUSE: Duration = Duration::from_secs(1);

/// The callbacks that this process takes from the store.
pub(super) struct LeftCallbacks {
    due: Interval,
    /// Those that are not recorded yet. The other end says when they are.
    taken: HashMap<LeftCallback, oneshot::Receiver<bool>>,
}

impl LeftCallbacks {
    pub(super) fn new() -> Self {
        let mut due = interval(PAUSE);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            due,
            taken: HashMap::new(),
        }
    }

    /// Waits until it is time to look.
    pub(super) async fn due(&mut self) {
        self.due.tick().await;
    }

    /// The callbacks that were left for these jobs and were not taken yet. Removes those that are recorded by now.
    pub(super) fn look(
        &mut self,
        store: &mut dyn Store,
        jobs: &[JobKey],
    ) -> Result<Vec<LeftCallback>, StoreError> {
        for left in self.recorded() {
            store.remove_callback(&left)?;
        }
        let mut found = store.left_callbacks(jobs)?;
        found.retain(|left| !self.taken.contains_key(left));
        Ok(found)
    }

    /// Takes one: the call says once it is recorded.
    pub(super) fn take(&mut self, left: LeftCallback) -> ReceivedCallback {
        let (done, is_recorded) = oneshot::channel();
        let (token, task) = (left.token.clone(), left.task.clone());
        self.taken.insert(left, is_recorded);
        ReceivedCallback { token, task, done }
    }

    /// Those that are recorded by now. What was left out of the record is taken once more.
    fn recorded(&mut self) -> Vec<LeftCallback> {
        let mut recorded = Vec::new();
        self.taken.retain(|left, done| match done.try_recv() {
            Ok(_) => {
                recorded.push(left.clone());
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            Err(oneshot::error::TryRecvError::Closed) => false,
        });
        recorded
    }
}
