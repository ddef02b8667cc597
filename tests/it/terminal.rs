//! What a person sees: the program on a terminal of some size, read back as a terminal shows it.
//!
//! The terminal is a real one to the program (a pty that is its controlling terminal); what it draws is read by a terminal emulator.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Pty, open};

use crate::lab::{BACKLINE, KEY, Lab, StudioProcess};

/// Longest wait for something to stand on the screen.
const PATIENCE: Duration = Duration::from_secs(120);

/// Slow enough to be watched: a submission in 700 ms.
const SLOW: &str = "limits: {rate: 1/700ms}\n";

/// A program on a terminal.
struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    bytes: Receiver<Vec<u8>>,
    parser: vt100::Parser,
}

fn cells(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

impl Terminal {
    fn start(lab: &Lab, columns: u16, rows: u16, args: &[&str], term: &str) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let command = pty_process::blocking::Command::new(BACKLINE)
            .args(args)
            .current_dir(lab.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", lab.work())
            .env("TMPDIR", lab.work())
            .env("LANG", "C.UTF-8")
            .env("TERM", term)
            .env("LAB_KEY", KEY);
        let child = command.spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let (sender, bytes) = channel();
        let reads = Arc::clone(&pty);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails when nobody holds the other end any more.
            while let Ok(length) = (&*reads).read(&mut buffer) {
                if length == 0 || sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            pty,
            child,
            bytes,
            parser: vt100::Parser::new(cells(rows), cells(columns), 500),
        }
    }

    fn screen(&self) -> String {
        self.parser.screen().contents()
    }

    /// Waits until the screen shows what `is` says.
    #[track_caller]
    fn until(&mut self, is: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if is(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.bytes.recv_timeout(left) {
                Ok(bytes) => self.parser.process(&bytes),
                Err(_) => panic!("never on the screen; there is\n{screen}"),
            }
        }
    }

    #[track_caller]
    fn sees(&mut self, text: &str) -> String {
        self.until(|screen| screen.contains(text))
    }

    fn resize(&mut self, columns: u16, rows: u16) {
        self.pty.resize(Size::new(rows, columns)).unwrap();
        self.parser
            .screen_mut()
            .set_size(cells(rows), cells(columns));
    }

    fn types(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, name: &str) {
        crate::lab::signal(&self.child, name);
    }

    /// Its exit code, and what stands on the screen after it.
    fn end(&mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        // The reader has all of it when the last holder of the other end is gone.
        while let Ok(bytes) = self.bytes.recv_timeout(Duration::from_secs(5)) {
            self.parser.process(&bytes);
        }
        (code, self.screen())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A slow run of six jobs.
fn songs(lab: &Lab, presets: usize) -> StudioProcess {
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, presets, SLOW);
    studio
}

/// Whether the table stands on the screen once, whole, and as wide as it may be.
fn is_one_table(screen: &str, columns: u16) -> bool {
    screen.matches(" kept\n").count() == 1
        && screen.contains("songs with ")
        && screen.contains("  rate     ")
        && screen.contains("  credits  ")
        && screen
            .lines()
            .all(|line| line.chars().count() < usize::from(columns))
}

#[test]
fn a_run_on_a_terminal_is_a_table_that_gives_way_to_its_closing() {
    for (columns, rows, (beside, below)) in [
        (40, 24, ("sent", "at work")),
        (80, 24, ("fetching", "kept")),
        (200, 50, ("vetoed", "rate")),
    ] {
        let lab = Lab::new();
        let _studio = songs(&lab, 5);
        let mut terminal = Terminal::start(
            &lab,
            columns,
            rows,
            &["run", "songs.yaml"],
            "xterm-256color",
        );
        terminal.until(|screen| screen.contains("2/5 kept") && is_one_table(screen, columns));
        let frees = if columns < 60 {
            "next in 1 s"
        } else {
            "next place frees in 1 s"
        };
        let screen = terminal.sees(frees);
        assert!(screen.contains("rate     1/1 in 1 s"), "{screen}");
        let screen = terminal.sees("4/5 kept");
        let first = screen
            .lines()
            .find(|line| line.contains("not bought"))
            .unwrap();
        assert!(first.contains(beside) && !first.contains(below), "{first}");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains("All tracks are kept."), "{screen}");
        assert!(!screen.contains("/5 kept"), "{screen}");
    }
}

#[test]
fn the_table_follows_the_terminal_and_fits_small_ones() {
    let lab = Lab::new();
    let _studio = songs(&lab, 14);
    let mut terminal = Terminal::start(&lab, 100, 30, &["run", "songs.yaml"], "xterm");
    terminal.sees("1/14 kept");
    for (columns, rows) in [(40, 24), (120, 24), (80, 16)] {
        terminal.resize(columns, rows);
        // The drawing of this size, and not of the one before.
        let is_bar = |line: &&str| {
            let wide = u16::try_from(line.chars().count()).unwrap();
            line.ends_with("/14 kept") && wide < columns && wide + 15 > columns.min(115)
        };
        terminal.until(|screen| {
            screen.lines().filter(is_bar).count() == 1 && is_one_table(screen, columns)
        });
    }
    // Where nothing else fits the bar is left.
    terminal.resize(30, 3);
    terminal.until(|screen| screen.lines().count() == 2 && screen.contains("/14 kept"));
    terminal.resize(80, 24);
    terminal.until(|screen| is_one_table(screen, 80));
    terminal.types("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(5), "{screen}");
    assert!(
        screen.contains("Stopping: no more jobs are submitted"),
        "{screen}"
    );
    assert!(screen.contains("Stopped: interrupted."), "{screen}");
    assert!(!screen.contains("/14 kept"), "{screen}");
    let left = terminal.parser.screen();
    assert!(!left.hide_cursor() && !left.alternate_screen());
}

#[test]
fn a_run_that_is_killed_leaves_a_terminal_that_works_and_is_told_from_one_that_goes_on() {
    let lab = Lab::new();
    let _studio = songs(&lab, 14);
    let mut run = Terminal::start(&lab, 80, 24, &["run", "songs.yaml"], "xterm");
    run.sees("1/14 kept");

    let status = lab.json(&["status", "songs.yaml"]);
    assert_eq!(status["life"], "goes_on");
    assert_eq!(status["process"], run.child.id());
    let text = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(
        text.contains(&format!("is running in process {}", run.child.id())),
        "{text}"
    );

    // Somebody watches it from another terminal, and from a program.
    let mut watch = Terminal::start(&lab, 80, 45, &["status", "songs.yaml", "--watch"], "xterm");
    watch.until(|screen| screen.contains("2/14 kept") && is_one_table(screen, 80));
    watch.sees("3/14 kept");
    let events = lab.start(&["status", "songs.yaml", "--watch", "--format", "json"]);
    assert!(events.out_line().contains("\"plan\""));
    assert!(events.out_line().contains("\"run_started\""));

    run.signal("KILL");
    let (code, screen) = run.end();
    assert_eq!(code, None);
    // The drawing is still there, and a prompt would stand below it.
    assert_eq!(screen.matches("/14 kept").count(), 1, "{screen}");
    let left = run.parser.screen();
    assert!(!left.hide_cursor() && !left.alternate_screen());
    let (row, column) = left.cursor_position();
    assert_eq!(
        (usize::from(row), column),
        (screen.lines().count(), 0),
        "{screen}"
    );

    let (code, screen) = watch.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("died before its end"), "{screen}");
    assert!(!screen.contains("/14 kept"), "{screen}");
    let told = events.end();
    assert_eq!(told.code, Some(0), "{}", told.err);
    let last = told.out.lines().last().unwrap();
    assert!(last.contains("\"summary\""), "{last}");

    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(status.contains("died before its end"), "{status}");
    let listed = lab.expect(0, &["status", "songs.yaml", "--jobs"]).out;
    assert!(
        listed.contains("  + not bought           s1 × p14 take 1\n"),
        "{listed}"
    );
    let json = lab.json(&["status", "songs.yaml"]);
    assert_eq!(
        (&json["life"], &json["process"]),
        (&"dead".into(), &().into())
    );

    // The watchers took nothing: the same command goes on.
    lab.expect(0, &["run", "songs.yaml"]);
    assert_eq!(lab.json(&["status", "songs.yaml"])["life"], "ended");
}

#[test]
fn a_second_run_is_refused_while_somebody_watches_the_first() {
    let lab = Lab::new();
    let _studio = songs(&lab, 6);
    let mut run = lab.start(&["run", "songs.yaml"]);
    run.wait_for("accepted", 1);
    let watch = lab.start(&["status", "songs.yaml", "--watch"]);
    assert!(watch.out_line().contains("run          songs: 6 jobs"));
    let refused = lab.expect(7, &["run", "songs.yaml"]);
    assert!(
        refused.err.contains("in use by another backline process"),
        "{}",
        refused.err
    );
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    // Lines where there is no terminal, then how it stands.
    let watched = watch.end();
    assert_eq!(watched.code, Some(0), "{}", watched.err);
    assert_eq!(
        watched.out.matches(" kept         s1 × ").count(),
        6,
        "{}",
        watched.out
    );
    assert!(
        watched.out.contains("\n  jobs            6\n"),
        "{}",
        watched.out
    );
}

#[test]
fn a_watch_waits_for_a_run_that_has_not_begun() {
    let lab = Lab::new();
    let _studio = songs(&lab, 2);
    let mut first = lab.start(&["status", "songs.yaml", "--watch"]);
    first.wait_for("waiting for it", 1);
    lab.expect(0, &["run", "songs.yaml", "--filter", "preset=p1"]);
    let watched = first.end();
    assert_eq!(watched.code, Some(0), "{}", watched.err);
    assert!(
        watched.out.contains("this run: 1 of 2 jobs"),
        "{}",
        watched.out
    );
    // The same where an earlier run is over; one that is named by its id is shown as it is.
    let run = lab.json(&["status", "songs.yaml"])["run"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    lab.expect(0, &["status", "songs.yaml", "--watch", "--run", &run]);
    let mut second = lab.start(&["status", "songs.yaml", "--watch"]);
    second.wait_for(
        "the last run of songs.yaml is over; waiting for the next one",
        1,
    );
    lab.expect(0, &["run", "songs.yaml"]);
    let watched = second.end();
    assert_eq!(watched.code, Some(0), "{}", watched.err);
    assert!(
        watched.out.contains("this run: 1 of 2 jobs submitted"),
        "{}",
        watched.out
    );
    lab.fails(2, &["status", "none.yaml", "--watch"], "none.yaml");
}

#[test]
fn lines_and_no_table_where_no_table_can_be_drawn_or_is_wanted() {
    let lab = Lab::new();
    let _studio = songs(&lab, 2);
    let mut dumb = Terminal::start(&lab, 80, 24, &["run", "songs.yaml"], "dumb");
    let (code, screen) = dumb.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("accepted     s1 × p1 take 1"), "{screen}");
    assert!(!screen.contains("/2 kept"), "{screen}");

    let mut quiet = Terminal::start(&lab, 80, 24, &["run", "songs.yaml", "-q"], "xterm");
    assert_eq!(quiet.end(), (Some(0), String::new()));

    let mut json = Terminal::start(
        &lab,
        200,
        50,
        &["run", "songs.yaml", "--format", "json"],
        "xterm",
    );
    let (code, screen) = json.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.starts_with("{\"version\":1"), "{screen}");
    assert!(!screen.contains("  credits  "), "{screen}");
}

#[test]
fn a_provider_that_is_down_is_told_once_in_full_and_the_pace_is_told_at_all() {
    let lab = Lab::new();
    lab.manifest(
        "songs.yaml",
        "http://127.0.0.1:9",
        1,
        25,
        "limits: {rate: 2/10s}\n",
    );
    let mut run = lab.start(&["run", "songs.yaml"]);
    run.wait_for("waiting", 3);
    run.signal("INT");
    let ran = run.end();
    let lines: Vec<&str> = ran.err.lines().collect();
    let reason = "Connection refused";
    assert_eq!(
        lines.iter().filter(|line| line.contains(reason)).count(),
        1,
        "{}",
        ran.err
    );
    assert!(ran.err.contains(", as before\n"), "{}", ran.err);
    assert!(
        ran.err
            .contains("paced        submitting takes at least 2 min 2 s"),
        "{}",
        ran.err
    );
}

#[test]
fn a_served_page_outlives_its_run_where_a_person_looks_on_and_holds_no_ledger() {
    let lab = Lab::new();
    let studio = songs(&lab, 2);
    let args = ["run", "songs.yaml", "--serve", "127.0.0.1:0"];
    let mut terminal = Terminal::start(&lab, 100, 30, &args, "xterm");
    let stays = "The run has ended; its page is served until Ctrl-C: http://";
    let screen = terminal.until(|screen| screen.contains(stays) && screen.ends_with('/'));
    assert!(screen.contains("All tracks are kept."), "{screen}");
    let address = screen
        .split(stays)
        .nth(1)
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let ask = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut page = std::net::TcpStream::connect(&address).unwrap();
        page.write_all(ask.as_bytes()).unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        // A page that was asked for in the run's last moments may not show them yet.
        if answer.contains("2 jobs: 2 kept") {
            break;
        }
        assert!(Instant::now() < deadline, "{answer}");
    }
    // Another run may begin meanwhile.
    lab.expect(0, &["run", "songs.yaml"]);
    terminal.types("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(std::net::TcpStream::connect(&address).is_err());

    // Whoever ends the run has no use for its page.
    lab.manifest("more.yaml", &studio.url, 1, 9, SLOW);
    let args = ["run", "more.yaml", "--serve", "127.0.0.1:0"];
    let mut terminal = Terminal::start(&lab, 100, 30, &args, "xterm");
    terminal.sees("3/9 kept");
    terminal.types("\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(5), "{screen}");
    assert!(!screen.contains(stays), "{screen}");
}

#[test]
fn points_of_a_sweep_are_told_apart_on_a_usual_terminal() {
    for columns in [80, 100] {
        let lab = Lab::new();
        let studio = lab.studio(&["--rate", "off"]);
        lab.manifest(
            "songs.yaml",
            &studio.url,
            1,
            1,
            "sweep: {weirdness_constraint: [0.2, 0.8]}\n",
        );
        // The whole run, as a slow reader sees it.
        let mut terminal = Terminal::start(
            &lab,
            columns,
            60,
            &["run", "songs.yaml", "--verbose"],
            "xterm-256color",
        );
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        for value in ["0.2", "0.8"] {
            let accepted = screen.lines().any(|line| {
                line.contains("accepted") && line.contains(&format!("{value}] take 1"))
            });
            assert!(accepted, "{value} at {columns}: {screen}");
        }
    }
}

#[test]
fn what_takes_seconds_is_told_on_a_terminal_and_nowhere_else() {
    let lab = Lab::new();
    lab.recording("a.wav", 1);
    let args = ["play", "a.wav", "--tags", "calm piano", "--to", "one"];
    let mut terminal = Terminal::start(&lab, 100, 40, &args, "xterm-256color");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let told = "listening to a.wav\nplaying take 1 of 2\n";
    assert!(screen.contains(told), "{screen}");
    let ran = lab.expect(0, &["play", "a.wav", "--tags", "calm piano", "--to", "two"]);
    assert!(!ran.err.contains("listening"), "{}", ran.err);
}
