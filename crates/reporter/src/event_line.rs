//! Formats a record as one line of JSON, the same on the console and in a file.

use backline_engine::event::Record;
use serde::Serialize;
use serde_json::Value;

use crate::text::rfc3339;

/// The version of the format, in a stream's first line.
pub(crate) const STREAM_VERSION: u32 = 1;

/// The replacement of a secret.
const TOKEN: &str = "[token]";

#[derive(Serialize)]
struct EventLine<'a> {
    seq: u64,
    at_ms: i64,
    at: Option<String>,
    run: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    event: Value,
}

/// A record as a line without a line break. `label` is the job's name for people.
pub(crate) fn event_line(record: &Record, label: Option<&str>) -> serde_json::Result<String> {
    let mut event = serde_json::to_value(&record.event)?;
    redact(&mut event);
    serde_json::to_string(&EventLine {
        seq: record.seq,
        at_ms: record.at_ms,
        at: rfc3339(record.at_ms),
        run: record.run.as_str(),
        job: record.job.map(|key| key.to_string()),
        label,
        event,
    })
}

/// Replaces every field named `token`, at any depth.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "token" {
                    *value = Value::from(TOKEN)
                } else {
                    redact(value)
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_found_however_deep() {
        let mut value = json!({"token": "s", "a": [{"token": {"b": "s"}, "c": 1}]});
        redact(&mut value);
        assert_eq!(
            value,
            json!({"token": "[token]", "a": [{"token": "[token]", "c": 1}]})
        );
    }
}
