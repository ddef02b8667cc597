//! `backline pick`: copies the chosen tracks to a folder, with a list of them, or makes a listening test of them.

mod copies;
mod webmushra;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use backline_engine::event::KeptFile;
use backline_engine::kept_files::{open_kept_file, place_of};
use backline_engine::status::JobStatus;
use backline_engine::summary::{JobSummary, TrackSummary};
use backline_reporter::{Ratings, StepOf, Steps, job_label};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::report::read_ratings;
use crate::args::{ChosenRunArgs, Format, GlobalArgs, PickArgs, PickPart};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind};
use crate::project::ChosenRun;

use copies::Copies;
use webmushra::ListeningTest;

/// The prefix of temporary files.
const TEMPORARY: &str = ".backline-pick-";

/// The longest part of a name, in characters.
const NAME_CHARS: usize = 60;

/// The version of `picks.json`.
const VERSION: u32 = 1;

pub(crate) fn run(args: &PickArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let mut ratings = Ratings::default();
    read_ratings(&args.stars, &mut ratings)?;
    let chosen = ChosenRunArgs {
        manifest: args.manifest.clone(),
        run: None,
        all: true,
    };
    let chosen = ChosenRun::find_rated(&chosen, global, &ratings)?;
    let summary = chosen.summary()?;
    let project_dir = chosen.folder()?;

    let tracks = summary
        .jobs
        .iter()
        .flat_map(|job| job.tracks.iter().map(move |track| (job, track)));
    let starred: Vec<(&JobSummary, &TrackSummary)> = tracks
        .filter(|(job, track)| ratings.is_starred(&job.key, track.index))
        .collect();
    if starred.is_empty() {
        let message = format!(
            "{} has no star for a track of {}",
            args.stars.display(),
            summary.run.manifest
        );
        let hint = match chosen.run_of(&ratings)? {
            Some(run) => format!(
                "its stars are for tracks of {}; name that manifest",
                chosen.standpoint().name(&run.manifest)
            ),
            None => {
                "star tracks on the listening page, then export stars and notes again".to_owned()
            }
        };
        return Err(Failure::msg(Kind::Usage, message).hint(hint));
    }
    let steps = Steps::of(&summary);
    let mut chosen_files = Vec::new();
    let mut problems = Vec::new();
    let mut open_steps = Vec::new();
    for &(job, track) in &starred {
        let note = ratings.note(&job.key, track.index).map(str::to_owned);
        for (part, file) in [(PickPart::Track, &track.file), (PickPart::Mix, &track.mix)] {
            if args.part != PickPart::Both && args.part != part {
                continue;
            }
            match file {
                Some(file) => chosen_files.push(Chosen {
                    job,
                    track,
                    part,
                    made: None,
                    file,
                    note: note.clone(),
                }),
                None => {
                    let label = job_label(
                        &job.stem,
                        &job.preset,
                        &*job.sweep,
                        job.take,
                        job.step.as_deref(),
                    );
                    problems.push(format!("{label} track {}: it is not on disk", track.index));
                }
            }
        }
        if args.to.is_none() || args.without_steps {
            continue;
        }
        for step in steps.of_track(job, track.index) {
            if step.job.state != JobStatus::Kept {
                open_steps.push(step);
            }
            for made in &step.job.tracks {
                let Some(file) = &made.file else { continue };
                chosen_files.push(Chosen {
                    job,
                    track,
                    part: PickPart::Track,
                    made: Some(Made {
                        of: step,
                        artefact: &made.artefact,
                    }),
                    file,
                    note: None,
                });
            }
        }
    }
    for chosen in &chosen_files {
        if let Err(why) = check_kept(&project_dir, chosen, io::sink()) {
            problems.push(format!("{}: {why}", chosen.label()));
        }
    }
    all_well(&problems)?;
    let copies = match &args.to {
        Some(to) => Some(copies::copy_all(to, &project_dir, &chosen_files)?),
        None => None,
    };
    let test = match &args.webmushra {
        Some(dir) => {
            let (name, id) = (&summary.run.name, format!("backline-{}", summary.run.id));
            chosen_files.retain(|it| it.made.is_none());
            Some(webmushra::write(
                dir,
                name,
                &id,
                &project_dir,
                &chosen_files,
            )?)
        }
        None => None,
    };
    report(args, copies.as_ref(), test.as_ref(), console)?;
    note_open(&open_steps, console);
    Ok(exit_codes::DONE)
}

/// Fails if a chosen file cannot be used, because an incomplete folder would seem complete.
fn all_well(problems: &[String]) -> Result<(), Failure> {
    if problems.is_empty() {
        return Ok(());
    }
    let number = match problems.len() {
        1 => "1 of the chosen files".to_owned(),
        number => format!("{number} of the chosen files"),
    };
    let message = format!("cannot use {number}; no list was written");
    Err(Failure::msg(Kind::Output, message)
        .details(problems.join("\n"))
        .hint("correct that, or take the star away, then run the same command again"))
}

/// The most incomplete steps that are named.
const MAX_OPEN: usize = 10;

/// Names the steps of picked tracks that have not made all of their files, because a folder without these seems complete.
fn note_open(steps: &[StepOf<'_>], console: &Console) {
    if steps.is_empty() {
        return;
    }
    let number = match steps.len() {
        1 => "1 step of the picked tracks is".to_owned(),
        number => format!("{number} steps of the picked tracks are"),
    };
    console.note(&format!(
        "note: {number} not kept; run the manifest, then pick again:\n"
    ));
    for StepOf { job, step } in steps.iter().take(MAX_OPEN) {
        let label = job_label(&job.stem, &job.preset, &*job.sweep, job.take, Some(step));
        console.note(&format!(
            "  {label}  {}\n",
            job.state.as_str().replace('_', " ")
        ));
    }
    if let Some(more @ 1..) = steps.len().checked_sub(MAX_OPEN) {
        console.note(&format!("  and {more} more\n"));
    }
}

/// A file that a step made of a chosen track.
struct Made<'a> {
    of: StepOf<'a>,
    artefact: &'a str,
}

/// A chosen file.
struct Chosen<'a> {
    job: &'a JobSummary,
    track: &'a TrackSummary,
    /// Whether the file is the track or the mix.
    part: PickPart,
    /// The step's file, if a step made it.
    made: Option<Made<'a>>,
    file: &'a KeptFile,
    note: Option<String>,
}

impl Chosen<'_> {
    /// The file's name in messages.
    fn label(&self) -> String {
        let job = self.job;
        let label = job_label(
            &job.stem,
            &job.preset,
            &*job.sweep,
            job.take,
            job.step.as_deref(),
        );
        format!("{label} track {}", self.track.index)
    }

    /// The kind of the file: `track`, `mix`, or a step's name for it, such as `vocal`.
    fn part_name(&self) -> String {
        match (&self.made, self.part) {
            (Some(made), _) => made.of.step.file_name(made.artefact),
            (None, PickPart::Mix) => "mix".to_owned(),
            (None, PickPart::Track | PickPart::Both) => "track".to_owned(),
        }
    }
}

/// Copies a chosen file to `to` and checks its hash.
fn check_kept(project_dir: &Path, chosen: &Chosen<'_>, to: impl Write) -> Result<(), String> {
    let path = &chosen.file.path;
    let from = place_of(project_dir, path);
    let unread = |error: io::Error| format!("cannot read {}: {error}", from.display());
    let hash =
        copied(&mut open_kept_file(project_dir, path).map_err(unread)?, to).map_err(unread)?;
    match hash == chosen.file.sha256 {
        true => Ok(()),
        false => Err(changed_on_disk(&from)),
    }
}

fn changed_on_disk(file: &Path) -> String {
    format!(
        "{} was changed since it was kept; move it away and run `backline fetch` to download the original again",
        file.display()
    )
}

/// Prints a summary of the written files.
fn report(
    args: &PickArgs,
    copies: Option<&Copies>,
    test: Option<&ListeningTest>,
    console: &Console,
) -> Result<(), Failure> {
    match console.format {
        Format::Json => console.json(&json!({
            "version": VERSION,
            "to": args.to,
            "picks": copies.map(|it| it.picks.as_slice()).unwrap_or_default(),
            "stale": copies.map(|it| it.stale.as_slice()).unwrap_or_default(),
            "webmushra": test.map(|test| json!({"config": test.config, "stimuli": test.stimuli})),
        }))?,
        Format::Text => {
            let to = args.to.clone().unwrap_or_default();
            let picks = copies.iter().flat_map(|it| &it.picks);
            let names = picks.filter_map(|entry| entry["file"].as_str());
            let mut lines: Vec<PathBuf> = names.map(|name| to.join(name)).collect();
            lines.extend(test.map(|test| test.config.clone()));
            let lines = lines.iter().map(|path| format!("{}\n", path.display()));
            console.data(&lines.collect::<String>())?;
        }
    }
    if let (Some(test), Some(dir)) = (test, &args.webmushra) {
        let config = test.config.file_name().unwrap_or_default().display();
        console.note(&format!(
            "Listening test of {} tracks: copy the content of {} into the folder of webMUSHRA, then open its page with ?config={config}\n",
            test.stimuli.len(),
            dir.display(),
        ));
    }
    if let (Some(copies), Some(to)) = (copies, &args.to) {
        let stale = copies.stale.iter();
        let stale: Vec<&str> = stale.filter_map(|it| it["file"].as_str()).collect();
        if !stale.is_empty() {
            console.note(&format!(
                "note: {} of an earlier pick without a star now, no longer listed in picks.csv; remove what you do not want:\n",
                match stale.len() {
                    1 => "1 file is".to_owned(),
                    number => format!("{number} files are"),
                }
            ));
        }
        for name in stale {
            console.note(&format!("  {}\n", to.join(name).display()));
        }
    }
    Ok(())
}

/// Copies all of `from` and returns its SHA-256.
fn copied(from: &mut File, mut to: impl Write) -> io::Result<String> {
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match from.read(&mut piece)? {
            0 => break,
            count => {
                hasher.update(&piece[..count]);
                to.write_all(&piece[..count])?;
            }
        }
    }
    let bytes = hasher.finalize();
    Ok(backline_api::hex(&bytes))
}

/// The entries as a table.
fn table(columns: &[&str], entries: &[Value]) -> io::Result<String> {
    let mut table = backline_reporter::csv_writer(Vec::new())?;
    table.write_record(columns)?;
    for entry in entries {
        let cell = |name: &&str| match &entry[*name] {
            Value::String(text) => backline_reporter::csv_text(text),
            Value::Null => String::new(),
            value => value.to_string(),
        };
        table.write_record(columns.iter().map(cell))?;
    }
    let bytes = table
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))?;
    String::from_utf8(bytes).map_err(io::Error::other)
}

fn not_written(to: &Path, error: io::Error) -> Failure {
    let context = format!("cannot write to {}", to.display());
    Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
}
