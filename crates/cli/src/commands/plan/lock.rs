//! The lock file beside a manifest: the plan that was last approved.

use std::path::PathBuf;

use backline_engine::manifest::lock::{Lock, LockDiff, compare, default_path, read_default};
use backline_reporter::diff_lines;
use serde_json::{Value, json};

use crate::args::ManifestArgs;
use crate::failure::{Failure, Kind};
use crate::project::Project;

/// The most differences that are printed if the user did not request them.
const MAX_TOLD: usize = 20;

/// The path of the manifest's lock file.
pub(crate) fn path(project: &Project) -> PathBuf {
    default_path(&project.plan.manifest)
}

/// Fails for a manifest from standard input, because it has no place for a lock file.
pub(crate) fn require_file(args: &ManifestArgs) -> Result<(), Failure> {
    if args.is_standard_input() {
        let message = "a manifest from standard input has no lock file";
        return Err(Failure::msg(Kind::Usage, message).hint("write the manifest to a file"));
    }
    Ok(())
}

/// The differences between the plan and the lock file.
pub(crate) fn diff(project: &Project) -> Result<LockDiff, Failure> {
    Ok(compare(
        &read_default(&project.plan.manifest)?,
        &Lock::of(&project.plan),
    ))
}

/// Fails if the plan differs from the lock file.
pub(crate) fn require(project: &Project) -> Result<(), Failure> {
    let diff = diff(project)?;
    if diff.is_empty() {
        return Ok(());
    }
    let message = format!("the plan of {} differs from its lock file", project.shown);
    let hint = format!(
        "if that is intended, write the lock file again with `backline plan {} --lock`",
        project.shown
    );
    let failure = Failure::msg(Kind::LockDiffers, message);
    Err(failure.details(text(&diff, MAX_TOLD)).hint(hint))
}

/// The differences as text, at most `most` of them.
pub(crate) fn text(diff: &LockDiff, most: usize) -> String {
    match diff_lines(diff, most) {
        none if none.is_empty() => "no differences\n".to_owned(),
        lines => lines,
    }
}

/// The differences as JSON.
pub(crate) fn document(diff: &LockDiff) -> Value {
    json!({ "version": 1, "same": diff.is_empty(), "added": diff.added, "dropped": diff.dropped, "changed": diff.changed })
}
