//! Malformed JSON as vendors really send it: texts cut in the middle of a character, other encodings, invalid numbers. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::times::Times;

/// A placeholder in texts for bytes that JSON can't contain; it is replaced in the output.
const MARK: &str = "@malformed@";
/// A placeholder for a number.
const NUMBER_MARK: &str = "@malformed number@";

/// What is wrong with the JSON, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Malformed {
    /// What is wrong.
    pub(crate) kind: MalformedKind,
    /// The affected bodies; all if it is left out.
    #[serde(rename = "in", default = "MalformedTarget::all")]
    pub(crate) places: Vec<MalformedTarget>,
    /// The number of polls that show it. Submissions and callbacks always show it.
    #[serde(default)]
    pub(crate) polls: Times,
}

/// What is wrong with the JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MalformedKind {
    /// Titles and messages end with the first half of an emoji, as an escape: `\ud83c`.
    LoneSurrogate,
    /// Titles and messages contain an `é` as the one byte 0xE9.
    Latin1,
    /// A byte order mark comes before the body.
    Bom,
    /// `NaN` as a number: durations, and a field of the envelope.
    Nan,
    /// `1e999` as a number, likewise.
    Huge,
}

/// A kind of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MalformedTarget {
    /// The response to a submission.
    Submit,
    /// Record-info.
    Details,
    /// The callbacks' bodies.
    Callbacks,
}

impl MalformedTarget {
    fn all() -> Vec<MalformedTarget> {
        vec![
            MalformedTarget::Submit,
            MalformedTarget::Details,
            MalformedTarget::Callbacks,
        ]
    }
}

impl MalformedKind {
    /// `body` as bytes with this mistake.
    pub(crate) fn write(self, mut body: Value) -> Vec<u8> {
        match self {
            MalformedKind::LoneSurrogate | MalformedKind::Latin1 => mark_texts(&mut body),
            MalformedKind::Nan | MalformedKind::Huge => {
                mark_numbers(&mut body);
                body["cost"] = NUMBER_MARK.into();
            }
            MalformedKind::Bom => {}
        }
        let bytes = body.to_string().into_bytes();
        match self {
            MalformedKind::LoneSurrogate => replace(&bytes, MARK, b"\\ud83c"),
            MalformedKind::Latin1 => replace(&bytes, MARK, b"\xe9"),
            MalformedKind::Bom => [b"\xef\xbb\xbf", bytes.as_slice()].concat(),
            MalformedKind::Nan => replace(&bytes, &format!("\"{NUMBER_MARK}\""), b"NaN"),
            MalformedKind::Huge => replace(&bytes, &format!("\"{NUMBER_MARK}\""), b"1e999"),
        }
    }
}

/// Adds placeholders to titles and messages. Inside `data` that is JSON text, they stay unchanged.
fn mark_texts(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(mark_texts),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if matches!(name.as_str(), "title" | "msg") => {
                        text.push_str(MARK);
                    }
                    value => mark_texts(value),
                }
            }
        }
        _ => {}
    }
}

fn mark_numbers(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(mark_numbers),
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "duration" {
                    *value = NUMBER_MARK.into();
                } else {
                    mark_numbers(value);
                }
            }
        }
        _ => {}
    }
}

fn replace(bytes: &[u8], mark: &str, by: &[u8]) -> Vec<u8> {
    let (mark, mut out, mut at) = (mark.as_bytes(), Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(mark) {
            out.extend_from_slice(by);
            at += mark.len();
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_mistake_is_one_that_a_strict_reader_refuses() {
        for (kind, part) in [
            (MalformedKind::LoneSurrogate, &b"Song\\ud83c\""[..]),
            (MalformedKind::Latin1, b"Song\xe9\""),
            (MalformedKind::Bom, b"\xef\xbb\xbf{"),
            (MalformedKind::Nan, b"\"duration\":NaN"),
            (MalformedKind::Huge, b"\"duration\":1e999"),
        ] {
            let body =
                json!({"code": 200, "msg": "ok", "data": [{"title": "Song", "duration": 1.5}]});
            let bytes = kind.write(body);
            assert!(
                bytes.windows(part.len()).any(|window| window == part),
                "{kind:?}: {}",
                String::from_utf8_lossy(&bytes)
            );
            assert!(serde_json::from_slice::<Value>(&bytes).is_err(), "{kind:?}");
        }
    }
}
