//! What strangers hand in never panics: random bytes, texts that nearly are what is expected, and the corpora of the fuzzer, which
//! hold what its runs found worth keeping. `just fuzz` goes on from there.

use std::fs;

use proptest::prelude::*;

use crate::lab::root;

#[expect(unreachable_pub, reason = "the fuzz targets use it from outside")]
#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 6] = [
    ("manifest", fuzz::manifest),
    ("record_info", fuzz::record_info),
    ("callback", fuzz::callback),
    ("csv_catalogue", fuzz::csv_catalogue),
    ("template", fuzz::template),
    ("audio", fuzz::audio),
];

#[test]
fn on_the_corpora() {
    for (name, target) in TARGETS {
        let folder = root().join("fuzz/corpus").join(name);
        let mut read = 0;
        for entry in fs::read_dir(folder).unwrap() {
            target(&fs::read(entry.unwrap().path()).unwrap());
            read += 1;
        }
        assert!(read >= 3, "{name} has {read} files");
    }
}

#[test]
fn on_bodies_as_vendors_send_them_with_a_few_bytes_changed() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for (folder, target) in [
        ("record-info", fuzz::record_info as Target),
        ("submit", fuzz::record_info),
        ("callback", fuzz::callback),
    ] {
        for entry in fs::read_dir(root().join("tests/fixtures/wire").join(folder)).unwrap() {
            let body = fs::read(entry.unwrap().path()).unwrap();
            let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
            for _ in 0..20 {
                let tree = changes.new_tree(&mut runner).unwrap();
                let mut changed = body.clone();
                for (at, byte) in proptest::strategy::ValueTree::current(&tree) {
                    if !changed.is_empty() {
                        let at = at.index(changed.len());
                        changed[at] = byte;
                    }
                }
                target(&changed);
            }
        }
    }
}

/// Pieces of what a manifest is made of, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "version: 1\n",
        "name: ",
        "stems:\n",
        "  - ",
        "presets:\n",
        "{",
        "}",
        "[",
        "]",
        ": ",
        ", ",
        "\n",
        "  ",
        "p: ",
        "tags: ",
        "t",
        "sweep: ",
        "takes: ",
        "1",
        "&a ",
        "*a",
        "<<: ",
        "{{",
        "}}",
        "{{#if ",
        "{{/if}}",
        "stem.id",
        "vars.",
        "default ",
        "id: ",
        "url: ",
        "\"https://a.example/b.mp3\"",
        "csv: ",
        "file: ",
        "extends: ",
        "include: ",
        "set: ",
        "'",
        "\"",
        "|\n",
        "- - ",
        "? ",
        "!tag ",
        "# ",
        "\t",
        "\u{feff}",
        "é",
        "~",
        "0.61",
        "output: ",
        "dir: ",
        "on: ",
        "limits: ",
        "20/10s",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_manifests_made_of_pieces(text in pieces()) {
        fuzz::manifest(text.as_bytes());
        fuzz::template(text.as_bytes());
        fuzz::csv_catalogue(text.as_bytes());
    }

    #[test]
    fn on_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }
}
