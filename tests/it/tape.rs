//! `run --record` and `run --replay`: a provider's answers kept, and given again with nobody there.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lab::{KEY, Lab, finish};

/// What is the same in a run and its replay: tasks and tracks.
fn essence(summary: &Value) -> Vec<(String, String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let jobs = summary["jobs"].as_array().unwrap();
    jobs.iter()
        .filter(|job| job["selected"] == true)
        .map(|job| {
            let tracks = job["tracks"].as_array().unwrap();
            let hashes = tracks
                .iter()
                .map(|track| text(&track["file"]["sha256"]))
                .collect();
            (text(&job["key"]), text(&job["task_id"]), hashes)
        })
        .collect()
}

fn summary(lab: &Lab, name: &str) -> Value {
    serde_json::from_str(&lab.read(name)).unwrap()
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(fs::read(path).unwrap());
        }
    }
    all
}

/// Runs in an environment without the key.
fn keyless(lab: &Lab, args: &[&str]) -> crate::lab::Ran {
    let mut command = lab.backline(args);
    command.env_remove("LAB_KEY");
    finish(command)
}

#[test]
fn a_recorded_run_is_the_same_again_with_nobody_there() {
    let lab = Lab::new();
    let studio = lab.studio(&[]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml", "--record", "tape"]);
    let first = essence(&summary(&lab, "out/songs/summary.json"));
    assert!(
        first
            .iter()
            .all(|(_, task, tracks)| !task.is_empty() && tracks.len() == 2),
        "{first:?}"
    );
    for file in files(&lab.path("tape")) {
        assert!(
            !String::from_utf8_lossy(&file).contains(KEY),
            "the key is on the tape"
        );
    }
    drop(studio);

    let ledger = fs::read(lab.path(".backline/ledger.sqlite3")).unwrap();
    let out = files(&lab.path("out"));
    // Twice: the folder is made anew. No key is needed.
    for _ in 0..2 {
        let ran = keyless(&lab, &["run", "songs.yaml", "--replay", "tape"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let again = essence(&summary(&lab, ".backline/replay/out/songs/summary.json"));
        assert_eq!(again, first);
    }
    assert_eq!(
        fs::read(lab.path(".backline/ledger.sqlite3")).unwrap(),
        ledger
    );
    assert_eq!(files(&lab.path("out")), out);
    let status = [
        "status",
        "--ledger",
        ".backline/replay/.backline/ledger.sqlite3",
    ];
    assert_eq!(lab.json(&status)["totals"]["kept"], 2);

    // Into a folder that one names; never over what is there.
    let into = [
        "run",
        "songs.yaml",
        "--replay",
        "tape",
        "--into",
        "again",
        "--filter",
        "preset=p2",
    ];
    assert_eq!(keyless(&lab, &into).code, Some(0));
    assert_eq!(
        essence(&summary(&lab, "again/out/songs/summary.json")),
        first[1..]
    );
    let ran = keyless(&lab, &into);
    assert!(
        ran.code == Some(2) && ran.err.contains("again is not empty"),
        "{}",
        ran.err
    );
}

#[test]
fn what_the_recording_lacks_is_said() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml", "--record", "tape"]);
    drop(studio);
    let changed = lab.read("songs.yaml").replace("style 2", "style two");
    lab.write("songs.yaml", changed);
    let ran = lab.expect(4, &["run", "songs.yaml", "--replay", "tape"]);
    assert!(
        ran.err.contains(
            "the tape has no response to this submission: the manifest is not the one that was recorded"
        ),
        "{}",
        ran.err
    );
    let totals = summary(&lab, ".backline/replay/out/songs/summary.json")["totals"].clone();
    assert_eq!((&totals["kept"], &totals["failed"]), (&1.into(), &1.into()));
}

#[test]
fn what_went_wrong_goes_wrong_again() {
    let lab = Lab::new();
    lab.write(
        "faults.yaml",
        "version: 1\nidempotency: off\nrules:\n  - {when: {nth: [1]}, do: [{refuse: {code: 430, retry_after_s: 2}}]}\n  \
         - {when: {nth: [3]}, do: [{response: drop}, {callbacks: {never: true}}]}\n  \
         - {when: {nth: [4]}, do: [{fail: {status: SENSITIVE_WORD_ERROR, code: 400, message: a word}}]}\n",
    );
    let studio = lab.studio(&[
        "--instant",
        "--misbehave",
        lab.path("faults.yaml").to_str().unwrap(),
    ]);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        1,
        3,
        "limits: {concurrency: 1}\n",
    );
    let unkeyed = lab.read("songs.yaml");
    lab.write(
        "songs.yaml",
        unkeyed.replace("api_key:", "idempotency_key: false, api_key:"),
    );
    let first = lab.run(&["run", "songs.yaml", "--record", "tape"]);
    drop(studio);
    let again = lab.run(&["run", "songs.yaml", "--replay", "tape"]);
    assert_eq!(
        (first.code, again.code),
        (Some(8), Some(8)),
        "{}\n{}",
        first.err,
        again.err
    );
    let outcome = |name: &str| -> Vec<(Value, Value, Value)> {
        let summary = summary(&lab, name);
        let jobs = summary["jobs"].as_array().unwrap().iter();
        jobs.map(|job| {
            (
                job["state"].clone(),
                job["task_id"].clone(),
                job["error"].clone(),
            )
        })
        .collect()
    };
    let recorded = outcome("out/songs/summary.json");
    let states: Vec<&Value> = recorded.iter().map(|(state, ..)| state).collect();
    assert_eq!(states, ["kept", "in_doubt", "failed"]);
    assert_eq!(outcome(".backline/replay/out/songs/summary.json"), recorded);
}

#[test]
fn the_built_in_studio_is_recorded_too_and_not_started_for_a_replay() {
    let lab = Lab::new();
    lab.recording("voice.wav", 1);
    lab.write(
        "songs.yaml",
        "version: 1\nname: songs\nprovider: studio\nstems: [voice.wav]\npresets: {p: {tags: piano}}\n",
    );
    lab.expect(0, &["run", "songs.yaml", "--record", "tape"]);
    lab.expect(0, &["run", "songs.yaml", "--replay", "tape"]);
    assert_eq!(
        essence(&summary(&lab, ".backline/replay/out/songs/summary.json")),
        essence(&summary(&lab, "out/songs/summary.json"))
    );
    assert!(
        lab.path(".backline/studio").exists()
            && !lab.path(".backline/replay/.backline/studio").exists()
    );
}

#[test]
fn a_replay_asks_the_hooks_that_decide_and_tells_no_others() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let rest = "on:\n  before_submit: [{lua: \"if preset.id == 'p2' then veto 'no' end\"}]\n  submitted: [{run: [sh, -c, \"echo told >> told\"]}]\noutput: {dir: out/songs, loudness: true}\n";
    lab.manifest("songs.yaml", &studio.url, 1, 2, rest);
    lab.expect(10, &["run", "songs.yaml", "--record", "tape"]);
    assert_eq!(lab.read("told"), "told\n");
    drop(studio);
    let ran = lab.expect(10, &["run", "songs.yaml", "--replay", "tape"]);
    assert!(
        ran.err.contains("1 hook is skipped in the replay"),
        "{}",
        ran.err
    );
    assert_eq!(lab.read("told"), "told\n");
    let job = summary(&lab, ".backline/replay/out/songs/summary.json")["jobs"][0].clone();
    assert!(
        job["tracks"][0]["loudness"]["integrated_lufs"].is_number(),
        "{job}"
    );
}

#[test]
fn a_tape_is_never_written_over_and_what_is_no_tape_is_refused() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    lab.write("full/notes.txt", "mine");
    let ran = lab.expect(2, &["run", "songs.yaml", "--record", "full"]);
    assert!(
        ran.err.contains("a tape is never written over"),
        "{}",
        ran.err
    );
    assert!(
        studio.bill().is_empty(),
        "nothing is bought before the tape is there"
    );
    let ran = lab.expect(2, &["run", "songs.yaml", "--replay", "full"]);
    assert!(ran.err.contains("could not read the tape"), "{}", ran.err);
    lab.expect(
        2,
        &["run", "songs.yaml", "--replay", "full", "--record", "other"],
    );
    lab.expect(2, &["run", "songs.yaml", "--into", "other"]);

    lab.expect(0, &["run", "songs.yaml"]);
    let ran = lab.expect(0, &["run", "songs.yaml", "--record", "late"]);
    assert!(
        ran.err
            .contains("warning: 1 of 1 jobs are already in the ledger"),
        "{}",
        ran.err
    );
}

#[test]
fn a_damaged_tape_is_no_answer() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    lab.expect(0, &["run", "songs.yaml", "--record", "tape"]);
    drop(studio);
    let bodies = lab.path("tape/bodies");
    let largest = fs::read_dir(bodies)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&largest, &bytes).unwrap();
    let ran = lab.run(&["run", "songs.yaml", "--replay", "tape"]);
    assert_ne!(ran.code, Some(0), "{}", ran.err);
    let name = largest.file_name().unwrap().to_str().unwrap();
    assert!(
        ran.err.contains(&format!("{name} is damaged")),
        "{}",
        ran.err
    );
}
