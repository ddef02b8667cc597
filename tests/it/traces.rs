//! `--otlp`: what a collector gets. The collector here is a real HTTP server that reads what it is sent by OpenTelemetry's own
//! definition of it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use backline_engine::event::Event;
use backline_engine::ledger::Ledger;
use backline_engine::store::Store;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message;

use crate::lab::{KEY, Lab, finish};

/// The second is refused for good.
const REFUSES: &str = "version: 1\nrules: [{when: {nth: [2]}, do: [{refuse: {code: 413}}]}]\n";

/// What a collector was sent: path, headers, body.
type Sent = Arc<Mutex<Vec<(String, BTreeMap<String, String>, Vec<u8>)>>>;

/// A collector that takes everything.
fn collector() -> (String, Sent) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let sent = Sent::default();
    let keeps = sent.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let keeps = keeps.clone();
            std::thread::spawn(move || while take(&stream, &keeps).is_some() {});
        }
    });
    (format!("http://{address}"), sent)
}

/// Takes one request and answers it.
fn take(stream: &TcpStream, sent: &Sent) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    sent.lock().unwrap().push((path, headers, body));
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
    (&mut &*stream).write_all(answer.as_bytes()).ok()
}

fn spans(sent: &Sent) -> Vec<Span> {
    let sent = sent.lock().unwrap();
    let requests = sent
        .iter()
        .map(|(_, _, body)| ExportTraceServiceRequest::decode(body.as_slice()).unwrap());
    let resources = requests.flat_map(|request| request.resource_spans);
    let scopes = resources.flat_map(|resource| {
        let facts = resource.resource.unwrap().attributes;
        let name = facts.iter().find(|fact| fact.key == "service.name").unwrap();
        assert!(matches!(&name.value.as_ref().unwrap().value, Some(Value::StringValue(name)) if name == "backline"));
        resource.scope_spans
    });
    scopes.flat_map(|scope| scope.spans).collect()
}

/// A span's attribute as text.
fn fact(span: &Span, name: &str) -> String {
    let found = span.attributes.iter().find(|fact| fact.key == name);
    let value = found.and_then(|fact| fact.value.as_ref()?.value.as_ref());
    match value.unwrap_or_else(|| panic!("{name} of {span:?}")) {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => number.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

fn failed(span: &Span) -> bool {
    span.status
        .as_ref()
        .is_some_and(|status| status.code == StatusCode::Error as i32)
}

#[test]
fn a_run_is_a_tree_of_spans_that_says_what_the_ledger_says_and_no_secret() {
    let lab = Lab::new();
    let studio = lab.misbehaving(REFUSES);
    lab.manifest(
        "songs.yaml",
        &studio.url,
        1,
        3,
        "sweep: {audio_weight: [0.3]}\nlimits: {concurrency: 1}\n",
    );
    let (url, sent) = collector();
    let mut command = lab.backline(&["run", "songs.yaml", "--otlp", &url]);
    command.env(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=Bearer%20for-the-collector",
    );
    let ran = finish(command);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(!ran.err.contains("warning"), "{}", ran.err);

    for (path, headers, _) in sent.lock().unwrap().iter() {
        assert_eq!(path, "/v1/traces");
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["authorization"], "Bearer for-the-collector");
    }
    let spans = spans(&sent);
    let named = |name: &str| {
        spans
            .iter()
            .filter(|span| span.name == name)
            .collect::<Vec<_>>()
    };
    let (runs, jobs, attempts) = (named("run"), named("job"), named("attempt"));
    assert_eq!(
        (runs.len(), jobs.len(), attempts.len()),
        (1, 3, 3),
        "{spans:?}"
    );
    let run = runs[0];
    assert!(run.parent_span_id.is_empty());
    assert!(spans.iter().all(|span| span.trace_id == run.trace_id));
    assert!(jobs.iter().all(|job| job.parent_span_id == run.span_id));
    for span in &spans {
        assert!(
            span.start_time_unix_nano <= span.end_time_unix_nano,
            "{span:?}"
        );
        assert!(
            run.start_time_unix_nano <= span.start_time_unix_nano
                && span.end_time_unix_nano <= run.end_time_unix_nano
        );
    }
    assert_eq!(
        (fact(run, "backline.outcome"), fact(run, "backline.jobs")),
        ("failed".into(), "3".into())
    );
    assert!(failed(run));

    let status = lab.json(&["status", "songs.yaml"]);
    for told in status["jobs"].as_array().unwrap() {
        let job = jobs
            .iter()
            .find(|job| fact(job, "backline.job") == told["key"])
            .unwrap();
        for (name, of) in [("stem", "stem"), ("preset", "preset"), ("outcome", "state")] {
            assert_eq!(fact(job, &format!("backline.{name}")), told[of], "{told}");
        }
        assert_eq!(fact(job, "backline.sweep.audio_weight"), "0.3");
        assert_eq!(
            fact(job, "backline.credits").parse::<f64>().unwrap(),
            told["credits"].as_f64().unwrap()
        );
        let mine: Vec<_> = attempts
            .iter()
            .filter(|it| it.parent_span_id == job.span_id)
            .collect();
        assert_eq!(mine.len(), 1, "{told}");
        if told["state"] == "kept" {
            assert_eq!(
                (
                    fact(mine[0], "backline.outcome"),
                    fact(mine[0], "backline.task")
                ),
                ("accepted".into(), told["task_id"].as_str().unwrap().into())
            );
            assert_eq!(
                job.events
                    .iter()
                    .filter(|event| event.name == "track_kept")
                    .count(),
                2
            );
            assert!(!failed(job) && !failed(mine[0]));
        } else {
            assert_eq!(
                (
                    fact(mine[0], "backline.outcome"),
                    fact(mine[0], "backline.code")
                ),
                ("refused".into(), "413".into())
            );
            assert!(failed(job) && failed(mine[0]));
        }
    }

    // The ledger's secrets and the account's are in none of it, nor is the collector's own.
    let ledger = Ledger::read(&lab.path(".backline/ledger.sqlite3")).unwrap();
    let records = ledger.records_of(&ledger.runs().unwrap()[0].id).unwrap();
    let tokens = records.iter().filter_map(|record| match &record.event {
        Event::Intent { token, .. } => Some(token.expose().to_owned()),
        _ => None,
    });
    let secrets: Vec<String> = tokens
        .chain([KEY.to_owned(), "for-the-collector".to_owned()])
        .collect();
    assert_eq!(secrets.len(), 5);
    for (_, _, body) in sent.lock().unwrap().iter() {
        let body = String::from_utf8_lossy(body);
        assert!(secrets.iter().all(|secret| !body.contains(secret.as_str())));
    }
}

#[test]
fn a_collector_that_is_dead_or_hangs_costs_one_warning_and_no_track() {
    // Nobody listens on the first; the second takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = (silent.local_addr().unwrap(), silent);
    for (url, why) in [
        ("http://127.0.0.1:9".to_owned(), "Connection refused"),
        (format!("http://{}", silent.0), "operation timed out"),
    ] {
        let lab = Lab::new();
        let studio = lab.studio(&["--instant", "--rate", "off"]);
        lab.manifest("songs.yaml", &studio.url, 1, 6, "limits: {rate: 1/500ms}\n");
        let ran = lab.expect(0, &["run", "songs.yaml", "--otlp", &url]);
        let warnings: Vec<&str> = ran
            .err
            .lines()
            .filter(|line| line.contains("warning"))
            .collect();
        assert_eq!(warnings.len(), 1, "{}", ran.err);
        assert!(
            warnings[0].contains(&format!("cannot send traces to {url}/v1/traces: "))
                && warnings[0].contains(why),
            "{warnings:?}"
        );
        assert!(ran.err.contains("All tracks are kept."), "{}", ran.err);
    }
}

#[test]
fn only_the_option_sends_traces() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    let (url, sent) = collector();
    let mut command = lab.backline(&["run", "songs.yaml"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url);
    assert_eq!(finish(command).code, Some(0));
    assert!(sent.lock().unwrap().is_empty());

    // A fetch of what is there has no job to tell of.
    lab.expect(
        0,
        &["fetch", "songs.yaml", "--otlp", &format!("{url}/v1/traces")],
    );
    let spans = spans(&sent);
    assert_eq!(
        spans
            .iter()
            .map(|span| span.name.as_str())
            .collect::<Vec<_>>(),
        ["run"]
    );
    lab.expect(2, &["run", "songs.yaml", "--otlp", "ftp://127.0.0.1"]);
}

#[test]
fn no_secret_of_the_collectors_address_is_told() {
    let lab = Lab::new();
    let studio = lab.studio(&["--instant"]);
    lab.manifest("songs.yaml", &studio.url, 1, 1, "");
    for (address, code) in [
        ("http://me:s3cret@127.0.0.1:9", 2),
        ("http://me:s3cret@127.0.0.1:99999", 2),
        ("ftp://127.0.0.1/?token=s3cret", 2),
        ("http://127.0.0.1:9/?token=s3cret", 0),
    ] {
        let ran = lab.expect(code, &["run", "songs.yaml", "-vvv", "--otlp", address]);
        assert!(!ran.err.contains("s3cret"), "{address}: {}", ran.err);
    }
}
