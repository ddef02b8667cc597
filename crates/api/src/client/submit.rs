//! Submits requests: the only call that costs money.
//!
//! A submission is sent once. Unless it is proved unsent, refused or accepted, it is in doubt.

use std::time::Instant;

use super::tape::{SUBMISSION, SendError};
use super::watched::WatchedBody;
use super::{CallSubject, Client, endpoint, response};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::redact::hide_secret;
use crate::{
    Excerpt, Operation, ResponseClass, Source, StepRequest, SubmitRequest, SubmitResponse, TaskId,
    WrongSource,
};

/// The outcome of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// Bought: store the id durably before anything else.
    Accepted(TaskId),
    /// Nothing was bought.
    Refused {
        /// The consequence: `RefusedJob`, `RefusedRun`, `Wait`, `WaitLong`, `StopForCredits`, `SourceGone` or `Refunded`.
        class: ResponseClass,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message, without addresses and without the key.
        message: String,
        /// The response's `Retry-After`.
        retry_after_ms: Option<u64>,
    },
    /// The vendor was not reached and no byte of the request was written: safe to send again.
    NotSent {
        /// Why.
        reason: String,
    },
    /// The result exists already: an earlier submission of the same input was accepted, and this one bought nothing. Only an
    /// operation with [`Repeat::Refused`](crate::Repeat) has this outcome.
    Exists {
        /// The task of the earlier submission, if the response names it. Otherwise only its callback names it.
        task: Option<TaskId>,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message, without addresses and without the key.
        message: String,
    },
    /// It may have been bought: never send it again automatically.
    InDoubt {
        /// Why.
        reason: String,
        /// An excerpt of the response, if one came: it may contain the only copy of the task's id.
        excerpt: Option<Excerpt>,
    },
}

/// What became of a submission, and when it left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The outcome.
    pub outcome: SubmitOutcome,
    /// When the request was written to its connection; none if it was not, or if a tape responded.
    pub written: Option<Instant>,
}

impl SubmitOutcome {
    fn without_response(not_sent: bool, reason: String) -> Self {
        match not_sent {
            true => Self::NotSent { reason },
            false => Self::InDoubt {
                reason,
                excerpt: None,
            },
        }
    }
}

impl Client {
    /// Submits a song, once. `token` is sent as `Idempotency-Key`; vendors without that feature ignore it.
    pub async fn submit(&self, request: &SubmitRequest, token: &str) -> Sent {
        let operation = &self.profile.operation;
        let bare = SubmitRequest {
            upload_url: String::new(),
            call_back_url: String::new(),
            settings: request.settings.clone(),
        };
        let call = call_of("", &operation.body(&bare));
        self.buy(operation, operation.body(request), call, token)
            .await
    }

    /// Submits a step, once, like [`Client::submit`].
    ///
    /// # Errors
    /// When the operation does not process such a source; nothing is sent.
    pub async fn submit_step(
        &self,
        operation: &Operation,
        request: &StepRequest,
        token: &str,
    ) -> Result<Sent, WrongSource> {
        let body = operation.step_body(request)?;
        let bare = StepRequest {
            call_back_url: String::new(),
            source: match &request.source {
                Source::Recording { .. } => Source::Recording { url: String::new() },
                source => source.clone(),
            },
            ..request.clone()
        };
        let call = call_of(operation.name, &operation.step_body(&bare)?);
        Ok(self.buy(operation, body, call, token).await)
    }

    /// Sends the one request that buys. A tape finds it by `call`.
    async fn buy(
        &self,
        operation: &Operation,
        body: Map<String, Value>,
        call: String,
        token: &str,
    ) -> Sent {
        let body = WatchedBody::new(Value::Object(body).to_string());
        let outcome = self.bought(operation, &body, call, token).await;
        let written = body.written();
        Sent { outcome, written }
    }

    async fn bought(
        &self,
        operation: &Operation,
        body: &WatchedBody,
        call: String,
        token: &str,
    ) -> SubmitOutcome {
        let url = endpoint(&self.profile.base_url, &operation.submit_path);
        self.hide(token);
        let sent = self
            .api
            .post(url)
            .header("Idempotency-Key", token)
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, body.len())
            .timeout(self.options.call_timeout);
        let response = match self.transport.send(call, sent, Some(body)).await {
            Ok(response) => response,
            Err(SendError::NotOnTape) => {
                return SubmitOutcome::Refused {
                    class: ResponseClass::RefusedJob,
                    code: None,
                    message: "the tape has no response to this submission: the manifest is not the one that was recorded".to_owned(),
                    retry_after_ms: None,
                };
            }
            Err(SendError::Replayed { not_sent, reason }) => {
                return SubmitOutcome::without_response(not_sent, reason);
            }
            Err(SendError::Http(error)) => {
                let not_sent = response::was_not_sent(&error);
                let host = response::host(&error);
                let reason = self.scrub_all(&format!("{host}{}", response::reason(error)), token);
                return SubmitOutcome::without_response(not_sent, reason);
            }
        };
        let retry_after_ms = response::retry_after_ms(response.headers());
        let status = response.status().as_u16();
        let moved = response::moved_to(&response);
        // A truncated body is not valid JSON, unless it arrived whole before the connection broke.
        let (body, end) = response::read_body(response).await;
        let clean = self.secrets.clean_body(&body);
        let mut read = operation.read_submit_response(status, &clean);
        if named(&read).is_some()
            && named(&read) != named(&operation.read_submit_response(status, &body))
        {
            // Without the secret the id is useless, and ids are shown everywhere.
            let reason = format!("HTTP {status} with a task id that contains a secret");
            read = SubmitResponse::InDoubt { reason };
        }
        match read {
            SubmitResponse::Accepted(id) => SubmitOutcome::Accepted(id),
            SubmitResponse::Refused {
                class,
                code,
                message,
            } => SubmitOutcome::Refused {
                class,
                code,
                message: self.scrub_all(&format!("{message}{moved}"), token),
                retry_after_ms,
            },
            SubmitResponse::Exists {
                task_id,
                code,
                message,
            } => SubmitOutcome::Exists {
                task: task_id,
                code,
                message: self.scrub_all(&format!("{message}{moved}"), token),
            },
            SubmitResponse::InDoubt { reason } => {
                let cut = match end {
                    Ok(()) => String::new(),
                    Err(response::Cut::TooLong) => "; the response was too long".to_owned(),
                    Err(response::Cut::Broken(cause)) => {
                        format!("; the response broke off: {cause}")
                    }
                };
                SubmitOutcome::InDoubt {
                    reason: self.scrub_all(&format!("{reason}{moved}{cut}"), token),
                    excerpt: Excerpt::of(&clean, &[self.key.expose(), token]),
                }
            }
        }
    }

    /// `text` without the key and without the attempt's secret.
    fn scrub_all(&self, text: &str, token: &str) -> String {
        hide_secret(&self.scrub(text), token, "[token]")
    }
}

/// The task that a response names.
fn named(response: &SubmitResponse) -> Option<&TaskId> {
    match response {
        SubmitResponse::Accepted(id) => Some(id),
        SubmitResponse::Exists { task_id, .. } => task_id.as_ref(),
        SubmitResponse::Refused { .. } | SubmitResponse::InDoubt { .. } => None,
    }
}

/// The text by which a tape finds the response: a hash of the whole body except the addresses, which differ each time.
fn call_of(operation: &str, bare: &Map<String, Value>) -> String {
    let body = serde_json::to_vec(bare).unwrap_or_default();
    format!("{SUBMISSION}{operation}{}", hex(&Sha256::digest(&body)))
}

impl CallSubject {
    /// The call that uploads `what`.
    pub(super) fn upload(what: String) -> Self {
        Self {
            operation: "upload",
            subject: what,
        }
    }
}
