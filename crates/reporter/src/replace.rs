//! Writes a file atomically: beside its place, synced, then renamed over it.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use backline_engine::folder::Folder;
use backline_engine::scratch::create;

/// Prefix of the names of files that are not yet in their place.
pub(crate) const TEMPORARY: &str = ".summary-";

/// The users who may read a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Every user who may read new files.
    All,
    /// Only the owner.
    Owner,
}

/// Writes `bytes` to `path` completely or not at all; creates the folder. The error names the operation that failed.
pub(crate) fn replace(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
) -> Result<(), (&'static str, io::Error)> {
    replace_with(path, readers, |out| out.write_all(bytes))
}

/// The same for the output of `write`.
pub(crate) fn replace_with(
    path: &Path,
    readers: Readers,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), (&'static str, io::Error)> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let failed = |operation| move |source| (operation, source);
    let folder = Folder::create(dir).map_err(failed("create the folder of"))?;
    let mut scratch = create(&folder, TEMPORARY).map_err(failed("create"))?;
    let file = scratch.file();
    if readers == Readers::Owner {
        only_for_owner(file).map_err(failed("close to others"))?;
    }
    let mut out = BufWriter::new(&mut *file);
    write(&mut out)
        .and_then(|()| out.flush())
        .map_err(failed("write"))?;
    drop(out);
    file.sync_all().map_err(failed("sync"))?;
    scratch
        .replace(path.file_name().unwrap_or_default())
        .map_err(failed("put in place"))?;
    folder.sync().map_err(failed("sync the folder of"))
}

#[cfg(unix)]
fn only_for_owner(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn only_for_owner(_: &std::fs::File) -> io::Result<()> {
    Ok(())
}
