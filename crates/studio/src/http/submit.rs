//! `POST /api/v1/generate/add-instrumental`: one request in, one durable and charged task out.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::response::Response;
use backline_api::{Submitted, TaskId};
use url::{Host, Url};
use uuid::Uuid;

use crate::answers::{self, Refusal};
use crate::clock;
use crate::config::JSON_BODY_BYTES;
use crate::gate;
use crate::shared::Shared;
use crate::store::tasks::{self, Acceptance, Order};
use crate::validate::{self, Wish};

/// Longest `Idempotency-Key` in bytes: twice any common token.
const TOKEN_BYTES: usize = 256;

pub(super) async fn add_instrumental(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let key =
        gate::admit_key(&headers, shared.config.key.as_deref()).ok_or(Refusal::Unauthorized)?;
    let body = body.map_err(|_| {
        Refusal::TooLong(format!("The request body exceeds {JSON_BODY_BYTES} bytes"))
    })?;
    let token = read_token(&headers)?;
    let wish = validate::read_wish(&body)?;
    if let Some(pace) = &shared.pace {
        let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.admit(&key, Instant::now())
            .map_err(Refusal::RateLimited)?;
    }
    // Instant tasks are finished on arrival and never wait.
    let place = match &shared.instant {
        Some(_) => None,
        None => Some(Place::take(&shared).ok_or(Refusal::QueueFull)?),
    };
    let order = Order {
        task_id: Uuid::now_v7().simple().to_string(),
        request: String::from_utf8_lossy(&body).into_owned(),
        upload: shared.links.own_file(&wish.upload_url),
        source: address_without_query(&wish.upload_url),
        digest: wish.digest,
        body: wish.body,
        callback_url: real_callback_url(&wish),
        token,
        key_print: key.0,
        price_credits: shared.config.price_credits,
        granted_credits: shared.config.credits,
        now_ms: clock::now_ms(),
        finished: shared.instant.clone(),
    };
    let task_id = order.task_id.clone();
    match shared
        .store
        .write("accept a task", move |connection| {
            tasks::accept(connection, &order)
        })
        .await?
    {
        Acceptance::New => {
            tracing::info!(task = task_id, "accepted a task");
            if let Some(place) = place {
                place.keep();
                shared.work_waits.notify_one();
            }
            shared.task_moved();
            Ok(answers::success(Submitted {
                task_id: TaskId(task_id),
            }))
        }
        Acceptance::Repeat { task_id } => {
            tracing::info!(
                task = task_id,
                "answered a repeated request with its first task"
            );
            Ok(answers::success(Submitted {
                task_id: TaskId(task_id),
            }))
        }
        Acceptance::TokenMisused => Err(Refusal::TokenMisused),
        Acceptance::NoCredits => Err(Refusal::NoCredits),
    }
}

/// A place in the queue that is given back unless its task was accepted.
struct Place<'a> {
    shared: &'a Shared,
    kept: bool,
}

impl<'a> Place<'a> {
    fn take(shared: &'a Shared) -> Option<Place<'a>> {
        shared.unfinished.enter().then_some(Place {
            shared,
            kept: false,
        })
    }

    fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.shared.unfinished.leave();
        }
    }
}

fn read_token(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(token) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    match token.to_str() {
        Ok(token) if (1..=TOKEN_BYTES).contains(&token.len()) => Ok(Some(token.to_owned())),
        _ => Err(Refusal::Invalid(format!(
            "Idempotency-Key must be 1 to {TOKEN_BYTES} plain characters"
        ))),
    }
}

fn address_without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

/// The address to call back, unless it is a placeholder: text that is no http address, or one of the names that RFC 2606
/// and RFC 6761 keep from ever meaning anything, which clients send when they poll.
fn real_callback_url(wish: &Wish) -> Option<String> {
    let url = Url::parse(&wish.callback_url)
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
    use serde_json::json;

    #[test]
    fn placeholders_are_never_called() {
        let wish = |callback_url: &str| {
            let body = json!({ "uploadUrl": "https://a.b/c", "title": "t", "tags": "t", "negativeTags": "", "callBackUrl": callback_url });
            validate::read_wish(body.to_string().as_bytes()).unwrap()
        };
        for placeholder in [
            "playground",
            "https://example.com/callback",
            "https://api.example.com/x",
            "https://x.invalid",
            "http://none.test./",
            "ftp://host/x",
            "mailto:a@b",
        ] {
            assert_eq!(real_callback_url(&wish(placeholder)), None, "{placeholder}");
        }
        for real in [
            "http://127.0.0.1:9/hook",
            "https://myexample.com/x",
            "http://localhost:1/",
            "https://hooks.contest.org/",
        ] {
            assert!(real_callback_url(&wish(real)).is_some(), "{real}");
        }
    }
}
