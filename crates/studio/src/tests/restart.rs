//! What survives a stop: tasks, charges, tokens, callbacks that are owed; and who may use a folder.

use std::time::Duration;

use serde_json::Value;

use super::lab::{Lab, PATIENCE, Receiver, instant_request, listener, request, vocal};
use crate::{Studio, StudioConfig, StudioError};

#[tokio::test]
async fn unfinished_tasks_are_taken_up_again() {
    // Nothing is rendered before the stop: the worker's places are taken by sources that never come.
    let silent = listener().await;
    let held = format!("http://{}/vocal.wav", silent.local_addr().unwrap());
    let change = |config: &mut StudioConfig| {
        (
            config.instant,
            config.allow_private_sources,
            config.render_limit,
        ) = (false, true, 1);
    };
    let lab = Lab::open(change).await;
    let upload = lab.upload("vocal.wav", vocal()).await;
    for _ in 0..9 {
        lab.submit(&request(&held)).await;
    }
    let task = lab.submit(&request(&upload)).await;
    assert_eq!(lab.record_info(&task).await["status"], "PENDING");
    let dir = lab.close().await;
    drop(silent);
    // On another port, the address that the request names is still the studio's own upload.
    let lab = Lab::open_in(dir, change).await;
    assert_eq!(lab.finished(&task).await["status"], "SUCCESS");
}

#[tokio::test]
async fn a_task_that_can_not_be_noted_is_told_of_and_goes_on_after_the_next_start() {
    let change = |config: &mut StudioConfig| config.instant = false;
    let lab = Lab::open(change).await;
    let upload = lab.upload("vocal.wav", vocal()).await;
    // As on a full disk: tasks are taken and read, and no step of theirs can be written.
    let database = rusqlite::Connection::open(lab.shared().folder.database()).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER full BEFORE UPDATE ON tasks BEGIN SELECT RAISE(FAIL, 'no room'); END",
        )
        .unwrap();
    let task = lab.submit(&request(&upload)).await;
    let why = tokio::time::timeout(PATIENCE, lab.studio.store_failed()).await;
    let why = why.unwrap();
    assert!(why.ends_with(": no room"), "{why}");
    database.execute_batch("DROP TRIGGER full").unwrap();
    drop(database);
    let lab = Lab::open_in(lab.close().await, change).await;
    assert_eq!(lab.finished(&task).await["status"], "SUCCESS");
}

#[tokio::test]
async fn charges_tokens_and_tasks_survive() {
    let open = |config: &mut StudioConfig| config.credits = Some(100.0);
    let lab = Lab::open(open).await;
    let submit = async |lab: &Lab| -> Value {
        let request = lab
            .http
            .post(lab.url("api/v1/generate/add-instrumental"))
            .bearer_auth("any");
        let request = request
            .header("Idempotency-Key", "token")
            .json(&instant_request());
        request.send().await.unwrap().json().await.unwrap()
    };
    let before = submit(&lab).await;
    let lab = Lab::open_in(lab.close().await, open).await;
    assert_eq!(submit(&lab).await, before);
    assert_eq!(lab.balance().await, 88.0);
    let info = lab
        .record_info(before["data"]["taskId"].as_str().unwrap())
        .await;
    let audio = info["response"]["sunoData"][0]["audioUrl"]
        .as_str()
        .unwrap();
    assert!(
        !lab.download(audio).await.is_empty(),
        "links follow the studio to its new address"
    );
}

#[tokio::test]
async fn callbacks_that_are_owed_are_made_by_the_next_studio() {
    let slow =
        |config: &mut StudioConfig| config.callback_backoff = vec![Duration::from_millis(200); 3];
    let lab = Lab::open(slow).await;
    let mut receiver = Receiver::open(&[503]).await;
    let mut body = instant_request();
    body["callBackUrl"] = receiver.url.clone().into();
    lab.submit(&body).await;
    assert_eq!(receiver.types(1).await, ["text"]);
    let _lab = Lab::open_in(lab.close().await, slow).await;
    assert_eq!(receiver.types(3).await, ["text", "first", "complete"]);
}

#[tokio::test]
async fn two_studios_never_share_a_folder() {
    let lab = Lab::open(|_| ()).await;
    let mut config = StudioConfig::new(lab.shared().config.data_dir.clone());
    config.instant = true;
    let refused = Studio::start(listener().await, config.clone())
        .await
        .err()
        .expect("the folder is taken");
    assert!(matches!(refused, StudioError::InUse { .. }), "{refused}");
    let _dir = lab.close().await;
    Studio::start(listener().await, config)
        .await
        .unwrap()
        .stop()
        .await;
}
