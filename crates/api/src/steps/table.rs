//! The operations on finished songs that vendors sell: one function each. `artefacts.rs` reads their results.

use crate::codes::{details, submit};
use crate::operation::{JOB_DETAILS_PATH, JOB_SUBMIT_PATH};
use crate::settings::{STEM_TYPES, STEMS_SETTINGS};
use crate::{Input, Operation, Price, Repeat, ResponseClass, Results, StatusForm};

/// The name of the operation that restores a song whose files are gone.
pub const RECOVERY: &str = "recovery";

impl Operation {
    /// A step with the values that most steps share.
    fn step(name: &'static str, submit_path: &str, details_path: &str) -> Self {
        Self {
            name,
            submit_path: submit_path.to_owned(),
            details_path: details_path.to_owned(),
            details_query: "taskId",
            callback_field: "callBackUrl",
            job: None,
            price: Price::Unknown,
            tracks: 0,
            submit_codes: submit(),
            details_codes: details(),
            input: Input::Track {
                task: "taskId",
                track: "audioId",
            },
            settings: &[],
            status: StatusForm::Words,
            results: Results::Wav,
            repeat: Repeat::ChargedAgain,
            retention_days: None,
            advised_chars: Vec::new(),
            undocumented: Vec::new(),
        }
        // The input is unknown (observed): this concerns the job, not the path.
        .with_submit_code(404, ResponseClass::RefusedJob)
    }

    /// A track as a WAV file.
    pub(crate) fn wav() -> Self {
        let mut wav = Self {
            price: Price::Each(0.4),
            repeat: Repeat::Refused,
            ..Self::step("wav", "/api/v1/wav/generate", "/api/v1/wav/record-info")
        };
        // The vendor has deleted the file (observed).
        let details = &mut wav.details_codes.codes;
        details.insert(400, ResponseClass::UnknownTask);
        wav
    }

    /// WAV on the route with one path for all operations. It is not known whether a repeat is refused there.
    pub(crate) fn wav_job() -> Self {
        Self {
            job: Some("ai-music-api/convert-to-wav-format"),
            input: Input::Track {
                task: "task_id",
                track: "audio_id",
            },
            status: StatusForm::State,
            repeat: Repeat::Unknown,
            price: Price::Each(0.4),
            ..Self::step("wav", JOB_SUBMIT_PATH, JOB_DETAILS_PATH)
        }
    }

    /// A track or a recording, split into stems.
    pub(crate) fn stems() -> Self {
        let prices = STEM_TYPES.into_iter().zip([10.0, 50.0, 20.0]);
        Self {
            price: Price::ByChoice {
                setting: "type",
                prices: prices.collect(),
            },
            input: Input::TrackOrRecording {
                task: "taskId",
                track: "audioId",
                field: "audioUrl",
            },
            settings: &STEMS_SETTINGS,
            results: Results::Stems,
            ..Self::step(
                "stems",
                "/api/v1/vocal-removal/generate",
                "/api/v1/vocal-removal/record-info",
            )
        }
    }

    /// The notes of stems.
    pub(crate) fn midi() -> Self {
        Self {
            price: Price::Each(0.0),
            input: Input::Stems {
                task: "taskId",
                stem: "audioId",
            },
            // Here 2 means a failure; for other operations it means a running task.
            status: StatusForm::Numbers { failed: &[2, 3] },
            results: Results::Notes,
            repeat: Repeat::Unknown,
            ..Self::step("midi", "/api/v1/midi/generate", "/api/v1/midi/record-info")
        }
    }

    /// Restores a song whose files are gone.
    pub(crate) fn recovery() -> Self {
        Self {
            details_query: "task_id",
            input: Input::Song { task: "sunoTaskId" },
            status: StatusForm::Envelope,
            results: Results::Recovered,
            repeat: Repeat::Unknown,
            ..Self::step(
                RECOVERY,
                "/api/v1/suno/recovery",
                "/api/v1/suno/recovery/record-info",
            )
        }
    }

    /// The same operation with the field names of kie.
    pub(crate) fn recovery_in_snake_case() -> Self {
        Self {
            callback_field: "call_back_url",
            input: Input::Song { task: "task_id" },
            ..Self::recovery()
        }
        // "The original task does not exist" (observed): a refusal, although the code is that of a server error.
        .with_submit_code(500, ResponseClass::RefusedJob)
    }
}
