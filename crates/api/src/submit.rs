//! What the answer to a submission means.
//!
//! There is no way to ask later whether a submission was taken. So every answer is exactly one of: accepted, refused (nothing
//! was bought), or in doubt (it may have been bought). When in doubt, it is in doubt.

use serde::{Deserialize, Serialize};

use crate::envelope::{Answer, OK};
use crate::lenient::text;
use crate::{AnswerClass, ApiCall, Profile, Refusal, TaskId};

/// The `data` of an accepted submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Submitted {
    /// The new task.
    pub task_id: TaskId,
}

/// What an answer to a submission means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitAnswer {
    /// Bought. The id is the only way to the result.
    Accepted(TaskId),
    /// Nothing was bought.
    Refused {
        /// What follows: `RefusedJob`, `RefusedRun`, `Wait`, `WaitLong`, `StopForCredits`, `SourceGone` or `Refunded`.
        class: AnswerClass,
        /// The body's code, or the HTTP status where the body had none.
        code: Option<i64>,
        /// The vendor's words with addresses redacted, or ours.
        message: String,
    },
    /// It may have been bought; it must not be sent again by itself.
    InDoubt {
        /// What was wrong with the answer.
        reason: String,
    },
}

impl Profile {
    /// What an answer to a submission means: by the body's code first, then by the HTTP status.
    pub fn read_submit_answer(&self, http_status: u16, body: &[u8]) -> SubmitAnswer {
        let Some(answer) = Answer::read(body) else {
            let refusal = self.bare_refusal(ApiCall::Submit, http_status);
            return if refusal.class.refuses() {
                refused(refusal)
            } else {
                SubmitAnswer::InDoubt {
                    reason: refusal.message,
                }
            };
        };
        let task_id = text(&answer.data, &["taskId", "task_id"]);
        if answer.code == Some(OK) {
            return match task_id {
                // A byte of the id that was no text would be followed for ever under a wrong name.
                Some(id) if !id.contains(char::REPLACEMENT_CHARACTER) => {
                    SubmitAnswer::Accepted(TaskId(id))
                }
                Some(_) => SubmitAnswer::InDoubt {
                    reason: format!("HTTP {http_status}, code 200 with a damaged task id"),
                },
                None => SubmitAnswer::InDoubt {
                    reason: format!("HTTP {http_status}, code 200 without a task id"),
                },
            };
        }
        let refusal = self.refusal(ApiCall::Submit, http_status, &answer);
        // A refusal that names a task contradicts itself: the task may be this purchase.
        if refusal.class.refuses() && task_id.is_none() {
            return refused(refusal);
        }
        let code = answer
            .code
            .map_or_else(|| "no code".to_owned(), |code| format!("code {code}"));
        let with = if task_id.is_some() {
            " with a task id"
        } else {
            ""
        };
        SubmitAnswer::InDoubt {
            reason: format!("HTTP {http_status}, {code}{with}: {}", refusal.message),
        }
    }
}

fn refused(refusal: Refusal) -> SubmitAnswer {
    SubmitAnswer::Refused {
        class: refusal.class,
        code: refusal.code,
        message: refusal.message,
    }
}
