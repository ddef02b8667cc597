//! The published schemas, held to what the program itself takes and refuses.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::lab::{Lab, root};

/// What the manifest's schema has to say against a text; nothing if it is valid.
fn complaints(validator: &jsonschema::Validator, text: &str) -> Option<Vec<String>> {
    let options = serde_yaml::options! { strict_booleans: true };
    let manifest: Value = serde_yaml::from_str_with_options(text, options).ok()?;
    Some(
        validator
            .iter_errors(&manifest)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
    )
}

fn manifests(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    found.sort();
    found
}

fn validator(lab: &Lab) -> jsonschema::Validator {
    let printed = lab.expect(0, &["schema"]).out;
    assert_eq!(printed, lab.expect(0, &["schema", "manifest"]).out);
    jsonschema::validator_for(&serde_json::from_str(&printed).unwrap()).unwrap()
}

#[test]
fn every_workflow_and_what_init_writes_is_valid() {
    let lab = Lab::new();
    let validator = validator(&lab);
    lab.expect(0, &["init", "new"]);
    let mut all = manifests(&root().join("workflows"));
    all.push(("init".to_owned(), lab.read("new/backline-demo.yaml")));
    assert!(all.len() >= 5);
    for (name, text) in all {
        assert_eq!(complaints(&validator, &text), Some(Vec::new()), "{name}");
    }
}

#[test]
fn an_editor_finds_the_schema_beside_what_init_writes() {
    let lab = Lab::new();
    lab.expect(0, &["init", "new"]);
    let manifest = lab.read("new/backline-demo.yaml");
    let named = manifest
        .lines()
        .next()
        .unwrap()
        .strip_prefix("# yaml-language-server: $schema=")
        .unwrap();
    assert_eq!(
        lab.read(&format!("new/{named}")),
        lab.expect(0, &["schema"]).out
    );
    // A manifest that one takes over keeps its own schema file.
    lab.write("old/backline.schema.json", "{}");
    lab.expect(0, &["init", "old"]);
    assert_eq!(lab.read("old/backline.schema.json"), "{}");
}

/// Bad manifests that a schema can't tell from good ones: what is wrong hangs on files, other keys, or what a template gives.
const BEYOND_A_SCHEMA: [&str; 30] = [
    "catalogue",
    "catalogue_columns",
    "catalogue_headers",
    "catalogue_quotes",
    "control_characters",
    "duplicate_stems",
    "env_key",
    "extends",
    "extends_too_long",
    "import_conflict",
    "import_cycle",
    "include_nothing",
    "missing_variable",
    "names_collide",
    "names_collide_behind_a_slip",
    "names_not_portable",
    "names_one_track",
    "not_audio",
    "not_manifests",
    "nothing_left",
    "one_request",
    "provider_private",
    "recover",
    "rendered_values",
    "rounds",
    "template_bounds",
    "templates",
    "too_many",
    "unicode_twins",
    "variables",
];

#[test]
fn what_a_schema_can_catch_is_refused_by_it() {
    let lab = Lab::new();
    let validator = validator(&lab);
    let bad = manifests(&root().join("tests/fixtures/manifests/bad"));
    let passed: Vec<String> = bad
        .into_iter()
        // Parts are no manifests by themselves; what is no YAML never gets to a schema.
        .filter(|(name, _)| !name.ends_with(".part"))
        .filter(|(_, text)| complaints(&validator, text).is_some_and(|it| it.is_empty()))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(passed, BEYOND_A_SCHEMA);
}

#[test]
fn the_events_of_hooks_keep_to_their_schema() {
    let lab = Lab::new();
    let printed = lab.expect(0, &["schema", "hook-event"]).out;
    let published = fs::read_to_string(root().join("docs/hook-event.schema.json")).unwrap();
    assert_eq!(printed, published);
    let validator = jsonschema::validator_for(&serde_json::from_str(&printed).unwrap()).unwrap();
    for point in ["plan_job", "before_submit", "track_kept", "run_finished"] {
        let args = ["hooks", "test", "--format", "json", point, "--", "true"];
        let told: Value = serde_json::from_str(&lab.expect(0, &args).out).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&told["event"])
            .map(|error| error.to_string())
            .collect();
        assert!(wrong.is_empty(), "{point}: {wrong:?}");
    }
    lab.expect(2, &["schema", "nothing"]);
}
