//! The main job, end to end: one manifest in, every variant out, nothing bought twice.

use std::collections::HashSet;
use std::fs;

use serde_json::Value;

use crate::lab::{Lab, Ran};

/// The summary's rows.
fn jobs(lab: &Lab) -> Vec<Value> {
    let summary: Value = serde_json::from_str(&lab.read("out/songs/summary.json")).unwrap();
    summary["jobs"].as_array().unwrap().clone()
}

#[test]
fn every_job_gives_two_tracks_a_line_in_the_csv_and_a_place_in_the_json() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        2,
        3,
        "takes: 2\nsweep: {audio_weight: [0.3, 0.7]}\n",
    );
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 24);

    let jobs = jobs(&lab);
    assert_eq!(jobs.len(), 24);
    let plan = lab.json(&["plan", "songs.yaml"]);
    let planned = plan["jobs"].as_array().unwrap();
    for (job, planned) in jobs.iter().zip(planned) {
        assert_eq!(
            (&job["key"], &job["state"]),
            (&planned["key"], &Value::from("kept"))
        );
        assert_eq!(
            (&job["sweep"], &job["take"]),
            (&planned["sweep"], &planned["take"])
        );
        let tracks = job["tracks"].as_array().unwrap();
        assert_eq!(tracks.len(), 2);
        for track in tracks {
            let file = &track["file"];
            let bytes = fs::read(lab.path(file["path"].as_str().unwrap())).unwrap();
            let audio = backline_audio::decode(&bytes).unwrap();
            assert!((audio.duration_s() - file["duration_s"].as_f64().unwrap()).abs() < 0.1);
            assert_eq!(bytes.len() as u64, file["length_bytes"].as_u64().unwrap());
        }
    }
    let csv = lab.read("out/songs/summary.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + 48);
    assert!(
        lines[0].starts_with("\u{feff}run,key,stem,preset,sweep.audio_weight,take,state"),
        "{}",
        lines[0]
    );
    for (line, job) in lines[1..]
        .chunks(2)
        .flatten()
        .zip(jobs.iter().flat_map(|job| [job, job]))
    {
        assert!(line.contains(job["key"].as_str().unwrap()), "{line}");
    }
}

#[test]
fn a_real_band_plays_a_real_vocal() {
    let lab = Lab::new();
    lab.expect(0, &["init", "."]);
    lab.expect(0, &["run", "backline-demo.yaml", "--filter", "preset=lofi"]);
    let summary: Value = serde_json::from_str(&lab.read("out/work/summary.json")).unwrap();
    let jobs = summary["jobs"].as_array().unwrap().clone();
    assert_eq!(summary["this_run"]["totals"]["jobs"], 1);
    let made: Vec<&Value> = jobs.iter().filter(|job| job["selected"] == true).collect();
    let [job] = made.as_slice() else {
        panic!("{jobs:?}")
    };
    let kept = |part: &str| -> Vec<backline_audio::Audio> {
        let tracks = job["tracks"].as_array().unwrap().iter();
        tracks
            .map(|track| fs::read(lab.path(track[part]["path"].as_str().unwrap())).unwrap())
            .map(|bytes| backline_audio::decode(&bytes).unwrap())
            .collect()
    };
    let (alone, mixed) = (kept("file"), kept("mix"));
    assert_eq!((alone.len(), mixed.len()), (2, 2));
    assert_ne!(alone[0].channels, alone[1].channels, "two different tracks");
    for audio in alone.iter().chain(&mixed) {
        assert_eq!((audio.rate_hz, audio.channels.len()), (44_100, 2));
        assert!(audio.duration_s() >= 29.0, "{}", audio.duration_s());
        let loudest = audio
            .channels
            .iter()
            .flatten()
            .fold(0.0_f32, |most, sample| most.max(sample.abs()));
        assert!(loudest > 0.1, "{loudest}");
    }
}

#[test]
fn a_second_run_sends_no_post() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 3, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let before = studio.bill();
    let tracks: Vec<Value> = jobs(&lab).iter().map(|job| job["tracks"].clone()).collect();
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill(), before);
    assert_eq!(
        jobs(&lab)
            .iter()
            .map(|job| job["tracks"].clone())
            .collect::<Vec<_>>(),
        tracks
    );
    assert!(
        lab.expect(0, &["plan", "songs.yaml"])
            .out
            .ends_with("3 jobs: 3 kept (=)\nA run buys nothing.\n")
    );
}

#[test]
fn one_changed_preset_sends_its_jobs_only() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 2, 3, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let changed = lab.read("songs.yaml").replace("style 2", "style two");
    lab.write("songs.yaml", changed);
    let plan = lab.json(&["plan", "songs.yaml"]);
    let to_buy = plan["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| job["sign"] == "changed");
    assert_eq!(
        to_buy
            .map(|job| job["preset"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["p2", "p2"]
    );
    lab.expect(0, &["run", "songs.yaml"]);
    let mut titles: Vec<String> = studio
        .bill()
        .into_iter()
        .skip(6)
        .map(|entry| entry.title)
        .collect();
    // Which stem is uploaded first is nobody's business.
    titles.sort();
    assert_eq!(titles, ["s1 (p2)", "s2 (p2)"]);
}

#[test]
fn a_kept_file_that_is_deleted_is_fetched_again_without_buying() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let file = jobs(&lab)[1]["tracks"][0]["file"].clone();
    let path = lab.path(file["path"].as_str().unwrap());
    let content = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();

    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(plan["jobs"][1]["sign"], "fetch");
    let text = lab.expect(0, &["plan", "songs.yaml"]).out;
    assert!(text.contains("1 to fetch (f)"), "{text}");
    // The ledger's state is as the run recorded it; the difference is named.
    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    let told = "1 kept file is missing or has another length than recorded: `backline plan songs.yaml` marks the jobs with f";
    assert!(status.contains(told), "{status}");
    assert_eq!(
        plan["jobs"][1]["missing"],
        serde_json::json!([{"track": 1, "part": "track", "changed": false}])
    );
    assert_eq!(plan["totals"]["to_submit"], 0);
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(fs::read(&path).unwrap(), content);
    assert_eq!(studio.bill().len(), 2);

    fs::remove_file(&path).unwrap();
    lab.expect(0, &["fetch", "songs.yaml"]);
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[test]
fn fetch_buys_nothing() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    let ran = lab.run(&["fetch", "songs.yaml"]);
    assert!(ran.err.contains("0 to submit"), "{}", ran.err);
    assert!(studio.bill().is_empty());
}

#[test]
fn after_kill_9_the_same_command_buys_each_job_once_and_keeps_every_track() {
    for (line, times) in [
        ("uploaded", 1),
        ("accepted", 1),
        ("accepted", 5),
        ("kept", 1),
        ("kept", 7),
    ] {
        let lab = Lab::new();
        let studio = lab.studio(&["--instant", "--rate", "off"]);
        lab.manifest(
            "songs.yaml",
            &studio.url,
            2,
            6,
            "limits: {concurrency: 3}\n",
        );
        let mut run = lab.start(&["run", "songs.yaml", "-v"]);
        run.wait_for(line, times);
        run.signal("KILL");
        assert_eq!(run.end().code, None, "it ended before it was killed");
        check_taken_up(&lab.run(&["run", "songs.yaml"]), &lab);

        let bill = studio.bill();
        assert_eq!(bill.len(), 12, "killed at {line} {times}");
        let tokens: HashSet<_> = bill
            .iter()
            .map(|entry| entry.idempotency_key.clone().unwrap())
            .collect();
        let titles: HashSet<_> = bill.iter().map(|entry| entry.title.clone()).collect();
        assert_eq!((tokens.len(), titles.len()), (12, 12));
    }
}

#[track_caller]
fn check_taken_up(ran: &Ran, lab: &Lab) {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for job in jobs(lab) {
        assert_eq!(job["state"], "kept");
        for track in job["tracks"].as_array().unwrap() {
            let bytes = fs::read(lab.path(track["file"]["path"].as_str().unwrap())).unwrap();
            assert!(backline_audio::decode(&bytes).unwrap().duration_s() > 0.5);
        }
    }
}

#[test]
fn reports_are_the_same_bytes_whenever_they_are_made() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let [csv, json] =
        ["out/songs/summary.csv", "out/songs/summary.json"].map(|name| lab.read(name));
    fs::remove_file(lab.path("out/songs/summary.csv")).unwrap();
    let ran = lab.expect(0, &["report", "songs.yaml"]);
    assert_eq!(ran.out, "out/songs/summary.csv\nout/songs/summary.json\n");
    assert_eq!(
        [
            lab.read("out/songs/summary.csv"),
            lab.read("out/songs/summary.json")
        ],
        [csv.clone(), json]
    );

    // An older run stays as it was, wherever it is written and whoever asks.
    let first = lab.json(&["status", "--runs"])["runs"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    lab.expect(0, &["run", "songs.yaml", "--filter", "preset=p1"]);
    assert_eq!(lab.read("out/songs/summary.csv").lines().count(), 5);
    lab.expect(
        0,
        &["report", "--run", &first, "--only", "csv", "--dir", "old"],
    );
    assert_eq!(lab.read("old/summary.csv"), csv);
    assert!(!lab.path("old/summary.json").exists());
}

#[test]
fn events_are_one_json_object_a_line_without_secrets() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let ran = lab.expect(0, &["run", "songs.yaml", "--format", "json", "-vv"]);
    let events: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"]["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        (names[0], names[1], *names.last().unwrap()),
        ("plan", "run_started", "summary")
    );
    for name in ["intent", "accepted", "track_kept", "run_ended"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let token = studio.bill()[0].idempotency_key.clone().unwrap();
    for secret in [KEY_TEXT, token.as_str()] {
        assert!(
            !ran.out.contains(secret) && !ran.err.contains(secret),
            "{}\n{}",
            ran.out,
            ran.err
        );
    }
}

const KEY_TEXT: &str = crate::lab::KEY;

#[test]
fn the_events_report_tells_what_the_run_told() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "reports: [jsonl]\n");
    let told = lab.expect(0, &["run", "songs.yaml", "--format", "json"]);
    let events = |text: &str| -> Vec<Value> {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["seq"].is_u64()).collect()
    };
    let kept = events(&lab.read("out/songs/events.jsonl"));
    assert_eq!(kept, events(&told.out));
    let of_jobs = kept
        .iter()
        .filter(|line| line["event"]["event"] == "track_kept");
    assert_eq!(of_jobs.count(), 4);
}

#[test]
fn an_output_folder_that_is_lost_in_mid_run_is_named() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    // Before the submission, so that no download makes the folder again in the middle of the hook.
    let rest = "output: {dir: out}\non:\n  before_submit:\n    - {run: [sh, -c, 'rm -rf out && echo mine > out']}\n";
    lab.manifest("songs.yaml", &studio.url, 1, 1, rest);
    let ran = lab.expect(7, &["run", "songs.yaml"]);
    assert!(
        ran.err
            .contains("the output directory out can't be made: out is not a directory"),
        "{}",
        ran.err
    );
    std::fs::remove_file(lab.path("out")).unwrap();
    let fixed = lab
        .read("songs.yaml")
        .replace("rm -rf out && echo mine > out", "true");
    lab.write("songs.yaml", fixed);
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 1);
}

#[test]
fn an_output_folder_that_cannot_be_written_is_told_before_anything_is_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    fs::write(lab.path("out"), "no folder").unwrap();
    let says = "out/songs can't be made: out is not a directory";
    let ran = lab.fails(7, &["run", "songs.yaml"], says);
    let hint = "hint: move that file away, or set another directory with `output: {dir: …}`";
    assert!(ran.err.contains(hint), "{}", ran.err);
    assert!(!ran.err.contains("space"), "{}", ran.err);
    let doctor = lab.run(&["doctor", "songs.yaml"]);
    assert!(doctor.out.contains(says), "{}", doctor.out);
    assert_eq!(studio.bill().len(), 0);
    fs::remove_file(lab.path("out")).unwrap();
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
}

/// What is proved by a callback needs no receipt any more when the response comes.
#[test]
fn a_task_that_its_callback_named_first_leaves_no_receipt() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response_late_ms: 2000}]}]\n");
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let left = fs::read_dir(lab.path(".backline/receipts")).unwrap();
    assert_eq!(left.count(), 0);
}
