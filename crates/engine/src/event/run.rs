//! What is recorded of a run: its balances, the callbacks that it refused, and how it ended.

use backline_api::ResponseClass;
use serde::{Deserialize, Serialize};

/// When a balance was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the first submission.
    Before,
    /// After the last track.
    After,
}

/// Callbacks that were refused, by why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedCallbacks {
    /// Their address carried no secret that this ledger knows.
    pub unknown: u64,
    /// They carried no signature.
    pub unsigned: u64,
    /// Their signature was made with another key, or is none.
    pub wrong_signature: u64,
    /// They were signed too long ago, or in the future: a repetition, or a wrong clock.
    pub outside_window: u64,
    /// Their body was no callback, or too long.
    pub unreadable: u64,
    /// The queue was full at that moment; the response made the vendor send them again.
    pub turned_away: u64,
}

impl RefusedCallbacks {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.unknown
            + self.unsigned
            + self.wrong_signature
            + self.outside_window
            + self.unreadable
            + self.turned_away
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Outcome {
    /// All wanted tracks are kept.
    Complete,
    /// Some jobs failed, could not be bought, or have tracks that could not be downloaded.
    Failed,
    /// Some tasks ended with fewer tracks than they showed; what there was is kept.
    Partial,
    /// Only jobs that a hook vetoed are missing.
    Vetoed,
    /// Some jobs are in doubt.
    InDoubt,
    /// It was stopped and can be taken up again.
    Stopped {
        /// By what.
        reason: StopReason,
    },
    /// The provider refused to go on.
    Refused {
        /// The vendor's code.
        code: Option<i64>,
        /// What that means.
        class: ResponseClass,
        /// The vendor's words.
        message: String,
    },
}

/// What stopped a run that can be taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The user, with Ctrl-C or a signal.
    Signal,
    /// `limits.deadline`.
    Deadline,
    /// `limits.credits`.
    CreditLimit,
    /// `limits.ledger_credits`.
    LedgerCreditLimit,
    /// The provider could not be reached, or did not respond, for too long.
    Unreachable,
    /// A task took longer than one run follows it; its id is kept.
    Overdue,
    /// `limits.failures_in_a_row`: responses were lost or tasks failed one after the other, and so did the tries after a pause.
    FailuresInARow,
}
