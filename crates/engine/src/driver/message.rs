//! What comes in to a run's loop.

use tokio::task::JoinError;

use super::callbacks::ReceivedCallback;
use super::share::GivenSong;
use crate::conductor::Input;
use crate::event::{Part, TrackNote};
use crate::hooks::HookFailure;
use crate::settings::JobKey;

/// What wakes a run's loop.
pub(super) enum Wakeup {
    /// The user wants to stop.
    Drain,
    /// An effect has come to its end.
    Ended(Result<Message, JoinError>),
    /// A callback came in.
    Called(ReceivedCallback),
    /// An observing hook failed, or found something out.
    Reported(HookReport),
    /// A song of a shared run was given, or none is left.
    Given(Option<GivenSong>),
    /// It is time to look for callbacks that came to other processes.
    LeftCallbacks,
    /// What is under way is no longer waited for.
    Over,
    /// The conductor wants to go on.
    Due,
}

/// What an effect comes to.
pub(super) enum Message {
    Input(Input),
    /// An input, and how hooks failed on the way to it.
    Hooked {
        about: JobKey,
        failures: Vec<HookFailure>,
        input: Input,
    },
    /// Nothing to decide on.
    Nothing,
}

/// What came of an event that was sent to an observing hook.
pub(super) struct HookReport {
    /// The job that the event was about.
    pub(super) about: Option<JobKey>,
    pub(super) result: Result<Option<Noted>, HookFailure>,
}

/// What was found out about a kept file.
pub(super) struct Noted {
    pub(super) job: JobKey,
    pub(super) index: u32,
    pub(super) part: Part,
    pub(super) note: TrackNote,
}
