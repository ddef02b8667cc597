//! Reads JSON as vendors really write it. Every response and callback is read here.
//!
//! Strict parsing comes first. Text that is not JSON is repaired and parsed once more:
//!
//! * a byte-order mark is dropped,
//! * bytes that are not UTF-8 are read as Latin-1,
//! * half of a surrogate pair becomes U+FFFD (a title cut in the middle of an emoji),
//! * a control character inside a string is kept,
//! * a backslash before a character that needs none is dropped,
//! * `NaN`, `Infinity` and numbers that no double can represent become `null`.
//!
//! The structure is never repaired: truncated, unbalanced or otherwise broken text stays unreadable.

use std::borrow::Cow;
use std::iter::Peekable;
use std::str::Chars;

use serde_json::Value;

/// The value in `bytes`; `None` if they are not JSON even after the repair.
pub(crate) fn read_json(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes)
        .ok()
        .or_else(|| serde_json::from_str(&repaired(&decoded(bytes))).ok())
}

/// `bytes` as text: valid UTF-8 is kept; each other byte becomes the Latin-1 character with its number.
pub(crate) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            let mut text = String::with_capacity(bytes.len() + 16);
            for chunk in bytes.utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|&byte| char::from(byte)));
            }
            Cow::Owned(text)
        }
    }
}

/// `text` with the defects repaired that the module's documentation lists; valid JSON stays unchanged.
fn repaired(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '"' => {
                out.push('"');
                repair_string(&mut rest, &mut out);
            }
            '\u{feff}' => {}
            '+' | '-' | '.' | '0'..='9' | 'a'..='z' | 'A'..='Z' => {
                let mut word = String::from(char);
                while let Some(next) = rest.next_if(|&next| is_in_word(next)) {
                    word.push(next);
                }
                out.push_str(if is_no_number(&word) { "null" } else { &word });
            }
            other => out.push(other),
        }
    }
    out
}

/// Repairs a string, from the character after its first quote to its last quote.
fn repair_string(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    while let Some(char) = rest.next() {
        match char {
            '"' => {
                out.push('"');
                return;
            }
            '\\' => match rest.next() {
                Some('u') => match unit(rest) {
                    Some(high @ 0xd800..=0xdbff) => {
                        // Only `\uDC00` to `\uDFFF` directly after it completes the pair.
                        let mut ahead = rest.clone();
                        let low = (ahead.next() == Some('\\') && ahead.next() == Some('u'))
                            .then(|| unit(&mut ahead))
                            .flatten()
                            .filter(|low| (0xdc00..=0xdfff).contains(low));
                        match low {
                            Some(low) => {
                                *rest = ahead;
                                out.push_str(&format!("\\u{high:04x}\\u{low:04x}"));
                            }
                            None => out.push(char::REPLACEMENT_CHARACTER),
                        }
                    }
                    Some(0xdc00..=0xdfff) | None => out.push(char::REPLACEMENT_CHARACTER),
                    Some(unit) => out.push_str(&format!("\\u{unit:04x}")),
                },
                Some(known @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => {
                    out.extend(['\\', known]);
                }
                Some(other) if other.is_control() => push_control(other, out),
                Some(other) => out.push(other),
                None => return,
            },
            char if char.is_control() => push_control(char, out),
            char => out.push(char),
        }
    }
}

fn push_control(char: char, out: &mut String) {
    out.push_str(&format!("\\u{:04x}", u32::from(char)));
}

/// Reads up to four hexadecimal digits after `\u`; does not consume the first character that is not a digit.
fn unit(rest: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut unit = 0;
    for _ in 0..4 {
        let digit = rest.next_if(char::is_ascii_hexdigit)?.to_digit(16)?;
        unit = unit * 16 + digit;
    }
    Some(unit)
}

fn is_in_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.' | '_')
}

/// Whether an unquoted word is a number that JSON does not have.
fn is_no_number(word: &str) -> bool {
    let bare = word.trim_start_matches(['+', '-']).to_ascii_lowercase();
    if matches!(
        bare.as_str(),
        "nan" | "inf" | "infinity" | "undefined" | "none"
    ) {
        return true;
    }
    // A number in JSON's own form that no double can represent.
    serde_json::from_str::<Value>(word).is_err()
        && word.parse::<f64>().is_ok_and(|number| !number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[track_caller]
    fn check(text: impl AsRef<[u8]>, expected: Value) {
        assert_eq!(read_json(text.as_ref()), Some(expected));
    }

    #[test]
    fn what_vendors_write_is_read() {
        check(r#"{"title":"a\ud83c"}"#, json!({"title": "a\u{fffd}"}));
        check(
            r#"{"title":"a\ud83c\ud83c\udfb5"}"#,
            json!({"title": "a\u{fffd}🎵"}),
        );
        check(
            r#"{"title":"\udfb5\ud83c b","x":1}"#,
            json!({"title": "\u{fffd}\u{fffd} b", "x": 1}),
        );
        check(
            r#"{"title":"\ud83c\n\u12"}"#,
            json!({"title": "\u{fffd}\n\u{fffd}"}),
        );
        check(
            b"{\"title\":\"Caf\xe9 \xc3\xa9\"}",
            json!({"title": "Café é"}),
        );
        check(b"\xef\xbb\xbf{\"code\":200}", json!({"code": 200}));
        check(
            r#"{"a":NaN,"b":-Infinity,"c":1e999,"d":-1e999,"e":1e9,"f":[NaN,true,null]}"#,
            json!({"a": null, "b": null, "c": null, "d": null, "e": 1e9, "f": [null, true, null]}),
        );
        check(
            "{\"title\":\"two\nlines\t\u{1}\"}",
            json!({"title": "two\nlines\t\u{1}"}),
        );
        check(
            r#"{"title":"it\'s","say":"NaN \u0041"}"#,
            json!({"title": "it's", "say": "NaN A"}),
        );
    }

    #[test]
    fn what_is_cut_or_no_json_stays_unreadable() {
        for text in [
            "",
            "{\"taskId\":\"abc",
            "{\"taskId\":\"abc\\",
            "{\"taskId\":\"abc\"",
            "<html>",
            "{\"a\":maybe}",
            "{\"a\":1,}",
            "{\"a\":0x10}",
            "{\"a\":\"b\"} more",
            "NaN NaN",
        ] {
            assert_eq!(read_json(text.as_bytes()), None, "{text}");
        }
        assert_eq!(read_json("[".repeat(100_000).as_bytes()), None);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn repairing_changes_no_json(value in any_json()) {
            for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let strict = serde_json::from_str::<Value>(&text).unwrap();
                let read = serde_json::from_str::<Value>(&repaired(&text)).unwrap();
                prop_assert_eq!(&read, &strict, "{}", text);
            }
        }

        #[test]
        fn one_bad_field_hides_no_other(
            before in any_json(),
            after in any_json(),
            bad in prop::sample::select(vec!["NaN", "-Infinity", "1e999", r#""\ud83c""#, "\"\u{7}\"", r#""\x""#]),
        ) {
            let text = format!(r#"{{"before":{before},"bad":{bad},"after":{after}}}"#);
            let read = read_json(text.as_bytes()).unwrap();
            let strict = |value: &Value| serde_json::from_str::<Value>(&value.to_string()).unwrap();
            prop_assert_eq!(&read["before"], &strict(&before));
            prop_assert_eq!(&read["after"], &strict(&after));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read_json(&bytes);
        }

        #[test]
        fn any_bytes_in_a_title_hide_no_id(title in prop::collection::vec(any::<u8>(), 0..60)) {
            // Quotes and backslashes end strings; a string may contain everything else.
            let title: Vec<u8> = title.into_iter().filter(|byte| !matches!(byte, b'"' | b'\\')).collect();
            let body = [b"{\"title\":\"".as_slice(), &title, b"\",\"taskId\":\"abc\"}"].concat();
            let read = read_json(&body).unwrap();
            prop_assert_eq!(&read["taskId"], "abc");
        }
    }
}
