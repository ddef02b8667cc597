//! The house's habits that a machine can see to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::root;

/// Longest source file, in lines.
const MOST_LINES: usize = 800;
/// Longest source file whose documentation need not state why it is so long, in lines.
const LINES_WITHOUT_REASON: usize = 500;
/// How the reason begins, in a file's documentation.
const REASON: &str = "//! Over 500 lines: ";

/// The files that are the project's: known to git, or about to be.
fn files() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output();
    match listed {
        Ok(listed) if listed.status.success() => {
            let names = String::from_utf8(listed.stdout).unwrap();
            names
                .lines()
                .map(|name| root().join(name))
                .filter(|path| path.is_file())
                .collect()
        }
        // An archive of the project has no history: then it is whatever lies here.
        _ => walk(&root()),
    }
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .filter(|path| !path.ends_with("target") && !path.ends_with(".git"))
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

fn texts() -> impl Iterator<Item = (PathBuf, String)> {
    files().into_iter().filter_map(|path| {
        let text = fs::read_to_string(&path).ok()?;
        Some((path, text))
    })
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|it| it == "rs")
}

#[test]
fn no_source_file_is_too_long_to_be_read() {
    let long: Vec<String> = texts()
        .filter(|(path, _)| is_rust(path))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines", path.display()))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}

#[test]
fn a_long_source_file_states_why_it_is_long() {
    let mut wrong = Vec::new();
    for (path, text) in texts().filter(|(path, _)| is_rust(path)) {
        let is_long = text.lines().count() > LINES_WITHOUT_REASON;
        let mut documentation = text.lines().take_while(|line| line.starts_with("//!"));
        if is_long != documentation.any(|line| line.starts_with(REASON)) {
            wrong.push(path.display().to_string());
        }
    }
    assert!(
        wrong.is_empty(),
        "split these, or state the reason in their documentation (`{REASON}…`); a file that became short loses it:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_file_knows_the_machine_that_it_was_written_on() {
    // Put together here, so that this file does not find itself.
    let homes = ["/ho", "/Us", "/ro", "/wo"]
        .iter()
        .zip(["me/", "ers/", "ot/", "rk/"]);
    let homes: Vec<String> = homes.map(|(start, end)| format!("{start}{end}")).collect();
    let mut found = Vec::new();
    for (path, text) in texts() {
        for (at, line) in text.lines().enumerate() {
            for home in &homes {
                let starts = line.match_indices(home.as_str()).any(|(start, _)| {
                    // A path of its own, not the end of another or of an address.
                    line[..start].chars().next_back().is_none_or(|before| {
                        !before.is_alphanumeric() && !"./}])>_-".contains(before)
                    })
                });
                if starts {
                    found.push(format!("{}:{}: {line}", path.display(), at + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_is_called_after_nothing_in_particular() {
    let vague = ["utils", "helpers", "common", "misc", "imp"];
    let found: Vec<PathBuf> = files()
        .into_iter()
        .filter(|path| is_rust(path))
        .filter(|path| {
            path.components().any(|part| {
                let name = part.as_os_str().to_string_lossy();
                vague.contains(&name.trim_end_matches(".rs"))
            })
        })
        .collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<PathBuf> = texts()
        .filter(|(path, _)| {
            is_rust(path) && path.components().any(|part| part.as_os_str() == "src")
        })
        .filter(|(path, text)| !path.ends_with("mod.rs") && !text.starts_with("//!"))
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn no_test_is_left_out_or_sleeps() {
    let marks = [
        ["#[ig", "nore"].concat(),
        ["thread::", "sleep"].concat(),
        ["todo", "!("].concat(),
    ];
    let found: Vec<String> = texts()
        .filter(|(path, _)| is_rust(path))
        .flat_map(|(path, text)| {
            let marks = &marks;
            text.lines()
                .enumerate()
                .filter(|(_, line)| marks.iter().any(|mark| line.contains(mark.as_str())))
                .map(|(at, line)| format!("{}:{}: {}", path.display(), at + 1, line.trim()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
