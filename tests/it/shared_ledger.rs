//! Ledgers on a PostgreSQL server: the real program against a real server and the studio.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, Running, StudioProcess, finish, root};
use crate::server::Server;

/// The window of the manifests here, and how much later than another a request may arrive on a busy machine.
const WINDOW_MS: i64 = 2_000;
const SPREAD_MS: i64 = 200;

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
    "created",
    "expires",
];

/// A summary without identities and times.
fn plain(mut summary: Value) -> Value {
    fn clean(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.retain(|name, _| {
                    let is_time =
                        name.ends_with("_at") || name.ends_with("_ms") || name.ends_with("_s");
                    let is_id = matches!(
                        name.as_str(),
                        "id" | "task_id" | "track_id" | "image_url" | "sha256"
                    );
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
        lab.manifest(&manifest, &studio.url, 2, 2, "reports: [json, html]\n");
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
        // With what was measured for the page.
        let written = lab.read(&format!("{folder}/out/songs/summary.json"));
        assert!(written.contains("\"lufs\": -"), "{written}");
        [
            plain(summary),
            plain(serde_json::from_str(&written).unwrap()),
        ]
    });
    assert!(summaries[0] == summaries[1], "{summaries:#?}");
    assert_eq!(studio.bill().len(), 8, "each job once with either ledger");
    // What the guide has for those who run the server.
    let guide = fs::read_to_string(root().join("docs/scaling.md")).unwrap();
    let block = |language: &str, part: &str| {
        let begin = format!("```{language}\n");
        let mut blocks = guide
            .split(&begin)
            .skip(1)
            .map(|rest| rest.split_once("```").unwrap().0);
        blocks
            .find(|block| block.contains(part))
            .unwrap()
            .to_owned()
    };
    let database = address.rsplit_once('/').unwrap().1;
    let figures = server.query(database, &block("sql", "'in doubt'"));
    for figure in [
        "waiting|0",
        "in hand|0",
        "in flight|0",
        "credits|48.000",
        "in doubt|0",
    ] {
        assert!(figures.contains(figure), "{figures}");
    }
    let example: Value = serde_yaml::from_str(&block("yaml", "kind: ScaledJob")).unwrap();
    let query = &example["spec"]["triggers"][0]["metadata"]["query"];
    assert_eq!(server.query(database, query.as_str().unwrap()), "0");
    lab.expect(0, &["gc", "--ledger", &address]);
    lab.expect(0, &["ledger", "check", "--ledger", &address]);
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

/// Waits until so many purchases are on the bill.
fn until_bought(studio: &StudioProcess, number: usize) {
    let deadline = Instant::now() + Duration::from_secs(180);
    while studio.bill().len() < number {
        assert!(Instant::now() < deadline, "{} bought", studio.bill().len());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// A manifest of `stems` × 10 jobs at a pace that its account shares.
fn paced(lab: &Lab, studio: &StudioProcess, name: &str, stems: usize, limits: &str) {
    let limits = format!("limits: {{concurrency: 12, {limits}}}\nreports: [json]\n");
    lab.manifest(name, &studio.url, stems, 10, &limits);
    let text = lab.read(name);
    lab.write(name, text.replace("api_key:", "rate: 20/2s, api_key:"));
}

/// No window of the account has more purchases than it may, and each job is on the bill once.
fn assert_paced_and_bought_once(studio: &StudioProcess) {
    let bill = studio.bill();
    let mut accepted: Vec<i64> = bill.iter().map(|entry| entry.accepted_ms).collect();
    accepted.sort_unstable();
    for (at, start) in accepted.iter().enumerate() {
        // Requests of several processes arrive in another order than they were admitted in.
        let inside = accepted[at..]
            .iter()
            .take_while(|time| **time - start < WINDOW_MS - SPREAD_MS);
        let inside = inside.count();
        assert!(inside <= 20, "{inside} in a window: {accepted:?}");
    }
    let titles: BTreeSet<&str> = bill.iter().map(|entry| entry.title.as_str()).collect();
    assert_eq!(titles.len(), bill.len(), "a job was bought twice");
}

#[test]
fn workers_carry_out_the_jobs_of_a_run_and_its_summary_is_that_of_one_process() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    paced(&lab, &studio, "songs.yaml", 12, "credits: 10000");
    let worker = ["worker", "songs.yaml", "--ledger", &address];
    lab.fails(2, &worker, "no run of `songs` has songs left");
    let waiting = [&worker[..], &["--wait", "2m"]].concat();
    let mut workers = [lab.start(&waiting), lab.start(&waiting)];
    let mut stopped = lab.start(&waiting);
    let run = lab.start(&["run", "songs.yaml", "--ledger", &address]);
    for worker in workers.iter_mut().chain([&mut stopped]) {
        worker.wait_for("working on run", 1);
    }
    until_bought(&studio, 20);
    stopped.signal("TERM");
    let ran = stopped.end();
    assert_eq!(ran.code, Some(0), "a worker may leave: {}", ran.err);
    let shares = workers.map(|worker| {
        let ran = worker.end();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let line = ran.err.lines().find(|line| line.contains("requests sent"));
        let count = line.and_then(|line| line.split(' ').next()?.parse::<u32>().ok());
        count.unwrap_or_else(|| panic!("{}", ran.err))
    });
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(shares.iter().sum::<u32>() > 0, "{shares:?}");
    assert_eq!(studio.bill().len(), 120);
    assert_paced_and_bought_once(&studio);
    let shared = plain(lab.json(&["status", "songs.yaml", "--ledger", &address]));
    fs::remove_dir_all(lab.path("out")).unwrap();
    lab.expect(0, &["run", "songs.yaml"]);
    let alone = plain(lab.json(&["status", "songs.yaml"]));
    assert!(shared == alone, "{shared:#}\n{alone:#}");
}

#[test]
fn nothing_is_bought_twice_or_lost_while_workers_are_killed_and_the_server_crashes() {
    const COVERED: usize = 70;
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let lab = Lab::new();
    let studio = lab.misbehaving(
        "version: 1\nrules:\n  - {when: {every: 9}, do: [{response: drop}]}\n  - {when: {every: 11}, do: [unknown: 2]}\n",
    );
    // Of 80 jobs the credits cover 70.
    paced(&lab, &studio, "songs.yaml", 8, "credits: 840");
    let worker = ["worker", "songs.yaml", "--ledger", &address, "--wait", "2m"];
    let mut run = lab.start(&["run", "songs.yaml", "--ledger", &address]);
    let mut workers: Vec<_> = (0..3).map(|_| lab.start(&worker)).collect();
    for (turn, bought) in (5..COVERED - 5).step_by(8).enumerate() {
        until_bought(&studio, bought);
        let victim = turn % workers.len();
        // Dropped, a program is killed.
        workers[victim] = lab.start(&worker);
        if turn == 3 {
            server.stop("immediate");
            run.wait_for("the ledger can't be reached", 1);
            server.start_again();
        }
    }
    let ran = run.end();
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    let times = |text| ran.err.matches(text).count();
    for text in [
        "the ledger can't be reached",
        "the ledger can be reached again",
    ] {
        assert_eq!(times(text), 1, "{text}: {}", ran.err);
    }
    drop(workers);
    let database = address.rsplit_once('/').unwrap().1;
    let writers = "SELECT count(*) FROM backline.writers WHERE batch > 3";
    let writers: u32 = server.query(database, writers).parse().unwrap();
    assert!(writers > 3, "{writers} processes carried out jobs");
    assert_paced_and_bought_once(&studio);
    let bill = studio.bill();
    assert_eq!(bill.len(), COVERED, "{}", ran.err);
    // Nothing is lost: each purchase is kept, by the next run at the latest.
    let ran = lab.run(&["run", "songs.yaml", "--ledger", &address]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let summary = lab.json(&["status", "songs.yaml", "--ledger", &address]);
    assert_eq!(summary["totals"]["kept"], 80, "{summary:#}");
    assert_paced_and_bought_once(&studio);
}

/// A process that is taken for dead, and is not, brings the tasks of its requests to jobs that another one has put in doubt.
#[test]
fn the_tasks_of_a_process_that_was_taken_for_dead_are_recorded() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let database = address.rsplit_once('/').unwrap().1;
    let lab = Lab::new();
    // The responses are on their way when the process is stopped.
    let studio = lab
        .misbehaving("version: 1\nidempotency: off\nrules: [{do: [{response_late_ms: 3000}]}]\n");
    let limits =
        "callbacks: off\nlimits: {concurrency: 20, failures_in_a_row: 1000}\nreports: [json]\n";
    lab.manifest("songs.yaml", &studio.url, 1, 10, limits);
    let text = lab.read("songs.yaml");
    lab.write(
        "songs.yaml",
        text.replace("api_key:", "idempotency_key: false, api_key:"),
    );
    let run = lab.start(&["run", "songs.yaml", "--ledger", &address]);
    until_bought(&studio, 10);
    run.signal("STOP");
    let worker = lab.start(&["worker", "songs.yaml", "--ledger", &address]);
    let doubts =
        "SELECT count(*) FROM backline.jobs WHERE job::json -> 'phase' ->> 'phase' = 'in_doubt'";
    let begun = Instant::now();
    while server.query(database, doubts) != "10" {
        assert!(begun.elapsed() < Duration::from_secs(120));
        std::thread::park_timeout(Duration::from_millis(100));
    }
    run.signal("CONT");
    let ran = run.end();
    // The worker was done with what it put in doubt: the songs are handed out anew.
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.err.contains("10 jobs: 10 kept"), "{}", ran.err);
    assert_eq!(worker.end().code, Some(0));
    lab.expect(0, &["ledger", "check", "--ledger", &address]);
    let receipts = fs::read_dir(lab.path(".backline/receipts")).unwrap();
    let left = receipts.filter(|file| file.as_ref().unwrap().metadata().unwrap().len() > 0);
    assert_eq!(left.count(), 0, "the ledger has all tasks");
    assert_eq!(studio.bill().len(), 10);
}

#[test]
fn callbacks_reach_the_process_that_has_the_job_through_any_other() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let lab = Lab::new();
    // Without its callback each purchase is in doubt.
    let studio = lab.misbehaving(
        "version: 1\nidempotency: off\nrules: [{do: [{response: drop}, {callbacks: {delay_ms: 8000}}]}]\n",
    );
    let ports: [u16; 2] = std::array::from_fn(|_| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    });
    // The provider calls the other process of the two.
    for (name, listens, called) in [("run.yaml", 0, 1), ("worker.yaml", 1, 0)] {
        let callbacks = format!(
            "callbacks: {{listen: \"127.0.0.1:{}\", public_url: \"http://127.0.0.1:{}/hook\"}}\n",
            ports[listens], ports[called]
        );
        let limits = "limits: {concurrency: 20, failures_in_a_row: 1000}\nreports: [json]\n";
        lab.manifest(name, &studio.url, 2, 10, &(limits.to_owned() + &callbacks));
        let text = lab.read(name);
        lab.write(
            name,
            text.replace("api_key:", "idempotency_key: false, api_key:"),
        );
    }
    let worker = [
        "worker",
        "worker.yaml",
        "--ledger",
        &address,
        "--wait",
        "2m",
    ];
    let worker = lab.start(&worker);
    let run = lab.expect(0, &["run", "run.yaml", "--ledger", &address]);
    let worked = worker.end();
    assert_eq!(worked.code, Some(0), "{}", worked.err);
    assert_eq!(studio.bill().len(), 20);
    let summary = lab.json(&["status", "run.yaml", "--ledger", &address]);
    assert_eq!(summary["totals"]["kept"], 20, "{}", run.err);
    let database = address.rsplit_once('/').unwrap().1;
    // Callbacks that came after their tasks were over are removed by the next run.
    lab.expect(0, &["run", "run.yaml", "--ledger", &address]);
    let left = server.query(database, "SELECT count(*) FROM backline.callbacks");
    assert_eq!(left, "0");
}

#[test]
fn a_run_that_publishes_leaves_its_jobs_to_workers() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 2, 5, "reports: [json]\n");
    lab.fails(
        2,
        &["run", "songs.yaml", "--publish"],
        "with --ledger postgres://",
    );
    let publish = ["run", "songs.yaml", "--publish", "--ledger", &address];
    let mut publish = lab.backline(&publish);
    publish.env(
        "BACKLINE_LOG",
        "backline_engine::reconnect=debug,backline::connection=info",
    );
    let mut publish = Running::start(publish);
    // An outage of some seconds while it has nothing to record: one line, each try behind it being for developers, and one at the end.
    publish.wait_for("credits ", 1);
    server.stop("immediate");
    publish.wait_for("the ledger can't be reached", 5);
    server.start_again();
    publish.wait_for("the ledger can be reached again", 1);
    // A machine with the manifest and the recordings, and without the folder that the run fills.
    lab.manifest("elsewhere/songs.yaml", &studio.url, 2, 5, "");
    let worker = |manifest| vec!["worker", manifest, "--ledger", &address, "--wait", "2m"];
    lab.fails(
        7,
        &worker("elsewhere/songs.yaml"),
        "mount the directory of the machine that began the run",
    );
    assert_eq!(studio.bill().len(), 0);
    let worked = lab.expect(0, &worker("songs.yaml"));
    let published = publish.end();
    assert_eq!(published.code, Some(0), "{}", published.err);
    for text in ["trying again until it can", "can be reached again"] {
        assert_eq!(published.err.matches(text).count(), 1, "{}", published.err);
    }
    assert!(
        worked
            .err
            .contains("10 requests sent, 20 files kept by this worker"),
        "{}",
        worked.err
    );
    let summary = lab.json(&["status", "songs.yaml", "--ledger", &address]);
    assert_eq!(summary["totals"]["kept"], 10);
    // Without anything to do nobody has to come.
    lab.expect(0, &["run", "songs.yaml", "--publish", "--ledger", &address]);
    assert_eq!(studio.bill().len(), 10);
}

#[test]
fn a_killed_run_leaves_the_queue_to_the_next_and_workers_wait_until_they_are_stopped() {
    let Some(server) = Server::start() else {
        return;
    };
    let address = server.database();
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    paced(&lab, &studio, "songs.yaml", 4, "failures_in_a_row: 1000");
    let run = ["run", "songs.yaml", "--ledger", &address];
    let killed = lab.start(&run);
    until_bought(&studio, 10);
    drop(killed);
    lab.expect(0, &run);
    assert_eq!(studio.bill().len(), 40);
    let database = address.rsplit_once('/').unwrap().1;
    let queued = "SELECT count(*) FROM backline_queue._private_jobs";
    assert_eq!(server.query(database, queued), "0");
    let receipts = fs::read_dir(lab.path(".backline/receipts")).unwrap();
    assert_eq!(receipts.count(), 0);
    let worker = ["worker", "songs.yaml", "--ledger", &address];
    lab.fails(2, &worker, "no run of `songs` has songs left");
    let mut waiting = lab.start(&[&worker[..], &["--wait", "2m"]].concat());
    waiting.wait_for("waiting for a run", 1);
    waiting.signal("TERM");
    let waited = waiting.end();
    assert_eq!(waited.code, Some(0), "{}", waited.err);
    let misspelt = format!("{address}?sslmod=verify-full");
    lab.fails(2, &["run", "songs.yaml", "--ledger", &misspelt], "`sslmod`");
}
