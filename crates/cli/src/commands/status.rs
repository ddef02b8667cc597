//! `backline status`: how the jobs of a run stand now, how they go on, or which runs there were.

use std::path::Path;

use backline_engine::ledger::Ledger;
use backline_engine::store::Store;
use backline_engine::summary::summarise;
use backline_reporter::{Life, Standpoint};
use serde_json::json;

use crate::args::{Format, GlobalArgs, StatusArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure};
use crate::project::{ChosenRun, ledger_path, locate, project_dir, show_from_here, standpoint};
use crate::watch;

pub(crate) fn run(args: &StatusArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    if args.runs {
        let manifest = args.chosen.manifest.as_deref().map(locate).transpose()?;
        let ledger = Ledger::read(&ledger_path(manifest.as_deref(), global)?)?;
        list(&ledger, manifest.as_deref(), console)?;
        return Ok(exit_codes::DONE);
    }
    let chosen = ChosenRun::find(&args.chosen, global)?;
    if args.watch {
        watch::follow(&chosen, console)?;
        if console.format == Format::Json {
            return Ok(exit_codes::DONE);
        }
    }
    let mut summary = summarise(&chosen.ledger, &chosen.header)?;
    let life = watch::life(&chosen, summary.run.ended_ms)?;
    match console.format {
        Format::Json => {
            let process = match life {
                Life::GoesOn { process } => process,
                Life::Ended | Life::Dead => None,
            };
            console.json(&json!({
                "version": summary.version, "run": summary.run, "life": life.as_str(), "process": process,
                "totals": summary.totals, "jobs": summary.jobs,
            }))?;
        }
        Format::Text => {
            show_from_here(
                &mut summary,
                &chosen.standpoint(),
                chosen.shown(),
                &chosen.ledger,
            );
            console.data(&backline_reporter::status_text(&summary, life))?;
        }
    }
    Ok(exit_codes::DONE)
}

/// The runs, newest first.
fn list(ledger: &Ledger, manifest: Option<&Path>, console: &Console) -> Result<(), Failure> {
    let runs = ledger.runs()?;
    if console.format == Format::Json {
        return console.json(&json!({ "version": 1, "runs": runs }));
    }
    let mut text = String::new();
    for run in &runs {
        let folder = project_dir(ledger, manifest, run);
        let standpoint = folder.map_or_else(Standpoint::default, standpoint);
        let started =
            jiff::Timestamp::from_millisecond(run.started_ms).map(|at| format!("{at:.0}"));
        text.push_str(&format!(
            "{}  {}  {}  {}\n",
            run.id,
            started.unwrap_or_default(),
            run.provider,
            standpoint.name(&run.manifest)
        ));
    }
    console.data(&text)
}
