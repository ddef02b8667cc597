//! `backline ledger`: checks a ledger, writes a copy of it, and adds another one to it.
//!
//! ```text
//! added to .backline/ledger.sqlite3: 2 runs, 12 jobs, 96 events of shard-2.sqlite3
//! ```

use std::path::{Path, PathBuf};

use backline_engine::check::Extent;
use backline_engine::driver::record_left_callbacks;
use backline_engine::merge::{Added, MergeError, TwoHistories, merge};
use backline_engine::store::StoreError;
use backline_reporter::count;
use serde_json::json;

use crate::args::{
    Format, GlobalArgs, LedgerArgs, LedgerCheckArgs, LedgerCommand, LedgerExportArgs,
    LedgerImportArgs, WaitArgs,
};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::{Ledger, is_on_server};
use crate::owning::own;
use crate::project::{ledger_path, locate, named_ledger, seen_from_here};

/// What to do with a damaged ledger.
pub(crate) const KEEP: &str = "keep the ledger and restore its newest backup: it records what was bought, and a run with a new ledger pays for everything again";

/// The most lines of details below an error.
const MAX_LINES: usize = 20;

pub(crate) fn run(args: &LedgerArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    match &args.command {
        LedgerCommand::Check(args) => check(args, global, console),
        LedgerCommand::Export(args) => export(args, global, console),
        LedgerCommand::Import(args) => import(args, global, console),
    }
}

/// The format of a ledger in a file, before other facts.
pub(crate) fn format_of(ledger: &Ledger) -> Result<String, StoreError> {
    match ledger {
        Ledger::File(file) => Ok(format!("format {}, ", file.format()?)),
        #[cfg(feature = "postgres")]
        Ledger::Server { .. } => Ok(String::new()),
    }
}

fn check(args: &LedgerCheckArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let path = chosen(args.manifest.as_deref(), global)?;
    let ledger = Ledger::read(&path)?;
    let checked = ledger.check()?;
    let findings: Vec<String> = checked.findings.iter().map(ToString::to_string).collect();
    let Extent { runs, jobs, events } = checked.extent;
    let counts =
        [(runs, "run"), (jobs, "job"), (events, "event")].map(|(it, noun)| count(it, noun));
    match console.format {
        Format::Json => console.json(&json!({
            "version": 1,
            "ledger": path,
            "intact": findings.is_empty(),
            "findings": findings,
            "runs": runs,
            "jobs": jobs,
            "events": events,
        }))?,
        Format::Text if findings.is_empty() => {
            let (shown, format) = (seen_from_here(&path), format_of(&ledger)?);
            let shown = shown.display();
            let [runs, jobs, events] = counts;
            console.data(&format!(
                "{shown} is intact: {format}{runs}, {jobs}, {events}\n"
            ))?;
        }
        Format::Text => console.data(&(findings.join("\n") + "\n"))?,
    }
    if findings.is_empty() {
        Ok(exit_codes::DONE)
    } else {
        console.note(&format!("\nhint: {KEEP}\n"));
        Ok(exit_codes::NOT_WRITTEN)
    }
}

fn export(args: &LedgerExportArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let path = chosen(args.owned.manifest.as_deref(), global)?;
    let to = named_ledger(&args.file)?;
    let from = source(&path, &args.owned.wait, console)?;
    let is_new = !is_on_server(&to) && !to.exists();
    let exported = export_to(&to, &from, args, console);
    if is_new && exported.is_err() {
        // An empty ledger, or none; the error is what the user needs to know.
        let _ = std::fs::remove_file(&to);
    }
    report(&exported?, "exported to", &path, &to, console)
}

fn export_to(
    path: &Path,
    from: &Ledger,
    args: &LedgerExportArgs,
    console: &Console,
) -> Result<Added, Failure> {
    let mut to = own(path, &args.owned.wait, console)?;
    if !to.page_of_records(0)?.is_empty() || !to.stored_runs()?.is_empty() {
        let shown = seen_from_here(path);
        let message = format!("{} is a ledger that is not empty", shown.display());
        return Err(Failure::msg(Kind::Usage, message)
            .hint("name a new file, or add to that ledger with `backline ledger import`"));
    }
    merge(&mut *to, &**from).map_err(|error| refused(error, path, from.path()))
}

fn import(args: &LedgerImportArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let path = chosen(args.owned.manifest.as_deref(), global)?;
    let file = named_ledger(&args.file)?;
    let from = source(&file, &args.owned.wait, console)?;
    if std::fs::canonicalize(&path)
        .is_ok_and(|it| std::fs::canonicalize(&file).is_ok_and(|file| file == it))
    {
        let message = format!("{} is the ledger itself", seen_from_here(&file).display());
        return Err(Failure::msg(Kind::Usage, message)
            .hint("name the ledger to add to with --ledger, or its manifest"));
    }
    let mut to = own(&path, &args.owned.wait, console)?;
    let added = merge(&mut *to, &*from).map_err(|error| refused(error, &path, &file))?;
    report(&added, "added to", &file, &path, console)
}

/// Opens the ledger that is read, as its only owner: no run may change it meanwhile. A damaged one is refused.
fn source(path: &Path, wait: &WaitArgs, console: &Console) -> Result<Ledger, Failure> {
    // Opening a missing one for writing would create it.
    drop(Ledger::read(path)?);
    let mut ledger = own(path, wait, console)?;
    let findings = ledger.check()?.findings;
    if findings.is_empty() {
        // No process is left that would record them, and callbacks do not move.
        record_left_callbacks(&mut *ledger)?;
        return Ok(ledger);
    }
    let message = format!("the ledger {} is damaged", seen_from_here(path).display());
    let lines = findings.iter().map(ToString::to_string);
    Err(Failure::msg(Kind::Ledger, message)
        .details(first_lines(lines, findings.len()))
        .hint(KEEP))
}

fn report(added: &Added, verb: &str, from: &Path, to: &Path, console: &Console) -> CommandResult {
    let Added {
        runs,
        jobs,
        merged_jobs,
        events,
    } = *added;
    match console.format {
        Format::Json => console.json(&json!({
            "version": 1,
            "from": from,
            "to": to,
            "runs": runs,
            "jobs": jobs,
            "merged_jobs": merged_jobs,
            "events": events,
        }))?,
        Format::Text => {
            let (from, to) = (seen_from_here(from), seen_from_here(to));
            let (from, to) = (from.display(), to.display());
            let merged = match merged_jobs {
                0 => String::new(),
                jobs => format!(", {} of both", count(jobs, "job")),
            };
            let text = if *added == Added::default() {
                format!("nothing to add: {to} has everything of {from}\n")
            } else {
                let (runs, jobs, events) = (
                    count(runs, "run"),
                    count(jobs, "job"),
                    count(events, "event"),
                );
                format!("{verb} {to}: {runs}, {jobs}{merged}, {events} of {from}\n")
            };
            console.data(&text)?;
        }
    }
    Ok(exit_codes::DONE)
}

fn refused(error: MergeError, to: &Path, from: &Path) -> Failure {
    let what = error.to_string();
    let jobs = match error {
        MergeError::Store(error) => return error.into(),
        MergeError::TwoHistories(jobs) => jobs,
    };
    let (to, from) = (seen_from_here(to), seen_from_here(from));
    let line = |it: &TwoHistories| {
        let tasks = |tasks: &[backline_api::TaskId]| match tasks {
            [] => "no task".to_owned(),
            tasks => {
                let tasks: Vec<String> = tasks.iter().map(ToString::to_string).collect();
                format!("task {}", tasks.join(", "))
            }
        };
        format!(
            "job {}: {} in {}, {} in {}",
            it.key.short(),
            tasks(&it.here),
            to.display(),
            tasks(&it.there),
            from.display()
        )
    };
    let details = first_lines(jobs.iter().map(line), jobs.len());
    let message = format!(
        "cannot add {} to {}: {what}; nothing was written",
        from.display(),
        to.display()
    );
    Failure::msg(Kind::Ledger, message)
        .details(details)
        .hint("both ledgers submitted these jobs; keep both, and use one of them for these jobs from now on")
}

fn first_lines(lines: impl Iterator<Item = String>, count: usize) -> String {
    let mut shown: Vec<String> = lines.take(MAX_LINES).collect();
    if count > MAX_LINES {
        shown.push(format!("and {} more", count - MAX_LINES));
    }
    shown.join("\n")
}

/// The ledger that the command works on.
fn chosen(manifest: Option<&Path>, global: &GlobalArgs) -> Result<PathBuf, Failure> {
    let manifest = manifest.map(locate).transpose()?;
    ledger_path(manifest.as_deref(), global)
}
