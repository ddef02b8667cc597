//! What polls of a misbehaving task show, and how tasks fail.

use serde_json::{Value, json};

use super::super::lab::{Lab, instant_request};
use super::{Got, bill, got, lab, submit};

/// Submits one request to a studio with these faults and responses the task's id.
async fn task(faults: &str) -> (Lab, String) {
    let lab = lab(&format!("[{{when: {{nth: [1]}}, do: {faults}}}]")).await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    (lab, id)
}

/// The first `count` polls of it.
async fn polls(lab: &Lab, id: &str, count: usize) -> Vec<Value> {
    let mut polls = Vec::new();
    for _ in 0..count {
        polls.push(lab.record_info(id).await);
    }
    polls
}

fn statuses(polls: &[Value]) -> Vec<&str> {
    polls
        .iter()
        .map(|poll| poll["status"].as_str().unwrap_or("none"))
        .collect()
}

#[tokio::test]
async fn a_fresh_task_can_be_unknown_at_first() {
    let (lab, id) = task("[{unknown: 2}]").await;
    assert_eq!(
        statuses(&polls(&lab, &id, 3).await),
        ["none", "none", "SUCCESS"]
    );
    // The next submission is not touched.
    let other = submit(&lab, &instant_request(), "other").await.task_id();
    assert_eq!(statuses(&polls(&lab, &other, 1).await), ["SUCCESS"]);
    let (lab, id) = task("[{unknown: forever}]").await;
    assert_eq!(polls(&lab, &id, 5).await, vec![Value::Null; 5]);
}

#[tokio::test]
async fn success_can_come_without_addresses() {
    let (lab, id) = task("[{null_urls: 2}]").await;
    let polls = polls(&lab, &id, 3).await;
    assert_eq!(statuses(&polls), ["SUCCESS"; 3]);
    for poll in &polls[..2] {
        for track in poll["response"]["sunoData"].as_array().unwrap() {
            assert_eq!(track["audioUrl"], Value::Null);
            let stream = lab
                .download(track["streamAudioUrl"].as_str().unwrap())
                .await;
            assert!(stream.is_empty(), "the stream has zero bytes");
        }
        let info = backline_api::RecordInfo::read(poll).unwrap();
        assert_ne!(info.view().stage, backline_api::Stage::Complete);
    }
    assert!(polls[2]["response"]["sunoData"][0]["audioUrl"].is_string());
}

#[tokio::test]
async fn a_response_can_be_null() {
    let (lab, id) = task("[{null_response: 1}]").await;
    let polls = polls(&lab, &id, 2).await;
    assert_eq!(polls[0]["response"], Value::Null);
    assert!(polls[1]["response"].is_object());
}

#[tokio::test]
async fn a_task_can_dwell_at_each_stage() {
    let (lab, id) = task("[{stages: 2}]").await;
    let polls = polls(&lab, &id, 7).await;
    assert_eq!(
        statuses(&polls),
        [
            "PENDING",
            "PENDING",
            "TEXT_SUCCESS",
            "TEXT_SUCCESS",
            "FIRST_SUCCESS",
            "FIRST_SUCCESS",
            "SUCCESS"
        ]
    );
    let audio =
        |poll: &Value, track: usize| poll["response"]["sunoData"][track]["audioUrl"].clone();
    assert_eq!(polls[0]["response"], Value::Null);
    assert_eq!(audio(&polls[2], 0), Value::Null);
    assert!(audio(&polls[4], 0).is_string() && audio(&polls[4], 1).is_null());
}

#[tokio::test]
async fn a_status_can_be_another_word() {
    let (lab, id) = task("[{status: {name: REMIXING, polls: 1}}]").await;
    assert_eq!(
        statuses(&polls(&lab, &id, 2).await),
        ["REMIXING", "SUCCESS"]
    );
    let (lab, id) = task("[{status: {name: CALLBACK_EXCEPTION}}]").await;
    let poll = &polls(&lab, &id, 1).await[0];
    assert_eq!(poll["status"], "CALLBACK_EXCEPTION");
    let view = backline_api::RecordInfo::read(poll).unwrap().view();
    assert_eq!(
        view.stage,
        backline_api::Stage::Complete,
        "its tracks are good"
    );
}

#[tokio::test]
async fn times_can_be_numbers() {
    let (lab, id) = task("[numeric_times]").await;
    let poll = &polls(&lab, &id, 1).await[0];
    let created = poll["response"]["sunoData"][1]["createTime"]
        .as_i64()
        .unwrap();
    assert!(created > 1_600_000_000_000, "{created} is in milliseconds");
}

#[tokio::test]
async fn tasks_fail_with_each_status() {
    for (status, code) in [
        ("CREATE_TASK_FAILED", 500),
        ("GENERATE_AUDIO_FAILED", 501),
        ("SENSITIVE_WORD_ERROR", 400),
        ("CALLBACK_EXCEPTION", 500),
        ("PENDING", 413),
    ] {
        let (lab, id) = task(&format!(
            "[{{fail: {{status: {status}, code: {code}, message: 'because'}}}}]"
        ))
        .await;
        for poll in polls(&lab, &id, 2).await {
            assert_eq!(
                (
                    &poll["status"],
                    &poll["errorCode"],
                    &poll["errorMessage"],
                    &poll["response"]
                ),
                (
                    &json!(status),
                    &json!(code),
                    &json!("because"),
                    &Value::Null
                )
            );
            let view = backline_api::RecordInfo::read(&poll).unwrap().view();
            // This status alone is not the end: tracks may still come.
            let open = status == "CALLBACK_EXCEPTION";
            match view.stage {
                backline_api::Stage::Incomplete { .. } => assert!(open, "{status}"),
                backline_api::Stage::Failed { .. } => assert!(!open, "{status}"),
                other => panic!("{status}: {other:?}"),
            }
        }
        assert_eq!(bill(&lab).await[0]["refunded"], false);
    }
}

#[tokio::test]
async fn code_531_gives_the_credits_back() {
    let plan = super::plan(
        "",
        "[{when: {nth: [1]}, do: [{fail: {status: GENERATE_AUDIO_FAILED, code: 531}}]}]",
    );
    let lab = Lab::open(move |config| {
        (config.misbehaviour, config.credits) = (Some(plan), Some(100.0));
    })
    .await;
    submit(&lab, &instant_request(), "t1").await.task_id();
    assert_eq!(lab.balance().await, 100.0);
    submit(&lab, &instant_request(), "t2").await.task_id();
    assert_eq!(lab.balance().await, 88.0);
    let refunded: Vec<_> = bill(&lab)
        .await
        .iter()
        .map(|entry| entry["refunded"].clone())
        .collect();
    assert_eq!(refunded, [true, false]);
}

#[tokio::test]
async fn polls_can_get_no_details() {
    for (response, status, code) in [
        ("server_error", 500, json!(500)),
        ("bad_gateway", 502, Value::Null),
        ("too_often", 200, json!(430)),
        ("maintenance", 200, json!(455)),
        ("drop", 0, Value::Null),
    ] {
        let (lab, id) = task(&format!("[{{poll: {{response: {response}, polls: 1}}}}]")).await;
        let poll = || {
            let url = lab.url(&format!("api/v1/generate/record-info?taskId={id}"));
            got(lab.http.get(url).bearer_auth("any"))
        };
        let first = poll().await;
        assert_eq!(
            (first.status(), first.json()["code"].clone()),
            (status, code),
            "{response}"
        );
        assert_eq!(poll().await.json()["data"]["status"], "SUCCESS");
        if response == "drop" {
            assert_eq!(first, Got::Nothing);
        }
    }
}
