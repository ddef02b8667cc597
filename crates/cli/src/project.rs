//! Finds the manifest, the ledger and the run of a command: the part that `validate`, `plan`, `run`, `status`, `report` and `resolve`
//! share.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use backline_engine::driver::{
    self, Album, PlanHooks, PlanningReport, look_at_kept_file, plan_jobs,
};
use backline_engine::event::KeptFile;
use backline_engine::folder::is_own;
use backline_engine::forecast::Sign;
use backline_engine::ledger::Ledger;
use backline_engine::manifest::{DecodingWork, Diagnostics, LoadOptions, Selection, load};
use backline_engine::opening::{Opening, open};
use backline_engine::plan::Plan;
use backline_engine::store::{PlannedRow, RunHeader, Store, StoreError};
use backline_engine::summary::{Summary, summarise, summarise_with_former};
use backline_reporter::{Standpoint, shell_word};

use crate::args::{ChosenRunArgs, GlobalArgs, ManifestArgs};
use crate::console::{Console, PROGRESS};
use crate::environment::Environment;
use crate::failure::{Failure, Kind, invalid};

/// Where a project keeps its ledger.
const LEDGER: &str = ".backline/ledger.sqlite3";

/// What was measured of sound files, beside the ledger; may be deleted at any time.
const SOUND: &str = "sound";

/// The manifest that stands for standard input.
pub(crate) const STANDARD_INPUT: &str = "-";

/// Longest manifest on standard input, as in a file.
const MAX_STANDARD_INPUT_BYTES: u64 = 16 << 20;

/// Most names offered where a manifest is not found.
const MAX_OFFERED: usize = 5;

/// A manifest that was understood, and where things lie.
pub(crate) struct Project {
    /// What it means.
    pub(crate) plan: Plan,
    /// The ledger.
    pub(crate) ledger: PathBuf,
    /// The manifest as the user named it.
    pub(crate) shown: String,
    /// The manifest as the ledger names it: relative to the project's folder where it lies inside.
    pub(crate) recorded: String,
    /// What looks wrong and is not; printed already.
    pub(crate) warnings: Diagnostics,
    /// The work that its recordings took.
    pub(crate) work: DecodingWork,
    /// The options that selected some of the manifest's jobs, as `--filter preset=lofi`; none without such.
    pub(crate) selection: Option<String>,
}

impl Project {
    /// Reads a manifest; its warnings go to standard error.
    pub(crate) fn open(
        args: &ManifestArgs,
        global: &GlobalArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        let selection = Selection {
            filters: args.filters.clone(),
            sample: args.sample.map(|number| (number, args.seed)),
        };
        let options = selection_options(args);
        let project = Self::select(args, selection, global, console)?;
        Ok(Self {
            selection: options,
            ..project
        })
    }

    /// The same, with every job of the manifest, planned as a lock has it: the same on every machine, whatever the ledger says.
    pub(crate) fn open_agreed(
        args: &ManifestArgs,
        global: &GlobalArgs,
        console: &Console,
    ) -> Result<Self, Failure> {
        let mut project = Self::open_whole(args, global, console)?;
        project.plan_jobs(PlanHooks::Pure, None, console)?;
        Ok(project)
    }

    /// The same, with every job of the manifest, whatever was asked for.
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
        let environment = Environment::beside(&manifest)?;
        let failed = RefCell::new(None);
        let states = |plan: &Plan| {
            let states = states_of(plan, &manifest, global);
            states.map_err(|failure| failed.replace(Some(failure))).ok()
        };
        let options = LoadOptions {
            environment: &|name| environment.get(name).ok(),
            max_jobs: args.max_jobs,
            selection,
            text,
            states: &states,
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
            console.say(&format!("{}\n", loaded.warnings.render(console.colour_err)));
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

    /// The whole manifest, where the plan has only a part of its jobs: what reports are about.
    ///
    /// Where the rest of the manifest is invalid, its jobs are those that the last run of the manifest recorded.
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
        // What is wrong and what hooks fail in was shown for the selected jobs.
        let quiet = console.quiet();
        let whole = Self::select(args, Selection::default(), global, &quiet);
        let rows = match whole {
            Ok(mut whole) => {
                whole.plan_jobs(PlanHooks::Recorded(Some(ledger)), None, &quiet)?;
                whole.open_ledger(Some(ledger))?;
                driver::planned_rows(&whole.plan, &whole.plan.project_dir)
            }
            Err(_) => {
                console.insist(&format!(
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

    /// Runs the hooks of `plan_job`: once for a project that was opened, for each changes the jobs. What they fail in is shown.
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
                console.say(&format!("plan_job: {done} of {all} jobs\n"));
            }
        };
        let planning = plan_jobs(&mut self.plan, hooks, key, now_ms, &mut progress);
        Ok(crate::runtime::runtime()?.block_on(planning)?)
    }

    /// Plans the jobs with the hooks that are pure and with what earlier runs recorded of the others, and holds them against the
    /// ledger. Hooks that were not called are named.
    pub(crate) fn preview(&mut self, console: &Console) -> Result<Opening, Failure> {
        let ledger = read_ledger(&self.ledger)?;
        let store = ledger.as_ref().map(|ledger| ledger as &dyn Store);
        let report = self.plan_jobs(PlanHooks::Recorded(store), None, console)?;
        say_what_is_left(&report, console);
        self.open_ledger(store)
    }

    /// Holds the planned jobs against the ledger.
    pub(crate) fn open_ledger(&mut self, store: Option<&dyn Store>) -> Result<Opening, Failure> {
        open_plan(&mut self.plan, store, &self.recorded)
    }

    /// Where the reports of a run go, named from this folder where that is shorter.
    pub(crate) fn report_dir(&self) -> PathBuf {
        seen_from_here(self.plan.output.dir())
    }
}

/// Shows how hooks failed, and names those that were not called.
pub(crate) fn say_what_is_left(report: &PlanningReport, console: &Console) {
    for (key, failure) in &report.failures {
        console.say(&format!(
            "warning: job {}: {}: {}\n",
            key.short(),
            failure.hook,
            failure.message
        ));
    }
    if !report.left.is_empty() {
        let names: Vec<&str> = report.left.iter().map(String::as_str).collect();
        console.say(&format!(
            "note: not pure, so only `backline run` calls: {}\n",
            names.join("; ")
        ));
    }
}

/// Where a plan's ledger is.
fn ledger_of(plan: &Plan, global: &GlobalArgs) -> Result<PathBuf, Failure> {
    match &global.ledger {
        Some(path) => absolute(path),
        None => {
            let ledger = plan.project_dir.join(LEDGER);
            refuse_planted(&plan.project_dir, &ledger)?;
            Ok(ledger)
        }
    }
}

/// The state of each job in the ledger, for filters by `state`: of the job that the manifest describes, before hooks change it.
fn states_of(plan: &Plan, manifest: &Path, global: &GlobalArgs) -> Result<Vec<Sign>, Failure> {
    let ledger = read_ledger(&ledger_of(plan, global)?)?;
    let store = ledger.as_ref().map(|ledger| ledger as &dyn Store);
    let mut plan = plan.clone();
    let recorded = recorded(&plan.project_dir, manifest);
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let hooks = PlanHooks::Recorded(store);
    let mut no_progress = |_: usize, _: usize| {};
    let planning = plan_jobs(&mut plan, hooks, None, now_ms, &mut no_progress);
    crate::runtime::runtime()?.block_on(planning)?;
    let opening = open_plan(&mut plan, store, &recorded)?;
    Ok(opening.forecast.rows.iter().map(|row| row.sign).collect())
}

/// A ledger, where there is one.
pub(crate) fn read_ledger(path: &Path) -> Result<Option<Ledger>, Failure> {
    match Ledger::read(path) {
        Ok(ledger) => Ok(Some(ledger)),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Holds a plan's jobs against the ledger.
fn open_plan(
    plan: &mut Plan,
    store: Option<&dyn Store>,
    recorded: &str,
) -> Result<Opening, Failure> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let project_dir = plan.project_dir.clone();
    let look = |file: &KeptFile| look_at_kept_file(&project_dir, file);
    Ok(open(plan, store, recorded, now_ms, &look)?)
}

/// The manifest on standard input. It is read once, however often the command opens it.
fn standard_input() -> Result<Arc<str>, Failure> {
    static TEXT: OnceLock<Arc<str>> = OnceLock::new();
    if let Some(text) = TEXT.get() {
        return Ok(text.clone());
    }
    let failed = |error: anyhow::Error| {
        let context = "cannot read the manifest from standard input";
        Failure::new(Kind::Usage, error.context(context))
    };
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(MAX_STANDARD_INPUT_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.into()))?;
    if read as u64 > MAX_STANDARD_INPUT_BYTES {
        let message = format!("it is longer than {} MB", MAX_STANDARD_INPUT_BYTES >> 20);
        return Err(failed(anyhow::Error::msg(message)));
    }
    Ok(TEXT.get_or_init(|| Arc::from(text)).clone())
}

/// The working folder, without links.
fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .and_then(|here| here.canonicalize())
        .map_err(|error| {
            Failure::new(
                Kind::Usage,
                anyhow::Error::new(error).context("cannot read this folder"),
            )
        })
}

/// The options of a command line that select some of a manifest's jobs.
fn selection_options(args: &ManifestArgs) -> Option<String> {
    let filters = args.filters.iter();
    let filters = filters.map(|it| format!("--filter {}", shell_word(&it.to_string())));
    let sample = args
        .sample
        .map(|number| format!("--sample {number} --seed {}", args.seed));
    let options: Vec<String> = filters.chain(sample).collect();
    (!options.is_empty()).then(|| options.join(" "))
}

/// `rows` with the selected ones in their places; those that are not among them come last.
fn merged(mut rows: Vec<PlannedRow>, selected: Vec<PlannedRow>) -> Vec<PlannedRow> {
    fn name(row: &PlannedRow) -> (String, String, Vec<(String, String)>, u32) {
        let sweep = row.sweep.clone().into_iter().collect();
        (row.stem.clone(), row.preset.clone(), sweep, row.take)
    }
    let places: HashMap<_, usize> = rows
        .iter()
        .enumerate()
        .map(|(at, row)| (name(row), at))
        .collect();
    for row in selected {
        match places.get(&name(&row)) {
            Some(at) => rows[*at] = row,
            None => rows.push(row),
        }
    }
    rows
}

/// A ledger that is read, and the run of it that is meant.
pub(crate) struct ChosenRun {
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// The run.
    pub(crate) header: RunHeader,
    /// The manifest, where the user named it.
    manifest: Option<Named>,
    /// Whether jobs that the manifest does not have any more are meant as well.
    all: bool,
}

/// A manifest that the user named.
struct Named {
    /// Where it lies.
    place: PathBuf,
    /// In the user's words.
    shown: String,
}

impl ChosenRun {
    /// Finds the run that the user means.
    pub(crate) fn find(args: &ChosenRunArgs, global: &GlobalArgs) -> Result<Self, Failure> {
        let manifest = args.manifest.as_deref().map(locate).transpose()?;
        let ledger = Ledger::read(&ledger_path(manifest.as_deref(), global)?)?;
        let mut runs = ledger.runs()?;
        if let Some(manifest) = &manifest {
            // Recorded relative to the project's folder, which a ledger elsewhere does not tell.
            runs.retain(|run| manifest.ends_with(&run.manifest));
            if runs.is_empty() {
                return Err(Failure::said(
                    Kind::Usage,
                    format!(
                        "the ledger {} has no run of {}",
                        ledger.path().display(),
                        manifest.display()
                    ),
                )
                .hint("`backline status --runs` lists its runs"));
            }
        }
        if let Some(id) = &args.run {
            runs.retain(|run| run.id.as_str().starts_with(id.as_str()));
            if runs.len() > 1 {
                return Err(Failure::said(
                    Kind::Usage,
                    format!("{} runs begin with `{id}`", runs.len()),
                )
                .hint("give more of the id"));
            }
        }
        let Some(header) = runs.into_iter().next() else {
            let message = match &args.run {
                Some(id) => format!("the ledger {} has no run `{id}`", ledger.path().display()),
                None => format!("the ledger {} has no run yet", ledger.path().display()),
            };
            return Err(
                Failure::said(Kind::Usage, message).hint("`backline status --runs` lists its runs")
            );
        };
        let named = manifest.zip(args.manifest.as_ref());
        Ok(Self {
            ledger,
            header,
            all: args.all,
            manifest: named.map(|(place, shown)| Named {
                place,
                shown: shown.display().to_string(),
            }),
        })
    }

    /// The state of its manifest's jobs.
    pub(crate) fn summary(&self) -> Result<Summary, StoreError> {
        if self.all {
            summarise_with_former(&self.ledger, &self.header)
        } else {
            summarise(&self.ledger, &self.header)
        }
    }

    /// The folder that its kept files are named relative to.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        let manifest = self.manifest.as_ref().map(|named| named.place.as_path());
        let folder = project_dir(&self.ledger, manifest, &self.header);
        folder.map(Path::to_owned).ok_or_else(|| {
            let message = format!(
                "the ledger {} does not lie in its project, so its files can't be found",
                self.ledger.path().display()
            );
            Failure::said(Kind::Usage, message).hint("name the manifest")
        })
    }

    /// The run's manifest as it is named from this folder.
    pub(crate) fn shown(&self) -> String {
        match &self.manifest {
            Some(named) => named.shown.clone(),
            None => self.standpoint().name(&self.header.manifest),
        }
    }

    /// From where the run's paths are seen. In a ledger that lies elsewhere they stay what they are unless the manifest is named:
    /// nothing tells where its project is.
    pub(crate) fn standpoint(&self) -> Standpoint {
        let manifest = self.manifest.as_ref().map(|named| named.place.as_path());
        match project_dir(&self.ledger, manifest, &self.header) {
            Some(folder) => standpoint(folder),
            None => Standpoint::default(),
        }
    }
}

/// The folder that a run's paths are relative to: the ledger's project, else where the run's manifest lies as the ledger says.
pub(crate) fn project_dir<'a>(
    ledger: &'a Ledger,
    manifest: Option<&'a Path>,
    run: &RunHeader,
) -> Option<&'a Path> {
    let recorded = Path::new(&run.manifest);
    let above = |manifest: &'a Path| manifest.ancestors().nth(recorded.components().count());
    project_of(ledger).or_else(|| manifest.filter(|it| it.ends_with(recorded)).and_then(above))
}

/// The project's folder, where the ledger lies in one.
pub(crate) fn project_of(ledger: &Ledger) -> Option<&Path> {
    if ledger.path().ends_with(LEDGER) {
        ledger.path().ancestors().nth(2)
    } else {
        None
    }
}

/// Where what was measured of sound files is kept: beside the ledger.
pub(crate) fn sound_cache(ledger: &Path) -> Option<PathBuf> {
    ledger.parent().map(|folder| folder.join(SOUND))
}

/// Where a run's manifest lies.
pub(crate) fn manifest_of(ledger: &Ledger, run: &RunHeader) -> Result<PathBuf, Failure> {
    let recorded = Path::new(&run.manifest);
    match project_of(ledger) {
        Some(project) => Ok(project.join(recorded)),
        None if recorded.is_absolute() => Ok(recorded.to_owned()),
        None => Err(Failure::said(
            Kind::Usage,
            format!(
                "cannot find {}: the ledger {} is outside its project",
                run.manifest,
                ledger.path().display()
            ),
        )
        .hint("name the manifest")),
    }
}

/// The ledger that is meant: the one that was named, else the nearest at or above the manifest's folder or this one.
pub(crate) fn ledger_path(
    manifest: Option<&Path>,
    global: &GlobalArgs,
) -> Result<PathBuf, Failure> {
    if let Some(path) = &global.ledger {
        return absolute(path);
    }
    let folder = match manifest.and_then(Path::parent) {
        Some(folder) => folder.to_owned(),
        None => here()?,
    };
    let ledger = nearest_ledger(&folder);
    refuse_planted(&folder, &ledger)?;
    Ok(ledger)
}

/// The nearest ledger at or above a folder, else the one that a first run would make in it.
fn nearest_ledger(folder: &Path) -> PathBuf {
    let nearest = folder
        .ancestors()
        .map(|above| above.join(LEDGER))
        .find(|ledger| ledger.exists());
    nearest.unwrap_or_else(|| folder.join(LEDGER))
}

/// Refuses a project's state that leads elsewhere or that somebody else put above the manifest: what is written there would be
/// written over a stranger's choice of file, or read by a stranger.
fn refuse_planted(folder: &Path, ledger: &Path) -> Result<(), Failure> {
    let Some(state) = ledger.parent() else {
        return Ok(());
    };
    let refuse = |path: &Path, why: &str| {
        let message = format!("{} {why}", path.display());
        Err(Failure::said(Kind::Usage, message)
            .hint("remove it, or name the ledger with `--ledger`"))
    };
    let Ok(metadata) = state.symlink_metadata() else {
        // It is made by the first run.
        return Ok(());
    };
    if metadata.is_symlink() {
        return refuse(state, "is a link");
    }
    if !is_own(state, folder) {
        return refuse(state, "belongs to another user");
    }
    for entry in std::fs::read_dir(state).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            return refuse(&entry.path(), "is a link");
        }
    }
    Ok(())
}

/// A manifest's name in a ledger.
fn recorded(project_dir: &Path, manifest: &Path) -> String {
    let inside = manifest.strip_prefix(project_dir).unwrap_or(manifest);
    inside.display().to_string()
}

/// A manifest's absolute path, without links or `..` in its folder: a project is looked for upwards from there.
pub(crate) fn locate(manifest: &Path) -> Result<PathBuf, Failure> {
    if manifest == Path::new(STANDARD_INPUT) {
        let message = "this command needs a manifest in a file";
        return Err(Failure::said(Kind::Usage, message)
            .hint("`validate`, `plan`, `run` and `fetch` read one from standard input"));
    }
    let folder = match manifest.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if manifest.is_dir() {
        let failure = Failure::said(
            Kind::Usage,
            format!("{} is a folder, not a manifest", manifest.display()),
        );
        return Err(offer(failure, manifest, None));
    }
    let name = manifest.file_name();
    match (folder.canonicalize(), name) {
        (Ok(folder), Some(name)) if folder.join(name).exists() => Ok(folder.join(name)),
        _ => {
            let failure = Failure::said(
                Kind::Usage,
                format!("there is no manifest {}", manifest.display()),
            );
            Err(offer(failure, folder, name.and_then(|name| name.to_str())))
        }
    }
}

/// Adds the manifests of a folder as a hint, the nearest name first.
fn offer(failure: Failure, folder: &Path, wanted: Option<&str>) -> Failure {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return failure;
    };
    let is_yaml = |path: &PathBuf| {
        path.extension()
            .is_some_and(|it| it == "yaml" || it == "yml")
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(is_yaml)
        .collect();
    found.sort_by_cached_key(|path| {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        (
            wanted.map_or(0, |wanted| strsim::damerau_levenshtein(wanted, &name)),
            name,
        )
    });
    found.truncate(MAX_OFFERED);
    if found.is_empty() {
        return failure.hint("`backline init` writes one");
    }
    let names: Vec<String> = found
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    failure.hint(format!("manifests there: {}", names.join(", ")))
}

/// Where a person in the working folder stands to what a project's ledger names. A folder that can't be read has nothing below it.
pub(crate) fn standpoint(project_dir: &Path) -> Standpoint {
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    Standpoint {
        project_dir: project_dir.to_owned(),
        here: here.unwrap_or_default(),
    }
}

/// A path as a person in the working folder would name it.
pub(crate) fn seen_from_here(path: &Path) -> PathBuf {
    standpoint(Path::new("")).see(path).to_owned()
}

/// Names a summary's files, its manifest `shown` so, and its ledger, as they are seen from this folder.
pub(crate) fn show_from_here(
    summary: &mut Summary,
    standpoint: &Standpoint,
    shown: String,
    ledger: &Ledger,
) {
    let folder = locate(Path::new(&shown)).ok();
    let folder = folder.as_deref().and_then(Path::parent);
    if folder.map(nearest_ledger).as_deref() != Some(ledger.path()) {
        summary.run.ledger = Some(seen_from_here(ledger.path()).display().to_string());
    }
    summary.run.manifest = shown;
    let tracks = summary.jobs.iter_mut().flat_map(|job| &mut job.tracks);
    for file in tracks.flat_map(|track| [&mut track.file, &mut track.mix].into_iter().flatten()) {
        file.path = standpoint.name(&file.path);
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        let context = format!("cannot use the path {}", path.display());
        Failure::new(Kind::Usage, anyhow::Error::new(error).context(context))
    })
}
