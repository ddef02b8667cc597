//! Who may use whom among the crates. An edge that is not in the table is forbidden; one that is gone comes out of it.

use std::collections::BTreeSet;
use std::fs;

use toml::{Table, Value};

use crate::lab::root;

/// A crate and what it may use of the others, with features where they matter.
const EDGES: [(&str, &[&str]); 9] = [
    ("api", &[]),
    ("audio", &[]),
    ("band", &["audio"]),
    ("engine", &["api", "audio", "serve"]),
    ("postgres", &["engine"]),
    ("reporter", &["audio", "engine"]),
    ("serve", &[]),
    ("studio", &["api", "audio", "band", "serve"]),
    (
        "cli",
        &[
            "api", "audio", "band", "engine", "postgres", "reporter", "serve", "studio",
        ],
    ),
];

fn manifest(name: &str) -> Table {
    let path = root().join("crates").join(name).join("Cargo.toml");
    fs::read_to_string(&path)
        .unwrap()
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The workspace's crates among a table's keys, with their entries.
fn ours(table: Option<&Value>) -> Vec<(String, Value)> {
    let entries = table.and_then(Value::as_table).into_iter().flatten();
    entries
        .filter_map(|(name, entry)| {
            Some((name.strip_prefix("backline-")?.to_owned(), entry.clone()))
        })
        .collect()
}

#[test]
fn each_crate_uses_those_that_it_may() {
    let folders: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        folders,
        EDGES.iter().map(|(name, _)| (*name).to_owned()).collect()
    );
    for (name, allowed) in EDGES {
        let manifest = manifest(name);
        let used: BTreeSet<String> = ours(manifest.get("dependencies"))
            .into_iter()
            .map(|(used, _)| used)
            .collect();
        let allowed: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        assert!(
            used.is_subset(&allowed),
            "{name} uses {used:?}, and may use {allowed:?}"
        );
        // Other kinds of dependency would go round the table.
        for kind in ["build-dependencies", "target"] {
            assert!(!manifest.contains_key(kind), "{name} has {kind}");
        }
        for (test_only, _) in ours(manifest.get("dev-dependencies")) {
            let itself = test_only == name;
            assert!(
                itself || allowed.contains(&test_only),
                "the tests of {name} use {test_only}"
            );
        }
    }
}

#[test]
fn without_features_the_contract_has_no_client() {
    let studio = manifest("studio");
    let api = ours(studio.get("dependencies"))
        .into_iter()
        .find(|(name, _)| name == "api")
        .unwrap()
        .1;
    assert_eq!(
        api.get("features"),
        None,
        "the studio serves the contract and calls nobody with it"
    );
    assert_eq!(
        manifest("api")["features"]["default"],
        Value::Array(Vec::new())
    );
}

#[test]
fn the_workspace_has_one_version_of_each_dependency_and_a_reason_for_it() {
    let text = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let section = text
        .split("[workspace.dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    for line in section
        .lines()
        .filter(|line| line.contains(" = ") && !line.starts_with('#'))
    {
        let reasoned = line.contains('#') || line.starts_with("backline-");
        assert!(reasoned, "without a reason: {line}");
    }
    for (name, _) in EDGES {
        let manifest = manifest(name);
        assert_eq!(
            manifest["lints"]["workspace"].as_bool(),
            Some(true),
            "{name}"
        );
        for kind in ["dependencies", "dev-dependencies"] {
            for (used, entry) in manifest
                .get(kind)
                .and_then(Value::as_table)
                .into_iter()
                .flatten()
            {
                assert_eq!(
                    entry.get("workspace").and_then(Value::as_bool),
                    Some(true),
                    "{name}: {used}"
                );
            }
        }
    }
}
