//! What the client keeps and says of responses that it can't use.

use super::tests::{KEY, TASK, TOKEN, answering, client, request};
use super::*;
use crate::Excerpt;

async fn doubt(status: u16, headers: &[(&'static str, &str)], body: &str) -> (String, Excerpt) {
    let base = answering(status, headers, body).await;
    match client(&base).submit(&request(), TOKEN).await {
        SubmitOutcome::InDoubt {
            reason,
            excerpt: Some(excerpt),
        } => (reason, excerpt),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_unreadable_response_keeps_what_it_said() {
    for body in [
        format!(r#"{{"code":200,"msg":"success","data":"{TASK}"}}"#),
        format!(r#"{{"code":200,"data":[{{"taskId":"{TASK}"}}]}}"#),
        format!(r#"{{"code":200,"data":{{"id":"{TASK}"}}}}"#),
        format!(r#"{{"code":0,"data":{{"taskId":"{TASK}"}}}}"#),
    ] {
        let (_, excerpt) = doubt(200, &[], &body).await;
        assert_eq!(
            (excerpt.text.as_str(), excerpt.task_ids),
            (body.as_str(), vec![TASK.into()])
        );
    }
    let page = "<html>\n<title>524: A timeout occurred</title>\n</html>";
    let (_, excerpt) = doubt(524, &[], page).await;
    assert_eq!(
        excerpt.text,
        "<html> <title>524: A timeout occurred</title> </html>"
    );
    assert!(excerpt.task_ids.is_empty());
}

#[tokio::test]
async fn no_secret_is_kept_of_it() {
    let body = format!(
        r#"{{"code":500,"msg":"{KEY} called https:\/\/hooks.example.com\/{TOKEN}?a=b with https://files.example.com/a.mp3?X-Signature=s3cret","data":null}}"#
    );
    let (reason, excerpt) = doubt(200, &[], &body).await;
    for secret in [KEY, TOKEN, "s3cret", "X-Signature"] {
        assert!(
            !reason.contains(secret) && !excerpt.text.contains(secret),
            "{reason} {excerpt:?}"
        );
    }
}

#[tokio::test]
async fn a_moved_address_is_named() {
    let to = "https://new.example.com/api/v1?token=s3cret";
    let base = answering(301, &[("location", to)], "").await;
    match client(&base).submit(&request(), TOKEN).await {
        SubmitOutcome::Refused { message, .. } => {
            assert!(
                message.contains("https://new.example.com/api/v1?…"),
                "{message}"
            );
        }
        other => panic!("{other:?}"),
    }
    let error = client(&base).credits().await.unwrap_err().to_string();
    assert!(
        error.contains("https://new.example.com/api/v1?…"),
        "{error}"
    );
    let (reason, _) = doubt(302, &[("location", "/login?x=s3cret")], "see there").await;
    assert!(
        reason.contains("/login") && !reason.contains("s3cret"),
        "{reason}"
    );
}
