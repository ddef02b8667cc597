//! The meaning of the response to a submission.
//!
//! No later call can find out whether a submission was accepted. So every response is exactly one of: accepted, refused
//! (nothing was bought), or in doubt (it may have been bought). A response that is not clearly one of the first two is in
//! doubt.

use serde::{Deserialize, Serialize};

use crate::envelope::{OK, ResponseBody};
use crate::lenient::text;
use crate::{Operation, Profile, Refusal, Repeat, ResponseClass, TaskId};

/// The `data` of an accepted submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The new task.
    pub task_id: TaskId,
}

/// The meaning of a response to a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitResponse {
    /// Bought. Only the id leads to the result.
    Accepted(TaskId),
    /// Nothing was bought.
    Refused {
        /// The consequence: `RefusedJob`, `RefusedRun`, `Wait`, `WaitLong`, `StopForCredits`, `SourceGone` or `Refunded`.
        class: ResponseClass,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message with addresses redacted, or Backline's.
        message: String,
    },
    /// The result exists already: an earlier submission of the same input was accepted, and this one bought nothing. Only an
    /// operation with [`Repeat::Refused`] has such responses.
    Exists {
        /// The task of the earlier submission, if the response names it. Otherwise only its callback names it.
        task_id: Option<TaskId>,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message with addresses redacted, or Backline's.
        message: String,
    },
    /// It may have been bought: never send it again automatically.
    InDoubt {
        /// What was wrong with the response.
        reason: String,
    },
}

/// The code of a conflict: for an operation that refuses repeats, it means that the result exists.
const CONFLICT: i64 = 409;
/// The code of the same refusal by a vendor that does not use 409. Only here does the message decide.
const INVALID: i64 = 422;
/// The text that this message contains.
const EXISTS: &str = "already exists";

impl Profile {
    /// The meaning of a response to a song's submission; see [`Operation::read_submit_response`].
    pub fn read_submit_response(&self, http_status: u16, body: &[u8]) -> SubmitResponse {
        self.operation.read_submit_response(http_status, body)
    }
}

impl Operation {
    /// The meaning of a response to a submission: by the body's code, then by the HTTP status.
    pub fn read_submit_response(&self, http_status: u16, body: &[u8]) -> SubmitResponse {
        let Some(response) = ResponseBody::read(body) else {
            let refusal = Refusal::bare(&self.submit_codes, http_status);
            return if refusal.class.refuses() {
                refused(refusal)
            } else {
                SubmitResponse::InDoubt {
                    reason: refusal.message,
                }
            };
        };
        let task_id = text(&response.data, &["taskId", "task_id"]);
        if response.code == Some(OK) {
            return match task_id {
                // An id with an undecodable byte would be polled for ever under a wrong name.
                Some(id) if !id.contains(char::REPLACEMENT_CHARACTER) => {
                    SubmitResponse::Accepted(TaskId(id))
                }
                Some(_) => SubmitResponse::InDoubt {
                    reason: format!("HTTP {http_status}, code 200 with a damaged task id"),
                },
                None => SubmitResponse::InDoubt {
                    reason: format!("HTTP {http_status}, code 200 without a task id"),
                },
            };
        }
        let refusal = Refusal::of(&self.submit_codes, http_status, &response);
        if self.repeat == Repeat::Refused && says_exists(&refusal) {
            return SubmitResponse::Exists {
                // A damaged id would be polled for ever under a wrong name.
                task_id: task_id
                    .filter(|id| !id.contains(char::REPLACEMENT_CHARACTER))
                    .map(TaskId),
                code: refusal.code,
                message: refusal.message,
            };
        }
        // A refusal that names a task contradicts itself: that task may be this purchase.
        if refusal.class.refuses() && task_id.is_none() {
            return refused(refusal);
        }
        let code = response
            .code
            .map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
        let with = if task_id.is_some() {
            " with a task id"
        } else {
            ""
        };
        SubmitResponse::InDoubt {
            reason: format!("HTTP {http_status}, {code}{with}: {}", refusal.message),
        }
    }
}

fn says_exists(refusal: &Refusal) -> bool {
    match refusal.code {
        Some(CONFLICT) => true,
        Some(INVALID) => refusal.message.to_ascii_lowercase().contains(EXISTS),
        _ => false,
    }
}

fn refused(refusal: Refusal) -> SubmitResponse {
    SubmitResponse::Refused {
        class: refusal.class,
        code: refusal.code,
        message: refusal.message,
    }
}
