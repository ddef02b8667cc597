//! Every manifest in `workflows/` works: each is planned, and the first one is played.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::lab::{Lab, finish, root};

/// A copy of the folder.
fn workflows() -> Lab {
    let lab = Lab::new();
    copy(&root().join("workflows"), &lab.path("workflows"));
    lab
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_name().to_str().unwrap() {
            "out" | ".backline" => {}
            _ if path.is_dir() => copy(&path, &target),
            _ => drop(fs::copy(&path, &target).unwrap()),
        }
    }
}

#[test]
fn each_can_be_planned_without_an_account() {
    let lab = workflows();
    let mut names: Vec<String> = fs::read_dir(lab.path("workflows"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "album.yaml",
            "kie.yaml",
            "quickstart.yaml",
            "release.yaml",
            "sunoapi.yaml"
        ]
    );
    for name in names {
        let manifest = format!("workflows/{name}");
        let ran = lab.expect(0, &["validate", &manifest]);
        // Without an account there is no key.
        let mut told = ran.err.lines();
        assert!(
            told.all(|line| line.starts_with("note: $") && line.contains(" is not set; ")),
            "{name}: {}",
            ran.err
        );
        let ran = lab.expect(0, &["plan", &manifest, "--jobs"]);
        insta::assert_snapshot!(
            format!("plan_{}", name.replace('.', "_")),
            lab.plain(&ran.out)
        );
    }
    assert!(
        !lab.path("workflows/.backline").exists(),
        "a plan leaves nothing behind"
    );
}

#[test]
fn the_quickstart_makes_music() {
    let lab = workflows();
    lab.expect(0, &["run", "workflows/quickstart.yaml"]);
    let status = lab.json(&["status", "workflows/quickstart.yaml"]);
    assert_eq!(
        (&status["totals"]["kept"], &status["totals"]["tracks"]),
        (&3.into(), &6.into())
    );
    for job in status["jobs"].as_array().unwrap() {
        for track in job["tracks"].as_array().unwrap() {
            let file = lab
                .path("workflows")
                .join(track["file"]["path"].as_str().unwrap());
            let audio = backline_audio::decode(&fs::read(file).unwrap()).unwrap();
            assert!(audio.duration_s() >= 29.0);
        }
    }
    assert!(lab.path("workflows/out/quickstart/summary.csv").exists());
    assert!(lab.path("workflows/out/quickstart/summary.json").exists());
}

#[test]
fn a_release_is_wavs_stems_and_notes_and_is_bought_once() {
    let lab = workflows();
    let studio = lab.studio(&["--rate", "off"]);
    let table = format!(
        "\nprovider: {{profile: studio, base_url: \"{}\", api_key: {{env: LAB_KEY}}}}\n",
        studio.url
    );
    let manifest = lab.read("workflows/release.yaml") + &table;
    lab.write("workflows/release.yaml", manifest);
    lab.expect(0, &["run", "workflows/release.yaml"]);
    let status = lab.json(&["status", "workflows/release.yaml"]);
    let jobs = status["jobs"].as_array().unwrap();
    // Two songs, and of each of their two tracks a WAV, stems and MIDI.
    assert_eq!((jobs.len(), studio.bill().len()), (14, 14));
    let mut made: BTreeMap<String, u32> = BTreeMap::new();
    for job in jobs {
        assert_eq!(job["state"], "kept", "{job}");
        for track in job["tracks"].as_array().unwrap() {
            let path = lab
                .path("workflows")
                .join(track["file"]["path"].as_str().unwrap());
            let bytes = fs::read(&path).unwrap();
            let artefact = track["artefact"].as_str().unwrap_or("song");
            match artefact {
                "midi" => assert!(bytes.starts_with(b"MThd")),
                "wav" => {
                    assert!(bytes.starts_with(b"RIFF") && bytes[8..].starts_with(b"WAVE"));
                    backline_audio::decode(&bytes).unwrap();
                }
                _ => drop(backline_audio::decode(&bytes).unwrap()),
            }
            let name = path.file_stem().unwrap().to_str().unwrap();
            let of_song = artefact == "song" || name.ends_with(&format!("-{artefact}"));
            assert!(of_song, "{name} is {artefact}");
            *made.entry(artefact.to_owned()).or_default() += 1;
        }
    }
    for (artefact, number) in [
        ("song", 4),
        ("wav", 4),
        ("midi", 4),
        ("vocal", 4),
        ("drums", 4),
    ] {
        assert_eq!(made.get(artefact), Some(&number), "{artefact}: {made:?}");
    }
    // A second run buys nothing, and a step that is added buys only its own result.
    lab.expect(0, &["run", "workflows/release.yaml"]);
    assert_eq!(studio.bill().len(), 14);
    let manifest = lab.read("workflows/release.yaml");
    let added = manifest.replace(
        "  - wav\n",
        "  - wav\n  - {stems: separate_vocal, name: vocals, when: {preset: piano}}\n",
    );
    lab.write("workflows/release.yaml", added);
    lab.expect(0, &["run", "workflows/release.yaml"]);
    assert_eq!(studio.bill().len(), 16);
    // Steps alone can be selected, and their songs are not bought for them.
    let ran = lab.expect(
        0,
        &[
            "plan",
            "workflows/release.yaml",
            "--filter",
            "operation=wav",
            "--jobs",
        ],
    );
    assert!(ran.out.contains("not selected"), "{}", ran.out);
}

/// The album, made by a studio that answers at once.
fn instant_album(lab: &Lab, studio: &str) {
    let table =
        format!("provider: {{profile: studio, base_url: \"{studio}\", api_key: {{env: LAB_KEY}}}}");
    let album = lab.read("workflows/album.yaml");
    assert!(album.contains("provider: studio\n"));
    lab.write(
        "workflows/album.yaml",
        album
            .replace("provider: studio", &table)
            .replace("concurrency: 2", "concurrency: 8"),
    );
}

#[test]
fn the_albums_hooks_guard_change_measure_and_note() {
    let lab = workflows();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    instant_album(&lab, &studio.url);
    let ran = lab.run(&["run", "workflows/album.yaml"]);
    assert_eq!(ran.code, Some(0), "Python is needed here\n{}", ran.err);
    let status = lab.json(&["status", "workflows/album.yaml"]);
    let jobs = status["jobs"].as_array().unwrap();
    assert_eq!((jobs.len(), studio.bill().len()), (17, 17));
    let mut kept = 0;
    for job in jobs {
        let is_slow = job["stem"] == "grace" && job["preset"] != "lofi";
        let negative = job["settings"]["negative_tags"].as_str().unwrap();
        assert_eq!(negative.ends_with(", drums"), is_slow, "{job}");
        for track in job["tracks"].as_array().unwrap() {
            assert!(track["loudness"]["integrated_lufs"].is_number(), "{track}");
            kept += 1;
        }
    }
    let noted = lab.read("workflows/out/kept.txt");
    assert!(noted.lines().count() >= kept && kept == 34, "{noted}");
    assert!(
        noted.lines().all(|line| line.starts_with("\"file\":\"/")),
        "{noted}"
    );
    // A guard that guards.
    let long = "title: \"{{upper stem.id}}, {{preset.id}}, and whatever else could be said about it in so many words\"";
    let album = lab.read("workflows/album.yaml");
    lab.write(
        "workflows/album.yaml",
        album.replace("title: \"{{upper stem.id}}, {{preset.id}}\"", long),
    );
    let ran = lab.expect(10, &["run", "workflows/album.yaml"]);
    assert!(
        ran.err.contains("the title is longer than 60 characters"),
        "{}",
        ran.err
    );
    assert_eq!(studio.bill().len(), 17);
}

#[test]
fn an_album_without_python_says_so_and_buys_nothing() {
    let lab = workflows();
    let studio = lab.studio(&["--instant"]);
    instant_album(&lab, &studio.url);
    fs::create_dir(lab.path("bin")).unwrap();
    let mut run = lab.backline(&["run", "workflows/album.yaml"]);
    run.env("PATH", lab.path("bin"));
    let ran = finish(run);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(
        ran.err.contains("there is no program `python3` here"),
        "{}",
        ran.err
    );
    assert!(studio.bill().is_empty());
    let mut doctor = lab.backline(&["doctor", "workflows/album.yaml"]);
    doctor.env("PATH", lab.path("bin"));
    let told = finish(doctor);
    assert_eq!(told.code, Some(2), "{}", told.out);
    assert!(
        told.out.contains(
            "fail  hooks      missing or not executable: before_submit 1: run python3 hooks/guard.py"
        ),
        "{}",
        told.out
    );
}

#[test]
fn every_vocal_has_its_origin_written_down() {
    let vocals = root().join("workflows/vocals");
    let origin = fs::read_to_string(vocals.join("ORIGIN.md")).unwrap();
    for entry in fs::read_dir(vocals).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        assert!(origin.contains(&name) || name == "ORIGIN.md", "{name}");
    }
}
