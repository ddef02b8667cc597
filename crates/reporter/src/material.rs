//! The input of reports, and why a report could not be written.

use std::io;
use std::path::{Path, PathBuf};

use backline_engine::event::Record;
use backline_engine::summary::Summary;

/// The input of reports: all their content comes from here.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// The run's summary.
    pub summary: &'a Summary,
    /// The run's own events, in order of time.
    pub records: &'a [Record],
    /// The folder to which the paths of kept files are relative. The page plays them from there.
    pub project_dir: &'a Path,
    /// The folder of cached sound measurements, so that each file is measured once; `None` means no cache.
    pub sound_cache: Option<&'a Path>,
}

/// Whether the provider's links work after the run. Those of an embedded studio do not, because it ends with its run.
pub(crate) fn links_lead_somewhere(summary: &Summary) -> bool {
    summary.run.price_credits != Some(0.0)
}

/// Why a report could not be written: a problem of the disk, the folder or a permission. Fix it and write the reports again
/// from the ledger.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} the report {}", path.display())]
pub struct ReportError {
    /// The operation that failed: `create the folder of`, `create`, `write`, `sync`, `put in place`, `sync the folder of`.
    pub operation: &'static str,
    /// The path of the report.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}
