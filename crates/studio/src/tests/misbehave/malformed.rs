//! JSON that a strict reader refuses, and callbacks in odd forms.

use std::io::Read;

use serde_json::Value;

use super::super::lab::{Lab, Receiver, instant_request};
use super::{got, lab, lab_with, submit};

/// The body of a response as its bytes.
async fn bytes(request: reqwest::RequestBuilder) -> Vec<u8> {
    let response = request.bearer_auth("any").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    response.bytes().await.unwrap().to_vec()
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

async fn calling(lab: &Lab, receiver: &Receiver) -> Vec<u8> {
    let mut body = instant_request();
    body["callBackUrl"] = receiver.url_of("secret").into();
    bytes(
        lab.http
            .post(lab.url("api/v1/generate/add-instrumental"))
            .json(&body),
    )
    .await
}

#[tokio::test]
async fn every_kind_shows_in_submissions_details_and_callbacks() {
    for (kind, part) in [
        ("lone_surrogate", &b"\\ud83c"[..]),
        ("latin1", b"\xe9"),
        ("bom", b"\xef\xbb\xbf"),
        ("nan", b"NaN"),
        ("huge", b"1e999"),
    ] {
        let lab = lab(&format!("[{{do: [{{malformed_json: {{kind: {kind}}}}}]}}]")).await;
        let mut receiver = Receiver::open(&[]).await;
        let submitted = calling(&lab, &receiver).await;
        let text = String::from_utf8_lossy(&submitted).into_owned();
        let id = text
            .split("taskId\":\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let url = lab.url(&format!("api/v1/generate/record-info?taskId={id}"));
        let details = bytes(lab.http.get(url)).await;
        let callback = receiver.next_call().await.raw;
        for bytes in [submitted, details, callback] {
            assert!(serde_json::from_slice::<Value>(&bytes).is_err(), "{kind}");
            assert!(
                holds(&bytes, part),
                "{kind}: {}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}

#[tokio::test]
async fn places_and_polls_can_be_chosen() {
    let lab = lab("[{do: [{malformed_json: {kind: bom, in: [details], polls: 1}}]}]").await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let url = lab.url(&format!("api/v1/generate/record-info?taskId={id}"));
    assert_eq!(
        got(lab.http.get(url).bearer_auth("any")).await.json(),
        Value::Null
    );
    assert_eq!(lab.record_info(&id).await["status"], "SUCCESS");
}

#[tokio::test]
async fn callbacks_come_in_odd_forms() {
    let lab = lab(
        "[{do: [{callbacks: {trailing_slash: true, gzip: true, data_as_text: true, skip: [text, first]}}]}]",
    )
    .await;
    let mut receiver = Receiver::open(&[]).await;
    calling(&lab, &receiver).await;
    let call = receiver.next_call().await;
    assert_eq!(
        (call.path.as_str(), call.encoding.as_deref()),
        ("/hook/secret/", Some("gzip"))
    );
    let mut text = String::new();
    flate2::read::GzDecoder::new(call.raw.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    let data: Value = serde_json::from_str(body["data"].as_str().unwrap()).unwrap();
    assert_eq!(data["callbackType"], "complete");
}

#[tokio::test]
async fn a_forged_callback_can_be_signed_well_for_another_task() {
    let lab = lab_with(
        "callback_key: right",
        "[{do: [{forge: wrong_task_signed}]}]",
    )
    .await;
    let mut receiver = Receiver::open(&[]).await;
    let submitted: Value = serde_json::from_slice(&calling(&lab, &receiver).await).unwrap();
    let call = receiver.next_call().await;
    let named = call.body["data"]["task_id"].as_str().unwrap();
    assert_ne!(named, submitted["data"]["taskId"].as_str().unwrap());
    let (timestamp, signature) = call.signature.unwrap();
    assert_eq!(call.path, "/hook/secret");
    assert_eq!(
        signature,
        crate::faulty::signature("right", named, timestamp.parse().unwrap())
    );
}
