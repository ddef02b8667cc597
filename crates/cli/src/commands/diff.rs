//! `backline diff`: compares two sides, each a run of the ledger, a lock file or a manifest.

use std::path::{Path, PathBuf};

use backline_engine::manifest::lock::{self, Lock};
use backline_reporter::{as_lock, diff_json, diff_text};

use crate::args::{ChosenRunArgs, DiffArgs, Format, GlobalArgs, ManifestArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::Ledger;
use crate::project::{ChosenRun, Project, ledger_path, locate};

/// The most runs that the hint lists if a run is not found.
const MAX_OFFERED: usize = 5;

pub(crate) fn run(args: &DiffArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let with_ledger = GlobalArgs {
        ledger: Some(ledger(args, global)?),
        ..global.clone()
    };
    let side = |named: &str| side(named, global, &with_ledger, console);
    let (old, new) = (side(&args.old)?, side(&args.new)?);
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

/// The ledger that contains the runs: that of the manifest in `--manifest`, else an existing ledger of this folder, else that of a
/// manifest among the two sides.
fn ledger(args: &DiffArgs, global: &GlobalArgs) -> Result<PathBuf, Failure> {
    if let Some(manifest) = &args.manifest {
        return ledger_path(Some(&locate(manifest)?), global);
    }
    let here = ledger_path(None, global)?;
    let sides = [&args.new, &args.old].map(Path::new);
    match sides.into_iter().find(|side| is_manifest(side)) {
        Some(manifest) if !here.exists() => ledger_path(Some(&locate(manifest)?), global),
        _ => Ok(here),
    }
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .is_some_and(|it| it == "yaml" || it == "yml")
}

/// Reads a side. An existing file has priority over a run's id.
fn side(
    named: &str,
    global: &GlobalArgs,
    with_ledger: &GlobalArgs,
    console: &Console,
) -> Result<Lock, Failure> {
    let path = Path::new(named);
    if is_manifest(path) {
        let args = ManifestArgs::whole(path.to_owned());
        return Ok(Lock::of(
            &Project::open_agreed(&args, global, console)?.plan,
        ));
    }
    if path.is_file() || path.extension().is_some_and(|it| it == "lock") {
        return Ok(lock::read(path)?);
    }
    of_run(named, with_ledger)
}

fn of_run(id: &str, global: &GlobalArgs) -> Result<Lock, Failure> {
    let run_args = ChosenRunArgs {
        manifest: None,
        run: Some(id.to_owned()),
        all: false,
    };
    let chosen =
        ChosenRun::find(&run_args, global).map_err(|failure| not_found(failure, global))?;
    let summary = chosen.summary()?;
    as_lock(&summary).map_err(|error| Failure::new(Kind::Bug, error))
}

/// Adds the ids of the last runs as a hint.
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
