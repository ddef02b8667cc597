//! The schema, compared with what the loader accepts and refuses.

use std::path::{Path, PathBuf};

use backline_api::Profile;
use serde_json::Value;

use super::*;
use crate::event::HookPoint;
use crate::manifest::{LoadOptions, load};
use crate::plan::ReportKind;

/// Read as the manifest is, where `no` is text.
fn yaml(text: &str) -> Value {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(text, options).unwrap()
}

#[test]
fn the_schema_lists_every_report_hook_point_and_vendor() {
    let schema = schema();
    let reports: Vec<&str> = ReportKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(
        schema["properties"]["reports"]["items"]["enum"],
        json!(reports)
    );
    let points = schema["properties"]["on"]["properties"]
        .as_object()
        .unwrap();
    let all = HookPoint::ALL.map(HookPoint::as_str);
    assert_eq!(points.keys().collect::<Vec<_>>(), all);
    let provider = schema["properties"]["provider"].to_string();
    for name in Profile::NAMED {
        assert!(provider.contains(&format!("\"{name}\"")), "{name}");
    }
}

fn manifests(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(folder);
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    found.sort();
    found
}

#[test]
fn every_good_manifest_is_valid_by_the_schema() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let good = manifests("tests/fixtures/manifests/good");
    let examples = manifests("workflows");
    assert!(good.len() >= 12 && examples.len() >= 4);
    for path in good.into_iter().chain(examples) {
        let text = std::fs::read_to_string(&path).unwrap();
        let manifest = yaml(&text);
        let wrong: Vec<String> = validator
            .iter_errors(&manifest)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
    }
}

#[test]
fn callbacks_may_be_off() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let with = |callbacks: &str| {
        format!(
            "{{version: 1, name: x, stems: [a.wav], presets: {{p: {{tags: x}}}}, callbacks: {callbacks}}}"
        )
    };
    assert!(validator.is_valid(&yaml(&with("off"))));
    assert!(validator.is_valid(&yaml(&with("false"))));
    assert!(!validator.is_valid(&yaml(&with("on"))));
}

/// A manifest with every kind of key, as JSON, which is YAML.
fn complete() -> Value {
    serde_json::json!({
        "version": 1, "name": "x", "import": ["more.yaml"],
        "provider": {"profile": "studio", "name": "s", "price": 2, "rate": "20/10s", "concurrency": 3, "models": ["m"],
            "default_model": "m", "audio": "flac", "submit_path": "/a", "idempotency_key": true, "polls_at_once": 5},
        "env": ["SEASON"], "vars": {"mood": "calm"},
        "defaults": {"style_weight": 0.5, "variety": 2, "vocal_gender": "f", "lyrics": "la", "model": "m"},
        "stems": ["a.wav", {"id": "b", "file": "b.wav", "vars": {"artist": "Ada"}}, {"id": "c", "url": "https://example.com/c.wav"}],
        "presets": {"base": {"abstract": true, "tags": "calm"}, "p": {"extends": "base", "title": "{{stem.id}} {{vars.mood}} {{take}}"},
            "q": {"tags": "x {{env.SEASON}}", "negative_tags": "drums", "audio_weight": 1}},
        "sweep": {"weirdness_constraint": [0.2, 0.8]}, "takes": 2,
        "exclude": [{"stem": "a", "preset": ["p", "q"], "take": 2}, {"stem.vars.artist": "Ada", "preset": "q"}],
        "include": [{"preset": "p", "set": {"style_weight": 1}}],
        "limits": {"concurrency": 2, "rate": "5/10s", "credits": 10, "ledger_credits": 20, "failures_in_a_row": 3, "deadline": "1h"},
        "callbacks": {"listen": "127.0.0.1:8787", "public_url": "https://example.com/x", "hmac_key": {"env": "KEY_OF_CALLBACKS"}},
        "retries": {"task_failed": 1}, "output": {"dir": "out/x", "file": "{{stem.id}}/{{preset.id}}-{{sweep.weirdness_constraint}}-{{take}}-{{track.index}}"},
        "reports": ["csv", "html"], "x-shared": {"any": ["thing"]}
    })
}

/// What is wrong with a manifest, or nothing.
fn wrong(folder: &Path, manifest: &Value) -> Option<String> {
    let path = folder.join("m.yaml");
    std::fs::write(&path, manifest.to_string()).unwrap();
    let options = LoadOptions {
        environment: &|name| (name == "SEASON").then(|| "summer".to_owned()),
        shown_from: Some(folder.to_owned()),
        ..LoadOptions::default()
    };
    load(&path, &options).err().map(|wrong| wrong.to_string())
}

/// Every place in a document, as a JSON pointer.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                places(value, &format!("{at}/{}", key.replace('/', "~1")), found);
            }
        }
        Value::Array(items) => {
            for (nth, value) in items.iter().enumerate() {
                places(value, &format!("{at}/{nth}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn the_schema_and_the_loader_accept_and_refuse_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a.wav", 100), ("b.wav", 200)] {
        std::fs::write(folder.path().join(name), recording(seed)).unwrap();
    }
    std::fs::write(
        folder.path().join("more.yaml"),
        "presets: {r: {tags: soft}}",
    )
    .unwrap();
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let base = complete();
    assert_eq!(wrong(folder.path(), &base), None);
    let errors: Vec<String> = validator
        .iter_errors(&base)
        .map(|it| it.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());

    let mut all = Vec::new();
    places(&base, "", &mut all);
    let replacements = [
        Value::Null,
        false.into(),
        true.into(),
        0.into(),
        (-1).into(),
        2.5.into(),
        2.0.into(),
        0.333.into(),
        100_000.into(),
        "".into(),
        "{{".into(),
        "on".into(),
        "2 hours".into(),
        "x".repeat(101).into(),
        serde_json::json!([]),
        serde_json::json!([3]),
        serde_json::json!(["x", "x"]),
        serde_json::json!([null]),
        serde_json::json!({}),
        serde_json::json!({"nowhere": 1}),
    ];
    let (mut accepted, mut refused) = (0, 0);
    let mut differing = Vec::new();
    for place in all.iter().filter(|place| !place.starts_with("/x-shared/")) {
        let whole = place.is_empty();
        for replacement in &replacements {
            let mut document = base.clone();
            if whole {
                document = replacement.clone();
            } else {
                *document.pointer_mut(place).unwrap() = replacement.clone();
            }
            let by_loader = wrong(folder.path(), &document);
            match (validator.is_valid(&document), &by_loader) {
                (true, None) => accepted += 1,
                (false, Some(_)) => refused += 1,
                (false, None) => differing.push(format!(
                    "{place} = {replacement}: only the schema refuses it"
                )),
                // What a schema can't know.
                (true, Some(why)) if only_the_loader_knows(why) => refused += 1,
                (true, Some(why)) => differing.push(format!(
                    "{place} = {replacement}: only the loader refuses it: {why}"
                )),
            }
        }
        // Without it.
        if let Some((parent, key)) = place.rsplit_once('/') {
            let mut document = base.clone();
            if let Some(Value::Object(map)) = document.pointer_mut(parent) {
                map.remove(key);
                let by_loader = wrong(folder.path(), &document);
                match (validator.is_valid(&document), &by_loader) {
                    (true, Some(why)) if !only_the_loader_knows(why) => {
                        differing.push(format!(
                            "without {place}: only the loader refuses it: {why}"
                        ));
                    }
                    (false, None) => {
                        differing.push(format!("without {place}: only the schema refuses it"))
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(
        differing.is_empty(),
        "{} differ:\n{}",
        differing.len(),
        differing.join("\n")
    );
    assert!(
        accepted > 20 && refused > 400,
        "{accepted} accepted, {refused} refused"
    );
}

/// Whether the loader refuses a document for what it says together with something else: names that nothing has, templates, files.
fn only_the_loader_knows(why: &str) -> bool {
    let reasons = [
        "there is no variable",
        "never used",
        "can't read",
        "is not listed under",
        "no job has",
        "there is no such file",
        "there is no preset",
        "this template",
        "have the id",
        "would both be kept",
        "both tracks of",
        "is not set",
        "multiple of 0.01",
        "one and the same request",
        "is not an address",
        "matches no job",
        "can't be chosen",
        "the environment has no",
        "above what",
        "drops every one",
        "every preset is abstract",
        "has no `tags`",
        "can't be `100000`",
        "can't name the files",
        "contains a template",
        "is not swept",
        "would drop every job",
        "two stems",
    ];
    reasons.iter().any(|reason| why.contains(reason))
}

#[test]
fn what_was_refused_by_one_alone_is_judged_alike() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.wav"), recording(100)).unwrap();
    let more = "presets: {r: {tags: soft}}";
    std::fs::write(folder.path().join("more.yaml"), more).unwrap();
    let title = "x".repeat(101);
    let long = format!(
        "{{version: 1, name: x, stems: [a.wav], presets: {{p: {{tags: x, title: {title}}}}}}}"
    );
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for good in [
        "{version: 1, name: x, import: more.yaml, stems: [a.wav]}",
        "{version: 1, name: x, import: [more.yaml], stems: [a.wav]}",
        "{version: 1, name: x, stems: [a.wav], presets: {.base: {tags: x}, p: {extends: .base}}}",
        "{version: 1, name: x, x-anchors: {a: 1}, stems: [a.wav], presets: {p: {tags: x}}, limits: {rate: 'off'}}",
        "{version: 1, name: my ep!, stems: [a.wav], presets: {p: {tags: x}}, limits: {deadline: 2 hours, rate: 5/1.5h}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x, variety: 2.0}}, callbacks: \"off\"}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, provider: {profile: custom, base_url: 'https://api.example.com', allow_private: [10.0.0.5, 3]}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, \"on\": {track_kept: [{run: [x]}]}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, takes: 2.0, on: {track_kept: [{run: [x], timeout: 1m 30s}]}}",
    ] {
        assert!(validator.is_valid(&yaml(good)), "{good}");
        let by_loader = wrong(folder.path(), &yaml(good));
        assert_eq!(by_loader, None, "{good}");
    }
    for bad in [
        "{version: 1, stems: [a.wav], presets: {p: {tags: x}}}",
        "{version: 1, name: x, stems: [a.wav]}",
        "{version: 1, name: x, stems: [{url: 'https://example.com/a.wav'}], presets: {p: {tags: x}}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: null}}}",
        "{version: 1, name: a/b, stems: [a.wav], presets: {p: {tags: x}}}",
        "{version: 1, name: x., stems: [a.wav], presets: {p: {tags: x}}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, limits: {deadline: soon}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, on: {track_kept: [{run: [x], timeout: soon}]}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, provider: {profile: studio, allow_private: 3}}",
        &long,
    ] {
        assert!(!validator.is_valid(&yaml(bad)), "{bad}");
        assert!(wrong(folder.path(), &yaml(bad)).is_some(), "{bad}");
    }
    // What one value cannot show, as docs/manifest.md lists it.
    let made = "x".repeat(90);
    let made = format!(
        "{{version: 1, name: x, stems: [a.wav], presets: {{p: {{tags: x, title: \"{{{{stem.id}}}} {{{{preset.id}}}} {made} {made}\"}}}}}}"
    );
    for beyond in [
        "{version: 1, name: x, stems: [a.wav], presets: {p: {model: x}}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x, abstract: true}}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x, style_weight: 0.333}}}",
        "{version: 1, name: x, stems: [none.wav], presets: {p: {tags: x}}}",
        &made,
    ] {
        assert!(validator.is_valid(&yaml(beyond)), "{beyond}");
        assert!(wrong(folder.path(), &yaml(beyond)).is_some(), "{beyond}");
    }
}

#[test]
fn a_project_file_has_a_schema_of_its_own() {
    let validator = jsonschema::validator_for(&project_schema()).unwrap();
    assert!(validator.is_valid(&yaml("{provider: sunoapi, limits: {credits: 10}}")));
    assert!(validator.is_valid(&yaml("{}")));
    assert!(!validator.is_valid(&yaml("{stems: [a.wav]}")));
    assert!(!validator.is_valid(&yaml("{provider: nobody}")));
}

#[test]
fn a_slip_is_marked() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for slip in [
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, limit: {}}",
        "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x, style_weight: 2}}}",
        "{version: 1, name: x, stems: [{file: a.wav, path: b}], presets: {p: {tags: x}}}",
        "{version: 1, name: x, stems: [], presets: {p: {tags: x}}}",
    ] {
        let manifest = yaml(slip);
        assert!(!validator.is_valid(&manifest), "{slip}");
    }
}

/// Names of the schema's properties at a place.
fn names(schema: &Value, pointer: &str) -> Vec<String> {
    let properties = schema.pointer(pointer).and_then(Value::as_object).unwrap();
    let mut names: Vec<String> = properties.keys().cloned().collect();
    names.sort();
    names
}

#[test]
fn it_has_the_keys_that_are_read() {
    let check = |pointer: &str, keys: &[&str]| {
        let mut keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        keys.sort();
        assert_eq!(names(&schema(), pointer), keys, "{pointer}");
    };
    check("/properties", crate::manifest::layer::open::KEYS);
    check(
        "/properties/limits/properties",
        &crate::manifest::limits::LIMITS,
    );
    check(
        "/properties/provider/oneOf/1/properties",
        crate::manifest::provider::table::KEYS,
    );
}
