//! `backline ledger`: ledgers are checked, copied and merged by the real program.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, StudioProcess};
#[cfg(feature = "postgres")]
use crate::server::Server;

/// Runs a command with a ledger.
fn with(lab: &Lab, ledger: &str, code: i32, args: &[&str]) -> String {
    let all = [args, &["--ledger", ledger]].concat();
    lab.expect(code, &all).out
}

fn json(lab: &Lab, ledger: &str, args: &[&str]) -> Value {
    lab.json(&[args, &["--ledger", ledger]].concat())
}

/// The projects `a` and `b` with the same manifest, as on two machines. Each has a ledger of its own.
fn two_machines(lab: &Lab, studio: &StudioProcess) -> [String; 2] {
    ["a", "b"].map(|folder| {
        let manifest = format!("{folder}/songs.yaml");
        // The page's measurements of tracks are not in the ledger.
        let rest = "reports: [json, csv, jsonl, markdown]\n";
        lab.manifest(&manifest, &studio.url, 2, 2, rest);
        format!("{folder}/ledger.sqlite3")
    })
}

/// The reports that a ledger gives.
fn reports(lab: &Lab, ledger: &str, manifest: &str) -> Vec<(String, String)> {
    let folder = lab.path("reports");
    let _ = fs::remove_dir_all(&folder);
    with(lab, ledger, 0, &["report", manifest, "--dir", "reports"]);
    let mut files: Vec<(String, String)> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            // The ledger's own name is in some of them.
            let text = fs::read_to_string(entry.path()).unwrap();
            let text = text.replace(lab.path(ledger).to_str().unwrap(), "[LEDGER]");
            (name, text.replace(ledger, "[LEDGER]"))
        })
        .collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    files
}

fn status(lab: &Lab, ledger: &str, manifest: &str) -> Value {
    let mut status = json(lab, ledger, &["status", manifest]);
    status.as_object_mut().unwrap().remove("ledger");
    status
}

fn extent(lab: &Lab, ledger: &str) -> (bool, [u64; 3]) {
    let checked = json(lab, ledger, &["ledger", "check"]);
    let count = |name: &str| checked[name].as_u64().unwrap();
    (
        checked["intact"] == true,
        [count("runs"), count("jobs"), count("events")],
    )
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else if !to.exists() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn the_ledgers_of_two_machines_are_merged_and_nothing_is_bought_again() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let [a, b] = two_machines(&lab, &studio);
    let select = |preset: &'static str| ["--filter", preset];
    for (folder, ledger, preset) in [("a", &a, "preset=p1"), ("b", &b, "preset=p2")] {
        let manifest = format!("{folder}/songs.yaml");
        let run = [&["run", manifest.as_str()], &select(preset)[..]].concat();
        with(&lab, ledger, 0, &run);
    }
    assert_eq!(studio.bill().len(), 4);
    let text = with(&lab, &a, 0, &["ledger", "import", &b]);
    assert!(
        text.starts_with("added to a/ledger.sqlite3: 1 run, 2 jobs, "),
        "{text}"
    );
    assert!(text.ends_with(" events of b/ledger.sqlite3\n"), "{text}");
    let (is_intact, [runs, jobs, events]) = extent(&lab, &a);
    assert!(is_intact && (runs, jobs) == (2, 4), "{runs} {jobs}");
    let again = with(&lab, &a, 0, &["ledger", "import", &b]);
    assert_eq!(
        again,
        "nothing to add: a/ledger.sqlite3 has everything of b/ledger.sqlite3\n"
    );
    assert_eq!(extent(&lab, &a), (true, [2, 4, events]));
    // With the tracks of both machines the album is complete.
    copy_folder(&lab.path("b/out"), &lab.path("a/out"));
    with(&lab, &a, 0, &["run", "a/songs.yaml"]);
    assert_eq!(studio.bill().len(), 4);
    let summary = status(&lab, &a, "a/songs.yaml");
    assert_eq!(summary["totals"]["kept"], 4, "{summary:#}");
    // The directory of the second machine accepts the merged ledger, too.
    with(&lab, &a, 0, &["run", "b/songs.yaml"]);
    assert_eq!(studio.bill().len(), 4);
}

#[test]
fn what_two_machines_bought_of_one_job_is_refused_and_nothing_is_written() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let [a, b] = two_machines(&lab, &studio);
    with(
        &lab,
        &a,
        0,
        &["run", "a/songs.yaml", "--filter", "preset=p1"],
    );
    with(&lab, &b, 0, &["run", "b/songs.yaml"]);
    assert_eq!(studio.bill().len(), 6);
    let before = (extent(&lab, &a), reports(&lab, &a, "a/songs.yaml"));
    let import = ["ledger", "import", &b, "--ledger", &a];
    let refused = lab.fails(7, &import, "nothing was written").err;
    assert!(
        refused.starts_with(
            "error: cannot use the ledger: cannot add b/ledger.sqlite3 to a/ledger.sqlite3: 2 jobs have two histories"
        ),
        "{refused}"
    );
    let named = refused
        .lines()
        .filter(|line| line.starts_with("  job ") && line.contains(" in a/ledger.sqlite3, task "));
    assert_eq!(named.count(), 2, "{refused}");
    assert!(refused.contains("\nhint: "), "{refused}");
    assert_eq!(
        (extent(&lab, &a), reports(&lab, &a, "a/songs.yaml")),
        before
    );
}

#[test]
fn a_copy_of_a_ledger_gives_the_same_reports() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let [a, _] = two_machines(&lab, &studio);
    with(
        &lab,
        &a,
        0,
        &["run", "a/songs.yaml", "--filter", "preset=p1"],
    );
    with(&lab, &a, 0, &["run", "a/songs.yaml"]);
    // Places of removed events stay empty.
    with(&lab, &a, 0, &["gc", "--older-than", "1ms", "--yes"]);
    let expected = (
        status(&lab, &a, "a/songs.yaml"),
        reports(&lab, &a, "a/songs.yaml"),
    );
    let text = with(&lab, &a, 0, &["ledger", "export", "copy.sqlite3"]);
    assert!(
        text.starts_with("exported to copy.sqlite3: 1 run, 4 jobs, "),
        "{text}"
    );
    let same = |ledger: &str| {
        let found = (
            status(&lab, ledger, "a/songs.yaml"),
            reports(&lab, ledger, "a/songs.yaml"),
        );
        assert!(found.0 == expected.0, "{:#}\n{:#}", found.0, expected.0);
        assert_eq!(found.1, expected.1, "{ledger}");
        assert!(extent(&lab, ledger).0);
    };
    same("copy.sqlite3");
    let into = ["ledger", "export", "copy.sqlite3", "--ledger", &a];
    lab.fails(2, &into, "copy.sqlite3 is a ledger that is not empty");
    lab.fails(
        2,
        &["ledger", "import", &a, "--ledger", &a],
        "is the ledger itself",
    );
    lab.fails(
        2,
        &["ledger", "import", "none.sqlite3", "--ledger", &a],
        "there is no ledger",
    );
    lab.fails(
        2,
        &["ledger", "export", "copy2.sqlite3", "--ledger", "none"],
        "there is no ledger",
    );
    assert!(!lab.path("none.sqlite3").exists() && !lab.path("copy2.sqlite3").exists());
    // A process that uses one of the ledgers excludes both commands.
    let lock = fs::File::open(lab.path(&format!("{a}.lock"))).unwrap();
    lock.lock().unwrap();
    for args in [
        ["export", "copy3.sqlite3", &a],
        ["import", &a, "copy.sqlite3"],
    ] {
        let all = ["ledger", args[0], args[1], "--ledger", args[2]];
        lab.fails(
            7,
            &all,
            "a/ledger.sqlite3 is in use by another backline process",
        );
    }
    let into = ["ledger", "import", "copy.sqlite3", "--ledger", &a];
    lab.fails(
        7,
        &into,
        "a/ledger.sqlite3 is in use by another backline process",
    );
    lock.unlock().unwrap();
    #[cfg(feature = "postgres")]
    {
        let Some(server) = Server::start() else {
            return;
        };
        let address = server.database();
        with(&lab, &address, 0, &["ledger", "import", &a]);
        same(&address);
        with(&lab, &address, 0, &["ledger", "export", "back.sqlite3"]);
        same("back.sqlite3");
        // The output directory accepts the moved ledger.
        with(&lab, &address, 0, &["run", "a/songs.yaml"]);
        assert_eq!(studio.bill().len(), 4);
        let gone = json(&lab, &address, &["gc", "--older-than", "1ms", "--yes"]);
        assert_eq!(gone["runs"].as_array().unwrap().len(), 1, "{gone:#}");
        with(&lab, &address, 0, &["run", "a/songs.yaml"]);
        assert_eq!(studio.bill().len(), 4);
    }
}

#[test]
fn a_damaged_ledger_is_reported_and_not_copied() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let [a, b] = two_machines(&lab, &studio);
    with(&lab, &a, 0, &["run", "a/songs.yaml"]);
    let intact = with(&lab, &a, 0, &["ledger", "check"]);
    assert!(
        intact.starts_with("a/ledger.sqlite3 is intact: format 6, 1 run, 4 jobs, "),
        "{intact}"
    );
    // The stored states of jobs, and no events, say how often they were submitted.
    let mut bytes = fs::read(lab.path(&a)).unwrap();
    let attempts = b"\"attempts\":1";
    for at in 0..bytes.len() - attempts.len() {
        if bytes[at..].starts_with(attempts) {
            bytes[at + attempts.len() - 1] = b'2';
        }
    }
    fs::write(lab.path(&a), bytes).unwrap();
    let ran = lab.expect(7, &["ledger", "check", "--ledger", &a]);
    let is_finding =
        |line: &str| line.starts_with("job ") && line.contains("the stored state differs");
    assert!(ran.out.lines().all(is_finding), "{}", ran.out);
    assert_eq!(ran.out.lines().count(), 4, "{}", ran.out);
    for args in [
        ["import", &a, "--ledger", &b],
        ["export", &b, "--ledger", &a],
    ] {
        let all = [&["ledger"], &args[..]].concat();
        let failed = lab.fails(7, &all, "the ledger a/ledger.sqlite3 is damaged");
        assert!(
            failed.err.contains("the stored state differs"),
            "{}",
            failed.err
        );
        assert!(!lab.path(&b).exists());
    }
    lab.fails(7, &["doctor", "--ledger", &a], "");
}
