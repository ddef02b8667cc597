//! Removes the client's secrets from what it reads: a vendor may quote them in any text of a response.
//!
//! The body is cleaned before it is read. Each text is cleaned after decoding, so that no escape sequence hides a secret. The
//! ledger, the reports and the console then store and show responses unchanged.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::ApiKey;
use crate::json::read_json;
use crate::redact::SECRET_CHARS;

/// Replaces the API key.
const KEY_MARK: &str = "[key]";
/// Replaces an attempt's secret.
const TOKEN_MARK: &str = "[token]";

/// The API key and the attempts' secrets. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Secrets {
    key: ApiKey,
    /// Secrets by length: a text is searched once for all secrets of the same length.
    tokens: Arc<Mutex<BTreeMap<usize, HashSet<String>>>>,
}

impl Secrets {
    pub(super) fn new(key: ApiKey) -> Self {
        Self {
            key,
            tokens: Arc::default(),
        }
    }

    /// Adds an attempt's secret.
    pub(super) fn add(&self, token: &str) {
        if token.len() >= SECRET_CHARS {
            let mut tokens = self.tokens();
            tokens
                .entry(token.len())
                .or_default()
                .insert(token.to_owned());
        }
    }

    /// Whether a text contains one of the secrets. The short key of a local studio does not count as a secret.
    pub(super) fn are_in(&self, text: &str) -> bool {
        matches!(self.clean(text), Cow::Owned(_))
    }

    /// A text without the secrets.
    fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        let key = self.key.expose();
        if key.len() >= SECRET_CHARS && text.contains(key) {
            clean = Cow::Owned(text.replace(key, KEY_MARK));
        }
        for (length, tokens) in &*self.tokens() {
            let mut at = 0;
            while at + length <= clean.len() {
                match clean.get(at..at + length) {
                    Some(part) if tokens.contains(part) => {
                        clean.to_mut().replace_range(at..at + length, TOKEN_MARK);
                        at += TOKEN_MARK.len();
                    }
                    _ => at += 1,
                }
            }
        }
        clean
    }

    /// The body of a response without the secrets. A body without secrets, or one that is not JSON, stays unchanged: of a body
    /// that is not JSON, only an excerpt is ever shown.
    pub(super) fn clean_body<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        let escaped = body.contains(&b'\\');
        if !escaped && !std::str::from_utf8(body).is_ok_and(|text| self.are_in(text)) {
            return Cow::Borrowed(body);
        }
        let Some(mut value) = read_json(body) else {
            return Cow::Borrowed(body);
        };
        match self.clean_value(&mut value, "") {
            true => Cow::Owned(value.to_string().into_bytes()),
            false => Cow::Borrowed(body),
        }
    }

    /// Cleans every text of a value under `name`; returns whether it contained a secret.
    fn clean_value(&self, value: &mut Value, name: &str) -> bool {
        match value {
            Value::String(text) => {
                let Some(clean) = self.clean_text(text, name) else {
                    return false;
                };
                *text = clean;
                true
            }
            // The key may consist of digits alone.
            Value::Number(number) if self.are_in(&number.to_string()) => {
                *value = Value::from(KEY_MARK);
                true
            }
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |found, item| self.clean_value(item, name) | found),
            Value::Object(fields) => fields.iter_mut().fold(false, |found, (name, field)| {
                self.clean_value(field, name) | found
            }),
            _ => false,
        }
    }

    /// A text without secrets; `None` if it contains none. Some vendors write JSON into a text.
    fn clean_text(&self, text: &str, name: &str) -> Option<String> {
        if text.trim_start().starts_with(['{', '['])
            && let Some(mut inner) = read_json(text.as_bytes())
        {
            return self
                .clean_value(&mut inner, name)
                .then(|| inner.to_string());
        }
        // A link's query is its signature: without it the file could not be fetched. The query is never shown.
        let is_link = (name == "data" || name.to_ascii_lowercase().ends_with("url"))
            && text.trim_start().to_ascii_lowercase().starts_with("http");
        match text.split_once('?') {
            Some((address, query)) if is_link => match self.clean(address) {
                Cow::Owned(address) => Some(format!("{address}?{query}")),
                Cow::Borrowed(_) => None,
            },
            _ => match self.clean(text) {
                Cow::Owned(clean) => Some(clean),
                Cow::Borrowed(_) => None,
            },
        }
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<usize, HashSet<String>>> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KEY: &str = "sk-0123456789";
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn secrets() -> Secrets {
        let secrets = Secrets::new(ApiKey::new(KEY).unwrap());
        secrets.add(TOKEN);
        secrets
    }

    #[test]
    fn every_text_of_a_body_loses_the_secrets_however_they_are_escaped() {
        let escaped: String = KEY
            .chars()
            .map(|it| format!("\\u{:04x}", it as u32))
            .collect();
        let inner = json!({"taskId": format!("a{TOKEN}")}).to_string();
        for (body, expected) in [
            (
                format!(r#"{{"a": ["{KEY}x"]}}"#),
                r#"{"a":["[key]x"]}"#.to_owned(),
            ),
            (
                format!(r#"{{"a": "{escaped}"}}"#),
                r#"{"a":"[key]"}"#.to_owned(),
            ),
            (
                format!(r#"{{"é": "é{TOKEN}{TOKEN}"}}"#),
                r#"{"é":"é[token][token]"}"#.to_owned(),
            ),
            (
                json!({"data": inner}).to_string(),
                json!({"data": r#"{"taskId":"a[token]"}"#}).to_string(),
            ),
            (
                format!(r#"{{"audioUrl": "https://a/{KEY}?k={KEY}", "title": "https://a?{KEY}"}}"#),
                format!(r#"{{"audioUrl":"https://a/[key]?k={KEY}","title":"https://a?[key]"}}"#),
            ),
        ] {
            let clean = secrets().clean_body(body.as_bytes()).into_owned();
            let clean: Value = serde_json::from_slice(&clean).unwrap();
            assert_eq!(clean, serde_json::from_str::<Value>(&expected).unwrap());
        }
    }

    #[test]
    fn what_holds_none_stays_as_it_is() {
        for body in [
            &br#"{"a": 1.50, "b": "x\u0041"}"#[..],
            b"<html>",
            b"\xff",
            &TOKEN.as_bytes()[1..],
        ] {
            assert!(matches!(secrets().clean_body(body), Cow::Borrowed(it) if it == body));
        }
        // The key of a local studio may be any word, and words stay readable.
        let local = Secrets::new(ApiKey::new("piano").unwrap());
        assert!(!local.are_in("piano"));
    }
}
