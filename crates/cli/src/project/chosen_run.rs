//! The run that `status`, `report`, `watch`, `pick` and `diff` use. The user selects it by its manifest or by its id.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use backline_engine::store::{RunHeader, StoreError};
use backline_engine::summary::{Summary, summarise, summarise_with_former};
use backline_reporter::{Ratings, Standpoint, shell_word};

use super::locate::{ledger_path, locate, project_of, standpoint};
use crate::args::{ChosenRunArgs, GlobalArgs};
use crate::failure::{Failure, Kind};
use crate::ledger::Ledger;

/// An open ledger and the selected run.
pub(crate) struct ChosenRun {
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// The run.
    pub(crate) header: RunHeader,
    /// The manifest, if the user named it.
    manifest: Option<Named>,
    /// Whether jobs that left the manifest are included.
    all: bool,
}

/// A manifest that the user named.
struct Named {
    /// The manifest's absolute path.
    place: PathBuf,
    /// The manifest's path as the user wrote it.
    shown: String,
}

impl ChosenRun {
    /// Finds the run that the user selected.
    pub(crate) fn find(args: &ChosenRunArgs, global: &GlobalArgs) -> Result<Self, Failure> {
        let manifest = args.manifest.as_deref().map(locate).transpose()?;
        let ledger = Ledger::read(&ledger_path(manifest.as_deref(), global)?)
            .map_err(|error| never_run(error, args.manifest.as_deref()))?;
        let mut runs = ledger.runs()?;
        if let Some(manifest) = &manifest {
            // The ledger has the manifest's path relative to the project's folder, and a ledger outside the project does not know
            // that folder. So only the end of the path is compared.
            runs.retain(|run| manifest.ends_with(&run.manifest));
            if runs.is_empty() {
                return Err(Failure::msg(
                    Kind::Usage,
                    format!(
                        "the ledger {} has no run of {}",
                        ledger.path().display(),
                        manifest.display()
                    ),
                )
                .hint(run_it(args.manifest.as_deref().unwrap_or(manifest)))
                .hint("`backline status --runs` lists the ledger's runs"));
            }
        }
        if let Some(id) = &args.run {
            runs.retain(|run| run.id.as_str().starts_with(id.as_str()));
            if runs.len() > 1 {
                return Err(Failure::msg(
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
                Failure::msg(Kind::Usage, message).hint("`backline status --runs` lists its runs")
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

    /// Finds a run as [`find`](Self::find) does. If the user names neither manifest nor run, chooses the last run whose manifest
    /// has rated tracks.
    pub(crate) fn find_rated(
        args: &ChosenRunArgs,
        global: &GlobalArgs,
        ratings: &Ratings,
    ) -> Result<Self, Failure> {
        let mut chosen = Self::find(args, global)?;
        if args.manifest.is_none()
            && args.run.is_none()
            && let Some(run) = chosen.run_of(ratings)?
        {
            chosen.header = run;
        }
        Ok(chosen)
    }

    /// The last run in the ledger whose manifest has, or had, a rated track.
    pub(crate) fn run_of(&self, ratings: &Ratings) -> Result<Option<RunHeader>, StoreError> {
        let keys = ratings.keys();
        let mut seen = HashSet::new();
        for run in self.ledger.runs()? {
            if seen.insert(run.manifest.clone()) {
                let jobs = summarise_with_former(&*self.ledger, &run)?.jobs;
                if jobs.iter().any(|job| keys.contains(job.key.as_str())) {
                    return Ok(Some(run));
                }
            }
        }
        Ok(None)
    }

    /// The state of the jobs of the run's manifest.
    pub(crate) fn summary(&self) -> Result<Summary, StoreError> {
        if self.all {
            summarise_with_former(&*self.ledger, &self.header)
        } else {
            summarise(&*self.ledger, &self.header)
        }
    }

    /// The folder to which the paths of kept files are relative.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        let manifest = self.manifest.as_ref().map(|named| named.place.as_path());
        let folder = project_dir(&self.ledger, manifest, &self.header);
        folder.map(Path::to_owned).ok_or_else(|| {
            let message = format!(
                "the ledger {} does not lie in its project, so its files can't be found",
                self.ledger.path().display()
            );
            Failure::msg(Kind::Usage, message).hint("name the manifest")
        })
    }

    /// The run's manifest, named from the working directory.
    pub(crate) fn shown(&self) -> String {
        match &self.manifest {
            Some(named) => named.shown.clone(),
            None => self.standpoint().name(&self.header.manifest),
        }
    }

    /// The folder from which the run's paths are named. If the ledger is outside the project and the user named no manifest, the
    /// project's folder is unknown and paths stay as recorded.
    pub(crate) fn standpoint(&self) -> Standpoint {
        let manifest = self.manifest.as_ref().map(|named| named.place.as_path());
        match project_dir(&self.ledger, manifest, &self.header) {
            Some(folder) => standpoint(folder),
            None => Standpoint::default(),
        }
    }
}

/// The failure of reading a ledger. If a named manifest has no ledger yet, the hint is the command that creates one.
pub(crate) fn never_run(error: StoreError, manifest: Option<&Path>) -> Failure {
    match (&error, manifest) {
        (StoreError::Missing { .. }, Some(manifest)) => Failure::new(Kind::Usage, error)
            .hint(run_it(manifest))
            .hint("if it was run before, name its ledger with --ledger"),
        _ => error.into(),
    }
}

fn run_it(manifest: &Path) -> String {
    let manifest = shell_word(&manifest.display().to_string());
    format!("run it first: `backline run {manifest}`")
}

/// The folder to which a run's paths are relative: the ledger's project, or else the folder that the manifest's recorded path
/// implies.
pub(crate) fn project_dir<'a>(
    ledger: &'a Ledger,
    manifest: Option<&'a Path>,
    run: &RunHeader,
) -> Option<&'a Path> {
    let recorded = Path::new(&run.manifest);
    let above = |manifest: &'a Path| manifest.ancestors().nth(recorded.components().count());
    project_of(ledger).or_else(|| manifest.filter(|it| it.ends_with(recorded)).and_then(above))
}
