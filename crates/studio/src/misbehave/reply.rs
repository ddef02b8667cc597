//! A reply that a plan specifies: status, code, body, header. It replaces the normal response.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The placeholder of the task's own id in a reply's `data`.
const OWN_TASK: &str = "$task";
/// The placeholder of the id of the task that was accepted before it.
const OTHER_TASK: &str = "$other";

/// One response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reply {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The code in the body; the HTTP status if it is left out.
    pub(crate) code: Option<i64>,
    /// `msg` in the body.
    pub(crate) message: String,
    /// `data` in the body; `$task` and `$other` in it are placeholders of task ids.
    pub(crate) data: Value,
    /// The kind of the body.
    pub(crate) body: ReplyBody,
    /// The `Retry-After` header, in seconds.
    pub(crate) retry_after_s: Option<u64>,
}

/// The kind of a reply's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReplyBody {
    /// The envelope with code, message and data.
    #[default]
    Json,
    /// An HTML page.
    Page,
    /// Nothing.
    Empty,
}

impl Default for Reply {
    fn default() -> Self {
        Reply {
            status: 200,
            code: None,
            message: "success".to_owned(),
            data: Value::Null,
            body: ReplyBody::Json,
            retry_after_s: None,
        }
    }
}

impl Reply {
    /// The mistake in the reply, if there is one.
    pub(crate) fn mistake(&self) -> Option<String> {
        (!(200..=599).contains(&self.status)).then(|| {
            format!(
                "a reply's status lies between 200 and 599, not at {}",
                self.status
            )
        })
    }

    /// Whether its data contain the placeholder of the previous task's id.
    pub(crate) fn names_other_task(&self) -> bool {
        holds(&self.data, OTHER_TASK)
    }

    /// The envelope with the ids inserted.
    pub(crate) fn envelope(&self, task_id: &str, other_id: &str) -> Value {
        let mut data = self.data.clone();
        fill(&mut data, OWN_TASK, task_id);
        fill(&mut data, OTHER_TASK, other_id);
        serde_json::json!({
            "code": self.code.unwrap_or(self.status.into()),
            "msg": self.message,
            "data": data,
        })
    }
}

fn holds(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(values) => values.iter().any(|value| holds(value, name)),
        Value::Object(fields) => fields.values().any(|value| holds(value, name)),
        _ => false,
    }
}

fn fill(value: &mut Value, name: &str, id: &str) {
    match value {
        Value::String(text) if text == name => id.clone_into(text),
        Value::Array(values) => values.iter_mut().for_each(|value| fill(value, name, id)),
        Value::Object(fields) => fields.values_mut().for_each(|value| fill(value, name, id)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_filled_in_wherever_they_stand() {
        let reply = Reply {
            code: Some(0),
            data: json!([{"taskId": "$task", "list": ["$other", "kept"]}]),
            ..Reply::default()
        };
        assert!(reply.names_other_task());
        assert_eq!(
            reply.envelope("a", "b"),
            json!({"code": 0, "msg": "success", "data": [{"taskId": "a", "list": ["b", "kept"]}]})
        );
        let page = Reply {
            status: 405,
            ..Reply::default()
        };
        assert_eq!(page.envelope("a", "b")["code"], 405);
        assert_eq!(page.mistake(), None);
        assert!(
            Reply {
                status: 99,
                ..Reply::default()
            }
            .mistake()
            .is_some()
        );
    }
}
