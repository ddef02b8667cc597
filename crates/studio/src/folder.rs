//! The data folder: its layout, its lock, and the placement of finished files.
//!
//! ```text
//! data_dir/
//!   studio.lock                     locked by the running studio
//!   studio.sqlite3 (-wal, -shm)     tasks, charges, uploads, callbacks still owed
//!   files/uploads/<path>/<name>     what clients sent; served at /files/uploads/…, kept 3 days
//!   files/results/<task id>/        1.mp3, 1-mix.mp3, 2.mp3, 2-mix.mp3, or the files of a step; kept 14 days
//!   files/instant/                  the recordings of instant mode
//!   sources/<task id>               source of a song, for its steps; kept as long as the song
//!   tmp/                            half-written files; emptied at every start
//!   bill.key                        secret for reading the bill of a studio without an API key; new at every start
//! ```
//!
//! Only the owner may read the folder: the database contains secrets of attempts, and the files are other people's music.
//!
//! A file gets into `files/` only by a rename from `tmp/`, so it is complete or absent.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::StudioError;
use crate::store::DATABASE;

/// The file that is locked. It also identifies a studio's folder.
const LOCK: &str = "studio.lock";

/// An opened data folder. The lock lasts as long as this value.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
    lock: File,
}

impl DataFolder {
    /// Creates missing folders, takes the lock, and empties `tmp/`.
    pub(crate) fn open(root: &Path) -> Result<DataFolder, StudioError> {
        let failed = |operation: &'static str, path: &Path| {
            let path = path.to_owned();
            move |source| StudioError::Folder {
                operation,
                path,
                source,
            }
        };
        make(root).map_err(failed("make", root))?;
        examine(root).map_err(failed("use", root))?;
        // The path is made absolute, so that a later change of the working directory has no effect.
        let root = root.canonicalize().map_err(failed("open", root))?;
        only_for_owner(&root, 0o700).map_err(failed("close to others", &root))?;
        let lock_path = root.join(LOCK);
        let lock = private_file(&lock_path).map_err(failed("open", &lock_path))?;
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
        let folder = DataFolder { root, lock };
        let scratch = folder.scratch();
        if scratch.exists() {
            fs::remove_dir_all(&scratch).map_err(failed("empty", &scratch))?;
        }
        for path in [
            scratch,
            folder.uploads(),
            folder.results(),
            folder.sources(),
            folder.instant(),
        ] {
            make(&path).map_err(failed("make", &path))?;
        }
        for path in [folder.files(), folder.scratch(), folder.sources()] {
            only_for_owner(&path, 0o700).map_err(failed("close to others", &path))?;
        }
        // SQLite gives its auxiliary files the permissions of the database.
        let database = folder.database();
        private_file(&database).map_err(failed("make", &database))?;
        for suffix in ["-wal", "-shm"] {
            let mut beside = database.clone().into_os_string();
            beside.push(suffix);
            let beside = PathBuf::from(beside);
            if beside.exists() {
                only_for_owner(&beside, 0o600).map_err(failed("close to others", &beside))?;
            }
        }
        Ok(folder)
    }

    /// Writes the secret for reading the bill of a studio without an API key, for users who may read this folder.
    pub(crate) fn keep_bill_key(&self, key: &str) -> Result<(), StudioError> {
        let path = self.root.join("bill.key");
        let written = private_file(&path).and_then(|mut file| {
            file.set_len(0)?;
            file.write_all(key.as_bytes())
        });
        written.map_err(|source| StudioError::Folder {
            operation: "write",
            path,
            source,
        })
    }

    /// Releases the lock, so that another studio can use the folder. Nothing may be written to it afterwards.
    pub(crate) fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "could not unlock the data folder; it is unlocked when the program ends");
        }
    }

    /// Path of the task database.
    pub(crate) fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    /// Root of all served files.
    pub(crate) fn files(&self) -> PathBuf {
        self.root.join("files")
    }

    /// Folder of uploads.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.files().join("uploads")
    }

    /// Folder of finished tracks, with one folder for each task.
    pub(crate) fn results(&self) -> PathBuf {
        self.files().join("results")
    }

    /// Folder of one task's finished tracks.
    pub(crate) fn result(&self, task_id: &str) -> PathBuf {
        self.results().join(task_id)
    }

    /// Path of a song's source. It is not served.
    pub(crate) fn source(&self, task_id: &str) -> PathBuf {
        self.sources().join(task_id)
    }

    fn sources(&self) -> PathBuf {
        self.root.join("sources")
    }

    /// Folder of instant mode's recordings.
    pub(crate) fn instant(&self) -> PathBuf {
        self.files().join("instant")
    }

    /// Folder of half-written files, on the same file system as `files/`.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.root.join("tmp")
    }
}

/// Refuses a folder through which another user could redirect writes: a link, another user's folder, one that contains a link,
/// or one with files that is not a studio's. The studio would empty, overwrite or restrict files that a stranger put there.
fn examine(root: &Path) -> std::io::Result<()> {
    let refuse = |message: String| Err(std::io::Error::other(message));
    let metadata = fs::symlink_metadata(root)?;
    if metadata.is_symlink() {
        return refuse("it is a link; name the folder that it leads to".to_owned());
    }
    #[cfg(unix)]
    {
        let owner = std::os::unix::fs::MetadataExt::uid(&metadata);
        if owner != rustix::process::geteuid().as_raw() {
            return refuse("it belongs to another user; name a folder of your own".to_owned());
        }
    }
    let mut names = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                return refuse(format!("{} is a link; remove it", entry.path().display()));
            }
            if kind.is_dir() {
                open.push(entry.path());
            }
            if folder == root {
                names.push(entry.file_name());
            }
        }
    }
    let journal = root.join(format!("{DATABASE}-journal"));
    if names_another_file(&journal)? {
        return refuse(format!(
            "{} names a file of another program; remove it",
            journal.display()
        ));
    }
    if !names.is_empty() && !names.iter().any(|name| name == LOCK) {
        return refuse(
            "it contains files and is not a studio's folder; name an empty folder".to_owned(),
        );
    }
    Ok(())
}

/// Whether a rollback journal names another journal. SQLite would remove that file, wherever it lies. A studio's journal never
/// names one.
fn names_another_file(journal: &Path) -> std::io::Result<bool> {
    const ENDING: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
    let mut file = match File::open(journal) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let mut end = [0; 8];
    if file.seek(SeekFrom::End(-8)).is_err() {
        return Ok(false);
    }
    file.read_exact(&mut end)?;
    Ok(end == ENDING)
}

/// Creates a folder and its missing parents, readable by their owner alone.
fn make(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Opens a file for writing that only its owner can read; creates it if it is missing.
fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    only_for_owner(path, 0o600)?;
    Ok(file)
}

#[cfg(unix)]
fn only_for_owner(path: &Path, mode: u32) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn only_for_owner(_: &Path, _: u32) -> std::io::Result<()> {
    Ok(())
}

/// Writes `bytes` to `target` durably and atomically. Blocks.
pub(crate) fn write_whole(scratch: &Path, target: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(scratch)?;
    file.write_all(bytes)?;
    persist(file, target)
}

/// Syncs a scratch file and renames it to `target`, replacing an existing file. Blocks.
pub(crate) fn persist(file: tempfile::NamedTempFile, target: &Path) -> std::io::Result<()> {
    file.as_file().sync_all()?;
    let parent = target.parent().ok_or(std::io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(parent)?;
    file.persist(target).map_err(|failed| failed.error)?;
    // The rename is durable only after the folder is synced.
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
        let first = DataFolder::open(dir.path()).unwrap();
        let refused = DataFolder::open(dir.path()).unwrap_err();
        assert!(matches!(refused, StudioError::InUse { .. }), "{refused}");
        assert!(
            refused.to_string().starts_with("another studio is using "),
            "{refused}"
        );
        drop(first);
        DataFolder::open(dir.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_may_read_what_lies_there() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("new/studio");
        let folder = DataFolder::open(&root).unwrap();
        folder.keep_bill_key("secret").unwrap();
        let store = crate::store::StudioStore::open(&folder.database()).unwrap();
        let check = || {
            assert_eq!([mode(&root), mode(&root.join("files"))], [0o700; 2]);
            for entry in fs::read_dir(&root).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    assert_eq!(mode(&path), 0o600, "{}", path.display());
                }
            }
            assert!(root.join("studio.sqlite3-wal").exists());
        };
        check();
        // One that an earlier program left open to all is closed.
        for entry in fs::read_dir(&root).unwrap() {
            let path = entry.unwrap().path();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
        folder.release();
        let folder = DataFolder::open(&root).unwrap();
        folder.keep_bill_key("another").unwrap();
        check();
        store.close();
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_leads_elsewhere_is_refused_and_nothing_is_touched() {
        use std::os::unix::fs::symlink;
        let lab = tempfile::tempdir().unwrap();
        let home = lab.path().join("home");
        fs::create_dir_all(home.join("tmp")).unwrap();
        for name in ["id", "tmp/thesis.txt"] {
            fs::write(home.join(name), "mine").unwrap();
        }
        let refused = |root: &Path, expected: &str| {
            let error = DataFolder::open(root).unwrap_err();
            let StudioError::Folder { source, .. } = error else {
                panic!("{error}");
            };
            assert!(source.to_string().contains(expected), "{source}");
            for name in ["id", "tmp/thesis.txt"] {
                assert_eq!(fs::read_to_string(home.join(name)).unwrap(), "mine");
            }
            assert_eq!(fs::read_dir(&home).unwrap().count(), 2);
        };
        refused(&home, "is not a studio's folder");
        let link = lab.path().join("link");
        symlink(&home, &link).unwrap();
        refused(&link, "it is a link");
        for (number, name) in [
            "studio.lock",
            "bill.key",
            "studio.sqlite3",
            "files/uploads/a",
        ]
        .into_iter()
        .enumerate()
        {
            let root = lab.path().join(number.to_string());
            drop(DataFolder::open(&root).unwrap());
            let place = root.join(name);
            let _ = fs::remove_file(&place);
            let target = if name.ends_with("/a") {
                home.clone()
            } else {
                home.join("id")
            };
            symlink(target, &place).unwrap();
            refused(&root, " is a link; remove it");
        }
        // SQLite removes the file that ends such a journal.
        let root = lab.path().join("journal");
        drop(DataFolder::open(&root).unwrap());
        let magic = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
        fs::write(
            root.join("studio.sqlite3-journal"),
            [&[0; 512][..], &magic].concat(),
        )
        .unwrap();
        refused(&root, " names a file of another program; remove it");
    }

    #[test]
    fn a_start_empties_the_scratch_folder_and_keeps_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(dir.path()).unwrap();
        fs::write(folder.scratch().join("half"), b"x").unwrap();
        write_whole(
            &folder.scratch(),
            &folder.uploads().join("a/b.wav"),
            b"whole",
        )
        .unwrap();
        drop(folder);
        let folder = DataFolder::open(dir.path()).unwrap();
        assert_eq!(fs::read_dir(folder.scratch()).unwrap().count(), 0);
        assert_eq!(
            fs::read(folder.uploads().join("a/b.wav")).unwrap(),
            b"whole"
        );
    }
}
