//! `backline resolve`: records how the user settles a job in doubt; the next run uses the decision.

use std::path::PathBuf;

use backline_api::{ApiKey, Excerpt, TaskId};
use backline_engine::driver::{Resolution, ResolveError, Settlement, find_job, resolve};
use backline_engine::event::{Event, Record};
use backline_engine::settings::JobKey;
use serde_json::json;

use crate::args::{Format, GlobalArgs, ManifestArgs, ResolveArgs};
use crate::console::Console;
use crate::embedded;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::key::api_key;
use crate::ledger::{Ledger, local_folder};
use crate::log::{self, Notices};
use crate::owning::own;
use crate::project::{Project, ledger_path, locate, manifest_of};

pub(crate) fn run(args: &ResolveArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let Some(named) = args.key.as_deref().filter(|_| !args.all) else {
        return super::resolve_all::run(args, global, console);
    };
    let manifest = args.manifest.as_deref().map(locate).transpose()?;
    let path = ledger_path(manifest.as_deref(), global)?;
    // Reads the ledger first, because opening it for writing would create a missing one.
    let ledger = Ledger::read(&path)?;
    let key = find_job(&*ledger, named)?;
    let manifest = match manifest {
        Some(manifest) => manifest,
        None => planned_by(&ledger, key)?,
    };
    let response = last_response(&ledger, key)?;
    drop(ledger);
    let project = Project::open_whole(&ManifestArgs::whole(manifest), global, console)?;
    let resolution = resolution(args);
    // The key is needed only to request a task's details from the provider.
    let api_key = match resolution {
        Resolution::Task { .. } => api_key(&project.plan.provider)?,
        _ => ApiKey::new("unused").map_err(|error| Failure::new(Kind::Bug, error))?,
    };
    let mut ledger = own(&path, &args.wait, console)?;
    if resolution == Resolution::Settled(Settlement::NeverBought) {
        super::resolve_all::warn_of_charges(&ledger, &[key], console)?;
    }
    log::begin(console, &Notices::stderr());
    let runtime = super::runtime()?;
    let record = runtime.block_on(take(
        project,
        &api_key,
        &mut ledger,
        key,
        resolution.clone(),
    ));
    runtime.shutdown_background();
    let record = record.map_err(|failure| match &response {
        Some(response) => failure.hint(format!("the provider's response was: {}", shown(response))),
        None => failure,
    })?;
    report(&record, key, &resolution, response.as_ref(), console)?;
    Ok(exit_codes::DONE)
}

fn resolution(args: &ResolveArgs) -> Resolution {
    match &args.outcome.task {
        Some(task) => Resolution::Task {
            id: TaskId::from(task.trim()),
            force: args.force,
        },
        None if args.outcome.undo => Resolution::Undo,
        None => Resolution::Settled(args.outcome.settlement()),
    }
}

async fn take(
    mut project: Project,
    api_key: &ApiKey,
    ledger: &mut Ledger,
    key: JobKey,
    resolution: Resolution,
) -> Result<Record, Failure> {
    let local = local_folder(&project.ledger, &project.plan.project_dir);
    let studio = match resolution {
        Resolution::Task { .. } => embedded::start(&mut project.plan.provider, &local).await?,
        _ => None,
    };
    let record = resolve(&project.plan, api_key, &mut **ledger, key, resolution).await;
    if let Some(studio) = studio {
        studio.stop().await;
    }
    Ok(record?)
}

fn report(
    record: &Record,
    key: JobKey,
    resolution: &Resolution,
    response: Option<&Excerpt>,
    console: &Console,
) -> Result<(), Failure> {
    if console.format == Format::Json {
        return console.json(&json!({
            "version": 1,
            "key": key,
            "at_ms": record.at_ms,
            "event": record.event,
            "response": response,
        }));
    }
    if let Some(response) = response {
        console.note(&format!(
            "the provider's response was: {}\n",
            shown(response)
        ));
    }
    let next = match resolution {
        Resolution::Task { id, .. } => format!("was bought as task {id}; the next run follows it"),
        Resolution::Settled(Settlement::NeverBought) => {
            "was not bought; the next run submits it".to_owned()
        }
        Resolution::Undo => "is in doubt again".to_owned(),
        Resolution::Settled(Settlement::BuyAgain) => "is bought again by the next run".to_owned(),
    };
    console.note(&format!("job {} {next}\n", key.short()));
    Ok(())
}

/// The last unreadable response to a submission of the job.
fn last_response(ledger: &Ledger, key: JobKey) -> Result<Option<Excerpt>, Failure> {
    let history = ledger.history_of(&key)?;
    let responses = history
        .into_iter()
        .rev()
        .find_map(|record| match record.event {
            Event::Lost { response, .. } => response,
            _ => None,
        });
    Ok(responses)
}

/// A response's excerpt and its possible task ids, on one line.
fn shown(response: &Excerpt) -> String {
    let ids: Vec<&str> = response.task_ids.iter().map(TaskId::as_str).collect();
    match ids.is_empty() {
        true => response.text.clone(),
        false => format!("{} (possible task id: {})", response.text, ids.join(", ")),
    }
}

/// The manifest of the last run that planned a job.
fn planned_by(ledger: &Ledger, key: JobKey) -> Result<PathBuf, Failure> {
    for run in ledger.runs()? {
        if ledger.plan_of(&run.id)?.iter().any(|row| row.key == key) {
            return manifest_of(ledger, &run);
        }
    }
    Err(Failure::msg(
        Kind::Bug,
        "the ledger has a job that no run planned",
    ))
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::Run(error) => error.into(),
            ResolveError::Lookup { .. } => Self::new(Kind::Provider, error),
            ResolveError::UnknownJob { .. } | ResolveError::NotInDoubt { .. } => {
                Self::new(Kind::Usage, error).hint("`backline status` lists the jobs in doubt")
            }
            ResolveError::OtherRequest { .. } => Self::new(Kind::Usage, error).hint(
                "the id may be that of another job: compare the titles in your account at the provider's; to record it all the same, \
                 add --force",
            ),
            ResolveError::Ambiguous { .. }
            | ResolveError::NothingToUndo { .. }
            | ResolveError::TaskIsKnown { .. }
            | ResolveError::NoSuchTask { .. }
            | ResolveError::OtherAccount { .. } => Self::new(Kind::Usage, error),
        }
    }
}
