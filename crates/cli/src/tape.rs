//! `run --record` and `run --replay`: record a provider's responses, and replay them in a later run.
//!
//! ```text
//!  --record tape   manifest ──run──► provider      the responses pass through and are recorded
//!  --replay tape   manifest ──run──► tape          no network, no key, no studio; a ledger and an output of its own
//! ```
//!
//! Callbacks are not recorded: both kinds of run poll for results instead. A replay skips hooks with effects outside of the run:
//! those that observe, and those that post. Hooks that decide about jobs run as before.

use std::path::{Path, PathBuf};

use backline_api::{ApiKey, PrivateAddresses, Tape, TapeError};
use backline_engine::forecast::Forecast;
use backline_engine::hooks::{HookKind, HookSpec};
use backline_engine::plan::Rate;

use crate::args::TapeArgs;
use crate::console::Console;
use crate::failure::{Failure, Kind};
use crate::project::{Project, seen_from_here};

/// The folder of a replay, beside the real ledger, which the replay does not use.
const REPLAY: &str = "replay";

/// The path of a replay's ledger within its folder.
const LEDGER: &str = ".backline/ledger.sqlite3";

/// The API key of a replay. The tape ignores it.
const DUMMY_KEY: &str = "replay";

/// The shortest window of a rate limit. A replay calls no provider, so it needs no limit.
const AT_ONCE_MS: u64 = 1;

/// The tape of a run.
pub(crate) struct RunTape {
    tape: Tape,
    folder: PathBuf,
    /// The folder of a replay's files; none for a recording.
    replays_into: Option<PathBuf>,
}

impl RunTape {
    /// Creates or opens the tape in the arguments, and adapts the project to it.
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

    /// The tape in the form that a run takes.
    pub(crate) fn tape(&self) -> Tape {
        self.tape.clone()
    }

    /// Whether the tape is replayed.
    pub(crate) fn replays(&self) -> bool {
        self.tape.replays()
    }

    /// The key that a replay uses instead of the provider's key.
    pub(crate) fn dummy_key() -> Result<ApiKey, Failure> {
        ApiKey::new(DUMMY_KEY).map_err(|error| Failure::new(Kind::Bug, error))
    }

    /// Prints the folder of the results, or why the recording is incomplete.
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

/// Warns of jobs that are already bought. A run does not request them, so the tape does not contain them.
pub(crate) fn tell_what_is_missing(forecast: &Forecast, console: &Console) {
    let jobs = forecast.rows.len() as u64;
    if forecast.to_submit < jobs {
        console.note_always(&format!(
            "warning: {} of {jobs} jobs are already in the ledger; their responses are not recorded\n",
            jobs - forecast.to_submit
        ));
    }
}

/// Sets the run to poll for results instead of waiting for callbacks.
fn poll(project: &mut Project) {
    project.plan.callbacks = None;
    project.plan.polls_only = true;
}

/// Creates the folder of a replay, after removing an earlier replay from the default folder. Fails if the folder is not empty.
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
            // Only the folder of an earlier replay is removed.
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

/// Moves the project to the replay's folder. The real ledger and output are not used, and no rate limit applies.
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
    // The tape also contains the responses of addresses that were on this machine, so these addresses are allowed.
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

/// Whether a hook only decides about jobs or measures kept files. Other hooks have effects outside of the run.
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
