//! `backline resolve --all`: settles many jobs in doubt in one write, with `--never-bought` or `--buy-again`.

use std::collections::HashSet;
use std::path::Path;

use backline_engine::driver::{Doubt, PlanHooks, Settlement, doubts, settle};
use backline_engine::event::RunId;
use backline_engine::evidence::evidence;
use backline_engine::settings::JobKey;
use backline_reporter::evidence_text;
use serde_json::json;

use crate::args::{Format, GlobalArgs, ManifestArgs, ResolveArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::Ledger;
use crate::owning::own;
use crate::project::{Project, ledger_path, locate, say_what_is_left};

pub(crate) fn run(args: &ResolveArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    // With --all, the first positional argument is the manifest.
    let manifest = args.key.as_deref().map(Path::new);
    let located = manifest.map(locate).transpose()?;
    let path = ledger_path(located.as_deref(), global)?;
    // Reads the ledger first, because opening it for writing would create a missing one.
    drop(Ledger::read(&path)?);
    let mut ledger = own(&path, &args.wait, console)?;
    let settlement = args.outcome.settlement();
    let run = args
        .run
        .as_deref()
        .map(|run| find_run(&ledger, run))
        .transpose()?;
    let planned = match manifest {
        Some(manifest) => Some(planned(args, manifest, &ledger, global, console)?),
        None => None,
    };
    let is_meant = |doubt: &Doubt| {
        run.as_ref()
            .is_none_or(|run| doubt.run.as_ref() == Some(run))
            && planned
                .as_ref()
                .is_none_or(|keys| keys.contains(&doubt.key))
    };
    let meant: Vec<Doubt> = doubts(&*ledger)?.into_iter().filter(is_meant).collect();
    let (claimed, open): (Vec<Doubt>, Vec<Doubt>) =
        meant.into_iter().partition(|doubt| doubt.is_claimed);
    let open: Vec<JobKey> = open.into_iter().map(|doubt| doubt.key).collect();
    if settlement == Settlement::NeverBought {
        warn_of_charges(&ledger, &open, console)?;
    }
    if !open.is_empty() {
        settle(&mut *ledger, &open, settlement)?;
    }
    report(&open, settlement, &claimed, console)?;
    Ok(exit_codes::DONE)
}

/// Warns if the account's balances show charges for jobs that are about to be settled as never bought.
pub(super) fn warn_of_charges(
    ledger: &Ledger,
    keys: &[JobKey],
    console: &Console,
) -> Result<(), Failure> {
    let found = evidence(&**ledger, &ledger.jobs()?, keys, None)?;
    if !found.charged.is_empty() {
        console.note_always(&format!("warning: {}", evidence_text(&found)));
    }
    Ok(())
}

/// The keys of the manifest's jobs that the filters select, as they are bought.
fn planned(
    args: &ResolveArgs,
    manifest: &Path,
    ledger: &Ledger,
    global: &GlobalArgs,
    console: &Console,
) -> Result<HashSet<JobKey>, Failure> {
    let selected = ManifestArgs {
        filters: args.filters.clone(),
        ..ManifestArgs::whole(manifest.to_owned())
    };
    let mut project = Project::open(&selected, global, console)?;
    let report = project.plan_jobs(PlanHooks::Recorded(Some(&**ledger)), None, console)?;
    say_what_is_left(&report, console);
    project.open_ledger(Some(&**ledger), console)?;
    Ok(project.plan.jobs.iter().map(|job| job.key).collect())
}

fn find_run(ledger: &Ledger, text: &str) -> Result<RunId, Failure> {
    let mut runs = ledger.runs()?;
    runs.retain(|run| run.id.as_str().starts_with(text));
    match runs.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(
            Failure::msg(Kind::Usage, format!("the ledger has no run `{text}`"))
                .hint("list its runs with `backline status --runs`"),
        ),
        many => Err(Failure::msg(
            Kind::Usage,
            format!("{} runs begin with `{text}`", many.len()),
        )
        .hint("give more of the id")),
    }
}

fn report(
    settled: &[JobKey],
    settlement: Settlement,
    claimed: &[Doubt],
    console: &Console,
) -> Result<(), Failure> {
    let (name, became) = match settlement {
        Settlement::NeverBought => ("never_bought", "was not bought"),
        Settlement::BuyAgain => ("buy_again", "is bought again by the next run"),
    };
    if console.format == Format::Json {
        let left: Vec<JobKey> = claimed.iter().map(|doubt| doubt.key).collect();
        return console.json(&json!({
            "version": 1,
            (name): settled,
            "left_in_doubt": left,
        }));
    }
    for key in settled {
        console.note(&format!("job {} {became}\n", key.short()));
    }
    for doubt in claimed {
        console.note(&format!(
            "job {} stays in doubt: a callback named a task for it, which the next run checks\n",
            doubt.key.short()
        ));
    }
    let next = match settled.len() {
        0 => "no job was settled".to_owned(),
        1 => "1 job was settled; the next run submits it".to_owned(),
        many => format!("{many} jobs were settled; the next run submits them"),
    };
    console.note(&format!("{next}\n"));
    Ok(())
}
