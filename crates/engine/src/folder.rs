//! Directories that stay open, and files opened relative to them: what a link that was planted on the way would make of a path
//! can't happen, for no path is resolved a second time and no link at a file's path is followed.
//!
//! Opening a directory by its path follows links: a path that the user names means its target. Below it nothing leads out.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

use cap_fs_ext::{FollowSymlinks, MetadataExt, OpenOptionsFollowExt, OpenOptionsSyncExt};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata, OpenOptions};

/// An open directory.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
    path: PathBuf,
}

/// What lies at a name, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A regular file of this length in bytes.
    File(u64),
    /// A link, a directory, a pipe or another thing that is no regular file.
    Other,
}

impl Folder {
    /// Opens the directory at `path`; an empty path is the current directory.
    ///
    /// # Errors
    /// When it is not there, no directory, or closed to this user.
    pub fn open(path: &Path) -> io::Result<Self> {
        let shown = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        Ok(Self {
            dir: Dir::open_ambient_dir(shown, ambient_authority())?,
            path: path.to_owned(),
        })
    }

    /// The same, made with its parents where it is missing.
    ///
    /// # Errors
    /// As [`Folder::open`], and when it can't be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        if !path.as_os_str().is_empty() {
            std::fs::create_dir_all(path)?;
        }
        Self::open(path)
    }

    /// A directory below this one, made where it is missing.
    ///
    /// # Errors
    /// When a link on the way leads out of this directory, and as [`Folder::create`].
    pub fn below(&self, inside: &Path) -> io::Result<Self> {
        match self.inside(inside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened,
        }
        match self.dir.create_dir_all(inside) {
            // Whatever is there by now, opening it says what is wrong with it.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.inside(inside),
        }
    }

    /// A directory below this one that is there.
    ///
    /// # Errors
    /// When a link on the way leads out of this directory, and as [`Folder::open`].
    pub fn inside(&self, inside: &Path) -> io::Result<Self> {
        let dir = if inside.as_os_str().is_empty() {
            self.dir.try_clone()?
        } else {
            self.dir.open_dir(inside)?
        };
        Ok(Self {
            dir,
            path: self.path.join(inside),
        })
    }

    /// Where it was when it was opened: for messages and for the ledger.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a new file that can be written and read.
    ///
    /// # Errors
    /// `AlreadyExists` when anything has the name, a link that leads nowhere included.
    pub fn new_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        self.open_with(name.as_ref(), &mut options)
    }

    /// Opens a regular file to read it. Never waits for a pipe's other end.
    ///
    /// # Errors
    /// When it is missing, no regular file, or a link.
    pub fn read_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        self.regular(name.as_ref(), OpenOptions::new().read(true))
    }

    /// Opens a file of our own to go on writing it: a regular file that has no other name.
    ///
    /// # Errors
    /// When it is missing, no regular file, a link, or known by another name too.
    pub fn own_file(&self, name: impl AsRef<OsStr>) -> io::Result<File> {
        let file = self.regular(name.as_ref(), OpenOptions::new().read(true).write(true))?;
        let links = Metadata::from_file(&file)?.nlink();
        if links != 1 {
            let message = format!("the file has {links} names, one was expected");
            return Err(io::Error::other(message));
        }
        Ok(file)
    }

    fn regular(&self, name: &OsStr, options: &mut OpenOptions) -> io::Result<File> {
        let file = self.open_with(name, options.nonblock(true))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(file)
    }

    fn open_with(&self, name: &OsStr, options: &mut OpenOptions) -> io::Result<File> {
        let options = options.follow(FollowSymlinks::No);
        let file = self.dir.open_with(plain(name)?, options)?;
        Ok(file.into_std())
    }

    /// What lies at a name; none where nothing does.
    ///
    /// # Errors
    /// When that can't be found out.
    pub fn find(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Found>> {
        match self.dir.symlink_metadata(plain(name.as_ref())?) {
            Ok(facts) if facts.is_file() => Ok(Some(Found::File(facts.len()))),
            Ok(_) => Ok(Some(Found::Other)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a file or a link; one that is not there is as good.
    ///
    /// # Errors
    /// When it is a directory, or the system does not let it go.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        match self.dir.remove_file(plain(name.as_ref())?) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Renames a file within this directory; what has the name `to` is replaced, a link itself and not what it leads to.
    ///
    /// # Errors
    /// When it can't be renamed.
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> io::Result<()> {
        let (from, to) = (plain(from.as_ref())?, plain(to.as_ref())?);
        self.dir.rename(from, &self.dir, to)
    }

    /// Gives `file`, which has the name `from`, a name that must be free, and takes the old one away.
    ///
    /// # Errors
    /// As [`Folder::move_new`].
    pub fn rename_new(
        &self,
        file: &File,
        from: impl AsRef<OsStr>,
        to: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        self.move_new(file, from, self, to)
    }

    /// Moves `file`, which has the name `from`, to a name in `folder` that must be free.
    ///
    /// # Errors
    /// `AlreadyExists` when anything has the name `to`; when `from` is another file by now; and when `folder` is on another disk.
    pub fn move_new(
        &self,
        file: &File,
        from: impl AsRef<OsStr>,
        folder: &Self,
        to: impl AsRef<OsStr>,
    ) -> io::Result<()> {
        let (from, to) = (plain(from.as_ref())?, plain(to.as_ref())?);
        // A hard link fails where a rename would replace.
        match self.dir.hard_link(from, &folder.dir, to) {
            Ok(()) => {
                folder.is_still(file, to)?;
                self.dir.remove_file(from)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AlreadyExists | io::ErrorKind::CrossesDevices
                ) =>
            {
                Err(error)
            }
            // A file system without hard links: claim the name first, then move onto it.
            Err(_) => {
                folder.new_file(to)?;
                self.dir.rename(from, &folder.dir, to)?;
                folder.is_still(file, to)
            }
        }
    }

    /// Fails where a name has another file than the one that was written and checked; then the name is given up.
    fn is_still(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let (ours, named) = (Metadata::from_file(file)?, self.dir.symlink_metadata(name)?);
        if (ours.dev(), ours.ino()) == (named.dev(), named.ino()) {
            return Ok(());
        }
        self.dir.remove_file(name)?;
        Err(io::Error::other(
            "another file was put in its place while it was checked",
        ))
    }

    /// The directory itself as a file: to lock it.
    ///
    /// # Errors
    /// When it can't be read, and where directories are no files.
    pub fn handle(&self) -> io::Result<File> {
        Ok(self.dir.open(".")?.into_std())
    }

    /// The names in it.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn names(&self) -> io::Result<impl Iterator<Item = std::ffi::OsString>> {
        Ok(self.dir.entries()?.flatten().map(|entry| entry.file_name()))
    }

    /// Makes the names in it durable. Only Unix needs it.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn sync(&self) -> io::Result<()> {
        if cfg!(unix) {
            // The handle itself may be one that only leads on.
            self.handle()?.sync_all()
        } else {
            Ok(())
        }
    }
}

/// Opens the file at `path` to read it: a regular file, and not by a link at its own place. Never waits for a pipe's other end.
///
/// # Errors
/// When it is missing, no regular file, or a link.
pub fn read_file(path: &Path) -> io::Result<File> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    Folder::open(path.parent().unwrap_or(Path::new("")))?.read_file(name)
}

/// Opens a file that lies somewhere below `root` to read it, where no link on the way leads out of that; elsewhere as [`read_file`].
///
/// # Errors
/// As [`read_file`], and when a link leads out of `root`.
pub fn read_file_below(root: &Path, path: &Path) -> io::Result<File> {
    match (path.strip_prefix(root), path.file_name()) {
        (Ok(inside), Some(name)) => {
            let folder = inside.parent().unwrap_or(Path::new(""));
            Folder::open(root)?.inside(folder)?.read_file(name)
        }
        _ => read_file(path),
    }
}

/// A name alone, no path.
fn plain(name: &OsStr) -> io::Result<&OsStr> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(name),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is no file name",
        )),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn what_another_user_put_there_is_not_ours() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("backline.yaml");
        fs::write(&file, "version: 1").unwrap();
        assert!(is_own(&file, scratch.path()));
        assert!(is_own(&scratch.path().join("none"), scratch.path()));
        const NOBODY: u32 = 65_534;
        if std::os::unix::fs::chown(&file, Some(NOBODY), None).is_ok() {
            assert!(!is_own(&file, scratch.path()));
            // The owner of the project and of the file is one.
            std::os::unix::fs::chown(scratch.path(), Some(NOBODY), None).unwrap();
            assert!(is_own(&file, scratch.path()));
        } else {
            // Only root may give files away; its own are there for everybody else.
            assert!(!is_own(Path::new("/"), scratch.path()));
        }
    }

    #[test]
    fn nothing_leads_out_and_no_link_is_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        fs::create_dir(path("out")).unwrap();
        fs::create_dir(path("elsewhere")).unwrap();
        fs::write(path("victim"), "precious").unwrap();
        let folder = Folder::open(&path("out")).unwrap();
        symlink(path("victim"), path("out/link")).unwrap();
        symlink("../elsewhere", path("out/away")).unwrap();
        symlink(path("nothing"), path("out/dangling")).unwrap();
        fs::hard_link(path("victim"), path("out/twin")).unwrap();
        let pipe = Command::new("mkfifo").arg(path("out/pipe")).status();
        assert!(pipe.unwrap().success());

        fs::write(path("elsewhere/song"), "la").unwrap();
        let below = |name: &str| read_file_below(&path("out"), &path("out").join(name));
        assert!(below("away/song").is_err() && below("link").is_err());
        fs::write(path("out/song"), "la").unwrap();
        assert!(below("song").is_ok());
        assert!(folder.inside(Path::new("not/there")).is_err());
        assert!(folder.below(Path::new("away")).is_err());
        assert!(folder.below(Path::new("../elsewhere")).is_err());
        for name in ["link", "dangling", "pipe"] {
            assert!(folder.read_file(name).is_err(), "{name}");
            assert!(folder.own_file(name).is_err(), "{name}");
            assert!(folder.new_file(name).is_err(), "{name}");
            assert_eq!(folder.find(name).unwrap(), Some(Found::Other), "{name}");
        }
        assert!(folder.own_file("twin").is_err());
        assert!(folder.new_file("../victim2").is_err());
        for name in ["link", "dangling", "pipe", "twin", "gone"] {
            folder.remove(name).unwrap();
            assert_eq!(folder.find(name).unwrap(), None, "{name}");
        }
        assert_eq!(fs::read(path("victim")).unwrap(), b"precious");
        assert!(!path("nothing").exists());

        // The directory is the one that was opened, whatever its path leads to by now.
        fs::rename(path("out"), path("moved")).unwrap();
        symlink(path("elsewhere"), path("out")).unwrap();
        folder.new_file("here").unwrap();
        assert!(path("moved/here").exists() && !path("elsewhere/here").exists());
    }

    #[test]
    fn a_name_is_given_to_the_file_that_was_checked_or_to_none() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::create(&scratch.path().join("a/b")).unwrap();
        let mut file = folder.new_file("part").unwrap();
        file.write_all(b"checked").unwrap();
        folder.new_file("taken").unwrap();
        let taken = folder.rename_new(&file, "part", "taken").unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);

        folder.rename("part", "hidden").unwrap();
        folder.new_file("part").unwrap();
        assert!(folder.rename_new(&file, "part", "track").is_err());
        assert_eq!(folder.find("track").unwrap(), None);

        folder.rename_new(&file, "hidden", "track").unwrap();
        assert_eq!(folder.find("hidden").unwrap(), None);
        let mut text = String::new();
        let track = read_file(&scratch.path().join("a/b/track"));
        track.unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "checked");
        let mut names: Vec<_> = folder.names().unwrap().collect();
        names.sort();
        assert_eq!(names, ["part", "taken", "track"]);
    }
}

/// Whether what lies at `path`, a link itself and not its target, is this user's or belongs to the owner of `project`. Anything else in a
/// folder that others can write to was put there by a stranger.
#[cfg(unix)]
pub fn is_own(path: &Path, project: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let owner = |metadata: std::fs::Metadata| metadata.uid();
    let Ok(found) = path.symlink_metadata().map(owner) else {
        return true;
    };
    found == rustix::process::geteuid().as_raw()
        || project.metadata().map(owner).is_ok_and(|it| it == found)
}

/// Everything: owners are not known here.
#[cfg(not(unix))]
pub fn is_own(_: &Path, _: &Path) -> bool {
    true
}
