//! Exit codes. Scripts rely on them: a number never changes its meaning.
//!
//! [`failure`](crate::failure) maps failures to codes, and [`Code::of`] maps the outcomes of runs. No other module contains these
//! numbers.

use std::process::ExitCode;

use backline_engine::event::Outcome;

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(u8);

/// All tracks are kept, or the command succeeded.
pub(crate) const DONE: Code = Code(0);
/// A bug in the program.
pub(crate) const BUG: Code = Code(1);
/// The command line or the environment is wrong.
pub(crate) const USAGE: Code = Code(2);
/// The manifest is invalid.
pub(crate) const MANIFEST: Code = Code(3);
/// Some jobs failed, or some tracks could not be downloaded.
pub(crate) const JOBS_FAILED: Code = Code(4);
/// The run stopped early; the same command continues it.
pub(crate) const STOPPED: Code = Code(5);
/// The provider refuses requests because of the key, the credits or maintenance.
pub(crate) const REFUSED: Code = Code(6);
/// The ledger, a report or another output could not be written or read.
pub(crate) const NOT_WRITTEN: Code = Code(7);
/// Some jobs are in doubt: they may have been bought, and are never bought again automatically.
pub(crate) const IN_DOUBT: Code = Code(8);
/// The plan differs from the lock file.
pub(crate) const LOCK_DIFFERS: Code = Code(9);
/// The only missing jobs are those that a hook vetoed.
pub(crate) const VETOED: Code = Code(10);
/// Some tasks ended with fewer tracks than usual. Their tracks are kept.
pub(crate) const PARTIAL: Code = Code(11);

/// The exit codes as the program's help lists them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  all tracks are kept, or the command succeeded
  1  a bug in the program
  2  the command line or the environment is wrong
  3  the manifest is invalid
  4  some jobs failed, or their tracks could not be downloaded
  5  stopped (signal, limit, provider unreachable, failures in a row); the same command continues
  6  the provider refuses: key, credits, maintenance
  7  the ledger, a report or an output could not be written or read
  8  some jobs are in doubt
  9  the plan differs from the lock file, or `diff --exit-code` found a difference
  10 only jobs that a hook vetoed are missing
  11 some tasks ended with fewer tracks than usual; those are kept";

impl Code {
    /// The code for a run's outcome.
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Complete => DONE,
            Outcome::Vetoed => VETOED,
            Outcome::Partial => PARTIAL,
            Outcome::Failed => JOBS_FAILED,
            Outcome::InDoubt => IN_DOUBT,
            Outcome::Stopped { .. } => STOPPED,
            Outcome::Refused { .. } => REFUSED,
        }
    }

    /// The code's number, for a process that exits at once.
    pub(crate) fn number(self) -> i32 {
        self.0.into()
    }

    /// Returns this code, or `other` if this one means success.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == DONE { other } else { self }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}
