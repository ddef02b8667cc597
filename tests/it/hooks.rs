//! Hooks in real runs: what they decide is what is bought, and what they do shows in the reports.

use serde_json::Value;

use crate::lab::Lab;

fn summary(lab: &Lab) -> Value {
    serde_json::from_str(&lab.read("out/songs/summary.json")).unwrap()
}

#[test]
fn a_vetoed_job_is_not_bought_and_is_asked_about_again() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let rest = "on:\n  before_submit:\n    - {lua: \"if preset.id == 'p2' then veto 'not this one' end\", pure: true}\n";
    lab.manifest("songs.yaml", &studio.url, 2, 2, rest);
    for _ in 0..2 {
        lab.expect(10, &["run", "songs.yaml"]);
        assert_eq!(studio.bill().len(), 2);
        let summary = summary(&lab);
        assert_eq!(summary["run"]["outcome"]["how"], "vetoed");
        assert_eq!(summary["totals"]["vetoed"], 2);
        assert!(summary["totals"]["credits_saved"].as_f64().unwrap() > 0.0);
        let job = &summary["jobs"][1];
        assert_eq!(
            (&job["state"], &job["error"]),
            (&"vetoed".into(), &"not this one".into())
        );
    }
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(plan["totals"]["vetoed"], 2);
    // Whoever takes the rule away gets the rest.
    lab.manifest("songs.yaml", &studio.url, 2, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 4);
}

#[test]
fn a_changed_job_is_bought_once_under_its_own_key() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let rest = "on:\n  before_upload:\n    - {run: [sh, -c, \"cat > /dev/null; echo '{\\\"change\\\": {\\\"variety\\\": 3}}'\"]}\n";
    lab.manifest("songs.yaml", &studio.url, 1, 2, rest);
    for _ in 0..2 {
        lab.expect(0, &["run", "songs.yaml"]);
        assert_eq!(studio.bill().len(), 2);
        for job in summary(&lab)["jobs"].as_array().unwrap() {
            assert_eq!(
                (&job["state"], &job["settings"]["variety"]),
                (&"kept".into(), &3.into())
            );
            assert!(
                job["bought_as"]
                    .as_str()
                    .is_some_and(|key| key != job["key"]),
                "{job}"
            );
        }
    }
    // Written into the manifest by hand it is the same job, and bought already.
    lab.manifest("songs.yaml", &studio.url, 1, 2, "defaults: {variety: 3}\n");
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
}

#[test]
fn a_job_that_becomes_another_of_the_plan_buys_nothing() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let rest = "on:\n  before_submit:\n    - {lua: \"change{tags = 'style 1'}\"}\n";
    lab.manifest("songs.yaml", &studio.url, 2, 3, rest);
    for _ in 0..2 {
        lab.expect(0, &["run", "songs.yaml"]);
        assert_eq!(studio.bill().len(), 2);
        let summary = summary(&lab);
        assert_eq!(
            (&summary["totals"]["kept"], &summary["totals"]["tracks"]),
            (&6.into(), &4.into())
        );
    }
}

#[test]
fn a_hook_that_fails_does_what_the_manifest_says() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let with = |effect: &str| {
        format!("on:\n  before_submit: [{{run: [sh, -c, exit 5], on_error: {effect}}}]\n")
    };
    for (effect, code, bought) in [("fail", 4, 0), ("veto", 10, 0), ("ignore", 0, 1)] {
        lab.manifest("songs.yaml", &studio.url, 1, 1, &with(effect));
        lab.expect(code, &["run", "songs.yaml"]);
        assert_eq!(studio.bill().len(), bought, "{effect}");
        let failure = &summary(&lab)["run"]["hook_failures"][0];
        assert_eq!(failure["effect"], effect);
        assert!(
            failure["message"]
                .as_str()
                .unwrap()
                .contains("exit status: 5"),
            "{failure}"
        );
    }
}

#[test]
fn observers_hear_of_a_jobs_life_and_loudness_is_measured() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let tells = |point: &str| {
        format!("  {point}: [{{run: [sh, -c, \"cat >> {point}.jsonl; echo >> {point}.jsonl\"]}}]\n")
    };
    let points = ["plan_expanded", "submitted", "stage", "run_finished"];
    let mut rest: String = points.iter().map(|point| tells(point)).collect();
    rest.insert_str(0, "on:\n  track_kept: [loudness, {run: [sh, -c, \"cat >> kept.jsonl; echo >> kept.jsonl\"]}]\n");
    lab.manifest("songs.yaml", &studio.url, 1, 1, &rest);
    lab.expect(0, &["run", "songs.yaml"]);
    let summary = summary(&lab);
    for track in summary["jobs"][0]["tracks"].as_array().unwrap() {
        let lufs = track["loudness"]["integrated_lufs"].as_f64().unwrap();
        assert!((-40.0..0.0).contains(&lufs), "{lufs}");
    }
    let heard = |name: &str| -> Vec<Value> {
        let text = lab.read(&format!("{name}.jsonl"));
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    assert_eq!(heard("plan_expanded")[0]["plan"]["to_submit"], 1);
    assert_eq!(heard("submitted")[0]["happened"]["event"], "accepted");
    assert_eq!(
        heard("stage").last().unwrap()["happened"]["stage"],
        "complete"
    );
    assert_eq!(heard("run_finished")[0]["totals"]["kept"], 1);
    for event in heard("kept") {
        let file = event["file"].as_str().unwrap();
        assert!(std::path::Path::new(file).is_file(), "{file}");
    }
}

#[test]
fn a_plan_asks_pure_hooks_and_no_others() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let on = "on:\n  before_submit:\n    - {lua: \"veto('not today')\", pure: true}\n    - {run: [sh, -c, \"touch asked\"]}\n";
    lab.manifest("songs.yaml", &studio.url, 1, 1, on);
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(plan["totals"]["vetoed"], 1, "{plan}");
    assert!(!lab.path("asked").exists());
    lab.expect(10, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 0);
}
