//! The three ways to upload, and what they refuse.

use base64::Engine;
use serde_json::{Value, json};

use super::lab::{Lab, PATIENCE, listener, vocal};

/// Posts JSON and returns status and body.
async fn post(lab: &Lab, path: &str, body: &Value) -> (u16, Value) {
    let response = lab
        .http
        .post(lab.url(path))
        .bearer_auth("any")
        .json(body)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn names_of(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[tokio::test]
async fn all_three_ways_keep_the_same_bytes() {
    // Its own address is private too, and needs no leave.
    let lab = Lab::open(|_| ()).await;
    let bytes = vocal();
    let streamed = lab.upload("streamed.wav", bytes.clone()).await;
    let encoded = base64::engine::general_purpose::STANDARD.encode(&bytes);
    let (status, by_base64) = post(
        &lab,
        "api/file-base64-upload",
        &json!({"base64Data": format!("data:audio/wav;base64,{encoded}"), "uploadPath": "stems", "fileName": "b.wav"}),
    )
    .await;
    assert_eq!(status, 200);
    let fetched = json!({"fileUrl": streamed, "uploadPath": "stems/from/url"});
    let (status, by_url) = post(&lab, "api/file-url-upload", &fetched).await;
    assert_eq!(status, 200, "{by_url}");
    for response in [&by_base64, &by_url] {
        assert_eq!(response["data"]["fileSize"], bytes.len());
        assert_eq!(response["data"]["mimeType"], "audio/wav");
        assert_eq!(
            lab.download(response["data"]["downloadUrl"].as_str().unwrap())
                .await,
            bytes
        );
    }
    assert_eq!(lab.download(&streamed).await, bytes);
    assert!(
        by_url["data"]["fileName"]
            .as_str()
            .unwrap()
            .ends_with(".wav"),
        "a name of its own tells what it is: {by_url}"
    );
    let golden: Value = serde_json::from_str(include_str!(
        "../../../../tests/fixtures/wire/upload/ok.json"
    ))
    .unwrap();
    assert_eq!(names_of(&by_base64), names_of(&golden));
    assert_eq!(names_of(&by_base64["data"]), names_of(&golden["data"]));
}

#[tokio::test]
async fn the_same_name_overwrites() {
    let lab = Lab::open(|_| ()).await;
    let first = lab.upload("same.bin", b"one".to_vec()).await;
    let second = lab.upload("same.bin", b"two".to_vec()).await;
    assert_eq!(first, second);
    assert_eq!(lab.download(&first).await, b"two");
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let lab = Lab::open(|_| ()).await;
    for (path, body, message) in [
        (
            "api/file-base64-upload",
            json!({"base64Data": "YQ=="}),
            "Missing required parameter: uploadPath",
        ),
        (
            "api/file-base64-upload",
            json!({"uploadPath": "a"}),
            "Missing required parameter: base64Data",
        ),
        (
            "api/file-base64-upload",
            json!({"base64Data": "", "uploadPath": "a"}),
            "Missing required parameter: base64Data",
        ),
        (
            "api/file-base64-upload",
            json!({"base64Data": "!!", "uploadPath": "a"}),
            "base64Data is not base64",
        ),
        (
            "api/file-base64-upload",
            json!({"base64Data": "YQ==", "uploadPath": "a/".repeat(9)}),
            "uploadPath is too deep",
        ),
        (
            "api/file-url-upload",
            json!({"uploadPath": "a"}),
            "Missing required parameter: fileUrl",
        ),
        (
            "api/file-url-upload",
            json!({"fileUrl": "http://h/a"}),
            "Missing required parameter: uploadPath",
        ),
        (
            "api/file-url-upload",
            json!({"fileUrl": "nonsense", "uploadPath": "a"}),
            "fileUrl is not an address",
        ),
        (
            "api/file-url-upload",
            json!({"fileUrl": "file:///etc/passwd", "uploadPath": "a"}),
            "only http and https",
        ),
        (
            "api/file-url-upload",
            json!({"fileUrl": "http://169.254.169.254/x", "uploadPath": "a"}),
            "the address is private",
        ),
        (
            "api/file-url-upload",
            json!({"fileUrl": "http://localhost:1/x", "uploadPath": "a"}),
            "could not be reached",
        ),
        ("api/file-stream-upload", json!({}), "boundary"),
    ] {
        let (status, response) = post(&lab, path, &body).await;
        assert_eq!(status, 400, "{path} {body} {response}");
        assert_eq!(
            (&response["success"], &response["code"]),
            (&json!(false), &json!(400))
        );
        let msg = response["msg"].as_str().unwrap();
        assert!(
            msg.contains(message),
            "{path} {body}: {msg:?} does not hold {message:?}"
        );
    }
    let form = reqwest::multipart::Form::new().text("uploadPath", "a");
    let response = lab
        .http
        .post(lab.url("api/file-stream-upload"))
        .bearer_auth("any")
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(
        response.json::<Value>().await.unwrap()["msg"],
        "Missing required parameter: file"
    );
}

#[tokio::test]
async fn names_that_try_to_leave_stay_inside() {
    let lab = Lab::open(|_| ()).await;
    for (folder, name) in [
        ("../../..", "../../escape.wav"),
        ("/etc", "/etc/passwd"),
        ("a/../..", "..\\..\\x"),
        ("~", "$(x)"),
    ] {
        let body = json!({"base64Data": "YWJj", "uploadPath": folder, "fileName": name});
        let (status, response) = post(&lab, "api/file-base64-upload", &body).await;
        assert_eq!(status, 200, "{response}");
        let kept = lab
            .shared()
            .folder
            .files()
            .join(response["data"]["filePath"].as_str().unwrap())
            .canonicalize()
            .unwrap();
        assert!(
            kept.starts_with(lab.shared().folder.uploads()),
            "{folder:?} {name:?} went to {kept:?}"
        );
        assert_eq!(
            lab.download(response["data"]["downloadUrl"].as_str().unwrap())
                .await,
            b"abc"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_judged_like_an_address() {
    let target = axum::Router::new().fallback(|uri: axum::http::Uri| async move {
        let to = match uri.path() {
            "/loop" => "/loop",
            "/file" => "file:///etc/passwd",
            _ => "http://[fe80::1]/x",
        };
        (axum::http::StatusCode::FOUND, [("location", to)])
    });
    let listener = listener().await;
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, target).await });
    let lab = Lab::open(|config| config.allow_private_sources = true).await;
    for (path, message) in [
        ("/loop", "more than 5 times"),
        ("/file", "only http and https"),
    ] {
        let body = json!({"fileUrl": format!("{base}{path}"), "uploadPath": "a"});
        let response = tokio::time::timeout(PATIENCE, post(&lab, "api/file-url-upload", &body))
            .await
            .unwrap();
        assert!(
            response.1["msg"].as_str().unwrap().contains(message),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn outlived_uploads_and_tasks_are_removed() {
    let lab = Lab::open(|_| ()).await;
    let url = lab.upload("old.wav", vocal()).await;
    let task = lab.submit(&super::lab::instant_request()).await;
    let day_ms = 24 * 60 * 60 * 1000;
    let sweep = async |days: i64| {
        let later_ms = crate::clock::now_ms() + days * day_ms + 60_000;
        crate::cleanup::sweep(lab.shared(), later_ms).await.unwrap();
    };
    sweep(2).await;
    assert_eq!(lab.http.get(&url).send().await.unwrap().status(), 200);
    sweep(3).await;
    assert_eq!(lab.http.get(&url).send().await.unwrap().status(), 404);
    assert_eq!(lab.record_info(&task).await["status"], "SUCCESS");
    sweep(14).await;
    assert_eq!(lab.record_info(&task).await, Value::Null);
}

#[tokio::test]
async fn a_name_that_is_taken_by_a_file_or_a_folder_is_refused() {
    let lab = Lab::open(|_| ()).await;
    let upload = async |folder: &str, name: &str| -> (u16, Value) {
        let body = json!({"base64Data": "UklGRg==", "uploadPath": folder, "fileName": name});
        let url = lab.url("api/file-base64-upload");
        let request = lab.http.post(url).bearer_auth("any").json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    };
    assert_eq!(upload("deep/stems", "a.mp3").await.0, 200);
    for (folder, name) in [
        ("deep/stems/a.mp3", "b.mp3"),
        ("deep/stems/a.mp3/more", "b.mp3"),
        ("deep", "stems"),
    ] {
        let (status, body) = upload(folder, name).await;
        assert_eq!(
            (status, &body["code"]),
            (400, &json!(400)),
            "{folder} {name}: {body}"
        );
    }
    assert_eq!(upload("deep/stems", "a.mp3").await.0, 200);
}
