//! Reading fields that vendors write in several ways: one place that knows how liberal to be.
//!
//! Nothing here fails: what can't be read is absent. An empty string and `null` are absent too, for that is what the vendors
//! mean by them.

use serde_json::Value;

/// The first of `keys` in `object` that has a non-empty text. Numbers are taken as their text.
pub(crate) fn text(object: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match object.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// The first of `keys` that has a finite number, or the text of one.
pub(crate) fn number(object: &Value, keys: &[&str]) -> Option<f64> {
    keys.iter().find_map(|key| as_number(object.get(key)?))
}

/// The first of `keys` that has a whole number, or the text of one.
pub(crate) fn integer(object: &Value, keys: &[&str]) -> Option<i64> {
    keys.iter().find_map(|key| as_integer(object.get(key)?))
}

/// `value` as a finite number.
pub(crate) fn as_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// `value` as a whole number.
pub(crate) fn as_integer(value: &Value) -> Option<i64> {
    if let Some(integer) = value.as_i64() {
        return Some(integer);
    }
    if let Value::String(text) = value
        && let Ok(integer) = text.trim().parse()
    {
        return Some(integer);
    }
    // Whole numbers up to 2^53 survive being written as floats.
    let number = as_number(value)?;
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}
