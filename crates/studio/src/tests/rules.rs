//! Who is let in, what is refused, what is charged, and what a repeat costs.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::lab::{Lab, instant_request};

const SUBMIT: &str = "api/v1/generate/add-instrumental";

#[tokio::test]
async fn only_the_right_key_is_let_in() {
    let lab = Lab::open(|config| config.key = Some("secret".into())).await;
    for (key, code) in [("secret", 200), ("wrong", 401)] {
        let request = lab
            .http
            .post(lab.url(SUBMIT))
            .bearer_auth(key)
            .json(&instant_request());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "refusals come as HTTP 200 too");
        assert_eq!(
            response.json::<Value>().await.unwrap()["code"],
            code,
            "{key}"
        );
    }
    for path in [
        "api/v1/generate/credit",
        "api/v1/chat/credit",
        "api/v1/generate/record-info?taskId=x",
    ] {
        let response: Value = lab
            .http
            .get(lab.url(path))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(
            response,
            json!({"code": 401, "msg": "Unauthorized", "data": null}),
            "{path}"
        );
    }
    for path in [
        "api/file-stream-upload",
        "api/file-base64-upload",
        "api/file-url-upload",
    ] {
        let response = lab
            .http
            .post(lab.url(path))
            .bearer_auth("wrong")
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 401, "{path}");
        let response: Value = response.json().await.unwrap();
        assert_eq!(
            response,
            json!({"success": false, "code": 401, "msg": "Unauthorized"}),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_program_without_a_name_gets_the_edges_bare_page() {
    let lab = Lab::open(|_| ()).await;
    let nameless = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = nameless
        .post(lab.url(SUBMIT))
        .bearer_auth("any")
        .json(&instant_request())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(response.text().await.unwrap(), "error code: 1010");
}

#[tokio::test]
async fn an_unknown_path_or_method_gets_404_and_what_the_studio_offers() {
    let lab = Lab::open(|_| ()).await;
    let offers = "POST /api/v1/generate/add-instrumental";
    for path in [
        "",
        "api/v1/generate",
        "api/v2/generate/add-instrumental",
        "nowhere",
    ] {
        let response = lab.http.get(lab.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        let body = response.json::<Value>().await.unwrap();
        assert_eq!(body["code"], 404, "{path}");
        let message = body["msg"].as_str().unwrap();
        assert!(message.contains(offers), "{path}: {body}");
        assert!(message.len() < 200, "a line of a log: {message}");
    }
    // A wrong method must not look like code 405, which means the rate limit here.
    let response = lab.http.get(lab.url(SUBMIT)).send().await.unwrap();
    assert_eq!(response.json::<Value>().await.unwrap()["code"], 404);
}

#[tokio::test]
async fn the_window_refuses_the_twenty_first() {
    let lab = Lab::open(|config| config.rate = Some((20, Duration::from_secs(600)))).await;
    let mut codes = Vec::new();
    for _ in 0..22 {
        codes.push(
            lab.post(SUBMIT, &instant_request()).await["code"]
                .as_i64()
                .unwrap(),
        );
    }
    assert_eq!(codes[..20], [200; 20]);
    assert_eq!(codes[20..], [405; 2]);
    let mut wrong = instant_request();
    wrong["title"] = Value::Null;
    assert_eq!(
        lab.post(SUBMIT, &wrong).await["code"],
        400,
        "a bad request is refused before the window counts it"
    );
    let other = lab
        .http
        .post(lab.url(SUBMIT))
        .bearer_auth("another")
        .json(&instant_request());
    assert_eq!(
        other.send().await.unwrap().json::<Value>().await.unwrap()["code"],
        200,
        "each key has its own window"
    );
}

#[tokio::test]
async fn credits_run_out_and_no_more_is_charged() {
    let lab = Lab::open(|config| config.credits = Some(30.0)).await;
    assert_eq!(lab.balance().await, 30.0);
    let many = futures::future::join_all(
        (0..6).map(|_| async { lab.post(SUBMIT, &instant_request()).await }),
    )
    .await;
    let mut codes: Vec<i64> = many
        .iter()
        .map(|response| response["code"].as_i64().unwrap())
        .collect();
    codes.sort_unstable();
    assert_eq!(codes, [200, 200, 429, 429, 429, 429]);
    assert_eq!(
        lab.get("api/v1/generate/credit").await,
        json!({"code": 200, "msg": "success", "data": 6})
    );
    assert_eq!(lab.get("api/v1/chat/credit").await["data"], json!(6.0));
}

#[tokio::test]
async fn a_repeat_under_its_key_is_the_same_task_and_free() {
    let lab = Lab::open(|config| config.credits = Some(100.0)).await;
    let submit = async |token: &str, key: &str, body: &Value| -> Value {
        let request = lab
            .http
            .post(lab.url(SUBMIT))
            .bearer_auth(key)
            .header("Idempotency-Key", token)
            .json(body);
        request.send().await.unwrap().json().await.unwrap()
    };
    let body = instant_request();
    let all = futures::future::join_all((0..8).map(|_| submit("token-1", "any", &body))).await;
    assert!(
        all.iter()
            .all(|response| *response == all[0] && response["code"] == 200),
        "{all:?}"
    );
    assert_eq!(lab.balance().await, 88.0);
    let mut other = body.clone();
    other["tags"] = "drums".into();
    assert_eq!(submit("token-1", "any", &other).await["code"], 409);
    assert_ne!(
        submit("token-1", "another", &body).await,
        all[0],
        "another account's tokens are its own"
    );
    assert_ne!(
        submit("token-2", "any", &body).await["data"]["taskId"],
        all[0]["data"]["taskId"]
    );
    assert_eq!(lab.balance().await, 64.0);
    assert_eq!(submit(&"x".repeat(257), "any", &body).await["code"], 400);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let lab = Lab::open(|_| ()).await;
    let mut body = instant_request();
    body["filler"] = "x".repeat(1024 * 1024).into();
    assert_eq!(lab.post(SUBMIT, &body).await["code"], 413);
}

#[tokio::test]
async fn a_full_queue_says_so_and_charges_nothing() {
    let lab = Lab::open(|config| {
        (config.instant, config.queue_limit, config.credits) = (false, 0, Some(50.0))
    })
    .await;
    let response = lab
        .http
        .post(lab.url(SUBMIT))
        .bearer_auth("any")
        .json(&instant_request())
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["retry-after"], "10");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], 430);
    assert_eq!(lab.balance().await, 50.0);
}

#[tokio::test]
async fn links_are_given_for_own_files_only() {
    let lab = Lab::open(|_| ()).await;
    let url = lab.upload("a.bin", b"bytes".to_vec()).await;
    let response = lab
        .post("api/v1/common/download-url", &json!({ "url": url }))
        .await;
    assert_eq!(
        lab.download(response["data"].as_str().unwrap()).await,
        b"bytes"
    );
    let foreign = lab
        .post(
            "api/v1/common/download-url",
            &json!({"url": "https://cdn.example.com/a.mp3"}),
        )
        .await;
    assert_eq!(foreign["code"], 422);
    for gone in [
        "files/uploads/stems/b.bin",
        "files/uploads/stems",
        "files/uploads/stems/a.bin/b",
    ] {
        let refused = lab
            .post(
                "api/v1/common/download-url",
                &json!({ "url": lab.url(gone) }),
            )
            .await;
        assert_eq!(
            (&refused["code"], &refused["data"]),
            (&json!(422), &Value::Null)
        );
    }
    assert_eq!(
        lab.post("api/v1/common/download-url", &json!({})).await["code"],
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_accepted_is_made_though_its_client_hangs_up() {
    const REQUESTS: usize = 100;
    let lab =
        Lab::open(|config| (config.instant, config.queue_limit) = (false, REQUESTS + 1)).await;
    let address = lab.studio.base_url().socket_addrs(|| None).unwrap()[0];
    // A source that is not there: the task ends at once, without a sound.
    let body = super::lab::request(&lab.url("files/uploads/stems/nothing.wav")).to_string();
    let head = format!(
        "POST /{SUBMIT} HTTP/1.1\r\nhost: studio\r\nuser-agent: tests\r\nauthorization: Bearer any\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let hang_up = tokio::task::spawn_blocking(move || {
        for _ in 0..REQUESTS {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream
                .write_all(format!("{head}{body}").as_bytes())
                .unwrap();
            stream.shutdown(std::net::Shutdown::Both).unwrap();
        }
    });
    hang_up.await.unwrap();
    // One that stays on the line comes behind most of them.
    let last = lab
        .submit(&super::lab::request(
            &lab.url("files/uploads/stems/last.wav"),
        ))
        .await;
    lab.finished(&last).await;
    let ended = async || {
        let shared = lab.shared();
        let count = shared
            .store
            .read("count", crate::store::tasks::count_unfinished)
            .await;
        // Every task that was accepted is taken up, and every place is given back once.
        count.unwrap() == 0 && shared.unfinished.is_empty()
    };
    tokio::time::timeout(super::lab::PATIENCE, lab.studio.wait_until(ended))
        .await
        .expect("what was accepted is made");
}
