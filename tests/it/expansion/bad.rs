//! What is said of mistakes.

use backline_engine::manifest::{Selection, Severity};

use super::{fixtures, load_with, manifests};

#[test]
fn every_kind_of_mistake_is_explained() {
    for (name, path) in manifests("bad") {
        let wrong = match load_with(&path, Selection::default()) {
            Ok(loaded) => panic!("{name} means {} jobs", loaded.plan.jobs.len()),
            Err(wrong) => wrong,
        };
        assert!(
            wrong.errors() > 0
                && wrong
                    .items
                    .iter()
                    .all(|item| item.severity == Severity::Error)
        );
        insta::assert_snapshot!(format!("bad_{name}"), wrong.render(false));
    }
}

#[test]
fn diagnostics_are_data_and_colour_too() {
    let wrong = load_with(
        &fixtures().join("bad/provider_unknown.yaml"),
        Selection::default(),
    )
    .unwrap_err();
    assert!(wrong.render(true).contains("\u{1b}["));
    insta::assert_snapshot!(serde_json::to_string_pretty(&wrong).unwrap());
}

#[test]
fn a_key_in_a_manifest_is_never_repeated() {
    let wrong = load_with(
        &fixtures().join("bad/provider_key.yaml"),
        Selection::default(),
    )
    .unwrap_err();
    let all = format!("{wrong}{wrong:?}{}", serde_json::to_string(&wrong).unwrap());
    assert!(!all.contains("sk-very-secret"), "{all}");
}

#[test]
fn a_key_under_a_misspelled_name_is_never_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.yaml");
    let manifest = "{version: 1, name: x, provdier: {profile: sunoapi, api_kye: sk-very-secret-1}, presets: {p: {tags: x}}}";
    std::fs::write(&path, manifest).unwrap();
    let wrong = load_with(&path, Selection::default()).unwrap_err();
    let all = format!("{wrong}{wrong:?}{}", serde_json::to_string(&wrong).unwrap());
    assert!(!all.contains("sk-very-secret"), "{all}");
    assert!(all.contains("did you mean `api_key`"), "{all}");
}

#[test]
fn bytes_that_are_no_text_and_files_that_are_too_long() {
    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        std::fs::write(&path, bytes).unwrap();
        let wrong = load_with(&path, Selection::default())
            .unwrap_err()
            .render(false);
        assert!(wrong.contains(expected), "{wrong}");
    }
    check(
        b"version: 1\nname: \xff\n",
        "not UTF-8 text: line 2 has the byte 0xff",
    );
    check(&vec![b'#'; 17 << 20], "longer than 16 MB");
    check(b"", "is empty");
    check(b"---\n", "is empty");
    let missing = fixtures().join("bad/there-is-none.yaml");
    let wrong = load_with(&missing, Selection::default())
        .unwrap_err()
        .render(false);
    assert!(wrong.contains("there is no such file"), "{wrong}");
}

#[test]
fn a_manifest_of_ten_megabytes_is_read_in_one_pass() {
    let mut text = String::from("version: 1\nname: big\npresets: {p: {tags: x}}\nstems:\n");
    for at in 0..150_000 {
        text.push_str(&format!(
            "  - {{id: stem-{at:06}, url: \"https://cdn.example.com/recordings/{at:06}.mp3\"}}\n"
        ));
    }
    assert!(text.len() > 10 << 20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.yaml");
    std::fs::write(&path, &text).unwrap();
    let wrong = load_with(&path, Selection::default())
        .unwrap_err()
        .render(false);
    assert!(wrong.contains("more than 100000 stems"), "{wrong}");
}

#[test]
fn indentation_is_named_where_it_is_the_mistake() {
    #[track_caller]
    fn check(rest: &str, is_indentation: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.yaml");
        std::fs::write(&path, format!("version: 1\nname: x\n{rest}")).unwrap();
        let wrong = load_with(&path, Selection::default())
            .unwrap_err()
            .render(false);
        assert!(wrong.contains("this is not valid YAML"), "{wrong}");
        let told = wrong.contains("the indentation of this line fits no line above it");
        assert_eq!(told, is_indentation, "{wrong}");
    }
    check("stems: [a.wav]\n presets:\n  p: {tags: calm}\n", true);
    check(
        "stems:\n  - a.wav\npresets:\n  p:\n    tags: calm\n     model: V5\n",
        true,
    );
    check(
        "stems:\n  - a.wav\npresets:\n  p:\n    tags: calm\n   lofi:\n    tags: y\n",
        true,
    );
    check(
        "stems:\n  - id: a\n     file: a.wav\npresets: {p: {tags: x}}\n",
        true,
    );
    check(
        "stems: [a.wav]\npresets:\n  p: {tags: calm: piano}\n",
        false,
    );
    check(
        "stems:\n  - id: a\n    file: a: b\npresets: {p: {tags: x}}\n",
        false,
    );
    check("stems: [a.wav]\npresets:\n  p: {tags: \"calm}\n", false);
    check(
        "presets:\n  # calm\n  p:\n    tags: >\n      calm\n  q: {tags: a: b}\n",
        false,
    );
}
