//! No secret is written anywhere that it must not be: all bytes of a whole run are searched.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::project::{Callbacks, Project, Terms, list};
use super::shelf::Shelf;
use super::vendor::{Fetch, Vendor, declare, send};
use crate::lab::{KEY, Lab, finish, tone};

const HOOK_KEY: &str = "hook-7c41d0a9e5b2";
const SIGNATURE: &str = "5f1bd3c2a7signed";

/// Answers are lost, one task fails in words that hold a signed address, and callbacks are signed.
const PLAN: &str = "version: 1\ncallback_key: hook-7c41d0a9e5b2\nidempotency: off\nrules:\n  \
    - {when: {title: '*: 2'}, do: [{response: bad_gateway}]}\n  \
    - {when: {title: '*: 3'}, do: [{fail: {status: GENERATE_AUDIO_FAILED, code: 451, \
      message: 'could not fetch https://files.example.com/a.wav?X-Amz-Signature=5f1bd3c2a7signed&x=1'}}]}\n  \
    - {when: {nth: [4]}, do: [{forge: wrong_signature}]}\n";

#[test]
fn no_output_log_ledger_or_report_of_a_run_holds_a_secret() {
    let lab = Lab::new();
    let studio = lab.misbehaving(PLAN);
    let terms = Terms {
        promise: false,
        callbacks: Callbacks::Fixed,
    };
    let project = Project::new(&lab, &studio.url, "secret", 3, terms);
    let voice = fs::read(project.path("voice.wav")).unwrap();
    let files = HashMap::from([("/far.wav", ("Content-Type: audio/wav\r\n", voice))]);
    let shelf = Shelf::new(files);
    let stem = |id: &str| {
        let url = &shelf.url;
        format!(", {{id: {id}, url: \"{url}/{id}.wav?X-Amz-Signature={SIGNATURE}\"}}]")
    };
    project.edit("/hook\"}", "/hook\", hmac_key: {env: HOOK_KEY}}");
    project.edit(
        "file: voice.wav}]",
        &format!("file: voice.wav}}{}", stem("far")),
    );
    project.edit("]\noutput", &format!("{}\noutput", stem("gone")));
    project.edit(
        "output:",
        "reports: [csv, json, html, junit, markdown, jsonl]\noutput:",
    );

    let mut said = String::new();
    let mut say = |args: &[&str], codes: &[i32]| {
        let mut command = project.command(args);
        command.env("HOOK_KEY", HOOK_KEY);
        let ran = finish(command);
        assert!(codes.contains(&ran.code.unwrap()), "{args:?}: {}", ran.err);
        said.push_str(&ran.out);
        said.push_str(&ran.err);
    };
    say(&["plan", "songs.yaml"], &[0]);
    say(&["run", "songs.yaml", "-vvv"], &[4]);
    say(&["run", "songs.yaml", "-vv", "--format", "json"], &[4]);
    for args in [
        &["plan", "songs.yaml", "--format", "json"][..],
        &["plan", "songs.yaml", "--lock"],
        &["status", "songs.yaml"],
        &["status", "songs.yaml", "--format", "json"],
        &["report", "songs.yaml"],
    ] {
        say(args, &[0]);
    }
    // It was a run in which something happened: tracks kept, a lost answer found again, a task and a stem failed.
    assert_eq!(project.kept_files().len(), 8);
    assert!(said.contains("?…"), "{said}");

    let tokens: Vec<String> = project
        .bill()
        .into_iter()
        .map(|entry| entry.callback_token.unwrap())
        .collect();
    assert_eq!(tokens.len(), 6);
    let secrets = [KEY, HOOK_KEY, SIGNATURE];
    let (mut ledger_holds_tokens, mut searched) = (false, 0);
    for path in files_below(&project.path("")) {
        // What the user wrote holds what the user wrote.
        if path.ends_with("songs.yaml") {
            assert!(holds(&fs::read(&path).unwrap(), SIGNATURE));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        searched += 1;
        for secret in secrets {
            assert!(!holds(&bytes, secret), "{secret} in {}", path.display());
        }
        let found = tokens.iter().any(|token| holds(&bytes, token));
        if path.starts_with(project.path(".backline")) {
            ledger_holds_tokens |= found;
        } else {
            assert!(!found, "a token in {}", path.display());
        }
    }
    assert!(ledger_holds_tokens && searched > 14, "{searched}");
    for secret in secrets.into_iter().chain(tokens.iter().map(String::as_str)) {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was said");
    }
}

/// A task whose details the vendor refuses.
const UNKNOWN_TASK: &str = "0123456789abcdef";

/// A vendor that repeats the API key and the attempts' secrets wherever a response has a text.
#[test]
fn what_a_vendor_repeats_is_hidden() {
    let attempts: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = attempts.clone();
    let no_file = |_: &Fetch, stream: &mut TcpStream| send(stream, "404 Not Found", "", b"");
    let vendor = Vendor::saying(no_file, move |request, bought| {
        let mut seen = seen.lock().unwrap();
        let secrets = |seen: &[String]| format!("{KEY} {}", seen.join(" "));
        let path = request.path();
        if path.ends_with("add-instrumental") {
            seen.push(request.headers.get("idempotency-key").unwrap().clone());
            let id = match bought {
                1 => format!("id-{KEY}"),
                2 => format!("id-{}", seen.last().unwrap()),
                _ => format!("{bought:032x}"),
            };
            return Some(json!({"code": 200, "msg": secrets(&seen), "data": {"taskId": id}}));
        }
        if !path.ends_with("record-info") {
            return None;
        }
        let task = request.target.split("taskId=").nth(1).unwrap_or_default();
        let all = secrets(&seen);
        if task == UNKNOWN_TASK {
            return Some(json!({"code": 400, "msg": all, "data": null}));
        }
        let failed = task.ends_with('4');
        Some(json!({"code": 200, "msg": all, "data": {
            "taskId": task,
            "status": if failed { "GENERATE_AUDIO_FAILED" } else { "SUCCESS" },
            "errorCode": failed.then_some(451),
            "errorMessage": failed.then(|| format!("no: {all}")),
            "param": all,
            "response": {"taskId": task, "sunoData": [{
                "id": format!("track {all}"),
                "title": all,
                "tags": all,
                "modelName": all,
                "duration": 12.0,
                "audioUrl": format!("http://127.0.0.1:9/{KEY}/{}.mp3?key={KEY}", seen[0]),
            }]},
        }}))
    });
    let lab = Lab::new();
    let project = Project::at(&lab, &vendor, "echo", 4);
    project.edit(
        "output:",
        "reports: [csv, json, html, junit, markdown, jsonl]\noutput:",
    );
    let mut said = String::new();
    for args in [
        &["run", "songs.yaml", "-vvv", "--record", "tape"][..],
        // What earlier attempts sent is hidden too.
        &["run", "songs.yaml", "-vvv", "--format", "json"],
        &["status", "songs.yaml", "--format", "json"],
        &["report", "songs.yaml"],
    ] {
        let ran = finish(project.command(args));
        said.push_str(&ran.out);
        said.push_str(&ran.err);
    }
    // A job whose response named no task that could be believed.
    let status = project.status();
    let mut jobs = list(&status["jobs"]).iter();
    let in_doubt = jobs.find(|job| job["state"] == "in_doubt").unwrap();
    let key = in_doubt["key"].as_str().unwrap();
    let resolve = ["resolve", key, "songs.yaml", "--task", UNKNOWN_TASK];
    said.push_str(&finish(project.command(&resolve)).err);
    assert_eq!(vendor.bought(), 4, "{said}");
    assert!(said.contains("could not be looked up"), "{said}");
    assert!(
        said.contains("with a task id that contains a secret"),
        "{said}"
    );
    let attempts = attempts.lock().unwrap().clone();
    for path in files_below(&project.path("")) {
        let bytes = fs::read(&path).unwrap();
        assert!(!holds(&bytes, KEY), "the key in {}", path.display());
        if !path.starts_with(project.path(".backline")) {
            let found = attempts.iter().find(|it| holds(&bytes, it));
            assert_eq!(found, None, "a token in {}", path.display());
        }
    }
    for secret in attempts.iter().map(String::as_str).chain([KEY]) {
        let line = said.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was said");
    }
}

/// A host of files that repeats the key in the header that a part is resumed by, and breaks off.
#[test]
fn no_header_of_a_file_brings_a_secret_to_the_disk() {
    let vendor = Vendor::new(|_: &Fetch, stream: &mut TcpStream| {
        declare(stream, "200 OK", &format!("ETag: \"{KEY}\"\r\n"), 100_000)?;
        stream.write_all(&tone(1)[..5_000])
    });
    let lab = Lab::new();
    let project = Project::at(&lab, &vendor, "etag", 1);
    assert_eq!(project.run().code, Some(4));
    let files = files_below(&project.path("out"));
    let is_part = |path: &PathBuf| path.to_string_lossy().contains(".part");
    assert!(files.iter().any(is_part), "{files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        assert!(!holds(&bytes, KEY), "the key in {}", path.display());
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    };
    entries.flat_map(below).collect()
}
