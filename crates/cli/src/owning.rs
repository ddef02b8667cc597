//! Opens a ledger for writing. Only one process can have it open; others fail or wait.

use std::path::Path;
use std::time::{Duration, Instant};

use backline_engine::ledger::{self as file, Owner, Patience};
use backline_engine::store::StoreError;

use crate::args::{WaitArgs, duration_text};
use crate::console::Console;
use crate::failure::Failure;
use crate::ledger::{Ledger, is_on_server};

/// The pause between two tries to take a ledger on a server.
const SERVER_PAUSE: Duration = Duration::from_secs(1);

/// Opens the ledger at `path` for writing, after waiting for another process if `--wait` is given.
pub(crate) fn own(path: &Path, args: &WaitArgs, console: &Console) -> Result<Ledger, Failure> {
    let Some(limit) = args.wait else {
        return Ok(Ledger::own(path)?);
    };
    if is_on_server(path) {
        return open_within(limit, path, Ledger::own, console);
    }
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
    Ok(Ledger::File(file::Ledger::own_within(path, patience)?))
}

/// Opens a ledger for a shared run, after waiting for a process that uses it alone if `--wait` is given.
#[cfg(feature = "postgres")]
pub(crate) fn share(path: &Path, args: &WaitArgs, console: &Console) -> Result<Ledger, Failure> {
    match args.wait {
        Some(limit) => open_within(limit, path, Ledger::share, console),
        None => Ok(Ledger::share(path)?),
    }
}

/// Opens a ledger on a server, whose owner is not known, within a time.
fn open_within(
    limit: Duration,
    place: &Path,
    open: fn(&Path) -> Result<Ledger, StoreError>,
    console: &Console,
) -> Result<Ledger, Failure> {
    let began = Instant::now();
    let mut announced = false;
    loop {
        match open(place) {
            Err(StoreError::Owned { .. }) if began.elapsed() < limit => {}
            owned => return Ok(owned?),
        }
        if !announced {
            announced = true;
            console.note(&format!(
                "waiting for the other backline process that uses the ledger {}, at most {}\n",
                place.display(),
                duration_text(limit)
            ));
        }
        std::thread::park_timeout(SERVER_PAUSE);
    }
}
