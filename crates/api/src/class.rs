//! What follows from a response, whichever code a vendor has for it.

use serde::{Deserialize, Serialize};

/// What follows from a response. The profile alone maps codes to classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseClass {
    /// This job will never be taken as it is; others may.
    RefusedJob,
    /// Nothing will be taken until someone changes the key, the address or the account.
    RefusedRun,
    /// Too fast: the same again after some seconds.
    Wait,
    /// Maintenance: the same again after some minutes.
    WaitLong,
    /// The account has no credits left.
    StopForCredits,
    /// The request never left this machine: safe to send.
    NotSent,
    /// Nobody knows whether the request was carried out.
    InDoubt,
    /// It was taken and failed.
    TaskFailed,
    /// It was taken, failed, and its credits were given back: safe to send.
    Refunded,
    /// The provider could not fetch the recording: its upload is gone. Nothing was bought.
    SourceGone,
    /// The provider does not know this one task (any more); says nothing about other tasks.
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

    /// Whether a call that buys nothing may be made again after such a response.
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
