//! The names of files that a stranger's manifest makes the program print: those of its project, and no others.

use std::fs;
use std::os::unix::fs::symlink;

use crate::lab::Lab;

/// Two folders: the project, and one beside it whose file names are nobody's business.
fn project(stems: &str) -> Lab {
    let lab = Lab::new();
    lab.write("project/backline.yaml", "version: 1\n");
    lab.recording("project/vocals/verse.wav", 1);
    lab.recording("private/confidential-song.wav", 2);
    lab.write("private/confidential-letter.txt", "x");
    symlink("../private", lab.path("project/linked")).unwrap();
    let text = format!("version: 1\nname: songs\nstems: [{stems}]\npresets: {{p: {{tags: x}}}}\n");
    lab.write("project/songs.yaml", text);
    lab
}

#[test]
fn a_pattern_lists_no_folder_outside_the_project() {
    let outside = [
        "../private/*",
        "../private/*.wav",
        "../*/*.wav",
        "../**/*.wav",
        "vocals/../../private/*.wav",
        "linked/*",
        "/etc/*",
    ];
    for pattern in outside {
        let lab = project(&format!("{{glob: \"{pattern}\"}}"));
        for command in ["validate", "plan", "doctor"] {
            for format in ["text", "json"] {
                let ran = lab.run(&[command, "project/songs.yaml", "--format", format]);
                let said = format!("{}{}", ran.out, ran.err);
                assert_ne!(ran.code, Some(0), "{command} {pattern}: {said}");
                assert!(
                    said.contains("lies outside of the project"),
                    "{command} {pattern}: {said}"
                );
                let names = ["confidential", "passwd", "hostname"];
                assert!(
                    !names.iter().any(|name| said.contains(name)),
                    "{command} {pattern}: {said}"
                );
            }
        }
    }
    let lab = project("{glob: \"linked/*.wav\"}");
    let ran = lab.expect(0, &["plan", "project/songs.yaml", "--allow-outside"]);
    assert!(ran.out.contains("confidential-song"), "{}", ran.out);
    // Links to folders are not followed below a pattern's beginning.
    let lab = project("{glob: \"**/*.wav\"}");
    let ran = lab.expect(0, &["plan", "project/songs.yaml"]);
    assert!(!ran.out.contains("confidential"), "{}", ran.out);
}

/// Each pattern walks through the project anew: a small manifest could make the program do so for hours.
#[test]
fn patterns_visit_so_many_files_and_no_more() {
    let lab = Lab::new();
    lab.recording("verse.wav", 1);
    for folder in 0..10 {
        for file in 0..250 {
            lab.write(&format!("files/{folder}/{file}"), "");
        }
    }
    let plan = |patterns: usize, each: &str| {
        let globs: String = (0..patterns)
            .map(|_| format!("  - {{glob: \"{each}\"}}\n"))
            .collect();
        let text = format!("version: 1\nname: songs\nstems:\n{globs}presets: {{p: {{tags: x}}}}\n");
        lab.write("songs.yaml", text);
        lab.expect(3, &["plan", "songs.yaml"]).err
    };
    let walked = plan(600, "**/nothing");
    assert!(
        walked.contains("visit more than 1000000 files together"),
        "{walked}"
    );
    let many = plan(2_000, "*.flac");
    assert!(many.contains("more than 1000 patterns"), "{many}");
    let long = plan(1, &"x".repeat(5_000));
    assert!(long.contains("longer than 4096 bytes"), "{long}");
}

#[test]
fn a_nearly_right_name_outside_the_project_is_not_corrected() {
    for file in [
        "../private/confidential-son.wav",
        "linked/confidential-son.wav",
    ] {
        let lab = project(file);
        let ran = lab.expect(3, &["plan", "project/songs.yaml"]);
        assert!(!ran.err.contains("confidential-song"), "{}", ran.err);
    }
    let lab = project("vocals/vers.wav");
    lab.fails(
        3,
        &["plan", "project/songs.yaml"],
        "did you mean `verse.wav`?",
    );
    // A recording may lie anywhere.
    let lab = project("../private/confidential-song.wav");
    lab.expect(0, &["plan", "project/songs.yaml"]);
    let facts = fs::metadata(lab.path("project/.backline"));
    assert!(facts.is_err(), "a plan writes nothing");
}
