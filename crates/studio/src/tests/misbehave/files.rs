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
    let mut response = client.get(url).send().await.unwrap();
    let kind = response
        .headers()
        .get("content-type")
        .map(|kind| kind.to_str().unwrap().to_owned())
        .unwrap_or_default();
    let (status, mut bytes, mut whole) = (response.status().as_u16(), Vec::new(), true);
    loop {
        match response.chunk().await {
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
        let response = client.build().unwrap().get(url).send().await.unwrap();
        assert_eq!(response.status(), 302);
        response.headers()["location"].to_str().unwrap().to_owned()
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
        assert!(matches!(got, Got::Response(404, _)), "{path}");
    }
}

/// Fetches a part, if `range` names one: status, headers and body.
async fn part(url: &str, headers: &[(&str, &str)]) -> (u16, reqwest::header::HeaderMap, Vec<u8>) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .no_gzip()
        .build()
        .unwrap();
    let mut request = client.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.bytes().await.unwrap().to_vec())
}

#[tokio::test]
async fn ranges_can_get_wrong_responses() {
    let from_ten = ("range", "bytes=10-");
    let (lab, urls) = tracks("{kind: wrong_offset}").await;
    let recording = recording(&lab).await;
    let (status, headers, bytes) = part(&urls[0], &[from_ten]).await;
    assert_eq!((status, bytes.len()), (206, recording.len()));
    assert!(
        headers["content-range"]
            .to_str()
            .unwrap()
            .starts_with("bytes 0-")
    );
    assert_eq!(part(&urls[0], &[]).await.2, recording);

    let (_lab, urls) = tracks("{kind: no_range}").await;
    assert_eq!(part(&urls[0], &[from_ten]).await.0, 403);
    assert_eq!(part(&urls[0], &[]).await.2, recording);

    let (_lab, urls) = tracks("{kind: ignores_range}").await;
    let (status, _, bytes) = part(&urls[0], &[from_ten]).await;
    assert_eq!((status, bytes.len()), (200, recording.len()));
}

#[tokio::test]
async fn a_file_can_change_between_two_requests() {
    let rules = "[{do: [{file: {kind: broken_off, track: 1, fetches: 1}}, {file: {kind: other_file, track: 1, fetches: 4}}]}]";
    let lab = lab(rules).await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let tracks = lab.record_info(&id).await["response"]["sunoData"].clone();
    let url = tracks[0]["audioUrl"].as_str().unwrap();
    let first = recording(&lab).await;
    let second = lab.download(&lab.url("files/instant/2.wav")).await;
    assert_ne!(first, second);
    let (_, _, begun, whole) = fetch(url).await;
    assert!(!whole && first.starts_with(&begun));
    let range = format!("bytes={}-", begun.len());
    // A request for the rest alone gets the rest of the other file ...
    let (status, headers, rest) = part(url, &[("range", &range)]).await;
    assert_eq!((status, rest.as_slice()), (206, &second[begun.len()..]));
    // ... and a conditional request gets that file whole.
    let condition = [("range", range.as_str()), ("if-range", "\"another\"")];
    let (status, _, bytes) = part(url, &condition).await;
    assert_eq!((status, &bytes), (200, &second));
    let etag = headers["etag"].to_str().unwrap();
    let condition = [("range", range.as_str()), ("if-range", etag)];
    assert_eq!(part(url, &condition).await.0, 206);
    assert_eq!(
        part(url, &[]).await.2,
        first,
        "the fifth fetch is the true file"
    );
}

#[tokio::test]
async fn a_file_can_come_compressed_slowly_without_end_or_in_another_format() {
    let (lab, urls) = tracks("{kind: gzip}").await;
    let (_, headers, bytes) = part(&urls[0], &[("accept-encoding", "identity")]).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(bytes.starts_with(&[0x1f, 0x8b]));
    drop(lab);

    for (kind, magic) in [
        ("{kind: trickle, bytes_per_s: 20}", &b"RIFF"[..]),
        ("{kind: endless}", b"RIFF"),
    ] {
        let (_lab, urls) = tracks(kind).await;
        let mut response = reqwest::get(&urls[0]).await.unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < 4 {
            bytes.extend(response.chunk().await.unwrap().unwrap());
        }
        assert!(bytes.starts_with(magic));
        if kind.contains("endless") {
            assert_eq!(response.content_length(), None);
            while bytes.len() < 1_000_000 {
                bytes.extend(response.chunk().await.unwrap().unwrap());
            }
        } else {
            assert!(bytes.len() <= 8, "{}", bytes.len());
        }
    }
    let (_lab, urls) = tracks("{kind: m4a}").await;
    let (_, kind, bytes, _) = fetch(&urls[0]).await;
    assert_eq!(kind, "audio/mp4");
    assert!(decode(&bytes).is_ok());
    let (_lab, urls) = tracks("{kind: opus}").await;
    let (_, kind, bytes, _) = fetch(&urls[0]).await;
    assert_eq!(
        (kind.as_str(), &bytes[28..36]),
        ("audio/ogg", &b"OpusHead"[..])
    );
}

#[tokio::test]
async fn the_source_address_can_be_good_where_the_other_is_empty() {
    let lab = lab("[{do: [{file: {kind: empty, source_is_good: true}}]}]").await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let track = lab.record_info(&id).await["response"]["sunoData"][0].clone();
    let get = async |name: &str| lab.download(track[name].as_str().unwrap()).await;
    assert!(get("audioUrl").await.is_empty());
    assert_eq!(get("sourceAudioUrl").await, recording(&lab).await);
}

#[tokio::test]
async fn a_dead_link_can_say_when_to_come_again() {
    let (_lab, urls) = tracks("{kind: dead, status: 503, retry_after_s: 3}").await;
    let (status, headers, _) = part(&urls[0], &[]).await;
    assert_eq!(
        (status, headers["retry-after"].to_str().unwrap()),
        (503, "3")
    );
}
