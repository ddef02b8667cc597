//! The commands that texts suggest, ready to be pasted.

use backline_engine::summary::RunFacts;

use crate::text::shell_word;

/// The arguments that name a run's manifest in a command, with the ledger if the run was given one.
pub(crate) fn operand(run: &RunFacts) -> String {
    let manifest = shell_word(&run.manifest);
    match &run.ledger {
        Some(ledger) => format!("{manifest} --ledger {}", shell_word(ledger)),
        None => manifest,
    }
}
