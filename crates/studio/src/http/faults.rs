//! Answers that a misbehaviour plan wants: refusals, answers that tell nothing, files that are not what they should be.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use backline_api::Envelope;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::cord::Cord;
use super::files;
use crate::answers;
use crate::mime;
use crate::misbehave::{Answer, FileKind, LookAnswer, Refuse, Shape, bend};
use crate::shared::Shared;
use crate::store::{faults, tasks};

/// The page of a gateway whose service does not answer.
const GATEWAY_PAGE: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n";
/// The page of a file that is gone.
const FILE_PAGE: &str = "<!doctype html><html><head><title>Not here</title></head><body><p>The file has moved.</p></body></html>";
/// Where redirects lead when a plan does not say: the metadata service of many clouds.
const PRIVATE_ADDRESS: &str = "http://169.254.169.254/latest/meta-data/";
/// Bytes between two breaths of a body that will break off, so that they are on their way before it does.
const BREATH_BYTES: usize = 16 * 1024;

/// A refusal as a plan words it.
pub(super) fn refusal(refuse: &Refuse) -> Response {
    let status = match refuse.shape {
        Shape::Body => StatusCode::OK,
        Shape::Status | Shape::Page => {
            StatusCode::from_u16(refuse.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let mut response = match refuse.shape {
        Shape::Page if refuse.code == 403 => answers::no_user_agent(),
        Shape::Page => page(status, GATEWAY_PAGE),
        Shape::Body | Shape::Status => coded(status, refuse.code),
    };
    if let Some(wait_s) = refuse.retry_after_s {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
    }
    response
}

/// What a client gets to see of `accepted`.
pub(super) async fn bend_answer(answer: Answer, accepted: Response, cord: &Cord) -> Response {
    match answer {
        Answer::Drop => {
            cord.cut();
            StatusCode::OK.into_response()
        }
        Answer::ServerError => coded(StatusCode::INTERNAL_SERVER_ERROR, 500),
        Answer::ServerErrorInBody => coded(StatusCode::OK, 500),
        Answer::TimeoutInBody => coded(StatusCode::OK, 408),
        Answer::BadGateway => page(StatusCode::BAD_GATEWAY, GATEWAY_PAGE),
        Answer::NoTaskId => answers::success(json!({})),
        Answer::NullData => answers::success(Value::Null),
        Answer::Cut => half_then_break(accepted).await,
        Answer::Empty => StatusCode::OK.into_response(),
    }
}

/// What a look gets that tells nothing.
pub(super) fn look(answer: LookAnswer, cord: &Cord) -> Response {
    match answer {
        LookAnswer::Drop => {
            cord.cut();
            StatusCode::OK.into_response()
        }
        LookAnswer::ServerError => coded(StatusCode::INTERNAL_SERVER_ERROR, 500),
        LookAnswer::BadGateway => page(StatusCode::BAD_GATEWAY, GATEWAY_PAGE),
        LookAnswer::TooOften => coded(StatusCode::OK, 430),
        LookAnswer::Maintenance => coded(StatusCode::OK, 455),
    }
}

/// `GET /bent/<task id>/<n>.<extension>`: a track whose file is not always what it should be; `silence` has no byte.
pub(super) async fn file(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(_): ConnectInfo<Cord>,
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
        .read("look a task up", move |connection| {
            tasks::find(connection, &id)
        })
        .await;
    let task = match task {
        Ok(Some(task)) => task,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(error) => return answers::Refusal::from(error).into_response(),
    };
    let kept = task.tracks.iter().find(|kept| Some(kept.number) == number);
    let Some(kept) = kept else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let fault = bend::file_fault(&task.faults, kept.number);
    let fetches = if request.method() == Method::GET {
        let what = kept.number;
        let count =
            move |connection: &rusqlite::Connection| faults::count_use(connection, &task_id, what);
        match shared.store.write("count a fetch", count).await {
            Ok(fetches) => fetches,
            Err(error) => return answers::Refusal::from(error).into_response(),
        }
    } else {
        1
    };
    let kind = fault.filter(|fault| fault.fetches.covers(fetches));
    let Some(fault) = kind else {
        return files::send(&shared, &kept.audio, request).await;
    };
    let audio = mime::of_name(&kept.audio);
    match fault.kind {
        FileKind::Empty => ([(header::CONTENT_TYPE, audio)], Body::empty()).into_response(),
        FileKind::Truncated => {
            let path = shared.folder.files().join(&kept.audio);
            match tokio::fs::read(&path).await {
                Ok(mut bytes) => {
                    bytes.truncate(bytes.len() / 2);
                    ([(header::CONTENT_TYPE, audio)], bytes).into_response()
                }
                Err(_) => StatusCode::NOT_FOUND.into_response(),
            }
        }
        FileKind::BrokenOff => {
            half_then_break(files::send(&shared, &kept.audio, request).await).await
        }
        FileKind::Html => page(StatusCode::OK, FILE_PAGE),
        FileKind::HtmlAsAudio => ([(header::CONTENT_TYPE, audio)], FILE_PAGE).into_response(),
        FileKind::Dead => {
            let status = fault
                .status
                .and_then(|status| StatusCode::from_u16(status).ok());
            page(status.unwrap_or(StatusCode::NOT_FOUND), FILE_PAGE)
        }
        FileKind::Redirect => {
            let to = fault.to.as_deref().unwrap_or(PRIVATE_ADDRESS);
            (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
        }
    }
}

fn coded(status: StatusCode, code: u16) -> Response {
    let body = Envelope::<Value>::refusal(code.into(), answers::words_for(code));
    (status, Json(body)).into_response()
}

fn page(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/html")], text).into_response()
}

/// The head of `whole` and the first half of its body; then the connection breaks.
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
