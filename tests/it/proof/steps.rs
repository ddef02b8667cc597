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

/// Songs of the storm.
const SONGS: usize = 12;

/// A third of the responses are lost in five ways; callbacks are doubled, late or missing; polls know no task at first or fail; files are
/// cut, pages or dead at first.
const STORM: &str = r#"version: 1
seed: 7
idempotency: off
rules:
  - {when: {operation: "*", every: 7}, do: [{response: drop}, {callbacks: {double: true}}]}
  - {when: {operation: "*", every: 11}, do: [{response: bad_gateway}, {callbacks: {delay_ms: 200}}]}
  - {when: {operation: "*", every: 13}, do: [{response: no_task_id}]}
  - {when: {operation: "*", every: 17}, do: [{response: server_error}, {callbacks: {before_response: true}}]}
  - {when: {operation: "*", every: 19}, do: [{response: cut}]}
  - {when: {operation: "*", every: 6}, do: [{unknown: 2}]}
  - {when: {operation: "*", every: 9}, do: [{poll: {response: bad_gateway, polls: 2}}]}
  - {when: {operation: "*", every: 5}, do: [{file: {kind: truncated, fetches: 1}}]}
  - {when: {operation: "*", every: 8}, do: [{file: {kind: html, fetches: 1}}]}
  - {when: {operation: "*", every: 10}, do: [{file: {kind: dead, fetches: 1}}]}
  - {when: {operation: "*", nth: [2, 3, 4, 10, 12, 15, 16, 18, 20]}, do: [{callbacks: {never: true}}]}
"#;

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
        let struck = project.is_killed_by(fault);
        run_to_the_end(&project, terms, name);
        check(&project, 1, name);
        struck
    });
    assert!(points >= least, "only {points} points were struck");
    println!("{points} kill points of steps under {terms:?}");
}

/// Runs until nothing is left to do. What is in doubt then, which the studio's promise excludes, is resolved by the user.
pub(super) fn run_to_the_end(project: &Project<'_>, terms: Terms, name: &str) {
    let mut ran = project.run();
    if terms != STUDIO && ran.code == Some(8) {
        resolve(project, name);
        ran = project.run();
    }
    assert_eq!(ran.code, Some(0), "{name}: {}", ran.err);
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
        // The provider's details may be out of order at that moment: the user tries again.
        let mut ran = finish(project.command(&args));
        for _ in 0..9 {
            if ran.code == Some(0) {
                break;
            }
            ran = finish(project.command(&args));
        }
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
    }
}

/// Each operation is bought as often as the manifest means it, and everything that it makes is kept.
fn check(project: &Project<'_>, songs: usize, name: &str) {
    let mut bought: BTreeMap<String, usize> = BTreeMap::new();
    for entry in project.bill() {
        *bought.entry(entry.operation).or_default() += 1;
    }
    let expected = BOUGHT.map(|(operation, number)| (operation.to_owned(), songs * number));
    assert_eq!(bought, expected.into(), "{name}");
    let ledger = Ledger::read(&project.path(".backline/ledger.sqlite3")).unwrap();
    assert_eq!(
        ledger.check().unwrap().findings,
        vec![],
        "{name}: replay differs"
    );
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
        (2 * songs, 2 * songs),
        "{name}: {kept:?}"
    );
    assert!(
        count("-vocal.mp3") + count("-vocal.wav") + count("-vocal.flac") == 2 * songs,
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

/// Every operation at once, from a studio that does what vendors have been seen to do wrong.
fn storm(terms: Terms) {
    let lab = Lab::new();
    lab.write("storm.yaml", STORM);
    let plan = lab.path("storm.yaml");
    let plan = plan.to_str().unwrap();
    let studio = lab.studio(&["--instant", "--rate", "off", "--misbehave", plan]);
    let project = Project::new(&lab, &studio.url, "steps", SONGS, terms);
    project.edit(
        "presets:\n",
        "then: [wav, {stems: split_stem}, midi]\npresets:\n",
    );
    project.edit(
        "concurrency: 16",
        "concurrency: 100, failures_in_a_row: 1000",
    );
    let mut ran = project.run();
    let mut doubts = 0;
    for _ in 0..20 {
        match ran.code {
            Some(0) => break,
            Some(8) => {
                resolve(&project, "storm");
                doubts += 1;
            }
            _ => {}
        }
        ran = project.run();
    }
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    check(&project, SONGS, "storm");
    let bill = project.bill().len();
    assert_eq!(project.run().code, Some(0));
    assert_eq!(project.bill().len(), bill, "another run bought something");
    println!("{bill} purchases of {SONGS} songs, {doubts} runs with doubts, {terms:?}");
}

#[test]
fn a_storm_of_steps_with_callbacks_buys_nothing_twice() {
    storm(VENDOR);
}

#[test]
fn a_storm_of_steps_without_callbacks_buys_nothing_twice() {
    storm(MUTE_VENDOR);
}
