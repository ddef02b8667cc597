//! Files that are written whole or not at all.

use std::io::{Error, ErrorKind, Write};
use std::path::Path;

use backline_engine::scratch::{create, sweep};

/// How the names of files begin that are not in their place yet.
const TEMPORARY: &str = ".backline-";

/// Writes `bytes` beside `path`, then gives them the name; what had it before is replaced.
pub(crate) fn whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let scratch = beside(path, bytes)?;
    scratch.persist(path).map(drop).map_err(|error| error.error)
}

/// The same, where nothing may have the name yet.
pub(crate) fn new(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let scratch = beside(path, bytes)?;
    scratch
        .persist_noclobber(path)
        .map(drop)
        .map_err(|error| error.error)
}

/// Whether two paths lead to one file that is there.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The system's own words: the name of a scratch file means nothing to anybody.
fn bare(error: Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.source()?.downcast_ref::<Error>()?.raw_os_error());
    cause.map_or(error, Error::from_raw_os_error)
}

fn beside(path: &Path, bytes: &[u8]) -> Result<tempfile::NamedTempFile, Error> {
    if path.file_name().is_none() {
        return Err(Error::new(ErrorKind::InvalidInput, "it names no file"));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    sweep(folder, TEMPORARY);
    let mut scratch = create(folder, TEMPORARY).map_err(bare)?;
    scratch.as_file_mut().write_all(bytes)?;
    scratch.as_file().sync_all()?;
    Ok(scratch)
}
