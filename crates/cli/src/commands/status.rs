//! `backline status`: how the jobs of a run stand now, how they go on, or which runs there were.

use backline_engine::ledger::Ledger;
use backline_engine::store::{RunHeader, Store};
use backline_engine::summary::summarise;
use backline_reporter::Life;
use serde_json::json;

use crate::args::{Format, GlobalArgs, StatusArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure};
use crate::project::{ChosenRun, ledger_path};
use crate::watch;

pub(crate) fn run(args: &StatusArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    if args.runs {
        let manifest = args.chosen.manifest.as_deref();
        let ledger = Ledger::read(&ledger_path(manifest, global)?)?;
        list(&ledger.runs()?, console)?;
        return Ok(exit_codes::DONE);
    }
    let chosen = ChosenRun::find(&args.chosen, global)?;
    if args.watch {
        watch::follow(&chosen, console)?;
        if console.format == Format::Json {
            return Ok(exit_codes::DONE);
        }
    }
    let summary = summarise(&chosen.ledger, &chosen.header)?;
    let life = watch::life(&chosen, summary.run.ended_ms)?;
    match console.format {
        Format::Json => {
            let process = match life {
                Life::GoesOn { process } => process,
                Life::Ended | Life::Dead => None,
            };
            console.json(&json!({
                "version": summary.version, "run": summary.run, "life": life.word(), "process": process,
                "totals": summary.totals, "jobs": summary.jobs,
            }))?;
        }
        Format::Text => console.data(&backline_reporter::status_text(&summary, life))?,
    }
    Ok(exit_codes::DONE)
}

/// The runs, newest first.
fn list(runs: &[RunHeader], console: &Console) -> Result<(), Failure> {
    if console.format == Format::Json {
        return console.json(&json!({ "version": 1, "runs": runs }));
    }
    let mut text = String::new();
    for run in runs {
        let started =
            jiff::Timestamp::from_millisecond(run.started_ms).map(|at| format!("{at:.0}"));
        text.push_str(&format!(
            "{}  {}  {}  {}\n",
            run.id,
            started.unwrap_or_default(),
            run.provider,
            run.manifest
        ));
    }
    console.data(&text)
}
