//! `backline report`: writes a run's reports again from the ledger.

use std::path::{Path, PathBuf};

use backline_engine::manifest::{LoadOptions, load};
use backline_engine::plan::{Plan, ReportKind};
use backline_engine::summary::Summary;
use backline_reporter::{Ratings, RatingsError, ReportInput, write_reports};
use serde_json::json;

use crate::args::{Format, GlobalArgs, ReportArgs};
use crate::console::{Console, measuring};
use crate::exit_codes;
use crate::failure::{CommandResult, Failure, Kind, invalid};
use crate::other_reports::warn_of_other_reports;
use crate::output_owner;
use crate::project::{ChosenRun, locate, manifest_of, project_of, seen_from_here, sound_cache};
use crate::step_summary;

pub(crate) fn run(args: &ReportArgs, global: &GlobalArgs, console: &Console) -> CommandResult {
    let given = given(&args.ratings)?;
    let chosen = match &given {
        Some(ratings) => ChosenRun::find_rated(&args.chosen, global, ratings)?,
        None => ChosenRun::find(&args.chosen, global)?,
    };
    let ReportPaths {
        dir,
        kinds,
        project_dir,
    } = place(args, &chosen, global)?;
    output_owner::guard(&dir, &chosen.ledger)?;
    let manifest = project_dir.join(&chosen.header.manifest);
    warn_of_other_reports(&dir, &project_dir, &manifest, console);
    let mut summary = chosen.summary()?;
    match &given {
        Some(ratings) => {
            join(ratings, &mut summary, &chosen, console)?;
            // Later runs of the manifest join these ratings again.
            ratings.write_to(&dir).map_err(|error| {
                let context = format!("cannot keep the ratings in {}", dir.display());
                Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
            })?;
        }
        None => join_kept(
            &rated_dir(args, &chosen, global, &dir),
            &mut summary,
            console,
        ),
    }
    let records = chosen.ledger.records_of(&chosen.header.id)?;
    let sound_cache = sound_cache(chosen.ledger.path(), &project_dir);
    let material = ReportInput {
        summary: &summary,
        records: &records,
        project_dir: &project_dir,
        sound_cache: Some(&sound_cache),
    };
    step_summary::append(&material, console);
    let mut written = Vec::new();
    let mut code = exit_codes::DONE;
    for report in write_reports(&material, &kinds, &dir, &measuring(console)) {
        match report {
            Ok(path) => written.push(path.display().to_string()),
            Err(error) => {
                console.note_always(&Failure::new(Kind::Output, error).text(console.colour_err));
                code = exit_codes::NOT_WRITTEN;
            }
        }
    }
    match console.format {
        Format::Json => {
            console.json(&json!({ "version": 1, "run": chosen.header.id, "reports": written }))?
        }
        Format::Text => console.data(
            &written
                .iter()
                .map(|path| format!("{path}\n"))
                .collect::<String>(),
        )?,
    }
    Ok(code)
}

/// The ratings in the given tables; none without tables.
fn given(tables: &[PathBuf]) -> Result<Option<Ratings>, Failure> {
    let mut ratings = Ratings::default();
    for table in tables {
        read_ratings(table, &mut ratings)?;
    }
    Ok((!tables.is_empty()).then_some(ratings))
}

/// Adds the ratings of a table.
pub(super) fn read_ratings(table: &Path, ratings: &mut Ratings) -> Result<(), Failure> {
    let failed = |error: anyhow::Error| {
        let context = format!("cannot read the ratings {}", table.display());
        Failure::new(Kind::Usage, error.context(context))
    };
    let file = std::fs::File::open(table).map_err(|error| failed(error.into()))?;
    ratings.read(file).map_err(|error| match &error {
        RatingsError::Columns { .. } => failed(error.into()).hint(
            "the button Export of the listening page writes such tables; in one of your own, copy `key` and `track` from summary.csv",
        ),
        _ => failed(error.into()).hint("export it with the button Export of the listening page"),
    })
}

/// The folder whose ratings are joined: that of the reports if it has ratings, else the manifest's output directory.
fn rated_dir(args: &ReportArgs, chosen: &ChosenRun, global: &GlobalArgs, dir: &Path) -> PathBuf {
    if args.dir.is_none() || Ratings::are_in(dir) {
        return dir.to_owned();
    }
    match read_plan(args, chosen, global) {
        Ok(plan) => seen_from_here(plan.output.dir()),
        // Without the manifest, its output directory is unknown.
        Err(_) => dir.to_owned(),
    }
}

/// Joins ratings to a summary. Fails if no rating is of a track of the summary, and warns if only some are not.
fn join(
    ratings: &Ratings,
    summary: &mut Summary,
    chosen: &ChosenRun,
    console: &Console,
) -> Result<(), Failure> {
    let unknown = ratings.join(summary);
    let tracks = summary.jobs.iter().flat_map(|job| &job.tracks);
    if unknown > 0 && !tracks.into_iter().any(|track| track.rating.is_some()) {
        let message = format!("none of the ratings is about a track of {}", chosen.shown());
        let hint = match chosen.run_of(ratings)? {
            Some(run) if run.manifest == chosen.header.manifest => {
                "they are about jobs that left the manifest; --all includes these".to_owned()
            }
            Some(run) => format!(
                "they are about tracks of {}; name that manifest",
                chosen.standpoint().name(&run.manifest)
            ),
            None => "export them again with the button Export of its listening page".to_owned(),
        };
        return Err(Failure::msg(Kind::Usage, message).hint(hint));
    }
    if unknown > 0 {
        console.note_always(&format!(
            "warning: {unknown} of the ratings are of tracks that the manifest does not have; --all includes jobs that left it\n"
        ));
    }
    Ok(())
}

/// Joins the ratings that an earlier `report --ratings` stored beside the reports of a folder.
pub(super) fn join_kept(dir: &Path, summary: &mut Summary, console: &Console) {
    match Ratings::read_from(dir) {
        Ok(ratings) => _ = ratings.join(summary),
        Err(error) => console.note_always(&format!(
            "warning: the ratings beside the reports in {} are left out: {error}\n",
            dir.display()
        )),
    }
}

/// The folder of the reports, their kinds, and the folder to which the tracks' paths are relative.
struct ReportPaths {
    dir: PathBuf,
    kinds: Vec<ReportKind>,
    project_dir: PathBuf,
}

/// Takes the paths from the arguments, and the rest from the manifest.
fn place(
    args: &ReportArgs,
    chosen: &ChosenRun,
    global: &GlobalArgs,
) -> Result<ReportPaths, Failure> {
    let project = project_of(&chosen.ledger).map(Path::to_owned);
    if let (Some(dir), false, Some(project_dir)) = (&args.dir, args.only.is_empty(), &project) {
        return Ok(ReportPaths {
            dir: dir.clone(),
            kinds: args.only.clone(),
            project_dir: project_dir.clone(),
        });
    }
    let plan = match (read_plan(args, chosen, global), &args.dir) {
        (Ok(plan), _) => plan,
        // The manifest is missing or invalid, but the ledger can be read.
        (Err(_), Some(dir)) => {
            let kinds = if args.only.is_empty() {
                vec![ReportKind::Csv, ReportKind::Json]
            } else {
                args.only.clone()
            };
            return Ok(ReportPaths {
                dir: dir.clone(),
                kinds,
                project_dir: project.unwrap_or_default(),
            });
        }
        (Err(failure), None) => return Err(failure.hint("or say where the reports go: --dir DIR")),
    };
    let dir = args
        .dir
        .clone()
        .unwrap_or_else(|| seen_from_here(plan.output.dir()));
    let kinds = if args.only.is_empty() {
        plan.reports
    } else {
        args.only.clone()
    };
    Ok(ReportPaths {
        dir,
        kinds,
        project_dir: plan.project_dir,
    })
}

fn read_plan(args: &ReportArgs, chosen: &ChosenRun, global: &GlobalArgs) -> Result<Plan, Failure> {
    let manifest = match &args.chosen.manifest {
        Some(manifest) => locate(manifest)?,
        None => manifest_of(&chosen.ledger, &chosen.header)?,
    };
    // The limit on jobs does not apply: a report covers any run, however large.
    let options = LoadOptions {
        max_jobs: u64::MAX,
        allow_outside: global.allow_outside,
        max_sound: global.max_sound(),
        ..LoadOptions::default()
    };
    let loaded = load(&manifest, &options)
        .map_err(|wrong| invalid(&manifest.display().to_string(), wrong))?;
    Ok(loaded.plan)
}
