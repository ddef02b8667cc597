//! The consequence of a response, independent of the vendor's code for it.

use serde::{Deserialize, Serialize};

/// The consequence of a response. Only the profile maps codes to classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseClass {
    /// The provider will never accept this job as it is; it may accept others.
    RefusedJob,
    /// The provider accepts nothing until someone changes the key, the address or the account.
    RefusedRun,
    /// Rate limit: send the same request again after some seconds.
    Wait,
    /// Maintenance: send the same request again after some minutes.
    WaitLong,
    /// The account has no credits left.
    StopForCredits,
    /// The request never left this machine: safe to send.
    NotSent,
    /// Nobody knows whether the request was carried out.
    InDoubt,
    /// The provider accepted the task, and the task failed.
    TaskFailed,
    /// The provider accepted the task, it failed, and its credits were given back: safe to send.
    Refunded,
    /// The provider could not fetch the recording: the upload is gone. Nothing was bought.
    SourceGone,
    /// The provider does not know this task, or no longer knows it. This says nothing about other tasks.
    UnknownTask,
}

impl ResponseClass {
    /// Whether a response of this class to a submission proves that nothing was paid for.
    pub(crate) fn refuses(self) -> bool {
        match self {
            Self::RefusedJob
            | Self::RefusedRun
            | Self::Wait
            | Self::WaitLong
            | Self::StopForCredits
            | Self::Refunded
            | Self::SourceGone => true,
            Self::NotSent | Self::InDoubt | Self::TaskFailed | Self::UnknownTask => false,
        }
    }

    /// Whether a call that buys nothing may be repeated after such a response.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Wait | Self::WaitLong | Self::NotSent | Self::InDoubt | Self::UnknownTask => true,
            Self::RefusedJob
            | Self::RefusedRun
            | Self::StopForCredits
            | Self::TaskFailed
            | Self::Refunded
            | Self::SourceGone => false,
        }
    }
}
