//! Runs every reader on arbitrary bytes and arbitrary JSON.

use proptest::prelude::*;

use super::*;

/// JSON with the contract's keys in wrong places and with wrong types, so that the readers run deep into it.
fn odd_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "200",
            "SUCCESS",
            "PENDING",
            "complete",
            "error",
            "2025-01-01 00:00:00",
            "-1e999"
        ])
        .prop_map(Value::from),
    ];
    let keys = vec![
        "code",
        "msg",
        "data",
        "success",
        "taskId",
        "task_id",
        "callbackType",
        "response",
        "sunoData",
        "status",
        "errorCode",
        "errorMessage",
        "audioUrl",
        "audio_url",
        "createTime",
        "duration",
        "id",
        "successFlag",
        "state",
        "resultJson",
        "resultUrls",
        "audioWavUrl",
        "vocalUrl",
        "originData",
        "extract",
        "audio_url",
        "midiData",
        "instruments",
        "notes",
        "pitch",
        "start",
        "error",
    ];
    leaf.prop_recursive(5, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(keys.clone()), inner), 0..8).prop_map(
                |fields| fields
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect()
            ),
        ]
    })
}

fn read_everything(status: u16, body: &[u8]) {
    for profile in [Profile::sunoapi(), Profile::kie(), Profile::kie_jobs()] {
        if let SubmitResponse::Accepted(id) = profile.read_submit_response(status, body) {
            assert!(!id.as_str().trim().is_empty());
        }
        if let Ok(view) = profile.read_record_info(status, body, &TASK.into())
            && view.stage == Stage::Complete
        {
            assert!(!view.tracks.is_empty() && view.tracks.iter().all(Track::is_available));
        }
        for operation in profile.operations() {
            if let SubmitResponse::Accepted(id) = operation.read_submit_response(status, body) {
                assert!(!id.as_str().trim().is_empty());
            }
            let details = operation.read_step_details(status, body, &TASK.into());
            let callback = operation.read_step_callback(body).map(|read| read.view);
            for view in details.into_iter().chain(callback) {
                assert!(view.stage != Stage::Complete || !view.artefacts.is_empty());
                for artefact in &view.artefacts {
                    let is_plain =
                        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                    assert!(!artefact.name.is_empty() && artefact.name.chars().all(is_plain));
                }
            }
        }
        for call in ApiCall::ALL {
            if let Ok(data) = profile.read_data(call, status, body) {
                let _ = (read_credits(&data), Uploaded::read(&data));
            }
        }
    }
    if let Ok(callback) = read_callback(body)
        && callback.view.stage == Stage::Complete
    {
        assert!(
            !callback.view.tracks.is_empty()
                && callback
                    .view
                    .tracks
                    .iter()
                    .all(|track| track.audio_url.is_some())
        );
    }
}

proptest! {
    #[test]
    fn readers_take_any_bytes(status in any::<u16>(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        read_everything(status, &body);
    }

    #[test]
    fn readers_take_any_json(status in any::<u16>(), body in odd_json()) {
        read_everything(status, body.to_string().as_bytes());
        let _ = Track::read(&body);
    }

    #[test]
    fn tracks_survive_both_casings(created_s in 1_000_000_000i64..4_000_000_000, duration_s in 0.01f64..10_000.0, audio in any::<bool>()) {
        let mut track = track("a", 1);
        track.created_ms = Some(created_s * 1000);
        track.duration_s = Some(duration_s);
        if !audio {
            track.audio_url = None;
        }
        prop_assert_eq!(Track::read(&track.to_record_info()).unwrap(), track.clone());
        prop_assert_eq!(Track::read(&track.to_callback()).unwrap(), track);
    }
}
