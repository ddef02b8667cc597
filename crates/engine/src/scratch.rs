//! Files on their way to their place: written beside it and renamed over it, so that a reader sees the old file or the new
//! one. What a killed program left behind, the next one that writes there takes away.
//!
//! The writer has a lock on it, and a lock ends with its process however that ends: so what nobody will finish is recognised
//! from what a living process writes. On a file system without locks nothing is taken away.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::io;

use crate::folder::Folder;

/// Random letters and digits between prefix and suffix.
const CHANCE: usize = 6;

const SUFFIX: &str = ".tmp";

/// Most tries for a file of our own: each loses only against a program that takes files away at this very moment.
const TRIES: usize = 16;

/// A hidden file on its way to its place; removed if it does not get there.
#[derive(Debug)]
pub struct Scratch<'f> {
    folder: &'f Folder,
    file: File,
    name: String,
    placed: bool,
}

impl Scratch<'_> {
    /// The file, to be written.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts it in its place; what has the name `to` is replaced.
    ///
    /// # Errors
    /// When it can't be renamed.
    pub fn replace(mut self, to: impl AsRef<OsStr>) -> io::Result<()> {
        self.folder.rename(&self.name, to)?;
        self.placed = true;
        Ok(())
    }

    /// The same, where nothing may have the name yet.
    ///
    /// # Errors
    /// `AlreadyExists` when anything has it.
    pub fn place(mut self, to: impl AsRef<OsStr>) -> io::Result<()> {
        self.folder.rename_new(&self.file, &self.name, to)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        if !self.placed {
            // What is left behind the next one takes away.
            let _ = self.folder.remove(&self.name);
        }
    }
}

/// A hidden file in `folder`, which the caller renames. It has the permissions that any new file gets there (0666 less the umask).
///
/// # Errors
/// When the folder can't be written to.
pub fn create<'f>(folder: &'f Folder, prefix: &str) -> io::Result<Scratch<'f>> {
    for _ in 0..TRIES {
        let name = format!("{prefix}{}{SUFFIX}", chance()?);
        let file = match folder.new_file(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        let scratch = Scratch {
            folder,
            file,
            name,
            placed: false,
        };
        match scratch.file.try_lock() {
            // It was being taken away for a dead one's.
            Err(TryLockError::WouldBlock) => {}
            // Without locks nobody takes it away; with ours nobody does from now on.
            Ok(()) | Err(TryLockError::Error(_)) if folder.find(&scratch.name)?.is_some() => {
                return Ok(scratch);
            }
            _ => {}
        }
    }
    Err(io::Error::other("new files are taken away at once"))
}

fn chance() -> io::Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz012345";
    let mut bytes = [0; CHANCE];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]);
    Ok(bytes.iter().map(letter).collect())
}

/// Takes away what programs that are no more left in `folder` of the files that [`create`] makes there. That is tidying: what can't
/// be taken away stays.
pub fn sweep(folder: &Folder, prefix: &str) {
    for name in folder.names().into_iter().flatten() {
        // Open for writing: a network's file system locks nothing else for one alone.
        if is_ours(&name, prefix)
            && let Ok(file) = folder.own_file(&name)
            && file.try_lock().is_ok()
        {
            // A faster process has done the same.
            let _ = folder.remove(&name);
        }
    }
}

fn is_ours(name: &OsStr, prefix: &str) -> bool {
    let chance = name
        .to_str()
        .and_then(|name| name.strip_prefix(prefix)?.strip_suffix(SUFFIX));
    chance.is_some_and(|it| it.len() == CHANCE && it.bytes().all(|it| it.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

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
        let held = Folder::open(folder.path()).unwrap();
        let mut living = create(&held, ".report-").unwrap();
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
        sweep(&held, ".report-");
        let mut left: Vec<String> = theirs.map(str::to_owned).into();
        left.push(".report-abcde1.tmp".to_owned());
        let living_name = living.name.clone();
        left.push(living_name.clone());
        left.sort();
        assert_eq!(names(folder.path()), left);

        living.file().write_all(b"whole").unwrap();
        living.replace("report").unwrap();
        sweep(&held, ".report-");
        assert_eq!(fs::read(folder.path().join("report")).unwrap(), b"whole");
        // One that does not get to its place leaves nothing behind, and takes nobody's.
        let second = create(&held, ".report-").unwrap();
        assert!(second.place("report").is_err());
        create(&held, ".report-").unwrap().place("other").unwrap();
        left.retain(|name| *name != living_name);
        left.extend(["other".to_owned(), "report".to_owned()]);
        left.sort();
        assert_eq!(names(folder.path()), left);
    }

    #[test]
    fn who_writes_and_who_takes_away_at_once_do_not_hurt_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = &Folder::open(folder.path()).unwrap();
        std::thread::scope(|scope| {
            let writes = |name: &'static str| {
                move || {
                    for number in 0..200 {
                        let mut file = create(path, ".report-").unwrap();
                        write!(file.file(), "{number}").unwrap();
                        file.replace(name).unwrap();
                    }
                }
            };
            let writers = [scope.spawn(writes("a")), scope.spawn(writes("b"))];
            while !writers.iter().all(|writer| writer.is_finished()) {
                sweep(path, ".report-");
            }
        });
        assert_eq!(names(folder.path()), ["a", "b"]);
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"199");
    }
}
