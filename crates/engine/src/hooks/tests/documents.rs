//! The events against their published schema.

use super::*;

const SCHEMA: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/hook-event.schema.json"
);

#[test]
fn every_sample_is_what_the_schema_says() {
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for point in HookPoint::ALL {
        let mut event = serde_json::to_value(sample(point)).unwrap();
        let problems: Vec<String> = schema
            .iter_errors(&event)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{point}: {problems:#?}");
        // It does not let everything pass.
        event["point"] = "elsewhere".into();
        assert!(!schema.is_valid(&event), "{point}");
        let mut event = serde_json::to_value(sample(point)).unwrap();
        event["run"]["id"] = 5.into();
        assert!(!schema.is_valid(&event), "{point}");
        let mut event = serde_json::to_value(sample(point)).unwrap();
        for fact in ["job", "happened", "plan"] {
            event.as_object_mut().unwrap().remove(fact);
        }
        assert!(!schema.is_valid(&event), "{point} without its facts");
    }
}

/// The samples show one event for each point; a point may be about several.
#[test]
fn every_event_that_hooks_are_sent_is_what_the_schema_says() {
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let mut sent = 0;
    for (name, happened) in crate::job::table::events() {
        let Some(point) = event::point_of(&happened) else {
            continue;
        };
        let mut event = serde_json::to_value(sample(point)).unwrap();
        let file = event["happened"]["file"].take();
        event["happened"] = serde_json::to_value(happened).unwrap();
        if !event["happened"]["file"].is_null() {
            event["happened"]["file"] = file;
        }
        let problems: Vec<String> = schema
            .iter_errors(&event)
            .map(|it| format!("{}: {it}", it.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{name} at {point}: {problems:#?}");
        sent += 1;
    }
    assert!(sent >= 12, "{sent}");
}

#[test]
fn the_guide_shows_every_event() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hooks.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let samples = HookPoint::ALL.map(|point| serde_json::to_string(&sample(point)).unwrap());
    let all = samples.join("\n");
    assert!(
        guide.contains(&all),
        "docs/hooks.md shows other events than these:\n{all}"
    );
    for point in HookPoint::ALL {
        let row = format!("| `{point}` |");
        assert!(guide.contains(&row), "docs/hooks.md has no row {row}");
    }
}

#[test]
fn the_guide_and_the_schema_have_every_setting() {
    let schema: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(SCHEMA).unwrap()).unwrap();
    let properties = schema["$defs"]["settings"]["properties"].as_object();
    let names: Vec<&String> = properties.unwrap().keys().collect();
    assert_eq!(names, backline_api::Setting::NAMES);
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/hooks.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    for name in backline_api::Setting::NAMES {
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}
