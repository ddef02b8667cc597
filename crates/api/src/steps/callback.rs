//! Callbacks of steps: one for each task, without a stage. Each vendor and operation has its own shape, and some send the record-info
//! shape instead, so all are read.
//!
//! Like a song's, such a callback is not signed over its body: it is a hint, and the details are the authority.

use crate::callback::{CallbackError, read_body};
use crate::envelope::OK;
use crate::lenient::text;
use crate::{Operation, Results, Stage, StatusForm, StepView, read_callback};

use super::artefacts;

/// A callback of a step that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCallback {
    /// What it means.
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
    /// When it is none.
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
            // What is there can be fetched, whatever the code says.
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
