//! A song whose files the provider does not serve any more, brought back: by `fetch --recover`, by a run of a manifest that says so, and by a
//! run that is killed at each request and response that buys, and while files are kept. It is recovered once, and its files are the song's.

use std::fs;

use backline_engine::ledger::Ledger;

use super::fault::{Fault, once};
use super::project::{MUTE_VENDOR, Project, STUDIO, Terms, VENDOR, list};
use super::steps::run_to_the_end;
use super::sweep::sweep;
use crate::lab::{Lab, Ran, StudioProcess, finish};

/// The files of songs are gone, and nothing else is.
const GONE: &str = "version: 1\nidempotency: off\nrules:\n  - {when: {operation: add-instrumental}, do: [{file: {kind: dead}}]}\n";

/// The request that recovers, its response, the files, and the ledger.
const FAULTS: [Fault; 6] = [
    once("send", "POST /api/v1/suno/recovery", "kill_before"),
    once("send", "POST /api/v1/suno/recovery", "kill_half"),
    once("send", "POST /api/v1/suno/recovery", "kill_after"),
    once("recv", "task_id", "kill_after"),
    once("link", "out/", "kill_after"),
    once("fsync", "ledger.sqlite3", "kill_after"),
];

/// A studio that has lost the files of its songs.
fn forgetful(lab: &Lab, promise: bool) -> StudioProcess {
    let plan = match promise {
        true => GONE.replace("idempotency: off", "idempotency: on"),
        false => GONE.to_owned(),
    };
    lab.write("gone.yaml", plan);
    let plan = lab.path("gone.yaml");
    let plan = plan.to_str().unwrap();
    lab.studio(&["--instant", "--rate", "off", "--misbehave", plan])
}

/// A project with a song that is lost.
fn lost<'a>(lab: &'a Lab, url: &str, name: &str, terms: Terms) -> Project<'a> {
    let project = Project::new(lab, url, name, 1, terms);
    let ran = project.run();
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    project
}

fn fetch(project: &Project<'_>, more: &[&str]) -> Ran {
    let args = [&["fetch", "songs.yaml"], more].concat();
    finish(project.command(&args))
}

fn recoveries(project: &Project<'_>) -> usize {
    let bill = project.bill();
    assert_eq!(
        bill.iter().filter(|it| it.operation != "recovery").count(),
        1
    );
    bill.len() - 1
}

/// The song is there under its own names, and was recovered once.
fn check(project: &Project<'_>, about: &str) {
    assert_eq!(recoveries(project), 1, "{about}");
    let kept = project.kept_files();
    assert_eq!(kept.len(), 2, "{about}: {kept:?}");
    for path in &kept {
        assert!(path.starts_with("out/voice/p1-"), "{about}: {path}");
        let bytes = fs::read(project.path(path)).unwrap();
        drop(backline_audio::decode(&bytes).unwrap());
    }
    assert_eq!(project.left_behind(), Vec::<String>::new(), "{about}");
    let ledger = Ledger::read(&project.path(".backline/ledger.sqlite3")).unwrap();
    assert_eq!(
        ledger.check().unwrap().findings,
        vec![],
        "{about}: replay differs"
    );
    assert_eq!(
        project.unknown_to_the_ledger(),
        Vec::<String>::new(),
        "{about}"
    );
}

#[test]
fn a_lost_song_is_brought_back_once_and_its_files_again_for_nothing() {
    let lab = Lab::new();
    let studio = forgetful(&lab, false);
    let project = lost(&lab, &studio.url, "once", MUTE_VENDOR);
    // Without being told to, neither buys it back.
    for ran in [fetch(&project, &[]), project.run()] {
        assert_eq!(ran.code, Some(4));
        assert!(
            ran.err
                .contains("`backline fetch --recover songs.yaml` buys"),
            "{}",
            ran.err
        );
    }
    assert_eq!(recoveries(&project), 0);

    let ran = fetch(&project, &["--recover"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    check(&project, "recovered");
    let status = project.status();
    let rows: Vec<&str> = list(&status["jobs"])
        .iter()
        .map(|job| job["state"].as_str().unwrap())
        .collect();
    assert_eq!(rows, ["kept", "kept"], "{status}");
    let ran = fetch(&project, &["--recover"]);
    assert_eq!(ran.code, Some(0));
    assert!(!ran.err.contains("--recover"), "{}", ran.err);
    assert_eq!(project.run().code, Some(0));
    assert_eq!(recoveries(&project), 1);

    // A file that is deleted comes from the same recovery, also in a run that does not ask for one.
    let file = project.kept_files().remove(1);
    fs::remove_file(project.path(&file)).unwrap();
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    check(&project, "deleted");
}

#[test]
fn only_recoveries_are_bought_by_a_fetch() {
    let lab = Lab::new();
    let studio = forgetful(&lab, false);
    let project = lost(&lab, &studio.url, "only", MUTE_VENDOR);
    project.edit(
        "presets:\n",
        "presets:\n  more: {title: \"only: 2\", tags: another style}\n",
    );
    let ran = fetch(&project, &["--recover"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    check(&project, "only");
}

#[test]
fn a_manifest_that_recovers_says_so_in_its_plan_and_buys_it_in_its_run() {
    let lab = Lab::new();
    let studio = forgetful(&lab, false);
    let project = lost(&lab, &studio.url, "manifest", MUTE_VENDOR);
    project.edit("presets:\n", "recover: true\npresets:\n");
    let plan = finish(project.command(&["plan", "songs.yaml"]));
    assert!(plan.out.contains("then recovery: 1 to buy"), "{}", plan.out);
    assert!(
        plan.out.contains("No price is known for recovery"),
        "{}",
        plan.out
    );
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    check(&project, "manifest");
    let plan = finish(project.command(&["plan", "songs.yaml"]));
    assert!(plan.out.contains("A run buys nothing"), "{}", plan.out);
    assert!(!plan.out.contains("recovery"), "{}", plan.out);
}

fn matrix(faults: &[Fault], step: u32, terms: Terms, least: u32) {
    let lab = Lab::new();
    let studio = forgetful(&lab, terms.promise);
    let points = sweep(faults, step, 4, |name, fault| {
        let project = lost(&lab, &studio.url, name, terms);
        project.edit("presets:\n", "recover: true\npresets:\n");
        let struck = project.is_killed_by(fault);
        run_to_the_end(&project, terms, name);
        check(&project, name);
        struck
    });
    assert!(points >= least, "only {points} points were struck");
    println!("{points} kill points of recoveries under {terms:?}");
}

#[test]
fn a_song_is_recovered_once_from_a_studio_that_keeps_its_promise() {
    matrix(&FAULTS[..4], 1, STUDIO, 4);
}

#[test]
fn a_song_is_recovered_once_from_vendors_that_make_none() {
    matrix(&FAULTS[..4], 1, MUTE_VENDOR, 4);
    matrix(&FAULTS[2..4], 1, VENDOR, 2);
}

#[test]
fn a_recovered_song_is_kept_however_often_the_program_is_killed() {
    matrix(&FAULTS[4..], 3, MUTE_VENDOR, 4);
}
