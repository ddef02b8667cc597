//! The steps: WAV, stems, MIDI and recovery. Each is submitted, charged and polled like a song, on its own paths.
//!
//! ```text
//! key, body ─► fields ─► the task that it processes ─► plan of misbehaviour ─► window ─► accepted, charged ─► response
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use serde_json::Value;
use uuid::Uuid;

use super::connection::ConnectionHandle;
use super::{reads, submit};
use crate::clock;
use crate::config::JSON_BODY_BYTES;
use crate::gate::KeyPrint;
use crate::instant;
use crate::misbehave::{Submission, Switch};
use crate::operation::OperationKind;
use crate::responses::{self, RequestError};
use crate::shared::{OtherKind, StudioState};
use crate::step_wire;
use crate::store::steps;
use crate::store::tasks::{InitialState, NewTask, StoredTask, TaskProgress};
use crate::validate_step::{self, StepInput, ValidStep};
use crate::wire::{self, TRACKS};

/// The route of a step's submission.
pub(super) fn submitting(kind: OperationKind) -> MethodRouter<Arc<StudioState>> {
    post(
        move |State(shared): State<Arc<StudioState>>,
              ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
              Extension(key): Extension<KeyPrint>,
              headers: HeaderMap,
              body: Result<Bytes, BytesRejection>| {
            submit_step(kind, shared, connection, key, headers, body)
        },
    )
}

/// The route of a step's details.
pub(super) fn details_of(kind: OperationKind) -> MethodRouter<Arc<StudioState>> {
    get(
        move |State(shared): State<Arc<StudioState>>,
              ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
              query: Result<Query<HashMap<String, String>>, QueryRejection>| {
            details(kind, shared, connection, query)
        },
    )
}

async fn submit_step(
    kind: OperationKind,
    shared: Arc<StudioState>,
    connection: ConnectionHandle,
    key: KeyPrint,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, RequestError> {
    let body = body.map_err(|_| {
        RequestError::TooLong(format!("The request body exceeds {JSON_BODY_BYTES} bytes"))
    })?;
    let token = submit::read_token(&headers)?;
    let valid = validate_step::validate(kind, shared.codes(), &body)?;
    let parent = parent_of(&shared, kind, &valid).await?;
    let hook_token = submit::last_segment(&valid.callback_url);
    let (mut number, mut faults) = (None, Vec::new());
    if let Some(plan) = &shared.config.misbehaviour {
        let submission = Submission {
            operation: kind.name(),
            title: parent.title.clone(),
            tags: parent.tags.clone(),
            tokens: token.iter().chain(&hook_token).cloned().collect(),
        };
        let (counted, met) = submit::count(&shared, plan, submission).await?;
        if let Some(refused) = submit::refuse(&shared, &met, &connection) {
            return Ok(refused);
        }
        (number, faults) = (Some(counted), met);
    }
    let plan = shared.config.misbehaviour.as_ref();
    let made_already = instant::step(kind, &shared, &parent.task, parent.track, &valid);
    let order = NewTask {
        task_id: Uuid::now_v7().simple().to_string(),
        kind,
        parent: Some(parent.task.id.clone()),
        parent_track: parent.track,
        request: String::from_utf8_lossy(&body).into_owned(),
        upload: None,
        source: parent.task.id,
        digest: valid.digest,
        callback_url: submit::real_callback_url(&valid.callback_url),
        title: parent.title,
        hook_token,
        token,
        heeds_token: plan.is_none_or(|plan| plan.idempotency == Switch::On),
        key_print: key.0,
        price_credits: valid.price(&shared.config.prices),
        granted_credits: shared.config.credits,
        now_ms: clock::now_ms(),
        initial_state: submit::fails(&faults)
            .or(made_already.map(InitialState::Finished))
            .unwrap_or(InitialState::Made),
        faults,
        submission: number,
    };
    submit::buy(&shared, order, &connection).await
}

/// The task that a step processes, and its song.
struct Parent {
    task: StoredTask,
    track: Option<u8>,
    title: String,
    tags: String,
}

/// Finds the parent at once, as vendors do: an unknown parent is refused, and nothing is charged.
async fn parent_of(
    shared: &StudioState,
    kind: OperationKind,
    valid: &ValidStep,
) -> Result<Parent, RequestError> {
    let unknown = |what: String| RequestError::UnknownInput { kind, what };
    let find = async |kind: OperationKind, id: &str| {
        let id = id.to_owned();
        let look = move |connection: &rusqlite::Connection| steps::find(connection, kind, &id);
        shared.store.read("find a task", look).await
    };
    let known = async |kind: OperationKind, id: &str| {
        let what = || format!("no {} task of this studio has the id `{id}`", kind.name());
        find(kind, id).await?.ok_or_else(|| unknown(what()))
    };
    let task = match &valid.input {
        StepInput::Track { task, .. } | StepInput::Song { task } => {
            known(OperationKind::Song, task).await?
        }
        StepInput::Stems { task, .. } => known(OperationKind::Stems, task).await?,
        StepInput::File(url) => {
            let own = shared.links.own_file(url).and_then(|path| {
                let (task, _) = path.strip_prefix("results/")?.split_once('/')?;
                Some(task.to_owned())
            });
            let foreign =
                "audioUrl is not a track of this studio: the studio splits only its own tracks";
            let id = own.ok_or_else(|| RequestError::NotOurs(foreign.to_owned()))?;
            known(OperationKind::Song, &id).await?
        }
    };
    let not_ready = |what: &str| {
        RequestError::Invalid(match task.stage {
            TaskProgress::Failed => format!("{what} failed: it has no result to process"),
            _ => format!("{what} is not finished"),
        })
    };
    let ready = |number: u8| {
        let kept = task.tracks.iter().any(|kept| kept.number == number);
        match kept && task.stage != TaskProgress::Failed {
            true => Ok(Some(number)),
            false => Err(not_ready("the track's task")),
        }
    };
    let track = match &valid.input {
        StepInput::Track { task: id, audio } => {
            let is_named = |number: &u8| wire::track_id(id, *number).to_string() == *audio;
            let what = || format!("`{audio}` is not a track of the task `{id}`");
            let number = (1..=TRACKS).find(is_named);
            ready(number.ok_or_else(|| unknown(what()))?)?
        }
        StepInput::File(url) => {
            let path = shared.links.own_file(url).unwrap_or_default();
            let what = || format!("`{path}` is not a track of the task `{}`", task.id);
            let kept = task.tracks.iter().find(|kept| kept.audio == path);
            ready(kept.ok_or_else(|| unknown(what()))?.number)?
        }
        StepInput::Stems { stem, .. } => {
            if task.stage != TaskProgress::Complete {
                return Err(not_ready("the stems task"));
            }
            let is_known = |id: &String| {
                let mut names = task.tracks.iter().filter_map(|kept| kept.name.as_deref());
                names.any(|name| step_wire::stem_id(&task.id, name) == *id)
            };
            if let Some(id) = stem.as_ref().filter(|id| !is_known(id)) {
                let what = format!("`{id}` is not a stem of the task `{}`", task.id);
                return Err(unknown(what));
            }
            None
        }
        StepInput::Song { .. } if task.stage != TaskProgress::Complete => {
            return Err(not_ready("the original task"));
        }
        StepInput::Song { .. } => None,
    };
    let song = match (&task.kind, &task.parent) {
        (OperationKind::Stems, Some(id)) => find(OperationKind::Song, id).await?,
        _ => Some(task.clone()),
    };
    let request = song.map_or(Value::Null, |song| {
        serde_json::from_str(&song.request).unwrap_or_default()
    });
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    Ok(Parent {
        task,
        track,
        title: text("title"),
        tags: text("tags"),
    })
}

async fn details(
    kind: OperationKind,
    shared: Arc<StudioState>,
    connection: ConnectionHandle,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
) -> Result<Response, RequestError> {
    let row = kind.row(shared.codes());
    let name = row.map_or("taskId", |row| row.details_query);
    let task_id = query
        .ok()
        .and_then(|Query(mut query)| query.remove(name))
        .filter(|task_id| !task_id.is_empty())
        .ok_or_else(|| RequestError::Invalid(format!("{name} is required")))?;
    let id = task_id.clone();
    let look = move |connection: &rusqlite::Connection| steps::find(connection, kind, &id);
    match shared.store.read("find a task", look).await? {
        Some(task) => reads::details_of(&shared, task, &connection).await,
        None => match shared.other_reply(OtherKind::UnknownTask) {
            Some(reply) => Ok(super::faults::reply(reply, &task_id, "")),
            // Recorded with the codes of one vendor; no other response is known.
            None if kind == OperationKind::Recovery => Err(RequestError::UnknownRecovery),
            None => Ok(responses::success(Value::Null)),
        },
    }
}
