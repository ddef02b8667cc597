//! The readers and writers held against the golden bodies of `tests/fixtures/wire`.
//!
//! One test an area, each a table of `check(body, expected)`.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::*;

const TASK: &str = "0123456789abcdef0123456789abcdef";

macro_rules! wire {
    ($path:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/fixtures/wire/",
            $path
        ))
        .as_slice()
    };
}

mod details;

fn value(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn studio() -> Profile {
    Profile::studio("http://127.0.0.1:1/".parse().unwrap())
}

fn full_request() -> SubmitRequest {
    let settings = json!({
        "title": "Example Title", "tags": "piano, ambient", "negative_tags": "drums", "model": "V4_5PLUS", "vocal_gender": "f",
        "style_weight": 0.61, "weirdness_constraint": 0.4, "audio_weight": 0.65, "lyrics": "La la", "variety": 2,
    });
    SubmitRequest {
        upload_url: "https://files.example.com/user/stems/a1b2c3.mp3".to_owned(),
        call_back_url: "https://hooks.example.com/t/abc".to_owned(),
        settings: serde_json::from_value(settings).unwrap(),
    }
}

fn track(name: &str, number: u8) -> Track {
    let at = |path: &str| Some(format!("https://cdn.example.com/{path}"));
    Track {
        id: format!("{number}1111111-2222-4333-8444-555555555555"),
        audio_url: at(&format!("{name}.mp3")),
        source_audio_url: at(&format!("src/{name}.mp3")),
        stream_audio_url: at(name),
        source_stream_audio_url: at(&format!("src/{name}")),
        image_url: at(&format!("{name}.jpeg")),
        source_image_url: at(&format!("src/{name}.jpeg")),
        prompt: Some("[Instrumental]".to_owned()),
        model_name: Some("chirp-v4-5".to_owned()),
        title: Some("Example Title".to_owned()),
        tags: Some("piano, ambient".to_owned()),
        created_ms: Some(1_735_689_600_000),
        duration_s: Some(198.44),
        mix_audio_url: None,
        music: None,
    }
}

/// The same track as record-info has it in the documents: without its sources.
fn listed(name: &str, number: u8) -> Track {
    Track {
        source_audio_url: None,
        source_stream_audio_url: None,
        source_image_url: None,
        ..track(name, number)
    }
}

#[test]
fn requests_are_written_as_documented() {
    #[track_caller]
    fn check(request: &SubmitRequest, golden: &[u8]) {
        let written = Profile::sunoapi().operation.body(request);
        let written = serde_json::to_string(&written).unwrap();
        // The order of the fields counts too: a recording finds its submissions by the body.
        assert_eq!(written, value(golden).to_string());
    }
    let full = full_request();
    check(&full, wire!("submit/request-full.json"));
    let mut least = full;
    for setting in Setting::all().filter(|it| !it.required) {
        least.settings.set(setting, None);
    }
    least.settings.set(Setting::NEGATIVE_TAGS, Some("".into()));
    check(&least, wire!("submit/request-least.json"));
}

#[test]
fn answers_to_a_submission_mean_what_the_profile_says() {
    use AnswerClass::*;

    /// In the order sunoapi, kie, studio; `None` is in doubt.
    #[track_caller]
    fn check(status: u16, body: &[u8], expected: [Option<AnswerClass>; 3]) {
        for (profile, expected) in [Profile::sunoapi(), Profile::kie(), studio()]
            .into_iter()
            .zip(expected)
        {
            let answer = profile.read_submit_answer(status, body);
            let class = match &answer {
                SubmitAnswer::Refused { class, .. } => Some(*class),
                SubmitAnswer::InDoubt { .. } => None,
                SubmitAnswer::Accepted(id) => panic!("accepted as {id}"),
            };
            assert_eq!(class, expected, "{}: {answer:?}", profile.name);
        }
    }
    #[track_caller]
    fn all(status: u16, body: &[u8], expected: Option<AnswerClass>) {
        check(status, body, [expected; 3]);
    }

    for body in [
        wire!("submit/accepted.json"),
        wire!("submit/accepted-snake-case.json"),
    ] {
        for status in [200, 201, 500] {
            let answer = Profile::sunoapi().read_submit_answer(status, body);
            assert_eq!(
                answer,
                SubmitAnswer::Accepted(TASK.into()),
                "the body counts first"
            );
        }
    }
    for status in [200, 429, 500, 502] {
        all(status, wire!("submit/code-400.json"), Some(RefusedJob));
        all(status, wire!("submit/code-401.json"), Some(RefusedRun));
        all(status, wire!("submit/code-402.json"), Some(StopForCredits));
        all(status, wire!("submit/code-404.json"), Some(RefusedRun));
        all(status, wire!("submit/code-408.json"), None);
        all(status, wire!("submit/code-409.json"), None);
        all(status, wire!("submit/code-413.json"), Some(RefusedJob));
        all(status, wire!("submit/code-422.json"), Some(RefusedJob));
        all(status, wire!("submit/code-430.json"), Some(Wait));
        all(status, wire!("submit/code-451.json"), Some(SourceGone));
        all(status, wire!("submit/code-455.json"), Some(WaitLong));
        all(status, wire!("submit/code-500.json"), None);
        all(status, wire!("submit/code-501.json"), None);
        all(status, wire!("submit/code-505.json"), Some(RefusedRun));
        all(status, wire!("submit/code-531.json"), Some(Refunded));
        check(
            status,
            wire!("submit/code-429.json"),
            [Some(StopForCredits), Some(Wait), Some(StopForCredits)],
        );
        check(
            status,
            wire!("submit/code-429-without-data.json"),
            [Some(StopForCredits), Some(Wait), Some(StopForCredits)],
        );
    }
    check(
        200,
        wire!("submit/code-405.json"),
        [Some(Wait), Some(RefusedJob), Some(Wait)],
    );
    all(200, wire!("submit/code-unknown.json"), None);
    all(422, wire!("submit/code-unknown.json"), Some(RefusedJob));
    all(
        200,
        br#"{"code":433,"msg":"x","data":null}"#,
        Some(RefusedJob),
    );
    // A refusal that names a task may be a purchase.
    all(
        200,
        br#"{"code":409,"msg":"x","data":{"taskId":"0123abcd"}}"#,
        None,
    );
    all(405, wire!("submit/bad-gateway.html"), Some(RefusedRun));
    all(433, wire!("submit/bad-gateway.html"), Some(RefusedRun));
    all(499, wire!("submit/bad-gateway.html"), None);
    all(200, wire!("submit/no-task-id-null.json"), None);
    all(200, wire!("submit/no-task-id-empty.json"), None);
    all(200, wire!("submit/no-task-id-missing.json"), None);
    all(500, wire!("submit/no-code.json"), None);
    all(200, wire!("submit/truncated.json"), None);
    all(200, b"", None);
    all(200, b"[]", None);
    all(200, b"null", None);
    for status in [200, 302, 408, 500, 502, 503, 504, 520] {
        all(status, wire!("submit/bad-gateway.html"), None);
    }
    for (status, class) in [
        (400, RefusedJob),
        (401, RefusedRun),
        (402, StopForCredits),
        (404, RefusedRun),
        (413, RefusedJob),
        (422, RefusedJob),
        (429, Wait),
        (430, Wait),
        (451, RefusedJob),
        (455, WaitLong),
        (308, RefusedRun),
    ] {
        all(status, wire!("submit/bad-gateway.html"), Some(class));
    }
    all(403, wire!("submit/no-user-agent.txt"), Some(RefusedRun));
}

#[test]
fn a_refusal_keeps_the_vendors_words_and_not_the_secrets_in_them() {
    let answer = Profile::sunoapi().read_submit_answer(200, wire!("submit/echoes-source-url.json"));
    let expected = SubmitAnswer::Refused {
        class: AnswerClass::RefusedJob,
        code: Some(400),
        message: "Can't read https://files.example.com/a.mp3?… of yours".to_owned(),
    };
    assert_eq!(answer, expected);
}

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
    // One track that is ready and no word of another: the callback's own word keeps it from being complete.
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

#[test]
fn imperfect_json_is_read_at_every_call() {
    // Half an emoji, NaN and a number beyond a double; Latin-1 bytes behind a byte-order mark.
    let spoilt = |body: &[u8]| {
        let text = std::str::from_utf8(body).unwrap();
        let fields = r#"{"x":"\ud83c","y":NaN,"z":1e999,"t":"caf"#.to_owned();
        let mut bytes = b"\xef\xbb\xbf".to_vec();
        bytes.extend_from_slice(fields.as_bytes());
        bytes.extend_from_slice(b"\xe9\",");
        bytes.extend_from_slice(text.trim_start().strip_prefix('{').unwrap().as_bytes());
        bytes
    };
    for profile in [Profile::sunoapi(), Profile::kie(), studio()] {
        let accepted = profile.read_submit_answer(200, &spoilt(wire!("submit/accepted.json")));
        assert_eq!(accepted, SubmitAnswer::Accepted(TASK.into()));
        let view = profile
            .read_record_info(
                200,
                &spoilt(wire!("record-info/success.json")),
                &TASK.into(),
            )
            .unwrap();
        assert_eq!((view.stage, view.tracks.len()), (Stage::Complete, 2));
        let data = profile
            .read_answer(ApiCall::Credits, 200, &spoilt(wire!("credits/float.json")))
            .unwrap();
        assert_eq!(read_credits(&data), Some(87.5));
        let data = profile
            .read_answer(ApiCall::Upload, 200, &spoilt(wire!("upload/ok.json")))
            .unwrap();
        assert!(Uploaded::read(&data).is_some());
    }
    let callback = read_callback(&spoilt(wire!("callback/complete.json"))).unwrap();
    assert_eq!(callback.view.task_id, TASK.into());
    let title = br#"{"code":200,"data":{"callbackType":"complete","task_id":"0123abcd","data":[
        {"id":"1","audio_url":"https://cdn.example.com/a.mp3","title":"a\ud83c","duration":NaN}]}}"#;
    let track = &read_callback(title).unwrap().view.tracks[0];
    assert_eq!(
        (track.title.as_deref(), track.duration_s),
        (Some("a\u{fffd}"), None)
    );
}

#[test]
fn data_may_be_json_in_a_text() {
    let in_text = |body: &[u8]| {
        let mut value = value(body);
        value["data"] = Value::String(value["data"].to_string());
        value.to_string().into_bytes()
    };
    let callback = read_callback(&in_text(wire!("callback/complete.json"))).unwrap();
    assert_eq!(
        (callback.view.task_id, callback.view.tracks.len()),
        (TASK.into(), 2)
    );
    let answer = Profile::kie().read_submit_answer(200, &in_text(wire!("submit/accepted.json")));
    assert_eq!(answer, SubmitAnswer::Accepted(TASK.into()));
}

#[test]
fn a_damaged_id_is_no_acceptance() {
    let body = br#"{"code":200,"data":{"taskId":"0123\ud83cabcd"}}"#;
    let answer = Profile::kie().read_submit_answer(200, body);
    assert!(matches!(answer, SubmitAnswer::InDoubt { .. }), "{answer:?}");
}

#[test]
fn envelopes_are_written_as_documented() {
    let accepted = serde_json::to_value(Envelope::success(Submitted {
        task_id: TASK.into(),
    }))
    .unwrap();
    assert_eq!(
        accepted.to_string(),
        value(wire!("submit/accepted.json")).to_string()
    );
    let refused =
        serde_json::to_value(Envelope::<Submitted>::refusal(401, "Unauthorized")).unwrap();
    assert_eq!(
        refused.to_string(),
        value(wire!("submit/code-401.json")).to_string()
    );
    let read: Envelope<Submitted> =
        serde_json::from_slice(wire!("submit/code-429-without-data.json")).unwrap();
    assert_eq!((read.code, read.data), (429, None));
    let unknown: Envelope<Value> =
        serde_json::from_value(json!({"code": 200, "msg": null})).unwrap();
    assert_eq!(
        unknown,
        Envelope {
            code: 200,
            msg: String::new(),
            data: None
        }
    );
}

#[test]
fn balances_are_read_in_every_form() {
    #[track_caller]
    fn check(body: &[u8], expected: Option<f64>) {
        let data = Profile::kie().read_answer(ApiCall::Credits, 200, body);
        assert_eq!(data.ok().and_then(|data| read_credits(&data)), expected);
    }
    check(wire!("credits/integer.json"), Some(100.0));
    check(wire!("credits/float.json"), Some(87.5));
    check(wire!("credits/text.json"), Some(87.5));
    check(wire!("credits/none.json"), None);
    check(wire!("credits/unauthorized.json"), None);
}

#[test]
fn uploads_are_read_and_written_as_documented() {
    let read = |status, body| Profile::sunoapi().read_answer(ApiCall::Upload, status, body);
    let uploaded = Uploaded {
        file_name: "a1b2c3.mp3".to_owned(),
        file_path: "user/stems/a1b2c3.mp3".to_owned(),
        download_url: "https://files.example.com/user/stems/a1b2c3.mp3".to_owned(),
        size_bytes: Some(1_048_576),
        mime_type: Some("audio/mpeg".to_owned()),
        uploaded_at: Some("2026-01-01T00:00:00.000Z".to_owned()),
    };
    let ok = wire!("upload/ok.json");
    assert_eq!(Uploaded::read(&read(200, ok).unwrap()).unwrap(), uploaded);
    assert_eq!(
        serde_json::to_value(UploadAnswer::success(uploaded))
            .unwrap()
            .to_string(),
        value(ok).to_string()
    );
    let least = Uploaded::read(&read(200, wire!("upload/ok-least.json")).unwrap()).unwrap();
    assert_eq!(
        (least.download_url.as_str(), least.size_bytes),
        ("https://files.example.com/a.mp3", None)
    );

    let missing = wire!("upload/missing-parameter.json");
    let refusal = read(400, missing).unwrap_err();
    assert_eq!(
        (refusal.class, refusal.code),
        (AnswerClass::RefusedJob, Some(400))
    );
    let written = UploadAnswer::refusal(400, "Missing required parameter: uploadPath");
    assert_eq!(
        serde_json::to_value(written).unwrap().to_string(),
        value(missing).to_string()
    );
    assert_eq!(
        read(200, wire!("upload/contradiction.json"))
            .unwrap_err()
            .class,
        AnswerClass::InDoubt
    );
    assert_eq!(
        Uploaded::read(&read(200, wire!("upload/no-address.json")).unwrap()),
        None
    );
}

#[test]
fn profiles_know_their_vendors() {
    for profile in [Profile::sunoapi(), Profile::kie(), studio()] {
        assert!(
            profile.knows_model(&profile.default_model),
            "{}",
            profile.name
        );
        assert_eq!(
            (profile.operation.price_credits, profile.rate),
            (
                12.0,
                RateLimit {
                    count: 20,
                    window_ms: 10_000
                }
            )
        );
        assert_eq!(profile.loopback, profile.name == "studio");
    }
    assert!(!Profile::kie().knows_model("V9"));
}

/// JSON that has the contract's keys in wrong places and with wrong types, so that readers get deep into it.
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
    for profile in [Profile::sunoapi(), Profile::kie()] {
        if let SubmitAnswer::Accepted(id) = profile.read_submit_answer(status, body) {
            assert!(!id.as_str().trim().is_empty());
        }
        if let Ok(view) = profile.read_record_info(status, body, &TASK.into())
            && view.stage == Stage::Complete
        {
            assert!(!view.tracks.is_empty() && view.tracks.iter().all(Track::is_available));
        }
        for call in ApiCall::ALL {
            if let Ok(data) = profile.read_answer(call, status, body) {
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
