//! The project that a manifest belongs to: the nearest folder upwards with a `backline.yaml`.

use std::path::{Path, PathBuf};

/// The file that marks a project's root.
const PROJECT_FILE: &str = "backline.yaml";

/// The nearest folder upwards with a project file, and that file unless it is the manifest itself.
pub(crate) fn find_project(path: &Path, folder: &Path) -> (PathBuf, Option<PathBuf>) {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let itself = std::fs::canonicalize(path).ok();
    for above in absolute.ancestors() {
        let file = above.join(PROJECT_FILE);
        if !file.is_file() {
            continue;
        }
        let is_itself = std::fs::canonicalize(&file).ok() == itself;
        return (above.to_owned(), (!is_itself).then_some(file));
    }
    (folder.to_owned(), None)
}
