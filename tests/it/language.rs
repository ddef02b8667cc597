//! The language of help, schemas and documents: a command's help begins with a verb of the field, and no text uses a private word
//! where the field has one.

use std::fs;

use regex::Regex;
use serde_json::Value;

use crate::lab::{Lab, root};

/// How a command's help may begin.
const VERBS: [&str; 18] = [
    "Analyse", "Buy", "Check", "Compare", "Copy", "Download", "List", "Play", "Print", "Receive",
    "Remove", "Run", "Send", "Serve", "Settle", "Show", "Test", "Write",
];

/// Words that had a meaning of the project's own. The field says response, request, check, status, details, space, contain.
const PRIVATE: &str = r"(?i)\b(ask|asks|asked|asking|answer|answers|answered|answering|word|words|look|looks|looked|looking|told|tell|tells|room|stand|stands|stood|hold|holds|held|holding|bring|brings|brought|whoever)\b";

/// Texts that may contain one, with the reason.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// The private words of a text, line by line, without code.
fn private_words(name: &str, text: &str) -> Vec<String> {
    let private = Regex::new(PRIVATE).unwrap();
    let code = Regex::new("`[^`]*`|\"[^\"]*\"").unwrap();
    let mut fenced = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let plain = code.replace_all(line, "");
        let excepted = EXCEPTIONS
            .iter()
            .any(|(file, part, _)| *file == name && line.contains(part));
        if let Some(word) = private.find(&plain).filter(|_| !excepted) {
            found.push(format!("{name}:{}: `{}` in: {line}", at + 1, word.as_str()));
        }
    }
    found
}

/// The commands that a help lists, with the first line of each.
fn listed(help: &str) -> Vec<(String, String)> {
    let commands = help.split("Commands:\n").nth(1).unwrap_or("");
    let line = Regex::new(r"^  ([a-z]+) +(\S.*)$").unwrap();
    commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|text| line.captures(text))
        .map(|found| (found[1].to_owned(), found[2].to_owned()))
        .collect()
}

#[test]
fn every_commands_help_begins_with_a_verb() {
    let lab = Lab::new();
    let mut commands = listed(&lab.expect(0, &["--help"]).out);
    assert!(commands.len() >= 20, "{commands:?}");
    for group in ["hooks", "ledger"] {
        commands.extend(listed(&lab.expect(0, &[group, "--help"]).out));
    }
    for (name, about) in commands {
        let first = about.split_whitespace().next().unwrap();
        assert!(VERBS.contains(&first), "{name}: {about}");
    }
}

#[test]
fn help_speaks_the_fields_language() {
    let lab = Lab::new();
    let program = lab.expect(0, &["--help"]).out;
    let mut found = private_words("backline", &program);
    for (name, _) in listed(&program) {
        found.extend(private_words(&name, &lab.expect(0, &[&name, "--help"]).out));
    }
    let test = lab.expect(0, &["hooks", "test", "--help"]).out;
    found.extend(private_words("hooks test", &test));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Every `title` and `description` in a schema.
fn descriptions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(text) if key == "description" || key == "title" => {
                        found.push(text.clone());
                    }
                    _ => descriptions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| descriptions(item, found)),
        _ => {}
    }
}

#[test]
fn schemas_speak_the_fields_language() {
    let lab = Lab::new();
    for what in ["manifest", "project", "hook-event"] {
        let schema: Value = serde_json::from_str(&lab.expect(0, &["schema", what]).out).unwrap();
        let mut texts = Vec::new();
        descriptions(&schema, &mut texts);
        assert!(texts.len() > 5, "{what}");
        let found = private_words(what, &texts.join("\n"));
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn documents_speak_the_fields_language() {
    let mut found = Vec::new();
    let docs = fs::read_dir(root().join("docs")).unwrap();
    let pages = docs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .chain([root().join("README.md")]);
    let mut read = 0;
    for page in pages {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(private_words(&name, &fs::read_to_string(&page).unwrap()));
        read += 1;
    }
    assert!(read >= 9);
    let recipes = fs::read_to_string(root().join("justfile")).unwrap();
    let comments: Vec<&str> = recipes
        .lines()
        .filter(|line| line.starts_with('#'))
        .collect();
    found.extend(private_words("justfile", &comments.join("\n")));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn the_first_lines_of_documentation_begin_as_the_fields_do() {
    let wrong = Regex::new(r"^\s*/// (Say|Says|Tell|Tells|Bring|Brings|Look|Looks)\b").unwrap();
    let mut found = Vec::new();
    for folder in ["crates/cli/src", "crates/engine/src/manifest"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap_or_default();
                let lines = text
                    .lines()
                    .enumerate()
                    .filter(|(_, line)| wrong.is_match(line));
                found.extend(
                    lines.map(|(at, line)| format!("{}:{}: {line}", path.display(), at + 1)),
                );
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Words that comments of these crates do not have: the field says response, request, call, get, report.
const PRIVATE_IN_COMMENTS: &str =
    r"(?i)\b(ask|asks|asked|asking|answer|answers|answered|answering|unanswered|told)\b";

/// The crates whose comments are checked.
const CHECKED_CRATES: [&str; 8] = [
    "api", "audio", "band", "cli", "engine", "reporter", "serve", "studio",
];

#[test]
fn comments_speak_the_fields_language() {
    let private = Regex::new(PRIVATE_IN_COMMENTS).unwrap();
    let code = Regex::new("`[^`]*`|\"[^\"]*\"").unwrap();
    let mut found = Vec::new();
    let mut folders: Vec<_> = CHECKED_CRATES
        .map(|name| root().join("crates").join(name).join("src"))
        .to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for (at, line) in text.lines().enumerate() {
                    let comment = line.trim_start();
                    if comment.starts_with("//") && private.is_match(&code.replace_all(comment, ""))
                    {
                        found.push(format!("{}:{}: {comment}", path.display(), at + 1));
                    }
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
