//! The manifest's JSON Schema, for editors: it completes keys, shows what they mean and marks slips while one writes.
//!
//! What a schema can't say (whether a stem exists, whether a template's variables are defined) [`load`](super::load()) does; a
//! manifest that the schema takes may still be refused, never the other way round.

/// The schema, as `backline schema` prints it (JSON Schema, draft 2020-12).
pub const SCHEMA: &str = include_str!("schema.json");

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::Value;

    use super::*;
    use crate::manifest::SETTING_NAMES;

    fn schema() -> Value {
        serde_json::from_str(SCHEMA).unwrap()
    }

    /// Read as the manifest is, where `no` is a word.
    fn yaml(text: &str) -> Value {
        let options = serde_yaml::options! { strict_booleans: true };
        serde_yaml::from_str_with_options(text, options).unwrap()
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
        check("/properties/defaults/properties", &SETTING_NAMES);
        check("/properties/sweep/properties", &SETTING_NAMES);
    }
}
