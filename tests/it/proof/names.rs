//! No name that anybody gives leads out of the output folder or over a file that is there.

use std::fs;
use std::os::unix::fs::symlink;

use super::project::{Project, STUDIO};
use crate::lab::Lab;

#[test]
fn templates_that_lead_out_of_the_folder_are_refused_before_anything_is_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let project = Project::new(&lab, &studio.url, "names", 1, STUDIO);
    let mut before = "{dir: out}".to_owned();
    for template in [
        "../{{preset.id}}-{{track.index}}",
        "/tmp/{{preset.id}}-{{track.index}}",
        "a/../../{{preset.id}}-{{track.index}}",
        "CON/{{preset.id}}-{{track.index}}",
        "{{preset.id}}-{{track.index}}/aux",
        "a:{{preset.id}}-{{track.index}}",
        "./{{preset.id}}-{{track.index}}",
    ] {
        let output = format!("{{dir: out, file: \"{template}\"}}");
        project.edit(&before, &output);
        let ran = project.run();
        assert_eq!(ran.code, Some(3), "{template}: {}", ran.err);
        assert!(ran.err.contains("songs.yaml:"), "{template}: {}", ran.err);
        before = output;
    }
    assert_eq!(project.bill(), vec![]);
}

#[test]
fn names_that_are_data_stay_inside_whatever_they_hold() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let project = Project::new(&lab, &studio.url, "names", 1, STUDIO);
    // The vendor gives the title back.
    project.edit("names: 1\"", "names: ../../../../title\"");
    project.edit("  p1:", "  \"a/../../../p1\":");
    project.edit("id: voice", "id: \"../voice\"");
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let out = project.path("out").canonicalize().unwrap();
    let kept = project.kept_files();
    assert_eq!(kept.len(), 2);
    for file in kept {
        let path = project.path(&file).canonicalize().unwrap();
        assert!(path.starts_with(&out), "{file}");
    }
}

#[test]
fn a_folder_that_is_a_link_to_elsewhere_is_not_written_to() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let project = Project::new(&lab, &studio.url, "linked", 1, STUDIO);
    let elsewhere = lab.path("elsewhere");
    fs::create_dir_all(project.path("out")).unwrap();
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, project.path("out/voice")).unwrap();
    let ran = project.run();
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("leads out of"), "{}", ran.err);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    fs::remove_file(project.path("out/voice")).unwrap();
    assert_eq!(project.run().code, Some(0));
    project.assert_bought_once_and_kept("unlinked");
}

#[test]
fn a_file_that_is_there_is_never_written_over_nor_through() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let project = Project::new(&lab, &studio.url, "taken", 1, STUDIO);
    fs::create_dir_all(project.path("out/voice")).unwrap();
    lab.write("precious.txt", "precious");
    symlink(lab.path("precious.txt"), project.path("out/voice/p1-1.mp3")).unwrap();
    symlink(lab.path("nothing"), project.path("out/voice/p1-2.mp3")).unwrap();
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(lab.read("precious.txt"), "precious");
    assert!(!lab.path("nothing").exists());
    assert_eq!(
        project.kept_files(),
        ["out/voice/p1-1~2.mp3", "out/voice/p1-2~2.mp3"]
    );
}
