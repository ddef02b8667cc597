//! What a hook says: nothing, a change or a veto; and what a change makes of a job's settings.
//!
//! Reading is liberal where the protocol may grow (unknown fields are passed over) and strict where money hangs on it: a change
//! names settings only, and each value is checked exactly as a manifest's is.

use backline_api::{VocalGender, Weight};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::HookPoint;
use crate::manifest::{SETTING_NAMES, check_setting, nearest_name};
use crate::plan::{JobKey, Settings};

/// Longest answer, and longest line of a service.
pub const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// Most unknown fields that a message names.
const MAX_SHOWN_FIELDS: usize = 5;

/// Longest reason of a veto that is kept, in characters.
const MAX_WHY_CHARS: usize = 500;

/// What a hook said to one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing: go on.
    Nothing,
    /// Send these settings instead.
    Change(Map<String, Json>),
    /// Don't buy this job.
    Veto(String),
    /// Something in which nothing is known; these are its fields. Where a hook decides, that is an error: a `{"Veto": …}` would buy.
    Unknown(Vec<String>),
}

/// What all hooks of a point together decided on a job, as it is recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Verdict {
    /// It goes on as it is.
    Pass,
    /// It goes on with other settings, and so as another job.
    Change {
        /// That job's key.
        key: JobKey,
        /// What is sent.
        settings: Box<Settings>,
    },
    /// It is not bought.
    Veto {
        /// Why.
        why: String,
    },
    /// A hook failed, so that it is not bought this time.
    Fail {
        /// What went wrong.
        message: String,
    },
}

impl Answer {
    /// Reads what a hook wrote. Nothing at all is an answer too.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        if text.trim().is_empty() {
            return Ok(Self::Nothing);
        }
        let json: Json = serde_json::from_str(text)
            .map_err(|error| format!("it is not JSON ({error}): {}", excerpt(text)))?;
        Self::of(&json)
    }

    /// Reads a parsed answer.
    pub fn of(json: &Json) -> Result<Self, String> {
        let fields = match json {
            Json::Null => return Ok(Self::Nothing),
            Json::Object(fields) => fields,
            other => return Err(format!("an answer is a JSON object, not {other:.60}")),
        };
        let given = |name| fields.get(name).filter(|value| !value.is_null());
        match (given("veto"), given("change")) {
            (None, None) if !fields.is_empty() && !fields.keys().any(|it| is_known(it)) => Ok(
                Self::Unknown(fields.keys().take(MAX_SHOWN_FIELDS).cloned().collect()),
            ),
            (None, None) => Ok(Self::Nothing),
            (Some(_), Some(_)) => Err("it both changes and vetoes the job".to_owned()),
            (Some(Json::String(why)), None) => {
                let why = why.trim();
                let why = if why.is_empty() {
                    "no reason given"
                } else {
                    why
                };
                Ok(Self::Veto(why.chars().take(MAX_WHY_CHARS).collect()))
            }
            (Some(_), None) => Err("`veto` is the reason, a string".to_owned()),
            (None, Some(Json::Object(change))) => Ok(Self::Change(change.clone())),
            (None, Some(_)) => Err("`change` is an object of settings".to_owned()),
        }
    }

    /// Refuses what can't be said at `point`.
    pub fn allowed_at(self, point: HookPoint) -> Result<Self, String> {
        match self {
            Self::Change(_) | Self::Veto(_) if !point.asks() => Err(format!(
                "at `{point}` a hook observes: only `before_upload` and `before_submit` may change or veto"
            )),
            Self::Unknown(fields) if point.asks() => {
                let names: Vec<String> = fields
                    .iter()
                    .map(|it| format!("`{}`", excerpt(it)))
                    .collect();
                let near = fields
                    .iter()
                    .find_map(|it| nearest_name(it, &["veto", "change"]));
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                Err(format!(
                    "it has neither `veto` nor `change`, but {}: `{{}}` lets a job pass{near}",
                    names.join(", ")
                ))
            }
            // Where hooks observe, they may print whatever they like.
            Self::Unknown(_) => Ok(Self::Nothing),
            answer => Ok(answer),
        }
    }
}

/// Whether a field means something in an answer.
fn is_known(name: &str) -> bool {
    matches!(name, "veto" | "change" | "id")
}

/// As much of a text as a message needs.
fn excerpt(text: &str) -> String {
    text.trim()
        .chars()
        .take(80)
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect()
}

/// The settings that a change makes of others.
///
/// # Errors
/// What is wrong with the change, in a sentence; nothing of it is taken then.
pub fn changed(settings: &Settings, change: &Map<String, Json>) -> Result<Settings, String> {
    let mut changed = settings.clone();
    for (name, value) in change {
        if !SETTING_NAMES.contains(&name.as_str()) {
            let near = nearest_name(name, &SETTING_NAMES);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(format!("`{name}` is no setting that can be changed{near}"));
        }
        change_one(&mut changed, name, value)?;
    }
    Ok(changed)
}

fn change_one(settings: &mut Settings, name: &str, value: &Json) -> Result<(), String> {
    let text = check_setting(name, value)?;
    let weight = |text: Option<String>| {
        text.and_then(|text| text.trim().parse::<f64>().ok())
            .and_then(|number| Weight::try_from(number).ok())
    };
    match name {
        "title" => settings.title = text.unwrap_or_default(),
        "tags" => settings.tags = text.unwrap_or_default(),
        "negative_tags" => settings.negative_tags = text.unwrap_or_default(),
        "model" => settings.model = text.unwrap_or_default(),
        "vocal_gender" => {
            settings.vocal_gender = text.map(|text| match text.as_str() {
                "m" => VocalGender::M,
                _ => VocalGender::F,
            });
        }
        "style_weight" => settings.style_weight = weight(text),
        "weirdness_constraint" => settings.weirdness_constraint = weight(text),
        "audio_weight" => settings.audio_weight = weight(text),
        "lyrics" => settings.lyrics = text,
        _ => settings.variety = text.and_then(|text| text.trim().parse().ok()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Settings {
        Settings {
            title: "Verse".into(),
            tags: "calm piano".into(),
            negative_tags: String::new(),
            model: "V4_5PLUS".into(),
            vocal_gender: None,
            style_weight: None,
            weirdness_constraint: None,
            audio_weight: None,
            lyrics: None,
            variety: None,
        }
    }

    #[test]
    fn answers_are_read_with_what_may_come_later() {
        #[track_caller]
        fn check(text: &str, expected: Result<Answer, &str>) {
            let found = Answer::read(text.as_bytes());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                _ => panic!("{text}: {found:?}"),
            }
        }
        check("", Ok(Answer::Nothing));
        check(" \n", Ok(Answer::Nothing));
        check("null", Ok(Answer::Nothing));
        check("{}", Ok(Answer::Nothing));
        check(r#"{"id": 1}"#, Ok(Answer::Nothing));
        check(
            r#"{"later": [1]}"#,
            Ok(Answer::Unknown(vec!["later".into()])),
        );
        check(
            r#"{"later": [1], "veto": "x"}"#,
            Ok(Answer::Veto("x".into())),
        );
        check(
            r#"{"veto": " too loud "}"#,
            Ok(Answer::Veto("too loud".into())),
        );
        check(
            r#"{"veto": ""}"#,
            Ok(Answer::Veto("no reason given".into())),
        );
        check(r#"{"veto": null, "change": null}"#, Ok(Answer::Nothing));
        check(r#"{"veto": true}"#, Err("a string"));
        check(r#"{"change": []}"#, Err("an object"));
        check(r#"{"veto": "x", "change": {}}"#, Err("both"));
        check("hello", Err("not JSON"));
        check("[1]", Err("a JSON object"));
    }

    #[test]
    fn an_answer_without_a_known_field_is_an_error_where_hooks_decide() {
        let answer = || Answer::read(br#"{"Veto": "too loud"}"#).unwrap();
        assert_eq!(
            answer().allowed_at(HookPoint::BeforeSubmit).unwrap_err(),
            "it has neither `veto` nor `change`, but `Veto`: `{}` lets a job pass; did you mean `veto`?"
        );
        let observed = answer().allowed_at(HookPoint::TrackKept);
        assert_eq!(observed, Ok(Answer::Nothing));
    }

    #[test]
    fn a_change_is_checked_as_a_manifest_value_is() {
        #[track_caller]
        fn check(change: Json, expected: Result<fn(&mut Settings), &str>) {
            let Json::Object(fields) = &change else {
                panic!("an object");
            };
            match (changed(&settings(), fields), expected) {
                (Ok(found), Ok(expected)) => {
                    let mut wanted = settings();
                    expected(&mut wanted);
                    assert_eq!(found, wanted, "{change}");
                }
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected), "{change}: {found}")
                }
                (found, _) => panic!("{change}: {found:?}"),
            }
        }
        check(json!({"tags": "x"}), Ok(|it| it.tags = "x".into()));
        check(
            json!({"style_weight": 0.61}),
            Ok(|it| it.style_weight = Weight::from_hundredths(61)),
        );
        check(
            json!({"vocal_gender": "f", "variety": 3}),
            Ok(|it| {
                it.vocal_gender = Some(VocalGender::F);
                it.variety = Some(3);
            }),
        );
        check(json!({"lyrics": null}), Ok(|_| {}));
        check(
            json!({"title": "x".repeat(101)}),
            Err("101 characters, 100 are allowed"),
        );
        check(json!({"title": ""}), Err("is empty"));
        check(json!({"title": null}), Err("has no value"));
        check(json!({"tags": ["a"]}), Err("`tags` is a string"));
        check(json!({"style_weight": 0.615}), Err("can't be"));
        check(json!({"style_weight": "0.61"}), Err("not a string"));
        check(json!({"vocal_gender": "x"}), Err("can't be `x`"));
        check(json!({"variety": 5}), Err("can't be `5`"));
        check(json!({"tag": "x"}), Err("did you mean `tags`?"));
        check(json!({"upload_url": "https://x"}), Err("no setting"));
    }
}
