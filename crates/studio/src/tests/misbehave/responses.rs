//! Submissions: refused, dropped, and accepted with a response without information.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use super::super::lab::{Lab, PATIENCE, instant_request};
use super::{Got, billed, codes, lab, lab_with, plan, submit, submit_many};

/// The second of three submissions gets `response`: it is billed all the same, under its own token, and the others are not
/// touched. A repeat under the token gives the task that was bought.
async fn check_lost_response(response: &str, expected: impl Fn(&Got) -> bool) {
    let lab = lab(&format!(
        "[{{when: {{nth: [2]}}, do: [{{response: {response}}}]}}]"
    ))
    .await;
    let got = submit_many(&lab, 3).await;
    assert!(expected(&got[1]), "{response} gave {:?}", got[1]);
    assert_eq!(codes(&[got[0].clone(), got[2].clone()]), [200, 200]);
    assert_eq!(billed(&lab).await, ["t1", "t2", "t3"], "{response}");
    let again = submit(&lab, &instant_request(), "t2").await.task_id();
    assert_eq!(billed(&lab).await.len(), 3, "a repeat buys nothing");
    assert_eq!(lab.record_info(&again).await["status"], "SUCCESS");
}

#[tokio::test]
async fn what_was_accepted_is_billed_whatever_the_response_says() {
    check_lost_response("drop", |got| *got == Got::Nothing).await;
    check_lost_response("cut", |got| *got == Got::Nothing).await;
    check_lost_response("server_error", |got| {
        got.status() == 500 && got.json()["code"] == 500
    })
    .await;
    check_lost_response("server_error_in_body", |got| {
        got.status() == 200 && got.json()["code"] == 500
    })
    .await;
    check_lost_response("timeout_in_body", |got| {
        got.status() == 200 && got.json()["code"] == 408
    })
    .await;
    check_lost_response(
        "bad_gateway",
        |got| matches!(got, Got::Response(502, page) if page.starts_with("<html>")),
    )
    .await;
    check_lost_response("no_task_id", |got| {
        got.json()["code"] == 200 && got.json()["data"] == serde_json::json!({})
    })
    .await;
    check_lost_response("null_data", |got| {
        got.json()["code"] == 200 && got.json()["data"].is_null()
    })
    .await;
    check_lost_response("empty", |got| *got == Got::Response(200, String::new())).await;
}

#[tokio::test]
async fn a_response_that_comes_too_late_was_bought() {
    let lab = lab("[{when: {nth: [1]}, do: [{response_late_ms: 3600000}]}]").await;
    let request = lab
        .http
        .post(lab.url("api/v1/generate/add-instrumental"))
        .bearer_auth("any")
        .header("Idempotency-Key", "late")
        .json(&instant_request());
    let bought = lab
        .studio
        .wait_until(|| async { billed(&lab).await == ["late"] });
    let mut response = pin!(request.send());
    tokio::select! {
        response = &mut response => panic!("it came: {response:?}"),
        bought = tokio::time::timeout(PATIENCE, bought) => bought.unwrap(),
    }
    // The client gets no response.
    let told = tokio::time::timeout(Duration::from_millis(300), response).await;
    assert!(told.is_err(), "it came: {told:?}");
    // Stopping does not wait for the hour.
    let before = Instant::now();
    lab.close().await;
    assert!(before.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn a_late_response_is_the_right_one() {
    let lab = lab("[{do: [{response_late_ms: 40}]}]").await;
    let before = Instant::now();
    let got = submit(&lab, &instant_request(), "t").await;
    assert!(before.elapsed() >= Duration::from_millis(40));
    assert_eq!(lab.record_info(&got.task_id()).await["status"], "SUCCESS");
}

#[tokio::test]
async fn a_request_that_is_dropped_before_it_is_accepted_buys_nothing() {
    let lab = lab("[{when: {nth: [1]}, do: [drop_request]}]").await;
    let got = submit_many(&lab, 2).await;
    assert_eq!(got[0], Got::Nothing);
    assert_eq!(billed(&lab).await, ["t2"]);
}

#[tokio::test]
async fn refusals_come_in_every_code_and_shape_and_buy_nothing() {
    for code in [405, 429, 430, 455] {
        for (shape, status) in [("body", 200), ("status", code), ("page", code)] {
            let lab = lab(&format!(
                "[{{when: {{nth: [2]}}, do: [{{refuse: {{code: {code}, shape: {shape}}}}}]}}]"
            ))
            .await;
            let got = submit_many(&lab, 3).await;
            assert_eq!(got[1].status(), status, "{code} {shape}");
            let in_body = if shape == "page" { 0 } else { i64::from(code) };
            assert_eq!(codes(&got), [200, in_body, 200], "{code} {shape}");
            assert_eq!(billed(&lab).await, ["t1", "t3"]);
        }
    }
}

#[tokio::test]
async fn a_refusal_can_say_when_to_come_again() {
    let lab = lab("[{do: [{refuse: {code: 430, retry_after_s: 7}}]}]").await;
    let request = lab
        .http
        .post(lab.url("api/v1/generate/add-instrumental"))
        .bearer_auth("any")
        .json(&instant_request());
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
}

#[tokio::test]
async fn a_window_refuses_everything_until_it_has_passed() {
    let lab = lab("[{when: {nth: [2]}, do: [{refuse: {code: 455, lasting_ms: 3600000}}]}]").await;
    let got = submit_many(&lab, 5).await;
    assert_eq!(codes(&got), [200, 455, 455, 455, 455]);
    let lab = super::lab("[{when: {nth: [1]}, do: [{refuse: {code: 405, lasting_ms: 60}}]}]").await;
    let before = Instant::now();
    let mut refused = 0;
    while codes(&[submit(&lab, &instant_request(), "t").await]) == [405] {
        refused += 1;
    }
    assert!(refused >= 1 && before.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn the_edge_turns_away_who_does_not_name_itself() {
    let lab = lab("[]").await;
    let nameless = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = nameless
        .post(lab.url("api/v1/generate/add-instrumental"))
        .bearer_auth("any")
        .json(&instant_request());
    let bare = Got::Response(403, "error code: 1010".into());
    assert_eq!(super::got(request).await, bare);
    // The same page for one that does, when a plan wants it.
    let lab = super::lab("[{do: [{refuse: {code: 403, shape: page}}]}]").await;
    assert_eq!(submit(&lab, &instant_request(), "t").await, bare);
    assert!(billed(&lab).await.is_empty());
}

#[tokio::test]
async fn without_idempotency_every_post_is_a_purchase() {
    let lab = lab_with("idempotency: off", "[]").await;
    let (first, second) = (
        submit(&lab, &instant_request(), "same").await.task_id(),
        submit(&lab, &instant_request(), "same").await.task_id(),
    );
    assert_ne!(first, second);
    assert_eq!(billed(&lab).await, ["same", "same"]);
}

#[tokio::test]
async fn kies_table_has_other_codes_for_the_same() {
    let open = |credits: f64, rate| {
        let plan = plan("codes: kie", "[]");
        Lab::open(move |config| {
            (config.misbehaviour, config.credits, config.rate) = (Some(plan), Some(credits), rate);
        })
    };
    let lab = open(12.0, None).await;
    assert_eq!(codes(&submit_many(&lab, 2).await), [200, 402]);
    let lab = open(100.0, Some((1, Duration::from_secs(600)))).await;
    assert_eq!(codes(&submit_many(&lab, 2).await), [200, 429]);
    let mut wrong = instant_request();
    wrong["title"] = "".into();
    assert_eq!(codes(&[submit(&lab, &wrong, "t").await]), [422]);
}
