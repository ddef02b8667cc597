//! The client against real servers on loopback ports.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{any, get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::{ResponseClass, Setting, Settings, Stage, SubmitRequest};

pub(super) const KEY: &str = "s3cret-key-0123456789";
pub(super) const TOKEN: &str = "t0ken-abcdef";
pub(super) const TASK: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn client_of(profile: Profile, change: impl FnOnce(&mut ClientOptions)) -> Client {
    // A second test of the same process finds it installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut options = ClientOptions::new("backline-test/1");
    change(&mut options);
    Client::new(profile, ApiKey::new(KEY).unwrap(), options).unwrap()
}

pub(super) fn client(base: &Url) -> Client {
    client_of(Profile::studio(base.clone()), |_| ())
}

/// Serves `router` until the test's runtime ends.
pub(super) async fn serve(router: Router) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    base
}

/// A server that sends the same response to every request.
pub(super) async fn responding(status: u16, headers: &[(&'static str, &str)], body: &str) -> Url {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    let (parts, ()) = response.body(()).unwrap().into_parts();
    let body = body.to_owned();
    let response = move || {
        let (parts, body) = (parts.clone(), body.clone());
        async move { Response::from_parts(parts, Body::from(body)) }
    };
    serve(Router::new().fallback(any(response))).await
}

pub(super) fn request() -> SubmitRequest {
    SubmitRequest {
        upload_url: "https://files.example.com/a.mp3?X-Signature=s3cret".to_owned(),
        call_back_url: format!("https://hooks.example.com/{TOKEN}"),
        settings: Settings::default()
            .with(Setting::TITLE, "Example")
            .with(Setting::TAGS, "piano")
            .with(Setting::NEGATIVE_TAGS, "")
            .with(Setting::MODEL, "V5"),
    }
}

pub(super) fn assert_silent(shown: &impl std::fmt::Debug) {
    let text = format!("{shown:?} {shown:#?}");
    for secret in [KEY, TOKEN, "X-Signature", "s3cret"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Accepted,
    Refused(ResponseClass, Option<u64>),
    NotSent,
    InDoubt,
}

#[track_caller]
fn check(outcome: SubmitOutcome, expected: Outcome) {
    assert_silent(&outcome);
    let seen = match &outcome {
        SubmitOutcome::Accepted(id) => {
            assert_eq!(id.as_str(), TASK);
            Outcome::Accepted
        }
        SubmitOutcome::Refused {
            class,
            retry_after_ms,
            ..
        } => Outcome::Refused(*class, *retry_after_ms),
        SubmitOutcome::Exists { .. } => panic!("a song's submission is never refused as a repeat"),
        SubmitOutcome::NotSent { .. } => Outcome::NotSent,
        SubmitOutcome::InDoubt { .. } => Outcome::InDoubt,
    };
    assert_eq!(seen, expected, "{outcome:?}");
}

async fn submit_to(base: &Url) -> SubmitOutcome {
    client(base).submit(&request(), TOKEN).await.outcome
}

#[tokio::test]
async fn a_submission_is_sent_once_with_all_that_vendors_want() {
    let seen: Arc<Mutex<Vec<(HeaderMap, Bytes)>>> = Arc::default();
    let keep = |State(seen): State<Arc<Mutex<Vec<_>>>>, headers: HeaderMap, body: Bytes| async move {
        seen.lock().unwrap().push((headers, body));
        format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"{TASK}"}}}}"#)
    };
    let router = Router::new()
        .route("/below/api/v1/generate/add-instrumental", post(keep))
        .with_state(seen.clone());
    let base = serve(router).await.join("below/").unwrap();
    check(submit_to(&base).await, Outcome::Accepted);

    let seen = seen.lock().unwrap();
    let [(headers, body)] = seen.as_slice() else {
        panic!("{} requests", seen.len())
    };
    assert_eq!(headers[header::AUTHORIZATION], format!("Bearer {KEY}"));
    assert_eq!(headers[header::USER_AGENT], "backline-test/1");
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(headers[header::CONTENT_LENGTH], body.len().to_string());
    assert!(!headers.contains_key(header::TRANSFER_ENCODING));
    assert_eq!(headers["idempotency-key"], TOKEN);
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(body).unwrap(),
        serde_json::json!(Profile::sunoapi().operation.body(&request()))
    );
}

#[tokio::test]
async fn every_response_to_a_submission_has_its_outcome() {
    use ResponseClass::*;
    let case = async |status: u16, body: &str, expected: Outcome| {
        check(
            submit_to(&responding(status, &[], body).await).await,
            expected,
        );
    };
    let coded = async |code: i64, class: ResponseClass| {
        let body = format!(
            r#"{{"code":{code},"msg":"key {KEY}, source https://x.example/a?X-Signature=s3cret","data":null}}"#
        );
        case(200, &body, Outcome::Refused(class, None)).await;
    };
    for (code, class) in [
        (400, RefusedJob),
        (401, RefusedRun),
        (405, Wait),
        (430, Wait),
        (429, StopForCredits),
        (455, WaitLong),
        (531, Refunded),
    ] {
        coded(code, class).await;
    }
    for (status, class) in [
        (400, RefusedJob),
        (401, RefusedRun),
        (402, StopForCredits),
        (403, RefusedRun),
        (429, Wait),
        (455, WaitLong),
    ] {
        case(status, "error code: 1010", Outcome::Refused(class, None)).await;
    }
    case(
        502,
        "<html><h1>502 Bad Gateway</h1></html>",
        Outcome::InDoubt,
    )
    .await;
    case(200, "<html>Welcome</html>", Outcome::InDoubt).await;
    case(
        200,
        r#"{"code":200,"msg":"success","data":null}"#,
        Outcome::InDoubt,
    )
    .await;
    case(
        200,
        r#"{"code":500,"msg":"Server error","data":null}"#,
        Outcome::InDoubt,
    )
    .await;
    let long = format!(
        r#"{{"code":200,"data":{{"taskId":"{}"}}}}"#,
        "0".repeat(response::BODY_LIMIT_BYTES)
    );
    case(200, &long, Outcome::InDoubt).await;
}

#[tokio::test]
async fn the_wish_to_be_left_alone_reaches_the_caller() {
    let body = r#"{"code":430,"msg":"slow down","data":null}"#;
    let base = responding(200, &[("retry-after", "7")], body).await;
    check(
        submit_to(&base).await,
        Outcome::Refused(ResponseClass::Wait, Some(7000)),
    );
    let dates = [
        ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("retry-after", "Sun, 06 Nov 1994 08:49:57 GMT"),
    ];
    let base = responding(429, &dates, "").await;
    check(
        submit_to(&base).await,
        Outcome::Refused(ResponseClass::Wait, Some(20_000)),
    );
    let error = client(&base).credits().await.unwrap_err();
    assert_eq!(
        (error.class(), error.retry_after_ms(), error.is_retryable()),
        (ResponseClass::Wait, Some(20_000), true)
    );
}

#[tokio::test]
async fn what_never_left_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    check(submit_to(&closed).await, Outcome::NotSent);
    // A name that can't exist (RFC 6761), and a server that speaks no TLS.
    check(
        submit_to(&"http://nowhere.invalid/".parse().unwrap()).await,
        Outcome::NotSent,
    );
    let mut plain = responding(200, &[], "").await;
    plain.set_scheme("https").unwrap();
    check(submit_to(&plain).await, Outcome::NotSent);
    // A token that no header can carry.
    let unsendable = client(&closed).submit(&request(), "a\nb").await;
    check(unsendable.outcome, Outcome::NotSent);
    assert_eq!(unsendable.written, None);
    assert_eq!(
        client(&closed).submit(&request(), TOKEN).await.written,
        None
    );
}

#[tokio::test]
async fn what_was_cut_off_is_in_doubt_unless_the_task_id_had_come() {
    /// A server that reads the request, writes `response` and hangs up.
    async fn cutting(response: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut buffer = vec![0; 64 * 1024];
            let _ = socket.read(&mut buffer).await.unwrap();
            socket.write_all(response.as_bytes()).await.unwrap();
        });
        base
    }
    check(submit_to(&cutting("").await).await, Outcome::InDoubt);
    check(
        submit_to(&cutting("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"code\":200").await)
            .await,
        Outcome::InDoubt,
    );
    let whole = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"code\":200,\"data\":{\"taskId\":\"0123456789abcdef0123456789abcdef\"}}";
    check(submit_to(&cutting(whole).await).await, Outcome::Accepted);
}

#[tokio::test]
async fn a_silent_server_leaves_a_submission_in_doubt() {
    // The kernel accepts the connection and takes the request; no response comes.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let client = client_of(Profile::studio(base), |options| {
        options.call_timeout = Duration::from_millis(100)
    });
    let begun = Instant::now();
    let sent = client.submit(&request(), TOKEN).await;
    check(sent.outcome, Outcome::InDoubt);
    let written = sent.written.expect("the kernel has it");
    assert!(begun <= written && written.elapsed() >= Duration::from_millis(50));
    let error = client.credits().await.unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::Broken { .. }) && error.is_retryable(),
        "{error:?}"
    );
    drop(listener);
}

#[tokio::test]
async fn a_submission_follows_no_redirect() {
    let target = responding(
        200,
        &[],
        &format!(r#"{{"code":200,"data":{{"taskId":"{TASK}"}}}}"#),
    )
    .await;
    let moved = responding(308, &[("location", target.as_str())], "").await;
    check(
        submit_to(&moved).await,
        Outcome::Refused(ResponseClass::RefusedRun, None),
    );
    let found = responding(302, &[("location", target.as_str())], "").await;
    check(submit_to(&found).await, Outcome::InDoubt);
}

#[tokio::test]
async fn requests_are_sent_and_their_responses_understood() {
    let details = |uri: axum::http::Uri| async move {
        assert_eq!(uri.query(), Some("taskId=0123456789abcdef0123456789abcdef"));
        include_str!("../../../../tests/fixtures/wire/record-info/success.json")
    };
    let router = Router::new()
        .route("/api/v1/generate/record-info", get(details))
        .route(
            "/api/v1/generate/credit",
            get(async || r#"{"code":200,"msg":"success","data":87.5}"#),
        )
        .route(
            "/link",
            post(async |body: String| {
                assert_eq!(body, r#"{"url":"https://cdn.example.com/a.mp3?sig=1"}"#);
                r#"{"code":200,"msg":"success","data":"https://short.example.com/x"}"#
            }),
        );
    let mut profile = Profile::studio(serve(router).await);
    let url = "https://cdn.example.com/a.mp3?sig=1";
    let unsupported = client_of(profile.clone(), |_| ())
        .download_link(url)
        .await
        .unwrap_err();
    assert_eq!(unsupported.kind(), &CallErrorKind::Unsupported);
    profile.download_link_path = Some("/link".to_owned());
    let client = client_of(profile, |_| ());
    let view = client.record_info(&TASK.into()).await.unwrap();
    assert_eq!((view.stage, view.tracks.len()), (Stage::Complete, 2));
    assert_eq!(client.credits().await.unwrap(), 87.5);
    assert_eq!(
        client.download_link(url).await.unwrap(),
        "https://short.example.com/x"
    );
}

#[tokio::test]
async fn errors_name_the_call_and_no_secret() {
    let body = format!(r#"{{"code":401,"msg":"key {KEY} is wrong"}}"#);
    let client = client(&responding(200, &[], &body).await);
    let errors = [
        client.credits().await.unwrap_err(),
        client.record_info(&TASK.into()).await.unwrap_err(),
        client
            .upload_stream(
                UploadSource::Bytes(Bytes::from_static(b"sound")),
                &super::upload_tests::name(),
                "audio/mpeg",
            )
            .await
            .unwrap_err(),
    ];
    let shown: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown[0],
        "can't read the credits: refused with 401: key [key] is wrong"
    );
    assert_eq!(
        shown[2],
        "can't upload a1b2c3.mp3: refused with 401: key [key] is wrong"
    );
    assert_silent(&(shown, &errors, &client));
    assert!(
        errors
            .iter()
            .all(|error| error.class() == ResponseClass::RefusedRun && !error.is_retryable())
    );
    let long = responding(200, &[], &"x".repeat(response::BODY_LIMIT_BYTES + 1)).await;
    let error = self::client(&long).credits().await.unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::TooLarge { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_public_profile_is_not_led_into_our_own_network() {
    let base = serve(Router::new().fallback(any(|| async { "0123456789" }))).await;
    let mut profile = Profile::studio(base.clone());
    profile.loopback = false;
    let client = client_of(profile, |_| ());
    let localhost = format!("http://localhost:{}/plain", base.port().unwrap());
    for url in [
        base.join("plain").unwrap().as_str(),
        &localhost,
        "http://[::1]/",
        "file:///etc/passwd",
        "not an address",
    ] {
        let begun = client.download(url, None, u64::MAX).await;
        let error = begun.unwrap_err();
        assert!(
            matches!(error.kind(), CallErrorKind::Forbidden { .. }),
            "{url}: {error:?}"
        );
        assert!(!error.is_retryable());
    }
}

/// The redirect policy of a public profile, on a connection that the guard lets through: only the first step is to loopback.
#[tokio::test]
async fn a_redirect_into_our_own_network_is_not_followed() {
    let inner = serve(Router::new().fallback(any(async || "the inner service"))).await;
    let outer = responding(302, &[("location", inner.as_str())], "").await;
    let _ = rustls::crypto::ring::default_provider().install_default();
    let guard = guard::Guard::of_any(false, Proxies::none());
    let http = reqwest::Client::builder()
        .redirect(guard.redirects())
        .no_proxy()
        .build()
        .unwrap();
    let error = http.get(outer).send().await.unwrap_err();
    assert_eq!(
        response::forbidden(&error).as_deref(),
        Some("the address lies in a private network")
    );
}

#[test]
fn a_client_says_who_is_calling() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    for user_agent in ["", " ", "a\nb"] {
        let options = ClientOptions::new(user_agent);
        let refused =
            Client::new(Profile::sunoapi(), ApiKey::new(KEY).unwrap(), options).unwrap_err();
        assert_eq!(refused, ClientError::UserAgent);
    }
}
