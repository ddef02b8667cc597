//! Faults of steps.

use super::*;
use crate::tests::lab::Receiver;
use crate::tests::steps::{MIDI, RECOVERY, STEMS, WAV, finished, of_track, order, post, track_ids};
use serde_json::json;

const HOOK: &str = "https://example.com/hook";

async fn song(lab: &Lab) -> (String, Vec<String>) {
    let song = lab.submit(&instant_request()).await;
    let tracks = track_ids(lab, &song).await;
    (song, tracks)
}

fn view(name: &str, body: &Value, task: &str) -> backline_api::StepView {
    let profile = backline_api::Profile::sunoapi();
    let operation = profile.step(name).unwrap();
    let body = body.to_string();
    let read = operation.read_step_details(200, body.as_bytes(), &task.into());
    read.unwrap()
}

#[tokio::test]
async fn a_lost_wav_is_found_again_by_its_refused_repeat() {
    let rules = "[{when: {operation: wav, times: 1}, do: [{response: drop}]}]";
    let lab = lab_with("idempotency: off", rules).await;
    let (song, tracks) = song(&lab).await;
    let request = lab
        .http
        .post(lab.url("api/v1/wav/generate"))
        .bearer_auth("any")
        .json(&of_track(&song, &tracks[0]));
    assert_eq!(got(request).await, Got::Nothing);
    let again = post(&lab, WAV, &of_track(&song, &tracks[0])).await;
    assert_eq!(again["code"], 409);
    let task = again["data"]["taskId"].as_str().unwrap();
    assert_eq!(
        finished(&lab, WAV, task).await["data"]["successFlag"],
        "SUCCESS"
    );
    let wavs = bill(&lab).await;
    let wavs = wavs.iter().filter(|entry| entry["operation"] == "wav");
    assert_eq!(wavs.count(), 1, "bought once");
}

#[tokio::test]
async fn a_repeat_may_be_refused_without_an_id() {
    let rules = "[{when: {operation: wav, from: 3}, do: [{refuse: {code: 409}}]}]";
    let lab = lab(rules).await;
    let (song, tracks) = song(&lab).await;
    order(&lab, WAV, &of_track(&song, &tracks[0])).await;
    let again = post(&lab, WAV, &of_track(&song, &tracks[0])).await;
    assert_eq!(
        (&again["code"], &again["data"]),
        (&json!(409), &Value::Null)
    );
}

#[tokio::test]
async fn details_of_a_step_lie_as_vendors_were_seen_to() {
    use backline_api::Stage;
    let rules = "[
        {when: {nth: [2]}, do: [{status: {name: CALLBACK_EXCEPTION}}]},
        {when: {nth: [3]}, do: [{null_urls: 1}]},
        {when: {nth: [4]}, do: [{unknown: 1}, {stages: 2}]},
        {when: {nth: [5]}, do: [{fail: {status: CREATE_TASK_FAILED, code: 531}}]},
        {when: {nth: [6]}, do: [{fail: {status: GENERATE_AUDIO_FAILED, code: 500}}]}]";
    let lab = lab(rules).await;
    let (song, tracks) = song(&lab).await;
    let track = of_track(&song, &tracks[0]);
    let start = lab.balance().await;
    let details = async |task: &str| {
        let body = lab.get(&format!("{STEMS}/record-info?taskId={task}")).await;
        view("stems", &body, task)
    };
    let task = order(&lab, STEMS, &track).await;
    assert_eq!(
        details(&task).await.stage,
        Stage::Complete,
        "with its files"
    );
    let task = order(&lab, STEMS, &track).await;
    let empty = details(&task).await;
    assert!(matches!(empty.stage, Stage::Incomplete { .. }), "{empty:?}");
    assert_eq!(details(&task).await.stage, Stage::Complete);
    let task = order(&lab, STEMS, &track).await;
    assert_eq!(details(&task).await.stage, Stage::Unknown);
    assert_eq!(details(&task).await.stage, Stage::Pending);
    assert_eq!(details(&task).await.stage, Stage::Complete);
    let task = order(&lab, STEMS, &track).await;
    let failed = details(&task).await.stage;
    assert!(matches!(failed, Stage::Failed { refunded: true, .. }));
    assert_eq!(lab.balance().await, start - 30.0);
    let stems = order(&lab, STEMS, &track).await;
    let failed = details(&stems).await.stage;
    assert!(matches!(
        failed,
        Stage::Failed {
            code: Some(500),
            ..
        }
    ));
    let midi = json!({ "taskId": stems, "callBackUrl": HOOK });
    assert_eq!(post(&lab, MIDI, &midi).await["code"], 400, "not finished");
}

#[tokio::test]
async fn a_recovery_brings_back_a_part_or_nothing() {
    use backline_api::Stage;
    let rules = "[
        {when: {nth: [2]}, do: [{lost_track: {track: 2, reason: feed_failed}}]},
        {when: {nth: [3]}, do: [{lost_track: {}}]},
        {when: {nth: [4]}, do: [{status: {name: '201', polls: 1}}]},
        {when: {nth: [5]}, do: [{file: {kind: empty, track: 1}}]}]";
    let lab = lab(rules).await;
    let (song, tracks) = song(&lab).await;
    let body = json!({ "sunoTaskId": song, "callBackUrl": HOOK });
    let details = async |task: &str| {
        let body = lab
            .get(&format!("{RECOVERY}/record-info?task_id={task}"))
            .await;
        view("recovery", &body, task)
    };
    let part = details(&order(&lab, RECOVERY, &body).await).await;
    assert_eq!((&part.stage, part.artefacts.len()), (&Stage::Complete, 1));
    assert_eq!(part.missing[0].reason, "feed_failed");
    assert_eq!(part.missing[0].track_id, tracks[1]);
    let none = details(&order(&lab, RECOVERY, &body).await).await;
    assert!(matches!(none.stage, Stage::Failed { .. }), "{none:?}");
    let task = order(&lab, RECOVERY, &body).await;
    assert_eq!(details(&task).await.stage, Stage::Pending);
    assert_eq!(details(&task).await.stage, Stage::Complete);
    let spoilt = details(&order(&lab, RECOVERY, &body).await).await;
    let backline_api::Content::File(url) = &spoilt.artefacts[0].content else {
        panic!("{spoilt:?}")
    };
    assert!(lab.download(url).await.is_empty());
}

#[tokio::test]
async fn the_other_vendors_steps_have_its_codes_fields_and_shapes() {
    let lab = lab_with("codes: kie\ncallback_key: secret", "[]").await;
    let (song, tracks) = song(&lab).await;
    let mut receiver = Receiver::open(&[]).await;
    let mut track = of_track(&song, &tracks[0]);
    track["callBackUrl"] = receiver.url.clone().into();
    order(&lab, WAV, &track).await;
    receiver.next().await;
    assert_eq!(
        post(&lab, WAV, &track).await,
        json!({"code": 422, "msg": "Wav record already exists", "data": null})
    );
    assert_eq!(
        post(&lab, WAV, &of_track("none", "none")).await,
        json!({"code": 422, "msg": "Record does not exist", "data": null})
    );
    let stems = order(&lab, STEMS, &track).await;
    let call = receiver.next_call().await;
    assert!(call.signature.is_some(), "{}", call.body);
    assert!(call.body["data"]["vocal_separation_info"]["vocal_url"].is_string());
    let hook = receiver.url.clone();
    order(&lab, MIDI, &json!({ "taskId": stems, "callBackUrl": hook })).await;
    let called = receiver.next().await;
    assert!(called["data"]["instruments"].is_array(), "{called}");
    order(&lab, RECOVERY, &json!({ "task_id": song })).await;
    assert_eq!(
        post(&lab, RECOVERY, &json!({ "task_id": "none" })).await,
        json!({"code": 500, "msg": "The original Suno task does not exist.", "data": null})
    );
    let unknown = lab
        .get(&format!("{RECOVERY}/record-info?task_id=none"))
        .await;
    assert_eq!(unknown["code"], 500);
    assert_eq!(post(&lab, WAV, &json!({})).await["code"], 422);
}
