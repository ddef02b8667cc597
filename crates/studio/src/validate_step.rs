//! Checks the body of a step's submission by the vendor's definition of the operation. Pure.

use backline_api as api;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::config::Prices;
use crate::misbehave::Codes;
use crate::operation::OperationKind;
use crate::responses::RequestError;
use crate::validate::{URL_CHARS, digest, object, required, text};

/// Longest id in characters: far longer than any vendor's.
const ID_CHARS: usize = 200;

/// A valid submission of a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidStep {
    pub(crate) kind: OperationKind,
    pub(crate) input: StepInput,
    /// The type of the stems, and the name of a single one.
    pub(crate) stems: Stems,
    /// The text as sent; empty if the field is optional and was left out.
    pub(crate) callback_url: String,
    /// Digest of the operation and the request without its callback address.
    pub(crate) digest: [u8; 32],
}

/// The input of a step, as the request names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StepInput {
    Track { task: String, audio: String },
    File(Url),
    Stems { task: String, stem: Option<String> },
    Song { task: String },
}

/// The stems that are made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) enum Stems {
    /// Vocal and instrumental.
    #[default]
    Two,
    /// The vocal and each group of instruments.
    All,
    /// The stem with this vendor's name, and the rest.
    Named(String),
}

impl ValidStep {
    /// The price in credits.
    pub(crate) fn price(&self, prices: &Prices) -> f64 {
        match (self.kind, &self.stems) {
            (OperationKind::Song, _) => prices.song,
            (OperationKind::Wav, _) => prices.wav,
            (OperationKind::Stems, Stems::Two) => prices.separate_vocal,
            (OperationKind::Stems, Stems::All) => prices.split_stem,
            (OperationKind::Stems, Stems::Named(_)) => prices.split_stem_advanced,
            (OperationKind::Midi, _) => prices.midi,
            (OperationKind::Recovery, _) => prices.recovery,
        }
    }
}

/// Reads the body of a step's submission, or returns its first mistake.
pub(crate) fn validate(
    kind: OperationKind,
    codes: Codes,
    body: &[u8],
) -> Result<ValidStep, RequestError> {
    let fields = object(body)?;
    let row = kind.row(codes).ok_or(RequestError::NoSuchPath)?;
    let id = |name: &str| required(&fields, name, ID_CHARS).map(str::to_owned);
    let input = match row.input {
        api::Input::Track { task, track } => StepInput::Track {
            task: id(task)?,
            audio: id(track)?,
        },
        api::Input::TrackOrRecording { task, track, field } => {
            match text(&fields, field, URL_CHARS)? {
                None if !is_given(&fields, task) && !is_given(&fields, track) => {
                    return Err(RequestError::Invalid(format!(
                        "{task} and {track} are required, or {field} in their place"
                    )));
                }
                None => StepInput::Track {
                    task: id(task)?,
                    audio: id(track)?,
                },
                Some(_) if is_given(&fields, task) || is_given(&fields, track) => {
                    return Err(RequestError::Invalid(format!(
                        "{field} can't be sent with {task} and {track}"
                    )));
                }
                Some(url) => StepInput::File(Url::parse(url).map_err(|_| {
                    RequestError::Invalid(format!("{field} must be an http or https address"))
                })?),
            }
        }
        api::Input::Stems { task, stem } => StepInput::Stems {
            task: id(task)?,
            stem: text(&fields, stem, ID_CHARS)?
                .filter(|id| !id.is_empty())
                .map(str::to_owned),
        },
        api::Input::Song { task } => StepInput::Song {
            task: id(written(&fields, task, &SONG_FIELDS))?,
        },
        api::Input::Recording { .. } => return Err(RequestError::NoSuchPath),
    };
    // One vendor does not require it for a recovery (observed).
    let may_be_left_out = kind == OperationKind::Recovery && codes == Codes::Kie;
    let callback_field = match kind {
        OperationKind::Recovery => written(&fields, row.callback_field, &CALLBACK_FIELDS),
        _ => row.callback_field,
    };
    let callback_url = match may_be_left_out {
        true => text(&fields, callback_field, URL_CHARS)?.unwrap_or_default(),
        false => required(&fields, callback_field, URL_CHARS)?,
    };
    let stems = match kind {
        OperationKind::Stems => stems(&fields, &row)?,
        _ => Stems::default(),
    };
    Ok(ValidStep {
        kind,
        input,
        stems,
        callback_url: callback_url.to_owned(),
        digest: digest(&fields, &[callback_field], kind.name()),
    })
}

/// The names of a recovery's fields at the vendors. The studio accepts both, whichever vendor it imitates.
const SONG_FIELDS: [&str; 2] = ["sunoTaskId", "task_id"];
const CALLBACK_FIELDS: [&str; 2] = ["callBackUrl", "call_back_url"];

/// The name that a body uses for a field: the vendor's name `own`, unless the body has only another name of `all`.
fn written(fields: &Map<String, Value>, own: &'static str, all: &[&'static str]) -> &'static str {
    let mut others = all.iter().copied();
    match is_given(fields, own) {
        true => own,
        false => others.find(|name| is_given(fields, name)).unwrap_or(own),
    }
}

fn is_given(fields: &Map<String, Value>, name: &str) -> bool {
    fields.get(name).is_some_and(|value| !value.is_null())
}

fn stems(fields: &Map<String, Value>, row: &api::Operation) -> Result<Stems, RequestError> {
    let types = row.settings.iter().find_map(|setting| match setting.kind {
        api::SettingKind::Choice(types) => Some((setting.field, types)),
        _ => None,
    });
    let (field, types) = types.unwrap_or(("type", &[]));
    let chosen = text(fields, field, ID_CHARS)?.unwrap_or("separate_vocal");
    if !types.contains(&chosen) {
        let types = types.join(", ");
        return Err(RequestError::Invalid(format!(
            "{field} must be one of {types}"
        )));
    }
    match chosen {
        "separate_vocal" => Ok(Stems::Two),
        "split_stem" => Ok(Stems::All),
        // The other types accept a name or none, as at the vendors.
        _ => required(fields, "stemName", ID_CHARS).map(|name| Stems::Named(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(kind: OperationKind, codes: Codes, body: Value) -> Result<ValidStep, String> {
        let refused = |refusal: RequestError| refusal.message(codes).into_owned();
        validate(kind, codes, body.to_string().as_bytes()).map_err(refused)
    }

    #[test]
    fn fields_are_checked_in_the_vendors_order() {
        let hook = "https://example.com/hook";
        use OperationKind::{Midi, Recovery, Stems as StemsKind, Wav};
        for (kind, body, message) in [
            (Wav, json!({}), "taskId is required"),
            (Wav, json!({"taskId": "t"}), "audioId is required"),
            (
                Wav,
                json!({"taskId": "t", "audioId": "a"}),
                "callBackUrl is required",
            ),
            (
                StemsKind,
                json!({"callBackUrl": hook}),
                "taskId and audioId are required, or audioUrl in their place",
            ),
            (
                StemsKind,
                json!({"taskId": "t", "callBackUrl": hook}),
                "audioId is required",
            ),
            (
                StemsKind,
                json!({"taskId": "t", "audioId": "a", "audioUrl": "https://a.b/c", "callBackUrl": hook}),
                "audioUrl can't be sent with taskId and audioId",
            ),
            (
                StemsKind,
                json!({"taskId": "t", "audioId": "a", "callBackUrl": hook, "type": "karaoke"}),
                "type must be one of separate_vocal, split_stem, split_stem_advanced",
            ),
            (
                StemsKind,
                json!({"taskId": "t", "audioId": "a", "callBackUrl": hook, "type": "split_stem_advanced"}),
                "stemName is required",
            ),
            (Midi, json!({"callBackUrl": hook}), "taskId is required"),
            (
                Recovery,
                json!({"taskId": "t", "callBackUrl": hook}),
                "sunoTaskId is required",
            ),
            (
                Recovery,
                json!({"sunoTaskId": "t"}),
                "callBackUrl is required",
            ),
        ] {
            let refused = check(kind, Codes::Sunoapi, body.clone()).unwrap_err();
            assert_eq!(refused, message, "{body}");
        }
        let valid = check(Recovery, Codes::Kie, json!({"task_id": "t"})).unwrap();
        assert_eq!(valid.input, StepInput::Song { task: "t".into() });
        for codes in [Codes::Sunoapi, Codes::Kie] {
            for task in SONG_FIELDS {
                for callback in CALLBACK_FIELDS {
                    let body = json!({ task: "t", callback: hook });
                    let valid = check(Recovery, codes, body).unwrap();
                    assert_eq!(valid.input, StepInput::Song { task: "t".into() });
                    assert_eq!(valid.callback_url, hook);
                }
            }
        }
        let body =
            json!({"taskId": "t", "audioId": "a", "callBackUrl": hook, "stemName": "Lead Vocal"});
        let valid = check(StemsKind, Codes::Kie, body).unwrap();
        assert_eq!(valid.stems, Stems::Two);
        assert_eq!(valid.price(&Prices::default()), 10.0);
    }
}
