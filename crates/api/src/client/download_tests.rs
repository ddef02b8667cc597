//! Downloads, against hosts that do what hosts of files do, right and wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use super::tests::{assert_silent, client, client_of, serve};
use super::*;

const FILE: &str = "0123456789";
const TAG: &str = "\"one\"";

/// Where a requested range begins.
fn range(headers: &HeaderMap) -> Option<usize> {
    let range = headers.get(header::RANGE)?.to_str().ok()?;
    let range = range.trim_start_matches("bytes=").trim_end_matches('-');
    range.parse().ok()
}

/// A host of one file of ten bytes, by many ways.
async fn files(request: Request) -> Response {
    let headers = request.headers();
    assert!(
        !headers.contains_key(header::AUTHORIZATION),
        "the key is for the vendor alone"
    );
    assert!(headers.contains_key(header::USER_AGENT));
    let from = range(headers);
    let expected = headers.get(header::IF_RANGE).map(|it| it.to_str().unwrap());
    assert_eq!(
        from.is_some(),
        expected.is_some(),
        "no range is requested on trust"
    );
    let kind = [(header::CONTENT_TYPE, "audio/mpeg"), (header::ETAG, TAG)];
    let part = |first: usize, tag: &'static str, total: usize| {
        let headers = [
            (header::CONTENT_TYPE, "audio/mpeg".to_owned()),
            (header::ETAG, tag.to_owned()),
            (header::CONTENT_RANGE, format!("bytes {first}-9/{total}")),
        ];
        (StatusCode::PARTIAL_CONTENT, headers, &FILE[first..]).into_response()
    };
    match (request.uri().path(), from) {
        ("/ranged", Some(from)) if expected == Some(TAG) && from < 10 => part(from, TAG, 10),
        // Hosts that do not know `If-Range`.
        ("/careless", Some(from)) => part(from, "\"two\"", 10),
        ("/longer", Some(from)) => part(from, TAG, 11),
        ("/shifted", Some(from)) => part(from - 1, TAG, 10),
        ("/forbids", Some(_)) => StatusCode::FORBIDDEN.into_response(),
        ("/unsatisfied", Some(_)) => StatusCode::RANGE_NOT_SATISFIABLE.into_response(),
        ("/wrong-part", _) => part(3, TAG, 10),
        ("/whole-part", _) => part(0, TAG, 10),
        ("/endless", _) => {
            let chunks = futures::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(Bytes::from_static(&[0; 1024]))
            });
            Body::from_stream(chunks).into_response()
        }
        ("/redirect", _) => Redirect::temporary("/plain").into_response(),
        ("/loop", _) => Redirect::temporary("/loop").into_response(),
        ("/to-file", _) => Redirect::temporary("file:///etc/passwd").into_response(),
        ("/gone", _) => StatusCode::GONE.into_response(),
        _ => (kind, FILE).into_response(),
    }
}

async fn take(download: &mut Download) -> Result<String, CallError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

fn partial(length_bytes: u64, validator: &str) -> Option<Partial> {
    (length_bytes > 0).then(|| Partial {
        length_bytes,
        validator: validator.to_owned(),
        total_len: Some(10),
    })
}

#[tokio::test]
async fn downloads_are_resumed_or_started_over() {
    let base = serve(Router::new().fallback(any(files))).await;
    let client = client(&base);
    let case = async |path: &str, from: u64, validator: &str, resumed: bool| {
        let about = format!("{path} from {from} of {validator}");
        let url = base.join(path).unwrap();
        let here = partial(from, validator);
        let mut download = client
            .download(url.as_str(), here.as_ref(), u64::MAX)
            .await
            .unwrap();
        let expected = if resumed {
            &FILE[from as usize..]
        } else {
            FILE
        };
        assert_eq!(take(&mut download).await.unwrap(), expected, "{about}");
        assert_eq!(
            (download.resumed, download.total_len),
            (resumed, Some(10)),
            "{about}"
        );
        assert_eq!(download.validator.as_deref(), Some(TAG), "{about}");
        assert_eq!(download.content_type.as_deref(), Some("audio/mpeg"));
    };
    for path in ["plain", "ranged", "redirect", "whole-part"] {
        case(path, 0, TAG, false).await;
    }
    case("ranged", 4, TAG, true).await;
    // The file is another one by now.
    case("ranged", 4, "\"none\"", false).await;
    // Hosts that can't deal with ranges, or send what was not requested.
    for path in [
        "plain",
        "careless",
        "longer",
        "shifted",
        "forbids",
        "unsatisfied",
        "whole-part",
    ] {
        case(path, 4, TAG, false).await;
    }

    let refused = async |path: &str, from: u64| {
        let url = format!("{}?X-Signature=s3cret", base.join(path).unwrap());
        let here = partial(from, TAG);
        let error = client.download(&url, here.as_ref(), u64::MAX).await;
        let error = error.unwrap_err();
        assert_silent(&(error.to_string(), &error));
        error
    };
    for from in [0, 4] {
        assert!(matches!(
            refused("wrong-part", from).await.kind(),
            CallErrorKind::Unreadable { .. }
        ));
        assert_eq!(refused("gone", from).await.http_status(), Some(410));
    }
    assert!(matches!(
        refused("loop", 0).await.kind(),
        CallErrorKind::Forbidden { .. }
    ));
    assert!(matches!(
        refused("to-file", 0).await.kind(),
        CallErrorKind::Forbidden { .. } | CallErrorKind::Status(307)
    ));
}

#[tokio::test]
async fn a_host_that_is_busy_is_not_asked_again_at_once() {
    let requested = Arc::new(AtomicUsize::new(0));
    let count = requested.clone();
    let busy = any(move || {
        count.fetch_add(1, Ordering::SeqCst);
        async { (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "7")]) }
    });
    let base = serve(Router::new().fallback(busy)).await;
    let here = partial(4, TAG);
    let error = client(&base)
        .download(base.as_str(), here.as_ref(), u64::MAX)
        .await
        .unwrap_err();
    assert_eq!(error.retry_after_ms(), Some(7000));
    assert_eq!(requested.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_file_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let base = serve(Router::new().fallback(any(files))).await;
    let client = client_of(Profile::studio(base.clone()), |options| {
        options.download_limit_bytes = 9
    });
    let generous = client_of(Profile::studio(base.clone()), |_| ());
    let too_large = CallErrorKind::TooLarge { limit_bytes: 9 };
    let at = |path: &str| base.join(path).unwrap().to_string();
    for (client, limit_bytes) in [(&client, u64::MAX), (&generous, 9)] {
        let refused = async |path: &str, from: u64| {
            let here = partial(from, TAG);
            let begun = client.download(&at(path), here.as_ref(), limit_bytes).await;
            begun.unwrap_err()
        };
        assert_eq!(refused("plain", 0).await.kind(), &too_large);
        assert_eq!(refused("ranged", 4).await.kind(), &too_large);
        let begun = client.download(&at("endless"), None, limit_bytes).await;
        let mut endless = begun.unwrap();
        assert_eq!(take(&mut endless).await.unwrap_err().kind(), &too_large);
    }
}

/// A host that sends a byte of a thousand every few milliseconds.
async fn trickle(every: Duration) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _ = socket.read(&mut [0; 4096]).await.unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
        socket.write_all(head).await.unwrap();
        while socket.write_all(b"x").await.is_ok() {
            tokio::time::sleep(every).await;
        }
    });
    base.parse().unwrap()
}

#[tokio::test]
async fn what_trickles_is_given_up() {
    let slow = trickle(Duration::from_millis(5)).await;
    let client_with = |base: &Url, bytes, download_timeout| {
        client_of(Profile::studio(base.clone()), |options| {
            let every = Duration::from_millis(100);
            options.least_rate = LeastRate { bytes, every };
            options.download_timeout = download_timeout;
        })
    };
    let broken = async |client: Client, url: Url| {
        let begun = client.download(url.as_str(), None, u64::MAX).await;
        let error = take(&mut begun.unwrap()).await.unwrap_err();
        assert!(error.is_retryable(), "{error:?}");
        error.to_string()
    };
    let minute = Duration::from_secs(60);
    let said = broken(client_with(&slow, 500, minute), slow.clone()).await;
    assert!(
        said.contains("less than 500 bytes arrived in 0.1 seconds"),
        "{said}"
    );

    let steady = trickle(Duration::from_millis(5)).await;
    let said = broken(
        client_with(&steady, 1, Duration::from_millis(300)),
        steady.clone(),
    )
    .await;
    assert!(said.contains("did not finish within 0.3 seconds"), "{said}");
}

#[tokio::test]
async fn a_file_that_breaks_off_is_not_whole() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let _ = socket.read(&mut buffer).await.unwrap();
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n01234")
            .await
            .unwrap();
    });
    let mut download = client(&base)
        .download(base.as_str(), None, u64::MAX)
        .await
        .unwrap();
    let error = take(&mut download).await.unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::Broken { .. }) && error.is_retryable(),
        "{error:?}"
    );
}
