//! The place of kept files: a directory, or an object store (`output.store`).
//!
//! A kept file's recorded [path](crate::event::KeptFile::path) decides which of both it is in: an address such as
//! `s3://bucket/album/verse/lofi-1.mp3` is an object, everything else a path on disk. So a ledger's files are found without its manifest.
//! An address is written as it is: nothing in it is percent-encoded.
//!
//! An object is only created, never replaced, renamed or removed: a name that is taken is left alone, and the newcomer gets `~2`. What was
//! put is read back and compared by its hash before it counts as kept.
//!
//! All functions block.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use crate::event::KeptFile;
use crate::folder::read_file;

#[cfg(feature = "store")]
mod objects;

#[cfg(not(feature = "store"))]
mod objects {
    //! A build without object stores.

    use std::collections::HashMap;
    use std::fs::File;
    use std::io;

    fn none<T>() -> io::Result<T> {
        let message = "this build of the program has no object stores: build it with `cargo build --release --features store`";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }

    pub(super) fn create(_: &str, _: &File, _: &str) -> io::Result<bool> {
        none()
    }

    pub(super) fn read(_: &str) -> io::Result<File> {
        none()
    }

    pub(super) fn list(_: &str) -> io::Result<HashMap<String, u64>> {
        none()
    }

    pub(super) fn probe(_: &str) -> io::Result<()> {
        none()
    }
}

/// Names tried for one file before the store is called full.
const NAMES: u32 = 1000;

/// The schemes of object stores.
pub(crate) const SCHEMES: [&str; 4] = ["s3", "gs", "az", "file"];

/// Whether a kept file's path is the address of an object.
pub fn is_object(path: &str) -> bool {
    path.split_once("://")
        .is_some_and(|(scheme, _)| SCHEMES.contains(&scheme))
}

/// Where a kept file is: its address in a store, or its path on disk.
pub fn place_of(project_dir: &Path, path: &str) -> PathBuf {
    match is_object(path) {
        true => PathBuf::from(path),
        false => project_dir.join(path),
    }
}

/// Opens a kept file to read it. An object is downloaded to a temporary file first, which has no name.
///
/// # Errors
/// When it is missing or can't be read, and for a file on disk when it is a link.
pub fn open_kept_file(project_dir: &Path, path: &str) -> io::Result<File> {
    match is_object(path) {
        true => objects::read(path),
        false => read_file(&project_dir.join(path)),
    }
}

/// Checks that objects can be created, read and listed below `store`, and that the store refuses to replace one.
///
/// The check leaves one small object there, `.backline-store`.
///
/// # Errors
/// When the store is out of reach, refuses the credentials, or has no conditional writes.
pub fn probe_store(store: &str) -> io::Result<()> {
    objects::probe(store)
}

/// Puts `file`, whose SHA-256 is `sha256`, into a store: as `stem.extension` below `store`, or as `stem~2.extension` and so on if that is
/// taken. An object with the same content will do. Gives its address.
///
/// # Errors
/// When the store is out of reach or refuses it, and when what is read back differs.
pub(crate) fn put_object(
    store: &str,
    stem: &str,
    extension: &str,
    file: &File,
    sha256: &str,
) -> io::Result<String> {
    for nth in 1..=NAMES {
        let mark = match nth {
            1 => String::new(),
            nth => format!("~{nth}"),
        };
        let address = format!("{store}/{stem}{mark}.{extension}");
        if objects::create(&address, file, sha256)? {
            return Ok(address);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "every name for it is taken",
    ))
}

/// Compares kept files with what is recorded of them, by their length: reading all of them would take too long.
///
/// The objects of a store are listed once for each directory. While a store can't be listed its files count as they are recorded, so that
/// nothing is downloaded again, and [`problem`](Self::problem) says so.
#[derive(Debug)]
pub struct KeptFiles {
    project_dir: PathBuf,
    /// The objects of each directory, with their lengths in bytes; none where they can't be listed.
    listed: Mutex<HashMap<String, Option<HashMap<String, u64>>>>,
    problem: OnceLock<String>,
}

impl KeptFiles {
    /// Those of a project.
    pub fn new(project_dir: &Path) -> Self {
        Self {
            project_dir: project_dir.to_owned(),
            listed: Mutex::default(),
            problem: OnceLock::new(),
        }
    }

    /// What became of a kept file. A link at its path is no file.
    pub fn look(&self, file: &KeptFile) -> OnDisk {
        let length = match is_object(&file.path) {
            true => match self.object_length(&file.path) {
                Ok(length) => length,
                Err(Unlisted) => return OnDisk::AsKept,
            },
            false => std::fs::symlink_metadata(self.project_dir.join(&file.path))
                .ok()
                .filter(|facts| facts.is_file())
                .map(|facts| facts.len()),
        };
        match length {
            Some(length) if length == file.length_bytes => OnDisk::AsKept,
            Some(_) => OnDisk::Changed,
            None => OnDisk::Gone,
        }
    }

    /// Why files could not be compared, if a store could not be listed.
    pub fn problem(&self) -> Option<&str> {
        self.problem.get().map(String::as_str)
    }

    fn object_length(&self, address: &str) -> Result<Option<u64>, Unlisted> {
        let dir = address.rsplit_once('/').map_or(address, |(dir, _)| dir);
        let mut listed = self.listed.lock().map_err(|_| Unlisted)?;
        let is_first_problem = listed.values().all(Option::is_some);
        let objects = listed.entry(dir.to_owned()).or_insert_with(|| {
            // A store that was out of reach is not queried again for each directory.
            if !is_first_problem {
                return None;
            }
            objects::list(dir)
                .inspect_err(|error| {
                    self.problem.get_or_init(|| {
                        format!(
                            "could not list {dir}: {error}; kept files in object stores are taken to be as recorded"
                        )
                    });
                })
                .ok()
        });
        match objects {
            Some(objects) => Ok(objects.get(address).copied()),
            None => Err(Unlisted),
        }
    }
}

/// What became of a kept file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDisk {
    /// It is where it was put, with its recorded length.
    AsKept,
    /// A file is there, and it is not the one that was kept.
    Changed,
    /// No file is there.
    Gone,
}

/// A store that can't be listed.
#[derive(Debug)]
struct Unlisted;

#[cfg(all(test, feature = "store-tests", unix))]
mod tests;
