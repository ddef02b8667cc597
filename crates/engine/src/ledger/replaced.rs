//! Whether an open ledger still lies where it was opened, and how it is saved where it does not.
//!
//! A file that is deleted or replaced while it is open can still be written to, and everything that is written then is lost with the
//! process: what was bought would be bought again.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Ledger, failed};
use crate::store::StoreError;

/// Most names that are tried for a saved ledger.
const NAMES: u32 = 1_000;

/// Which file a path names: its device and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    number: u64,
}

impl FileId {
    #[cfg(unix)]
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = path.metadata()?;
        Ok(Self {
            device: metadata.dev(),
            number: metadata.ino(),
        })
    }

    /// An open file can't be deleted or replaced here.
    #[cfg(not(unix))]
    pub(super) fn of(_: &Path) -> std::io::Result<Self> {
        Ok(Self {
            device: 0,
            number: 0,
        })
    }
}

impl Ledger {
    /// Fails if the path does not name the file that is open any more.
    pub fn check_place(&self) -> Result<(), StoreError> {
        let Some(opened) = self.file else {
            return Ok(());
        };
        match FileId::of(&self.path) {
            Ok(found) if found == opened => Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(&self.path, "examine", error))
            }
            _ => Err(StoreError::Replaced {
                path: self.path.display().to_string(),
            }),
        }
    }

    /// Writes everything that the open file contains to a new file beside its place, and returns where that is.
    pub fn save_beside(&self) -> Result<PathBuf, StoreError> {
        let failed = |source: std::io::Error| failed(&self.path, "save", source);
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let saved = self.new_file_beside().map_err(failed)?;
        self.run("save", |connection: &Connection| {
            connection.execute("VACUUM INTO ?1", [saved.to_string_lossy().as_ref()])
        })?;
        Ok(saved)
    }

    /// An empty file of a new name, which nobody else on the machine may read.
    fn new_file_beside(&self) -> std::io::Result<PathBuf> {
        let mut tried = Err(std::io::ErrorKind::AlreadyExists.into());
        for number in 1..=NAMES {
            let mut name = self.path.as_os_str().to_owned();
            name.push(format!(".saved-{number}"));
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            tried = options.open(&name).map(|_| PathBuf::from(name));
            match &tried {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                _ => break,
            }
        }
        tried
    }
}
