//! How a manifest is read: the options of [`load`](super::load).

use std::path::PathBuf;
use std::sync::Arc;

use crate::forecast::Sign;
use crate::manifest::matrix::selection::Selection;
use crate::plan::Plan;

/// Most jobs of one plan unless the user allows more.
pub const DEFAULT_MAX_JOBS: u64 = 100_000;

/// How a manifest is read.
pub struct LoadOptions<'a> {
    /// Returns the value of a variable that a manifest lists under `env`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Most jobs that a plan may have.
    pub max_jobs: u64,
    /// Which of them are wanted.
    pub selection: Selection,
    /// Diagnostics show paths relative to this folder.
    pub shown_from: Option<PathBuf>,
    /// The manifest's text, where it is not read from its file: its path then only says where it belongs.
    pub text: Option<Arc<str>>,
    /// Returns the state in the ledger of each job of a plan, for filters by `state`; `None` ends the loading.
    pub states: &'a dyn Fn(&Plan) -> Option<Vec<Sign>>,
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
            selection: Selection::default(),
            text: None,
            states: &|plan| Some(vec![Sign::Buy; plan.jobs.len()]),
            shown_from: std::env::current_dir().ok(),
            allow_outside: false,
        }
    }
}
