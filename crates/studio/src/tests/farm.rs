//! The studio's renders on other machines: a worker, and calls that no worker makes.

use serde_json::{Value, json};

use super::lab::{Lab, PATIENCE, request, vocal};
use crate::config::{FARM_ATTEMPTS, FARM_FILE_BYTES};
use crate::{Farm, FarmWorker, Playing};

/// A studio whose renders wait for workers.
async fn farm_lab() -> (Lab, std::sync::Arc<Farm>) {
    let lab = Lab::open(|config| (config.instant, config.uses_farm) = (false, true)).await;
    let farm = lab.studio.farm().unwrap();
    (lab, farm)
}

/// The secret of the render that waits.
async fn secret(farm: &Farm) -> String {
    let wait = async {
        loop {
            if let Some(secret) = farm.waiting().pop() {
                return secret;
            }
            farm.changed().await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap()
}

/// A worker that plays as this program does.
async fn worker() -> FarmWorker {
    let made = tokio::task::spawn_blocking(|| FarmWorker::new(None));
    made.await.unwrap().unwrap()
}

/// The status and the body of a worker's call.
async fn call(lab: &Lab, secret: &str, path: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let url = lab.url(&format!("studio/render/{path}"));
    let request = lab.http.post(url).bearer_auth(secret).body(body);
    let request = request.header("content-type", "application/json");
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, response.bytes().await.unwrap().to_vec())
}

/// The body of a part.
fn part(head: &Value, files: &[u8]) -> Vec<u8> {
    let head = head.to_string();
    [&(head.len() as u32).to_be_bytes(), head.as_bytes(), files].concat()
}

fn begin(playing: &Playing) -> Vec<u8> {
    json!({ "process": 1, "playing": playing })
        .to_string()
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_render_that_is_begun_again_is_finished_once_and_the_first_worker_is_refused() {
    let (lab, farm) = farm_lab().await;
    let source = lab.upload("vocal.wav", vocal()).await;
    let task = lab.submit(&request(&source)).await;
    let secret = secret(&farm).await;
    let own = begin(farm.playing());
    assert_eq!(call(&lab, &secret, "begin", own.clone()).await.0, 200);
    // The first part, twice as after a lost response, and one that skips another.
    let heard = part(&json!({ "part": "Heard", "files": [] }), b"");
    for (path, status) in [("1/0", 204), ("1/0", 204), ("1/2", 410), ("2/0", 410)] {
        assert_eq!(
            call(&lab, &secret, path, heard.clone()).await.0,
            status,
            "{path}"
        );
    }
    // Parts that are not what their head describes.
    let file = |bytes: u64, hash: &str, name: &str| {
        let file = json!({ "name": name, "extension": "wav", "duration_s": 1.0 });
        let files = json!([{ "bytes": bytes, "blake3": hash }]);
        part(&json!({ "part": { "File": file }, "files": files }), b"abc")
    };
    let hash = blake3::hash(b"abc").to_hex().to_string();
    for (body, status) in [
        (file(3, &"0".repeat(64), "stem"), 400),
        (file(4, &hash, "stem"), 400),
        (file(3, &hash, "../stem"), 400),
        (file(3, &hash, "a/stem"), 400),
        (file(FARM_FILE_BYTES + 1, &hash, "stem"), 413),
        (u32::MAX.to_be_bytes().to_vec(), 400),
        (
            part(&json!({ "part": { "Track": 1 }, "files": [] }), b""),
            400,
        ),
        (b"ab".to_vec(), 400),
    ] {
        let (found, said) = call(&lab, &secret, "1/1", body).await;
        assert_eq!(found, status, "{}", String::from_utf8_lossy(&said));
    }
    // Whoever does not know the secret gets nothing.
    for path in ["begin", "1/1"] {
        assert_eq!(call(&lab, "another", path, own.clone()).await.0, 410);
    }
    let url = lab.studio.base_url().as_str();
    assert!(worker().await.carry_out(url, &secret).await.unwrap());
    assert_eq!(call(&lab, &secret, "1/1", heard).await.0, 410);
    let details = lab.finished(&task).await;
    assert_eq!(details["status"], "SUCCESS", "{details}");
    assert!(farm.waiting().is_empty());
    assert!(!worker().await.carry_out(url, &secret).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_render_that_no_worker_finishes_fails_and_costs_nothing() {
    let (lab, farm) = farm_lab().await;
    let source = lab.upload("vocal.wav", vocal()).await;
    let before = lab.balance().await;
    let task = lab.submit(&request(&source)).await;
    let secret = secret(&farm).await;
    for _ in 0..FARM_ATTEMPTS {
        let (status, _) = call(&lab, &secret, "begin", begin(farm.playing())).await;
        assert_eq!(status, 200);
    }
    let (status, _) = call(&lab, &secret, "begin", begin(farm.playing())).await;
    assert_eq!(status, 410);
    let details = lab.finished(&task).await;
    assert_eq!(details["errorCode"], 531, "{details}");
    assert_eq!(lab.balance().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_plays_differently_gets_no_render() {
    let (lab, farm) = farm_lab().await;
    let source = lab.upload("vocal.wav", vocal()).await;
    lab.submit(&request(&source)).await;
    let secret = secret(&farm).await;
    let mut other: Value = serde_json::to_value(farm.playing()).unwrap();
    other["version"] = json!("0.0.0");
    let other: Playing = serde_json::from_value(other).unwrap();
    let (status, said) = call(&lab, &secret, "begin", begin(&other)).await;
    assert_eq!(status, 409);
    let said: Playing = serde_json::from_slice(&said).unwrap();
    assert_eq!(&said, farm.playing());
    assert_eq!(farm.waiting().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_get_the_same_error_for_a_bad_source() {
    let mut errors = Vec::new();
    for uses_farm in [false, true] {
        let lab = Lab::open(|config| {
            (config.instant, config.uses_farm) = (false, uses_farm);
        })
        .await;
        let source = lab.upload("vocal.wav", vec![7; 5_000]).await;
        let task = lab.submit(&request(&source)).await;
        if let Some(farm) = lab.studio.farm() {
            let url = lab.studio.base_url().as_str();
            let secret = secret(&farm).await;
            assert!(worker().await.carry_out(url, &secret).await.unwrap());
        }
        let details = lab.finished(&task).await;
        errors.push((
            details["errorCode"].clone(),
            details["errorMessage"].clone(),
        ));
    }
    assert_eq!(errors[0].0, 400);
    assert_eq!(errors[0], errors[1]);
}
