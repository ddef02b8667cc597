//! The unit of every report is the manifest: a run of a part of it, or one that buys nothing, shows all of its jobs.
//!
//! Over 500 lines: it is a list of independent runs and what their reports show.

use serde_json::Value;

use crate::lab::Lab;

const REPORTS: &str = "reports: [csv, json, html, markdown, junit]\n";

/// The lines of `summary.csv`, by the names of the columns.
pub(crate) fn csv_rows(lab: &Lab) -> Vec<std::collections::HashMap<String, String>> {
    let text = lab.read("out/songs/summary.csv");
    let mut table = csv::Reader::from_reader(text.as_bytes());
    table.deserialize().map(Result::unwrap).collect()
}

pub(crate) fn json(lab: &Lab) -> Value {
    serde_json::from_str(&lab.read("out/songs/summary.json")).unwrap()
}

/// The data of the page.
pub(crate) fn page(lab: &Lab) -> Value {
    let page = lab.read("out/songs/index.html");
    let start = r#"<script id="data" type="application/json">"#;
    let from = page.find(start).unwrap() + start.len();
    let to = page[from..].find("</script>").unwrap();
    serde_json::from_str(&page[from..from + to]).unwrap()
}

#[test]
fn a_run_of_a_part_does_not_shrink_a_report() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 2, REPORTS);
    lab.expect(0, &["run", "songs.yaml"]);
    let first = json(&lab);
    let first_run = first["run"]["id"].as_str().unwrap();
    assert_eq!(csv_rows(&lab).len(), 8);

    // One preset changes; a run of one of its jobs.
    let text = lab.read("songs.yaml").replace("style 2", "style two");
    lab.write("songs.yaml", text);
    let ran = lab.expect(
        0,
        &[
            "run",
            "songs.yaml",
            "--filter",
            "preset=p2",
            "--filter",
            "stem=s1",
        ],
    );
    let said = "This run: 1 of 4 jobs selected by --filter preset=p2 --filter stem=s1, 1 submitted, 2 tracks downloaded";
    assert!(ran.err.contains(said), "{}", ran.err);
    assert!(
        ran.err.contains("4 jobs: 3 kept, 1 not bought"),
        "{}",
        ran.err
    );
    assert!(
        ran.err.contains("buy the other 1 job of the manifest"),
        "{}",
        ran.err
    );

    let check = |what: &str| {
        let rows = csv_rows(&lab);
        // The changed job has no track yet: its earlier version has.
        assert_eq!(rows.len(), 9, "{what}: {rows:?}");
        let second = json(&lab);
        let second_run = second["run"]["id"].as_str().unwrap();
        let runs: Vec<&str> = rows.iter().map(|row| row["run"].as_str()).collect();
        let expected = [
            first_run, first_run, second_run, second_run, first_run, first_run, "", first_run,
            first_run,
        ];
        assert_eq!(runs, expected, "{what}");
        assert_eq!(second["totals"]["jobs"], 4, "{what}");
        assert_eq!(second["this_run"]["totals"]["jobs"], 1, "{what}");
        assert_eq!(second["this_run"]["submitted"], 1, "{what}");
        assert_eq!(second["this_run"]["downloaded"], 2, "{what}");
        assert_eq!(second["this_run"]["credits"], 12.0, "{what}");
        // What the jobs of the manifest have cost.
        assert_eq!(second["totals"]["credits"], 36.0, "{what}");
        let jobs = &page(&lab)["jobs"];
        assert_eq!(
            (&jobs[3]["sign"], &jobs[4]["former"]),
            (&"~".into(), &true.into()),
            "{what}"
        );
        assert_eq!(
            second["jobs"][3]["replaces"], second["jobs"][4]["key"],
            "{what}"
        );
        let markdown = lab.read("out/songs/summary.md");
        assert!(
            markdown.contains("| `s2` | `=` | `~` |"),
            "{what}: {markdown}"
        );
        assert!(
            markdown.contains("1 of 4 jobs selected"),
            "{what}: {markdown}"
        );
        let junit = lab.read("out/songs/junit.xml");
        assert!(junit.contains("tests=\"4\""), "{what}: {junit}");
    };
    check("the run");
    lab.expect(0, &["report", "songs.yaml"]);
    check("report");
    let status = lab.json(&["status", "songs.yaml"]);
    assert_eq!(status["jobs"].as_array().unwrap().len(), 5);
    let text = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(text.contains("this run: 1 of 4 jobs selected"), "{text}");
    let grid = "\n    p1  p2\ns1  =   =\ns2  =   ~\n\n= kept, ~ changed, not bought\n";
    assert!(text.contains(grid), "{text}");
    let list = lab.expect(0, &["status", "songs.yaml", "--jobs"]).out;
    assert!(
        list.contains("  ~ changed, not bought  s2 × p2 take 1\n"),
        "{list}"
    );
    assert!(
        list.contains("s2 × p2 take 1  (earlier version)\n"),
        "{list}"
    );

    // A run that buys nothing.
    lab.expect(0, &["fetch", "songs.yaml", "--sample", "1"]);
    assert_eq!(csv_rows(&lab).len(), 9);
    let second = json(&lab)["run"]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        lab.expect(0, &["diff", &second, "songs.yaml"]).out,
        "0 changed, 0 dropped, 0 added, 4 the same\n"
    );
}

#[test]
fn jobs_that_left_the_manifest_are_shown_on_request() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, REPORTS);
    lab.expect(0, &["run", "songs.yaml"]);
    let text = lab
        .read("songs.yaml")
        .replace("  p2: {tags: \"style 2\"}\n", "");
    lab.write("songs.yaml", text);
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(csv_rows(&lab).len(), 2);

    lab.expect(0, &["report", "songs.yaml", "--all"]);
    let rows = csv_rows(&lab);
    let told: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["preset"].as_str(), row["in_manifest"].as_str()))
        .collect();
    assert_eq!(
        told,
        [("p1", "yes"), ("p1", "yes"), ("p2", "no"), ("p2", "no")]
    );
    assert_eq!(json(&lab)["totals"]["jobs"], 1);
    let jobs = lab.json(&["status", "songs.yaml", "--all"])["jobs"].clone();
    assert_eq!(jobs[1]["in_manifest"], false);
    let page = page(&lab);
    let former = |job: usize| page["jobs"][job]["former"] == true;
    assert_eq!((former(0), former(1)), (false, true));
}

/// A changed job shows its newest bought version until it has a track of its own.
#[test]
fn an_earlier_version_is_shown_until_the_changed_job_is_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, REPORTS);
    lab.expect(0, &["run", "songs.yaml"]);
    for tags in ["second", "third"] {
        let text = lab.read("songs.yaml");
        let at = text.find("tags: \"").unwrap() + 6;
        let end = at + 1 + text[at + 1..].find('"').unwrap();
        lab.write(
            "songs.yaml",
            format!("{}{tags}{}", &text[..=at], &text[end..]),
        );
        if tags == "second" {
            lab.expect(0, &["run", "songs.yaml"]);
        }
    }
    lab.expect(0, &["run", "songs.yaml", "--filter", "preset=p2"]);
    let shown = json(&lab);
    let jobs = shown["jobs"].as_array().unwrap();
    let tags = |job: &Value| job["settings"]["tags"].as_str().unwrap().to_owned();
    assert_eq!(
        jobs.iter().map(tags).collect::<Vec<_>>(),
        ["third", "style 2", "second"]
    );
    assert_eq!(
        (&shown["totals"]["jobs"], &shown["totals"]["kept"]),
        (&2.into(), &1.into())
    );
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(json(&lab)["jobs"].as_array().unwrap().len(), 2);
}

#[test]
fn a_catalogue_keeps_its_columns_in_the_reports() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.recording("vocals/a.wav", 1);
    lab.write(
        "catalogue.csv",
        "id,file,artist,mood\na,vocals/a.wav,Ada,calm\n",
    );
    lab.write("songs.yaml", format!("version: 1\nname: songs\nprovider: {{profile: studio, base_url: \"{}\", api_key: {{env: LAB_KEY}}}}\nstems: [{{csv: catalogue.csv}}]\npresets: {{p: {{tags: \"calm {{{{stem.vars.mood}}}}\"}}}}\n{REPORTS}", studio.url));
    lab.expect(0, &["run", "songs.yaml"]);
    let rows = csv_rows(&lab);
    assert_eq!(
        (
            rows[0]["stem.vars.artist"].as_str(),
            rows[0]["stem.vars.mood"].as_str()
        ),
        ("Ada", "calm")
    );
    assert_eq!(json(&lab)["jobs"][0]["vars"]["artist"], "Ada");
    lab.fails(
        2,
        &["plan", "songs.yaml", "--filter", "artist=Ada"],
        "did you mean `stem.vars.artist`?",
    );
}

#[test]
fn a_selected_run_keeps_the_rest_of_a_manifest_that_has_become_invalid() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 1, REPORTS);
    lab.expect(0, &["run", "songs.yaml"]);
    lab.write("vocals/s2.wav", "no music");
    let ran = lab.run(&["run", "songs.yaml", "--filter", "stem=s1"]);
    if ran.code == Some(0) {
        assert!(
            ran.err.contains("outside of the selected jobs"),
            "{}",
            ran.err
        );
    }
    assert_eq!(csv_rows(&lab).len(), 4);
}

#[test]
fn the_embedded_studio_costs_nothing_and_says_so() {
    let lab = Lab::new();
    lab.recording("vocals/a.wav", 1);
    lab.write("songs.yaml", format!("version: 1\nname: songs\nstems: [vocals/a.wav]\npresets: {{p: {{tags: \"calm piano, wobblecore\"}}}}\n{REPORTS}"));
    let free = "the embedded studio costs nothing";
    let plan = lab.expect(0, &["plan", "songs.yaml"]);
    assert!(plan.out.contains(free), "{}", plan.out);
    // What the band will not do is told before it plays, and not again when there is nothing to buy.
    let warning = "warning: preset `p`: tags not understood: wobblecore\n";
    assert!(plan.err.contains(warning), "{}", plan.err);
    let checked = lab.expect(0, &["validate", "songs.yaml"]).err;
    assert!(checked.contains(warning), "{checked}");
    let ran = lab.expect(0, &["run", "songs.yaml"]);
    assert!(ran.err.contains(free), "{}", ran.err);
    assert!(!ran.err.contains("credits"), "{}", ran.err);
    // The remarks in full, once a preset.
    let remark = "Remarks on the music:\n  p, 2 tracks: tags not understood: wobblecore";
    assert!(ran.err.contains(remark), "{}", ran.err);
    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(status.contains(free), "{status}");
    for report in ["summary.md", "index.html"] {
        let text = lab.read(&format!("out/songs/{report}"));
        assert!(text.contains(free), "{report}");
    }
    let summary = json(&lab);
    assert_eq!(
        (
            &summary["totals"]["credits"],
            &summary["run"]["price_credits"]
        ),
        (&0.0.into(), &0.0.into())
    );
    // What the band reports about the music.
    let music = &summary["jobs"][0]["tracks"][0]["music"];
    assert!(
        music["key"].is_string() && music["tempo_bpm"].is_number(),
        "{music}"
    );
    let row = &csv_rows(&lab)[0];
    assert!(
        !row["key_signature"].is_empty() && !row["chords"].is_empty(),
        "{row:?}"
    );
    // The studio is gone with its links; the loudness is what the page shows.
    assert_eq!(
        (row["audio_url"].as_str(), row["stream_url"].as_str()),
        ("", "")
    );
    let lufs: f64 = row["lufs"].parse().unwrap();
    assert_eq!(page(&lab)["jobs"][0]["tracks"][0]["file"]["lufs"], lufs);
    // A run that buys nothing repeats no remark.
    let again = lab.expect(0, &["run", "songs.yaml"]).err;
    assert!(!again.contains("wobblecore"), "{again}");
    let plan = lab.expect(0, &["plan", "songs.yaml"]).err;
    assert!(!plan.contains("wobblecore"), "{plan}");
}

#[test]
fn a_current_track_has_the_plain_name_and_a_superseded_one_that_of_its_run() {
    let lab = Lab::new();
    let studio = lab.studio(&["--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    lab.expect(0, &["run", "songs.yaml"]);
    let first = lab.json(&["status", "songs.yaml"]);
    let run = first["run"]["id"].as_str().unwrap()[..13].to_owned();
    let file = |job: &Value| {
        job["tracks"][0]["file"]["path"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let plain = file(&first["jobs"][0]);
    let old = std::fs::read(lab.path(&plain)).unwrap();
    let original = lab.read("songs.yaml");

    lab.write("songs.yaml", original.replace("style 1", "waltz, strings"));
    let ran = lab.expect(0, &["run", "songs.yaml"]);
    let second = lab.json(&["status", "songs.yaml", "--all"]);
    assert_eq!(file(&second["jobs"][0]), plain);
    let aside = file(&second["jobs"][1]);
    assert_eq!(aside, plain.replace("-1.", &format!("-1~{run}.")));
    assert_eq!(std::fs::read(lab.path(&aside)).unwrap(), old);
    assert_ne!(std::fs::read(lab.path(&plain)).unwrap(), old);
    assert!(
        ran.err.contains("renamed      s1 × p1 take 1  ")
            && ran.err.contains(&format!("{plain} to {aside}")),
        "{}",
        ran.err
    );

    // Back again: nothing is bought, and the first track has its name again.
    lab.write("songs.yaml", original);
    let bill = studio.bill().len();
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), bill);
    let third = lab.json(&["status", "songs.yaml", "--all"]);
    assert_eq!(file(&third["jobs"][0]), plain);
    assert_eq!(std::fs::read(lab.path(&plain)).unwrap(), old);
    assert_eq!(
        std::fs::read_dir(lab.path(&plain).parent().unwrap())
            .unwrap()
            .count(),
        4 + 4
    );
    let plan = lab.expect(0, &["plan", "songs.yaml"]).out;
    assert!(plan.contains("1 kept (=)"), "{plan}");
}

/// The output directory and the names of a finished album are changed, and a file is missing at that moment.
#[test]
fn kept_tracks_follow_the_output_that_the_manifest_names() {
    let lab = Lab::new();
    let studio = lab.studio(&["--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 1, "output: {dir: here}\n");
    lab.expect(0, &["run", "songs.yaml"]);
    let bill = studio.bill().len();
    let paths = |name: &str| -> Vec<String> {
        let status = lab.json(&["status", name]);
        let jobs = status["jobs"].as_array().unwrap().iter();
        let tracks = jobs.flat_map(|job| job["tracks"].as_array().unwrap());
        let files = tracks.flat_map(|track| [&track["file"]["path"], &track["mix"]["path"]]);
        files
            .map(|path| path.as_str().unwrap().to_owned())
            .collect()
    };
    let before = paths("songs.yaml");
    let bytes = |path: &str| std::fs::read(lab.path(path)).unwrap();
    let first = bytes(&before[0]);
    std::fs::remove_file(lab.path(&before[2])).unwrap();

    let file = "{{stem.id}}_{{track.index}}";
    let output = format!("output: {{dir: \"the album/new\", file: \"{file}\"}}");
    let text = lab
        .read("songs.yaml")
        .replace("output: {dir: here}", &output);
    lab.write("songs.yaml", text);
    let ran = lab.expect(0, &["run", "songs.yaml"]);
    let moved = format!("{} to the album/new/s1_1.", before[0]);
    assert!(ran.err.contains(&moved), "{}", ran.err);
    let after = paths("songs.yaml");
    assert_eq!(after.len(), before.len());
    for path in &after {
        assert!(path.starts_with("the album/new/s"), "{path}");
        bytes(path);
    }
    assert_eq!(bytes(&after[0]), first);
    let left: Vec<_> = before
        .iter()
        .filter(|path| lab.path(path).exists())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    lab.expect(0, &["doctor", "songs.yaml"]);

    // Another manifest has one of the jobs: its track stays, and the run says so.
    let other = lab.read("songs.yaml").replace("  - vocals/s2.wav\n", "");
    let other = other.replace(&output, "output: {dir: client}");
    lab.write("client.yaml", other.replace("name: songs", "name: client"));
    let ran = lab.expect(0, &["run", "client.yaml"]);
    assert!(
        ran.err.contains(
            "note: 4 kept files of this album are not in client, but in the album/new (4)"
        ),
        "{}",
        ran.err
    );
    assert_eq!(paths("client.yaml"), after[..4]);
    // A track that was moved by a run that was killed before it could record that is found.
    let text = lab.read("songs.yaml").replace("the album/new", "again");
    lab.write("songs.yaml", text);
    let next = |path: &String| path.replace("the album/new", "again");
    std::fs::create_dir_all(lab.path("again")).unwrap();
    std::fs::rename(lab.path(&after[4]), lab.path(&next(&after[4]))).unwrap();
    let ran = lab.expect(0, &["run", "songs.yaml"]);
    assert!(ran.err.contains(", 0 tracks downloaded"), "{}", ran.err);
    let stay = after[..4].iter().cloned();
    let expected: Vec<String> = stay.chain(after[4..].iter().map(next)).collect();
    assert_eq!(paths("songs.yaml"), expected);
    lab.expect(0, &["doctor", "songs.yaml"]);
    assert_eq!(studio.bill().len(), bill);
}

/// A run of a part of the manifest plans the other jobs as a whole run does: hooks that change them are applied from what was recorded.
#[test]
fn a_run_of_a_part_keeps_the_jobs_that_hooks_change() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let hook = "#!/bin/sh\nread event\ncase $event in *'\"id\":\"p2\"'*) echo '{\"change\": {\"title\": \"by a program\"}}';; esac\n";
    lab.write("hook.sh", hook);
    let hooks = "on:\n  plan_job:\n    - {run: [sh, hook.sh]}\n    \
        - {lua: \"if stem.id == 's2' and preset.id == 'p1' then veto 'no' else change{tags = tags .. ', warm'} end\", pure: true}\n";
    lab.manifest(
        "songs.yaml",
        &studio.url,
        2,
        2,
        &format!("{REPORTS}{hooks}"),
    );
    lab.expect(10, &["run", "songs.yaml"]);
    let whole = json(&lab);
    let rows = csv_rows(&lab);
    assert_eq!((rows.len(), studio.bill().len()), (7, 3));
    let jobs = |summary: &Value| -> Vec<(Value, Value, Value, Value)> {
        let jobs = summary["jobs"].as_array().unwrap().iter();
        jobs.map(|job| {
            let settings = &job["settings"];
            (
                job["key"].clone(),
                job["state"].clone(),
                settings["tags"].clone(),
                settings["title"].clone(),
            )
        })
        .collect()
    };
    let expected = jobs(&whole);
    assert_eq!(expected[1].2, "style 2, warm");
    assert_eq!(expected[1].3, "by a program");

    // The job of the part is fetched again; the others are as they were.
    let file = whole["jobs"][3]["tracks"][0]["file"]["path"]
        .as_str()
        .unwrap();
    std::fs::remove_file(lab.path(file)).unwrap();
    let part = ["--filter", "stem=s2", "--filter", "preset=p2"];
    for command in ["run", "fetch"] {
        let ran = lab.expect(0, &[&[command, "songs.yaml"], &part[..]].concat());
        assert!(
            ran.err.contains("1 of 4 jobs selected"),
            "{command}: {}",
            ran.err
        );
        let again = json(&lab);
        assert_eq!(jobs(&again), expected, "{command}");
        assert_eq!(csv_rows(&lab).len(), rows.len(), "{command}");
        assert_eq!(page(&lab)["jobs"].as_array().unwrap().len(), 4, "{command}");
        assert_eq!(again["this_run"]["totals"]["jobs"], 1, "{command}");
    }
    assert_eq!(studio.bill().len(), 3);
}

#[test]
fn the_runs_are_listed_with_outcome_counts_and_filter() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml", "--filter", "preset=p1"]);
    let runs = lab.expect(0, &["status", "songs.yaml", "--runs"]).out;
    for found in [
        "complete",
        "1 job, 1 to submit, 12 credits with studio",
        "--filter preset=p1",
    ] {
        assert!(runs.contains(found), "{found}: {runs}");
    }
    let run = lab.json(&["status", "songs.yaml", "--runs"])["runs"][0].clone();
    assert_eq!(
        (&run["outcome"], &run["jobs"], &run["selection"]),
        (&"complete".into(), &1.into(), &"--filter preset=p1".into())
    );
}

#[test]
fn a_plan_is_a_grid_and_a_list_on_request() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 2, "takes: 2\n");
    lab.expect(
        0,
        &[
            "run",
            "songs.yaml",
            "--filter",
            "stem=s1",
            "--filter",
            "preset=p2",
        ],
    );
    let plan = lab.expect(0, &["plan", "songs.yaml"]).out;
    assert!(
        plan.starts_with("    p1  p2\ns1  ++  ==\ns2  ++  ++\n\n8 jobs: "),
        "{plan}"
    );
    let list = lab.expect(0, &["plan", "songs.yaml", "--jobs"]).out;
    assert_eq!(
        list.lines()
            .filter(|line| line.starts_with(" + ") || line.starts_with(" = "))
            .count(),
        8
    );
}
