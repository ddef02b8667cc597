//! The routes and their responses.
//!
//! | path | response |
//! |---|---|
//! | `/` | the current page |
//! | `/events?run=ID&since=N` | server-sent events: `job` and `head`, the changes since edition N; after a lost connection, the browser's `Last-Event-ID` gives N |
//! | `/metrics` | Prometheus text format |
//! | `/audio/…` | a file whose address is in the page, with ranges; no other address is opened |

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, RANGE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use backline_reporter::{LivePage, Metrics};
use futures::stream::{Stream, unfold};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::edition::{Edition, PageUpdate};
use super::{files, guard};

/// The most pages that receive changes at a time: enough for a listener's tabs and phones, and a limit against floods.
const MOST_LISTENERS: usize = 64;

/// The interval of comments in an idle stream, so that no proxy closes it.
const ALIVE: Duration = Duration::from_secs(15);

/// The longest wait for the run's first edition.
const FIRST: Duration = Duration::from_secs(10);

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Forbids pages of other origins to embed the responses.
const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

type Editions = watch::Receiver<Option<Arc<Edition>>>;

/// The state that the routes share.
#[derive(Clone)]
pub(super) struct Shown {
    editions: Editions,
    page: Arc<Mutex<LivePage>>,
    metrics: Arc<Mutex<Metrics>>,
    places: Arc<Semaphore>,
    /// The folder or the object store of kept files.
    output: Arc<Path>,
}

impl Shown {
    pub(super) fn new(
        editions: Editions,
        page: Arc<Mutex<LivePage>>,
        metrics: Arc<Mutex<Metrics>>,
        output: &Path,
    ) -> Self {
        Self {
            editions,
            page,
            metrics,
            places: Arc::new(Semaphore::new(MOST_LISTENERS)),
            output: output.into(),
        }
    }
}

impl Shown {
    /// The current edition. Waits for the first one; none if there is none in time.
    async fn edition(&self) -> Option<Arc<Edition>> {
        let mut editions = self.editions.clone();
        let first = editions.wait_for(Option::is_some);
        match tokio::time::timeout(FIRST, first).await {
            Ok(Ok(edition)) => edition.clone(),
            _ => None,
        }
    }
}

fn not_begun() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "The run has not begun.\n").into_response()
}

/// The routes. With `expose`, requests may come from other machines.
pub(super) fn router(shown: Shown, expose: bool) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/events", get(events))
        .route("/metrics", get(metrics))
        .fallback(audio)
        .layer(middleware::from_fn(move |request, next| {
            only_ours(expose, request, next)
        }))
        .with_state(shown)
}

async fn only_ours(expose: bool, request: Request, next: Next) -> Response {
    let host = request.headers().get(HOST).and_then(|it| it.to_str().ok());
    if !guard::is_ours(host, expose) {
        let words = "This server accepts requests for its own address only.\n";
        return (StatusCode::MISDIRECTED_REQUEST, words).into_response();
    }
    if !guard::is_same_origin(request.headers()) {
        let words = "This server accepts no requests from pages of other origins.\n";
        return (StatusCode::FORBIDDEN, words).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(SAME_ORIGIN, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

async fn page(State(shown): State<Shown>) -> Response {
    let Some(edition) = shown.edition().await else {
        return not_begun();
    };
    // This decodes sounds that are not measured yet, so it blocks.
    let made = tokio::task::spawn_blocking(move || {
        let mut page = shown.page.lock().unwrap_or_else(PoisonError::into_inner);
        page.page(&edition.summary, edition.revision)
    });
    match made.await {
        Ok(Ok(page)) => ([(CACHE_CONTROL, "no-store")], Html(page)).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[derive(Deserialize)]
struct Since {
    /// The run whose page sends the request.
    run: Option<String>,
    #[serde(default)]
    since: u64,
}

async fn events(
    State(shown): State<Shown>,
    Query(since): Query<Since>,
    headers: HeaderMap,
) -> Response {
    let Some(edition) = shown.edition().await else {
        return not_begun();
    };
    if since.run.is_some_and(|run| run != edition.summary.run.id) {
        // The page belongs to an earlier run. Status 204 makes the browser stop reconnecting.
        return StatusCode::NO_CONTENT.into_response();
    }
    let Ok(place) = shown.places.clone().try_acquire_owned() else {
        let words = "Too many listeners.\n";
        return (StatusCode::SERVICE_UNAVAILABLE, words).into_response();
    };
    let last = headers.get("last-event-id");
    let last = last.and_then(|it| it.to_str().ok()?.parse().ok());
    let listener = Listener {
        editions: shown.editions,
        seen: last.unwrap_or(since.since),
        waiting: VecDeque::new(),
        is_over: false,
        _place: place,
    };
    Sse::new(listener.stream())
        .keep_alive(KeepAlive::new().interval(ALIVE))
        .into_response()
}

/// A page that receives changes. A slow one skips editions, so at most one edition is queued for it.
struct Listener {
    editions: Editions,
    seen: u64,
    waiting: VecDeque<Event>,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        unfold(self, |mut listener| async move {
            loop {
                if let Some(event) = listener.waiting.pop_front() {
                    return Some((Ok(event), listener));
                }
                if listener.is_over {
                    return None;
                }
                listener.read();
                if listener.waiting.is_empty() && !listener.is_over {
                    listener.is_over = listener.editions.changed().await.is_err();
                    listener.read();
                }
            }
        })
    }

    fn read(&mut self) {
        let edition = self.editions.borrow_and_update().clone();
        let Some(edition) = edition else { return };
        // A number above the current edition belongs to another run.
        let seen = if self.seen > edition.revision {
            0
        } else {
            self.seen
        };
        let changes = edition.since(seen);
        let last = changes.len().saturating_sub(1);
        for (at, change) in changes.into_iter().enumerate() {
            let event = match change {
                PageUpdate::Job { at, text } => Event::default().event("job").data(job(at, &text)),
                PageUpdate::Head { text } => Event::default().event("head").data(&*text),
            };
            // Only the last event has the edition's id, so a browser that reconnects within an edition gets all of it again.
            let event = if at == last {
                event.id(edition.revision.to_string())
            } else {
                event
            };
            self.waiting.push_back(event);
        }
        self.seen = edition.revision;
        self.is_over |= edition.is_last();
    }
}

fn job(at: usize, text: &str) -> String {
    format!("{{\"at\":{at},\"job\":{text}}}")
}

async fn metrics(State(shown): State<Shown>) -> Response {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let metrics = shown.metrics.lock().unwrap_or_else(PoisonError::into_inner);
    let text = metrics.render(now_ms);
    drop(metrics);
    (
        [(CONTENT_TYPE, PROMETHEUS), (CACHE_CONTROL, "no-store")],
        text,
    )
        .into_response()
}

/// Serves a file if the page contains exactly this address. No path is ever built from an address.
async fn audio(State(shown): State<Shown>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
    }
    let edition = shown.editions.borrow().clone();
    let address = request.uri().path().strip_prefix('/').unwrap_or_default();
    let Some(file) = edition.as_deref().and_then(|it| it.file(address)).cloned() else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let output = shown.output.clone();
    let opened = tokio::task::spawn_blocking(move || files::open(&file, &output)).await;
    let range = request.headers().get(RANGE).and_then(|it| it.to_str().ok());
    match opened {
        Ok(Ok(recording)) => files::send(recording, request.method(), range),
        Ok(Err(error)) => {
            tracing::debug!(%error, address, "a file of the page is not served");
            StatusCode::NOT_FOUND.into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
