//! `backline run` and `backline fetch`: open the project, forecast, run, close.
//!
//! ```text
//! prepare.rs  ─► execute.rs ─► close.rs
//! checks, ledger, forecast    the engine's run, the studio, signals    reports, exit code
//!                   │ records
//!                   └► watchers.rs: console, page, traces, output folder
//! ```

mod close;
mod execute;
mod prepare;
#[cfg_attr(not(feature = "postgres"), path = "run/alone.rs")]
mod sharing;
mod watchers;
#[cfg(feature = "postgres")]
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use backline_api::RECOVERY;
use backline_engine::plan::Purchases;

use self::close::{close, save_displaced, was_interrupted};
use self::execute::{RunInput, execute};
use self::watchers::Watchers;
#[cfg(feature = "postgres")]
pub(crate) use self::work::{needs_server, work};
use super::plan::lock;
use crate::args::{FetchArgs, GlobalArgs, ManifestArgs, RunArgs, RunLedgerArgs, WatchArgs};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::ledger::is_on_server;
use crate::log::{self, Notices};
use crate::other_reports::warn_of_other_reports;
use crate::output_owner::{self, OutputOwner};
use crate::project::Project;
use crate::tape::RunTape;
use crate::watch::RunBasis;

/// The command line's options for a run.
struct Options<'a> {
    manifest: &'a ManifestArgs,
    global: &'a GlobalArgs,
    ledger: &'a RunLedgerArgs,
    watch: &'a WatchArgs,
    /// Records the provider's responses, or replays recorded ones.
    tape: Option<&'a RunTape>,
    /// Leaves the jobs to workers.
    #[cfg(feature = "postgres")]
    publishes: bool,
}

impl Options<'_> {
    /// Whether the run replays responses and calls no provider.
    fn replays(&self) -> bool {
        self.tape.is_some_and(RunTape::replays)
    }
}

pub(crate) fn run(args: &RunArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    if args.locked {
        lock::require_file(&args.manifest)?;
        let whole = Project::open_agreed(&args.manifest, global, console)?;
        lock::require(&whole)?;
    }
    let mut project = Project::open(&args.manifest, global, console)?;
    let tape = RunTape::open(&args.tape, &mut project, console)?;
    let options = Options {
        manifest: &args.manifest,
        global,
        ledger: &args.ledger,
        watch: &args.watch,
        tape: tape.as_ref(),
        #[cfg(feature = "postgres")]
        publishes: args.publish,
    };
    let code = carry_out(&mut project, &options, console)?;
    match tape.map_or(Ok(()), |tape| tape.close(console)) {
        Err(failure) if code != exit_codes::DONE => {
            console.note_always(&failure.text(console.colour_err));
            Ok(code)
        }
        closed => closed.map(|()| code),
    }
}

/// `backline fetch`: the same, but buys nothing, or only recoveries.
pub(crate) fn fetch(args: &FetchArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let mut project = Project::open(&args.manifest, global, console)?;
    let plan = &mut project.plan;
    plan.purchases = Purchases::None;
    if args.recover {
        let profile = &plan.provider.profile;
        if profile.step(RECOVERY).is_none() {
            let message = format!("the provider `{}` does not recover songs", profile.name);
            return Err(Failure::msg(Kind::Usage, message)
                .hint("what is past its retention is lost; `backline fetch` downloads the rest"));
        }
        (plan.recovers, plan.purchases) = (true, Purchases::Recoveries);
    }
    let options = Options {
        manifest: &args.manifest,
        global,
        ledger: &args.ledger,
        watch: &args.watch,
        tape: None,
        #[cfg(feature = "postgres")]
        publishes: false,
    };
    carry_out(&mut project, &options, console)
}

fn carry_out(project: &mut Project, options: &Options<'_>, console: &Console) -> CommandResult {
    // Open.
    let keys = prepare::keys(project, options)?;
    let nothing_bought = |failure: Failure| failure.hint("nothing was bought");
    prepare::try_ledger(project).map_err(nothing_bought)?;
    let writable = match prepare::try_output(project).map_err(nothing_bought) {
        // Without a ledger, no track can have been kept.
        Err(failure) if !is_on_server(&project.ledger) && !project.ledger.exists() => {
            return Err(failure);
        }
        tried => tried,
    };
    let mut ledger = sharing::open(project, options, console)?;
    prepare::warn_of_clock(&ledger, console)?;
    let notices = Notices::stderr();
    let stopping = Arc::new(AtomicBool::new(false));
    let sink = watchers::sink(project, console, &notices, stopping.clone());
    log::begin(console, &notices);

    // Forecast.
    let hook_failures = prepare::plan_jobs(project, &keys, &mut ledger, console)?;
    let opening = prepare::forecast(project, options, &ledger, console)?;
    let project = &*project;
    let is_writable = writable.is_ok();
    if prepare::fills_output(&opening.forecast) {
        writable?;
    }
    let part_of = project.album(options.manifest, options.global, console, &ledger)?;
    let planned = RunBasis::of(project, &opening, &ledger, &keys.provider)?;

    // Run.
    let output = match options.replays() {
        true => None,
        // The previous run remains recorded as the last one that used the directory.
        false if !is_writable => {
            output_owner::guard(project.plan.output.dir(), &ledger).map(|()| None)?
        }
        false => OutputOwner::take(project, &ledger)?,
    };
    if !project.plan.reports.is_empty() {
        let plan = &project.plan;
        warn_of_other_reports(
            &project.report_dir(),
            &plan.project_dir,
            &plan.manifest,
            console,
        );
    }
    let runtime = super::runtime()?;
    #[cfg(feature = "postgres")]
    if let Some(previous) = output.as_ref().and_then(|it| it.previous.as_ref()) {
        // A run that was killed left its songs in the queue; this one has the directory, and the jobs.
        ledger.remove_queued(previous)?;
    }
    let has_work = prepare::fills_output(&opening.forecast);
    let (shared, songs) = sharing::begin(&runtime, project, options, &ledger, has_work);
    let mut watchers = Watchers {
        output,
        sink,
        server: None,
        traces: None,
        notices: &notices,
        console,
    };
    watchers.start(&runtime, &planned, project, options.watch)?;
    let credits = planned.credits;
    drop(planned);
    let input = RunInput {
        keys,
        opening,
        hook_failures,
        adopts_account: options.ledger.adopt_account,
        part_of,
        stopping,
        credits,
        tape: options.tape.map(RunTape::tape),
        replays: options.replays(),
        shared,
    };
    let mut observe = |record: &_| watchers.record(record);
    let ended = runtime.block_on(execute(project, input, &mut ledger, &mut observe, &notices));
    songs.end(&runtime, &ledger);
    notices.reset();

    // Close.
    let lasts = ended.as_ref().is_ok_and(|ended| !was_interrupted(ended));
    let sink = watchers.sink.as_mut();
    let closed =
        ended.and_then(|ended| close(ended, project, &ledger, sink, options.replays(), console));
    let closed = save_displaced(closed, &ledger);
    // The page only reads the ledger, so the next run may already open it.
    drop(ledger);
    watchers.end(&runtime, lasts && closed.is_ok());
    // The remaining tasks record nothing.
    runtime.shutdown_background();
    closed
}
