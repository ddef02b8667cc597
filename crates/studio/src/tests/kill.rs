//! A studio that is killed in the middle of its work, as a power cut would: what it said stands, and nothing is charged twice.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::lab::{Lab, client, instant_request, listener};
use crate::{Studio, StudioConfig, read_bill};

/// Names the data folder to the process that is to be killed.
const FOLDER: &str = "BACKLINE_STUDIO_TEST_FOLDER";
/// Clients at once.
const CLIENTS: usize = 16;
/// Responses after which the studio is killed.
const RESPONSES: usize = 40;
/// Requests of each client: more than are accepted before the kill.
const REQUESTS: usize = 200;

/// The studio that is killed. Run by itself it has nothing to do: only the test below names a folder.
#[tokio::test(flavor = "multi_thread")]
async fn the_studio_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    client();
    let mut config = StudioConfig::new(folder);
    (config.instant, config.rate) = (true, None);
    let studio = Studio::start(listener().await, config).await.unwrap();
    announce(&studio);
    std::future::pending::<()>().await;
}

#[expect(clippy::print_stdout, reason = "the parent reads the address there")]
fn announce(studio: &Studio) {
    println!("\nbase {}", studio.base_url());
}

fn start(folder: &std::path::Path) -> (Child, String) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "tests::kill::the_studio_that_is_killed",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let base = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("base ").map(str::to_owned));
    (child, base.expect("the studio tells its address"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_a_kill_and_repeats_are_free() {
    let dir = tempfile::TempDir::new().unwrap();
    let folder = dir.path().join("studio");
    let (mut child, base) = start(&folder);
    let submit = |base: &str, http: &reqwest::Client, token: &str| {
        http.post(format!("{base}api/v1/generate/add-instrumental"))
            .bearer_auth("any")
            .header("Idempotency-Key", token)
            .json(&instant_request())
            .send()
    };
    let (sender, mut received) = tokio::sync::mpsc::unbounded_channel::<(String, String)>();
    let mut clients = tokio::task::JoinSet::new();
    let http = client();
    for number in 0..CLIENTS {
        let (sender, base, http) = (sender.clone(), base.clone(), http.clone());
        clients.spawn(async move {
            let mut sent = Vec::new();
            for request in 0..REQUESTS {
                let token = format!("{number}-{request}");
                sent.push(token.clone());
                let Ok(response) = submit(&base, &http, &token).await else {
                    break;
                };
                let Ok(response) = response.json::<Value>().await else {
                    break;
                };
                let id = response["data"]["taskId"].as_str().unwrap().to_owned();
                sender.send((token, id)).unwrap();
            }
            sent
        });
    }
    drop(sender);
    let mut accepted = Vec::new();
    while let Some(pair) = received.recv().await {
        accepted.push(pair);
        if accepted.len() == RESPONSES {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    let sent: Vec<String> = clients.join_all().await.into_iter().flatten().collect();
    assert!(
        sent.len() > accepted.len(),
        "some requests were cut off by the kill"
    );

    // Every client repeats everything that it ever sent, under the same tokens.
    let lab = Lab::open_in(dir, |_| ()).await;
    let base = lab.studio.base_url().as_str().to_owned();
    for token in &sent {
        let response = submit(&base, &lab.http, token).await.unwrap();
        let response: Value = response.json().await.unwrap();
        let id = response["data"]["taskId"].as_str().unwrap();
        if let Some((_, known)) = accepted.iter().find(|(accepted, _)| accepted == token) {
            assert_eq!(known, id, "{token} was accepted before the kill");
        }
        assert_eq!(lab.record_info(id).await["status"], "SUCCESS");
    }
    let mut billed: Vec<String> = read_bill(&folder)
        .unwrap()
        .into_iter()
        .map(|entry| entry.idempotency_key.unwrap())
        .collect();
    let mut expected = sent.clone();
    billed.sort_unstable();
    expected.sort_unstable();
    assert_eq!(billed, expected, "each token is billed exactly once");
}
