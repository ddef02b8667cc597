//! The settings of a job: their names, and what each may be.

use std::sync::Arc;

use backline_api::{VocalGender, Weight};

use crate::manifest::source::budget::MAX_TEXT_BYTES;

/// Longest title, in characters: the contract's limit.
pub(crate) const MAX_TITLE: usize = 100;

/// Longest lyrics, in characters.
pub(crate) const MAX_LYRICS: usize = 5_000;

/// A setting's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Setting {
    Title,
    Tags,
    NegativeTags,
    Model,
    VocalGender,
    StyleWeight,
    WeirdnessConstraint,
    AudioWeight,
    Lyrics,
    Variety,
}

impl Setting {
    /// All of them, in the order in which keys hash them.
    pub(crate) const ALL: [Self; 10] = [
        Self::Title,
        Self::Tags,
        Self::NegativeTags,
        Self::Model,
        Self::VocalGender,
        Self::StyleWeight,
        Self::WeirdnessConstraint,
        Self::AudioWeight,
        Self::Lyrics,
        Self::Variety,
    ];

    /// Its key in a manifest.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Tags => "tags",
            Self::NegativeTags => "negative_tags",
            Self::Model => "model",
            Self::VocalGender => "vocal_gender",
            Self::StyleWeight => "style_weight",
            Self::WeirdnessConstraint => "weirdness_constraint",
            Self::AudioWeight => "audio_weight",
            Self::Lyrics => "lyrics",
            Self::Variety => "variety",
        }
    }

    /// The setting with this key.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|setting| setting.name() == name)
    }

    /// Whether it may be left out of a request.
    pub(crate) fn optional(self) -> bool {
        !matches!(
            self,
            Self::Title | Self::Tags | Self::NegativeTags | Self::Model
        )
    }
}

/// The keys of all settings.
pub(crate) const NAMES: [&str; 10] = {
    let mut names = [""; 10];
    let mut at = 0;
    while at < 10 {
        names[at] = Setting::ALL[at].name();
        at += 1;
    }
    names
};

/// A setting's value, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Typed {
    Text(Arc<str>),
    Gender(VocalGender),
    Weight(Weight),
    Variety(u8),
    /// `null`: not sent, whatever a weaker place says.
    Unset,
}

/// Checks a value that a hook gives for the setting `name`, by the same rules as a manifest's; `None` is "not sent". The error
/// is a sentence.
pub(crate) fn check(name: &str, value: &serde_json::Value) -> Result<Option<String>, SettingError> {
    use serde_json::Value as Json;
    let setting = Setting::named(name).ok_or_else(|| SettingError::Unknown(name.to_owned()))?;
    let numeric = matches!(
        setting,
        Setting::StyleWeight
            | Setting::WeirdnessConstraint
            | Setting::AudioWeight
            | Setting::Variety
    );
    let text = match value {
        Json::Null if setting.optional() => return Ok(None),
        Json::Null => return Err(SettingError::NoValue(setting.name())),
        Json::String(_) if numeric => return Err(SettingError::Text(setting)),
        Json::String(text) => text.clone(),
        // A script's numbers may be floats throughout: 3.0 is 3.
        Json::Number(number) if setting == Setting::Variety => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 => format!("{whole:.0}"),
            _ => number.to_string(),
        },
        Json::Number(number) => number.to_string(),
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => {
            return Err(SettingError::Kind(setting));
        }
    };
    match typed(setting, &text) {
        Ok(Typed::Text(text)) => Ok(Some(text.as_ref().to_owned())),
        Ok(_) => Ok(Some(text)),
        Err(problem) => Err(SettingError::Value(setting.name(), problem)),
    }
}

/// Why a text is not a setting's value; the message follows the setting's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingProblem {
    #[error("is empty")]
    Empty,
    #[error("has {0} bytes, {MAX_TEXT_BYTES} are allowed")]
    TooManyBytes(usize),
    #[error("has {0} characters, {MAX_TITLE} are allowed")]
    LongTitle(usize),
    #[error("have {0} characters, {MAX_LYRICS} are allowed")]
    LongLyrics(usize),
    #[error("has the control character U+{:04X} as its character {at}", u32::from(*.char))]
    Control { char: char, at: usize },
    #[error("can't be `{0}`")]
    Value(String),
}

/// Why a hook can't give a setting a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingError {
    #[error("there is no setting `{0}`")]
    Unknown(String),
    #[error("`{0}` has no value")]
    NoValue(&'static str),
    #[error("`{}` is {}, not a string", .0.name(), expected(*.0))]
    Text(Setting),
    #[error("`{}` is {}", .0.name(), expected(*.0))]
    Kind(Setting),
    #[error("`{0}` {1}")]
    Value(&'static str, SettingProblem),
}

/// What a setting is.
pub(crate) fn expected(setting: Setting) -> &'static str {
    match setting {
        Setting::Title => "a string of 1 to 100 characters",
        Setting::Tags => "a string that is not empty",
        Setting::NegativeTags | Setting::Model => "a string",
        Setting::VocalGender => "`m` or `f`",
        Setting::StyleWeight | Setting::WeirdnessConstraint | Setting::AudioWeight => {
            "a multiple of 0.01 from 0 to 1"
        }
        Setting::Lyrics => "a string of at most 5000 characters",
        Setting::Variety => "a whole number from 0 to 4",
    }
}

/// A text without the line breaks at its end: a YAML block (`tags: |`) always has one there, and nobody means it. Lyrics are kept
/// as they are written.
pub(crate) fn trimmed(setting: Setting, text: &str) -> &str {
    match setting {
        Setting::Lyrics => text,
        _ => text.trim_end_matches(['\n', '\r']),
    }
}

/// The character that a setting's text can't have, and its place from 1.
fn forbidden(setting: Setting, text: &str) -> Option<(usize, char)> {
    let allowed = |char: char| match setting {
        Setting::Title => false,
        _ => matches!(char, '\n' | '\r' | '\t'),
    };
    (1..)
        .zip(text.chars())
        .find(|(_, char)| char.is_control() && !allowed(*char))
}

/// Checks a text as a setting's value; the error goes after the setting's name.
pub(crate) fn typed(setting: Setting, text: &str) -> Result<Typed, SettingProblem> {
    let text = trimmed(setting, text);
    if text.len() > MAX_TEXT_BYTES {
        return Err(SettingProblem::TooManyBytes(text.len()));
    }
    if let Some((at, char)) = forbidden(setting, text) {
        return Err(SettingProblem::Control { char, at });
    }
    match setting {
        Setting::Title => match text.chars().count() {
            0 => Err(SettingProblem::Empty),
            length if length > MAX_TITLE => Err(SettingProblem::LongTitle(length)),
            _ => Ok(Typed::Text(text.into())),
        },
        Setting::Tags | Setting::Model if text.trim().is_empty() => Err(SettingProblem::Empty),
        Setting::Tags | Setting::NegativeTags | Setting::Model => Ok(Typed::Text(text.into())),
        Setting::Lyrics => match text.chars().count() {
            length if length > MAX_LYRICS => Err(SettingProblem::LongLyrics(length)),
            _ => Ok(Typed::Text(text.into())),
        },
        Setting::VocalGender => match text {
            "m" => Ok(Typed::Gender(VocalGender::M)),
            "f" => Ok(Typed::Gender(VocalGender::F)),
            other => Err(SettingProblem::Value(other.to_owned())),
        },
        Setting::StyleWeight | Setting::WeirdnessConstraint | Setting::AudioWeight => {
            let weight = text
                .trim()
                .parse::<f64>()
                .ok()
                .and_then(|number| Weight::try_from(number).ok());
            weight
                .map(Typed::Weight)
                .ok_or_else(|| SettingProblem::Value(text.to_owned()))
        }
        Setting::Variety => match text.trim().parse::<u8>() {
            Ok(variety @ 0..=4) => Ok(Typed::Variety(variety)),
            _ => Err(SettingProblem::Value(text.to_owned())),
        },
    }
}
