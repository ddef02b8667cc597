//! What the parts of a running studio share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::Value;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::config::StudioConfig;
use crate::fetch::Fetcher;
use crate::folder::DataFolder;
use crate::gate::RateWindow;
use crate::links::Links;
use crate::misbehave::{Codes, OtherCall, Refuse, Reply, UploadGone};
use crate::step_wire::Writing;
use crate::store::StudioStore;
use crate::store::tasks::StoredTrack;

/// One studio's state. Handlers and workers share it through an `Arc`.
pub(crate) struct StudioState {
    pub(crate) config: StudioConfig,
    pub(crate) folder: DataFolder,
    pub(crate) store: Arc<StudioStore>,
    pub(crate) links: Links,
    pub(crate) fetcher: Fetcher,
    pub(crate) rate_window: Option<Mutex<RateWindow>>,
    /// Instant mode's finished tracks.
    pub(crate) instant: Option<Vec<StoredTrack>>,
    pub(crate) unfinished: Unfinished,
    /// Rung when a task waits for the worker.
    pub(crate) work_waits: Notify,
    /// Rung when a callback may have become due.
    pub(crate) callback_waits: Notify,
    /// Changes with every step of every task; waiting requests read the task again then.
    pub(crate) progress: watch::Sender<()>,
    pub(crate) base64_slots: Semaphore,
    pub(crate) stream_slots: Semaphore,
    /// What a misbehaviour plan refuses every submission with, and until when.
    pub(crate) refusing: Mutex<Option<(Instant, Refuse)>>,
    /// Uploads, by their path below `files/`, that a misbehaviour plan has taken away.
    pub(crate) gone_uploads: Mutex<HashMap<String, UploadGone>>,
    /// How many calls of each kind a misbehaviour plan has seen since the start.
    pub(crate) other_calls: [AtomicU32; OtherKind::COUNT],
    /// What opens the bill: the studio's key, or a secret of this start.
    pub(crate) bill_key: String,
    pub(crate) stop: CancellationToken,
}

/// A call that is about no submission.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OtherKind {
    UnknownTask,
    Credits,
    Uploads,
}

impl OtherKind {
    pub(crate) const COUNT: usize = 3;
}

impl StudioState {
    /// The uploads that are gone, and how that shows.
    pub(crate) fn lock_gone_uploads(&self) -> MutexGuard<'_, HashMap<String, UploadGone>> {
        self.gone_uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What a misbehaviour plan has for a call of this kind, which is counted.
    pub(crate) fn other_reply(&self, kind: OtherKind) -> Option<&Reply> {
        let calls = &self.config.misbehaviour.as_ref()?.other_calls;
        let call: &OtherCall = match kind {
            OtherKind::UnknownTask => calls.unknown_task.as_ref(),
            OtherKind::Credits => calls.credits.as_ref(),
            OtherKind::Uploads => calls.uploads.as_ref(),
        }?;
        let number = self.other_calls[kind as usize].fetch_add(1, Ordering::AcqRel);
        call.times
            .covers(number.saturating_add(1))
            .then_some(&call.reply)
    }

    /// The vendor that is imitated where vendors differ.
    pub(crate) fn codes(&self) -> Codes {
        let plan = self.config.misbehaviour.as_ref();
        plan.map_or_else(Codes::default, |plan| plan.codes)
    }

    /// What details and callbacks are written with.
    pub(crate) fn writing<'a>(&'a self, notes: &'a Value) -> Writing<'a> {
        Writing {
            links: &self.links,
            codes: self.codes(),
            notes,
        }
    }

    /// Notifies everybody who waits that a task has moved.
    pub(crate) fn task_moved(&self) {
        self.progress.send_replace(());
        self.callback_waits.notify_one();
    }
}

/// The number of tasks that are not finished, bounded.
pub(crate) struct Unfinished {
    count: AtomicUsize,
    limit: usize,
}

impl Unfinished {
    pub(crate) fn new(count: usize, limit: usize) -> Unfinished {
        Unfinished {
            count: AtomicUsize::new(count),
            limit,
        }
    }

    /// Takes a place in the queue if there is one.
    pub(crate) fn enter(&self) -> bool {
        let enter = |count| (count < self.limit).then_some(count + 1);
        self.count
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, enter)
            .is_ok()
    }

    /// Whether no place is taken.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_takes_no_more_than_its_limit() {
        let queue = Unfinished::new(1, 2);
        assert!(queue.enter());
        assert!(!queue.enter());
        queue.leave();
        assert!(queue.enter());
    }
}
