//! Checks the ledger: whether it opens, is intact, has a known format, and which process uses it.

use std::path::Path;

use backline_engine::job::Phase;
use backline_engine::store::StoreError;

use super::Check;
use crate::commands::ledger::{KEEP, format_of};
use crate::exit_codes;
use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::output_owner;
use crate::project::{Project, seen_from_here};

pub(super) fn check(path: &Path) -> Check {
    let shown = seen_from_here(path).display().to_string();
    match examine(path, &shown) {
        Ok(check) => check,
        Err(StoreError::Missing { .. }) => Check::fine(
            "ledger",
            format!("none at {shown} yet; the first run creates it"),
        ),
        Err(error) => Check::failed("ledger", &Failure::from(error)),
    }
}

/// Checks whether another ledger claims the output directory; none if it does not.
pub(super) fn of_output(project: &Project) -> Option<Check> {
    match output_owner::conflict(project) {
        Ok(conflict) => conflict.map(|failure| Check::failed("output", &failure)),
        // The check of the ledger reports its own errors.
        Err(_) => None,
    }
}

fn examine(path: &Path, shown: &str) -> Result<Check, StoreError> {
    let ledger = Ledger::read(path)?;
    let checked = ledger.check()?;
    if let Some(first) = checked.findings.first() {
        let more = match checked.findings.len() - 1 {
            0 => String::new(),
            more => format!(" ({more} more; `backline ledger check` lists them)"),
        };
        let found = format!("{shown} is damaged: {first}{more}");
        return Ok(Check::wrong("ledger", exit_codes::NOT_WRITTEN, found, KEEP));
    }
    let jobs = ledger.jobs()?;
    if let Some(last_ms) = ledger.ahead_of(jiff::Timestamp::now().as_millisecond())? {
        let found = format!(
            "{shown} is intact; its last record is dated {}, in the future",
            day(last_ms)
        );
        return Ok(Check::doubtful(
            "ledger",
            found,
            "set the clock; times in the future count as now",
        ));
    }
    let found = format!(
        "{shown} is intact: {}{} runs, {} jobs",
        format_of(&ledger)?,
        checked.extent.runs,
        checked.extent.jobs
    );
    if let Some(owner) = ledger.owner()? {
        let processes: String = owner.processes.iter().map(|it| format!(" {it}")).collect();
        let found = format!("{found}; in use by another backline process{processes}");
        return Ok(Check::doubtful(
            "ledger",
            found,
            "wait until that process has ended, or use --wait",
        ));
    }
    let in_doubt = jobs
        .values()
        .filter(|known| matches!(known.job.phase, Phase::InDoubt { .. }))
        .count();
    if in_doubt > 0 {
        return Ok(Check::doubtful(
            "ledger",
            format!("{found}; {in_doubt} in doubt"),
            "`backline status` lists them; settle each with `backline resolve`",
        ));
    }
    Ok(Check::fine("ledger", found))
}

fn day(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms)
        .map_or_else(|_| format!("{unix_ms} ms"), |at| format!("{at:.0}"))
}
