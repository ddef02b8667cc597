//! Other users of this machine: what a studio, a run, a tape and a ledger leave on the disk is for its owner alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::lab::{Lab, Running};
use crate::proof::project::{Project, STUDIO};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn what_holds_secrets_is_readable_by_its_owner_only() {
    let lab = Lab::new();
    // Late enough that the ledger's write-ahead log is there while it is looked at.
    lab.write(
        "late.yaml",
        "version: 1\nrules: [{when: {title: 'held*'}, do: [{unknown: forever}]}]\n",
    );
    let plan = lab.path("late.yaml");
    let studio = lab.studio(&["--instant", "--misbehave", plan.to_str().unwrap()]);
    let project = Project::new(&lab, &studio.url, "held", 1, STUDIO);
    let command = project.command(&["run", "songs.yaml", "--record", "tape"]);
    let mut run = Running::start(command);
    run.wait_for("accepted", 1);
    let beside = |name: &str| project.path(&format!(".backline/ledger.sqlite3{name}"));
    for path in [beside(""), beside("-wal"), beside("-shm")] {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let studio_data = lab.path("studio");
    assert_eq!(mode(&studio_data), 0o700);
    for name in ["studio.sqlite3", "studio.sqlite3-wal", "studio.sqlite3-shm"] {
        assert_eq!(mode(&studio_data.join(name)), 0o600, "{name}");
    }
    run.signal("INT");
    run.wait_for("Stopping", 1);
    run.signal("INT");
    assert_eq!(run.end().code, Some(5));
    let tape = files(&project.path("tape"));
    assert!(!tape.is_empty(), "{tape:?}");
    for path in tape {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }

    let project = Project::new(&lab, &studio.url, "reported", 1, STUDIO);
    project.edit(
        "output: {dir: out}",
        "output: {dir: out}\nreports: [jsonl, csv]",
    );
    assert_eq!(project.run().code, Some(0));
    assert_eq!(mode(&project.path("out/events.jsonl")), 0o600);
    // What is no secret is shared as any other file.
    assert_eq!(mode(&project.path("out/summary.csv")), 0o644);
}
