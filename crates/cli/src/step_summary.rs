//! Adds a run's result to the page of a GitHub Actions job, if `$GITHUB_STEP_SUMMARY` is set.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use backline_engine::plan::ReportKind;
use backline_reporter::{ReportInput, render};

use crate::console::Console;

/// The variable with the path of the file that GitHub Actions shows. Each step appends to the file.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Appends the Markdown report. A failure is only a warning and does not fail the run.
pub(crate) fn append(material: &ReportInput<'_>, console: &Console) {
    let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = write(material, &path) {
        let path = Path::new(&path).display();
        console.note_always(&format!(
            "warning: cannot write ${VARIABLE} ({path}): {error}\n"
        ));
    }
}

fn write(material: &ReportInput<'_>, path: &OsString) -> std::io::Result<()> {
    let mut report = render(material, ReportKind::Markdown, Path::new(""))?;
    // An empty line separates this report from the next one.
    report.push(b'\n');
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    // One write, so that the reports of two steps are not mixed.
    file.write_all(&report)
}
