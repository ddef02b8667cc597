//! What recordings that a stranger names cost whoever plans them: counted as samples that are decoded, not as time.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::lab::{Lab, tone};
use crate::proof::strangers::unfolding::unfolding_flac;

/// A manifest of these stems; `file` of each.
fn manifest(lab: &Lab, files: &[String]) {
    let mut text = "version: 1\nname: songs\nstems:\n".to_owned();
    for (number, file) in files.iter().enumerate() {
        writeln!(text, "  - {{id: s{number}, file: \"{file}\"}}").unwrap();
    }
    text.push_str("presets: {p: {tags: x}}\n");
    lab.write("songs.yaml", text);
}

/// The work that `validate` reports.
fn work(lab: &Lab) -> Value {
    lab.json(&["validate", "songs.yaml"])["recordings"].clone()
}

#[test]
fn a_recording_with_many_names_is_decoded_once() {
    let lab = Lab::new();
    lab.write("voice.wav", tone(1));
    lab.write("a/b/kept", "");
    manifest(&lab, &["voice.wav".to_owned()]);
    let once = work(&lab);
    assert_eq!(once["decoded"], 1);

    symlink("voice.wav", lab.path("soft.wav")).unwrap();
    symlink(lab.work(), lab.path("here")).unwrap();
    fs::hard_link(lab.path("voice.wav"), lab.path("hard.wav")).unwrap();
    let mut names: Vec<String> = (0..100)
        .map(|n| format!("{}voice.wav", "./".repeat(n)))
        .collect();
    names.extend((1..100).map(|n| format!("{}voice.wav", "a/b/../../".repeat(n))));
    let links = [
        "soft.wav",
        "hard.wav",
        "here/voice.wav",
        "here/here/soft.wav",
    ];
    names.extend(links.map(str::to_owned));
    names.push(lab.path("voice.wav").to_str().unwrap().to_owned());
    manifest(&lab, &names);
    assert_eq!(work(&lab), once);

    // Copies are read each, and decoded once.
    for number in 0..50 {
        lab.write(&format!("copy{number}.wav"), tone(1));
        names.push(format!("copy{number}.wav"));
    }
    manifest(&lab, &names);
    let expected = json!({"files": 51, "decoded": 1, "samples": once["samples"]});
    assert_eq!(work(&lab), expected);
}

#[test]
fn recordings_together_have_a_bound_that_the_user_can_raise() {
    let lab = Lab::new();
    // Each has 18 million samples in a kilobyte, and is no more than a single recording may have.
    let names: Vec<String> = (0..300).map(|number| format!("v{number}.flac")).collect();
    for (number, name) in names.iter().enumerate() {
        lab.write(name, unfolding_flac(34, number as u16));
    }
    manifest(&lab, &names);
    for command in ["validate", "plan", "run", "doctor"] {
        let ran = lab.run(&[command, "songs.yaml", "--max-sound", "10m"]);
        let said = format!("{}{}", ran.out, ran.err);
        for expected in [
            "have more sound together than 10m, the limit",
            "of 300 recordings",
            "allow more with `--max-sound`",
        ] {
            assert!(said.contains(expected), "{command}: {expected}: {said}");
        }
        assert!(matches!(ran.code, Some(2 | 3)), "{command}: {said}");
        let (_, decoded) = said.split_once("passed after ").unwrap();
        let decoded: u32 = decoded.split(' ').next().unwrap().parse().unwrap();
        assert!(decoded <= 3, "{command}: {said}");
    }
    manifest(&lab, &names[..3]);
    lab.expect(0, &["validate", "songs.yaml", "--max-sound", "10m"]);
    manifest(&lab, &names[..4]);
    lab.expect(0, &["validate", "songs.yaml"]);
}
