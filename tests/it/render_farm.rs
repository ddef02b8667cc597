//! The render farm: a real studio, real workers and a real PostgreSQL server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use backline_studio::read_bill;

use crate::lab::{KEY, Lab, Ran, Running, root};
use crate::server::Server;

/// A port of this machine that is free.
fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

/// Starts a studio whose renders wait for workers; its data are in the folder `studio`.
fn studio(lab: &Lab, ledger: &str, port: u16) -> Running {
    let listen = format!("127.0.0.1:{port}");
    let mut command = lab.backline(&["studio", "--listen", &listen, "--data", "studio"]);
    command.args(["--rate", "off", "--ledger", ledger, "-vvv"]);
    command.env("BACKLINE_STUDIO_KEY", KEY);
    let studio = Running::start(command);
    assert_eq!(studio.out_line(), format!("http://{listen}/"));
    studio
}

/// Starts a worker that renders one task at a time.
fn worker(lab: &Lab, ledger: &str) -> Running {
    let args = ["worker", "--render", "--concurrency", "1", "-vvv"];
    lab.start(&[&args[..], &["--ledger", ledger]].concat())
}

/// Stops a worker or a studio, which must drain.
fn stopped(running: Running) -> Ran {
    running.signal("TERM");
    let ran = running.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran
}

/// How many renders a worker has done, by its last line.
fn share(ran: &Ran) -> u32 {
    let line = ran.err.lines().find(|line| line.contains(" renders done"));
    let count = line.and_then(|line| line.split(' ').next()?.parse().ok());
    count.unwrap_or_else(|| panic!("{}", ran.err))
}

/// The recordings below a folder.
fn recordings(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.ends_with(".mp3") || name.ends_with(".wav") {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// How many renders are in the queue.
fn queued(server: &Server, ledger: &str) -> u32 {
    let database = ledger.rsplit_once('/').unwrap().1;
    let count = "SELECT count(*) FROM backline_renders._private_jobs";
    server.query(database, count).parse().unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn two_workers_share_the_renders_and_the_tracks_are_those_of_a_studio_alone() {
    let Some(server) = Server::start() else {
        return;
    };
    let ledger = server.database();
    let database = ledger.rsplit_once('/').unwrap().1;
    let rest = "then: [wav, {stems: split_stem}]\nreports: [json]\n";
    let alone = Lab::new();
    let single = alone.studio(&["--rate", "off"]);
    alone.manifest("songs.yaml", &single.url, 2, 2, rest);
    alone.expect(0, &["run", "songs.yaml"]);

    let lab = Lab::new();
    let port = free_port();
    let mut studio = studio(&lab, &ledger, port);
    lab.manifest(
        "songs.yaml",
        &format!("http://127.0.0.1:{port}/"),
        2,
        2,
        rest,
    );
    let run = lab.start(&["run", "songs.yaml"]);
    // One line, once.
    let line = studio.wait_for("renders wait for a worker", 1);
    assert!(line.contains("backline worker --render"), "{line}");
    let secrets = "SELECT secret FROM backline_renders.secrets";
    let secrets = server.query(database, secrets);
    assert_eq!(secrets.lines().count(), 4, "the renders of four songs wait");
    let workers = [worker(&lab, &ledger), worker(&lab, &ledger)];
    let processes = workers.each_ref().map(Running::process);
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let workers = workers.map(stopped);
    let studio = stopped(studio);
    assert_eq!(queued(&server, &ledger), 0);

    let shares = workers.each_ref().map(share);
    // Four songs, and for each of their tracks a WAV file and stems.
    assert_eq!(shares.iter().sum::<u32>(), 4 + 8 + 8);
    for (share, process) in shares.iter().zip(processes) {
        let began = format!("process={process} ");
        let named = studio.err.lines().filter(|line| line.contains(&began));
        assert_eq!(named.count() as u32, *share, "{shares:?}: {}", studio.err);
        assert!(*share > 0, "{shares:?}");
    }
    let waits = studio.err.matches("renders wait for a worker").count();
    assert_eq!(waits, 1, "said once");
    for (ran, who) in [
        (&studio, "studio"),
        (&workers[0], "a worker"),
        (&workers[1], "a worker"),
    ] {
        let shown = secrets.lines().find(|secret| ran.err.contains(*secret));
        assert_eq!(shown, None, "{who} shows a secret");
    }
    let (expected, found) = (recordings(&alone.path("out")), recordings(&lab.path("out")));
    assert!(expected.len() > 24, "{:?}", expected.keys());
    let names = |of: &BTreeMap<String, Vec<u8>>| of.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(names(&expected), names(&found));
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{name} differs");
    }
}

#[test]
fn every_render_is_finished_when_workers_the_studio_and_the_server_are_killed() {
    let Some(server) = Server::start() else {
        return;
    };
    let ledger = server.database();
    let lab = Lab::new();
    let port = free_port();
    let mut first = studio(&lab, &ledger, port);
    let url = format!("http://127.0.0.1:{port}/");
    lab.manifest("songs.yaml", &url, 3, 6, "reports: [json]\n");
    let mut other = worker(&lab, &ledger);
    other.wait_for("rendering with", 1);
    let run = lab.start(&["run", "songs.yaml"]);
    let victim = worker(&lab, &ledger);
    first.wait_for(&format!("process={} ", victim.process()), 1);
    // Dropped, a program is killed: a worker that has just begun a render.
    drop(victim);
    server.stop("immediate");
    server.start_again();
    first.wait_for("attempt=2", 1);
    // The studio is killed while workers render for it, and comes back.
    drop(first);
    let mut second = studio(&lab, &ledger, port);
    second.wait_for("taking up unfinished tasks", 1);
    let third = worker(&lab, &ledger);
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let summary = lab.json(&["status", "songs.yaml"]);
    assert_eq!(summary["totals"]["kept"], 18, "{summary:#}");
    let bill = read_bill(&lab.path("studio")).unwrap();
    assert_eq!(bill.len(), 18);
    until("the queue is empty", || queued(&server, &ledger) == 0);
    for worker in [other, third] {
        stopped(worker);
    }
    stopped(second);
}

#[test]
fn a_worker_that_plays_differently_is_refused_and_a_studio_that_stops_takes_its_renders_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let ledger = server.database();
    let lab = Lab::new();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/");
    lab.manifest("songs.yaml", &url, 1, 1, "reports: [json]\n");
    let font = root().join("tests/fixtures/sound/sine.sf2");
    let stranger = ["worker", "--render", "--soundfont", font.to_str().unwrap()];
    let stranger = [&stranger[..], &["--ledger", &ledger]].concat();
    let first = studio(&lab, &ledger, port);
    let run = lab.start(&["run", "songs.yaml"]);
    until("a render waits", || queued(&server, &ledger) == 1);
    let ran = lab.fails(2, &stranger, "plays with backline");
    for named in [
        "the band's own instruments",
        "the SoundFont test font (SHA-256 ",
    ] {
        assert!(ran.err.contains(named), "{}", ran.err);
    }
    stopped(first);
    assert_eq!(
        queued(&server, &ledger),
        0,
        "nothing of a stopped studio waits"
    );
    // Both commands of the guide, to the letter but for the addresses.
    let guide = fs::read_to_string(root().join("docs/scaling.md")).unwrap();
    let (_, guide) = guide.split_once("## Render farm").unwrap();
    let (guide, _) = guide.split_once("\n## ").unwrap();
    let mut commands = guide
        .lines()
        .filter_map(|line| line.strip_prefix("backline "));
    let mut next = || {
        let line = commands.next().unwrap();
        let line = line.replace("postgres://ann@db.example.com/ledger", &ledger);
        let line = line.replace("10.0.0.5:8790", &format!("127.0.0.1:{port}"));
        let mut command = lab.backline(&line.split(' ').collect::<Vec<_>>());
        command.env("BACKLINE_STUDIO_KEY", KEY);
        command
    };
    let mut command = next();
    command.args(["--data", "studio"]);
    let second = Running::start(command);
    until("the render waits again", || queued(&server, &ledger) == 1);
    let (_, query) = guide.split_once("```sql\n").unwrap();
    let query = query.split_once("```").unwrap().0;
    let database = ledger.rsplit_once('/').unwrap().1;
    assert_eq!(server.query(database, query), "1|0");
    let right = Running::start(next());
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(share(&stopped(right)), 1);
    stopped(second);
}

#[test]
fn a_farm_needs_a_server_and_an_address_that_workers_can_call() {
    let lab = Lab::new();
    let needs = "--ledger postgres://USER@HOST/DATABASE";
    lab.fails(2, &["worker", "--render"], needs);
    lab.fails(2, &["studio", "--ledger", "songs.sqlite3"], needs);
    let ledger = "postgres://ann@127.0.0.1:9/ledger";
    let everywhere = ["studio", "--listen", "0.0.0.0:0", "--expose", "--key", "k"];
    let everywhere = [&everywhere[..], &["--ledger", ledger]].concat();
    lab.fails(2, &everywhere, "it names no machine");
    lab.fails(
        7,
        &["studio", "--listen", "127.0.0.1:0", "--ledger", ledger],
        "cannot use the ledger",
    );
    lab.fails(
        7,
        &["worker", "--render", "--ledger", ledger],
        "cannot use the ledger",
    );
    lab.fails(
        2,
        &["worker", "songs.yaml", "--render"],
        "cannot be used with",
    );
}
