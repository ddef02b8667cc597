//! Every manifest in `workflows/` works: each is planned, and the first one is played.

use std::fs;
use std::path::Path;

use crate::lab::{Lab, root};

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
        ["album.yaml", "kie.yaml", "quickstart.yaml", "sunoapi.yaml"]
    );
    for name in names {
        let manifest = format!("workflows/{name}");
        let ran = lab.expect(0, &["validate", &manifest]);
        assert_eq!(ran.err, "", "{name} has warnings");
        let ran = lab.expect(0, &["plan", &manifest]);
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
fn every_vocal_has_its_origin_written_down() {
    let vocals = root().join("workflows/vocals");
    let origin = fs::read_to_string(vocals.join("ORIGIN.md")).unwrap();
    for entry in fs::read_dir(vocals).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        assert!(origin.contains(&name) || name == "ORIGIN.md", "{name}");
    }
}
