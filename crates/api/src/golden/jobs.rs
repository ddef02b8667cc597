//! The route with one path for all operations: the same songs and files in another format.

use super::*;

fn cdn(path: &str) -> Content {
    Content::File(format!("https://cdn.example.com/{path}"))
}

#[test]
fn what_is_sent_goes_into_an_object_of_its_own() {
    let profile = Profile::kie_jobs();
    let mut request = full_request();
    for setting in Setting::all().filter(|it| it.is_optional()) {
        request.settings.set(setting, None);
    }
    let request = SubmitRequest {
        settings: request.settings.with(Setting::MODEL, "V6"),
        ..request
    };
    let written = Value::from(profile.operation.body(&request));
    let expected = value(wire!("steps/job-request.json"));
    assert_eq!(written.to_string(), expected.to_string());
    let wav = profile.step("wav").unwrap();
    let request = StepRequest {
        source: Source::Track {
            task: TASK.into(),
            track: "11111111-2222-4333-8444-555555555555".to_owned(),
        },
        choices: Choices::default(),
        call_back_url: request.call_back_url,
    };
    let written = Value::from(wav.step_body(&request).unwrap());
    let expected = value(wire!("steps/job-request-wav.json"));
    assert_eq!(written.to_string(), expected.to_string());
    assert!(profile.knows_model(&profile.default_model));
}

#[test]
fn states_and_results_in_a_text_are_read() {
    let profile = Profile::kie_jobs();
    let view = |body: &[u8]| profile.read_record_info(200, body, &TASK.into()).unwrap();
    let songs = view(wire!("steps/job-songs.json"));
    assert_eq!((songs.stage, songs.tracks.len()), (Stage::Complete, 2));
    assert_eq!(songs.tracks[1].duration_s, Some(198.44));
    let running = view(wire!("steps/job-generating.json"));
    assert_eq!(running.stage, Stage::Pending);
    let failed = Stage::Failed {
        code: Some(400),
        message: "Please try again".to_owned(),
        refunded: false,
    };
    assert_eq!(view(wire!("steps/job-failed.json")).stage, failed);

    let read = |operation: &Operation, body: &[u8]| {
        let view = operation.read_step_details(200, body, &TASK.into());
        view.unwrap()
    };
    let songs = read(&profile.operation, wire!("steps/job-songs.json"));
    let contents: Vec<_> = songs
        .artefacts
        .iter()
        .map(|it| it.content.clone())
        .collect();
    assert_eq!(contents, [cdn("a.mp3"), cdn("b.mp3")]);
    assert_eq!((songs.stage, songs.credits), (Stage::Complete, Some(12.0)));
    let wav = profile.step("wav").unwrap();
    let done = read(wav, wire!("steps/job-wav.json"));
    assert_eq!(done.artefacts[0].content, cdn("a.wav"));
    assert_eq!((done.stage, done.credits), (Stage::Complete, Some(0.4)));
    assert_eq!(
        read(wav, wire!("steps/job-generating.json")).stage,
        Stage::Pending
    );
    let none = read(wav, wire!("steps/job-failed.json"));
    assert_eq!((none.stage, none.credits), (failed, Some(0.0)));
    let callback = wav.read_step_callback(wire!("steps/job-wav.json")).unwrap();
    assert_eq!(callback.view.stage, Stage::Complete);
}
