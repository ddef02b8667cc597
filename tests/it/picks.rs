//! After listening: copies of starred tracks, listening tests, and ratings that come back to the reports.

use serde_json::Value;

use crate::album::{csv_rows, json};
use crate::lab::Lab;

/// Buys the jobs of `songs.yaml` from a studio that is gone afterwards, and returns its status.
fn bought(lab: &Lab, stems: usize, presets: usize, rest: &str) -> Value {
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, stems, presets, rest);
    lab.expect(0, &["run", "songs.yaml"]);
    lab.json(&["status", "songs.yaml"])
}

#[test]
fn chosen_tracks_become_a_listening_test_for_webmushra() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 2, "reports: [json]\n");
    // Names are shown as HTML there.
    let manifest = lab.read("songs.yaml");
    let hostile = "{id: \"<img src=x>&\", file: vocals/s2.wav}";
    lab.write("songs.yaml", manifest.replace("vocals/s2.wav", hostile));
    lab.expect(0, &["run", "songs.yaml"]);
    let status = lab.json(&["status", "songs.yaml"]);
    let mut stars = "key,track,star\n".to_owned();
    for job in [0, 1, 2] {
        let key = status["jobs"][job]["key"].as_str().unwrap();
        stars.push_str(&format!("{key},1,1\n{key},2,{}\n", u8::from(job == 0)));
    }
    lab.write("stars.csv", stars);
    let args = ["pick", "stars.csv", "songs.yaml", "--webmushra", "test"];
    let ran = lab.expect(0, &args);
    assert_eq!(ran.out, "test/configs/backline-songs.yaml\n");
    assert!(
        ran.err.contains("?config=backline-songs.yaml"),
        "{}",
        ran.err
    );

    let text = lab.read("test/configs/backline-songs.yaml");
    let config: Value = serde_yaml::from_str(&text).unwrap();
    for (name, value) in [
        ("testname", Value::from("backline-songs")),
        ("bufferSize", 2048.into()),
        ("stopOnErrors", true.into()),
        ("remoteService", "service/write.php".into()),
    ] {
        assert_eq!(config[name], value, "{name}");
    }
    assert!(config["testId"].as_str().unwrap().starts_with("backline-"));
    // A page a stem in random order, then the end.
    let pages = config["pages"][0].as_array().unwrap();
    assert_eq!((&pages[0], pages.len()), (&"random".into(), 3));
    assert_eq!(config["pages"][1]["type"], "finish");
    let list = lab.read("test/configs/resources/backline-songs/stimuli.csv");
    let mut list = csv::Reader::from_reader(list.as_bytes());
    let mut rows: Vec<std::collections::HashMap<String, String>> =
        list.deserialize().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 4);
    for (page, (stem, count)) in pages[1..].iter().zip([("s1", 3), ("<img src=x>&", 1)]) {
        assert_eq!(page["type"], "likert_multi_stimulus");
        let shown = stem
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        assert_eq!(page["name"], shown);
        assert_eq!(page["response"].as_array().unwrap().len(), 5);
        let stimuli = page["stimuli"].as_object().unwrap();
        assert_eq!(stimuli.len(), count);
        let mut levels = Vec::new();
        for (name, file) in stimuli {
            // The names tell a listener nothing; the list does.
            let at = rows.iter().position(|row| row["stimulus"] == *name);
            let row = rows.remove(at.unwrap());
            assert_eq!(row["stem"], stem);
            assert!(row["key"].starts_with(&name[..12]));
            let bytes = std::fs::read(lab.path("test").join(file.as_str().unwrap())).unwrap();
            let sound = backline_audio::decode(&bytes).unwrap();
            assert_eq!((sound.rate_hz, sound.channels.len()), (48_000, 2));
            levels.push(backline_audio::integrated_lufs(&sound).unwrap());
        }
        levels.sort_by(f64::total_cmp);
        assert!(levels[count - 1] - levels[0] < 0.2, "{levels:?}");
    }
    // Again, with copies too.
    let both = [&args[..], &["--to", "keepers", "--format", "json"]].concat();
    let again: Value = serde_json::from_str(&lab.expect(0, &both).out).unwrap();
    assert_eq!(again["picks"].as_array().unwrap().len(), 4);
    assert_eq!(again["webmushra"]["stimuli"].as_array().unwrap().len(), 4);
    assert_eq!(lab.read("test/configs/backline-songs.yaml"), text);
    let ran = lab.expect(2, &["pick", "stars.csv", "songs.yaml"]);
    assert!(
        ran.err.contains("--to <DIR>|--webmushra <DIR>"),
        "{}",
        ran.err
    );
}

#[test]
fn starred_tracks_are_copied_with_a_list_of_what_they_are_and_ratings_come_back() {
    let lab = Lab::new();
    let status = bought(&lab, 2, 1, "reports: [csv, json, markdown]\n");
    let job = &status["jobs"][1];
    let key = job["key"].as_str().unwrap();
    let other = status["jobs"][0]["key"].as_str().unwrap();
    lab.write(
        "stars.csv",
        format!("stem,track,star,note,key\ns2,2,1,warm,{key}\ns1,1,0,thin,{other}\n"),
    );
    let picked = lab
        .expect(0, &["pick", "stars.csv", "songs.yaml", "--to", "keepers"])
        .out;
    assert!(
        picked.starts_with("keepers/01 s2 - p1, take 1 track 2."),
        "{picked}"
    );
    let list: Value = serde_json::from_str(&lab.read("keepers/picks.json")).unwrap();
    let pick = &list["picks"][0];
    assert_eq!(
        (&pick["key"], &pick["note"], &pick["task_id"]),
        (&job["key"], &"warm".into(), &job["task_id"])
    );
    assert_eq!(pick["sha256"], job["tracks"][1]["file"]["sha256"]);
    assert_eq!(pick["settings"]["tags"], "style 1");
    let name = pick["file"].as_str().unwrap();
    let kept = job["tracks"][1]["file"]["path"].as_str().unwrap();
    assert_eq!(
        std::fs::read(lab.path("keepers").join(name)).unwrap(),
        std::fs::read(lab.path(kept)).unwrap()
    );
    assert!(lab.read("keepers/picks.m3u8").contains(name));
    assert!(lab.read("keepers/picks.csv").contains(key));
    // The same call again changes nothing; a changed source is called changed and not copied.
    assert_eq!(
        lab.expect(0, &["pick", "stars.csv", "songs.yaml", "--to", "keepers"])
            .out,
        picked
    );
    std::fs::write(lab.path(kept), "another file").unwrap();
    for to in [["--to", "elsewhere"], ["--webmushra", "elsewhere"]] {
        let ran = lab.expect(7, &[&["pick", "stars.csv", "songs.yaml"], &to[..]].concat());
        let told = "error: cannot use 1 of the chosen files; no list was written\n  s2 × p1 take 1 track 2: ";
        assert!(ran.err.contains(told), "{}", ran.err);
        assert!(
            ran.err.contains("was changed since it was kept"),
            "{}",
            ran.err
        );
        assert!(ran.err.contains("\nhint: correct that"), "{}", ran.err);
        assert!(!lab.path("elsewhere").exists());
    }
    // The lists of an earlier pick stay as they are; another file in a copy's place is told before anything is copied.
    let lists = || ["csv", "json", "m3u8"].map(|it| lab.read(&format!("keepers/picks.{it}")));
    let before = lists();
    lab.expect(7, &["pick", "stars.csv", "songs.yaml", "--to", "keepers"]);
    std::fs::copy(lab.path("keepers").join(name), lab.path(kept)).unwrap();
    lab.write(&format!("keepers/{name}"), "mine");
    let ran = lab.expect(7, &["pick", "stars.csv", "songs.yaml", "--to", "keepers"]);
    assert!(
        ran.err.contains("is another file; move it away"),
        "{}",
        ran.err
    );
    assert_eq!(lists(), before);
    lab.write("hand.csv", "stem,preset,take,track\ns2,p1,1,2\n");
    let ran = lab.expect(2, &["pick", "hand.csv", "songs.yaml", "--to", "keepers"]);
    let told = "cannot read the ratings hand.csv: it has no column `key`; a table of stars needs `key` and `track`";
    assert!(ran.err.contains(told), "{}", ran.err);
    assert!(ran.err.contains("hint: the button Export"), "{}", ran.err);
    lab.write("none.csv", "key,track,star\n");
    let ran = lab.expect(2, &["pick", "none.csv", "songs.yaml", "--to", "keepers"]);
    assert!(ran.err.contains("has no star"), "{}", ran.err);

    lab.write(
        "songs-blind.csv",
        format!("a_variant,b_variant,answer\n{key}:1,{other}:1,a\n"),
    );
    lab.expect(
        0,
        &[
            "report",
            "songs.yaml",
            "--ratings",
            "stars.csv",
            "--ratings",
            "songs-blind.csv",
        ],
    );
    let rows = csv_rows(&lab);
    let cells = |row: usize| {
        (
            rows[row]["star"].as_str(),
            rows[row]["note"].as_str(),
            rows[row]["blind_won"].as_str(),
        )
    };
    assert_eq!(cells(3), ("1", "warm", "0"));
    assert_eq!(cells(2), ("0", "", "1"));
    assert_eq!(json(&lab)["jobs"][0]["tracks"][0]["rating"]["lost"], 1);
    assert!(
        lab.read("out/songs/summary.md")
            .contains("| `preset` | `p1` | 3 of 4 | 1 | 0 | 0 | 0 |  |  |"),
        "{}",
        lab.read("out/songs/summary.md")
    );
    lab.write("odd.csv", "a,b\n1,2\n");
    let ran = lab.expect(2, &["report", "songs.yaml", "--ratings", "odd.csv"]);
    assert!(
        ran.err.contains("cannot read the ratings odd.csv"),
        "{}",
        ran.err
    );
}

/// A table with a star for each of these tracks.
fn stars(tracks: &[(&Value, u32)]) -> String {
    let rows = tracks
        .iter()
        .map(|(job, track)| format!("{},{track},1\n", job["key"].as_str().unwrap()));
    format!("key,track,star\n{}", rows.collect::<String>())
}

/// The names of the sound files in a folder, sorted.
fn copies(lab: &Lab, dir: &str) -> Vec<String> {
    let names = std::fs::read_dir(lab.path(dir)).unwrap();
    let names = names.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("picks.")).collect();
    names.sort();
    names
}

#[test]
fn picking_again_keeps_the_numbers_and_names_what_has_no_star_any_more() {
    let lab = Lab::new();
    let status = bought(
        &lab,
        2,
        2,
        "sweep: {style_weight: [0.2, 0.8]}\nreports: []\n",
    );
    let jobs = status["jobs"].as_array().unwrap();
    lab.write("stars.csv", stars(&[(&jobs[2], 1), (&jobs[3], 2)]));
    let pick = ["pick", "stars.csv", "songs.yaml", "--to", "keepers"];
    let first = lab.expect(0, &pick);
    assert_eq!(
        copies(&lab, "keepers"),
        [
            "01 s1 - p2, style_weight 0.2, take 1 track 1.mp3",
            "02 s1 - p2, style_weight 0.8, take 1 track 2.mp3"
        ],
        "{}",
        first.out
    );
    let table = lab.read("keepers/picks.csv");
    let head = table.lines().next().unwrap();
    assert!(
        head.starts_with("\u{feff}file,part,stem,preset,sweep.style_weight,tags,take,track,"),
        "{head}"
    );
    // Two picks of one cell have different titles.
    let list = lab.read("keepers/picks.m3u8");
    assert!(
        list.contains("s1 - p2, style_weight 0.2, take 1 track 1\n")
            && list.contains("style_weight 0.8, take 1 track 2\n"),
        "{list}"
    );

    // Another star that comes before these in the plan, and one less.
    lab.write("stars.csv", stars(&[(&jobs[0], 1), (&jobs[3], 2)]));
    let second = lab.expect(0, &pick);
    assert_eq!(
        second.out,
        "keepers/03 s1 - p1, style_weight 0.2, take 1 track 1.mp3\nkeepers/02 s1 - p2, style_weight 0.8, take 1 track 2.mp3\n"
    );
    let told = "note: 1 file is of an earlier pick without a star now, no longer listed in picks.csv; remove what you do not want:\n  keepers/01 s1 - p2, style_weight 0.2, take 1 track 1.mp3\n";
    assert!(second.err.contains(told), "{}", second.err);
    assert_eq!(copies(&lab, "keepers").len(), 3);
    // The star comes back: the file has its number still.
    lab.write("stars.csv", stars(&[(&jobs[2], 1)]));
    assert_eq!(
        lab.expect(0, &pick).out,
        "keepers/01 s1 - p2, style_weight 0.2, take 1 track 1.mp3\n"
    );
}

#[test]
fn stars_are_found_in_the_manifest_that_they_are_of() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("ep.yaml", &studio.url, 1, 1, "name: ep\nreports: [csv]\n");
    let ep = lab.read("ep.yaml").replacen("name: songs\n", "", 1);
    lab.write("ep.yaml", &ep);
    lab.expect(0, &["run", "ep.yaml"]);
    let job = lab.json(&["status", "ep.yaml"])["jobs"][0].clone();
    lab.manifest(
        "songs.yaml",
        &studio.url,
        2,
        1,
        "takes: 2\nreports: [csv]\n",
    );
    let other = lab.read("songs.yaml").replace("style 1", "other style");
    lab.write("songs.yaml", other);
    lab.expect(0, &["run", "songs.yaml"]);

    // The last run is of another manifest than the stars.
    lab.write("stars.csv", stars(&[(&job, 1)]));
    let picked = lab.expect(0, &["pick", "stars.csv", "--to", "keepers"]).out;
    assert!(
        picked.starts_with("keepers/01 s1 - p1, take 1 track 1."),
        "{picked}"
    );
    lab.expect(0, &["report", "--ratings", "stars.csv"]);
    assert!(lab.read("out/ep/summary.csv").contains("star"));
    let before = lab.read("out/songs/summary.csv");
    for args in [
        ["pick", "stars.csv", "songs.yaml", "--to", "elsewhere"].as_slice(),
        &["report", "songs.yaml", "--ratings", "stars.csv"],
    ] {
        let ran = lab.expect(2, args);
        assert!(
            ran.err.contains("tracks of ep.yaml; name that manifest"),
            "{}",
            ran.err
        );
    }
    assert_eq!(lab.read("out/songs/summary.csv"), before);
}

#[test]
fn ratings_that_were_joined_stay_in_the_reports_of_later_runs() {
    let lab = Lab::new();
    let job = bought(&lab, 1, 1, "reports: [csv, json, markdown]\n")["jobs"][0].clone();
    lab.write("stars.csv", stars(&[(&job, 2)]));
    lab.expect(0, &["report", "songs.yaml", "--ratings", "stars.csv"]);
    let joined = csv_rows(&lab);
    assert_eq!(joined[1]["star"], "1");
    for again in [["run", "songs.yaml"], ["report", "songs.yaml"]] {
        lab.expect(0, &again);
        assert_eq!(csv_rows(&lab), joined, "{again:?}");
    }
    // Reports in another folder have them, too.
    let elsewhere = [
        "report",
        "songs.yaml",
        "--only",
        "markdown",
        "--dir",
        "elsewhere",
    ];
    lab.expect(0, &elsewhere);
    assert!(lab.read("elsewhere/summary.md").contains("### Ratings"));
    lab.write("out/songs/ratings.json", "{}");
    let ran = lab.expect(0, &["report", "songs.yaml"]);
    assert!(
        ran.err
            .contains("the ratings beside the reports in out/songs are left out"),
        "{}",
        ran.err
    );
}

#[test]
fn what_steps_made_of_a_chosen_track_is_copied_beside_it() {
    let lab = Lab::new();
    let rest = "then: [wav, {stems: split_stem}, midi]\nreports: [json]\n";
    let status = bought(&lab, 1, 1, rest);
    let song = &status["jobs"][0];
    lab.write("stars.csv", stars(&[(song, 2)]));
    let args = ["pick", "stars.csv", "songs.yaml", "--to", "keepers"];
    lab.expect(0, &args);
    let found = copies(&lab, "keepers");
    let has = |suffix: &str| {
        let name = format!("01 s1 - p1, take 1 track 2{suffix}");
        assert!(found.contains(&name), "{name}: {found:?}");
    };
    for suffix in [
        ".mp3",
        " (wav).wav",
        " (midi).mid",
        " (vocal).mp3",
        " (bass).mp3",
    ] {
        has(suffix);
    }
    // Nothing of the other track, and each is the file that was kept.
    assert!(
        found
            .iter()
            .all(|name| name.starts_with("01 s1 - p1, take 1 track 2")),
        "{found:?}"
    );
    let list: Value = serde_json::from_str(&lab.read("keepers/picks.json")).unwrap();
    let picks = list["picks"].as_array().unwrap();
    assert_eq!(picks.len(), found.len());
    let vocal = picks.iter().find(|it| it["part"] == "vocal").unwrap();
    assert_eq!(
        (&vocal["key"], &vocal["step"]["operation"]),
        (&song["key"], &"stems".into())
    );
    let kept = std::fs::read(lab.path(vocal["source"].as_str().unwrap())).unwrap();
    assert_eq!(
        std::fs::read(lab.path("keepers").join(vocal["file"].as_str().unwrap())).unwrap(),
        kept
    );
    assert!(lab.read("keepers/picks.csv").contains("vocal,s1,p1"));
    let playlist = lab.read("keepers/picks.m3u8");
    assert!(
        playlist.contains("track 2.mp3") && !playlist.contains("(wav)"),
        "{playlist}"
    );
    // Again: the same names. A listening test has songs only.
    lab.expect(0, &[&args[..], &["--webmushra", "test"]].concat());
    assert_eq!(copies(&lab, "keepers"), found);
    let stimuli = lab.read("test/configs/resources/backline-songs/stimuli.csv");
    assert_eq!(stimuli.lines().count(), 2, "{stimuli}");
    lab.expect(
        0,
        &[
            "pick",
            "stars.csv",
            "songs.yaml",
            "--to",
            "tracks",
            "--without-steps",
        ],
    );
    assert_eq!(copies(&lab, "tracks"), ["01 s1 - p1, take 1 track 2.mp3"]);
}

#[test]
fn steps_that_are_not_kept_yet_are_named() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, 2, "");
    lab.expect(0, &["run", "songs.yaml"]);
    // Steps that came later, for one preset so far.
    lab.manifest("songs.yaml", &studio.url, 1, 2, "then: [wav]\n");
    lab.expect(0, &["run", "songs.yaml", "--filter", "preset=p2"]);
    let status = lab.json(&["status", "songs.yaml"]);
    lab.write("stars.csv", stars(&[(&status["jobs"][0], 1)]));
    let args = ["pick", "stars.csv", "songs.yaml", "--to", "keepers"];
    let ran = lab.expect(0, &args);
    assert_eq!(copies(&lab, "keepers"), ["01 s1 - p1, take 1 track 1.mp3"]);
    let note = "note: 1 step of the picked tracks is not kept; run the manifest, then pick again:\n  s1 × p1 take 1, track 1: wav  planned\n";
    assert!(ran.err.contains(note), "{}", ran.err);
    let ran = lab.expect(0, &[&args[..], &["--without-steps"]].concat());
    assert!(!ran.err.contains("not kept"), "{}", ran.err);
}
