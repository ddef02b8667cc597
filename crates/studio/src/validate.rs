//! Checks the body of a submission. Pure.
//!
//! The body is read as plain JSON and judged field by field in the contract's order, so that the first thing wrong is named
//! as the vendors name it. Model names are not judged: the list changes more often than anybody updates. Fields that the
//! contract does not know are let through.

use serde_json::{Map, Value};
use url::Url;

use crate::responses::Refusal;

/// Longest `title` in characters.
const TITLE_CHARS: usize = 100;
/// Longest `tags` and `negativeTags`: the sibling endpoint's limit, as none is documented here.
const TAGS_CHARS: usize = 1000;
/// Longest `lyrics`.
const LYRICS_CHARS: usize = 5000;
/// Longest address and model name that are kept: no browser or proxy takes much longer ones.
const URL_CHARS: usize = 8192;
/// Farthest a weight may lie from a multiple of 0.01: what binary fractions and single precision make of one.
const WEIGHT_SLACK: f64 = 1e-6;

/// A submit body that passed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValidRequest {
    pub(crate) upload_url: Url,
    pub(crate) title: String,
    pub(crate) tags: String,
    pub(crate) negative_tags: String,
    /// As it was sent: placeholders that are no address pass too.
    pub(crate) callback_url: String,
    pub(crate) vocal_gender: Option<Gender>,
    pub(crate) style_weight: Option<f32>,
    pub(crate) weirdness_constraint: Option<f32>,
    pub(crate) audio_weight: Option<f32>,
    /// Digest of the request without its addresses: equal where the same music is requested.
    pub(crate) digest: [u8; 32],
}

/// Whose voice is accompanied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gender {
    M,
    F,
}

/// Reads the body of a submission, or returns what is wrong with it.
pub(crate) fn validate(body: &[u8]) -> Result<ValidRequest, Refusal> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::Invalid(format!("request body is not valid JSON: {error}")))?;
    let Value::Object(fields) = body else {
        return Err(Refusal::Invalid(
            "request body must be a JSON object".into(),
        ));
    };
    let upload_url = required(&fields, "uploadUrl", URL_CHARS)?;
    let upload_url = Url::parse(upload_url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| Refusal::Invalid("uploadUrl must be an http or https address".into()))?;
    let valid = ValidRequest {
        upload_url,
        title: required(&fields, "title", TITLE_CHARS)?.to_owned(),
        tags: required(&fields, "tags", TAGS_CHARS)?.to_owned(),
        negative_tags: text(&fields, "negativeTags", TAGS_CHARS)?
            .ok_or_else(|| Refusal::Invalid("negativeTags is required".into()))?
            .to_owned(),
        callback_url: required(&fields, "callBackUrl", URL_CHARS)?.to_owned(),
        vocal_gender: match text(&fields, "vocalGender", 1)? {
            None => None,
            Some("m") => Some(Gender::M),
            Some("f") => Some(Gender::F),
            Some(_) => return Err(Refusal::Invalid("vocalGender must be m or f".into())),
        },
        style_weight: weight(&fields, "styleWeight")?,
        weirdness_constraint: weight(&fields, "weirdnessConstraint")?,
        audio_weight: weight(&fields, "audioWeight")?,
        digest: digest(&fields, &["uploadUrl", "callBackUrl"]),
    };
    text(&fields, "model", TITLE_CHARS)?;
    text(&fields, "lyrics", LYRICS_CHARS)?;
    match present(&fields, "variety") {
        None => {}
        Some(value) if value.as_u64().is_some_and(|variety| variety <= 4) => {}
        Some(_) => {
            return Err(Refusal::Invalid(
                "variety must be an integer between 0 and 4".into(),
            ));
        }
    }
    Ok(valid)
}

/// A field's value; null counts as absent.
fn present<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).filter(|value| !value.is_null())
}

fn text<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    limit_chars: usize,
) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = present(fields, name) else {
        return Ok(None);
    };
    let text = value
        .as_str()
        .ok_or_else(|| Refusal::Invalid(format!("{name} must be a string")))?;
    match text.chars().nth(limit_chars) {
        None => Ok(Some(text)),
        Some(_) if name == "vocalGender" => {
            Err(Refusal::Invalid("vocalGender must be m or f".into()))
        }
        Some(_) => Err(Refusal::TooLong(format!(
            "{name} exceeds the limit of {limit_chars} characters"
        ))),
    }
}

fn required<'a>(
    fields: &'a Map<String, Value>,
    name: &str,
    limit_chars: usize,
) -> Result<&'a str, Refusal> {
    match text(fields, name, limit_chars)? {
        None => Err(Refusal::Invalid(format!("{name} is required"))),
        Some(text) if text.trim().is_empty() => {
            Err(Refusal::Invalid(format!("{name} cannot be empty")))
        }
        Some(text) => Ok(text),
    }
}

fn weight(fields: &Map<String, Value>, name: &str) -> Result<Option<f32>, Refusal> {
    let Some(value) = present(fields, name) else {
        return Ok(None);
    };
    let weight = value
        .as_f64()
        .ok_or_else(|| Refusal::Invalid(format!("{name} must be a number")))?;
    let hundredths = (weight * 100.0).round();
    if !(0.0..=100.0).contains(&hundredths)
        || !(-WEIGHT_SLACK..=1.0 + WEIGHT_SLACK).contains(&weight)
    {
        return Err(Refusal::Invalid(format!("{name} must be between 0 and 1")));
    }
    if (weight - hundredths / 100.0).abs() > WEIGHT_SLACK {
        return Err(Refusal::Invalid(format!(
            "{name} must be a multiple of 0.01"
        )));
    }
    Ok(Some((hundredths / 100.0) as f32))
}

/// Digest of the fields but for those in `without`, whatever order they were sent in.
fn digest(fields: &Map<String, Value>, without: &[&str]) -> [u8; 32] {
    let mut names: Vec<&String> = fields
        .keys()
        .filter(|name| !without.contains(&name.as_str()))
        .collect();
    names.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for name in names {
        // A name can't be mistaken for a value: both are JSON texts with their quotes.
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
        validate(body.to_string().as_bytes())
            .map_err(|refusal| format!("{} {}", refusal.code(), refusal.message()))
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
                validate(body.as_bytes()).unwrap_err().code(),
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
