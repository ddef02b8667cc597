//! What comes before a run: keys, the output folder, the ledger's clock, the planning hooks and the forecast. Nothing is bought before
//! all of it has succeeded.

use std::io::Write;
use std::path::Path;

use backline_api::ApiKey;
use backline_engine::driver::{HookFailure, PlanHooks};
use backline_engine::folder::Folder;
use backline_engine::ledger::Ledger;
use backline_engine::opening::Opening;
use backline_engine::scratch::{create, sweep};
use backline_engine::settings::JobKey;
use backline_engine::status::Sign;

use super::super::doctor::disk::too_little_space;
use super::Options;
use crate::abandoned::warn_of_abandoned;
use crate::console::Console;
use crate::failure::{Failure, Kind};
use crate::key::{api_key, callback_key};
use crate::other_ledger;
use crate::project::{Project, say_what_is_left};
use crate::tape::{RunTape, tell_what_is_missing};

/// Prefix of the file with which a run tests that the output directory can be written to.
const TRIAL: &str = ".backline-trial-";

/// The secrets of a run.
pub(super) struct Keys {
    /// The provider's key.
    pub(super) provider: ApiKey,
    /// The key that callbacks are signed with.
    pub(super) callbacks: Option<Vec<u8>>,
}

pub(super) fn keys(project: &Project, options: &Options<'_>) -> Result<Keys, Failure> {
    Ok(Keys {
        provider: match options.replays() {
            true => RunTape::dummy_key()?,
            false => api_key(&project.plan.provider)?,
        },
        callbacks: callback_key(project.plan.callbacks.as_ref())?,
    })
}

/// Times of the future come from a clock that was ahead. They count as now, wherever they matter.
pub(super) fn warn_of_clock(ledger: &Ledger, console: &Console) -> Result<(), Failure> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    if let Some(last_ms) = ledger.ahead_of(now_ms)? {
        console.note_always(&format!(
            "warning: the last record of the ledger is dated {}, which is in the future: the clock was ahead then, or is behind now; \
             such times count as now\n",
            jiff::Timestamp::from_millisecond(last_ms)
                .map_or_else(|_| format!("{last_ms} ms"), |at| format!("{at:.0}"))
        ));
    }
    Ok(())
}

/// Makes sure that the output folder can be written to and that the disk has space.
pub(super) fn try_output(project: &Project) -> Result<(), Failure> {
    let dir = project.plan.output.dir();
    let ledger = project.ledger.parent().unwrap_or(Path::new("."));
    for folder in [dir, ledger] {
        if let Some(space) = too_little_space(folder) {
            let message = format!("too little space at {}: {space} free", folder.display());
            return Err(Failure::msg(Kind::Output, message)
                .hint("free some space, or move it to another disk with everything in it and name its new path with `output: {dir: …}` or --ledger"));
        }
    }
    let tried = Folder::create(dir).and_then(|folder| {
        // What a killed run left behind is taken away; a trial that is not put in place removes itself.
        sweep(&folder, TRIAL);
        create(&folder, TRIAL)?.file().write_all(b"x")
    });
    tried.map_err(|error| {
        let context = format!("the output folder {} can't be written to", dir.display());
        Failure::new(Kind::Output, anyhow::Error::new(error).context(context)).hint(
            "free some space or correct its permissions, or name another with `output: {dir: …}`",
        )
    })
}

/// Runs the hooks of `plan_job`; a run that buys nothing reads what they decided before.
pub(super) fn plan_jobs(
    project: &mut Project,
    options: &Options<'_>,
    keys: &Keys,
    ledger: &mut Ledger,
    console: &Console,
) -> Result<Vec<(JobKey, HookFailure)>, Failure> {
    let hooks = match options.buys {
        true => PlanHooks::All(ledger),
        false => PlanHooks::Recorded(Some(ledger)),
    };
    let planning = project.plan_jobs(hooks, Some(keys.provider.expose()), console)?;
    if !options.buys {
        say_what_is_left(&planning, console);
    }
    Ok(planning.failures)
}

/// What the run will do with each job, and the warnings about it.
pub(super) fn forecast(
    project: &mut Project,
    options: &Options<'_>,
    ledger: &Ledger,
    console: &Console,
) -> Result<Opening, Failure> {
    let opening = project.open_ledger(Some(ledger))?;
    if !options.replays() {
        warn_of_abandoned(project, ledger, console)?;
    }
    if options.buys
        && !options.replays()
        && let Some(conflict) = other_ledger::conflict(project, &opening.forecast, options.global)
    {
        return Err(conflict);
    }
    let replaced = opening.forecast.count(Sign::Changed);
    if options.buys && replaced > 0 {
        let jobs = if replaced == 1 {
            "1 job was"
        } else {
            &format!("{replaced} jobs were")
        };
        console.note(&format!(
            "note: {jobs} bought before with other settings or another recording; `backline plan` marks them `~`\n"
        ));
    }
    if options.tape.is_some() && !options.replays() {
        tell_what_is_missing(&opening.forecast, console);
    }
    Ok(opening)
}
