//! Kept tracks in an object store: a directory, and an S3 server on loopback that is taken down.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;

use serde_json::Value;

use crate::lab::{KEY, Lab, Ran, Running, finish};
use crate::serve::{data, get, serve};
use bucket::Bucket;

mod bucket;

/// What the manifests of these tests add for tracks in the directory `kept`.
const IN_DIRECTORY: &str = "output: {dir: out, store: kept}\nreports: [json, csv, html]\n";
const IN_BUCKET: &str = "output: {dir: out, store: \"s3://music/album\"}\nreports: [json, csv]\n";

/// The files below a directory, by their paths in it.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn add(dir: &Path, root: &Path, to: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(&path, root, to);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                to.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    add(dir, dir, &mut found);
    found
}

/// The objects in the directory `kept` that are tracks.
fn objects(lab: &Lab) -> BTreeMap<String, Vec<u8>> {
    let mut found = files(&lab.path("kept"));
    assert!(found.remove(".backline-store").is_some());
    found
}

/// The addresses of a status's tracks.
fn addresses(status: &Value) -> Vec<String> {
    let jobs = status["jobs"].as_array().unwrap().iter();
    let tracks = jobs.flat_map(|job| job["tracks"].as_array().unwrap());
    let mut paths: Vec<String> = tracks
        .map(|track| track["file"]["path"].as_str().unwrap().to_owned())
        .collect();
    paths.sort();
    paths
}

/// The tracks of the last run are these objects, and each is what the ledger records.
#[track_caller]
fn check_recorded(lab: &Lab) {
    let status = lab.json(&["status", "songs.yaml"]);
    let root = format!("file://{}/", lab.path("kept").display());
    let names: Vec<String> = addresses(&status)
        .iter()
        .map(|address| address.strip_prefix(&root).unwrap().to_owned())
        .collect();
    let found = objects(lab);
    assert_eq!(names, found.keys().cloned().collect::<Vec<_>>());
    for content in found.values() {
        assert!(backline_audio::decode(content).unwrap().duration_s() > 0.5);
    }
}

/// Nothing but reports is in the output directory.
#[track_caller]
fn check_output(lab: &Lab) {
    let found = files(&lab.path("out"));
    let reports = [
        "index.html",
        "report.html",
        "summary.csv",
        "summary.json",
        ".backline-ledger",
    ];
    let left: Vec<&String> = found
        .keys()
        .filter(|name| !reports.contains(&name.as_str()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn tracks_are_kept_in_a_directory_and_not_downloaded_again() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 2, IN_DIRECTORY);
    let ran = lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 4, "{}", ran.err);
    let kept = objects(&lab);
    assert_eq!(kept.len(), 8, "{:?}", kept.keys());
    check_recorded(&lab);
    check_output(&lab);
    let (summary, csv) = (lab.read("out/summary.json"), lab.read("out/summary.csv"));
    for name in kept.keys() {
        let address = format!("file://{}/{name}", lab.path("kept").display());
        assert!(summary.contains(&address), "{address} in {summary}");
        assert!(csv.contains(&address), "{address} in {csv}");
    }
    // Nothing is there to download from.
    drop(studio);
    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(!status.contains("than recorded"), "{status}");
    let plan = lab.expect(0, &["plan", "songs.yaml"]).out;
    assert!(plan.contains("A run buys nothing"), "{plan}");
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(objects(&lab), kept);
    check_output(&lab);
}

#[test]
fn an_object_that_was_removed_or_changed_is_downloaded_again() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, IN_DIRECTORY);
    lab.expect(0, &["run", "songs.yaml"]);
    let before = objects(&lab);
    let names: Vec<&String> = before.keys().collect();
    let (removed, changed) = (names[0], names[3]);
    fs::remove_file(lab.path("kept").join(removed)).unwrap();
    lab.write(&format!("kept/{changed}"), "another file");
    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(
        status.contains("2 kept files are missing or have another length"),
        "{status}"
    );
    let plan = lab.json(&["plan", "songs.yaml"]);
    for job in plan["jobs"].as_array().unwrap() {
        assert_eq!(job["submits"], false, "{plan:#}");
    }
    let ran = lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2, "{}", ran.err);
    let mut after = objects(&lab);
    assert_eq!(after[removed], before[removed]);
    // The changed object is not the program's own any more: it is left alone.
    assert_eq!(after.remove(changed).unwrap(), b"another file");
    let (stem, extension) = changed.rsplit_once('.').unwrap();
    assert_eq!(after[&format!("{stem}~2.{extension}")], before[changed]);
    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(!status.contains("than recorded"), "{status}");
    check_output(&lab);
}

#[test]
fn a_name_that_is_taken_is_left_alone_and_the_track_gets_the_next() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, IN_DIRECTORY);
    lab.expect(0, &["run", "songs.yaml"]);
    let name = objects(&lab).keys().next().unwrap().clone();

    let lab = Lab::new();
    lab.manifest("songs.yaml", &studio.url, 1, 1, IN_DIRECTORY);
    lab.write(&format!("kept/{name}"), "somebody else's");
    lab.expect(0, &["run", "songs.yaml"]);
    let found = objects(&lab);
    let (stem, extension) = name.rsplit_once('.').unwrap();
    assert_eq!(found[&name], b"somebody else's");
    assert!(found.contains_key(&format!("{stem}~2.{extension}")));
    assert_eq!(found.len(), 3);
    let status = lab.json(&["status", "songs.yaml"]);
    assert!(addresses(&status).iter().all(|it| !it.ends_with(&name)));
}

#[test]
fn chosen_tracks_are_copied_out_of_the_store() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, IN_DIRECTORY);
    lab.expect(0, &["run", "songs.yaml"]);
    drop(studio);
    let status = lab.json(&["status", "songs.yaml"]);
    let key = status["jobs"][0]["key"].as_str().unwrap();
    lab.write(
        "stars.csv",
        format!("key,track,star\n{key},1,1\n{key},2,1\n"),
    );
    lab.expect(0, &["pick", "stars.csv", "songs.yaml", "--to", "chosen"]);
    let mut copied = files(&lab.path("chosen"));
    copied.retain(|name, _| !name.starts_with("picks."));
    let copied: Vec<Vec<u8>> = copied.into_values().collect();
    let mut kept = objects(&lab);
    kept.retain(|name, _| name.starts_with("s1/p1-"));
    let kept: Vec<Vec<u8>> = kept.into_values().collect();
    assert_eq!(kept.len(), 2);
    assert!(copied == kept, "{} copies", copied.len());
}

/// The kept objects after a kill at every point of their creation, and another run.
#[cfg(target_os = "linux")]
#[test]
fn a_run_killed_between_an_object_and_its_record_finds_the_object() {
    use crate::proof::fault::once;

    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("undisturbed/songs.yaml", &studio.url, 1, 2, IN_DIRECTORY);
    lab.expect(0, &["run", "undisturbed/songs.yaml"]);
    let tracks = |project: &str| {
        let mut found = files(&lab.path(project).join("kept"));
        // The directory's own temporary files end with `#` and a number; no list of objects has them.
        found.retain(|name, _| name != ".backline-store" && !name.contains('#'));
        found
    };
    let undisturbed: Vec<String> = tracks("undisturbed").into_keys().collect();
    let mut bought = studio.bill().len();
    let mut struck = 0;
    for act in ["kill_before", "kill_after"] {
        for nth in 1..=4 {
            let project = format!("{act}{nth}");
            let manifest = format!("{project}/songs.yaml");
            lab.manifest(&manifest, &studio.url, 1, 2, IN_DIRECTORY);
            let text = lab.read(&manifest).replace("style", &project);
            lab.write(&manifest, text);
            let mark = lab.path(&project).join("struck");
            let mut command = lab.backline(&["run", &manifest]);
            once("link", "/kept/s1/", act)
                .nth(nth)
                .arm(&mut command, &mark);
            let ran = finish(command);
            assert!(mark.exists(), "{project}: {}", ran.err);
            assert_eq!(ran.code, None, "{project}: {}", ran.err);
            struck += 1;
            lab.expect(0, &["run", &manifest]);
            bought += 2;
            assert_eq!(studio.bill().len(), bought, "{project}");
            let found: Vec<String> = tracks(&project).into_keys().collect();
            assert_eq!(found, undisturbed, "{project}");
            let status = lab.expect(0, &["status", &manifest]).out;
            assert!(!status.contains("than recorded"), "{status}");
        }
    }
    assert_eq!(struck, 8);
}

#[test]
fn a_store_that_is_no_directory_stops_a_run_before_it_buys() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, IN_DIRECTORY);
    lab.write("kept", "a file");
    let ran = lab.run(&["run", "songs.yaml"]);
    assert_ne!(ran.code, Some(0));
    let message = format!(
        "cannot keep files in the object store file://{}",
        lab.path("kept").display()
    );
    assert!(ran.err.contains(&message), "{}", ran.err);
    assert_eq!(studio.bill(), vec![]);
    fs::remove_file(lab.path("kept")).unwrap();
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(objects(&lab).len(), 4);
}

/// The secret of the store.
const SECRET: &str = "store-secret-0123456789";

fn with_bucket(lab: &Lab, endpoint: SocketAddr, args: &[&str]) -> Ran {
    let ran = finish(reaching_bucket(lab, endpoint, args));
    for text in [&ran.out, &ran.err] {
        assert!(!text.contains(SECRET) && !text.contains(KEY), "{text}");
    }
    ran
}

/// The program with the credentials of the store.
fn reaching_bucket(lab: &Lab, endpoint: SocketAddr, args: &[&str]) -> Command {
    let mut command = lab.backline(args);
    command.envs([
        ("AWS_ACCESS_KEY_ID", "store-user-0123456789"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT", &format!("http://{endpoint}")),
    ]);
    command
}

#[test]
fn a_bucket_that_is_out_of_order_costs_nothing_twice() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, IN_BUCKET);
    let (_runtime, endpoint, bucket) = Bucket::start();
    let run = |args: &[&str]| with_bucket(&lab, endpoint, args);
    let all = usize::MAX;

    // From the start.
    bucket.serve(0);
    let ran = run(&["run", "songs.yaml", "-vvv"]);
    let message = "cannot keep files in the object store s3://music/album";
    assert!(ran.err.contains(message), "{}", ran.err);
    assert_ne!(ran.code, Some(0));
    assert_eq!(studio.bill(), vec![]);

    // In the middle: once the store is checked.
    bucket.serve(3);
    let ran = run(&["run", "songs.yaml", "-vvv"]);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    for text in ["into s3://music/album", message, "nothing is bought twice"] {
        assert!(
            (ran.out.clone() + &ran.err).contains(text),
            "{text}: {}",
            ran.err
        );
    }
    // The provider lost nothing that could be bought back.
    assert!(!ran.err.contains("--recover"), "{}", ran.err);
    assert_eq!(studio.bill().len(), 2);
    assert_eq!(bucket.tracks(), Vec::<String>::new());

    // What was downloaded is put there from the disk.
    bucket.serve(all);
    let ran = run(&["run", "songs.yaml", "-vvv"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(studio.bill().len(), 2);
    assert_eq!(bucket.tracks().len(), 4, "{:?}", bucket.tracks());
    check_output(&lab);

    // Nothing of it is transferred again.
    drop(studio);
    let transfers = bucket.transfers.load(Ordering::SeqCst);
    for command in ["status", "plan", "run"] {
        let ran = run(&[command, "songs.yaml", "-vvv"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(!ran.out.contains("than recorded"), "{}", ran.out);
    }
    assert_eq!(bucket.transfers.load(Ordering::SeqCst), transfers);

    // Out of order it leaves what is recorded as it is, and says so.
    bucket.serve(0);
    for command in ["status", "plan"] {
        let ran = run(&[command, "songs.yaml"]);
        let warning = "warning: could not list s3://music/album/s1: ";
        assert!(ran.err.contains(warning), "{command}: {}", ran.err);
        assert!(!ran.out.contains("than recorded"), "{}", ran.out);
        assert!(!ran.out.contains("to fetch"), "{}", ran.out);
    }

    let reports: Vec<PathBuf> = ["out/summary.json", "out/summary.csv"]
        .map(|name| lab.path(name))
        .to_vec();
    for path in reports {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("s3://music/album/s1/p1-1."), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
    let ledger = fs::read(lab.path(".backline/ledger.sqlite3")).unwrap();
    assert!(
        !ledger
            .windows(SECRET.len())
            .any(|it| it == SECRET.as_bytes())
    );
}

/// The machine of the worker shares nothing with that of the run but the ledger's server, the provider and the bucket.
#[cfg(feature = "postgres")]
#[test]
fn a_worker_that_shares_no_directory_keeps_tracks_in_the_bucket() {
    let Some(server) = crate::server::Server::start() else {
        return;
    };
    let ledger = server.database();
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    for manifest in ["run/songs.yaml", "worker/songs.yaml"] {
        lab.manifest(manifest, &studio.url, 1, 2, IN_BUCKET);
    }
    let (_runtime, endpoint, bucket) = Bucket::start();
    let with = |first: &[&'static str]| [first, &["--ledger", &ledger]].concat();
    let publish = with(&["run", "run/songs.yaml", "--publish"]);
    let publish = Running::start(reaching_bucket(&lab, endpoint, &publish));
    let work = with(&["worker", "worker/songs.yaml", "--wait", "2m"]);

    // A worker that can't reach the store takes nothing.
    let mut without = reaching_bucket(&lab, endpoint, &work);
    without.env("AWS_ENDPOINT", "http://127.0.0.1:9");
    let ran = finish(without);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    let message = "cannot keep files in the object store s3://music/album";
    assert!(ran.err.contains(message), "{}", ran.err);
    assert_eq!(studio.bill(), vec![]);

    let worked = with_bucket(&lab, endpoint, &work);
    assert_eq!(worked.code, Some(0), "{}", worked.err);
    let done = "2 requests sent, 4 files kept by this worker";
    assert!(worked.err.contains(done), "{}", worked.err);
    let published = publish.end();
    assert_eq!(published.code, Some(0), "{}", published.err);
    assert_eq!(bucket.tracks().len(), 4, "{:?}", bucket.tracks());
    assert_eq!(studio.bill().len(), 2);
    let summary = lab.read("run/out/summary.json");
    for track in bucket.tracks() {
        assert!(summary.contains(&format!("s3://{track}")), "{summary}");
    }
    // Nothing is left to fetch for the machine of the run.
    let plan = with_bucket(&lab, endpoint, &with(&["plan", "run/songs.yaml"]));
    assert!(plan.out.contains("A run buys nothing"), "{}", plan.out);
    for left in [lab.path("run/out"), lab.path("worker/out")] {
        let tracks = files(&left).into_keys().filter(|it| it.ends_with(".wav"));
        assert_eq!(tracks.collect::<Vec<_>>(), Vec::<String>::new());
    }
}

/// Steps, hooks, loudness and the served page read and write objects as they do files.
#[cfg(unix)]
#[test]
fn steps_hooks_loudness_and_the_page_work_with_a_store() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let rest = "output: {dir: out, store: kept, loudness: true}\nthen: [wav, {stems: split_stem}, midi]\nreports: [json, html]\nlimits: {rate: 1/700ms}\n\
                on: {track_kept: [{run: [sh, note.sh]}]}\n";
    lab.manifest("songs.yaml", &studio.url, 1, 4, rest);
    lab.write("note.sh", "cat >> events.jsonl; echo >> events.jsonl\n");
    let (run, address) = serve(&lab);
    let root = format!("file://{}/", lab.path("kept").display());
    let track = loop {
        let page = get(&address, "/");
        let data = data(page.text());
        let jobs = data["jobs"].as_array().unwrap().iter();
        let mut tracks = jobs.flat_map(|job| job["tracks"].as_array().unwrap());
        if let Some(track) = tracks.find(|it| it["made"].is_array()) {
            break track.clone();
        }
    };
    for file in [&track["file"], &track["made"][0]] {
        let at = file["at"].as_str().unwrap();
        let (_, name) = at.split_once("/kept/").unwrap();
        let answer = get(&address, &format!("/{at}"));
        let object = fs::read(lab.path("kept").join(name)).unwrap();
        assert_eq!((answer.status, answer.body), (200, object), "{at}");
    }
    run.signal("INT");
    run.end();

    let ran = lab.expect(0, &["run", "songs.yaml"]);
    let kept = objects(&lab);
    // Of eight tracks.
    for (extension, number) in [("wav", 8), ("mid", 8)] {
        let found = kept.keys().filter(|name| name.ends_with(extension));
        assert_eq!(found.count(), number, "{:?} {}", kept.keys(), ran.err);
    }
    let summary = lab.read("out/summary.json");
    let summary: Value = serde_json::from_str(&summary).unwrap();
    let songs = summary["jobs"].as_array().unwrap().iter();
    let mut measured = 0;
    for track in songs.flat_map(|song| song["tracks"].as_array().unwrap()) {
        measured += usize::from(track["lufs"].is_number());
    }
    // All but the MIDI files.
    assert_eq!(measured, kept.len() - 8, "{summary:#}");
    let events = lab.read("events.jsonl");
    for name in kept.keys() {
        assert!(
            events.contains(&format!("{root}{name}")),
            "{name}: {events}"
        );
    }
    check_output(&lab);
}
