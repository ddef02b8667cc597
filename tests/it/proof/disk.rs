//! A disk that fills up or breaks: the N-th write, fsync, link or creation of ledger, track and report fails, for each N.
//!
//! The run says so with the documented exit code and names what it could not write; nothing that is claimed to be kept is half a
//! file; and once the disk is well again, the same command buys what is missing and nothing twice.

use super::fault::{Fault, once};
use super::project::{MUTE_VENDOR, Project, STUDIO, Terms};
use super::sweep::{stride, sweep};
use crate::lab::{Lab, Ran, finish};

const JOBS: usize = 2;

/// The SQLite files and the lock beside them.
const LEDGER: &[Fault] = &[
    once("write", "ledger.sqlite3", "enospc").lasting(),
    once("write", "ledger.sqlite3", "eio"),
    once("write", "ledger.sqlite3", "short"),
    once("fsync", "ledger.sqlite3", "eio"),
    once("fsync", "ledger.sqlite3", "enospc").lasting(),
    once("create", "ledger.sqlite3", "enospc"),
];

const TRACKS: &[Fault] = &[
    once("create", ".part", "enospc").lasting(),
    once("create", ".part", "eio"),
    once("write", ".part", "enospc").lasting(),
    once("write", ".part", "eio"),
    once("fsync", ".part", "enospc").lasting(),
    once("fsync", ".part", "eio"),
    once("unlink", ".part", "eio"),
    once("fsync", "out/voice", "eio"),
];

const REPORTS: &[Fault] = &[
    once("create", "/.summary-", "enospc").lasting(),
    once("create", "/.summary-", "eio"),
    once("write", "/.summary-", "enospc").lasting(),
    once("write", "/.summary-", "eio"),
    once("fsync", "/.summary-", "eio"),
];

/// Strikes `faults` everywhere. `told` looks at what a struck run said.
fn check(faults: &[Fault], step: u32, terms: Terms, least: u32, told: impl Fn(&str, &Ran) + Sync) {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let url = studio.url.clone();
    let points = sweep(faults, step, 4, |name, fault| {
        let project = Project::new(&lab, &url, name, JOBS, terms);
        let struck = project.run_with(fault);
        if let Some(ran) = &struck {
            told(name, ran);
            if project.path(".backline/ledger.sqlite3").exists()
                && project
                    .command(&["status", "songs.yaml"])
                    .output()
                    .is_ok_and(|it| it.status.success())
            {
                project.assert_nothing_lost(name);
            }
        }
        let mut ran = project.run();
        if terms == MUTE_VENDOR && ran.code == Some(8) {
            // Every purchase that the ledger could not be told was told to the user, as the command that tells it.
            let said = &struck.as_ref().unwrap().err;
            for entry in project.unknown_to_the_ledger() {
                let mut offered = said
                    .lines()
                    .filter_map(|line| line.split_once("backline resolve "));
                let command = offered.find(|(_, rest)| rest.ends_with(&format!("--task {entry}")));
                let (_, rest) = command.unwrap_or_else(|| panic!("{name}: {entry} in {said}"));
                // Followed literally.
                let args: Vec<&str> = ["resolve"].into_iter().chain(rest.split(' ')).collect();
                let resolved = finish(project.command(&args));
                assert_eq!(resolved.code, Some(0), "{name}: {}", resolved.err);
            }
            project.resolve_doubts();
            ran = project.run();
        }
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        project.assert_bought_once_and_kept(name);
        struck.is_some()
    });
    assert!(points >= least, "only {points} points were struck");
    println!("{points} faults of the disk under {terms:?}");
}

/// SQLite may do without a write that failed: then the run goes on.
fn ledger_told(name: &str, ran: &Ran) {
    if ran.code == Some(0) {
        return;
    }
    assert_eq!(ran.code, Some(7), "{name}: {}", ran.err);
    assert!(
        ran.err.contains("cannot use the ledger"),
        "{name}: {}",
        ran.err
    );
    assert!(ran.err.contains("hint: "), "{name}: {}", ran.err);
}

#[test]
fn a_ledger_that_cannot_be_written_stops_the_run_and_loses_nothing() {
    check(LEDGER, stride(), STUDIO, 30, ledger_told);
}

#[test]
fn a_purchase_that_the_ledger_cannot_hold_is_told_to_the_user() {
    check(&LEDGER[..5], stride(), MUTE_VENDOR, 30, ledger_told);
}

#[test]
fn a_track_that_cannot_be_written_is_fetched_by_the_next_run() {
    check(TRACKS, 1, STUDIO, 20, |name, ran| {
        assert_eq!(ran.code, Some(4), "{name}: {}", ran.err);
        assert!(ran.err.contains("could not"), "{name}: {}", ran.err);
        assert!(ran.err.contains("os error"), "{name}: {}", ran.err);
    });
}

/// Each of the tracks would be paid for and could not be kept.
#[test]
fn a_full_disk_stops_the_buying() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let jobs = 12;
    let project = Project::new(&lab, &studio.url, "full", jobs, STUDIO);
    project.edit("limits: {concurrency: 16}", "limits: {concurrency: 1}");
    let full = once("create", ".part", "enospc").lasting();
    let ran = project.run_with(full).unwrap();
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    let bought = project.bill().len();
    assert!((1..jobs).contains(&bought), "{bought} of {jobs} are bought");
    // One cause, once as it happens and once in the end, without the names of files that nobody knows.
    let says = "No space left on device";
    assert_eq!(ran.err.matches(says).count(), 2, "{}", ran.err);
    assert!(!ran.err.contains(".part"), "{}", ran.err);
    let headline = "Some tracks could not be downloaded; of 12 jobs, ";
    assert!(ran.err.contains(headline), "{}", ran.err);
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("full");
}

/// The built-in studio is not a second one to tell of it.
#[test]
fn a_full_disk_under_the_built_in_studio_is_told_once() {
    let lab = Lab::new();
    lab.recording("vocals/s1.wav", 1);
    lab.write(
            "songs.yaml",
        "version: 1\nname: songs\nprovider: {profile: studio}\nstems: [vocals/s1.wav]\npresets: {p1: {tags: piano}}\nretries: {task_failed: 0}\n",
    );
    let mut command = lab.backline(&["run", "songs.yaml"]);
    // The upload finds room, and the tracks do not.
    let full = once("fsync", "/studio/tmp/", "enospc").nth(2).lasting();
    full.arm(&mut command, &lab.path("struck"));
    let ran = finish(command);
    assert!(lab.path("struck").exists());
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    let says = "531: the track could not be stored: no storage space";
    assert!(ran.err.contains(says), "{}", ran.err);
    assert!(!ran.err.contains("ERROR"), "{}", ran.err);
    lab.expect(0, &["run", "songs.yaml"]);
}

#[test]
fn a_report_that_cannot_be_written_is_said_and_costs_nothing() {
    check(REPORTS, 1, STUDIO, 6, |name, ran| {
        assert_eq!(ran.code, Some(7), "{name}: {}", ran.err);
        assert!(ran.err.contains("report"), "{name}: {}", ran.err);
    });
}
