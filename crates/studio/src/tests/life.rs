//! A task's whole life with real sound, and the contract's shapes on the way.

use backline_api::{
    ApiKey, Client, ClientOptions, Profile, Setting, Stage, SubmitOutcome, SubmitRequest, TaskId,
};
use backline_audio::decode;
use serde_json::Value;

use super::lab::{Lab, Receiver, instant_request, request, vocal};

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn names_of(value: &Value) -> Vec<&String> {
    value.as_object().unwrap().keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vocal_becomes_two_different_tracks() {
    let lab = Lab::open(|config| config.instant = false).await;
    let mut receiver = Receiver::open(&[]).await;
    let source = vocal();
    let mut body = request(&lab.upload("vocal.wav", source.clone()).await);
    body["callBackUrl"] = receiver.url.clone().into();
    body["tags"] = "piano, calm, wobblecore".into();
    let task = lab.submit(&body).await;
    let early = lab.record_info(&task).await;
    assert_eq!(
        early["param"],
        body.to_string(),
        "the request is shown as it was sent"
    );
    let info = lab.finished(&task).await;
    assert_eq!(info["status"], "SUCCESS", "{info}");
    assert_eq!(receiver.types(3).await, ["text", "first", "complete"]);
    let expected_s = decode(&source).unwrap().duration_s();
    let tracks = info["response"]["sunoData"].as_array().unwrap();
    let mut sounds = Vec::new();
    for track in tracks {
        for address in [
            "audioUrl",
            "streamAudioUrl",
            "sourceAudioUrl",
            "mixAudioUrl",
        ] {
            let audio = decode(&lab.download(track[address].as_str().unwrap()).await).unwrap();
            assert!(
                audio.duration_s() >= expected_s - 0.1,
                "{address} lasts {} s",
                audio.duration_s()
            );
            let peak = audio
                .channels
                .iter()
                .flatten()
                .fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            assert!(peak > 0.01, "{address} is silent");
        }
        let facts = &track["facts"];
        for name in ["key", "metre", "style"] {
            assert!(facts[name].is_string(), "{name} of {facts}");
        }
        assert!(facts["tempo_bpm"].as_f64().unwrap() > 30.0);
        assert!(!facts["chords"].as_array().unwrap().is_empty());
        assert_eq!(facts["not_understood"], serde_json::json!(["wobblecore"]));
        let file = lab.download(track["audioUrl"].as_str().unwrap()).await;
        assert!(
            file.windows(7).any(|window| window == b"Lullaby"),
            "the file tells its title"
        );
        sounds.push(file);
        assert_eq!(track["prompt"], "[Instrumental]");
        assert_eq!(
            (&track["title"], &track["tags"]),
            (&body["title"], &body["tags"])
        );
    }
    assert_eq!(tracks.len(), 2);
    assert_ne!(sounds[0], sounds[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_gives_the_same_bytes_in_a_fresh_folder_and_another_take_in_the_same() {
    let render = async |lab: &Lab| -> Vec<u8> {
        // Another name: the content counts.
        let name = format!("{}.wav", uuid::Uuid::new_v4().simple());
        let task = lab
            .submit(&request(&lab.upload(&name, vocal()).await))
            .await;
        let info = lab.finished(&task).await;
        lab.download(
            info["response"]["sunoData"][0]["audioUrl"]
                .as_str()
                .unwrap(),
        )
        .await
    };
    let one = Lab::open(|config| config.instant = false).await;
    let (first, second) = (render(&one).await, render(&one).await);
    let other = Lab::open(|config| config.instant = false).await;
    assert!(
        first == render(&other).await,
        "a fresh folder repeats the first take"
    );
    assert!(first != second, "the second take is another one");
}

#[tokio::test]
async fn sources_that_are_not_there_or_no_sound_fail_with_their_code() {
    let lab = Lab::open(|config| config.instant = false).await;
    let text = lab
        .upload(
            "text.wav",
            b"This is no audio file at all, whatever it calls itself.".to_vec(),
        )
        .await;
    for (source, code, message) in [
        (text.as_str(), 400, "could not read the source audio"),
        (
            &lab.url("files/uploads/none.wav"),
            451,
            "the uploaded file does not exist",
        ),
        (
            "http://192.168.1.1/vocal.wav",
            451,
            "the address is private",
        ),
        ("http://localhost:1/vocal.wav", 451, "could not be reached"),
    ] {
        let task = lab.submit(&request(source)).await;
        let info = lab.finished(&task).await;
        assert_eq!(info["status"], "GENERATE_AUDIO_FAILED", "{source}");
        assert_eq!(info["errorCode"], code, "{info}");
        assert!(
            info["errorMessage"].as_str().unwrap().contains(message),
            "{info}"
        );
        assert_eq!(info["response"], Value::Null);
    }
}

#[tokio::test]
async fn responses_have_the_golden_shapes() {
    let lab = Lab::open(|_| ()).await;
    for body in [
        include_str!("../../../../tests/fixtures/wire/submit/request-full.json"),
        include_str!("../../../../tests/fixtures/wire/submit/request-least.json"),
    ] {
        let response = lab
            .post("api/v1/generate/add-instrumental", &golden(body))
            .await;
        let expected = golden(include_str!(
            "../../../../tests/fixtures/wire/submit/accepted.json"
        ));
        assert_eq!(names_of(&response), names_of(&expected));
        let task_id = response["data"]["taskId"].as_str().unwrap();
        assert!(
            task_id.len() == 32
                && task_id
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
            "{task_id}"
        );
        let info = lab
            .get(&format!("api/v1/generate/record-info?taskId={task_id}"))
            .await;
        let expected = golden(include_str!(
            "../../../../tests/fixtures/wire/record-info/success.json"
        ));
        assert_eq!(names_of(&info), names_of(&expected));
        assert_eq!(names_of(&info["data"]), names_of(&expected["data"]));
        let (track, expected) = (
            &info["data"]["response"]["sunoData"][0],
            &expected["data"]["response"]["sunoData"][0],
        );
        for name in names_of(expected) {
            assert_eq!(
                std::mem::discriminant(&track[name]),
                std::mem::discriminant(&expected[name]),
                "{name} is {} and should be like {}",
                track[name],
                expected[name]
            );
        }
    }
    let unknown = lab
        .get("api/v1/generate/record-info?taskId=00000000000000000000000000000000")
        .await;
    assert_eq!(
        unknown,
        golden(include_str!(
            "../../../../tests/fixtures/wire/record-info/unknown-task.json"
        ))
    );
    assert_eq!(lab.get("api/v1/generate/record-info").await["code"], 400);
}

#[tokio::test]
async fn the_typed_client_understands_everything() {
    let lab = Lab::open(|config| config.credits = Some(20.0)).await;
    let profile = Profile::studio(lab.studio.base_url().clone());
    let client = Client::new(
        profile,
        ApiKey::new("any").unwrap(),
        ClientOptions::new("studio-tests"),
    )
    .unwrap();
    assert_eq!(client.credits().await.unwrap(), 20.0);
    let body = instant_request();
    let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
    let request = SubmitRequest {
        upload_url: text("uploadUrl"),
        call_back_url: text("callBackUrl"),
        settings: [Setting::TITLE, Setting::TAGS, Setting::NEGATIVE_TAGS]
            .map(|setting| (setting, text(setting.field).as_str().into()))
            .into_iter()
            .collect(),
    };
    let SubmitOutcome::Accepted(task) = client.submit(&request, "token-1").await.outcome else {
        panic!("not accepted")
    };
    let SubmitOutcome::Accepted(again) = client.submit(&request, "token-1").await.outcome else {
        panic!("not repeated")
    };
    assert_eq!(task, again);
    let refused = client.submit(&request, "token-2").await.outcome;
    let SubmitOutcome::Refused { class, code, .. } = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        (class, code),
        (backline_api::ResponseClass::StopForCredits, Some(429))
    );
    let view = client.record_info(&task).await.unwrap();
    assert_eq!(view.stage, Stage::Complete);
    let mut download = client
        .download(view.tracks[0].audio_url.as_deref().unwrap(), None, u64::MAX)
        .await
        .unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = download.chunk().await.unwrap() {
        bytes.extend_from_slice(&chunk);
    }
    assert!(decode(&bytes).is_ok());
    assert_eq!(
        client
            .record_info(&TaskId::from("none"))
            .await
            .unwrap()
            .stage,
        Stage::Unknown
    );
}

#[tokio::test]
async fn what_the_studio_could_not_store_costs_nothing() {
    let lab = Lab::open(|config| (config.credits, config.instant) = (Some(100.0), false)).await;
    // No folder can be made in a file's place: to the studio it is as good as a full disk.
    let results = lab.shared().folder.results();
    std::fs::remove_dir(&results).unwrap();
    std::fs::write(&results, b"in the way").unwrap();
    let source = lab.upload("vocal.wav", vocal()).await;
    let task = lab.submit(&request(&source)).await;
    let info = lab.finished(&task).await;
    let view = backline_api::RecordInfo::read(&info).unwrap().view();
    assert!(
        matches!(
            view.stage,
            backline_api::Stage::Failed { refunded: true, .. }
        ),
        "{view:?}"
    );
    assert_eq!(lab.balance().await, 100.0);
}
