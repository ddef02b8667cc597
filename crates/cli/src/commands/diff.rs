//! `backline diff`: what two sides mean differently, each a run of the ledger, a lock file or a manifest.

use std::path::Path;

use backline_engine::ledger::Ledger;
use backline_engine::manifest::lock::{self, Lock};
use backline_engine::store::Store;
use backline_engine::summary::summarise;
use backline_reporter::{as_lock, diff_json, diff_text};

use crate::args::{ChosenRunArgs, DiffArgs, Format, GlobalArgs, ManifestArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::project::{ChosenRun, Project, ledger_path};

/// Most runs that are offered where one is not found.
const MAX_OFFERED: usize = 5;

pub(crate) fn run(args: &DiffArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let old = side(&args.old, global, console)?;
    let new = side(&args.new, global, console)?;
    let diff = lock::compare(&old, &new);
    let same = new.jobs.len() - diff.added.len() - diff.changed.len();
    match console.format {
        Format::Json => console.json(&diff_json(&diff, same))?,
        Format::Text => console.data(&diff_text(&diff, same, usize::MAX))?,
    }
    Ok(if args.exit_code && !diff.is_empty() {
        exit_codes::LOCK_DIFFERS
    } else {
        exit_codes::DONE
    })
}

/// What a side means: a file that is there is one, whatever runs are called.
fn side(named: &str, global: &GlobalArgs, console: &Console) -> Result<Lock, Failure> {
    let path = Path::new(named);
    let kind = path.extension().and_then(|it| it.to_str());
    match kind {
        Some("yaml" | "yml") => {
            let args = ManifestArgs::whole(path.to_owned());
            Ok(Lock::of(&Project::open_whole(&args, global, console)?.plan))
        }
        Some("lock") => Ok(lock::read(path)?),
        _ if path.is_file() => Ok(lock::read(path)?),
        _ => of_run(named, global),
    }
}

fn of_run(id: &str, global: &GlobalArgs) -> Result<Lock, Failure> {
    let asked = ChosenRunArgs {
        manifest: None,
        run: Some(id.to_owned()),
    };
    let chosen = ChosenRun::find(&asked, global).map_err(|failure| not_found(failure, global))?;
    let summary = summarise(&chosen.ledger, &chosen.header)?;
    as_lock(&summary).map_err(|error| Failure::new(Kind::Bug, error))
}

/// Adds the ids of the last runs.
fn not_found(failure: Failure, global: &GlobalArgs) -> Failure {
    let runs = ledger_path(None, global)
        .ok()
        .and_then(|path| Ledger::read(&path).ok())
        .and_then(|ledger| ledger.runs().ok());
    let known: Vec<String> = runs
        .into_iter()
        .flatten()
        .take(MAX_OFFERED)
        .map(|run| run.id.to_string())
        .collect();
    if known.is_empty() {
        return failure.hint("a side may also be a lock file or a manifest");
    }
    failure.hint(format!("the last runs are {}", known.join(", ")))
}
