//! The settings of steps: their tables, and the values of one request.

use serde::{Serialize, Serializer};

use super::row::{SettingDefault, SettingKind, SettingProblem, SettingRow, SettingValue};

/// The types of stems.
pub(crate) const STEM_TYPES: [&str; 3] = ["separate_vocal", "split_stem", "split_stem_advanced"];

/// The settings of stems.
pub(crate) static STEMS_SETTINGS: [SettingRow; 2] = [
    SettingRow {
        name: "type",
        field: "type",
        required: true,
        default: SettingDefault::MustBeGiven,
        kind: SettingKind::Choice(&STEM_TYPES),
        description: "Which stems: vocal and instrumental, one for each group of instruments, or a named one.",
        examples: &["separate_vocal", "split_stem"],
    },
    SettingRow {
        name: "stem_name",
        field: "stemName",
        required: false,
        default: SettingDefault::Unset,
        // The vendors list 98 names and add others, so the names are not enumerated here.
        kind: SettingKind::Name,
        description: "The stem that `split_stem_advanced` extracts, by the vendor's name.",
        examples: &["Lead Vocal", "Drum Kit"],
    },
];

/// A setting that is required if another setting has a certain value, and refused otherwise.
struct GoesWith {
    /// The setting.
    setting: &'static str,
    /// The other one.
    other: &'static str,
    /// Its value.
    value: &'static str,
}

const GOES_WITH: [GoesWith; 1] = [GoesWith {
    setting: "stem_name",
    other: "type",
    value: "split_stem_advanced",
}];

/// The settings of one step, in the order of its operation's rows. Serialises as an object with their names.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choices(Vec<(&'static SettingRow, SettingValue)>);

/// Why settings do not fit an operation.
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
    /// A setting is given, but the setting that it depends on has another value.
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

    /// The settings that are set, in the order of the operation's rows.
    pub fn iter(&self) -> impl Iterator<Item = (&'static SettingRow, &SettingValue)> {
        self.0.iter().map(|(row, value)| (*row, value))
    }
}

impl Serialize for Choices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(row, value)| (row.name, value.to_json())))
    }
}

impl Choices {
    /// Checks settings, given as names and texts, against the rows of `operation`.
    pub(crate) fn checked<'a>(
        operation: &'static str,
        settings: &'static [SettingRow],
        given: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ChoiceError> {
        let mut values: Vec<Option<SettingValue>> = vec![None; settings.len()];
        for (name, text) in given {
            let at = settings.iter().position(|row| row.name == name);
            let at = at.ok_or_else(|| ChoiceError::NoSuchSetting {
                operation,
                name: name.to_owned(),
            })?;
            let row = &settings[at];
            let value = row.parse(text).map_err(|problem| ChoiceError::Value {
                name: row.name,
                problem,
            })?;
            values[at] = Some(value);
        }
        let rows = settings.iter().zip(values);
        let choices = Self(
            rows.filter_map(|(row, value)| Some((row, value?)))
                .collect(),
        );
        let is_missing = |row: &&SettingRow| row.required && choices.text(row.name).is_none();
        if let Some(row) = settings.iter().find(is_missing) {
            return Err(ChoiceError::Missing(row.name));
        }
        let own = |rule: &&GoesWith| settings.iter().any(|row| row.name == rule.setting);
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
