//! The envelope that every response comes in: `{"code": 200, "msg": "success", "data": …}`.
//!
//! Most errors arrive as HTTP 200 with another code in the body, so the body's code is read first and the HTTP status only
//! where there is none. Nothing is ever decided by `msg`.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::read_json;
use crate::lenient::{integer, text};
use crate::{CodeTable, ResponseClass, redact_text};

/// The code of success.
pub(crate) const OK: i64 = 200;

/// A response as it is written. `data` is `null` where there is no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// 200, or why not.
    pub code: i64,
    /// A sentence for people.
    #[serde(default, deserialize_with = "text_or_null")]
    pub msg: String,
    /// The result.
    #[serde(default = "nothing")]
    pub data: Option<T>,
}

impl<T> Envelope<T> {
    /// A response with `data`.
    pub fn success(data: T) -> Self {
        Self {
            code: OK,
            msg: "success".to_owned(),
            data: Some(data),
        }
    }

    /// A refusal: `code`, a sentence, and `data: null`.
    pub fn refusal(code: i64, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            data: None,
        }
    }
}

/// What a serde default needs for an `Option` whose content has none.
fn nothing<T>() -> Option<T> {
    None
}

fn text_or_null<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// A response that is not a success, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What follows from it.
    pub class: ResponseClass,
    /// The code of the body, or the HTTP status where the body had none.
    pub code: Option<i64>,
    /// The vendor's message with addresses redacted, or ours.
    pub message: String,
}

/// The parts of a response, read as liberally as can be.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    /// The body's code; a body with `success` and no code counts by that.
    pub(crate) code: Option<i64>,
    /// The vendor's message, redacted.
    pub(crate) message: Option<String>,
    /// `data`, or `null`.
    pub(crate) data: Value,
}

impl ResponseBody {
    /// `None` when the body is not a JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Self::of(read_json(body)?)
    }

    /// The same of a body that is read already. `data` may be JSON written into a text.
    pub(crate) fn of(mut body: Value) -> Option<Self> {
        body.as_object()?;
        let success = body.get("success").and_then(Value::as_bool);
        let code = match (integer(&body, &["code"]), success) {
            // A body that contradicts itself is not a success.
            (Some(OK), Some(false)) => None,
            (None, Some(true)) => Some(OK),
            (code, _) => code,
        };
        let message = text(&body, &["msg", "message", "error"]).map(|words| redact_text(&words));
        let data = body.get_mut("data").map(Value::take).unwrap_or_default();
        let data = match &data {
            Value::String(text) if text.trim_start().starts_with(['{', '[']) => {
                read_json(text.as_bytes()).unwrap_or(data)
            }
            _ => data,
        };
        Some(Self {
            code,
            message,
            data,
        })
    }
}

impl Refusal {
    /// What a response with another code than success means: by the body's code, else by the HTTP status.
    pub(crate) fn of(table: &CodeTable, http_status: u16, response: &ResponseBody) -> Self {
        Self {
            class: table.class(http_status, response.code),
            code: response.code.or(Some(i64::from(http_status))),
            message: response
                .message
                .clone()
                .unwrap_or_else(|| "no reason given".to_owned()),
        }
    }

    /// What a response without a JSON body means.
    pub(crate) fn bare(table: &CodeTable, http_status: u16) -> Self {
        Self {
            class: table.class(http_status, None),
            code: Some(i64::from(http_status)),
            message: format!("HTTP {http_status} without a JSON body"),
        }
    }
}
