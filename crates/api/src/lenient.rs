//! Reads fields that vendors write in several ways. Only this module decides how lenient to be.
//!
//! Nothing here fails: a value that can't be read counts as absent. So do an empty string and `null`, because vendors write
//! them for absent values.

use serde_json::Value;

/// The value of the first of `keys` that has a non-empty text. Numbers are returned as text.
pub(crate) fn text(object: &Value, keys: &[&str]) -> Option<String> {
    keys.iter().find_map(|key| match object.get(key)? {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

/// The value of the first of `keys` that has a finite number, or a text with one.
pub(crate) fn number(object: &Value, keys: &[&str]) -> Option<f64> {
    keys.iter().find_map(|key| as_number(object.get(key)?))
}

/// The value of the first of `keys` that has a whole number, or a text with one.
pub(crate) fn integer(object: &Value, keys: &[&str]) -> Option<i64> {
    keys.iter().find_map(|key| as_integer(object.get(key)?))
}

/// `value` as a finite number, also from a text.
pub(crate) fn as_number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// `value` as a whole number, also from a text.
pub(crate) fn as_integer(value: &Value) -> Option<i64> {
    if let Some(integer) = value.as_i64() {
        return Some(integer);
    }
    if let Value::String(text) = value
        && let Ok(integer) = text.trim().parse()
    {
        return Some(integer);
    }
    // Whole numbers up to 2^53 are exact as floats.
    let number = as_number(value)?;
    (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
}
