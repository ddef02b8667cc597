//! An S3 server on loopback that can be out of order.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use tokio::runtime::Runtime;

/// The requests of S3 that the program makes, answered from memory.
pub(super) struct Bucket {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// How many more requests are served before it is out of order.
    serves: AtomicUsize,
    /// How many tracks were read or written.
    pub(super) transfers: AtomicUsize,
}

impl Bucket {
    pub(super) fn start() -> (Runtime, SocketAddr, Arc<Self>) {
        let bucket = Arc::new(Self {
            objects: Mutex::default(),
            serves: AtomicUsize::new(usize::MAX),
            transfers: AtomicUsize::new(0),
        });
        let runtime = Runtime::new().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(any))
            .unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new()
            .fallback(respond)
            .with_state(bucket.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        (runtime, address, bucket)
    }

    /// Serves so many more requests.
    pub(super) fn serve(&self, requests: usize) {
        self.serves.store(requests, Ordering::SeqCst);
    }

    pub(super) fn tracks(&self) -> Vec<String> {
        let objects = self.objects.lock().unwrap();
        let names = objects.keys().filter(|it| !it.ends_with(".backline-store"));
        names.cloned().collect()
    }
}

async fn respond(State(bucket): State<Arc<Bucket>>, request: Request) -> Response {
    let response = |status: StatusCode, body: Vec<u8>| {
        Response::builder()
            .status(status)
            .header("ETag", "\"tag\"")
            .header("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT")
            .body(Body::from(body))
            .unwrap()
    };
    let less = |left: usize| left.checked_sub(1);
    if bucket
        .serves
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
        .is_err()
    {
        return response(StatusCode::SERVICE_UNAVAILABLE, vec![]);
    }
    let (parts, body) = request.into_parts();
    let key = parts.uri.path().trim_start_matches('/').to_owned();
    let content = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    let mut objects = bucket.objects.lock().unwrap();
    if parts.method == Method::PUT {
        assert_eq!(parts.headers["if-none-match"], "*");
        if objects.contains_key(&key) {
            return response(StatusCode::PRECONDITION_FAILED, vec![]);
        }
        bucket.transfers.fetch_add(1, Ordering::SeqCst);
        objects.insert(key, content);
        return response(StatusCode::OK, vec![]);
    }
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    if query.contains_key("list-type") {
        let prefix = query.get("prefix").cloned().unwrap_or_default();
        let entries = objects.iter().filter_map(|(key, content)| {
            let key = key.strip_prefix("music/")?;
            let name = key.strip_prefix(&prefix)?;
            let length = content.len();
            (!name.contains('/')).then(|| {
                format!(
                    "<Contents><Key>{key}</Key><LastModified>2026-11-30T00:00:00.000Z</LastModified><Size>{length}</Size></Contents>"
                )
            })
        });
        let entries: String = entries.collect();
        let list = format!("<ListBucketResult>{entries}</ListBucketResult>");
        return response(StatusCode::OK, list.into_bytes());
    }
    match objects.get(&key) {
        Some(content) => {
            bucket.transfers.fetch_add(1, Ordering::SeqCst);
            response(StatusCode::OK, content.clone())
        }
        None => response(StatusCode::NOT_FOUND, vec![]),
    }
}
