//! How a manifest is read: the options of [`load`](super::load).

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::manifest::matrix::selection::Selection;
pub use crate::manifest::source::budget::DEFAULT_MAX_JOBS;
use crate::manifest::steps::insert::Starred;
use crate::plan::Plan;
use crate::status::Sign;

/// Most sound of one plan's recordings together unless the user allows more, counted in stereo at 48 kHz: 360 songs of four minutes.
/// Decoding that much takes a processor some minutes at worst.
pub const DEFAULT_MAX_SOUND: Duration = Duration::from_secs(24 * 60 * 60);

/// How a manifest is read.
pub struct LoadOptions<'a> {
    /// Returns the value of a variable that a manifest lists under `env`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Most jobs that a plan may have.
    pub max_jobs: u64,
    /// Most sound that its recordings may have together, counted in stereo at 48 kHz.
    pub max_sound: Duration,
    /// Which of them are wanted.
    pub selection: Selection,
    /// Diagnostics show paths relative to this folder.
    pub shown_from: Option<PathBuf>,
    /// The manifest's text, where it is not read from its file: its path then only says where it belongs.
    pub text: Option<Arc<str>>,
    /// Returns the state in the ledger of each job of a plan, for filters by `state`; `None` ends the loading.
    pub states: &'a dyn Fn(&Plan) -> Option<Vec<Sign>>,
    /// Returns the tracks of a plan's songs that listeners have starred, for steps of these; `None` ends the loading.
    pub starred: &'a dyn Fn(&Plan) -> Option<Starred>,
    /// Whether imports, catalogues and scripts may lie outside of the project's folder. That is for the user to say, not for the
    /// manifest: its mistakes are printed with lines of the files that it names.
    pub allow_outside: bool,
}

impl Default for LoadOptions<'_> {
    /// The process's environment, all jobs, no ledger, and paths as seen from the working directory.
    fn default() -> Self {
        Self {
            environment: &|name| std::env::var(name).ok(),
            max_jobs: DEFAULT_MAX_JOBS,
            max_sound: DEFAULT_MAX_SOUND,
            selection: Selection::default(),
            text: None,
            states: &|plan| Some(vec![Sign::Buy; plan.jobs.len()]),
            starred: &|_| Some(Starred::new()),
            shown_from: std::env::current_dir().ok(),
            allow_outside: false,
        }
    }
}
