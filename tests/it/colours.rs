//! Colours: where they are wanted, and nothing said by them alone.

use std::fs;

use crate::lab::{Lab, finish, root};

const ESCAPE: char = '\u{1b}';

/// What a command says on both streams, with these variables.
fn said(lab: &Lab, args: &[&str], env: &[(&str, &str)]) -> (String, String) {
    let mut command = lab.backline(args);
    command.envs(env.iter().copied());
    let ran = finish(command);
    (ran.out, ran.err)
}

fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn every_diagnostic_says_the_same_without_colours() {
    let lab = Lab::new();
    crate::workflows::copy(
        &root().join("tests/fixtures/manifests/bad"),
        &lab.path("bad"),
    );
    let mut looked_at = 0;
    for entry in fs::read_dir(lab.path("bad")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".yaml") || name.contains(".part.") {
            continue;
        }
        let manifest = format!("bad/{name}");
        let (_, coloured) = said(&lab, &["validate", &manifest, "--color", "always"], &[]);
        let (_, bare) = said(&lab, &["validate", &manifest, "--color", "never"], &[]);
        assert!(
            coloured.contains(ESCAPE) && !bare.contains(ESCAPE),
            "{name}"
        );
        assert_eq!(plain(&coloured), bare, "{name}");
        assert!(bare.starts_with("error: "), "{bare}");
        assert!(
            bare.contains(&format!("invalid manifest: {manifest} has ")),
            "{bare}"
        );
        looked_at += 1;
    }
    assert!(looked_at > 30, "{looked_at}");
}

#[test]
fn the_user_has_the_last_word_on_colours() {
    let lab = Lab::new();
    lab.write("broken.yaml", "version: 1\nstem: []\n");
    let force = ("CLICOLOR_FORCE", "1");
    let none = ("NO_COLOR", "1");
    for args in [
        &["validate", "broken.yaml"][..],
        &["doctor", "broken.yaml"],
        &["run", "none.yaml"],
        &["frobnicate"],
        &["hooks", "test", "before_submit", "--", "sh", "-c", "exit 1"],
    ] {
        let check = |more: &[&str], env: &[(&str, &str)], coloured: bool| {
            // Before `--`, which ends the options.
            let (front, back) =
                args.split_at(args.iter().position(|it| *it == "--").unwrap_or(args.len()));
            let all = [front, more, back].concat();
            let (out, err) = said(&lab, &all, env);
            let text = out + &err;
            assert_eq!(text.contains(ESCAPE), coloured, "{all:?} {env:?}\n{text}");
            plain(&text)
        };
        // Neither stream is a terminal here.
        let bare = check(&[], &[], false);
        check(&[], &[force], true);
        check(&[], &[none, force], false);
        check(&["--color", "never"], &[force], false);
        let coloured = check(&["--color", "always"], &[none], true);
        // The time it took, the free space and the line about colours may differ.
        let the_same = |text: &str| -> String {
            let differs = |line: &&str| {
                !line.starts_with("took ") && !line.contains("terminal ") && !line.contains("free")
            };
            text.lines().filter(differs).collect()
        };
        assert_eq!(the_same(&coloured), the_same(&bare), "{args:?}");
    }
}
