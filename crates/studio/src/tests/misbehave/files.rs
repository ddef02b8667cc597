//! Files that are not what they should be.

use backline_audio::decode;
use serde_json::Value;

use super::super::lab::{Lab, instant_request};
use super::{Got, lab, recording, submit};

/// A studio with this `file` fault, and the addresses of a task's tracks.
async fn tracks(file: &str) -> (Lab, Vec<String>) {
    let lab = lab(&format!("[{{do: [{{file: {file}}}]}}]")).await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let info = lab.record_info(&id).await;
    let urls = info["response"]["sunoData"].as_array().unwrap().iter();
    let urls = urls.map(|track: &Value| track["audioUrl"].as_str().unwrap().to_owned());
    let urls = urls.collect();
    (lab, urls)
}

/// Fetches without following redirects: status, content type, and as much of the body as came.
async fn fetch(url: &str) -> (u16, String, Vec<u8>, bool) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    let mut answer = client.get(url).send().await.unwrap();
    let kind = answer
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let (status, mut bytes, mut whole) = (answer.status().as_u16(), Vec::new(), true);
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => {
                whole = false;
                break;
            }
        }
    }
    (status, kind, bytes, whole)
}

#[tokio::test]
async fn one_track_is_spoilt_for_a_while_and_the_other_is_not() {
    let (lab, urls) = tracks("{kind: empty, track: 2, fetches: 1}").await;
    assert!(decode(&lab.download(&urls[0]).await).is_ok());
    assert_eq!(
        fetch(&urls[1]).await,
        (200, "audio/wav".into(), Vec::new(), true)
    );
    assert!(decode(&lab.download(&urls[1]).await).is_ok());
}

#[tokio::test]
async fn a_truncated_file_hides_it_and_a_broken_one_does_not() {
    let (lab, urls) = tracks("{kind: truncated}").await;
    let recording = recording(&lab).await;
    let (status, _, bytes, whole) = fetch(&urls[0]).await;
    assert_eq!((status, whole), (200, true));
    assert_eq!(bytes, recording[..recording.len() / 2]);

    let (lab, urls) = tracks("{kind: broken_off, fetches: 1}").await;
    let (status, _, bytes, whole) = fetch(&urls[0]).await;
    assert_eq!((status, whole), (200, false));
    assert!(recording.starts_with(&bytes) && bytes.len() <= recording.len() / 2);
    // The rest can be had by its range.
    let rest = lab
        .http
        .get(&urls[0])
        .header("range", format!("bytes={}-", bytes.len()));
    let rest = rest.send().await.unwrap();
    assert_eq!(rest.status(), 206);
    assert_eq!(
        [bytes, rest.bytes().await.unwrap().to_vec()].concat(),
        recording
    );
}

#[tokio::test]
async fn a_page_can_stand_where_sound_should() {
    let (_lab, urls) = tracks("{kind: html}").await;
    let (status, kind, bytes, _) = fetch(&urls[0]).await;
    assert_eq!((status, kind.as_str()), (200, "text/html"));
    assert!(bytes.starts_with(b"<!doctype html>"));
    let (_lab, urls) = tracks("{kind: html_as_audio}").await;
    let (status, kind, bytes, _) = fetch(&urls[0]).await;
    assert_eq!((status, kind.as_str()), (200, "audio/wav"));
    assert!(bytes.starts_with(b"<!doctype html>"));
}

#[tokio::test]
async fn links_can_be_dead() {
    let (lab, urls) = tracks("{kind: dead}").await;
    assert_eq!(fetch(&urls[0]).await.0, 404);
    assert_eq!(fetch(&urls[1]).await.0, 404);
    let head = lab.http.head(&urls[0]).send().await.unwrap();
    assert_eq!(head.status(), 404);
    let (_lab, urls) = tracks("{kind: dead, status: 403, fetches: 1}").await;
    assert_eq!(fetch(&urls[0]).await.0, 403);
    assert_eq!(fetch(&urls[0]).await.0, 200);
}

#[tokio::test]
async fn links_can_lead_to_private_addresses() {
    let location = async |url: &str| {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let answer = client.build().unwrap().get(url).send().await.unwrap();
        assert_eq!(answer.status(), 302);
        answer.headers()["location"].to_str().unwrap().to_owned()
    };
    let (_lab, urls) = tracks("{kind: redirect}").await;
    assert_eq!(
        location(&urls[0]).await,
        "http://169.254.169.254/latest/meta-data/"
    );
    let (_lab, urls) = tracks("{kind: redirect, to: 'http://10.0.0.1/x.mp3'}").await;
    assert_eq!(location(&urls[0]).await, "http://10.0.0.1/x.mp3");
}

#[tokio::test]
async fn addresses_of_no_task_are_not_there() {
    let (lab, _urls) = tracks("{kind: empty}").await;
    for path in ["bent/none/1.wav", "bent/none/x", "bent/1.wav"] {
        let got = super::got(lab.http.get(lab.url(path))).await;
        assert!(matches!(got, Got::Answer(404, _)), "{path}");
    }
}
