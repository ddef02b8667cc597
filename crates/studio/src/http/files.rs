//! Serves uploads, results and covers to everyone who has the address.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tower_http::services::ServeFile;

use super::range;
use crate::cover;
use crate::mime;
use crate::names;
use crate::shared::StudioState;

/// `GET /files/…`: a file or a range of it, with its type, length, ETag and date.
pub(super) async fn serve(
    State(shared): State<Arc<StudioState>>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    // Only plain segments are accepted: no path leaves the folder, and half-written files have no such names.
    if !names::is_plain_path(&path) {
        return StatusCode::NOT_FOUND.into_response();
    }
    send(&shared, &path, request).await
}

/// Sends the file at `path` below `files/`, in the requested range.
pub(super) async fn send(shared: &StudioState, path: &str, mut request: Request) -> Response {
    let file = shared.folder.files().join(path);
    match tokio::fs::metadata(&file).await {
        Ok(found) if found.is_file() => range::normalise(&mut request, found.len()),
        _ => return StatusCode::NOT_FOUND.into_response(),
    }
    let served = call(&file, request).await;
    match served {
        Ok(response) => {
            let mut response = response;
            let headers = response.headers_mut();
            if headers.contains_key(header::CONTENT_TYPE) {
                headers.insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static(mime::of_name(path)),
                );
            }
            headers.insert(
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            );
            response
        }
        Err(error) => {
            tracing::error!(path, %error, "could not serve a file");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Serves the file. `If-Range` is compared with the ETag alone, because a part of a different file would be useless.
async fn call(file: &std::path::Path, mut request: Request) -> std::io::Result<Response> {
    let condition = request.headers_mut().remove(header::IF_RANGE);
    let mut again = Request::new(axum::body::Body::empty());
    *again.method_mut() = request.method().clone();
    let whole = |response: Response<_>| response.map(axum::body::Body::new);
    let response = ServeFile::new(file).try_call(request).await.map(whole)?;
    let part = response.status() == StatusCode::PARTIAL_CONTENT;
    if part && condition.is_some() && condition.as_ref() != response.headers().get(header::ETAG) {
        return ServeFile::new(file).try_call(again).await.map(whole);
    }
    Ok(response)
}

/// `GET /covers/<track id>.svg`: the cover of the track with that id.
pub(super) async fn cover(Path(name): Path<String>) -> Response {
    match name
        .strip_suffix(".svg")
        .and_then(|id| uuid::Uuid::parse_str(id).ok())
    {
        Some(id) => {
            let headers = [
                (header::CONTENT_TYPE, "image/svg+xml"),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, cover::draw(id.as_bytes())).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
