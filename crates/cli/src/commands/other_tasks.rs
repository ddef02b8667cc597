//! `backline fetch --other-tasks`: downloads the tracks of tasks that were bought in addition to a job's own.

use std::sync::Arc;

use backline_api::ApiKey;
use backline_engine::driver::{OtherFile, OtherTask, OtherTrack, fetch_other_tasks};
use backline_engine::event::Part;
use backline_reporter::Standpoint;
use serde_json::{Value, json};

use crate::args::{FetchArgs, Format, GlobalArgs};
use crate::console::Console;
use crate::embedded;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure};
use crate::key::api_key;
use crate::ledger::{Ledger, local_folder};
use crate::log::{self, Notices};
use crate::project::{Project, standpoint};

pub(crate) fn run(args: &FetchArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let mut project = Project::open(&args.manifest, global, console)?;
    let key = api_key(&project.plan.provider)?;
    project.preview(console)?;
    let ledger = Ledger::read(&project.ledger)?;
    log::begin(console, &Notices::stderr());
    let runtime = super::runtime()?;
    let fetched = runtime.block_on(fetch(&mut project, &key, &ledger));
    runtime.shutdown_background();
    let tasks = fetched?;
    match console.format {
        Format::Json => console.json(&document(&tasks))?,
        Format::Text => console.data(&text(&tasks, &project))?,
    }
    let is_whole = |task: &OtherTask| {
        let tracks = task.tracks.as_deref().unwrap_or_default();
        let is_here = |track: &OtherTrack| !matches!(track.file, OtherFile::Failed(_));
        task.tracks.is_ok() && tracks.iter().all(is_here)
    };
    Ok(match tasks.iter().all(is_whole) {
        true => exit_codes::DONE,
        false => exit_codes::PARTIAL,
    })
}

async fn fetch(
    project: &mut Project,
    key: &ApiKey,
    ledger: &Ledger,
) -> Result<Vec<OtherTask>, Failure> {
    let local = local_folder(&project.ledger, &project.plan.project_dir);
    let studio = embedded::start(&mut project.plan.provider, &local).await?;
    let plan = Arc::new(project.plan.clone());
    let tasks = fetch_other_tasks(plan, key, &**ledger, &project.plan.project_dir).await;
    if let Some(studio) = studio {
        studio.stop().await;
    }
    Ok(tasks?)
}

/// ```json
/// {
///   "version": 1,
///   "tasks": [
///     {"key": "5b1c…", "task_id": "8f2e…", "error": null,
///      "tracks": [{"index": 1, "part": "track", "status": "downloaded", "path": "out/a~task-8f2e.mp3", "error": null}]}
///   ]
/// }
/// ```
fn document(tasks: &[OtherTask]) -> Value {
    let track = |track: &OtherTrack| {
        let (status, path, error) = parts(&track.file);
        json!({
            "index": track.index,
            "part": track.part,
            "status": status,
            "path": path,
            "error": error,
        })
    };
    let task = |task: &OtherTask| {
        let tracks = task.tracks.as_deref().unwrap_or_default();
        json!({
            "key": task.key,
            "task_id": task.task,
            "error": task.tracks.as_ref().err().map(ToString::to_string),
            "tracks": tracks.iter().map(track).collect::<Vec<_>>(),
        })
    };
    json!({"version": 1, "tasks": tasks.iter().map(task).collect::<Vec<_>>()})
}

/// A file's status, path and error.
fn parts(file: &OtherFile) -> (&'static str, Option<&str>, Option<&str>) {
    match file {
        OtherFile::Downloaded(path) => ("downloaded", Some(path), None),
        OtherFile::Present(path) => ("present", Some(path), None),
        OtherFile::Failed(message) => ("failed", None, Some(message)),
    }
}

fn text(tasks: &[OtherTask], project: &Project) -> String {
    if tasks.is_empty() {
        return "No job of the manifest was bought more than once.\n".to_owned();
    }
    let standpoint = standpoint(&project.plan.project_dir);
    let mut text = String::new();
    for task in tasks {
        text.push_str(&format!("job {}: task {}\n", task.key.short(), task.task));
        match &task.tracks {
            Ok(tracks) => tracks
                .iter()
                .for_each(|track| text.push_str(&line(track, &standpoint))),
            Err(error) => text.push_str(&format!("  no track: {error}\n")),
        }
    }
    text
}

fn line(track: &OtherTrack, standpoint: &Standpoint) -> String {
    let part = match track.part {
        Part::Track => "",
        Part::Mix => ", mix",
    };
    let (status, path, error) = parts(&track.file);
    let shown = match (path, error) {
        (Some(path), _) => standpoint.name(path),
        (None, error) => error.unwrap_or_default().to_owned(),
    };
    format!("  track {}{part}: {status}: {shown}\n", track.index)
}
