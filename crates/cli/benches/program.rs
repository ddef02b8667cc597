//! What the built program costs, each figure beside its aim: `cargo bench -p backline-cli --bench program`, or with a name or two
//! behind `--` only those. `pace` takes a minute and a half and is run only by its name.
//!
//! The program is measured from outside, as its users run it. Peak memory and CPU time come from GNU time, where there is one.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and stops where it can't go on"
)]

use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use backline_engine::event::{Event, RunId, Token};
use backline_engine::job::{Job, Step};
use backline_engine::ledger::Ledger;
use backline_engine::settings::JobKey;
use backline_engine::store::{Batch, KnownJob, NewRecord, Store};
use backline_studio::read_bill;

const BACKLINE: &str = env!("CARGO_BIN_EXE_backline");
const KEY: &str = "bench-key";

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let benches: [(&str, fn(), bool); 5] = [
        ("start-up", start_up, true),
        ("plan", plan, true),
        ("ledger", ledger, true),
        ("jobs", jobs, true),
        ("pace", pace, false),
    ];
    for (name, bench, by_default) in benches {
        if wanted.iter().any(|wanted| wanted == name) || (wanted.is_empty() && by_default) {
            bench();
        }
    }
}

/// From the start of the process to its end, doing nothing.
fn start_up() {
    let mut times_ms: Vec<f64> = (0..100)
        .map(|_| {
            let started = Instant::now();
            assert!(
                Command::new(BACKLINE)
                    .arg("--version")
                    .stdout(Stdio::null())
                    .status()
                    .unwrap()
                    .success()
            );
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    times_ms.sort_by(f64::total_cmp);
    println!(
        "start-up: fastest {:.1} ms, median of 100 {:.1} ms (aim: under 10 ms)",
        times_ms[0], times_ms[50]
    );
}

/// 100 stems × 20 presets × 25 weights × 2 registers, with templates.
fn plan() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("big.yaml");
    std::fs::write(&manifest, hundred_thousand()).unwrap();
    for args in [&["plan"][..], &["plan", "--format", "json"], &["validate"]] {
        let told = folder.path().join("told");
        let mut command = Command::new("/usr/bin/time");
        command
            .args(["-f", "%U %S %M", "-o"])
            .arg(&told)
            .arg(BACKLINE)
            .args(args)
            .arg(&manifest);
        let started = Instant::now();
        let by_gnu_time = command
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        let wall_s = started.elapsed().as_secs_f64();
        if by_gnu_time {
            let figures = std::fs::read_to_string(&told).unwrap();
            let figures: Vec<f64> = figures
                .split_whitespace()
                .map(|figure| figure.parse().unwrap())
                .collect();
            println!(
                "{} of 100000 jobs: {:.2} s of CPU, peak {:.0} MB, {wall_s:.2} s by the clock (aim: 1 s, 150 MB)",
                args.join(" "),
                figures[0] + figures[1],
                figures[2] / 1024.0
            );
        } else {
            let started = Instant::now();
            let status = Command::new(BACKLINE)
                .args(args)
                .arg(&manifest)
                .stdout(Stdio::null())
                .status();
            assert!(status.unwrap().success());
            let wall_s = started.elapsed().as_secs_f64();
            println!(
                "{} of 100000 jobs: {wall_s:.2} s by the clock; CPU and memory need GNU time",
                args.join(" ")
            );
        }
    }
}

fn hundred_thousand() -> String {
    let mut text = "version: 1\nname: big\nstems:\n".to_owned();
    for at in 0..100 {
        writeln!(text, "  - {{id: s{at:03}, url: \"https://cdn.example.com/{at:03}.mp3\", vars: {{mood: m{}}}}}", at % 7).unwrap();
    }
    text.push_str("presets:\n");
    for at in 0..20 {
        writeln!(text, "  p{at:02}: {{title: \"{{{{stem.id}}}} ({{{{preset.id}}}})\", tags: \"style {at}, {{{{stem.vars.mood}}}}\"}}").unwrap();
    }
    let weights: Vec<String> = (1..=25).map(|at| format!("0.{at:02}")).collect();
    writeln!(
        text,
        "sweep: {{weirdness_constraint: [{}], vocal_gender: [m, f]}}",
        weights.join(", ")
    )
    .unwrap();
    text
}

/// Intents with the job that they change, durable when the call returns.
fn ledger() {
    for busy in [1_usize, 16, 256] {
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::own(&folder.path().join("ledger.sqlite3")).unwrap();
        let run = RunId::new();
        let commits = (4_096 / busy).clamp(64, 512);
        let started = Instant::now();
        for commit in 0..commits {
            let numbers = (0..busy).map(|at| (commit * busy + at) as u64);
            let (events, jobs) = numbers.map(|number| intent(number, &run)).unzip();
            let batch = Batch {
                events,
                jobs,
                ..Batch::default()
            };
            ledger.append(&batch).unwrap();
        }
        let appends = (commits * busy) as f64 / started.elapsed().as_secs_f64();
        println!("ledger, {busy} jobs busy at once: {appends:.0} durable appends a second");
    }
}

fn intent(number: u64, run: &RunId) -> (NewRecord, (JobKey, KnownJob)) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    // Keys are hashes: spread over the table, not in order.
    bytes[8..16].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes.rotate_left(8);
    let key = JobKey::from_bytes(bytes);
    let event = Event::Intent {
        attempt: 1,
        token: Token::from_text(format!("{number:032x}")),
        credits: 12.0.into(),
    };
    let Step::Changed(job) = Job::default().step(0, &event) else {
        unreachable!("a planned job takes an intent")
    };
    let account = "studio:0123456789ab".to_owned();
    let record = NewRecord {
        at_ms: 0,
        run: run.clone(),
        account: account.clone(),
        job: Some(key),
        event,
    };
    (
        record,
        (
            key,
            KnownJob {
                job: job.into(),
                account,
                version: 0,
            },
        ),
    )
}

/// From the plan to the last kept track, against a studio that hands out a stored recording.
fn jobs() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(folder.path(), "off");
    write_manifest(folder.path(), &studio.url, 500, "rate: 5000/1s");
    let started = Instant::now();
    run(folder.path());
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(read_bill(&folder.path().join("studio")).unwrap().len(), 500);
    println!(
        "end to end: {:.0} jobs a second ({:.0} tracks fetched, decoded, hashed and kept)",
        500.0 / seconds,
        1000.0 / seconds
    );
}

/// 200 jobs at 20 in 10 s, counted by the studio.
fn pace() {
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(folder.path(), "20/10s");
    write_manifest(folder.path(), &studio.url, 200, "rate: 20/10s");
    run(folder.path());
    let accepted: Vec<i64> = read_bill(&folder.path().join("studio"))
        .unwrap()
        .iter()
        .map(|entry| entry.accepted_ms)
        .collect();
    let fullest = accepted
        .iter()
        .enumerate()
        .map(|(at, start)| {
            accepted[at..]
                .iter()
                .take_while(|time| **time - start < 10_000)
                .count()
        })
        .max();
    let makespan_ms = accepted[accepted.len() - 1] - accepted[0];
    let over = (makespan_ms as f64 / 90_000.0 - 1.0) * 100.0;
    println!(
        "{} jobs at 20/10s: {:.2} s from the first to the last, {over:+.2} % of the 90 s that the rate allows (aim: +3 %); \
         fullest window {} (aim: 20)",
        accepted.len(),
        makespan_ms as f64 / 1000.0,
        fullest.unwrap_or_default()
    );
}

/// A studio in a process of its own.
struct Studio {
    child: Child,
    url: String,
}

impl Studio {
    fn start(folder: &Path, rate: &str) -> Self {
        let mut child = Command::new(BACKLINE)
            .args([
                "studio",
                "--instant",
                "--listen",
                "127.0.0.1:0",
                "--rate",
                rate,
                "--data",
            ])
            .arg(folder.join("studio"))
            .env("BACKLINE_STUDIO_KEY", KEY)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One recording in so many presets.
fn write_manifest(folder: &Path, url: &str, presets: usize, rate: &str) {
    let vocal = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/vocals/twinkle.flac");
    let mut text = format!(
        "version: 1\nname: bench\nstems: [{{id: twinkle, file: \"{}\"}}]\n\
         provider: {{profile: studio, base_url: \"{url}\", {rate}, concurrency: 100, api_key: {{env: BENCH_KEY}}}}\n\
         limits: {{concurrency: 100}}\npresets:\n",
        vocal.canonicalize().unwrap().display()
    );
    for at in 0..presets {
        writeln!(text, "  p{at}: {{tags: style {at}}}").unwrap();
    }
    std::fs::write(folder.join("bench.yaml"), text).unwrap();
}

fn run(folder: &Path) {
    let mut command = Command::new(BACKLINE);
    command
        .args(["run", "-q"])
        .arg(folder.join("bench.yaml"))
        .env("BENCH_KEY", KEY);
    assert!(command.status().unwrap().success());
}
