//! The command line itself: help, every command, exit codes, what goes to which stream.

use std::fs;

use serde_json::Value;

use crate::lab::{Lab, Running, finish};

const COMMANDS: [&str; 18] = [
    "init",
    "validate",
    "plan",
    "run",
    "fetch",
    "listen",
    "status",
    "report",
    "resolve",
    "studio",
    "diff",
    "gc",
    "ledger",
    "doctor",
    "hooks",
    "schema",
    "man",
    "completions",
];

#[test]
fn the_help_is_what_it_was() {
    let lab = Lab::new();
    insta::assert_snapshot!("help", lab.expect(0, &["--help"]).out);
    for command in COMMANDS {
        let help = lab.expect(0, &[command, "--help"]).out;
        assert!(help.contains("Example"), "{command} has no example");
        // The global options stand in the first snapshot.
        let own = help.split("Global options:").collect::<Vec<_>>();
        let after = own[1]
            .split_once("\nExample")
            .map_or("", |(_, after)| after);
        insta::assert_snapshot!(
            format!("help_{command}"),
            format!("{}\nExample{after}", own[0].trim_end())
        );
    }
}

#[test]
fn what_can_not_be_understood_is_exit_code_2() {
    let lab = Lab::new();
    for args in [
        &["frobnicate"][..],
        &[],
        &["run"],
        &["run", "a.yaml", "b.yaml"],
        &["plan", "a.yaml", "--lock", "--locked"],
        &["plan", "a.yaml", "--filter", "preset"],
        &["plan", "a.yaml", "--sample", "0"],
        &["plan", "a.yaml", "--seed", "1"],
        &["status", "-q", "-v"],
        &["studio", "--rate", "fast"],
        &["studio", "--listen", "0.0.0.0:0"],
        &["studio", "--listen", "0.0.0.0:0", "--expose"],
        &["studio", "--credits", "-1"],
        &["resolve", "abcdef"],
        &["resolve", "abcdef", "--never-bought", "--buy-again"],
        &["report", "--only", "xls"],
        &["completions", "cobol"],
    ] {
        let ran = lab.expect(2, args);
        assert_eq!(ran.out, "", "{args:?}");
        assert!(!ran.err.is_empty(), "{args:?}");
    }
}

#[test]
fn init_writes_a_start_and_never_over_anything() {
    let lab = Lab::new();
    lab.expect(0, &["init", "new"]);
    assert_eq!(
        lab.expect(0, &["validate", "new/backline-demo.yaml"]).err,
        ""
    );
    lab.write("new/backline-demo.yaml", "mine");
    let ran = lab.expect(2, &["init", "new"]);
    assert!(
        ran.err
            .contains("new/backline-demo.yaml exists, and nothing is overwritten"),
        "{}",
        ran.err
    );
    assert_eq!(lab.read("new/backline-demo.yaml"), "mine");

    lab.write("half/vocals/twinkle.flac", "mine");
    lab.write("half/.gitignore", "mine");
    lab.expect(2, &["init", "half"]);
    assert!(!lab.path("half/backline-demo.yaml").exists());
    fs::remove_file(lab.path("half/vocals/twinkle.flac")).unwrap();
    lab.expect(0, &["init", "half"]);
    assert_eq!(lab.read("half/.gitignore"), "mine");
}

#[test]
fn a_manifest_that_is_not_there_brings_the_nearest() {
    let lab = Lab::new();
    // A manifest may have mistakes; other YAML files are none.
    for name in [
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh",
    ] {
        let text = "version: 1\nstems: [a.wav]\npresets: {}\n";
        lab.write(&format!("songs/{name}.yaml"), text);
    }
    lab.write("songs/secondo.yaml", "on: push\njobs: {}\n");
    let ran = lab.expect(2, &["run", "songs/secnod.yaml"]);
    assert!(
        ran.err.contains(
            "there is no manifest songs/secnod.yaml\n\nhint: manifests there: songs/second.yaml, "
        ) && ran.err.contains(", and 2 more\n")
            && !ran.err.contains("secondo"),
        "{}",
        ran.err
    );
    let ran = lab.expect(2, &["plan", "songs"]);
    assert!(
        ran.err.contains("songs is a folder, not a manifest"),
        "{}",
        ran.err
    );
    let ran = lab.expect(2, &["plan", "nowhere/x.yaml"]);
    assert!(
        ran.err.contains("there is no manifest nowhere/x.yaml"),
        "{}",
        ran.err
    );
}

#[test]
fn a_plan_is_a_table_for_people_and_a_document_for_programs() {
    let lab = Lab::new();
    lab.manifest(
        "songs.yaml",
        "http://127.0.0.1:9/",
        2,
        2,
        "sweep: {vocal_gender: [m, f]}\ntakes: 2\nlimits: {credits: 100}\n",
    );
    insta::assert_snapshot!(
        "plan_table",
        lab.expect(0, &["plan", "songs.yaml", "--jobs"]).out
    );
    let coloured = lab
        .expect(0, &["plan", "songs.yaml", "--color", "always"])
        .out;
    assert!(coloured.contains("\u{1b}["));
    let stripped = anstream::adapter::strip_str(&coloured).to_string();
    let lines: Vec<&str> = stripped.lines().map(str::trim_end).collect();
    assert_eq!(
        lines.join(
            "
"
        ) + "
",
        lab.expect(0, &["plan", "songs.yaml"]).out
    );

    let plan = lab.json(&[
        "plan",
        "songs.yaml",
        "--filter",
        "stem=s1",
        "--filter",
        "vocal_gender=f",
    ]);
    assert_eq!(plan["jobs"].as_array().unwrap().len(), 4);
    assert_eq!(plan["jobs"][0]["sweep"]["vocal_gender"], "f");
    assert_eq!(plan["totals"]["credits"], 48.0);
    let sample = |seed: &str| {
        lab.json(&["plan", "songs.yaml", "--sample", "3", "--seed", seed])["jobs"].clone()
    };
    assert_eq!(sample("1"), sample("1"));
    assert_ne!(sample("1"), sample("2"));
    let ran = lab.expect(3, &["plan", "songs.yaml", "--max-jobs", "15"]);
    assert!(ran.err.contains("15"), "{}", ran.err);
}

#[test]
fn a_lock_is_written_held_to_and_compared() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    let ran = lab.expect(2, &["plan", "songs.yaml", "--locked"]);
    assert!(
        ran.err
            .contains("hint: write it with `backline plan --lock`"),
        "{}",
        ran.err
    );
    lab.expect(0, &["plan", "songs.yaml", "--lock"]);
    lab.expect(
        0,
        &["plan", "songs.yaml", "--locked", "--filter", "preset=p1"],
    );
    assert_eq!(
        lab.expect(0, &["plan", "songs.yaml", "--diff"]).out,
        "no differences\n"
    );

    let changed = lab.read("songs.yaml").replace("style 2", "style two") + "  p3: {tags: new}\n";
    lab.write("songs.yaml", changed);
    let diff = lab.expect(0, &["plan", "songs.yaml", "--diff"]).out;
    assert!(
        diff.contains("s1 × p2 take 1\n    tags: \"style 2\" became \"style two\"\n+ "),
        "{diff}"
    );
    for command in ["plan", "run"] {
        let ran = lab.expect(9, &[command, "songs.yaml", "--locked"]);
        assert!(
            ran.err.contains(
                "error: the plan of songs.yaml differs from its lock file\n  ~ s1 × p2 take 1\n      tags: \"style 2\" became \"style two\"\n  + s1 × p3 take 1\n"
            ),
            "{}",
            ran.err
        );
        assert!(
            ran.err.contains(
                "hint: if that is intended, write the lock file again with `backline plan songs.yaml --lock`"
            ),
            "{}",
            ran.err
        );
    }
    assert!(studio.bill().is_empty());
    assert_eq!(lab.json(&["plan", "songs.yaml", "--diff"])["same"], false);
}

#[test]
fn status_says_how_the_last_run_stands() {
    let lab = Lab::new();
    let ran = lab.expect(2, &["status"]);
    assert!(ran.err.contains("there is no ledger at"), "{}", ran.err);
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs/songs.yaml", &studio.url, 1, 2, "");
    let ran = lab.expect(0, &["run", "songs/songs.yaml", "-v"]);
    let told = lab.expect(0, &["status", "songs/songs.yaml"]).out;
    assert!(
        told.starts_with("songs/songs.yaml with studio, run ")
            && told.contains("4 tracks kept in songs/"),
        "{told}"
    );
    // Every file that was told of is there as it was told.
    let lines = ran.err.lines();
    let fetched: Vec<&str> = lines
        .clone()
        .filter(|line| line.contains(" fetched "))
        .filter_map(|line| line.rsplit_once("  ").map(|(_, path)| path))
        .collect();
    assert!(!fetched.is_empty(), "{}", ran.err);
    assert!(
        fetched.iter().all(|path| lab.path(path).is_file()),
        "{fetched:?}"
    );
    let kept: Vec<&str> = lines
        .filter_map(|line| line.split_once("2 tracks in "))
        .map(|(_, folder)| folder)
        .collect();
    assert!(
        kept.len() == 2 && kept.iter().all(|folder| lab.path(folder).is_dir()),
        "{}",
        ran.err
    );
    let mut inside = lab.backline(&["status"]);
    inside.current_dir(lab.path("songs"));
    let told_inside = finish(inside).out;
    assert!(
        told_inside.starts_with("songs.yaml with studio, run ")
            && !told_inside.contains("in songs/"),
        "{told_inside}"
    );
    let mut from_below = lab.backline(&["status", "--format", "json"]);
    from_below.current_dir(lab.path("songs/vocals"));
    let status: Value = serde_json::from_str(&finish(from_below).out).unwrap();
    assert_eq!(status["totals"]["kept"], 2);
    let runs = lab.expect(0, &["status", "songs/songs.yaml", "--runs"]).out;
    assert_eq!(runs.lines().count(), 1);
    assert!(runs.ends_with("  songs/songs.yaml\n"), "{runs}");
    let ran = lab.expect(2, &["status", "songs/songs.yaml", "--run", "zzz"]);
    assert!(ran.err.contains("has no run `zzz`"), "{}", ran.err);
}

#[test]
fn a_ledger_may_lie_elsewhere() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    lab.expect(0, &["run", "songs.yaml", "--ledger", "mine/ledger"]);
    assert!(lab.path("mine/ledger").is_file() && !lab.path(".backline").exists());
    assert_eq!(
        lab.json(&["plan", "songs.yaml", "--ledger", "mine/ledger"])["totals"]["kept"],
        1
    );
    assert_eq!(lab.json(&["plan", "songs.yaml"])["totals"]["to_buy"], 1);
    lab.expect(0, &["status", "--ledger", "mine/ledger"]);
    lab.expect(0, &["report", "songs.yaml", "--ledger", "mine/ledger"]);
    let ran = lab.expect(2, &["report", "--ledger", "mine/ledger"]);
    assert!(ran.err.contains("hint: name the manifest"), "{}", ran.err);
}

#[test]
fn old_runs_are_removed_on_request_and_nothing_is_bought_again() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    for _ in 0..3 {
        lab.expect(0, &["run", "songs.yaml"]);
    }
    let runs = || lab.expect(0, &["status", "--runs"]).out.lines().count();
    let none = lab.expect(0, &["gc"]).out;
    assert!(
        none.ends_with("has no runs older than 90 days to remove\n"),
        "{none}"
    );
    let shown = lab.expect(0, &["gc", "--older-than", "1ms"]).out;
    assert!(
        shown.starts_with(
            "would remove from .backline/ledger.sqlite3: 2 runs older than 1 ms, 0 rows of their plans"
        ) && shown.contains("nothing was removed; --yes removes them"),
        "{shown}"
    );
    assert_eq!(runs(), 3);
    let gone = lab.json(&["gc", "songs.yaml", "--older-than", "1ms", "--yes"]);
    assert_eq!(
        (&gone["removed"], gone["runs"].as_array().unwrap().len()),
        (&true.into(), 2)
    );
    assert_eq!(runs(), 1);
    lab.expect(0, &["status"]);
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 2);
    let ledger = lab.json(&["doctor", "songs.yaml"]);
    assert!(
        ledger.to_string().contains("is intact: format 6"),
        "{ledger}"
    );
}

/// The response to an accepted submission is lost and the provider has no idempotency: `resolve` decides, and the bill counts.
#[track_caller]
fn check_word(word: impl FnOnce(&str) -> Vec<String>, bought: usize) {
    let lab = Lab::new();
    lab.write(
        "drop.yaml",
        "version: 1\nidempotency: off\nrules: [{when: {nth: [1]}, do: [{response: drop}, {callbacks: {never: true}}]}]\n",
    );
    let drop = lab.path("drop.yaml");
    let studio = lab.studio(&["--instant", "--misbehave", drop.to_str().unwrap()]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let unkeyed = lab
        .read("songs.yaml")
        .replace("api_key:", "idempotency_key: false, api_key:");
    lab.write("songs.yaml", unkeyed);
    let ran = lab.expect(8, &["run", "songs.yaml"]);
    assert!(ran.err.contains("In doubt"), "{}", ran.err);
    // Running again changes nothing by itself.
    lab.expect(8, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 1);

    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(plan["jobs"][0]["sign"], "in_doubt");
    let key = plan["jobs"][0]["key"].as_str().unwrap()[..12].to_owned();
    let word = word(&studio.bill()[0].task_id);
    let mut args = vec!["resolve", key.as_str()];
    args.extend(word.iter().map(String::as_str));
    lab.expect(0, &args);
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), bought);
    let ran = lab.expect(2, &["resolve", &key, "--never-bought"]);
    assert!(ran.err.contains("is not in doubt"), "{}", ran.err);
}

#[test]
fn a_job_in_doubt_whose_task_the_user_knows_is_not_bought_again() {
    check_word(|task| vec!["--task".to_owned(), task.to_owned()], 1);
}

#[test]
fn a_job_in_doubt_is_bought_again_when_the_user_says_so() {
    check_word(|_| vec!["--buy-again".to_owned()], 2);
}

#[test]
fn listening_says_where_and_ends_by_a_signal() {
    let lab = Lab::new();
    lab.manifest("songs.yaml", "http://127.0.0.1:9/", 1, 1, "");
    let ran = lab.expect(2, &["listen", "songs.yaml"]);
    assert!(
        ran.err.contains("has no address for callbacks"),
        "{}",
        ran.err
    );
    let callbacks = lab.read("songs.yaml")
        + "callbacks: {listen: \"127.0.0.1:0\", public_url: \"https://hooks.example.com/x\"}\n";
    lab.write("songs.yaml", callbacks);
    let running = lab.start(&["listen", "songs.yaml"]);
    assert!(running.out_line().starts_with("http://127.0.0.1:"));
    running.signal("TERM");
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("received 0 callbacks"), "{}", ran.err);
}

#[test]
fn the_studio_says_its_address_first_and_keeps_its_key_to_itself() {
    let lab = Lab::new();
    let mut command = lab.backline(&["studio", "--listen", "127.0.0.1:0", "-vv"]);
    command.env("BACKLINE_STUDIO_KEY", "s3cret-studio-key");
    let running = Running::start(command);
    assert!(running.out_line().starts_with("http://127.0.0.1:"));
    running.signal("INT");
    let ran = running.end();
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    assert!(!ran.err.contains("s3cret"), "{}", ran.err);
    assert!(lab.path(".backline/studio-service").is_dir());
}

#[test]
fn completions_are_for_every_shell() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.expect(0, &["completions", shell]).out;
        for word in COMMANDS.iter().chain(&["backline", "record"]) {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn a_reader_who_leaves_is_no_failure() {
    let lab = Lab::new();
    lab.manifest("songs.yaml", "http://127.0.0.1:9/", 1, 2, "takes: 900\n");
    // Tags that the band understands: there is no warning.
    let text = lab.read("songs.yaml");
    let text = text.replace("style 1", "piano").replace("style 2", "lofi");
    lab.write("songs.yaml", text);
    let mut shell = lab.program("sh");
    let script = "{ \"$0\" plan songs.yaml --format json; echo $? >&2; } | head -n 1";
    shell.args(["-c", script, crate::lab::BACKLINE]);
    let ran = finish(shell);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("{\n", "0\n"));
}

#[test]
fn quiet_says_only_what_went_wrong() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let ran = lab.expect(0, &["run", "songs.yaml", "-q"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
}
