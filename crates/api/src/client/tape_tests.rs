//! A tape made from a real server on loopback, and played with the server gone.

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::any;
use sha2::Digest;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;
use crate::{ResponseClass, Setting, Settings, Stage, SubmitRequest, TaskId, TaskView};

const KEY: &str = "s3cret-key-0123456789";
const TOKEN: &str = "t0ken-abcdef";

fn client(base: &Url, tape: Tape) -> Client {
    // A second test of the same process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = ClientOptions::new("backline-test/1");
    let key = ApiKey::new(KEY).unwrap();
    let client = Client::new(Profile::studio(base.clone()), key, options).unwrap();
    client.with_tape(tape)
}

fn request(tags: &str, address: &str) -> SubmitRequest {
    SubmitRequest {
        upload_url: format!("https://files.example.com/{address}"),
        call_back_url: format!("https://hooks.example.com/{TOKEN}{address}"),
        settings: Settings::default()
            .with(Setting::TITLE, "Example")
            .with(Setting::TAGS, tags)
            .with(Setting::NEGATIVE_TAGS, ""),
    }
}

/// A vendor that makes a task of every submission, and tells it with all the secrets it has seen.
async fn vendor() -> (Url, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let cdn = base.clone();
    let tasks = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let response = move |request: Request| {
        let (cdn, tasks) = (cdn.clone(), tasks.clone());
        async move {
            let path = request.uri().path().to_owned();
            if path.ends_with("add-instrumental") {
                let n = tasks.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                return format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"task{n}"}}}}"#)
                    .into_response();
            }
            if path.ends_with("record-info") {
                let param = format!(r#"{{\"callBackUrl\":\"https://hooks.example.com/{TOKEN}\"}}"#);
                return format!(
                    r#"{{"code":200,"msg":"{KEY}","data":{{"taskId":"task0","param":"{param}","status":"SUCCESS","response":
                    {{"sunoData":[{{"id":"a","audioUrl":"{cdn}a.bin?Signature=s1gnature"}}]}}}}}}"#
                )
                .into_response();
            }
            vec![0_u8, 255, 1, 254].into_response()
        }
    };
    let routes = Router::new().fallback(any(response));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    (base, server)
}

/// The requests of a run: two submissions of the same thing, the task, its file.
async fn send_all(client: &Client, address: &str) -> (Vec<SubmitOutcome>, TaskView, Vec<u8>) {
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        outcomes.push(
            client
                .submit(&request("piano", address), TOKEN)
                .await
                .outcome,
        );
    }
    let view = client
        .record_info(&TaskId("task0".to_owned()))
        .await
        .unwrap();
    let url = view.tracks[0].audio_url.clone().unwrap();
    let mut download = client.download(&url, None, u64::MAX).await.unwrap();
    let mut file = Vec::new();
    while let Some(chunk) = download.chunk().await.unwrap() {
        file.extend_from_slice(&chunk);
    }
    (outcomes, view, file)
}

#[tokio::test]
async fn what_was_recorded_is_replayed_without_a_network_and_without_secrets() {
    let folder = TempDir::new().unwrap();
    let (base, server) = vendor().await;
    let tape = Tape::record(folder.path()).unwrap();
    let (outcomes, view, file) = send_all(&client(&base, tape.clone()), "first").await;
    assert_eq!(tape.failure(), None);
    assert_eq!(view.stage, Stage::Complete);
    server.abort();
    let _ = server.await;

    for entry in walk(folder.path()) {
        let bytes = std::fs::read(&entry).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for secret in [KEY, TOKEN, "s1gnature", "Signature"] {
            assert!(!text.contains(secret), "{secret} in {}", entry.display());
        }
    }

    let client = client(&base, Tape::replay(folder.path()).unwrap());
    let (again, view_again, file_again) = send_all(&client, "second").await;
    assert_eq!(again, outcomes, "each submission is a task of its own");
    assert_eq!(view_again.stage, view.stage);
    assert_eq!(file_again, file);
    let third = client
        .submit(&request("piano", "third"), TOKEN)
        .await
        .outcome;
    let other = client
        .submit(&request("drums", "first"), TOKEN)
        .await
        .outcome;
    for outcome in [third, other] {
        assert!(
            matches!(
                outcome,
                SubmitOutcome::Refused {
                    class: ResponseClass::RefusedJob,
                    ..
                }
            ),
            "{outcome:?}"
        );
    }
}

#[tokio::test]
async fn what_failed_fails_again() {
    let folder = TempDir::new().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}/", nobody.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(nobody);
    let live = client(&base, Tape::record(folder.path()).unwrap());
    let failed = live.submit(&request("piano", "a"), TOKEN).await.outcome;
    assert!(
        matches!(failed, SubmitOutcome::NotSent { .. }),
        "{failed:?}"
    );

    let replay = client(&base, Tape::replay(folder.path()).unwrap());
    let again = replay.submit(&request("piano", "b"), TOKEN).await.outcome;
    assert!(matches!(again, SubmitOutcome::NotSent { .. }), "{again:?}");
}

#[test]
fn a_tape_is_never_written_over_and_only_a_tape_is_played() {
    let folder = TempDir::new().unwrap();
    drop(Tape::record(folder.path()).unwrap());
    assert!(matches!(
        Tape::record(folder.path()),
        Err(TapeError::NotEmpty { .. })
    ));
    std::fs::write(folder.path().join("tape.jsonl"), "{\"tape\":1}\nnot json\n").unwrap();
    let error = Tape::replay(folder.path()).unwrap_err();
    assert!(
        matches!(error, TapeError::Unreadable { line: 2, .. }),
        "{error}"
    );
    std::fs::write(folder.path().join("tape.jsonl"), "{\"tape\":9}\n").unwrap();
    assert!(matches!(
        Tape::replay(folder.path()),
        Err(TapeError::Unreadable { line: 1, .. })
    ));
    assert!(matches!(
        Tape::replay(&folder.path().join("nothing")),
        Err(TapeError::Io { .. })
    ));
}

#[cfg(unix)]
#[tokio::test]
async fn a_tape_is_not_written_through_what_was_put_in_its_place() {
    use std::os::unix::fs::symlink;

    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("elsewhere")).unwrap();
    std::fs::write(path("victim"), "precious").unwrap();
    let (base, _server) = vendor().await;

    let tape = Tape::record(&path("tape")).unwrap();
    let bytes: Vec<u8> = vec![0, 255, 1, 254];
    let hash = sha2::Sha256::digest(&bytes);
    let name = crate::hex::hex(&hash[..8]);
    let body = path(&format!("tape/bodies/00001-{name}"));
    symlink(path("victim"), body).unwrap();
    send_all(&client(&base, tape.clone()), "first").await;
    assert!(tape.failure().unwrap().contains("could not write"));
    assert_eq!(std::fs::read(path("victim")).unwrap(), b"precious");

    let tape = Tape::record(&path("moved")).unwrap();
    std::fs::rename(path("moved/bodies"), path("moved/away")).unwrap();
    symlink(path("elsewhere"), path("moved/bodies")).unwrap();
    send_all(&client(&base, tape.clone()), "first").await;
    assert_eq!(tape.failure(), None);
    assert_eq!(walk(&path("elsewhere")), Vec::<std::path::PathBuf>::new());
    assert_eq!(walk(&path("moved/away")).len(), 1);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path));
        } else {
            found.push(path);
        }
    }
    found
}
