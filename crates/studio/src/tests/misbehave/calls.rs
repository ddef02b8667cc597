//! Callbacks that come otherwise than they should, and forged ones.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::lab::{Lab, Receiver, instant_request};
use super::{Got, lab, lab_with, submit};
use crate::clock;
use crate::store::tasks;

/// Submits one request that calls `receiver` back.
async fn call(lab: &Lab, receiver: &Receiver) -> Got {
    let mut body = instant_request();
    body["callBackUrl"] = receiver.url_of("secret-token").into();
    submit(lab, &body, "t").await
}

/// The types of all callbacks of one task with these faults, in the order in which they came; a second, well-behaved task's
/// callbacks show that no more will come.
async fn types(faults: &str) -> Vec<String> {
    let lab = lab(&format!("[{{when: {{nth: [1]}}, do: {faults}}}]")).await;
    let mut receiver = Receiver::open(&[]).await;
    let task = call(&lab, &receiver).await.task_id();
    lab.callbacks_made(&task).await;
    let mut body = instant_request();
    body["callBackUrl"] = receiver.url_of("other").into();
    let other = submit(&lab, &body, "other").await.task_id();
    let mut types = Vec::new();
    loop {
        let body = receiver.next().await;
        if body["data"]["task_id"] == other.as_str() {
            return types;
        }
        types.push(body["data"]["callbackType"].as_str().unwrap().to_owned());
    }
}

#[tokio::test]
async fn callbacks_are_skipped_doubled_turned_round_or_never_made() {
    for (faults, expected) in [
        ("[{callbacks: {skip: [text, first]}}]", vec!["complete"]),
        (
            "[{callbacks: {double: true}}]",
            vec!["text", "text", "first", "first", "complete", "complete"],
        ),
        (
            "[{callbacks: {reverse: true}}]",
            vec!["complete", "first", "text"],
        ),
        ("[{callbacks: {never: true}}]", vec![]),
        (
            "[{fail: {status: CREATE_TASK_FAILED, code: 500}}, {callbacks: {double: true}}]",
            vec!["error", "error"],
        ),
    ] {
        assert_eq!(types(faults).await, expected, "{faults}");
    }
}

#[tokio::test]
async fn callbacks_can_come_before_the_response() {
    let lab = lab("[{do: [{callbacks: {before_response: true}}]}]").await;
    let mut receiver = Receiver::open(&[]).await;
    let task = call(&lab, &receiver).await.task_id();
    // All three are in the receiver's hands already: nothing is waited for.
    for expected in ["text", "first", "complete"] {
        let body = receiver
            .next_if_there()
            .expect("it came before the response");
        assert_eq!(body["data"]["callbackType"], expected);
        assert_eq!(body["data"]["task_id"], task.as_str());
    }
    // A placeholder is called by nobody and waited for by nobody.
    submit(&lab, &instant_request(), "other").await.task_id();
}

#[tokio::test]
async fn a_lost_response_leaves_the_callback_as_the_only_witness() {
    let lab = lab("[{do: [{response: drop}]}]").await;
    let mut receiver = Receiver::open(&[]).await;
    assert_eq!(call(&lab, &receiver).await, Got::Nothing);
    let named = receiver.next().await["data"]["task_id"].clone();
    let bill = super::bill(&lab).await;
    assert_eq!(bill[0]["task_id"], named);
    assert_eq!(bill[0]["callback_token"], "secret-token");
    assert_eq!(bill[0]["idempotency_key"], "t");
}

#[tokio::test]
async fn a_delayed_callback_is_due_when_the_plan_says() {
    let lab = lab("[{do: [{callbacks: {delay_ms: 60000}}]}]").await;
    let receiver = Receiver::open(&[]).await;
    let before_ms = clock::now_ms();
    let task = call(&lab, &receiver).await.task_id();
    let due = lab.shared().store.read("read", move |connection| {
        connection.query_row(
            "SELECT callback_due_ms FROM tasks WHERE id = ?1",
            [task],
            |row| row.get::<_, i64>(0),
        )
    });
    let wait_ms = due.await.unwrap() - before_ms;
    assert!((60_000..70_000).contains(&wait_ms), "due in {wait_ms} ms");
}

#[tokio::test]
async fn a_delayed_callback_comes_then() {
    let lab = lab("[{do: [{callbacks: {delay_ms: 60}}]}]").await;
    let mut receiver = Receiver::open(&[]).await;
    let before = std::time::Instant::now();
    call(&lab, &receiver).await;
    assert_eq!(receiver.types(3).await, ["text", "first", "complete"]);
    assert!(before.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn the_documented_shapes_can_be_had() {
    let lab =
        lab("[{do: [{callbacks: {first_alone: true, text_empty: true}}, numeric_times]}]").await;
    let mut receiver = Receiver::open(&[]).await;
    call(&lab, &receiver).await;
    assert_eq!(receiver.next().await["data"]["data"], json!([]));
    let first = receiver.next().await;
    assert_eq!(first["data"]["data"].as_array().unwrap().len(), 1);
    let complete = receiver.next().await;
    assert!(complete["data"]["data"][1]["createTime"].is_i64());
}

#[tokio::test]
async fn first_holds_both_tracks_the_second_empty() {
    let lab = lab("[]").await;
    let mut receiver = Receiver::open(&[]).await;
    call(&lab, &receiver).await;
    receiver.next().await;
    let tracks = receiver.next().await["data"]["data"].clone();
    assert!(tracks[0]["audio_url"].as_str().unwrap().starts_with("http"));
    assert_eq!(tracks[1]["audio_url"], "");
    assert!(tracks[1].get("duration").is_none());
}

#[tokio::test]
async fn forged_callbacks_come_first_and_are_not_repeated() {
    for forgery in ["wrong_token", "wrong_signature", "wrong_task", "no_json"] {
        let lab = lab_with(
            "callback_key: test-hmac-key",
            &format!("[{{do: [{{forge: {forgery}}}]}}]"),
        )
        .await;
        // The forged one is refused, as it should be, and the studio does not try it again.
        let mut receiver = Receiver::open(&[403]).await;
        let task = call(&lab, &receiver).await.task_id();
        let forged = receiver.next_call().await;
        let names = |call: &super::super::lab::CallbackRecord| call.path.ends_with("/secret-token");
        let signed = |call: &super::super::lab::CallbackRecord| {
            call.signature.as_ref().map(|(timestamp, signature)| {
                let task = call.body["data"]["task_id"].as_str().unwrap();
                let timestamp = timestamp.parse().unwrap();
                *signature == crate::faulty::signature("test-hmac-key", task, timestamp)
            })
        };
        assert_eq!(names(&forged), forgery != "wrong_token", "{forgery}");
        match forgery {
            "no_json" => assert_eq!(forged.body, Value::Null),
            _ => {
                assert_eq!(forged.body["data"]["callbackType"], "complete");
                assert_eq!(
                    forged.body["data"]["task_id"] == task.as_str(),
                    forgery != "wrong_task"
                );
                let audio = forged.body["data"]["data"][0]["audio_url"].as_str();
                assert!(audio.unwrap().starts_with("http://169.254."));
            }
        }
        let expected = (forgery == "wrong_signature").then_some(false);
        assert_eq!(signed(&forged), expected, "{forgery}");
        for stage in ["text", "first", "complete"] {
            let call = receiver.next_call().await;
            assert_eq!(call.body["data"]["callbackType"], stage);
            assert!(names(&call));
            assert_eq!(signed(&call), Some(true), "the others are signed well");
        }
    }
}

#[tokio::test]
async fn faults_and_callbacks_that_wait_survive_a_stop() {
    let plan = super::plan(
        "",
        "[{do: [{callbacks: {delay_ms: 3600000, double: true}}, {unknown: 1}]}]",
    );
    let misbehaving = plan.clone();
    let lab = Lab::open(move |config| config.misbehaviour = Some(misbehaving)).await;
    let receiver = Receiver::open(&[]).await;
    let task = call(&lab, &receiver).await.task_id();
    let dir = lab.close().await;
    // The next studio has no plan: what befell the task faults it still.
    let lab = Lab::open_in(dir, |_| ()).await;
    assert_eq!(lab.record_info(&task).await, Value::Null);
    assert_eq!(lab.record_info(&task).await["status"], "SUCCESS");
    let find = move |connection: &rusqlite::Connection| tasks::find(connection, &task);
    let kept = lab
        .shared()
        .store
        .read("read", find)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(kept.faults.len(), 2);
}
