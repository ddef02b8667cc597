//! The commands that texts offer, ready to be pasted.

use backline_engine::summary::RunFacts;

use crate::text::shell_word;

/// A run's manifest as a command names it, with the ledger where the run was given one.
pub(crate) fn operand(run: &RunFacts) -> String {
    let manifest = shell_word(&run.manifest);
    match &run.ledger {
        Some(ledger) => format!("{manifest} --ledger {}", shell_word(ledger)),
        None => manifest,
    }
}
