//! Requests that change nothing: a task's details, the balance, a link to a file.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, Query, State};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::connection::ConnectionHandle;
use crate::config::{JSON_BODY_BYTES, UNLIMITED_CREDITS};
use crate::faulty::{self, PollResult};
use crate::misbehave::{MalformedTarget, PollResponse, of_task};
use crate::notes;
use crate::operation::OperationKind;
use crate::responses::{self, RequestError};
use crate::shared::{OtherKind, StudioState};
use crate::store::{bills, faults, steps, tasks};

#[derive(Deserialize)]
pub(super) struct RecordInfoQuery {
    #[serde(rename = "taskId")]
    task_id: Option<String>,
}

/// `GET /api/v1/generate/record-info`: for an unknown task the response has `data: null`, as vendors send it.
pub(super) async fn record_info(
    State(shared): State<Arc<StudioState>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    query: Result<Query<RecordInfoQuery>, QueryRejection>,
) -> Result<Response, RequestError> {
    let task_id = query
        .ok()
        .and_then(|Query(query)| query.task_id)
        .filter(|task_id| !task_id.is_empty())
        .ok_or_else(|| RequestError::Invalid("taskId is required".into()))?;
    let id = task_id.clone();
    let look =
        move |connection: &rusqlite::Connection| steps::find(connection, OperationKind::Song, &id);
    match shared.store.read("find a task", look).await? {
        Some(task) => details_of(&shared, task, &connection).await,
        None => Ok(match shared.other_reply(OtherKind::UnknownTask) {
            Some(reply) => super::faults::reply(reply, &task_id, ""),
            None => responses::success(Value::Null),
        }),
    }
}

/// The details of a task of any operation, with the faults of a misbehaviour plan.
pub(super) async fn details_of(
    shared: &StudioState,
    task: tasks::StoredTask,
    connection: &ConnectionHandle,
) -> Result<Response, RequestError> {
    let body_of = async |task: &tasks::StoredTask| -> Result<Response, RequestError> {
        let notes = notes::of(shared, task).await?;
        Ok(Json(faulty::truth(task, shared.writing(&notes))).into_response())
    };
    if task.faults.is_empty() {
        return body_of(&task).await;
    }
    let id = task.id.clone();
    let count = move |connection: &rusqlite::Connection| faults::count_use(connection, &id, 0);
    let number = shared.store.write("count a poll", count).await?;
    if of_task::shows_another(&task.faults, number)
        && let Some(other) = neighbour(shared, &task.id).await?
    {
        return body_of(&other).await;
    }
    let notes = notes::of(shared, &task).await?;
    let response = match faulty::poll(&task, shared.writing(&notes), number) {
        PollResult::Body(body) => Json(body).into_response(),
        PollResult::Failed { code, message } => super::faults::failed(code, &message),
        PollResult::Nothing(PollResponse::Reply(reply)) if reply.names_other_task() => {
            let other = neighbour(shared, &task.id).await?;
            let other = other.map_or_else(String::new, |other| other.id);
            super::faults::reply(&reply, &task.id, &other)
        }
        PollResult::Nothing(response) => super::faults::poll(response, &task.id, connection),
    };
    match of_task::malformed(&task.faults, MalformedTarget::Details, number) {
        Some(kind) => Ok(super::faults::malform(response, kind).await),
        None => Ok(response),
    }
}

/// The task that was accepted before `task`.
async fn neighbour(
    shared: &StudioState,
    task_id: &str,
) -> Result<Option<tasks::StoredTask>, crate::store::StudioStoreError> {
    let id = task_id.to_owned();
    let look = move |connection: &rusqlite::Connection| tasks::neighbour(connection, &id);
    shared.store.read("find another task", look).await
}

/// `GET /api/v1/generate/credit`: the balance. Whole credits are written as an integer, because clients of the reference vendor
/// read an integer.
pub(super) async fn credits(
    State(shared): State<Arc<StudioState>>,
) -> Result<Response, RequestError> {
    let left = balance(&shared).await?;
    Ok(if left.fract() == 0.0 {
        responses::success(left as i64)
    } else {
        responses::success(left)
    })
}

/// `GET /api/v1/chat/credit`: the balance as the other vendor writes it, always with a fraction.
pub(super) async fn fractional_credits(
    State(shared): State<Arc<StudioState>>,
) -> Result<Response, RequestError> {
    balance(&shared).await.map(responses::success)
}

async fn balance(shared: &StudioState) -> Result<f64, RequestError> {
    let charged = shared.store.read("read the balance", bills::charged);
    let left = shared.config.credits.unwrap_or(UNLIMITED_CREDITS) - charged.await?;
    // Prices have tenths of a credit; the rounding removes floating-point errors of the sum.
    Ok((left * 1000.0).round() / 1000.0)
}

/// `POST /api/v1/common/download-url`: the studio's addresses need no signature, so one of its links is returned unchanged.
pub(super) async fn download_url(
    State(shared): State<Arc<StudioState>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, RequestError> {
    let body = body.map_err(|_| {
        RequestError::TooLong(format!("The request body exceeds {JSON_BODY_BYTES} bytes"))
    })?;
    let body: Value = serde_json::from_slice(&body).map_err(|error| {
        RequestError::Invalid(format!("request body is not valid JSON: {error}"))
    })?;
    let url = body["url"]
        .as_str()
        .filter(|url| !url.is_empty())
        .ok_or_else(|| RequestError::Invalid("url is required".into()))?;
    let own = Url::parse(url)
        .ok()
        .and_then(|url| shared.links.own_file(&url));
    let refused = |why: &str| Err(RequestError::NotOurs(why.into()));
    let Some(path) = own else {
        return refused("url is not an address of this service");
    };
    let file = tokio::fs::metadata(shared.folder.files().join(&path)).await;
    match file {
        Ok(file) if file.is_file() => Ok(responses::success(shared.links.to_file(&path))),
        _ => refused("url is not a file of this service: it never was one, or is deleted"),
    }
}
