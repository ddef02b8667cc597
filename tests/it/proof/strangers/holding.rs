//! Peers that hold connections: half a request's head, a body that never comes, and more connections than a process has file
//! descriptors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::lab::{KEY, Lab, Running};
use crate::proof::project::{Project, VENDOR};

/// Connections that a stranger opens.
const HELD: usize = 1_100;
/// File descriptors of the program that is attacked.
const DESCRIPTORS: usize = 512;
/// Longest wait for a response; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(60);
const HALF_A_HEAD: &str =
    "POST /hook/0123456789abcdef0123456789abcdef HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";

/// `command` with fewer file descriptors than a stranger opens connections.
fn with_few_descriptors(lab: &Lab, command: &Command, descriptors: usize) -> Command {
    let mut limited = lab.program("sh");
    limited
        .arg("-c")
        .arg(format!("ulimit -n {descriptors} && exec \"$@\""))
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}

/// A studio with few file descriptors, and its address.
fn studio(lab: &Lab, args: &[&str]) -> (Running, String) {
    let mut command = lab.backline(&["studio", "--listen", "127.0.0.1:0", "--data"]);
    command.arg(lab.path("studio")).args(args);
    command.env("BACKLINE_STUDIO_KEY", KEY);
    let running = Running::start(with_few_descriptors(lab, &command, DESCRIPTORS));
    let url = running.out_line();
    (running, url)
}

/// Opens connections to `address`, each with half of a request's head, and holds them; fewer where nothing listens any more.
fn hold(address: &str, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).ok()?;
        // It may have been closed again to make room.
        let _ = stream.write_all(HALF_A_HEAD.as_bytes());
        Some(stream)
    };
    (0..count).map_while(open).collect()
}

/// What `request` gets from `address`, as far as it comes.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    // A connection that is closed with a body unread may be reset behind the response.
    let _ = stream.read_to_end(&mut response);
    String::from_utf8_lossy(&response).into_owned()
}

/// Waits until something listens.
fn wait_for(address: &str) {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < PATIENCE, "nothing listens on {address}");
        std::thread::yield_now();
    }
}

/// Every answer of the vendor is lost, so that the callbacks alone say what was bought: they must get through.
#[test]
fn a_run_keeps_all_however_many_connections_its_receiver_is_held_by() {
    let lab = Lab::new();
    let studio = lab.misbehaving("version: 1\nidempotency: off\nrules: [{do: [{response: drop}, {callbacks: {delay_ms: 5000}}]}]\n");
    let project = Project::new(&lab, &studio.url, "held", 3, VENDOR);
    let receiver = project.receiver();
    let command = project.command(&["run", "songs.yaml"]);
    let run = Running::start(with_few_descriptors(&lab, &command, DESCRIPTORS));
    wait_for(&receiver);
    let began = Instant::now();
    let held = hold(&receiver, HELD);
    assert!(held.len() > DESCRIPTORS, "{}", held.len());
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("held");
    println!(
        "{} connections held at the receiver of a run with {DESCRIPTORS} descriptors: all kept, {:.1} s",
        held.len(),
        began.elapsed().as_secs_f64()
    );
    drop(held);
}

#[test]
fn a_studio_serves_however_many_connections_it_is_held_by() {
    let lab = Lab::new();
    let (_studio, url) = studio(&lab, &["--instant", "--rate", "off"]);
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let held = hold(&address, HELD);
    let project = Project::new(&lab, &url, "served", 5, VENDOR);
    let began = Instant::now();
    let ran = project.run();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("served");
    println!(
        "{HELD} connections held at a studio with {DESCRIPTORS} descriptors: served, {:.1} s",
        began.elapsed().as_secs_f64()
    );
    drop(held);
}

/// Who has no key, or no token, is turned away before a byte of the body was sent.
#[test]
fn a_body_is_waited_for_only_once_the_key_is_known() {
    let lab = Lab::new();
    let (_studio, url) = studio(&lab, &["--instant"]);
    let address = url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    for path in [
        "/api/v1/generate/add-instrumental",
        "/api/file-base64-upload",
        "/api/file-stream-upload",
        "/api/file-url-upload",
        "/api/v1/common/download-url",
    ] {
        for key in ["", "Authorization: Bearer wrong\r\n"] {
            let response = ask(
                &address,
                &format!(
                    "POST {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\nConnection: close\r\n{key}\
                     Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
                ),
            );
            assert!(response.contains("\"code\":401"), "{path}: {response}");
        }
    }
    // The receiver alone, whose callbacks carry their key in the path.
    let project = Project::new(&lab, &url, "listening", 1, VENDOR);
    assert_eq!(project.run().code, Some(0));
    let receiver = project.receiver();
    let listening = Running::start(project.command(&["listen", "songs.yaml"]));
    listening.out_line();
    for path in [
        "/hook",
        "/hook/short",
        "/hook/0123456789abcdefghijklmnopqrstuv",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n{{"
        );
        let response = ask(&receiver, &head);
        assert!(response.starts_with("HTTP/1.1 404"), "{path}: {response}");
    }
}

#[test]
fn the_live_page_and_its_metrics_answer_however_many_connections_are_held() {
    let lab = Lab::new();
    lab.write(
        "late.yaml",
        "version: 1\nrules: [{do: [{unknown: forever}]}]\n",
    );
    let plan = lab.path("late.yaml");
    let studio = lab.studio(&["--instant", "--misbehave", plan.to_str().unwrap()]);
    let project = Project::new(&lab, &studio.url, "watched", 1, VENDOR);
    let command = project.command(&["run", "songs.yaml", "--serve", "127.0.0.1:0"]);
    let mut run = Running::start(with_few_descriptors(&lab, &command, DESCRIPTORS));
    let line = run.wait_for("Page: http://", 1);
    let address = line
        .trim()
        .trim_start_matches("Page: http://")
        .trim_end_matches('/')
        .to_owned();
    let held = hold(&address, HELD);
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let response = ask(&address, &request);
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    assert!(response.contains("backline_"), "{response}");
    drop(held);
}

/// A program that has no file descriptors left for all it wants to do at once waits for some; that is nobody's failure.
#[test]
fn too_few_file_descriptors_make_a_run_slower_and_nothing_else() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let project = Project::new(&lab, &studio.url, "few", 60, VENDOR);
    project.edit("concurrency: 16", "concurrency: 60");
    let command = project.command(&["run", "songs.yaml"]);
    let ran = Running::start(with_few_descriptors(&lab, &command, 64)).end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    project.assert_bought_once_and_kept("few");
}
