//! A clock that was ahead for one run: the next one neither waits for that time to come nor trusts what is dated with it.

use super::fault::set_clock_ahead;
use super::project::{Project, VENDOR};
use crate::lab::{Lab, finish};

const MONTH_S: i64 = 30 * 24 * 60 * 60;

/// The first three submissions are bought and their responses lost; callbacks never come.
const SILENT: &str = "version: 1\nidempotency: off\nrules:\n  \
    - {when: {to: 3}, do: [{response: drop}, {callbacks: {never: true}}]}\n";

#[test]
fn a_clock_that_was_a_month_ahead_holds_up_no_later_run() {
    let lab = Lab::new();
    let studio = lab.misbehaving(SILENT);
    let project = Project::new(&lab, &studio.url, "ahead", 6, VENDOR);
    // All of the window is used up by the first run.
    project.edit("rate: 10000/1s", "rate: 3/2s");
    project.edit("concurrency: 16", "concurrency: 3, credits: 36");
    let mut first = project.command(&["run", "songs.yaml"]);
    set_clock_ahead(&mut first, MONTH_S);
    let mut first = crate::lab::Running::start(first);
    first.wait_for("in doubt", 3);
    first.signal("INT");
    assert_eq!(first.end().code, Some(5));

    let status = project.status();
    let started_ms = status["run"]["started_ms"].as_i64().unwrap();
    project.edit(", credits: 36", "");
    let mut second = project.start();
    // Waited for with the lab's patience, which is far less than a month.
    second.wait_for("Some jobs are in doubt", 1);
    let ran = second.end();
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    assert!(
        ran.err
            .contains("warning: the last record of the ledger is dated"),
        "{}",
        ran.err
    );
    assert_eq!(project.bill().len(), 6);

    // The last run is the one that was recorded last, whatever its time.
    let status = project.status();
    assert!(status["run"]["started_ms"].as_i64().unwrap() < started_ms);
    let settled = finish(project.command(&["plan", "songs.yaml"]));
    assert_eq!(settled.code, Some(0), "{}", settled.err);
    assert!(!project.run().err.contains("is dated"));
}
