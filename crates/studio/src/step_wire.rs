//! The wire format of steps: details and callbacks in the format of the imitated vendor. Pure.
//!
//! Every function returns a whole body, because a recovery's status is the code of the envelope.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::links::Links;
use crate::misbehave::{Codes, Fault, of_task};
use crate::operation::OperationKind;
use crate::stems;
use crate::store::tasks::{StoredTask, StoredTrack, TaskProgress};
use crate::wire::{self, TRACKS};

/// The values that a step's body is written with.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) links: &'a Links,
    pub(crate) codes: Codes,
    /// The notes of a MIDI task; `null` for every other task.
    pub(crate) notes: &'a Value,
}

/// The id of a stem, which a MIDI request names.
pub(crate) fn stem_id(task_id: &str, name: &str) -> String {
    wire::uuid_of(&format!("{task_id}/{name}")).to_string()
}

/// The code of a failed task without a code of its own.
const FAILED: i64 = 500;

/// The body of a step's details.
pub(crate) fn details(task: &StoredTask, with: Writing<'_>) -> Value {
    match task.kind {
        OperationKind::Recovery => recovered(task, with),
        OperationKind::Midi => {
            let done = task.stage == TaskProgress::Complete;
            success(json!({
                "taskId": task.id,
                "recordTaskId": -1,
                "audioId": field(task, "audioId"),
                "callbackUrl": field(task, "callBackUrl"),
                "createTime": task.accepted_ms,
                "completeTime": completed_ms(task),
                "midiData": if done { with.notes.clone() } else { Value::Null },
                "successFlag": flag(task),
                "errorCode": task.error_code.map(|code| code.to_string()),
                "errorMessage": task.error_message,
            }))
        }
        OperationKind::Wav | OperationKind::Stems | OperationKind::Song => {
            let is_wav = task.kind == OperationKind::Wav;
            let response = (task.stage == TaskProgress::Complete).then(|| match is_wav {
                true => json!({ "audioWavUrl": url(task, "wav", with) }),
                false => stems_info(task, with, Casing::Camel),
            });
            let track = task.parent_track.unwrap_or(1);
            let music_id = task.parent.as_deref().map(|id| wire::track_id(id, track));
            let time = |ms: i64| match is_wav {
                true => json!(civil(ms)),
                false => json!(ms),
            };
            success(json!({
                "taskId": task.id,
                "musicId": music_id.map(|id| id.to_string()),
                "callbackUrl": field(task, "callBackUrl"),
                "musicIndex": track.saturating_sub(1),
                "createTime": time(task.accepted_ms),
                "completeTime": completed_ms(task).map(time),
                "response": response,
                "successFlag": flag(task),
                "errorCode": task.error_code,
                "errorMessage": task.error_message,
            }))
        }
    }
}

/// The body of a step's callback.
pub(crate) fn callback(task: &StoredTask, with: Writing<'_>) -> Value {
    let done = task.stage == TaskProgress::Complete;
    let (code, message) = match done {
        true => (200, "success"),
        false => (
            task.error_code.unwrap_or(FAILED),
            task.error_message.as_deref().unwrap_or("The task failed."),
        ),
    };
    let data = match (task.kind, with.codes) {
        (OperationKind::Recovery, _) => return recovered(task, with),
        (OperationKind::Wav | OperationKind::Song, _) => {
            // The address has a camelCase name.
            let url = done.then(|| url(task, "wav", with));
            json!({ "audioWavUrl": url, "task_id": task.id })
        }
        (OperationKind::Stems, codes) => {
            let is_named = field(task, "type") == "split_stem_advanced";
            let name = match codes {
                Codes::Kie if !is_named => "vocal_separation_info",
                _ => "vocal_removal_info",
            };
            let info = done.then(|| stems_info(task, with, Casing::Snake));
            json!({ "task_id": task.id, name: info })
        }
        (OperationKind::Midi, Codes::Sunoapi) => {
            let data = if done {
                with.notes.clone()
            } else {
                Value::Null
            };
            return json!({ "task_id": task.id, "code": code, "msg": message, "data": data });
        }
        (OperationKind::Midi, Codes::Kie) => {
            let mut data = json!({ "taskId": task.id });
            if let (true, Some(notes)) = (done, with.notes.as_object()) {
                for (name, value) in notes {
                    data[name] = value.clone();
                }
            }
            data
        }
    };
    json!({ "code": code, "msg": message, "data": data })
}

fn success(data: Value) -> Value {
    json!({ "code": 200, "msg": "success", "data": data })
}

/// A field of the task's request.
fn field(task: &StoredTask, name: &str) -> Value {
    let request: Value = serde_json::from_str(&task.request).unwrap_or_default();
    request[name].clone()
}

fn completed_ms(task: &StoredTask) -> Option<i64> {
    let times = task.tracks.iter().map(|kept| kept.created_ms);
    times.max().filter(|_| task.stage == TaskProgress::Complete)
}

/// A time in the documents' format.
fn civil(ms: i64) -> Option<String> {
    let time = jiff::Timestamp::from_millisecond(ms).ok()?;
    let time = TimeZone::UTC.to_datetime(time);
    Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// The status in the operation's format.
fn flag(task: &StoredTask) -> Value {
    match (task.kind, task.stage) {
        (OperationKind::Midi, TaskProgress::Complete) => 1.into(),
        (OperationKind::Midi, TaskProgress::Failed) => 3.into(),
        (OperationKind::Midi, _) => 0.into(),
        (_, TaskProgress::Complete) => "SUCCESS".into(),
        (OperationKind::Wav, TaskProgress::Failed) => "GENERATE_WAV_FAILED".into(),
        (_, TaskProgress::Failed) => "GENERATE_AUDIO_FAILED".into(),
        _ => "PENDING".into(),
    }
}

/// The address of the file with this name; `null` if there is none.
fn url(task: &StoredTask, name: &str, with: Writing<'_>) -> Value {
    let mut kept = task.tracks.iter();
    let kept = kept.find(|kept| kept.name.as_deref() == Some(name));
    kept.map_or(Value::Null, |kept| address(task, kept, with.links).into())
}

fn address(task: &StoredTask, kept: &StoredTrack, links: &Links) -> String {
    if !of_task::spoils_file(&task.faults, kept.number) {
        return links.to_file(&kept.audio);
    }
    let extension = kept.audio.rsplit('.').next().unwrap_or_default();
    links.to(&format!("bent/{}/{}.{extension}", task.id, kept.number))
}

#[derive(Clone, Copy, PartialEq)]
enum Casing {
    Camel,
    Snake,
}

/// The stems: camelCase in details, except inside `originData`; snake_case in callbacks.
fn stems_info(task: &StoredTask, with: Writing<'_>, casing: Casing) -> Value {
    let is_camel = casing == Casing::Camel;
    let mut info = Map::new();
    if is_camel {
        info.insert("id".to_owned(), Value::Null);
    }
    let origin = if is_camel { "originUrl" } else { "origin_url" };
    info.insert(origin.to_owned(), Value::Null);
    let item = |kept: &StoredTrack, title: &str| {
        let name = kept.name.as_deref().unwrap_or_default();
        let claimed_s = of_task::duration_s(&task.faults).unwrap_or(kept.duration_s);
        json!({
            "duration": (claimed_s * 100.0).round() / 100.0,
            "audio_url": address(task, kept, with.links),
            "stem_type_group_name": title,
            "id": stem_id(&task.id, name),
        })
    };
    let named = |name: &str| {
        let mut kept = task.tracks.iter();
        kept.find(|kept| kept.name.as_deref() == Some(name))
    };
    let data = match (named("extract"), named("remove")) {
        (Some(extract), Some(remove)) => {
            let title = field(task, "stemName");
            let title = title.as_str().unwrap_or_default();
            vec![json!({ "extract": item(extract, title), "remove": item(remove, "Other") })]
        }
        _ => {
            let kept = task.tracks.iter();
            let title =
                |kept: &StoredTrack| stems::title_of(kept.name.as_deref().unwrap_or_default());
            kept.map(|kept| item(kept, title(kept))).collect()
        }
    };
    let data_name = if is_camel {
        "originData"
    } else {
        "origin_data"
    };
    info.insert(data_name.to_owned(), data.into());
    for name in stems::listed(with.codes) {
        let key = match casing {
            Casing::Camel => format!("{}Url", stems::camel(name)),
            Casing::Snake => format!("{name}_url"),
        };
        info.insert(key, url(task, name, with));
    }
    info.into()
}

/// A recovery: the status is the code of the envelope, and the data are the tracks.
fn recovered(task: &StoredTask, with: Writing<'_>) -> Value {
    if !task.stage.is_final() {
        return json!({ "code": 201, "task_id": task.id, "msg": "processing", "data": null });
    }
    let lost = |number: u8| {
        task.faults.iter().find_map(|fault| match fault {
            Fault::LostTrack(lost) if lost.track.is_none_or(|it| it == number) => {
                Some(lost.reason.as_str())
            }
            _ => None,
        })
    };
    let mut any = false;
    let tracks: Vec<Value> = (1..=TRACKS)
        .map(|number| {
            let id = task.parent.as_deref().map(|id| wire::track_id(id, number));
            let id = id.map(|id| id.to_string());
            let kept = task.tracks.iter().find(|kept| kept.number == number);
            match (kept, lost(number)) {
                (Some(kept), None) if task.stage == TaskProgress::Complete => {
                    any = true;
                    let mut track = json!({
                        "id": id,
                        "audio_url": address(task, kept, with.links),
                        "title": kept.name,
                        "status": "success",
                        "error": "",
                    });
                    // An extension of the studio, as in a song's details.
                    if let Some(mix) = &kept.mix {
                        track["mix_audio_url"] = with.links.to_file(mix).into();
                    }
                    track
                }
                (_, reason) => {
                    let reason = reason.or(task.error_message.as_deref());
                    json!({ "id": id, "status": "failed", "error": reason.unwrap_or("clip_error") })
                }
            }
        })
        .collect();
    let (code, message) = match any {
        true => (200, "success"),
        false => (500, "All tracks failed"),
    };
    json!({ "code": code, "task_id": task.id, "msg": message, "data": tracks })
}
