//! A run's page, served: what a browser, a scraper and a stranger get, over real sockets.
//!
//! Over 500 lines: it is a list of independent requests to one kind of server.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{KEY, Lab, Running, StudioProcess};

/// Slow enough to be looked at: a submission in 700 ms.
const SLOW: &str = "limits: {rate: 1/700ms}\n";

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A request as it is written, with its host.
fn ask_as(address: &str, host: &str, request: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let text = format!("{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines
        .next()
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<String, String> = lines.map(header).collect();
    let body = answer[end + 4..].to_vec();
    let body = match headers.get("transfer-encoding").map(String::as_str) {
        Some("chunked") => unchunked(&body),
        _ => body,
    };
    Answer {
        status,
        headers,
        body,
    }
}

fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|it| it == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}

pub(crate) fn get(address: &str, path: &str) -> Answer {
    ask_as(address, address, &format!("GET {path}"), "")
}

/// The run of `songs.yaml`, served, and its server's address.
pub(crate) fn serve(lab: &Lab) -> (Running, String) {
    let mut run = lab.start(&["run", "songs.yaml", "--serve", "127.0.0.1:0"]);
    let line = run.wait_for("Page: http://", 1);
    let address = line.split("http://").nth(1).unwrap();
    let address = address.trim_end_matches('/').to_owned();
    (run, address)
}

/// A run of so many jobs against a studio, served.
fn served(lab: &Lab, jobs: usize) -> (StudioProcess, Running, String) {
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest("songs.yaml", &studio.url, 1, jobs, SLOW);
    let (run, address) = serve(lab);
    (studio, run, address)
}

/// The page's data.
pub(crate) fn data(page: &str) -> Value {
    let start = r#"<script id="data" type="application/json">"#;
    let (_, rest) = page.split_once(start).unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

/// Listens to `/events` until the server ends it: names, data and ids.
fn listen(address: &str, query: &str, headers: &str) -> Vec<(String, Value, Option<u64>)> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let request = format!(
        "GET /events{query} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut events = Vec::new();
    let (mut name, mut event, mut id) = (String::new(), None, None);
    for line in BufReader::new(stream).lines() {
        let line = line.unwrap();
        if let Some(value) = line.strip_prefix("event: ") {
            value.clone_into(&mut name);
        } else if let Some(value) = line.strip_prefix("data: ") {
            event = Some(serde_json::from_str(value).unwrap());
        } else if let Some(value) = line.strip_prefix("id: ") {
            id = Some(value.parse().unwrap());
        } else if line.is_empty()
            && let Some(event) = event.take()
        {
            events.push((std::mem::take(&mut name), event, id.take()));
        }
    }
    events
}

#[test]
fn the_page_is_live_and_ends_with_the_run_where_nobody_looks_on() {
    let lab = Lab::new();
    let (_studio, run, address) = served(&lab, 4);
    let page = get(&address, "/");
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cross-origin-resource-policy"], "same-origin");
    assert_eq!(page.headers["x-frame-options"], "DENY");
    let first = data(page.text());
    let seen = first["revision"].as_u64().unwrap();
    let kept = |data: &Value| {
        data["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|job| job["state"] == "kept")
            .count()
    };
    assert!(kept(&first) < 4, "{first}");

    let mut jobs = first["jobs"].as_array().unwrap().clone();
    let events = listen(&address, &format!("?since={seen}"), "");
    let mut ended = false;
    for (name, event, _) in &events {
        match name.as_str() {
            "job" => {
                jobs[usize::try_from(event["at"].as_u64().unwrap()).unwrap()] = event["job"].clone()
            }
            "head" => ended = event["ended"].as_bool().unwrap(),
            other => panic!("{other}"),
        }
    }
    assert!(ended, "{events:?}");
    assert_eq!(events.last().unwrap().0, "head");
    assert!(events.last().unwrap().2.unwrap() > seen);

    // What was pushed makes the page that the run's report is, but for the addresses.
    assert!(
        jobs.iter()
            .all(|job| job["state"] == "kept" && job["tracks"].as_array().unwrap().len() == 2),
        "{jobs:?}"
    );
    let ran = run.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    lab.expect(0, &["report", "songs.yaml", "--only", "html"]);
    let report = data(&lab.read("out/songs/index.html"));
    assert_eq!(report["revision"], Value::Null);
    for (pushed, reported) in jobs.iter().zip(report["jobs"].as_array().unwrap()) {
        assert_eq!(pushed["settings"], reported["settings"]);
        for (pushed, reported) in pushed["tracks"]
            .as_array()
            .unwrap()
            .iter()
            .zip(reported["tracks"].as_array().unwrap())
        {
            let (pushed, reported) = (&pushed["file"], &reported["file"]);
            assert_eq!(
                (&pushed["wave"], &pushed["seconds"], &pushed["lufs"]),
                (&reported["wave"], &reported["seconds"], &reported["lufs"])
            );
            let (pushed, reported) = (
                pushed["at"].as_str().unwrap(),
                reported["at"].as_str().unwrap(),
            );
            assert_eq!(
                pushed.strip_prefix("audio/out/songs/"),
                reported.strip_prefix("./")
            );
        }
    }
}

#[test]
fn whoever_comes_late_or_comes_back_is_told_all_that_was_missed_and_no_more() {
    let lab = Lab::new();
    let (_studio, run, address) = served(&lab, 3);
    let all = listen(&address, "", "");
    let jobs: Vec<u64> = all
        .iter()
        .filter(|it| it.0 == "job")
        .map(|it| it.1["at"].as_u64().unwrap())
        .collect();
    for at in 0..3 {
        assert!(jobs.contains(&at), "{jobs:?}");
    }
    assert_eq!(run.end().code, Some(0));

    // A browser that lost its connection says what it has seen, whatever stands in the page's address.
    let lab = Lab::new();
    let (_studio, run, address) = served(&lab, 2);
    let page = data(get(&address, "/").text());
    let seen = page["revision"].as_u64().unwrap();
    let missed = listen(&address, "?since=0", &format!("Last-Event-ID: {seen}\r\n"));
    assert!(
        !missed.is_empty() && missed.iter().filter_map(|it| it.2).all(|id| id > seen),
        "{missed:?} after {seen}"
    );
    assert_eq!(run.end().code, Some(0));

    // A page of a run before this one, at the same address, is told to ask no more.
    let lab = Lab::new();
    let (_studio, run, address) = served(&lab, 2);
    assert_eq!(get(&address, "/events?run=another&since=1").status, 204);
    let name = data(get(&address, "/").text())["run"]
        .as_str()
        .unwrap()
        .to_owned();
    let all = listen(
        &address,
        &format!("?run={name}"),
        "Last-Event-ID: 1000000\r\n",
    );
    assert!(all.iter().any(|it| it.0 == "job"), "{all:?}");
    assert_eq!(run.end().code, Some(0));
}

#[test]
fn tracks_are_served_by_their_own_addresses_and_nothing_else_is() {
    let lab = Lab::new();
    let (_studio, _run, address) = served(&lab, 9);
    let mut at = None;
    while at.is_none() {
        let data = data(get(&address, "/").text());
        at = data["jobs"][0]["tracks"][0]["file"]["at"]
            .as_str()
            .map(str::to_owned);
    }
    let at = at.unwrap();
    let bytes = fs::read(lab.path(at.strip_prefix("audio/").unwrap())).unwrap();

    let whole = get(&address, &format!("/{at}"));
    assert_eq!((whole.status, &whole.body), (200, &bytes));
    assert!(
        whole.headers["content-type"].starts_with("audio/"),
        "{:?}",
        whole.headers
    );
    let part = ask_as(
        &address,
        &address,
        &format!("GET /{at}"),
        "Range: bytes=100-299\r\n",
    );
    assert_eq!((part.status, part.body.as_slice()), (206, &bytes[100..300]));
    assert_eq!(
        part.headers["content-range"],
        format!("bytes 100-299/{}", bytes.len())
    );
    let beyond = ask_as(
        &address,
        &address,
        &format!("GET /{at}"),
        "Range: bytes=999999999-\r\n",
    );
    assert_eq!(beyond.status, 416);
    let head = ask_as(&address, &address, &format!("HEAD /{at}"), "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        ask_as(
            &address,
            &address,
            &format!("POST /{at}"),
            "Content-Length: 0\r\n"
        )
        .status,
        405
    );

    // The recording that the tracks accompany is played by the page, too.
    assert_eq!(get(&address, "/audio/vocals/s1.wav").status, 200);
    let dir = at.rsplit_once('/').unwrap().0;
    for stranger in [
        "/songs.yaml",
        "/audio/songs.yaml",
        "/audio/.backline/ledger.sqlite3",
        "/audio/../songs.yaml",
        "/audio/out/../songs.yaml",
        "/audio/%2e%2e/songs.yaml",
        "/audio/out%2f..%2f..%2fsongs.yaml",
        "/audio//etc/passwd",
        "/audio/out/songs/summary.csv",
        "//etc/passwd",
        &format!("/{dir}/"),
        &format!("/{dir}/../../../songs.yaml"),
    ] {
        assert_eq!(get(&address, stranger).status, 404, "{stranger}");
    }

    // What is put into a kept file's place is not served, whatever it leads to.
    let kept = lab.path(at.strip_prefix("audio/").unwrap());
    let elsewhere = lab.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(&kept, elsewhere.join(kept.file_name().unwrap())).unwrap();
    let not_served = |what: &str| {
        assert_eq!(get(&address, &format!("/{at}")).status, 404, "{what}");
    };
    not_served("nothing");
    symlink(elsewhere.join(kept.file_name().unwrap()), &kept).unwrap();
    not_served("a link to a recording");
    fs::remove_file(&kept).unwrap();
    symlink("/etc/passwd", &kept).unwrap();
    not_served("a link to a text");
    fs::remove_file(&kept).unwrap();
    let pipe = Command::new("mkfifo").arg(&kept).status();
    assert!(pipe.unwrap().success());
    not_served("a pipe");
    fs::remove_file(&kept).unwrap();
    fs::write(&kept, "version: 1").unwrap();
    not_served("a text");
    let folder = kept.parent().unwrap();
    fs::rename(folder, lab.path("moved")).unwrap();
    symlink(&elsewhere, folder).unwrap();
    not_served("a folder that is a link to elsewhere");
}

#[test]
fn steps_come_with_their_song_and_their_files_are_served() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    let rest = format!("then: [{{stems: split_stem}}, midi]\n{SLOW}");
    lab.manifest("songs.yaml", &studio.url, 1, 6, &rest);
    let (_run, address) = serve(&lab);
    let track = loop {
        let data = data(get(&address, "/").text());
        assert_eq!(data["jobs"].as_array().unwrap().len(), 6, "songs alone");
        let tracks = data["jobs"].as_array().unwrap().iter();
        let mut tracks = tracks.flat_map(|job| job["tracks"].as_array().unwrap());
        if let Some(track) = tracks.find(|it| it["made"].is_array() && it["sets"].is_array()) {
            break track.clone();
        }
    };
    let stem = &track["sets"][0]["parts"][0];
    for (file, kind) in [(&track["made"][0], "audio/midi"), (stem, "audio/mpeg")] {
        let at = file["at"].as_str().unwrap();
        let answer = get(&address, &format!("/{at}"));
        let kept = fs::read(lab.path(at.strip_prefix("audio/").unwrap())).unwrap();
        assert_eq!((answer.status, &answer.body), (200, &kept), "{at}");
        assert_eq!(answer.headers["content-type"], kind);
    }
    let head = get(&address, "/");
    assert!(
        head.text().contains(" of steps"),
        "the head counts them apart"
    );
}

#[test]
fn a_strangers_page_is_not_answered_and_other_machines_are_let_in_on_purpose_only() {
    let lab = Lab::new();
    let (_studio, run, address) = served(&lab, 3);
    let port = address.rsplit_once(':').unwrap().1.to_owned();
    for path in ["/", "/events", "/metrics", "/audio/vocals/s1.wav"] {
        for host in [
            "rebound.example",
            &format!("rebound.example:{port}"),
            "127.0.0.1.example",
            "",
        ] {
            let answer = ask_as(&address, host, &format!("GET {path}"), "");
            assert_eq!(answer.status, 421, "{path} as {host}");
            assert!(!answer.text().contains("songs"), "{}", answer.text());
        }
    }
    assert_eq!(
        ask_as(&address, &format!("localhost:{port}"), "GET /metrics", "").status,
        200
    );
    // A page of another origin that sends its request here.
    for headers in [
        "Origin: https://evil.example\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
    ] {
        for path in ["/", "/events", "/metrics", "/audio/vocals/s1.wav"] {
            let answer = ask_as(&address, &address, &format!("GET {path}"), headers);
            assert_eq!(answer.status, 403, "{path} with {headers}");
            assert!(!answer.text().contains("songs"), "{}", answer.text());
        }
    }
    let own = format!("Origin: http://{address}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(ask_as(&address, &address, "GET /metrics", &own).status, 200);
    assert_eq!(run.end().code, Some(0));

    let refused = lab.expect(2, &["run", "songs.yaml", "--serve", "0.0.0.0:0"]);
    assert!(
        refused
            .err
            .contains("0.0.0.0:0 can be reached from other machines"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("--expose"), "{}", refused.err);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let listener = std::net::TcpListener::bind(&taken);
    let refused = lab.expect(2, &["run", "songs.yaml", "--serve", &taken]);
    drop(listener);
    assert!(
        refused.err.contains(&format!("can't serve on {taken}")),
        "{}",
        refused.err
    );
    let ran = lab.expect(
        0,
        &["run", "songs.yaml", "--serve", "0.0.0.0:0", "--expose"],
    );
    assert!(ran.err.contains("Page: http://0.0.0.0:"), "{}", ran.err);
}

#[test]
fn the_metrics_are_prometheus_text_that_says_what_the_run_did_and_no_secret() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant", "--rate", "off"]);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        1,
        3,
        "limits: {rate: 1/700ms}\ntakes: 2\n",
    );
    let (mut run, address) = serve(&lab);
    run.wait_for("kept", 5);
    let answer = get(&address, "/metrics");
    assert_eq!(
        answer.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let text = answer.text().to_owned();
    assert!(!text.contains(KEY), "{text}");

    let families = families(&text);
    let value = |name: &str, labels: &[(&str, &str)]| {
        let found = families.samples.iter().find(|sample| {
            sample.metric == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(label) == Some(value))
        });
        let sample = found.unwrap_or_else(|| panic!("{name} {labels:?} in {text}"));
        match &sample.value {
            prometheus_parse::Value::Counter(value)
            | prometheus_parse::Value::Gauge(value)
            | prometheus_parse::Value::Untyped(value) => *value,
            other => panic!("{name}: {other:?}"),
        }
    };
    let submissions = value("backline_submissions_total", &[]);
    assert!((5.0..=6.0).contains(&submissions), "{text}");
    assert!(
        value("backline_jobs", &[("state", "kept")]) >= 5.0,
        "{text}"
    );
    assert_eq!(
        value("backline_credits_spent", &[]),
        12.0 * value("backline_accepted_total", &[])
    );
    assert_eq!(value("backline_rate_window_size", &[]), 1.0);
    assert!(
        value("backline_fetched_bytes_total", &[]) > 10_000.0,
        "{text}"
    );
    let histogram = families
        .samples
        .iter()
        .find(|sample| sample.metric == "backline_task_duration_seconds")
        .unwrap();
    let prometheus_parse::Value::Histogram(buckets) = &histogram.value else {
        panic!("{histogram:?}");
    };
    assert!(buckets.last().unwrap().less_than.is_infinite());
    assert!(
        buckets
            .windows(2)
            .all(|two| two[0].count <= two[1].count && two[0].less_than < two[1].less_than)
    );
    assert_eq!(run.end().code, Some(0));
}

/// Reads the text, and holds it to what every scraper asks: a HELP and a TYPE line before each family's samples, and no family twice.
fn families(text: &str) -> prometheus_parse::Scrape {
    assert!(text.ends_with('\n'));
    let mut seen: Vec<String> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(help) = lines.next() {
        let name = help
            .strip_prefix("# HELP ")
            .unwrap_or_else(|| panic!("{help}"))
            .split(' ')
            .next()
            .unwrap()
            .to_owned();
        let kind = lines
            .next()
            .unwrap()
            .strip_prefix(&format!("# TYPE {name} "))
            .unwrap()
            .to_owned();
        assert!(
            ["counter", "gauge", "histogram"].contains(&kind.as_str()),
            "{kind}"
        );
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        assert!(!seen.contains(&name), "{name} twice");
        while let Some(sample) = lines.next_if(|line| !line.starts_with('#')) {
            assert!(sample.starts_with(&name), "{sample} among {name}");
        }
        seen.push(name);
    }
    prometheus_parse::Scrape::parse(text.lines().map(|line| Ok(line.to_owned()))).unwrap()
}

#[cfg(not(feature = "otlp"))]
#[test]
fn an_option_that_was_not_built_in_says_so_before_anything_is_bought() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let ran = lab.expect(2, &["run", "songs.yaml", "--otlp", "http://127.0.0.1:4318"]);
    assert!(
        ran.err
            .contains("this backline was built without tracing, which --otlp requires"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("--features otlp"), "{}", ran.err);
    assert_eq!(studio.bill().len(), 0);
}
