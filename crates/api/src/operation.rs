//! Operations: what a provider sells, as data. A provider's [`Profile`](crate::Profile) has one song operation,
//! add-instrumental, and the steps that process its results: WAV, stems, MIDI, recovery (`steps/table.rs`).
//!
//! ```text
//!   Operation ─ name ──────────────────► a job's key
//!             ─ paths, price, codes ───► the client's calls, the forecast
//!             ─ input, settings ───────► the body of a submission
//!             ─ status, results ───────► the readers of details and callbacks
//!             ─ settings table ────────► manifest, schema, keys, hooks, Lua variables, stored plans
//! ```

use serde_json::{Map, Value};

use crate::ResponseClass;
use crate::codes::{CodeTable, details, submit};
use crate::settings::{
    ChoiceError, Choices, SETTINGS, Setting, SettingRow, SettingValue, Settings,
};

/// The submission path of the route with one path for all operations.
pub(crate) const JOB_SUBMIT_PATH: &str = "/api/v1/jobs/createTask";
pub(crate) const JOB_DETAILS_PATH: &str = "/api/v1/jobs/recordInfo";

/// An operation of a provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name in a job's key.
    pub name: &'static str,
    /// Path of the submission.
    pub submit_path: String,
    /// Path of a task's details.
    pub details_path: String,
    /// Name of the query parameter for the task's id in that path.
    pub details_query: &'static str,
    /// Field of the request with the callback address.
    pub callback_field: &'static str,
    /// The operation's name in the request, on a route with one path for all operations. There, everything but the callback
    /// address is sent in an object of its own, with names in `snake_case`.
    pub job: Option<&'static str>,
    /// Credits that an accepted submission costs.
    pub price: Price,
    /// Number of songs that a task makes; 0 for an operation that makes none. If a task is reported as complete with fewer, it
    /// is polled for the rest.
    pub tracks: u32,
    /// What response codes to a submission mean.
    pub submit_codes: CodeTable,
    /// What response codes to a request for details mean.
    pub details_codes: CodeTable,
    /// The input that it processes.
    pub input: Input,
    /// Its settings, in the order in which keys and requests list them.
    pub settings: &'static [SettingRow],
    /// The form in which its details report the status.
    pub status: StatusForm,
    /// The kind of its results.
    pub results: Results,
    /// The effect of a second submission of the same input.
    pub repeat: Repeat,
    /// How long its results are kept, if the documents state another time than the profile's `retention_days`.
    pub retention_days: Option<u32>,
    /// Lengths in characters above which the provider may refuse a text. A longer text gets a warning.
    pub advised_chars: Vec<(Setting, usize)>,
    /// Settings that the provider's documents do not list and that it may ignore. Their use gets a warning.
    pub undocumented: Vec<Setting>,
}

/// The price of an accepted submission, in credits.
#[derive(Debug, Clone, PartialEq)]
pub enum Price {
    /// The same price for every submission.
    Each(f64),
    /// The price depends on the value of one setting.
    ByChoice {
        /// The setting's name.
        setting: &'static str,
        /// The price of each of its values.
        prices: Vec<(&'static str, f64)>,
    },
    /// No document states the price.
    Unknown,
}

impl Price {
    /// The price of a submission with these settings; `None` if it is not known.
    pub fn of(&self, choices: &Choices) -> Option<f64> {
        self.of_text(|name| choices.text(name))
    }

    /// The same price, with a function that returns the text of a setting.
    pub fn of_text<'a>(&self, text: impl Fn(&str) -> Option<&'a str>) -> Option<f64> {
        match self {
            Self::Each(credits) => Some(*credits),
            Self::ByChoice { setting, prices } => {
                let chosen = text(setting)?;
                let row = prices.iter().find(|(value, _)| *value == chosen)?;
                Some(row.1)
            }
            Self::Unknown => None,
        }
    }
}

/// The input of an operation, with the request's fields that name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A recording that can be fetched from the public internet.
    Recording {
        /// The field with its address.
        field: &'static str,
    },
    /// A track of a song task.
    Track {
        /// The field with the task's id.
        task: &'static str,
        /// The field with the track's id.
        track: &'static str,
    },
    /// A track of a song task, or a recording; never both.
    TrackOrRecording {
        /// The field with the task's id.
        task: &'static str,
        /// The field with the track's id.
        track: &'static str,
        /// The field with a recording's address.
        field: &'static str,
    },
    /// A finished stems task, or one of its stems if that is named.
    Stems {
        /// The field with the stems task's id.
        task: &'static str,
        /// The field with the stem's id.
        stem: &'static str,
    },
    /// A song task with all its tracks.
    Song {
        /// The field with the task's id.
        task: &'static str,
    },
}

/// The form in which the details of a task report its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusForm {
    /// `data.status`, a text: songs.
    Status,
    /// `data.successFlag`, a text.
    Words,
    /// `data.successFlag`, a number. 1 means finished; the meaning of the others differs between operations.
    Numbers {
        /// The numbers of a failed task; every other number but 1 means a running task.
        failed: &'static [i64],
    },
    /// The code of the envelope: 201 is running, 200 is finished, and so is 500 with an array.
    Envelope,
    /// `data.state`, a text, with the results as JSON text in `data.resultJson`.
    State,
}

/// The results of an operation's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Results {
    /// Songs.
    Tracks,
    /// One WAV file.
    Wav,
    /// One audio file for each stem.
    Stems,
    /// Notes as JSON; a client writes them as a MIDI file.
    Notes,
    /// The audio files of a song's tracks at new addresses.
    Recovered,
}

/// The effect of a second submission of the same input after the first was accepted. It decides whether a submission may be
/// sent once more when its response was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It is another purchase: never send it again automatically.
    ChargedAgain,
    /// It is refused free of charge, and the refusal may name the first task: it may be sent once more.
    Refused,
    /// No document states it: never send it again automatically.
    Unknown,
}

/// A submission of a song, from which [`Operation::body`] makes the request's body.
#[derive(Debug, Clone, PartialEq)]
pub struct SubmitRequest {
    /// Address of the source recording; it must be fetchable from the public internet.
    pub upload_url: String,
    /// Address for callbacks; a placeholder when results are polled.
    pub call_back_url: String,
    /// All other values that are sent.
    pub settings: Settings,
}

impl Operation {
    /// Add-instrumental with the values that vendors share.
    pub(crate) fn add_instrumental() -> Self {
        Self {
            name: "add-instrumental",
            submit_path: "/api/v1/generate/add-instrumental".to_owned(),
            details_path: "/api/v1/generate/record-info".to_owned(),
            details_query: "taskId",
            callback_field: "callBackUrl",
            job: None,
            price: Price::Each(12.0),
            tracks: 2,
            submit_codes: submit(),
            details_codes: details(),
            input: Input::Recording { field: "uploadUrl" },
            settings: &SETTINGS,
            status: StatusForm::Status,
            results: Results::Tracks,
            repeat: Repeat::ChargedAgain,
            retention_days: None,
            advised_chars: vec![
                // Older pages of the documents state this limit.
                (Setting::TITLE, 80),
                // Sibling operations state this limit.
                (Setting::TAGS, 1000),
                // Not documented; the limit of tags is the closest known one.
                (Setting::NEGATIVE_TAGS, 1000),
            ],
            undocumented: Vec::new(),
        }
    }

    /// Add-instrumental on the route with one path for all operations.
    pub(crate) fn add_instrumental_job() -> Self {
        Self {
            submit_path: JOB_SUBMIT_PATH.to_owned(),
            details_path: JOB_DETAILS_PATH.to_owned(),
            job: Some("ai-music-api/add-instrumental"),
            input: Input::Recording {
                field: "upload_url",
            },
            status: StatusForm::State,
            ..Self::add_instrumental()
        }
    }

    /// Returns the body of a song's submission: the fields that the contract requires, in its order, then the other fields that
    /// are set.
    pub fn body(&self, request: &SubmitRequest) -> Map<String, Value> {
        let (required, others): (Vec<_>, Vec<_>) =
            request.settings.iter().partition(|(row, _)| row.required);
        let of = |(row, value): (&SettingRow, &SettingValue)| {
            (self.field_of(row).to_owned(), value.to_json())
        };
        let field = match self.input {
            Input::Recording { field } | Input::TrackOrRecording { field, .. } => Some(field),
            Input::Track { .. } | Input::Stems { .. } | Input::Song { .. } => None,
        };
        let mut body = Map::new();
        if let Some(field) = field {
            body.insert(field.to_owned(), request.upload_url.clone().into());
        }
        body.extend(required.into_iter().map(of));
        let call_back_url = Value::from(request.call_back_url.clone());
        if self.job.is_none() {
            body.insert(self.callback_field.to_owned(), call_back_url.clone());
        }
        body.extend(others.into_iter().map(of));
        self.enclosed(body, call_back_url)
    }

    /// The name of a setting's field in a request.
    pub(crate) fn field_of(&self, row: &SettingRow) -> &'static str {
        match self.job {
            Some(_) => row.name,
            None => row.field,
        }
    }

    /// `fields` as the body of a request; on a route with one path they are put into an object of their own.
    pub(crate) fn enclosed(
        &self,
        fields: Map<String, Value>,
        call_back_url: Value,
    ) -> Map<String, Value> {
        let Some(job) = self.job else {
            return fields;
        };
        Map::from_iter([
            ("model".to_owned(), job.into()),
            (self.callback_field.to_owned(), call_back_url),
            ("input".to_owned(), fields.into()),
        ])
    }

    /// Checks settings, given as names and texts, against this operation.
    ///
    /// # Errors
    /// The first mistake.
    pub fn choices<'a>(
        &self,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Choices, ChoiceError> {
        Choices::checked(self.name, self.settings, given)
    }

    /// Maps `code` of a submission to `class`.
    pub(crate) fn with_submit_code(mut self, code: i64, class: ResponseClass) -> Self {
        self.submit_codes.codes.insert(code, class);
        self
    }
}
