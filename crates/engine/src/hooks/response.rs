//! The response of a hook: nothing, a change, a veto or a delay; and the settings after a change.
//!
//! Unknown fields are ignored, so that the protocol can grow. A change names settings only, and each value is checked like a
//! manifest's. Only a hook of `plan_job` can change a job.

use backline_api::Setting;
use serde_json::{Map, Value as Json, json};

use super::HookPoint;
use crate::duration::parse_duration;
use crate::nearest::nearest;
use crate::plan::HookRefusal;
use crate::settings::Settings;

/// Longest response, and longest line of a service.
pub const RESPONSE_LIMIT_BYTES: usize = 1024 * 1024;

/// Longest delay of a job, in milliseconds: an hour.
pub const MAX_DELAY_MS: u64 = 3_600_000;

/// Most unknown fields that a message names.
const MAX_SHOWN_FIELDS: usize = 5;

/// Longest reason of a veto that is kept, in characters.
const MAX_WHY_CHARS: usize = 500;

/// The response of a hook to one event.
#[derive(Debug, Clone, PartialEq)]
pub enum HookResponse {
    /// Nothing: go on.
    Nothing,
    /// Plan the job with these settings.
    Change(Map<String, Json>),
    /// Don't buy this job.
    Veto(String),
    /// Call the hook again for this job after so many milliseconds; other jobs go on.
    Delay(u64),
    /// No known field; these are its fields. An error where a hook decides: a `{"Veto": …}` would buy.
    Unknown(Vec<String>),
}

/// What the hooks of a point decided on a job together. A [`HookResponse`] is of one hook, and the ledger has a
/// [`Verdict`](crate::event::Verdict).
#[derive(Debug, Clone, PartialEq)]
pub enum HookDecision {
    /// The job goes on.
    Pass,
    /// The job is not bought by this run.
    Refuse(HookRefusal),
    /// The hooks are called again after so many milliseconds.
    Delay(u64),
}

/// Why a response can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// It is not JSON, or not of the protocol.
    #[error("{0}")]
    Malformed(String),
    /// It decides where hooks observe.
    #[error(
        "at `{0}` a hook observes: a veto belongs to `plan_job`, `before_upload` or `before_submit`, a change to `plan_job`"
    )]
    Observes(HookPoint),
    /// It changes a job that is planned already.
    #[error(
        "at `{0}` a job can't be changed any more: move the hook to `plan_job`, which runs when the plan is made"
    )]
    ChangesPlanned(HookPoint),
    /// It delays a job that is not bought yet by any run.
    #[error("at `plan_job` nothing can be delayed: use `before_upload` or `before_submit`")]
    DelaysPlanning,
    /// A change names no setting, or gives it a value that it can't have.
    #[error("{0}")]
    BadChange(String),
}

impl HookResponse {
    /// Reads the output of a hook. No output is [`HookResponse::Nothing`].
    ///
    /// # Errors
    /// When it is not UTF-8, not JSON, or not of the protocol.
    pub fn read(bytes: &[u8]) -> Result<Self, ResponseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        if text.trim().is_empty() {
            return Ok(Self::Nothing);
        }
        let json: Json = serde_json::from_str(text).map_err(|error| {
            ResponseError::Malformed(format!("it is not JSON ({error}): {}", excerpt(text)))
        })?;
        Self::of(&json)
    }

    /// Reads a parsed response.
    ///
    /// # Errors
    /// When it is not of the protocol.
    pub fn of(json: &Json) -> Result<Self, ResponseError> {
        let fields = match json {
            Json::Null => return Ok(Self::Nothing),
            Json::Object(fields) => fields,
            other => {
                let why = format!("a response is a JSON object, not {other:.60}");
                return Err(ResponseError::Malformed(why));
            }
        };
        let given = |name: &str| fields.get(name).filter(|value| !value.is_null());
        let decisions: Vec<&str> = DECISIONS
            .into_iter()
            .filter(|name| given(name).is_some())
            .collect();
        match decisions.as_slice() {
            [] if !fields.is_empty() && !fields.keys().any(|it| is_known(it)) => Ok(Self::Unknown(
                fields.keys().take(MAX_SHOWN_FIELDS).cloned().collect(),
            )),
            [] => Ok(Self::Nothing),
            ["veto"] => Self::veto(given("veto")),
            ["delay"] => Self::delay(given("delay")),
            ["change"] => match given("change") {
                Some(Json::Object(change)) => Ok(Self::Change(change.clone())),
                _ => Err(malformed("`change` is an object of settings")),
            },
            several => Err(ResponseError::Malformed(format!(
                "it says {} at once",
                several.join(" and ")
            ))),
        }
    }

    fn veto(why: Option<&Json>) -> Result<Self, ResponseError> {
        let Some(Json::String(why)) = why else {
            return Err(malformed("`veto` is the reason, a string"));
        };
        let why = match why.trim() {
            "" => "no reason given",
            why => why,
        };
        Ok(Self::Veto(why.chars().take(MAX_WHY_CHARS).collect()))
    }

    fn delay(wait: Option<&Json>) -> Result<Self, ResponseError> {
        let expected = || malformed("`delay` is a duration as in a manifest, such as \"30s\"");
        let Some(Json::String(wait)) = wait else {
            return Err(expected());
        };
        let wait_ms = parse_duration(wait).and_then(|wait| u64::try_from(wait.as_millis()).ok());
        match wait_ms {
            Some(wait_ms) if wait_ms <= MAX_DELAY_MS => Ok(Self::Delay(wait_ms)),
            Some(_) => Err(malformed("`delay` is at most an hour")),
            None => Err(expected()),
        }
    }

    /// Returns the response as the protocol writes it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Nothing | Self::Unknown(_) => json!({}),
            Self::Change(settings) => json!({ "change": settings }),
            Self::Veto(why) => json!({ "veto": why }),
            Self::Delay(wait_ms) => json!({ "delay": format!("{wait_ms}ms") }),
        }
    }

    /// Refuses a response that is not allowed at `point`.
    ///
    /// # Errors
    /// When it decides where hooks observe, or changes a job after it was planned, or has no known field.
    pub fn allowed_at(self, point: HookPoint) -> Result<Self, ResponseError> {
        match self {
            Self::Change(_) | Self::Veto(_) | Self::Delay(_) if !point.decides() => {
                Err(ResponseError::Observes(point))
            }
            Self::Change(_) if point != HookPoint::PlanJob => {
                Err(ResponseError::ChangesPlanned(point))
            }
            Self::Delay(_) if point == HookPoint::PlanJob => Err(ResponseError::DelaysPlanning),
            Self::Unknown(fields) if point.decides() => {
                let names: Vec<String> = fields
                    .iter()
                    .map(|it| format!("`{}`", excerpt(it)))
                    .collect();
                let near = fields.iter().find_map(|it| nearest(it, DECISIONS));
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                Err(ResponseError::Malformed(format!(
                    "it has no known field, but {}: `{{}}` lets a job pass{near}",
                    names.join(", ")
                )))
            }
            // Where hooks observe, they may print whatever they like.
            Self::Unknown(_) => Ok(Self::Nothing),
            response => Ok(response),
        }
    }
}

fn malformed(why: &str) -> ResponseError {
    ResponseError::Malformed(why.to_owned())
}

/// The fields by which a hook decides.
const DECISIONS: [&str; 3] = ["veto", "change", "delay"];

/// Whether a field has a meaning in a response.
fn is_known(name: &str) -> bool {
    name == "id" || DECISIONS.contains(&name)
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
/// What is wrong with the change; nothing of it is taken then.
pub fn changed(settings: &Settings, change: &Map<String, Json>) -> Result<Settings, ResponseError> {
    let mut changed = settings.clone();
    for (name, value) in change {
        let setting = Setting::named(name).ok_or_else(|| {
            let near = nearest(name, Setting::NAMES);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            ResponseError::BadChange(format!("`{name}` is no setting that can be changed{near}"))
        })?;
        let value = setting.read(value);
        changed.set(
            setting,
            value.map_err(|error| ResponseError::BadChange(error.to_string()))?,
        );
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn responses_are_read_with_fields_that_may_come_later() {
        #[track_caller]
        fn check(text: &str, expected: Result<HookResponse, &str>) {
            let found = HookResponse::read(text.as_bytes()).map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{text}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
                _ => panic!("{text}: {found:?}"),
            }
        }
        check("", Ok(HookResponse::Nothing));
        check(" \n", Ok(HookResponse::Nothing));
        check("null", Ok(HookResponse::Nothing));
        check("{}", Ok(HookResponse::Nothing));
        check(r#"{"id": 1}"#, Ok(HookResponse::Nothing));
        check(
            r#"{"later": [1]}"#,
            Ok(HookResponse::Unknown(vec!["later".into()])),
        );
        check(
            r#"{"later": [1], "veto": "x"}"#,
            Ok(HookResponse::Veto("x".into())),
        );
        check(
            r#"{"veto": " too loud "}"#,
            Ok(HookResponse::Veto("too loud".into())),
        );
        check(
            r#"{"veto": ""}"#,
            Ok(HookResponse::Veto("no reason given".into())),
        );
        check(
            r#"{"veto": null, "change": null}"#,
            Ok(HookResponse::Nothing),
        );
        check(r#"{"veto": true}"#, Err("a string"));
        check(r#"{"change": []}"#, Err("an object"));
        check(
            r#"{"veto": "x", "change": {}}"#,
            Err("veto and change at once"),
        );
        check(r#"{"delay": "30s"}"#, Ok(HookResponse::Delay(30_000)));
        check(r#"{"delay": 30}"#, Err("a duration"));
        check(r#"{"delay": "0s"}"#, Err("a duration"));
        check(r#"{"delay": "2h"}"#, Err("at most an hour"));
        check("hello", Err("not JSON"));
        check("[1]", Err("a JSON object"));
    }

    #[test]
    fn a_response_without_a_known_field_is_an_error_where_hooks_decide() {
        let response = || HookResponse::read(br#"{"Veto": "too loud"}"#).unwrap();
        assert_eq!(
            response()
                .allowed_at(HookPoint::BeforeSubmit)
                .unwrap_err()
                .to_string(),
            "it has no known field, but `Veto`: `{}` lets a job pass; did you mean `veto`?"
        );
        let observed = response().allowed_at(HookPoint::TrackKept);
        assert_eq!(observed, Ok(HookResponse::Nothing));
    }

    #[test]
    fn a_job_is_changed_when_it_is_planned_and_at_no_other_time() {
        let change = || HookResponse::read(br#"{"change": {"tags": "x"}}"#).unwrap();
        assert!(change().allowed_at(HookPoint::PlanJob).is_ok());
        for point in [HookPoint::BeforeUpload, HookPoint::BeforeSubmit] {
            let refused = change().allowed_at(point).unwrap_err();
            assert_eq!(refused, ResponseError::ChangesPlanned(point));
            assert!(refused.to_string().contains("move the hook to `plan_job`"));
        }
        let delay = || HookResponse::Delay(1);
        assert!(delay().allowed_at(HookPoint::BeforeSubmit).is_ok());
        assert!(delay().allowed_at(HookPoint::PlanJob).is_err());
    }

    #[test]
    fn a_change_is_checked_as_a_manifest_value_is() {
        #[track_caller]
        fn check(change: Json, expected: Result<(), &str>) {
            let Json::Object(fields) = &change else {
                panic!("an object");
            };
            let before = crate::settings::sample_settings();
            let found = changed(&before, fields).map_err(|error| error.to_string());
            match (found, expected) {
                (Ok(found), Ok(())) => {
                    let mut wanted = serde_json::to_value(&before).unwrap();
                    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                        wanted[name] = value.clone();
                    }
                    assert_eq!(serde_json::to_value(&found).unwrap(), wanted, "{change}");
                }
                (Err(found), Err(expected)) => {
                    assert!(found.contains(expected), "{change}: {found}")
                }
                (found, _) => panic!("{change}: {found:?}"),
            }
        }
        check(json!({"tags": "x"}), Ok(()));
        check(json!({"style_weight": 0.61}), Ok(()));
        check(json!({"vocal_gender": "f", "variety": 3}), Ok(()));
        check(json!({"lyrics": null}), Ok(()));
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
