//! Ledgers on a PostgreSQL server: `cargo bench -p backline-cli --features postgres --bench shared -- NAME…`.
//!
//! | name | what | beside it |
//! |---|---|---|
//! | `storm` | 10,000 jobs by a run and three workers, one of them killed every 5 s, the server crashed once, a provider that loses responses | the time that the rate limit allows |
//! | `pace` | jobs per second without a rate limit: the run alone, and with one and three workers; memory of the run | a ledger in a file |
//! | `publish` | a million jobs planned and published | a ledger in a file |
//! | `crowd` | what 8, 32 and 64 workers of one run cost the server at 2 submissions a second | the rate limit |
//!
//! `storm` takes nine minutes; the others take some minutes. A number behind the name replaces the number of jobs. Linux only, for `/proc`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and stops where it can't go on"
)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::{Lab, Running, StudioProcess};
use server::Server;

#[path = "../../../tests/it/lab.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod lab;
#[path = "../../../tests/postgres/server.rs"]
mod server;

/// Credits of a song of the studio.
const PRICE: usize = 12;

/// The rate limit of the storm: submissions, and the window that the store counts them in, which is 1.5 % longer than the provider's.
const RATE: usize = 20;
const WINDOW_S: f64 = 1.015;

/// How often a worker is killed in the storm.
const KILL_EVERY: Duration = Duration::from_secs(5);

/// The storm's provider accepts a request and drops its response, or takes two polls for unknown tasks.
const MISBEHAVIOUR: &str = "version: 1\nrules:\n  - {when: {every: 9}, do: [{response: drop}]}\n  - {when: {every: 11}, do: [unknown: 2]}\n";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let named = |name: &str| args.iter().any(|arg| arg == name);
    let jobs = args.iter().find_map(|arg| arg.parse().ok());
    let all = !["storm", "pace", "publish", "crowd"].into_iter().any(named);
    if all || named("pace") {
        pace(jobs.unwrap_or(1_000));
    }
    if all || named("publish") {
        publish(jobs.unwrap_or(1_000_000));
    }
    if all || named("crowd") {
        [8, 32, 64].into_iter().for_each(crowd);
    }
    if all || named("storm") {
        storm(jobs.unwrap_or(10_000));
    }
}

/// A manifest of so many jobs, with more of it in `rest`; `jobs` is a multiple of 100.
fn manifest(lab: &Lab, url: &str, jobs: usize, provider: &str, rest: &str) {
    lab.manifest("songs.yaml", url, 100, jobs / 100, rest);
    let text = lab.read("songs.yaml");
    let text = text.replace("api_key:", &format!("{provider}api_key:"));
    lab.write("songs.yaml", text);
}

fn storm(jobs: usize) {
    let server = Server::start().unwrap();
    let address = server.database();
    let database = address.rsplit_once('/').unwrap().1.to_owned();
    let lab = Lab::new();
    let studio = lab.misbehaving(MISBEHAVIOUR);
    // The credits leave ten jobs to the second run.
    let covered = jobs - 10;
    let limits = format!(
        "limits: {{concurrency: 60, failures_in_a_row: 1000000, credits: {}}}\nreports: [json]\n",
        covered * PRICE
    );
    manifest(&lab, &studio.url, jobs, "rate: 20/1s, ", &limits);
    let with = |command: &'static str| vec![command, "songs.yaml", "--ledger", &address];
    let worker = [with("worker"), vec!["--wait", "5m"]].concat();
    let begun = Instant::now();
    let run = lab.start(&with("run"));
    let mut workers: Vec<Running> = (0..3).map(|_| lab.start(&worker)).collect();
    let (mut kills, mut crashed) = (0, false);
    loop {
        std::thread::park_timeout(KILL_EVERY);
        let bought = studio.bill().len();
        if bought + 5 * RATE > covered {
            break;
        }
        let victim = kills % workers.len();
        // Dropped, a program is killed.
        workers[victim] = lab.start(&worker);
        kills += 1;
        if !crashed && bought > covered / 2 {
            server.stop("immediate");
            server.start_again();
            crashed = true;
        }
    }
    let ran = run.end();
    let seconds = begun.elapsed().as_secs_f64();
    drop(workers);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    let bought = bought_once(&studio);
    assert_eq!(bought, covered, "the credits cover {covered}");
    let submissions = "SELECT count(*) FROM backline.events WHERE is_submission";
    let submissions: f64 = server.query(&database, submissions).parse().unwrap();
    let spent = "SELECT committed FROM backline.ledger";
    let spent: f64 = server.query(&database, spent).parse().unwrap();
    let first_to_last = "SELECT extract(epoch FROM max(written_at) - min(written_at)) FROM backline.events WHERE is_submission";
    let first_to_last: f64 = server.query(&database, first_to_last).parse().unwrap();
    let allowed = ((submissions / RATE as f64).ceil() - 1.0) * WINDOW_S;
    println!(
        "storm: {bought} of {jobs} jobs bought, none twice, with {kills} kills and {} crash of the server; at most {} in a window of 1 s at the provider; {} credits of {}",
        u8::from(crashed),
        most_in_a_window(&studio),
        spent / 1_000.0,
        covered * PRICE
    );
    println!(
        "storm: {submissions} submissions in {first_to_last:.1} s, {:.1} % more than the {allowed:.1} s that the rate limit allows; the run took {seconds:.1} s",
        100.0 * (first_to_last / allowed - 1.0)
    );
    lab.expect(0, &with("run"));
    let summary = lab.json(&with("status"));
    assert_eq!(summary["totals"]["kept"], jobs, "{:#}", summary["totals"]);
    assert_eq!(bought_once(&studio), jobs);
    println!("storm: every track of all {jobs} jobs is kept after the next run");
}

/// The number of purchases, each of another job.
fn bought_once(studio: &StudioProcess) -> usize {
    let bill = studio.bill();
    let titles: BTreeSet<&str> = bill.iter().map(|entry| entry.title.as_str()).collect();
    assert_eq!(titles.len(), bill.len(), "a job was bought twice");
    bill.len()
}

fn most_in_a_window(studio: &StudioProcess) -> usize {
    let mut accepted: Vec<i64> = studio.bill().iter().map(|it| it.accepted_ms).collect();
    accepted.sort_unstable();
    let inside = |at: usize| {
        let later = accepted[at..].iter();
        later
            .take_while(|time| **time - accepted[at] < 1_000)
            .count()
    };
    (0..accepted.len()).map(inside).max().unwrap_or(0)
}

fn pace(jobs: usize) {
    let server = Server::start();
    let server = server.as_ref().unwrap();
    for workers in [None, Some(0), Some(1), Some(3)] {
        let lab = Lab::new();
        let studio = lab.studio(&["--instant", "--rate", "off"]);
        let limits = "limits: {concurrency: 60, rate: off}\nreports: [json]\n";
        manifest(&lab, &studio.url, jobs, "rate: off, ", limits);
        let ledger = match workers {
            None => "ledger.sqlite3".to_owned(),
            Some(_) => server.database(),
        };
        let begun = Instant::now();
        let run = lab.start(&["run", "songs.yaml", "--ledger", &ledger]);
        let worker = ["worker", "songs.yaml", "--ledger", &ledger, "--wait", "1m"];
        let running: Vec<Running> = (0..workers.unwrap_or(0))
            .map(|_| lab.start(&worker))
            .collect();
        let mut peak = 0;
        while let Some(now) = peak_kib(run.process()) {
            peak = now.max(peak);
            std::thread::park_timeout(Duration::from_millis(200));
        }
        let ran = run.end();
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        drop(running);
        assert_eq!(bought_once(&studio), jobs);
        let what = match workers {
            None => "a ledger in a file".to_owned(),
            Some(workers) => format!("a server, the run and {workers} workers"),
        };
        if let Some((_, database)) = ledger.rsplit_once('/') {
            let bytes = server.query(database, "SELECT pg_database_size(current_database())");
            let bytes: u64 = bytes.parse().unwrap();
            println!("pace: {} MiB in the database", bytes >> 20);
        }
        println!(
            "pace: {what}: {jobs} jobs in {seconds:.1} s, {:.1} a second; the run has {} MiB at most",
            jobs as f64 / seconds,
            peak / 1024
        );
    }
}

/// The most memory that a process has had, while it lives.
fn peak_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn publish(jobs: usize) {
    let server = Server::start().unwrap();
    for ledger in ["ledger.sqlite3".to_owned(), server.database()] {
        let lab = Lab::new();
        // A provider whose first request is refused: the run ends after it has published its plan.
        let studio = lab.studio(&["--instant", "--rate", "off", "--key", "another"]);
        manifest(&lab, &studio.url, jobs, "rate: off, ", "reports: [json]\n");
        let most = jobs.to_string();
        let select = ["songs.yaml", "--max-jobs", &most, "--ledger", &ledger];
        for command in ["plan", "run"] {
            let begun = Instant::now();
            let running = lab.start(&[&[command], &select[..]].concat());
            let mut peak = 0;
            while let Some(now) = peak_kib(running.process()) {
                peak = now.max(peak);
                std::thread::park_timeout(Duration::from_millis(200));
            }
            let ran = running.end();
            assert!(matches!(ran.code, Some(0 | 6)), "{}", ran.err);
            let place = match ledger.starts_with("postgres") {
                true => "a server",
                false => "a file",
            };
            println!(
                "publish: {command} of {jobs} jobs with {place}: {:.1} s, {} MiB; exit code {:?}",
                begun.elapsed().as_secs_f64(),
                peak / 1024,
                ran.code
            );
        }
        let bytes = match ledger.rsplit_once('/') {
            Some((_, database)) => {
                let size = "SELECT pg_database_size(current_database())";
                server.query(database, size).parse().unwrap()
            }
            None => std::fs::metadata(lab.path(&ledger)).unwrap().len(),
        };
        println!("publish: {} MiB in the ledger {ledger}", bytes >> 20);
        if ledger.starts_with("postgres") {
            let _run = lab.start(&[&["run"], &select[..], &["--publish"]].concat());
            let (_, database) = ledger.rsplit_once('/').unwrap();
            let queued = "SELECT EXISTS (SELECT FROM backline_queue._private_jobs)";
            while server.query(database, queued) != "t" {
                std::thread::park_timeout(Duration::from_secs(1));
            }
            let mut worker = lab.start(&["worker", "songs.yaml", "--ledger", &ledger]);
            worker.wait_for("working on run", 1);
            let peak = peak_kib(worker.process()).unwrap();
            println!("publish: a worker of it has {} MiB", peak / 1024);
        }
    }
}

/// How long the crowd is watched.
const WATCHED: Duration = Duration::from_secs(60);

fn crowd(workers: usize) {
    let server = Server::start().unwrap();
    server.query("postgres", "ALTER SYSTEM SET max_connections = 1000");
    server.stop("fast");
    server.start_again();
    let address = server.database();
    let database = address.rsplit_once('/').unwrap().1;
    let number = |sql: &str| server.query(database, sql).parse::<f64>().unwrap();
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    manifest(&lab, &studio.url, 10_000, "rate: 20/10s, ", "");
    let select = ["songs.yaml", "--ledger", &address];
    let _run = lab.start(&[&["run"], &select[..]].concat());
    let worker = [&["worker"], &select[..], &["--wait", "5m"]].concat();
    let mut running: Vec<Running> = (0..workers).map(|_| lab.start(&worker)).collect();
    for worker in &mut running {
        worker.wait_for("working on run", 1);
    }
    let transactions = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
    let submissions = "SELECT count(*) FROM backline.events WHERE is_submission";
    let before = [number(transactions), number(submissions), processor_s()];
    let begun = Instant::now();
    std::thread::park_timeout(WATCHED);
    let after = [number(transactions), number(submissions), processor_s()];
    let seconds = begun.elapsed().as_secs_f64();
    let [transactions, submissions, busy] =
        std::array::from_fn(|at| (after[at] - before[at]) / seconds);
    let connections =
        number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()");
    println!(
        "crowd: {workers} workers and the run: {connections} connections, {transactions:.0} transactions a second, {submissions:.2} submissions a second; the server's processes take {busy:.2} cores"
    );
}

/// Processor time of all processes of PostgreSQL that live, in seconds.
fn processor_s() -> f64 {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ticks = processes.filter_map(|process| {
        let stat = std::fs::read_to_string(process.path().join("stat")).ok()?;
        let (name, facts) = stat.rsplit_once(") ")?;
        let facts: Vec<&str> = facts.split(' ').collect();
        let [user, system] = [facts.get(11)?, facts.get(12)?].map(|it| it.parse::<f64>());
        name.ends_with("(postgres")
            .then_some(user.ok()? + system.ok()?)
    });
    // 100 ticks a second on every Linux.
    ticks.sum::<f64>() / 100.0
}
