//! A ledger where nothing can be written (another user's, a mounted backup, an image) is read by every command that only reads, with
//! and without its log beside it.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::fault::once;
use super::namespace::inside;
use super::project::{Project, STUDIO};
use crate::lab::{Lab, finish};

#[test]
fn a_read_only_ledger_is_read() {
    inside("proof::read_only::a_read_only_ledger_is_read", || {
        let lab = Lab::new();
        let studio = lab.studio(&["--instant", "--rate", "off"]);
        let project = Project::new(&lab, &studio.url, "sealed", 2, STUDIO);
        assert_eq!(project.run().code, Some(0));
        let ledger = project.path(".backline");
        let log = ledger.join("ledger.sqlite3-wal");
        let index = ledger.join("ledger.sqlite3-shm");
        assert!(!log.exists() && !index.exists());
        read_everything(&lab, &project, "without a log");

        // A run that is killed leaves its log.
        fs::remove_file(project.path("out/voice/p1-1.mp3")).unwrap();
        let killed = project.run_with(once("link", "out/voice", "kill_before"));
        assert_eq!(killed.map(|ran| ran.code), Some(None));
        assert!(log.metadata().unwrap().len() > 0);
        read_everything(&lab, &project, "with a log");
        fs::remove_file(&index).unwrap();
        read_everything(&lab, &project, "with a log without its index");
        assert_eq!(project.run().code, Some(0));
        project.assert_bought_once_and_kept("sealed");
    });
}

/// Seals the project, reads its ledger in every way, and unseals it.
fn read_everything(lab: &Lab, project: &Project<'_>, about: &str) {
    let folder = project.path("");
    seal(&folder);
    let reports = lab.path("reports");
    let run = {
        let status = project.status();
        status["run"]["id"].as_str().unwrap().to_owned()
    };
    let commands: [&[&str]; 6] = [
        &["plan", "songs.yaml"],
        &["status", "songs.yaml"],
        &["status", "--runs"],
        &["report", "songs.yaml", "--dir", reports.to_str().unwrap()],
        &["diff", &run, "songs.yaml"],
        &["gc", "songs.yaml"],
    ];
    for args in commands {
        let ran = finish(project.command(args));
        assert_eq!(ran.code, Some(0), "{about}: {args:?}: {}", ran.err);
    }
    let refused = project.run();
    assert_eq!(refused.code, Some(7), "{about}: {}", refused.err);
    unseal(&folder);
}

fn seal(folder: &Path) {
    mount(&["--bind", folder.to_str().unwrap(), folder.to_str().unwrap()]);
    mount(&["-o", "remount,bind,ro", folder.to_str().unwrap()]);
    assert!(fs::write(folder.join("x"), "x").is_err());
}

fn unseal(folder: &Path) {
    let done = Command::new("umount").arg(folder).status().unwrap();
    assert!(done.success());
}

fn mount(args: &[&str]) {
    let done = Command::new("mount").args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
}
