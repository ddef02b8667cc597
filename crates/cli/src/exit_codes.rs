//! What the program says with its exit status. Scripts rely on these: a number never changes its meaning.
//!
//! Which failure gives which code is decided in [`failure`](crate::failure), which way for a run to end in
//! [`Code::of`]; nothing else in the program names a number.

use std::process::ExitCode;

use backline_engine::event::Outcome;

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code(u8);

/// All wanted tracks are kept; for other commands: what was asked for is done.
pub(crate) const DONE: Code = Code(0);
/// The program itself is wrong somewhere.
pub(crate) const BUG: Code = Code(1);
/// The command line, or the environment that it relies on, can't be carried out as it stands.
pub(crate) const USAGE: Code = Code(2);
/// The manifest is invalid.
pub(crate) const MANIFEST: Code = Code(3);
/// Some jobs failed.
pub(crate) const JOBS_FAILED: Code = Code(4);
/// The run stopped before its end and can be taken up by the same command.
pub(crate) const STOPPED: Code = Code(5);
/// The provider refuses to go on: the key, the credits, maintenance.
pub(crate) const REFUSED: Code = Code(6);
/// The ledger, a report or another output could not be written or read.
pub(crate) const NOT_WRITTEN: Code = Code(7);
/// Some jobs are in doubt: perhaps bought, never bought again by themselves.
pub(crate) const IN_DOUBT: Code = Code(8);
/// The manifest means something other than its lock file says.
pub(crate) const LOCK_DIFFERS: Code = Code(9);
/// Only jobs that a hook vetoed are missing.
pub(crate) const VETOED: Code = Code(10);
/// Some tasks ended with fewer tracks than they showed; what there was is kept.
pub(crate) const PARTIAL: Code = Code(11);

/// The same for the end of the program's help.
pub(crate) const HELP: &str = "\
Exit codes:
  0  all wanted tracks are kept, or the command did what was asked
  1  a bug in the program
  2  the command line or the environment is wrong
  3  the manifest is invalid
  4  some jobs failed
  5  stopped (signal, limit, provider unreachable, failures in a row); the same command goes on
  6  the provider refuses: key, credits, maintenance
  7  the ledger, a report or an output could not be written or read
  8  some jobs are in doubt
  9  the manifest means something other than its lock file, or `diff --exit-code` found a difference
  10 only jobs that a hook vetoed are missing
  11 some tasks ended with fewer tracks than they showed; those are kept";

impl Code {
    /// The code of a run that ended so.
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

    /// Its number, for a process that ends at once.
    pub(crate) fn number(self) -> i32 {
        self.0.into()
    }

    /// This code, or `other` if this one says that all is well.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == DONE { other } else { self }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code.0)
    }
}
