//! The ways into the program: a first manifest, keys, standard input, filters by state, a hook tried with a real job.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::lab::{KEY, Lab, finish};

#[test]
fn a_new_manifest_has_the_folders_name_and_a_page() {
    let lab = Lab::new();
    lab.expect(0, &["init", "Summer EP"]);
    let manifest = lab.read("Summer EP/backline-demo.yaml");
    assert!(manifest.contains("name: Summer-EP\n"), "{manifest}");
    assert!(
        manifest.contains("reports: [csv, json, html]"),
        "{manifest}"
    );
    assert!(lab.read("Summer EP/.gitignore").contains("/.env\n"));
    let checked = lab.json(&["validate", "Summer EP/backline-demo.yaml"]);
    assert_eq!(checked["name"], "Summer-EP");
}

#[test]
fn stems_are_made_of_what_lies_in_a_folder() {
    let lab = Lab::new();
    lab.recording("songs/vocals/verse.wav", 1);
    lab.recording("songs/vocals/more/verse.wav", 2);
    lab.recording("songs/vocals/on.wav", 3);
    lab.write("songs/vocals/notes.txt", "no recording");
    lab.write("songs/vocals/broken.wav", "no recording either");
    lab.write("songs/vocals/.hidden.wav", "hidden");
    let made = lab.expect(0, &["init", "songs", "--from", "songs/vocals"]);
    let warning = "warning: songs/vocals/broken.wav is no audio file; it is left out\n";
    assert!(made.err.contains(warning), "{}", made.err);
    let manifest = lab.read("songs/songs.yaml");
    for line in [
        "  - {id: \"verse-2\", file: \"vocals/verse.wav\"}\n",
        "  - vocals/more/verse.wav\n",
        "  - vocals/on.wav\n",
    ] {
        assert!(manifest.contains(line), "{line}\n{manifest}");
    }
    // Named as a person in the folder would.
    fs::create_dir_all(lab.path("here")).unwrap();
    let mut here = lab.backline(&["init", "."]);
    here.current_dir(lab.path("here"));
    let made = finish(here).err;
    assert!(made.starts_with("wrote backline-demo.yaml\n"), "{made}");
    assert!(
        made.contains("`backline plan backline-demo.yaml`"),
        "{made}"
    );
    let checked = lab.json(&["validate", "songs/songs.yaml"]);
    assert_eq!(
        (&checked["stems"], &checked["name"]),
        (&3.into(), &"songs".into())
    );
    assert!(!lab.path("songs/backline-demo.yaml").exists());
    lab.fails(
        2,
        &["init", "other", "--from", "songs/vocals/none"],
        "error: cannot read songs/vocals/none",
    );
    fs::create_dir_all(lab.path("empty")).unwrap();
    lab.fails(
        2,
        &["init", "other", "--from", "empty"],
        "there are no recordings in empty",
    );
}

#[test]
fn a_key_may_come_from_a_file_beside_the_manifest() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest(
        "songs/songs.yaml",
        &studio.url,
        1,
        1,
        "env: [SEASON]\nvars: {season: 1}\n",
    );
    let text = lab
        .read("songs/songs.yaml")
        .replace("style 1", "{{env.SEASON}} {{vars.season}}");
    lab.write("songs/songs.yaml", text);
    let run = |args: &[&str]| {
        let mut command = lab.backline(args);
        command.env_remove("LAB_KEY");
        finish(command)
    };
    let refused = run(&["validate", "songs/songs.yaml"]);
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    lab.write(
        "songs/.env",
        format!("# keys\nLAB_KEY='{KEY}'\nexport SEASON=summer\n"),
    );
    let ran = run(&["run", "songs/songs.yaml"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(studio.bill().len(), 1);
    // A variable of the process overrides the file.
    lab.write(
        "songs/.env",
        "LAB_KEY=wrong-key-0123456789\nSEASON=winter\n",
    );
    let mut command = lab.backline(&["run", "songs/songs.yaml"]);
    command.env("SEASON", "autumn");
    assert_eq!(finish(command).code, Some(0));
    // A mistake in it is named by its line, which is not shown.
    lab.write("songs/.env", format!("SEASON=winter\nLAB_KEY {KEY}\n"));
    let broken = run(&["validate", "songs/songs.yaml"]);
    assert_eq!(broken.code, Some(2), "{}", broken.err);
    assert!(
        broken.err.contains("line 2, is not NAME=value") && !broken.err.contains(KEY),
        "{}",
        broken.err
    );
}

#[test]
fn a_manifest_may_come_from_standard_input() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    let text = lab.read("songs.yaml");
    fs::remove_file(lab.path("songs.yaml")).unwrap();
    let piped = |args: &[&str], text: &str| {
        let mut command = lab.backline(args);
        let file = tempfile::NamedTempFile::new_in(lab.work()).unwrap();
        file.as_file().write_all(text.as_bytes()).unwrap();
        command.stdin(Stdio::from(fs::File::open(file.path()).unwrap()));
        finish(command)
    };
    let checked = piped(&["validate", "-"], &text);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    let ran = piped(&["run", "-"], &text);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let planned = piped(&["plan", "-"], &text);
    assert!(planned.out.contains("2 kept"), "{}", planned.out);
    let wrong = piped(&["validate", "-"], "{version: 1, nam: x}");
    assert!(wrong.err.contains("--> -:1"), "{}", wrong.err);
    let locked = piped(&["plan", "-", "--lock"], &text);
    assert_eq!(locked.code, Some(2));
    assert!(locked.err.contains("has no lock file"), "{}", locked.err);
    assert_eq!(studio.bill().len(), 2);
}

#[test]
fn jobs_are_selected_by_their_state() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 2, 2, "");
    lab.expect(0, &["run", "songs.yaml", "--filter", "stem=s1"]);
    let jobs = |filter: &str| {
        let plan = lab.json(&["plan", "songs.yaml", "--filter", filter]);
        plan["jobs"].as_array().unwrap().len()
    };
    assert_eq!(jobs("state=kept"), 2);
    assert_eq!(jobs("state=to-buy or preset=p1"), 3);
    lab.fails(
        2,
        &["plan", "songs.yaml", "--filter", "state=failed"],
        "no job passes all of the filters\n |\n = help: the states of the jobs are: 2 to buy, 2 kept\n",
    );
}

/// What a run will miss is said when a manifest is checked.
#[test]
fn a_missing_key_and_a_program_that_cannot_be_started_are_named_before_a_run() {
    let lab = Lab::new();
    lab.manifest(
        "songs.yaml",
        "http://127.0.0.1:9",
        1,
        1,
        "on: {plan_job: [{run: [./hook.sh]}]}\n",
    );
    lab.write("hook.sh", "#!/bin/sh\n");
    let text = lab.read("songs.yaml").replace("LAB_KEY", "NO_SUCH_KEY");
    lab.write("songs.yaml", text);
    let checked = lab.expect(0, &["validate", "songs.yaml"]);
    let warning = "can't be started: it is missing or not executable\n";
    assert!(
        checked.err.contains("./hook.sh") && checked.err.contains(warning),
        "{}",
        checked.err
    );
    let note = "note: $NO_SUCH_KEY is not set; `backline run` needs the provider's API key in it\n";
    assert!(checked.err.contains(note), "{}", checked.err);
    let planned = lab.expect(0, &["plan", "songs.yaml"]);
    assert!(planned.err.contains(note), "{}", planned.err);
}

/// One cause is one error, however many jobs it spoils.
#[test]
fn names_that_clash_are_one_error_with_a_count() {
    let lab = Lab::new();
    lab.manifest(
        "songs.yaml",
        "http://127.0.0.1:9",
        2,
        3,
        "takes: 2\noutput: {file: \"{{stem.id}}\"}\n",
    );
    let checked = lab.expect(3, &["validate", "songs.yaml"]).err;
    assert!(
        checked.contains("both tracks of `s1 / p1 / take 1` would be kept as `s1`"),
        "{checked}"
    );
    assert!(checked.contains("the same with 11 more jobs"), "{checked}");
    assert!(checked.contains("songs.yaml has 2 errors"), "{checked}");
}

#[test]
fn a_hook_is_tried_with_a_job_of_a_manifest() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.write("guard.lua", "veto(preset.id .. ' ' .. tags)");
    let plan = lab.json(&["plan", "songs.yaml"]);
    let job = &plan["jobs"][1];
    let key = &job["key"].as_str().unwrap()[..10];
    let args = [
        "hooks",
        "test",
        "before_submit",
        "--lua",
        "guard.lua",
        "--manifest",
        "songs.yaml",
        "--job",
        key,
    ];
    let tried = lab.json(&args);
    assert_eq!(tried["event"]["job"]["key"], job["key"]);
    assert_eq!(tried["effect"]["kind"], "veto");
    assert!(
        tried["effect"]["text"].as_str().unwrap().contains("p2 "),
        "{tried}"
    );
    let none = lab.expect(
        2,
        &[
            "hooks",
            "test",
            "before_submit",
            "--lua",
            "guard.lua",
            "--manifest",
            "songs.yaml",
            "--job",
            "zz",
        ],
    );
    assert!(none.err.contains("has no job `zz`"), "{}", none.err);

    // A hook of plan_job changes the jobs: their keys are those that `plan` shows.
    let rest = "on:\n  plan_job: [{lua: \"change{title = 'changed'}\", pure: true}]\n";
    lab.manifest("changed.yaml", &studio.url, 1, 2, rest);
    let plan = lab.json(&["plan", "changed.yaml"]);
    let of = |point: &str| {
        let key = plan["jobs"][1]["key"].as_str().unwrap();
        let args = [
            "hooks",
            "test",
            point,
            "--lua",
            "guard.lua",
            "--manifest",
            "changed.yaml",
        ];
        lab.json(&[&args[..], &["--job", key]].concat())
    };
    assert_eq!(
        of("before_submit")["event"]["job"]["key"],
        plan["jobs"][1]["key"]
    );
}

#[test]
fn every_failure_begins_with_error() {
    let lab = Lab::new();
    lab.write(
        ".backline/ledger.sqlite3",
        "this is no ledger, and much too short to be one",
    );
    let ledger = lab.fails(7, &["status"], "cannot use the ledger: ");
    assert!(ledger.err.starts_with("error: "), "{}", ledger.err);
    lab.write("bad.yaml", "{version: 1}");
    let manifest = lab.expect(3, &["validate", "bad.yaml"]);
    assert!(
        manifest
            .err
            .contains("\nerror: invalid manifest: bad.yaml has "),
        "{}",
        manifest.err
    );
}

/// Names as people and systems give them to recordings.
const AWKWARD: [&str; 28] = [
    "my song",
    "it's \"live\"",
    "[demo] {x} (1)",
    "Chloé – été",
    "-dash",
    "--to",
    "a,b;c",
    "#1 hit",
    "100% me",
    "&amp; <b>",
    "~tilde",
    "コーヒー",
    "trailing ",
    "a'b",
    "x: y",
    "$HOME `id`",
    "back\\slash",
    "star*q?",
    "{{stem.id}}",
    "cafe\u{301}",
    "caf\u{e9}",
    "😀 ok",
    "a|b",
    "a<b",
    "tab\tname",
    "con",
    "UPPER",
    "upper",
];

/// From a folder of such recordings to a folder of keepers, with nothing corrected by hand.
#[cfg(target_os = "linux")]
#[test]
fn awkward_names_go_all_the_way() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    for (name, seed) in AWKWARD.iter().zip(1..) {
        lab.recording(&format!("songs/vocals/{name}.wav"), seed);
    }
    lab.expect(0, &["init", "songs", "--from", "songs/vocals"]);
    let manifest = lab.read("songs/songs.yaml");
    let provider = format!(
        "provider: {{profile: studio, base_url: \"{}\", api_key: {{env: LAB_KEY}}}}\n",
        studio.url
    );
    let at = manifest.find("provider: studio").unwrap();
    let end = at + manifest[at..].find('\n').unwrap() + 1;
    lab.write(
        "songs/songs.yaml",
        format!("{}{provider}{}", &manifest[..at], &manifest[end..]),
    );
    let checked = lab.json(&["validate", "songs/songs.yaml"]);
    assert_eq!(checked["stems"], AWKWARD.len());
    let plan = lab.json(&["plan", "songs/songs.yaml"]);
    let jobs = plan["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 2 * AWKWARD.len());
    // A name that is a usable id is the id.
    for name in [
        "-dash",
        "--to",
        "it's \"live\"",
        "a,b;c",
        "コーヒー",
        "UPPER",
    ] {
        assert!(jobs.iter().any(|job| job["stem"] == name), "{name}");
        let filter = format!("stem={name}");
        if !name.contains(',') {
            let chosen = lab.json(&["plan", "songs/songs.yaml", "--filter", &filter]);
            assert_eq!(chosen["jobs"].as_array().unwrap().len(), 2, "{name}");
        }
    }
    lab.expect(0, &["run", "songs/songs.yaml"]);
    lab.expect(0, &["report", "songs/songs.yaml"]);
    lab.expect(0, &["doctor", "songs/songs.yaml"]);

    // Every row of the table is a star.
    let table = lab.read("songs/out/songs/summary.csv");
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let head = table.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|it| it == name).unwrap();
    let mut stars = csv::Writer::from_writer(Vec::new());
    stars.write_record(["key", "track"]).unwrap();
    let mut rows = 0;
    for row in table.records() {
        let row = row.unwrap();
        let (key, track) = (&row[column("key")], &row[column("track")]);
        stars.write_record([key, track]).unwrap();
        assert!(
            lab.path("songs").join(&row[column("file")]).is_file(),
            "{row:?}"
        );
        rows += 1;
    }
    assert_eq!(rows, 4 * AWKWARD.len());
    let stars = String::from_utf8(stars.into_inner().unwrap()).unwrap();
    lab.write("stars.csv", stars);
    let args = ["pick", "stars.csv", "songs/songs.yaml", "--to", "keepers"];
    let picked = lab.expect(0, &args).out;
    assert_eq!(picked.lines().count(), rows);
    for file in picked.lines() {
        assert!(lab.path(file).is_file(), "{file}");
        let name = file.strip_prefix("keepers/").unwrap();
        let refused = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
        assert!(!name.contains(refused), "{name}");
    }
    assert_eq!(lab.expect(0, &args).out, picked);
    lab.expect(0, &["report", "songs/songs.yaml", "--ratings", "stars.csv"]);
}
