//! Task details: writing them, and reading their meaning from everything that vendors have been observed to send.
//!
//! ```text
//!   bytes ── Profile::read_record_info ──► RecordInfo ── view ──► TaskView
//! ```
//!
//! The status alone is not trusted: `PENDING` can stay on a failed task, `SUCCESS` can come without files, and
//! `CALLBACK_EXCEPTION` only reports that the vendor's callback was not delivered, not that the task made nothing. The
//! envelope's code can also report a failure. A view is the meaning of one response; the caller compares views over time to
//! decide whether a failure is final.

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::envelope::{OK, ResponseBody};
use crate::json::read_json;
use crate::lenient::{integer, text};
use crate::{ApiCall, Profile, Refusal, ResponseClass, Stage, TaskId, TaskView, Track};

/// The vendor's status of a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TaskStatus {
    /// `PENDING`
    #[default]
    Pending,
    /// `TEXT_SUCCESS`
    TextSuccess,
    /// `FIRST_SUCCESS`
    FirstSuccess,
    /// `SUCCESS`
    Success,
    /// `CREATE_TASK_FAILED`
    CreateTaskFailed,
    /// `GENERATE_AUDIO_FAILED`
    GenerateAudioFailed,
    /// `CALLBACK_EXCEPTION`
    CallbackException,
    /// `SENSITIVE_WORD_ERROR`
    SensitiveWordError,
    /// `FAILED`, which no document lists.
    Failed,
    /// A status that is not listed here. A name that ends in `FAILED` is a failure; every other counts as running.
    Unknown(String),
}

impl TaskStatus {
    const WORDS: [(&'static str, Self); 13] = [
        ("PENDING", Self::Pending),
        ("TEXT_SUCCESS", Self::TextSuccess),
        ("FIRST_SUCCESS", Self::FirstSuccess),
        ("SUCCESS", Self::Success),
        ("CREATE_TASK_FAILED", Self::CreateTaskFailed),
        ("GENERATE_AUDIO_FAILED", Self::GenerateAudioFailed),
        ("CALLBACK_EXCEPTION", Self::CallbackException),
        ("SENSITIVE_WORD_ERROR", Self::SensitiveWordError),
        ("FAILED", Self::Failed),
        ("FAIL", Self::Failed),
        ("WAITING", Self::Pending),
        ("QUEUING", Self::Pending),
        ("GENERATING", Self::Pending),
    ];

    /// The status with this name.
    pub fn read(word: &str) -> Self {
        let known = Self::WORDS
            .into_iter()
            .find(|(name, _)| word.trim().eq_ignore_ascii_case(name));
        known.map_or_else(|| Self::Unknown(word.to_owned()), |(_, status)| status)
    }

    /// The vendor's name of the status.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Pending => "PENDING",
            Self::TextSuccess => "TEXT_SUCCESS",
            Self::FirstSuccess => "FIRST_SUCCESS",
            Self::Success => "SUCCESS",
            Self::CreateTaskFailed => "CREATE_TASK_FAILED",
            Self::GenerateAudioFailed => "GENERATE_AUDIO_FAILED",
            Self::CallbackException => "CALLBACK_EXCEPTION",
            Self::SensitiveWordError => "SENSITIVE_WORD_ERROR",
            Self::Failed => "FAILED",
            Self::Unknown(word) => word,
        }
    }

    /// Whether it reports a failure. Other operations use names of their own (`GENERATE_WAV_FAILED`).
    fn is_failure(&self) -> bool {
        match self {
            Self::CreateTaskFailed
            | Self::GenerateAudioFailed
            | Self::SensitiveWordError
            | Self::Failed => true,
            Self::Unknown(word) => word.trim().to_ascii_uppercase().ends_with("FAILED"),
            _ => false,
        }
    }
}

/// The `data` of a record-info response. Serialises exactly as the vendors write it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordInfo {
    /// The task's id; empty if the vendor left it out.
    pub task_id: String,
    /// The recording that the task extends; empty for this operation.
    pub parent_music_id: String,
    /// The request as JSON text.
    pub param: String,
    /// The tracks; `None` is `"response": null`, which early responses have.
    pub tracks: Option<Vec<Track>>,
    /// The vendor's status.
    pub status: TaskStatus,
    /// The vendor's name of the operation (`GENERATE`).
    pub kind: String,
    /// The code of the failure. It can be set while the status is still `PENDING`.
    pub error_code: Option<i64>,
    /// The vendor's message.
    pub error_message: Option<String>,
}

impl RecordInfo {
    /// Reads the `data` of a response; `None` if it is not an object (for an unknown task it is `null`).
    pub fn read(data: &Value) -> Option<Self> {
        data.as_object()?;
        // One route sends the songs as JSON text and uses other names for the other fields.
        let result = text(data, &["resultJson"]).and_then(|text| read_json(text.as_bytes()));
        let response = [data.get("response"), result.as_ref()];
        let mut response = response.into_iter().flatten();
        let response = response.find(|response| response.is_object());
        let response_text = |keys| response.and_then(|response| text(response, keys));
        Some(Self {
            task_id: text(data, &["taskId", "task_id"])
                .or_else(|| response_text(&["taskId", "task_id"]))
                .unwrap_or_default(),
            parent_music_id: text(data, &["parentMusicId"]).unwrap_or_default(),
            param: text(data, &["param"]).unwrap_or_default(),
            tracks: response.map(|response| {
                let list = ["sunoData", "suno_data", "data"]
                    .iter()
                    .find_map(|key| response.get(key));
                list.map_or_else(Vec::new, Track::read_all)
            }),
            status: text(data, &["status", "state"])
                .map_or_else(TaskStatus::default, |word| TaskStatus::read(&word)),
            kind: text(data, &["type"]).unwrap_or_default(),
            // Some responses write 0 or 200 for "no error".
            error_code: integer(data, &["errorCode", "error_code", "failCode"])
                .filter(|&code| code != 0 && code != OK),
            error_message: text(data, &["errorMessage", "error_message", "failMsg"]),
        })
    }

    /// The meaning of the details.
    pub fn view(&self) -> TaskView {
        let tracks = self.tracks.clone().unwrap_or_default();
        let failed = || {
            Stage::failed(
                self.error_code,
                self.error_message.as_deref().or(Some(self.status.as_str())),
            )
        };
        let stage = match (&self.status, Stage::shown_by(&tracks)) {
            (status, _) if status.is_failure() => failed(),
            // The callback was not delivered, but the results exist.
            (TaskStatus::CallbackException | TaskStatus::Success, Stage::Complete) => {
                Stage::Complete
            }
            (TaskStatus::CallbackException, _) => {
                let message = self.error_message.as_deref();
                Stage::incomplete(self.error_code, message.unwrap_or(self.status.as_str()))
            }
            (_, _) if self.error_code.is_some() => failed(),
            (TaskStatus::Success, _) => {
                Stage::incomplete(None, "SUCCESS without an address for every track")
            }
            (TaskStatus::Pending, _) => Stage::Pending,
            (TaskStatus::TextSuccess, _) => Stage::Text,
            _ => Stage::running(&tracks),
        };
        TaskView {
            task_id: TaskId(self.task_id.clone()),
            stage,
            tracks,
            missing: Vec::new(),
        }
    }

    /// The JSON that the vendors write.
    pub fn to_json(&self) -> Value {
        let response = self.tracks.as_ref().map(|tracks| {
            json!({
                "taskId": self.task_id,
                "sunoData": tracks.iter().map(Track::to_record_info).collect::<Vec<_>>(),
            })
        });
        json!({
            "taskId": self.task_id,
            "parentMusicId": self.parent_music_id,
            "param": self.param,
            "response": response,
            "status": self.status.as_str(),
            "type": self.kind,
            "errorCode": self.error_code,
            "errorMessage": self.error_message,
        })
    }
}

impl Serialize for RecordInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl Profile {
    /// The meaning of a response about `requested`. A failed task is a normal view; `Err` means that the response says nothing
    /// about the task.
    pub fn read_record_info(
        &self,
        http_status: u16,
        body: &[u8],
        requested: &TaskId,
    ) -> Result<TaskView, Refusal> {
        let unreadable = |message: &str| Refusal {
            class: ResponseClass::InDoubt,
            code: None,
            message: message.to_owned(),
        };
        let mut view = match self.read_data(ApiCall::Details, http_status, body) {
            Ok(data) if data.is_null() => TaskView::bare(Stage::Unknown),
            Ok(data) => RecordInfo::read(&data)
                .ok_or_else(|| unreadable("the response's data is not an object"))?
                .view(),
            // The request was for one task, so the task is unknown, not the path.
            Err(refusal) if refusal.class == ResponseClass::UnknownTask => {
                TaskView::bare(Stage::Unknown)
            }
            Err(refusal) => failure_in_envelope(&refusal, body).ok_or(refusal)?,
        };
        if view.task_id.as_str().is_empty() {
            view.task_id = requested.clone();
        } else if !view
            .task_id
            .as_str()
            .eq_ignore_ascii_case(requested.as_str())
        {
            return Err(unreadable("the response is about another task"));
        }
        Ok(view)
    }

    /// The `data` of a response to a call that buys nothing.
    pub fn read_data(
        &self,
        call: ApiCall,
        http_status: u16,
        body: &[u8],
    ) -> Result<Value, Refusal> {
        let table = self.codes(call);
        let response = ResponseBody::read(body).ok_or_else(|| Refusal::bare(table, http_status))?;
        if response.code == Some(OK) {
            Ok(response.data)
        } else {
            Err(Refusal::of(table, http_status, &response))
        }
    }
}

/// The failed task that a refusal of the details reports, if its body says that the task failed (the HTTP status alone does not
/// count). The body may also contain tracks that were finished before.
fn failure_in_envelope(refusal: &Refusal, body: &[u8]) -> Option<TaskView> {
    let response = ResponseBody::read(body)?;
    let failed = matches!(
        refusal.class,
        ResponseClass::TaskFailed | ResponseClass::Refunded
    );
    if !failed {
        return None;
    }
    let stage = Stage::Failed {
        code: Some(response.code?),
        message: refusal.message.clone(),
        refunded: refusal.class == ResponseClass::Refunded,
    };
    let shown = RecordInfo::read(&response.data).map(|info| info.view());
    Some(TaskView {
        stage,
        ..shown.unwrap_or_else(|| TaskView::bare(Stage::Unknown))
    })
}
