//! Task details: reading and writing them.

use super::*;

#[test]
fn task_details_mean_what_was_observed() {
    #[track_caller]
    fn check(body: &[u8], stage: Stage, ready: usize) -> TaskView {
        let view = Profile::sunoapi()
            .read_record_info(200, body, &TASK.into())
            .unwrap();
        assert_eq!(view.task_id.as_str(), TASK);
        let with_audio = view
            .tracks
            .iter()
            .filter(|track| track.is_available())
            .count();
        assert_eq!((&view.stage, with_audio), (&stage, ready));
        view
    }
    let failed = |code, message: &str, refunded| Stage::Failed {
        code,
        message: message.to_owned(),
        refunded,
    };
    let incomplete = |message: &str| Stage::Incomplete {
        code: None,
        message: message.to_owned(),
        refunded: false,
    };
    let short = || incomplete("SUCCESS without an address for every track");

    check(wire!("record-info/pending.json"), Stage::Pending, 0);
    check(
        wire!("record-info/pending-failed.json"),
        failed(Some(413), "The audio matches an existing work", false),
        0,
    );
    check(
        wire!("record-info/pending-error-zero.json"),
        Stage::Pending,
        0,
    );
    check(wire!("record-info/text-success.json"), Stage::Text, 0);
    check(wire!("record-info/first-success.json"), Stage::First, 1);
    let view = check(wire!("record-info/success.json"), Stage::Complete, 2);
    assert_eq!(
        view.tracks,
        [
            listed("a", 1),
            Track {
                duration_s: Some(201.8),
                ..listed("b", 2)
            }
        ]
    );
    check(wire!("record-info/success-null-audio.json"), short(), 1);
    check(wire!("record-info/success-no-audio.json"), short(), 0);
    check(wire!("record-info/success-no-tracks.json"), short(), 0);
    check(wire!("record-info/success-null-response.json"), short(), 0);
    let odd = check(
        wire!("record-info/success-odd-types.json"),
        Stage::Complete,
        2,
    )
    .tracks;
    assert_eq!(
        (odd[0].id.as_str(), odd[0].duration_s, odd[0].created_ms),
        ("7", Some(198.44), Some(1_735_689_600_000))
    );
    assert_eq!(
        (odd[1].id.as_str(), odd[1].duration_s, odd[1].created_ms),
        ("", None, Some(1_735_689_600_000))
    );
    check(
        wire!("record-info/create-task-failed.json"),
        failed(Some(400), "Invalid parameters", false),
        0,
    );
    check(
        wire!("record-info/generate-audio-failed.json"),
        failed(Some(531), "Failed, credits refunded", true),
        0,
    );
    check(
        wire!("record-info/sensitive-word-error.json"),
        failed(None, "SENSITIVE_WORD_ERROR", false),
        0,
    );
    check(
        wire!("record-info/callback-exception-with-tracks.json"),
        Stage::Complete,
        2,
    );
    check(
        wire!("record-info/callback-exception-without-tracks.json"),
        incomplete("CALLBACK_EXCEPTION"),
        0,
    );
    check(
        wire!("record-info/callback-exception-one-track.json"),
        incomplete("CALLBACK_EXCEPTION"),
        1,
    );
    check(
        wire!("record-info/generate-audio-failed-one-track.json"),
        failed(None, "The second track could not be made", false),
        1,
    );
    check(
        wire!("record-info/success-source-only.json"),
        Stage::Complete,
        2,
    );
    check(
        wire!("record-info/failed.json"),
        failed(Some(501), "Generation failed", false),
        0,
    );
    check(
        br#"{"code":200,"data":{"taskId":"0123456789abcdef0123456789abcdef","status":"GENERATE_WAV_FAILED"}}"#,
        failed(None, "GENERATE_WAV_FAILED", false),
        0,
    );
    for (body, code, refunded) in [
        (wire!("record-info/envelope-501.json"), 501, false),
        (wire!("record-info/envelope-531.json"), 531, true),
        (wire!("record-info/envelope-451.json"), 451, false),
    ] {
        let message = serde_json::from_slice::<serde_json::Value>(body).unwrap()["msg"].clone();
        check(
            body,
            failed(Some(code), message.as_str().unwrap(), refunded),
            0,
        );
    }
    check(wire!("record-info/status-unknown.json"), Stage::First, 2);
    check(wire!("record-info/unknown-task.json"), Stage::Unknown, 0);
}

#[test]
fn a_forgotten_task_is_unknown_and_ends_no_run() {
    for (status, body) in [
        (
            200,
            br#"{"code":404,"msg":"not found","data":null}"#.as_slice(),
        ),
        (404, br#"{"msg":"not found"}"#.as_slice()),
        (404, wire!("submit/bad-gateway.html")),
    ] {
        for profile in [Profile::sunoapi(), Profile::kie(), studio()] {
            let view = profile
                .read_record_info(status, body, &TASK.into())
                .unwrap();
            assert_eq!((view.stage, view.task_id), (Stage::Unknown, TASK.into()));
        }
    }
}

#[test]
fn what_says_nothing_about_a_task_is_not_a_view_of_it() {
    #[track_caller]
    fn check(status: u16, body: &[u8], class: ResponseClass) {
        let refusal = Profile::sunoapi()
            .read_record_info(status, body, &TASK.into())
            .unwrap_err();
        assert_eq!(refusal.class, class, "{refusal:?}");
    }
    check(
        200,
        wire!("record-info/another-task.json"),
        ResponseClass::InDoubt,
    );
    check(
        200,
        wire!("record-info/unauthorized.json"),
        ResponseClass::RefusedRun,
    );
    check(
        502,
        wire!("submit/bad-gateway.html"),
        ResponseClass::InDoubt,
    );
    check(429, wire!("submit/bad-gateway.html"), ResponseClass::Wait);
    check(200, br#"{"code":200,"data":[1]}"#, ResponseClass::InDoubt);
    // A failure in the envelope counts only for the task that it names. An HTTP status alone names none.
    check(
        200,
        br#"{"code":501,"msg":"failed","data":{"taskId":"another"}}"#,
        ResponseClass::InDoubt,
    );
    check(
        451,
        wire!("submit/bad-gateway.html"),
        ResponseClass::InDoubt,
    );
}

#[test]
fn a_failure_in_the_envelope_keeps_the_tracks_beside_it() {
    let mut body = value(wire!("record-info/success-null-audio.json"));
    body["code"] = 501.into();
    let view = Profile::sunoapi()
        .read_record_info(200, body.to_string().as_bytes(), &TASK.into())
        .unwrap();
    assert!(matches!(
        view.stage,
        Stage::Failed {
            code: Some(501),
            ..
        }
    ));
    assert_eq!(view.tracks.len(), 2);
}

#[test]
fn task_details_are_written_as_documented() {
    #[track_caller]
    fn check(info: &RecordInfo, body: &[u8]) {
        let written = serde_json::to_value(Envelope::success(info)).unwrap();
        assert_eq!(written.to_string(), value(body).to_string());
        assert_eq!(&RecordInfo::read(&written["data"]).unwrap(), info);
    }
    let mut info = RecordInfo {
        task_id: TASK.to_owned(),
        param: r#"{"title":"Example Title"}"#.to_owned(),
        kind: "GENERATE".to_owned(),
        ..RecordInfo::default()
    };
    check(&info, wire!("record-info/pending.json"));
    info.tracks = Some(vec![
        listed("a", 1),
        Track {
            duration_s: Some(201.8),
            ..listed("b", 2)
        },
    ]);
    info.status = TaskStatus::Success;
    check(&info, wire!("record-info/success.json"));
    info.tracks = Some(vec![
        listed("a", 1),
        Track {
            audio_url: None,
            duration_s: None,
            ..listed("b", 2)
        },
    ]);
    check(&info, wire!("record-info/success-null-audio.json"));
    info.tracks = None;
    info.status = TaskStatus::GenerateAudioFailed;
    info.error_code = Some(531);
    info.error_message = Some("Failed, credits refunded".to_owned());
    check(&info, wire!("record-info/generate-audio-failed.json"));
}
