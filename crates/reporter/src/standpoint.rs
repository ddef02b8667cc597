//! Converts paths of the ledger into paths for the user's shell: the ledger stores them relative to the project's folder, and
//! the shell resolves them from its current folder.

use backline_engine::kept_files::place_of;
use std::path::{Path, PathBuf};

/// The folder of the user's shell, and the project's. By default paths are shown as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standpoint {
    /// The folder that recorded paths are relative to.
    pub project_dir: PathBuf,
    /// The current folder of the user's shell.
    pub here: PathBuf,
}

impl Standpoint {
    /// A recorded path that can be pasted into the shell: relative if it lies below the current folder, otherwise absolute.
    pub fn name(&self, recorded: &str) -> String {
        let whole = place_of(&self.project_dir, recorded);
        self.see(&whole)
            .to_str()
            .map_or_else(|| recorded.to_owned(), str::to_owned)
    }

    /// The same for an absolute path.
    pub fn see<'a>(&self, whole: &'a Path) -> &'a Path {
        match whole.strip_prefix(&self.here) {
            Ok(inside) if !inside.as_os_str().is_empty() => inside,
            _ => whole,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_from_where_its_reader_stands() {
        let name = |here: &str, recorded: &str| {
            let standpoint = Standpoint {
                project_dir: PathBuf::from("/music/album"),
                here: PathBuf::from(here),
            };
            standpoint.name(recorded)
        };
        assert_eq!(name("/music/album", "tracks/a.mp3"), "tracks/a.mp3");
        assert_eq!(name("/music", "tracks/a.mp3"), "album/tracks/a.mp3");
        assert_eq!(name("/music/album/tracks", "tracks/a.mp3"), "a.mp3");
        assert_eq!(
            name("/elsewhere", "tracks/a.mp3"),
            "/music/album/tracks/a.mp3"
        );
        assert_eq!(name("/music", "/out/a.mp3"), "/out/a.mp3");
        assert_eq!(Standpoint::default().name("tracks/a.mp3"), "tracks/a.mp3");
    }
}
