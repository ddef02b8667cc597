//! Callbacks that came to another process of a shared run: each is left in the store, and the process that has the job takes it from
//! there.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::RunError;
use super::callbacks::ReceivedCallback;
use super::shell::{Shell, Turn};
use crate::index::ClaimOutcome;
use crate::settings::JobKey;
use crate::store::{LeftCallback, StoreError};

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

impl Shell<'_> {
    /// Takes the callbacks that were left for the jobs of this process.
    pub(super) fn take_left_callbacks(&mut self, turn: &mut Turn) -> Result<(), RunError> {
        let jobs: Vec<JobKey> = match &self.share {
            Some(share) => {
                let songs = share.given.keys();
                songs
                    .flat_map(|song| self.conductor.family_of(song))
                    .collect()
            }
            None => self.conductor.jobs().map(|(key, _)| *key).collect(),
        };
        let recorded = self.left_callbacks.recorded();
        let store = &mut *self.store;
        let found = tokio::task::block_in_place(|| {
            for left in &recorded {
                store.remove_callback(left)?;
            }
            store.left_callbacks(&jobs)
        });
        let found = match found {
            Ok(found) => found,
            // The next look finds the same.
            Err(StoreError::Unreachable { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for left in found {
            if self.left_callbacks.taken.contains_key(&left) {
                continue;
            }
            let (done, is_recorded) = oneshot::channel();
            let (token, task) = (left.token.clone(), left.task.clone());
            let call = ReceivedCallback { token, task, done };
            if let Some(ClaimOutcome::Known) = self.claim(&call, &mut turn.decision) {
                turn.acknowledgements.push((call.done, true));
                self.left_callbacks.taken.insert(left, is_recorded);
            }
        }
        Ok(())
    }

    /// Leaves a callback of an attempt that this process does not know to the one that has the job. Returns whether the store knows the
    /// attempt; none where it can't be reached, so that the provider retries.
    pub(super) fn leave_callback(&mut self, call: &ReceivedCallback) -> Option<bool> {
        if self.share.is_none() {
            return Some(false);
        }
        let left = LeftCallback {
            token: call.token.clone(),
            task: call.task.clone(),
        };
        match tokio::task::block_in_place(|| self.store.leave_callback(&left)) {
            Ok(known) => Some(known),
            Err(error) => {
                tracing::warn!(%error, "cannot leave a callback to another process");
                None
            }
        }
    }
}
