//! Following what is bought: polling tasks, fetching tracks, and deciding when a task is over.
//!
//! A poll's response is taken in at once: which track is which ([`matching`](super::matching)), how far the task is, and where each
//! file can be fetched. A file is fetched as soon as a poll shows an address for it, while the vendor may still be at work on the
//! others; where the first address fails the next one of the same response is tried, then those of a later poll.
//!
//! What the vendor says of the end is believed only when it says so for some time. A failure is final when two polls in a row
//! agree; where tracks have been shown, or the vendor only reports that its callback failed or that a "finished" task lacks an
//! address, it is polled for [`Timing::grace_ms`] more, and that begins anew with each track that appears. Then the task has failed
//! if no track has an address, and ended as partial if one has.
//!
//! A response that tells nothing of the task (an error page, `data: null`, another task's details) ends and fails nothing: the task
//! is polled again, and the error is recorded once if it lasts.

use super::*;

/// A file of a task that is not kept yet.
#[derive(Debug, Default)]
pub(super) struct Fetch {
    /// Where its content is, as the last poll said; empty where a new poll is needed.
    pub(super) contents: Vec<FileContent>,
    /// Which of them is next.
    pub(super) next: usize,
    /// Rounds over all of them that failed.
    pub(super) rounds: u32,
    /// When it may be tried again.
    pub(super) not_before_ms: i64,
    pub(super) under_way: bool,
    /// Nothing more is tried in this run.
    pub(super) given_up: bool,
    /// Whether its host said at the last try that it does not serve it.
    pub(super) dead: bool,
}

/// A task that the vendor reports as over.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReportedEnd {
    /// Since when, or since the last track appeared.
    pub(super) since_ms: i64,
    /// Polls since then that reported it.
    pub(super) polls: u32,
}

/// A task whose details have not been read lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silence {
    pub(super) since_ms: i64,
    pub(super) polls: u32,
    /// Whether this run has recorded it.
    pub(super) recorded: bool,
}

/// What this run knows of a task that is followed, beyond the ledger.
#[derive(Debug, Default)]
pub(super) struct FollowedTask {
    pub(super) fetches: BTreeMap<(u32, Part), Fetch>,
    /// When the next fetch may begin, or none where none is to come.
    pub(super) fetch_at: Option<i64>,
    pub(super) ending: Option<ReportedEnd>,
    pub(super) silence: Option<Silence>,
}

impl Fetch {
    pub(super) fn is_ready(&self) -> bool {
        !self.under_way && !self.given_up && self.next < self.contents.len()
    }
}

impl Conductor {
    /// Plans the next poll of a task.
    pub(super) fn schedule_poll(&mut self, at: usize, at_ms: i64) {
        if let Some(old) = self.slots[at].poll_at.replace(at_ms) {
            self.polls.remove(&(old, at));
        }
        self.polls.insert((at_ms, at));
    }

    /// Begins to follow a task that has just become the job's.
    pub(super) fn follow(&mut self, at: usize, now_ms: i64, first_poll_ms: i64) {
        self.slots[at].followed_since_ms = now_ms;
        self.slots[at].following = FollowedTask::default();
        self.schedule_poll(at, first_poll_ms);
    }

    /// What failed while the vendor was at work does not count against a task that is over.
    pub(super) fn forget_failed_rounds(&mut self, at: usize) {
        for fetch in self.slots[at].following.fetches.values_mut() {
            fetch.rounds = 0;
        }
    }
}
