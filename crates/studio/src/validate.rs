//! Checks the body of a submission. Pure.
//!
//! The body is parsed as plain JSON. Its fields are checked by the rows of the settings table, the required ones first, so that
//! the first mistake gets the same message as at the vendors. Any model name is accepted, because the list of models changes
//! too often. Unknown fields are accepted, too.

use backline_api::{SETTINGS, Setting, SettingKind, SettingRow};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::responses::RequestError;

/// Longest tags in characters: the limit of the sibling endpoint, because no limit is documented here.
const TAGS_CHARS: usize = 1000;
/// Longest model name in characters: far longer than any vendor's.
const NAME_CHARS: usize = 100;
/// Longest address in characters: browsers and proxies accept hardly longer ones.
pub(crate) const URL_CHARS: usize = 8192;
/// Largest distance of a weight from a multiple of 0.01: the rounding error of binary fractions and single precision.
const WEIGHT_SLACK: f64 = 1e-6;

/// A valid submission.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidRequest {
    pub(crate) upload_url: Url,
    pub(crate) title: String,
    pub(crate) tags: String,
    pub(crate) negative_tags: String,
    /// The text as sent. A placeholder that is not an address is valid, too.
    pub(crate) callback_url: String,
    pub(crate) vocal_gender: Option<Gender>,
    pub(crate) style_weight: Option<f32>,
    pub(crate) weirdness_constraint: Option<f32>,
    pub(crate) audio_weight: Option<f32>,
    /// Digest of the request without its addresses: equal requests for the same music have equal digests.
    pub(crate) digest: [u8; 32],
}

/// The voice that is accompanied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Gender {
    M,
    F,
}

/// Reads the body of a submission, or returns its first mistake.
pub(crate) fn validate(body: &[u8]) -> Result<ValidRequest, RequestError> {
    let fields = object(body)?;
    let upload_url = required(&fields, "uploadUrl", URL_CHARS)?;
    let upload_url = Url::parse(upload_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            RequestError::Invalid("uploadUrl must be an http or https address".into())
        })?;
    let (needed, optional): (Vec<_>, Vec<_>) = SETTINGS.iter().partition(|row| row.required);
    for row in needed {
        check(&fields, row)?;
    }
    let callback_url = required(&fields, "callBackUrl", URL_CHARS)?.to_owned();
    for row in optional {
        check(&fields, row)?;
    }
    let text = |setting: Setting| {
        let value = present(&fields, setting.field).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    Ok(ValidRequest {
        upload_url,
        title: text(Setting::TITLE),
        tags: text(Setting::TAGS),
        negative_tags: text(Setting::NEGATIVE_TAGS),
        callback_url,
        vocal_gender: match text(Setting::of("vocal_gender")).as_str() {
            "m" => Some(Gender::M),
            "f" => Some(Gender::F),
            _ => None,
        },
        style_weight: weight(&fields, Setting::of("style_weight").field)?,
        weirdness_constraint: weight(&fields, Setting::of("weirdness_constraint").field)?,
        audio_weight: weight(&fields, Setting::of("audio_weight").field)?,
        digest: digest(&fields, &["uploadUrl", "callBackUrl"], ""),
    })
}

/// The fields of a body.
pub(crate) fn object(body: &[u8]) -> Result<Map<String, Value>, RequestError> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        RequestError::Invalid(format!("request body is not valid JSON: {error}"))
    })?;
    match body {
        Value::Object(fields) => Ok(fields),
        _ => Err(RequestError::Invalid(
            "request body must be a JSON object".into(),
        )),
    }
}

/// Checks the field of one setting.
fn check(fields: &Map<String, Value>, row: &SettingRow) -> Result<(), RequestError> {
    let name = row.field;
    match row.kind {
        SettingKind::Line { max_chars } | SettingKind::Lines { max_chars } => {
            check_text(fields, row, max_chars, false)
        }
        SettingKind::Tags { may_be_empty } => check_text(fields, row, TAGS_CHARS, may_be_empty),
        SettingKind::Name => check_text(fields, row, NAME_CHARS, true),
        SettingKind::Choice(choices) => match present(fields, name) {
            None => Ok(()),
            Some(Value::String(text)) if choices.contains(&text.as_str()) => Ok(()),
            Some(Value::String(_)) => Err(RequestError::Invalid(format!(
                "{name} must be {}",
                choices.join(" or ")
            ))),
            Some(_) => Err(RequestError::Invalid(format!("{name} must be a string"))),
        },
        SettingKind::Weight => weight(fields, name).map(drop),
        SettingKind::Whole { max } => match present(fields, name) {
            Some(value) if value.as_u64().is_none_or(|number| number > u64::from(max)) => Err(
                RequestError::Invalid(format!("{name} must be an integer between 0 and {max}")),
            ),
            _ => Ok(()),
        },
    }
}

fn check_text(
    fields: &Map<String, Value>,
    row: &SettingRow,
    limit_chars: usize,
    may_be_empty: bool,
) -> Result<(), RequestError> {
    if row.required && !may_be_empty {
        return required(fields, row.field, limit_chars).map(drop);
    }
    match text(fields, row.field, limit_chars)? {
        None if row.required => Err(RequestError::Invalid(format!("{} is required", row.field))),
        _ => Ok(()),
    }
}

/// A field's value; `null` counts as absent.
fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

pub(crate) fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    limit_chars: usize,
) -> Result<Option<&'a str>, RequestError> {
    let Some(value) = present(fields, name) else {
        return Ok(None);
    };
    let text = value
        .as_str()
        .ok_or_else(|| RequestError::Invalid(format!("{name} must be a string")))?;
    match text.chars().nth(limit_chars) {
        None => Ok(Some(text)),
        Some(_) => Err(RequestError::TooLong(format!(
            "{name} exceeds the limit of {limit_chars} characters"
        ))),
    }
}

pub(crate) fn required<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    limit_chars: usize,
) -> Result<&'a str, RequestError> {
    match text(fields, name, limit_chars)? {
        None => Err(RequestError::Invalid(format!("{name} is required"))),
        Some(text) if text.trim().is_empty() => {
            Err(RequestError::Invalid(format!("{name} cannot be empty")))
        }
        Some(text) => Ok(text),
    }
}

fn weight(fields: &Map<String, Value>, name: &str) -> Result<Option<f32>, RequestError> {
    let Some(value) = present(fields, name) else {
        return Ok(None);
    };
    let weight = value
        .as_f64()
        .ok_or_else(|| RequestError::Invalid(format!("{name} must be a number")))?;
    let hundredths = (weight * 100.0).round();
    if !(0.0..=100.0).contains(&hundredths)
        || !(-WEIGHT_SLACK..=1.0 + WEIGHT_SLACK).contains(&weight)
    {
        return Err(RequestError::Invalid(format!(
            "{name} must be between 0 and 1"
        )));
    }
    if (weight - hundredths / 100.0).abs() > WEIGHT_SLACK {
        return Err(RequestError::Invalid(format!(
            "{name} must be a multiple of 0.01"
        )));
    }
    Ok(Some((hundredths / 100.0) as f32))
}

/// Digest of an operation's name and of the fields that are not in `without`, independent of their order.
pub(crate) fn digest(fields: &Map<String, Value>, without: &[&str], operation: &str) -> [u8; 32] {
    let mut names: Vec<&String> = fields
        .keys()
        .filter(|name| !without.contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    hasher.update(operation.as_bytes());
    for name in names {
        // A name can't be mistaken for a value, because both are JSON texts with quotes.
        hasher.update(Value::from(name.as_str()).to_string().as_bytes());
        hasher.update(b":");
        hasher.update(fields[name].to_string().as_bytes());
        hasher.update(b",");
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::misbehave::Codes;
    use serde_json::json;

    fn complete() -> Value {
        json!({
            "uploadUrl": "https://cdn.example.com/a.mp3", "title": "Song", "tags": "piano", "negativeTags": "",
            "callBackUrl": "https://example.com/hook", "model": "V9_UNHEARD_OF", "styleWeight": 0.61,
        })
    }

    fn check(change: Value) -> Result<ValidRequest, String> {
        let mut body = complete();
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::String(text) if text == "(absent)" => {
                    drop(body.as_object_mut().unwrap().remove(name))
                }
                value => body[name] = value.clone(),
            }
        }
        validate(body.to_string().as_bytes()).map_err(|refusal| {
            let codes = Codes::Sunoapi;
            format!("{} {}", refusal.code(codes), refusal.message(codes))
        })
    }

    #[test]
    fn what_the_contract_allows_passes() {
        assert_eq!(check(json!({})).unwrap().style_weight, Some(0.61));
        for change in [
            json!({"styleWeight": 0}),
            json!({"audioWeight": 1}),
            json!({"weirdnessConstraint": 0.6100000001}),
            json!({"vocalGender": "f"}),
            json!({"model": null}),
            json!({"callBackUrl": "playground"}),
            json!({"title": "x".repeat(100)}),
            json!({"title": "ü".repeat(100)}),
            json!({"variety": 4}),
            json!({"unheardOf": [1, 2]}),
            json!({"lyrics": "la"}),
        ] {
            check(change.clone())
                .unwrap_or_else(|refusal| panic!("{change} was refused: {refusal}"));
        }
    }

    #[test]
    fn what_it_does_not_allow_is_named() {
        for (change, refusal) in [
            (
                json!({"uploadUrl": "(absent)"}),
                "400 uploadUrl is required",
            ),
            (json!({"uploadUrl": ""}), "400 uploadUrl cannot be empty"),
            (
                json!({"uploadUrl": "a.mp3"}),
                "400 uploadUrl must be an http or https address",
            ),
            (
                json!({"uploadUrl": "file:///etc/passwd"}),
                "400 uploadUrl must be an http or https address",
            ),
            (json!({"title": "(absent)"}), "400 title is required"),
            (
                json!({"title": "x".repeat(101)}),
                "413 title exceeds the limit of 100 characters",
            ),
            (json!({"tags": " "}), "400 tags cannot be empty"),
            (
                json!({"tags": "x".repeat(1001)}),
                "413 tags exceeds the limit of 1000 characters",
            ),
            (
                json!({"negativeTags": "(absent)"}),
                "400 negativeTags is required",
            ),
            (
                json!({"negativeTags": null}),
                "400 negativeTags is required",
            ),
            (
                json!({"negativeTags": 7}),
                "400 negativeTags must be a string",
            ),
            (
                json!({"callBackUrl": "(absent)"}),
                "400 callBackUrl is required",
            ),
            (
                json!({"vocalGender": "x"}),
                "400 vocalGender must be m or f",
            ),
            (
                json!({"vocalGender": "male"}),
                "400 vocalGender must be m or f",
            ),
            (
                json!({"styleWeight": "0.5"}),
                "400 styleWeight must be a number",
            ),
            (
                json!({"styleWeight": 1.01}),
                "400 styleWeight must be between 0 and 1",
            ),
            (
                json!({"styleWeight": -0.01}),
                "400 styleWeight must be between 0 and 1",
            ),
            (
                json!({"audioWeight": 0.615}),
                "400 audioWeight must be a multiple of 0.01",
            ),
            (
                json!({"variety": 5}),
                "400 variety must be an integer between 0 and 4",
            ),
            (
                json!({"variety": 1.5}),
                "400 variety must be an integer between 0 and 4",
            ),
        ] {
            assert_eq!(check(change.clone()).unwrap_err(), refusal, "{change}");
        }
        for body in ["", "[]", "{", "null", "\"x\""] {
            assert_eq!(
                validate(body.as_bytes()).unwrap_err().code(Codes::Sunoapi),
                400,
                "{body:?}"
            );
        }
    }

    #[test]
    fn the_digest_leaves_the_addresses_out_and_the_order_too() {
        let one = check(json!({})).unwrap();
        let moved = check(json!({"uploadUrl": "https://b.example.com/b.mp3", "callBackUrl": "https://c.example.com"})).unwrap();
        assert_eq!(one.digest, moved.digest);
        assert_ne!(one.digest, check(json!({"tags": "drums"})).unwrap().digest);
        let reordered: Map<String, Value> = complete()
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .rev()
            .collect();
        assert_eq!(
            one,
            validate(Value::Object(reordered).to_string().as_bytes()).unwrap()
        );
    }
}
