//! The steps before a run: keys, the output folder, the ledger's clock, the planning hooks and the forecast. Nothing is bought
//! until all of them have succeeded.

use std::io::Write;
use std::path::Path;

use backline_api::ApiKey;
use backline_engine::driver::{HookFailure, PlanHooks};
use backline_engine::folder::Folder;
use backline_engine::forecast::Forecast;
use backline_engine::kept_files::probe_store;
use backline_engine::opening::Opening;
use backline_engine::plan::Purchases;
use backline_engine::scratch::{create, sweep};
use backline_engine::settings::JobKey;
use backline_engine::status::Sign;

use super::super::doctor::disk::{IN_THE_WAY, file_in_the_way, too_little_space};
use super::Options;
use crate::abandoned::warn_of_abandoned;
use crate::console::Console;
use crate::failure::{Failure, Kind};
use crate::key::{api_key, callback_key};
use crate::ledger::{Ledger, local_folder};
use crate::other_ledger;
use crate::project::{Project, say_what_is_left, seen_from_here};
use crate::tape::{RunTape, tell_what_is_missing};

/// The prefix of the file that tests whether the output directory can be written to.
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

/// Warns if the ledger has times in the future. The clock was then ahead, and these times count as the current time.
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

/// Checks that the ledger's disk has enough space.
pub(super) fn try_ledger(project: &Project) -> Result<(), Failure> {
    let folder = local_folder(&project.ledger, &project.plan.project_dir);
    match too_little_space(&folder) {
        None => Ok(()),
        Some(space) => Err(too_full("the ledger's directory", &folder, &space).hint(
            "free some space, or move this directory with everything in it to another disk and name the ledger there with --ledger",
        )),
    }
}

/// Checks that the output folder can be written to and that its disk has enough space, and that the object store of kept files, if there is
/// one, takes them.
pub(super) fn try_output(project: &Project) -> Result<(), Failure> {
    let dir = project.plan.output.dir();
    if let Some(file) = file_in_the_way(dir) {
        let message = format!(
            "the output directory {} can't be made: {} is not a directory",
            seen_from_here(dir).display(),
            seen_from_here(&file).display()
        );
        return Err(Failure::msg(Kind::Output, message).hint(IN_THE_WAY));
    }
    if let Some(space) = too_little_space(dir) {
        return Err(too_full("the output directory", dir, &space).hint(
            "free some space, or set a directory on another disk with `output: {dir: …}`: kept tracks are moved there",
        ));
    }
    let tried = Folder::create(dir).and_then(|folder| {
        // Removes trial files of killed runs. The new trial file removes itself.
        sweep(&folder, TRIAL);
        create(&folder, TRIAL)?.file().write_all(b"x")
    });
    tried.map_err(|error| {
        let context = format!("the output folder {} can't be written to", dir.display());
        Failure::new(Kind::Output, anyhow::Error::new(error).context(context)).hint(
            "free some space or correct its permissions, or name another with `output: {dir: …}`",
        )
    })?;
    let Some(store) = project.plan.output.store() else {
        return Ok(());
    };
    probe_store(store).map_err(|error| {
        let message = format!("cannot keep files in the object store {store}: {error}");
        Failure::msg(Kind::Output, message).hint(
            "check the bucket and the credentials in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT, …",
        )
    })
}

fn too_full(what: &str, folder: &Path, space: &str) -> Failure {
    let folder = seen_from_here(folder);
    let message = format!("too little space for {what} {}: {space}", folder.display());
    Failure::msg(Kind::Output, message)
}

/// Whether a run writes tracks to the output directory: it buys or downloads some.
pub(super) fn fills_output(forecast: &Forecast) -> bool {
    forecast.rows.iter().any(|row| match row.sign {
        Sign::InProgress | Sign::Fetch | Sign::Expired | Sign::InDoubt => true,
        Sign::Kept | Sign::Partial | Sign::Failed | Sign::Vetoed | Sign::Buy | Sign::Changed => {
            row.submits
        }
    })
}

/// Runs the hooks of `plan_job`. A run that buys nothing reads their recorded results instead.
pub(super) fn plan_jobs(
    project: &mut Project,
    keys: &Keys,
    ledger: &mut Ledger,
    console: &Console,
) -> Result<Vec<(JobKey, HookFailure)>, Failure> {
    let calls_hooks = project.plan.purchases == Purchases::All;
    let hooks = match calls_hooks {
        true => PlanHooks::All(&mut **ledger),
        false => PlanHooks::Recorded(Some(&**ledger)),
    };
    let planning = project.plan_jobs(hooks, Some(keys.provider.expose()), console)?;
    if !calls_hooks {
        say_what_is_left(&planning, console);
    }
    Ok(planning.failures)
}

/// The forecast for each job, and the warnings about it.
pub(super) fn forecast(
    project: &mut Project,
    options: &Options<'_>,
    ledger: &Ledger,
    console: &Console,
) -> Result<Opening, Failure> {
    let opening = project.open_ledger(Some(&**ledger), console)?;
    if !options.replays() {
        warn_of_abandoned(project, ledger, console)?;
    }
    let buys = project.plan.purchases != Purchases::None;
    if buys
        && !options.replays()
        && let Some(conflict) = other_ledger::conflict(project, &opening.forecast, options.global)
    {
        return Err(conflict);
    }
    let replaced = opening.forecast.count(Sign::Changed);
    if project.plan.purchases == Purchases::All && replaced > 0 {
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
