//! Parts of a manifest, each with a ledger of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::lab::Lab;

/// The keys of the jobs that a plan has.
fn keys(plan: &Value) -> BTreeSet<String> {
    let jobs = plan["jobs"].as_array().unwrap().iter();
    jobs.map(|job| job["key"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn parts_buy_each_job_once_with_a_share_of_the_limits() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let more = "limits: {concurrency: 24}\nthen: [wav]\n";
    lab.manifest("songs.yaml", &studio.url, 2, 2, more);
    let whole = keys(&lab.json(&["plan", "songs.yaml"]));
    // Each machine has the manifest, the recordings, and a ledger and an output directory of its own.
    let mut parts = BTreeSet::new();
    for part in ["hash:1/3", "hash:2/3", "hash:3/3"] {
        let manifest = format!("machine{}/songs.yaml", &part[5..6]);
        lab.manifest(&manifest, &studio.url, 2, 2, more);
        let select = [manifest.as_str(), "--partition", part];
        let plan = lab.json(&[&["plan"], &select[..]].concat());
        let new = keys(&plan);
        assert!(parts.is_disjoint(&new), "{part}");
        parts.extend(new);
        lab.expect(0, &[&["run"], &select[..]].concat());
        // Once more: nothing is left.
        lab.expect(0, &[&["run"], &select[..]].concat());
    }
    assert_eq!(parts, whole);
    assert_eq!(
        studio.bill().len(),
        12,
        "four songs and a WAV of each track"
    );
    lab.manifest("cheap.yaml", &studio.url, 2, 2, "limits: {credits: 4}\n");
    let part = ["plan", "cheap.yaml", "--partition", "hash:1/4"];
    let plan = lab.expect(0, &part).out;
    assert!(plan.contains("limits.credits is 1:"), "{plan}");
    let few = "limits: {concurrency: 2}\n";
    lab.manifest("few.yaml", &studio.url, 1, 1, few);
    lab.fails(
        3,
        &["plan", "few.yaml", "--partition", "hash:1/3"],
        "use at most 2 partitions",
    );
    lab.fails(
        2,
        &["run", "few.yaml", "--partition", "3/1"],
        "a partition is `hash:M/N`",
    );
}

#[test]
fn a_part_without_jobs_has_nothing_to_do() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    for part in ["hash:1/2", "hash:2/2"] {
        let manifest = format!("machine{}/songs.yaml", &part[5..6]);
        lab.manifest(&manifest, &studio.url, 1, 1, "");
        let select = [manifest.as_str(), "--partition", part];
        let plan = lab.expect(0, &[&["plan"], &select[..]].concat()).out;
        let is_empty = plan == "0 jobs\nA run buys nothing.\n";
        assert_eq!(!is_empty, plan.contains("1 job:"), "{plan}");
        lab.expect(0, &[&["run"], &select[..]].concat());
        lab.expect(0, &["status", &manifest]);
    }
    assert_eq!(studio.bill().len(), 1);
}

#[test]
fn every_command_uses_the_ledger_that_the_project_file_names() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.write("backline.yaml", "ledger: shared/ledger.sqlite3\n");
    lab.manifest("songs/songs.yaml", &studio.url, 1, 1, "");
    lab.expect(0, &["run", "songs/songs.yaml"]);
    assert!(lab.path("shared/ledger.sqlite3").exists());
    assert!(!lab.path(".backline/ledger.sqlite3").exists());
    let id = lab.json(&["status"])["run"]["id"].clone();
    let with_manifest = lab.json(&["status", "songs/songs.yaml"]);
    assert_eq!(with_manifest["run"]["id"], id);
    let named = lab.json(&["status", "--ledger", "shared/ledger.sqlite3"]);
    assert_eq!(named["run"]["id"], id);
    for command in ["report", "fetch", "doctor", "plan"] {
        lab.expect(0, &[command, "songs/songs.yaml"]);
    }
    assert_eq!(studio.bill().len(), 1);
    lab.write("backline.yaml", "ledger: [a]\n");
    for command in ["run", "status"] {
        lab.fails(3, &[command, "songs/songs.yaml"], "`ledger` is a string");
    }
    lab.write(
        "backline.yaml",
        "ledger: postgres://ann:hunter22@db/ledger\n",
    );
    let ran = lab.run(&["run", "songs/songs.yaml"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(!ran.err.contains("hunter22"), "{}", ran.err);
}
