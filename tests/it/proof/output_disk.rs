//! An output directory on a disk that is too small, or where nothing can be written.

use std::fs;
use std::path::Path;

use super::namespace::inside;
use super::project::{Project, STUDIO};
use crate::lab::{Lab, finish};

#[test]
fn a_disk_that_is_too_small_is_named_with_what_a_run_needs() {
    let test = "proof::output_disk::a_disk_that_is_too_small_is_named_with_what_a_run_needs";
    inside(test, || {
        let lab = Lab::new();
        let studio = lab.studio(&["--instant", "--rate", "off"]);
        let project = Project::new(&lab, &studio.url, "small", 1, STUDIO);
        for (folder, what, hint) in [
            (
                "out",
                "the output directory out",
                "set a directory on another disk with `output: {dir: …}`",
            ),
            (
                ".backline",
                "the ledger's directory .backline",
                "name the ledger there with --ledger",
            ),
        ] {
            let place = project.path(folder);
            fs::create_dir_all(&place).unwrap();
            let place = place.to_str().unwrap();
            mount(&["-t", "tmpfs", "-o", "size=8m", "tmpfs", place]);
            let ran = project.run();
            assert_eq!(ran.code, Some(7), "{}", ran.err);
            let says = format!(
                "too little space for {what}: 8.0 MiB is free, and a run needs at least 16.0 MiB"
            );
            assert!(ran.err.contains(&says), "{}", ran.err);
            assert!(ran.err.contains(hint), "{}", ran.err);
            unmount(Path::new(place));
        }
        assert_eq!(project.run().code, Some(0));
    });
}

#[test]
fn a_run_that_fills_nothing_needs_no_writable_output() {
    let test = "proof::output_disk::a_run_that_fills_nothing_needs_no_writable_output";
    inside(test, || {
        let lab = Lab::new();
        let studio = lab.studio(&["--instant", "--rate", "off"]);
        let project = Project::new(&lab, &studio.url, "kept", 2, STUDIO);
        project.edit("version: 1\n", "version: 1\nreports: []\n");
        assert_eq!(project.run().code, Some(0));
        let out = project.path("out");
        let place = out.to_str().unwrap();
        mount(&["--bind", place, place]);
        mount(&["-o", "remount,bind,ro", place]);
        assert!(fs::write(out.join("x"), "x").is_err());
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(ran.err.contains("All tracks are kept."), "{}", ran.err);
        assert!(!ran.err.contains("error"), "{}", ran.err);

        project.edit("style 2", "style 3");
        let fetched = finish(project.command(&["fetch", "songs.yaml"]));
        assert_eq!(fetched.code, Some(0), "{}", fetched.err);

        // A run that has something to buy does not begin.
        let ran = project.run();
        assert_eq!(ran.code, Some(7), "{}", ran.err);
        assert!(ran.err.contains("can't be written to"), "{}", ran.err);
        assert_eq!(project.bill().len(), 2);
        project.edit("style 3", "style 2");

        // Reports that can't be written are named, and so is their exit code.
        project.edit("reports: []", "reports: [csv, json]");
        let ran = project.run();
        assert_eq!(ran.code, Some(7), "{}", ran.err);
        for report in ["out/summary.csv", "out/summary.json"] {
            let named = ran.err.lines().filter(|line| line.contains(report));
            assert_eq!(named.count(), 1, "{report}: {}", ran.err);
        }
        assert!(ran.err.contains("All tracks are kept."), "{}", ran.err);

        project.edit("style 2", "style 3");
        unmount(&out);
        assert_eq!(project.run().code, Some(0));
        assert_eq!(project.bill().len(), 3);
        // The directory still belongs to this ledger.
        let mut other = project.command(&["run", "songs.yaml", "--ledger", "other"]);
        other.env("LAB_KEY", crate::lab::KEY);
        assert_eq!(finish(other).code, Some(7));
    });
}

fn mount(args: &[&str]) {
    let done = std::process::Command::new("mount").args(args).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{args:?}: {done:?}");
}

fn unmount(folder: &Path) {
    let done = std::process::Command::new("umount").arg(folder).status();
    assert!(done.unwrap().success());
}
