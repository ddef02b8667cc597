//! Reads the tables that a musician writes: `crates/band/data`, in YAML. They are compiled in; a test reads every one of them.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_yaml::{MessageFormatter, UserMessageFormatter};

/// A mistake in a table, and its line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub(crate) struct DataError {
    /// The table's path under `crates/band/data`.
    file: String,
    /// Counted from one; 0 where no line is known.
    line: u64,
    message: String,
}

impl DataError {
    /// An error at a line of a table.
    pub(crate) fn at(file: &str, line: u64, message: impl fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            line,
            message: message.to_string(),
        }
    }
}

/// Reads a table.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, DataError> {
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
    serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        DataError::at(file, line, UserMessageFormatter.format_message(&error))
    })
}

/// A number in a range.
pub(crate) fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    least: f32,
    most: f32,
) -> Result<f32, D::Error> {
    let number = <f32 as serde::Deserialize>::deserialize(deserializer)?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(D::Error::custom(format!(
            "{number} is out of range: write {least} to {most}"
        )))
    }
}

/// A number from 0 to 1.
pub(crate) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, 0.0, 1.0)
}

/// A number from −1 to 1.
pub(crate) fn signed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
    within(deserializer, -1.0, 1.0)
}
