//! Opens a ledger for writing. Only one process can have it open; others fail or wait.

use std::path::Path;

use backline_engine::ledger::{Ledger, Owner, Patience};

use crate::args::{WaitArgs, duration_text};
use crate::console::Console;
use crate::failure::Failure;

/// Opens the ledger at `path` for writing, after waiting for another process if `--wait` is given.
pub(crate) fn own(path: &Path, args: &WaitArgs, console: &Console) -> Result<Ledger, Failure> {
    let Some(limit) = args.wait else {
        return Ok(Ledger::own(path)?);
    };
    let mut begins = |owner: &Owner| {
        let process = owner
            .process
            .map_or_else(String::new, |number| format!(" {number}"));
        console.note(&format!(
            "waiting for the other backline process{process} that uses the ledger {}, at most {}\n",
            path.display(),
            duration_text(limit)
        ));
    };
    let patience = Patience::Wait {
        limit,
        begins: &mut begins,
    };
    Ok(Ledger::own_within(path, patience)?)
}
