//! Opens a manifest, plans its jobs and compares them with the ledger. `validate`, `plan`, `run`, `fetch` and `resolve` share this
//! part.

mod chosen_run;
mod locate;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use backline_engine::driver::{self, Album, PlanHooks, PlanningReport, plan_jobs};
use backline_engine::event::KeptFile;
use backline_engine::kept_files::KeptFiles;
use backline_engine::manifest::{DecodingWork, Diagnostics, LoadOptions, Selection, Starred, load};
use backline_engine::opening::{Opening, compare, open};
use backline_engine::plan::Plan;
use backline_engine::status::Sign;
use backline_engine::store::{PlannedRow, Store, StoreError};
use backline_reporter::{Ratings, shell_word};

pub(crate) use self::chosen_run::{ChosenRun, never_run, project_dir};
pub(crate) use self::locate::{
    LEDGER, STANDARD_INPUT, ledger_path, locate, manifest_of, named_ledger, project_of,
    seen_from_here, show_from_here, sound_cache, standpoint, without_dot,
};
use self::locate::{here, ledger_of, recorded, standard_input};
use crate::args::{GlobalArgs, ManifestArgs};
use crate::console::{Console, PROGRESS};
use crate::environment::DotEnv;
use crate::failure::{Failure, Kind, invalid};
use crate::ledger::Ledger;

/// A valid manifest, with the paths of its files.
pub(crate) struct Project {
    /// The plan of the manifest's jobs.
    pub(crate) plan: Plan,
    /// The path of the ledger.
    pub(crate) ledger: PathBuf,
    /// The manifest's path as the user wrote it.
    pub(crate) shown: String,
    /// The manifest's path as the ledger records it: relative to the project's folder if it is inside.
    pub(crate) recorded: String,
    /// The manifest's warnings, which are already printed.
    pub(crate) warnings: Diagnostics,
    /// The work of decoding its recordings.
    pub(crate) work: DecodingWork,
    /// The options that selected some of the manifest's jobs, such as `--filter preset=lofi`; none without a selection.
    pub(crate) selection: Option<String>,
}

impl Project {
    /// Reads a manifest and prints its warnings to standard error.
    pub(crate) fn open(
        args: &ManifestArgs,
        global: &GlobalArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        let selection = Selection {
            filters: args.filters.clone(),
            sample: args.sample.map(|number| (number, args.seed)),
            partition: args.partition,
        };
        let options = selection_options(args);
        let project = Self::select(args, selection, global, console)?;
        Ok(Self {
            selection: options,
            ..project
        })
    }

    /// Reads a manifest and plans all of its jobs as for a lock file. The result is the same on every machine and does not depend
    /// on the ledger.
    pub(crate) fn open_agreed(
        args: &ManifestArgs,
        global: &GlobalArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        let mut project = Self::open_whole(args, global, console)?;
        project.plan_jobs(PlanHooks::Pure, None, console)?;
        Ok(project)
    }

    /// Reads a manifest and plans all of its jobs, whatever `--filter` selects.
    pub(crate) fn open_whole(
        args: &ManifestArgs,
        global: &GlobalArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        Self::select(args, Selection::default(), global, console)
    }

    fn select(
        args: &ManifestArgs,
        selection: Selection,
        global: &GlobalArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        let shown = args.manifest.display().to_string();
        let (manifest, text) = match args.is_standard_input() {
            true => (here()?.join(STANDARD_INPUT), Some(standard_input()?)),
            false => (locate(&args.manifest)?, None),
        };
        let environment = DotEnv::beside(&manifest, global)?;
        let failed = RefCell::new(None);
        let states = |plan: &Plan| {
            let states = states_of(plan, &manifest, global);
            states.map_err(|failure| failed.replace(Some(failure))).ok()
        };
        let starred = |plan: &Plan| {
            let starred = starred(plan, &manifest, global);
            starred
                .map_err(|failure| failed.replace(Some(failure)))
                .ok()
        };
        let options = LoadOptions {
            environment: &|name| environment.get(name).ok(),
            max_jobs: args.max_jobs,
            selection,
            text,
            states: &states,
            starred: &starred,
            allow_outside: global.allow_outside,
            max_sound: global.max_sound(),
            shown_from: std::env::current_dir()
                .and_then(|here| here.canonicalize())
                .ok(),
        };
        let loaded = load(&manifest, &options).map_err(|wrong| match failed.take() {
            Some(failure) => failure,
            None => invalid(&shown, wrong),
        })?;
        environment.adopt();
        if !loaded.warnings.is_empty() {
            console.note(&format!("{}\n", loaded.warnings.render(console.colour_err)));
        }
        let plan = loaded.plan;
        let ledger = ledger_of(&plan, global)?;
        let recorded = recorded(&plan.project_dir, &manifest);
        Ok(Self {
            plan,
            ledger,
            shown,
            recorded,
            warnings: loaded.warnings,
            work: loaded.work,
            selection: None,
        })
    }

    /// The whole manifest, for reports, if the plan has only some of its jobs.
    ///
    /// If the rest of the manifest is invalid, its jobs come from the manifest's last recorded run.
    pub(crate) fn album(
        &self,
        args: &ManifestArgs,
        global: &GlobalArgs,
        console: &Console,
        ledger: &Ledger,
    ) -> Result<Option<Album>, Failure> {
        let Some(selection) = self.selection.clone() else {
            return Ok(None);
        };
        // Warnings and failures of hooks were already shown for the selected jobs.
        let quiet = console.quiet();
        let whole = Self::select(args, Selection::default(), global, &quiet);
        let rows = match whole {
            Ok(mut whole) => {
                whole.plan_jobs(PlanHooks::Recorded(Some(&**ledger)), None, &quiet)?;
                whole.open_ledger(Some(&**ledger), &quiet)?;
                driver::planned_rows(&whole.plan, &whole.plan.project_dir)
            }
            Err(_) => {
                console.note_always(&format!(
                    "warning: {} is invalid outside of the selected jobs; reports have the other jobs as the last run recorded them\n",
                    self.shown,
                ));
                self.last_album(ledger)?
            }
        };
        let selected = driver::planned_rows(&self.plan, &self.plan.project_dir);
        Ok(Some(Album {
            selection,
            rows: merged(rows, selected),
        }))
    }

    /// The jobs of the manifest as its last run recorded them.
    fn last_album(&self, ledger: &Ledger) -> Result<Vec<PlannedRow>, Failure> {
        let runs = ledger.runs()?;
        let last = runs.iter().find(|run| run.manifest == self.recorded);
        Ok(last.map_or(Ok(Vec::new()), |run| ledger.album_of(run))?)
    }

    /// Runs the hooks of `plan_job` and returns their failures. Call this once per opened project, because each call changes the
    /// jobs.
    pub(crate) fn plan_jobs(
        &mut self,
        hooks: PlanHooks<'_>,
        key: Option<&str>,
        console: &Console,
    ) -> Result<PlanningReport, Failure> {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let mut shown = Instant::now();
        let mut progress = |done: usize, all: usize| {
            if done < all && shown.elapsed() >= PROGRESS {
                shown = Instant::now();
                console.note(&format!("plan_job: {done} of {all} jobs\n"));
            }
        };
        let planning = plan_jobs(&mut self.plan, hooks, key, now_ms, &mut progress);
        Ok(crate::runtime::runtime()?.block_on(planning)?)
    }

    /// Plans the jobs with pure hooks and with the recorded results of the others, and compares the jobs with the ledger. Prints
    /// failures of hooks and the names of hooks that were not called.
    pub(crate) fn preview(&mut self, console: &Console) -> Result<Opening, Failure> {
        let ledger = read_ledger(&self.ledger)?;
        let store = ledger.as_ref().map(|ledger| &**ledger as &dyn Store);
        let report = self.plan_jobs(PlanHooks::Recorded(store), None, console)?;
        say_what_is_left(&report, console);
        self.open_ledger(store, console)
    }

    /// Compares the planned jobs with the ledger. Prints why kept files could not be compared.
    pub(crate) fn open_ledger(
        &mut self,
        store: Option<&dyn Store>,
        console: &Console,
    ) -> Result<Opening, Failure> {
        let files = KeptFiles::new(&self.plan.project_dir);
        let look = |file: &KeptFile| files.look(file);
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let opening = open(&mut self.plan, store, &self.recorded, now_ms, &look)?;
        note_problem(&files, console);
        Ok(opening)
    }

    /// The folder of a run's reports, relative to the working directory if that is shorter.
    pub(crate) fn report_dir(&self) -> PathBuf {
        seen_from_here(self.plan.output.dir())
    }
}

/// Prints the failures of hooks and the names of hooks that were not called.
pub(crate) fn say_what_is_left(report: &PlanningReport, console: &Console) {
    for (key, failure) in &report.failures {
        console.note(&format!(
            "warning: job {}: {}: {}\n",
            key.short(),
            failure.hook,
            failure.message
        ));
    }
    if !report.left.is_empty() {
        let names: Vec<&str> = report.left.iter().map(String::as_str).collect();
        console.note(&format!(
            "note: not pure, so only `backline run` calls: {}\n",
            names.join("; ")
        ));
    }
}

/// The starred tracks of a plan's songs, from the ratings beside its reports. Ratings identify a song by its key in the ledger,
/// which is the key after hooks.
fn starred(plan: &Plan, manifest: &Path, global: &GlobalArgs) -> Result<Starred, Failure> {
    let dir = seen_from_here(plan.output.dir());
    let ratings = Ratings::read_from(&dir).map_err(|error| {
        let dir = dir.display();
        let message = format!("can't read the ratings beside the reports in {dir}: {error}");
        let hint =
            "`when: starred` selects by them; `backline report --ratings TABLE` writes them anew";
        Failure::msg(Kind::Usage, message).hint(hint)
    })?;
    let tracks = plan.provider.profile.operation.tracks;
    let mut starred = Starred::new();
    if ratings.keys().is_empty() {
        return Ok(starred);
    }
    let (known, _) = as_in_ledger(plan, manifest, global)?;
    for (job, known) in plan.jobs.iter().zip(&known.jobs) {
        let key = known.key.to_string();
        let tracks = (1..=tracks).filter(|track| ratings.is_starred(&key, *track));
        starred.extend(tracks.map(|track| (job.key, track)));
    }
    Ok(starred)
}

/// A copy of a plan with its hooks applied, compared with the ledger.
fn as_in_ledger(
    plan: &Plan,
    manifest: &Path,
    global: &GlobalArgs,
) -> Result<(Plan, Opening), Failure> {
    let ledger = read_ledger(&ledger_of(plan, global)?)?;
    let store = ledger.as_ref().map(|ledger| &**ledger as &dyn Store);
    let mut plan = plan.clone();
    let plan_dir = plan.project_dir.clone();
    let recorded = recorded(&plan.project_dir, manifest);
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let hooks = PlanHooks::Recorded(store);
    let mut no_progress = |_: usize, _: usize| {};
    let planning = plan_jobs(&mut plan, hooks, None, now_ms, &mut no_progress);
    crate::runtime::runtime()?.block_on(planning)?;
    let files = KeptFiles::new(&plan_dir);
    let look = |file: &KeptFile| files.look(file);
    let opening = compare(&mut plan, store, &recorded, now_ms, &look)?;
    Ok((plan, opening))
}

/// The state of each job in the ledger, for filters by `state`. The result has one state for each job of `plan`, which no hook has
/// changed.
fn states_of(plan: &Plan, manifest: &Path, global: &GlobalArgs) -> Result<Vec<Sign>, Failure> {
    let (_, opening) = as_in_ledger(plan, manifest, global)?;
    Ok(opening.forecast.rows.iter().map(|row| row.sign).collect())
}

/// Opens a ledger for reading; none if it does not exist.
pub(crate) fn read_ledger(path: &Path) -> Result<Option<Ledger>, Failure> {
    match Ledger::read(path) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Prints why kept files could not be compared with what is recorded, if a store is out of reach.
pub(crate) fn note_problem(files: &KeptFiles, console: &Console) {
    if let Some(problem) = files.problem() {
        console.note(&format!("warning: {problem}\n"));
    }
}

/// The command line's options that select some of a manifest's jobs.
fn selection_options(args: &ManifestArgs) -> Option<String> {
    let filters = args.filters.iter();
    let filters = filters.map(|it| format!("--filter {}", shell_word(&it.to_string())));
    let sample = args
        .sample
        .map(|number| format!("--sample {number} --seed {}", args.seed));
    let partition = args.partition.map(|it| format!("--partition {it}"));
    let options: Vec<String> = filters.chain(sample).chain(partition).collect();
    (!options.is_empty()).then(|| options.join(" "))
}

/// `rows` with each selected row in the place of the same job. Selected rows without such a place are appended.
fn merged(mut rows: Vec<PlannedRow>, selected: Vec<PlannedRow>) -> Vec<PlannedRow> {
    let places: HashMap<_, usize> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (row.coordinates(), at))
        .collect();
    for row in selected {
        match places.get(&row.coordinates()) {
            Some(at) => rows[*at] = row,
            None => rows.push(row),
        }
    }
    rows
}
