//! One bought task, followed under virtual time through what vendors have been seen to show.
//!
//! Over 500 lines: it is a list of vendors' scripts, each with its outcome.

use backline_api::Track;

use super::*;
use crate::event::{TaskStage, TrackFacts, Via};

/// What the vendor responds to polls, the last response for ever, and which addresses serve a recording.
struct Script<'a> {
    polls: Vec<Result<TaskView, EffectError>>,
    serves: &'a dyn Fn(&str) -> bool,
    retries: u32,
    /// Tracks that are expected of the task.
    tracks: usize,
}

/// What came of it.
#[derive(Debug)]
struct Came {
    outcome: Outcome,
    job: Job,
    events: Vec<Event>,
    /// Addresses in the order in which they were fetched, and the poll before each.
    fetched: Vec<(String, usize)>,
    polls: usize,
    took_ms: i64,
    submitted: usize,
}

impl Came {
    fn kept(&self) -> Vec<&str> {
        let tracks = self.job.task().map(|task| task.tracks.as_slice());
        let kept = tracks.unwrap_or_default().iter();
        kept.filter_map(|track| track.kept.as_ref())
            .map(|file| file.path.as_str())
            .collect()
    }

    fn count(&self, test: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| test(event)).count()
    }
}

pub(super) fn running(accepted_ms: i64) -> Job {
    let events = [
        Event::Intent {
            attempt: 1,
            token: Token::from_text("secret"),
            credits: PRICE,
        },
        Event::Accepted {
            attempt: 1,
            task_id: task_id("task"),
            via: Via::Response,
        },
    ];
    events.iter().fold(Job::default(), |job, event| {
        match job.step(accepted_ms, event) {
            Step::Changed(job) => job,
            step => panic!("{step:?}"),
        }
    })
}

fn follow(script: &Script<'_>) -> Came {
    let mut world = World::new(1, None);
    (world.hooks, world.callbacks) = ((false, false), false);
    let begun_ms = world.now;
    let config = RunConfig {
        retries: script.retries,
        offers: vec![Kind::Song.offer(script.tracks, false)],
        credits: None,
        ledger_credits: None,
        timing: Timing::remote(30_000),
        is_shared: false,
        ..world.config(1)
    };
    let wanted = ResumedJob {
        job: running(begun_ms).into(),
        ..song(key(0), stem(0))
    };
    let mut conductor =
        Conductor::new(config, vec![wanted], Index::default(), Vec::new(), begun_ms);
    let mut decision = Decision::default();
    let mut now_ms = begun_ms;
    let (mut events, mut fetched, mut polls, mut submitted) = (Vec::new(), Vec::new(), 0, 0);
    let mut token = || Token::from_text("another");
    for _ in 0..10_000 {
        conductor.advance(now_ms, &mut token, &mut decision);
        let done = std::mem::take(&mut decision);
        events.extend(done.batch.events.into_iter().map(|record| record.event));
        for effect in done.effects {
            let input = match effect {
                Effect::Poll { job, task } => {
                    let result = script.polls[polls.min(script.polls.len() - 1)].clone();
                    polls += 1;
                    Input::Polled { job, task, result }
                }
                Effect::Fetch(request) => {
                    let FetchRequest {
                        job,
                        index,
                        part,
                        content,
                        ..
                    } = *request;
                    let FileContent::Url(url) = content else {
                        panic!("a song is no notes");
                    };
                    fetched.push((url.clone(), polls));
                    let result = if (script.serves)(&url) {
                        Ok(KeptFile {
                            path: url,
                            sha256: String::new(),
                            length_bytes: 1,
                            duration_s: 1.0,
                            unverified: None,
                        })
                    } else {
                        Err(effect_error(ResponseClass::RefusedJob))
                    };
                    Input::Fetched {
                        job,
                        index,
                        part,
                        result,
                    }
                }
                Effect::Prepare { stem } => {
                    let result = Ok(at_vendor(None));
                    Input::Prepared { stem, result }
                }
                Effect::Submit { job, attempt, .. } => {
                    submitted += 1;
                    let outcome = SubmitOutcome::Refused {
                        class: ResponseClass::RefusedJob,
                        code: None,
                        message: "no".into(),
                        retry_after_ms: None,
                    };
                    Input::Responded {
                        job,
                        attempt,
                        outcome,
                        written_ms: None,
                    }
                }
                Effect::ForgetUpload { .. } => continue,
                Effect::CallHooks { .. } => panic!("there are no hooks"),
            };
            conductor.handle(now_ms, input, &mut decision);
        }
        if decision.batch.events.is_empty()
            && let Some(outcome) = conductor.outcome(now_ms)
        {
            return Came {
                outcome,
                job: conductor.job(&key(0)).clone(),
                events,
                fetched,
                polls,
                took_ms: now_ms - begun_ms,
                submitted,
            };
        }
        now_ms = conductor
            .wake_at(now_ms)
            .map_or(now_ms, |at| at.max(now_ms));
    }
    panic!("the run does not end: {events:#?}");
}

/// A view with tracks `(id, audio address, source address)`; an empty text is none.
pub(super) fn view(stage: Stage, tracks: &[(&str, &str, &str)]) -> Result<TaskView, EffectError> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let track = |(id, audio, source): &(&str, &str, &str)| Track {
        id: (*id).to_owned(),
        audio_url: some(audio),
        source_audio_url: some(source),
        ..Track::default()
    };
    Ok(TaskView {
        task_id: task_id("task"),
        stage,
        tracks: tracks.iter().map(track).collect(),
        missing: Vec::new(),
    })
}

fn failed(code: i64, refunded: bool) -> Stage {
    Stage::Failed {
        code: Some(code),
        message: "no luck".into(),
        refunded,
    }
}

fn exception() -> Stage {
    Stage::Incomplete {
        code: None,
        message: "CALLBACK_EXCEPTION".into(),
        refunded: false,
    }
}

const A: &str = "https://cdn.example.com/a.mp3";
const B: &str = "https://cdn.example.com/b.mp3";
const SOURCE_A: &str = "https://cdn.example.com/src/a.mp3";
const SOURCE_B: &str = "https://cdn.example.com/src/b.mp3";

#[track_caller]
fn check(polls: Vec<Result<TaskView, EffectError>>, outcome: &Outcome, kept: &[&str]) -> Came {
    check_served(polls, &|_| true, outcome, kept)
}

#[track_caller]
fn check_served(
    polls: Vec<Result<TaskView, EffectError>>,
    serves: &dyn Fn(&str) -> bool,
    outcome: &Outcome,
    kept: &[&str],
) -> Came {
    let came = follow(&Script {
        polls,
        serves,
        retries: 1,
        tracks: 1,
    });
    assert_eq!(
        (&came.outcome, came.kept()),
        (outcome, kept.to_vec()),
        "{came:#?}"
    );
    let rebought = came.submitted > 0;
    let all_failed = matches!(came.job.phase, Phase::Failed(_)) || rebought;
    assert!(!rebought || kept.is_empty() && all_failed, "{came:#?}");
    came
}

#[test]
fn a_callback_exception_is_not_the_end_while_tracks_are_coming() {
    let came = check(
        vec![
            view(Stage::Pending, &[]),
            view(exception(), &[("a", "", ""), ("b", "", "")]),
            view(exception(), &[("a", "", ""), ("b", "", "")]),
            view(Stage::Complete, &[("a", A, ""), ("b", B, "")]),
        ],
        &Outcome::Complete,
        &[A, B],
    );
    assert_eq!(came.submitted, 0);
    // Without a list at first, and with one track for longer than the first grace.
    let mut polls = vec![view(exception(), &[]); 8];
    polls.extend(vec![view(exception(), &[("a", A, ""), ("b", "", "")]); 8]);
    polls.push(view(Stage::Complete, &[("a", A, ""), ("b", B, "")]));
    check(polls, &Outcome::Complete, &[A, B]);
}

#[test]
fn a_failure_keeps_the_track_that_was_finished_before_it() {
    for stage in [
        failed(500, false),
        exception(),
        Stage::Incomplete {
            code: None,
            message: "SUCCESS without an address for every track".into(),
            refunded: false,
        },
    ] {
        let came = check(
            vec![view(stage, &[("a", A, ""), ("b", "", "")])],
            &Outcome::Partial,
            &[A],
        );
        assert_eq!(came.fetched, [(A.to_owned(), 1)], "at once");
        assert!(came.took_ms >= 5 * 60_000, "{}", came.took_ms);
        assert!(matches!(came.job.phase, Phase::Partial(_)));
        assert_eq!(came.submitted, 0, "a partial task is never bought again");
        assert_eq!(came.job.credits, PRICE);
    }
    let came = check(
        vec![view(failed(531, true), &[("a", A, "")])],
        &Outcome::Partial,
        &[A],
    );
    assert_eq!(
        came.job.credits,
        Credits::ZERO,
        "the credits were given back"
    );
}

#[test]
fn a_failure_without_tracks_is_final_when_two_polls_agree() {
    let came = check(vec![view(failed(501, false), &[])], &Outcome::Failed, &[]);
    assert_eq!((came.polls, came.submitted), (2, 1), "retries: 1");
    check(
        vec![
            view(failed(501, false), &[]),
            view(Stage::Complete, &[("a", A, "")]),
        ],
        &Outcome::Complete,
        &[A],
    );
}

#[test]
fn a_track_that_never_comes_leaves_the_other() {
    let long = |polls: Vec<_>| check(polls, &Outcome::Partial, &[A]);
    long(vec![
        view(Stage::First, &[("a", A, ""), ("b", "", "")]),
        view(Stage::Complete, &[("a", A, "")]),
    ]);
    // The vendor never says that it is over.
    let came = long(vec![view(Stage::First, &[("a", A, ""), ("b", "", "")])]);
    assert_eq!(came.fetched, [(A.to_owned(), 1)], "while it is running");
}

#[test]
fn a_task_that_is_complete_with_fewer_tracks_than_usual_is_polled_for_the_rest() {
    let one = view(Stage::Complete, &[("a", A, "")]);
    let both = view(Stage::Complete, &[("a", A, ""), ("b", B, "")]);
    let follow = |polls| {
        follow(&Script {
            polls,
            serves: &|_| true,
            retries: 1,
            tracks: 2,
        })
    };
    let came = follow(vec![one.clone(), both]);
    assert_eq!(
        (&came.outcome, came.kept()),
        (&Outcome::Complete, vec![A, B])
    );
    assert_eq!(came.fetched[0], (A.to_owned(), 1), "the first at once");
    // The rest never comes.
    let came = follow(vec![one]);
    assert_eq!((&came.outcome, came.kept()), (&Outcome::Partial, vec![A]));
    assert_eq!(came.submitted, 0);
    let message = |event: &Event| match event {
        Event::TaskPartial { message, .. } => Some(message.clone()),
        _ => None,
    };
    let message = came.events.iter().find_map(message).unwrap();
    assert!(message.contains("1 of 2 tracks"), "{message}");
}

#[test]
fn fetches_that_fail_while_a_task_is_running_do_not_count() {
    let now = std::cell::Cell::new(0);
    // The file comes into being long after its address is shown, and the task ends as partial before.
    let serves = |_: &str| {
        now.set(now.get() + 1);
        now.get() > 10
    };
    let came = check_served(
        vec![view(exception(), &[("a", A, ""), ("b", "", "")])],
        &serves,
        &Outcome::Partial,
        &[A],
    );
    assert!(came.fetched.len() > 10, "{came:#?}");
}

#[test]
fn a_partial_task_is_polled_once_by_a_later_run() {
    let mut world = World::new(1, None);
    (world.hooks, world.callbacks) = ((false, false), false);
    let mut job = running(world.now);
    let tracks = |second: Option<&str>| {
        let facts = |id: &str, url: Option<&str>| TrackFacts {
            id: id.into(),
            audio_url: url.map(str::to_owned),
            ..TrackFacts::default()
        };
        vec![facts("a", Some(A)), facts("b", second)]
    };
    let file = KeptFile {
        path: A.into(),
        sha256: String::new(),
        length_bytes: 1,
        duration_s: 1.0,
        unverified: None,
    };
    let kept = |index| Event::TrackKept {
        index,
        part: Part::Track,
        file: file.clone(),
    };
    let stage = |stage, second| Event::Stage {
        stage,
        tracks: tracks(second),
        placed: true,
    };
    let end = Event::TaskPartial {
        code: None,
        message: "over".into(),
        refunded: false,
    };
    let mut phases = Vec::new();
    for event in [
        stage(TaskStage::First, None),
        kept(1),
        end,
        stage(TaskStage::Complete, Some(B)),
        kept(2),
    ] {
        let Step::Changed(next) = job.step(world.now, &event) else {
            panic!("{event:?}")
        };
        job = next;
        phases.push(crate::status::JobStatus::from(&job.phase).as_str());
    }
    assert_eq!(
        phases,
        ["running", "running", "partial", "finished", "kept"]
    );
    assert_eq!(job.task().unwrap().shortfall, None);
}

#[test]
fn every_address_of_a_track_is_tried() {
    let both = [("a", A, SOURCE_A), ("b", B, SOURCE_B)];
    let sources = |url: &str| url.contains("/src/");
    let came = check_served(
        vec![view(Stage::Complete, &both)],
        &sources,
        &Outcome::Complete,
        &[SOURCE_A, SOURCE_B],
    );
    assert_eq!(came.polls, 1, "no poll is waited for between two addresses");
    check(
        vec![view(
            Stage::Complete,
            &[("a", "", SOURCE_A), ("b", "", SOURCE_B)],
        )],
        &Outcome::Complete,
        &[SOURCE_A, SOURCE_B],
    );
    // Neither serves: each round polls anew, and the run ends.
    let came = check_served(
        vec![view(Stage::Complete, &both)],
        &|_| false,
        &Outcome::Failed,
        &[],
    );
    assert_eq!(came.fetched.len(), 20, "{came:#?}");
    assert!(matches!(came.job.phase, Phase::Finished(_)));
}

#[test]
fn ids_that_are_missing_equal_or_changing_make_no_tracks() {
    for (first, second) in [
        (["", ""], ["", ""]),
        (["x", "x"], ["x", "x"]),
        (["a", "b"], ["c", "d"]),
        (["a", "b"], ["", ""]),
        (["", ""], ["a", "b"]),
    ] {
        let came = check(
            vec![
                view(Stage::Text, &[(first[0], "", ""), (first[1], "", "")]),
                view(Stage::First, &[(second[0], A, ""), (second[1], "", "")]),
                view(Stage::First, &[(first[0], A, ""), (first[1], "", "")]),
                view(Stage::Complete, &[(second[0], A, ""), (second[1], B, "")]),
            ],
            &Outcome::Complete,
            &[A, B],
        );
        assert_eq!(came.fetched.len(), 2, "{first:?} {second:?}: {came:#?}");
    }
}

#[test]
fn polls_that_tell_nothing_are_recorded_once_and_end_nothing() {
    let nothing: [Result<TaskView, EffectError>; 4] = [
        Err(EffectError {
            code: Some(404),
            ..effect_error(ResponseClass::RefusedRun)
        }),
        Err(effect_error(ResponseClass::InDoubt)),
        Err(effect_error(ResponseClass::RefusedJob)),
        view(Stage::Unknown, &[]),
    ];
    let unavailable = |event: &Event| matches!(event, Event::DetailsUnavailable { .. });
    for poll in nothing {
        let mut polls = vec![poll.clone(); 20];
        polls.push(view(Stage::Complete, &[("a", A, "")]));
        let came = check(polls, &Outcome::Complete, &[A]);
        assert_eq!(came.count(unavailable), 1, "{poll:?}");
        assert_eq!(came.job.task().unwrap().unavailable, None);
        // For ever: the run ends, the task's id is kept, and the job says what is wrong.
        let overdue = Outcome::Stopped {
            reason: StopReason::Overdue,
        };
        let came = check(vec![poll], &overdue, &[]);
        assert!(came.job.task().unwrap().unavailable.is_some(), "{came:#?}");
    }
    // Two bad polls are not recorded.
    let came = check(
        vec![
            Err(effect_error(ResponseClass::InDoubt)),
            view(Stage::Unknown, &[]),
            view(Stage::Complete, &[("a", A, "")]),
        ],
        &Outcome::Complete,
        &[A],
    );
    assert_eq!(came.count(unavailable), 0);
}

#[test]
fn only_a_lasting_401_ends_a_run() {
    let unauthorized = || {
        Err(EffectError {
            code: Some(401),
            ..effect_error(ResponseClass::RefusedRun)
        })
    };
    check(
        vec![
            unauthorized(),
            unauthorized(),
            view(Stage::Complete, &[("a", A, "")]),
        ],
        &Outcome::Complete,
        &[A],
    );
    let came = follow(&Script {
        polls: vec![unauthorized()],
        serves: &|_| true,
        retries: 0,
        tracks: 1,
    });
    assert!(matches!(
        came.outcome,
        Outcome::Refused {
            code: Some(401),
            ..
        }
    ));
}

/// Each of them may be half a gigabyte.
#[test]
fn a_task_has_no_more_tracks_than_a_provider_may_make() {
    let ids: Vec<String> = (0..3_000).map(|n| format!("track{n}")).collect();
    let urls: Vec<String> = ids
        .iter()
        .map(|id| format!("https://cdn.example.com/{id}"))
        .collect();
    let tracks: Vec<(&str, &str, &str)> = ids
        .iter()
        .zip(&urls)
        .map(|(id, url)| (id.as_str(), url.as_str(), ""))
        .collect();
    let first: Vec<&str> = urls.iter().take(4).map(String::as_str).collect();
    let came = check(
        vec![view(Stage::Complete, &tracks)],
        &Outcome::Complete,
        &first,
    );
    assert_eq!(came.fetched.len(), 4);
}

/// What is kept while the vendor is still at work is compared with what it says in the end.
#[test]
fn a_file_that_is_too_short_in_the_end_is_fetched_again() {
    let lasting = |stage, seconds: Option<f64>| {
        view(stage, &[("a", A, "")]).map(|mut view| {
            view.tracks[0].duration_s = seconds;
            view
        })
    };
    let polls = vec![
        lasting(Stage::First, None),
        lasting(Stage::First, None),
        lasting(Stage::Complete, Some(2.9)),
    ];
    let came = check(polls, &Outcome::Complete, &[A]);
    assert_eq!(came.fetched.len(), 1, "within what lengths may differ by");
    let polls = vec![
        lasting(Stage::First, None),
        lasting(Stage::First, None),
        lasting(Stage::Complete, Some(200.0)),
        lasting(Stage::Complete, Some(1.0)),
    ];
    let came = check(polls, &Outcome::Complete, &[A]);
    assert_eq!(came.fetched.len(), 2);
}
