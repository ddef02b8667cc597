//! `POST /api/v1/generate/add-instrumental`: creates one durable and charged task from one request.
//!
//! ```text
//! key, body ─► rules ─► misbehaviour plan ─► window ─► place in the queue ─► accepted, charged ─► response
//! ```
//!
//! After the window, a request is completed even if its client disconnects: an accepted task is always queued.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use backline_api::{Submitted, TaskId};
use serde_json::json;
use url::{Host, Url};
use uuid::Uuid;

use super::connection::ConnectionHandle;
use super::faults as spoilt;
use crate::clock;
use crate::config::JSON_BODY_BYTES;
use crate::gate::KeyPrint;
use crate::misbehave::{
    Fault, MalformedTarget, Misbehaviour, Submission, Switch, UploadGone, of_task,
};
use crate::operation::OperationKind;
use crate::responses::{self, RequestError};
use crate::shared::StudioState;
use crate::store::tasks::{self, Acceptance, InitialState, NewTask};
use crate::store::transitions;
use crate::store::{StudioStoreError, callbacks, faults};
use crate::validate;

/// Longest `Idempotency-Key` in bytes: twice any common token.
const TOKEN_BYTES: usize = 256;
/// The code of a source that can't be downloaded.
const NO_SOURCE: i64 = 451;
/// Longest time that a response waits for its task's callbacks: no client waits longer.
const CALLBACKS_PATIENCE: Duration = Duration::from_secs(60);

pub(super) async fn add_instrumental(
    State(shared): State<Arc<StudioState>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    Extension(key): Extension<KeyPrint>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, RequestError> {
    let body = body.map_err(|_| {
        RequestError::TooLong(format!("The request body exceeds {JSON_BODY_BYTES} bytes"))
    })?;
    let token = read_token(&headers)?;
    let valid = validate::validate(&body)?;
    let hook_token = last_segment(&valid.callback_url);
    let (mut number, mut faults) = (None, Vec::new());
    if let Some(plan) = &shared.config.misbehaviour {
        let submission = Submission {
            operation: OperationKind::Song.name(),
            title: valid.title.clone(),
            tags: valid.tags.clone(),
            tokens: token.iter().chain(&hook_token).cloned().collect(),
        };
        let (counted, met) = count(&shared, plan, submission).await?;
        if let Some(refused) = refuse(&shared, &met, &connection) {
            return Ok(refused);
        }
        (number, faults) = (Some(counted), met);
    }
    let upload = shared.links.own_file(&valid.upload_url);
    let gone = take_upload(&shared, &faults, upload.as_deref()).await;
    if gone == Some(UploadGone::Refused) {
        return Ok(spoilt::failed(NO_SOURCE, responses::words_for(451)));
    }
    let plan = shared.config.misbehaviour.as_ref();
    let order = NewTask {
        task_id: Uuid::now_v7().simple().to_string(),
        kind: OperationKind::Song,
        parent: None,
        parent_track: None,
        request: String::from_utf8_lossy(&body).into_owned(),
        upload,
        source: address_without_query(&valid.upload_url),
        digest: valid.digest,
        callback_url: real_callback_url(&valid.callback_url),
        title: valid.title,
        hook_token,
        token,
        heeds_token: plan.is_none_or(|plan| plan.idempotency == Switch::On),
        key_print: key.0,
        price_credits: shared.config.prices.song,
        granted_credits: shared.config.credits,
        now_ms: clock::now_ms(),
        initial_state: match gone {
            Some(_) => InitialState::Fails {
                code: NO_SOURCE,
                message: responses::words_for(451).to_owned(),
                refunded: false,
            },
            None => initial_state(&shared, &faults),
        },
        faults,
        submission: number,
    };
    buy(&shared, order, &connection).await
}

/// Accepts and charges `order`, and returns the response that its client gets.
pub(super) async fn buy(
    shared: &Arc<StudioState>,
    order: NewTask,
    connection: &ConnectionHandle,
) -> Result<Response, RequestError> {
    let (faults, kind) = (order.faults.clone(), order.kind);
    // A separate task, which continues if the client disconnects and this handler is dropped.
    let accepting = tokio::spawn(accept(Arc::clone(shared), order));
    let task_id = match accepting.await {
        Ok(accepted) => accepted?,
        Err(error) => {
            tracing::error!(%error, "accepting a task failed");
            return Err(RequestError::Internal);
        }
    };
    let accepted = match kind {
        OperationKind::Recovery => responses::success(json!({ "task_id": task_id })),
        _ => responses::success(Submitted {
            task_id: TaskId(task_id.clone()),
        }),
    };
    let accepted = match of_task::malformed(&faults, MalformedTarget::Submit, 1) {
        Some(kind) => spoilt::malform(accepted, kind).await,
        None => accepted,
    };
    Ok(faulty_response(shared, &faults, task_id, accepted, connection).await)
}

/// Removes the upload that a submission names, if a plan requires it. Returns how the response reports the missing upload, if
/// it is missing.
async fn take_upload(
    shared: &StudioState,
    faults: &[Fault],
    upload: Option<&str>,
) -> Option<UploadGone> {
    let goes = faults.iter().find_map(|fault| match fault {
        Fault::UploadGone(how) => Some(*how),
        _ => None,
    });
    let Some(path) = upload else {
        return goes;
    };
    if let Some(how) = goes {
        shared
            .lock_gone_uploads()
            .entry(path.to_owned())
            .or_insert(how);
        // An earlier submission may have removed it.
        let _ = tokio::fs::remove_file(shared.folder.files().join(path)).await;
    }
    shared.lock_gone_uploads().get(path).copied()
}

/// Counts a submission for the plan; returns its number and its faults.
pub(super) async fn count(
    shared: &StudioState,
    plan: &Misbehaviour,
    submission: Submission,
) -> Result<(u64, Vec<Fault>), StudioStoreError> {
    let plan = plan.clone();
    let count = move |connection: &rusqlite::Connection| {
        faults::count_submission(connection, &plan, &submission)
    };
    shared.store.write("count a submission", count).await
}

/// The refusal that a plan requires for a submission, if any; then nothing is accepted.
pub(super) fn refuse(
    shared: &StudioState,
    faults: &[Fault],
    connection: &ConnectionHandle,
) -> Option<Response> {
    let mut refusing = shared
        .refusing
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((until, refuse)) = &*refusing
        && Instant::now() < *until
    {
        return Some(spoilt::refusal(refuse));
    }
    faults.iter().find_map(|fault| match fault {
        Fault::Refuse(refuse) => {
            let lasting = Duration::from_millis(refuse.lasting_ms);
            *refusing = Instant::now()
                .checked_add(lasting)
                .map(|until| (until, refuse.clone()));
            Some(spoilt::refusal(refuse))
        }
        Fault::DropRequest => {
            connection.cut();
            Some(StatusCode::OK.into_response())
        }
        _ => None,
    })
}

/// The state of a new task.
fn initial_state(shared: &StudioState, faults: &[Fault]) -> InitialState {
    fails(faults).unwrap_or_else(|| match &shared.instant {
        Some(tracks) => {
            let mut tracks = tracks.clone();
            let now_ms = clock::now_ms();
            tracks
                .iter_mut()
                .for_each(|track| track.created_ms = now_ms);
            InitialState::Finished(tracks)
        }
        None => InitialState::Made,
    })
}

/// The failure that a plan requires for a task.
pub(super) fn fails(faults: &[Fault]) -> Option<InitialState> {
    faults.iter().find_map(|fault| match fault {
        Fault::Fail(fail) => Some(InitialState::Fails {
            code: fail.code,
            message: fail.message.clone(),
            refunded: fail.is_refunded(),
        }),
        _ => None,
    })
}

/// Checks the window and the queue, accepts `order`, and returns its task's id.
async fn accept(shared: Arc<StudioState>, order: NewTask) -> Result<String, RequestError> {
    if let Some(window) = &shared.rate_window {
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        window
            .admit(&KeyPrint(order.key_print.clone()), Instant::now())
            .map_err(RequestError::RateLimited)?;
    }
    // A task that is finished on arrival never waits.
    let place = match &order.initial_state {
        InitialState::Finished(_) | InitialState::Fails { .. } => None,
        InitialState::Made => Some(QueueSlot::take(&shared).ok_or(RequestError::QueueFull)?),
    };
    let task_id = order.task_id.clone();
    let accept = move |connection: &rusqlite::Connection| transitions::accept(connection, &order);
    match shared.store.write("accept a task", accept).await? {
        Acceptance::New => {
            tracing::info!(task = task_id, "accepted a task");
            if let Some(place) = place {
                place.keep();
                shared.work_waits.notify_one();
            }
            shared.task_moved();
            Ok(task_id)
        }
        Acceptance::Repeat { task_id } => {
            tracing::info!(
                task = task_id,
                "returned the first task to a repeated request"
            );
            Ok(task_id)
        }
        Acceptance::Exists { task_id } => Err(RequestError::Exists { task_id }),
        Acceptance::TokenMisused => Err(RequestError::TokenMisused),
        Acceptance::NoCredits => Err(RequestError::NoCredits),
    }
}

/// Sends the response that the client gets for `accepted`, with its delay.
async fn faulty_response(
    shared: &Arc<StudioState>,
    faults: &[Fault],
    task_id: String,
    accepted: Response,
    connection: &ConnectionHandle,
) -> Response {
    let (mut late_ms, mut response, mut after_callbacks) = (None, None, false);
    for fault in faults {
        match fault {
            Fault::ResponseLateMs(ms) => late_ms = late_ms.or(Some(*ms)),
            Fault::Response(kind) => response = response.or(Some(kind.clone())),
            Fault::Callbacks(callbacks) => after_callbacks |= callbacks.before_response,
            _ => {}
        }
    }
    if after_callbacks {
        let made = callbacks_made(shared, task_id.clone());
        let called = tokio::time::timeout(CALLBACKS_PATIENCE, made);
        match called.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return RequestError::from(error).into_response(),
            Err(_) => {
                tracing::warn!("responded before the callbacks were sent: no receiver accepts them")
            }
        }
    }
    if let Some(late_ms) = late_ms {
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_millis(late_ms)) => {}
        }
    }
    match response {
        Some(response) => {
            let id = task_id.clone();
            let look = move |connection: &rusqlite::Connection| tasks::neighbour(connection, &id);
            let other = match shared.store.read("find another task", look).await {
                Ok(other) => other.map_or_else(String::new, |other| other.id),
                Err(error) => return RequestError::from(error).into_response(),
            };
            spoilt::faulty_response(response, accepted, &task_id, &other, connection).await
        }
        None => accepted,
    }
}

/// Waits until the due callbacks of a task are sent.
async fn callbacks_made(
    shared: &Arc<StudioState>,
    task_id: String,
) -> Result<(), StudioStoreError> {
    let mut progress = shared.progress.subscribe();
    loop {
        let id = task_id.clone();
        let look = move |connection: &rusqlite::Connection| callbacks::are_made(connection, &id);
        if shared.store.read("find callbacks", look).await? {
            return Ok(());
        }
        // The sender lives as long as the studio.
        let _ = progress.changed().await;
    }
}

/// A place in the queue. It is given back unless its task was accepted.
struct QueueSlot<'a> {
    shared: &'a StudioState,
    kept: bool,
}

impl<'a> QueueSlot<'a> {
    fn take(shared: &'a StudioState) -> Option<QueueSlot<'a>> {
        shared.unfinished.enter().then_some(QueueSlot {
            shared,
            kept: false,
        })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.shared.unfinished.leave();
        }
    }
}

pub(super) fn read_token(headers: &HeaderMap) -> Result<Option<String>, RequestError> {
    let Some(token) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match token.to_str() {
        Ok(token) if (1..=TOKEN_BYTES).contains(&token.len()) => Ok(Some(token.to_owned())),
        _ => Err(RequestError::Invalid(format!(
            "Idempotency-Key must be 1 to {TOKEN_BYTES} plain characters"
        ))),
    }
}

/// The last segment of a callback address. Clients with a token for each task put the token there.
pub(super) fn last_segment(callback_url: &str) -> Option<String> {
    let url = Url::parse(callback_url).ok()?;
    let segment = url.path_segments()?.next_back()?;
    (!segment.is_empty()).then(|| segment.to_owned())
}

fn address_without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The callback address, or `None` for a placeholder: a text that is not an http address, or one of the reserved names of RFC
/// 2606 and RFC 6761, which clients send when they poll.
pub(super) fn real_callback_url(callback_url: &str) -> Option<String> {
    let url = Url::parse(callback_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let reserved = match url.host()? {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let under = |suffix: &str| {
                name == suffix
                    || name
                        .strip_suffix(suffix)
                        .is_some_and(|rest| rest.ends_with('.'))
            };
            [
                "example.com",
                "example.org",
                "example.net",
                "example",
                "invalid",
                "test",
            ]
            .into_iter()
            .any(under)
        }
        Host::Ipv4(_) | Host::Ipv6(_) => false,
    };
    (!reserved).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_never_called() {
        for placeholder in [
            "playground",
            "https://example.com/callback",
            "https://api.example.com/x",
            "https://x.invalid",
            "http://none.test./",
            "ftp://host/x",
            "mailto:a@b",
        ] {
            assert_eq!(real_callback_url(placeholder), None, "{placeholder}");
        }
        for real in [
            "http://127.0.0.1:9/hook",
            "https://myexample.com/x",
            "http://localhost:1/",
            "https://hooks.contest.org/",
        ] {
            assert!(real_callback_url(real).is_some(), "{real}");
        }
    }
}
