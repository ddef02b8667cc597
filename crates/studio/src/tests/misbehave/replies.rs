//! Responses that a plan writes out, wherever one takes the place of the true one, and uploads that are gone.

use serde_json::{Value, json};

use super::super::lab::{Lab, instant_request, request};
use super::{Got, billed, codes, got, lab, lab_with, submit};

/// The second submission's response under this reply, and the first two tasks' ids. Both are billed.
async fn second(reply: &str) -> (Got, [String; 2]) {
    let lab = lab(&format!(
        "[{{when: {{nth: [2]}}, do: [{{response: {{reply: {reply}}}}}]}}]"
    ))
    .await;
    let first = submit(&lab, &instant_request(), "t1").await.task_id();
    let second = submit(&lab, &instant_request(), "t2").await;
    assert_eq!(billed(&lab).await, ["t1", "t2"], "{reply}");
    let id = submit(&lab, &instant_request(), "t2").await.task_id();
    (second, [first, id])
}

#[tokio::test]
async fn a_submission_gets_any_response_and_is_billed() {
    let (got, _) = second("{status: 405, body: page}").await;
    assert!(matches!(&got, Got::Response(405, page) if page.starts_with("<!doctype html>")));
    let (got, _) = second("{status: 433, code: 433}").await;
    assert_eq!(
        (got.status(), got.json()["code"].clone()),
        (433, json!(433))
    );
    let (got, _) = second("{code: 500, message: oops}").await;
    assert_eq!(
        (got.status(), got.json()),
        (200, json!({"code": 500, "msg": "oops", "data": null}))
    );
    let (got, _) = second("{body: empty, status: 202}").await;
    assert_eq!(got, Got::Response(202, String::new()));
    for (reply, expected) in [
        ("{data: $task}", json!("ID")),
        ("{data: [{taskId: $task}]}", json!([{"taskId": "ID"}])),
        ("{data: {id: $task}}", json!({"id": "ID"})),
        ("{code: 0, data: {taskId: $task}}", json!({"taskId": "ID"})),
    ] {
        let (got, [_, id]) = second(reply).await;
        let expected = expected.to_string().replace("ID", &id);
        assert_eq!(got.json()["data"].to_string(), expected, "{reply}");
    }
    let (got, [first, _]) = second("{data: {taskId: $other}}").await;
    assert_eq!(got.json()["data"]["taskId"], first.as_str());
}

#[tokio::test]
async fn a_repeat_can_be_refused_although_its_first_request_was_bought() {
    let lab = lab(
        "[{when: {nth: [1]}, do: [{response: drop}]}, {when: {nth: [2]}, do: [{refuse: {code: 409}}]}]",
    )
    .await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(submit(&lab, &instant_request(), "same").await);
    }
    assert_eq!(all[0], Got::Nothing);
    assert_eq!(codes(&all[1..]), [409, 200]);
    assert_eq!(billed(&lab).await, ["same"]);
}

#[tokio::test]
async fn a_poll_gets_any_response_with_its_headers() {
    let lab = lab(
        "[{do: [{poll: {response: {reply: {status: 429, code: 430, retry_after_s: 9}}, polls: 1}}]}]",
    )
    .await;
    let id = submit(&lab, &instant_request(), "t").await.task_id();
    let url = lab.url(&format!("api/v1/generate/record-info?taskId={id}"));
    let response = lab.http.get(&url).bearer_auth("any").send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "9");
    assert_eq!(response.json::<Value>().await.unwrap()["code"], 430);
    assert_eq!(lab.record_info(&id).await["status"], "SUCCESS");
}

#[tokio::test]
async fn calls_about_no_submission_get_their_replies_a_number_of_times() {
    let top = "other_calls:\n  unknown_task: {reply: {status: 404}}\n  credits: {reply: {status: 404, body: page}, times: 1}\n  uploads: {reply: {status: 503}, times: 1}";
    let lab = lab_with(top, "[]").await;
    let get = |path: &str| got(lab.http.get(lab.url(path)).bearer_auth("any"));
    for _ in 0..2 {
        let unknown = get("api/v1/generate/record-info?taskId=nobody").await;
        assert_eq!(
            (unknown.status(), unknown.json()["code"].clone()),
            (404, json!(404))
        );
    }
    assert_eq!(get("api/v1/generate/credit").await.status(), 404);
    assert_eq!(get("api/v1/generate/credit").await.status(), 200);
    let upload = || {
        let body = json!({"base64Data": "UklGRg==", "uploadPath": "stems", "fileName": "a.wav"});
        let url = lab.url("api/file-base64-upload");
        got(lab.http.post(url).bearer_auth("any").json(&body))
    };
    assert_eq!(upload().await.status(), 503);
    assert_eq!(upload().await.status(), 200);
    // A request without a key is refused before the plan is read.
    let no_key = got(lab.http.get(lab.url("api/v1/generate/credit"))).await;
    assert_eq!(no_key.json()["code"], 401);
}

async fn gone(how: &str) -> (Lab, Value) {
    let lab = lab(&format!(
        "[{{when: {{nth: [1]}}, do: [{{upload_gone: {how}}}]}}]"
    ))
    .await;
    let url = lab.upload("a.wav", b"RIFF".to_vec()).await;
    let body = request(&url);
    assert!(
        lab.http
            .get(&url)
            .send()
            .await
            .unwrap()
            .status()
            .is_success()
    );
    (lab, body)
}

#[tokio::test]
async fn an_upload_can_be_gone_until_it_is_made_again() {
    let (lab, body) = gone("refused").await;
    let got = [
        submit(&lab, &body, "t1").await,
        submit(&lab, &body, "t2").await,
    ];
    assert_eq!(codes(&got), [451, 451]);
    let url = body["uploadUrl"].as_str().unwrap();
    assert_eq!(lab.http.get(url).send().await.unwrap().status(), 404);
    lab.upload("a.wav", b"RIFF".to_vec()).await;
    assert_eq!(codes(&[submit(&lab, &body, "t3").await]), [200]);
    assert_eq!(billed(&lab).await, ["t3"]);

    let (lab, body) = gone("task_fails").await;
    for token in ["t1", "t2"] {
        let id = submit(&lab, &body, token).await.task_id();
        let details = lab.record_info(&id).await;
        assert_eq!(details["errorCode"], 451, "{details}");
    }
    lab.upload("a.wav", b"RIFF".to_vec()).await;
    let id = submit(&lab, &body, "t3").await.task_id();
    assert_eq!(lab.record_info(&id).await["status"], "SUCCESS");
}
