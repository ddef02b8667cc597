//! Delivers callbacks.
//!
//! ```text
//! store: due callbacks ─► delivery ─► POST (≤ 32 tasks at once, 15 s each) ─► store: delivered, postponed, or given up
//! ```
//!
//! The store decides which callback is next, so a task's callbacks come in order and survive a restart. The delivery itself
//! stores only the list of tasks that it is working on. A receiver that is down delays only its own callbacks: a waiting
//! callback occupies no slot. Private receivers are allowed, because the studio is local; redirects are not followed.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::clock;
use crate::config::{CALLBACK_LIMIT, CALLBACK_TIMEOUT};
use crate::faulty;
use crate::fetch::USER_AGENT;
use crate::misbehave::Forgery;
use crate::notes;
use crate::shared::StudioState;
use crate::store::StudioStoreError;
use crate::store::callbacks::{self, DueCallback, ScriptedCallback};
use crate::store::tasks::StoredTask;

/// How long the delivery waits after the store failed.
const STORE_RETRY_WAIT: Duration = Duration::from_secs(1);

/// The client that sends callbacks.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .timeout(CALLBACK_TIMEOUT)
        .build()
}

/// Delivers callbacks until the studio stops. A callback that is interrupted by the stop is sent again at the next start.
pub(crate) async fn run(shared: Arc<StudioState>, client: reqwest::Client) {
    let mut busy: Vec<i64> = Vec::new();
    let mut deliveries: JoinSet<i64> = JoinSet::new();
    loop {
        // The notification is created before the query, so that a callback that becomes due meanwhile is not missed.
        let rung = shared.callback_waits.notified();
        let rest = match start_due(&shared, &client, &mut busy, &mut deliveries).await {
            Ok(rest) => rest,
            Err(StudioStoreError::Stopping) => return,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "could not find callbacks"
                );
                Some(STORE_RETRY_WAIT)
            }
        };
        let rested = async {
            match rest {
                Some(rest) => tokio::time::sleep(rest).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = rung, if busy.len() < CALLBACK_LIMIT => {}
            () = rested => {}
            Some(finished) = deliveries.join_next() => match finished {
                Ok(seq) => busy.retain(|other| *other != seq),
                Err(error) => {
                    // The id of the failed delivery's task is lost with it, so all are read again. At worst a callback comes
                    // twice.
                    tracing::error!(%error, "a delivery failed");
                    deliveries.abort_all();
                    busy.clear();
                }
            },
        }
    }
}

/// Starts due callbacks while there are free slots; returns the time until the next one is due.
async fn start_due(
    shared: &Arc<StudioState>,
    client: &reqwest::Client,
    busy: &mut Vec<i64>,
    deliveries: &mut JoinSet<i64>,
) -> Result<Option<Duration>, StudioStoreError> {
    let free = CALLBACK_LIMIT.saturating_sub(busy.len());
    if free == 0 {
        return Ok(None);
    }
    let (now_ms, taken) = (clock::now_ms(), busy.clone());
    let look = move |connection: &rusqlite::Connection| {
        Ok((
            callbacks::due(connection, now_ms, &taken, free)?,
            callbacks::next_due_ms(connection, now_ms)?,
        ))
    };
    let (due, next_ms) = shared.store.read("find callbacks", look).await?;
    for owed in due {
        busy.push(owed.task.seq);
        let (shared, client) = (Arc::clone(shared), client.clone());
        deliveries.spawn(async move {
            let seq = owed.task.seq;
            deliver(&shared, &client, owed).await;
            seq
        });
    }
    Ok(next_ms
        .map(|next_ms| Duration::from_millis(next_ms.saturating_sub(now_ms).unsigned_abs() + 1)))
}

/// The request of a callback.
fn post(
    shared: &StudioState,
    client: &reqwest::Client,
    task: &StoredTask,
    url: &str,
    call: ScriptedCallback,
    notes: &Value,
) -> reqwest::RequestBuilder {
    let key = shared
        .config
        .misbehaviour
        .as_ref()
        .and_then(|plan| plan.callback_key.as_deref());
    let sign_for = |request: reqwest::RequestBuilder, key: &str, task_id: &str| {
        let now_s = clock::now_ms() / 1000;
        request.header("X-Webhook-Timestamp", now_s).header(
            "X-Webhook-Signature",
            faulty::signature(key, task_id, now_s),
        )
    };
    let sign = |request, key: &str| sign_for(request, key, &task.id);
    match call {
        ScriptedCallback::True(notice) => {
            let sent = faulty::callback(task, notice, shared.writing(notes), url);
            let mut request = client
                .post(sent.url)
                .header(CONTENT_TYPE, "application/json")
                .body(sent.body);
            if sent.gzip {
                request = request.header(CONTENT_ENCODING, "gzip");
            }
            match key {
                Some(key) => sign(request, key),
                None => request,
            }
        }
        ScriptedCallback::Forged(forgery) => {
            let (url, body) = faulty::forged(task, url, forgery);
            let request = client
                .post(url)
                .header(CONTENT_TYPE, "application/json")
                .body(body);
            match forgery {
                Forgery::WrongSignature => sign(request, "not the key"),
                Forgery::WrongTaskSigned => match key {
                    Some(key) => sign_for(request, key, &faulty::other_id(&task.id)),
                    None => request,
                },
                Forgery::WrongToken | Forgery::WrongTask | Forgery::NoJson => request,
            }
        }
    }
}

/// Sends one callback and records the result.
async fn deliver(shared: &StudioState, client: &reqwest::Client, owed: DueCallback) {
    let DueCallback {
        task,
        url,
        call,
        done,
        attempts,
    } = owed;
    let notes = notes::of(shared, &task).await.unwrap_or_default();
    let request = post(shared, client, &task, &url, call, &notes);
    let failure = match request.send().await {
        // A forged callback is never repeated.
        _ if matches!(call, ScriptedCallback::Forged(_)) => None,
        Ok(response) if response.status().is_success() => None,
        Ok(response) => Some(format!("HTTP status {}", response.status().as_u16())),
        Err(error) => Some(error.without_url().to_string()),
    };
    let now_ms = clock::now_ms();
    let wait = usize::try_from(attempts)
        .ok()
        .and_then(|attempts| shared.config.callback_backoff.get(attempts));
    let stage = call.name();
    let id = task.id.clone();
    let noted = match (&failure, wait) {
        (Some(reason), Some(wait)) => {
            tracing::debug!(
                task = id,
                stage,
                reason,
                "a callback failed and will be repeated"
            );
            let due_ms = now_ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            shared
                .store
                .write("postpone a callback", move |connection| {
                    callbacks::put_off(connection, &task, due_ms)
                })
                .await
        }
        (failure, _) => {
            if let Some(reason) = failure {
                tracing::warn!(task = id, stage, reason, "gave up a callback");
            }
            shared
                .store
                .write("settle a callback", move |connection| {
                    callbacks::settle(connection, &task, done, now_ms)
                })
                .await
        }
    };
    shared.progress.send_replace(());
    if let Err(error) = noted {
        // The store still lists the callback as owed, so it is sent again. The contract allows that.
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "could not record a callback"
        );
        tokio::time::sleep(STORE_RETRY_WAIT).await;
    }
}
