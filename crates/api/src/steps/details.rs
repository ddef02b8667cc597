//! The details of a step's task: three formats of the status, one meaning.
//!
//! As with songs, the status alone is not trusted: a finished task may have no file, `CALLBACK_EXCEPTION` only reports that the
//! vendor's callback was not delivered, and a failure can come with `PENDING`.

use serde_json::Value;

use super::{StepView, artefacts};
use crate::envelope::{OK, ResponseBody};
use crate::json::read_json;
use crate::lenient::{integer, number, text};
use crate::{Operation, RecordInfo, Refusal, ResponseClass, Stage, StatusForm, TaskId};

/// The envelope's code of a running recovery.
const RUNNING: i64 = 201;
/// The envelope's code of a recovery that failed for every track. A server error has the same code.
const ALL_FAILED: i64 = 500;
/// The `successFlag` of a finished task.
const DONE: i64 = 1;

impl Operation {
    /// The meaning of a response about `requested`. A failed task is a normal view; `Err` means that the response says nothing
    /// about the task.
    ///
    /// # Errors
    /// When the response does not contain the details of that task.
    pub fn read_step_details(
        &self,
        http_status: u16,
        body: &[u8],
        requested: &TaskId,
    ) -> Result<StepView, Refusal> {
        let root = read_json(body).filter(Value::is_object);
        let root = root.ok_or_else(|| Refusal::bare(&self.details_codes, http_status))?;
        let at_top = text(&root, &["task_id", "taskId"]);
        let response = ResponseBody::of(root).ok_or_else(|| unreadable("it is not an object"))?;
        let refusal = || Refusal::of(&self.details_codes, http_status, &response);
        let mut view = match self.status {
            StatusForm::Envelope => match self.recovered(&response) {
                Some(view) => view,
                None => failure(refusal(), &response)?,
            },
            _ if response.code != Some(OK) => {
                let mut view = failure(refusal(), &response)?;
                view.artefacts = artefacts::read(self.results, &response.data);
                view
            }
            _ if response.data.is_null() => StepView::bare(Stage::Unknown),
            _ if !response.data.is_object() => {
                return Err(unreadable("the response's data is not an object"));
            }
            StatusForm::Status => song(&response.data)
                .ok_or_else(|| unreadable("the response's data is not an object"))?,
            StatusForm::Words | StatusForm::Numbers { .. } | StatusForm::State => {
                self.flagged(&response.data)
            }
        };
        let named = text(&response.data, &["taskId", "task_id"]).or(at_top);
        match named {
            Some(id) if !id.eq_ignore_ascii_case(requested.as_str()) => {
                return Err(unreadable("the response is about another task"));
            }
            Some(id) => view.task_id = TaskId(id),
            None => view.task_id = requested.clone(),
        }
        Ok(view)
    }

    /// The names of the fields with the status.
    pub(super) fn flag_fields(&self) -> &'static [&'static str] {
        match self.status {
            StatusForm::State => &["state"],
            _ => &["successFlag", "success_flag"],
        }
    }

    /// Reads details that have such a field.
    pub(super) fn flagged(&self, data: &Value) -> StepView {
        let artefacts = artefacts::read(self.results, data);
        let flag = text(data, self.flag_fields()).unwrap_or_default();
        let flag = flag.trim().to_ascii_uppercase();
        // Some responses write 0 or 200 for "no error".
        let code = integer(data, &["errorCode", "error_code", "failCode"])
            .filter(|&code| code != 0 && code != OK);
        let message = text(data, &["errorMessage", "error_message", "failMsg"]);
        let failed = || Stage::failed(code, message.as_deref().or(Some(&flag)));
        let state = match self.status {
            StatusForm::Numbers { failed } => match flag.parse::<f64>() {
                Ok(number) if number == DONE as f64 => State::Done,
                Ok(number) if failed.iter().any(|it| number == *it as f64) => State::Failed,
                Ok(_) => State::Running,
                Err(_) => State::of_flag(&flag),
            },
            _ => State::of_flag(&flag),
        };
        let stage = match state {
            State::Failed => failed(),
            // The callback was not delivered, but the results exist.
            State::Done | State::NotDelivered if !artefacts.is_empty() => Stage::Complete,
            State::NotDelivered => Stage::incomplete(code, message.as_deref().unwrap_or(&flag)),
            _ if code.is_some() || message.is_some() => failed(),
            State::Done => Stage::incomplete(None, "finished without a result"),
            State::Running => Stage::Pending,
        };
        StepView {
            artefacts,
            credits: number(data, &["creditsConsumed"]).filter(|credits| *credits >= 0.0),
            ..StepView::bare(stage)
        }
    }

    /// The details of a recovery; `None` if the response is neither a running nor a finished recovery.
    fn recovered(&self, response: &ResponseBody) -> Option<StepView> {
        let code = response.code?;
        let (artefacts, missing) = artefacts::recovered(&response.data);
        let is_verdict = response.data.is_array();
        let stage = match code {
            RUNNING => Stage::Pending,
            OK if response.data.is_null() => Stage::Unknown,
            OK | ALL_FAILED if is_verdict && !artefacts.is_empty() => Stage::Complete,
            OK | ALL_FAILED if is_verdict && !missing.is_empty() => {
                let reasons: Vec<&str> = missing.iter().map(|it| it.reason.as_str()).collect();
                Stage::failed(None, Some(&reasons.join(", ")))
            }
            OK => Stage::incomplete(None, "finished without a result"),
            ALL_FAILED if is_verdict => Stage::failed(None, response.message.as_deref()),
            _ => return None,
        };
        Some(StepView {
            artefacts,
            missing,
            ..StepView::bare(stage)
        })
    }
}

/// The meaning of a `successFlag`.
#[derive(Clone, Copy)]
enum State {
    Running,
    Done,
    NotDelivered,
    Failed,
}

impl State {
    fn of_flag(word: &str) -> Self {
        match word {
            "SUCCESS" => Self::Done,
            "CALLBACK_EXCEPTION" => Self::NotDelivered,
            // CREATE_TASK_FAILED, GENERATE_WAV_FAILED, GENERATE_AUDIO_FAILED, and later names of that form.
            word if word.ends_with("FAILED") => Self::Failed,
            "FAIL" | "SENSITIVE_WORD_ERROR" => Self::Failed,
            _ => Self::Running,
        }
    }
}

/// A song's details in this format.
fn song(data: &Value) -> Option<StepView> {
    let view = RecordInfo::read(data)?.view();
    Some(StepView {
        artefacts: view.tracks.iter().filter_map(artefacts::audio_of).collect(),
        ..StepView::bare(view.stage)
    })
}

/// The failed or unknown task that a refusal of the details reports.
fn failure(refusal: Refusal, response: &ResponseBody) -> Result<StepView, Refusal> {
    match refusal.class {
        ResponseClass::UnknownTask => Ok(StepView::bare(Stage::Unknown)),
        ResponseClass::TaskFailed | ResponseClass::Refunded if response.code.is_some() => {
            Ok(StepView::bare(Stage::Failed {
                code: response.code,
                message: refusal.message,
                refunded: refusal.class == ResponseClass::Refunded,
            }))
        }
        _ => Err(refusal),
    }
}

fn unreadable(message: &str) -> Refusal {
    Refusal {
        class: ResponseClass::InDoubt,
        code: None,
        message: message.to_owned(),
    }
}
