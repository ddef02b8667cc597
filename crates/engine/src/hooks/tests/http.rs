//! `http`, against a real server on loopback.

use std::sync::Mutex;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::{Router, routing::post};
use base64::Engine as _;
use hmac::{KeyInit as _, Mac as _};
use url::Url;

use super::*;

type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// A server that responds with these in turn, and then with 200.
async fn server(responses: Vec<(StatusCode, &'static str)>) -> (Url, Received) {
    // The HTTP library's crypto provider; another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let heard = Received::default();
    let (inside, responses) = (heard.clone(), Arc::new(Mutex::new(responses)));
    let app = Router::new().route(
        "/hook",
        post(move |headers: HeaderMap, body: Bytes| async move {
            inside.lock().unwrap().push((headers, body));
            let mut responses = responses.lock().unwrap();
            if responses.is_empty() {
                (StatusCode::OK, "ok")
            } else {
                responses.remove(0)
            }
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url.parse().unwrap(), heard)
}

fn spec(url: Url, point: HookPoint, allow_private: bool) -> HookSpec {
    let way = HookKind::Http {
        target: Target::Address(url),
        secret_env: Some("SECRET".to_owned()),
        allow_private,
    };
    HookSpec::new(point, 1, way)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_signed_and_tried_again_under_one_id() {
    let (url, heard) = server(vec![(StatusCode::SERVICE_UNAVAILABLE, "")]).await;
    assert_eq!(
        put(&spec(url, HookPoint::RunFinished, true)).await,
        Ok(HookResponse::Nothing)
    );
    let heard = heard.lock().unwrap();
    let text = |at: usize, name: &str| heard[at].0[name].to_str().unwrap().to_owned();
    assert_eq!(heard.len(), 2);
    assert_eq!(text(0, "webhook-id"), text(1, "webhook-id"));
    let key = base64::engine::general_purpose::STANDARD
        .decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .unwrap();
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(
        format!(
            "{}.{}.",
            text(1, "webhook-id"),
            text(1, "webhook-timestamp")
        )
        .as_bytes(),
    );
    mac.update(&heard[1].1);
    let given = text(1, "webhook-signature");
    let given = base64::engine::general_purpose::STANDARD
        .decode(given.strip_prefix("v1,").unwrap())
        .unwrap();
    mac.verify_slice(&given).unwrap();
    let event: serde_json::Value = serde_json::from_slice(&heard[1].1).unwrap();
    assert_eq!(event["totals"]["kept"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_final_and_a_private_address_is_never_reached() {
    let (url, heard) = server(vec![(StatusCode::BAD_REQUEST, "")]).await;
    let refused = put(&spec(url.clone(), HookPoint::RunFinished, true)).await;
    assert_eq!(refused, Err(HookError::Http("HTTP 400".into())));
    assert_eq!(heard.lock().unwrap().len(), 1);
    let closed = put(&spec(url, HookPoint::RunFinished, false))
        .await
        .unwrap_err();
    assert!(closed.to_string().contains("private"), "{closed}");
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_decide_where_jobs_are_asked_about() {
    let (url, _) = server(vec![(StatusCode::OK, r#"{"veto": "says the office"}"#)]).await;
    let said = put(&spec(url, HookPoint::BeforeSubmit, true)).await;
    assert_eq!(said, Ok(HookResponse::Veto("says the office".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_down_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut spec = spec(url.parse().unwrap(), HookPoint::RunFinished, true);
    spec.timeout_ms = 600;
    assert!(matches!(put(&spec).await, Err(HookError::Http(_))));
}
