//! `backline validate`: prints all mistakes of a manifest, or its number of jobs.

use std::collections::BTreeSet;

use backline_engine::driver::PlanHooks;
use backline_engine::plan::Plan;
use backline_reporter::count;
use serde_json::json;

use super::doctor::surroundings::lost_programs;
use crate::args::{Format, GlobalArgs, ValidateArgs};
use crate::console::Console;
use crate::embedded;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure};
use crate::key::note_of_missing;
use crate::project::{Project, say_what_is_left};
use crate::tag_warnings::warn_of_tags;

pub(crate) fn run(args: &ValidateArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    match Project::open(&args.manifest, global, console) {
        Ok(mut project) => {
            let report = project.plan_jobs(PlanHooks::Pure, None, console)?;
            say_what_is_left(&report, console);
            warn_of_programs(&project.plan, console);
            warn_of_tags(&project.plan, &project.plan.jobs, console);
            if let Some(note) = note_of_missing(&project.plan.provider) {
                console.note(&note);
            }
            embedded::check_sound(&project.plan.provider)?;
            print_valid(&project, console)?;
            Ok(exit_codes::DONE)
        }
        Err(failure) => {
            if let (Format::Json, Some(diagnostics)) = (console.format, failure.diagnostics()) {
                console.json(&json!({
                    "version": 1,
                    "valid": false,
                    "manifest": args.manifest.manifest.display().to_string(),
                    "diagnostics": diagnostics.items,
                    "dropped": diagnostics.dropped,
                }))?;
                return Ok(failure.code());
            }
            Err(failure)
        }
    }
}

/// Warns of hooks whose programs are missing or not executable.
fn warn_of_programs(plan: &Plan, console: &Console) {
    for hook in lost_programs(plan) {
        console.note_always(&format!(
            "warning: the program of the hook `{}` can't be started: it is missing or not executable\n",
            hook.name()
        ));
    }
}

fn print_valid(project: &Project, console: &Console) -> Result<(), Failure> {
    let plan = &project.plan;
    let presets = plan
        .jobs
        .iter()
        .map(|job| &job.preset)
        .collect::<BTreeSet<_>>()
        .len();
    match console.format {
        Format::Json => console.json(&json!({
            "version": 1,
            "valid": true,
            "manifest": project.shown,
            "name": plan.name,
            "stems": plan.stems.len(),
            "presets": presets,
            "jobs": plan.jobs.len(),
            "recordings": {
                "files": project.work.files,
                "decoded": project.work.decoded,
                "samples": project.work.samples,
            },
            "diagnostics": project.warnings.items,
            "dropped": project.warnings.dropped,
        })),
        Format::Text => console.data(&format!(
            "{} is valid: {}, {}, {}\n",
            project.shown,
            count(plan.stems.len() as u64, "stem"),
            count(presets as u64, "preset"),
            count(plan.jobs.len() as u64, "job"),
        )),
    }
}
