//! A row of a settings table: a setting's name, type, range and rules.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::Weight;

/// Longest text of a setting, in bytes.
pub const SETTING_LIMIT_BYTES: usize = 64 * 1024;

/// A row of the settings table: all properties of one setting.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingRow {
    /// Its key in manifests, hooks, stored plans and reports.
    pub name: &'static str,
    /// Its field in the body of a submission.
    pub field: &'static str,
    /// Whether the contract requires the field.
    pub required: bool,
    /// The value that is sent if the manifest gives none.
    pub default: SettingDefault,
    /// Its type and range.
    pub kind: SettingKind,
    /// A description for editors.
    pub description: &'static str,
    /// Example values, for editors.
    pub examples: &'static [&'static str],
}

/// The value that is sent if the manifest gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingDefault {
    /// No value: the field is left out. Only such a setting may be `null`.
    Unset,
    /// An empty text.
    Empty,
    /// A text made from the job's names.
    Names,
    /// The profile's default model.
    Model,
    /// There is no default: the manifest must give a value.
    MustBeGiven,
}

/// The type and range of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingKind {
    /// One line of text that is not empty.
    Line {
        /// Most characters.
        max_chars: usize,
    },
    /// Tags separated by commas, in one text.
    Tags {
        /// Whether the list may be empty.
        may_be_empty: bool,
    },
    /// A name that the provider defines, never blank.
    Name,
    /// Lines of text, sent unchanged.
    Lines {
        /// Most characters.
        max_chars: usize,
    },
    /// One of these texts.
    Choice(&'static [&'static str]),
    /// A [`Weight`].
    Weight,
    /// A whole number, at least 0.
    Whole {
        /// The largest.
        max: u8,
    },
}

impl SettingKind {
    /// Whether its values are numbers.
    pub fn is_number(self) -> bool {
        matches!(self, Self::Weight | Self::Whole { .. })
    }

    /// Whether its values are free text, which a file name can't contain unchanged.
    pub fn is_prose(self) -> bool {
        matches!(
            self,
            Self::Line { .. } | Self::Tags { .. } | Self::Lines { .. }
        )
    }

    /// Describes its values, to follow "expected".
    pub fn expected(self) -> String {
        match self {
            Self::Line { max_chars } => format!("a string of 1 to {max_chars} characters"),
            Self::Tags { may_be_empty: true } => "a string".to_owned(),
            Self::Tags { .. } | Self::Name => "a string that is not empty".to_owned(),
            Self::Lines { max_chars } => format!("a string of at most {max_chars} characters"),
            Self::Choice(choices) => {
                let quoted: Vec<String> = choices.iter().map(|it| format!("`{it}`")).collect();
                quoted.join(" or ")
            }
            Self::Weight => "a multiple of 0.01 from 0 to 1".to_owned(),
            Self::Whole { max } => format!("a whole number from 0 to {max}"),
        }
    }
}

/// A checked value of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingValue {
    /// A text. It is shared, because the jobs of a preset have the same text.
    Text(Arc<str>),
    /// A weight.
    Weight(Weight),
    /// A whole number.
    Whole(u8),
}

impl SettingValue {
    /// The value as requests and stored plans contain it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Text(text) => Json::from(&**text),
            Self::Weight(weight) => Json::from(weight.value()),
            Self::Whole(whole) => Json::from(*whole),
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Weight(_) | Self::Whole(_) => None,
        }
    }
}

impl From<&str> for SettingValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// Why a text is not a valid value of a setting. The message follows the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingProblem {
    /// It is empty or blank.
    #[error("is empty")]
    Empty,
    /// It is longer than [`SETTING_LIMIT_BYTES`].
    #[error("has {0} bytes, {SETTING_LIMIT_BYTES} are allowed")]
    TooManyBytes(usize),
    /// It has more characters than the setting may have.
    #[error("has {chars} characters, {max_chars} are allowed")]
    TooLong {
        /// How many it has.
        chars: usize,
        /// How many are allowed.
        max_chars: usize,
    },
    /// It contains a control character.
    #[error("has the control character U+{:04X} as its character {at}", u32::from(*.char))]
    Control {
        /// The character.
        char: char,
        /// Its position, counted from 1.
        at: usize,
    },
    /// It is out of range or not a number.
    #[error("can't be `{0}`")]
    Value(String),
}

/// Why a hook can't set a setting to a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The value is null, and the setting is always sent.
    #[error("`{0}` has no value")]
    NoValue(&'static str),
    /// The value is a string, and the setting is a number.
    #[error("`{0}` is {1}, not a string")]
    Text(&'static str, String),
    /// The value has another wrong type.
    #[error("`{0}` is {1}")]
    Type(&'static str, String),
    /// The value breaks a rule.
    #[error("`{0}` {1}")]
    Value(&'static str, SettingProblem),
}

impl SettingRow {
    /// Whether the setting may be left out of a request.
    pub fn is_optional(&self) -> bool {
        self.default == SettingDefault::Unset
    }

    /// Removes line breaks at the end of a text: a YAML block (`tags: |`) always ends in one, unintentionally. A setting of the
    /// kind `Lines` stays unchanged.
    pub fn trim<'t>(&self, text: &'t str) -> &'t str {
        match self.kind {
            SettingKind::Lines { .. } => text,
            _ => text.trim_end_matches(['\n', '\r']),
        }
    }

    /// Checks a text as the setting's value.
    ///
    /// # Errors
    /// The first rule that the text breaks.
    pub fn parse(&self, text: &str) -> Result<SettingValue, SettingProblem> {
        let text = self.trim(text);
        if text.len() > SETTING_LIMIT_BYTES {
            return Err(SettingProblem::TooManyBytes(text.len()));
        }
        let is_line = matches!(self.kind, SettingKind::Line { .. });
        let is_allowed = |char: char| !is_line && matches!(char, '\n' | '\r' | '\t');
        if let Some((at, char)) = (1..)
            .zip(text.chars())
            .find(|(_, char)| char.is_control() && !is_allowed(*char))
        {
            return Err(SettingProblem::Control { char, at });
        }
        let no_value = || SettingProblem::Value(text.to_owned());
        match self.kind {
            SettingKind::Line { .. } if text.is_empty() => Err(SettingProblem::Empty),
            SettingKind::Tags {
                may_be_empty: false,
            }
            | SettingKind::Name
                if text.trim().is_empty() =>
            {
                Err(SettingProblem::Empty)
            }
            SettingKind::Line { max_chars } | SettingKind::Lines { max_chars } => {
                match text.chars().count() {
                    chars if chars > max_chars => Err(SettingProblem::TooLong { chars, max_chars }),
                    _ => Ok(text.into()),
                }
            }
            SettingKind::Tags { .. } | SettingKind::Name => Ok(text.into()),
            SettingKind::Choice(choices) => match choices.contains(&text) {
                true => Ok(text.into()),
                false => Err(no_value()),
            },
            SettingKind::Weight => {
                let number = text.trim().parse::<f64>().ok();
                let weight = number.and_then(|number| Weight::try_from(number).ok());
                weight.map(SettingValue::Weight).ok_or_else(no_value)
            }
            SettingKind::Whole { max } => {
                // JSON Schema counts `2.0` as a whole number.
                let number = text.trim();
                let whole = match number.split_once('.') {
                    Some((whole, "0" | "00")) => whole,
                    _ => number,
                };
                let whole = whole.parse::<u8>().ok();
                let whole = whole.filter(|whole| *whole <= max);
                whole.map(SettingValue::Whole).ok_or_else(no_value)
            }
        }
    }

    /// Checks JSON as the setting's value, by the same rules; `None` means "not sent".
    ///
    /// # Errors
    /// The first rule that the value breaks.
    pub fn read(&self, value: &Json) -> Result<Option<SettingValue>, SettingError> {
        let text = match value {
            Json::Null if self.is_optional() => return Ok(None),
            Json::Null => return Err(SettingError::NoValue(self.name)),
            Json::String(_) if self.kind.is_number() => {
                return Err(SettingError::Text(self.name, self.kind.expected()));
            }
            Json::String(text) => text.clone(),
            // In some script languages every number is a float: 3.0 is 3.
            Json::Number(number) => match (self.kind, number.as_f64()) {
                (SettingKind::Whole { .. }, Some(whole)) if whole.fract() == 0.0 => {
                    format!("{whole:.0}")
                }
                _ => number.to_string(),
            },
            Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
                return Err(SettingError::Type(self.name, self.kind.expected()));
            }
        };
        let value = self.parse(&text);
        value
            .map(Some)
            .map_err(|problem| SettingError::Value(self.name, problem))
    }

    /// Reads a stored value. It was checked before it was stored, so only its type is checked here.
    pub(super) fn stored(&self, value: &Json) -> Option<SettingValue> {
        match self.kind {
            SettingKind::Weight => {
                let weight = Weight::try_from(value.as_f64()?).ok()?;
                Some(SettingValue::Weight(weight))
            }
            SettingKind::Whole { .. } => {
                let whole = u8::try_from(value.as_u64()?).ok()?;
                Some(SettingValue::Whole(whole))
            }
            _ => value.as_str().map(SettingValue::from),
        }
    }
}
