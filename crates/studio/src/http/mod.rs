//! The studio's routes.
//!
//! ```text
//! /api/*    User-Agent, key ─► handler: body ─► rules ─► store ─► vendor envelope
//! /files/*  uploads and results, public, with ranges
//! /covers/* drawn on request
//! /bent/*   tracks with a fault of a misbehaviour plan
//! /studio/bill  every accepted POST, for loopback peers
//! /studio/render/*  for workers that render on other machines
//! ```
//!
//! A handler reads the request, applies a pure rule, makes one durable change, and responds. The worker does longer work. Every
//! other path gets the vendors' 404.

mod bill;
mod connection;
mod faults;
mod files;
mod range;
mod reads;
mod renders;
mod steps;
mod submit;
mod uploads;

use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub(crate) use connection::{ConnectionHandle, CuttableConnection};

use crate::config::{BASE64_BODY_BYTES, JSON_BODY_BYTES, REQUEST_TIMEOUT, STREAM_BODY_BYTES};
use crate::gate;
use crate::misbehave::Codes;
use crate::operation::OperationKind;
use crate::responses::{self, RequestError, UploadRefusal};
use crate::shared::{OtherKind, StudioState};

/// All routes over `shared`.
pub(crate) fn router(shared: Arc<StudioState>) -> Router {
    let stream = post(uploads::by_stream).layer(DefaultBodyLimit::max(STREAM_BODY_BYTES));
    let base64 = post(uploads::by_base64).layer(DefaultBodyLimit::max(BASE64_BODY_BYTES));
    let api = Router::new()
        .route(
            "/api/v1/generate/add-instrumental",
            post(submit::add_instrumental),
        )
        .route("/api/v1/generate/record-info", get(reads::record_info))
        .route(
            "/api/v1/wav/generate",
            steps::submitting(OperationKind::Wav),
        )
        .route(
            "/api/v1/wav/record-info",
            steps::details_of(OperationKind::Wav),
        )
        .route(
            "/api/v1/vocal-removal/generate",
            steps::submitting(OperationKind::Stems),
        )
        .route(
            "/api/v1/vocal-removal/record-info",
            steps::details_of(OperationKind::Stems),
        )
        .route(
            "/api/v1/midi/generate",
            steps::submitting(OperationKind::Midi),
        )
        .route(
            "/api/v1/midi/record-info",
            steps::details_of(OperationKind::Midi),
        )
        .route(
            "/api/v1/suno/recovery",
            steps::submitting(OperationKind::Recovery),
        )
        .route(
            "/api/v1/suno/recovery/record-info",
            steps::details_of(OperationKind::Recovery),
        )
        .route("/api/v1/generate/credit", get(reads::credits))
        .route("/api/v1/chat/credit", get(reads::fractional_credits))
        .route("/api/v1/common/download-url", post(reads::download_url))
        .route("/api/file-stream-upload", stream)
        .route("/api/file-base64-upload", base64)
        .route("/api/file-url-upload", post(uploads::by_url))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            alter_other_calls,
        ))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            require_key,
        ))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), speak))
        .layer(middleware::from_fn(keep_deadline))
        .layer(middleware::from_fn(require_user_agent));
    let open = Router::new()
        .route("/files/{*path}", get(files::serve))
        .route("/covers/{name}", get(files::cover))
        .route("/bent/{task_id}/{name}", get(faults::file))
        .route("/studio/bill", get(bill::show));
    let mut all = api.merge(open);
    if shared.renderer.farm().is_some() {
        // A part is read as a stream, with limits of its own.
        let renders = Router::new()
            .route("/studio/render/begin", post(renders::begin))
            .route("/studio/render/source", get(renders::source))
            .route("/studio/render/{attempt}/{index}", post(renders::part))
            .layer(middleware::from_fn(keep_deadline));
        all = all.merge(renders);
    }
    all.fallback(no_such_path)
        .method_not_allowed_fallback(no_such_path)
        .layer(DefaultBodyLimit::max(JSON_BODY_BYTES))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            require_own_host,
        ))
        .with_state(shared)
}

/// Refuses a request from this machine that names another host. Such a request comes from a web page in the user's browser
/// whose name resolves to this machine (DNS rebinding). Remote peers and a proxy use names of the studio that the studio does
/// not know.
async fn require_own_host(
    State(shared): State<Arc<StudioState>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    request: Request,
    next: Next,
) -> Response {
    let is_local = connection.peer().ip().to_canonical().is_loopback();
    let is_direct = shared.config.public_url.is_none();
    if is_local && is_direct && !gate::names_loopback(request.headers()) {
        let message = "the request names a host that is not this studio";
        return (StatusCode::MISDIRECTED_REQUEST, message).into_response();
    }
    next.run(request).await
}

async fn require_user_agent(request: Request, next: Next) -> Response {
    if gate::has_user_agent(request.headers()) {
        next.run(request).await
    } else {
        responses::no_user_agent()
    }
}

/// Writes refusals in the codes of the vendor that a misbehaviour plan names.
async fn speak(State(shared): State<Arc<StudioState>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let codes = shared.codes();
    match response.extensions().get::<RequestError>() {
        Some(refusal) if codes == Codes::Kie => refusal.response(codes),
        _ => response,
    }
}

/// Refuses a request without a valid key before its body is read. Adds a digest of the key to an accepted request.
async fn require_key(
    State(shared): State<Arc<StudioState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(key) = gate::admit_key(request.headers(), shared.config.key.as_deref()) else {
        return match is_upload(&request) {
            true => UploadRefusal::unauthorized().into_response(),
            false => RequestError::Unauthorized.into_response(),
        };
    };
    request.extensions_mut().insert(key);
    next.run(request).await
}

fn is_upload(request: &Request) -> bool {
    request.uri().path().starts_with("/api/file-")
}

/// Applies a misbehaviour plan's replies to calls that are not about a submission.
async fn alter_other_calls(
    State(shared): State<Arc<StudioState>>,
    request: Request,
    next: Next,
) -> Response {
    let kind = match request.uri().path() {
        "/api/v1/generate/credit" | "/api/v1/chat/credit" => Some(OtherKind::Credits),
        _ if is_upload(&request) => Some(OtherKind::Uploads),
        _ => None,
    };
    match kind.and_then(|kind| shared.other_reply(kind)) {
        Some(reply) => faults::reply(reply, "", ""),
        None => next.run(request).await,
    }
}

/// Ends requests that take too long, so that a slow body does not occupy a connection for ever.
async fn keep_deadline(request: Request, next: Next) -> Response {
    let response = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    response.unwrap_or_else(|_| {
        (StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response()
    })
}

async fn no_such_path() -> Response {
    RequestError::NoSuchPath.into_response()
}
