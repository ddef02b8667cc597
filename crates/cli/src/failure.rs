//! What can go wrong in a command, in one place: kind → heading → exit code, and hints apart from the message.
//!
//! ```text
//! could not use the ledger: the ledger .backline/ledger.sqlite3 is in use by another backline process (process 123)
//!
//! hint: --wait waits until that process has ended; `backline status --watch` shows its run
//! ```
//!
//! A command that fails returns a [`Failure`]; only `main` prints one. A run that ended badly is no failure of its command: its
//! closing text says what happened, and its [`Code`] is returned as any other.

use std::fmt::Write as _;

use backline_engine::driver::{PlanningError, RunError};
use backline_engine::manifest::lock::LockError;
use backline_engine::manifest::{Diagnostics, OutputError};
use backline_engine::store::StoreError;
use backline_studio::StudioError;

use crate::exit_codes::{self, Code};

/// What a command comes to.
pub(crate) type CommandResult = Result<Code, Failure>;

/// What kind of failure it is: what the user can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: the program is wrong.
    Bug,
    /// Say it differently.
    Usage,
    /// Put the manifest right.
    Manifest,
    /// Run the same command again.
    Stopped,
    /// Look what the provider wants, or wait until it can be reached.
    Provider,
    /// Make room, or wait for whoever holds the ledger.
    Ledger,
    /// Make room for an output, or write it elsewhere.
    Output,
    /// Agree to the new meaning, or take the change back.
    LockDiffers,
    /// Nobody reads any more, as behind `| head`: nothing to say and nothing is wrong.
    NobodyReads,
}

impl Kind {
    /// What stands before the message, and the exit code.
    fn heading_and_code(self) -> (&'static str, Code) {
        match self {
            Self::Bug => ("internal error, please report it", exit_codes::BUG),
            Self::Usage => ("error", exit_codes::USAGE),
            Self::Manifest => ("invalid manifest", exit_codes::MANIFEST),
            Self::Stopped => ("stopped", exit_codes::STOPPED),
            Self::Provider => ("the provider can't be asked", exit_codes::REFUSED),
            Self::Ledger => ("could not use the ledger", exit_codes::NOT_WRITTEN),
            Self::Output => ("error", exit_codes::NOT_WRITTEN),
            Self::LockDiffers => ("lock differs", exit_codes::LOCK_DIFFERS),
            Self::NobodyReads => ("", exit_codes::DONE),
        }
    }
}

/// A command that could not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    /// What stands before the heading, already laid out: a manifest's diagnostics.
    preface: Option<Diagnostics>,
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Failure {
    /// A failure with nothing to advise.
    pub(crate) fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self {
            kind,
            preface: None,
            error: error.into(),
            hints: Vec::new(),
        }
    }

    /// A failure that is told in these words.
    pub(crate) fn said(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(kind, anyhow::Error::msg(message.into()))
    }

    /// Adds what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// What is wrong with a manifest, where that is the failure.
    pub(crate) fn diagnostics(&self) -> Option<&Diagnostics> {
        self.preface.as_ref()
    }

    /// The message and its causes, without heading and hints.
    pub(crate) fn message(&self) -> String {
        self.chain()
    }

    /// What to do about it.
    pub(crate) fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        self.kind.heading_and_code().1
    }

    /// The failure as text, with ANSI styles; empty when there is nothing to say.
    pub(crate) fn text(&self, colour: bool) -> String {
        if self.kind == Kind::NobodyReads {
            return String::new();
        }
        let (bad, good) = (crate::console::BAD, crate::console::GOOD);
        let mut text = String::new();
        if let Some(diagnostics) = &self.preface {
            let _ = writeln!(text, "{}", diagnostics.render(colour));
        }
        let (heading, _) = self.kind.heading_and_code();
        let _ = writeln!(text, "{bad}{heading}{bad:#}: {}", self.chain());
        if !self.hints.is_empty() {
            text.push('\n');
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{good}hint{good:#}: {hint}");
        }
        text
    }

    /// The message and its causes, each once: some messages already end in their cause.
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
        text
    }
}

/// Output to a reader who has gone is no failure; any other is one of the output.
impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Self::new(Kind::NobodyReads, error)
        } else {
            Self::new(
                Kind::Output,
                anyhow::Error::new(error).context("could not write the output"),
            )
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (kind, hint) = match &error {
            StoreError::Owned { .. } => (
                Kind::Ledger,
                "--wait waits until that process has ended; `backline status --watch` shows its run",
            ),
            StoreError::TooNew { .. } => (
                Kind::Ledger,
                "update backline: this ledger says what is bought already",
            ),
            StoreError::Missing { .. } => (
                Kind::Usage,
                "run a manifest first, name the manifest, or name the ledger with --ledger",
            ),
            StoreError::Damaged { .. } => (
                Kind::Ledger,
                "keep the file, it says what was bought, and bring back its newest copy; a run with a new ledger pays for everything again",
            ),
            StoreError::Failed { .. } => (
                Kind::Ledger,
                "look for a full disk, a missing permission, or a file that is no ledger; what was recorded until now holds",
            ),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<PlanningError> for Failure {
    fn from(error: PlanningError) -> Self {
        match error {
            PlanningError::Store(error) => error.into(),
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
            RunError::Ledger { .. } => Self::new(Kind::Ledger, error).hint(
                "make room, then say so with the commands above: these tasks are paid, and only you know their ids",
            ),
            RunError::OtherAccount { .. } => Self::new(Kind::Usage, error)
                .hint("run with the key and address that they were bought with")
                .hint("if that key was replaced by a new one of the same account: --adopt-account"),
            RunError::NoTaskToProve { .. } | RunError::NotAdopted { .. } => {
                Self::new(Kind::Usage, error).hint(
                    "run with the key and address of then, or settle each job in doubt with `backline resolve` first",
                )
            }
            RunError::AdoptionLookup { .. } => Self::new(Kind::Provider, error),
            RunError::Listen { .. } => Self::new(Kind::Usage, error)
                .hint("choose another address for `callbacks: {listen: …}`"),
            RunError::PrivateProvider { ref host } => {
                let hint = format!(
                    "if this host is meant, say so in the manifest: `provider: {{allow_private: [{host}]}}`"
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
                Self::new(Kind::Usage, error).hint("write it anew with `backline plan --lock`")
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
            StudioError::NoCryptoProvider | StudioError::Client(_) => Kind::Bug,
        };
        Self::new(
            kind,
            anyhow::Error::new(error).context("the studio could not start"),
        )
    }
}

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::new(Kind::Manifest, error)
    }
}

/// Everything that is wrong with a manifest, then how much that is.
pub(crate) fn invalid(shown: &str, diagnostics: Diagnostics) -> Failure {
    if diagnostics.are_about_the_question() {
        return Failure {
            preface: Some(diagnostics),
            ..Failure::said(Kind::Usage, format!("{shown} has no such jobs"))
        };
    }
    let errors = diagnostics.errors() + diagnostics.dropped;
    let noun = if errors == 1 { "error" } else { "errors" };
    Failure {
        preface: Some(diagnostics),
        ..Failure::said(Kind::Manifest, format!("{shown} has {errors} {noun}"))
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
    fn a_reader_who_has_gone_is_no_failure() {
        let failure = Failure::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
        assert_eq!(
            (failure.code(), failure.text(true).as_str()),
            (exit_codes::DONE, "")
        );
    }
}
