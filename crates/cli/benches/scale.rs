//! What a run of 100,000 jobs costs before its first request: `cargo bench -p backline-cli --bench scale`, or with one or more
//! of the names in `STATES` behind `--`.
//!
//! The ledger is filled with jobs in one state, then the program runs against a server that counts. The time is taken from the
//! start of the process to its first request, the memory is the process's peak up to there. Linux only, for `/proc`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures and stops where it can't go on"
)]

use std::fmt::Write as _;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use backline_api::{ApiKey, TaskId};
use backline_engine::driver::account;
use backline_engine::event::{Event, KeptFile, Part, RunId, TaskStage, Token, TrackFacts, Via};
use backline_engine::hooks::{HookPoint, Verdict};
use backline_engine::job::{Job, Step};
use backline_engine::ledger::Ledger;
use backline_engine::manifest::{LoadOptions, load};
use backline_engine::settings::JobKey;
use backline_engine::store::{Batch, KnownJob, NewRecord, Store};

const BACKLINE: &str = env!("CARGO_BIN_EXE_backline");
const KEY: &str = "bench-key";
const STEMS: usize = 100;
const JOBS: usize = 100_000;

/// The events of the job with a number.
type Events = fn(usize) -> Vec<Event>;

/// Events of one job by name; each bench fills the ledger with one of them.
const STATES: [(&str, Events); 4] = [
    ("planned", |_| Vec::new()),
    ("files-deleted", kept),
    ("in-doubt", in_doubt),
    ("vetoed", vetoed),
];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    for (name, events) in STATES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            first_request(name, events);
        }
    }
}

fn first_request(name: &str, events: Events) {
    let folder = tempfile::tempdir().unwrap();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let manifest = folder.path().join("scale.yaml");
    let url = format!("http://{}", server.local_addr().unwrap());
    write_manifest(folder.path(), &url);
    fill(&manifest, &folder.path().join("ledger.sqlite3"), events);

    let started = Instant::now();
    let mut child = Command::new(BACKLINE)
        .args(["run", "--format", "json", "--ledger"])
        .arg(folder.path().join("ledger.sqlite3"))
        .arg(&manifest)
        .env("BENCH_KEY", KEY)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut connection, _) = server.accept().unwrap();
    connection.read_exact(&mut [0]).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let peak_kib = peak_kib(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    println!(
        "{JOBS} jobs {name}: first request after {seconds:.1} s, peak {:.0} MB, {:.1} KB a job (aim: seconds; 5 KB)",
        peak_kib / 1024.0,
        peak_kib * 1.024 / JOBS as f64
    );
}

/// The most memory that a process has had, in KiB.
fn peak_kib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// Records `events` of every job of the manifest.
fn fill(manifest: &Path, ledger: &Path, events: Events) {
    let plan = load(manifest, &LoadOptions::default()).unwrap().plan;
    assert_eq!(plan.jobs.len(), JOBS);
    let mut ledger = Ledger::own(ledger).unwrap();
    let account = account(&plan, &ApiKey::new(KEY).unwrap(), &ledger).unwrap();
    let run = RunId::new();
    for (chunk, jobs) in plan.jobs.chunks(10_000).enumerate() {
        let mut batch = Batch::default();
        for (at, job) in jobs.iter().enumerate() {
            let events = events(chunk * 10_000 + at);
            if events.is_empty() {
                continue;
            }
            let mut state = Job::default();
            for event in events {
                if let Step::Changed(next) = state.step(0, &event) {
                    state = next;
                }
                batch.events.push(record(&run, &account, job.key, event));
            }
            let account = account.clone();
            batch.jobs.insert(
                job.key,
                KnownJob {
                    job: state.into(),
                    account,
                    version: 0,
                },
            );
        }
        ledger.append(&batch).unwrap();
    }
}

fn record(run: &RunId, account: &str, job: JobKey, event: Event) -> NewRecord {
    NewRecord {
        at_ms: 0,
        run: run.clone(),
        account: account.to_owned(),
        job: Some(job),
        event,
    }
}

fn intent(at: usize) -> Event {
    Event::Intent {
        attempt: 1,
        token: Token::from_text(format!("{at:032x}")),
        credits: 12.0.into(),
    }
}

/// Bought, and its two tracks kept in an output directory that is not there.
fn kept(at: usize) -> Vec<Event> {
    let tracks = |n: u32| TrackFacts {
        id: format!("{at:08x}-0000-4000-8000-00000000000{n}"),
        audio_url: Some(format!("https://cdn.example.com/{at:08x}-{n}.mp3")),
        title: format!("Song {at}"),
        duration_s: Some(180.0),
        ..TrackFacts::default()
    };
    let keep = |index: u32| Event::TrackKept {
        index,
        part: Part::Track,
        file: KeptFile {
            path: format!("out/gone/{at:08x}-{index}.mp3"),
            sha256: format!("{at:064x}"),
            length_bytes: 3_000_000,
            duration_s: 180.0,
            unverified: None,
        },
    };
    vec![
        intent(at),
        Event::Accepted {
            attempt: 1,
            task_id: TaskId(format!("{at:032x}")),
            via: Via::Response,
        },
        Event::Stage {
            placed: true,
            stage: TaskStage::Complete,
            tracks: vec![tracks(1), tracks(2)],
        },
        keep(1),
        keep(2),
    ]
}

fn in_doubt(at: usize) -> Vec<Event> {
    let message = "the connection was closed".to_owned();
    vec![
        intent(at),
        Event::Lost {
            attempt: 1,
            message,
            response: None,
        },
    ]
}

fn vetoed(_: usize) -> Vec<Event> {
    vec![Event::Decided {
        point: HookPoint::BeforeUpload,
        verdict: Verdict::Veto {
            why: "not in this key".to_owned(),
        },
    }]
}

/// 100 recordings × 20 presets × 25 weights × 2 registers.
fn write_manifest(folder: &Path, url: &str) {
    let mut text = format!(
        "version: 1\nname: scale\ncallbacks: off\n\
         provider: {{profile: studio, base_url: \"{url}\", api_key: {{env: BENCH_KEY}}}}\nstems:\n"
    );
    for at in 0..STEMS {
        let name = format!("s{at:03}.wav");
        std::fs::write(folder.join(&name), recording(at)).unwrap();
        writeln!(
            text,
            "  - {{id: s{at:03}, file: {name}, vars: {{mood: m{}}}}}",
            at % 7
        )
        .unwrap();
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
    std::fs::write(folder.join("scale.yaml"), text).unwrap();
}

/// A second of a square wave as a WAV file, different for each number.
fn recording(at: usize) -> Vec<u8> {
    const RATE: u32 = 8_000;
    let data_bytes = RATE * 2;
    let mut wav = Vec::new();
    wav.extend_from_slice(b"RIFF");
    wav.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16_u32.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&1_u16.to_le_bytes());
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(RATE * 2).to_le_bytes());
    wav.extend_from_slice(&2_u16.to_le_bytes());
    wav.extend_from_slice(&16_u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&data_bytes.to_le_bytes());
    for sample in 0..RATE as usize {
        let level: i16 = if (sample / (10 + at)).is_multiple_of(2) {
            8_000
        } else {
            -8_000
        };
        wav.extend_from_slice(&level.to_le_bytes());
    }
    wav
}
