//! Detects reports of another manifest in a manifest's output directory. Two manifests with one `name` in one folder have one
//! output directory, and each run replaces the reports of the other manifest.

use std::io::Read;
use std::path::{Path, PathBuf};

use backline_engine::folder::read_file;
use backline_engine::plan::ReportKind;
use backline_reporter::report_file_name;
use serde::Deserialize;

use crate::console::Console;
use crate::project::seen_from_here;

/// The length of a report's beginning that contains the facts of its run.
const HEAD_BYTES: u64 = 64 * 1024;

/// The part of a report that describes its run.
#[derive(Deserialize)]
struct RunOfReport {
    /// The manifest's path, relative to the project's folder if it is inside.
    manifest: String,
}

/// Warns if the reports in `dir` belong to another manifest that still exists.
pub(crate) fn warn_of_other_reports(
    dir: &Path,
    project_dir: &Path,
    manifest: &Path,
    console: &Console,
) {
    let Some(other) = manifest_in(dir) else {
        return;
    };
    let other = project_dir.join(other);
    if is_same(&other, manifest) != Some(false) {
        return;
    }
    console.note_always(&format!(
        "warning: {} has the reports of {}, and those of {} replace them: give one of the manifests another `name`, or its own \
         `output: {{dir: …}}`\n",
        dir.display(),
        seen_from_here(&other).display(),
        seen_from_here(manifest).display()
    ));
}

/// The manifest that the JSON report in a folder names; none without such a report.
fn manifest_in(dir: &Path) -> Option<PathBuf> {
    let report = read_file(&dir.join(report_file_name(ReportKind::Json))).ok()?;
    let mut head = Vec::new();
    report.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    let head = String::from_utf8_lossy(&head);
    let (_, run) = head.split_once("\"run\":")?;
    let mut values = serde_json::Deserializer::from_str(run).into_iter::<RunOfReport>();
    Some(values.next()?.ok()?.manifest.into())
}

/// Whether two paths lead to the same file; none if one of them does not exist.
fn is_same(one: &Path, other: &Path) -> Option<bool> {
    Some(one.canonicalize().ok()? == other.canonicalize().ok()?)
}
