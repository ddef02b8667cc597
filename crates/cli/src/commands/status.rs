//! `backline status`: shows the state of a manifest's jobs, the progress of a run, or the list of runs.

use std::path::Path;

use backline_engine::event::{Event, KeptFile, Outcome};
use backline_engine::kept_files::{KeptFiles, OnDisk};
use backline_engine::store::RunHeader;
use backline_engine::summary::Summary;
use backline_reporter::{RunState, Standpoint, View, shell_word};
use serde::Serialize;
use serde_json::{Value, json};

use crate::abandoned::warn_of_abandoned_since;
use crate::args::{Format, GlobalArgs, StatusArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure};
use crate::ledger::Ledger;
use crate::project::{
    ChosenRun, ledger_path, locate, never_run, note_problem, project_dir, show_from_here,
    standpoint,
};
use crate::watch;

pub(crate) fn run(args: &StatusArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    if args.runs {
        let manifest = args.chosen.manifest.as_deref().map(locate).transpose()?;
        let ledger = Ledger::read(&ledger_path(manifest.as_deref(), global)?)
            .map_err(|error| never_run(error, args.chosen.manifest.as_deref()))?;
        list(&ledger, manifest.as_deref(), console)?;
        return Ok(exit_codes::DONE);
    }
    // Programs also receive the events of a run that has ended.
    let chosen = if args.watch && console.format == Format::Text {
        watch::await_run(&args.chosen, global, console)?
    } else {
        ChosenRun::find(&args.chosen, global)?
    };
    if args.watch {
        watch::follow(&chosen, console)?;
        if console.format == Format::Json {
            return Ok(exit_codes::DONE);
        }
    }
    let state = watch::run_state(&chosen)?;
    let mut summary = chosen.summary()?;
    warn_of_abandoned_since(&summary, &chosen.ledger, console)?;
    match console.format {
        Format::Json => {
            let processes = match &state {
                RunState::Active { processes } => processes.as_slice(),
                RunState::Ended | RunState::Killed => &[],
            };
            // Of a ledger in a file: there the process is of this machine.
            let process = processes.first().and_then(|it| it.parse::<u32>().ok());
            console.json(&json!({
                "version": summary.version, "run": summary.run, "life": state.as_str(), "process": process, "processes": processes,
                "this_run": summary.this_run, "totals": summary.totals, "jobs": summary.jobs,
            }))?;
        }
        Format::Text => {
            let differing = chosen
                .folder()
                .map_or(0, |folder| differing(&summary, &folder, console));
            show_from_here(
                &mut summary,
                &chosen.standpoint(),
                chosen.shown(),
                &chosen.ledger,
            );
            let view = View {
                columns: console.columns_out,
                jobs: args.jobs,
            };
            let mut text = backline_reporter::status_text(&summary, &state, view);
            if differing > 0 && !matches!(state, RunState::Active { .. }) {
                text.push_str(&note_of_differing(differing, &chosen.shown()));
            }
            match console.size_out() {
                Some(size) if args.watch => {
                    console.data(&backline_reporter::fitted(&text, size))?
                }
                _ => console.data(&text)?,
            }
        }
    }
    Ok(exit_codes::DONE)
}

/// The number of kept files that are missing on disk or in the object store, or have another length than the ledger records. The ledger alone cannot detect
/// these.
fn differing(summary: &Summary, folder: &Path, console: &Console) -> usize {
    let jobs = summary.jobs.iter().filter(|job| job.in_manifest);
    let tracks = jobs.flat_map(|job| &job.tracks);
    let files = tracks.flat_map(|track| [&track.file, &track.mix].into_iter().flatten());
    let kept_files = KeptFiles::new(folder);
    let is_there = |file: &KeptFile| kept_files.look(file) == OnDisk::AsKept;
    let differing = files.filter(|file| !is_there(file)).count();
    note_problem(&kept_files, console);
    differing
}

fn note_of_differing(number: usize, manifest: &str) -> String {
    let files = match number {
        1 => "1 kept file is missing or has".to_owned(),
        number => format!("{number} kept files are missing or have"),
    };
    let manifest = shell_word(manifest);
    format!(
        "\n{files} another length than recorded: `backline plan {manifest}` marks the jobs with f, `backline fetch {manifest}` downloads the files again\n"
    )
}

/// Prints the runs, newest first.
fn list(ledger: &Ledger, manifest: Option<&Path>, console: &Console) -> Result<(), Failure> {
    let runs = ledger.runs()?;
    let facts: Vec<RunLine> = runs
        .iter()
        .map(|run| RunLine::of(ledger, run))
        .collect::<Result<_, _>>()?;
    if console.format == Format::Json {
        let runs = runs.iter().zip(&facts).map(|(run, facts)| {
            let mut run = json!(run);
            if let (Some(run), Value::Object(facts)) = (run.as_object_mut(), json!(facts)) {
                run.extend(facts);
            }
            run
        });
        return console.json(&json!({ "version": 1, "runs": runs.collect::<Vec<_>>() }));
    }
    let mut text = String::new();
    for (run, facts) in runs.iter().zip(&facts) {
        let folder = project_dir(ledger, manifest, run);
        let standpoint = folder.map_or_else(Standpoint::default, standpoint);
        let started =
            jiff::Timestamp::from_millisecond(run.started_ms).map(|at| format!("{at:.0}"));
        let selection = run.selection.as_ref().map(|it| format!("  {it}"));
        text.push_str(&format!(
            "{}  {}  {:<9}  {}  {}{}\n",
            run.id,
            started.unwrap_or_default(),
            facts.outcome,
            facts.counts(&one_line(&run.provider)),
            one_line(&standpoint.name(&run.manifest)),
            one_line(&selection.unwrap_or_default()),
        ));
    }
    console.data(&text)
}

/// A text on one line. The ledger may come from another user.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// An entry of the list of runs.
#[derive(Serialize)]
struct RunLine {
    outcome: &'static str,
    /// The number of jobs of the run.
    jobs: Option<u64>,
    /// The number of jobs that the run was going to submit.
    to_submit: Option<u64>,
    /// The credits that the run spent; none before it has ended.
    credits: Option<f64>,
}

impl RunLine {
    fn of(ledger: &Ledger, run: &RunHeader) -> Result<Self, Failure> {
        let mut line = Self {
            outcome: "",
            jobs: None,
            to_submit: None,
            credits: None,
        };
        for record in ledger.events_of(&run.id)? {
            match record.event {
                Event::RunStarted {
                    jobs, to_submit, ..
                } => (line.jobs, line.to_submit) = (Some(jobs), Some(to_submit)),
                Event::RunEnded { outcome, credits } => {
                    line.outcome = outcome_name(&outcome);
                    line.credits = Some(credits.into());
                }
                _ => {}
            }
        }
        if line.outcome.is_empty() {
            let owner = ledger.owner()?;
            let runs_now = owner.is_some_and(|owner| owner.run.as_ref() == Some(&run.id));
            line.outcome = if runs_now { "running" } else { "died" };
        }
        Ok(line)
    }

    /// A summary of the run: `12 jobs, 4 to submit, 48 credits with sunoapi`.
    fn counts(&self, provider: &str) -> String {
        let number = |number: Option<u64>| number.map_or("?".to_owned(), |it| it.to_string());
        let credits = match self.credits {
            Some(credits) if credits != 0.0 => format!(", {credits} credits"),
            _ => String::new(),
        };
        format!(
            "{} {}, {} to submit{credits} with {provider}",
            number(self.jobs),
            if self.jobs == Some(1) { "job" } else { "jobs" },
            number(self.to_submit)
        )
    }
}

/// The name of an outcome.
fn outcome_name(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::Vetoed => "vetoed",
        Outcome::Partial => "partial",
        Outcome::Failed => "failed",
        Outcome::InDoubt => "in doubt",
        Outcome::Stopped { .. } => "stopped",
        Outcome::Refused { .. } => "refused",
    }
}
