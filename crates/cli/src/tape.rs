//! `run --record` and `run --replay`: recording a provider's responses, and a run with recorded responses.
//!
//! ```text
//!  --record tape   manifest ──run──► provider      the responses pass through and are recorded
//!  --replay tape   manifest ──run──► tape          no network, no key, no studio; a ledger and an output of its own
//! ```
//!
//! Callbacks are not recorded: both kinds of run poll for results instead. A replay leaves out the hooks whose
//! effects lie outside (those that observe, and those that post); what decides about jobs decides as it did.

use std::path::{Path, PathBuf};

use backline_api::{ApiKey, PrivateAddresses, Tape, TapeError};
use backline_engine::forecast::Forecast;
use backline_engine::hooks::{HookKind, HookSpec};
use backline_engine::plan::Rate;

use crate::args::TapeArgs;
use crate::console::Console;
use crate::failure::{Failure, Kind};
use crate::project::{Project, seen_from_here};

/// A replay's folder, beside the ledger that it leaves alone.
const REPLAY: &str = "replay";

/// A replay's ledger, within its folder.
const LEDGER: &str = ".backline/ledger.sqlite3";

/// The API key of a replay; the tape ignores it.
const DUMMY_KEY: &str = "replay";

/// The shortest window: a replay calls no provider that could limit it.
const AT_ONCE_MS: u64 = 1;

/// A run's tape.
pub(crate) struct RunTape {
    tape: Tape,
    folder: PathBuf,
    /// Where a replay keeps what it makes.
    replays_into: Option<PathBuf>,
}

impl RunTape {
    /// Creates or opens the tape that the arguments name, and adapts the project to it.
    pub(crate) fn open(
        args: &TapeArgs,
        project: &mut Project,
        console: &Console,
    ) -> Result<Option<Self>, Failure> {
        match (&args.record, &args.replay) {
            (Some(folder), _) => {
                let tape = Tape::record(folder)?;
                poll(project);
                Ok(Some(Self {
                    tape,
                    folder: folder.clone(),
                    replays_into: None,
                }))
            }
            (None, Some(folder)) => {
                let tape = Tape::replay(folder)?;
                let into = room(args.into.as_deref(), project)?;
                stage(project, &into, console);
                Ok(Some(Self {
                    tape,
                    folder: folder.clone(),
                    replays_into: Some(into),
                }))
            }
            (None, None) => Ok(None),
        }
    }

    /// For the run.
    pub(crate) fn tape(&self) -> Tape {
        self.tape.clone()
    }

    /// Whether responses come from it.
    pub(crate) fn replays(&self) -> bool {
        self.tape.replays()
    }

    /// What a replay is made with in the provider's key's place.
    pub(crate) fn dummy_key() -> Result<ApiKey, Failure> {
        ApiKey::new(DUMMY_KEY).map_err(|error| Failure::new(Kind::Bug, error))
    }

    /// Prints where the results are, or why the recording is incomplete.
    pub(crate) fn close(&self, console: &Console) -> Result<(), Failure> {
        if let Some(into) = &self.replays_into {
            console.note(&format!(
                "Replayed from {}; the ledger, tracks and reports are in {}\n",
                self.folder.display(),
                seen_from_here(into).display()
            ));
            return Ok(());
        }
        match self.tape.failure() {
            Some(why) => {
                let message = format!(
                    "the recording {} is incomplete: {why}",
                    self.folder.display()
                );
                Err(Failure::msg(Kind::Output, message)
                    .hint("everything bought is in the ledger; free disk space and record again"))
            }
            None => {
                console.note(&format!("Recorded in {}\n", self.folder.display()));
                Ok(())
            }
        }
    }
}

/// Warns of jobs that are already bought: they are not requested, so they are not recorded.
pub(crate) fn tell_what_is_missing(forecast: &Forecast, console: &Console) {
    let jobs = forecast.rows.len() as u64;
    if forecast.to_submit < jobs {
        console.note_always(&format!(
            "warning: {} of {jobs} jobs are already in the ledger; their responses are not recorded\n",
            jobs - forecast.to_submit
        ));
    }
}

/// Polls for results instead of waiting for callbacks.
fn poll(project: &mut Project) {
    project.plan.callbacks = None;
    project.plan.polls_only = true;
}

/// The folder of a replay, empty.
fn room(into: Option<&Path>, project: &Project) -> Result<PathBuf, Failure> {
    let failed = |folder: &Path, error: std::io::Error| {
        let context = format!("cannot create the replay's folder {}", folder.display());
        Failure::new(Kind::Output, anyhow::Error::new(error).context(context))
    };
    let folder = match into {
        Some(folder) => folder.to_owned(),
        None => {
            let folder = project
                .ledger
                .parent()
                .unwrap_or(Path::new("."))
                .join(REPLAY);
            // Only what a replay has made is taken away.
            if folder.join(LEDGER).exists() {
                std::fs::remove_dir_all(&folder).map_err(|error| failed(&folder, error))?;
            }
            folder
        }
    };
    std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, error))?;
    let mut entries = std::fs::read_dir(&folder).map_err(|error| failed(&folder, error))?;
    if entries.next().is_some() {
        let message = format!("the replay's folder {} is not empty", folder.display());
        return Err(
            Failure::msg(Kind::Usage, message).hint("choose an empty folder with --into DIR")
        );
    }
    folder
        .canonicalize()
        .map_err(|error| failed(&folder, error))
}

/// Sets the project up in the replay's folder: nothing real is touched, nobody is waited for.
fn stage(project: &mut Project, into: &Path, console: &Console) {
    poll(project);
    project.ledger = into.join(LEDGER);
    let plan = &mut project.plan;
    let inside = plan.output.dir().strip_prefix(&plan.project_dir);
    let output = into.join(inside.unwrap_or(Path::new("out")));
    plan.output = plan.output.moved_to(output);
    plan.project_dir = into.to_owned();
    plan.limits.rate = Rate {
        count: u32::MAX,
        window_ms: AT_ONCE_MS,
    };
    // What lay on this machine then is taken from the tape now, as everything is.
    plan.provider.profile.loopback = true;
    plan.provider.profile.allow_private = PrivateAddresses::Allowed;
    let before = plan.hooks.all.len();
    plan.hooks.all.retain(stays_inside);
    let left_out = before - plan.hooks.all.len();
    if left_out > 0 {
        let are = if left_out == 1 {
            "hook is"
        } else {
            "hooks are"
        };
        console.note(&format!(
            "{left_out} {are} skipped in the replay: they only observe, or call other services\n"
        ));
    }
}

/// Whether a hook decides, or measures what is kept; others have effects elsewhere.
fn stays_inside(hook: &HookSpec) -> bool {
    match hook.kind {
        HookKind::Http { .. } | HookKind::Store { .. } => false,
        HookKind::Loudness => true,
        HookKind::Run { .. } | HookKind::Service { .. } | HookKind::Lua { .. } => {
            hook.point.decides()
        }
    }
}

impl From<TapeError> for Failure {
    fn from(error: TapeError) -> Self {
        match &error {
            TapeError::NotEmpty { .. } => {
                Self::new(Kind::Usage, error).hint("choose a new or empty folder")
            }
            TapeError::Io {
                operation: "read", ..
            } => Self::new(Kind::Usage, error)
                .hint("`backline run MANIFEST --record DIR` creates one"),
            TapeError::Io { .. } => Self::new(Kind::Output, error),
            _ => Self::new(Kind::Usage, error).hint("record it again with this version"),
        }
    }
}
