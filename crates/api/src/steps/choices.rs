//! The settings of a step: checked by the rows of its operation.

use serde::{Serialize, Serializer};

use super::table::GOES_WITH;
use crate::{Operation, SettingProblem, SettingRow, SettingValue};

/// The settings of one step, in the order of its operation's rows. Written as an object of their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choices(Vec<(&'static SettingRow, SettingValue)>);

/// Why settings are not those of an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// The operation has no such setting.
    #[error("`{operation}` has no setting `{name}`")]
    NoSuchSetting {
        /// The operation's name.
        operation: &'static str,
        /// The setting.
        name: String,
    },
    /// A value breaks a rule.
    #[error("`{name}` {problem}")]
    Value {
        /// The setting.
        name: &'static str,
        /// The rule.
        problem: SettingProblem,
    },
    /// A setting is required and has no value.
    #[error("`{0}` has no value")]
    Missing(&'static str),
    /// A setting is given without the value of another that it belongs to.
    #[error("`{setting}` goes with `{other}: {value}` only")]
    OutOfPlace {
        /// The setting.
        setting: &'static str,
        /// The other one.
        other: &'static str,
        /// Its value.
        value: &'static str,
    },
}

impl Choices {
    /// The text of a setting.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(row, _)| row.name == name)?;
        value.as_text()
    }

    /// Those that are set, in the order of the operation's rows.
    pub fn iter(&self) -> impl Iterator<Item = (&'static SettingRow, &SettingValue)> {
        self.0.iter().map(|(row, value)| (*row, value))
    }
}

impl Serialize for Choices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(row, value)| (row.name, value.to_json())))
    }
}

impl Operation {
    /// Checks settings, given as names and texts, as those of this operation.
    ///
    /// # Errors
    /// The first mistake.
    pub fn choices<'a>(
        &self,
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Choices, ChoiceError> {
        let mut values: Vec<Option<SettingValue>> = vec![None; self.settings.len()];
        for (name, text) in given {
            let at = self.settings.iter().position(|row| row.name == name);
            let at = at.ok_or_else(|| ChoiceError::NoSuchSetting {
                operation: self.name,
                name: name.to_owned(),
            })?;
            let row = &self.settings[at];
            let value = row.parse(text).map_err(|problem| ChoiceError::Value {
                name: row.name,
                problem,
            })?;
            values[at] = Some(value);
        }
        let rows = self.settings.iter().zip(values);
        let choices = Choices(
            rows.filter_map(|(row, value)| Some((row, value?)))
                .collect(),
        );
        let is_missing = |row: &&SettingRow| row.required && choices.text(row.name).is_none();
        if let Some(row) = self.settings.iter().find(is_missing) {
            return Err(ChoiceError::Missing(row.name));
        }
        let own = |rule: &&super::table::GoesWith| {
            self.settings.iter().any(|row| row.name == rule.setting)
        };
        for rule in GOES_WITH.iter().filter(own) {
            let is_due = choices.text(rule.other) == Some(rule.value);
            match (is_due, choices.text(rule.setting)) {
                (true, None) => return Err(ChoiceError::Missing(rule.setting)),
                (false, Some(_)) => {
                    return Err(ChoiceError::OutOfPlace {
                        setting: rule.setting,
                        other: rule.other,
                        value: rule.value,
                    });
                }
                _ => {}
            }
        }
        Ok(choices)
    }
}
