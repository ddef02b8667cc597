//! Steps that are refused: what is not known, what failed, too many at a time, what the studio does not play.

use serde_json::{Value, json};

use super::lab::{Lab, instant_request, request};
use super::steps::{
    HOOK, MIDI, RECOVERY, STEMS, WAV, details_path, of_track, order, post, track_ids,
};

#[tokio::test]
async fn what_is_not_known_is_refused_at_once_and_free() {
    let lab = Lab::open(|_| ()).await;
    let song = lab.submit(&instant_request()).await;
    let tracks = track_ids(&lab, &song).await;
    let before = lab.balance().await;
    let cases = [
        (
            WAV,
            of_track(&tracks[0], &song),
            format!(
                "no add-instrumental task of this studio has the id `{}`",
                tracks[0]
            ),
        ),
        (
            WAV,
            of_track(&song, "none"),
            format!("`none` is not a track of the task `{song}`"),
        ),
        (
            STEMS,
            of_track("none", &tracks[0]),
            "no add-instrumental task of this studio has the id `none`".to_owned(),
        ),
        (
            MIDI,
            json!({ "taskId": song, "callBackUrl": HOOK }),
            format!("no stems task of this studio has the id `{song}`"),
        ),
        (
            RECOVERY,
            json!({ "sunoTaskId": "none", "callBackUrl": HOOK }),
            "no add-instrumental task of this studio has the id `none`".to_owned(),
        ),
    ];
    for (step, body, what) in cases {
        let refused = post(&lab, step, &body).await;
        let expected = json!({"code": 404, "msg": format!("not found: {what}"), "data": null});
        assert_eq!(refused, expected, "{step}");
    }
    let nothing = lab.get(&details_path(RECOVERY, "none")).await;
    let unknown = "The music link recovery task does not exist.";
    assert_eq!(nothing, json!({"code": 500, "msg": unknown, "data": null}));
    let wav = order(&lab, WAV, &of_track(&song, &tracks[0])).await;
    assert!(lab.record_info(&wav).await.is_null(), "the wrong path");
    let nobody = lab.get(&details_path(WAV, &song)).await;
    assert_eq!(nobody["data"], Value::Null);
    let foreign = json!({ "audioUrl": "https://cdn.example.com/a.mp3", "callBackUrl": HOOK });
    assert_eq!(post(&lab, STEMS, &foreign).await["code"], 422);
    assert_eq!(lab.balance().await, before - 0.4);
    // Once their song is forgotten, nothing can be made of it.
    let day_ms = 24 * 60 * 60 * 1000;
    let later_ms = crate::clock::now_ms() + 15 * day_ms;
    crate::cleanup::sweep(lab.shared(), later_ms).await.unwrap();
    let refused = post(&lab, WAV, &of_track(&song, &tracks[1])).await;
    assert_eq!(refused["code"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_song_that_failed_is_not_called_unfinished() {
    let lab = Lab::open(|config| config.instant = false).await;
    let song = lab
        .submit(&request(&lab.url("files/uploads/stems/nothing.wav")))
        .await;
    assert_eq!(lab.finished(&song).await["status"], "GENERATE_AUDIO_FAILED");
    let track = crate::wire::track_id(&song, 1).to_string();
    let recovery = json!({ "sunoTaskId": song, "callBackUrl": HOOK });
    for (step, body, what) in [
        (WAV, of_track(&song, &track), "the track's task"),
        (STEMS, of_track(&song, &track), "the track's task"),
        (RECOVERY, recovery, "the original task"),
    ] {
        let refused = post(&lab, step, &body).await;
        let message = format!("{what} failed: it has no result to process");
        assert_eq!(
            (&refused["code"], &refused["msg"]),
            (&json!(400), &json!(message))
        );
    }
}

#[tokio::test]
async fn steps_count_towards_the_window() {
    let lab = Lab::open(|config| {
        config.rate = Some((2, std::time::Duration::from_secs(600)));
    })
    .await;
    let song = lab.submit(&instant_request()).await;
    let tracks = track_ids(&lab, &song).await;
    order(&lab, WAV, &of_track(&song, &tracks[0])).await;
    let refused = post(&lab, WAV, &of_track(&song, &tracks[1])).await;
    assert_eq!(refused["code"], 405);
}

#[tokio::test]
async fn what_the_studio_does_not_play_is_named() {
    let lab = Lab::open(|_| ()).await;
    for path in [
        "api/v1/mp4/generate",
        "api/v1/suno/cover/generate",
        "api/v1/generate/get-timestamped-lyrics",
        "api/v1/generate/upload-cover",
        "api/v1/generate/extend",
    ] {
        let refused = lab.post(path, &json!({})).await;
        assert_eq!(refused["code"], 404);
        let message = refused["msg"].as_str().unwrap();
        assert!(message.contains("/api/v1/wav/generate"), "{message}");
    }
}
