//! Giving a checked file its name, without ever taking another file's.

use std::fs::File;
use std::io;

use super::check::same_content;
use crate::folder::{Folder, Found};

/// Names tried for one file before the folder is called full.
const NAMES: u32 = 1000;

/// A name that is wanted: `stem~2.extension` if `stem.extension` is taken, and so on.
#[derive(Debug, Clone, Copy)]
pub(super) struct NameRequest<'a> {
    pub(super) stem: &'a str,
    pub(super) extension: &'a str,
    /// The name of a file that was kept for the same track and has been changed since: it is moved aside.
    pub(super) replaces: Option<&'a str>,
}

/// Names `file`, which has the name `from` in `folder`, and makes the name durable. A name that has the same bytes already will do.
pub(super) fn name(
    folder: &Folder,
    file: &File,
    from: &str,
    wish: NameRequest<'_>,
) -> io::Result<String> {
    let NameRequest {
        stem, extension, ..
    } = wish;
    for nth in 1..=NAMES {
        let name = match nth {
            1 => format!("{stem}.{extension}"),
            nth => format!("{stem}~{nth}.{extension}"),
        };
        if claim(
            folder,
            file,
            from,
            &name,
            wish.replaces == Some(name.as_str()),
        )? {
            folder.sync()?;
            return Ok(name);
        }
    }
    Err(full())
}

fn claim(
    folder: &Folder,
    file: &File,
    from: &str,
    name: &str,
    moves_aside: bool,
) -> io::Result<bool> {
    match folder.rename_new(file, from, name) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    // A link is no track, wherever it leads.
    let Some(Found::File(_)) = folder.find(name)? else {
        return Ok(false);
    };
    let there = folder.read_file(name)?;
    if same_content(file, &there)? {
        folder.remove(from)?;
        return Ok(true);
    }
    if !moves_aside {
        return Ok(false);
    }
    move_aside(folder, &there, name)?;
    match folder.rename_new(file, from, name) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        result => result.map(|()| true),
    }
}

/// Gives a file that was changed a name that says so.
fn move_aside(folder: &Folder, file: &File, name: &str) -> io::Result<()> {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    for nth in 1..=NAMES {
        let aside = match nth {
            1 => format!("{stem}~changed.{extension}"),
            nth => format!("{stem}~changed{nth}.{extension}"),
        };
        match folder.rename_new(file, name, &aside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result,
        }
    }
    Err(full())
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "every name for it is taken")
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_name_is_never_taken_from_another_file_but_a_changed_one_moves_aside() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = Folder::open(scratch.path()).unwrap();
        let keep = |content: &str, replaces: Option<&str>| {
            let mut file = folder.new_file("part").unwrap();
            file.write_all(content.as_bytes()).unwrap();
            let wish = NameRequest {
                stem: "a",
                extension: "mp3",
                replaces,
            };
            let named = name(&folder, &file, "part", wish).unwrap();
            assert_eq!(folder.find("part").unwrap(), None);
            named
        };
        let read = |name: &str| fs::read_to_string(scratch.path().join(name)).unwrap();
        assert_eq!(keep("one", None), "a.mp3");
        assert_eq!(keep("one", None), "a.mp3");
        assert_eq!(keep("two", None), "a~2.mp3");
        symlink("a.mp3", scratch.path().join("a~3.mp3")).unwrap();
        assert_eq!(keep("three", Some("a~3.mp3")), "a~4.mp3");
        assert_eq!(keep("new", Some("a.mp3")), "a.mp3");
        assert_eq!(read("a~changed.mp3"), "one");
        assert_eq!(keep("newer", Some("a.mp3")), "a.mp3");
        assert_eq!(
            (read("a~changed2.mp3"), read("a.mp3")),
            ("new".into(), "newer".into())
        );
        assert_eq!(keep("newest", Some("gone.mp3")), "a~5.mp3");
    }
}
