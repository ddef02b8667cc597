//! The state that the parts of a running studio share.

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
use crate::renderer::Renderer;
use crate::step_wire::Writing;
use crate::store::StudioStore;
use crate::store::tasks::StoredTrack;

/// The state of one studio. Handlers and workers share it through an `Arc`.
pub(crate) struct StudioState {
    pub(crate) config: StudioConfig,
    pub(crate) folder: DataFolder,
    pub(crate) store: Arc<StudioStore>,
    pub(crate) links: Links,
    pub(crate) fetcher: Fetcher,
    pub(crate) renderer: Renderer,
    pub(crate) rate_window: Option<Mutex<RateWindow>>,
    /// Instant mode's finished tracks.
    pub(crate) instant: Option<Vec<StoredTrack>>,
    pub(crate) unfinished: Unfinished,
    /// Notified when a task waits for the worker.
    pub(crate) work_waits: Notify,
    /// Notified when a callback may have become due.
    pub(crate) callback_waits: Notify,
    /// Changes whenever a task changes; waiting requests then read the task again.
    pub(crate) progress: watch::Sender<()>,
    pub(crate) base64_slots: Semaphore,
    pub(crate) stream_slots: Semaphore,
    /// The refusal of every submission that a misbehaviour plan requires, and its end.
    pub(crate) refusing: Mutex<Option<(Instant, Refuse)>>,
    /// Uploads that a misbehaviour plan has deleted, by their path below `files/`.
    pub(crate) gone_uploads: Mutex<HashMap<String, UploadGone>>,
    /// The number of calls of each kind since the start, for a misbehaviour plan.
    pub(crate) other_calls: [AtomicU32; OtherKind::COUNT],
    /// The secret for reading the bill: the studio's API key, or a secret of this start.
    pub(crate) bill_key: String,
    pub(crate) stop: CancellationToken,
}

/// A kind of call that is not about a submission.
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
    /// The deleted uploads, and how each is reported.
    pub(crate) fn lock_gone_uploads(&self) -> MutexGuard<'_, HashMap<String, UploadGone>> {
        self.gone_uploads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call of this kind and returns a misbehaviour plan's reply to it.
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

    /// The vendor whose codes and formats are used.
    pub(crate) fn codes(&self) -> Codes {
        let plan = self.config.misbehaviour.as_ref();
        plan.map_or_else(Codes::default, |plan| plan.codes)
    }

    /// The values that details and callbacks are written with.
    pub(crate) fn writing<'a>(&'a self, notes: &'a Value) -> Writing<'a> {
        Writing {
            links: &self.links,
            codes: self.codes(),
            notes,
        }
    }

    /// Notifies all waiting tasks that a task has changed.
    pub(crate) fn task_moved(&self) {
        self.progress.send_replace(());
        self.callback_waits.notify_one();
    }
}

/// The number of unfinished tasks, with a limit.
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

    /// Takes a place in the queue, if one is free.
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
