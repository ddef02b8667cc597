//! The failures of commands: the kind of a failure determines its heading and exit code. Hints are separate from the message.
//!
//! ```text
//! error: cannot use the ledger: the ledger .backline/ledger.sqlite3 is in use by another backline process (process 123)
//!
//! hint: --wait waits for that process; `backline status --watch` shows its run
//! ```
//!
//! A command that fails returns a [`Failure`], and only `main` prints it. A run with failed jobs is not a failure of its command:
//! the closing text describes the jobs, and the command returns the run's [`Code`].

use std::fmt::Write as _;

use backline_engine::driver::{PlanningError, RunError};
use backline_engine::manifest::Diagnostics;
use backline_engine::manifest::lock::LockError;
use backline_engine::plan::OutputError;
use backline_engine::store::StoreError;
use backline_studio::StudioError;

use crate::exit_codes::{self, Code};
use crate::style::{BAD, GOOD};

/// The result of a command.
pub(crate) type CommandResult = Result<Code, Failure>;

/// The kind of a failure, by what the user can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Report it: the program has a bug.
    Bug,
    /// Correct the command line or the environment.
    Usage,
    /// Correct the manifest.
    Manifest,
    /// Run the same command again.
    Stopped,
    /// Check the provider, or wait until it responds.
    Provider,
    /// Free disk space, or wait for the process that uses the ledger.
    Ledger,
    /// Free disk space, or write the output elsewhere.
    Output,
    /// Write the lock file again, or revert the change.
    LockDiffers,
    /// Do nothing: the reader of standard output has closed it, as `| head` does.
    NobodyReads,
}

impl Kind {
    /// Returns the text between `error: ` and the message, and the exit code.
    fn heading_and_code(self) -> (&'static str, Code) {
        match self {
            Self::Bug => ("internal error, please report it: ", exit_codes::BUG),
            Self::Usage => ("", exit_codes::USAGE),
            Self::Manifest => ("invalid manifest: ", exit_codes::MANIFEST),
            Self::Stopped => ("stopped: ", exit_codes::STOPPED),
            Self::Provider => ("the request to the provider failed: ", exit_codes::REFUSED),
            Self::Ledger => ("cannot use the ledger: ", exit_codes::NOT_WRITTEN),
            Self::Output => ("", exit_codes::NOT_WRITTEN),
            Self::LockDiffers => ("", exit_codes::LOCK_DIFFERS),
            Self::NobodyReads => ("", exit_codes::DONE),
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// The diagnostics of a manifest, printed before the message.
    preface: Option<Diagnostics>,
    error: anyhow::Error,
    /// Lines that are printed between the message and the hints.
    details: String,
    hints: Vec<String>,
}

impl Failure {
    /// A failure without hints.
    pub(crate) fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            preface: None,
            error: error.into(),
            details: String::new(),
            hints: Vec::new(),
        }
    }

    /// A failure with this message.
    pub(crate) fn msg(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(kind, anyhow::Error::msg(message.into()))
    }

    /// Adds lines below the message, such as a list of differences.
    pub(crate) fn details(mut self, lines: impl Into<String>) -> Self {
        self.details = lines.into();
        self
    }

    /// Adds a hint about how to correct the failure.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the manifest's diagnostics, if the manifest caused the failure.
    pub(crate) fn diagnostics(&self) -> Option<&Diagnostics> {
        self.preface.as_ref()
    }

    /// The message and its causes, without heading and hints.
    pub(crate) fn message(&self) -> String {
        self.chain()
    }

    /// Returns the hints.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        self.kind.heading_and_code().1
    }

    /// Formats the failure with ANSI styles; empty when there is nothing to print.
    pub(crate) fn text(&self, colour: bool) -> String {
        if self.kind == Kind::NobodyReads {
            return String::new();
        }
        let (bad, good) = (BAD, GOOD);
        let mut text = String::new();
        if let Some(diagnostics) = &self.preface {
            let _ = writeln!(text, "{}", diagnostics.render(colour));
        }
        let (heading, _) = self.kind.heading_and_code();
        let _ = writeln!(text, "{bad}error{bad:#}: {heading}{}", self.chain());
        for line in self.details.lines() {
            let _ = writeln!(text, "  {}", one_line(line));
        }
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{good}hint{good:#}: {hint}");
        }
        text
    }

    /// The message and its causes on one line, without repetition: some messages already end with their cause.
    fn chain(&self) -> String {
        let mut text = String::new();
        for cause in self.error.chain() {
            let cause = cause.to_string();
            if text.is_empty() {
                text = cause;
            } else if !text.contains(&cause) {
                let _ = write!(text, ": {cause}");
            }
        }
        one_line(&text)
    }
}

/// A text without line breaks.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// A closed standard output is not an error for the user. Any other I/O error is an error of the output.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new(Kind::NobodyReads, error)
        } else {
            Self::new(
                Kind::Output,
                anyhow::Error::new(error).context("cannot write the output"),
            )
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::Owned { .. } => (
                Kind::Ledger,
                "--wait waits for that process; `backline status --watch` shows its run",
            ),
            StoreError::TooNew { .. } => (
                Kind::Ledger,
                "update backline; this ledger records what is already bought",
            ),
            StoreError::Missing { .. } => (
                Kind::Usage,
                "run a manifest first, name the manifest, or name the ledger with --ledger",
            ),
            StoreError::Replaced { .. } => (
                Kind::Ledger,
                "a run with a new or an older ledger pays for everything again",
            ),
            StoreError::Damaged { .. } => (
                Kind::Ledger,
                "keep the file and restore its newest backup: it records what was bought, and a run with a new ledger pays for everything again",
            ),
            StoreError::Changed { .. } => (Kind::Ledger, "the same command reads the job again"),
            StoreError::Unreachable { .. } => (
                Kind::Ledger,
                "check the address, the network, the password (PGPASSWORD, or a file in PGPASSFILE that only its owner may read) and the authority's file (sslrootcert); everything recorded so far is valid",
            ),
            StoreError::Failed { .. } => (
                Kind::Ledger,
                "check for a file that is not a ledger, a full disk or a missing permission; on a server, for a wrong password (PGPASSWORD, or a file in PGPASSFILE that only its owner may read); everything recorded so far is valid",
            ),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<PlanningError> for Failure {
    fn from(error: PlanningError) -> Self {
        match error {
            PlanningError::Store(error) => error.into(),
            PlanningError::ScriptsTooSlow { .. } => Self::new(Kind::Manifest, error).hint(
                "make them faster, select jobs with `--filter`, or remove `pure: true`: then only `backline run` calls them",
            ),
            PlanningError::SameRequest { .. } => Self::new(Kind::Manifest, error).hint(
                "let the hook give them different titles or settings, or veto one of them; use `takes` for more of the same",
            ),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Ledger { source, unsaved } if unsaved.is_empty() => source.into(),
            RunError::Ledger {
                source: StoreError::Replaced { .. },
                ..
            } => Self::new(Kind::Ledger, error)
                .hint("put the ledger back in its place, then record these tasks, which are paid:"),
            RunError::Ledger { .. } => Self::new(Kind::Ledger, error).hint(
                "free disk space and run again, which records these paid tasks from the receipts beside the ledger; or record them yourself:",
            ),
            RunError::OtherAccount { .. } => Self::new(Kind::Usage, error)
                .hint("run with the key and address that bought them")
                .hint("if the key was replaced by a new one of the same account, add --adopt-account"),
            RunError::NoTaskToProve { .. } | RunError::NotAdopted { .. } => {
                Self::new(Kind::Usage, error).hint(
                    "run with the original key and address, or settle each job in doubt with `backline resolve` first",
                )
            }
            RunError::AdoptionLookup { .. } => Self::new(Kind::Provider, error),
            RunError::Receipts { .. } => Self::new(Kind::Ledger, error)
                .hint("free some space or correct the permissions"),
            RunError::Listen { .. } => Self::new(Kind::Usage, error)
                .hint("choose another address for `callbacks: {listen: …}`"),
            RunError::PrivateProvider { ref host } => {
                let hint = format!(
                    "if this host is intended, allow it in the manifest: `provider: {{allow_private: [{host}]}}`"
                );
                Self::new(Kind::Usage, error).hint(hint)
            }
            RunError::Proxy(_) => Self::new(Kind::Usage, error)
                .hint("correct the variable, or unset it to connect directly"),
            RunError::Client(_) => Self::new(Kind::Bug, error),
            RunError::IllegalStep(_) => Self::new(Kind::Bug, error).hint(
                "check the ledger with `backline doctor`; everything recorded until now is valid, and nothing more was bought",
            ),
            RunError::Interrupted => Self::new(Kind::Stopped, error),
        }
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match &error {
            LockError::Read { .. } => Self::new(Kind::Usage, error)
                .hint("write it with `backline plan --lock` and commit it beside the manifest"),
            LockError::Damaged { .. } | LockError::Version { .. } => {
                Self::new(Kind::Usage, error).hint("write it again with `backline plan --lock`")
            }
            LockError::Write { .. } => Self::new(Kind::Output, error),
        }
    }
}

impl From<StudioError> for Failure {
    fn from(error: StudioError) -> Self {
        let kind = match &error {
            StudioError::Folder { .. }
            | StudioError::Store(_)
            | StudioError::InstantRecording(_) => Kind::Output,
            StudioError::InUse { .. } | StudioError::PublicUrl(_) | StudioError::Listener(_) => {
                Kind::Usage
            }
            StudioError::NoCryptoProvider | StudioError::Client(_) | StudioError::Playing(_) => {
                Kind::Bug
            }
        };
        Self::new(
            kind,
            anyhow::Error::new(error).context("cannot start the studio"),
        )
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::new(Kind::Manifest, error)
    }
}

/// The failure for an invalid manifest with these diagnostics.
pub(crate) fn invalid(shown: &str, diagnostics: Diagnostics) -> Failure {
    if diagnostics.are_about_the_selection() {
        return Failure {
            preface: Some(diagnostics),
            ..Failure::msg(Kind::Usage, format!("{shown} has no such jobs"))
        };
    }
    let errors = diagnostics.errors() + diagnostics.dropped;
    let noun = if errors == 1 { "error" } else { "errors" };
    Failure {
        preface: Some(diagnostics),
        ..Failure::msg(Kind::Manifest, format!("{shown} has {errors} {noun}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = std::io::Error::other("no space left on device");
        let twice = anyhow::Error::new(inner).context("could not write x: no space left on device");
        let failure = Failure::new(Kind::Output, twice).hint("make room");
        let text = anstream::adapter::strip_str(&failure.text(false)).to_string();
        assert_eq!(
            text,
            "error: could not write x: no space left on device\n\nhint: make room\n"
        );
    }

    #[test]
    fn details_keep_their_lines() {
        let failure = Failure::msg(Kind::Output, "2 files differ")
            .details("a.wav\n    its hash\nb.wav\n")
            .hint("copy them again");
        assert_eq!(
            anstream::adapter::strip_str(&failure.text(false)).to_string(),
            "error: 2 files differ\n  a.wav\n      its hash\n  b.wav\n\nhint: copy them again\n"
        );
        assert_eq!(failure.message(), "2 files differ");
    }

    #[test]
    fn a_reader_who_has_gone_is_no_failure() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(
            (failure.code(), failure.text(true).as_str()),
            (exit_codes::DONE, "")
        );
    }
}
