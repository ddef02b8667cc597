//! `backline diff`: two runs, two locks, or one of each, and why they differ.

use crate::lab::Lab;

/// Runs a manifest against a dead provider's address, so that the ledger has a run of it; gives the run's id.
#[track_caller]
fn ran(lab: &Lab) -> String {
    lab.run(&["run", "songs.yaml"]);
    lab.json(&["status", "songs.yaml"])["run"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn two_runs_differ_by_what_was_changed_between_them() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 3, "");
    let first = ran(&lab);
    let changed = lab
        .read("songs.yaml")
        .replace("style 2", "style two")
        .replace("  p3: {tags: \"style 3\"}\n", "  p4: {tags: \"style 4\"}\n");
    lab.write("songs.yaml", changed);
    let second = ran(&lab);

    let text = lab.expect(0, &["diff", &first, &second]).out;
    assert_eq!(
        text,
        "1 changed, 1 dropped, 1 added, 1 the same\n\n\
         ~ s1 × p2 take 1\n    tags: \"style 2\" became \"style two\"\n\
         - s1 × p3 take 1\n+ s1 × p4 take 1\n"
    );
    assert_eq!(
        lab.expect(9, &["diff", &first, &second, "--exit-code"]).out,
        text
    );
    let same = lab.expect(0, &["diff", &first, &first, "--exit-code"]).out;
    assert_eq!(same, "0 changed, 0 dropped, 0 added, 3 the same\n");

    let told = lab.json(&["diff", &first, &second]);
    assert_eq!(told["changed"][0]["changes"][0]["what"], "tags");
    assert_eq!(told["dropped"][0]["preset"], "p3");
    assert_eq!(told["added"][0]["preset"], "p4");
    assert_eq!(told["same"], 1);
}

#[test]
fn the_ledger_of_runs_is_found_by_a_manifest_from_elsewhere() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("album/songs.yaml", &studio.url, 1, 1, "");
    let ran = || {
        lab.run(&["run", "album/songs.yaml"]);
        let status = lab.json(&["status", "album/songs.yaml"]);
        status["run"]["id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (ran(), ran());
    lab.expect(2, &["diff", &first, &second]);
    for sides in [
        &[first.as_str(), &second, "album/songs.yaml"][..],
        &[&first, "album/songs.yaml"],
        &["album/songs.yaml", &second],
    ] {
        let told = lab.expect(0, &[&["diff"], sides].concat()).out;
        assert_eq!(told, "0 changed, 0 dropped, 0 added, 1 the same\n");
    }
}

#[test]
fn a_side_may_be_a_lock_a_manifest_or_a_run() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["plan", "songs.yaml", "--lock"]);
    std::fs::copy(lab.path("songs.lock"), lab.path("older")).unwrap();
    let run = ran(&lab);
    for (old, new) in [
        ("songs.lock", "songs.yaml"),
        ("older", "songs.lock"),
        (run.as_str(), "songs.yaml"),
        ("songs.lock", run.as_str()),
    ] {
        lab.expect(0, &["diff", old, new, "--exit-code"]);
    }
    // Another recording under the same name is a change of its own.
    lab.recording("vocals/s1.wav", 7);
    let text = lab
        .expect(9, &["diff", &run, "songs.yaml", "--exit-code"])
        .out;
    assert!(text.starts_with("2 changed,"), "{text}");
    assert!(text.contains("    recording: \""), "{text}");
    let ran = lab.expect(
        3,
        &["diff", &run, "broken.yaml"].map(|it| {
            lab.write("broken.yaml", "version: 1\n");
            it
        }),
    );
    assert!(ran.err.contains("broken.yaml has"), "{}", ran.err);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let lab = Lab::new();
    let ran_without = lab.expect(2, &["diff", "0193", "0194"]);
    assert!(
        ran_without.err.contains("there is no ledger at"),
        "{}",
        ran_without.err
    );
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let run = ran(&lab);
    let told = lab.expect(2, &["diff", "zzz", &run]);
    assert!(
        told.err.contains("has no run `zzz`")
            && told.err.contains(&format!("the last runs are {run}")),
        "{}",
        told.err
    );
    let told = lab.expect(2, &["diff", "none.lock", &run]);
    assert!(told.err.contains("none.lock"), "{}", told.err);
    lab.write("edited.lock", "{\"backline_lock\":1}\n");
    let told = lab.expect(2, &["diff", "edited.lock", &run]);
    assert!(told.err.contains("is not a lock"), "{}", told.err);
}
