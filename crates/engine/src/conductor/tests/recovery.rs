//! Recoveries: when a lost song is brought back, and what becomes of it.

use backline_api::{MissingTrack, Track};

use super::steps::{NOW_MS, config, finished, song};
use super::*;

const SONG_TASK: &str = "song";
const RECOVERY_TASK: &str = "recovery";

/// What the vendor does with a song and its recovery.
struct Script {
    /// Whether the song is past the retention.
    expired: bool,
    /// Whether the run may buy the recovery.
    buys: bool,
    /// The status of the song's files; 200 if they are served, and 0 if their host can't be reached.
    status: i64,
    /// Which of the two tracks the recovery brings back.
    brings: &'static [&'static str],
}

const LOST: Script = Script {
    expired: true,
    buys: true,
    status: 404,
    brings: &["a", "b"],
};

/// How the run ended.
struct Ended {
    outcome: Outcome,
    song: Job,
    recovery: Job,
    submitted: usize,
    /// Polls of the recovery.
    polled: usize,
    fetched: Vec<String>,
}

/// A song with two tracks at the vendor's.
fn two_tracks() -> Job {
    finished(&[
        ("a", "https://old.example.com/a.mp3"),
        ("b", "https://old.example.com/b.mp3"),
    ])
}

fn shown(host: &str, id: &str) -> Track {
    Track {
        id: id.to_owned(),
        audio_url: Some(format!("https://{host}.example.com/{id}.mp3")),
        ..Track::default()
    }
}

/// The vendor's side of a poll.
fn view(task: &TaskId, brings: &[&str]) -> TaskView {
    let both = ["a", "b"];
    let is_song = task.as_str() == SONG_TASK;
    let (host, ids) = match is_song {
        true => ("old", &both[..]),
        false => ("new", brings),
    };
    let missing = both.iter().filter(|id| !ids.contains(id));
    TaskView {
        task_id: task.clone(),
        stage: Stage::Complete,
        tracks: ids.iter().map(|id| shown(host, id)).collect(),
        missing: missing
            .map(|id| MissingTrack {
                track_id: (*id).to_owned(),
                reason: "clip_error".to_owned(),
            })
            .collect(),
    }
}

fn lead(script: &Script) -> Ended {
    let config = RunConfig {
        offers: Kind::ALL.map(|kind| kind.offer(2, false)).to_vec(),
        ..config()
    };
    let (lost, recovery) = (key(0), step_of(0, 0, Kind::Recovery));
    let jobs = vec![
        ResumedJob {
            job: two_tracks().into(),
            expired: script.expired,
            ..song(lost, stem(0))
        },
        ResumedJob {
            input: ResumedInput::Step {
                parent: lost,
                track: 0,
            },
            offer: Kind::ALL
                .iter()
                .position(|it| *it == Kind::Recovery)
                .unwrap(),
            buys: script.buys,
            ..song(recovery, stem(0))
        },
    ];
    let mut conductor = Conductor::new(config, jobs, Index::default(), Vec::new(), NOW_MS);
    let (mut decision, mut now_ms) = (Decision::default(), NOW_MS);
    let (mut submitted, mut polled, mut fetched) = (0, 0, Vec::new());
    for _ in 0..1_000 {
        conductor.advance(now_ms, &mut || Token::from_text("r"), &mut decision);
        for effect in std::mem::take(&mut decision).effects {
            let input = match effect {
                Effect::Poll { job, task } => {
                    polled += usize::from(task.as_str() == RECOVERY_TASK);
                    let result = Ok(view(&task, script.brings));
                    Input::Polled { job, task, result }
                }
                Effect::Submit { job, attempt, .. } => {
                    submitted += 1;
                    assert_eq!(job, recovery);
                    let outcome = SubmitOutcome::Accepted(task_id(RECOVERY_TASK));
                    Input::Responded {
                        job,
                        attempt,
                        outcome,
                        written_ms: None,
                    }
                }
                Effect::Fetch(request) => {
                    let FileContent::Url(url) = &request.content else {
                        panic!("a song is no notes");
                    };
                    let is_served = url.contains("new") || script.status == 200;
                    let result = match is_served {
                        true => Ok(file(url)),
                        false => Err(EffectError {
                            code: Some(script.status).filter(|status| *status > 0),
                            ..effect_error(ResponseClass::InDoubt)
                        }),
                    };
                    if is_served {
                        fetched.push(format!("{url} as {}", request.song_track));
                    }
                    Input::Fetched {
                        job: request.job,
                        index: request.index,
                        part: request.part,
                        result,
                    }
                }
                other => panic!("{other:?}"),
            };
            conductor.handle(now_ms, input, &mut decision);
        }
        if let Some(outcome) = conductor.outcome(now_ms) {
            assert_eq!(conductor.illegal_step(), None);
            fetched.sort();
            return Ended {
                outcome,
                song: conductor.job(&lost).clone(),
                recovery: conductor.job(&recovery).clone(),
                submitted,
                polled,
                fetched,
            };
        }
        let wake_ms = conductor.wake_at(now_ms).unwrap_or(now_ms);
        now_ms = wake_ms.max(now_ms);
    }
    panic!("the run does not end");
}

fn file(url: &str) -> KeptFile {
    KeptFile {
        path: url.to_owned(),
        sha256: String::new(),
        length_bytes: 1,
        duration_s: 1.0,
        unverified: None,
    }
}

#[test]
fn a_lost_song_is_brought_back_by_one_request_and_its_files_are_the_songs() {
    for expired in [true, false] {
        let came = lead(&Script { expired, ..LOST });
        assert_eq!(came.outcome, Outcome::Complete);
        // What is handed over needs no second poll.
        assert_eq!((came.submitted, came.polled), (1, 1), "expired: {expired}");
        let fetched = ["a.mp3 as 1", "b.mp3 as 2"];
        assert_eq!(
            came.fetched,
            fetched.map(|it| format!("https://new.example.com/{it}"))
        );
        assert!(matches!(came.song.phase, Phase::Kept(_)));
        assert_eq!(came.song.credits, PRICE);
        let Phase::Kept(recovered) = &came.recovery.phase else {
            panic!("{:?}", came.recovery.phase);
        };
        assert_eq!(came.recovery.credits, Kind::Recovery.price());
        for track in &recovered.tracks {
            assert_eq!((&track.kept, track.handed_over.len()), (&None, 1));
        }
    }
}

#[test]
fn nothing_is_bought_for_a_song_that_is_served_or_whose_host_is_out_of_reach() {
    let served = lead(&Script {
        status: 200,
        ..LOST
    });
    assert_eq!((served.outcome, served.submitted), (Outcome::Complete, 0));
    assert!(matches!(served.song.phase, Phase::Kept(_)));
    assert!(matches!(served.recovery.phase, Phase::Planned));
    for status in [0, 429, 503] {
        let unreached = lead(&Script {
            status,
            expired: false,
            ..LOST
        });
        assert_eq!(
            (unreached.outcome, unreached.submitted),
            (Outcome::Failed, 0)
        );
    }
}

#[test]
fn nothing_is_bought_where_the_run_may_not_buy() {
    let came = lead(&Script {
        buys: false,
        ..LOST
    });
    assert_eq!((came.outcome, came.submitted), (Outcome::Failed, 0));
}

#[test]
fn a_track_that_is_not_brought_back_says_why_and_the_other_is_kept_under_its_own_number() {
    let came = lead(&Script {
        brings: &["b"],
        ..LOST
    });
    assert_eq!((came.outcome, came.submitted), (Outcome::Failed, 1));
    assert_eq!(came.fetched, ["https://new.example.com/b.mp3 as 2"]);
    let tracks = &came.song.task().unwrap().tracks;
    let problem = tracks[0].problem.as_deref().unwrap();
    assert!(problem.contains("clip_error"), "{problem}");
    assert!(tracks[0].kept.is_none() && tracks[1].kept.is_some());
    assert!(matches!(came.recovery.phase, Phase::Kept(_)));
}
