//! Files on their way to their place: written beside it and renamed over it, so that whoever reads sees the old file or the new
//! one. What a killed program left behind, the next one that writes there takes away.
//!
//! Whoever writes one holds a lock on it, and a lock ends with its process however that ends: so what nobody will finish is told
//! from what a living process writes. On a file system without locks nothing is taken away.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use tempfile::NamedTempFile;

/// Letters and digits by chance, between prefix and suffix.
const CHANCE: usize = 6;

const SUFFIX: &str = ".tmp";

/// Most tries for a file of our own: each loses only against a program that takes files away at this very moment.
const TRIES: usize = 16;

/// A hidden file in `folder`, for whoever renames it. It has the permissions that any new file gets there (0666 less the umask).
///
/// # Errors
/// When the folder can't be written to.
pub fn create(folder: &Path, prefix: &str) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).suffix(SUFFIX).rand_bytes(CHANCE);
    // A temporary file is private by default.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    for _ in 0..TRIES {
        let file = builder.tempfile_in(folder)?;
        match file.as_file().try_lock() {
            // It was being taken away for a dead one's.
            Err(TryLockError::WouldBlock) => {}
            // Without locks nobody takes it away; with ours nobody does from now on.
            Ok(()) | Err(TryLockError::Error(_)) if file.path().exists() => return Ok(file),
            _ => {}
        }
    }
    Err(io::Error::other("new files are taken away at once"))
}

/// Takes away what programs that are no more left in `folder` of the files that [`create`] makes there. That is tidying: what can't
/// be taken away stays.
pub fn sweep(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|it| it.is_file());
        if is_file && is_ours(&entry.file_name(), prefix) {
            take_away(&entry.path());
        }
    }
}

fn is_ours(name: &OsStr, prefix: &str) -> bool {
    let chance = name
        .to_str()
        .and_then(|name| name.strip_prefix(prefix)?.strip_suffix(SUFFIX));
    chance.is_some_and(|it| it.len() == CHANCE && it.bytes().all(|it| it.is_ascii_alphanumeric()))
}

fn take_away(path: &Path) {
    // Open for writing: a network's file system locks nothing else for one alone.
    if let Ok(file) = File::options().write(true).open(path)
        && file.try_lock().is_ok()
    {
        // Whoever was faster has done the same.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn only_what_nobody_writes_any_more_is_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let mut living = create(folder.path(), ".report-").unwrap();
        let theirs = [
            ".other-abcdef.tmp",
            ".report-abc.tmp",
            ".report-abc ef.tmp",
            ".report-abcdef",
            "report-abcdef.tmp",
        ];
        for name in theirs.iter().chain(&[".report-abcde0.tmp"]) {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        fs::create_dir(folder.path().join(".report-abcde1.tmp")).unwrap();
        sweep(folder.path(), ".report-");
        let mut left: Vec<String> = theirs.map(str::to_owned).into();
        left.push(".report-abcde1.tmp".to_owned());
        let living_name = living.path().file_name().unwrap().to_str().unwrap();
        left.push(living_name.to_owned());
        left.sort();
        assert_eq!(names(folder.path()), left);

        living.write_all(b"whole").unwrap();
        living.persist(folder.path().join("report")).unwrap();
        sweep(folder.path(), ".report-");
        assert_eq!(fs::read(folder.path().join("report")).unwrap(), b"whole");
        sweep(&folder.path().join("none"), ".report-");
    }

    #[test]
    fn who_writes_and_who_takes_away_at_once_do_not_hurt_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        std::thread::scope(|scope| {
            let writes = |name: &'static str| {
                move || {
                    for number in 0..200 {
                        let mut file = create(path, ".report-").unwrap();
                        write!(file, "{number}").unwrap();
                        file.persist(path.join(name)).unwrap();
                    }
                }
            };
            let writers = [scope.spawn(writes("a")), scope.spawn(writes("b"))];
            while !writers.iter().all(|writer| writer.is_finished()) {
                sweep(path, ".report-");
            }
        });
        assert_eq!(names(path), ["a", "b"]);
        assert_eq!(fs::read(path.join("a")).unwrap(), b"199");
    }
}
