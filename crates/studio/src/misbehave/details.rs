//! A script of polls: the details that successive polls of a task show instead of the true ones. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Builder;

use super::times::Times;

/// One step of a script. A field that is left out stays as in the true details.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DetailsStep {
    /// The number of polls that show it.
    pub(crate) polls: Times,
    /// The status.
    pub(crate) status: Option<String>,
    /// `errorCode`.
    pub(crate) error_code: Option<i64>,
    /// The number of visible tracks, and the addresses of each.
    pub(crate) tracks: Option<Vec<ShownAudio>>,
    /// The tracks' ids.
    pub(crate) ids: Ids,
    /// The task whose details are shown.
    pub(crate) of: Whose,
}

/// The addresses of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ShownAudio {
    /// Unchanged.
    Ready,
    /// All `null`.
    Null,
    /// All empty texts.
    Empty,
    /// Only `sourceAudioUrl`; the others are `null`.
    SourceOnly,
    /// Only `streamAudioUrl`; the others are `null`.
    StreamOnly,
    /// The fields are missing.
    Missing,
    /// The addresses of the first track.
    First,
}

/// The ids of the tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ids {
    /// Unchanged.
    #[default]
    AsIs,
    /// Different ids at each poll.
    Changing,
    /// The same id for every track.
    Equal,
    /// The field is missing.
    Missing,
}

/// The task whose details are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Whose {
    /// The requested task.
    #[default]
    This,
    /// The task that was accepted before it.
    Other,
}

const ADDRESSES: [&str; 4] = [
    "audioUrl",
    "sourceAudioUrl",
    "streamAudioUrl",
    "sourceStreamAudioUrl",
];

/// The step that the `number`th poll shows, counted from 1; `None` after the end of the script.
pub(crate) fn step(script: &[DetailsStep], number: u32) -> Option<&DetailsStep> {
    let mut left = number;
    for step in script {
        match step.polls {
            Times::Forever => return Some(step),
            Times::First(polls) if left <= polls => return Some(step),
            Times::First(polls) => left -= polls,
        }
    }
    None
}

impl DetailsStep {
    /// The mistake in the step, if there is one.
    pub(crate) fn mistake(&self) -> Option<String> {
        (self.status.as_deref() == Some("")).then(|| "a step's `status` is empty".to_owned())
    }

    /// Changes the details that the `number`th poll shows.
    pub(crate) fn apply(&self, data: &mut Value, number: u32) {
        if let Some(status) = &self.status {
            data["status"] = status.as_str().into();
        }
        if let Some(code) = self.error_code {
            data["errorCode"] = code.into();
            data["errorMessage"] = "The task failed.".into();
        }
        let Some(tracks) = data
            .pointer_mut("/response/sunoData")
            .and_then(Value::as_array_mut)
        else {
            return;
        };
        if let Some(shown) = &self.tracks {
            tracks.truncate(shown.len());
            let first = tracks.first().cloned().unwrap_or_default();
            for (track, shown) in tracks.iter_mut().zip(shown) {
                show(track, *shown, &first);
            }
        }
        for (track, place) in tracks.iter_mut().zip(1_u32..) {
            let salt = match self.ids {
                Ids::AsIs => continue,
                Ids::Changing => format!("poll {number}, track {place}"),
                Ids::Equal => "every track".to_owned(),
                Ids::Missing => {
                    if let Some(track) = track.as_object_mut() {
                        track.shift_remove("id");
                    }
                    continue;
                }
            };
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&blake3::hash(salt.as_bytes()).as_bytes()[..16]);
            track["id"] = json!(Builder::from_random_bytes(bytes).into_uuid().to_string());
        }
    }
}

fn show(track: &mut Value, shown: ShownAudio, first: &Value) {
    let Some(fields) = track.as_object_mut() else {
        return;
    };
    let kept = match shown {
        ShownAudio::Ready => return,
        ShownAudio::SourceOnly => "sourceAudioUrl",
        ShownAudio::StreamOnly => "streamAudioUrl",
        ShownAudio::First => {
            for name in ADDRESSES {
                fields.insert(name.to_owned(), first[name].clone());
            }
            return;
        }
        ShownAudio::Null | ShownAudio::Empty | ShownAudio::Missing => "",
    };
    fields.shift_remove("mixAudioUrl");
    for name in ADDRESSES.into_iter().filter(|name| *name != kept) {
        match shown {
            ShownAudio::Missing => drop(fields.shift_remove(name)),
            ShownAudio::Empty => drop(fields.insert(name.to_owned(), json!(""))),
            _ => drop(fields.insert(name.to_owned(), Value::Null)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_each_other_and_end() {
        let of = |polls| DetailsStep {
            polls,
            ..DetailsStep::default()
        };
        let script = [of(Times::First(2)), of(Times::First(1))];
        let at = |number| step(&script, number).map(|step| step.polls);
        assert_eq!(
            [at(1), at(2), at(3), at(4)],
            [
                Some(Times::First(2)),
                Some(Times::First(2)),
                Some(Times::First(1)),
                None
            ]
        );
        let script = [of(Times::First(1)), of(Times::Forever), of(Times::First(1))];
        assert_eq!(
            step(&script, 900).map(|step| step.polls),
            Some(Times::Forever)
        );
    }
}
