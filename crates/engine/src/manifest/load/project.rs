//! The project that a manifest belongs to: the nearest folder upwards with a `backline.yaml`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::folder::is_own;
use crate::manifest::layer::open::{self, LEDGER};
use crate::manifest::source::diagnostic::Diagnostics;
use crate::manifest::source::fields::Fields;
use crate::manifest::source::files::{ReadProblem, Sources, read_text};
use crate::manifest::source::report::Report;

/// The file that marks a project's root.
const PROJECT_FILE: &str = "backline.yaml";

/// Finds the nearest folder upwards with a project file, and that file unless it is the manifest itself.
///
/// # Errors
/// The project file above the manifest's folder, if it belongs to neither this user nor the owner of that folder: it would name the
/// provider that the key is sent to.
pub(crate) fn find_project(
    path: &Path,
    folder: &Path,
) -> Result<(PathBuf, Option<PathBuf>), PathBuf> {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let itself = std::fs::canonicalize(path).ok();
    for above in absolute.ancestors() {
        let file = above.join(PROJECT_FILE);
        if !file.is_file() {
            continue;
        }
        if above != absolute && !is_own(&file, &absolute) {
            return Err(file);
        }
        let is_itself = std::fs::canonicalize(&file).ok() == itself;
        return Ok((above.to_owned(), (!is_itself).then_some(file)));
    }
    Ok((folder.to_owned(), None))
}

/// The ledger that the project file above a folder names, and the project's folder; none if there is no such file or it names none.
///
/// For commands without a manifest: [`load`](super::load) reads the other keys.
///
/// # Errors
/// When the file can't be read, is not YAML, belongs to another user, or when its `ledger` is not a text.
pub fn project_ledger(folder: &Path) -> Result<Option<(PathBuf, String)>, Diagnostics> {
    let mut report = Report::new(Sources::new(None));
    let named = match find_project(Path::new(""), folder) {
        Ok((dir, file)) => file.and_then(|file| {
            let node = open::open(&file, None, &mut report)?;
            let fields = Fields::open(&node, "the project file", &mut report)?;
            Some((dir, fields.text(LEDGER, &mut report)?.text))
        }),
        Err(file) => {
            refuse_foreign(&file, &mut report);
            None
        }
    };
    report.finish()?;
    Ok(named)
}

/// Reports a project file that belongs to another user.
pub(crate) fn refuse_foreign(file: &Path, report: &mut Report) {
    report
        .error(format!("the project file {} belongs to another user", file.display()))
        .help("move the manifest out of that folder, or take the file over: it may name where your key is sent");
}

/// Reads a text that belongs to a manifest and lies beside it under a fixed name, as its `.env` and its lock: like the files that a
/// manifest names, it lies in the project, links followed.
///
/// # Errors
/// When it is missing, no regular file, longer than `max_bytes`, no text, or outside of the project, unless that is allowed.
pub fn read_beside(
    manifest: &Path,
    file: &Path,
    max_bytes: u64,
    allow_outside: bool,
) -> Result<Arc<str>, ReadProblem> {
    let mut sources = Sources::new(None);
    if !allow_outside {
        let folder = manifest.parent().unwrap_or(Path::new(""));
        let (project, _) = find_project(manifest, folder).unwrap_or((folder.to_owned(), None));
        sources.confine_to(&project);
    }
    // It is no part of the manifest's texts, which have a limit together.
    read_text(&sources.inside(file)?, max_bytes)
}
