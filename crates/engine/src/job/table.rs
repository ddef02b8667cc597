//! The whole machine as a table: what every event makes of a job in every phase. Read the snapshot as code is read.
//!
//! Over 500 lines: it is a table of every event in every phase.

use super::purchase::REFUSED_ATTEMPTS;
use super::*;
use crate::event::{
    HookPoint, KeptFile, Moment, Outcome, Part, RefusedCallbacks, TaskStage, TrackFacts, TrackNote,
    Verdict, Via,
};
use backline_api::ResponseClass;

const AT_MS: i64 = 1_000;

fn token(attempt: u32) -> Token {
    Token::from_text(format!("token-{attempt}"))
}

fn task_id(text: &str) -> TaskId {
    TaskId(text.to_owned())
}

fn file() -> KeptFile {
    KeptFile {
        path: "a.mp3".to_owned(),
        sha256: String::new(),
        length_bytes: 1,
        duration_s: 1.0,
        unverified: None,
    }
}

fn facts() -> TrackFacts {
    TrackFacts {
        id: "t1".to_owned(),
        audio_url: Some("https://cdn.example.com/t1.mp3".to_owned()),
        ..TrackFacts::default()
    }
}

/// What an attempt costs.
const PRICE: Credits = Credits::of_thousandths(12_000);

fn intent(attempt: u32) -> Event {
    let credits = PRICE;
    Event::Intent {
        attempt,
        token: token(attempt),
        credits,
    }
}

fn lost(attempt: u32) -> Event {
    let message = "reset".to_owned();
    Event::Lost {
        attempt,
        message,
        response: None,
    }
}

fn accepted(attempt: u32, task: &str) -> Event {
    Event::Accepted {
        attempt,
        task_id: task_id(task),
        via: Via::Response,
    }
}

fn given(task: &str) -> Event {
    Event::Accepted {
        attempt: 1,
        task_id: task_id(task),
        via: Via::User,
    }
}

fn claimed(task: &str) -> Event {
    Event::Claimed {
        attempt: 1,
        task_id: task_id(task),
    }
}

fn refused(attempt: u32, class: ResponseClass) -> Event {
    Event::Refused {
        attempt,
        class,
        code: Some(400),
        message: "no".to_owned(),
    }
}

fn stage(stage: TaskStage) -> Event {
    let tracks = match stage {
        TaskStage::Complete => vec![facts()],
        _ => Vec::new(),
    };
    Event::Stage {
        stage,
        tracks,
        placed: true,
    }
}

fn kept() -> Event {
    Event::TrackKept {
        index: 1,
        part: Part::Track,
        file: file(),
    }
}

fn failed(refunded: bool) -> Event {
    Event::TaskFailed {
        code: Some(501),
        message: "no luck".to_owned(),
        refunded,
    }
}

/// The first of two tracks, while the vendor is at work on the other.
fn one_of_two() -> Event {
    Event::Stage {
        stage: TaskStage::First,
        tracks: vec![facts(), TrackFacts::default()],
        placed: true,
    }
}

fn partial(refunded: bool) -> Event {
    Event::TaskPartial {
        code: Some(501),
        message: "no luck".to_owned(),
        refunded,
    }
}

fn decided(verdict: Verdict) -> Event {
    let point = HookPoint::BeforeSubmit;
    Event::Decided { point, verdict }
}

fn veto() -> Event {
    let why = "not this one".to_owned();
    decided(Verdict::Veto { why })
}

/// A job that all of this happened to.
fn after(events: &[Event]) -> Job {
    events
        .iter()
        .fold(Job::default(), |job, event| match job.step(AT_MS, event) {
            Step::Changed(next) => next,
            step => panic!("{event:?} is {step:?}"),
        })
}

fn jobs() -> Vec<(&'static str, Job)> {
    let doubt = [intent(1), lost(1)];
    let repeat = [intent(1), lost(1), Event::Repeated { attempt: 1 }];
    let running = [intent(1), accepted(1, "task1")];
    let finished = [intent(1), accepted(1, "task1"), stage(TaskStage::Complete)];
    let mut all_kept = finished.to_vec();
    all_kept.push(kept());
    let first = [intent(1), accepted(1, "task1"), one_of_two()];
    let mut first_kept = first.to_vec();
    first_kept.push(kept());
    let mut short = first.to_vec();
    short.push(partial(false));
    let mut ended_partial = short.clone();
    ended_partial.push(kept());
    let mut task_failed = running.to_vec();
    task_failed.push(failed(false));
    vec![
        ("planned", Job::default()),
        ("vetoed", after(&[veto()])),
        ("submitting", after(&[intent(1)])),
        ("repeating", after(&repeat)),
        ("in doubt", after(&doubt)),
        ("claimed", after(&[intent(1), lost(1), claimed("task3")])),
        ("running", after(&running)),
        ("one shown", after(&first)),
        ("one kept", after(&first_kept)),
        ("one to fetch", after(&short)),
        ("partial", after(&ended_partial)),
        ("finished", after(&finished)),
        ("kept", after(&all_kept)),
        (
            "refused",
            after(&[intent(1), refused(1, ResponseClass::RefusedJob)]),
        ),
        ("task failed", after(&task_failed)),
        ("task given", after(&[intent(1), lost(1), given("task1")])),
        (
            "given up",
            after(&[intent(1), lost(1), Event::BuyAgain { attempt: 1 }]),
        ),
    ]
}

pub(crate) fn events() -> Vec<(&'static str, Event)> {
    let problem = || "404".to_owned();
    let upload_failed = |retried| Event::UploadFailed {
        stem: "a".to_owned(),
        message: problem(),
        retried,
    };
    let index = 1;
    let part = Part::Track;
    vec![
        ("intent, next attempt", intent(2)),
        ("intent, first attempt", intent(1)),
        ("asked_again", Event::Repeated { attempt: 1 }),
        ("accepted, known task", accepted(1, "task1")),
        ("accepted, other task", accepted(1, "task2")),
        ("accepted, unknown attempt", accepted(9, "task9")),
        ("claimed, known task", claimed("task1")),
        ("claimed, other task", claimed("task2")),
        (
            "claim_rejected",
            Event::ClaimRejected {
                attempt: 1,
                task_id: task_id("task3"),
                message: problem(),
            },
        ),
        ("refused, the job", refused(1, ResponseClass::RefusedJob)),
        ("refused, the run", refused(1, ResponseClass::RefusedRun)),
        ("refused, wait", refused(1, ResponseClass::Wait)),
        ("refused, unknown attempt", refused(9, ResponseClass::Wait)),
        (
            "not_sent",
            Event::NotSent {
                attempt: 1,
                message: problem(),
            },
        ),
        ("lost", lost(1)),
        ("never_bought", Event::NeverBought { attempt: 1 }),
        ("buy_again", Event::BuyAgain { attempt: 1 }),
        ("reopened", Event::Reopened { attempt: 1 }),
        ("upload_failed, retried", upload_failed(true)),
        ("upload_failed, for good", upload_failed(false)),
        ("decided, pass", decided(Verdict::Pass)),
        ("decided, veto", veto()),
        (
            "decided, fail",
            decided(Verdict::Fail { message: problem() }),
        ),
        ("stage, first", stage(TaskStage::First)),
        ("stage, complete", stage(TaskStage::Complete)),
        ("stage, one of two", one_of_two()),
        (
            "details_unavailable",
            Event::DetailsUnavailable { message: problem() },
        ),
        ("task_partial", partial(false)),
        ("task_partial, refunded", partial(true)),
        ("task_failed", failed(false)),
        ("task_failed, refunded", failed(true)),
        ("track_kept", kept()),
        (
            "track_failed",
            Event::TrackFailed {
                index,
                part,
                message: problem(),
                retried: true,
            },
        ),
        ("track_handed_over", Event::TrackHandedOver { index, part }),
        (
            "track_missing",
            Event::TrackMissing {
                index,
                part,
                changed: false,
            },
        ),
        (
            "track_changed",
            Event::TrackMissing {
                index,
                part,
                changed: true,
            },
        ),
        (
            "track_noted",
            Event::TrackNoted {
                index,
                part,
                note: TrackNote::Copied { to: "b".to_owned() },
            },
        ),
        (
            "run_ended",
            Event::RunEnded {
                outcome: Outcome::Complete,
                credits: Credits::ZERO,
            },
        ),
        (
            "credits",
            Event::Credits {
                balance: 1.0,
                moment: Moment::Before,
            },
        ),
        (
            "callbacks_refused",
            Event::CallbacksRefused(RefusedCallbacks::default()),
        ),
    ]
}

fn phase(job: &Job) -> String {
    let json = serde_json::to_value(&job.phase).unwrap();
    let mut name = json["phase"].as_str().unwrap().to_owned();
    if !job.others.is_empty() {
        name.push_str(" +other");
    }
    if !job.claims.is_empty() {
        name.push_str(" +claim");
    }
    if !job.unproven.is_empty() {
        name.push_str(" +unproven");
    }
    name
}

#[test]
fn every_event_in_every_phase() {
    let jobs = jobs();
    let mut table = String::new();
    for (name, event) in events() {
        table.push_str(name);
        table.push('\n');
        for (before, job) in &jobs {
            let made = match job.step(AT_MS + 1, &event) {
                Step::Changed(next) => format!("→ {}", phase(&next)),
                Step::Unchanged => "unchanged".to_owned(),
                Step::Illegal => "ILLEGAL".to_owned(),
            };
            table.push_str(&format!("    {before:<12} {made}\n"));
        }
    }
    insta::assert_snapshot!(table);
}

/// Whatever the class: the first request may have been taken before any of these was said.
#[test]
fn no_refusal_of_a_repeat_takes_a_job_out_of_doubt() {
    use ResponseClass::{Refunded, RefusedJob, RefusedRun, StopForCredits, Wait, WaitLong};
    let repeating = after(&[intent(1), lost(1), Event::Repeated { attempt: 1 }]);
    for class in [
        RefusedJob,
        RefusedRun,
        StopForCredits,
        Wait,
        WaitLong,
        Refunded,
    ] {
        let Step::Changed(job) = repeating.step(AT_MS + 5, &refused(1, class)) else {
            panic!("{class:?} changes nothing");
        };
        let Phase::InDoubt {
            attempt: 1,
            since_ms,
            message,
            ..
        } = &job.phase
        else {
            panic!("{class:?} leads to {:?}", job.phase);
        };
        assert_eq!((*since_ms, job.reserved), (AT_MS, PRICE), "{class:?}");
        assert!(message.contains("400 no"), "{message}");
    }
}

#[test]
fn the_only_copy_of_an_id_outlives_a_repeat() {
    let said = Excerpt {
        text: r#"{"code":200,"data":"0123abcd"}"#.to_owned(),
        task_ids: vec!["0123abcd".into()],
    };
    let lost = |response| Event::Lost {
        attempt: 1,
        message: "lost".to_owned(),
        response,
    };
    let page = Excerpt {
        text: "<html>".to_owned(),
        task_ids: Vec::new(),
    };
    let intent = Event::Intent {
        attempt: 1,
        token: Token::from_text("secret"),
        credits: PRICE,
    };
    let mut job = Job::default();
    for event in [
        intent,
        lost(Some(said.clone())),
        Event::Repeated { attempt: 1 },
        lost(Some(page)),
        Event::Repeated { attempt: 1 },
        lost(None),
    ] {
        let Step::Changed(next) = job.step(1, &event) else {
            panic!("{event:?}")
        };
        job = next;
    }
    let Phase::InDoubt { response, .. } = job.phase else {
        panic!("{:?}", job.phase)
    };
    assert_eq!(response, Some(said));
}

/// A purchase that may have been made is remembered however many refusals follow it.
#[test]
fn refusals_never_push_out_what_may_have_been_bought() {
    let mut job = after(&[intent(1), lost(1), Event::BuyAgain { attempt: 1 }]);
    for attempt in 2..30 {
        for event in [intent(attempt), refused(attempt, ResponseClass::Wait)] {
            let Step::Changed(next) = job.step(AT_MS, &event) else {
                panic!("{event:?}");
            };
            job = next;
        }
    }
    assert_eq!(job.unproven.len(), 1 + REFUSED_ATTEMPTS);
    assert!(job.tokens().any(|(_, known)| *known == token(1)));

    let Step::Changed(job) = job.step(AT_MS, &claimed("task1")) else {
        panic!("the callback of the first attempt changes nothing");
    };
    assert!(matches!(job.phase, Phase::InDoubt { attempt: 1, .. }));
    assert_eq!((job.credits, job.reserved), (Credits::ZERO, PRICE));
}

#[test]
fn what_the_user_said_can_be_taken_back_with_its_cost() {
    let doubt = after(&[intent(1), lost(1)]);
    for said in [
        given("task1"),
        Event::NeverBought { attempt: 1 },
        Event::BuyAgain { attempt: 1 },
    ] {
        let mut job = doubt.clone();
        for event in [&said, &Event::Reopened { attempt: 1 }] {
            let Step::Changed(next) = job.step(AT_MS, event) else {
                panic!("{event:?}");
            };
            job = next;
        }
        assert!(matches!(job.phase, Phase::InDoubt { attempt: 1, .. }));
        assert_eq!(
            (job.credits, job.reserved),
            (Credits::ZERO, PRICE),
            "{said:?}"
        );
        assert!(job.unproven.is_empty() && !job.knows_task(&task_id("task1")));
    }
    // A task that fails was given for it all the same.
    let failed_task = after(&[intent(1), lost(1), given("task1"), failed(false)]);
    let Step::Changed(job) = failed_task.step(AT_MS, &Event::Reopened { attempt: 1 }) else {
        panic!("a failed task can't be taken back");
    };
    assert_eq!(
        (job.failed_tasks, job.credits, job.reserved),
        (0, Credits::ZERO, PRICE)
    );
}

#[test]
fn a_refusal_that_a_callback_contradicts_leaves_the_job_in_doubt() {
    let job = after(&[
        intent(1),
        claimed("task1"),
        refused(1, ResponseClass::RefusedJob),
    ]);
    assert!(matches!(job.phase, Phase::InDoubt { attempt: 1, .. }));
}

#[test]
fn the_id_in_the_response_comes_before_one_that_a_callback_named() {
    let called = Event::Accepted {
        attempt: 1,
        task_id: task_id("task2"),
        via: Via::Callback,
    };
    let job = after(&[intent(1), called, accepted(1, "task1")]);
    assert_eq!(job.task().unwrap().id.as_str(), "task1");
    assert_eq!(job.others[0].id.as_str(), "task2");
}

/// A ledger of format 1, in which the refusal of a repeat was taken as a proof.
#[test]
fn an_old_purchase_after_a_refused_repeat_can_be_replayed() {
    let mut job = Job::default();
    for event in [
        intent(1),
        lost(1),
        Event::Repeated { attempt: 1 },
        refused(1, ResponseClass::RefusedJob),
        intent(2),
        accepted(2, "task2"),
    ] {
        job.replay(AT_MS, &event);
    }
    assert_eq!(job.task().unwrap().id.as_str(), "task2");
    assert!(job.tokens().any(|(_, known)| *known == token(1)));
}

/// What a step processes can be lost after an attempt that the user settled.
#[test]
fn a_purchase_that_comes_to_light_after_a_veto_is_followed() {
    let vetoed = [
        intent(1),
        lost(1),
        Event::NeverBought { attempt: 1 },
        Event::InputMissing {
            message: "it is gone".to_owned(),
        },
    ];
    let mut job = after(&vetoed);
    assert!(matches!(job.phase, Phase::Vetoed { .. }));
    let doubt = job.step(AT_MS, &claimed("task1"));
    assert!(matches!(doubt, Step::Changed(job) if matches!(job.phase, Phase::InDoubt { .. })));
    job.replay(AT_MS, &accepted(1, "task1"));
    assert_eq!(
        (job.task().unwrap().id.as_str(), job.credits),
        ("task1", PRICE)
    );
}

#[test]
fn an_attempt_that_names_a_known_task_bought_nothing_new() {
    let settled = [intent(1), lost(1), Event::NeverBought { attempt: 1 }];
    let mut beside = after(&settled);
    for event in [intent(2), accepted(1, "task1")] {
        beside.replay(AT_MS, &event);
    }
    assert_eq!(beside.others.len(), 1);
    let mut ended = after(&settled);
    for event in [accepted(1, "task1"), failed(false), intent(2)] {
        ended.replay(AT_MS, &event);
    }
    for mut job in [beside, ended] {
        assert_eq!((job.credits, job.reserved), (PRICE, PRICE));
        job.replay(AT_MS, &accepted(2, "task1"));
        assert_eq!((job.credits, job.reserved), (PRICE, Credits::ZERO));
        match &job.phase {
            Phase::Running(task) => assert_eq!((task.id.as_str(), task.attempt), ("task1", 1)),
            Phase::Failed(failure) => assert_eq!(failure.cause, Cause::Task),
            phase => panic!("{phase:?}"),
        }
        assert!(job.tokens().any(|(attempt, _)| attempt == 2));
    }
}
