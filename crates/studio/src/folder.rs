//! The data folder: its layout, its lock, and how a finished file gets into it.
//!
//! ```text
//! data_dir/
//!   studio.lock                     held by the running studio
//!   studio.sqlite3 (-wal, -shm)     tasks, charges, uploads, callbacks still owed
//!   files/uploads/<path>/<name>     what clients sent; served at /files/uploads/…, kept 3 days
//!   files/results/<task id>/        1.mp3, 1-mix.mp3, 2.mp3, 2-mix.mp3; kept 14 days
//!   files/instant/                  the recordings of instant mode
//!   tmp/                            half-written files; emptied at every start
//! ```
//!
//! A file appears under `files/` only by a rename from `tmp/`: it is there whole or not at all.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::StudioError;

/// An opened data folder; the lock is held for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    lock: File,
}

impl Folder {
    /// Makes what is missing, takes the lock, and empties `tmp/`.
    pub(crate) fn open(root: &Path) -> Result<Folder, StudioError> {
        let failed = |operation: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| StudioError::Folder {
                operation,
                path,
                source,
            }
        };
        fs::create_dir_all(root).map_err(failed("make", root))?;
        // Absolute, so that a later change of the working directory moves nothing.
        let root = root.canonicalize().map_err(failed("open", root))?;
        let lock_path = root.join("studio.lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StudioError::InUse { path: root }),
            Err(TryLockError::Error(source)) => {
                return Err(StudioError::Folder {
                    operation: "lock",
                    path: lock_path,
                    source,
                });
            }
        }
        let folder = Folder { root, lock };
        let scratch = folder.scratch();
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(failed("empty", &scratch))?;
        }
        for path in [
            scratch,
            folder.uploads(),
            folder.results(),
            folder.instant(),
        ] {
            fs::create_dir_all(&path).map_err(failed("make", &path))?;
        }
        Ok(folder)
    }

    /// Lets another studio have the folder. Nothing may be written to it afterwards.
    pub(crate) fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "could not unlock the data folder; it is unlocked when the program ends");
        }
    }

    /// Where the task database lies.
    pub(crate) fn database(&self) -> PathBuf {
        database(&self.root)
    }

    /// The root of everything that is served.
    pub(crate) fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// What clients sent.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.files().join("uploads")
    }

    /// Finished tracks, one folder a task.
    pub(crate) fn results(&self) -> PathBuf {
        self.files().join("results")
    }

    /// One task's finished tracks.
    pub(crate) fn result(&self, task_id: &str) -> PathBuf {
        self.results().join(task_id)
    }

    /// The recordings that instant mode hands out.
    pub(crate) fn instant(&self) -> PathBuf {
        self.files().join("instant")
    }

    /// Half-written files, on the same file system as `files/`.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// Where the task database of the data folder `root` lies.
pub(crate) fn database(root: &Path) -> PathBuf {
    root.join("studio.sqlite3")
}

/// Writes `bytes` to `target` so that it is there whole, durable, or not at all. Blocks.
pub(crate) fn write_whole(scratch: &Path, target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(scratch)?;
    file.write_all(bytes)?;
    settle(file, target)
}

/// Syncs a scratch file and renames it to `target`, over whatever was there. Blocks.
pub(crate) fn settle(file: tempfile::NamedTempFile, target: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    let parent = target.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(parent)?;
    file.persist(target).map_err(|failed| failed.error)?;
    // The rename itself is durable only once the folder is.
    #[cfg(unix)]
    File::open(parent)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_studio_is_told_that_the_folder_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let first = Folder::open(dir.path()).unwrap();
        let refused = Folder::open(dir.path()).unwrap_err();
        assert!(matches!(refused, StudioError::InUse { .. }), "{refused}");
        assert!(
            refused.to_string().starts_with("another studio is using "),
            "{refused}"
        );
        drop(first);
        Folder::open(dir.path()).unwrap();
    }

    #[test]
    fn a_start_empties_the_scratch_folder_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::open(dir.path()).unwrap();
        fs::write(folder.scratch().join("half"), b"x").unwrap();
        write_whole(
            &folder.scratch(),
            &folder.uploads().join("a/b.wav"),
            b"whole",
        )
        .unwrap();
        drop(folder);
        let folder = Folder::open(dir.path()).unwrap();
        assert_eq!(fs::read_dir(folder.scratch()).unwrap().count(), 0);
        assert_eq!(
            fs::read(folder.uploads().join("a/b.wav")).unwrap(),
            b"whole"
        );
    }
}
