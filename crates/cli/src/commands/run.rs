//! `backline run` and `backline fetch`: carry the plan out, tell what happens, write the reports.

use std::io::Write;
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backline_api::Tape;
use backline_engine::driver::{self, Album, Ended, HookFailure, PlanHooks, Run, RunError, Signals};
use backline_engine::event::{Event, Moment, Outcome, Record, StopReason};
use backline_engine::folder::Folder;
use backline_engine::ledger::Ledger;
use backline_engine::opening::Opening;
use backline_engine::scratch::{create, sweep};
use backline_engine::settings::JobKey;
use backline_engine::status::Sign;
use backline_engine::store::Store;
use backline_engine::summary::summarise;
use backline_reporter::{
    ConsoleOptions, Ending, JsonEvents, Lines, ReportInput, Sink, shell_word, write_reports,
};
use backline_studio::Studio;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::doctor::disk::too_little_space;
use super::plan::lock;
use super::report::join_kept;
use crate::abandoned::warn_of_abandoned;
use crate::args::{FetchArgs, Format, GlobalArgs, ManifestArgs, RunArgs, RunLedgerArgs, WatchArgs};
use crate::console::{Console, measuring};
use crate::elsewhere::note_on_files;
use crate::embedded;
use crate::exit_codes::{self, Code};
use crate::failure::{CommandResult, Failure, Kind};
use crate::key::{api_key, callback_key};
use crate::log::{self, Notices};
use crate::other_ledger;
use crate::output_owner::OutputOwner;
use crate::owning::own;
use crate::project::{
    Project, say_what_is_left, seen_from_here, show_from_here, sound_cache, standpoint,
};
use crate::serve::Server;
use crate::signals;
use crate::step_summary;
use crate::tape::{RunTape, tell_what_is_missing};
use crate::trace::Traces;
use crate::watch::{self, Planned};

/// How the name of the file begins that a run tries the output folder with.
const TRIAL: &str = ".backline-trial-";

const NOTICE: &str = "\
Stopping: no more jobs are submitted, and requests in progress have five seconds. The same command resumes the rest.\n\
Press Ctrl-C again to stop at once.\n";

pub(crate) fn run(args: &RunArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    if args.locked {
        lock::require_file(&args.manifest)?;
        let whole = Project::open_agreed(&args.manifest, global, console)?;
        lock::require(&whole)?;
    }
    let mut project = Project::open(&args.manifest, global, console)?;
    let recording = RunTape::open(&args.tape, &mut project, console)?;
    let asked = (&args.ledger, &args.watch);
    let code = go(
        &mut project,
        (&args.manifest, global),
        true,
        asked,
        recording.as_ref(),
        console,
    )?;
    match recording.map_or(Ok(()), |recording| recording.close(console)) {
        Err(failure) if code != exit_codes::DONE => {
            console.insist(&failure.text(console.colour_err));
            Ok(code)
        }
        closed => closed.map(|()| code),
    }
}

/// `backline fetch`: the same, but nothing is bought.
pub(crate) fn fetch(args: &FetchArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let mut project = Project::open(&args.manifest, global, console)?;
    let asked = (&args.ledger, &args.watch);
    go(
        &mut project,
        (&args.manifest, global),
        false,
        asked,
        None,
        console,
    )
}

fn go(
    project: &mut Project,
    (manifest, global): (&ManifestArgs, &GlobalArgs),
    buys: bool,
    (using, watch): (&RunLedgerArgs, &WatchArgs),
    recording: Option<&RunTape>,
    console: &Console,
) -> CommandResult {
    let replays = recording.is_some_and(RunTape::replays);
    let key = if replays {
        RunTape::dummy_key()?
    } else {
        api_key(&project.plan.provider)?
    };
    let callback_key = callback_key(project.plan.callbacks.as_ref())?;
    // Before anything is bought.
    try_output(project).map_err(|failure| failure.hint("nothing was bought"))?;
    let mut ledger = own(&project.ledger, &using.wait, console)?;
    warn_of_clock(&ledger, console)?;

    let notices = Notices::stderr();
    let stopping = Arc::new(AtomicBool::new(false));
    let mut sink = sink(project, console, &notices, stopping.clone());
    log::begin(console, &notices);
    let hooks = match buys {
        true => PlanHooks::All(&mut ledger),
        // What is bought has been planned before.
        false => PlanHooks::Recorded(Some(&ledger)),
    };
    let planning = project.plan_jobs(hooks, Some(key.expose()), console)?;
    if !buys {
        say_what_is_left(&planning, console);
    }
    let opening = project.open_ledger(Some(&ledger))?;
    if !replays {
        warn_of_abandoned(project, &ledger, console)?;
    }
    if buys
        && !replays
        && let Some(conflict) = other_ledger::conflict(project, &opening.forecast, global)
    {
        return Err(conflict);
    }
    let replaced = opening.forecast.count(Sign::Changed);
    if buys && replaced > 0 {
        let jobs = if replaced == 1 {
            "1 job was"
        } else {
            &format!("{replaced} jobs were")
        };
        console.say(&format!(
            "note: {jobs} bought before with other settings or another recording; `backline plan` marks them `~`\n"
        ));
    }
    if recording.is_some() && !replays {
        tell_what_is_missing(&opening.forecast, console);
    }
    let project = &*project;
    let part_of = project.album(manifest, global, console, &ledger)?;
    let planned = Planned::of(project, &opening, &ledger, &key, buys)?;
    let mut output = match replays {
        true => None,
        false => OutputOwner::take(project, &ledger)?,
    };
    sink.plan(&planned.facts());

    let runtime = super::runtime()?;
    let server = runtime.block_on(Server::start(watch, &planned, project))?;
    if let Some(server) = &server {
        server.tell(console, &notices);
    }
    let traces = watch.otlp.as_deref();
    let mut traces = traces
        .map(|url| Traces::start(url, &planned, &notices))
        .transpose()?;
    let asked = Asked {
        key,
        opening,
        hook_failures: planning.failures,
        callback_key,
        adopts_account: using.adopt_account,
        part_of,
        stopping,
        buys,
        credits: planned.credits,
        tape: recording.map(RunTape::tape),
        replays,
    };
    let mut tell = |record: &Record| {
        // Durable by now, and nothing is bought yet.
        if let Some(owner) = &mut output
            && let Err(failure) = owner.note(record)
        {
            notices.print(&failure.text(console.colour_err));
        }
        // Who reads a line and then looks at the page finds it there.
        if let Some(server) = &server {
            server.record(record);
        }
        if let Some(traces) = &mut traces {
            traces.record(record);
        }
        sink.record(record);
    };
    let ended = runtime.block_on(carry_out(project, asked, &mut ledger, &mut tell, &notices));
    notices.reset();
    let lasts = ended.as_ref().is_ok_and(|ended| !was_interrupted(ended));
    let closed =
        ended.and_then(|ended| close(ended, project, &ledger, sink.as_mut(), replays, console));
    let closed = save_displaced(closed, &ledger);
    // The page only reads them; the next run may begin.
    drop(ledger);
    drop(output);
    if let Some(traces) = traces {
        traces.end();
    }
    if let Some(server) = server {
        runtime.block_on(server.close(lasts && closed.is_ok(), console));
    }
    // Whatever still runs there is nobody's any more: the ledger has its last word.
    runtime.shutdown_background();
    closed
}

/// Saves a ledger that was deleted or replaced during the run: nothing else holds what was bought.
fn save_displaced(closed: CommandResult, ledger: &Ledger) -> CommandResult {
    let Err(displaced) = ledger.check_place() else {
        return closed;
    };
    let failure = closed.err().unwrap_or_else(|| displaced.into());
    let place = shell_word(&seen_from_here(ledger.path()).display().to_string());
    match ledger.save_beside() {
        Ok(saved) => {
            let saved = shell_word(&seen_from_here(&saved).display().to_string());
            Err(failure.hint(format!(
                "everything up to the end of the run is saved in {saved}; put it back with `mv {saved} {place}`, then run the same \
                 command again"
            )))
        }
        Err(error) => {
            let jobs = ledger.jobs()?;
            let tasks = jobs.iter().flat_map(|(key, known)| {
                let ids = known.job.task_ids();
                ids.map(|id| format!("\n  job {}: task {id}", key.short()))
            });
            let tasks: String = tasks.collect();
            let why = Failure::from(error).message();
            Err(failure.hint(format!(
                "it could not be saved: {why}; write down what was bought:{tasks}"
            )))
        }
    }
}

/// Times of the future come from a clock that was ahead. They count as now, wherever they matter.
fn warn_of_clock(ledger: &Ledger, console: &Console) -> Result<(), Failure> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    if let Some(last_ms) = ledger.ahead_of(now_ms)? {
        console.insist(&format!(
            "warning: the last record of the ledger is dated {}, which is in the future: the clock was ahead then, or is behind now; \
             such times count as now\n",
            jiff::Timestamp::from_millisecond(last_ms)
                .map_or_else(|_| format!("{last_ms} ms"), |at| format!("{at:.0}"))
        ));
    }
    Ok(())
}

/// Whoever has just asked for the end does not ask for more of it.
fn was_interrupted(ended: &Ended) -> bool {
    let reason = StopReason::Signal;
    ended.outcome == Outcome::Stopped { reason }
}

/// Makes sure that the output folder can be written to and that there is some room.
fn try_output(project: &Project) -> Result<(), Failure> {
    let dir = project.plan.output.dir();
    let ledger = project.ledger.parent().unwrap_or(Path::new("."));
    for folder in [dir, ledger] {
        if let Some(room) = too_little_space(folder) {
            let message = format!("too little space at {}: {room} free", folder.display());
            return Err(Failure::said(Kind::Output, message)
                .hint("free some space, or move it to another disk with everything in it and name its new place with `output: {dir: …}` or --ledger"));
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

/// What a run needs beside its plan.
struct Asked {
    key: backline_api::ApiKey,
    opening: Opening,
    hook_failures: Vec<(JobKey, HookFailure)>,
    callback_key: Option<Vec<u8>>,
    adopts_account: bool,
    /// Set once a person asks the run to stop.
    stopping: Arc<AtomicBool>,
    /// The whole manifest, where only some of its jobs were selected.
    part_of: Option<Album>,
    buys: bool,
    /// What the plan costs.
    credits: f64,
    /// Keeps the provider's answers, or gives them.
    tape: Option<Tape>,
    /// Whether it gives them: then no studio is needed.
    replays: bool,
}

async fn carry_out(
    project: &Project,
    asked: Asked,
    ledger: &mut Ledger,
    tell: &mut (dyn FnMut(&Record) + Send),
    notices: &Notices,
) -> Result<Ended, Failure> {
    let stops = Signals {
        drain: CancellationToken::new(),
        stop: CancellationToken::new(),
    };
    let following = signals::follow(
        stops.drain.clone(),
        stops.stop.clone(),
        notices.clone(),
        NOTICE,
    );
    let (drain, stopping) = (stops.drain.clone(), asked.stopping.clone());
    let watching = tokio::spawn(async move {
        drain.cancelled().await;
        stopping.store(true, Ordering::Relaxed);
    });
    let mut plan = project.plan.clone();
    let studio = if asked.replays {
        None
    } else {
        embedded::start(&mut plan.provider, &project.ledger).await?
    };
    let run = Run {
        local_callbacks: !plan.polls_only && is_loopback(&plan.provider.profile.base_url),
        project_dir: plan.project_dir.clone(),
        plan: Arc::new(plan),
        opening: asked.opening,
        hook_failures: asked.hook_failures,
        key: asked.key,
        manifest: project.recorded.clone(),
        part_of: asked.part_of,
        callback_key: asked.callback_key,
        adopts_account: asked.adopts_account,
        buys: asked.buys,
        tape: asked.tape,
        signals: stops.clone(),
    };
    let mut observe = |record: &Record| {
        tell(record);
        if let Some(warning) = short_of_credits(record, asked.credits) {
            notices.print(&warning);
        }
    };
    let going = pin!(driver::run(run, ledger, &mut observe));
    let (ended, broken) = match &studio {
        Some(studio) => until_broken(going, studio, &stops.stop).await,
        None => (going.await, None),
    };
    if let Some(studio) = studio {
        tokio::select! {
            () = studio.stop() => {}
            () = stops.stop.cancelled() => {}
        }
    }
    following.abort();
    watching.abort();
    match broken {
        Some(why) => {
            let message = format!("the studio can't go on with its tasks: {why}");
            Err(Failure::said(Kind::Output, message).hint(
                "look for a full disk or a missing permission; the same command then goes on, and nothing is lost",
            ))
        }
        None => ended.map_err(|error| with_commands(error, project)),
    }
}

/// The failure of a run, with the commands that record what was bought and could not be recorded.
fn with_commands(error: RunError, project: &Project) -> Failure {
    let unsaved = match &error {
        RunError::Ledger { unsaved, .. } => unsaved.clone(),
        _ => Vec::new(),
    };
    let manifest = shell_word(&project.shown);
    let ledger = shell_word(&seen_from_here(&project.ledger).display().to_string());
    unsaved
        .iter()
        .fold(Failure::from(error), |failure, (key, task)| {
            failure.hint(format!(
                "backline resolve {key} {manifest} --ledger {ledger} --task {task}"
            ))
        })
}

/// Goes on until the run ends, or stops it where the studio can't write down what becomes of a task: nobody would finish that one while
/// the run waits.
async fn until_broken<T>(
    mut going: Pin<&mut impl Future<Output = T>>,
    studio: &Studio,
    stop: &CancellationToken,
) -> (T, Option<String>) {
    tokio::select! {
        // A run that has ended needs the studio no more.
        biased;
        ended = &mut going => (ended, None),
        why = studio.store_failed() => {
            stop.cancel();
            (going.await, Some(why))
        }
    }
}

/// Whether a provider at this address reaches a receiver on loopback.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The balance is known only when the provider has said it: what it does not cover is told before the first refusal.
fn short_of_credits(record: &Record, wanted: f64) -> Option<String> {
    match record.event {
        Event::Credits {
            balance,
            moment: Moment::Before,
        } if balance < wanted => Some(format!(
            "warning: the account has {balance} credits and the plan costs {wanted}: it is bought until they are gone\n"
        )),
        _ => None,
    }
}

fn sink(
    project: &Project,
    console: &Console,
    notices: &Notices,
    stopping: Arc<AtomicBool>,
) -> Box<dyn Sink> {
    let options = ConsoleOptions {
        stopping,
        ..console.reporter_options(standpoint(&project.plan.project_dir))
    };
    match console.format {
        Format::Json => Box::new(JsonEvents::new(Box::new(std::io::stdout()))),
        Format::Text if console.draws_on_err() => {
            let table = watch::table_on_err(options);
            notices.redirect(table.log_writer());
            Box::new(table)
        }
        Format::Text => Box::new(Lines::new(Box::new(std::io::stderr()), options)),
    }
}

/// Writes the reports and the last words.
fn close(
    ended: Ended,
    project: &Project,
    ledger: &Ledger,
    sink: &mut dyn Sink,
    replayed: bool,
    console: &Console,
) -> CommandResult {
    let mut summary = summarise(ledger as &dyn Store, &ended.run)?;
    join_kept(&project.report_dir(), &mut summary, console);
    let records = ledger.records_of(&ended.run.id)?;
    let sound_cache = sound_cache(&project.ledger);
    let material = ReportInput {
        summary: &summary,
        records: &records,
        project_dir: &project.plan.project_dir,
        sound_cache: sound_cache.as_deref(),
    };
    step_summary::append(&material, console);
    let reports = write_reports(
        &material,
        &project.plan.reports,
        &project.report_dir(),
        &measuring(console),
    );
    let elsewhere = note_on_files(&summary, project);
    if console.format == Format::Text {
        // What is to be typed next is typed from here, not from the project's folder, and so are paths.
        let standpoint = standpoint(&project.plan.project_dir);
        show_from_here(&mut summary, &standpoint, project.shown.clone(), ledger);
    }
    let told = sink.finish(&Ending {
        summary: &summary,
        reports: &reports,
        replayed,
    });
    if let Some(note) = elsewhere {
        console.say(&note);
    }
    let refused = matches!(ended.outcome, Outcome::Refused { .. });
    if refused && !replayed && project.plan.provider.embedded.is_none() {
        let name = &project.plan.provider.api_key_env;
        console.say(&format!(
            "The key is that of ${name}; `backline doctor {}` looks at key, credits and provider.\n",
            shell_word(&project.shown)
        ));
    }
    let mut code = Code::of(&ended.outcome);
    if ended.outcome == Outcome::Failed
        && let Err(failure) = try_output(project)
    {
        // What the jobs' failures come from, and nobody but the user can mend it.
        console.insist(&failure.text(console.colour_err));
        code = failure.code();
    }
    if reports.iter().any(Result::is_err) {
        code = code.or(exit_codes::NOT_WRITTEN);
    }
    match told {
        // Whoever listened has left; the tracks are kept all the same.
        Ok(()) => Ok(code),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(code),
        Err(error) if code == exit_codes::DONE => Err(error.into()),
        Err(_) => Ok(code),
    }
}
