//! The one call that costs money.
//!
//! It is made once. Whatever is not proved to be unsent, refused or accepted is in doubt.

use super::tape::{SUBMISSION, SendError};
use super::{Call, Client, endpoint, response};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::redact::hide_secret;
use crate::{Excerpt, Operation, ResponseClass, SubmitRequest, SubmitResponse, TaskId};

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitOutcome {
    /// Bought: the id must be made durable before anything else is done.
    Accepted(TaskId),
    /// Nothing was bought.
    Refused {
        /// What follows: `RefusedJob`, `RefusedRun`, `Wait`, `WaitLong`, `StopForCredits`, `SourceGone` or `Refunded`.
        class: ResponseClass,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message, without addresses and the key.
        message: String,
        /// The response's `Retry-After`.
        retry_after_ms: Option<u64>,
    },
    /// The vendor was not reached, not a byte of the request was written: safe to send again.
    NotSent {
        /// Why.
        reason: String,
    },
    /// It may have been bought: never to be sent again by itself.
    InDoubt {
        /// Why.
        reason: String,
        /// What the response said, where one came: it may contain the only copy of the task's id.
        excerpt: Option<Excerpt>,
    },
}

impl Client {
    /// Submits `request`, once. `token` travels as `Idempotency-Key`: vendors without such a promise ignore it.
    pub async fn submit(&self, request: &SubmitRequest, token: &str) -> SubmitOutcome {
        let operation = &self.profile.operation;
        let url = endpoint(&self.profile.base_url, &operation.submit_path);
        self.hide(token);
        let sent = self
            .api
            .post(url)
            .header("Idempotency-Key", token)
            .json(&operation.body(request))
            .timeout(self.options.call_timeout);
        let response = match self.send(call_of(operation, request), sent).await {
            Ok(response) => response,
            Err(SendError::NotOnTape) => {
                return SubmitOutcome::Refused {
                    class: ResponseClass::RefusedJob,
                    code: None,
                    message: "the tape has no response to this submission: the manifest means something else than when it was recorded".to_owned(),
                    retry_after_ms: None,
                };
            }
            Err(SendError::Replayed { not_sent, reason }) => {
                return if not_sent {
                    SubmitOutcome::NotSent { reason }
                } else {
                    SubmitOutcome::InDoubt {
                        reason,
                        excerpt: None,
                    }
                };
            }
            Err(SendError::Http(error)) => {
                let not_sent = response::was_not_sent(&error);
                let host = response::host(&error);
                let reason = self.scrub_all(&format!("{host}{}", response::reason(error)), token);
                return if not_sent {
                    SubmitOutcome::NotSent { reason }
                } else {
                    SubmitOutcome::InDoubt {
                        reason,
                        excerpt: None,
                    }
                };
            }
        };
        let retry_after_ms = response::retry_after_ms(response.headers());
        let status = response.status().as_u16();
        let moved = response::moved_to(&response);
        // A body that broke off can't be read as JSON, unless all that matters had arrived.
        let (body, end) = response::read_body(response).await;
        let clean = self.secrets.clean_body(&body);
        let mut read = self.profile.read_submit_response(status, &clean);
        if let SubmitResponse::Accepted(_) = &read
            && read != self.profile.read_submit_response(status, &body)
        {
            // The id is good for nothing without the secret, and shown everywhere.
            let reason = format!("HTTP {status}, code 200 with a task id that contains a secret");
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

/// What a recording finds the response by: everything that is sent but the addresses, which differ each time.
fn call_of(operation: &Operation, request: &SubmitRequest) -> String {
    let bare = SubmitRequest {
        upload_url: String::new(),
        call_back_url: String::new(),
        settings: request.settings.clone(),
    };
    let body = serde_json::to_vec(&operation.body(&bare)).unwrap_or_default();
    format!("{SUBMISSION}{}", hex(&Sha256::digest(&body)))
}

impl Call {
    /// The call that uploads `what`.
    pub(super) fn upload(what: String) -> Self {
        Self {
            operation: "upload",
            subject: what,
        }
    }
}
