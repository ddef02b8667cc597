//! The warning about purchases whose jobs are no longer in the manifest.

use backline_engine::abandoned::{Abandoned, abandoned};
use backline_engine::settings::JobKey;
use backline_engine::store::StoreError;
use backline_engine::summary::Summary;

use crate::console::Console;
use crate::failure::Failure;
use crate::ledger::Ledger;
use crate::project::Project;

/// The most names in a warning.
const MAX_NAMED: usize = 20;

/// Prints the warning if the whole manifest is planned. A job that a filter leaves out is still in the manifest.
pub(crate) fn warn_of_abandoned(
    project: &Project,
    ledger: &Ledger,
    console: &Console,
) -> Result<(), Failure> {
    if project.selection.is_none() {
        let planned = project.plan.jobs.iter().map(|job| job.key);
        console.note_always(&warning(ledger, &project.recorded, planned)?);
    }
    Ok(())
}

/// Prints the warning from the plan that the manifest's last run recorded.
pub(crate) fn warn_of_abandoned_since(
    summary: &Summary,
    ledger: &Ledger,
    console: &Console,
) -> Result<(), Failure> {
    let jobs = summary.jobs.iter().filter(|job| job.in_manifest);
    let planned = jobs.filter_map(|job| job.key.parse().ok());
    console.note_always(&warning(ledger, &summary.run.manifest, planned)?);
    Ok(())
}

/// The warning about a manifest's jobs in the ledger; empty if there are none.
fn warning(
    ledger: &Ledger,
    manifest: &str,
    planned: impl IntoIterator<Item = JobKey>,
) -> Result<String, StoreError> {
    let Abandoned { tasks, doubts } = abandoned(&**ledger, manifest, planned)?;
    let line = |names: Vec<String>, one: &str, many: &str| {
        let which = match names.len() {
            0 => return String::new(),
            1 => format!("1 {one}"),
            number => format!("{number} {many}"),
        };
        let rest = match names.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        let named = names.into_iter().take(MAX_NAMED).collect::<Vec<_>>();
        format!(
            "warning: {which} no job of this manifest: {}{rest}\n",
            named.join(", ")
        )
    };
    let tasks = tasks.iter().map(ToString::to_string).collect();
    let doubts = doubts.iter().map(|key| key.short()).collect();
    let mut text = line(
        tasks,
        "paid task of this ledger belongs to",
        "paid tasks of this ledger belong to",
    );
    text.push_str(&line(
        doubts,
        "job in doubt of this ledger is",
        "jobs in doubt of this ledger are",
    ));
    if !text.is_empty() {
        text.push_str("hint: restore the jobs in the manifest, then `backline fetch` downloads their tracks\n");
    }
    Ok(text)
}
