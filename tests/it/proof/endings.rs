//! A run that is to end, by SIGTERM or by its deadline, ends whatever is under way: a download that trickles, an upload that nobody
//! takes, details and balances that never come, a hook that sleeps. What is bought is fetched by the next run.

use std::collections::HashMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::project::{Project, STUDIO};
use super::shelf::Shelf;
use crate::lab::{Lab, Running};

/// Longest wait for a request.
const PATIENCE: Duration = Duration::from_secs(120);

/// A host that takes connections and keeps them open; it tells of each request once its first bytes are there.
struct Tar {
    url: String,
    requests: Receiver<()>,
}

impl Tar {
    /// After `head` it sends a byte now and then, for ever; without one it says nothing.
    fn new(head: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (seen, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                std::thread::spawn(move || {
                    trickle(stream, head, || {
                        let _ = seen.send(());
                    })
                });
            }
        });
        Self { url, requests }
    }
}

fn trickle(mut stream: TcpStream, head: &str, seen: impl Fn()) {
    let mut bytes = [0; 4096];
    if stream.read(&mut bytes).is_err() {
        return;
    }
    // Whoever hangs up ends this thread.
    let mut sent = stream.write_all(head.as_bytes());
    seen();
    while sent.is_ok() {
        std::thread::park_timeout(Duration::from_millis(100));
        sent = if head.is_empty() {
            stream.read(&mut bytes).map(drop)
        } else {
            stream.write_all(b"x")
        };
    }
}

const AUDIO: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: 60000000\r\n\r\n";

/// Starts a run, waits until the host has so many requests of it, and ends it by a signal or lets its deadline do so.
fn check(project: &Project<'_>, tar: &Tar, requests: usize, signal: Option<&str>) {
    let run = project.start();
    for _ in 0..requests {
        tar.requests.recv_timeout(PATIENCE).unwrap();
    }
    if let Some(signal) = signal {
        run.signal(signal);
    }
    let ran = run.end();
    assert_eq!(ran.code, Some(5), "{signal:?}: {}", ran.err);
}

#[test]
fn a_download_that_trickles_holds_up_no_end() {
    for signal in [Some("TERM"), None] {
        let lab = Lab::new();
        let tar = Tar::new(AUDIO);
        lab.write(
            "slow.yaml",
            format!(
                "version: 1\nrules: [{{do: [{{file: {{kind: redirect, fetches: 1, to: \"{}\"}}}}]}}]\n",
                tar.url
            ),
        );
        let plan = lab.path("slow.yaml");
        let studio = lab.studio(&["--instant", "--misbehave", plan.to_str().unwrap()]);
        let project = Project::new(&lab, &studio.url, "slow", 1, STUDIO);
        if signal.is_none() {
            project.edit("limits: {", "limits: {deadline: 5s, ");
        }
        // Both tracks.
        check(&project, &tar, 2, signal);
        if signal.is_none() {
            project.edit("deadline: 5s, ", "");
        }
        let ran = project.run();
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        project.assert_bought_once_and_kept("slow");
    }
}

#[test]
fn an_upload_that_nobody_takes_holds_up_no_end() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    for (name, signal) in [("signal", Some("TERM")), ("deadline", None)] {
        let tar = Tar::new("");
        let project = Project::new(&lab, &studio.url, name, 1, STUDIO);
        let upload = format!("profile: studio, upload_url: \"{}\"", tar.url);
        project.edit("profile: studio", &upload);
        if signal.is_none() {
            project.edit("limits: {", "limits: {deadline: 2s, ");
        }
        check(&project, &tar, 1, signal);
        assert!(project.bill().is_empty());
    }
}

#[test]
fn a_hook_that_sleeps_holds_up_no_end() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    let project = Project::new(&lab, &studio.url, "hook", 1, STUDIO);
    lab.write(
        "hook/hook.sh",
        "#!/bin/sh\necho asleep >&2\ntouch asleep\nexec sleep 600\n",
    );
    project.edit(
        "output: {dir: out}",
        "output: {dir: out}\non:\n  before_submit: [{run: [sh, hook.sh], timeout: 10m}]",
    );
    let run = project.start();
    while !project.path("asleep").exists() {
        std::thread::yield_now();
    }
    run.signal("TERM");
    let ran = Running::end(run);
    assert_eq!(ran.code, Some(5), "{}", ran.err);
    assert!(project.bill().is_empty());
}

/// A job whose response was lost is repeated under its token, but its stem's address leads to a page by now.
#[test]
fn a_doubt_about_a_stem_that_became_a_page_holds_up_no_end() {
    let lab = Lab::new();
    lab.recording("voice.wav", 1);
    let voice = fs::read(lab.path("voice.wav")).unwrap();
    let audio = "Content-Type: audio/wav\r\n";
    let shelf = Shelf::new(HashMap::from([("/voice.wav", (audio, voice))]));
    let studio = lab.misbehaving("version: 1\nrules: [{do: [{response: drop}]}]\n");
    let project = Project::new(&lab, &studio.url, "page", 1, STUDIO);
    project.edit("limits:", "callbacks: off\nlimits:");
    project.edit(
        "file: voice.wav",
        &format!("url: \"{}/voice.wav\"", shelf.url),
    );
    let ran = project.run();
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    let page = (
        "Content-Type: text/html\r\n",
        b"<html>moved</html>".to_vec(),
    );
    let asked = shelf.asked().len();
    shelf.replace(HashMap::from([("/voice.wav", page)]));
    let ran = project.run();
    assert_eq!(ran.code, Some(8), "{}", ran.err);
    assert!(shelf.asked().len() > asked, "{}", ran.err);
    assert_eq!(project.bill().len(), 1, "{}", ran.err);
}
