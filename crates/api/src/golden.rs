//! Compares the readers and writers with the golden bodies of `tests/fixtures/wire`.
//!
//! One test for each area, as a table of `check(body, expected)`.

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

mod callbacks;
mod details;
mod generated;
mod jobs;
mod steps;

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
        ..Track::default()
    }
}

/// The same track as the documents list it in record-info: without its source addresses.
fn listed(name: &str, number: u8) -> Track {
    Track {
        source_audio_url: None,
        source_stream_audio_url: None,
        source_image_url: None,
        ..track(name, number)
    }
}

#[test]
fn every_named_profile_is_there() {
    for name in Profile::NAMED {
        assert_eq!(
            Profile::named(name).map(|it| it.name).as_deref(),
            Some(name)
        );
    }
    assert!(Profile::named("studio").is_none());
}

#[test]
fn requests_are_written_as_documented() {
    #[track_caller]
    fn check(request: &SubmitRequest, golden: &[u8]) {
        let written = Profile::sunoapi().operation.body(request);
        let written = serde_json::to_string(&written).unwrap();
        // The order of the fields counts too: a tape finds its submissions by the body.
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
fn responses_to_a_submission_mean_what_the_profile_says() {
    use ResponseClass::*;

    /// Expected results in the order sunoapi, kie, studio; `None` means in doubt.
    #[track_caller]
    fn check(status: u16, body: &[u8], expected: [Option<ResponseClass>; 3]) {
        for (profile, expected) in [Profile::sunoapi(), Profile::kie(), studio()]
            .into_iter()
            .zip(expected)
        {
            let response = profile.read_submit_response(status, body);
            let class = match &response {
                SubmitResponse::Refused { class, .. } => Some(*class),
                SubmitResponse::InDoubt { .. } => None,
                SubmitResponse::Exists { .. } => panic!("a song exists already"),
                SubmitResponse::Accepted(id) => panic!("accepted as {id}"),
            };
            assert_eq!(class, expected, "{}: {response:?}", profile.name);
        }
    }
    #[track_caller]
    fn all(status: u16, body: &[u8], expected: Option<ResponseClass>) {
        check(status, body, [expected; 3]);
    }

    for body in [
        wire!("submit/accepted.json"),
        wire!("submit/accepted-snake-case.json"),
    ] {
        for status in [200, 201, 500] {
            let response = Profile::sunoapi().read_submit_response(status, body);
            assert_eq!(
                response,
                SubmitResponse::Accepted(TASK.into()),
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
    // A refusal that names a task may still be a purchase.
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
    let response =
        Profile::sunoapi().read_submit_response(200, wire!("submit/echoes-source-url.json"));
    let expected = SubmitResponse::Refused {
        class: ResponseClass::RefusedJob,
        code: Some(400),
        message: "Can't read https://files.example.com/a.mp3?… of yours".to_owned(),
    };
    assert_eq!(response, expected);
}

#[test]
fn imperfect_json_is_read_at_every_call() {
    // Half an emoji, NaN and a number that no double can represent; then Latin-1 bytes after a byte-order mark.
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
        let accepted = profile.read_submit_response(200, &spoilt(wire!("submit/accepted.json")));
        assert_eq!(accepted, SubmitResponse::Accepted(TASK.into()));
        let view = profile
            .read_record_info(
                200,
                &spoilt(wire!("record-info/success.json")),
                &TASK.into(),
            )
            .unwrap();
        assert_eq!((view.stage, view.tracks.len()), (Stage::Complete, 2));
        let data = profile
            .read_data(ApiCall::Credits, 200, &spoilt(wire!("credits/float.json")))
            .unwrap();
        assert_eq!(read_credits(&data), Some(87.5));
        let data = profile
            .read_data(ApiCall::Upload, 200, &spoilt(wire!("upload/ok.json")))
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
    let response =
        Profile::kie().read_submit_response(200, &in_text(wire!("submit/accepted.json")));
    assert_eq!(response, SubmitResponse::Accepted(TASK.into()));
}

#[test]
fn a_damaged_id_is_no_acceptance() {
    let body = br#"{"code":200,"data":{"taskId":"0123\ud83cabcd"}}"#;
    let response = Profile::kie().read_submit_response(200, body);
    assert!(
        matches!(response, SubmitResponse::InDoubt { .. }),
        "{response:?}"
    );
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
fn a_length_is_of_this_world() {
    for (duration, read) in [("12.5", Some(12.5)), ("1e308", None), ("-3", None)] {
        let track = format!(r#"{{"id":"1","duration":{duration}}}"#);
        let track = Track::read(&serde_json::from_str(&track).unwrap()).unwrap();
        assert_eq!(track.duration_s, read);
    }
}

#[test]
fn balances_are_read_in_every_form() {
    #[track_caller]
    fn check(body: &[u8], expected: Option<f64>) {
        let data = Profile::kie().read_data(ApiCall::Credits, 200, body);
        assert_eq!(data.ok().and_then(|data| read_credits(&data)), expected);
    }
    check(wire!("credits/integer.json"), Some(100.0));
    check(wire!("credits/float.json"), Some(87.5));
    check(wire!("credits/text.json"), Some(87.5));
    check(wire!("credits/none.json"), None);
    check(wire!("credits/unauthorized.json"), None);
    check(br#"{"code":200,"msg":"success","data":1e308}"#, None);
}

#[test]
fn uploads_are_read_and_written_as_documented() {
    let read = |status, body| Profile::sunoapi().read_data(ApiCall::Upload, status, body);
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
        serde_json::to_value(UploadResponse::success(uploaded))
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
        (ResponseClass::RefusedJob, Some(400))
    );
    let written = UploadResponse::refusal(400, "Missing required parameter: uploadPath");
    assert_eq!(
        serde_json::to_value(written).unwrap().to_string(),
        value(missing).to_string()
    );
    assert_eq!(
        read(200, wire!("upload/contradiction.json"))
            .unwrap_err()
            .class,
        ResponseClass::InDoubt
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
            (profile.song_price_credits(), profile.rate),
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
