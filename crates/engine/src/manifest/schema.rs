//! The JSON Schemas of the manifest and of the project file, for editors: they complete keys, describe them and mark mistakes.
//!
//! A schema can't say everything (whether a stem exists, whether a template's variables are defined). So a document that the schema
//! accepts may still be refused by [`load`](super::load()), but never the other way round, and of whatever is wrong with the kind or
//! the range of a single value both say the same. A test generates documents of both kinds.

#[cfg(test)]
mod tests;

use backline_api::{SETTINGS, SettingDefault, SettingKind, SettingRow};
use serde_json::{Value as Json, json};

use super::layer::open::LEDGER;
use super::load::PROJECT_KEYS;
use crate::settings::DEFAULT_TITLE;

/// Everything but the settings.
const FRAME: &str = include_str!("schema.json");

/// Where a manifest gives settings, with what it gives for each.
type SettingsLocation = (&'static str, fn(Json) -> Json);

const PLACES: [SettingsLocation; 4] = [
    ("/properties/defaults/properties", |value| value),
    (
        "/properties/presets/additionalProperties/properties",
        |value| value,
    ),
    (
        "/properties/sweep/properties",
        |value| json!({"type": "array", "minItems": 1, "maxItems": 10000, "uniqueItems": true, "items": value}),
    ),
    (
        "/properties/include/items/properties/set/properties",
        |value| value,
    ),
];

/// Returns the manifest's schema, as `backline schema` prints it (JSON Schema, draft 2020-12).
pub fn schema() -> Json {
    let mut schema: Json = serde_json::from_str(FRAME).expect("the embedded schema is JSON");
    let mut extend = |place: &str, name: String, value: Json| {
        let object = schema.pointer_mut(place).and_then(Json::as_object_mut);
        let object = object.expect("the embedded schema has the places of settings");
        object.insert(name, value);
    };
    for row in &SETTINGS {
        let definition = format!("setting_{}", row.name);
        for (place, given) in PLACES {
            let reference = json!({ "$ref": format!("#/$defs/{definition}") });
            extend(place, row.name.to_owned(), given(reference));
        }
        extend("/$defs", definition, definition_of(row));
    }
    schema
}

/// What a manifest may give for a setting: a value, or a template that becomes one.
fn definition_of(row: &SettingRow) -> Json {
    let text = || match row.is_optional() {
        true => json!({"type": ["string", "number", "null"]}),
        false => json!({"type": ["string", "number"]}),
    };
    // How long the text of a template is shows only when it is rendered.
    let at_most = |chars: usize| json!([{"maxLength": chars}, {"pattern": r"\{\{"}]);
    let or_template = |value: Json| {
        let mut forms = vec![value, json!({"type": "string", "pattern": r"\{\{"})];
        forms.extend(row.is_optional().then(|| json!({"type": "null"})));
        json!({ "anyOf": forms })
    };
    let mut definition = match row.kind {
        SettingKind::Line { max_chars } => {
            let mut line = text();
            line["minLength"] = 1.into();
            line["anyOf"] = at_most(max_chars);
            line
        }
        SettingKind::Lines { max_chars } => {
            let mut lines = text();
            lines["anyOf"] = at_most(max_chars);
            lines
        }
        SettingKind::Tags {
            may_be_empty: false,
        }
        | SettingKind::Name => {
            let mut name = text();
            name["pattern"] = r"\S".into();
            name
        }
        SettingKind::Tags { .. } => text(),
        SettingKind::Choice(choices) => or_template(json!({ "enum": choices })),
        SettingKind::Weight => or_template(json!({"type": "number", "minimum": 0, "maximum": 1})),
        SettingKind::Whole { max } => {
            or_template(json!({"type": "integer", "minimum": 0, "maximum": max}))
        }
    };
    definition["description"] = match definition.get("anyOf") {
        Some(_) => format!(
            "{} Expected: {}, or a template.",
            row.description,
            row.kind.expected()
        )
        .into(),
        None => row.description.into(),
    };
    match row.default {
        SettingDefault::Names => definition["default"] = DEFAULT_TITLE.into(),
        SettingDefault::Empty => definition["default"] = "".into(),
        SettingDefault::Unset | SettingDefault::Model | SettingDefault::MustBeGiven => {}
    }
    if !row.examples.is_empty() {
        let example = |text: &&str| match row.kind.is_number() {
            true => serde_json::from_str(text).expect("an example of a number is one"),
            false => Json::from(*text),
        };
        definition["examples"] = row.examples.iter().map(example).collect();
    }
    definition
}

/// The project file's schema: the manifest's, with the keys that a `backline.yaml` may have.
pub fn project_schema() -> Json {
    let mut schema = schema();
    schema["title"] = "Backline project file".into();
    schema["description"] =
        "What the manifests of a project share: the ledger, and the provider and the limits where a manifest sets none.".into();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
        schema.remove("anyOf");
    }
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.retain(|key, _| PROJECT_KEYS.contains(&key.as_str()));
        let ledger = json!({
            "description": "The ledger of the project's manifests: a path relative to this file, or `postgres://USER@HOST/DATABASE`; .backline/ledger.sqlite3 if it is not given.",
            "type": "string",
            "minLength": 1,
            "examples": ["postgres://ann@db.example.com/ledger"],
        });
        properties.insert(LEDGER.to_owned(), ledger);
    }
    schema
}

/// A short recording of silence: a WAV file.
#[cfg(test)]
pub(crate) fn recording(seed: u8) -> Vec<u8> {
    let samples = vec![seed; 200];
    let mut wav = b"RIFF".to_vec();
    wav.extend((36 + samples.len() as u32).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend([1, 0, 1, 0]);
    wav.extend(8_000_u32.to_le_bytes());
    wav.extend(8_000_u32.to_le_bytes());
    wav.extend([1, 0, 8, 0]);
    wav.extend(b"data");
    wav.extend((samples.len() as u32).to_le_bytes());
    wav.extend(samples);
    wav
}
