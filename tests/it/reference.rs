//! docs/manifest.md names every key of the schema and no other, with the schema's default; its links lead somewhere.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::lab::{Lab, root};

/// Tables whose keys stand under their own heading in the page, with the prefix that the page gives them.
const TABLES: [&str; 6] = [
    "provider",
    "limits",
    "retries",
    "callbacks",
    "output",
    "defaults",
];

/// Keys of the schema, dotted, with their defaults as JSON text.
fn of_the_schema(schema: &Value) -> BTreeMap<String, Option<String>> {
    let mut keys = BTreeMap::new();
    for (name, value) in schema["properties"].as_object().unwrap() {
        keys.insert(name.clone(), default_of(schema, value));
        if !TABLES.contains(&name.as_str()) {
            continue;
        }
        // A setting stands by its own name; it may be given in `defaults`, presets, sweeps and `include`.
        let prefix = if name == "defaults" {
            String::new()
        } else {
            format!("{name}.")
        };
        for (key, value) in properties(value) {
            keys.insert(format!("{prefix}{key}"), default_of(schema, value));
        }
    }
    keys
}

/// The properties of an object, or of whichever of its alternatives has some.
fn properties(value: &Value) -> Vec<(&String, &Value)> {
    let mut found: Vec<_> = value["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    for alternatives in ["oneOf", "anyOf"] {
        let list = value[alternatives].as_array().into_iter().flatten();
        found.extend(list.flat_map(properties));
    }
    found
}

fn default_of(schema: &Value, value: &Value) -> Option<String> {
    let value = match value["$ref"].as_str() {
        Some(path) => schema.pointer(path.trim_start_matches('#')).unwrap(),
        None => value,
    };
    match &value["default"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Keys of the page's tables with their cells: `| key | type | default | example | error |`.
fn of_the_page(page: &str) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    let mut in_table = false;
    for line in page.lines() {
        if line == "| key | type | default | example | error |" {
            in_table = true;
        } else if !line.starts_with('|') {
            in_table = false;
        } else if in_table && !line.starts_with("|---") {
            let cells: Vec<String> = line
                .trim_matches('|')
                .split(" | ")
                .map(|cell| cell.trim().to_owned())
                .collect();
            assert_eq!(cells.len(), 5, "{line}");
            let name = cells[0].trim_matches('`').to_owned();
            assert!(keys.insert(name, cells).is_none(), "twice: {line}");
        }
    }
    keys
}

#[test]
fn the_reference_and_the_schema_have_the_same_keys_and_defaults() {
    let lab = Lab::new();
    let schema: Value = serde_json::from_str(&lab.expect(0, &["schema"]).out).unwrap();
    let page = fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    let (schema, page) = (of_the_schema(&schema), of_the_page(&page));
    let names = |keys: Vec<&String>| keys.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(page.keys().collect()), names(schema.keys().collect()));
    for (key, default) in schema {
        let shown = &page[&key][2];
        let Some(default) = default.filter(|it| !it.is_empty()) else {
            continue;
        };
        let plain = |text: &str| {
            text.replace(['`', '"'], "")
                .replace(",", ", ")
                .replace("  ", " ")
        };
        assert!(
            plain(shown).contains(&plain(&default)),
            "{key}: the page says {shown}, the schema {default}"
        );
    }
}

/// A path may be written from the root, from `crates`, or as the end of one that the sentence has named.
#[test]
fn every_file_that_the_guides_name_is_there() {
    fn walk(dir: &std::path::Path, files: &mut Vec<String>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != ".git" {
                files.push(format!("/{}", path.display()));
                walk(&path, files);
            } else {
                files.push(format!("/{}", path.display()));
            }
        }
    }
    let mut files = Vec::new();
    walk(&root(), &mut files);
    let is_there = |path: &str| {
        let end = format!("/{}", path.trim_end_matches('/'));
        files.iter().any(|file| file.ends_with(&end))
    };
    let mut named = 0;
    for guide in [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "docs/band.md",
        "docs/hooks.md",
    ] {
        let text = fs::read_to_string(root().join(guide)).unwrap();
        let quoted = text.split('`').skip(1).step_by(2);
        let is_path = |it: &&str| {
            let plain = it
                .chars()
                .all(|at| at.is_ascii_alphanumeric() || "_-./".contains(at));
            plain
                && (it.ends_with(".rs")
                    || it.ends_with("schema.json")
                    || it.contains("/src")
                    || it.contains("band/data"))
        };
        for path in quoted.filter(is_path) {
            assert!(is_there(path), "{guide} names `{path}`, which is not there");
            named += 1;
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn every_example_of_the_reference_is_yaml_with_its_key() {
    let page = fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    let mut read = 0;
    for (key, cells) in of_the_page(&page) {
        let Some(example) = cells[3].strip_prefix('`') else {
            continue;
        };
        let example: Value = serde_yaml::from_str(example.trim_end_matches('`')).unwrap();
        let name = key.rsplit('.').next().unwrap();
        assert!(example.get(name).is_some(), "{key}: {example}");
        read += 1;
    }
    assert!(read > 30, "{read}");
}

#[test]
fn the_program_prints_the_reference_and_the_help_of_its_commands() {
    let lab = Lab::new();
    let page = fs::read_to_string(root().join("docs/manifest.md")).unwrap();
    assert_eq!(lab.expect(0, &["help", "manifest"]).out, page);
    assert!(lab.expect(0, &["help"]).out.contains("Usage: backline"));
    assert!(
        lab.expect(0, &["help", "hooks", "test"])
            .out
            .contains("--on-error")
    );
    let wrong = lab.expect(2, &["help", "manifes"]);
    assert!(
        wrong.err.contains("there is no help on `manifes`"),
        "{}",
        wrong.err
    );
}

#[test]
fn links_between_the_documents_lead_to_files() {
    let pages = fs::read_dir(root().join("docs")).unwrap();
    let pages = pages.map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = pages
        .filter(|it| it.extension().is_some_and(|it| it == "md"))
        .collect();
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"].map(|name| root().join(name)));
    for path in pages {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.starts_with("http") {
                continue;
            }
            let file = path.parent().unwrap().join(target);
            assert!(file.exists(), "{}: {target}", path.display());
        }
    }
}
