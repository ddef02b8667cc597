//! What a manifest and a selection mean, read from real files.

use backline_api::Setting;
use std::path::Path;

use super::{LoadOptions, load};
use crate::manifest::Selection;
use crate::plan::Plan;
use crate::status::Sign;

/// A folder with two recordings and a catalogue of them.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, seed) in [("a.wav", 100), ("b.wav", 200), ("c.wav", 50)] {
        std::fs::write(
            folder.path().join(name),
            crate::manifest::schema::recording(seed),
        )
        .unwrap();
    }
    let catalogue =
        "id,file,artist,language\na,a.wav,Ada,fr\nb,b.wav,\"Bo, Ben\",de\nc,c.wav,Ada,de\n";
    std::fs::write(folder.path().join("songs.csv"), catalogue).unwrap();
    folder
}

fn plan(folder: &Path, manifest: &str, filters: &[&str]) -> Result<Plan, String> {
    let path = folder.join("m.yaml");
    std::fs::write(&path, manifest).unwrap();
    let states = |plan: &Plan| {
        let of = |job: &crate::plan::PlannedJob| match plan.stems[job.stem].id.as_str() {
            "a" => Sign::Failed,
            "b" => Sign::InDoubt,
            _ if &*job.preset == "q" => Sign::Fetch,
            _ => Sign::Kept,
        };
        Some(plan.jobs.iter().map(of).collect())
    };
    let options = LoadOptions {
        selection: Selection {
            filters: filters
                .iter()
                .map(|filter| filter.parse().unwrap())
                .collect(),
            ..Selection::default()
        },
        states: &states,
        shown_from: Some(folder.to_owned()),
        ..LoadOptions::default()
    };
    load(&path, &options)
        .map(|loaded| loaded.plan)
        .map_err(|wrong| wrong.to_string())
}

fn names(plan: &Plan) -> Vec<String> {
    let name =
        |job: &crate::plan::PlannedJob| format!("{}/{}", plan.stems[job.stem].id, job.preset);
    plan.jobs.iter().map(name).collect()
}

const SONGS: &str = "{version: 1, name: x, stems: [{csv: songs.csv}], presets: {p: {tags: x}, q: {tags: y, vars: {mood: calm}, title: '{{stem.id}} {{preset.vars.mood}}'}}";

#[test]
fn a_filter_selects_by_columns_lists_alternatives_and_states() {
    let folder = project();
    #[track_caller]
    fn check(folder: &Path, filters: &[&str], expected: &[&str]) {
        let plan = plan(folder, &format!("{SONGS}}}"), filters).unwrap();
        assert_eq!(names(&plan), expected, "{filters:?}");
        assert_eq!(
            plan.stems.len(),
            expected
                .iter()
                .map(|it| &it[..1])
                .collect::<std::collections::BTreeSet<_>>()
                .len(),
            "{filters:?}"
        );
    }
    let folder = folder.path();
    check(
        folder,
        &["stem.vars.artist=Ada", "preset=p"],
        &["a/p", "c/p"],
    );
    check(folder, &["stem.vars.artist=Bo, Ben", "preset=p"], &["b/p"]);
    check(folder, &["stem=a,b", "preset!=q"], &["a/p", "b/p"]);
    check(folder, &["preset.vars.mood=calm"], &["a/q", "b/q", "c/q"]);
    check(
        folder,
        &["stem=a or preset=q"],
        &["a/p", "a/q", "b/q", "c/q"],
    );
    check(folder, &["state=failed", "preset=p"], &["a/p"]);
    check(
        folder,
        &["state=failed,in-doubt", "preset=p"],
        &["a/p", "b/p"],
    );
    check(folder, &["state=to-fetch"], &["c/q"]);
    check(
        folder,
        &["state!=kept"],
        &["a/p", "a/q", "b/p", "b/q", "c/q"],
    );
    check(
        folder,
        &["state!=kept or preset=q"],
        &["a/p", "a/q", "b/p", "b/q", "c/q"],
    );
    for (filter, message) in [
        ("stem.vars.artits=Ada", "did you mean `stem.vars.artist`"),
        ("stem.vars.artist=Adda", "did you mean `Ada`"),
        ("state=failled", "did you mean `failed`"),
        ("stem=a,zz", "no job has the stem `zz`"),
    ] {
        let wrong = plan(folder, &format!("{SONGS}}}"), &[filter]).unwrap_err();
        assert!(wrong.contains(message), "{filter}: {wrong}");
    }
    let none = plan(folder, &format!("{SONGS}}}"), &["state=expired"]).unwrap_err();
    assert!(none.contains("no job passes"), "{none}");
}

#[test]
fn rules_select_by_columns_too() {
    let folder = project();
    let of = |rules: &str| plan(folder.path(), &format!("{SONGS}, {rules}}}"), &[]);
    let excluded = of("exclude: [{stem.vars.language: de, preset: q}]").unwrap();
    assert_eq!(names(&excluded), ["a/p", "a/q", "b/p", "c/p"]);
    let several = of("exclude: [{stem.vars.artist: [Ada, 'Bo*'], preset: p}]").unwrap();
    assert_eq!(names(&several), ["a/q", "b/q", "c/q"]);
    let changed =
        of("include: [{stem.vars.artist: Ada, preset.vars.mood: calm, set: {style_weight: 1}}]")
            .unwrap();
    let weighted = changed
        .jobs
        .iter()
        .filter(|job| job.settings.get(Setting::of("style_weight")).is_some());
    assert_eq!(weighted.count(), 2);
    let wrong = of("exclude: [{stem.vars.langage: de}]").unwrap_err();
    assert!(
        wrong.contains("did you mean `stem.vars.language`"),
        "{wrong}"
    );
    let state = of("exclude: [{state: failed}]").unwrap_err();
    assert!(state.contains("--filter state=failed"), "{state}");
}

#[test]
fn abstract_presets_are_extended_and_never_bought() {
    let folder = project();
    let of = |presets: &str| {
        let manifest = format!("{{version: 1, name: x, stems: [a.wav], presets: {presets}}}");
        plan(folder.path(), &manifest, &[])
    };
    let dotted = of("{.base: {negative_tags: drums}, p: {extends: .base, tags: x}}").unwrap();
    assert_eq!(names(&dotted), ["a/p"]);
    let negative_tags = dotted.jobs[0].settings.text(Setting::NEGATIVE_TAGS);
    assert_eq!(negative_tags, "drums");
    let marked = of("{base: {abstract: true}, p: {extends: base, tags: x}}").unwrap();
    assert_eq!(names(&marked), ["a/p"]);
    let none = of("{base: {abstract: true, tags: x}}").unwrap_err();
    assert!(none.contains("every preset is abstract"), "{none}");
    let wrong = of("{.base: {style_weight: 2}, p: {tags: x}}").unwrap_err();
    assert!(wrong.contains("`style_weight` can't be `2`"), "{wrong}");
}

#[test]
fn keys_for_anchors_are_ignored_at_the_top() {
    let folder = project();
    let manifest =
        "x-calm: &calm {tags: calm}\nversion: 1\nname: x\nstems: [a.wav]\npresets: {p: *calm}\n";
    assert_eq!(names(&plan(folder.path(), manifest, &[]).unwrap()), ["a/p"]);
    let nested = "{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}, limits: {x-a: 1}}";
    assert!(
        plan(folder.path(), nested, &[])
            .unwrap_err()
            .contains("unknown key `x-a`")
    );
}

#[test]
fn a_studio_on_this_machine_is_paced_as_one_likes() {
    let folder = project();
    let of = |more: &str| {
        let manifest =
            format!("{{version: 1, name: x, stems: [a.wav], presets: {{p: {{tags: x}}}}, {more}}}");
        plan(folder.path(), &manifest, &[])
    };
    let off = of("limits: {rate: 'off'}").unwrap();
    assert_eq!(off.limits.rate.count, u32::MAX);
    let fast = of("limits: {rate: 500/1s}").unwrap();
    assert_eq!(
        (fast.limits.rate.count, fast.provider.profile.rate.count),
        (500, 500)
    );
    let table =
        of("provider: {profile: studio, base_url: 'http://127.0.0.1:9', rate: 'off'}").unwrap();
    assert_eq!(table.limits.rate.count, u32::MAX);
    let vendor = of("provider: sunoapi, limits: {rate: 'off'}").unwrap_err();
    assert!(
        vendor.contains("only for a studio on this machine"),
        "{vendor}"
    );
}

#[test]
fn a_text_stands_for_a_file() {
    let folder = project();
    let options = LoadOptions {
        text: Some("{version: 1, name: x, stems: [a.wav], presets: {p: {tags: x}}}".into()),
        shown_from: Some(folder.path().to_owned()),
        ..LoadOptions::default()
    };
    let loaded = load(&folder.path().join("-"), &options).unwrap();
    assert_eq!(names(&loaded.plan), ["a/p"]);
    let options = LoadOptions {
        text: Some("{version: 1, name: x}".into()),
        ..options
    };
    let wrong = load(&folder.path().join("-"), &options)
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("--> -:1:1"), "{wrong}");
}
