//! The names of kept files beyond what the manifest's template makes: the mix of a track, a file that could not be verified, and marks
//! that tell files of one track apart.

use std::path::{Path, PathBuf};

use crate::event::Part;

/// Marks a file that could not be verified.
const UNVERIFIED: &str = ".unverified";

/// The path of a track's file, without extension, where `place` is the path of the track.
pub(super) fn of_part(place: &Path, part: Part) -> PathBuf {
    match part {
        Part::Track => place.to_owned(),
        Part::Mix => marked(place, "-mix"),
    }
}

/// The path, without extension, of a file that could not be verified.
pub(super) fn unverified(place: &Path) -> PathBuf {
    marked(place, UNVERIFIED)
}

/// A path without extension, and without the mark of a file that could not be verified.
pub(super) fn verified(place: &str) -> &str {
    place.strip_suffix(UNVERIFIED).unwrap_or(place)
}

/// A path without extension, with a mark at its end.
pub(super) fn marked(place: &Path, mark: &str) -> PathBuf {
    let mut marked = place.to_owned();
    marked.as_mut_os_string().push(mark);
    marked
}

/// A path with a mark before its extension.
pub(super) fn with_mark(path: &str, mark: &str) -> String {
    let (place, extension) = split(path);
    format!("{place}{mark}{extension}")
}

/// A path without its extension.
pub(super) fn without_extension(path: &str) -> &str {
    split(path).0
}

/// A path and its extension, which begins with the last dot of the name and may be empty.
pub(super) fn split(path: &str) -> (&str, &str) {
    let name = path.rfind('/').map_or(0, |at| at + 1);
    match path[name..].rfind('.') {
        Some(dot) => path.split_at(name + dot),
        None => (path, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_begins_with_the_last_dot_of_the_name() {
        assert_eq!(split("out/v1.2/lofi"), ("out/v1.2/lofi", ""));
        assert_eq!(
            split("out/v1.2/lofi-0.5.mp3"),
            ("out/v1.2/lofi-0.5", ".mp3")
        );
        assert_eq!(with_mark("out/a.mp3", "~changed"), "out/a~changed.mp3");
        let mix = of_part(Path::new("out/lofi-0.5"), Part::Mix);
        assert_eq!(mix, Path::new("out/lofi-0.5-mix"));
        let aside = unverified(&mix);
        assert_eq!(verified(aside.to_str().unwrap()), "out/lofi-0.5-mix");
    }
}
