//! `backline plan`: shows what a run would do, and how a manifest differs from its lock file.

mod document;
pub(crate) mod lock;
mod look;
mod markdown;
mod table;

use backline_engine::driver::PlanHooks;
use backline_engine::manifest::lock::{Lock, LockDiff};

use crate::abandoned::warn_of_abandoned;
use crate::args::{Format, GlobalArgs, PlanArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure};
use crate::key::note_of_missing;
use crate::other_ledger;
use crate::output_owner;
use crate::project::{Project, read_ledger};
use crate::tag_warnings::warn_of_tags;

pub(crate) fn run(args: &PlanArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let options = &args.lock;
    if options.lock || options.locked || options.diff {
        lock::require_file(&args.manifest)?;
    }
    if options.diff {
        let whole = Project::open_agreed(&args.manifest, global, console)?;
        let diff = lock::diff(&whole)?;
        match console.format {
            Format::Json => console.json(&lock::document(&diff))?,
            Format::Text => console.data(&lock::text(&diff, usize::MAX))?,
        }
        return Ok(exit_codes::DONE);
    }
    if options.locked {
        lock::require(&Project::open_agreed(&args.manifest, global, console)?)?;
    }
    let mut project = Project::open(&args.manifest, global, console)?;
    if options.lock {
        project.plan_jobs(PlanHooks::Pure, None, console)?;
        let path = lock::path(&project);
        backline_engine::manifest::lock::write(&path, &Lock::of(&project.plan))?;
        // Based on the path that the user gave.
        let shown = std::path::Path::new(&project.shown).with_extension("lock");
        console.note(&format!("wrote {}\n", shown.display()));
        return Ok(exit_codes::DONE);
    }
    let forecast = project.preview(console)?.forecast;
    let bought = project.plan.jobs.iter().zip(&forecast.rows);
    let bought = bought.filter(|(_, row)| row.submits).map(|(job, _)| job);
    warn_of_tags(&project.plan, bought, console);
    if let Some(conflict) = output_owner::conflict(&project)? {
        console.note_always(&format!("warning: {}\n", conflict.message()));
    }
    if let Some(conflict) = other_ledger::conflict(&project, &forecast, global) {
        console.note_always(&format!("warning: {}\n", conflict.message()));
    }
    if let Some(ledger) = read_ledger(&project.ledger)? {
        warn_of_abandoned(&project, &ledger, console)?;
    }
    if let Some(note) = note_of_missing(&project.plan.provider) {
        console.note(&note);
    }
    if options.markdown {
        let diff = agreed(args, &project, global, console)?;
        console.data(&markdown::text(&project.plan, &forecast, diff.as_ref()))?;
        return Ok(exit_codes::DONE);
    }
    match console.format {
        Format::Json => console.json(&document::Document {
            project: &project,
            forecast: &forecast,
        })?,
        Format::Text => {
            let look = look::Look {
                columns: console.columns_out,
                colour: console.colour_out,
                lists: args.jobs,
            };
            let mut text = Vec::new();
            table::write(&project.plan, &forecast, look, &mut text)?;
            console.data(&String::from_utf8_lossy(&text))?;
        }
    }
    Ok(exit_codes::DONE)
}

/// The differences from the lock file, if there is one and the whole manifest is planned.
fn agreed(
    args: &PlanArgs,
    project: &Project,
    global: &GlobalArgs,
    console: &Console,
) -> Result<Option<LockDiff>, Failure> {
    if args.manifest.selects() || !lock::path(project).exists() {
        return Ok(None);
    }
    lock::diff(&Project::open_agreed(&args.manifest, global, console)?).map(Some)
}
