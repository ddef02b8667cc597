//! What reports are made of, and why one could not be written.

use std::io;
use std::path::{Path, PathBuf};

use backline_engine::event::Record;
use backline_engine::summary::Summary;

/// What reports are made of: all that they say comes from here.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// What the run came to.
    pub summary: &'a Summary,
    /// The run's own events, in the order in which they happened.
    pub records: &'a [Record],
    /// The folder that kept files' paths are relative to. The page listens to them there.
    pub project_dir: &'a Path,
    /// Where what was measured of sound files is kept, so that it is measured once; nowhere if none.
    pub sound_cache: Option<&'a Path>,
}

/// Whether the provider's links lead somewhere: an embedded studio ended with its run.
pub(crate) fn links_lead_somewhere(summary: &Summary) -> bool {
    summary.run.price_credits != Some(0.0)
}

/// Why a report could not be written: the disk, the folder or a permission stands in the way. Put it right and write the reports again
/// from the ledger.
#[derive(Debug, thiserror::Error)]
#[error("could not {operation} the report {}", path.display())]
pub struct ReportError {
    /// What was tried: `create the folder of`, `create`, `write`, `sync`, `put in place`, `sync the folder of`.
    pub operation: &'static str,
    /// The report's place.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: io::Error,
}
