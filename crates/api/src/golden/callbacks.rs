//! Callbacks: reading them, and writing them as documented.

use super::*;

#[test]
fn callbacks_mean_what_their_tracks_show() {
    #[track_caller]
    fn check(body: &[u8], stage: Stage, tracks: usize) -> Callback {
        let callback = read_callback(body).unwrap();
        assert_eq!(callback.view.task_id.as_str(), TASK);
        assert_eq!(
            (&callback.view.stage, callback.view.tracks.len()),
            (&stage, tracks)
        );
        callback
    }
    let failed = |code, message: &str, refunded| Stage::Failed {
        code: Some(code),
        message: message.to_owned(),
        refunded,
    };

    check(wire!("callback/text-null.json"), Stage::Text, 0);
    check(wire!("callback/text-empty.json"), Stage::Text, 0);
    check(
        wire!("callback/text-tracks-without-audio.json"),
        Stage::Text,
        2,
    );
    // One track is ready and nothing is known of another: the callback's own stage keeps the task from being complete.
    check(wire!("callback/first-documented.json"), Stage::First, 1);
    let first = check(wire!("callback/first-observed.json"), Stage::First, 2)
        .view
        .tracks;
    assert_eq!(first[0], track("a", 1));
    assert_eq!(
        (
            &first[1].audio_url,
            first[1].duration_s,
            first[1].created_ms
        ),
        (&None, None, Some(1_735_689_600_000))
    );
    let complete = check(wire!("callback/complete.json"), Stage::Complete, 2);
    assert_eq!(
        complete.view.tracks,
        [
            track("a", 1),
            Track {
                duration_s: Some(201.8),
                ..track("b", 2)
            }
        ]
    );
    assert_eq!(
        (complete.code, complete.kind, complete.msg.as_str()),
        (
            Some(200),
            CallbackKind::Complete,
            "All generated successfully."
        )
    );
    check(
        wire!("callback/complete-camel-case.json"),
        Stage::Complete,
        2,
    );
    check(
        wire!("callback/complete-without-files.json"),
        Stage::First,
        2,
    );
    check(
        wire!("callback/error.json"),
        failed(400, "The audio holds copyrighted lyrics", false),
        0,
    );
    check(
        wire!("callback/error-refunded.json"),
        failed(531, "Generation failed, credits were refunded", true),
        0,
    );
    check(
        wire!("callback/error-without-type.json"),
        failed(501, "Generation failed", false),
        0,
    );
    check(
        wire!("callback/task-id-at-top.json"),
        failed(500, "Server error", false),
        0,
    );
    check(wire!("callback/kind-unknown.json"), Stage::First, 2);

    assert_eq!(
        read_callback(wire!("callback/no-task-id.json")),
        Err(CallbackError::NoTaskId)
    );
    assert_eq!(
        read_callback(wire!("callback/not-json.txt")),
        Err(CallbackError::NotJson)
    );
    assert_eq!(read_callback(b"[]"), Err(CallbackError::NotJson));
    let long = vec![b' '; CALLBACK_LIMIT_BYTES + 1];
    assert_eq!(
        read_callback(&long),
        Err(CallbackError::TooLong(long.len()))
    );
}

#[test]
fn callbacks_are_written_as_documented() {
    #[track_caller]
    fn check(kind: CallbackKind, code: i64, msg: &str, tracks: Option<Vec<Track>>, body: &[u8]) {
        let written = CallbackBody {
            code,
            msg: msg.to_owned(),
            kind,
            task_id: TASK.into(),
            tracks,
        };
        assert_eq!(
            serde_json::to_value(&written).unwrap().to_string(),
            value(body).to_string()
        );
    }
    let second = Track {
        duration_s: Some(201.8),
        ..track("b", 2)
    };
    check(
        CallbackKind::Text,
        200,
        "Text generated successfully.",
        None,
        wire!("callback/text-null.json"),
    );
    check(
        CallbackKind::Text,
        200,
        "Text generated successfully.",
        Some(vec![]),
        wire!("callback/text-empty.json"),
    );
    check(
        CallbackKind::First,
        200,
        "First generated successfully.",
        Some(vec![track("a", 1)]),
        wire!("callback/first-documented.json"),
    );
    check(
        CallbackKind::Complete,
        200,
        "All generated successfully.",
        Some(vec![track("a", 1), second]),
        wire!("callback/complete.json"),
    );
    let mixed = Track {
        mix_audio_url: Some("https://cdn.example.com/a-mix.mp3".to_owned()),
        ..track("a", 1)
    };
    check(
        CallbackKind::Complete,
        200,
        "All generated successfully.",
        Some(vec![mixed]),
        wire!("callback/complete-mixed.json"),
    );
    check(
        CallbackKind::Error,
        400,
        "The audio holds copyrighted lyrics",
        None,
        wire!("callback/error.json"),
    );
}
