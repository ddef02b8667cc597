//! Responses that a misbehaviour plan requires: refusals, responses without information, wrong files.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backline_api::Envelope;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::connection::ConnectionHandle;
use super::files;
use crate::faulty;
use crate::mime;
use crate::misbehave::{
    FileFault, FileKind, MalformedKind, PollResponse, Refuse, Reply, ReplyBody, Shape, SubmitFault,
    foreign, of_task,
};
use crate::responses;
use crate::shared::StudioState;
use crate::store::faults;
use crate::store::tasks::{self, StoredTask, StoredTrack};

/// The page of a gateway whose service does not respond.
const GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
/// The page of a front end that does not know the method, or of any other error.
const PLAIN_PAGE: &str = "<!doctype html><html><head><title>Error</title></head><body><h1>Error</h1><p>The request could not be handled.</p></body></html>";
/// The page in place of a missing file.
const FILE_PAGE: &str = "<!doctype html><html><head><title>Not here</title></head><body><p>The file has moved.</p></body></html>";
/// The target of redirects if a plan names none: the metadata service of many clouds.
const PRIVATE_ADDRESS: &str = "http://169.254.169.254/latest/meta-data/";
/// Bytes between two pauses of a body that breaks off later, so that they are sent before it does.
const BREATH_BYTES: usize = 16 * 1024;

/// The refusal that a plan describes.
pub(super) fn refusal(refuse: &Refuse) -> Response {
    let status = match refuse.shape {
        Shape::Body => StatusCode::OK,
        Shape::Status | Shape::Page => {
            StatusCode::from_u16(refuse.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let mut response = match refuse.shape {
        Shape::Page if refuse.code == 403 => responses::no_user_agent(),
        Shape::Page => page(status, GATEWAY_PAGE),
        Shape::Body | Shape::Status => coded(status, refuse.code),
    };
    retry_after(&mut response, refuse.retry_after_s);
    response
}

fn retry_after(response: &mut Response, wait_s: Option<u64>) {
    if let Some(wait_s) = wait_s {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
    }
}

/// The response that a plan describes.
pub(super) fn reply(reply: &Reply, task_id: &str, other_id: &str) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = match reply.body {
        ReplyBody::Json => (status, Json(reply.envelope(task_id, other_id))).into_response(),
        ReplyBody::Page => page(status, PLAIN_PAGE),
        ReplyBody::Empty => status.into_response(),
    };
    retry_after(&mut response, reply.retry_after_s);
    response
}

/// The envelope of a failed task.
pub(super) fn failed(code: i64, message: &str) -> Response {
    Json(Envelope::<Value>::refusal(code, message)).into_response()
}

/// `response` with malformed JSON.
pub(super) async fn malform(response: Response, kind: MalformedKind) -> Response {
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(json) = serde_json::from_slice(&bytes) else {
        return Response::from_parts(head, bytes.into());
    };
    let bytes = kind.write(json);
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, bytes.into())
}

/// The response that replaces `accepted`, the acceptance of `task_id`. `other_id` was accepted before it.
pub(super) async fn faulty_response(
    response: SubmitFault,
    accepted: Response,
    task_id: &str,
    other_id: &str,
    connection: &ConnectionHandle,
) -> Response {
    match response {
        SubmitFault::Drop => {
            connection.cut();
            StatusCode::OK.into_response()
        }
        SubmitFault::ServerError => coded(StatusCode::INTERNAL_SERVER_ERROR, 500),
        SubmitFault::ServerErrorInBody => coded(StatusCode::OK, 500),
        SubmitFault::TimeoutInBody => coded(StatusCode::OK, 408),
        SubmitFault::BadGateway => page(StatusCode::BAD_GATEWAY, GATEWAY_PAGE),
        SubmitFault::NoTaskId => responses::success(json!({})),
        SubmitFault::NullData => responses::success(Value::Null),
        SubmitFault::Cut => half_then_break(accepted).await,
        SubmitFault::Empty => StatusCode::OK.into_response(),
        SubmitFault::Reply(it) => reply(&it, task_id, other_id),
    }
}

/// The response to a poll that shows nothing about the task.
pub(super) fn poll(
    response: PollResponse,
    task_id: &str,
    connection: &ConnectionHandle,
) -> Response {
    match response {
        PollResponse::Drop => {
            connection.cut();
            StatusCode::OK.into_response()
        }
        PollResponse::ServerError => coded(StatusCode::INTERNAL_SERVER_ERROR, 500),
        PollResponse::BadGateway => page(StatusCode::BAD_GATEWAY, GATEWAY_PAGE),
        PollResponse::TooOften => coded(StatusCode::OK, 430),
        PollResponse::Maintenance => coded(StatusCode::OK, 455),
        PollResponse::Reply(it) => reply(&it, task_id, ""),
    }
}

/// `GET /bent/<task id>/<n>.<extension>`: a track whose file may have a fault. `silence` as the file name gives an empty body.
pub(super) async fn file(
    State(shared): State<Arc<StudioState>>,
    ConnectInfo(_): ConnectInfo<ConnectionHandle>,
    Path((task_id, name)): Path<(String, String)>,
    request: Request,
) -> Response {
    if name == "silence" {
        return ([(header::CONTENT_TYPE, "audio/mpeg")], Body::empty()).into_response();
    }
    let number = name
        .split('.')
        .next()
        .and_then(|number| number.parse().ok());
    let id = task_id.clone();
    let task = shared
        .store
        .read("find a task", move |connection| {
            tasks::find(connection, &id)
        })
        .await;
    let task = match task {
        Ok(Some(task)) => task,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return responses::RequestError::from(error).into_response(),
    };
    let kept = task.tracks.iter().find(|kept| Some(kept.number) == number);
    let Some(kept) = kept else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let fetch = if request.method() == Method::GET {
        let what = kept.number;
        let count =
            move |connection: &rusqlite::Connection| faults::count_use(connection, &task_id, what);
        match shared.store.write("count a fetch", count).await {
            Ok(fetches) => fetches,
            Err(error) => return responses::RequestError::from(error).into_response(),
        }
    } else {
        1
    };
    match of_task::file_fault(&task.faults, kept.number, fetch) {
        Some(fault) => spoil(&shared, &task, kept, fault, request).await,
        None => files::send(&shared, &kept.audio, request).await,
    }
}

/// The file of a track, with a fault.
async fn spoil(
    shared: &StudioState,
    task: &StoredTask,
    kept: &StoredTrack,
    fault: &FileFault,
    mut request: Request,
) -> Response {
    let as_audio = |body: Body| ([(header::CONTENT_TYPE, mime::of_name(&kept.audio))], body);
    match fault.kind {
        FileKind::Empty => as_audio(Body::empty()).into_response(),
        FileKind::Truncated => match read(shared, kept).await {
            Ok(mut bytes) => {
                bytes.truncate(bytes.len() / 2);
                as_audio(bytes.into()).into_response()
            }
            Err(gone) => gone,
        },
        FileKind::BrokenOff => {
            half_then_break(files::send(shared, &kept.audio, request).await).await
        }
        FileKind::Html => page(StatusCode::OK, FILE_PAGE),
        FileKind::HtmlAsAudio => as_audio(FILE_PAGE.into()).into_response(),
        FileKind::Dead => {
            let status = fault
                .status
                .and_then(|status| StatusCode::from_u16(status).ok());
            let mut response = page(status.unwrap_or(StatusCode::NOT_FOUND), FILE_PAGE);
            retry_after(&mut response, fault.retry_after_s);
            response
        }
        FileKind::Redirect => {
            let to = fault.to.as_deref().unwrap_or(PRIVATE_ADDRESS);
            (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
        }
        FileKind::Gzip => match read(shared, kept).await {
            Ok(bytes) => {
                let body = Body::from(faulty::compress(&bytes));
                ([(header::CONTENT_ENCODING, "gzip")], as_audio(body)).into_response()
            }
            Err(gone) => gone,
        },
        FileKind::OtherFile => {
            let mut others = task.tracks.iter();
            let other = others.find(|other| other.number != kept.number);
            files::send(shared, &other.unwrap_or(kept).audio, request).await
        }
        FileKind::WrongOffset if request.headers().contains_key(header::RANGE) => {
            // From the first byte, whatever range was requested.
            request.headers_mut().remove(header::IF_RANGE);
            let all = HeaderValue::from_static("bytes=0-");
            request.headers_mut().insert(header::RANGE, all);
            files::send(shared, &kept.audio, request).await
        }
        FileKind::NoRange if request.headers().contains_key(header::RANGE) => {
            page(StatusCode::FORBIDDEN, FILE_PAGE)
        }
        FileKind::IgnoresRange => {
            request.headers_mut().remove(header::RANGE);
            files::send(shared, &kept.audio, request).await
        }
        FileKind::WrongOffset | FileKind::NoRange => {
            files::send(shared, &kept.audio, request).await
        }
        FileKind::Trickle => {
            let whole = files::send(shared, &kept.audio, request).await;
            trickle(whole, fault.bytes_per_s.unwrap_or(1)).await
        }
        FileKind::Endless => match read(shared, kept).await {
            Ok(bytes) => {
                let bytes = Bytes::from(bytes);
                let parts = stream::repeat_with(move || Ok::<_, std::io::Error>(bytes.clone()));
                as_audio(Body::from_stream(parts)).into_response()
            }
            Err(gone) => gone,
        },
        FileKind::M4a => {
            let bytes = foreign::m4a(kept.duration_s);
            ([(header::CONTENT_TYPE, "audio/mp4")], bytes).into_response()
        }
        FileKind::Opus => {
            let bytes = foreign::opus(kept.duration_s);
            ([(header::CONTENT_TYPE, "audio/ogg")], bytes).into_response()
        }
    }
}

/// The correct bytes of a track, or a response that they are gone.
async fn read(shared: &StudioState, kept: &StoredTrack) -> Result<Vec<u8>, Response> {
    let path = shared.folder.files().join(&kept.audio);
    let read = tokio::fs::read(&path).await;
    read.map_err(|_| StatusCode::NOT_FOUND.into_response())
}

/// `whole`, sent at `bytes_per_s`, ten times a second.
async fn trickle(whole: Response, bytes_per_s: u32) -> Response {
    let (mut head, body) = whole.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let step_bytes = (bytes_per_s as usize).div_ceil(10).max(1);
    let wait = Duration::from_secs_f64(step_bytes as f64 / f64::from(bytes_per_s.max(1)));
    let parts = stream::unfold(bytes, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        let part = left.split_to(step_bytes.min(left.len()));
        tokio::time::sleep(wait).await;
        Some((Ok::<_, std::io::Error>(part), left))
    });
    Response::from_parts(head, Body::from_stream(parts))
}

fn coded(status: StatusCode, code: u16) -> Response {
    let body = Envelope::<Value>::refusal(code.into(), responses::words_for(code));
    (status, Json(body)).into_response()
}

fn page(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html")], text).into_response()
}

/// The head of `whole` and the first half of its body; then the connection is cut.
async fn half_then_break(whole: Response) -> Response {
    let (mut head, body) = whole.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    head.headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let half = bytes.slice(..bytes.len() / 2);
    let parts: Vec<Bytes> = half
        .chunks(BREATH_BYTES)
        .map(|part| half.slice_ref(part))
        .collect();
    let parts = parts.into_iter().map(Ok);
    let broken = [Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe))];
    let body = stream::iter(parts.chain(broken)).then(|part| async {
        tokio::task::yield_now().await;
        part
    });
    Response::from_parts(head, Body::from_stream(body))
}
