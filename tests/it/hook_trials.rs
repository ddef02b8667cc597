//! `backline hooks test`: what a hook would do, shown without a run.

use serde_json::{Value, json};

use crate::lab::{Lab, finish};

/// Tries a shell script out and gives what programs are told of it.
#[track_caller]
fn trial(lab: &Lab, code: i32, args: &[&str]) -> Value {
    let ran = lab.expect(
        code,
        &[&["hooks", "test", "--format", "json"], args].concat(),
    );
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn each_effect_is_told_apart() {
    let lab = Lab::new();
    for (script, kind, code) in [
        ("cat > /dev/null", "nothing", 0),
        (r#"echo '{"veto": "no"}'"#, "veto", 0),
        (r#"echo '{"Veto": "no"}'"#, "failure", 4),
        (r#"echo '{"change": {"tags": "calm"}}'"#, "change", 0),
        (r#"echo '{"change": {"style_weight": 7}}'"#, "failure", 4),
        ("exit 3", "failure", 4),
        ("echo no json", "failure", 4),
        ("yes", "failure", 4),
    ] {
        let told = trial(&lab, code, &["plan_job", "--", "sh", "-c", script]);
        assert_eq!(told["effect"]["kind"], kind, "{script}: {told}");
        assert_eq!(told["event"]["point"], "plan_job");
        assert_eq!(told["error"].is_string(), kind == "failure", "{script}");
        assert!(told["took_ms"].as_f64().unwrap() > 0.0);
    }
    let told = trial(
        &lab,
        0,
        &[
            "plan_job",
            "--",
            "sh",
            "-c",
            r#"echo '{"change": {"tags": "calm"}}'"#,
        ],
    );
    assert_eq!(told["output"], json!({"change": {"tags": "calm"}}));
    assert_eq!(told["settings"]["tags"], "calm");
    assert_eq!(
        told["settings"]["title"],
        told["event"]["job"]["settings"]["title"]
    );
    let delay = r#"echo '{"delay": "30s"}'"#;
    let told = trial(&lab, 0, &["before_submit", "--", "sh", "-c", delay]);
    assert_eq!(told["effect"]["kind"], "delay");
    // A job that is planned is not changed any more.
    let late = r#"echo '{"change": {"tags": "calm"}}'"#;
    let told = trial(&lab, 4, &["before_submit", "--", "sh", "-c", late]);
    let error = told["error"].as_str().unwrap();
    assert!(error.contains("move the hook to `plan_job`"), "{error}");
    // Nothing was run, so nothing is left.
    assert!(!lab.path(".backline").exists());
}

#[test]
fn a_hook_that_hangs_is_ended_in_its_time_and_the_effect_is_chosen() {
    let lab = Lab::new();
    let hangs = ["before_submit", "--timeout", "200ms", "--", "sleep", "600"];
    let told = trial(&lab, 4, &hangs);
    assert_eq!(told["error"], "no response within 200 ms");
    assert!(
        told["effect"]["text"]
            .as_str()
            .unwrap()
            .contains("the job fails")
    );
    let told = trial(&lab, 4, &[&["--on-error", "veto"], &hangs[..]].concat());
    assert!(
        told["effect"]["text"]
            .as_str()
            .unwrap()
            .contains("the job is vetoed")
    );
    let ran = lab.expect(
        2,
        &["hooks", "test", "stage", "--on-error", "veto", "--", "true"],
    );
    assert!(
        ran.err.contains("at stage there is no job to veto"),
        "{}",
        ran.err
    );
}

#[test]
fn a_person_reads_event_answer_effect_and_what_was_said_aside() {
    let lab = Lab::new();
    let script = r#"read -r event; echo "one
two" >&2; echo '{"change": {"tags": "calm", "variety": 2}}'"#;
    let text = lab
        .expect(0, &["hooks", "test", "plan_job", "--", "sh", "-c", script])
        .out;
    let lines: Vec<&str> = text.lines().collect();
    let (event, lines) = lines.split_at(
        lines
            .iter()
            .position(|it| it.starts_with("output"))
            .unwrap(),
    );
    assert_eq!(event[0], "event");
    assert!(event.iter().all(|line| line.len() <= 80), "{text}");
    let event: Value = serde_json::from_str(&event[1..].join("\n")).unwrap();
    assert_eq!(event["point"], "plan_job");
    assert_eq!(
        &lines[..6],
        [
            r#"output  {"change":{"tags":"calm","variety":2}}"#,
            r#"        tags: "lo-fi hip hop, dusty drums" became "calm""#,
            "        variety: not set became 2",
            "effect  change: the job is planned with other settings",
            "stderr  one",
            "        two",
        ]
    );
    assert!(
        lines[6].starts_with("took    ") && lines[6].ends_with(" ms"),
        "{text}"
    );
}

#[test]
fn scripts_and_services_are_tried_the_same_way() {
    let lab = Lab::new();
    lab.write(
        "rule.lua",
        "if stem.vars.language == 'fr' then veto 'not in French' end\n",
    );
    let told = trial(&lab, 0, &["before_submit", "--lua", "rule.lua"]);
    assert_eq!(told["output"]["veto"], "not in French");
    // The text of a script, as a manifest has it.
    let inline = "if take == 1 then veto('enough') end";
    let told = trial(&lab, 0, &["before_submit", "--lua", inline]);
    assert_eq!(told["effect"]["kind"], "veto", "{told}");
    let ran = lab.expect(
        2,
        &["hooks", "test", "before_submit", "--lua", "rules/mood"],
    );
    assert!(
        ran.err
            .contains("hint: --lua takes a file, or the text of a script"),
        "{}",
        ran.err
    );
    lab.write("broken.lua", "if stem then\n");
    let ran = lab.expect(
        2,
        &["hooks", "test", "before_submit", "--lua", "broken.lua"],
    );
    assert!(ran.err.contains("broken.lua"), "{}", ran.err);
    let ran = lab.expect(2, &["hooks", "test", "before_submit", "--lua", "none.lua"]);
    assert!(
        ran.err.contains("cannot read the script none.lua"),
        "{}",
        ran.err
    );

    let service = r#"read -r hello; echo '{"hello": {"protocol": 1}}'; read -r ask; echo seen >&2; echo '{"id": 1, "veto": "later"}'; cat > /dev/null; echo bye >&2"#;
    let told = trial(
        &lab,
        0,
        &["before_submit", "--service", "--", "sh", "-c", service],
    );
    assert_eq!(told["output"]["veto"], "later");
    assert_eq!(told["stderr"][0], "seen");
}

#[test]
fn a_hook_sees_the_environment_that_a_run_would_give_it() {
    let lab = Lab::new();
    let show = r#"echo "team=$TEAM secret=$SECRET" >&2"#;
    for (more, seen) in [
        (&[][..], "team= secret="),
        (&["--env", "TEAM"], "team=blue secret="),
    ] {
        let args = [
            &["hooks", "test", "submitted", "--format", "json"],
            more,
            &["--", "sh", "-c", show],
        ];
        let mut command = lab.backline(&args.concat());
        command.env("TEAM", "blue").env("SECRET", "s3cret");
        let ran = finish(command);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let told: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(told["stderr"][0], seen);
    }
}

#[test]
fn an_unknown_event_brings_the_nearest() {
    let lab = Lab::new();
    let ran = lab.expect(2, &["hooks", "test", "before_sumbit", "--", "true"]);
    assert!(
        ran.err.contains("did you mean `before_submit`?"),
        "{}",
        ran.err
    );
    let ran = lab.expect(2, &["hooks", "test", "lunch", "--", "true"]);
    assert!(
        ran.err
            .contains("the events are plan_job, plan_expanded, before_upload,")
            && !ran.err.contains("did you mean"),
        "{}",
        ran.err
    );
    lab.expect(2, &["hooks", "test", "stage"]);
    lab.expect(
        2,
        &["hooks", "test", "stage", "--lua", "x.lua", "--", "true"],
    );
}

#[test]
fn every_event_can_be_tried() {
    let lab = Lab::new();
    for event in [
        "plan_job",
        "plan_expanded",
        "before_upload",
        "before_submit",
        "submitted",
        "stage",
        "track_kept",
        "job_failed",
        "job_in_doubt",
        "run_finished",
    ] {
        let told = trial(&lab, 0, &[event, "--", "sh", "-c", "cat > heard"]);
        let heard: Value = serde_json::from_str(&lab.read("heard")).unwrap();
        assert_eq!(heard["point"], event);
        assert_eq!(heard, told["event"]);
    }
}

#[test]
fn no_hook_is_given_a_key() {
    let lab = Lab::new();
    let mut command = lab.backline(&[
        "hooks",
        "test",
        "before_submit",
        "--env",
        "BACKLINE_API_KEY",
        "--",
        "env",
    ]);
    command.env("BACKLINE_API_KEY", "sekret-0123456789");
    let ran = crate::lab::finish(command);
    assert_eq!(ran.code, Some(2), "{}", ran.out);
    assert!(ran.err.contains("hooks receive no keys"), "{}", ran.err);
    assert!(!format!("{}{}", ran.out, ran.err).contains("sekret"));
}
