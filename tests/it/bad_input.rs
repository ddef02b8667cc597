//! What is wrong outside: each gives its documented exit code, a message that says where, what and what to do, and loses nothing.
//!
//! Manifests alone are the matter of [`expansion`](crate::expansion), which draws every diagnostic; here they are given to the
//! program.

use std::fs;
use std::net::TcpListener;

use crate::lab::{Lab, Ran, Running, finish};

const HEAD: &str = "version: 1\nname: songs\n";

/// A manifest that is wrong, what its message must hold, and that nothing is left behind.
#[track_caller]
fn check_manifest(text: &str, expected: &[&str]) {
    let lab = Lab::new();
    lab.recording("vocals/verse.wav", 1);
    lab.write("vocals/notes.wav", "these are words, not music");
    lab.write("songs.yaml", text);
    for command in ["validate", "plan", "run"] {
        let ran = lab.expect(3, &[command, "songs.yaml"]);
        for part in expected {
            assert!(ran.err.contains(part), "`{part}` is not in\n{}", ran.err);
        }
        assert!(
            ran.err.contains("invalid manifest: songs.yaml has"),
            "{}",
            ran.err
        );
    }
    let data = lab.run(&["validate", "songs.yaml", "--format", "json"]);
    assert_eq!(data.code, Some(3));
    let data: serde_json::Value = serde_json::from_str(&data.out).unwrap();
    assert!(
        data["valid"] == false && !data["diagnostics"].as_array().unwrap().is_empty(),
        "{data}"
    );
    assert!(!lab.path(".backline").exists() && !lab.path("out").exists());
}

#[test]
fn a_wrong_type_deep_in_a_manifest() {
    let text =
        format!("{HEAD}stems: [vocals/verse.wav]\npresets:\n  piano:\n    tags: [calm, slow]\n");
    check_manifest(&text, &["songs.yaml:6:11", "not a list", "help: "]);
}

#[test]
fn an_unknown_preset_in_exclude() {
    let text = format!(
        "{HEAD}stems: [vocals/verse.wav]\npresets: {{piano: {{tags: x}}}}\nexclude: [{{preset: paino}}]\n"
    );
    check_manifest(&text, &["songs.yaml:5:20", "did you mean `piano`?"]);
}

#[test]
fn an_undefined_variable() {
    let text = format!(
        "{HEAD}vars: {{season: summer}}\nstems: [vocals/verse.wav]\npresets: {{piano: {{tags: \"{{{{vars.saeson}}}}\"}}}}\n"
    );
    check_manifest(
        &text,
        &["songs.yaml:5:", "saeson", "did you mean", "season"],
    );
}

#[test]
fn a_weight_of_three_digits() {
    let text = format!(
        "{HEAD}stems: [vocals/verse.wav]\npresets: {{piano: {{tags: x, style_weight: 0.615}}}}\n"
    );
    check_manifest(&text, &["songs.yaml:4:42", "multiple of 0.01"]);
}

#[test]
fn a_stem_that_is_missing() {
    let text = format!("{HEAD}stems: [vocals/vrese.wav]\npresets: {{piano: {{tags: x}}}}\n");
    check_manifest(&text, &["songs.yaml:3:9", "vocals/vrese.wav", "verse.wav"]);
}

#[test]
fn a_text_file_as_a_stem() {
    let text = format!("{HEAD}stems: [vocals/notes.wav]\npresets: {{piano: {{tags: x}}}}\n");
    check_manifest(&text, &["songs.yaml:3:9", "vocals/notes.wav"]);
}

#[test]
fn a_glob_that_matches_nothing() {
    let text =
        format!("{HEAD}stems: [{{glob: \"vocals/*.flac\"}}]\npresets: {{piano: {{tags: x}}}}\n");
    check_manifest(&text, &["songs.yaml:3:", "vocals/*.flac"]);
}

#[test]
fn a_duplicate_key() {
    let text = format!(
        "{HEAD}stems: [vocals/verse.wav]\npresets: {{piano: {{tags: x}}, piano: {{tags: y}}}}\n"
    );
    check_manifest(&text, &["songs.yaml:4:", "piano"]);
}

#[test]
fn an_alias_bomb() {
    let mut text = format!("{HEAD}vars:\n  a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, last) in "bcdefghij".chars().zip("abcdefghi".chars()) {
        let nine = vec![format!("*{last}"); 9].join(", ");
        text.push_str(&format!("  {name}: &{name} [{nine}]\n"));
    }
    text.push_str("stems: [vocals/verse.wav]\npresets: {piano: {tags: x}}\n");
    check_manifest(&text, &["songs.yaml", "alias"]);
}

#[test]
fn a_manifest_of_ten_megabytes() {
    let mut text = format!("{HEAD}presets: {{p: {{tags: x}}}}\nstems:\n");
    for at in 0..150_000 {
        text.push_str(&format!(
            "  - {{id: stem-{at:06}, url: \"https://cdn.example.com/recordings/{at:06}.mp3\"}}\n"
        ));
    }
    assert!(text.len() > 10 << 20);
    check_manifest(&text, &["songs.yaml", "more than 100000 stems"]);
}

#[test]
fn a_title_of_101_characters() {
    let title = "t".repeat(101);
    let text = format!(
        "{HEAD}stems: [vocals/verse.wav]\npresets: {{piano: {{tags: x, title: {title}}}}}\n"
    );
    check_manifest(&text, &["songs.yaml:4:", "100 characters"]);
}

#[test]
fn an_output_that_would_leave_its_folder() {
    let text = format!(
        "{HEAD}stems: [vocals/verse.wav]\npresets: {{piano: {{tags: x}}}}\noutput: {{file: \"../{{{{stem.id}}}}-{{{{track.index}}}}\"}}\n"
    );
    check_manifest(&text, &["songs.yaml:5:", ".."]);
}

#[test]
fn two_outputs_with_one_name() {
    let text = format!(
        "{HEAD}stems: [vocals/verse.wav]\npresets: {{a: {{tags: x}}, b: {{tags: y}}}}\noutput: {{file: \"{{{{stem.id}}}}-{{{{track.index}}}}\"}}\n"
    );
    check_manifest(&text, &["songs.yaml:5:", "verse-1"]);
}

/// A manifest for a vendor's profile at a studio's address.
fn vendor(lab: &Lab, profile: &str, url: &str) {
    lab.manifest("songs.yaml", url, 1, 2, "");
    let text = lab.read("songs.yaml").replace(
        "profile: studio",
        &format!("profile: {profile}, allow_private: true"),
    );
    lab.write("songs.yaml", text);
}

#[test]
fn no_key() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let run = |value: Option<&str>| {
        let mut command = lab.backline(&["run", "songs.yaml"]);
        match value {
            Some(value) => command.env("LAB_KEY", value),
            None => command.env_remove("LAB_KEY"),
        };
        finish(command)
    };
    for (value, expected) in [
        (None, "is not set"),
        (Some(" "), "is empty"),
        (Some("two words"), "is not an API key"),
    ] {
        let ran = run(value);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(
            ran.err.contains("$LAB_KEY") && ran.err.contains(expected),
            "{}",
            ran.err
        );
        assert!(!ran.err.contains("two words"), "{}", ran.err);
    }
    assert!(!lab.path(".backline").exists() && studio.bill().is_empty());
}

/// The provider refuses the run: exit 6, its words, nothing bought, and the same command goes on when it is put right.
#[track_caller]
fn check_refused(ran: &Ran, code: &str) {
    assert_eq!(ran.code, Some(6), "{}", ran.err);
    assert!(
        ran.err
            .contains(&format!("The provider refuses to go on: {code}")),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains("Next: correct what the provider refuses, then resume"),
        "{}",
        ran.err
    );
}

#[test]
fn a_wrong_key() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--key", "another-key"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    let ran = lab.run(&["run", "songs.yaml"]);
    check_refused(&ran, "401");
    let says = "not uploaded s1  can't upload vocals/s1.wav: refused with 401: Unauthorized\n";
    assert!(ran.err.contains(says), "{}", ran.err);
    assert!(!ran.err.contains("tried again"), "{}", ran.err);
    assert!(studio.bill().is_empty());

    let mut right = lab.backline(&["run", "songs.yaml"]);
    right.env("LAB_KEY", "another-key");
    assert_eq!(finish(right).code, Some(0));
    assert_eq!(studio.bill().len(), 2);
}

#[test]
fn no_credits_left_at_sunoapi() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--credits", "6"]);
    vendor(&lab, "sunoapi", &studio.url);
    let ran = lab.run(&["run", "songs.yaml"]);
    check_refused(&ran, "429");
    assert!(
        ran.err
            .contains("the account has 6 credits and the plan costs 24"),
        "{}",
        ran.err
    );
    assert!(studio.bill().is_empty());
}

#[test]
fn no_credits_left_at_kie() {
    let lab = Lab::new();
    lab.write("kie.yaml", "version: 1\ncodes: kie\nrules: []\n");
    let codes = lab.path("kie.yaml");
    let studio = lab.studio(&[
        "--instant",
        "--credits",
        "0",
        "--misbehave",
        codes.to_str().unwrap(),
    ]);
    vendor(&lab, "kie", &studio.url);
    check_refused(&lab.run(&["run", "songs.yaml"]), "402");
    assert!(studio.bill().is_empty());
}

#[test]
fn credits_for_a_part_of_the_plan() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--credits", "24"]);
    lab.manifest("songs.yaml", &studio.url, 1, 3, "");
    check_refused(&lab.run(&["run", "songs.yaml"]), "429");
    assert_eq!(studio.bill().len(), 2);
    let status = lab.json(&["status", "songs.yaml"]);
    assert_eq!(
        (&status["totals"]["kept"], &status["totals"]["planned"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn the_server_is_down() {
    let lab = Lab::new();
    // A port that nobody listens on: it was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    lab.manifest("songs.yaml", &format!("http://127.0.0.1:{port}/"), 1, 2, "");
    let ran = lab.expect(5, &["run", "songs.yaml"]);
    assert!(
        ran.err
            .contains("the provider could not be reached for too long"),
        "{}",
        ran.err
    );
    assert!(
        ran.err
            .contains("Next: resume with `backline run songs.yaml`"),
        "{}",
        ran.err
    );
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(
        (&plan["totals"]["to_buy"], &plan["totals"]["in_doubt"]),
        (&2.into(), &0.into())
    );
}

#[test]
fn a_second_run_on_the_same_ledger() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    // The second job waits for its slot for as long as this test lasts.
    lab.manifest("songs.yaml", &studio.url, 1, 2, "limits: {rate: 1/1h}\n");
    let mut first = lab.start(&["run", "songs.yaml"]);
    first.wait_for("kept", 1);
    let ran = lab.expect(7, &["run", "songs.yaml"]);
    assert!(
        ran.err
            .contains("is in use by another backline process (process "),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("hint: --wait waits for that process"),
        "{}",
        ran.err
    );
    assert!(!ran.err.contains("--ledger"), "{}", ran.err);
    let waited = lab.expect(7, &["run", "songs.yaml", "--wait=50ms"]);
    assert!(
        waited
            .err
            .contains("waiting for the other backline process"),
        "{}",
        waited.err
    );
    // Reading needs nobody's leave.
    lab.expect(0, &["status", "songs.yaml"]);
    lab.expect(0, &["plan", "songs.yaml"]);
}

/// A run whose files may not grow beyond so many blocks of 512 bytes: what a full disk does, on any machine.
fn run_on_a_full_disk(lab: &Lab, blocks: u32) -> Ran {
    let mut shell = lab.program("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run songs.yaml");
    shell.args(["-c", &script, crate::lab::BACKLINE]);
    Running::start(shell).end()
}

#[test]
fn the_disk_is_full_for_the_ledger() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 4, 10, "");
    // Too small for the ledger's beginning, for its plan, and for its first events.
    for blocks in [8, 64, 200] {
        let ran = run_on_a_full_disk(&lab, blocks);
        assert_eq!(ran.code, Some(7), "{blocks} blocks\n{}", ran.err);
        assert!(
            ran.err.contains("error: cannot use the ledger: could not"),
            "{}",
            ran.err
        );
        assert!(ran.err.contains(".backline/ledger.sqlite3"), "{}", ran.err);
        assert!(ran.err.contains("hint: "), "{}", ran.err);
    }
    // With room again everything is there: each job is bought once, those of the broken runs too.
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 40);
}

#[test]
fn the_disk_is_full_for_the_reports() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    // Root may write anywhere, but nobody renames a file over a folder.
    fs::create_dir_all(lab.path("out/songs/summary.csv")).unwrap();
    let ran = lab.expect(7, &["run", "songs.yaml"]);
    assert!(
        ran.err
            .contains("could not put in place the report out/songs/summary.csv"),
        "{}",
        ran.err
    );
    assert!(
        lab.path("out/songs/summary.json").exists(),
        "one report that fails stops none of the others"
    );
    fs::remove_dir(lab.path("out/songs/summary.csv")).unwrap();
    lab.expect(0, &["report", "songs.yaml"]);
    assert!(lab.path("out/songs/summary.csv").is_file());
}

#[test]
fn something_else_in_the_ledgers_place() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    lab.write(
        ".backline/ledger.sqlite3",
        "this is no ledger, but somebody's text, and stays it",
    );
    let ran = lab.expect(7, &["run", "songs.yaml"]);
    assert!(ran.err.contains("ledger.sqlite3"), "{}", ran.err);
    assert_eq!(
        lab.read(".backline/ledger.sqlite3"),
        "this is no ledger, but somebody's text, and stays it"
    );
    assert!(studio.bill().is_empty());
}
