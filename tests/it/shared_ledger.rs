//! Ledgers on a PostgreSQL server: the real program against a real server and the studio.

use serde_json::Value;

use crate::lab::{Lab, finish};
use crate::server::Server;

/// What differs between two runs of one manifest.
const VOLATILE: &[&str] = &[
    "run",
    "started",
    "ended",
    "duration_s",
    "version",
    "ledger",
    "manifest",
    "seconds",
];

/// A summary without identities and times.
fn plain(mut summary: Value) -> Value {
    fn clean(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| {
                    let is_time =
                        name.ends_with("_at") || name.ends_with("_ms") || name.ends_with("_s");
                    let is_id = matches!(name.as_str(), "task_id" | "track_id" | "sha256");
                    !is_time && !is_id && !VOLATILE.contains(&name.as_str())
                });
                fields.values_mut().for_each(clean);
            }
            Value::Array(values) => values.iter_mut().for_each(clean),
            _ => {}
        }
    }
    clean(&mut summary);
    summary
}

#[test]
fn every_command_works_on_a_ledger_on_a_server_and_the_summary_is_that_of_a_file() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let summaries = [address.as_str(), "alone/ledger.sqlite3"].map(|ledger| {
        let folder = if ledger.starts_with("postgres") {
            "shared"
        } else {
            "alone"
        };
        let manifest = format!("{folder}/songs.yaml");
        lab.manifest(&manifest, &studio.url, 2, 2, "reports: [json]\n");
        let with = |args: &[&str]| {
            let mut all = args.to_vec();
            all.extend([manifest.as_str(), "--ledger", ledger]);
            lab.expect(0, &all)
        };
        with(&["plan"]);
        with(&["run"]);
        with(&["run"]);
        for command in ["status", "report", "plan", "fetch", "doctor"] {
            with(&[command]);
        }
        let summary = lab.json(&["status", &manifest, "--ledger", ledger]);
        plain(summary)
    });
    assert_eq!(summaries[0], summaries[1]);
    assert_eq!(studio.bill().len(), 8, "each job once with either ledger");
    lab.fails(
        2,
        &["gc", "--ledger", &address],
        "works on a ledger in a file only",
    );
}

#[test]
fn a_password_in_an_address_is_refused_and_not_shown() {
    let lab = Lab::new();
    lab.manifest("songs.yaml", "http://127.0.0.1:9", 1, 1, "");
    let ledger = "postgres://ann:hunter22@127.0.0.1:9/ledger";
    let ran = lab.fails(2, &["run", "songs.yaml", "--ledger", ledger], "PGPASSFILE");
    assert!(!ran.err.contains("hunter22"), "{}", ran.err);
    // A password of the environment is in no message either.
    let ledger = "postgres://ann@127.0.0.1:9/ledger";
    let mut command = lab.backline(&["run", "songs.yaml", "--ledger", ledger, "-vv"]);
    command.env("PGPASSWORD", "hunter22");
    let ran = finish(command);
    assert_eq!(ran.code, Some(7), "{}", ran.err);
    assert!(!ran.err.contains("hunter22"), "{}", ran.err);
}
