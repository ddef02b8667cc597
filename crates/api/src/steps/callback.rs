//! Callbacks of steps: one for each task, without a stage. Each vendor and operation has its own format, and some send the
//! record-info format instead, so all formats are read.
//!
//! As with songs, the signature does not cover the body: the callback is a hint, and only the details are trusted.

use crate::callback::{CallbackError, read_body};
use crate::envelope::OK;
use crate::lenient::text;
use crate::{Operation, Results, Stage, StatusForm, StepView, read_callback};

use super::artefacts;

/// A callback of a step after reading.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCallback {
    /// The state of the task that it reports.
    pub view: StepView,
    /// The body's code, if it had one.
    pub code: Option<i64>,
    /// The vendor's message, with addresses redacted.
    pub msg: String,
}

impl Operation {
    /// Reads the body of a callback of this operation.
    ///
    /// # Errors
    /// When the body is not such a callback.
    pub fn read_step_callback(&self, body: &[u8]) -> Result<StepCallback, CallbackError> {
        if self.results == Results::Tracks && self.status == StatusForm::Status {
            let callback = read_callback(body)?;
            let tracks = callback.view.tracks.iter();
            return Ok(StepCallback {
                view: StepView {
                    task_id: callback.view.task_id,
                    artefacts: tracks.filter_map(artefacts::audio_of).collect(),
                    ..StepView::bare(callback.view.stage)
                },
                code: callback.code,
                msg: callback.msg,
            });
        }
        let (task_id, response) = read_body(body)?;
        let message = response.message.as_deref();
        let refused = response.code.filter(|&code| code != OK);
        let has_flag = text(&response.data, self.flag_fields()).is_some();
        let (found, missing) = match self.status {
            StatusForm::Envelope => artefacts::recovered(&response.data),
            _ => (artefacts::read(self.results, &response.data), Vec::new()),
        };
        let stage = match refused {
            // A listed file can be fetched, whatever the code is.
            _ if !found.is_empty() && !has_flag => Stage::Complete,
            Some(_) => Stage::failed(refused, message),
            None if has_flag => self.flagged(&response.data).stage,
            None if !missing.is_empty() => Stage::failed(None, Some(&missing[0].reason)),
            None => Stage::incomplete(None, "finished without a result"),
        };
        Ok(StepCallback {
            view: StepView {
                task_id,
                stage,
                artefacts: found,
                missing,
                credits: None,
            },
            code: response.code,
            msg: response.message.unwrap_or_default(),
        })
    }
}
