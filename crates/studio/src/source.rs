//! The sources of tasks on this machine.

use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A source that is on this machine.
pub(crate) enum LocalSource {
    /// The stored source of a song.
    Kept(PathBuf),
    /// The studio's own upload.
    Upload(PathBuf),
    /// A fetched source; it is removed when this value is dropped.
    Fetched(NamedTempFile),
}

impl LocalSource {
    /// Where the file is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            LocalSource::Kept(path) | LocalSource::Upload(path) => path,
            LocalSource::Fetched(file) => file.path(),
        }
    }
}
