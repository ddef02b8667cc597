//! `$GITHUB_STEP_SUMMARY`: where it is set, what a run came to is shown on the page of the CI job.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use backline_engine::plan::ReportKind;
use backline_reporter::{ReportInput, render};

use crate::console::Console;

/// The file that GitHub Actions shows; steps append to it.
const VARIABLE: &str = "GITHUB_STEP_SUMMARY";

/// Appends the Markdown report. That it can't be shown there fails no run: it is a warning.
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
    // An empty line separates what comes after it.
    report.push(b'\n');
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    // In one piece, so that two steps do not write into each other.
    file.write_all(&report)
}
