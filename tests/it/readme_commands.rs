//! The commands that README.md and docs/studio.md give work as they stand.
//!
//! Blocks fenced as `sh` are run in order, in a copy of the project, with the built program in the search path; blocks of other
//! kinds (`console`, `text`) show what is seen and are not run. `cargo run … -- ARGS` becomes `backline ARGS`: the program is
//! built already. Lines that build, test or fetch the project are left to whoever builds it, and so is a comment.

use std::fs;
use std::os::unix::fs::symlink;

use crate::lab::{BACKLINE, KEY, Lab, finish, root};
use crate::workflows::copy;

/// What this test itself is part of.
const NOT_HERE: [&str; 6] = [
    "cargo test",
    "cargo nextest",
    "cargo build",
    "cargo install",
    "git clone",
    "cd backline",
];

/// The blocks to run, with the line that each starts at.
fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String, bool)> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((at + 1, String::new(), kind.trim() == "sh")),
            (Some(_), Some(_)) => {
                if let Some((start, block, true)) = open.take() {
                    blocks.push((start, block));
                }
            }
            (Some((_, block, _)), None) => {
                block.push_str(&rewritten(line));
                block.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn rewritten(line: &str) -> String {
    let command = line.trim_start();
    if NOT_HERE
        .iter()
        .any(|left_out| command.starts_with(left_out))
    {
        return ":".to_owned();
    }
    match (
        command.strip_prefix("cargo run "),
        command.split_once(" -- "),
    ) {
        (Some(_), Some((_, args))) => format!("backline {args}"),
        _ => line.to_owned(),
    }
}

#[test]
fn the_readme_works_as_it_reads() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(!blocks.is_empty(), "the README gives no command");
    let lab = Lab::new();
    copy(&root().join("workflows"), &lab.path("workflows"));
    fs::create_dir(lab.path("bin")).unwrap();
    symlink(BACKLINE, lab.path("bin/backline")).unwrap();
    for (line, block) in blocks {
        run(&lab, &format!("README.md:{line}"), &block);
    }
}

/// Runs a block, with what the lab has in `bin` in the search path.
fn run(lab: &Lab, place: &str, block: &str) {
    let mut shell = lab.program("sh");
    let path = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{path}", lab.path("bin").display()));
    shell.args(["-e", "-c", block]);
    let ran = finish(shell);
    assert_eq!(
        ran.code,
        Some(0),
        "{place}\n{block}\n{}\n{}",
        ran.out,
        ran.err
    );
}

#[test]
fn the_session_with_the_studio_works_with_curl_alone() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.recording("voice.wav", 1);
    let page = fs::read_to_string(root().join("docs/studio.md")).unwrap();
    let blocks = blocks(&page);
    assert_eq!(blocks.len(), 1, "one session");
    for (line, block) in blocks {
        let address = studio.url.trim_end_matches('/');
        let here = block
            .replace("http://127.0.0.1:8790", address)
            .replace("demo-key", KEY);
        assert!(here.contains(address) && here.contains(KEY), "{here}");
        run(&lab, &format!("docs/studio.md:{line}"), &here);
    }
    let billed: Vec<String> = studio.bill().into_iter().map(|it| it.operation).collect();
    assert_eq!(billed, ["add-instrumental", "wav"]);
    let file = |name: &str| fs::read(lab.path(name)).unwrap();
    assert!(backline_audio::decode(&file("track.mp3")).unwrap().frames() > 0);
    assert_eq!(&file("track.wav")[8..12], b"WAVE");
}

#[test]
fn blocks_of_sh_are_run_and_others_are_not() {
    let text = "a\n```sh\ncargo run --release --locked -- plan x.yaml\ncargo test --workspace\nbackline run x.yaml\n```\n```text\nno\n```\n";
    assert_eq!(
        blocks(text),
        [(
            2,
            "backline plan x.yaml\n:\nbackline run x.yaml\n".to_owned()
        )]
    );
}
