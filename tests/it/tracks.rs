//! The real program against a small vendor that shows tasks as vendors have been seen to show them: failures before tracks, tracks
//! without usable ids, addresses that serve nothing, details that can't be read. What is asked of it is counted.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::lab::{Lab, tone};
use crate::request::Request;

/// A vendor on a loopback port whose tasks behave as their titles say. Its thread ends with the test's process.
struct Vendor {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    /// Accepted submissions, by title.
    bought: BTreeMap<String, usize>,
    /// Polls, by task.
    polls: BTreeMap<String, usize>,
    /// Downloads that were answered with a recording, by path.
    served: BTreeMap<String, usize>,
}

/// HTTP status, content type and body.
type Response = (u16, &'static str, Vec<u8>);

impl Vendor {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Seen>>::default();
        let (base, shared) = (url.clone(), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (base, shared) = (base.clone(), shared.clone());
                // A client that hangs up is none of this vendor's business.
                std::thread::spawn(move || drop(serve(stream, &base, &shared)));
            }
        });
        Self { url, seen }
    }
}

fn serve(mut stream: TcpStream, base: &str, seen: &Mutex<Seen>) -> std::io::Result<()> {
    let request = Request::read(&stream)?;
    let (status, kind, body) = respond(
        &request.target,
        &request.body,
        base,
        &mut seen.lock().unwrap(),
    );
    write!(
        stream,
        "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(&body)
}

fn respond(target: &str, body: &[u8], base: &str, seen: &mut Seen) -> Response {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let said = |value: Value| (200, "application/json", value.to_string().into_bytes());
    let ok = |data: Value| said(json!({"code": 200, "msg": "success", "data": data}));
    match path {
        "/api/file-stream-upload" => said(
            json!({"success": true, "code": 200, "data": {"downloadUrl": format!("{base}/stem")}}),
        ),
        "/api/v1/generate/add-instrumental" => {
            let request: Value = serde_json::from_slice(body).unwrap();
            let title = request["title"].as_str().unwrap().to_owned();
            let bought = seen.bought.entry(title.clone()).or_default();
            *bought += 1;
            ok(json!({"taskId": format!("{title}-{bought}")}))
        }
        "/api/v1/generate/record-info" => {
            let task = query.strip_prefix("taskId=").unwrap();
            let polls = seen.polls.entry(task.to_owned()).or_default();
            *polls += 1;
            let title = task.rsplit_once('-').unwrap().0;
            details(title, task, *polls, base)
        }
        "/api/v1/generate/credit" => ok(json!(1000)),
        _ if path.starts_with("/good/") => {
            *seen.served.entry(path.to_owned()).or_default() += 1;
            let number = path.bytes().map(u32::from).sum();
            (200, "audio/wav", tone(number))
        }
        "/empty" => (200, "audio/mpeg", Vec::new()),
        _ => (404, "text/html", b"<html>not here</html>".to_vec()),
    }
}

/// The details of a task with this title at its `poll`-th poll, from 1.
fn details(title: &str, task: &str, poll: usize, base: &str) -> Response {
    let json = |value: Value| (200, "application/json", value.to_string().into_bytes());
    let refused = |code: i64| json(json!({"code": code, "msg": "no luck", "data": null}));
    let with = |status: &str, tracks: Vec<Value>| {
        json(json!({"code": 200, "msg": "success", "data": {
            "taskId": task, "status": status, "response": {"taskId": task, "sunoData": tracks}
        }}))
    };
    let good = |name: &str| json!(format!("{base}/good/{task}-{name}"));
    let track = |id: &str, audio: Value, source: Value| json!({"id": id, "audioUrl": audio, "sourceAudioUrl": source});
    let both = || {
        vec![
            track("a", good("a"), Value::Null),
            track("b", good("b"), Value::Null),
        ]
    };
    match (title, poll) {
        ("exception", 1) => with("PENDING", Vec::new()),
        ("exception", 2 | 3) => {
            let empty = |id| track(id, json!(""), json!(""));
            with("CALLBACK_EXCEPTION", vec![empty("a"), empty("b")])
        }
        ("half", _) => {
            let missing = track("b", Value::Null, Value::Null);
            with(
                "GENERATE_AUDIO_FAILED",
                vec![track("a", good("a"), Value::Null), missing],
            )
        }
        ("equal", _) => {
            let equal = |name| track("x", good(name), Value::Null);
            with("SUCCESS", vec![equal("a"), equal("b")])
        }
        ("nameless", _) => {
            let nameless = |name| track("", good(name), Value::Null);
            with("SUCCESS", vec![nameless("a"), nameless("b")])
        }
        ("envelope", _) => refused(501),
        ("refunded", _) => refused(531),
        ("source", _) => {
            let empty = json!(format!("{base}/empty"));
            with(
                "SUCCESS",
                vec![
                    track("a", empty.clone(), good("a")),
                    track("b", Value::Null, good("b")),
                ],
            )
        }
        ("forgotten", 1) => (404, "text/html", b"<html>404</html>".to_vec()),
        ("forgotten", 2) => refused(404),
        ("forgotten", 3) => (405, "text/html", b"<html>405</html>".to_vec()),
        ("forgotten", 4) => refused(433),
        _ => with("SUCCESS", both()),
    }
}

fn lay_out(lab: &Lab, vendor: &Vendor, titles: &[&str]) {
    lab.recording("voice.wav", 1);
    let mut text = format!(
        "version: 1\nname: songs\nprovider: {{profile: studio, base_url: \"{}\", api_key: {{env: LAB_KEY}}, idempotency_key: false}}\n\
         callbacks: off\nretries: {{task_failed: 1}}\nstems: [voice.wav]\noutput: {{dir: out}}\npresets:\n",
        vendor.url
    );
    for title in titles {
        text.push_str(&format!("  {title}: {{title: \"{title}\", tags: calm}}\n"));
    }
    lab.write("songs.yaml", text);
}

/// Each job by its preset: its state, and how many of its tracks are kept.
fn states(lab: &Lab) -> BTreeMap<String, (String, usize)> {
    let summary: Value = serde_json::from_str(&lab.read("out/summary.json")).unwrap();
    let jobs = summary["jobs"].as_array().unwrap();
    let state = |job: &Value| {
        let tracks = job["tracks"].as_array().unwrap();
        let mut hashes: Vec<&str> = tracks
            .iter()
            .filter_map(|track| track["file"]["sha256"].as_str())
            .collect();
        let files = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), files, "one file twice: {job}");
        let text = |name: &str| job[name].as_str().unwrap().to_owned();
        (text("preset"), (text("state"), files))
    };
    jobs.iter().map(state).collect()
}

#[test]
fn whatever_a_vendor_shows_of_its_tasks_each_track_is_kept_once() {
    let titles = [
        "exception",
        "half",
        "equal",
        "nameless",
        "source",
        "forgotten",
        "plain",
    ];
    let (lab, vendor) = (Lab::new(), Vendor::start());
    lay_out(&lab, &vendor, &titles);
    let ran = lab.expect(11, &["run", "songs.yaml"]);
    assert!(ran.err.contains("Some jobs are partial."), "{}", ran.err);
    let expected = titles.map(|title| match title {
        "half" => (title.to_owned(), ("partial".to_owned(), 1)),
        _ => (title.to_owned(), ("kept".to_owned(), 2)),
    });
    assert_eq!(states(&lab), BTreeMap::from(expected));
    let check_bill = || {
        let seen = vendor.seen.lock().unwrap();
        let once = titles.map(|title| (title.to_owned(), 1));
        assert_eq!(seen.bought, BTreeMap::from(once));
        assert!(
            seen.served.values().all(|times| *times == 1),
            "{:?}",
            seen.served
        );
        seen.polls["half-1"]
    };
    let polls = check_bill();
    // The next run asks once more for what is missing, and buys nothing.
    lab.expect(11, &["run", "songs.yaml"]);
    assert_eq!(check_bill(), polls + 1);
    let plan = lab.expect(0, &["plan", "songs.yaml"]).out;
    assert!(plan.contains("1 partial (p)"), "{plan}");
    let status = lab.expect(0, &["status", "songs.yaml"]).out;
    assert!(status.contains("1 of 2 tracks"), "{status}");
}

#[test]
fn failures_in_the_envelope_are_failures_and_fill_no_places() {
    let titles = ["envelope", "refunded", "plain"];
    let (lab, vendor) = (Lab::new(), Vendor::start());
    lay_out(&lab, &vendor, &titles);
    let text = lab.read("songs.yaml");
    lab.write("songs.yaml", format!("{text}limits: {{concurrency: 1}}\n"));
    lab.expect(4, &["run", "songs.yaml"]);
    let states = states(&lab);
    assert_eq!(states["plain"], ("kept".to_owned(), 2));
    assert_eq!(states["envelope"], ("failed".to_owned(), 0));
    assert_eq!(states["refunded"], ("failed".to_owned(), 0));
    let seen = vendor.seen.lock().unwrap();
    assert_eq!(seen.bought["envelope"], 2, "`retries: {{task_failed: 1}}`");
    assert_eq!(seen.polls["envelope-1"], 2);
    let summary: Value = serde_json::from_str(&lab.read("out/summary.json")).unwrap();
    let credits = |preset: &str| {
        let jobs = summary["jobs"].as_array().unwrap();
        let job = jobs.iter().find(|job| job["preset"] == preset).unwrap();
        job["credits"].as_f64().unwrap()
    };
    assert_eq!((credits("envelope"), credits("refunded")), (24.0, 0.0));
}
