//! Writes the details and callbacks of a task, with the faults of a misbehaviour plan. Pure.

use std::io::Write;

use backline_api::{CallbackBody, CallbackKind, TaskId, Track};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::links::Links;
use crate::misbehave::{
    FailedStatus, Fault, Forgery, MalformedTarget, PollResponse, details, of_task,
};
use crate::operation::OperationKind;
use crate::step_wire::{self, Writing};
use crate::store::callbacks::Notice;
use crate::store::tasks::{StoredTask, TaskProgress};
use crate::wire;

/// The address of forged tracks: the metadata service of many clouds, which a client must never fetch.
const FORGED_FILES: &str = "http://169.254.169.254/forged";

/// The details of a task without faults, for any operation.
pub(crate) fn truth(task: &StoredTask, with: Writing<'_>) -> Value {
    match task.kind {
        OperationKind::Song => {
            json!({ "code": 200, "msg": "success", "data": wire::record_info(task, with.links) })
        }
        _ => step_wire::details(task, with),
    }
}

/// The result of a poll.
#[derive(Debug, PartialEq)]
pub(crate) enum PollResult {
    /// A response without information about the task.
    Nothing(PollResponse),
    /// The body.
    Body(Value),
    /// A code other than 200, with `data: null`.
    Failed {
        /// The code.
        code: i64,
        /// The vendor's message.
        message: String,
    },
}

/// The result of the `number`th poll of `task`, counted from 1.
pub(crate) fn poll(task: &StoredTask, with: Writing<'_>, number: u32) -> PollResult {
    let mut shown = task.clone();
    for fault in &task.faults {
        match fault {
            Fault::Poll(poll) if poll.polls.covers(number) => {
                return PollResult::Nothing(poll.response.clone());
            }
            Fault::Unknown(times) if times.covers(number) => {
                let body = json!({ "code": 200, "msg": "success", "data": null });
                return PollResult::Body(body);
            }
            Fault::Stages(polls_each) => {
                shown.stage = shown.stage.min(early(task.kind, number, *polls_each));
            }
            _ => {}
        }
    }
    if shown.stage != TaskProgress::Failed {
        (shown.error_code, shown.error_message) = (None, None);
    }
    let fail = task.faults.iter().find_map(|fault| match fault {
        Fault::Fail(fail) => Some(fail),
        _ => None,
    });
    if let Some(fail) = fail.filter(|fail| fail.envelope && shown.stage == TaskProgress::Failed) {
        return PollResult::Failed {
            code: fail.code,
            message: fail.message.clone(),
        };
    }
    let mut body = truth(&shown, with);
    if task.kind == OperationKind::Song {
        alter_song(&mut body["data"], &shown, with.links, number);
    } else {
        alter_step(&mut body, &shown, number);
    }
    PollResult::Body(body)
}

/// Applies the plan's faults for the `number`th poll to a song's details.
fn alter_song(data: &mut Value, shown: &StoredTask, links: &Links, number: u32) {
    // The first of two conflicting faults wins, so the last is applied first.
    for fault in shown.faults.iter().rev() {
        match fault {
            Fault::Fail(fail) if shown.stage == TaskProgress::Failed => {
                data["status"] = status_name(fail.status).into();
            }
            Fault::Status(status) if status.polls.covers(number) => {
                data["status"] = status.name.as_str().into();
            }
            Fault::Details(script) => {
                if let Some(step) = details::step(script, number) {
                    step.apply(data, number);
                }
            }
            Fault::NullResponse(times) if times.covers(number) => data["response"] = Value::Null,
            Fault::NullUrls(times)
                if times.covers(number) && shown.stage == TaskProgress::Complete =>
            {
                for track in tracks_of(data, &["response", "sunoData"]) {
                    let silence = links.to(&format!("bent/{}/silence", shown.id));
                    for name in ["audioUrl", "sourceAudioUrl", "sourceStreamAudioUrl"] {
                        track[name] = Value::Null;
                    }
                    track["streamAudioUrl"] = silence.into();
                    if let Some(track) = track.as_object_mut() {
                        track.shift_remove("mixAudioUrl");
                    }
                }
            }
            Fault::NumericTimes => {
                count_times(data, &["response", "sunoData"], shown, shown.stage);
            }
            _ => {}
        }
    }
}

/// Applies the plan's faults for the `number`th poll to a step's body. Faults of a song's tracks have no effect here.
fn alter_step(body: &mut Value, shown: &StoredTask, number: u32) {
    for fault in shown.faults.iter().rev() {
        match fault {
            Fault::Fail(fail) if shown.stage == TaskProgress::Failed => {
                match (shown.kind, fail.status) {
                    (OperationKind::Midi, FailedStatus::Pending) => {
                        body["data"]["successFlag"] = 0.into()
                    }
                    (OperationKind::Midi, FailedStatus::CreateTaskFailed) => {
                        body["data"]["successFlag"] = 2.into();
                    }
                    (OperationKind::Midi | OperationKind::Recovery, _) => {}
                    // Each operation has its own name for this status.
                    (_, FailedStatus::GenerateAudioFailed) => {}
                    (_, status) => body["data"]["successFlag"] = status_name(status).into(),
                }
            }
            Fault::Status(status) if status.polls.covers(number) => {
                set_flag(body, shown.kind, &status.name);
            }
            Fault::Details(script) => {
                let Some(step) = details::step(script, number) else {
                    continue;
                };
                if let Some(status) = &step.status {
                    set_flag(body, shown.kind, status);
                }
                if let (Some(code), Some(data)) = (step.error_code, body["data"].as_object_mut()) {
                    data.insert("errorCode".to_owned(), code.into());
                    data.insert("errorMessage".to_owned(), "The task failed.".into());
                }
            }
            Fault::NullResponse(times) if times.covers(number) => match shown.kind {
                OperationKind::Recovery => body["data"] = Value::Null,
                OperationKind::Midi => body["data"]["midiData"] = Value::Null,
                _ => body["data"]["response"] = Value::Null,
            },
            Fault::NullUrls(times) if times.covers(number) => empty_urls(&mut body["data"]),
            Fault::NumericTimes if body["data"]["createTime"].is_string() => {
                body["data"]["createTime"] = shown.accepted_ms.into();
            }
            _ => {}
        }
    }
}

/// Sets another status of a step: a recovery's is the code, MIDI's is a number.
fn set_flag(body: &mut Value, kind: OperationKind, name: &str) {
    let number = name.parse::<i64>().map_or(Value::from(name), Value::from);
    match kind {
        OperationKind::Recovery => body["code"] = number,
        OperationKind::Midi => body["data"]["successFlag"] = number,
        _ => body["data"]["successFlag"] = name.into(),
    }
}

/// Empties every address in a step's results.
fn empty_urls(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(empty_urls),
        Value::Object(fields) => {
            for (name, value) in fields {
                let is_address = name.ends_with("Url") || name.ends_with("_url");
                match value {
                    Value::String(url) if is_address && name != "callbackUrl" => url.clear(),
                    value => empty_urls(value),
                }
            }
        }
        _ => {}
    }
}

/// The highest visible stage at the `number`th poll if each of the first three stages lasts for `polls_each` polls. A step has
/// only the first of them.
fn early(kind: OperationKind, number: u32, polls_each: u32) -> TaskProgress {
    match number.saturating_sub(1) / polls_each.max(1) {
        0 => TaskProgress::Pending,
        _ if kind != OperationKind::Song => TaskProgress::Failed,
        past => early_song(past),
    }
}

fn early_song(past: u32) -> TaskProgress {
    match past {
        1 => TaskProgress::Text,
        2 => TaskProgress::First,
        _ => TaskProgress::Failed,
    }
}

fn status_name(status: FailedStatus) -> &'static str {
    match status {
        FailedStatus::Pending => "PENDING",
        FailedStatus::CreateTaskFailed => "CREATE_TASK_FAILED",
        FailedStatus::Failed => "FAILED",
        FailedStatus::GenerateAudioFailed => "GENERATE_AUDIO_FAILED",
        FailedStatus::CallbackException => "CALLBACK_EXCEPTION",
        FailedStatus::SensitiveWordError => "SENSITIVE_WORD_ERROR",
    }
}

/// A callback to be sent.
pub(crate) struct Sent {
    /// The address.
    pub(crate) url: String,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Whether the body is compressed with gzip.
    pub(crate) gzip: bool,
}

/// A genuine callback of `task` to the address `url`.
pub(crate) fn callback(task: &StoredTask, notice: Notice, with: Writing<'_>, url: &str) -> Sent {
    let mut body = match task.kind {
        OperationKind::Song => callback_body(task, notice, with.links),
        _ => step_wire::callback(task, with),
    };
    let (mut url, mut gzip) = (url.to_owned(), false);
    let callbacks = task.faults.iter().find_map(|fault| match fault {
        Fault::Callbacks(callbacks) => Some(callbacks),
        _ => None,
    });
    if let Some(callbacks) = callbacks {
        if callbacks.data_as_text {
            body["data"] = body["data"].to_string().into();
        }
        if callbacks.trailing_slash {
            url.push('/');
        }
        gzip = callbacks.gzip;
    }
    let body = match of_task::malformed(&task.faults, MalformedTarget::Callbacks, 1) {
        Some(kind) => kind.write(body),
        None => body.to_string().into_bytes(),
    };
    let body = if gzip { compress(&body) } else { body };
    Sent { url, body, gzip }
}

/// `bytes` as a gzip file.
pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("a vector takes every byte")
}

/// The body of a genuine callback of `task`.
fn callback_body(task: &StoredTask, notice: Notice, links: &Links) -> Value {
    let mut body = wire::callback(task, notice, links).to_json();
    for fault in &task.faults {
        match fault {
            Fault::Callbacks(callbacks) => {
                if callbacks.text_empty && notice == Notice::Text {
                    body["data"]["data"] = json!([]);
                }
                if callbacks.first_alone
                    && notice == Notice::First
                    && let Some(tracks) = body["data"]["data"].as_array_mut()
                {
                    tracks.truncate(1);
                }
            }
            Fault::NumericTimes => {
                count_times(&mut body, &["data", "data"], task, notice.stage());
            }
            _ => {}
        }
    }
    body
}

/// An id that no task has, for a forged callback about `task`.
pub(crate) fn other_id(task_id: &str) -> String {
    blake3::hash(task_id.as_bytes()).to_hex()[..32].to_owned()
}

/// A forged callback: its address and its body.
pub(crate) fn forged(task: &StoredTask, url: &str, forgery: Forgery) -> (String, Vec<u8>) {
    let other = other_id(&task.id);
    let (url, task_id) = match forgery {
        Forgery::WrongToken => {
            let kept = url.rfind('/').map_or(0, |slash| slash + 1);
            (format!("{}{}", &url[..kept], other), task.id.clone())
        }
        Forgery::WrongTask | Forgery::WrongTaskSigned => (url.to_owned(), other),
        Forgery::WrongSignature => (url.to_owned(), task.id.clone()),
        Forgery::NoJson => {
            return (url.to_owned(), b"callbackType=complete&task_id=1".to_vec());
        }
    };
    let tracks = (1..=wire::TRACKS).map(|number| Track {
        id: format!("forged-{number}"),
        audio_url: Some(format!("{FORGED_FILES}/{number}.mp3")),
        stream_audio_url: Some(format!("{FORGED_FILES}/{number}")),
        duration_s: Some(60.0),
        ..Track::default()
    });
    let body = CallbackBody {
        code: 200,
        msg: "All generated successfully.".to_owned(),
        kind: CallbackKind::Complete,
        task_id: TaskId(task_id),
        tracks: Some(tracks.collect()),
    };
    (url, body.to_json().to_string().into_bytes())
}

/// The `X-Webhook-Signature` of a callback about `task_id` at `timestamp_s`.
pub(crate) fn signature(key: &str, task_id: &str, timestamp_s: i64) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("{task_id}.{timestamp_s}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn tracks_of<'a>(body: &'a mut Value, path: &[&str]) -> std::slice::IterMut<'a, Value> {
    let list = path
        .iter()
        .try_fold(body, |value, name| value.get_mut(name));
    list.and_then(Value::as_array_mut)
        .map_or_else(Default::default, |tracks| tracks.iter_mut())
}

/// Writes the tracks' times as integers.
fn count_times(body: &mut Value, path: &[&str], task: &StoredTask, stage: TaskProgress) {
    for (track, number) in tracks_of(body, path).zip(1..) {
        track["createTime"] = wire::created_ms(task, stage, number).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_contracts_vector() {
        assert_eq!(
            signature("test-hmac-key", "task-0001", 1_700_000_000),
            "al5S3lfSlwAxnfmLESg9YCbbnR50MZgjiVRWq8DAv8I="
        );
    }
}
