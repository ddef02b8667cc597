//! The SoundFonts that `auto` means: well-known free ones, where distributions install them.
//!
//! Finds a file and nothing else: what is in it, the caller reads and hashes.

use std::ffi::OsStr;
use std::path::PathBuf;

/// The name that means an installed SoundFont.
pub const AUTO: &str = "auto";

/// The files that are searched for, the best first, and Debian's packages of them. Compressed ones (`.sf3`) are not played.
const KNOWN: [(&str, &str); 2] = [
    ("FluidR3_GM.sf2", "fluid-soundfont-gm"),
    (
        "MuseScore_General_Full.sf2",
        "musescore-general-soundfont-lossless",
    ),
];

/// Below each folder of shared data, where SoundFonts are.
const SHELF: &str = "sounds/sf2";

/// No known SoundFont is installed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("find a SoundFont for `auto`: none of {} is installed", names())]
pub struct NoneInstalled;

impl NoneInstalled {
    /// What to do about it.
    pub fn help(&self) -> String {
        let [(_, package), _] = KNOWN;
        format!("install one (Debian and Ubuntu: `apt install {package}`), or name an .sf2 file")
    }
}

fn names() -> String {
    KNOWN.map(|(file, _)| file).join(", ")
}

/// The SoundFont that `auto` means on this machine: the first known one in the folders of shared data (`XDG_DATA_HOME`,
/// `XDG_DATA_DIRS`, else `/usr/local/share` and `/usr/share`).
///
/// # Errors
/// When none is installed.
pub fn installed_soundfont() -> Result<PathBuf, NoneInstalled> {
    let home = std::env::var_os("XDG_DATA_HOME");
    let shared = std::env::var_os("XDG_DATA_DIRS").filter(|folders| !folders.is_empty());
    let shared = shared
        .as_deref()
        .unwrap_or(OsStr::new("/usr/local/share:/usr/share"));
    let folders = home
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::split_paths(shared));
    first_of(folders)
}

fn first_of(folders: impl Iterator<Item = PathBuf>) -> Result<PathBuf, NoneInstalled> {
    let shelves: Vec<PathBuf> = folders
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(SHELF))
        .collect();
    KNOWN
        .iter()
        .flat_map(|(file, _)| shelves.iter().map(move |shelf| shelf.join(file)))
        .find(|path| path.is_file())
        .ok_or(NoneInstalled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_known_font_of_all_folders_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let data = |name: &str| folder.path().join(name);
        let folders = || [data("one"), data("other"), PathBuf::from("relative")].into_iter();
        let none = first_of(folders()).unwrap_err();
        assert!(none.to_string().contains("FluidR3_GM.sf2"), "{none}");
        assert!(none.help().contains("apt install fluid-soundfont-gm"));
        let put = |data: PathBuf, name: &str| {
            let file = data.join(SHELF).join(name);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, "font").unwrap();
            file
        };
        put(data("other"), "unknown.sf2");
        let full = put(data("one"), "MuseScore_General_Full.sf2");
        assert_eq!(first_of(folders()), Ok(full));
        let fluid = put(data("other"), "FluidR3_GM.sf2");
        assert_eq!(first_of(folders()), Ok(fluid));
    }
}
