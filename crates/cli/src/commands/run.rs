//! `backline run`: carries the plan out, tells what happens, writes the reports.

use std::path::Path;
use std::sync::Arc;

use backline_engine::driver::{self, Ended, Run, Signals};
use backline_engine::event::{Event, Moment, Record};
use backline_engine::ledger::Ledger;
use backline_engine::plan::{Plan, Provider};
use backline_engine::store::{PlannedRow, Store};
use backline_engine::summary::summarise;
use backline_reporter::{Ending, JsonEvents, Lines, PlanFacts, Progress, Sink, write_reports};
use backline_studio::{Studio, StudioConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::plan::lock;
use crate::args::{Format, GlobalArgs, RunArgs};
use crate::console::Console;
use crate::exit_codes::{self, Code};
use crate::failure::{CommandResult, Failure, Kind};
use crate::key::{api_key, callback_key};
use crate::log::{self, Aside};
use crate::project::Project;
use crate::signals;

/// The embedded studio's folder, beside the ledger.
const STUDIO_DIR: &str = "studio";

const NOTICE: &str = "Stopping: what is under way is ended. Ctrl-C again stops at once; the same command goes on later.\n";

pub(crate) fn run(args: &RunArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    if args.locked {
        let whole = Project::open_whole(&args.manifest, global, console)?;
        lock::require(&whole)?;
    }
    let project = Project::open(&args.manifest, global, console)?;
    let key = api_key(&project.plan.provider)?;
    let callback_key = callback_key(project.plan.callbacks.as_ref())?;
    let mut ledger = Ledger::own(&project.ledger)?;
    let known = project.known()?;
    let holding = project.hold(&known);
    let rows = planned_rows(&project.plan);

    let aside = Aside::stderr();
    let mut sink = sink(console, &aside);
    log::begin(console, &aside);
    sink.plan(&PlanFacts {
        name: &project.plan.name,
        provider: &project.plan.provider.profile.name,
        rows: &rows,
        known: &known,
        to_submit: holding.to_submit,
        credits: Some(holding.credits),
        least_ms: holding.least_ms,
    });
    drop((rows, known));

    let runtime = super::runtime()?;
    let asked = Asked {
        key,
        callback_key,
        credits: holding.credits,
    };
    drop(holding);
    let ended = runtime.block_on(carry_out(
        &project,
        asked,
        &mut ledger,
        sink.as_mut(),
        &aside,
    ));
    // Whatever still runs there is nobody's any more: the ledger has its last word.
    runtime.shutdown_background();
    aside.go_back();
    close(ended?, &project, &ledger, sink.as_mut(), console)
}

/// What a run needs beside its plan.
struct Asked {
    key: backline_api::ApiKey,
    callback_key: Option<Vec<u8>>,
    /// What the plan costs.
    credits: f64,
}

async fn carry_out(
    project: &Project,
    asked: Asked,
    ledger: &mut Ledger,
    sink: &mut dyn Sink,
    aside: &Aside,
) -> Result<Ended, Failure> {
    let stops = Signals {
        drain: CancellationToken::new(),
        stop: CancellationToken::new(),
    };
    let following = tokio::spawn(signals::follow(
        stops.drain.clone(),
        stops.stop.clone(),
        aside.clone(),
        NOTICE,
    ));
    let mut plan = project.plan.clone();
    let studio = if plan.provider.embedded {
        let studio = start_studio(&project.ledger).await?;
        settle_at(&mut plan.provider, studio.base_url());
        Some(studio)
    } else {
        None
    };
    let run = Run {
        local_callbacks: is_loopback(&plan.provider.profile.base_url),
        project_dir: plan.project_dir.clone(),
        plan: Arc::new(plan),
        key: asked.key,
        manifest: project.recorded.clone(),
        callback_key: asked.callback_key,
        signals: stops.clone(),
    };
    let mut observe = |record: &Record| {
        sink.record(record);
        if let Some(warning) = short_of_credits(record, asked.credits) {
            aside.tell(&warning);
        }
    };
    let ended = driver::run(run, ledger, &mut observe).await;
    if let Some(studio) = studio {
        tokio::select! {
            () = studio.stop() => {}
            () = stops.stop.cancelled() => {}
        }
    }
    following.abort();
    Ok(ended?)
}

/// A studio of this run's own, on a free loopback port.
async fn start_studio(ledger: &Path) -> Result<Studio, Failure> {
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(|error| {
            Failure::new(
                Kind::Usage,
                anyhow::Error::new(error).context("the studio can't listen on loopback"),
            )
        })?;
    let folder = ledger.parent().unwrap_or(Path::new(".")).join(STUDIO_DIR);
    Ok(Studio::start(listener, StudioConfig::new(folder)).await?)
}

fn settle_at(provider: &mut Provider, base_url: &Url) {
    provider.profile.base_url = base_url.clone();
    provider.profile.upload_url = base_url.clone();
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

fn sink(console: &Console, aside: &Aside) -> Box<dyn Sink> {
    let options = console.reporter_options();
    match console.format {
        Format::Json => Box::new(JsonEvents::new(Box::new(std::io::stdout()))),
        Format::Text if console.draws_a_bar() => {
            let progress = Progress::new(Box::new(std::io::stderr()), options);
            aside.go_to(progress.log_writer());
            Box::new(progress)
        }
        Format::Text => Box::new(Lines::new(Box::new(std::io::stderr()), options)),
    }
}

fn planned_rows(plan: &Plan) -> Vec<PlannedRow> {
    let row = |job: &backline_engine::plan::PlannedJob| PlannedRow {
        key: job.key,
        stem: plan.stems[job.stem].id.clone(),
        preset: job.preset.to_string(),
        sweep: job.sweep.as_ref().clone(),
        take: job.take,
        settings: job.settings.clone(),
    };
    plan.jobs.iter().map(row).collect()
}

/// Writes the reports and the last words.
fn close(
    ended: Ended,
    project: &Project,
    ledger: &Ledger,
    sink: &mut dyn Sink,
    console: &Console,
) -> CommandResult {
    let mut summary = summarise(ledger as &dyn Store, &ended.run)?;
    let reports = write_reports(&summary, &project.plan.reports, &project.report_dir());
    if console.format == Format::Text {
        // What is to be typed next is typed from here, not from the project's folder.
        summary.run.manifest.clone_from(&project.shown);
    }
    let told = sink.finish(&Ending {
        summary: &summary,
        reports: &reports,
    });
    let mut code = Code::of(&ended.outcome);
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
