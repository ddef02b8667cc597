//! Ctrl-C and SIGTERM: once ends what is under way, twice stops at once; either way the same command goes on.

use crate::lab::Lab;

/// The third is bought at once, answered after ten minutes and never called about: whoever waits for it waits.
const LATE: &str = "version: 1\nrules: [{when: {nth: [3]}, do: [{response_late_ms: 600000}, {callbacks: {never: true}}]}]\n";

fn check_once(signal: &str) {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    // Slow enough to be stopped in the middle: two in a second and a half.
    lab.manifest(
        "songs.yaml",
        &studio.url,
        1,
        8,
        "limits: {rate: 2/1500ms}\n",
    );
    let mut run = lab.start(&["run", "songs.yaml"]);
    run.wait_for("accepted", 2);
    run.signal(signal);
    let ran = run.end();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(
        ran.err.contains("Stopping: no more jobs are submitted"),
        "{}",
        ran.err
    );
    for said in [
        "Next: resume with `backline run songs.yaml` (",
        "not bought); nothing is bought twice.",
    ] {
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    let bought = studio.bill().len();
    assert!((2..8).contains(&bought), "{bought}");
    let plan = lab.json(&["plan", "songs.yaml"]);
    assert_eq!(plan["totals"]["to_buy"], 8 - bought);

    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 8);
}

#[test]
fn ctrl_c_once_drains() {
    check_once("INT");
}

#[test]
fn sigterm_once_drains() {
    check_once("TERM");
}

#[test]
fn twice_stops_at_once_with_the_ledger_intact() {
    let lab = Lab::new();
    let studio = lab.misbehaving(LATE);
    lab.manifest("songs.yaml", &studio.url, 1, 3, "");
    let mut run = lab.start(&["run", "songs.yaml"]);
    run.wait_for("kept", 2);
    run.signal("INT");
    run.wait_for("Stopping", 1);
    run.signal("INT");
    let ran = run.end();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(
        ran.err
            .contains("stopped at once; the ledger has everything"),
        "{}",
        ran.err
    );

    // The third was bought and its answer never read. It is asked for again under its token, and paid once.
    let status = lab.json(&["status", "songs.yaml"]);
    assert_eq!(
        (&status["totals"]["kept"], &status["totals"]["jobs"]),
        (&2.into(), &3.into())
    );
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(studio.bill().len(), 3);
}
