//! What the program says where a user has to act: in which words, how often, and with which hint.

use std::fs;

use crate::lab::{Lab, finish};

#[test]
fn a_path_that_the_provider_does_not_have_is_told_once_with_the_other_route() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let check = |provider: &str, below: &str, advice: &str| {
        let name = format!("{}.yaml", provider.len());
        lab.manifest(&name, &format!("{}{below}", studio.url), 1, 1, "");
        let text = lab.read(&name);
        let at_vendor = format!(
            "{provider}, allow_private: true, upload_url: \"{}\", base_url",
            studio.url
        );
        lab.write(&name, text.replace("profile: studio, base_url", &at_vendor));
        let ran = lab.run(&["run", &name]);
        assert_eq!(ran.code, Some(6), "{}", ran.err);
        let whole = "/api/v1/midi/generate and /api/v1/suno/recovery\n";
        assert_eq!(ran.err.matches(whole).count(), 1, "{}", ran.err);
        assert!(ran.err.contains(advice), "{}", ran.err);
        let bought_at = format!("Songs are bought at {}{below}api/v1/", studio.url);
        assert!(ran.err.contains(&bought_at), "{}", ran.err);
        assert!(!ran.err.contains("The key is"), "{}", ran.err);
        let doctor = lab.run(&["doctor", &name]);
        let says = "check `provider: {base_url: …}`: this server does not have the vendor's paths";
        assert_eq!(
            doctor.out.contains(says),
            !below.is_empty(),
            "{}",
            doctor.out
        );
    };
    check(
        "profile: kie, route: jobs",
        "",
        "/: check `base_url` and `upload_url` of `provider:`, or leave out `route: jobs`.\n",
    );
    check(
        "profile: kie",
        "elsewhere/",
        "/: check `base_url` and `upload_url` of `provider:`, or set `route: jobs` for the vendor's newer route.\n",
    );
    check(
        "profile: sunoapi",
        "elsewhere/",
        "/: check `base_url` and `upload_url` of `provider:`.\n",
    );
    assert!(studio.bill().is_empty());
}

#[test]
fn a_manifest_that_was_never_run_has_no_status_yet() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let hint = "hint: run it first: `backline run songs.yaml`";
    lab.fails(2, &["status", "songs.yaml"], hint);
    lab.fails(2, &["status", "songs.yaml", "--runs"], hint);
    lab.fails(2, &["report", "songs.yaml"], hint);
    lab.expect(0, &["run", "songs.yaml"]);
    lab.manifest("other.yaml", &studio.url, 1, 1, "");
    let hint = "hint: run it first: `backline run other.yaml`";
    lab.fails(2, &["status", "other.yaml"], hint);
}

#[test]
fn a_studio_names_what_is_wrong_with_its_options() {
    let lab = Lab::new();
    lab.write("bad.yaml", "version: 1\nrules:\n  - wen: 5\n");
    let studio = |option: &str, value: &str| {
        let ran = lab.expect(2, &["studio", "--listen", "127.0.0.1:0", option, value]);
        ran.err
    };
    assert_eq!(
        studio("--misbehave", "bad.yaml"),
        "error: bad.yaml: line 3 column 5: unknown field `wen`, expected one of when, do\n    |\n  1 | version: 1\n  2 | rules:\n  \
         3 |   - wen: 5\n    |     ^\n\nhint: docs/misbehave.md lists the fields and faults of a plan\n"
    );
    lab.write(
        "bad.yaml",
        "version: 1\nrules: [{do: []}, {when: {every: 0}, do: []}]\n",
    );
    assert_eq!(
        studio("--misbehave", "bad.yaml"),
        "error: bad.yaml: the plan is wrong\n  rule 1: `do` names no fault\n  rule 2: `every` must be at least 1\n  \
         rule 2: `do` names no fault\n\nhint: docs/misbehave.md lists the fields and faults of a plan\n"
    );
    let missing = studio("--misbehave", "nowhere.yaml");
    assert!(
        missing.contains("cannot read the plan nowhere.yaml: No such file"),
        "{missing}"
    );
    let credits = studio("--credits", "-5");
    let says = "invalid value '-5' for '--credits <N>': expected a number of credits, 0 or more";
    assert!(credits.contains(says), "{credits}");
    for option in ["--sample", "--max-jobs"] {
        let ran = lab.expect(2, &["plan", "songs.yaml", option, "-5"]);
        let says = format!("invalid value '-5' for '{option} <N>'");
        assert!(ran.err.contains(&says), "{}", ran.err);
    }
}

#[test]
fn reports_of_another_manifest_are_not_replaced_without_a_word() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("one.yaml", &studio.url, 1, 1, "");
    lab.manifest("two.yaml", &studio.url, 1, 2, "");
    let word = "has the reports of";
    let first = lab.expect(0, &["run", "one.yaml"]);
    let again = lab.expect(0, &["run", "one.yaml"]);
    assert!(!first.err.contains(word) && !again.err.contains(word));
    let says = "warning: out/songs has the reports of one.yaml, and those of two.yaml replace them: give one of the manifests another `name`";
    let ran = lab.expect(0, &["run", "two.yaml", "-q"]);
    assert!(ran.err.contains(says), "{}", ran.err);
    let report = lab.expect(0, &["report", "one.yaml"]);
    assert!(
        report.err.contains("has the reports of two.yaml"),
        "{}",
        report.err
    );

    // One that is gone, as after a renaming, loses nothing.
    fs::remove_file(lab.path("one.yaml")).unwrap();
    let ran = lab.expect(0, &["run", "two.yaml"]);
    assert!(!ran.err.contains(word), "{}", ran.err);

    // A pipe that nobody writes to is no report.
    fs::remove_file(lab.path("out/songs/summary.json")).unwrap();
    let mut pipe = lab.program("mkfifo");
    pipe.arg("out/songs/summary.json");
    assert_eq!(finish(pipe).code, Some(0));
    lab.expect(0, &["run", "two.yaml"]);
    assert!(lab.path("out/songs/summary.json").is_file());
}
