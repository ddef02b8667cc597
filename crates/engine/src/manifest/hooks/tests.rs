//! Mistakes in `on`, as the loader reports them.

use crate::manifest::{LoadOptions, load};

/// What is wrong with a manifest whose `on` is this, beside its missing stem.
fn problems(on: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.yaml");
    let text = format!(
        "version: 1\nname: m\nstems: [gone.wav]\npresets: {{p: {{tags: x}}}}\nprovider: {{profile: sunoapi, api_key: {{env: MY_KEY}}}}\non:\n{on}"
    );
    std::fs::write(&path, text).unwrap();
    load(&path, &LoadOptions::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn every_slip_is_named_where_it_is() {
    #[track_caller]
    fn check(on: &str, expected: &[&str]) {
        let found = problems(on);
        for part in expected {
            assert!(found.contains(part), "{on}\n{found}");
        }
    }
    check(
        "  before_sumbit: []",
        &[
            "unknown key `before_sumbit`",
            "did you mean `before_submit`?",
        ],
    );
    check(
        "  before_submit: [{runs: [x]}]",
        &["unknown key `runs` in a hook", "did you mean `run`?"],
    );
    check(
        "  before_submit: [{timeout: 5s}]",
        &["does not say what it is"],
    );
    check(
        "  before_submit: [{run: [x], lua: y}]",
        &["several things at once: run, lua"],
    );
    check(
        "  before_submit: [{run: python3 a.py}]",
        &["a list", "[\"python3\", \"a.py\"]"],
    );
    check(
        "  before_submit: [{run: [x], timeout: 5}]",
        &["`timeout` can't be `5`"],
    );
    check(
        "  before_submit: [{run: [x], on_error: vetoo}]",
        &["did you mean `veto`?"],
    );
    check(
        "  track_kept: [{run: [x], on_error: veto}]",
        &["there is nothing to veto"],
    );
    check("  track_kept: [{run: [x], pure: true}]", &["can be `pure`"]);
    check(
        "  plan_job: [{run: [x], pure: true}]",
        &["only a script", "has recorded of programs"],
    );
    check(
        "  before_submit: [{service: [x], pure: true}]",
        &["only a script"],
    );
    check(
        "  before_submit: [{run: [x], order: ordered}]",
        &["`order` says nothing to a `run` hook"],
    );
    check(
        "  before_submit: [{service: [x], order: orderd}]",
        &["did you mean `ordered`?"],
    );
    check(
        "  before_submit: [{run: [x], env: [MY_KEY]}]",
        &["contains the provider's key"],
    );
    check(
        "  run_finished: [{http: ftp://x/}]",
        &["has the scheme `ftp`"],
    );
    check(
        "  run_finished: [{http: https://x/, secret: whsec_abc}]",
        &["a manifest never contains a key"],
    );
    check(
        "  track_kept: [loudness]",
        &[
            "`loudness` is an option of `output`",
            "`output: {loudness: true}`",
        ],
    );
    check("  track_kept: [shout]", &["a hook is a table"]);
    check(
        "  before_submit: [{lua: gone.lua}]",
        &["can't read the script `gone.lua`"],
    );
}

#[cfg(feature = "lua")]
#[test]
fn a_slip_in_a_script_is_found_before_anything_runs() {
    let found = problems("  before_submit: [{lua: \"if x then\"}]");
    assert!(
        found.contains("can't be compiled") && found.contains("inline:1"),
        "{found}"
    );
}

#[cfg(not(feature = "store"))]
#[test]
fn what_this_build_lacks_is_said_with_the_way_to_it() {
    let found = problems("  track_kept: [{store: \"s3://bucket/x\"}]");
    assert!(
        found.contains("no `store` hook") && found.contains("--features store"),
        "{found}"
    );
}
