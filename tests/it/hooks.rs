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

/// A program that gives every job a variety, and counts its calls.
const VARIETY: &str =
    "cat > /dev/null; echo called >> calls; echo '{\"change\": {\"variety\": 3}}'\n";

/// How often the program was called.
fn calls(lab: &Lab) -> usize {
    lab.read("calls").lines().count()
}

#[test]
fn a_changed_job_is_planned_and_bought_under_its_own_key() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.write("variety.sh", VARIETY);
    let rest = "on:\n  plan_job: [{run: [sh, variety.sh]}]\n";
    lab.manifest("songs.yaml", &studio.url, 1, 2, rest);
    // A plan names the hook that it does not call.
    let planned = lab.expect(0, &["plan", "songs.yaml"]);
    let left = "only `backline run` calls: plan_job 1: run sh variety.sh";
    assert!(planned.err.contains(left), "{}", planned.err);
    assert!(!lab.path("calls").exists());
    let mut keys = Vec::new();
    for _ in 0..2 {
        lab.expect(0, &["run", "songs.yaml"]);
        // What was answered once is recorded.
        assert_eq!((studio.bill().len(), calls(&lab)), (2, 2));
        let jobs = summary(&lab)["jobs"].clone();
        for job in jobs.as_array().unwrap() {
            assert_eq!(
                (&job["state"], &job["settings"]["variety"]),
                (&"kept".into(), &3.into())
            );
        }
        keys = [&jobs[0]["key"], &jobs[1]["key"]]
            .map(Clone::clone)
            .to_vec();
    }
    let planned = lab.expect(0, &["plan", "songs.yaml"]);
    assert!(!planned.err.contains(left), "{}", planned.err);
    assert!(planned.out.contains("2 kept (=)"), "{}", planned.out);
    // A filter by state means the jobs as they are planned.
    let plan = lab.json(&["plan", "songs.yaml", "--filter", "state=kept"]);
    assert_eq!(plan["jobs"].as_array().unwrap().len(), 2, "{plan}");
    // Written into the manifest by hand it is the same job, and bought already.
    lab.manifest("songs.yaml", &studio.url, 1, 2, "defaults: {variety: 3}\n");
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(
        (&plan["jobs"][0]["key"], &plan["jobs"][1]["key"]),
        (&keys[0], &keys[1])
    );
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
}

#[test]
fn a_hook_that_was_edited_or_removed_shows_in_the_plan_of_every_manifest() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.write("variety.sh", VARIETY);
    lab.write("mood.lua", "change{tags = tags .. ', slow'}\n");
    let rest = "on:\n  plan_job: [{lua: mood.lua, pure: true}, {run: [sh, variety.sh]}]\n";
    let manifests = ["songs.yaml", "others.yaml"];
    let name = |manifest: &str| manifest.trim_end_matches(".yaml").to_owned();
    for (at, manifest) in manifests.iter().enumerate() {
        lab.manifest(manifest, &studio.url, 1, 1 + at, rest);
        let text = lab.read(manifest);
        let own = format!("title: \"{}, {{{{preset.id}}}}\"", name(manifest));
        let text = text
            .replace("name: songs", &format!("name: {}", name(manifest)))
            .replace("presets:\n", &format!("defaults: {{{own}}}\npresets:\n"));
        lab.write(manifest, text);
        lab.expect(0, &["run", manifest]);
    }
    let bought = studio.bill().len();
    assert_eq!(bought, 3);
    let signs = |manifest: &str| -> Vec<String> {
        let plan = lab.json(&["plan", manifest]);
        let jobs = plan["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["sign"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = |sign: &str| {
        for manifest in manifests {
            let found = signs(manifest);
            assert!(found.iter().all(|it| it == sign), "{manifest}: {found:?}");
        }
    };
    all("kept");
    // A pure hook that was edited is run.
    lab.write("mood.lua", "change{tags = tags .. ', quick'}\n");
    all("changed");
    let plan = lab.json(&["plan", "songs.yaml"]);
    let note = plan["jobs"][0]["note"].as_str().unwrap();
    assert!(note.contains("with other tags"), "{note}");
    assert_eq!(plan["jobs"][0]["submits"], true);
    let text = lab.expect(0, &["plan", "others.yaml"]).out;
    assert!(text.contains("2 to buy, changed (~)"), "{text}");
    lab.write("mood.lua", "change{tags = tags .. ', slow'}\n");
    all("kept");
    // What a program would answer that was edited, only a run can tell.
    lab.write("variety.sh", VARIETY.replace('3', "2"));
    all("changed");
    lab.write("variety.sh", VARIETY);
    all("kept");
    for manifest in manifests {
        let text = lab.read(manifest);
        lab.write(manifest, text.replace(rest, ""));
    }
    all("changed");
    assert_eq!(studio.bill().len(), bought);
}

#[test]
fn hooks_that_make_two_jobs_one_request_are_refused() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let rest = "on:\n  plan_job:\n    - {lua: \"change{tags = 'one', title = 'the same'}\"}\n";
    lab.manifest("songs.yaml", &studio.url, 1, 3, rest);
    let ran = lab.run(&["run", "songs.yaml"]);
    assert!(ran.code.is_some_and(|code| code != 0), "{}", ran.err);
    assert!(
        ran.err
            .contains("make `s1 / p1` and `s1 / p2` one and the same request"),
        "{}",
        ran.err
    );
    assert!(studio.bill().is_empty());
}

#[test]
fn a_change_before_the_submission_buys_nothing_and_names_plan_job() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    for (point, effect) in [("before_upload", "ignore"), ("before_submit", "fail")] {
        let rest =
            format!("on:\n  {point}: [{{lua: \"change{{tags = 'late'}}\", on_error: {effect}}}]\n");
        lab.manifest("songs.yaml", &studio.url, 1, 1, &rest);
        let ran = lab.expect(4, &["run", "songs.yaml"]);
        assert!(
            ran.err.contains("move the hook to `plan_job`"),
            "{}",
            ran.err
        );
        assert!(studio.bill().is_empty());
    }
}

#[test]
fn a_delayed_job_is_asked_about_again_and_then_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let script =
        "if [ -e seen ]; then echo '{}'; else touch seen; echo '{\"delay\": \"50ms\"}'; fi\n";
    lab.write("wait.sh", script);
    let rest = "on:\n  before_submit: [{run: [sh, wait.sh]}]\n";
    lab.manifest("songs.yaml", &studio.url, 1, 1, rest);
    lab.expect(0, &["run", "songs.yaml"]);
    assert!(lab.path("seen").exists());
    assert_eq!(studio.bill().len(), 1);
}

#[test]
fn a_job_that_is_vetoed_when_it_is_planned_is_not_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let rest = "on:\n  plan_job: [{lua: \"if preset.id == 'p2' then veto 'not this one' end\", pure: true}]\n";
    lab.manifest("songs.yaml", &studio.url, 1, 2, rest);
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(
        (&plan["totals"]["vetoed"], &plan["totals"]["to_submit"]),
        (&1.into(), &1.into())
    );
    lab.expect(10, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 1);
    assert_eq!(summary(&lab)["jobs"][1]["error"], "not this one");
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
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
    rest.insert_str(0, "output: {dir: out/songs, loudness: true}\non:\n  track_kept: [{run: [sh, -c, \"cat >> kept.jsonl; echo >> kept.jsonl\"]}]\n");
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
