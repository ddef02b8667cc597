//! `backline gc`: removes old runs from the ledger, after showing what is removed.

use backline_engine::prune::prunable;
use backline_engine::store::Prunable;
use serde_json::json;

use crate::args::{Format, GcArgs, GlobalArgs, duration_text};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::{Ledger, is_on_server};
use crate::owning::own;
use crate::project::{ledger_path, locate, seen_from_here};

pub(crate) fn run(args: &GcArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let manifest = args.manifest.as_deref().map(locate).transpose()?;
    let path = ledger_path(manifest.as_deref(), global)?;
    let age_ms = i64::try_from(args.older_than.as_millis()).map_err(|error| {
        Failure::new(Kind::Usage, error).hint("give an age that a ledger can have")
    })?;
    let before_ms = jiff::Timestamp::now()
        .as_millisecond()
        .saturating_sub(age_ms);
    // Reads the ledger first, because opening it for writing would create a missing one.
    let ledger = Ledger::read(&path)?;
    let length_before = length(&path);
    let gone = if args.yes {
        drop(ledger);
        let mut ledger = own(&path, &args.wait, console)?;
        let gone = prunable(&*ledger, before_ms)?;
        if !gone.is_empty() {
            ledger.prune(&gone)?;
        }
        gone
    } else {
        prunable(&*ledger, before_ms)?
    };
    match console.format {
        Format::Json => console.json(&json!({
            "version": 1,
            "ledger": path,
            "removed": args.yes,
            "older_than_s": args.older_than.as_secs(),
            "runs": gone.runs.iter().map(|run| &run.id).collect::<Vec<_>>(),
            "plan_rows": gone.plan_rows,
            "events": gone.events,
            "uploads": gone.uploads,
            "queued_songs": gone.queued_songs,
            "old_runs_kept": gone.kept_runs,
        }))?,
        Format::Text => {
            let freed = length_before.saturating_sub(length(&path));
            let shown = seen_from_here(&path).display().to_string();
            console.data(&text(
                args,
                &gone,
                &shown,
                (!is_on_server(&path)).then_some(freed),
            ))?;
        }
    }
    Ok(exit_codes::DONE)
}

fn text(args: &GcArgs, gone: &Prunable, ledger: &str, freed_bytes: Option<u64>) -> String {
    let age = duration_text(args.older_than);
    let stays = match gone.kept_runs {
        0 => String::new(),
        1 => {
            "1 older run is kept: a job's outcome is open, or it is the last run of its manifest\n"
                .to_owned()
        }
        runs => format!(
            "{runs} older runs are kept: a job's outcome is open, or each is the last run of its manifest\n"
        ),
    };
    if gone.is_empty() {
        return format!("{ledger} has no runs older than {age} to remove\n{stays}");
    }
    let songs = match gone.queued_songs {
        0 => String::new(),
        songs => format!(", {} of ended runs", number(songs, "queued song")),
    };
    let what = format!(
        "{} older than {age}, {} of their plans, {} of their own, {}{songs}",
        number(gone.runs.len() as u64, "run"),
        number(gone.plan_rows, "row"),
        number(gone.events, "event"),
        number(gone.uploads, "expired upload"),
    );
    if args.yes {
        // A server uses the space again.
        let freed = freed_bytes.map_or_else(String::new, |bytes| {
            format!("the file is {:.1} MB smaller\n", bytes as f64 / 1e6)
        });
        format!("removed from {ledger}: {what}\n{stays}{freed}")
    } else {
        format!(
            "would remove from {ledger}: {what}\n{stays}nothing was removed; --yes removes them, and their reports can't be written \
             again\n"
        )
    }
}

fn number(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn length(path: &std::path::Path) -> u64 {
    path.metadata().map_or(0, |file| file.len())
}
