//! An excerpt of a response that could not be read: bounded, without secrets, for a person to judge.
//!
//! A response to a submission may lack the task id where the contract has it, and still contain the only copy of that id
//! elsewhere. The excerpt decides nothing: the submission stays in doubt, and the excerpt is shown with it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TaskId;
use crate::json::{decoded, read_json};
use crate::redact::{hide_secret, redact_addresses, redact_queries};

/// Longest excerpt, in bytes: an envelope with an id fits, and the start of an HTML page shows which server sent it.
const EXCERPT_BYTES: usize = 512;

/// Most possible task ids that are listed.
const CANDIDATES: usize = 4;

/// Lengths of a text that may be a task id. The vendors' have 32 characters.
const ID_CHARS: std::ops::RangeInclusive<usize> = 6..=80;

/// The start of a response body, with keys, tokens and the queries of addresses removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Excerpt {
    /// Its text, at most 512 bytes, on one line.
    pub text: String,
    /// Texts in it that may be the id of the task, the likeliest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub task_ids: Vec<TaskId>,
}

impl Excerpt {
    /// The excerpt of `body`; `None` if it is empty. It does not contain the texts of `secrets`.
    pub fn of(body: &[u8], secrets: &[&str]) -> Option<Self> {
        let value = read_json(body);
        // JSON is serialised again, so that no escape sequence hides an address from the redaction.
        let text = match &value {
            Some(value) => value.to_string(),
            None => decoded(body).replace("\\/", "/"),
        };
        let mut text = redact_queries(&redact_addresses(&text));
        for secret in secrets {
            text = hide_secret(&text, secret, "[secret]");
        }
        let text = one_line(&text);
        let mut task_ids = Vec::new();
        if let Some(value) = &value {
            collect(value, 0, &mut task_ids);
        }
        task_ids.retain(|id| !secrets.contains(&id.as_str()));
        (!text.is_empty()).then_some(Self { text, task_ids })
    }
}

/// `text` without line breaks and control characters, cut to [`EXCERPT_BYTES`].
fn one_line(text: &str) -> String {
    let mut out = String::new();
    for char in text.trim().chars() {
        let char = if char.is_control() || char.is_whitespace() {
            ' '
        } else {
            char
        };
        if char == ' ' && out.ends_with(' ') {
            continue;
        }
        if out.len() + char.len_utf8() > EXCERPT_BYTES - '…'.len_utf8() {
            out.push('…');
            break;
        }
        out.push(char);
    }
    out
}

/// Collects texts from fields that may contain a task id: fields named like an id, and `data` itself.
fn collect(value: &Value, depth: usize, found: &mut Vec<TaskId>) {
    const NAMES: [&str; 6] = ["taskId", "task_id", "taskid", "id", "recordId", "jobId"];
    if depth > 6 {
        return;
    }
    match value {
        Value::Object(fields) => {
            for name in NAMES {
                note(fields.get(name), found);
            }
            note(fields.get("data"), found);
            for field in fields.values() {
                collect(field, depth + 1, found);
            }
        }
        Value::Array(items) => {
            for item in items.iter().take(8) {
                note(Some(item), found);
                collect(item, depth + 1, found);
            }
        }
        _ => {}
    }
}

fn note(value: Option<&Value>, found: &mut Vec<TaskId>) {
    let text = match value {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.to_string(),
        _ => return,
    };
    let is_id = ID_CHARS.contains(&text.len())
        && text.chars().any(|char| char.is_ascii_digit())
        && text
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_'));
    if is_id && found.len() < CANDIDATES && !found.iter().any(|known| known.as_str() == text) {
        found.push(TaskId(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn what_may_be_an_id_is_shown() {
        #[track_caller]
        fn check(body: &str, expected: &[&str]) {
            let excerpt = Excerpt::of(body.as_bytes(), &[]).unwrap();
            let found: Vec<&str> = excerpt.task_ids.iter().map(TaskId::as_str).collect();
            assert_eq!(found, expected, "{body}");
        }
        check(&format!(r#"{{"code":200,"data":"{ID}"}}"#), &[ID]);
        check(
            &format!(r#"{{"code":200,"data":[{{"taskId":"{ID}"}}]}}"#),
            &[ID],
        );
        check(&format!(r#"{{"code":200,"data":["{ID}"]}}"#), &[ID]);
        check(&format!(r#"{{"code":200,"data":{{"id":"{ID}"}}}}"#), &[ID]);
        check(
            &format!(r#"{{"code":0,"data":{{"taskId":"{ID}"}}}}"#),
            &[ID],
        );
        check(
            &format!(r#"{{"result":{{"task":{{"id":"{ID}"}}}}}}"#),
            &[ID],
        );
        check(r#"{"code":200,"data":null,"msg":"success"}"#, &[]);
        check("<html><title>502 Bad Gateway</title></html>", &[]);
    }

    #[test]
    fn no_secret_stays_in_an_excerpt() {
        let body = r#"{"msg":"key sk-12345678 of tok-abcdef for https:\/\/cdn.example.com\/a.mp3?sig=s3cret","path":"/a?sig=s3cret&x=1"}"#;
        for body in [body.to_owned(), format!("<p>{body}"), body.replace('}', "")] {
            let excerpt = Excerpt::of(body.as_bytes(), &["sk-12345678", "tok-abcdef"]).unwrap();
            for secret in ["s3cret", "12345678", "tok-abcdef"] {
                assert!(!excerpt.text.contains(secret), "{excerpt:?}");
            }
            assert!(
                excerpt.text.contains("https://cdn.example.com/a.mp3?…"),
                "{excerpt:?}"
            );
        }
        assert_eq!(Excerpt::of(b"  \r\n", &[]), None);
    }

    proptest! {
        #[test]
        fn an_excerpt_is_short_and_has_one_line(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            if let Some(excerpt) = Excerpt::of(&body, &["key"]) {
                prop_assert!(excerpt.text.len() <= EXCERPT_BYTES);
                prop_assert!(!excerpt.text.chars().any(char::is_control));
                prop_assert!(excerpt.task_ids.len() <= CANDIDATES);
            }
        }

        #[test]
        fn a_secret_at_the_cut_is_not_shown_in_part(before in 440usize..520) {
            let body = format!("{}sk-0123456789abcdef", "x ".repeat(before / 2));
            let excerpt = Excerpt::of(body.as_bytes(), &["sk-0123456789abcdef"]).unwrap();
            prop_assert!(!excerpt.text.contains("sk-"));
        }
    }
}
