//! What can be bought, as data. A provider's [`Profile`](crate::Profile) has one [`Operation`]: add-instrumental.
//!
//! ```text
//!   Operation ─ name ──────────────────► a job's key
//!             ─ paths, price, codes ───► the client's calls, the forecast
//!             ─ input, settings ───────► the body of a submission
//!             ─ settings table ────────► manifest, schema, keys, hooks, Lua variables, stored plans
//! ```

use serde_json::{Map, Value};

use crate::codes::{CodeTable, details, submit};
use crate::settings::{SETTINGS, Setting, SettingRow, SettingValue, Settings};

/// Something that a provider sells.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name in a job's key.
    pub name: &'static str,
    /// Path of the submission.
    pub submit_path: String,
    /// Path of a task's details.
    pub details_path: String,
    /// Credits that one accepted submission costs.
    pub price_credits: f64,
    /// Tracks that a task makes. One that is reported as complete with fewer is polled for the rest.
    pub tracks: u32,
    /// What response codes to a submission mean.
    pub submit_codes: CodeTable,
    /// What response codes to a request for details mean.
    pub details_codes: CodeTable,
    /// What it processes.
    pub input: Input,
    /// Its settings, in the order of keys and requests.
    pub settings: &'static [SettingRow],
    /// Lengths in characters above which the provider may refuse a text: worth a warning.
    pub advised_chars: Vec<(Setting, usize)>,
    /// Settings that the provider's documents don't know and that it may ignore: worth a warning.
    pub undocumented: Vec<Setting>,
}

/// What an operation processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A recording that can be fetched from the public internet.
    Recording {
        /// The field of the request with its address.
        field: &'static str,
    },
}

/// A submission: what [`Operation::body`] makes a request's body of.
#[derive(Debug, Clone, PartialEq)]
pub struct SubmitRequest {
    /// Where the source recording can be fetched from the public internet.
    pub upload_url: String,
    /// Where callbacks go; a placeholder when results are polled.
    pub call_back_url: String,
    /// Everything else that is sent.
    pub settings: Settings,
}

impl Operation {
    /// Add-instrumental with what vendors share.
    pub(crate) fn add_instrumental() -> Self {
        Self {
            name: "add-instrumental",
            submit_path: "/api/v1/generate/add-instrumental".to_owned(),
            details_path: "/api/v1/generate/record-info".to_owned(),
            price_credits: 12.0,
            tracks: 2,
            submit_codes: submit(),
            details_codes: details(),
            input: Input::Recording { field: "uploadUrl" },
            settings: &SETTINGS,
            advised_chars: vec![
                // Older pages of the documents refuse more.
                (Setting::TITLE, 80),
                // Sibling operations refuse more.
                (Setting::TAGS, 1000),
                // Not documented; the limit of tags is the nearest there is.
                (Setting::NEGATIVE_TAGS, 1000),
            ],
            undocumented: Vec::new(),
        }
    }

    /// Returns the body of a submission: the fields that the contract requires, in its order, then the others that are set.
    pub fn body(&self, request: &SubmitRequest) -> Map<String, Value> {
        let Input::Recording { field } = self.input;
        let (required, others): (Vec<_>, Vec<_>) =
            request.settings.iter().partition(|(row, _)| row.required);
        let of =
            |(row, value): (&SettingRow, &SettingValue)| (row.field.to_owned(), value.to_json());
        let mut body = Map::from_iter([(field.to_owned(), request.upload_url.clone().into())]);
        body.extend(required.into_iter().map(of));
        body.insert(
            "callBackUrl".to_owned(),
            request.call_back_url.clone().into(),
        );
        body.extend(others.into_iter().map(of));
        body
    }
}
