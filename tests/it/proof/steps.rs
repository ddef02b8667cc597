//! The kill matrix of a manifest with steps: a song, and of each of its tracks a WAV, stems and MIDI. The program is killed at each
//! request and response that buys, at commits of the ledger and while files are kept. In the end every operation is on the bill as
//! often as the manifest means it, and every file is there.

use std::collections::BTreeMap;
use std::fs;

use backline_engine::ledger::Ledger;
use backline_engine::store::Store;
use backline_studio::BillEntry;

use super::fault::{Fault, once};
use super::project::{MUTE_VENDOR, Project, STUDIO, Terms, VENDOR, list};
use super::sweep::sweep;
use crate::lab::{Lab, finish};

/// What one song with two tracks means.
const BOUGHT: [(&str, usize); 4] = [
    ("add-instrumental", 1),
    ("midi", 2),
    ("stems", 2),
    ("wav", 2),
];

/// Every request that buys a step, and its response.
const BUYING: &[Fault] = &[
    once("send", "POST /api/v1/wav/generate", "kill_half"),
    once("send", "POST /api/v1/wav/generate", "kill_after"),
    once("send", "POST /api/v1/vocal-removal", "kill_before"),
    once("send", "POST /api/v1/vocal-removal", "kill_after"),
    once("send", "POST /api/v1/midi/generate", "kill_after"),
    once("recv", "taskId", "kill_after"),
];

/// Files of every kind on their way to their names.
const KEEPING: &[Fault] = &[
    once("write", ".part", "kill_half"),
    once("fsync", ".part", "kill_after"),
    once("link", "out/", "kill_after"),
];

fn matrix(faults: &[Fault], step: u32, terms: Terms, least: u32) {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let points = sweep(faults, step, 4, |name, fault| {
        let project = Project::new(&lab, &studio.url, name, 1, terms);
        project.edit(
            "presets:\n",
            "then: [wav, {stems: split_stem}, midi]\npresets:\n",
        );
        let struck = match project.run_with(fault) {
            Some(ran) => {
                assert_eq!(ran.code, None, "{name} was not killed: {}", ran.err);
                true
            }
            None => false,
        };
        let mut ran = project.run();
        if terms != STUDIO && ran.code == Some(8) {
            resolve(&project, name);
            ran = project.run();
        }
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
        check(&project, name);
        struck
    });
    assert!(points >= least, "only {points} points were struck");
    println!("{points} kill points of steps under {terms:?}");
}

/// The user gives each job in doubt the task that its attempt bought, by the bill. A WAV is not among them: its request is repeated,
/// and the refusal of the repeat names the task.
fn resolve(project: &Project<'_>, name: &str) {
    let bill = project.bill();
    let ledger = Ledger::read(&project.path(".backline/ledger.sqlite3")).unwrap();
    let jobs = ledger.jobs().unwrap();
    let status = project.status();
    let doubts = list(&status["jobs"]).iter();
    let doubts = doubts.filter(|job| job["state"] == "in_doubt");
    for job in doubts {
        assert_ne!(job["step"]["operation"], "wav", "{name}: {job}");
        let key = job["key"].as_str().unwrap();
        let tokens: Vec<&str> = jobs[&key.parse().unwrap()]
            .job
            .tokens()
            .map(|(_, token)| token.expose())
            .collect();
        let bought = |entry: &&BillEntry| {
            let token = entry.idempotency_key.as_deref();
            token.is_some_and(|token| tokens.contains(&token))
        };
        let mut args = vec!["resolve", key, "songs.yaml"];
        match bill.iter().find(bought) {
            Some(entry) => args.extend(["--task", &entry.task_id]),
            None => args.push("--never-bought"),
        }
        let ran = finish(project.command(&args));
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
    }
}

/// Each operation is bought as often as the manifest means it, and everything that it makes is kept.
fn check(project: &Project<'_>, name: &str) {
    let mut bought: BTreeMap<String, usize> = BTreeMap::new();
    for entry in project.bill() {
        *bought.entry(entry.operation).or_default() += 1;
    }
    let expected = BOUGHT.map(|(operation, number)| (operation.to_owned(), number));
    assert_eq!(bought, expected.into(), "{name}");
    let ledger = Ledger::read(&project.path(".backline/ledger.sqlite3")).unwrap();
    assert_eq!(ledger.check().unwrap(), vec![], "{name}: replay differs");
    assert_eq!(
        project.unknown_to_the_ledger(),
        Vec::<String>::new(),
        "{name}"
    );
    let kept = project.kept_files();
    for path in &kept {
        let bytes = fs::read(project.path(path)).unwrap();
        match path.ends_with(".mid") {
            true => drop(backline_audio::midi_length_s(&bytes).unwrap()),
            false => drop(backline_audio::decode(&bytes).unwrap()),
        }
    }
    let count = |end: &str| kept.iter().filter(|path| path.ends_with(end)).count();
    assert_eq!(
        (count("-wav.wav"), count("-midi.mid")),
        (2, 2),
        "{name}: {kept:?}"
    );
    assert!(
        count("-vocal.mp3") + count("-vocal.wav") + count("-vocal.flac") == 2,
        "{name}: {kept:?}"
    );
    assert_eq!(project.left_behind(), Vec::<String>::new(), "{name}");
}

#[test]
fn steps_are_bought_once_from_a_studio_that_keeps_its_promise() {
    matrix(BUYING, 1, STUDIO, 12);
}

#[test]
fn steps_are_bought_once_from_a_vendor_that_cannot_call_back() {
    matrix(BUYING, 1, MUTE_VENDOR, 12);
}

#[test]
fn steps_are_bought_once_from_a_vendor_that_calls_back() {
    matrix(&BUYING[1..5], 2, VENDOR, 4);
}

#[test]
fn steps_are_kept_however_often_the_program_is_killed() {
    matrix(KEEPING, 4, STUDIO, 8);
    matrix(
        &[once("fsync", "ledger.sqlite3", "kill_after")],
        5,
        STUDIO,
        4,
    );
}
