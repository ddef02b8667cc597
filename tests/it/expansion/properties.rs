//! What holds for every manifest.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

use backline_engine::manifest::{Selection, load};
use backline_engine::plan::Plan;
use proptest::prelude::*;

use super::load_with;

/// A manifest of so many stems and presets, in the given order, over so many weights and takes.
fn manifest(stems: &[usize], presets: &[usize], weights: usize, takes: u32) -> String {
    let mut text = format!("version: 1\nname: generated\ntakes: {takes}\nstems:\n");
    for stem in stems {
        writeln!(
            text,
            "  - {{id: s{stem}, url: \"https://cdn.example.com/{stem}.mp3\"}}"
        )
        .unwrap();
    }
    text.push_str("presets:\n");
    for preset in presets {
        writeln!(
            text,
            "  p{preset}: {{tags: \"style {preset}, {{{{stem.id}}}}\"}}"
        )
        .unwrap();
    }
    if weights > 0 {
        let values: Vec<String> = (0..weights).map(|at| format!("0.{at:02}")).collect();
        writeln!(text, "sweep: {{audio_weight: [{}]}}", values.join(", ")).unwrap();
    }
    text
}

fn plan(text: &str) -> Plan {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.yaml");
    std::fs::write(&path, text).unwrap();
    load_with(&path, Selection::default()).unwrap().plan
}

fn keys(plan: &Plan) -> Vec<String> {
    plan.jobs.iter().map(|job| job.key.to_string()).collect()
}

fn numbers(most: usize) -> impl Strategy<Value = Vec<usize>> {
    (1..=most).prop_flat_map(|count| Just((0..count).collect::<Vec<_>>()).prop_shuffle())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_count_is_the_product_and_keys_do_not_depend_on_order(
        stems in numbers(5), presets in numbers(4), weights in 0..4_usize, takes in 1..4_u32,
    ) {
        let text = manifest(&stems, &presets, weights, takes);
        let first = plan(&text);
        let again = plan(&text);
        prop_assert_eq!(first.jobs.len(), stems.len() * presets.len() * weights.max(1) * takes as usize);
        prop_assert_eq!(keys(&first), keys(&again));
        let distinct: HashSet<String> = keys(&first).into_iter().collect();
        prop_assert_eq!(distinct.len(), first.jobs.len());

        let (mut stems, mut presets) = (stems, presets);
        stems.sort_unstable();
        presets.reverse();
        let reordered = plan(&manifest(&stems, &presets, weights, takes));
        let sorted = |plan: &Plan| keys(plan).into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(sorted(&first), sorted(&reordered));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ \\n\\t\\-a-z0-9:{}\\[\\]&*!|>'\"#%,.<]{0,200}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        std::fs::write(&path, format!("version: 1\nname: x\nstems: {text}\n")).unwrap();
        if let Err(wrong) = load(&path, &Default::default()) {
            prop_assert!(!wrong.is_empty());
            prop_assert!(!wrong.render(true).is_empty());
        }
    }

    #[test]
    fn no_template_makes_the_reader_panic(text in "[ a-z.{}#/'()=@>^!|\\-]{0,40}") {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        let quoted = text.replace('\'', "''");
        std::fs::write(&path, format!("version: 1\nname: x\nstems: [{{id: a, url: 'https://x.example/a'}}]\npresets: {{p: {{tags: 'x {{{{{quoted}'}}}}\n")).unwrap();
        if let Err(wrong) = load(&path, &Default::default()) {
            prop_assert!(!wrong.is_empty());
        }
    }
}
