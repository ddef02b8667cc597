//! The client behind a proxy that it must use: names resolve and connections succeed there alone.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::{any, get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::tests::{KEY, TASK, TOKEN, client_of, request, serve};
use super::*;
use crate::PrivateAddresses;

/// A forward proxy that takes every name to `inside`, and remembers the requested names.
async fn proxy(inside: Url) -> (Url, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let requested: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = requested.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (inside, seen) = (inside.clone(), seen.clone());
            tokio::spawn(async move { forward(client, &inside, &seen).await });
        }
    });
    (url, requested)
}

/// One connection: a `CONNECT`, or one request in absolute form, whose response ends with the connection.
async fn forward(mut client: TcpStream, inside: &Url, requested: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut byte = [0];
        if client.read(&mut byte).await.unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).unwrap();
    let (line, headers) = text.split_once("\r\n").unwrap();
    requested.lock().unwrap().push(line.to_owned());
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let address = (inside.host_str().unwrap(), inside.port().unwrap());
    let mut server = TcpStream::connect(address).await.unwrap();
    if method == "CONNECT" {
        client
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .unwrap();
    } else {
        let url: Url = target.parse().unwrap();
        let headers = headers.to_ascii_lowercase();
        let request = format!(
            "{method} {} HTTP/1.1\r\nconnection: close\r\n{headers}",
            url.path()
        );
        server.write_all(request.as_bytes()).await.unwrap();
    }
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

fn behind(proxy: &Url, profile: Profile) -> Client {
    let proxies = Proxies::read(&|name| (name == "ALL_PROXY").then(|| proxy.to_string())).unwrap();
    client_of(profile, |options| options.proxies = proxies)
}

/// A vendor whose names no resolver of this machine knows (RFC 6761).
fn vendor() -> Profile {
    let mut profile = Profile::kie();
    profile.base_url = "http://api.vendor.invalid/".parse().unwrap();
    profile.upload_url = "http://files.vendor.invalid/".parse().unwrap();
    profile
}

async fn inside() -> Url {
    let bought = move || async move {
        format!(r#"{{"code":200,"msg":"success","data":{{"taskId":"{TASK}"}}}}"#)
    };
    let to_private = any(async || axum::response::Redirect::temporary("http://10.0.0.1/x"));
    let router = Router::new()
        .route("/api/v1/generate/add-instrumental", post(bought))
        .route(
            "/api/v1/chat/credit",
            get(async || r#"{"code":200,"data":7}"#),
        )
        .route("/a.mp3", get(async || "sound"))
        .route("/to-private", to_private);
    serve(router).await
}

#[tokio::test]
async fn what_is_bought_through_a_mandatory_proxy_is_fetched_through_it() {
    let (proxy, requested) = proxy(inside().await).await;
    let client = behind(&proxy, vendor());
    assert_eq!(client.private_host().await, None);
    assert_eq!(client.credits().await.unwrap(), 7.0);
    let outcome = client.submit(&request(), TOKEN).await.outcome;
    assert_eq!(outcome, SubmitOutcome::Accepted(TASK.into()));
    client.reach_upload_host().await.unwrap();
    let file: Url = "http://cdn.vendor.invalid/a.mp3".parse().unwrap();
    client.reach_file_host(&file).await.unwrap();
    let mut download = client
        .download(file.as_str(), None, u64::MAX)
        .await
        .unwrap();
    assert_eq!(download.chunk().await.unwrap().unwrap(), "sound");
    let requested = requested.lock().unwrap();
    assert_eq!(
        requested.last().map(String::as_str),
        Some("GET http://cdn.vendor.invalid/a.mp3 HTTP/1.1")
    );
    assert!(requested.iter().all(|line| !line.contains(KEY)));
}

#[tokio::test]
async fn https_goes_through_the_proxys_tunnel() {
    // A server without TLS behind the tunnel: the connection fails, but only after the request to the proxy.
    let (proxy, requested) = proxy(inside().await).await;
    let client = behind(&proxy, vendor());
    let error = client
        .download("https://cdn.vendor.invalid/a.mp3", None, u64::MAX)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::NotSent { .. }),
        "{error}"
    );
    assert_eq!(
        requested.lock().unwrap().as_slice(),
        ["CONNECT cdn.vendor.invalid:443 HTTP/1.1"]
    );
}

#[tokio::test]
async fn a_proxy_is_asked_for_nothing_private() {
    let (proxy, requested) = proxy(inside().await).await;
    let client = behind(&proxy, vendor());
    for url in [
        "http://10.0.0.1/a.mp3",
        "http://169.254.169.254/latest",
        "http://printer/a.mp3",
        "http://metadata.google.internal/a.mp3",
        "http://127.0.0.1:1/a.mp3",
    ] {
        let error = client.download(url, None, u64::MAX).await.unwrap_err();
        assert!(
            matches!(error.kind(), CallErrorKind::Forbidden { .. }),
            "{url}: {error}"
        );
    }
    assert!(requested.lock().unwrap().is_empty());
    let error = client
        .download("http://cdn.vendor.invalid/to-private", None, u64::MAX)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), CallErrorKind::Forbidden { .. }),
        "{error}"
    );
    assert_eq!(
        requested.lock().unwrap().len(),
        1,
        "the redirect was not followed"
    );
}

#[tokio::test]
async fn a_loopback_profile_needs_no_proxy() {
    let studio = inside().await;
    let (proxy, requested) = proxy(studio.clone()).await;
    let client = behind(&proxy, Profile::studio(studio.clone()));
    client
        .download(studio.join("a.mp3").unwrap().as_str(), None, u64::MAX)
        .await
        .unwrap();
    client.submit(&request(), TOKEN).await;
    assert!(requested.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_upload_host_out_of_reach_is_named() {
    let client = behind(&"http://127.0.0.1:1/".parse().unwrap(), vendor());
    let name = UploadName {
        folder: "a".to_owned(),
        file_name: "b.mp3".to_owned(),
    };
    let source = UploadSource::Bytes("sound".into());
    let error = client
        .upload_stream(source, &name, "audio/mpeg")
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error.kind(), CallErrorKind::NotSent { .. }),
        "{text}"
    );
    assert!(text.contains("files.vendor.invalid"), "{text}");
}

#[tokio::test]
async fn a_provider_in_a_private_network_is_found_out_before_it_is_paid() {
    let private = async |base: &str, allowed: PrivateAddresses| {
        let mut profile = vendor();
        profile.base_url = base.parse().unwrap();
        profile.allow_private = allowed;
        client_of(profile, |_| ()).private_host().await
    };
    let refused = || PrivateAddresses::Refused;
    let hosts = |host: &str| PrivateAddresses::Hosts(vec![host.to_owned()]);
    assert_eq!(
        private("http://127.0.0.1:1/", refused()).await.as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(
        private("http://localhost:1/", refused()).await.as_deref(),
        Some("localhost")
    );
    assert_eq!(
        private("http://10.0.0.5/", hosts("10.0.0.6"))
            .await
            .as_deref(),
        Some("10.0.0.5")
    );
    assert_eq!(private("http://10.0.0.5/", hosts("10.0.0.5")).await, None);
    assert_eq!(
        private("http://localhost:1/", PrivateAddresses::Allowed).await,
        None
    );
    assert_eq!(private("http://api.vendor.invalid/", refused()).await, None);
}
