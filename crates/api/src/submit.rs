//! What the response to a submission means.
//!
//! No call finds out later whether a submission was accepted. So every response is exactly one of: accepted, refused (nothing
//! was bought), or in doubt (it may have been bought). What is not clearly one of the first two is in doubt.

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

/// What a response to a submission means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitResponse {
    /// Bought. The id is the only way to the result.
    Accepted(TaskId),
    /// Nothing was bought.
    Refused {
        /// What follows: `RefusedJob`, `RefusedRun`, `Wait`, `WaitLong`, `StopForCredits`, `SourceGone` or `Refunded`.
        class: ResponseClass,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message with addresses redacted, or ours.
        message: String,
    },
    /// The result exists already: an earlier submission of the same input was accepted. Only an operation with
    /// [`Repeat::Refused`] has such responses. Nothing was bought by this one.
    Exists {
        /// The task of that earlier submission, where the response names it. Otherwise only its callback does.
        task_id: Option<TaskId>,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's message with addresses redacted, or ours.
        message: String,
    },
    /// It may have been bought; it must not be sent again by itself.
    InDoubt {
        /// What was wrong with the response.
        reason: String,
    },
}

/// The code of a conflict: where a repeat is refused, it means that the result exists.
const CONFLICT: i64 = 409;
/// The code of a vendor without that one: there, and nowhere else, the message decides.
const INVALID: i64 = 422;
/// What that message contains.
const EXISTS: &str = "already exists";

impl Profile {
    /// What a response to a song's submission means; see [`Operation::read_submit_response`].
    pub fn read_submit_response(&self, http_status: u16, body: &[u8]) -> SubmitResponse {
        self.operation.read_submit_response(http_status, body)
    }
}

impl Operation {
    /// What a response to a submission means: by the body's code first, then by the HTTP status.
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
                // A byte of the id that was no text would be followed for ever under a wrong name.
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
                // A damaged id would be followed for ever under a wrong name.
                task_id: task_id
                    .filter(|id| !id.contains(char::REPLACEMENT_CHARACTER))
                    .map(TaskId),
                code: refusal.code,
                message: refusal.message,
            };
        }
        // A refusal that names a task contradicts itself: the task may be this purchase.
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
