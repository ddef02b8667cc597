//! The envelope of every response: `{"code": 200, "msg": "success", "data": …}`.
//!
//! Most errors arrive as HTTP 200 with another code in the body. So the body's code is read first; the HTTP status counts only
//! if there is none. `msg` decides nothing.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::read_json;
use crate::lenient::{integer, text};
use crate::{CodeTable, ResponseClass, redact_text};

/// The code of success.
pub(crate) const OK: i64 = 200;

/// A response to be written. `data` is `null` if there is no result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// 200, or the code of the error.
    pub code: i64,
    /// A message for people.
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

    /// An error: `code`, a message, and `data: null`.
    pub fn refusal(code: i64, msg: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            data: None,
        }
    }
}

/// The serde default of an `Option` whose content has no default.
fn nothing<T>() -> Option<T> {
    None
}

fn text_or_null<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// A response that is not a success, and its consequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The consequence.
    pub class: ResponseClass,
    /// The code of the body, or the HTTP status where the body had none.
    pub code: Option<i64>,
    /// The vendor's message with addresses redacted, or Backline's.
    pub message: String,
}

/// The parts of a response, read as leniently as possible.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    /// The body's code; a body with `success` and without a code gets its code from that.
    pub(crate) code: Option<i64>,
    /// The vendor's message, redacted.
    pub(crate) message: Option<String>,
    /// `data`, or `null`.
    pub(crate) data: Value,
}

impl ResponseBody {
    /// `None` if the body is not a JSON object.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Self::of(read_json(body)?)
    }

    /// The same for a parsed body. `data` may be JSON inside a text.
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
    /// The meaning of a response that is not a success: by the body's code, else by the HTTP status.
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

    /// The meaning of a response without a JSON body.
    pub(crate) fn bare(table: &CodeTable, http_status: u16) -> Self {
        Self {
            class: table.class(http_status, None),
            code: Some(i64::from(http_status)),
            message: format!("HTTP {http_status} without a JSON body"),
        }
    }
}
