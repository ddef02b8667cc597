//! Callbacks against a real receiver: order, repeats, and receivers that are not there.

use serde_json::{Value, json};

use super::lab::{Lab, Receiver, instant_request, request};

fn calling(url: &str) -> Value {
    let mut body = instant_request();
    body["callBackUrl"] = url.into();
    body
}

#[tokio::test]
async fn the_stages_come_in_order_with_the_contracts_shape() {
    let lab = Lab::open(|_| ()).await;
    let mut receiver = Receiver::open(&[]).await;
    let task = lab.submit(&calling(&receiver.url)).await;
    let text = receiver.next().await;
    assert_eq!(
        (&text["code"], &text["data"]["callbackType"]),
        (&json!(200), &json!("text"))
    );
    assert_eq!(text["data"]["data"][0]["audio_url"], "");
    let first = receiver.next().await;
    assert_eq!(first["data"]["callbackType"], "first");
    assert!(
        first["data"]["data"][0]["audio_url"]
            .as_str()
            .unwrap()
            .starts_with("http")
    );
    assert_eq!(
        first["data"]["data"][1]["audio_url"], "",
        "the second is not ready yet"
    );
    let complete = receiver.next().await;
    assert_eq!(complete["data"]["task_id"], task.as_str());
    let golden: Value = serde_json::from_str(include_str!(
        "../../../../tests/fixtures/wire/callback/complete.json"
    ))
    .unwrap();
    let names = |body: &Value| -> Vec<String> {
        body["data"]["data"][0]
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect()
    };
    assert_eq!(names(&complete), names(&golden));
    let read = backline_api::read_callback(complete.to_string().as_bytes()).unwrap();
    assert_eq!(read.view.stage, backline_api::Stage::Complete);
    assert_eq!(read.view.tracks.len(), 2);
}

#[tokio::test]
async fn a_callback_is_repeated_thrice_and_then_given_up() {
    let lab = Lab::open(|_| ()).await;
    let mut receiver = Receiver::open(&[500, 503, 200, 302, 500, 404, 500]).await;
    lab.submit(&calling(&receiver.url)).await;
    assert_eq!(
        receiver.types(8).await,
        [
            "text", "text", "text", "first", "first", "first", "first", "complete"
        ]
    );
}

#[tokio::test]
async fn a_failed_task_calls_back_with_its_error() {
    let lab = Lab::open(|config| config.instant = false).await;
    let mut receiver = Receiver::open(&[]).await;
    let mut body = request(&lab.url("files/uploads/stems/nothing.wav"));
    body["callBackUrl"] = receiver.url.clone().into();
    let task = lab.submit(&body).await;
    let error = receiver.next().await;
    assert_eq!(error["code"], 451);
    assert_eq!(
        error["data"],
        json!({"callbackType": "error", "task_id": task, "data": null})
    );
}

#[tokio::test]
async fn receivers_that_are_not_there_do_no_harm() {
    let lab = Lab::open(|_| ()).await;
    let nobody = {
        let listener = super::lab::listener().await;
        format!("http://{}/hook", listener.local_addr().unwrap())
    };
    for url in [
        nobody.as_str(),
        "playground",
        "https://example.com/callback",
    ] {
        let task = lab.submit(&calling(url)).await;
        assert_eq!(lab.finished(&task).await["status"], "SUCCESS", "{url}");
    }
    let mut receiver = Receiver::open(&[]).await;
    lab.submit(&calling(&receiver.url)).await;
    assert_eq!(receiver.types(3).await, ["text", "first", "complete"]);
}

#[tokio::test]
async fn many_tasks_each_get_their_callbacks_in_order() {
    let lab = Lab::open(|_| ()).await;
    let mut receiver = Receiver::open(&[]).await;
    let mut stages = std::collections::HashMap::<String, Vec<String>>::new();
    for _ in 0..50 {
        stages.insert(lab.submit(&calling(&receiver.url)).await, Vec::new());
    }
    for _ in 0..150 {
        let body = receiver.next().await;
        let task = body["data"]["task_id"].as_str().unwrap();
        stages
            .get_mut(task)
            .unwrap()
            .push(body["data"]["callbackType"].as_str().unwrap().to_owned());
    }
    assert!(
        stages
            .values()
            .all(|seen| seen == &["text", "first", "complete"]),
        "{stages:?}"
    );
}
