//! The routes, and what each responds with.
//!
//! | path | response |
//! |---|---|
//! | `/` | the page, as it is now |
//! | `/events?run=ID&since=N` | server-sent events: `job` and `head`, what changed since edition N; after a lost connection the browser's `Last-Event-ID` says N |
//! | `/metrics` | Prometheus text format |
//! | `/audio/…` | a file that the page names, with ranges; an address that it does not name is not opened |

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

/// Pages that get changes at a time: a listener's tabs and phones, and no flood of connections.
const MOST_LISTENERS: usize = 64;

/// Comments in an idle stream, so that nothing between takes it for dead.
const ALIVE: Duration = Duration::from_secs(15);

/// Longest wait for the run's first edition.
const FIRST: Duration = Duration::from_secs(10);

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// No page of another origin may embed what is served.
const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

type Editions = watch::Receiver<Option<Arc<Edition>>>;

/// What is shown.
#[derive(Clone)]
pub(super) struct Shown {
    editions: Editions,
    page: Arc<Mutex<LivePage>>,
    metrics: Arc<Mutex<Metrics>>,
    places: Arc<Semaphore>,
    /// The folder that kept files lie in.
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
    /// The run as it is now; waits for the first edition. None where there is none.
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

/// The routes; `expose`: requests may come from other machines.
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
    // Sounds that are not measured yet are decoded for it.
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
        // A page that was left open from an earlier run. A browser that gets this sends no more requests.
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

/// Somebody who listens. Slow ones skip editions; what waits for them is one edition at most.
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
        // A browser that has a later edition than there is has one of another run.
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
            // A browser that loses the connection within an edition requests all of it.
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

/// Everything else: a file, if the page names it by this very address. No path is ever made of an address.
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
