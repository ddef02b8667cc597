//! Writes files as a whole or not at all.

use std::ffi::OsStr;
use std::io::{Error, ErrorKind, Write};
use std::path::Path;

use backline_engine::folder::Folder;
use backline_engine::scratch::{Scratch, create, sweep};

/// The prefix of temporary files.
const TEMPORARY: &str = ".backline-";

/// Writes `bytes` to a temporary file beside `path` and renames it. An existing file is replaced.
pub(crate) fn whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (folder, name) = place_of(path)?;
    beside(&folder, bytes)?.replace(name)
}

/// Writes `bytes` in the same way, but fails if `path` exists.
pub(crate) fn new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (folder, name) = place_of(path)?;
    beside(&folder, bytes)?.place(name)
}

/// Whether two paths lead to the same existing file.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn place_of(path: &Path) -> Result<(Folder, &OsStr), Error> {
    let Some(name) = path.file_name() else {
        return Err(Error::new(ErrorKind::InvalidInput, "it names no file"));
    };
    let folder = Folder::open(path.parent().unwrap_or(Path::new("")))?;
    Ok((folder, name))
}

fn beside<'f>(folder: &'f Folder, bytes: &[u8]) -> Result<Scratch<'f>, Error> {
    sweep(folder, TEMPORARY);
    let mut scratch = create(folder, TEMPORARY)?;
    scratch.file().write_all(bytes)?;
    scratch.file().sync_all()?;
    Ok(scratch)
}
