//! How a manifest is read: the options of [`load`](super::load).

use std::path::PathBuf;

use crate::manifest::matrix::selection::Selection;

/// Most jobs of one plan unless the user allows more.
pub const DEFAULT_MAX_JOBS: u64 = 100_000;

/// How a manifest is read.
pub struct LoadOptions<'a> {
    /// Looks up the variables that a manifest lists under `env`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Most jobs that a plan may have.
    pub max_jobs: u64,
    /// Which of them are wanted.
    pub selection: Selection,
    /// Diagnostics show paths relative to this folder.
    pub shown_from: Option<PathBuf>,
    /// Whether imports, catalogues and scripts may lie outside of the project's folder. That is for the user to say, not for the
    /// manifest: its mistakes are printed with lines of the files that it names.
    pub allow_outside: bool,
}

impl Default for LoadOptions<'_> {
    /// The process's environment, all jobs, and paths as seen from the working directory.
    fn default() -> Self {
        Self {
            environment: &|name| std::env::var(name).ok(),
            max_jobs: DEFAULT_MAX_JOBS,
            selection: Selection::default(),
            shown_from: std::env::current_dir().ok(),
            allow_outside: false,
        }
    }
}
