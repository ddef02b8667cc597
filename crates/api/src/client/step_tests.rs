//! Steps over HTTP: the paths, the bodies, and what comes back.

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::routing::{get, post};

use super::tests::{TASK, TOKEN, assert_silent, client, client_of, responding, serve};
use super::*;
use crate::{Content, Operation, Source, Stage, StepRequest, SubmitOutcome, TaskId};

const STEP: &str = "89abcdef89abcdef89abcdef89abcdef";

fn request(operation: &Operation) -> StepRequest {
    StepRequest {
        source: Source::Track {
            task: TASK.into(),
            track: "track-1".to_owned(),
        },
        choices: operation.choices([]).unwrap(),
        call_back_url: format!("https://hooks.example.com/{TOKEN}"),
    }
}

#[tokio::test]
async fn a_step_is_submitted_and_followed_on_its_own_paths() {
    let router = Router::new()
        .route(
            "/api/v1/wav/generate",
            post(async |headers: HeaderMap, body: String| {
                assert_eq!(headers["idempotency-key"], TOKEN);
                let sent = serde_json::from_str::<Value>(&body).unwrap();
                assert_eq!(sent["audioId"], "track-1");
                format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"{STEP}"}}}}"#)
            }),
        )
        .route(
            "/api/v1/wav/record-info",
            get(async |uri: Uri| {
                assert_eq!(uri.query(), Some(format!("taskId={STEP}").as_str()));
                include_str!("../../../../tests/fixtures/wire/steps/wav-success.json")
            }),
        )
        .route(
            "/api/v1/suno/recovery/record-info",
            get(async |uri: Uri| {
                assert_eq!(uri.query(), Some(format!("task_id={STEP}").as_str()));
                include_str!("../../../../tests/fixtures/wire/steps/recovery-partial.json")
            }),
        );
    let profile = Profile::studio(serve(router).await);
    let (wav, recovery) = (
        profile.step("wav").unwrap().clone(),
        profile.step("recovery").unwrap().clone(),
    );
    let client = client_of(profile, |_| ());
    let outcome = client.submit_step(&wav, &request(&wav), TOKEN).await;
    assert_eq!(
        outcome.unwrap().outcome,
        SubmitOutcome::Accepted(STEP.into())
    );
    let view = client.step_details(&wav, &STEP.into()).await.unwrap();
    assert_eq!(view.stage, Stage::Complete);
    let url = "https://cdn.example.com/a.wav".to_owned();
    assert_eq!(view.artefacts[0].content, Content::File(url));
    let view = client.step_details(&recovery, &STEP.into()).await.unwrap();
    assert_eq!((view.artefacts.len(), view.missing.len()), (1, 1));
    let wrong = client.submit_step(&recovery, &request(&wav), TOKEN).await;
    assert!(wrong.is_err(), "nothing is sent");
}

#[tokio::test]
async fn a_repeat_that_is_refused_names_the_first_task_and_no_secret() {
    let wav = Profile::sunoapi().step("wav").unwrap().clone();
    for (id, adopted) in [
        (format!("\"{STEP}\""), Some(STEP)),
        ("null".to_owned(), None),
    ] {
        let body = format!(
            r#"{{"code":409,"msg":"{TOKEN}: WAV record already exists","data":{{"taskId":{id}}}}}"#
        );
        let client = client(&responding(200, &[], &body).await);
        let outcome = client.submit_step(&wav, &request(&wav), TOKEN).await;
        let outcome = outcome.unwrap().outcome;
        assert_silent(&outcome);
        let SubmitOutcome::Exists { task, code, .. } = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((task, code), (adopted.map(TaskId::from), Some(409)));
    }
    let body = format!(r#"{{"code":409,"msg":"exists","data":{{"taskId":"{TOKEN}"}}}}"#);
    let client = client(&responding(200, &[], &body).await);
    let outcome = client.submit_step(&wav, &request(&wav), TOKEN).await;
    assert!(matches!(
        outcome.unwrap().outcome,
        SubmitOutcome::InDoubt { .. }
    ));
}
