//! `backline doctor`: each thing that a run needs, well and not well.

use std::fs;
use std::io::Read;
use std::net::TcpListener;

use serde_json::Value;

use crate::lab::{KEY, Lab, finish};

/// What was found about a thing, with its state; the first one of that name.
#[track_caller]
fn found<'v>(told: &'v Value, about: &str) -> (&'v str, &'v str) {
    let checks = told["checks"].as_array().unwrap();
    let check = checks.iter().find(|it| it["about"] == about);
    let check = check.unwrap_or_else(|| panic!("nothing about {about} in {told}"));
    (
        check["state"].as_str().unwrap(),
        check["found"].as_str().unwrap(),
    )
}

#[track_caller]
fn told(lab: &Lab, code: i32, args: &[&str]) -> Value {
    let ran = lab.expect(code, &[&["doctor", "--format", "json"], args].concat());
    assert!(!ran.out.contains(KEY) && !ran.err.contains(KEY));
    serde_json::from_str(&ran.out).unwrap()
}

#[test]
fn a_fresh_machine_is_fit_for_the_studio() {
    let lab = Lab::new();
    let ran = lab.expect(0, &["doctor"]);
    assert!(
        ran.out
            .starts_with("ok    key        not required: the studio plays on this machine\n"),
        "{}",
        ran.out
    );
    assert!(
        !ran.out.contains("fail") && ran.err.is_empty(),
        "{}\n{}",
        ran.out,
        ran.err
    );
    assert_eq!(
        fs::read_dir(lab.work()).unwrap().count(),
        0,
        "it leaves nothing behind"
    );
    lab.expect(0, &["init", "."]);
    let told = told(&lab, 0, &["backline-demo.yaml"]);
    assert_eq!(told["fit"], true);
    assert_eq!(found(&told, "provider").0, "ok");
    assert!(!lab.path("out").exists() && !lab.path(".backline").exists());
}

#[test]
fn a_provider_is_asked_for_the_credits_and_nothing_is_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--credits", "30"]);
    lab.manifest("songs.yaml", &studio.url, 1, 3, "");
    let well = told(&lab, 0, &["songs.yaml"]);
    assert_eq!(found(&well, "manifest").1, "songs.yaml has 3 jobs");
    assert_eq!(found(&well, "key"), ("ok", "$LAB_KEY is set"));
    assert_eq!(found(&well, "provider").0, "ok");
    assert_eq!(
        found(&well, "credits"),
        ("warn", "the account has 30 credits and the plan costs 36")
    );
    assert_eq!(
        found(&well, "clock"),
        ("ok", "within half a minute of the provider's")
    );
    assert_eq!(found(&well, "callbacks").0, "ok");
    lab.manifest("songs.yaml", &studio.url, 1, 3, "limits: {credits: 24}\n");
    assert_eq!(found(&told(&lab, 0, &["songs.yaml"]), "credits").0, "ok");
    assert!(studio.bill().is_empty());
}

#[test]
fn what_is_wrong_with_the_key_or_the_provider_is_its_exit_code() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");

    let mut keyless = lab.backline(&["doctor", "songs.yaml"]);
    keyless.env_remove("LAB_KEY");
    let ran = finish(keyless);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(
        ran.out.contains(
            "fail  key        $LAB_KEY is not set; it must contain the provider's API key\n"
        ) && ran
            .out
            .contains("→ set it before the program starts: export LAB_KEY=…"),
        "{}",
        ran.out
    );

    let mut wrong = lab.backline(&["doctor", "songs.yaml"]);
    wrong.env("LAB_KEY", "another-key-9876543210");
    let ran = finish(wrong);
    assert_eq!(ran.code, Some(6), "{}", ran.out);
    assert!(
        ran.out.contains("→ check the key") && !ran.out.contains("9876543210"),
        "{}",
        ran.out
    );

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    lab.manifest("songs.yaml", &address, 1, 1, "");
    let told = told(&lab, 6, &["songs.yaml"]);
    assert_eq!(
        (found(&told, "provider").0, &told["fit"]),
        ("fail", &false.into())
    );

    lab.write("broken.yaml", "version: 1\nstem: []\n");
    let ran = lab.expect(3, &["doctor", "broken.yaml"]);
    assert!(
        ran.out.starts_with("fail  manifest   broken.yaml has"),
        "{}",
        ran.out
    );
    lab.expect(2, &["doctor", "none.yaml"]);
}

#[test]
fn a_clock_that_is_wrong_is_noticed() {
    let lab = Lab::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    // A provider of the last century.
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut chunk = [0; 1024];
        while !seen.windows(4).any(|it| it == b"\r\n\r\n") {
            let read = stream.read(&mut chunk).unwrap();
            seen.extend_from_slice(&chunk[..read]);
        }
        let body = r#"{"code":200,"msg":"success","data":100}"#;
        let answer = format!(
            "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        std::io::Write::write_all(&mut stream, answer.as_bytes()).unwrap();
    });
    lab.manifest("songs.yaml", &address, 1, 1, "");
    let told = told(&lab, 0, &["songs.yaml"]);
    server.join().unwrap();
    let (state, words) = found(&told, "clock");
    assert!(
        state == "warn" && words.ends_with("s ahead of the provider's"),
        "{words}"
    );
    assert_eq!(found(&told, "credits").0, "ok");
}

#[test]
fn callbacks_are_tried_on_their_way_round() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = free.local_addr().unwrap();
    drop(free);
    let with = |public: &str| {
        let rest = format!("callbacks: {{listen: \"{here}\", public_url: \"{public}\"}}\n");
        lab.manifest("songs.yaml", &studio.url, 1, 1, &rest);
    };
    with(&format!("http://{here}/back"));
    let told_round = told(&lab, 0, &["songs.yaml"]);
    assert_eq!(
        found(&told_round, "callbacks"),
        ("ok", format!("http://{here}/back leads to {here}").as_str())
    );
    // Another server is at that address.
    with(&studio.url);
    let (state, words) = {
        let told = told(&lab, 0, &["songs.yaml"]);
        let (state, words) = found(&told, "callbacks");
        (state.to_owned(), words.to_owned())
    };
    assert!(
        state == "warn" && words.contains(&format!("but not from {here}")),
        "{words}"
    );
    // Someone listens already.
    let taken = TcpListener::bind(here).unwrap();
    let told_taken = told(&lab, 0, &["songs.yaml"]);
    assert_eq!(
        found(&told_taken, "callbacks"),
        ("warn", format!("{here} is in use").as_str())
    );
    drop(taken);
}

#[test]
fn a_ledger_is_examined_and_its_owner_named() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let whole = told(&lab, 0, &["songs.yaml"]);
    assert_eq!(
        found(&whole, "ledger"),
        (
            "ok",
            ".backline/ledger.sqlite3 is intact: format 6, 1 run, 2 jobs"
        )
    );
    // Without a manifest the nearest ledger is meant.
    assert_eq!(found(&told(&lab, 0, &[]), "ledger").0, "ok");

    let callbacks = lab.read("songs.yaml")
        + "callbacks: {listen: \"127.0.0.1:0\", public_url: \"https://hooks.example.com/x\"}\n";
    lab.write("songs.yaml", callbacks);
    let listening = lab.start(&["listen", "songs.yaml"]);
    listening.out_line();
    let held = told(&lab, 0, &[]);
    let (state, words) = found(&held, "ledger");
    assert!(
        state == "warn" && words.contains("in use by another backline process"),
        "{words}"
    );
    listening.signal("TERM");
    listening.end();

    let ledger = lab.path(".backline/ledger.sqlite3");
    fs::write(
        &ledger,
        "this is no ledger, but it is long enough to be read as something",
    )
    .unwrap();
    let damaged = told(&lab, 7, &[]);
    assert_eq!(found(&damaged, "ledger").0, "fail");
}

#[test]
fn a_folder_that_can_not_be_written_to_is_exit_code_7() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        1,
        1,
        "output: {dir: out/there}\n",
    );
    // A file in the way: nobody may make a folder of it, whatever the user.
    lab.write("out", "");
    let told = told(&lab, 7, &["songs.yaml"]);
    let checks = told["checks"].as_array().unwrap();
    let output = checks
        .iter()
        .find(|it| {
            it["found"]
                .as_str()
                .unwrap()
                .contains("the output directory")
        })
        .unwrap();
    assert_eq!(output["state"], "fail", "{output}");
}

#[test]
fn a_hook_whose_program_is_missing_is_found_before_it_costs_a_job() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let with = |rest: &str| lab.manifest("songs.yaml", &studio.url, 1, 1, rest);
    with("on: {before_submit: [{run: [sh, -c, exit 0], env: [LAB_KEYS]}, {lua: \"return\"}]}\n");
    let told_env = told(&lab, 0, &["songs.yaml"]);
    assert_eq!(
        found(&told_env, "hooks"),
        ("warn", "variables that are not set: LAB_KEYS")
    );
    with("on: {before_submit: [{run: [python-9000, guard.py]}]}\n");
    let missing = told(&lab, 2, &["songs.yaml"]);
    assert_eq!(
        found(&missing, "hooks"),
        (
            "fail",
            "missing or not executable: before_submit 1: run python-9000 guard.py"
        )
    );
    with("on: {track_kept: [{run: [./none.sh]}]}\n");
    assert_eq!(found(&told(&lab, 0, &["songs.yaml"]), "hooks").0, "warn");
}
