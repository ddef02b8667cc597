//! Writes reports to disk. Each is written beside its place, synced, and renamed over the old report, so a reader sees the old
//! or the new report and never a partial one.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use backline_engine::folder::Folder;
use backline_engine::plan::ReportKind;
use backline_engine::scratch::sweep;

use crate::material::{ReportError, ReportInput};
use crate::replace::{Readers, TEMPORARY, replace_with};
use crate::sound::Progress;
use crate::{events_jsonl, html, junit, markdown, summary_csv, summary_json};

/// Writes a report of each kind into `dir`, which is created if it is missing. Returns a result for each of `kinds`, in their
/// order. If one fails, the others are still written.
///
/// `progress` receives the number of measured sound files and the number of all sound files for the page, from any thread.
///
/// Removes temporary files that a killed program left in `dir`. An existing report is replaced; if writing the new one fails,
/// the old one stays unchanged. On Unix a report gets the permissions of any new file (0666 less the umask).
pub fn write_reports(
    material: &ReportInput<'_>,
    kinds: &[ReportKind],
    dir: &Path,
    progress: &Progress<'_>,
) -> Vec<Result<PathBuf, ReportError>> {
    for dir in [Some(dir), material.sound_cache].into_iter().flatten() {
        // A missing folder has no such files. If the folder can't be opened, the first report returns the error.
        if let Ok(folder) = Folder::open(dir) {
            sweep(&folder, TEMPORARY);
        }
    }
    let written = |kind: &ReportKind| {
        let path = dir.join(file_name(*kind));
        let lay_out = |out: &mut dyn Write| lay_out(material, *kind, dir, progress, out);
        match replace_with(&path, readers(*kind), lay_out) {
            Ok(()) => Ok(path),
            Err((operation, source)) => Err(ReportError {
                operation,
                path,
                source,
            }),
        }
    };
    // The page comes first, because the tables use the loudness that is measured for it.
    let is_page = |kind: &ReportKind| *kind == ReportKind::Html;
    let mut page = kinds.iter().find(|kind| is_page(kind)).map(written);
    let next = |kind: &ReportKind| match is_page(kind) {
        true => page.take().unwrap_or_else(|| written(kind)),
        false => written(kind),
    };
    kinds.iter().map(next).collect()
}

/// The file name of a report.
pub fn file_name(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Csv => "summary.csv",
        ReportKind::Json => "summary.json",
        ReportKind::Html => "index.html",
        ReportKind::Junit => "junit.xml",
        ReportKind::Markdown => "summary.md",
        ReportKind::Jsonl => "events.jsonl",
    }
}

/// The bytes of a report that lies in `dir`: the same bytes for the same input.
///
/// # Errors
/// Only because of a bug: every summary can be rendered.
pub fn render(material: &ReportInput<'_>, kind: ReportKind, dir: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    lay_out(material, kind, dir, &|_, _| {}, &mut bytes)?;
    Ok(bytes)
}

fn lay_out(
    material: &ReportInput<'_>,
    kind: ReportKind,
    dir: &Path,
    progress: &Progress<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match kind {
        ReportKind::Csv => summary_csv::write(material.summary, material.sound_cache, out),
        ReportKind::Json => summary_json::write(material.summary, material.sound_cache, out),
        ReportKind::Html => out.write_all(&html::render(material, dir, progress)?),
        ReportKind::Junit => out.write_all(&junit::render(material)),
        ReportKind::Markdown => out.write_all(&markdown::render(material.summary)),
        ReportKind::Jsonl => events_jsonl::write(material, out),
    }
}

/// Events contain data that other reports leave out, such as the addresses of paid files.
fn readers(kind: ReportKind) -> Readers {
    match kind {
        ReportKind::Jsonl => Readers::Owner,
        ReportKind::Csv
        | ReportKind::Json
        | ReportKind::Html
        | ReportKind::Junit
        | ReportKind::Markdown => Readers::All,
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;

    use super::*;
    use crate::example;

    const BOTH: [ReportKind; 2] = [ReportKind::Csv, ReportKind::Json];

    fn write(kinds: &[ReportKind], dir: &Path) -> Vec<Result<PathBuf, ReportError>> {
        let story = example::ExampleRun::new();
        story.material(|material| write_reports(material, kinds, dir, &|_, _| {}))
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn reports_stand_in_a_new_folder_and_nothing_else_does() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("new/folder");
        let written: Vec<PathBuf> = write(&BOTH, &dir).into_iter().map(Result::unwrap).collect();
        assert_eq!(written, [dir.join("summary.csv"), dir.join("summary.json")]);
        assert_eq!(names(&dir), ["summary.csv", "summary.json"]);
    }

    #[test]
    fn the_same_summary_gives_the_same_bytes_and_replaces_what_was_there() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(
            scratch.path().join("summary.csv"),
            "old and much longer than nothing",
        )
        .unwrap();
        let mut bytes = Vec::new();
        for _ in 0..2 {
            for written in write(&BOTH, scratch.path()) {
                bytes.push(fs::read(written.unwrap()).unwrap());
            }
        }
        assert_eq!(bytes[..2], bytes[2..]);
        assert!(!bytes[0].starts_with(b"old"));
    }

    #[test]
    fn a_report_that_fails_stops_no_other_and_leaves_nothing_behind() {
        let scratch = tempfile::tempdir().unwrap();
        let in_the_way = scratch.path().join("summary.csv");
        fs::create_dir(&in_the_way).unwrap();
        let results = write(&BOTH, scratch.path());
        let error = results[0].as_ref().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("could not put in place the report {}", in_the_way.display())
        );
        assert!(error.source().is_some());
        assert!(results[1].is_ok());
        assert_eq!(names(scratch.path()), ["summary.csv", "summary.json"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("file");
        fs::write(&file, "").unwrap();
        for (result, name) in write(&BOTH, &file.join("dir")).iter().zip(["csv", "json"]) {
            let error = result.as_ref().unwrap_err();
            assert!(
                matches!(
                    error,
                    ReportError {
                        operation: "create the folder of",
                        ..
                    }
                ),
                "{error:?}"
            );
            assert!(
                error.to_string().ends_with(&format!("dir/summary.{name}")),
                "{error}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_report_has_the_permissions_of_a_new_file() {
        use std::os::unix::fs::PermissionsExt;

        let scratch = tempfile::tempdir().unwrap();
        let like = scratch.path().join("like");
        fs::write(&like, "").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        for written in write(&BOTH, scratch.path()) {
            assert_eq!(mode(&written.unwrap()), mode(&like));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_takes_no_files_is_an_error_with_its_source() {
        // Nobody may create a file in it, whatever the user.
        for result in write(&BOTH, Path::new("/proc/self")) {
            let error = result.unwrap_err();
            assert!(
                matches!(
                    error,
                    ReportError {
                        operation: "create",
                        ..
                    }
                ),
                "{error:?}"
            );
            assert!(error.source().is_some());
        }
    }
}
