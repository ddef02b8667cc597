//! Steps: their requests, details and callbacks in every shape.

use super::*;

const STEP: &str = "89abcdef89abcdef89abcdef89abcdef";
const MUSIC: &str = "11111111-2222-4333-8444-555555555555";
const STEM: &str = "66666666-7777-4888-8999-000000000000";

fn step(name: &str) -> Operation {
    Profile::sunoapi().step(name).unwrap().clone()
}

fn cdn(path: &str) -> String {
    format!("https://cdn.example.com/{path}")
}

/// Names and addresses of files.
fn files(view: &StepView) -> Vec<(&str, String)> {
    let of = |artefact: &Artefact| match &artefact.content {
        Content::File(url) => url.clone(),
        Content::Notes(_) => "notes".to_owned(),
    };
    let artefacts = view.artefacts.iter();
    artefacts.map(|it| (it.name.as_str(), of(it))).collect()
}

fn failed(code: Option<i64>, message: &str, refunded: bool) -> Stage {
    Stage::Failed {
        code,
        message: message.to_owned(),
        refunded,
    }
}

fn incomplete(message: &str) -> Stage {
    Stage::Incomplete {
        code: None,
        message: message.to_owned(),
        refunded: false,
    }
}

#[track_caller]
fn details(name: &str, body: &[u8]) -> StepView {
    let view = step(name).read_step_details(200, body, &STEP.into());
    let view = view.unwrap();
    assert_eq!(view.task_id.as_str(), STEP);
    view
}

#[track_caller]
fn callback(name: &str, body: &[u8]) -> StepView {
    let view = step(name).read_step_callback(body).unwrap().view;
    assert_eq!(view.task_id.as_str(), STEP);
    view
}

#[test]
fn requests_of_steps_are_written_as_documented() {
    #[track_caller]
    fn check(operation: &Operation, source: Source, choices: &[(&str, &str)], golden: &[u8]) {
        let request = StepRequest {
            source,
            choices: operation.choices(choices.iter().copied()).unwrap(),
            call_back_url: "https://hooks.example.com/t/abc".to_owned(),
        };
        let written = operation.step_body(&request).unwrap();
        assert_eq!(
            serde_json::to_string(&written).unwrap(),
            value(golden).to_string()
        );
    }
    let track = || Source::Track {
        task: TASK.into(),
        track: MUSIC.to_owned(),
    };
    check(&step("wav"), track(), &[], wire!("steps/wav-request.json"));
    check(
        &step("stems"),
        track(),
        &[("type", "split_stem")],
        wire!("steps/stems-request.json"),
    );
    check(
        &step("stems"),
        Source::Recording { url: cdn("a.mp3") },
        &[("stem_name", "Lead Vocal"), ("type", "split_stem_advanced")],
        wire!("steps/stems-request-url.json"),
    );
    let stem = Source::Stems {
        task: STEP.into(),
        stem: Some(STEM.to_owned()),
    };
    check(&step("midi"), stem, &[], wire!("steps/midi-request.json"));
    let song = || Source::Song { task: TASK.into() };
    check(
        &step("recovery"),
        song(),
        &[],
        wire!("steps/recovery-request.json"),
    );
    check(
        Profile::kie().step("recovery").unwrap(),
        song(),
        &[],
        wire!("steps/recovery-request-kie.json"),
    );
    let wrong = StepRequest {
        source: song(),
        choices: Choices::default(),
        call_back_url: String::new(),
    };
    assert_eq!(
        step("wav").step_body(&wrong).unwrap_err().to_string(),
        "`wav` processes a track of a song task"
    );
}

#[test]
fn settings_of_steps_are_checked_and_decide_the_price() {
    let stems = step("stems");
    let check = |given: &[(&str, &str)]| {
        let choices = stems.choices(given.iter().copied());
        choices.map_err(|error| error.to_string())
    };
    for (given, price) in [
        (vec![("type", "separate_vocal")], 10.0),
        (vec![("type", "split_stem")], 50.0),
        (
            vec![("type", "split_stem_advanced"), ("stem_name", "808")],
            20.0,
        ),
    ] {
        let choices = check(&given).unwrap();
        assert_eq!(stems.price.of(&choices), Some(price));
        let written = serde_json::to_value(&choices).unwrap();
        assert_eq!(written.as_object().unwrap().len(), given.len());
    }
    for (given, message) in [
        (vec![], "`type` has no value"),
        (vec![("type", "karaoke")], "`type` can't be `karaoke`"),
        (vec![("typ", "x")], "`stems` has no setting `typ`"),
        (
            vec![("type", "split_stem_advanced")],
            "`stem_name` has no value",
        ),
        (
            vec![("type", "split_stem"), ("stem_name", "Kick")],
            "`stem_name` goes with `type: split_stem_advanced` only",
        ),
    ] {
        assert_eq!(check(&given).unwrap_err(), message);
    }
    let none = Choices::default();
    assert_eq!(step("wav").price.of(&none), Some(0.4));
    assert_eq!(step("midi").price.of(&none), Some(0.0));
    assert_eq!(step("recovery").price.of(&none), None);
    assert_eq!(stems.price.of(&none), None);
    let free = Profile::sunoapi().without_prices();
    assert!(free.operations().all(|it| it.price.of(&none) == Some(0.0)));
}

#[test]
fn responses_to_steps_mean_what_the_operation_says() {
    let exists = |task: Option<&str>, code, message: &str| SubmitResponse::Exists {
        task_id: task.map(TaskId::from),
        code: Some(code),
        message: message.to_owned(),
    };
    let refused = |code, message: &str| SubmitResponse::Refused {
        class: ResponseClass::RefusedJob,
        code: Some(code),
        message: message.to_owned(),
    };
    let read = |operation: &Operation, body| operation.read_submit_response(200, body);
    let wav = step("wav");
    assert_eq!(
        read(&wav, wire!("steps/exists-with-id.json")),
        exists(Some(STEP), 409, "WAV record already exists")
    );
    assert_eq!(
        read(&wav, wire!("steps/exists-without-id.json")),
        exists(None, 409, "WAV record already exists")
    );
    assert_eq!(
        read(&wav, wire!("steps/exists-422.json")),
        exists(None, 422, "Wav record already exists")
    );
    // A refusal proves nothing about the first purchase if a repeat of the operation is charged again.
    for body in [
        wire!("steps/exists-with-id.json"),
        wire!("steps/exists-without-id.json"),
    ] {
        for name in ["stems", "midi", "recovery"] {
            let response = read(&step(name), body);
            assert!(
                matches!(response, SubmitResponse::InDoubt { .. }),
                "{name}: {response:?}"
            );
        }
    }
    let unknown = wire!("steps/unknown-input.json");
    for profile in [Profile::sunoapi(), Profile::kie()] {
        for operation in &profile.steps {
            assert_eq!(
                read(operation, unknown),
                refused(422, "Record does not exist")
            );
            let lost = br#"{"code":404,"msg":"not found","data":null}"#;
            assert_eq!(read(operation, lost), refused(404, "not found"));
            let accepted = wire!("steps/recovery-accepted.json");
            assert_eq!(
                read(operation, accepted),
                SubmitResponse::Accepted(STEP.into())
            );
        }
    }
    let gone = wire!("steps/recovery-unknown-input.json");
    assert_eq!(
        read(Profile::kie().step("recovery").unwrap(), gone),
        refused(500, "The original Suno task does not exist.")
    );
    let response = read(&step("recovery"), gone);
    assert!(matches!(response, SubmitResponse::InDoubt { .. }));
    // An override of a code applies to all operations.
    let body = br#"{"code":429,"msg":"x","data":null}"#;
    for (profile, class) in [
        (Profile::sunoapi(), ResponseClass::StopForCredits),
        (Profile::kie(), ResponseClass::Wait),
    ] {
        for operation in profile.operations() {
            let SubmitResponse::Refused { class: read, .. } = read(operation, body) else {
                panic!("not refused")
            };
            assert_eq!(read, class, "{}", operation.name);
        }
    }
}

#[test]
fn details_of_a_wav_mean_what_was_observed() {
    let done = [("wav", cdn("a.wav"))];
    for body in [
        wire!("steps/wav-success.json"),
        wire!("steps/wav-snake-case.json"),
        wire!("steps/wav-beside.json"),
        wire!("steps/wav-callback-exception.json"),
    ] {
        let view = details("wav", body);
        assert_eq!(
            (&view.stage, files(&view)),
            (&Stage::Complete, done.to_vec())
        );
        assert_eq!(view.artefacts[0].track_id.as_deref(), Some(MUSIC));
    }
    for (body, stage) in [
        (wire!("steps/wav-pending.json"), Stage::Pending),
        (wire!("steps/wav-status-unknown.json"), Stage::Pending),
        (
            wire!("steps/wav-pending-failed.json"),
            failed(Some(413), "The audio matches an existing work", false),
        ),
        (
            wire!("steps/wav-failed.json"),
            failed(Some(500), "Conversion failed", false),
        ),
        (
            wire!("steps/wav-not-created.json"),
            failed(None, "CREATE_TASK_FAILED", false),
        ),
        (
            wire!("steps/wav-success-empty.json"),
            incomplete("finished without a result"),
        ),
        (
            wire!("steps/wav-callback-exception-empty.json"),
            incomplete("CALLBACK_EXCEPTION"),
        ),
        (wire!("steps/null.json"), Stage::Unknown),
        (wire!("steps/wav-deleted.json"), Stage::Unknown),
    ] {
        let view = details("wav", body);
        assert_eq!((view.stage, view.artefacts.len()), (stage, 0));
    }
    let wav = step("wav");
    for (status, body) in [
        (200, wire!("steps/another-task.json")),
        (502, wire!("submit/bad-gateway.html")),
        (200, br#"{"code":500,"msg":"x","data":null}"#),
        (200, br#"{"code":200,"data":[1]}"#),
    ] {
        let refusal = wav.read_step_details(status, body, &STEP.into());
        assert_eq!(refusal.unwrap_err().class, ResponseClass::InDoubt);
    }
}

#[test]
fn details_of_stems_name_every_stem_once() {
    let view = details("stems", wire!("steps/stems-separate.json"));
    assert_eq!(view.stage, Stage::Complete);
    assert_eq!(
        files(&view),
        [
            ("instrumental", cdn("s/x_Instrumental.mp3")),
            ("vocal", cdn("s/x_Vocals.mp3"))
        ]
    );
    let vocal = &view.artefacts[1];
    assert_eq!(
        (vocal.id.as_deref(), vocal.duration_s),
        (Some(STEM), Some(198.44))
    );
    let view = details("stems", wire!("steps/stems-split.json"));
    assert_eq!(
        files(&view),
        [
            ("vocal", cdn("s/x_Vocals.mp3")),
            ("backing-vocals", cdn("s/x_Backing.mp3")),
            ("drums", cdn("s/x_Drums.mp3"))
        ]
    );
    let view = details("stems", wire!("steps/stems-advanced.json"));
    assert_eq!(
        files(&view),
        [
            ("lead-vocal", cdn("s/x_Lead Vocal.mp3")),
            ("without-lead-vocal", cdn("s/x_Rest.mp3"))
        ]
    );
    assert_eq!(view.artefacts[0].id.as_deref(), Some(STEM));
    assert_eq!(
        details("stems", wire!("steps/stems-failed.json")).stage,
        failed(Some(531), "Failed, credits refunded", true)
    );
}

#[test]
fn notes_are_read_with_times_of_either_type() {
    let expected = Notes {
        tracks: vec![
            NoteTrack {
                name: "Drums".to_owned(),
                notes: vec![TranscribedNote {
                    pitch: 36,
                    start_s: 0.21,
                    end_s: 0.34,
                    velocity: 0.8,
                }],
            },
            NoteTrack {
                name: "Bass".to_owned(),
                notes: vec![TranscribedNote {
                    pitch: 40,
                    start_s: 1.5,
                    end_s: 2.0,
                    velocity: 0.5,
                }],
            },
        ],
        unreadable: 1,
    };
    for view in [
        details("midi", wire!("steps/midi-success.json")),
        callback("midi", wire!("steps/midi-callback.json")),
        callback("midi", wire!("steps/midi-callback-kie.json")),
    ] {
        assert_eq!(view.stage, Stage::Complete);
        let [artefact] = view.artefacts.as_slice() else {
            panic!("{view:?}")
        };
        assert_eq!(artefact.content, Content::Notes(expected.clone().into()));
    }
    for (body, stage) in [
        (wire!("steps/midi-running.json"), Stage::Pending),
        (
            wire!("steps/midi-empty.json"),
            incomplete("finished without a result"),
        ),
        (
            wire!("steps/midi-not-created.json"),
            failed(None, "2", false),
        ),
        (
            wire!("steps/midi-failed.json"),
            failed(Some(500), "Transcription failed", false),
        ),
    ] {
        assert_eq!(details("midi", body).stage, stage);
    }
}

#[test]
fn a_recoverys_status_is_the_code_of_its_envelope() {
    let view = details("recovery", wire!("steps/recovery-partial.json"));
    assert_eq!(view.stage, Stage::Complete);
    assert_eq!(files(&view), [("audio", cdn("r/a.m4a"))]);
    assert_eq!(view.artefacts[0].track_id.as_deref(), Some(MUSIC));
    assert_eq!(view.missing[0].reason, "clip_error");
    let view = details("recovery", wire!("steps/recovery-camel-case.json"));
    assert_eq!(files(&view), [("audio", cdn("r/a.m4a"))]);
    let view = details("recovery", wire!("steps/recovery-running.json"));
    assert_eq!(view.stage, Stage::Pending);
    let view = details("recovery", wire!("steps/recovery-all-failed.json"));
    assert_eq!(
        view.stage,
        failed(None, "clip_error, account_missing", false)
    );
    assert_eq!(view.missing.len(), 2);
    assert_eq!(
        details("recovery", wire!("steps/null.json")).stage,
        Stage::Unknown
    );
    // Without an array it may be a server error: it says nothing about the task.
    let unknown = wire!("steps/recovery-unknown.json");
    let refusal = step("recovery").read_step_details(200, unknown, &STEP.into());
    assert_eq!(refusal.unwrap_err().class, ResponseClass::InDoubt);
}

#[test]
fn callbacks_of_steps_are_read_in_every_shape() {
    let wav = vec![("wav", cdn("a.wav"))];
    let stems = vec![
        ("instrumental", cdn("s/x_Instrumental.mp3")),
        ("vocal", cdn("s/x_Vocals.mp3")),
    ];
    for (name, body, expected) in [
        ("wav", wire!("steps/wav-callback.json"), wav.clone()),
        (
            "wav",
            wire!("steps/wav-callback-record-info.json"),
            wav.clone(),
        ),
        ("wav", wire!("steps/wav-success.json"), wav),
        ("stems", wire!("steps/stems-callback.json"), stems.clone()),
        ("stems", wire!("steps/stems-separate.json"), stems),
        (
            "stems",
            wire!("steps/stems-callback-kie.json"),
            vec![
                ("backing-vocals", cdn("s/x_Backing.mp3")),
                ("vocal", cdn("s/x_Vocals.mp3")),
            ],
        ),
        (
            "stems",
            wire!("steps/stems-callback-advanced.json"),
            vec![
                ("lead-vocal", cdn("s/x_Lead Vocal.mp3")),
                ("without-lead-vocal", cdn("s/x_Rest.mp3")),
            ],
        ),
        (
            "recovery",
            wire!("steps/recovery-partial.json"),
            vec![("audio", cdn("r/a.m4a"))],
        ),
    ] {
        let view = callback(name, body);
        assert_eq!((&view.stage, files(&view)), (&Stage::Complete, expected));
    }
    for (name, body, code) in [
        ("wav", wire!("steps/wav-callback-failed.json"), 400),
        ("stems", wire!("steps/stems-callback-failed.json"), 451),
        ("midi", wire!("steps/midi-callback-failed.json"), 500),
        ("midi", wire!("steps/midi-callback-failed-kie.json"), 500),
        ("recovery", wire!("steps/recovery-all-failed.json"), 500),
    ] {
        let stage = callback(name, body).stage;
        assert!(
            matches!(stage, Stage::Failed { code: Some(it), .. } if it == code),
            "{name}: {stage:?}"
        );
    }
    let none = step("wav").read_step_callback(br#"{"code":200,"data":{}}"#);
    assert_eq!(none, Err(CallbackError::NoTaskId));
}

#[test]
fn a_songs_details_are_read_alike() {
    let song = Profile::sunoapi().operation;
    let view = song
        .read_step_details(200, wire!("record-info/success.json"), &TASK.into())
        .unwrap();
    assert_eq!(view.stage, Stage::Complete);
    assert_eq!(
        files(&view),
        [("audio", cdn("a.mp3")), ("audio", cdn("b.mp3"))]
    );
    let callback = song.read_step_callback(wire!("callback/complete.json"));
    assert_eq!(files(&callback.unwrap().view), files(&view));
}
