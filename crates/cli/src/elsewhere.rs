//! Kept tracks outside the manifest's output directory. Another manifest has the same jobs, or the files could not be moved.

use std::collections::BTreeMap;
use std::path::Path;

use backline_engine::kept_files::place_of;
use backline_engine::summary::Summary;

use crate::project::{Project, standpoint};

/// The most directories that are named.
const MAX_NAMED: usize = 3;

/// The note about the files of a summary that are outside the output directory; none if there are none.
pub(crate) fn note_on_files(summary: &Summary, project: &Project) -> Option<String> {
    let (plan, standpoint) = (&project.plan, standpoint(&project.plan.project_dir));
    let output = plan.output.place();
    let mut outside: BTreeMap<String, usize> = BTreeMap::new();
    for job in summary.jobs.iter().filter(|job| job.in_manifest) {
        let files = job
            .tracks
            .iter()
            .flat_map(|track| [&track.file, &track.mix]);
        for file in files.flatten() {
            let path = place_of(&plan.project_dir, &file.path);
            if path.starts_with(output) {
                continue;
            }
            let dir = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            let dir = standpoint.name(&dir.to_string_lossy());
            *outside.entry(dir).or_default() += 1;
        }
    }
    let files: usize = outside.values().sum();
    if files == 0 {
        return None;
    }
    let named: Vec<String> = outside
        .iter()
        .take(MAX_NAMED)
        .map(|(dir, files)| format!("{dir} ({files})"))
        .collect();
    let more = match outside.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (files, are) = match files {
        1 => ("1 kept file".to_owned(), "is"),
        files => (format!("{files} kept files"), "are"),
    };
    Some(format!(
        "note: {files} of this album {are} not in {}, but in {}{more}: another manifest has the same jobs, or they could not be moved\n",
        standpoint.name(&output.to_string_lossy()),
        named.join(", "),
    ))
}
