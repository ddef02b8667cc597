//! Scripts of polls: what a task's details show, step after step.

use serde_json::{Value, json};

use super::super::lab::{Lab, instant_request};
use super::{Got, bill, got, lab, submit};

/// A task with this script, and what its first `count` polls show.
async fn polls(script: &str, count: usize) -> Vec<Value> {
    let lab = lab(&format!("[{{do: [{{details: {script}}}]}}]")).await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let mut polls = Vec::new();
    for _ in 0..count {
        polls.push(lab.record_info(&id).await);
    }
    polls
}

/// Status word and `audioUrl` of each track: `-` for null, empty as it is, `url` for an address.
fn shown(details: &Value) -> String {
    let tracks = details["response"]["sunoData"].as_array().unwrap().iter();
    let tracks: Vec<&str> = tracks
        .map(|track| match &track["audioUrl"] {
            Value::Null => "-",
            Value::String(text) if text.is_empty() => "",
            _ => "url",
        })
        .collect();
    format!(
        "{} [{}]",
        details["status"].as_str().unwrap(),
        tracks.join(",")
    )
}

async fn check(script: &str, expected: &[&str]) {
    let polls = polls(script, expected.len()).await;
    let shown: Vec<String> = polls.iter().map(shown).collect();
    assert_eq!(shown, expected, "{script}");
}

#[tokio::test]
async fn polls_follow_their_script_and_then_the_truth() {
    check(
        "[{polls: 2, status: CALLBACK_EXCEPTION, tracks: [empty, empty]}]",
        &[
            "CALLBACK_EXCEPTION [,]",
            "CALLBACK_EXCEPTION [,]",
            "SUCCESS [url,url]",
        ],
    )
    .await;
    check(
        "[{status: GENERATE_AUDIO_FAILED, error_code: 501, tracks: [ready, null]}]",
        &["GENERATE_AUDIO_FAILED [url,-]"; 3],
    )
    .await;
    check(
        "[{polls: 1, status: FIRST_SUCCESS, tracks: [ready, null]}, {polls: 1, tracks: [ready]}]",
        &[
            "FIRST_SUCCESS [url,-]",
            "SUCCESS [url]",
            "SUCCESS [url,url]",
        ],
    )
    .await;
    check("[{tracks: [ready, null]}]", &["SUCCESS [url,-]"; 3]).await;
    check(
        "[{polls: 1, status: FAILED}]",
        &["FAILED [url,url]", "SUCCESS [url,url]"],
    )
    .await;
}

#[tokio::test]
async fn one_address_of_several_can_be_the_only_one() {
    let polls = polls("[{tracks: [source_only, stream_only]}]", 1).await;
    let tracks = &polls[0]["response"]["sunoData"];
    assert!(tracks[0]["sourceAudioUrl"].is_string() && tracks[0]["audioUrl"].is_null());
    assert!(tracks[1]["streamAudioUrl"].is_string() && tracks[1]["sourceAudioUrl"].is_null());
    let polls = self::polls("[{tracks: [missing, ready]}]", 1).await;
    assert!(
        polls[0]["response"]["sunoData"][0]
            .get("audioUrl")
            .is_none()
    );
}

#[tokio::test]
async fn ids_can_change_be_equal_or_be_left_out() {
    let ids = |details: &Value| -> Vec<Value> {
        let tracks = details["response"]["sunoData"].as_array().unwrap().iter();
        tracks.map(|track| track["id"].clone()).collect()
    };
    let changing = polls("[{ids: changing}]", 2).await;
    let (first, second) = (ids(&changing[0]), ids(&changing[1]));
    assert!(first[0] != first[1] && first[0] != second[0] && first[1] != second[1]);
    let equal = ids(&polls("[{ids: equal}]", 1).await[0]);
    assert_eq!(equal[0], equal[1]);
    assert_eq!(
        ids(&polls("[{ids: missing}]", 1).await[0]),
        [Value::Null, Value::Null]
    );
}

#[tokio::test]
async fn a_poll_can_show_another_tasks_details() {
    let lab = lab("[{when: {nth: [2]}, do: [{details: [{polls: 1, of: other}]}]}]").await;
    let first = submit(&lab, &instant_request(), "t1").await.task_id();
    let second = submit(&lab, &instant_request(), "t2").await.task_id();
    assert_eq!(lab.record_info(&second).await["taskId"], first.as_str());
    assert_eq!(lab.record_info(&second).await["taskId"], second.as_str());
}

async fn envelope(lab: &Lab, id: &str) -> Got {
    let url = lab.url(&format!("api/v1/generate/record-info?taskId={id}"));
    got(lab.http.get(url).bearer_auth("any")).await
}

#[tokio::test]
async fn a_failure_can_show_in_the_envelope_or_as_another_word() {
    for code in [501, 531, 451] {
        let fail = format!("{{status: FAILED, code: {code}, envelope: true}}");
        let lab = lab(&format!("[{{do: [{{fail: {fail}}}]}}]")).await;
        let id = submit(&lab, &instant_request(), "t").await.task_id();
        let body = envelope(&lab, &id).await.json();
        assert_eq!(
            (&body["code"], &body["data"]),
            (&json!(code), &Value::Null),
            "{body}"
        );
        assert_eq!(bill(&lab).await[0]["refunded"], code == 531);
    }
    let lab = lab("[{do: [{fail: {status: FAILED, code: 501}}]}]").await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let data = lab.record_info(&id).await;
    assert_eq!(
        (&data["status"], &data["errorCode"]),
        (&json!("FAILED"), &json!(501))
    );
}

#[tokio::test]
async fn clock_and_duration_can_be_wrong() {
    let lab = lab("[{do: [{clock_offset_s: -36000}, {duration_s: 999.5}, numeric_times]}]").await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let track = lab.record_info(&id).await["response"]["sunoData"][0].clone();
    let behind_ms = crate::clock::now_ms() - track["createTime"].as_i64().unwrap();
    assert!((36_000_000..36_600_000).contains(&behind_ms), "{behind_ms}");
    assert_eq!(track["duration"], 999.5);
}
