//! Settings: their table, and the values of one request.

mod choices;
mod row;
mod table;

use std::fmt;
use std::sync::Arc;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

pub use self::choices::{ChoiceError, Choices};
pub(crate) use self::choices::{STEM_TYPES, STEMS_SETTINGS};
pub use self::row::{
    SETTING_LIMIT_BYTES, SettingDefault, SettingError, SettingKind, SettingProblem, SettingRow,
    SettingValue,
};
pub use self::table::{SETTINGS, Setting};

/// All values that a request sends except its addresses, in the order of the settings table.
///
/// It serialises as an object with the settings' names. Deserialising ignores unknown names, so that files of later versions
/// can be read. Clones share the values until one is changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings(Arc<Vec<(Setting, SettingValue)>>);

impl Settings {
    /// The value of a setting; `None` if it is not sent.
    pub fn get(&self, setting: Setting) -> Option<&SettingValue> {
        let at = self.place(setting).ok()?;
        Some(&self.0[at].1)
    }

    /// The text of a setting; empty if it is not sent or is not a text.
    pub fn text(&self, setting: Setting) -> &str {
        let value = self.get(setting).and_then(SettingValue::as_text);
        value.unwrap_or_default()
    }

    /// Sets or removes the value of a setting.
    pub fn set(&mut self, setting: Setting, value: Option<SettingValue>) {
        let place = self.place(setting);
        let values = Arc::make_mut(&mut self.0);
        match (place, value) {
            (Ok(at), Some(value)) => values[at].1 = value,
            (Ok(at), None) => drop(values.remove(at)),
            (Err(at), Some(value)) => values.insert(at, (setting, value)),
            (Err(_), None) => {}
        }
    }

    /// The same settings with another text for one of them.
    #[must_use]
    pub fn with(mut self, setting: Setting, text: &str) -> Self {
        self.set(setting, Some(text.into()));
        self
    }

    /// Whether no setting is set. The settings of a step's request are empty, because a step has [`Choices`] instead.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The settings that are set, in the table's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static SettingRow, &SettingValue)> {
        self.0.iter().map(|(setting, value)| (setting.row(), value))
    }

    fn place(&self, setting: Setting) -> Result<usize, usize> {
        self.0.binary_search_by_key(&setting, |(it, _)| *it)
    }
}

impl FromIterator<(Setting, SettingValue)> for Settings {
    fn from_iter<I: IntoIterator<Item = (Setting, SettingValue)>>(values: I) -> Self {
        let mut settings = Self::default();
        for (setting, value) in values {
            settings.set(setting, Some(value));
        }
        settings
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(row, value)| (row.name, value.to_json())))
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Settings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of settings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Settings, A::Error> {
                let mut settings = Settings::default();
                while let Some((name, value)) = fields.next_entry::<String, Value>()? {
                    let Some(setting) = Setting::named(&name) else {
                        continue;
                    };
                    if value.is_null() && setting.is_optional() {
                        continue;
                    }
                    let stored = setting.stored(&value);
                    let value = stored.ok_or_else(|| {
                        A::Error::custom(format!(
                            "the value of `{name}` is not valid for a setting: {value:.60}"
                        ))
                    })?;
                    settings.set(setting, Some(value));
                }
                let mut missing =
                    Setting::all().filter(|it| !it.is_optional() && settings.get(*it).is_none());
                match missing.next() {
                    Some(setting) => Err(A::Error::missing_field(setting.name)),
                    None => Ok(settings),
                }
            }
        }

        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_stored_and_read_again() {
        let stored = json!({"title": "Verse", "tags": "calm", "negative_tags": "", "model": "V5",
            "vocal_gender": "f", "style_weight": 0.61, "lyrics": "la\n", "variety": 2});
        let settings: Settings = serde_json::from_value(stored.clone()).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), stored);
        assert_eq!(settings.text(Setting::TAGS), "calm");
        let mut later = stored.clone();
        later["of_a_later_version"] = 7.into();
        later["variety"] = 2.into();
        assert_eq!(serde_json::from_value::<Settings>(later).unwrap(), settings);
        for (name, value) in [
            ("tags", json!(null)),
            ("style_weight", json!(0.615)),
            ("variety", json!("2")),
        ] {
            let mut broken = stored.clone();
            broken[name] = value;
            let error = serde_json::from_value::<Settings>(broken).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert!(serde_json::from_value::<Settings>(json!({"title": "x"})).is_err());
    }

    #[test]
    fn the_tables_order_is_kept() {
        let mut settings = Settings::default()
            .with(Setting::MODEL, "V5")
            .with(Setting::TITLE, "Verse");
        settings.set(Setting::TAGS, Some("calm".into()));
        settings.set(Setting::MODEL, None);
        let names: Vec<&str> = settings.iter().map(|(row, _)| row.name).collect();
        assert_eq!(names, ["title", "tags"]);
    }
}
