//! The wire format of a task. Pure.
//!
//! The only place that converts stored rows into the contract's types, which know both casings.

use backline_api::{CallbackBody, CallbackKind, RecordInfo, TaskId, TaskStatus, Track};
use serde_json::Value;

use crate::links::Links;
use crate::misbehave::of_task;
use crate::store::callbacks::Notice;
use crate::store::tasks::{StoredTask, StoredTrack, TaskProgress};

/// Number of tracks of a task.
pub(crate) const TRACKS: u8 = 2;
/// The model name in every track.
const MODEL_NAME: &str = "backline-band";

/// A song's details.
pub(crate) fn record_info(task: &StoredTask, links: &Links) -> Value {
    let info = RecordInfo {
        task_id: task.id.clone(),
        parent_music_id: String::new(),
        param: task.request.clone(),
        tracks: shown_tracks(task, task.stage, links),
        status: match task.stage {
            TaskProgress::Pending => TaskStatus::Pending,
            TaskProgress::Text => TaskStatus::TextSuccess,
            TaskProgress::First => TaskStatus::FirstSuccess,
            TaskProgress::Complete => TaskStatus::Success,
            TaskProgress::Failed => TaskStatus::GenerateAudioFailed,
        },
        kind: "GENERATE".to_owned(),
        error_code: task.error_code,
        error_message: task.error_message.clone(),
    };
    let mut data = info.to_json();
    // Extensions of the studio, which other vendors' clients ignore.
    let tracks = data.pointer_mut("/response/sunoData");
    if let Some(tracks) = tracks.and_then(Value::as_array_mut) {
        for (track, number) in tracks.iter_mut().zip(1..) {
            let Some(kept) = shown(task, task.stage, number) else {
                continue;
            };
            if let Some(midi) = &kept.midi {
                track["midiUrl"] = links.to_file(midi).into();
            }
            if let Some(facts) = &kept.facts {
                track["facts"] = facts.clone();
            }
        }
    }
    data
}

/// The body of a callback.
pub(crate) fn callback(task: &StoredTask, notice: Notice, links: &Links) -> CallbackBody {
    let failure = || {
        (
            task.error_code.unwrap_or(500),
            task.error_message
                .as_deref()
                .unwrap_or("Generation failed."),
        )
    };
    let ((code, msg), kind, stage) = match notice {
        Notice::Text => (
            (200, "Text generation completed."),
            CallbackKind::Text,
            TaskProgress::Text,
        ),
        Notice::First => (
            (200, "First track generated successfully."),
            CallbackKind::First,
            TaskProgress::First,
        ),
        Notice::Complete => (
            (200, "All generated successfully."),
            CallbackKind::Complete,
            TaskProgress::Complete,
        ),
        Notice::Error => (failure(), CallbackKind::Error, TaskProgress::Failed),
    };
    CallbackBody {
        code,
        msg: msg.to_owned(),
        kind,
        task_id: TaskId(task.id.clone()),
        tracks: shown_tracks(task, stage, links),
    }
}

/// A track's id. It is derived from the task, so it is the same in every response.
pub(crate) fn track_id(task_id: &str, number: u8) -> uuid::Uuid {
    uuid_of(&format!("{task_id}/{number}"))
}

/// The id that is derived from a text.
pub(crate) fn uuid_of(text: &str) -> uuid::Uuid {
    let digest = blake3::hash(text.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The stored track `number`, if it is visible at `stage`.
fn shown(task: &StoredTask, stage: TaskProgress, number: u8) -> Option<&StoredTrack> {
    let ready = match stage {
        TaskProgress::Pending | TaskProgress::Text | TaskProgress::Failed => 0,
        TaskProgress::First => 1,
        TaskProgress::Complete => TRACKS,
    };
    task.tracks
        .iter()
        .find(|kept| kept.number == number && number <= ready)
}

/// The creation time of a track at `stage`.
pub(crate) fn created_ms(task: &StoredTask, stage: TaskProgress, number: u8) -> i64 {
    let true_ms = shown(task, stage, number).map_or(task.accepted_ms, |kept| kept.created_ms);
    true_ms.saturating_add(of_task::clock_offset_ms(&task.faults))
}

/// The visible tracks at `stage`: none before the text, then both, each with its file once the stage has one.
fn shown_tracks(task: &StoredTask, stage: TaskProgress, links: &Links) -> Option<Vec<Track>> {
    if matches!(stage, TaskProgress::Pending | TaskProgress::Failed) {
        return None;
    }
    let request: Value = serde_json::from_str(&task.request).unwrap_or_default();
    let text = |name: &str| Some(request[name].as_str().unwrap_or_default().to_owned());
    let show = |number: u8| {
        let id = track_id(&task.id, number).to_string();
        let kept = shown(task, stage, number);
        let true_audio = kept.map(|kept| links.to_file(&kept.audio));
        let audio = kept.map(|kept| {
            if !of_task::spoils_file(&task.faults, number) {
                return links.to_file(&kept.audio);
            }
            let extension = kept.audio.rsplit('.').next().unwrap_or_default();
            links.to(&format!("bent/{}/{number}.{extension}", task.id))
        });
        let source = match of_task::has_good_source(&task.faults, number) {
            true => true_audio,
            false => audio.clone(),
        };
        let image = links.to(&format!("covers/{id}.svg"));
        Track {
            id,
            source_audio_url: source,
            stream_audio_url: audio.clone(),
            source_stream_audio_url: audio.clone(),
            audio_url: audio,
            source_image_url: Some(image.clone()),
            image_url: Some(image),
            prompt: Some("[Instrumental]".to_owned()),
            model_name: Some(MODEL_NAME.to_owned()),
            title: text("title"),
            tags: text("tags"),
            created_ms: Some(created_ms(task, stage, number)),
            duration_s: kept.map(|kept| {
                let claimed_s = of_task::duration_s(&task.faults).unwrap_or(kept.duration_s);
                (claimed_s * 100.0).round() / 100.0
            }),
            mix_audio_url: kept
                .and_then(|kept| kept.mix.as_deref())
                .map(|mix| links.to_file(mix)),
            ..Track::default()
        }
    };
    Some((1..=TRACKS).map(show).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::OperationKind;
    use crate::store::tasks::StoredTrack;
    use url::Url;

    fn check(stage: TaskProgress, expected: backline_api::Stage) {
        let kept = |number| StoredTrack {
            number,
            name: None,
            audio: format!("results/t/{number}.mp3"),
            mix: Some(format!("results/t/{number}-mix.mp3")),
            midi: Some(format!("results/t/{number}.mid")),
            duration_s: 12.345,
            created_ms: 1_700_000_000_000,
            facts: Some(serde_json::json!({ "take": number })),
        };
        let task = StoredTask {
            seq: 1,
            id: "t".into(),
            kind: OperationKind::Song,
            parent: None,
            parent_track: None,
            request: r#"{"title":"Song","tags":"piano"}"#.into(),
            accepted_ms: 1_700_000_000_000,
            stage,
            error_code: (stage == TaskProgress::Failed).then_some(451),
            error_message: None,
            tracks: vec![kept(1), kept(2)],
            faults: Vec::new(),
        };
        let links = Links::new(Url::parse("http://127.0.0.1:9/").unwrap(), 9);
        let data = record_info(&task, &links);
        let facts = (stage >= TaskProgress::First && stage != TaskProgress::Failed).then_some(1);
        assert_eq!(
            data["response"]["sunoData"][0]["facts"]["take"].as_i64(),
            facts
        );
        assert_eq!(
            data["response"]["sunoData"][0]["midiUrl"].as_str(),
            facts.map(|_| "http://127.0.0.1:9/files/results/t/1.mid")
        );
        let seen = RecordInfo::read(&data).unwrap().view();
        assert_eq!(
            std::mem::discriminant(&seen.stage),
            std::mem::discriminant(&expected),
            "{seen:?}"
        );
        if let Some(first) = seen.tracks.first().filter(|_| stage >= TaskProgress::First) {
            assert_eq!(
                first.audio_url.as_deref(),
                Some("http://127.0.0.1:9/files/results/t/1.mp3")
            );
            assert_eq!(first.duration_s, Some(12.35));
            assert_eq!(first.title.as_deref(), Some("Song"));
        }
    }

    #[test]
    fn each_stage_reads_back_as_itself() {
        check(TaskProgress::Pending, backline_api::Stage::Pending);
        check(TaskProgress::Text, backline_api::Stage::Text);
        check(TaskProgress::First, backline_api::Stage::First);
        check(TaskProgress::Complete, backline_api::Stage::Complete);
        check(
            TaskProgress::Failed,
            backline_api::Stage::Failed {
                code: None,
                message: String::new(),
                refunded: false,
            },
        );
    }
}
