//! Steps with real sound: what WAV, stems and MIDI hold, what they cost, and what a second request does.

use backline_audio::{Audio, decode};
use serde_json::{Value, json};

use super::lab::{Lab, PATIENCE, Receiver, instant_request, request, vocal};
use crate::read_bill;

pub(super) const WAV: &str = "api/v1/wav";
pub(super) const STEMS: &str = "api/v1/vocal-removal";
pub(super) const MIDI: &str = "api/v1/midi";
pub(super) const RECOVERY: &str = "api/v1/suno/recovery";

pub(super) const HOOK: &str = "https://example.com/hook";

/// The path of a step's details, with its task.
pub(super) fn details_path(step: &str, task: &str) -> String {
    let query = if step == RECOVERY {
        "task_id"
    } else {
        "taskId"
    };
    format!("{step}/record-info?{query}={task}")
}

/// Posts a step and returns the response.
pub(super) async fn post(lab: &Lab, step: &str, body: &Value) -> Value {
    let path = match step {
        RECOVERY => RECOVERY.to_owned(),
        _ => format!("{step}/generate"),
    };
    lab.post(&path, body).await
}

/// Posts a step that is accepted and returns its task.
pub(super) async fn order(lab: &Lab, step: &str, body: &Value) -> String {
    let response = post(lab, step, body).await;
    assert_eq!(response["code"], 200, "{response}");
    let data = &response["data"];
    let id = data["taskId"].as_str().or(data["task_id"].as_str());
    id.unwrap().to_owned()
}

/// The body of a step's details once it has ended.
pub(super) async fn finished(lab: &Lab, step: &str, task: &str) -> Value {
    let path = details_path(step, task);
    let running = |body: &Value| {
        let flag = &body["data"]["successFlag"];
        body["code"] == 201 || *flag == "PENDING" || *flag == 0
    };
    let ended = async || !running(&lab.get(&path).await);
    let wait = lab.studio.wait_until(ended);
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("the step ends");
    lab.get(&path).await
}

/// The ids of a song's tracks.
pub(super) async fn track_ids(lab: &Lab, song: &str) -> Vec<String> {
    let info = lab.finished(song).await;
    let tracks = info["response"]["sunoData"].as_array().unwrap();
    let ids = tracks.iter().map(|track| track["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

pub(super) fn of_track(song: &str, track: &str) -> Value {
    json!({ "taskId": song, "audioId": track, "callBackUrl": HOOK })
}

fn with(mut body: Value, name: &str, value: &str) -> Value {
    body[name] = value.into();
    body
}

/// A studio with a song that the band has played.
async fn played(tags: &str) -> (Lab, String, Vec<String>) {
    let lab = Lab::open(|config| config.instant = false).await;
    let upload = lab.upload("vocal.wav", vocal()).await;
    let song = with(with(request(&upload), "tags", tags), "negativeTags", "");
    let song = lab.submit(&song).await;
    let tracks = track_ids(&lab, &song).await;
    (lab, song, tracks)
}

async fn audio(lab: &Lab, url: &Value) -> Audio {
    decode(&lab.download(url.as_str().unwrap()).await).unwrap()
}

/// The loudest sample of the difference of two recordings.
fn difference(one: &Audio, other: &Audio) -> f32 {
    assert_eq!(one.frames(), other.frames());
    let channels = one.channels.iter().zip(&other.channels);
    let pairs = channels.flat_map(|(one, other)| one.iter().zip(other));
    pairs.fold(0.0, |most, (one, other)| most.max((one - other).abs()))
}

fn sum(all: &[Audio]) -> Audio {
    let mut sum = all[0].clone();
    for other in &all[1..] {
        for (sum, other) in sum.channels.iter_mut().zip(&other.channels) {
            sum.iter_mut().zip(other).for_each(|(sum, it)| *sum += it);
        }
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wav_is_the_tracks_own_samples() {
    let (lab, song, tracks) = played("piano, calm").await;
    let info = lab.finished(&song).await;
    for (place, track) in tracks.iter().enumerate() {
        let task = order(&lab, WAV, &of_track(&song, track)).await;
        let body = finished(&lab, WAV, &task).await;
        let data = &body["data"];
        assert_eq!(data["successFlag"], "SUCCESS", "{body}");
        assert_eq!(data["musicId"], track.as_str());
        assert_eq!(data["musicIndex"], place);
        let url = data["response"]["audioWavUrl"].as_str().unwrap();
        let bytes = lab.download(url).await;
        assert_eq!((&bytes[..4], &bytes[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
        let wav = decode(&bytes).unwrap();
        assert_eq!((wav.rate_hz, wav.channels.len()), (44_100, 2));
        // The lab's tracks are 16-bit files too, of the same samples.
        let track = audio(&lab, &info["response"]["sunoData"][place]["audioUrl"]).await;
        assert_eq!(difference(&wav, &track), 0.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stems_add_up_to_the_track_and_their_notes_are_heard_in_them() {
    let (lab, song, tracks) = played("pop rock, drums, bass, electric guitar").await;
    let body = with(of_track(&song, &tracks[0]), "type", "split_stem");
    let task = order(&lab, STEMS, &body).await;
    let body = finished(&lab, STEMS, &task).await;
    let response = &body["data"]["response"];
    assert_eq!(body["data"]["successFlag"], "SUCCESS", "{body}");
    assert_eq!(response["instrumentalUrl"], Value::Null);
    let mut band = Vec::new();
    let mut named = Vec::new();
    for (name, url) in response.as_object().unwrap() {
        if name.ends_with("Url") && url.is_string() {
            let audio = audio(&lab, url).await;
            if name != "vocalUrl" {
                band.push(audio.clone());
            }
            named.push((name.trim_end_matches("Url").to_owned(), audio));
        }
    }
    let names: Vec<&str> = named.iter().map(|(name, _)| name.as_str()).collect();
    for stem in ["vocal", "drums", "bass", "guitar"] {
        assert!(names.contains(&stem), "{names:?}");
    }
    let info = lab.finished(&song).await;
    let track = audio(&lab, &info["response"]["sunoData"][0]["audioUrl"]).await;
    // Each of the files is rounded to 16 bits, by half a step at most. Saturation gives a sample near zero no gain of its own: the one
    // before it continues, which leaves -66 dBFS at most.
    let tolerance = (band.len() + 1) as f32 / 65_536.0 + 0.0005;
    // Where stems cancel each other, one may be louder than the track: a file ends at full scale.
    const CLIPPED: f32 = 0.003;
    let whole = sum(&band);
    assert!(difference(&whole, &track) <= tolerance + CLIPPED);
    let mut at_full_scale = 0;
    for (side, samples) in whole.channels.iter().enumerate() {
        for (frame, sample) in samples.iter().enumerate() {
            if band
                .iter()
                .any(|stem| stem.channels[side][frame].abs() > 0.9999)
            {
                at_full_scale += 1;
            } else {
                let apart = (sample - track.channels[side][frame]).abs();
                assert!(apart <= tolerance, "{apart} > {tolerance} of {names:?}");
            }
        }
    }
    assert!(
        at_full_scale < track.frames() / 5000,
        "{at_full_scale} samples"
    );

    let items = response["originData"].as_array().unwrap();
    assert_eq!(items.len(), named.len());
    let notes_of = async |stem: Option<&str>| -> Vec<Value> {
        let mut body = json!({ "taskId": task, "callBackUrl": HOOK });
        if let Some(id) = stem {
            body["audioId"] = id.into();
        }
        let midi = order(&lab, MIDI, &body).await;
        let body = finished(&lab, MIDI, &midi).await;
        assert_eq!(body["data"]["successFlag"], 1, "{body}");
        let instruments = &body["data"]["midiData"]["instruments"];
        instruments.as_array().unwrap().clone()
    };
    let all = notes_of(None).await;
    assert_eq!(all.len(), named.len());
    let drums = items
        .iter()
        .find(|item| item["stem_type_group_name"] == "Drums")
        .unwrap();
    let alone = notes_of(drums["id"].as_str()).await;
    let [drums] = alone.as_slice() else {
        panic!("{alone:?}")
    };
    assert!(all.contains(drums));
    let (_, heard) = named.iter().find(|(name, _)| name == "drums").unwrap();
    let notes = drums["notes"].as_array().unwrap();
    assert!(notes.len() > 8, "{} notes", notes.len());
    let starts: Vec<f64> = notes
        .iter()
        .map(|note| note["start"].as_f64().unwrap())
        .collect();
    // Strokes that no other one rings into: their starts can be heard.
    let clear: Vec<f64> = starts
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 0.1)
        .map(|pair| pair[1])
        .collect();
    let struck = |shift_s: f64| {
        let rises = clear.iter().filter(|start| rises(heard, **start + shift_s));
        rises.count() as f64 / clear.len() as f64
    };
    assert!(clear.len() > 8, "{} of {}", clear.len(), starts.len());
    let (at_notes, beside) = (struck(0.0), struck(0.06));
    assert!(at_notes > 0.9, "{at_notes} of the strokes are heard");
    assert!(beside < 0.5, "{beside} would be heard anywhere");
}

/// Whether a recording gets twice as loud within 35 ms of a time, which is as long as a stroke's attack and the room's first reflection take.
fn rises(audio: &Audio, time_s: f64) -> bool {
    let peak = |from_s: f64, to_s: f64| {
        let frame = |time_s: f64| (time_s.max(0.0) * f64::from(audio.rate_hz)) as usize;
        let samples = audio.channels.iter().flat_map(|channel| {
            let to = frame(to_s).min(channel.len());
            &channel[frame(from_s).min(to)..to]
        });
        samples.fold(0.0_f32, |peak, sample| peak.max(sample.abs()))
    };
    peak(time_s - 0.005, time_s + 0.035) > 2.0 * peak(time_s - 0.045, time_s - 0.010)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_vocal_alone_a_named_stem_and_one_that_nobody_plays() {
    let (lab, song, tracks) = played("piano, calm").await;
    let track = of_track(&song, &tracks[1]);
    let two = order(&lab, STEMS, &track).await;
    let info = lab.finished(&song).await;
    let whole = audio(&lab, &info["response"]["sunoData"][1]["audioUrl"]).await;
    let body = finished(&lab, STEMS, &two).await;
    let response = &body["data"]["response"];
    let instrumental = audio(&lab, &response["instrumentalUrl"]).await;
    assert_eq!(difference(&instrumental, &whole), 0.0);
    let vocal = audio(&lab, &response["vocalUrl"]).await;
    let peak = vocal
        .channels
        .iter()
        .flatten()
        .fold(0.0_f32, |a, b| a.max(b.abs()));
    assert!(peak > 0.01 && vocal.frames() == whole.frames());

    let named = |name| {
        with(
            with(track.clone(), "type", "split_stem_advanced"),
            "stemName",
            name,
        )
    };
    let task = order(&lab, STEMS, &named("Piano")).await;
    let body = finished(&lab, STEMS, &task).await;
    let item = &body["data"]["response"]["originData"][0];
    let parts = [
        audio(&lab, &item["extract"]["audio_url"]).await,
        audio(&lab, &item["remove"]["audio_url"]).await,
    ];
    // What the oversampled saturator adds near zero crossings belongs to no part: 66 dB under full scale at most.
    let most = difference(&sum(&parts), &whole);
    assert!(most <= 1.0 / 2048.0, "{most}");
    // The vocal is a stem beside the track: neither is a part of the other.
    let voice = order(&lab, STEMS, &named("Lead Vocal")).await;
    let body = finished(&lab, STEMS, &voice).await;
    let item = &body["data"]["response"]["originData"][0];
    let extract = audio(&lab, &item["extract"]["audio_url"]).await;
    assert_eq!(difference(&extract, &vocal), 0.0);
    let remove = audio(&lab, &item["remove"]["audio_url"]).await;
    assert_eq!(difference(&remove, &whole), 0.0);

    let before = lab.balance().await;
    let task = order(&lab, STEMS, &named("Trumpet")).await;
    let body = finished(&lab, STEMS, &task).await;
    assert_eq!(body["data"]["successFlag"], "GENERATE_AUDIO_FAILED");
    let message = body["data"]["errorMessage"].as_str().unwrap();
    assert_eq!(message, "the track has no stem `Trumpet`");
    assert_eq!(lab.balance().await, before - 20.0, "it is charged");
    let notes = json!({ "taskId": task, "callBackUrl": HOOK });
    let refused = post(&lab, MIDI, &notes).await;
    let message = "the stems task failed: it has no result to process";
    assert_eq!(
        (&refused["code"], &refused["msg"]),
        (&json!(400), &json!(message))
    );

    // The mix adds reverb and mastering to the vocal and makes way for it in the band: it is near to the sum of both, and not it.
    let mix = audio(&lab, &info["response"]["sunoData"][1]["mixAudioUrl"]).await;
    let near_db = 10.0 * (energy(&[&vocal]) / energy(&[&mix, &whole, &vocal])).log10();
    assert!((5.0..15.0).contains(&near_db), "{near_db} dB");
}

/// The energy of the first recording less all others.
fn energy(recordings: &[&Audio]) -> f64 {
    let samples = |audio: &Audio| audio.channels.concat();
    let mut left = samples(recordings[0]);
    for other in &recordings[1..] {
        let other = samples(other);
        left.iter_mut()
            .zip(&other)
            .for_each(|(left, it)| *left -= it);
    }
    left.iter().map(|sample| f64::from(sample * sample)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_outlives_its_upload_and_comes_back() {
    let (lab, song, tracks) = played("piano").await;
    // Another recording under the same name, and then none.
    lab.upload("vocal.wav", b"something else".to_vec()).await;
    std::fs::remove_file(lab.shared().folder.uploads().join("stems/vocal.wav")).unwrap();
    let task = order(&lab, WAV, &of_track(&song, &tracks[0])).await;
    let body = finished(&lab, WAV, &task).await;
    assert_eq!(body["data"]["successFlag"], "SUCCESS", "{body}");
    let task = order(
        &lab,
        RECOVERY,
        &json!({ "sunoTaskId": song, "callBackUrl": HOOK }),
    )
    .await;
    let body = finished(&lab, RECOVERY, &task).await;
    assert_eq!(
        (&body["code"], &body["task_id"]),
        (&json!(200), &json!(task))
    );
    let info = lab.finished(&song).await;
    for (place, id) in tracks.iter().enumerate() {
        let track = &body["data"][place];
        assert_eq!(track["id"], id.as_str());
        assert_ne!(
            track["audio_url"],
            info["response"]["sunoData"][place]["audioUrl"]
        );
        let again = lab.download(track["audio_url"].as_str().unwrap()).await;
        let before = info["response"]["sunoData"][place]["audioUrl"].as_str();
        assert!(again == lab.download(before.unwrap()).await);
    }
    // A studio that would play another take gives the credits back.
    let lab = Lab::open_in(lab.close().await, |config| {
        (config.instant, config.seed) = (false, 7);
    })
    .await;
    let before = lab.balance().await;
    let task = order(&lab, WAV, &of_track(&song, &tracks[1])).await;
    let body = finished(&lab, WAV, &task).await;
    assert_eq!(body["data"]["errorCode"], 531, "{body}");
    assert_eq!(lab.balance().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_that_are_unfinished_are_taken_up_by_the_next_studio() {
    let (lab, song, tracks) = played("piano").await;
    let wav = order(&lab, WAV, &of_track(&song, &tracks[0])).await;
    let stems = order(&lab, STEMS, &of_track(&song, &tracks[1])).await;
    let lab = Lab::open_in(lab.close().await, |config| config.instant = false).await;
    for (step, task) in [(WAV, wav), (STEMS, stems)] {
        let body = finished(&lab, step, &task).await;
        assert_eq!(body["data"]["successFlag"], "SUCCESS", "{body}");
    }
}

#[tokio::test]
async fn each_operation_is_billed_at_its_price_and_a_second_wav_is_refused() {
    let lab = Lab::open(|_| ()).await;
    let song = lab.submit(&instant_request()).await;
    let tracks = track_ids(&lab, &song).await;
    let track = of_track(&song, &tracks[0]);
    let wav = order(&lab, WAV, &track).await;
    let again = post(&lab, WAV, &track).await;
    assert_eq!(
        again,
        json!({"code": 409, "msg": "WAV record already exists", "data": {"taskId": wav}})
    );
    // The other track is another file.
    assert_ne!(order(&lab, WAV, &of_track(&song, &tracks[1])).await, wav);
    let stems = order(&lab, STEMS, &track).await;
    let split = with(track.clone(), "type", "split_stem");
    let split_task = order(&lab, STEMS, &split).await;
    assert_ne!(
        order(&lab, STEMS, &split).await,
        split_task,
        "charged again"
    );
    let named = with(
        with(track, "type", "split_stem_advanced"),
        "stemName",
        "Bass",
    );
    order(&lab, STEMS, &named).await;
    order(&lab, MIDI, &json!({ "taskId": stems, "callBackUrl": HOOK })).await;
    order(
        &lab,
        RECOVERY,
        &json!({ "sunoTaskId": song, "callBackUrl": HOOK }),
    )
    .await;
    let folder = lab.shared().config.data_dir.clone();
    let check = |balance: f64| {
        let bill: Vec<(String, f64)> = read_bill(&folder)
            .unwrap()
            .into_iter()
            .map(|entry| (entry.operation, entry.credits))
            .collect();
        let expected = [
            ("add-instrumental", 12.0),
            ("wav", 0.4),
            ("wav", 0.4),
            ("stems", 10.0),
            ("stems", 50.0),
            ("stems", 50.0),
            ("stems", 20.0),
            ("midi", 0.0),
            ("recovery", 0.0),
        ];
        let expected = expected.map(|(name, credits)| (name.to_owned(), credits));
        assert_eq!(bill, expected);
        assert_eq!(balance, 999_857.2);
    };
    check(lab.balance().await);
    let lab = Lab::open_in(lab.close().await, |_| ()).await;
    check(lab.balance().await);
    let again = post(&lab, WAV, &of_track(&song, &tracks[0])).await;
    assert_eq!(again["data"]["taskId"], wav.as_str(), "kept over a restart");
    let body = finished(&lab, WAV, &wav).await;
    let url = body["data"]["response"]["audioWavUrl"].as_str().unwrap();
    assert!(decode(&lab.download(url).await).is_ok());
}

#[tokio::test]
async fn every_step_calls_back_once_in_its_own_shape() {
    let lab = Lab::open(|_| ()).await;
    let song = lab.submit(&instant_request()).await;
    let tracks = track_ids(&lab, &song).await;
    let mut receiver = Receiver::open(&[]).await;
    let hook = receiver.url.clone();
    let profile = backline_api::Profile::sunoapi();
    let stems_of = with(of_track(&song, &tracks[0]), "callBackUrl", &hook);
    let stems_task = order(&lab, STEMS, &stems_of).await;
    receiver.next().await;
    for (step, name, body) in [
        (WAV, "wav", stems_of.clone()),
        (STEMS, "stems", stems_of),
        (
            MIDI,
            "midi",
            json!({ "taskId": stems_task, "callBackUrl": hook }),
        ),
        (
            RECOVERY,
            "recovery",
            json!({ "sunoTaskId": song, "callBackUrl": hook }),
        ),
    ] {
        let task = order(&lab, step, &body).await;
        let operation = profile.step(name).unwrap();
        let called = receiver.next().await.to_string();
        let callback = operation.read_step_callback(called.as_bytes()).unwrap();
        let shown = lab.get(&details_path(step, &task)).await.to_string();
        let details = operation.read_step_details(200, shown.as_bytes(), &task.as_str().into());
        let details = details.unwrap();
        assert_eq!(callback.view.task_id.as_str(), task, "{called}");
        assert_eq!(
            callback.view.stage,
            backline_api::Stage::Complete,
            "{called}"
        );
        assert_eq!(details.stage, callback.view.stage, "{shown}");
        let names = |view: &backline_api::StepView| -> Vec<String> {
            let artefacts = view.artefacts.iter();
            artefacts.map(|artefact| artefact.name.clone()).collect()
        };
        assert_eq!(names(&callback.view), names(&details));
        lab.callbacks_made(&task).await;
    }
    assert_eq!(receiver.next_if_there(), None, "one callback for each");
}
